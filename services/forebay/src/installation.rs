//! The `installation` verbs: the broker and queues of the installation, and a move to others.

use crate::args::Installation;
use crate::change::confirmed;
use crate::error::Error;
use crate::output::{Output, note};
use forebay_broker::Broker;
use forebay_operations::{Actor, Adopted, Adoption, InstallationCheck};
use forebay_runtime::settings::Settings;
use serde_json::{Value, json};
use std::io::IsTerminal;

/// `forebay installation ...`: uses the database and the broker of the settings, regardless of FOREBAY_API_URL.
pub(crate) async fn perform(output: &Output, settings: &Settings, command: Installation) -> Result<(), Error> {
    let check = InstallationCheck::new(Broker::from(settings), crate::client_store(settings).await?);
    let adoption = check.adoption().await?;
    match command {
        Installation::Show => output.one(&shown(&adoption), &object(&adoption)),
        Installation::Adopt { yes } => adopt(output, &check, &adoption, yes).await,
    }
}

async fn adopt(output: &Output, check: &InstallationCheck, adoption: &Adoption, yes: bool) -> Result<(), Error> {
    if adoption.is_in_place() {
        return output.one("these are the installation's broker and settings already", &object(adoption));
    }
    if !yes {
        if !std::io::stdin().is_terminal() {
            let text = "there is no terminal to ask on, so nothing was changed: add --yes to adopt without asking";
            return Err(Error::Usage(text.to_owned()));
        }
        let live = match adoption.live_workers {
            1 => "1 worker is live".to_owned(),
            workers => format!("{workers} workers are live"),
        };
        let question = format!(
            "{}\n{live}. Messages at an earlier broker stay there and are not run. Use the broker at {} with these \
             settings from now on? [y/N]",
            shown(adoption),
            adoption.broker
        );
        if !confirmed(&question)? {
            return Err(Error::Failed("nothing was changed".to_owned()));
        }
    }
    if adoption.is_move() {
        note("looking for messages that would be left behind; this takes about 15 seconds");
    }
    let Adopted { now, mark_left } = check.adopt(&Actor::host(&crate::api::author()), adoption).await?;
    if let Some(why) = mark_left {
        note(&format!("warning: adopted; the earlier mark could not be removed from the broker, where it does no harm: {why}"));
    }
    output.one(&format!("adopted\n{}", shown(&now)), &object(&now))
}

fn shown(adoption: &Adoption) -> String {
    let Adoption { stored, here, broker, is_marked, is_closed, .. } = adoption;
    let marked = match (is_marked, is_closed) {
        (true, _) => "has the installation's mark",
        (false, true) => "is closed by an adopt that did not end: run it again, or with the services' settings",
        (false, false) => "does not have the installation's mark",
    };
    let rows = [
        ("queue prefix", stored.as_ref().map(|place| format!("{:?}", place.queue_prefix)), format!("{:?}", here.queue_prefix)),
        ("shared queues", stored.as_ref().map(|place| place.shared_queues.to_string()), here.shared_queues.to_string()),
    ];
    let rows = rows.map(|(what, stored, here)| {
        let difference = if stored.as_ref().is_some_and(|stored| *stored != here) { "  differs" } else { "" };
        (what, stored.unwrap_or_else(|| "not registered".to_owned()), here, difference)
    });
    let width = rows.iter().map(|(_, stored, ..)| stored.chars().count()).max().unwrap_or_default().max("installation".len());
    let mut text = format!("{:<16} {:<width$}  here", "", "installation");
    for (what, stored, here, difference) in rows {
        text.push_str(&format!("\n{what:<16} {stored:<width$}  {here}{difference}"));
    }
    text.push_str(&format!("\n{:<16} {broker} {marked}", "broker"));
    if !adoption.is_in_place() {
        text.push_str("\nServices with these settings do not use this broker: set what the installation has, or see `forebay installation adopt --help`.");
    }
    text
}

fn object(adoption: &Adoption) -> Value {
    let Adoption { stored, here, broker, is_marked, is_closed, live_workers } = adoption;
    json!({
        "queuePrefix": stored.as_ref().map(|place| &place.queue_prefix),
        "sharedQueues": stored.as_ref().map(|place| place.shared_queues),
        "mark": stored.as_ref().map(|place| place.mark.to_string()),
        "here": { "queuePrefix": here.queue_prefix, "sharedQueues": here.shared_queues, "broker": broker, "isMarked": is_marked, "isClosed": is_closed },
        "liveWorkers": live_workers,
    })
}

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
        return output.one("no change: the installation already has this broker and these settings", &object(adoption));
    }
    if !yes {
        if !std::io::stdin().is_terminal() {
            let text = "nothing was changed, because there is no terminal for the confirmation: add --yes";
            return Err(Error::Usage(text.to_owned()));
        }
        let live = match adoption.live_workers {
            1 => "1 worker runs".to_owned(),
            workers => format!("{workers} workers run"),
        };
        let question = format!(
            "{}\n{live}. Messages at an earlier broker stay there and do not run. Register the broker at {} and these \
             settings for the installation? [y/N]",
            shown(adoption),
            adoption.broker
        );
        if !confirmed(&question)? {
            return Err(Error::Failed("nothing was changed".to_owned()));
        }
    }
    if adoption.is_move() {
        note("checking for messages in queues that would no longer be read; this takes about 15 seconds");
    }
    let Adopted { now, mark_left } = check.adopt(&Actor::host(&crate::api::author()), adoption).await?;
    if let Some(reason) = mark_left {
        note(&format!("warning: the earlier mark could not be removed from the broker; it has no effect: {reason}"));
    }
    output.one(&format!("adopted\n{}", shown(&now)), &object(&now))
}

fn shown(adoption: &Adoption) -> String {
    let Adoption { stored, here, broker, is_marked, is_closed, .. } = adoption;
    let marked = match (is_marked, is_closed) {
        (true, _) => "has the installation's mark",
        (false, true) => "is closed by an interrupted adopt: run adopt again with the same settings, or with those of the services",
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
        text.push_str("\nServices with these settings do not use this broker: use the installation's settings, or see `forebay installation adopt --help`.");
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

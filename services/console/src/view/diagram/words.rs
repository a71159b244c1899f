//! The texts in the boxes.

use forebay_contract::definition::{Definition, DispatchPolicy, OnError, Status, Step, Trigger};
use forebay_contract::format_duration;

/// The texts of a box.
pub(super) struct Words {
    pub(super) kind: &'static str,
    pub(super) title: String,
    /// A description, in the words of the definition.
    pub(super) about: String,
    /// The text at the right edge; empty: none.
    pub(super) aside: &'static str,
}

/// Returns the first line, cut to this many characters.
pub(super) fn cut(text: &str, max_length: usize) -> String {
    let mut lines = text.trim().lines();
    let line = lines.next().unwrap_or_default();
    let is_whole = line.chars().count() <= max_length && lines.next().is_none();
    if is_whole { line.to_owned() } else { line.chars().take(max_length.saturating_sub(1)).collect::<String>() + "…" }
}

pub(super) fn trigger(definition: &Definition) -> Words {
    match &definition.trigger {
        Trigger::Webhook(webhook) => {
            let methods: Vec<&str> = webhook.methods.iter().map(|method| method.as_str()).collect();
            let mut about = vec![webhook.authentication.to_string()];
            about.extend(policy(&webhook.policy));
            about.extend(webhook.response.map(|response| format!("responds in {}", format_duration(response.wait))));
            let title = format!("{} /{}", methods.join(" "), definition.path());
            Words { kind: "webhook", title, about: about.join(" · "), aside: if definition.enabled { "" } else { "OFF" } }
        }
        Trigger::Schedule(schedule) => {
            let about = policy(&schedule.policy).unwrap_or_else(|| "runs may overlap".to_owned());
            Words { kind: "schedule", title: schedule.timing.to_string(), about, aside: if definition.enabled { "" } else { "OFF" } }
        }
    }
}

fn policy(policy: &DispatchPolicy) -> Option<String> {
    match policy {
        DispatchPolicy::Parallel => None,
        DispatchPolicy::Ordered => Some("ordered".to_owned()),
        DispatchPolicy::OrderedByKey { by, .. } => Some(format!("ordered by {by}")),
        DispatchPolicy::ConcurrencyLimit(limit) => Some(format!("{limit} in parallel")),
    }
}

pub(super) fn input(source: &str) -> Words {
    Words { kind: "input", title: "Data processing".to_owned(), about: source.to_owned(), aside: "" }
}

/// Describes the response; `None` for a schedule.
pub(super) fn response(definition: &Definition) -> Option<Words> {
    let about = match &definition.respond {
        None => "the last output".to_owned(),
        Some(respond) => respond.body.clone().unwrap_or_else(|| "the last output".to_owned()),
    };
    let status = match definition.respond.as_ref().map(|respond| &respond.status) {
        None => "200".to_owned(),
        Some(Status::Fixed(status)) => status.to_string(),
        Some(Status::Mapping(source)) => source.clone(),
    };
    let is_awaited = definition.trigger.webhook().is_some_and(|webhook| webhook.response.is_some());
    (is_awaited || definition.respond.is_some()).then(|| Words { kind: "respond", title: format!("Responds {status}"), about, aside: "" })
}

pub(super) fn step(step: &Step) -> Words {
    let mut about = step.action.summary();
    if let Some(when) = &step.when {
        about = format!("if {when}");
    }
    let aside = match (&step.on_error, &step.retry) {
        (OnError::Continue, _) => "continues after errors",
        (_, Some(_)) => "retried",
        _ => "",
    };
    Words { kind: step.action.kind(), title: step.id.clone(), about, aside }
}

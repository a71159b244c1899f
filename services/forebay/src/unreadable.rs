//! The `unreadable` verbs: messages that no worker could read.

use crate::api::Api;
use crate::args::Unreadable;
use crate::change::confirmed;
use crate::error::Error;
use crate::output::{Output, Row};
use crate::shown::text;
use serde_json::{Value, json};
use std::io::IsTerminal;

/// `forebay unreadable ...`.
pub(crate) async fn perform(output: &Output, api: &Api, command: Unreadable) -> Result<(), Error> {
    match command {
        Unreadable::List => {
            let page = api.get("unreadable", &[]).await?;
            let rows = page["items"].as_array().into_iter().flatten().cloned().map(row).collect();
            output.listing(&["id", "queue", "message", "type", "bytes", "reason"], rows, "no unreadable messages")
        }
        Unreadable::Return { id } => {
            let returned = api.post(&format!("unreadable/{id}/return"), &json!({})).await?;
            output.one(&format!("{id} is back in its queue"), &returned)
        }
        Unreadable::Discard { id, yes } => {
            if !yes && !std::io::stdin().is_terminal() {
                let text = "there is no terminal to ask on, so nothing was discarded: add --yes to discard without asking";
                return Err(Error::Usage(text.to_owned()));
            }
            if !yes && !confirmed(&format!("Discard {id}? What it asked for is never done. [y/N]"))? {
                return Err(Error::Failed("nothing was discarded".to_owned()));
            }
            api.post(&format!("unreadable/{id}/discard"), &json!({})).await?;
            output.one(&format!("discarded {id}"), &json!({ "id": id, "deleted": true }))
        }
    }
}

fn row(message: Value) -> Row {
    let fields = ["id", "queue", "messageId", "contentType", "size", "reason"];
    Row { cells: fields.iter().map(|field| text(&message, field)).collect(), object: message }
}

//! The `unreadable` verbs: messages that no worker could read.

use crate::api::Api;
use crate::args::Unreadable;
use crate::change::confirmed;
use crate::error::Error;
use crate::output::{Output, Row};
use crate::shown::or_empty;
use forebay_admin_api::unreadable::UnreadableMessage;
use serde_json::json;
use std::io::IsTerminal;

/// `forebay unreadable ...`.
pub(crate) async fn perform(output: &Output, api: &Api, command: Unreadable) -> Result<(), Error> {
    match command {
        Unreadable::List => {
            let rows = api.unreadable_messages().await?.into_iter().map(row).collect();
            output.listing(&["id", "queue", "message", "type", "bytes", "reason"], rows, "no unreadable messages")
        }
        Unreadable::Return { id } => {
            let returned = api.return_unreadable(&id).await?;
            output.one(&format!("returned {id} to its queue"), &returned)
        }
        Unreadable::Discard { id, yes } => {
            if !yes && !std::io::stdin().is_terminal() {
                let text = "nothing was discarded, because there is no terminal for the confirmation: add --yes";
                return Err(Error::Usage(text.to_owned()));
            }
            if !yes && !confirmed(&format!("Discard {id}? Its execution will not run. [y/N]"))? {
                return Err(Error::Failed("nothing was discarded".to_owned()));
            }
            api.discard_unreadable(&id).await?;
            output.one(&format!("discarded {id}"), &json!({ "id": id, "deleted": true }))
        }
    }
}

fn row(message: UnreadableMessage) -> Row<UnreadableMessage> {
    let cells = vec![
        message.id.clone(),
        or_empty(message.queue.as_ref()),
        or_empty(message.message_id.as_ref()),
        or_empty(message.content_type.as_ref()),
        message.size.to_string(),
        message.reason.clone(),
    ];
    Row { cells, object: message }
}

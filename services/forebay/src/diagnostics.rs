//! The `diagnostics` verbs.

use crate::api::Api;
use crate::args::Diagnostics;
use crate::error::Error;
use crate::output::{Output, Row};
use crate::shown::{path, text};
use forebay_contract::format_duration;
use serde_json::{Value, json};

/// `forebay diagnostics ...`.
pub(crate) async fn perform(output: &Output, api: &Api, command: Diagnostics) -> Result<(), Error> {
    match command {
        Diagnostics::On { path, time } => {
            let on = api.put(&format!("diagnostics/{path}"), &json!({ "for": format_duration(time) })).await?;
            output.one(&format!("{path}: everything is recorded until {}", text(&on, "until")), &on)
        }
        Diagnostics::Off { path } => {
            let off = api.delete(&format!("diagnostics/{path}")).await?;
            let text = if off["wasOn"] == true { "diagnostics are off" } else { "diagnostics were off" };
            output.one(&format!("{path}: {text}"), &off)
        }
        Diagnostics::List { tenant } => {
            let rows = api.list("diagnostics", &[("tenant", tenant.map(|tenant| tenant.to_string()))]).await?;
            output.listing(&["integration", "until", "since", "by"], rows.into_iter().map(row).collect(), "diagnostics are off everywhere")
        }
    }
}

fn row(diagnosis: Value) -> Row {
    let cells = vec![path(&diagnosis), text(&diagnosis, "until"), text(&diagnosis, "since"), text(&diagnosis, "by")];
    Row { cells, object: diagnosis }
}

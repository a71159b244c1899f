//! The `pause` and `resume` verbs of triggers, connections and tenants.

use crate::api::Api;
use crate::args::PauseOptions;
use crate::error::Error;
use crate::output::Output;
use forebay_admin_api::Time;
use forebay_admin_api::triggers::PauseRequest;

/// Pauses a target. `address` is its path in the API, and `shown` its name for people.
pub(crate) async fn pause(output: &Output, api: &Api, address: &str, shown: &str, options: PauseOptions) -> Result<(), Error> {
    let request = PauseRequest { reason: options.reason, until: options.until.map(Time::from) };
    let paused = api.pause(address, &request).await?;
    let until = paused.until.as_ref().map_or_else(|| "until it is resumed".to_owned(), |until| format!("until {}", until.to_second()));
    output.one(&format!("{shown} is paused {until}: calls are accepted and queued, and none starts"), &paused)
}

/// Resumes a connection or a tenant; the parameters are those of [`pause`].
pub(crate) async fn resume(output: &Output, api: &Api, address: &str, shown: &str) -> Result<(), Error> {
    let resumed = api.resume(address).await?;
    let text = if resumed.was_paused { "is resumed: the queued calls run" } else { "was not paused" };
    output.one(&format!("{shown} {text}"), &resumed)
}

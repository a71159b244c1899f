//! One run at once, because a person asks for it.

use crate::publish::envelope;
use forebay_broker::{Limits, PublishError, PublisherConfig, Topology, publish_once};
use forebay_contract::{ExecutionId, IdIssuer, IntegrationPath};
use forebay_runtime::settings::Settings;
use forebay_store::{Store, StoreError};

/// Why there was no run.
#[derive(Debug, thiserror::Error)]
pub enum RunNowError {
    /// The integration is started by calls.
    #[error("{0} has no schedule: it is started by calls")]
    NoSchedule(IntegrationPath),
    /// A disabled integration has no runs.
    #[error("{0} is disabled: apply it with `enabled: true` first")]
    Disabled(IntegrationPath),
    /// The operating system gave no random bytes.
    #[error("no execution id could be made: the operating system gave no random bytes")]
    Id,
    /// The broker did not take the run.
    #[error("the run could not be published{}", if .0.may_be_delivered() { ", though it may be delivered" } else { "" })]
    Publish(#[from] PublishError),
    /// The store refused or is away.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Publishes one run that is due now, and gives its execution id once the broker has confirmed it. The schedule's own runs stay as they
/// are; an ordered schedule's run waits its turn.
///
/// # Errors
/// [`RunNowError`].
pub async fn run_now(settings: &Settings, store: &Store, path: &IntegrationPath) -> Result<ExecutionId, RunNowError> {
    let integration = store.integration(path).await?;
    let Some(schedule) = integration.definition.trigger.schedule() else { return Err(RunNowError::NoSchedule(path.clone())) };
    if !integration.definition.enabled {
        return Err(RunNowError::Disabled(path.clone()));
    }
    let ids = IdIssuer::new(&store.id_key().await?);
    let id = ids.issue(integration.id).map_err(|_| RunNowError::Id)?;
    let envelope = envelope(&integration, schedule, id, id.issued_at_millis(), false);
    let (config, topology) = broker(settings, "forebay command");
    publish_once(config, &topology, &envelope, &schedule.delivery).await?;
    Ok(id)
}

/// How runs are published, and where to.
pub(crate) fn broker(settings: &Settings, name: &str) -> (PublisherConfig, Topology) {
    let limits = Limits { max_length: settings.queue_max_length, max_bytes: settings.queue_max_bytes };
    let topology = Topology::new(&settings.queue_prefix, settings.lanes, limits);
    let config = PublisherConfig {
        url: settings.amqp_url.expose().to_owned(),
        name: name.to_owned(),
        // Runs are few; one channel also keeps the order of each schedule.
        channels: 1,
        confirm_timeout: settings.confirm_timeout,
    };
    (config, topology)
}

//! The state of alert rules that the scheduler reads and writes. One scheduler at a time has a rule, for the time of its claim.

use crate::database::change_transaction::{ChangeTransaction, NO_PART};
use crate::database::pool::Store;
use crate::database::row::ReadRow;
use crate::database::text::bounded_message;
use crate::database::timestamp::Timestamp;
use crate::database::word::{Stored, words};
use crate::error::StoreError;
use crate::triggers::alerts::read_alert;
use deadpool_postgres::GenericClient;
use forebay_contract::UnixMicros;
use forebay_contract::alert::{Alert, Notification};
use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;
use tokio_postgres::Row;
use uuid::Uuid;

/// An alert rule that is due for an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct DueAlert {
    /// Its id.
    pub id: Uuid,
    /// The rule.
    pub alert: Alert,
    /// Counts changes of the rule.
    pub revision: i32,
    /// The database's clock.
    pub now: UnixMicros,
    /// Notifications so far.
    pub number: i64,
    /// The time at which the last notification was written.
    pub notified_at: Option<UnixMicros>,
    /// The time at which the last notification that reminds was written.
    pub reminded_at: Option<UnixMicros>,
    /// The notification that has not been sent on every channel.
    pub pending: Option<Notification>,
    /// The channels on which it has been sent.
    pub delivered: Vec<String>,
    /// Attempts to send it.
    pub attempts: i32,
    /// The time of the next attempt.
    pub try_at: Option<UnixMicros>,
    /// The state for each integration.
    pub states: Vec<AlertState>,
}

words! {
    /// The state of an alert for an integration.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum AlertPhase {
        /// It is not raised.
        Clear = "clear",
        /// It is raised.
        Raised = "raised",
        /// Its condition does not hold any more, and no notification has said so.
        Over = "over",
    }
}

/// The state of an alert rule for one integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertState {
    /// The integration.
    pub integration: Uuid,
    /// The phase.
    pub phase: AlertPhase,
    /// The time of its first evaluation.
    pub watched_since: UnixMicros,
    /// The time since which messages wait that no worker has in hand; `None`: none wait.
    pub waiting_since: Option<UnixMicros>,
    /// The time at which it was raised last.
    pub raised_at: Option<UnixMicros>,
    /// The time since which it is raised and its condition does not hold.
    pub clear_since: Option<UnixMicros>,
    /// The time of the notification that it is raised.
    pub notified_at: Option<UnixMicros>,
    /// The time at which it was resolved last.
    pub over_at: Option<UnixMicros>,
    /// Number of times that the condition returned soon after the alert was resolved.
    pub flaps: i32,
    /// The measured values, as a sentence.
    pub detail: String,
}

/// The result of an evaluation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AlertEvaluation {
    /// States that are new or have changed.
    pub changed: Vec<AlertState>,
    /// Integrations that are not watched any more.
    pub forgotten: Vec<Uuid>,
    /// The notification to send, with whether it reminds; `None`: none is due.
    pub notification: Option<(Notification, bool)>,
}

/// The result of sending a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationResult {
    /// The number of the notification.
    pub number: i64,
    /// All channels on which it has been sent.
    pub delivered: Vec<String>,
    /// The error of the other channels, and the time until the next attempt; `None`: it has been sent on every channel.
    pub failed: Option<(String, Duration)>,
}

impl Store {
    /// Claims up to `max` rules that are due; each is due again after `interval`. No other scheduler gets them until they are
    /// [released](Store::release_alert), or for `lease`, in case this one ends.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn claim_alerts(&self, me: Uuid, max: u32, interval: Duration, lease: Duration) -> Result<Vec<DueAlert>, StoreError> {
        let operation = "claim alerts";
        let failed = StoreError::during(operation);
        let client = self.client(operation).await?;
        let sql = "with due as (
                       select id from alert_rules
                       where enabled and look_at <= now() and (claimed_until is null or claimed_until < now())
                       order by look_at limit $2 for update skip locked)
                   update alert_rules a set claimed_by = $1, claimed_until = now() + $3 * interval '1 second',
                       look_at = now() + $4 * interval '1 second'
                   from due where a.id = due.id
                   returning a.id, a.document::text as document, a.revision, now() as now, a.number, a.told_at, a.reminded_at,
                       a.pending::text as pending, a.delivered,
                       a.attempts, a.try_at, a.tenant, a.name";
        let statement = client.prepare_cached(sql).await.map_err(failed)?;
        let parameters = (i64::from(max), lease.as_secs_f64(), interval.as_secs_f64());
        let rows = client.query(&statement, &[&me, &parameters.0, &parameters.1, &parameters.2]).await.map_err(failed)?;
        let mut due = Vec::with_capacity(rows.len());
        for row in &rows {
            match due_alert(row) {
                Ok(alert) => due.push(alert),
                Err(error) => {
                    let (tenant, name): (&str, &str) = (row.get("tenant"), row.get("name"));
                    tracing::error!(alert.tenant = tenant, alert.name = name, %error, "an alert rule is not evaluated: it cannot be read");
                }
            }
        }
        let mut states = read_states(&client, &due).await?;
        for alert in &mut due {
            alert.states = states.remove(&alert.id).unwrap_or_default();
        }
        Ok(due)
    }

    /// Stores the result of an evaluation, before anything is sent. `false`: the rule was changed, or another scheduler has claimed it, and
    /// nothing was stored.
    ///
    /// # Errors
    /// Those of the database; then nothing is written.
    pub async fn save_alert_evaluation(&self, me: Uuid, due: &DueAlert, evaluation: &AlertEvaluation) -> Result<bool, StoreError> {
        let operation = "store the evaluation of an alert rule";
        let failed = StoreError::during(operation);
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, NO_PART).await?;
        let sql = "select 1 from alert_rules where id = $1 and claimed_by = $2 and claimed_until > now() and revision = $3 for update";
        if transaction.query_opt(sql, &[&due.id, &me, &due.revision]).await.map_err(failed)?.is_none() {
            return Ok(false);
        }
        if let Some((notification, reminds)) = &evaluation.notification {
            let sql = "update alert_rules set number = $2, told_at = $3, reminded_at = case when $4 then $3 else reminded_at end,
                           pending = $5::text::json, delivered = '{}', attempts = 0, try_at = null
                       where id = $1";
            let pending = notification.to_stored().to_string();
            transaction
                .execute(sql, &[&due.id, &notification.number, &Timestamp(notification.at), reminds, &pending])
                .await
                .map_err(failed)?;
        }
        let sql = "delete from alert_states where rule_id = $1 and integration_id = any($2)";
        transaction.execute(sql, &[&due.id, &evaluation.forgotten]).await.map_err(failed)?;
        for state in &evaluation.changed {
            write_state(&*transaction, due.id, state).await?;
        }
        transaction.commit_unaudited().await?;
        Ok(true)
    }

    /// Stores the result of sending a notification.
    ///
    /// # Errors
    /// Those of the database; then the message is sent again, under the same number.
    pub async fn record_notification(&self, id: Uuid, result: &NotificationResult) -> Result<(), StoreError> {
        let operation = "store the result of a notification";
        let client = self.client(operation).await?;
        let sql = "update alert_rules set delivered = $3, pending = case when $4::text is null then null else pending end,
                       attempts = case when $4 is null then 0 else attempts + 1 end, try_at = now() + $5 * interval '1 second',
                       sent_at = case when $4 is null then now() else sent_at end, error = $4,
                       error_at = case when $4 is null then null else now() end
                   where id = $1 and number = $2 and pending is not null";
        let error = result.failed.as_ref().map(|(error, _)| bounded_message(error));
        let pause = result.failed.as_ref().map(|(_, pause)| pause.as_secs_f64());
        let written = client.execute(sql, &[&id, &result.number, &result.delivered, &error, &pause]).await;
        written.map(drop).map_err(StoreError::during(operation))
    }

    /// Releases a claimed rule.
    ///
    /// # Errors
    /// Those of the database; then it is free when the claim has ended.
    pub async fn release_alert(&self, me: Uuid, id: Uuid) -> Result<(), StoreError> {
        let operation = "release an alert";
        let client = self.client(operation).await?;
        let sql = "update alert_rules set claimed_until = null where id = $1 and claimed_by = $2";
        client.execute(sql, &[&id, &me]).await.map(drop).map_err(StoreError::during(operation))
    }

    /// Returns the time of receipt of the last recorded execution of each of these integrations. Those that have none are left out.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn last_accepted(&self, integrations: &[Uuid]) -> Result<HashMap<Uuid, UnixMicros>, StoreError> {
        let operation = "read the last executions";
        let failed = StoreError::during(operation);
        let client = self.client(operation).await?;
        let sql = "select requested.id, e.accepted_at from unnest($1::uuid[]) as requested (id) cross join lateral (
                       select accepted_at from executions where integration_id = requested.id order by id desc limit 1) e";
        let statement = client.prepare_cached(sql).await.map_err(failed)?;
        let rows = client.query(&statement, &[&integrations]).await.map_err(failed)?;
        Ok(rows.iter().map(|row| (row.get("id"), row.time("accepted_at"))).collect())
    }
}

fn due_alert(row: &Row) -> Result<DueAlert, StoreError> {
    let pending: Option<Value> = row.get::<_, Option<&str>>("pending").and_then(|text| serde_json::from_str(text).ok());
    Ok(DueAlert {
        id: row.get("id"),
        alert: read_alert(row.get("document"))?.0,
        revision: row.get("revision"),
        now: row.time("now"),
        number: row.get("number"),
        notified_at: row.optional_time("told_at"),
        reminded_at: row.optional_time("reminded_at"),
        pending: pending.as_ref().and_then(Notification::from_stored),
        delivered: row.get("delivered"),
        attempts: row.get("attempts"),
        try_at: row.optional_time("try_at"),
        states: Vec::new(),
    })
}

async fn read_states(client: &impl GenericClient, due: &[DueAlert]) -> Result<HashMap<Uuid, Vec<AlertState>>, StoreError> {
    let ids: Vec<Uuid> = due.iter().map(|alert| alert.id).collect();
    let sql = "select rule_id, integration_id, phase, watched_since, waiting_since, raised_at, clear_since, told_at, over_at, flaps, detail
               from alert_states where rule_id = any($1) order by integration_id";
    let rows = client.query(sql, &[&ids]).await.map_err(StoreError::during("read the states of alerts"))?;
    let mut states: HashMap<Uuid, Vec<AlertState>> = HashMap::new();
    for row in &rows {
        states.entry(row.get("rule_id")).or_default().push(AlertState {
            integration: row.get("integration_id"),
            phase: row.word("alert_states", "phase")?,
            watched_since: row.time("watched_since"),
            waiting_since: row.optional_time("waiting_since"),
            raised_at: row.optional_time("raised_at"),
            clear_since: row.optional_time("clear_since"),
            notified_at: row.optional_time("told_at"),
            over_at: row.optional_time("over_at"),
            flaps: row.get("flaps"),
            detail: row.get("detail"),
        });
    }
    Ok(states)
}

async fn write_state(client: &impl GenericClient, rule: Uuid, state: &AlertState) -> Result<(), StoreError> {
    // The integration may have been deleted meanwhile.
    let sql = "insert into alert_states (rule_id, integration_id, phase, watched_since, waiting_since, raised_at, clear_since, told_at,
                   over_at, flaps, detail)
               select $1, i.id, $3, $4, $5, $6, $7, $8, $9, $10, $11 from integrations i where i.id = $2
               on conflict (rule_id, integration_id) do update set phase = excluded.phase, watched_since = excluded.watched_since,
                   waiting_since = excluded.waiting_since, raised_at = excluded.raised_at, clear_since = excluded.clear_since,
                   told_at = excluded.told_at, over_at = excluded.over_at, flaps = excluded.flaps, detail = excluded.detail";
    let time = |time: Option<UnixMicros>| time.map(Timestamp);
    client
        .execute(
            sql,
            &[
                &rule,
                &state.integration,
                &Stored(state.phase),
                &Timestamp(state.watched_since),
                &time(state.waiting_since),
                &time(state.raised_at),
                &time(state.clear_since),
                &time(state.notified_at),
                &time(state.over_at),
                &state.flaps,
                &bounded_message(&state.detail),
            ],
        )
        .await
        .map_err(StoreError::during("write the state of an alert"))?;
    Ok(())
}

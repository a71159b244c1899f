//! Triggers that stop at a failure until a person decides.

use crate::cluster::workers::WORKER_TTL;
use crate::database::audit_event::{AuditAction, AuditEvent, Principal};
use crate::database::change_transaction::{ChangeTransaction, Part};
use crate::database::pool::Store;
use crate::database::row::ReadRow;
use crate::database::text::bounded_message;
use crate::database::timestamp::Timestamp;
use crate::database::word::{Stored, words};
use crate::definitions::integrations::read_definition;
use crate::definitions::trigger_kind::{TriggerKind, policy};
use crate::error::StoreError;
use crate::history::record::accepted_at;
use crate::triggers::pauses::{self, Paused, Subject};
use deadpool_postgres::Transaction;
use forebay_contract::outcome::ExecutionError;
use forebay_contract::{ExecutionId, IntegrationPath, Name, UnixMicros};
use serde_json::{Value, json};
use std::collections::HashMap;
use tokio_postgres::Row;
use uuid::Uuid;

words! {
    /// The decision of a person about a halted trigger.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
    #[serde(rename_all = "lowercase")]
    pub enum Decision {
        /// The failed execution is run again, then the ones after it.
        Resume = "resume",
        /// The failed execution stays failed, and the ones after it are run.
        Skip = "skip",
    }
}

/// The effect of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecisionEffect {
    /// The worker that holds the trigger's queue carries it out.
    Pending,
    /// The execution at which the trigger halted has succeeded, or was skipped, meanwhile: the trigger runs already.
    Cleared,
}

impl DecisionEffect {
    /// The word used in the API and the command.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Cleared => "cleared",
        }
    }
}

/// The state of a trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriggerState {
    /// Its phase.
    pub phase: TriggerPhase,
    /// The unique part of the id of the execution that failed.
    pub execution_id: Option<Uuid>,
    /// The reason for which it failed.
    pub error: Option<ExecutionError>,
    /// The time since which it has this phase.
    pub since: UnixMicros,
    /// The decision of a person, until the worker takes it with [`Store::clear_halt`]; `None`: there is none.
    pub decision: Option<Decision>,
}

words! {
    /// The phase of a trigger.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
    #[serde(rename_all = "lowercase")]
    pub enum TriggerPhase {
        /// Executions start.
        Running = "running",
        /// Calls are accepted, and no execution starts until it is resumed.
        Paused = "paused",
        /// No execution starts until a person decides.
        Halted = "halted",
    }
}

/// One trigger in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriggerRow {
    /// Its tenant.
    pub tenant: String,
    /// Its integration's name.
    pub name: String,
    /// The integration's id.
    pub integration_id: Uuid,
    /// The kind of the trigger.
    pub kind: TriggerKind,
    /// Its dispatch policy: [`SHARED_QUEUE_POLICY`](crate::SHARED_QUEUE_POLICY), `serial`, `by key (N)` or `parallel N`.
    pub policy: String,
    /// True if it accepts calls.
    pub enabled: bool,
    /// Its phase. A halted trigger may be paused as well.
    pub state: TriggerPhase,
    /// The pause for which no execution starts; `None`: it is not paused.
    pub paused: Option<Paused>,
    /// The time at which it halted; `None`: it is not halted.
    pub since: Option<UnixMicros>,
    /// The execution at which it halted.
    pub execution_id: Option<ExecutionId>,
    /// The reason for which that failed.
    pub error: Option<String>,
    /// The name of the live worker that holds its exclusive queue.
    pub worker: Option<String>,
}

impl Store {
    /// Halts a trigger at an execution that failed. A trigger that is halted at another one already stays halted at that one, whose decision
    /// comes first (only triggers ordered by key run several at once). Halting again at the same execution asks for
    /// a new decision: the one made before led here. `false`: the execution has succeeded meanwhile, in another worker, so there is nothing
    /// to decide.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown integration, and those of the database.
    pub async fn halt_trigger(&self, integration_id: Uuid, execution: &ExecutionId, error: &ExecutionError) -> Result<bool, StoreError> {
        let operation = "halt a trigger";
        let failed = StoreError::during(operation);
        let error = ExecutionError { message: bounded_message(&error.message).into_owned(), ..error.clone() };
        let error = serde_json::to_string(&error).unwrap_or_default();
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, &[Part::Triggers]).await?;
        let sql = "select 1 from executions where id = $1 and accepted_at = $2 and status = 'succeeded'";
        let accepted_at = Timestamp(accepted_at(execution));
        if transaction.query_opt(sql, &[&execution.unique(), &accepted_at]).await.map_err(failed)?.is_some() {
            return Ok(false);
        }
        let sql = "insert into trigger_states as stored (integration_id, state, execution_id, error, since)
                   select id, 'halted', $2, $3::text::json, now() from integrations where id = $1
                   on conflict (integration_id) do update set state = 'halted', execution_id = excluded.execution_id, error = excluded.error,
                       since = case when stored.state = 'halted' then stored.since else excluded.since end,
                       decision = null, decided_at = null, decided_by = null
                   where stored.state = 'running' or stored.execution_id = excluded.execution_id";
        let written = transaction.execute(sql, &[&integration_id, &execution.unique(), &error]).await.map_err(failed)?;
        if written == 0 {
            let exists = transaction.query_opt("select 1 from integrations where id = $1", &[&integration_id]).await.map_err(failed)?;
            return match exists {
                Some(_) => Ok(true),
                None => Err(StoreError::NotFound { what: format!("the integration {integration_id}") }),
            };
        }
        transaction.commit_unaudited().await?;
        Ok(true)
    }

    /// Decides that the failed execution of a halted trigger is run again. `by`: the principal that decides.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::NotHalted`], and those of the database.
    pub async fn resume_trigger(&self, path: &IntegrationPath, by: impl Into<Principal>) -> Result<DecisionEffect, StoreError> {
        self.decide(path, Decision::Resume, &by.into()).await
    }

    /// Decides that a halted trigger continues without the failed execution. `by`: the principal that decides.
    ///
    /// # Errors
    /// Those of [`Store::resume_trigger`].
    pub async fn skip_trigger(&self, path: &IntegrationPath, by: impl Into<Principal>) -> Result<DecisionEffect, StoreError> {
        self.decide(path, Decision::Skip, &by.into()).await
    }

    async fn decide(&self, path: &IntegrationPath, decision: Decision, by: &Principal) -> Result<DecisionEffect, StoreError> {
        let operation = "decide about a trigger";
        let failed = StoreError::during(operation);
        let issuer = self.issuer().await?;
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, &[Part::Triggers]).await?;
        let sql = "select id from integrations where tenant = $1 and name = $2";
        let found = transaction.query_opt(sql, &[&path.tenant.as_str(), &path.name.as_str()]).await.map_err(failed)?;
        let Some(found) = found else { return Err(StoreError::NotFound { what: format!("the integration {path}") }) };
        let id: Uuid = found.get("id");
        let sql = "update trigger_states set decision = $2, decided_at = now(), decided_by = $3
                   where integration_id = $1 and state = 'halted' returning execution_id, error::text as error";
        let written = transaction.query_opt(sql, &[&id, &Stored(decision), &bounded_message(&by.name)]).await.map_err(failed)?;
        let Some(halted) = written else { return Err(StoreError::NotHalted { path: path.clone() }) };
        let execution = halted.get::<_, Option<Uuid>>("execution_id").map(|unique| issuer.restore(unique, id));
        let error: Option<Value> = halted.get::<_, Option<&str>>("error").and_then(|error| serde_json::from_str(error).ok());
        let event = AuditEvent {
            tenant: Some(path.tenant.clone()),
            action: if decision == Decision::Resume { AuditAction::TriggerResume } else { AuditAction::TriggerSkip },
            target: path.to_string(),
            before: Some(json!({ "executionId": execution.map(|execution| execution.to_string()), "error": error })),
            after: None,
        };
        let effect = match execution {
            Some(execution) if has_been_settled(&transaction, &execution).await.map_err(failed)? => {
                clear(&transaction, id, execution.unique()).await.map_err(failed)?;
                DecisionEffect::Cleared
            }
            _ => DecisionEffect::Pending,
        };
        transaction.commit(by, &[event]).await?;
        Ok(effect)
    }

    /// Ends the halt of a trigger at an execution (its unique part): the trigger runs again. One that runs, or is halted at another
    /// execution, is no error.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn clear_halt(&self, integration_id: Uuid, execution: Uuid) -> Result<(), StoreError> {
        let operation = "clear a halt";
        let failed = StoreError::during(operation);
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, &[Part::Triggers]).await?;
        if clear(&transaction, integration_id, execution).await.map_err(failed)? == 0 {
            return Ok(());
        }
        transaction.commit_unaudited().await
    }

    /// Returns all triggers, or those of a tenant, by tenant and name. One that an older program wrote and that this one cannot read is
    /// left out.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_triggers(&self, tenant: Option<&Name>) -> Result<Vec<TriggerRow>, StoreError> {
        let operation = "list triggers";
        let failed = StoreError::during(operation);
        let issuer = self.issuer().await?;
        let client = self.client(operation).await?;
        let sql = format!(
            "select {HALT}, i.tenant, i.name, i.enabled, i.paused, v.trigger_kind, v.delivery,
                 case when v.delivery is null or i.tenant = any($2) then v.document::text end as document
             from integrations i
             join integration_versions v on v.integration_id = i.id and v.version = i.current_version
             left join trigger_states s on s.integration_id = i.id and s.state = 'halted'
             where $1::text is null or i.tenant = $1 order by i.tenant, i.name"
        );
        let pauses = pauses::load(&client).await?;
        let with_paused_connection = pauses.tenants_with_paused_connection();
        let rows = client.query(&sql, &[&tenant.map(Name::as_str), &with_paused_connection]).await.map_err(failed)?;
        drop(client);
        let mut holders: HashMap<Uuid, String> = HashMap::new();
        for worker in self.live_workers(WORKER_TTL).await? {
            holders.extend(worker.queues.into_iter().map(|queue| (queue, worker.name.clone())));
        }
        let mut triggers = Vec::with_capacity(rows.len());
        for row in &rows {
            // Null where an older program wrote the version.
            let (kind, policy) = match (row.optional_word("integration_versions", "trigger_kind")?, row.get("delivery")) {
                (Some(kind), Some(policy)) => (kind, policy),
                _ => match read_definition(row.get("document")) {
                    Ok(definition) => (TriggerKind::from(&definition.trigger), policy(definition.trigger.policy())),
                    Err(_) => continue,
                },
            };
            let id: Uuid = row.get("id");
            let halt = halt(row)?;
            let tenant = row.name("tenant")?;
            let subject = Subject { integration: id, tenant: &tenant, is_enabled: row.get("enabled"), is_paused: row.get("paused") };
            let connections = || match row.get::<_, Option<&str>>("document").map(read_definition) {
                Some(Ok(definition)) => definition.connections().cloned().collect(),
                Some(Err(_)) | None => Vec::new(),
            };
            let paused = pauses.of_subject(&subject, connections);
            let phase = match (&halt, &paused) {
                (Some(halt), _) => halt.phase,
                (None, Some(paused)) if paused.accepts_calls() => TriggerPhase::Paused,
                (None, _) => TriggerPhase::Running,
            };
            triggers.push(TriggerRow {
                tenant: tenant.to_string(),
                name: row.get("name"),
                integration_id: id,
                kind,
                policy,
                enabled: row.get("enabled"),
                state: phase,
                paused,
                since: halt.as_ref().map(|halt| halt.since),
                execution_id: halt.as_ref().and_then(|halt| halt.execution_id).map(|unique| issuer.restore(unique, id)),
                error: halt.and_then(|halt| halt.error).map(|error| error.to_string()),
                worker: holders.get(&id).cloned(),
            });
        }
        Ok(triggers)
    }
}

/// Returns true if no message of the execution can be in the queue any more: it has succeeded, or a person skipped it.
async fn has_been_settled(transaction: &Transaction<'_>, execution: &ExecutionId) -> Result<bool, tokio_postgres::Error> {
    let sql = "select 1 from executions where id = $1 and accepted_at = $2 and (status = 'succeeded' or skipped)";
    let found = transaction.query_opt(sql, &[&execution.unique(), &Timestamp(accepted_at(execution))]).await?;
    Ok(found.is_some())
}

/// Ends the halt at an execution; returns the number of changed rows.
async fn clear(transaction: &Transaction<'_>, integration: Uuid, execution: Uuid) -> Result<u64, tokio_postgres::Error> {
    let sql = "update trigger_states set state = 'running', since = now(), execution_id = null, error = null,
                   decision = null, decided_at = null, decided_by = null
               where integration_id = $1 and execution_id = $2 and state = 'halted'";
    transaction.execute(sql, &[&integration, &execution]).await
}

/// The columns that [`halt`] reads, of `integrations i` and `trigger_states s`.
const HALT: &str = "i.id, s.execution_id, s.error::text as error, s.since, s.decision";

/// Returns every halt, for the snapshot.
pub(crate) async fn load_halted(transaction: &Transaction<'_>) -> Result<HashMap<Uuid, TriggerState>, StoreError> {
    let sql = format!("select {HALT} from integrations i join trigger_states s on s.integration_id = i.id where s.state = 'halted'");
    let rows = transaction.query(&sql, &[]).await.map_err(StoreError::during("load trigger states"))?;
    let mut halted = HashMap::with_capacity(rows.len());
    for row in &rows {
        if let Some(state) = halt(row)? {
            halted.insert(row.get("id"), state);
        }
    }
    Ok(halted)
}

/// Reads [`HALT`].
fn halt(row: &Row) -> Result<Option<TriggerState>, StoreError> {
    let Some(since) = row.optional_time("since") else { return Ok(None) };
    let error = row.get::<_, Option<&str>>("error").map(serde_json::from_str).transpose();
    Ok(Some(TriggerState {
        phase: TriggerPhase::Halted,
        execution_id: row.get("execution_id"),
        error: error.map_err(|_| StoreError::damaged("error of a halted trigger"))?,
        since,
        decision: row.optional_word("trigger_states", "decision")?,
    }))
}

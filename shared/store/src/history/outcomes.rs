//! Reading the history.

use crate::database::pool::Store;
use crate::database::row::ReadRow;
use crate::database::timestamp::Timestamp;
use crate::database::word::{Stored, read_word};
use crate::definitions::trigger_kind::TriggerKind;
use crate::error::StoreError;
use crate::history::payload::{self, Packed, PayloadKind};
use crate::history::record::{StoredRequest, StoredResponse, accepted_at, accepted_at_of, accepted_between};
use crate::history::sealed;
use forebay_contract::outcome::{Ending, ErrorCode, ExecutionError, ExecutionStatus, Response, StepRecord};
use forebay_contract::{ExecutionId, IdIssuer, Label, UnixMicros, VariableLog};
use std::collections::HashMap;
use std::time::Duration;
use tokio_postgres::Row;
use uuid::Uuid;

/// One execution in the history.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ExecutionRow {
    /// Its id.
    pub id: ExecutionId,
    /// The tenant.
    pub tenant: String,
    /// The integration's name.
    pub integration: String,
    /// The integration's id.
    pub integration_id: Uuid,
    /// The version of the definition that ran.
    pub version: i32,
    /// The kind of the trigger that started it.
    pub trigger: TriggerKind,
    /// Its status.
    pub status: ExecutionStatus,
    /// Attempts.
    pub attempts: i32,
    /// The time at which it was accepted, to the millisecond.
    pub accepted_at: UnixMicros,
    /// The time at which the last attempt began; `None`: it never started.
    pub started_at: Option<UnixMicros>,
    /// The time at which it ended; `None`: it has not.
    pub ended_at: Option<UnixMicros>,
    /// The worker that ran it.
    pub worker: String,
    /// The reason for which it failed.
    pub error: Option<ExecutionError>,
    /// The status of the response.
    pub response_status: Option<u16>,
    /// Its labels.
    pub labels: Vec<Label>,
    /// Number of redeliveries by the broker.
    pub redeliveries: i32,
    /// True if its failure halted its trigger.
    pub halted: bool,
    /// True if a person decided to go on without it.
    pub skipped: bool,
    /// Its trace; `None`: its trace is not exported.
    pub trace: Option<Uuid>,
    /// Id of the API key that called; `None`: no API key did, or an earlier version recorded it.
    pub caller: Option<Uuid>,
}

/// An execution with the response that its caller may still fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionOutcome {
    /// The row.
    pub row: ExecutionRow,
    /// The response, as long as it is stored.
    pub output: Option<StoredResponse>,
}

impl ExecutionOutcome {
    /// Returns its ending; `None`: it has not ended, or its response is not stored.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        match self.row.status {
            ExecutionStatus::Queued | ExecutionStatus::Running => None,
            ExecutionStatus::Expired => Some(Ending::Expired),
            ExecutionStatus::Failed => self.row.error.clone().map(Ending::Failed),
            ExecutionStatus::Succeeded => {
                let StoredResponse { status, headers, body } = self.output.clone()?;
                Some(Ending::Succeeded(Response { status, headers, body }))
            }
        }
    }
}

/// An execution with everything that is stored of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionDetail {
    /// The row.
    pub row: ExecutionRow,
    /// Its steps in the order in which they ran.
    pub steps: Vec<StepRecord>,
    /// The request, with fields hidden that must be; for a retry there is [`Store::retry_input`].
    pub input: Option<StoredRequest>,
    /// The response, with fields hidden that must be.
    pub output: Option<StoredResponse>,
    /// The variables around the steps, where diagnostics recorded them.
    pub variables: Option<VariableLog>,
}

/// The input of a retry by a person.
#[derive(Debug, Clone, PartialEq)]
pub enum RetryInput {
    /// The request as it came.
    Whole(Box<StoredRequest>),
    /// Fields of it were hidden, and it was not stored as it came: there was no key to encrypt it, or the execution did not fail.
    Redacted,
    /// It is not stored.
    NotStored,
}

/// The recorded end of an execution, for a worker to which a message is delivered again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedExecution {
    /// Its status.
    pub status: ExecutionStatus,
    /// Attempts that are recorded.
    pub attempts: i32,
    /// True if its failure halted its trigger.
    pub halted: bool,
}

/// The kinds of payloads that a person may see.
const SHOWN: [PayloadKind; 4] = [PayloadKind::Input, PayloadKind::Output, PayloadKind::Steps, PayloadKind::Variables];
const ASK_AGAIN_INTERVAL: Duration = Duration::from_millis(500);

/// The columns that [`execution_row`] reads, of `executions e` and `integrations i`.
pub(crate) const COLUMNS: &str =
    "i.tenant, i.name as integration, e.id, e.integration_id, e.version, e.status, e.attempts, e.started_at, e.ended_at, e.worker,
    e.response_status, e.redeliveries, e.halted, e.skipped, e.error_code, e.error_step, e.error_message, e.error_transient,
    e.trigger_kind, e.labels, e.trace, e.caller";

impl Store {
    /// Returns the executions among these ids (the unique parts) that are recorded as ended.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn finished(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, FinishedExecution>, StoreError> {
        let operation = "read ended executions";
        let failed = StoreError::during(operation);
        let Some((first, last)) = accepted_between(ids) else { return Ok(HashMap::new()) };
        let client = self.client(operation).await?;
        // The bounds let the planner look into the partitions of these ids only.
        let sql = "select e.id, e.status, e.halted, e.attempts from executions e
             where e.id = any($1) and e.accepted_at >= $2 and e.accepted_at <= $3 and e.status not in ('queued', 'running')";
        let statement = client.prepare_cached(sql).await.map_err(failed)?;
        let rows = client.query(&statement, &[&ids, &first, &last]).await.map_err(failed)?;
        let mut finished = HashMap::with_capacity(rows.len());
        for row in &rows {
            let status = row.word("executions", "status")?;
            finished.insert(row.get("id"), FinishedExecution { status, halted: row.get("halted"), attempts: row.get("attempts") });
        }
        Ok(finished)
    }

    /// Returns true if an attempt of an execution is recorded as begun.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn has_begun(&self, id: &ExecutionId) -> Result<bool, StoreError> {
        let operation = "read whether an execution has begun";
        let failed = StoreError::during(operation);
        let client = self.client(operation).await?;
        let sql = "select 1 from executions where id = $1 and accepted_at = $2 and started_at is not null";
        let statement = client.prepare_cached(sql).await.map_err(failed)?;
        let row = client.query_opt(&statement, &[&id.unique(), &Timestamp(accepted_at(id))]).await.map_err(failed)?;
        Ok(row.is_some())
    }

    /// Returns one execution of one integration, with its response; `None`: nothing is recorded, or its history is gone.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn execution(&self, integration_id: Uuid, id: &ExecutionId) -> Result<Option<ExecutionOutcome>, StoreError> {
        let Some(row) = self.execution_row(id).await? else { return Ok(None) };
        if row.integration_id != integration_id {
            return Ok(None);
        }
        // Where the response as it was made differs from the one that is shown, it is the first of the two.
        let output = self.payloads(id, &[PayloadKind::Answer, PayloadKind::Output]).await?.into_iter().next();
        let output = output.map(|(_, packed)| payload::read_output(packed)).transpose()?;
        Ok(Some(ExecutionOutcome { row, output }))
    }

    /// Returns the ending of an execution, and reads it again until there is one: for a caller whose reply cannot arrive any more. Never
    /// returns where the response is not stored.
    pub async fn ending(&self, integration_id: Uuid, id: &ExecutionId) -> Ending {
        loop {
            if let Ok(Some(outcome)) = self.execution(integration_id, id).await
                && let Some(ending) = outcome.ending()
            {
                return ending;
            }
            tokio::time::sleep(ASK_AGAIN_INTERVAL).await;
        }
    }

    /// Returns one execution with everything that is stored of it; `None`: nothing is recorded, its history is gone, or the id was never
    /// issued.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn execution_detail(&self, id: &ExecutionId) -> Result<Option<ExecutionDetail>, StoreError> {
        let Some(row) = self.execution_row(id).await? else { return Ok(None) };
        let mut detail = ExecutionDetail { row, steps: Vec::new(), input: None, output: None, variables: None };
        for (kind, packed) in self.payloads(id, &SHOWN).await? {
            match kind {
                PayloadKind::Input => detail.input = Some(payload::read_input(packed)?),
                PayloadKind::Output => detail.output = Some(payload::read_output(packed)?),
                PayloadKind::Variables => detail.variables = Some(payload::read_variables(packed)?),
                PayloadKind::Steps => detail.steps = payload::read_steps(packed)?,
                // Not among the kinds that were read.
                PayloadKind::Retry | PayloadKind::Answer => {}
            }
        }
        Ok(Some(detail))
    }

    /// Returns the input of a retry of an execution.
    ///
    /// # Errors
    /// Those of the database; [`StoreError::Invalid`]: it is encrypted under a key that this process does not have.
    pub async fn retry_input(&self, id: &ExecutionId) -> Result<RetryInput, StoreError> {
        let mut stored = RetryInput::NotStored;
        for (kind, packed) in self.payloads(id, &[PayloadKind::Input, PayloadKind::Retry]).await? {
            let input = payload::read_input(packed)?;
            stored = match input.redacted {
                true => RetryInput::Redacted,
                false => RetryInput::Whole(Box::new(input)),
            };
            if kind == PayloadKind::Retry {
                break;
            }
        }
        Ok(stored)
    }

    async fn execution_row(&self, id: &ExecutionId) -> Result<Option<ExecutionRow>, StoreError> {
        let operation = "read an execution";
        let failed = StoreError::during(operation);
        let issuer = self.issuer().await?;
        let client = self.client(operation).await?;
        let sql = format!(
            "select {COLUMNS} from executions e join integrations i on i.id = e.integration_id
             where e.id = $1 and e.accepted_at = $2"
        );
        let statement = client.prepare_cached(&sql).await.map_err(failed)?;
        let row = client.query_opt(&statement, &[&id.unique(), &Timestamp(accepted_at(id))]).await.map_err(failed)?;
        let row = row.map(|row| execution_row(&row, issuer)).transpose()?;
        // Another tag than this installation gave it: a guess.
        Ok(row.filter(|row| row.id == *id))
    }

    /// Returns the payloads of these kinds, in the order of their words. Those that have expired are left out, deleted or not.
    async fn payloads(&self, id: &ExecutionId, kinds: &[PayloadKind]) -> Result<Vec<(PayloadKind, Packed)>, StoreError> {
        let operation = "read payloads";
        let failed = StoreError::during(operation);
        let client = self.client(operation).await?;
        let sql = "select kind, encoding, content from execution_payloads
                   where execution_id = $1 and accepted_at = $2 and kind = any($3)
                       and (expires_at is null or expires_at > now()) order by kind";
        let statement = client.prepare_cached(sql).await.map_err(failed)?;
        let kinds: Vec<Stored<PayloadKind>> = kinds.iter().copied().map(Stored).collect();
        let rows = client.query(&statement, &[&id.unique(), &Timestamp(accepted_at(id)), &kinds]).await.map_err(failed)?;
        let mut payloads = Vec::with_capacity(rows.len());
        for row in &rows {
            let kind: PayloadKind = row.word("execution_payloads", "kind")?;
            let packed = sealed::open(self.secret_keys.as_deref(), id.unique(), kind.as_str(), Packed::of_row(row)?)?;
            payloads.push((kind, packed));
        }
        Ok(payloads)
    }
}

/// Reads [`COLUMNS`].
pub(crate) fn execution_row(row: &Row, issuer: &IdIssuer) -> Result<ExecutionRow, StoreError> {
    let (unique, integration_id): (Uuid, Uuid) = (row.get("id"), row.get("integration_id"));
    Ok(ExecutionRow {
        id: issuer.restore(unique, integration_id),
        tenant: row.get("tenant"),
        integration: row.get("integration"),
        integration_id,
        version: row.get("version"),
        trigger: row.word("executions", "trigger_kind")?,
        status: row.word("executions", "status")?,
        attempts: row.get("attempts"),
        redeliveries: row.get("redeliveries"),
        accepted_at: accepted_at_of(unique),
        started_at: row.optional_time("started_at"),
        ended_at: row.optional_time("ended_at"),
        worker: row.get("worker"),
        error: execution_error(row),
        labels: read_labels(row),
        response_status: row.get::<_, Option<i16>>("response_status").and_then(|code| code.try_into().ok()),
        halted: row.get("halted"),
        skipped: row.get("skipped"),
        trace: row.get("trace"),
        caller: row.get("caller"),
    })
}

/// A label that this version cannot read is left out.
fn read_labels(row: &Row) -> Vec<Label> {
    let texts: Vec<&str> = row.get::<_, Option<Vec<&str>>>("labels").unwrap_or_default();
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

fn execution_error(row: &Row) -> Option<ExecutionError> {
    let code: &str = row.get::<_, Option<&str>>("error_code")?;
    // A code of a newer Forebay is a failure too.
    let code = read_word("executions", "error_code", code).unwrap_or(ErrorCode::Internal);
    let message = row.get::<_, Option<String>>("error_message").unwrap_or_default();
    let transient = row.get::<_, Option<bool>>("error_transient").unwrap_or_default();
    Some(ExecutionError { code, step: row.get("error_step"), message, transient, retry_after: None })
}

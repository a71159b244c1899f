//! Writing records: the hot path of a worker.

use crate::database::pool::{OpenTransaction, Store};
use crate::database::text::{bounded, bounded_message};
use crate::database::timestamp::Timestamp;
use crate::database::word::Stored;
use crate::definitions::trigger_kind::TriggerKind;
use crate::error::StoreError;
use crate::history::payload::{Encoding, Packed, Packer, PayloadKind};
use crate::history::record::{Record, accepted_at};
use crate::history::sealed;
use crate::history::transition::{CONDITION, replaces};
use crate::seal::SecretKeys;
use deadpool_postgres::Object;
use forebay_contract::outcome::{ErrorCode, ExecutionStatus};
use forebay_contract::{Label, UnixMicros};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

const OPERATION: &str = "record executions";
/// Maximum bytes of payloads in one statement.
const PAYLOADS_AT_ONCE: usize = 8 * 1024 * 1024;
const MAX_WORD_CHARS: usize = 200;
/// Maximum retries of a batch for which upkeep attached a partition meanwhile: at worst one for each of its days.
const TRIES_WHILE_ATTACHED: usize = 8;

/// Every row that was written is returned.
static UPSERT: LazyLock<String> = LazyLock::new(|| format!("{INSERT} where {CONDITION} returning id"));

const INSERT: &str = "
    insert into executions (id, integration_id, accepted_at, started_at, ended_at, version, attempts, redeliveries, response_status,
        halted, skipped, status, trigger_kind, worker, error_code, error_step, error_message, error_transient, labels, trace, caller)
    select id, integration_id, accepted_at, started_at, ended_at, version, attempts, redeliveries, response_status,
        halted, skipped, status, trigger_kind, worker, error_code, error_step, error_message, error_transient,
        string_to_array(labels, e'\\x1f'), trace, caller
    from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::integer[], $7::integer[],
        $8::integer[], $9::smallint[], $10::boolean[], $11::boolean[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[],
        $17::text[], $18::boolean[], $19::text[], $20::uuid[], $22::uuid[]) as new (id, integration_id, accepted_at, started_at, ended_at, version, attempts,
        redeliveries, response_status, halted, skipped, status, trigger_kind, worker, error_code, error_step, error_message,
        error_transient, labels, trace, caller)
    on conflict (id, accepted_at) do update set
        started_at = case when excluded.id = any($21::uuid[]) then executions.started_at else excluded.started_at end, ended_at = excluded.ended_at, version = excluded.version,
        attempts = greatest(excluded.attempts, executions.attempts),
        redeliveries = excluded.redeliveries, response_status = excluded.response_status, halted = excluded.halted,
        skipped = excluded.skipped, status = excluded.status, worker = excluded.worker, error_code = excluded.error_code,
        error_step = excluded.error_step, error_message = excluded.error_message, error_transient = excluded.error_transient,
        labels = coalesce(excluded.labels, executions.labels), trace = coalesce(excluded.trace, executions.trace),
        caller = coalesce(executions.caller, excluded.caller)
";

const INSERT_PAYLOADS: &str = "
    insert into execution_payloads (execution_id, accepted_at, kind, encoding, content, expires_at, integration_id, needed)
    select * from unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::bytea[], $6::timestamptz[], $7::uuid[], $8::boolean[])
    on conflict (execution_id, accepted_at, kind) do update set encoding = excluded.encoding, content = excluded.content,
        needed = excluded.needed";

/// The bounds let the planner look into the partitions of these ids only.
const DELETE_PAYLOADS: &str = "delete from execution_payloads
    where execution_id = any($1) and accepted_at >= $2 and accepted_at <= $3 and kind not like 'kept/%'";

/// Deletes the checkpoints of executions that have no later attempt.
const DELETE_KEPT: &str = "delete from execution_payloads
    where execution_id = any($1) and accepted_at >= $2 and accepted_at <= $3 and kind like 'kept/%'";

/// One payload with its row.
struct Payload {
    execution: Uuid,
    accepted_at: UnixMicros,
    kind: Cow<'static, str>,
    packed: Packed,
    expires_at: Option<UnixMicros>,
    integration: Uuid,
    /// True if a retry by hand or a repeated call needs it; then it is deleted last.
    needed: bool,
}

impl Store {
    /// Writes executions: all or none. Writing the same again changes nothing. A stored row is replaced, with its payloads, by the rule of
    /// `transition.rs`, which holds within the batch too; of equal records the last counts. Without payloads it takes one
    /// round trip, with them two. Returns of each record of the batch, in order, true if it is the stored one now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: write the batch again; whether it was written is unknown. No content of a record makes it fail:
    /// in texts NUL becomes U+FFFD, and what is beyond bounds (4000 characters of an error's message) is cut.
    pub async fn record(&self, batch: &[Record]) -> Result<Vec<bool>, StoreError> {
        let records = prevailing(batch);
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let payloads = pack(&records, self.secret_keys.as_deref())?;
        let mut outcome = self.write(&records, &payloads).await;
        for _ in 0..TRIES_WHILE_ATTACHED {
            match &outcome {
                Err(error) if is_partition_moved(error) => outcome = self.write(&records, &payloads).await,
                _ => break,
            }
        }
        let written = outcome?;
        let is_stored = |record: &Record| {
            let id = record.execution_id.unique();
            let of_this_batch = records.binary_search_by_key(&id, |record| record.execution_id.unique());
            of_this_batch.is_ok_and(|place| std::ptr::eq(records[place], record)) && written.binary_search(&id).is_ok()
        };
        Ok(batch.iter().map(is_stored).collect())
    }

    /// Returns the ids of the rows that were written, sorted.
    async fn write(&self, records: &[&Record], payloads: &[Payload]) -> Result<Vec<Uuid>, StoreError> {
        let client = self.client(OPERATION).await?;
        if payloads.is_empty() && !records.iter().any(|record| may_be_stored(record)) {
            return upsert(&client, records).await;
        }
        for sql in [DELETE_PAYLOADS, DELETE_KEPT, INSERT_PAYLOADS] {
            client.prepare_cached(sql).await.map_err(StoreError::during(OPERATION))?;
        }
        let transaction = OpenTransaction::on(client);
        let client = transaction.client();
        // Statements that are joined are sent in their order.
        let ((), written) = tokio::try_join!(biased; run(client, "begin"), upsert(client, records))?;
        let stored_before: Vec<&Record> = records.iter().copied().filter(|record| may_be_stored(record)).collect();
        let ending: Vec<&Record> = records.iter().copied().filter(|record| record.ends_checkpoints).collect();
        let payloads: Vec<&Payload> = payloads.iter().filter(|payload| written.binary_search(&payload.execution).is_ok()).collect();
        let chunks = chunks(&payloads);
        let (first, others) = chunks.split_first().map_or((&[][..], &[][..]), |(first, others)| (*first, others));
        tokio::try_join!(
            biased;
            delete_payloads(client, DELETE_PAYLOADS, &stored_before, &written),
            delete_payloads(client, DELETE_KEPT, &ending, &written),
            insert_payloads(client, first),
            async { if others.is_empty() { run(client, "commit").await } else { Ok(()) } },
        )?;
        for chunk in others {
            insert_payloads(client, chunk).await?;
        }
        if !others.is_empty() {
            run(client, "commit").await?;
        }
        transaction.end();
        Ok(written)
    }
}

async fn run(client: &Object, statement: &str) -> Result<(), StoreError> {
    client.batch_execute(statement).await.map_err(StoreError::during(OPERATION))
}

/// Returns true if the default partition refused a row whose own partition was attached while the statement waited for the default one. The
/// tables have no check constraint of their own.
fn is_partition_moved(error: &StoreError) -> bool {
    matches!(error, StoreError::Statement { source, .. } if source.code() == Some(&SqlState::CHECK_VIOLATION))
}

/// Returns one record an execution: the one that stays of them. In the order of ids, so that concurrent batches take their row locks in the
/// same order.
fn prevailing(batch: &[Record]) -> Vec<&Record> {
    let mut prevailing: HashMap<Uuid, &Record> = HashMap::with_capacity(batch.len());
    for record in batch {
        let earlier = prevailing.entry(record.execution_id.unique()).or_insert(record);
        if replaces(earlier, record) {
            *earlier = record;
        }
    }
    let mut records: Vec<&Record> = prevailing.into_values().collect();
    records.sort_unstable_by_key(|record| record.execution_id.unique());
    records
}

fn pack(records: &[&Record], keys: Option<&SecretKeys>) -> Result<Vec<Payload>, StoreError> {
    let mut payloads = Vec::new();
    let mut packer = None;
    for record in records {
        if !has_payloads(record) {
            continue;
        }
        let packer = packer.get_or_insert_with(Packer::new);
        let accepted_at = accepted_at(&record.execution_id);
        let expires_at = record.retention.map(|retention| accepted_at + retention);
        let execution = record.execution_id.unique();
        let payload = |kind: Cow<'static, str>, packed| Payload {
            execution,
            accepted_at,
            kind,
            packed,
            expires_at,
            integration: record.integration_id,
            needed: false,
        };
        if let Some(input) = &record.input {
            let needed = record.status == ExecutionStatus::Failed && record.retry_input.is_none();
            payloads.push(Payload { needed, ..payload(PayloadKind::Input.as_str().into(), packer.input(input)) });
        }
        if let Some(output) = &record.output {
            let needed = record.is_served && record.answer.is_none();
            payloads.push(Payload { needed, ..payload(PayloadKind::Output.as_str().into(), packer.output(output)) });
        }
        if !record.steps.is_empty() {
            payloads.push(payload(PayloadKind::Steps.as_str().into(), packer.steps(&record.steps)));
        }
        if let Some(variables) = &record.variables {
            payloads.push(payload(PayloadKind::Variables.as_str().into(), packer.variables(variables)));
        }
        if let (Some(input), Some(keys)) = (&record.retry_input, keys) {
            let sealed = sealed::seal(keys, execution, PayloadKind::Retry.as_str(), packer.input(input))?;
            payloads.push(Payload { needed: true, ..payload(PayloadKind::Retry.as_str().into(), sealed) });
        }
        if let (Some(answer), Some(keys)) = (&record.answer, keys) {
            let sealed = sealed::seal(keys, execution, PayloadKind::Answer.as_str(), packer.output(answer))?;
            payloads.push(Payload { needed: true, ..payload(PayloadKind::Answer.as_str().into(), sealed) });
        }
        if let Some(batch) = &record.checkpoints {
            let (kind, packed) = (sealed::checkpoints_kind(batch.number), packer.checkpoints(&batch.steps()));
            if let Some(packed) = sealed::packed_for(record.seals, keys, execution, &kind, packed)? {
                payloads.push(Payload { needed: true, expires_at: None, ..payload(kind.into(), packed) });
            }
        }
    }
    Ok(payloads)
}

/// Returns true if the execution may have a row already, and with it payloads that this record must replace.
fn may_be_stored(record: &Record) -> bool {
    // A batch whose outcome was unknown is written again as it was: its payloads are then in the way.
    has_payloads(record) || record.ends_checkpoints || record.attempts > 1 || record.redeliveries > 0
}

fn has_payloads(record: &Record) -> bool {
    let shown = record.input.is_some() || record.output.is_some() || !record.steps.is_empty() || record.variables.is_some();
    shown || record.checkpoints.is_some() || record.retry_input.is_some() || record.answer.is_some()
}

/// Writes the rows. Returns the ids of those that were written, sorted.
async fn upsert(client: &Object, records: &[&Record]) -> Result<Vec<Uuid>, StoreError> {
    let failed = StoreError::during(OPERATION);
    let ids: Vec<Uuid> = records.iter().map(|record| record.execution_id.unique()).collect();
    let integrations: Vec<Uuid> = records.iter().map(|record| record.integration_id).collect();
    let accepted: Vec<Timestamp> = records.iter().map(|record| Timestamp(accepted_at(&record.execution_id))).collect();
    let started: Vec<Option<Timestamp>> = records.iter().map(|record| record.started_at.map(Timestamp)).collect();
    let ended: Vec<Option<Timestamp>> =
        records.iter().map(|record| is_final(record.status).then_some(Timestamp(record.ended_at))).collect();
    let versions: Vec<i32> = records.iter().map(|record| record.version).collect();
    let attempts: Vec<i32> = records.iter().map(|record| record.attempts).collect();
    let redeliveries: Vec<i32> = records.iter().map(|record| record.redeliveries).collect();
    let answers: Vec<Option<i16>> = records.iter().map(|record| record.response_status.and_then(|code| code.try_into().ok())).collect();
    let halted: Vec<bool> = records.iter().map(|record| record.halted).collect();
    let skipped: Vec<bool> = records.iter().map(|record| record.skipped).collect();
    let statuses: Vec<Stored<ExecutionStatus>> = records.iter().map(|record| Stored(record.status)).collect();
    let triggers: Vec<Stored<TriggerKind>> = records.iter().map(|record| Stored(record.trigger_kind)).collect();
    let workers: Vec<Cow<'_, str>> = records.iter().map(|record| bounded(&record.worker, MAX_WORD_CHARS)).collect();
    let errors: Vec<_> = records.iter().map(|record| record.error.as_ref()).collect();
    let codes: Vec<Option<Stored<ErrorCode>>> = errors.iter().map(|error| error.map(|error| Stored(error.code))).collect();
    let steps: Vec<Option<Cow<'_, str>>> =
        errors.iter().map(|error| error.and_then(|error| error.step.as_deref()).map(|step| bounded(step, MAX_WORD_CHARS))).collect();
    let messages: Vec<Option<Cow<'_, str>>> = errors.iter().map(|error| error.map(|error| bounded_message(&error.message))).collect();
    let transient: Vec<Option<bool>> = errors.iter().map(|error| error.map(|error| error.transient)).collect();
    let labels: Vec<Option<String>> = records.iter().map(|record| joined(&record.labels)).collect();
    let traces: Vec<Option<Uuid>> = records.iter().map(|record| record.trace).collect();
    let callers: Vec<Option<Uuid>> = records.iter().map(|record| record.caller).collect();
    let abandoned: Vec<Uuid> = records.iter().filter(|record| record.is_abandoned).map(|record| record.execution_id.unique()).collect();
    let statement = client.prepare_cached(&UPSERT).await.map_err(failed)?;
    let rows = client
        .query(
            &statement,
            &[
                &ids,
                &integrations,
                &accepted,
                &started,
                &ended,
                &versions,
                &attempts,
                &redeliveries,
                &answers,
                &halted,
                &skipped,
                &statuses,
                &triggers,
                &workers,
                &codes,
                &steps,
                &messages,
                &transient,
                &labels,
                &traces,
                &abandoned,
                &callers,
            ],
        )
        .await
        .map_err(failed)?;
    let mut written: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    written.sort_unstable();
    Ok(written)
}

/// Returns labels as one text, since the driver has no lists of lists. No label has a control character.
fn joined(labels: &[Label]) -> Option<String> {
    let texts: Vec<&str> = labels.iter().map(Label::as_str).collect();
    Some(texts.join("\x1f")).filter(|text| !text.is_empty())
}

async fn delete_payloads(client: &Object, sql: &str, records: &[&Record], written: &[Uuid]) -> Result<(), StoreError> {
    let failed = StoreError::during("replace payloads");
    let ids = records.iter().map(|record| record.execution_id).filter(|id| written.binary_search(&id.unique()).is_ok());
    let ids: Vec<_> = ids.collect();
    // They are sorted, and ids begin with the time.
    let (Some(first), Some(last)) = (ids.first().map(accepted_at), ids.last().map(accepted_at)) else { return Ok(()) };
    let uniques: Vec<Uuid> = ids.iter().map(|id| id.unique()).collect();
    let statement = client.prepare_cached(sql).await.map_err(failed)?;
    client.execute(&statement, &[&uniques, &Timestamp(first), &Timestamp(last)]).await.map_err(failed)?;
    Ok(())
}

async fn insert_payloads(client: &Object, payloads: &[&Payload]) -> Result<(), StoreError> {
    if payloads.is_empty() {
        return Ok(());
    }
    let failed = StoreError::during("write payloads");
    let executions: Vec<Uuid> = payloads.iter().map(|payload| payload.execution).collect();
    let accepted: Vec<Timestamp> = payloads.iter().map(|payload| Timestamp(payload.accepted_at)).collect();
    let kinds: Vec<&str> = payloads.iter().map(|payload| &*payload.kind).collect();
    let encodings: Vec<Stored<Encoding>> = payloads.iter().map(|payload| Stored(payload.packed.encoding)).collect();
    let contents: Vec<&[u8]> = payloads.iter().map(|payload| payload.packed.content.as_slice()).collect();
    let expire: Vec<Option<Timestamp>> = payloads.iter().map(|payload| payload.expires_at.map(Timestamp)).collect();
    let integrations: Vec<Uuid> = payloads.iter().map(|payload| payload.integration).collect();
    let needed: Vec<bool> = payloads.iter().map(|payload| payload.needed).collect();
    let statement = client.prepare_cached(INSERT_PAYLOADS).await.map_err(failed)?;
    let parameters: [&(dyn ToSql + Sync); 8] = [&executions, &accepted, &kinds, &encodings, &contents, &expire, &integrations, &needed];
    client.execute(&statement, &parameters).await.map_err(failed)?;
    Ok(())
}

/// Splits payloads into runs that are not too large for one statement. A larger payload is a run of its own.
fn chunks<'a, 'b>(payloads: &'b [&'a Payload]) -> Vec<&'b [&'a Payload]> {
    let mut chunks = Vec::new();
    let mut begin = 0;
    let mut bytes = 0;
    for (index, payload) in payloads.iter().enumerate() {
        let size = payload.packed.content.len();
        if index > begin && bytes + size > PAYLOADS_AT_ONCE {
            chunks.push(&payloads[begin..index]);
            begin = index;
            bytes = 0;
        }
        bytes += size;
    }
    if begin < payloads.len() {
        chunks.push(&payloads[begin..]);
    }
    chunks
}

/// Returns true if nothing more happens to an execution of this status.
fn is_final(status: ExecutionStatus) -> bool {
    !matches!(status, ExecutionStatus::Queued | ExecutionStatus::Running)
}

//! The records of the steps of one run. They outlive the run's future, so that an interrupted step is recorded too.

use crate::variables::{MAX_RECORDED_DEPTH, Numbers, Variables, is_deeper};
use forebay_contract::outcome::{ExecutionError, StepRecord, StepStatus};
use forebay_contract::{StepVariables, UnixMicros, VariableLog};
use forebay_mapping::Value;
use forebay_mapping::weight::spend;
use std::time::Instant;

/// Maximum memory of the stored outputs of one execution, since they are one record.
const MAX_RECORDED_BYTES: usize = 16 * 1024 * 1024;

/// Maximum steps that are recorded of one execution, including loops; failures are always recorded.
const MAX_RECORDS: usize = 1000;

pub(crate) struct StepLog {
    record_outputs: bool,
    /// Memory that further outputs may take.
    remaining_bytes: usize,
    records: Vec<StepRecord>,
    /// The recorded variables; absent: they are not recorded.
    variables: Option<Variables>,
    /// Steps that have begun and have not ended, the innermost last.
    open: Vec<Open>,
}

struct Open {
    path: String,
    before: Numbers,
    started_at: UnixMicros,
    started: Instant,
    note: Option<String>,
}

/// The end of a step.
pub(crate) enum StepEnd<'a> {
    Succeeded(&'a Value),
    Skipped,
    /// The execution is deferred until the step can continue.
    Waits,
    Failed(&'a ExecutionError),
}

impl StepLog {
    pub(crate) fn new(record_outputs: bool, record_variables: bool) -> Self {
        let variables = record_variables.then(Variables::default);
        Self { record_outputs, remaining_bytes: MAX_RECORDED_BYTES, records: Vec::new(), variables, open: Vec::new() }
    }

    /// Returns the number under which a variable's value is recorded; `None`: variables are not recorded.
    pub(crate) fn number(&mut self, value: &Value) -> Option<u32> {
        self.variables.as_mut().map(|variables| variables.number(value))
    }

    pub(crate) fn begin(&mut self, path: &str, before: &Numbers) {
        self.open.push(Open {
            path: path.to_owned(),
            before: before.clone(),
            started_at: UnixMicros::now(),
            started: Instant::now(),
            note: None,
        });
    }

    /// Sets the note of a running step; the last one counts.
    pub(crate) fn set_note(&mut self, path: &str, note: String) {
        if let Some(open) = self.open.iter_mut().rfind(|open| open.path == path) {
            open.note = Some(note);
        }
    }

    /// Ends a running step; `after` is absent if it was interrupted.
    pub(crate) fn end(&mut self, path: &str, end: &StepEnd<'_>, after: Option<&Numbers>) -> StepStatus {
        let (status, output, error) = match end {
            StepEnd::Succeeded(output) => (StepStatus::Succeeded, self.recorded_output(output), None),
            StepEnd::Skipped => (StepStatus::Skipped, None, None),
            StepEnd::Waits => (StepStatus::Waiting, None, None),
            StepEnd::Failed(error) => (StepStatus::Failed, None, Some(error.message.clone())),
        };
        let Some(at) = self.open.iter().rposition(|open| open.path == path) else { return status };
        let Open { path, before, started_at, started, note } = self.open.remove(at);
        if self.records.len() < MAX_RECORDS || status == StepStatus::Failed {
            let duration = i64::try_from(started.elapsed().as_micros()).unwrap_or(i64::MAX);
            self.records.push(StepRecord { id: path, status, started_at, duration, output, error, note });
            if let Some(variables) = &mut self.variables {
                variables.steps.push(StepVariables { before: before.named(), after: after.unwrap_or(&before).named() });
            }
        }
        status
    }

    fn recorded_output(&mut self, output: &Value) -> Option<serde_json::Value> {
        if !self.record_outputs {
            return None;
        }
        if is_deeper(output, MAX_RECORDED_DEPTH) {
            return Some(format!("(not kept: the output nests deeper than {MAX_RECORDED_DEPTH} levels)").into());
        }
        match spend(output, self.remaining_bytes) {
            Some(remaining) => self.remaining_bytes = remaining,
            None => {
                let limit = MAX_RECORDED_BYTES / (1024 * 1024);
                return Some(format!("(not kept: the outputs of this execution take more than {limit} MiB)").into());
            }
        }
        Some(serde_json::Value::from(output))
    }

    /// Ends the run with `error`; running steps failed with it.
    pub(crate) fn interrupted(&mut self, error: ExecutionError) -> ExecutionError {
        let Some(path) = self.open.last().map(|open| open.path.clone()) else { return error };
        let error = error.in_step(&path);
        while let Some(path) = self.open.last().map(|open| open.path.clone()) {
            self.end(&path, &StepEnd::Failed(&error), None);
        }
        error
    }

    pub(crate) fn into_parts(self) -> (Vec<StepRecord>, Option<VariableLog>) {
        (self.records, self.variables.map(Variables::into_log))
    }
}

//! The fields of one step, for the reader of its kind.

use crate::fields::{Fields, Read};
use std::cell::Cell;
use std::time::Duration;

/// Maximum timeout of a step. The deadline of the execution also bounds it.
pub(super) const MAX_STEP_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// The fields of one step. `'d` is the document.
pub(super) struct StepFields<'d> {
    fields: &'d Fields<'d>,
    /// The number of steps around it.
    pub(super) depth: usize,
    /// The timeout within the kind's field.
    timeout: Cell<Read<Option<Duration>>>,
}

impl<'d> StepFields<'d> {
    pub(super) fn new(fields: &'d Fields<'d>, depth: usize) -> Self {
        Self { fields, depth, timeout: Cell::new(Ok(None)) }
    }

    /// Returns all fields of the step.
    pub(super) fn fields(&self) -> &'d Fields<'d> {
        self.fields
    }

    /// Reads the object in the kind's field.
    pub(super) fn object(&self, field: &'static str) -> Read<Fields<'d>> {
        self.fields.required(field, self.fields.object(field), "")
    }

    /// Reads the object in the kind's field; a field without a value is an empty object.
    pub(super) fn object_or_empty(&self, field: &'static str) -> Read<Fields<'d>> {
        self.fields.required(field, self.fields.object_or_empty(field), "")
    }

    /// Sets the timeout within the kind's field, which takes precedence over the step's.
    pub(super) fn set_timeout(&self, timeout: Read<Option<Duration>>) {
        self.timeout.set(timeout);
    }

    /// Returns the timeout within the kind's field.
    pub(super) fn into_timeout(self) -> Read<Option<Duration>> {
        self.timeout.into_inner()
    }
}

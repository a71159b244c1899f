//! A kind of step in definitions.

use super::step_fields::StepFields;
use crate::definition::Trigger;
use crate::fields::{Fields, Problems, Read};
use crate::name::Name;
use crate::published::KindSchema;

/// A kind of step.
pub(super) trait StepKind: Sized {
    /// Reads the field that selects this kind.
    fn read(step: &StepFields<'_>) -> Read<Self>;

    /// Returns the JSON Schema of that field.
    fn schema() -> KindSchema;

    /// Describes the step on one line, in the words of the definition.
    fn summary(&self) -> String;

    /// Returns the connection that the step itself uses; steps nested in it have their own.
    fn connection(&self) -> Option<&Name>;

    /// Reports fields that the trigger does not allow. `id` is that of the step.
    fn check(&self, _id: &str, _trigger: &Trigger, _problems: &Problems) {}

    /// Returns true if the field of a stored version has no content.
    fn is_left_empty(_fields: &Fields<'_>) -> bool {
        false
    }
}

//! The `wait` step: pauses the execution.

use super::super::Trigger;
use super::super::read::MILLISECOND;
use super::step_fields::StepFields;
use super::step_kind::StepKind;
use crate::duration::format_duration;
use crate::fields::{Problems, Read};
use crate::name::Name;
use crate::published::{KindSchema, described};
use serde_json::{Value, json};
use std::time::Duration;

/// Maximum `wait` of an ordered trigger, whose execution keeps its delivery: it must stay well below RabbitMQ's acknowledgement timeout of
/// 30 minutes.
const MAX_ORDERED_WAIT: Duration = Duration::from_secs(10 * 60);

/// Maximum `wait` of a step.
const MAX_WAIT: Duration = Duration::from_secs(366 * 24 * 3600);

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// A time from the start of the step.
    For(Duration),
    /// The mapping that returns a time: RFC 3339, or seconds of Unix time.
    Until(String),
}

impl StepKind for Wait {
    fn read(step: &StepFields<'_>) -> Read<Self> {
        let fields = step.fields();
        if !matches!(fields.take("wait")?, Some(Value::Object(_))) {
            return fields.required("wait", fields.duration("wait", MILLISECOND, MAX_WAIT), "how long, such as 15m").map(Wait::For);
        }
        let fields = fields.required("wait", fields.object("wait"), "")?;
        let wait = match (fields.duration("for", MILLISECOND, MAX_WAIT), fields.mapping("until")) {
            (Ok(Some(pause)), Ok(None)) => Ok(Wait::For(pause)),
            (Ok(None), Ok(Some(until))) => Ok(Wait::Until(until)),
            (Err(reported), _) | (_, Err(reported)) => Err(reported),
            _ => Err(fields.problem_here("needs one of for (such as 15m) and until (a mapping that gives a time)")),
        };
        fields.finish();
        wait
    }

    fn schema() -> KindSchema {
        KindSchema::new(
            json!({
                "description": "Waits: a duration such as 15m, or until a time.",
                "oneOf": [
                    described::duration("For so long."),
                    { "$ref": "#/$defs/wait" }
                ]
            }),
            json!({
                "wait": {
                    "description": "A pause.",
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "for": described::duration("How long."),
                        "until": described::mapping("Gives a time: RFC 3339, or seconds of Unix time.")
                    },
                    "oneOf": [{ "required": ["for"] }, { "required": ["until"] }]
                }
            }),
        )
    }

    fn summary(&self) -> String {
        match self {
            Self::For(pause) => format!("for {}", format_duration(*pause)),
            Self::Until(source) => format!("until {source}"),
        }
    }

    fn connection(&self) -> Option<&Name> {
        None
    }

    /// A waiting ordered execution delays all executions after it.
    fn check(&self, id: &str, trigger: &Trigger, problems: &Problems) {
        let is_long = match self {
            Self::For(pause) => *pause > MAX_ORDERED_WAIT,
            Self::Until(_) => false,
        };
        if trigger.policy().is_exclusive() && is_long {
            let max = format_duration(MAX_ORDERED_WAIT);
            problems.add(
                "steps",
                format!("the step '{id}' waits longer than {max}, which an ordered trigger or one with concurrency cannot: what comes after would wait too; `call` an unordered integration that waits"),
            );
        }
    }
}

//! The `log` step: writes to the worker's log.

use super::{CompiledKind, Effect, StepFuture, StepKind, StepRun, TrialStep, shortened};
use crate::compiler::Compiler;
use crate::execution::Scope;
use crate::flow::Done;
use crate::trial::{self, Fault, Trial};
use forebay_contract::Name;
use forebay_contract::definition::{LogLevel, LogLine};
use forebay_mapping::{Encoding, Paced, Template, Value};

/// Maximum characters of a line.
const MAX_LINE_LENGTH: usize = 2000;

struct CompiledLine {
    message: Paced<Template>,
    level: LogLevel,
}

impl StepKind for LogLine {
    fn compile(&self, path: &str, compiler: &mut Compiler) -> Option<Box<dyn CompiledKind>> {
        Some(Box::new(CompiledLine { message: compiler.template(path, &self.message, Encoding::None)?, level: self.level }))
    }

    fn run_trial(&self, step: TrialStep<'_>, scope: &mut trial::Scope, _trial: &mut Trial<'_>) -> Result<trial::Done, Fault> {
        let message = scope.template(&format!("{}.message", step.part), &self.message, Encoding::None)?;
        Ok(trial::Done::Output(Value::string(message)))
    }
}

impl CompiledKind for CompiledLine {
    fn effect(&self) -> Effect {
        Effect::None
    }

    fn connection(&self) -> Option<&Name> {
        None
    }

    fn run<'r>(&'r self, step: StepRun<'r>, scope: &'r mut Scope) -> StepFuture<'r> {
        Box::pin(async move {
            let message = shortened(&step.template("message", &self.message, scope).await?, MAX_LINE_LENGTH);
            write(self.level, &message, step);
            Ok(Done::Output(Value::string(message)))
        })
    }
}

fn write(level: LogLevel, message: &str, step: StepRun<'_>) {
    let (envelope, path) = (step.envelope(), step.path);
    let (tenant, integration, id) = (&envelope.tenant, &envelope.integration, &envelope.execution_id);
    match level {
        LogLevel::Info => {
            tracing::info!(forebay.tenant = %tenant, forebay.integration = %integration, forebay.execution.id = %id, forebay.step.id = path, "{message}");
        }
        LogLevel::Warn => {
            tracing::warn!(forebay.tenant = %tenant, forebay.integration = %integration, forebay.execution.id = %id, forebay.step.id = path, "{message}");
        }
        LogLevel::Error => {
            tracing::error!(forebay.tenant = %tenant, forebay.integration = %integration, forebay.execution.id = %id, forebay.step.id = path, "{message}");
        }
    }
}

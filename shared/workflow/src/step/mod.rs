//! What steps do beside computing a value.

pub(crate) mod amqp;
pub(crate) mod client;
pub(crate) mod email;
pub(crate) mod http;
pub(crate) mod sftp;
pub(crate) mod sql;
pub(crate) mod url;

use crate::evaluate::{Budget, Paced};
use crate::mapping::{Template, Value};
use forebay_contract::outcome::ExecutionError;

/// The text of a template; `part` names it in the error.
async fn rendered(part: &str, template: &Paced<Template>, context: &Value, budget: &Budget) -> Result<String, ExecutionError> {
    let context = context.clone();
    template.evaluate(part, budget, move |template, limits| template.render(&context, limits)).await
}

//! A running trial, from the view of its steps.

use super::tried::Tried;
use forebay_contract::Name;
use forebay_mapping::Value;
use serde_json::{Map, Value as Json};

/// The end of a list of steps, or of one step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Next,
    /// A `stop` ended the workflow successfully.
    Stop,
}

/// The result of a step.
pub(crate) enum Done {
    Output(Value),
    /// It was not run; the request that it would send.
    Request(Json),
    Stops,
}

impl Done {
    /// Returns the result of a step with nested steps: `output`, unless a `stop` ended the workflow.
    pub(crate) fn of(flow: Flow, output: Value) -> Self {
        match flow {
            Flow::Next => Self::Output(output),
            Flow::Stop => Self::Stops,
        }
    }

    /// Returns the request of a step that uses a connection.
    pub(crate) fn request_by(connection: &Name, rest: Map<String, Json>) -> Self {
        let mut request = Map::from_iter([("connection".to_owned(), connection.as_str().into())]);
        request.extend(rest);
        Self::Request(Json::Object(request))
    }
}

/// A running trial.
pub(crate) struct Trial<'a> {
    /// Outputs of steps by path or by id.
    pub(super) given: &'a Map<String, Json>,
    pub(super) tried: Tried,
    /// The response of a `respond` step.
    pub(super) early_response: Option<Json>,
}

impl Trial<'_> {
    /// Sets the response of a `respond` step.
    pub(crate) fn set_early_response(&mut self, response: Json) {
        self.early_response = Some(response);
    }
}

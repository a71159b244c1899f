//! The response of a request-response call.

/// The response of a request-response call.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Respond {
    /// The status.
    pub status: Status,
    /// The templates of headers, by name.
    pub headers: Vec<(String, String)>,
    /// The mapping of the body; absent: the last output.
    pub body: Option<String>,
}

/// A fixed or mapped status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// A fixed status, 200 to 599.
    Fixed(u16),
    /// A mapping that returns such a number.
    Mapping(String),
}

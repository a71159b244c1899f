//! Steps: what a workflow does.

use super::RetryPolicy;
use crate::body::BodyRule;
use crate::name::Name;
use http::Method;
use std::time::Duration;

/// One step of a workflow.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// Unique in the workflow, inner steps included; `.steps.<id>` is its output.
    pub id: String,
    /// The mapping that decides whether the step runs; absent: it runs.
    pub when: Option<String>,
    /// Maximum time of one attempt; absent: its kind's own.
    pub timeout: Option<Duration>,
    /// How often and how fast the step alone is tried again; absent: once.
    pub retry: Option<RetryPolicy>,
    /// What its failure does, once it is not tried again.
    pub on_error: OnError,
    /// What it does.
    pub action: Action,
}

/// What a step's failure does.
#[derive(Debug, Clone, PartialEq)]
pub enum OnError {
    /// The execution fails.
    Fail,
    /// The next step runs; the output is `{ error: { code, message } }`.
    Continue,
    /// These steps run, then the step after; the output is `{ error: { code, message } }`.
    Steps(Vec<Step>),
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Calls an HTTP service; output `{ status, headers, body }`.
    Http(HttpCall),
    /// Runs SQL; output `{ rows, affected }`, or a list of these for a transaction.
    Sql(SqlCall),
    /// Sends mail; output `{ messageId, accepted }`.
    Email(EmailCall),
    /// Works on files of an SFTP server; output by its operation.
    Sftp(SftpCall),
    /// Publishes a message; output `{ messageId }`.
    Amqp(AmqpCall),
    /// Calls another integration of the tenant; output `{ executionId, status, headers, body }`, or `{ executionId }` without a wait.
    Call(IntegrationCall),
    /// Computes a value; its output is the mapping's.
    Set(String),
    /// Runs the steps of the first case whose `when` is true; output: that of the last of them.
    Switch(Switch),
    /// Runs steps for each item of a list; output: the list of what they gave, in the list's order.
    Each(Each),
    /// Runs branches at once and joins them; output: an object of what each branch gave.
    Parallel(Vec<Branch>),
    /// Fails for good unless the mapping is true; output `true`.
    Assert(Assertion),
    /// Writes to the log; output: the message.
    Log(LogLine),
    /// Waits; output `{ until }`, RFC 3339.
    Wait(Wait),
    /// Answers the caller while the workflow goes on; output `{ status }`.
    Respond(super::Respond),
    /// Ends the workflow.
    Stop(Stop),
}

impl Action {
    /// The field of a definition that makes a step this kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Sql(_) => "sql",
            Self::Email(_) => "email",
            Self::Sftp(_) => "sftp",
            Self::Amqp(_) => "amqp",
            Self::Call(_) => "call",
            Self::Set(_) => "set",
            Self::Switch(_) => "switch",
            Self::Each(_) => "each",
            Self::Parallel(_) => "parallel",
            Self::Assert(_) => "assert",
            Self::Log(_) => "log",
            Self::Wait(_) => "wait",
            Self::Respond(_) => "respond",
            Self::Stop(_) => "stop",
        }
    }

    /// The lists of steps inside, with what stands before each in a path, such as `switch.cases[0].steps`.
    #[must_use]
    pub fn inner(&self) -> Vec<(String, &[Step])> {
        match self {
            Self::Switch(switch) => {
                let cases = switch.cases.iter().enumerate().map(|(index, case)| (format!("switch.cases[{index}].steps"), &case.steps[..]));
                cases.chain([("switch.default".to_owned(), &switch.default[..])]).collect()
            }
            Self::Each(each) => vec![("each.steps".to_owned(), &each.steps[..])],
            Self::Parallel(branches) => branches.iter().map(|branch| (format!("parallel.{}", branch.name), &branch.steps[..])).collect(),
            _ => Vec::new(),
        }
    }
}

impl Step {
    /// All steps of a list with those inside of them, in the order of the file.
    pub fn all(steps: &[Self]) -> Vec<&Self> {
        let mut all = Vec::with_capacity(steps.len());
        for step in steps {
            all.push(step);
            for (_, inner) in step.action.inner() {
                all.extend(Self::all(inner));
            }
            if let OnError::Steps(inner) = &step.on_error {
                all.extend(Self::all(inner));
            }
        }
        all
    }
}

/// One HTTP call.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HttpCall {
    /// Default: GET, or POST with a body.
    pub method: Method,
    /// Where to.
    pub target: HttpTarget,
    /// Templates of query parameters, by name.
    pub query: Vec<(String, String)>,
    /// Templates of headers, by name.
    pub headers: Vec<(String, String)>,
    /// Mapping of the body: sent as JSON, or as the Content-Type says.
    pub body: Option<String>,
    /// Statuses beside 2xx that are no failure.
    pub accept: Vec<u16>,
    /// What holds in the place of what the remote system says of its response's body.
    pub response: BodyRule,
    /// What a redirect does that would turn the request into a GET.
    pub redirects: Redirects,
}

/// What 301, 302 and 303 do to a request whose method has an effect. 307 and 308 repeat the request, and safe methods are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Redirects {
    /// The step fails with the status and where it leads: what the request was to do was not done.
    #[default]
    Error,
    /// A GET of the new address, without the body: the request was carried out, and its result is there.
    FollowAsGet,
}

impl HttpCall {
    /// Whether the method is safe (RFC 9110, section 9.2.1): repeating it does nothing.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        [Method::GET, Method::HEAD, Method::OPTIONS].contains(&self.method)
    }
}

/// Where an HTTP call goes.
#[derive(Debug, Clone, PartialEq)]
pub enum HttpTarget {
    /// Template of the whole address.
    Url(String),
    /// A path under a connection's address, with its authentication and headers.
    Connection {
        /// The connection.
        connection: Name,
        /// Template of the path; empty: the connection's own.
        path: String,
    },
}

/// SQL statements on one connection.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SqlCall {
    /// The connection.
    pub connection: Name,
    /// At least one. Several, or one inside `transaction`, run in one transaction.
    pub statements: Vec<SqlStatement>,
    /// Whether the output is a list with an entry for each statement.
    pub is_transaction: bool,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqlStatement {
    /// As written: `$1` (PostgreSQL) or `?` (MySQL) stand for parameters.
    pub text: String,
    /// Mapping that gives the list of parameters.
    pub params: Option<String>,
    /// `query`: reads only, and may be repeated; `execute` changes something.
    pub reads_only: bool,
}

/// One mail.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EmailCall {
    /// The connection.
    pub connection: Name,
    /// Template of the sender; absent: the connection's.
    pub from: Option<String>,
    /// Templates of addresses, each one address, or several with commas between them in the literal text; an expression alone may
    /// give an array of addresses.
    pub to: Vec<String>,
    /// As `to`.
    pub cc: Vec<String>,
    /// As `to`.
    pub bcc: Vec<String>,
    /// Template of an address.
    pub reply_to: Option<String>,
    /// Template.
    pub subject: String,
    /// Template of the plain text.
    pub text: Option<String>,
    /// Template of the HTML text; what is inserted is escaped.
    pub html: Option<String>,
    /// Mapping that gives a list of `{ filename, contentType, text | base64 }`.
    pub attachments: Option<String>,
}

/// One operation on an SFTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SftpCall {
    /// The connection.
    pub connection: Name,
    /// What to do.
    pub operation: SftpOperation,
}

/// Paths are templates; a path that is not absolute is under the connection's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SftpOperation {
    /// Lists a folder: `[{ name, path, size, modifiedAt, isFolder }]`, by name; with `nameBase64` where the name is not UTF-8.
    List {
        /// The folder.
        path: String,
        /// Template of a pattern of names with `*` and `?`.
        pattern: Option<String>,
    },
    /// Reads a file: `{ name, path, size, body }`, the body as its type says.
    Get {
        /// The file.
        path: String,
        /// What holds in the place of the media type that the name's ending tells.
        rule: BodyRule,
    },
    /// Writes a file, first under a name of its own and then renamed unless told otherwise: `{ path, size }`.
    Put {
        /// The file.
        path: String,
        /// Mapping of the content.
        body: String,
        /// Its media type; absent: by the name's ending.
        content_type: Option<String>,
        /// Whether it replaces a file that is there; default: true.
        overwrite: bool,
        /// Whether it is written under another name first; default: true.
        rename: bool,
    },
    /// Renames a file: `{ path }`.
    Move {
        /// The file.
        path: String,
        /// Its new path.
        to: String,
        /// Whether it replaces a file that is there; default: true.
        overwrite: bool,
    },
    /// Removes a file: `{ deleted }`, false where there was none.
    Delete {
        /// The file.
        path: String,
    },
}

/// One message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AmqpCall {
    /// The connection.
    pub connection: Name,
    /// Template of the exchange; empty: the default exchange.
    pub exchange: String,
    /// Template of the routing key.
    pub routing_key: String,
    /// Templates of headers, by name.
    pub headers: Vec<(String, String)>,
    /// Media type of the body; absent: JSON.
    pub content_type: Option<String>,
    /// Mapping of the body; absent: `.input`.
    pub body: Option<String>,
}

/// A call of another integration of the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntegrationCall {
    /// Its name.
    pub integration: Name,
    /// Whether the step ends with its outcome, or once it is accepted.
    pub wait: bool,
    /// Mapping of its body, as JSON; absent: `.input`.
    pub body: Option<String>,
    /// Mapping of its declared query parameters, an object; absent: none.
    pub query: Option<String>,
}

/// A choice.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Switch {
    /// In the order in which they are tried; at least one.
    pub cases: Vec<Case>,
    /// The steps when no case holds.
    pub default: Vec<Step>,
}

/// One case of a choice.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Case {
    /// A mapping.
    pub when: String,
    /// What runs then.
    pub steps: Vec<Step>,
}

/// A loop. Its steps see `.item` and `.index`; their outputs are theirs alone.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Each {
    /// Mapping that gives the list.
    pub items: String,
    /// Items at once.
    pub parallel: usize,
    /// What runs for each.
    pub steps: Vec<Step>,
    /// Mapping of what is collected of each; absent: the last output.
    pub output: Option<String>,
}

/// One branch of a `parallel`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Branch {
    /// The member of the output.
    pub name: String,
    /// What runs.
    pub steps: Vec<Step>,
}

/// A condition that must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assertion {
    /// A mapping.
    pub that: String,
    /// Template of what is said when it does not hold.
    pub message: Option<String>,
}

/// A line in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLine {
    /// Template.
    pub message: String,
    /// How loud.
    pub level: LogLevel,
}

/// How loud a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// To follow.
    Info,
    /// To look at.
    Warn,
    /// To act on.
    Error,
}

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// From when the step is reached.
    For(Duration),
    /// Mapping that gives a time: RFC 3339, or seconds of Unix time.
    Until(String),
}

/// The end of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stop {
    /// Template of why it fails; absent: it ends well, with `respond`.
    pub error: Option<String>,
}

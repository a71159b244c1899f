//! Errors of the command, and their exit codes.

use forebay_admin_api::client::ClientError;
use forebay_console::ConsoleError;
use forebay_contract::with_causes;
use forebay_ingress::IngressError;
use forebay_operations::OperationError;
use forebay_runtime::management::ManagementError;
use forebay_runtime::metrics::MetricsError;
use forebay_runtime::settings::SettingsError;
use forebay_runtime::shutdown::ShutdownError;
use forebay_runtime::telemetry::TelemetryError;
use forebay_scheduler::SchedulerError;
use forebay_store::StoreError;
use forebay_worker::WorkerError;

const FAILED: i32 = 1;
const WRONG_USE: i32 = 2;
const NOT_ALLOWED: i32 = 3;
const AWAY: i32 = 5;

/// The status of a response to an unauthenticated caller.
const UNAUTHORIZED: u16 = 401;

/// An error of the command. Display never repeats the source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The arguments are not valid.
    #[error("{0}")]
    Usage(String),
    /// Settings that cannot be used.
    #[error("the settings cannot be used\n{0}")]
    Settings(#[from] SettingsError),
    /// The verb failed, for the reason in the text.
    #[error("{0}")]
    Failed(String),
    /// The files differ from the stored documents; the output has the differences already.
    #[error("something differs")]
    Differs,
    /// The store refused the operation or is away.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An operation failed.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// A file, a stream or a connection failed.
    #[error("{doing}")]
    Io {
        /// The failed operation, such as `cannot read examples/a.yaml`.
        doing: String,
        /// The error of the system.
        source: std::io::Error,
    },
    /// A call to the ingress had no response.
    #[error("no answer from {url}: does `forebay dev` or `forebay ingress` run there?")]
    Call {
        /// The URL of the call.
        url: String,
        /// The error of the client.
        source: reqwest::Error,
    },
    /// The admin API refused the request.
    #[error("{text}")]
    Refused {
        /// The status of its response.
        status: u16,
        /// The problem and the remedy.
        text: String,
    },
    /// The admin API does not answer.
    #[error("no answer from {url}: is that the address of a console, and does it run?")]
    Away {
        /// The address of the API.
        url: String,
        /// The error of the client.
        source: reqwest::Error,
    },
    /// Logs or traces cannot be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// Metrics cannot be collected.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// Signals cannot be received.
    #[error(transparent)]
    Shutdown(#[from] ShutdownError),
    /// The management port cannot be served.
    #[error(transparent)]
    Management(#[from] ManagementError),
    /// The ingress cannot start or failed.
    #[error(transparent)]
    Ingress(#[from] IngressError),
    /// The worker cannot start or failed.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The scheduler cannot start or failed.
    #[error(transparent)]
    Scheduler(#[from] SchedulerError),
    /// The console cannot start or failed.
    #[error(transparent)]
    Console(#[from] ConsoleError),
}

impl From<ClientError> for Error {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Url(url) => Self::Usage(format!("FOREBAY_API_URL: {url} is not an address such as https://forebay.example")),
            ClientError::Token => Self::Usage("FOREBAY_API_TOKEN: it holds characters that no token has".to_owned()),
            ClientError::Unreachable { url, source } => Self::Away { url, source },
            ClientError::Refused { url, status, problem } => {
                Self::Refused { status, text: refusal(&url, status, problem.map(|one| one.detail)) }
            }
            ClientError::Unreadable { url, source } if source.is_data() => Self::Failed(format!(
                "{url} answers what this version of the command cannot read ({source}): use the version of the console"
            )),
            ClientError::Unreadable { url, .. } => {
                Self::Failed(format!("{url} does not answer as a console does: is FOREBAY_API_URL its address?"))
            }
            other => Self::Failed(with_causes(&other).to_string()),
        }
    }
}

/// Returns the detail of a problem, and the remedy.
fn refusal(url: &str, status: u16, detail: Option<String>) -> String {
    let text = detail.unwrap_or_else(|| format!("{url} answers {status}: is FOREBAY_API_URL the address of a console?"));
    if status == UNAUTHORIZED {
        return format!("not signed in at {url}: {text} It is read from FOREBAY_API_TOKEN or FOREBAY_API_TOKEN_FILE.");
    }
    text
}

impl Error {
    /// Returns true if a repetition may succeed soon.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        self.exit_code() == AWAY
    }

    /// Returns the exit code: 1 failed, 2 wrong use, 3 not signed in or not allowed, 5 away: try again.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Usage(_) | Self::Settings(_) => WRONG_USE,
            Self::Store(StoreError::Url { .. }) => WRONG_USE,
            Self::Refused { status: 400, .. } => WRONG_USE,
            Self::Refused { status: 401 | 403, .. } => NOT_ALLOWED,
            Self::Refused { status: 429 | 502..=504, .. } | Self::Away { .. } | Self::Call { .. } => AWAY,
            Self::Store(StoreError::Unavailable { .. })
            | Self::Operation(
                OperationError::Store(StoreError::Unavailable { .. }) | OperationError::Broker(_) | OperationError::Publish(_),
            ) => AWAY,
            _ => FAILED,
        }
    }
}

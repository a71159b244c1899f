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
const WRONG_USAGE: i32 = 2;
const NOT_ALLOWED: i32 = 3;
const UNAVAILABLE: i32 = 5;

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
    #[error("invalid settings\n{0}")]
    Settings(#[from] SettingsError),
    /// The verb failed, for the reason in the text.
    #[error("{0}")]
    Failed(String),
    /// The files differ from the stored documents; the output has the differences already.
    #[error("something differs")]
    Differs,
    /// The store refused the operation or is unavailable.
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
    #[error("no response from {url}: check that `forebay dev` or `forebay ingress` runs at this address")]
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
    /// The admin API does not respond.
    #[error("no response from {url}: check that FOREBAY_API_URL is the address of a console, and that it runs")]
    Unreachable {
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
            ClientError::Url(url) => Self::Usage(format!("FOREBAY_API_URL: '{url}' is not a URL such as https://forebay.example")),
            ClientError::Token => Self::Usage("FOREBAY_API_TOKEN: the token has invalid characters; copy it again".to_owned()),
            ClientError::Unreachable { url, source } => Self::Unreachable { url, source },
            ClientError::Refused { url, status, problem } => {
                Self::Refused { status, text: refusal(&url, status, problem.map(|one| one.detail)) }
            }
            ClientError::Unreadable { url, source } if source.is_data() => Self::Failed(format!(
                "this version of the command cannot read the response of {url} ({source}): use the version of the console"
            )),
            ClientError::Unreadable { url, .. } => Self::Failed(format!("{url} is not a console: check the address in FOREBAY_API_URL")),
            other => Self::Failed(with_causes(&other).to_string()),
        }
    }
}

/// Returns the detail of a problem, and the remedy.
fn refusal(url: &str, status: u16, detail: Option<String>) -> String {
    let text = detail.unwrap_or_else(|| format!("{url} responded with status {status}: check the address in FOREBAY_API_URL"));
    if status == UNAUTHORIZED {
        return format!("not signed in at {url}: {text} Set FOREBAY_API_TOKEN or FOREBAY_API_TOKEN_FILE.");
    }
    text
}

impl Error {
    /// Returns true if a repetition may succeed soon.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        self.exit_code() == UNAVAILABLE
    }

    /// Returns the exit code: 1 failed, 2 wrong usage, 3 not signed in or not allowed, 5 a server is unavailable: try again.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Usage(_) | Self::Settings(_) => WRONG_USAGE,
            Self::Store(StoreError::Url { .. }) => WRONG_USAGE,
            Self::Refused { status: 400, .. } => WRONG_USAGE,
            Self::Refused { status: 401 | 403, .. } => NOT_ALLOWED,
            Self::Refused { status: 429 | 502..=504, .. } | Self::Unreachable { .. } | Self::Call { .. } => UNAVAILABLE,
            Self::Store(StoreError::Unavailable { .. })
            | Self::Operation(
                OperationError::Store(StoreError::Unavailable { .. }) | OperationError::Broker(_) | OperationError::Publish(_),
            ) => UNAVAILABLE,
            _ => FAILED,
        }
    }
}

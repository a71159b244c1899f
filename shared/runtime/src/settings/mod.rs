//! Every setting of Forebay, read once from an injectable source.
//!
//! [`SETTINGS`] is the table; [`Settings::read`] reads it. The command line puts its flags in front of the environment:
//! `Settings::read(|name| flags.get(name).cloned().or_else(|| settings::environment(name)))`.

mod docs;
mod error;
mod log_filter;
mod names;
mod reader;
mod redacted_url;
mod size;
mod trace_url;

use std::net::SocketAddr;
use std::num::{NonZeroU8, NonZeroU16};
use std::path::PathBuf;
use std::time::Duration;

pub use docs::{FileSource, FormerName, SETTINGS, SettingDefault, SettingDoc};
pub use error::{SettingProblem, SettingsError};
pub use forebay_contract::{BrokerUrls, EncryptionKeys, PrivateAddresses, Secret};
pub use log_filter::LogFilter;
pub use names::{UnknownVariable, unknown_variables};
pub use redacted_url::{HttpUrl, RedactedUrl};
pub use size::{format_bytes, parse_bytes};
pub use trace_url::TraceUrl;

use crate::forwarding::TrustedProxies;
use forebay_contract::PrivateAddressesError;
use forebay_contract::definition::MAX_BODY_BYTES;
use reader::Reader;

pub use reader::{DeprecatedName, environment};

/// Lower bound of [`Settings::worker_memory`], in bytes: one execution may take as much.
const MIN_MEMORY: u64 = 64 << 20;

/// An attempt must end well below the 30 minutes after which the broker closes the channel of an unacknowledged message.
pub const MAX_EXECUTION_TIMEOUT: Duration = Duration::from_secs(15 * 60);

const AN_HOUR: Duration = Duration::from_secs(3600);
const TEN_YEARS: Duration = Duration::from_secs(3650 * 86_400);

/// All settings of a process, as valid types.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// RabbitMQ, one node or several.
    pub amqp_url: BrokerUrls,
    /// PostgreSQL; scheme `postgres` or `postgresql`.
    pub database_url: RedactedUrl,
    /// The address of the ingress; port 0 is any free port.
    pub http_listen: SocketAddr,
    /// The address of the console and its API.
    pub console_listen: SocketAddr,
    /// The URL by which people reach the console; `None`: its address.
    pub console_url: Option<HttpUrl>,
    /// The URL by which callers reach the ingress; `None`: its address.
    pub ingress_url: Option<HttpUrl>,
    /// The URL by which the console reaches the ingress; `None`: that of callers.
    pub ingress_internal_url: Option<HttpUrl>,
    /// The URL that shows a trace.
    pub trace_url: Option<TraceUrl>,
    /// Single sign-on to the console.
    pub oidc: Option<Oidc>,
    /// The address of the management port: health and metrics.
    pub management_listen: SocketAddr,
    /// Prefix of every queue name; `[A-Za-z0-9._-]{0,64}`.
    pub queue_prefix: String,
    /// The keys that encrypt stored secrets.
    pub secret_key: Option<EncryptionKeys>,
    /// Proxies whose headers name the caller.
    pub trusted_proxies: TrustedProxies,
    /// True if callers of an ingress without a valid key get the same answer for names that do not exist and names that need a key.
    pub hides_names: bool,
    /// Private addresses that steps and alerts may reach.
    pub private_addresses: PrivateAddresses,
    /// Executions of the shared queues that a worker runs at the same time, calls and work each; 1 to 10000.
    pub worker_concurrency: u16,
    /// Bytes that a worker may hold before executions that hold many of them wait for others to end.
    pub worker_memory: usize,
    /// True if a worker reads messages without a proof of the installation.
    pub unsigned_messages: bool,
    /// Name of this process among the others; 1 to 128 visible ASCII characters.
    pub worker_name: String,
    /// Number of shared queues of each kind; 1 to 64.
    pub shared_queue_count: NonZeroU16,
    /// Broker channels that publish; 1 to 32.
    pub publisher_channels: NonZeroU8,
    /// Admitted and unanswered calls of one ingress process; 1 to 1000000.
    pub max_in_flight: usize,
    /// Messages in one queue.
    pub queue_max_length: u64,
    /// Bytes in one queue.
    pub queue_max_bytes: u64,
    /// Timeout of the broker's confirm.
    pub confirm_timeout: Duration,
    /// Upper bound of any definition's `body.max_bytes`; at most [`MAX_BODY_BYTES`].
    pub max_body_bytes: usize,
    /// Integrations of one tenant; 1 to 1000000.
    pub max_integrations: usize,
    /// API keys of one tenant; 1 to 1000000.
    pub max_keys: usize,
    /// Connections of one tenant; 1 to 1000000.
    pub max_connections: usize,
    /// Bytes of a definition; 1 KiB to 16 MiB.
    pub max_definition_bytes: usize,
    /// Time for a caller to send a request's headers.
    pub header_timeout: Duration,
    /// Time for a caller to send a request's body.
    pub body_timeout: Duration,
    /// Time to finish running work after a signal to stop.
    pub drain_timeout: Duration,
    /// Time that an ingress goes on accepting calls after a signal to stop, as a part of the drain timeout; `None`: the default of what
    /// the process runs.
    pub lame_duck: Option<Duration>,
    /// Time of one attempt of an execution; at most [`MAX_EXECUTION_TIMEOUT`].
    pub execution_timeout: Duration,
    /// Certificate and key of the ingress; plain HTTP without.
    pub tls: Option<TlsFiles>,
    /// Threads that serve HTTP; 1 to 1024.
    pub http_workers: usize,
    /// Filter of the log.
    pub log: LogFilter,
    /// Form of the log.
    pub log_format: LogFormat,
    /// Collector that gets traces over OTLP HTTP.
    pub otlp_endpoint: Option<HttpUrl>,
    /// Service name in traces, instead of the one a process gives itself.
    pub otel_service_name: Option<String>,
    /// Time that the history of executions is kept.
    pub retention: Duration,
    /// Time that the audit log is kept.
    pub audit_retention: Duration,
    /// Time between two evaluations of an alert rule.
    pub alert_interval: Duration,
    /// Settings that were given under a former name: the process warns of each.
    pub deprecated_names: Vec<DeprecatedName>,
}

/// PEM files for TLS. The server opens them when it starts to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// A provider of OpenID Connect.
#[derive(Debug, Clone)]
pub struct Oidc {
    /// Its issuer.
    pub issuer: HttpUrl,
    /// The id of the console at the provider.
    pub client_id: String,
    /// The secret of the console at the provider.
    pub client_secret: Option<Secret>,
    /// The name that people read.
    pub name: String,
}

/// Form of the log on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Settings {
    /// Reads every setting from `source`, by the name of its environment variable. An empty value counts as not given.
    ///
    /// # Errors
    /// All settings that cannot be used, at once.
    pub fn read(source: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let mut reader = Reader::new(&source);
        let settings = read_all(&mut reader);
        let problems = reader.into_problems();
        match settings {
            Some(settings) if problems.is_empty() => Ok(settings),
            _ => Err(SettingsError::new(problems)),
        }
    }
}

/// Reads all settings before it builds, so that the problems of all settings are found.
fn read_all(reader: &mut Reader<'_>) -> Option<Settings> {
    let amqp_url = reader.value(&docs::AMQP_URL, str::parse);
    let database_url = reader.value(&docs::DATABASE_URL, |text| RedactedUrl::parse(text, &["postgres", "postgresql"]));
    let http_listen = reader.address(&docs::HTTP_LISTEN);
    let console_listen = reader.address(&docs::CONSOLE_LISTEN);
    let console_url = reader.value(&docs::CONSOLE_URL, HttpUrl::parse);
    let ingress_url = reader.value(&docs::INGRESS_URL, HttpUrl::parse);
    let ingress_internal_url = reader.value(&docs::INGRESS_INTERNAL_URL, HttpUrl::parse);
    let trace_url = reader.value(&docs::TRACE_URL, TraceUrl::parse);
    let oidc = read_oidc(reader);
    let management_listen = reader.address(&docs::MANAGEMENT_LISTEN);
    let queue_prefix = reader.value(&docs::QUEUE_PREFIX, names::queue_prefix).unwrap_or_default();
    let secret_key = reader.value(&docs::SECRET_KEY, str::parse);
    let trusted_proxies = reader.value(&docs::TRUSTED_PROXIES, TrustedProxies::parse);
    let hides_names = reader.value(&docs::UNKNOWN_NAMES, |text| match text {
        "tell" => Ok(false),
        "hide" => Ok(true),
        _ => Err("write tell or hide".to_owned()),
    });
    let worker_concurrency = reader.number(&docs::WORKER_CONCURRENCY, 1..=10_000);
    let worker_memory = reader.bytes(&docs::WORKER_MEMORY, MIN_MEMORY..=1 << 50);
    let unsigned_messages = reader.value(&docs::UNSIGNED_MESSAGES, |text| match text {
        "refuse" => Ok(false),
        "accept" => Ok(true),
        _ => Err("write refuse or accept".to_owned()),
    });
    let worker_name = reader.value(&docs::WORKER_NAME, names::worker_name);
    let shared_queue_count = reader.count(&docs::SHARED_QUEUES, 64);
    let publisher_channels = reader.count(&docs::PUBLISHER_CHANNELS, 32);
    let max_in_flight = reader.number(&docs::MAX_IN_FLIGHT, 1..=1_000_000);
    let queue_max_length = reader.number(&docs::QUEUE_MAX_LENGTH, 1..=1_000_000_000);
    let queue_max_bytes = reader.bytes(&docs::QUEUE_MAX_BYTES, 1..=1 << 50);
    let confirm_timeout = reader.duration(&docs::CONFIRM_TIMEOUT, AN_HOUR);
    let max_body_bytes = reader.bytes(&docs::MAX_BODY_BYTES, 1..=MAX_BODY_BYTES as u64);
    let max_integrations = reader.number(&docs::MAX_INTEGRATIONS, 1..=1_000_000);
    let max_keys = reader.number(&docs::MAX_KEYS, 1..=1_000_000);
    let max_connections = reader.number(&docs::MAX_CONNECTIONS, 1..=1_000_000);
    let max_definition_bytes = reader.bytes(&docs::MAX_DEFINITION_BYTES, 1 << 10..=16 << 20);
    let header_timeout = reader.duration(&docs::HEADER_TIMEOUT, AN_HOUR);
    let body_timeout = reader.duration(&docs::BODY_TIMEOUT, AN_HOUR);
    let drain_timeout = reader.duration(&docs::DRAIN_TIMEOUT, AN_HOUR);
    let lame_duck = reader.duration_or_none(&docs::LAME_DUCK, AN_HOUR);
    let execution_timeout = reader.duration(&docs::EXECUTION_TIMEOUT, MAX_EXECUTION_TIMEOUT);
    let tls = read_tls(reader);
    let http_workers = reader.number(&docs::HTTP_WORKERS, 1..=1024);
    let log = reader.value(&docs::LOG, LogFilter::parse);
    let log_format = reader.value(&docs::LOG_FORMAT, |text| match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("write text or json".to_owned()),
    });
    let otlp_endpoint = reader.value(&docs::OTLP_ENDPOINT, HttpUrl::parse);
    let otel_service_name = reader.any(&docs::OTEL_SERVICE_NAME);
    let private_addresses =
        reader.value(&docs::PRIVATE_ADDRESSES, |text| text.parse().map_err(|error: PrivateAddressesError| error.to_string()));
    let retention = reader.duration(&docs::RETENTION, TEN_YEARS);
    let audit_retention = reader.duration(&docs::AUDIT_RETENTION, TEN_YEARS);
    let alert_interval = reader.duration(&docs::ALERT_INTERVAL, AN_HOUR);

    Some(Settings {
        amqp_url: amqp_url?,
        database_url: database_url?,
        http_listen: http_listen?,
        console_listen: console_listen?,
        console_url,
        ingress_url,
        ingress_internal_url,
        trace_url,
        oidc,
        management_listen: management_listen?,
        queue_prefix,
        secret_key,
        trusted_proxies: trusted_proxies.unwrap_or_default(),
        worker_concurrency: worker_concurrency?,
        hides_names: hides_names?,
        unsigned_messages: unsigned_messages?,
        worker_memory: worker_memory.unwrap_or_else(|| crate::memory::limit() / 2),
        worker_name: worker_name.unwrap_or_else(names::default_worker_name),
        shared_queue_count: shared_queue_count?,
        publisher_channels: publisher_channels?,
        max_in_flight: max_in_flight?,
        queue_max_length: queue_max_length?,
        queue_max_bytes: queue_max_bytes?,
        confirm_timeout: confirm_timeout?,
        max_body_bytes: max_body_bytes?,
        max_integrations: max_integrations?,
        max_keys: max_keys?,
        max_connections: max_connections?,
        max_definition_bytes: max_definition_bytes?,
        header_timeout: header_timeout?,
        body_timeout: body_timeout?,
        drain_timeout: drain_timeout?,
        lame_duck,
        execution_timeout: execution_timeout?,
        tls,
        http_workers: http_workers.unwrap_or_else(cores),
        log: log?,
        log_format: log_format?,
        otlp_endpoint,
        otel_service_name,
        private_addresses: private_addresses?,
        retention: retention?,
        audit_retention: audit_retention?,
        alert_interval: alert_interval?,
        deprecated_names: reader.deprecated(),
    })
}

fn read_tls(reader: &mut Reader<'_>) -> Option<TlsFiles> {
    match (reader.given(&docs::TLS_CERT), reader.given(&docs::TLS_KEY)) {
        (Some(cert), Some(key)) => Some(TlsFiles { cert: cert.into(), key: key.into() }),
        (None, None) => None,
        (Some(cert), None) => {
            reader.problem(&docs::TLS_CERT, &cert, "set FOREBAY_TLS_KEY too, or neither of them");
            None
        }
        (None, Some(key)) => {
            reader.problem(&docs::TLS_KEY, &key, "set FOREBAY_TLS_CERT too, or neither of them");
            None
        }
    }
}

fn read_oidc(reader: &mut Reader<'_>) -> Option<Oidc> {
    let has_issuer = reader.given(&docs::OIDC_ISSUER).is_some();
    let issuer = reader.value(&docs::OIDC_ISSUER, HttpUrl::parse);
    let client_id = reader.given(&docs::OIDC_CLIENT_ID);
    let client_secret = reader.value(&docs::OIDC_CLIENT_SECRET, |text| Ok(Secret::new(text)));
    let name = reader.any(&docs::OIDC_NAME).unwrap_or_default();
    match (issuer, client_id) {
        (Some(issuer), Some(client_id)) => Some(Oidc { issuer, client_id, client_secret, name }),
        (Some(issuer), None) => {
            reader.problem(&docs::OIDC_ISSUER, &issuer.to_string(), "set FOREBAY_OIDC_CLIENT_ID too, or neither of them");
            None
        }
        // The problem of the issuer is in the list already.
        (None, Some(_)) if has_issuer => None,
        (None, Some(client_id)) => {
            reader.problem(&docs::OIDC_CLIENT_ID, &client_id, "set FOREBAY_OIDC_ISSUER too, or neither of them");
            None
        }
        (None, None) => None,
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests;

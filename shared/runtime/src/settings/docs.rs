//! The table of settings: one line for each, which gives the flags, `--help` and the defaults of the reader.

use std::fmt;

use self::SettingDefault::{Computed, Text, Unset};

/// The default of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingDefault {
    /// This text, read as if it had been given.
    Text(&'static str),
    /// Computed when the process starts; the text names the source.
    Computed(&'static str),
    /// None: the feature is off.
    Unset,
}

impl fmt::Display for SettingDefault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Text("") => f.write_str("empty"),
            Text(text) | Computed(text) => f.write_str(text),
            Unset => f.write_str("not set"),
        }
    }
}

/// One setting, as the command line and its `--help` show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettingDoc {
    /// The environment variable, such as `FOREBAY_HTTP_LISTEN`.
    pub env: &'static str,
    /// The long flag without its dashes, such as `http-listen`.
    pub flag: &'static str,
    /// The placeholder of the value in `--help`, such as `IP:PORT`.
    pub value_name: &'static str,
    /// The value when neither variable nor flag is given.
    pub default: SettingDefault,
    /// One line of help, without a full stop at its end.
    pub help: &'static str,
    /// True if neither an error nor `--help` may show the value.
    pub secret: bool,
    /// The setting that names a file with the value; `None`: the setting is no secret.
    pub file: Option<FileSource>,
    /// The name that the setting had in the release before; `None`: the same.
    pub former: Option<FormerName>,
}

/// A name of a setting that works for one more release, with a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormerName {
    /// The environment variable, such as `FOREBAY_LANES`.
    pub env: &'static str,
    /// The long flag without its dashes, such as `lanes`.
    pub flag: &'static str,
}

impl SettingDoc {
    /// Returns every environment variable that gives the setting: its own, the one that names a file, and the former one.
    pub fn variables(&self) -> impl Iterator<Item = &'static str> + use<> {
        [Some(self.env), self.file.map(|file| file.env), self.former.map(|former| former.env)].into_iter().flatten()
    }

    /// Returns the same setting under its former name, for messages about a value that was given by that name.
    pub(super) fn under(&self, former: FormerName) -> Self {
        Self { env: former.env, flag: former.flag, ..*self }
    }
}

/// The setting that names the file of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSource {
    /// The environment variable, such as `FOREBAY_SECRET_KEY_FILE`.
    pub env: &'static str,
    /// The long flag without its dashes, such as `secret-key-file`.
    pub flag: &'static str,
}

const fn setting(
    env: &'static str,
    flag: &'static str,
    value_name: &'static str,
    default: SettingDefault,
    help: &'static str,
) -> SettingDoc {
    SettingDoc { env, flag, value_name, default, help, secret: false, file: None, former: None }
}

/// A secret; `env` and `flag` name a file that holds it.
const fn secret(doc: SettingDoc, env: &'static str, flag: &'static str) -> SettingDoc {
    SettingDoc { secret: true, file: Some(FileSource { env, flag }), ..doc }
}

/// A setting that had the names `env` and `flag` in the release before.
const fn renamed(doc: SettingDoc, env: &'static str, flag: &'static str) -> SettingDoc {
    SettingDoc { former: Some(FormerName { env, flag }), ..doc }
}

macro_rules! settings_table {
    ($($name:ident = $doc:expr;)*) => {
        $(pub(super) const $name: SettingDoc = $doc;)*

        /// Every setting of Forebay, in the order in which `--help` lists them.
        pub const SETTINGS: &[SettingDoc] = &[$($name),*];
    };
}

#[rustfmt::skip]
settings_table! {
    // URLs are secrets here because they may contain a password, and in an invalid URL the position of the password is unknown.
    AMQP_URL = secret(setting("FOREBAY_AMQP_URL", "amqp-url", "URL", Text("amqp://guest:guest@127.0.0.1:5672/%2f"), "RabbitMQ, amqp:// or amqps:// for TLS; for a cluster, several hosts with commas between them. SSL_CERT_FILE names a file of additional certificate authorities"), "FOREBAY_AMQP_URL_FILE", "amqp-url-file");
    DATABASE_URL = secret(setting("FOREBAY_DATABASE_URL", "database-url", "URL", Text("postgres://postgres@127.0.0.1:5432/forebay"), "PostgreSQL database. For TLS use the parameters of psql: ?sslmode=verify-full, sslrootcert, sslcert, sslkey"), "FOREBAY_DATABASE_URL_FILE", "database-url-file");
    HTTP_LISTEN = setting("FOREBAY_HTTP_LISTEN", "http-listen", "IP:PORT", Text("127.0.0.1:8080"), "address of the ingress; port 0 takes any free port");
    CONSOLE_LISTEN = setting("FOREBAY_CONSOLE_LISTEN", "console-listen", "IP:PORT", Text("127.0.0.1:8081"), "address of the console and its admin API");
    CONSOLE_URL = setting("FOREBAY_CONSOLE_URL", "console-url", "URL", Computed("from the console's address"), "address of the console for users, such as https://forebay.example; with https its cookies are secure");
    INGRESS_URL = setting("FOREBAY_INGRESS_URL", "ingress-url", "URL", Computed("from the ingress's address"), "address of the ingress for callers, such as https://hooks.example; the console shows it");
    INGRESS_INTERNAL_URL = setting("FOREBAY_INGRESS_INTERNAL_URL", "ingress-internal-url", "URL", Computed("the ingress-url"), "address of the ingress for the console, if it differs; the console sends test calls to it");
    TRACE_URL = setting("FOREBAY_TRACE_URL", "trace-url", "URL", Unset, "address of a trace, with {trace} for its id, such as https://jaeger.example/trace/{trace}; the console links executions to it");
    OIDC_ISSUER = setting("FOREBAY_OIDC_ISSUER", "oidc-issuer", "URL", Unset, "provider of single sign-on (OpenID Connect) for the console; also needs FOREBAY_OIDC_CLIENT_ID. Register the redirect address CONSOLE_URL/sign-in/oidc/callback at the provider");
    OIDC_CLIENT_ID = setting("FOREBAY_OIDC_CLIENT_ID", "oidc-client-id", "TEXT", Unset, "the console's client id at the provider");
    OIDC_CLIENT_SECRET = secret(setting("FOREBAY_OIDC_CLIENT_SECRET", "oidc-client-secret", "TEXT", Unset, "the console's client secret at the provider; a public client has none"), "FOREBAY_OIDC_CLIENT_SECRET_FILE", "oidc-client-secret-file");
    OIDC_NAME = setting("FOREBAY_OIDC_NAME", "oidc-name", "TEXT", Text("single sign-on"), "name of the provider on the sign-in page");
    MANAGEMENT_LISTEN = renamed(setting("FOREBAY_MANAGEMENT_LISTEN", "management-listen", "IP:PORT", Text("127.0.0.1:9464"), "address of the management port: /livez, /readyz and /metrics"), "FOREBAY_ADMIN_LISTEN", "admin-listen");
    QUEUE_PREFIX = setting("FOREBAY_QUEUE_PREFIX", "queue-prefix", "TEXT", Text(""), "prefix of every queue name, so that several installations share a broker; up to 64 of A-Z a-z 0-9 . _ -");
    SECRET_KEY = secret(setting("FOREBAY_SECRET_KEY", "secret-key", "TEXT", Unset, "key that encrypts connections, signing keys, access tokens and hidden payloads; 32 characters or more, the same for every process. Several keys with commas: the first encrypts, each decrypts"), "FOREBAY_SECRET_KEY_FILE", "secret-key-file");
    TRUSTED_PROXIES = setting("FOREBAY_TRUSTED_PROXIES", "trusted-proxies", "CIDR,...", Unset, "proxies whose Forwarded and X-Forwarded-* headers name the client, such as 10.0.0.1 or 10.0.0.0/8; Forebay ignores these headers from other addresses");
    UNKNOWN_NAMES = setting("FOREBAY_UNKNOWN_NAMES", "unknown-names", "tell|hide", Text("tell"), "response of an ingress to a caller without a valid key for a name that does not exist: tell is 404, hide is 401 as for a name that needs a key");
    WORKER_CONCURRENCY = setting("FOREBAY_WORKER_CONCURRENCY", "worker-concurrency", "N", Text("256"), "executions of the shared queues that a worker runs at the same time, for calls and for work each; one tenant gets at most four fifths");
    WORKER_MEMORY = setting("FOREBAY_WORKER_MEMORY", "worker-memory", "SIZE", Computed("half of the process's memory limit"), "bytes that a worker may hold before large executions wait; one tenant gets at most half");
    WORKER_NAME = setting("FOREBAY_WORKER_NAME", "worker-name", "TEXT", Computed("hostname-pid"), "name of this process; unique among running processes");
    UNSIGNED_MESSAGES = setting("FOREBAY_UNSIGNED_MESSAGES", "unsigned-messages", "refuse|accept", Text("refuse"), "how a worker treats messages without this installation's proof; use accept only while an older version still publishes, or its messages are still queued");
    SHARED_QUEUES = renamed(setting("FOREBAY_SHARED_QUEUES", "shared-queues", "N", Text("4"), "number of shared queues of each kind (work, call); the same for every process of an installation"), "FOREBAY_LANES", "lanes");
    PUBLISHER_CHANNELS = setting("FOREBAY_PUBLISHER_CHANNELS", "publisher-channels", "N", Text("6"), "broker channels that publish, 1 to 32");
    MAX_IN_FLIGHT = setting("FOREBAY_MAX_IN_FLIGHT", "max-in-flight", "N", Text("10000"), "calls that an ingress has admitted and not yet answered; it refuses more. One tenant gets at most four fifths");
    QUEUE_MAX_LENGTH = setting("FOREBAY_QUEUE_MAX_LENGTH", "queue-max-length", "N", Text("1000000"), "messages in one queue; above it, calls are refused");
    QUEUE_MAX_BYTES = setting("FOREBAY_QUEUE_MAX_BYTES", "queue-max-bytes", "SIZE", Text("1GiB"), "bytes in one queue; above it, calls are refused");
    CONFIRM_TIMEOUT = setting("FOREBAY_CONFIRM_TIMEOUT", "confirm-timeout", "DURATION", Text("10s"), "maximum wait for the broker's confirm of a message");
    MAX_BODY_BYTES = setting("FOREBAY_MAX_BODY_BYTES", "max-body-bytes", "SIZE", Text("8MiB"), "upper bound of body.max_bytes in definitions; at most 16256KiB, because the broker takes 16MiB");
    MAX_INTEGRATIONS = setting("FOREBAY_MAX_INTEGRATIONS", "max-integrations", "N", Text("1000"), "maximum integrations of a tenant, each with its trigger; existing ones above the maximum still work");
    MAX_KEYS = setting("FOREBAY_MAX_KEYS", "max-keys", "N", Text("1000"), "maximum API keys of a tenant, signing keys included");
    MAX_CONNECTIONS = setting("FOREBAY_MAX_CONNECTIONS", "max-connections", "N", Text("1000"), "maximum connections of a tenant");
    MAX_DEFINITION_BYTES = setting("FOREBAY_MAX_DEFINITION_BYTES", "max-definition-bytes", "SIZE", Text("256KiB"), "maximum size of a definition, as text and as JSON; a rollback to a larger stored version is allowed");
    HEADER_TIMEOUT = setting("FOREBAY_HEADER_TIMEOUT", "header-timeout", "DURATION", Text("5s"), "maximum time to receive the headers of a request");
    BODY_TIMEOUT = setting("FOREBAY_BODY_TIMEOUT", "body-timeout", "DURATION", Text("30s"), "maximum time to receive a body; a body slower than 16 KiB/s is refused earlier, after 5 s");
    DRAIN_TIMEOUT = setting("FOREBAY_DRAIN_TIMEOUT", "drain-timeout", "DURATION", Text("25s"), "time to finish running work after a stop signal");
    LAME_DUCK = setting("FOREBAY_LAME_DUCK", "lame-duck", "DURATION", Computed("5s; 0s in forebay dev"), "part of the drain timeout in which an ingress is not ready and still accepts calls, so that balancers stop sending; 0s for none");
    EXECUTION_TIMEOUT = setting("FOREBAY_EXECUTION_TIMEOUT", "execution-timeout", "DURATION", Text("5m"), "maximum time of one attempt of an execution; at most 15m");
    TLS_CERT = setting("FOREBAY_TLS_CERT", "tls-cert", "PATH", Unset, "PEM file with the certificate chain of the ingress; also needs FOREBAY_TLS_KEY");
    TLS_KEY = setting("FOREBAY_TLS_KEY", "tls-key", "PATH", Unset, "PEM file with the private key of the ingress's certificate");
    HTTP_WORKERS = setting("FOREBAY_HTTP_WORKERS", "http-workers", "N", Computed("number of cores"), "threads that serve HTTP");
    LOG = setting("FOREBAY_LOG", "log", "FILTER", Text("info"), "log filter, such as info or warn,forebay_worker=debug");
    LOG_FORMAT = setting("FOREBAY_LOG_FORMAT", "log-format", "text|json", Text("text"), "format of the log on standard error");
    OTLP_ENDPOINT = secret(setting("OTEL_EXPORTER_OTLP_ENDPOINT", "otel-exporter-otlp-endpoint", "URL", Unset, "collector that receives traces by OTLP over HTTP, such as http://127.0.0.1:4318; Forebay appends /v1/traces"), "OTEL_EXPORTER_OTLP_ENDPOINT_FILE", "otel-exporter-otlp-endpoint-file");
    OTEL_SERVICE_NAME = setting("OTEL_SERVICE_NAME", "otel-service-name", "TEXT", Computed("forebay-ingress, forebay-worker, ..."), "service name in traces");
    PRIVATE_ADDRESSES = setting("FOREBAY_PRIVATE_ADDRESSES", "private-addresses", "deny|allow|CIDR,...", Text("deny"), "private addresses that steps and alerts may reach, such as 10.1.0.0/16; the default of forebay dev is allow");
    RETENTION = setting("FOREBAY_RETENTION", "retention", "DURATION", Text("30d"), "retention of the history of executions");
    AUDIT_RETENTION = setting("FOREBAY_AUDIT_RETENTION", "audit-retention", "DURATION", Text("730d"), "retention of the audit log; the console deletes older entries");
    ALERT_INTERVAL = renamed(setting("FOREBAY_ALERT_INTERVAL", "alert-interval", "DURATION", Text("15s"), "interval between evaluations of an alert rule; notifications of one rule are at least four intervals apart"), "FOREBAY_ALERTS_EVERY", "alerts-every");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_is_the_variable_in_lower_case_with_dashes() {
        for doc in SETTINGS {
            let stem = doc.env.strip_prefix("FOREBAY_").unwrap_or(doc.env);
            assert_eq!(doc.flag, stem.to_lowercase().replace('_', "-"));
            assert!(!doc.help.ends_with('.'), "{}", doc.env);
            if let Some(former) = doc.former {
                let stem = former.env.strip_prefix("FOREBAY_").unwrap_or(former.env);
                assert_eq!(former.flag, stem.to_lowercase().replace('_', "-"));
            }
            let file = doc.file.map(|file| (file.env.to_owned(), file.flag.to_owned()));
            assert_eq!(file, doc.secret.then(|| (format!("{}_FILE", doc.env), format!("{}-file", doc.flag))));
        }
    }

    #[test]
    fn no_setting_is_listed_twice() {
        let mut names: Vec<_> = SETTINGS.iter().flat_map(SettingDoc::variables).collect();
        let listed = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), listed);
        assert_eq!(SETTINGS.len(), 48);
    }
}

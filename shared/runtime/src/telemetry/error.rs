//! Errors of logs and traces.

/// The reason for which logs and traces cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The HTTP client of the exporter did not start; for an https endpoint the system's CA certificates are needed.
    #[error("cannot make the HTTP client for traces: check OTEL_EXPORTER_OTLP_ENDPOINT and the system's CA certificates")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The exporter refused its settings.
    #[error("cannot export traces: check OTEL_EXPORTER_OTLP_ENDPOINT and the other OTEL_EXPORTER_OTLP_ variables")]
    Exporter(#[source] opentelemetry_otlp::ExporterBuildError),
    /// Logs are set up once in a process.
    #[error("logs are already set up in this process: call telemetry::init once")]
    AlreadyInstalled(#[source] tracing_subscriber::util::TryInitError),
}

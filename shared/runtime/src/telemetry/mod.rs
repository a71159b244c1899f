//! Logs on standard error, and traces to a collector when one is set.
//!
//! Without `OTEL_EXPORTER_OTLP_ENDPOINT` no span is kept or exported; the trace of a caller is still handed on
//! ([`in_context`]), so that Forebay does not cut it in two.

mod exporter;
mod one_line;
mod propagation;

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::{FilterExt, LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

pub use opentelemetry::Context;
pub use propagation::{continue_from, current_traceparent, in_context, set_parent, traceparent_of};

use crate::settings::{LogFormat, Settings};

/// The last batch of spans gets this long at shutdown.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// The AMQP client and what it is made of. It logs and traces messages whole, with their headers and bodies, whatever the level; what
/// counts of its errors, Forebay's own lines say.
const AMQP_CLIENT: [&str; 4] = ["lapin", "amq_protocol", "tcp_stream", "async_rs"];

static TRACING_ENABLED: AtomicBool = AtomicBool::new(false);

/// The reason for which logs and traces cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `FOREBAY_LOG` is no filter.
    #[error("FOREBAY_LOG cannot be used: write a level, or crates with levels as in warn,forebay_worker=debug")]
    LogFilter(#[source] tracing_subscriber::filter::ParseError),
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

/// Logs and traces while they are on. Keep it until the process ends and call [`Telemetry::shutdown`] last.
#[derive(Debug)]
#[must_use = "dropping it flushes the traces and stops them"]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

/// Sets up logs and, when an endpoint is set, traces, for the whole process. `service_name` stands in traces unless
/// `OTEL_SERVICE_NAME` is set. The exporter also obeys `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_RESOURCE_ATTRIBUTES`,
/// `OTEL_TRACES_SAMPLER` and `OTEL_BSP_*`.
///
/// # Errors
/// [`TelemetryError`]; [`TelemetryError::AlreadyInstalled`] at the second call in a process.
pub fn init(settings: &Settings, service_name: &str) -> Result<Telemetry, TelemetryError> {
    let filter = EnvFilter::builder().parse(&settings.log).map_err(TelemetryError::LogFilter)?;
    let provider = match &settings.otlp_endpoint {
        Some(endpoint) => {
            let service_name = settings.otel_service_name.as_deref().unwrap_or(service_name);
            Some(exporter::provider(endpoint, service_name, &settings.worker_name)?)
        }
        None => None,
    };
    let logs = match settings.log_format {
        LogFormat::Text => {
            let ansi = std::io::stderr().is_terminal();
            fmt::layer().with_writer(one_line::OneLine).with_ansi(ansi).boxed()
        }
        LogFormat::Json => {
            let json = fmt::layer().json().flatten_event(true).with_span_list(false);
            json.with_writer(std::io::stderr).boxed()
        }
    };
    let traces = provider.as_ref().map(|provider| {
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("forebay"));
        layer.with_location(false).with_threads(false).with_tracked_inactivity(false).with_filter(traced())
    });
    registry()
        .with(logs.with_filter(filter.and(without_amqp_client())))
        .with(traces)
        .try_init()
        .map_err(TelemetryError::AlreadyInstalled)?;
    TRACING_ENABLED.store(provider.is_some(), Ordering::Release);
    Ok(Telemetry { provider })
}

/// Spans are exported: work that only serves traces is worth doing.
#[must_use]
pub fn tracing_enabled() -> bool {
    TRACING_ENABLED.load(Ordering::Acquire)
}

impl Telemetry {
    /// Exports what is left, waiting at most five seconds, and stops exporting. Logs go on.
    pub async fn shutdown(mut self) {
        let Some(provider) = self.provider.take() else { return };
        // Blocks until the collector has answered, and this thread may be the one the collector's answer needs.
        if let Err(error) = tokio::task::spawn_blocking(move || flush(&provider)).await {
            tracing::warn!(error = %error, "traces were not flushed");
        }
    }
}

impl Drop for Telemetry {
    /// For a process that ends by an early error; [`Telemetry::shutdown`] leaves nothing to do here.
    fn drop(&mut self) {
        if let Some(provider) = self.provider.take() {
            flush(&provider);
        }
    }
}

fn flush(provider: &SdkTracerProvider) {
    TRACING_ENABLED.store(false, Ordering::Release);
    if let Err(error) = provider.shutdown_with_timeout(FLUSH_TIMEOUT) {
        tracing::warn!(error = %error, "some traces may not have reached the collector");
    }
}

/// What becomes a span or a span's event, independent of the filter of the log. The exporter's own work stays out: its
/// spans would be exported, and that would be work again.
fn traced() -> Targets {
    let exporter = ["opentelemetry", "opentelemetry_sdk", "opentelemetry_otlp", "opentelemetry-otlp", "hyper", "hyper_util", "reqwest"];
    let left_out = exporter.into_iter().chain(AMQP_CLIENT);
    Targets::new().with_default(LevelFilter::INFO).with_targets(left_out.map(|target| (target, LevelFilter::OFF)))
}

/// All but the AMQP client, which no filter of the log brings back.
fn without_amqp_client() -> Targets {
    Targets::new().with_default(LevelFilter::TRACE).with_targets(AMQP_CLIENT.map(|target| (target, LevelFilter::OFF)))
}

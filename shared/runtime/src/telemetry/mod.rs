//! Logs on standard error, and traces to a collector when one is set.
//!
//! Without `OTEL_EXPORTER_OTLP_ENDPOINT` no span is kept or exported; the trace of a caller is still handed on
//! ([`in_context`]), so that Forebay does not cut it in two.

mod error;
mod exporter;
mod one_line;
mod propagation;

use std::io::IsTerminal;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::{FilterExt, LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, registry};

pub use error::TelemetryError;
pub use opentelemetry::Context;
pub use propagation::{continue_from, current_traceparent, in_context, set_parent, traceparent_of};

use crate::settings::{LogFormat, Settings};

/// Timeout of the last batch of spans at shutdown.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// The AMQP client and its dependencies. At any level they log and trace whole messages with headers and bodies. Forebay logs their errors
/// itself.
const AMQP_CLIENT: [&str; 4] = ["lapin", "amq_protocol", "tcp_stream", "async_rs"];

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
        .with(logs.with_filter(settings.log.to_filter().and(without_amqp_client())))
        .with(traces)
        .try_init()
        .map_err(TelemetryError::AlreadyInstalled)?;
    Ok(Telemetry { provider })
}

/// The use of traces in a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traces {
    /// Spans are made and exported to a collector.
    Exported,
    /// No span is made. The trace of a caller is handed on.
    HandedOn,
}

impl Telemetry {
    /// Returns the use of traces in this process, for the parts of it that make spans.
    #[must_use]
    pub fn traces(&self) -> Traces {
        if self.provider.is_some() { Traces::Exported } else { Traces::HandedOn }
    }

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
    /// Flushes when the process ends by an early error; after [`Telemetry::shutdown`] there is nothing to do.
    fn drop(&mut self) {
        if let Some(provider) = self.provider.take() {
            flush(&provider);
        }
    }
}

fn flush(provider: &SdkTracerProvider) {
    if let Err(error) = provider.shutdown_with_timeout(FLUSH_TIMEOUT) {
        tracing::warn!(error = %error, "some traces may not have reached the collector");
    }
}

/// Returns the filter of spans and their events, independent of the filter of the log. The exporter's own work is left out: the export of
/// its spans would be work again.
fn traced() -> Targets {
    let exporter = ["opentelemetry", "opentelemetry_sdk", "opentelemetry_otlp", "opentelemetry-otlp", "hyper", "hyper_util", "reqwest"];
    let left_out = exporter.into_iter().chain(AMQP_CLIENT);
    Targets::new().with_default(LevelFilter::INFO).with_targets(left_out.map(|target| (target, LevelFilter::OFF)))
}

/// Returns a filter of everything but the AMQP client, which no filter of the log includes.
fn without_amqp_client() -> Targets {
    Targets::new().with_default(LevelFilter::TRACE).with_targets(AMQP_CLIENT.map(|target| (target, LevelFilter::OFF)))
}

//! The caller's trace, continued: a span for the call if traces are exported, otherwise the header as it was received.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use forebay_contract::envelope::TraceContext;
use forebay_runtime::telemetry::{self, Traces};
use forebay_store::Integration;
use tracing::{Instrument, Span};

/// The trace that a call belongs to.
#[derive(Clone)]
pub(crate) struct Trace {
    span: Span,
    context: Option<TraceContext>,
}

impl Trace {
    pub(crate) fn of(request: &HttpRequest, integration: &Integration, traces: Traces) -> Self {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let incoming = header("traceparent").map(|parent| telemetry::continue_from(Some(parent), header("tracestate")));
        if traces == Traces::HandedOn {
            let context = incoming.and_then(|context| telemetry::traceparent_of(&context)).map(trace_context);
            return Self { span: Span::none(), context };
        }
        // Names by the OpenTelemetry semantic conventions for HTTP servers.
        let span = tracing::info_span!(
            "call",
            otel.name = format!("{} /{}", request.method(), integration.definition.path()),
            otel.kind = "server",
            http.request.method = request.method().as_str(),
            http.route = "/{tenant}/{name}",
            url.path = request.uri().path(),
            http.response.status_code = tracing::field::Empty,
            forebay.tenant = integration.definition.tenant.as_str(),
            forebay.integration = integration.definition.name.as_str(),
            forebay.version = integration.version,
        );
        if let Some(parent) = &incoming {
            telemetry::set_parent(&span, parent);
        }
        let context = span.in_scope(telemetry::current_traceparent).map(trace_context);
        Self { span, context }
    }

    /// Returns the trace context for the envelope.
    pub(crate) fn context(&self) -> Option<TraceContext> {
        self.context.clone()
    }

    pub(crate) fn around<F: Future>(self, work: F) -> tracing::instrument::Instrumented<F> {
        work.instrument(self.span)
    }

    pub(crate) fn finish(&self, status: StatusCode) {
        self.span.record("http.response.status_code", status.as_u16());
    }
}

fn trace_context((traceparent, tracestate): (String, Option<String>)) -> TraceContext {
    TraceContext { traceparent, tracestate }
}

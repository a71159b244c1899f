//! The trace of a caller, in and out: W3C `traceparent` and `tracestate`.
//!
//! With an exporter, the current trace is that of the current `tracing` span. Without one there are no spans, and it is
//! the context that [`in_context`] put around the work: the header goes out as it came in.

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{FutureExt, TraceContextExt, WithContext};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// Returns the context of a caller's headers. Absent or malformed headers give an empty context, which starts a new trace.
#[must_use]
pub fn continue_from(traceparent: Option<&str>, tracestate: Option<&str>) -> Context {
    if traceparent.is_none() {
        return Context::new();
    }
    let headers = Incoming { traceparent, tracestate };
    TraceContextPropagator::new().extract_with_context(&Context::new(), &headers)
}

/// Makes `parent` the parent of a span that is exported and has not been entered yet. Does nothing with an empty context.
pub fn set_parent(span: &Span, parent: &Context) {
    if !parent.has_active_span() {
        return;
    }
    if let Err(error) = span.set_parent(parent.clone()) {
        tracing::debug!(error = %error, "span does not continue the caller's trace");
    }
}

/// Runs `work` in `context`, so that [`current_traceparent`] finds it and a first span has it as parent, with or without an exporter.
pub fn in_context<F: Future>(context: Context, work: F) -> WithContext<F> {
    work.with_context(context)
}

/// Returns `traceparent` and `tracestate` for a message or request that is sent now; `None`: there is no trace.
#[must_use]
pub fn current_traceparent() -> Option<(String, Option<String>)> {
    // Without an exporter, a span has no context.
    traceparent_of(&Span::current().context()).or_else(|| traceparent_of(&Context::current()))
}

/// Returns `traceparent` and `tracestate` of a context; `None`: it has no trace.
#[must_use]
pub fn traceparent_of(context: &Context) -> Option<(String, Option<String>)> {
    if !context.has_active_span() {
        return None;
    }
    let mut headers = Outgoing::default();
    TraceContextPropagator::new().inject_context(context, &mut headers);
    Some((headers.traceparent?, headers.tracestate))
}

struct Incoming<'a> {
    traceparent: Option<&'a str>,
    tracestate: Option<&'a str>,
}

impl Extractor for Incoming<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            TRACEPARENT => self.traceparent,
            TRACESTATE => self.tracestate,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT, TRACESTATE]
    }
}

#[derive(Default)]
struct Outgoing {
    traceparent: Option<String>,
    tracestate: Option<String>,
}

impl Injector for Outgoing {
    fn set(&mut self, key: &str, value: String) {
        match key {
            TRACEPARENT => self.traceparent = Some(value),
            // The propagator writes an empty one when there is none.
            TRACESTATE if !value.is_empty() => self.tracestate = Some(value),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[tokio::test]
    async fn without_an_exporter_the_callers_headers_go_out_as_they_came_in() {
        let context = continue_from(Some(PARENT), Some("vendor=1,other=2"));
        assert_eq!(current_traceparent(), None, "nothing leaks out of the context");
        let sent = in_context(context, async {
            tokio::task::yield_now().await;
            current_traceparent()
        });
        assert_eq!(sent.await, Some((PARENT.to_owned(), Some("vendor=1,other=2".to_owned()))));
        let unsampled = PARENT.replace("-01", "-00");
        let context = continue_from(Some(&unsampled), None);
        assert_eq!(traceparent_of(&context), Some((unsampled, None)));
    }

    #[test]
    fn malformed_and_absent_headers_give_no_trace() {
        for header in [None, Some(""), Some("garbage"), Some("00-00000000000000000000000000000000-00f067aa0ba902b7-01")] {
            assert_eq!(traceparent_of(&continue_from(header, Some("a=b"))), None, "{header:?}");
        }
    }
}

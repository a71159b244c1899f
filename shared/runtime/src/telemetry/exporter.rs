//! Spans to a collector: OTLP over HTTP with protobuf, in batches.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::TelemetryError;
use crate::settings::RedactedUrl;

/// One request to the collector may take this long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn provider(endpoint: &RedactedUrl, service_name: &str, instance: &str) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client(endpoint)?)
        .with_endpoint(traces_url(endpoint.expose()))
        .build()
        .map_err(TelemetryError::Exporter)?;
    let resource = Resource::builder()
        .with_service_name(service_name.to_owned())
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", instance.to_owned()))
        .build();
    Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}

/// The batches are sent from a thread of the SDK that has no tokio runtime, hence the blocking client. It must be made
/// outside of a runtime too, hence the thread.
fn client(endpoint: &RedactedUrl) -> Result<reqwest::blocking::Client, TelemetryError> {
    let secure = endpoint.scheme() == "https";
    // The process has one provider of TLS; whoever is first installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let made = std::thread::spawn(move || {
        // A redirect turns a POST into a GET in most clients: the traces would be lost, and nobody would know.
        let builder = reqwest::blocking::Client::builder().timeout(REQUEST_TIMEOUT).redirect(reqwest::redirect::Policy::none());
        // Plain HTTP must not need the CA certificates of the system: a minimal container has none.
        let builder = if secure { builder } else { builder.tls_certs_only([]) };
        builder.build()
    })
    .join();
    match made {
        Ok(client) => client.map_err(|error| TelemetryError::Client(Box::new(error))),
        Err(_panic) => Err(TelemetryError::Client("the thread that made the client panicked".into())),
    }
}

/// The variable names the collector; the specification adds the path of the signal.
fn traces_url(endpoint: &str) -> String {
    format!("{}/v1/traces", endpoint.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_signal_is_added_to_the_endpoint() {
        assert_eq!(traces_url("http://c:4318"), "http://c:4318/v1/traces");
        assert_eq!(traces_url("http://c:4318/otlp/"), "http://c:4318/otlp/v1/traces");
    }
}

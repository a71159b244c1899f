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
    fn a_collector_that_redirects_gets_no_second_request_and_its_status_is_told() {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let collector = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let read = stream.read(&mut [0; 4096]).unwrap();
            stream.write_all(b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n").unwrap();
            // Until the client closes the connection.
            (read > 0, stream.read(&mut [0; 4096]).unwrap())
        });
        let client = client(&RedactedUrl::parse(&endpoint, &["http"]).unwrap()).unwrap();
        let status = client.post(traces_url(&endpoint)).send().unwrap().status();
        drop(client);
        assert_eq!((status.as_u16(), collector.join().unwrap()), (302, (true, 0)));
    }

    #[test]
    fn the_path_of_the_signal_is_added_to_the_endpoint() {
        assert_eq!(traces_url("http://c:4318"), "http://c:4318/v1/traces");
        assert_eq!(traces_url("http://c:4318/otlp/"), "http://c:4318/otlp/v1/traces");
    }
}

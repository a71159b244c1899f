//! The exporter of spans: OTLP over HTTP with protobuf, in batches.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::error::TelemetryError;
use crate::settings::HttpUrl;

/// Timeout of one request to the collector.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn provider(endpoint: &HttpUrl, service_name: &str, instance: &str) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client(endpoint)?)
        .with_endpoint(traces_url(endpoint))
        .build()
        .map_err(TelemetryError::Exporter)?;
    let resource = Resource::builder()
        .with_service_name(service_name.to_owned())
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", instance.to_owned()))
        .build();
    Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}

/// Returns a blocking client, since a thread of the SDK without a tokio runtime sends the batches. It must be built outside of a runtime
/// too, hence the thread.
fn client(endpoint: &HttpUrl) -> Result<reqwest::blocking::Client, TelemetryError> {
    let secure = endpoint.is_https();
    // The process has one provider of TLS; the first user installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let made = std::thread::spawn(move || {
        // A redirect turns a POST into a GET in most clients: the traces would be lost without an error.
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

/// Returns the address for traces: the setting names the collector, and the specification adds the path of the signal.
fn traces_url(endpoint: &HttpUrl) -> String {
    format!("{}/v1/traces", endpoint.base())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_that_redirects_gets_no_second_request_and_its_status_is_told() {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = HttpUrl::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let collector = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let read = stream.read(&mut [0; 4096]).unwrap();
            stream.write_all(b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n").unwrap();
            // Until the client closes the connection.
            (read > 0, stream.read(&mut [0; 4096]).unwrap())
        });
        let client = client(&endpoint).unwrap();
        let status = client.post(traces_url(&endpoint)).send().unwrap().status();
        drop(client);
        assert_eq!((status.as_u16(), collector.join().unwrap()), (302, (true, 0)));
    }

    #[test]
    fn the_path_of_the_signal_is_added_to_the_endpoint() {
        let url_of = |endpoint| traces_url(&HttpUrl::parse(endpoint).unwrap());
        assert_eq!(url_of("http://c:4318"), "http://c:4318/v1/traces");
        assert_eq!(url_of("http://c:4318/otlp/"), "http://c:4318/otlp/v1/traces");
    }
}

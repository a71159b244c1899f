//! A request of a partner system, and the partner's knowledge after it.

use crate::history::{Answer, Call, Kind};
use crate::journal::Journal;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Timeout of a call; longer than any response of an ingress.
const TIMEOUT: Duration = Duration::from_secs(45);

/// Sends calls to the balancer. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Caller {
    http: reqwest::Client,
    url: Arc<str>,
    pub(crate) journal: Arc<Journal>,
    is_stopped: Arc<AtomicBool>,
}

/// One integration that is called.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) tenant: String,
    pub(crate) integration: String,
    pub(crate) kind: Kind,
    pub(crate) is_quiet: bool,
}

impl Endpoint {
    pub(crate) fn new(tenant: &str, integration: &str, kind: Kind, is_quiet: bool) -> Self {
        Self { tenant: tenant.to_owned(), integration: integration.to_owned(), kind, is_quiet }
    }
}

impl Caller {
    pub(crate) fn new(http: reqwest::Client, url: &str, journal: Arc<Journal>) -> Self {
        Self { http, url: url.into(), journal, is_stopped: Arc::default() }
    }

    /// Ends the loops of all callers.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// Adds a call to the history; its id.
    pub(crate) fn open(&self, endpoint: &Endpoint, n: u64) -> usize {
        let Endpoint { tenant, integration, kind, is_quiet } = endpoint.clone();
        self.journal.open(Call { tenant, integration, kind, n, is_quiet, attempts: Vec::new() })
    }

    /// Opens and sends one call.
    pub(crate) async fn call(&self, endpoint: &Endpoint, n: u64) -> Answer {
        let id = self.open(endpoint, n);
        self.send(endpoint, id, None, format!(r#"{{"call":{id}}}"#).into_bytes()).await
    }

    /// Sends one request of a call.
    pub(crate) async fn send(&self, endpoint: &Endpoint, id: usize, key: Option<&str>, body: Vec<u8>) -> Answer {
        let url = format!("{}/{}/{}", self.url, endpoint.tenant, endpoint.integration);
        let mut request = self.http.post(url).header("content-type", "application/json").timeout(TIMEOUT).body(body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let sent = self.journal.send(id);
        let answer = match request.send().await {
            Ok(response) => read(response).await,
            Err(error) => Answer::Unknown { text: format!("no answer: {error}") },
        };
        self.journal.answer(id, sent, answer.clone());
        answer
    }
}

async fn read(response: reqwest::Response) -> Answer {
    let status = response.status().as_u16();
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (execution, location) = (header("forebay-execution-id"), header("location"));
    match response.bytes().await {
        Ok(body) => classify(status, execution, location, &body),
        Err(error) => Answer::Unknown { text: format!("{status}, then no body: {error}") },
    }
}

fn classify(status: u16, execution: String, location: String, body: &[u8]) -> Answer {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = || json["detail"].as_str().map_or_else(|| String::from_utf8_lossy(body).chars().take(200).collect(), str::to_owned);
    match status {
        202 => Answer::Accepted { execution, location },
        200 => {
            let call = json["call"].as_u64().and_then(|call| usize::try_from(call).ok());
            Answer::Replied { execution, call, tenant: json["tenant"].as_str().unwrap_or_default().to_owned() }
        }
        500 => Answer::Failed { execution, text: text() },
        409 => Answer::Unknown { text: format!("409 {}", text()) },
        503 if json["mayBeDelivered"] == false => Answer::Refused { status, text: text() },
        400..=499 => Answer::Refused { status, text: text() },
        _ => Answer::Unknown { text: format!("{status} {}", text()) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_whether_the_call_was_accepted() {
        let of = |status, body: &str| classify(status, "e".to_owned(), "/t/i/executions/e".to_owned(), body.as_bytes());
        assert_eq!(of(202, "{}").accepted_execution(), Some("e"));
        assert_eq!(
            of(200, r#"{"call":7,"tenant":"t"}"#),
            Answer::Replied { execution: "e".to_owned(), call: Some(7), tenant: "t".to_owned() }
        );
        assert!(matches!(of(503, r#"{"mayBeDelivered":false}"#), Answer::Refused { status: 503, .. }));
        assert!(matches!(of(503, r#"{"mayBeDelivered":true}"#), Answer::Unknown { .. }));
        assert!(matches!(of(413, ""), Answer::Refused { status: 413, .. }));
        for status in [409, 502, 504] {
            assert!(matches!(of(status, ""), Answer::Unknown { .. }), "{status}");
        }
        assert!(matches!(of(500, r#"{"detail":"x"}"#), Answer::Failed { .. }));
    }
}

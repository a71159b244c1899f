//! The `http` step: renders a request, sends it, and reads the answer as `{ status, headers, body }`.

use super::url::{PathTemplate, UrlTemplate};
use super::{Caller, wrong_kind};
use crate::context::Context;
use forebay_connectors::Headers;
use forebay_connectors::http_send::{Called, NotFollowed, Sent, send, unreachable};
use forebay_connectors::retry_after::{comes_again, retry_after};
use forebay_contract::Name;
use forebay_contract::body::{BodyError, BodyRule, Reading};
use forebay_contract::connection::{Connection, ConnectionKind};
use forebay_contract::definition::Redirects;
use forebay_contract::format_duration;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_mapping::body::read_body;
use forebay_mapping::header::{HeaderTemplate, content_type_of, header_values, render_headers, set_content_type};
use forebay_mapping::payload;
use forebay_mapping::weight;
use forebay_mapping::{Budget, Paced};
use forebay_mapping::{Mapping, Template, Value};
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use reqwest::{Request, Response, Url};
use std::sync::Arc;
use std::time::Duration;

/// Bytes of an answer that are read in one piece of work.
const YIELD_AFTER_BYTES: usize = 128 * 1024;

/// Characters of a failed answer's body that go into the message.
const SHOWN_CHARACTERS: usize = 200;

/// An `http` step, compiled.
pub(crate) struct HttpStep {
    pub method: Method,
    pub target: Target,
    /// Values are rendered as plain text and encoded whole.
    pub query: Vec<(String, Paced<Template>)>,
    pub headers: Vec<HeaderTemplate>,
    pub body: Option<Paced<Mapping>>,
    /// Statuses beside 2xx that are no failure.
    pub accept: Vec<u16>,
    /// What holds in the place of what the remote system says of its response's body.
    pub response: BodyRule,
    pub redirects: Redirects,
    /// Whether a repetition may do something again.
    pub has_effect: bool,
}

/// Where a call goes.
pub(crate) enum Target {
    Url(Paced<UrlTemplate>),
    Connection { connection: Name, path: Paced<PathTemplate> },
}

impl HttpStep {
    /// Sends the request and gives the step's output. A status other than 2xx is a failure.
    pub(crate) async fn run(
        &self,
        caller: Caller<'_>,
        timeout: Option<Duration>,
        context: &Context,
        budget: &Budget,
    ) -> Result<Value, ExecutionError> {
        let call = self.call(caller, context.value(), budget).await?;
        let target = call.called();
        let timeout = timeout.unwrap_or(caller.engine.options().step_timeout);
        match tokio::time::timeout(timeout, self.exchange(caller, call, &target)).await {
            Ok(result) => result.map_err(|error| target.conceal_in(error)),
            Err(_) => {
                let message = format!("{target} did not answer within {}; the request may have been carried out", format_duration(timeout));
                Err(ExecutionError::transient(ErrorCode::Timeout, message))
            }
        }
    }

    async fn url(&self, caller: Caller<'_>, context: &Value, budget: &Budget) -> Result<(Url, Option<Under>), ExecutionError> {
        let context = context.clone();
        match &self.target {
            Target::Url(url) => {
                let address = url.evaluate("url", budget, move |url, limits| url.render(&context, limits)).await?;
                Ok((super::url::parse(&address)?, None))
            }
            Target::Connection { connection, path } => {
                let connection = caller.host.connection(connection)?;
                let ConnectionKind::Http(http) = &connection.kind else { return Err(wrong_kind(&connection, "http")) };
                let path = path.evaluate("path", budget, move |path, limits| path.render(&context, limits)).await?;
                let url = super::url::under(&http.url, &path)?;
                Ok((url, Some(Under { connection, path })))
            }
        }
    }

    async fn call(&self, caller: Caller<'_>, context: &Value, budget: &Budget) -> Result<Call, ExecutionError> {
        let (mut url, under) = self.url(caller, context, budget).await?;
        for (name, value) in &self.query {
            let value = value.text(&format!("query.{name}"), context, budget).await?;
            super::url::add_query(&mut url, name, &value);
        }
        let mut headers = render_headers(&self.headers, context, budget).await?;
        let mut body = None;
        if let Some(mapping) = &self.body {
            let payload = payload::of_mapping(mapping, content_type_of(&headers), context, budget).await?;
            set_content_type(&mut headers, payload.content_type);
            body = Some(payload.bytes);
        }
        let reach = caller.engine.connectors().reach();
        reach.check_url(&url).map_err(|refused| ExecutionError::permanent(ErrorCode::Unreachable, refused.to_string()))?;
        let mut request = Request::new(self.method.clone(), url);
        let set_by_step = headers.iter().map(|(name, _)| name.clone()).collect();
        *request.headers_mut() = caller.headers(headers)?;
        let expects_body = [Method::POST, Method::PUT, Method::PATCH].contains(&self.method);
        if body.is_none() && expects_body {
            // Some servers answer 411 without it; the client leaves it out.
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        *request.body_mut() = body.map(Into::into);
        Ok(Call { request, set_by_step, under })
    }

    async fn exchange(&self, caller: Caller<'_>, call: Call, target: &Called) -> Result<Value, ExecutionError> {
        let (Sent { response, not_followed }, is_renewed) = call.send(caller, self.redirects, target).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        if !status.is_success() && !self.accept.contains(&status.as_u16()) {
            let explained = not_followed.map(|not_followed| self.explain(caller, &not_followed));
            let mut error = refused(response, target, explained.as_deref().unwrap_or_default()).await;
            if is_renewed && status == StatusCode::UNAUTHORIZED {
                error.message.push_str("; the token was a new one, and may have been ended by another that was fetched meanwhile");
                error.transient = true;
            }
            return Err(error);
        }
        let most_bytes = caller.engine.options().remote_bytes;
        let bytes = if self.method == Method::HEAD { Vec::new() } else { read_bounded(response, most_bytes, target).await? };
        let body = body(&headers, bytes, self.response.clone(), most_bytes, target).await?;
        Ok(Value::object([("status", Value::from(i64::from(status.as_u16()))), ("headers", header_object(&headers)), ("body", body)]))
    }
}

impl HttpStep {
    /// Why a redirect was not followed, and where to write what instead.
    fn explain(&self, caller: Caller<'_>, not_followed: &NotFollowed) -> String {
        let is_alert = caller.host.tells_alert();
        let field = match &self.target {
            Target::Url(_) if is_alert => "send.webhook.url".to_owned(),
            Target::Url(_) => "url".to_owned(),
            Target::Connection { connection, .. } => {
                let path = if is_alert { "send.webhook.path" } else { "the step's path" };
                format!("the url of the connection '{connection}' and {path}")
            }
        };
        // An alert has no such field.
        let may_follow = not_followed.may_be_followed() && !is_alert;
        let otherwise = if may_follow { ", or set `redirects: follow_as_get` to fetch what is there" } else { "" };
        format!("{}{otherwise}", not_followed.explain(&self.method, &field))
    }
}

/// A path under a connection's address.
struct Under {
    connection: Arc<Connection>,
    path: String,
}

/// A call that is ready but for the headers of its connection.
struct Call {
    request: Request,
    /// Names in lower case: the step's own headers win over the connection's.
    set_by_step: Vec<String>,
    under: Option<Under>,
}

impl Call {
    fn called(&self) -> Called {
        match &self.under {
            None => Called::by_url(self.request.method(), self.request.url()),
            Some(Under { connection, path }) => Called::by_connection(self.request.method(), connection, path),
        }
    }

    /// Sends it with the headers of its connection. A token that is refused may have been withdrawn before its end: the call is
    /// made once more with a new one, since a 401 says that nothing was carried out. Gives also whether it was.
    async fn send(self, caller: Caller<'_>, rule: Redirects, target: &Called) -> Result<(Sent, bool), ExecutionError> {
        let (client, connectors) = (caller.engine.client(), caller.engine.connectors());
        let Some(Under { connection, .. }) = &self.under else {
            return Ok((send(client, self.request, rule, target).await?, false));
        };
        let ConnectionKind::Http(http) = &connection.kind else { return Err(wrong_kind(connection, "http")) };
        let authorization = connectors.authorize(client, connection, http).await?;
        target.carries(&authorization);
        let own = &connectors.client_for(client, connection, http, self.request.url())?;
        let is_ours = !self.set_by_step.iter().any(|name| name == AUTHORIZATION.as_str());
        let again = self.request.try_clone().filter(|_| is_ours);
        let sent = send(own, with(self.request, &authorization, &self.set_by_step), rule, target).await?;
        let Some(again) = again.filter(|_| sent.response.status() == StatusCode::UNAUTHORIZED) else { return Ok((sent, false)) };
        if !connectors.invalidate(connection, http, &authorization).await {
            return Ok((sent, false));
        }
        let authorization = connectors.authorize(client, connection, http).await?;
        target.carries(&authorization);
        Ok((send(own, with(again, &authorization, &self.set_by_step), rule, target).await?, true))
    }
}

/// The connection's headers, over those that Forebay sets by itself.
fn with(mut request: Request, authorization: &Headers, set_by_step: &[String]) -> Request {
    for (name, value) in authorization {
        if !set_by_step.iter().any(|set| set == name.as_str()) {
            request.headers_mut().insert(name.clone(), value.clone());
        }
    }
    request
}

impl Caller<'_> {
    /// The definition's headers, then those that it does not set itself.
    fn headers(self, rendered: Vec<(String, String)>) -> Result<HeaderMap, ExecutionError> {
        let mut headers = HeaderMap::with_capacity(rendered.len() + 3);
        for (name, value) in rendered {
            insert_if_absent(&mut headers, &name, &value)?;
        }
        insert_if_absent(&mut headers, "idempotency-key", &self.idempotency_key())?;
        if headers.contains_key("traceparent") {
            return Ok(headers);
        }
        let of_envelope = || self.envelope.trace.as_ref().map(|trace| (trace.traceparent.clone(), trace.tracestate.clone()));
        let trace = self.engine.options().inject.as_ref().and_then(|inject| inject()).or_else(of_envelope);
        if let Some((traceparent, tracestate)) = trace {
            insert_if_absent(&mut headers, "traceparent", &traceparent)?;
            if let Some(tracestate) = tracestate {
                insert_if_absent(&mut headers, "tracestate", &tracestate)?;
            }
        }
        Ok(headers)
    }
}

fn insert_if_absent(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), ExecutionError> {
    let unfit = || ExecutionError::permanent(ErrorCode::Mapping, format!("headers.{name}: the name or its value cannot be sent"));
    let name = HeaderName::try_from(name).map_err(|_| unfit())?;
    let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| unfit())?;
    headers.entry(name).or_insert(value);
    Ok(())
}

async fn read_bounded(mut response: Response, most_bytes: usize, target: &Called) -> Result<Vec<u8>, ExecutionError> {
    let too_large = || {
        let message = format!("{target} answered with more than {most_bytes} bytes; ask it for less, or for pages");
        ExecutionError::permanent(ErrorCode::Limit, message)
    };
    if response.content_length().is_some_and(|length| length > most_bytes as u64) {
        return Err(too_large());
    }
    let expected = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    let (mut bytes, mut since_yield) = (Vec::with_capacity(expected), expected);
    loop {
        // Between two pieces of work the process decides whether there is memory for the next one.
        if since_yield > YIELD_AFTER_BYTES {
            since_yield = 0;
            tokio::task::yield_now().await;
        }
        let Some(chunk) = response.chunk().await.map_err(|error| unreachable(target, error))? else { return Ok(bytes) };
        if bytes.len() + chunk.len() > most_bytes {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
        since_yield += chunk.len();
    }
}

/// What the response's body is. One that does not keep what its Content-Type promises is a failure: the workflow would go on with
/// something else than it was made for.
async fn body(headers: &HeaderMap, bytes: Vec<u8>, rule: BodyRule, most_bytes: usize, target: &Called) -> Result<Value, ExecutionError> {
    let text_of = |name| headers.get(name).map(header_text);
    let (content_type, encoding) = (text_of(CONTENT_TYPE), text_of(CONTENT_ENCODING));
    let aside = weight::are_many(bytes.len()) || encoding.is_some();
    let read = move || {
        let reading = Reading { rule: &rule, max_bytes: most_bytes };
        read_body(reading, content_type.as_deref(), encoding.as_deref(), &bytes)
    };
    weight::run(aside, read).await?.map_err(|error| match error {
        BodyError::TooLarge(_) => {
            let message = format!("{target} answered with more than {most_bytes} bytes once decompressed; ask it for less, or for pages");
            ExecutionError::permanent(ErrorCode::Limit, message)
        }
        error => {
            let message = format!(
                "{target} answered with a body that cannot be read: {error}; say how it is to be read, with response: {{ content_type, charset }}"
            );
            ExecutionError::permanent(ErrorCode::Remote, message)
        }
    })
}

/// A header value as text: UTF-8 where it is, else byte by byte as ISO-8859-1 (RFC 9110, section 5.5).
fn header_text(value: &HeaderValue) -> String {
    let latin1 = || value.as_bytes().iter().copied().map(char::from).collect();
    std::str::from_utf8(value.as_bytes()).map_or_else(|_| latin1(), str::to_owned)
}

fn header_object(headers: &HeaderMap) -> Value {
    let texts: Vec<(&str, String)> = headers.iter().map(|(name, value)| (name.as_str(), header_text(value))).collect();
    header_values(texts.iter().map(|(name, value)| (*name, value.as_str())))
}

/// The failure for a status other than 2xx: a 5xx and the statuses that ask to come again are worth another attempt.
async fn refused(mut response: Response, target: &Called, explained: &str) -> ExecutionError {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let mut message = format!("{target} answered {status}{explained}");
    let mut shown = Vec::new();
    while shown.len() < SHOWN_CHARACTERS * 4
        && let Ok(Some(chunk)) = response.chunk().await
    {
        shown.extend_from_slice(&chunk[..chunk.len().min(SHOWN_CHARACTERS * 4)]);
    }
    // A character that was cut in two would hide that the text ends within a secret.
    let text = String::from_utf8_lossy(&shown);
    let text = target.conceal_cut_off(text.trim_end_matches(char::REPLACEMENT_CHARACTER));
    let text: String = text.trim().chars().take(SHOWN_CHARACTERS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if !text.is_empty() {
        message.push_str(&format!(": {text}"));
    }
    ExecutionError { transient: comes_again(status), retry_after, ..ExecutionError::permanent(ErrorCode::Remote, message) }
}

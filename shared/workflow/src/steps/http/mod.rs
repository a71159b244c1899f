//! The `http` step: renders a request, sends it, and returns the response as `{ status, headers, body }`.

mod url;

use super::{CompiledKind, Effect, StepFuture, StepKind, StepRun, TrialStep, wrong_kind};
use crate::compiler::Compiler;
use crate::execution::Scope;
use crate::flow::Done;
use crate::trial::{self, Fault, Rendering, Trial};
use forebay_connectors::Headers;
use forebay_connectors::http::retry_after::{comes_again, retry_after};
use forebay_connectors::http::send::{Called, NotFollowed, Sent, send, unreachable};
use forebay_contract::Name;
use forebay_contract::body::{BodyError, BodyRule, Reading};
use forebay_contract::connection::{Connection, ConnectionKind};
use forebay_contract::definition::{HttpCall, HttpTarget, Redirects};
use forebay_contract::format_duration;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_mapping::Paced;
use forebay_mapping::body::read_body;
use forebay_mapping::header::{HeaderTemplate, content_type_of, header_values, render_headers, set_content_type};
use forebay_mapping::payload;
use forebay_mapping::weight;
use forebay_mapping::{Encoding, Mapping, Template, Value};
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use reqwest::{Request, Response, Url};
use serde_json::{Map, Value as Json};
use std::sync::Arc;
use url::{PathTemplate, UrlTemplate};

/// Bytes of a response that are read before the task yields.
const YIELD_AFTER_BYTES: usize = 128 * 1024;

/// Maximum characters of a failed response's body in the message.
const SHOWN_CHARACTERS: usize = 200;

/// A compiled `http` step.
struct HttpStep {
    method: Method,
    target: Target,
    /// Values are rendered as plain text, and then encoded.
    query: Vec<(String, Paced<Template>)>,
    headers: Vec<HeaderTemplate>,
    body: Option<Paced<Mapping>>,
    /// Statuses besides 2xx that are not failures.
    accept: Vec<u16>,
    /// The rule of reading the response's body; it takes precedence over the declaration of the remote system.
    response: BodyRule,
    redirects: Redirects,
    effect: Effect,
}

/// The target of a call.
enum Target {
    Url(Paced<UrlTemplate>),
    Connection { connection: Name, path: Paced<PathTemplate> },
}

impl StepKind for HttpCall {
    fn compile(&self, path: &str, compiler: &mut Compiler) -> Option<Box<dyn CompiledKind>> {
        let target = match &self.target {
            HttpTarget::Url(url) => compiler.text(&format!("{path}.url"), url, UrlTemplate::compile).map(Target::Url),
            HttpTarget::Connection { connection, path: source } => {
                let under = compiler.text(&format!("{path}.path"), source, PathTemplate::compile);
                under.map(|path| Target::Connection { connection: connection.clone(), path })
            }
        };
        let query = compiler.templates(&format!("{path}.query"), &self.query, Encoding::Scalar);
        let headers = compiler.headers(path, &self.headers, true);
        let body = compiler.optional_mapping(&format!("{path}.body"), self.body.as_ref());
        let (method, accept, effect) =
            (self.method.clone(), self.accept.clone(), if self.is_safe() { Effect::Reads } else { Effect::Writes });
        let (redirects, response) = (self.redirects, self.response.clone());
        Some(Box::new(HttpStep { method, target: target?, query, headers, body: body?, accept, redirects, response, effect }))
    }

    fn run_trial(&self, step: TrialStep<'_>, scope: &mut trial::Scope, _trial: &mut Trial<'_>) -> Result<trial::Done, Fault> {
        let render = Rendering { part: step.part, scope };
        let mut request = Map::from_iter([("method".to_owned(), Json::from(self.method.as_str()))]);
        match &self.target {
            HttpTarget::Url(source) => {
                let address = render.template("url", source, Encoding::Url)?;
                is_address(&render, "url", source, &address, url::parse(&address))?;
                request.insert("url".to_owned(), address.into());
            }
            HttpTarget::Connection { connection, path: source } => {
                let path = render.template("path", source, Encoding::Url)?;
                is_address(&render, "path", source, &path, url::under("http://connection", path.trim_start_matches('/')))?;
                request.insert("connection".to_owned(), Json::from(connection.as_str()));
                request.insert("path".to_owned(), path.into());
            }
        }
        request.insert("query".to_owned(), render.texts("query", &self.query, Encoding::Scalar)?);
        request.insert("headers".to_owned(), render.texts("headers", &self.headers, Encoding::HeaderValue)?);
        match self.redirects {
            Redirects::Error => {}
            Redirects::FollowAsGet => drop(request.insert("redirects".to_owned(), Json::from("follow_as_get"))),
        }
        if self.body.is_some() {
            request.insert("body".to_owned(), render.optional("body", self.body.as_ref())?);
        }
        Ok(trial::Done::Request(request.into()))
    }
}

/// Returns the failure if the text of a template is not an address.
fn is_address(render: &Rendering<'_>, field: &str, source: &str, text: &str, parsed: Result<Url, ExecutionError>) -> Result<(), Fault> {
    let part = format!("{}.{field}", render.part);
    parsed.map(drop).map_err(|error| Fault::of_output(&part, source, &text.into(), error.message))
}

impl CompiledKind for HttpStep {
    fn effect(&self) -> Effect {
        self.effect
    }

    fn connection(&self) -> Option<&Name> {
        match &self.target {
            Target::Connection { connection, .. } => Some(connection),
            Target::Url(_) => None,
        }
    }

    fn run<'r>(&'r self, step: StepRun<'r>, scope: &'r mut Scope) -> StepFuture<'r> {
        Box::pin(async move { self.send(step, scope).await.map(Done::Output) })
    }
}

impl HttpStep {
    /// Sends the request and returns the step's output. A status other than 2xx is a failure.
    async fn send(&self, step: StepRun<'_>, scope: &Scope) -> Result<Value, ExecutionError> {
        let call = self.call(step, scope).await?;
        let target = call.called();
        let timeout = step.timeout.unwrap_or(step.engine().options().step_timeout);
        match tokio::time::timeout(timeout, self.exchange(step, call, &target)).await {
            Ok(result) => result.map_err(|error| target.conceal_in(error)),
            Err(_) => {
                let message = format!("{target} did not answer within {}; the request may have been carried out", format_duration(timeout));
                Err(ExecutionError::transient(ErrorCode::Timeout, message))
            }
        }
    }

    async fn url(&self, step: StepRun<'_>, scope: &Scope) -> Result<(Url, Option<Under>), ExecutionError> {
        let (context, budget) = (scope.context.value().clone(), step.budget());
        match &self.target {
            Target::Url(url) => {
                let address = url.evaluate("url", budget, move |url, limits| url.render(&context, limits)).await?;
                Ok((url::parse(&address)?, None))
            }
            Target::Connection { connection, path } => {
                let connection = step.connection(connection)?;
                let ConnectionKind::Http(http) = &connection.kind else { return Err(wrong_kind(&connection, "http")) };
                let path = path.evaluate("path", budget, move |path, limits| path.render(&context, limits)).await?;
                let url = url::under(&http.url, &path)?;
                Ok((url, Some(Under { connection, path })))
            }
        }
    }

    async fn call(&self, step: StepRun<'_>, scope: &Scope) -> Result<Call, ExecutionError> {
        let (context, budget) = (scope.context.value(), step.budget());
        let (mut url, under) = self.url(step, scope).await?;
        for (name, value) in &self.query {
            let value = value.text(&format!("query.{name}"), context, budget).await?;
            url::add_query(&mut url, name, &value);
        }
        let mut headers = render_headers(&self.headers, context, budget).await?;
        let mut body = None;
        if let Some(mapping) = &self.body {
            let payload = payload::of_mapping(mapping, content_type_of(&headers), context, budget).await?;
            set_content_type(&mut headers, payload.content_type);
            body = Some(payload.bytes);
        }
        let reach = step.engine().connectors().reach();
        reach.check_url(&url).map_err(|refused| ExecutionError::permanent(ErrorCode::Unreachable, refused.to_string()))?;
        let mut request = Request::new(self.method.clone(), url);
        let set_by_step = headers.iter().map(|(name, _)| name.clone()).collect();
        *request.headers_mut() = step.headers(headers)?;
        let expects_body = [Method::POST, Method::PUT, Method::PATCH].contains(&self.method);
        if body.is_none() && expects_body {
            // Some servers answer 411 without this header, which the client does not set.
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        *request.body_mut() = body.map(Into::into);
        Ok(Call { request, set_by_step, under })
    }

    async fn exchange(&self, step: StepRun<'_>, call: Call, target: &Called) -> Result<Value, ExecutionError> {
        let (Sent { response, not_followed }, is_renewed) = call.send(step, self.redirects, target).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        if !status.is_success() && !self.accept.contains(&status.as_u16()) {
            let explained = not_followed.map(|not_followed| self.explain(step, &not_followed));
            let mut error = refused(response, target, explained.as_deref().unwrap_or_default()).await;
            if is_renewed && status == StatusCode::UNAUTHORIZED {
                error.message.push_str("; the token was a new one, and may have been ended by another that was fetched meanwhile");
                error.transient = true;
            }
            return Err(error);
        }
        let max_bytes = step.engine().options().remote_bytes;
        let bytes = if self.method == Method::HEAD { Vec::new() } else { read_bounded(response, max_bytes, target).await? };
        let body = body(&headers, bytes, self.response.clone(), max_bytes, target).await?;
        Ok(Value::object([("status", Value::from(i64::from(status.as_u16()))), ("headers", header_object(&headers)), ("body", body)]))
    }
}

impl HttpStep {
    /// Returns the reason for which a redirect was not followed, and the remedy.
    fn explain(&self, step: StepRun<'_>, not_followed: &NotFollowed) -> String {
        let is_alert = step.host().is_notification();
        let field = match &self.target {
            Target::Url(_) if is_alert => "send.webhook.url".to_owned(),
            Target::Url(_) => "url".to_owned(),
            Target::Connection { connection, .. } => {
                let path = if is_alert { "send.webhook.path" } else { "the step's path" };
                format!("the url of the connection '{connection}' and {path}")
            }
        };
        // An alert rule has no such field.
        let may_follow = not_followed.may_be_followed() && !is_alert;
        let otherwise = if may_follow { ", or set `redirects: follow_as_get` to fetch what is there" } else { "" };
        format!("{}{otherwise}", not_followed.explain(&self.method, &field))
    }
}

/// A path below a connection's address.
struct Under {
    connection: Arc<Connection>,
    path: String,
}

/// A complete call except for the headers of its connection.
struct Call {
    request: Request,
    /// Names in lower case: the headers of the step take precedence over those of the connection.
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

    /// Sends the call with the headers of its connection. A token that is refused may have been revoked before it expired: the call is
    /// repeated once with a new one, since 401 means that nothing was carried out. Also returns whether it was.
    async fn send(self, step: StepRun<'_>, rule: Redirects, target: &Called) -> Result<(Sent, bool), ExecutionError> {
        let (client, connectors) = (step.engine().client(), step.engine().connectors());
        let Some(Under { connection, .. }) = &self.under else {
            return Ok((send(client, self.request, rule, target).await?, false));
        };
        let ConnectionKind::Http(http) = &connection.kind else { return Err(wrong_kind(connection, "http")) };
        let authorization = connectors.authorize(client, connection, http).await?;
        target.carries(&authorization);
        let connection_client = &connectors.client_for(client, connection, http, self.request.url())?;
        let is_from_connection = !self.set_by_step.iter().any(|name| name == AUTHORIZATION.as_str());
        let second_request = self.request.try_clone().filter(|_| is_from_connection);
        let sent = send(connection_client, with(self.request, &authorization, &self.set_by_step), rule, target).await?;
        let Some(second_request) = second_request.filter(|_| sent.response.status() == StatusCode::UNAUTHORIZED) else {
            return Ok((sent, false));
        };
        if !connectors.invalidate(connection, http, &authorization).await {
            return Ok((sent, false));
        }
        let authorization = connectors.authorize(client, connection, http).await?;
        target.carries(&authorization);
        Ok((send(connection_client, with(second_request, &authorization, &self.set_by_step), rule, target).await?, true))
    }
}

/// Adds the headers of the connection, which replace the defaults of Forebay.
fn with(mut request: Request, authorization: &Headers, set_by_step: &[String]) -> Request {
    for (name, value) in authorization {
        if !set_by_step.iter().any(|set| set == name.as_str()) {
            request.headers_mut().insert(name.clone(), value.clone());
        }
    }
    request
}

impl StepRun<'_> {
    /// Returns the headers of the definition, and the defaults that it does not set.
    fn headers(self, rendered: Vec<(String, String)>) -> Result<HeaderMap, ExecutionError> {
        let mut headers = HeaderMap::with_capacity(rendered.len() + 3);
        for (name, value) in rendered {
            insert_if_absent(&mut headers, &name, &value)?;
        }
        insert_if_absent(&mut headers, "idempotency-key", &self.idempotency_key())?;
        if headers.contains_key("traceparent") {
            return Ok(headers);
        }
        let of_envelope = || self.envelope().trace.as_ref().map(|trace| (trace.traceparent.clone(), trace.tracestate.clone()));
        let trace = self.engine().options().inject.as_ref().and_then(|inject| inject()).or_else(of_envelope);
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

async fn read_bounded(mut response: Response, max_bytes: usize, target: &Called) -> Result<Vec<u8>, ExecutionError> {
    let too_large = || {
        let message = format!("{target} answered with more than {max_bytes} bytes; ask it for less, or for pages");
        ExecutionError::permanent(ErrorCode::Limit, message)
    };
    if response.content_length().is_some_and(|length| length > max_bytes as u64) {
        return Err(too_large());
    }
    let expected = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    let (mut bytes, mut since_yield) = (Vec::with_capacity(expected), expected);
    loop {
        // Between two pieces of work the process decides if there is memory for the next one.
        if since_yield > YIELD_AFTER_BYTES {
            since_yield = 0;
            tokio::task::yield_now().await;
        }
        let Some(chunk) = response.chunk().await.map_err(|error| unreachable(target, error))? else { return Ok(bytes) };
        if bytes.len() + chunk.len() > max_bytes {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
        since_yield += chunk.len();
    }
}

/// Reads the response's body. A body that is not valid for its Content-Type is a failure: the workflow would continue with another kind of
/// value than it was written for.
async fn body(headers: &HeaderMap, bytes: Vec<u8>, rule: BodyRule, max_bytes: usize, target: &Called) -> Result<Value, ExecutionError> {
    let text_of = |name| headers.get(name).map(header_text);
    let (content_type, encoding) = (text_of(CONTENT_TYPE), text_of(CONTENT_ENCODING));
    let on_another_thread = weight::are_many(bytes.len()) || encoding.is_some();
    let read = move || {
        let reading = Reading { rule: &rule, max_bytes };
        read_body(reading, content_type.as_deref(), encoding.as_deref(), &bytes)
    };
    weight::run(on_another_thread, read).await?.map_err(|error| match error {
        BodyError::TooLarge(_) => {
            let message = format!("{target} answered with more than {max_bytes} bytes once decompressed; ask it for less, or for pages");
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

/// Returns a header value as text: UTF-8 if it is valid, otherwise each byte as ISO-8859-1 (RFC 9110, section 5.5).
fn header_text(value: &HeaderValue) -> String {
    let latin1 = || value.as_bytes().iter().copied().map(char::from).collect();
    std::str::from_utf8(value.as_bytes()).map_or_else(|_| latin1(), str::to_owned)
}

fn header_object(headers: &HeaderMap) -> Value {
    let texts: Vec<(&str, String)> = headers.iter().map(|(name, value)| (name.as_str(), header_text(value))).collect();
    header_values(texts.iter().map(|(name, value)| (*name, value.as_str())))
}

/// Returns the failure for a status other than 2xx: a 5xx and the statuses that allow a repetition are transient.
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
    // A character that was cut would hide that the text ends within a secret.
    let text = String::from_utf8_lossy(&shown);
    let text = target.conceal_cut_off(text.trim_end_matches(char::REPLACEMENT_CHARACTER));
    let text: String = text.trim().chars().take(SHOWN_CHARACTERS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if !text.is_empty() {
        message.push_str(&format!(": {text}"));
    }
    ExecutionError { transient: comes_again(status), retry_after, ..ExecutionError::permanent(ErrorCode::Remote, message) }
}

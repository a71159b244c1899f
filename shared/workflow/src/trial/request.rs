//! What a step that reaches out of the process would send, rendered and not sent.

use super::fault::Fault;
use super::scope::Scope;
use crate::action::millis_of;
use crate::step::url;
use forebay_contract::definition::{Action, EmailCall, HttpCall, HttpTarget, Redirects, SftpOperation, SqlCall, Wait};
use forebay_contract::format_duration;
use forebay_contract::json::object_of;
use forebay_contract::outcome::ExecutionError;
use forebay_mapping::Encoding;
use reqwest::Url;
use serde_json::{Map, Value, json};

/// The request as JSON, in the words of the definition.
pub(super) fn request(part: &str, action: &Action, scope: &Scope) -> Result<Value, Fault> {
    let render = Rendering { part, scope };
    match action {
        Action::Http(call) => render.http(call),
        Action::Sql(call) => render.sql(call),
        Action::Email(call) => render.email(call),
        Action::Sftp(call) => Ok(with_connection(call.connection.as_str(), render.sftp(&call.operation)?)),
        Action::Amqp(call) => {
            let mut request = Map::new();
            request.insert("exchange".to_owned(), render.text("exchange", &call.exchange)?.into());
            request.insert("routing_key".to_owned(), render.text("routing_key", &call.routing_key)?.into());
            request.insert("headers".to_owned(), render.texts("headers", &call.headers, Encoding::Scalar)?);
            request.insert("body".to_owned(), render.body_or_input(call.body.as_ref())?);
            Ok(with_connection(call.connection.as_str(), request))
        }
        Action::Call(call) => Ok(object_of([
            ("integration", call.integration.as_str().into()),
            ("wait", call.wait.into()),
            ("body", render.body_or_input(call.body.as_ref())?),
            ("query", render.optional("query", call.query.as_ref())?),
        ])),
        Action::Wait(Wait::For(pause)) => Ok(json!({ "for": format_duration(*pause) })),
        Action::Wait(Wait::Until(until)) => render.until(until),
        _ => Ok(Value::Null),
    }
}

fn with_connection(connection: &str, rest: Map<String, Value>) -> Value {
    let mut request = Map::from_iter([("connection".to_owned(), json!(connection))]);
    request.extend(rest);
    Value::Object(request)
}

struct Rendering<'a> {
    part: &'a str,
    scope: &'a Scope,
}

impl Rendering<'_> {
    fn template(&self, field: &str, source: &str, encoding: Encoding) -> Result<String, Fault> {
        self.scope.template(&format!("{}.{field}", self.part), source, encoding)
    }

    fn text(&self, field: &str, source: &str) -> Result<String, Fault> {
        self.template(field, source, Encoding::Scalar)
    }

    fn texts(&self, field: &str, sources: &[(String, String)], encoding: Encoding) -> Result<Value, Fault> {
        let mut texts = Map::new();
        for (name, source) in sources {
            texts.insert(name.clone(), self.template(&format!("{field}.{name}"), source, encoding)?.into());
        }
        Ok(Value::Object(texts))
    }

    fn optional(&self, field: &str, source: Option<&String>) -> Result<Value, Fault> {
        source.map_or(Ok(Value::Null), |source| self.scope.json(&format!("{}.{field}", self.part), source))
    }

    fn body_or_input(&self, source: Option<&String>) -> Result<Value, Fault> {
        match source {
            Some(source) => self.scope.json(&format!("{}.body", self.part), source),
            None => Ok(Value::from(&self.scope.input)),
        }
    }

    fn http(&self, call: &HttpCall) -> Result<Value, Fault> {
        let mut request = Map::from_iter([("method".to_owned(), json!(call.method.as_str()))]);
        match &call.target {
            HttpTarget::Url(source) => {
                let address = self.template("url", source, Encoding::Url)?;
                self.check("url", source, &address, url::parse(&address))?;
                request.insert("url".to_owned(), address.into());
            }
            HttpTarget::Connection { connection, path: source } => {
                let path = self.template("path", source, Encoding::Url)?;
                self.check("path", source, &path, url::under("http://connection", path.trim_start_matches('/')))?;
                request.insert("connection".to_owned(), json!(connection.as_str()));
                request.insert("path".to_owned(), path.into());
            }
        }
        request.insert("query".to_owned(), self.texts("query", &call.query, Encoding::Scalar)?);
        request.insert("headers".to_owned(), self.texts("headers", &call.headers, Encoding::HeaderValue)?);
        match call.redirects {
            Redirects::Error => {}
            Redirects::FollowAsGet => drop(request.insert("redirects".to_owned(), json!("follow_as_get"))),
        }
        if call.body.is_some() {
            request.insert("body".to_owned(), self.optional("body", call.body.as_ref())?);
        }
        Ok(Value::Object(request))
    }

    /// What a template gave has to be an address.
    fn check(&self, field: &str, source: &str, text: &str, parsed: Result<Url, ExecutionError>) -> Result<(), Fault> {
        let part = format!("{}.{field}", self.part);
        parsed.map(drop).map_err(|error| Fault::gave(&part, source, &text.into(), error.message))
    }

    fn sql(&self, call: &SqlCall) -> Result<Value, Fault> {
        let mut statements = Vec::with_capacity(call.statements.len());
        for (index, statement) in call.statements.iter().enumerate() {
            let field = if call.is_transaction { format!("transaction[{index}].params") } else { "params".to_owned() };
            let params = match &statement.params {
                Some(source) => self.list(&field, source, "a list, one value a parameter")?,
                None => Value::Null,
            };
            let kind = if statement.reads_only { "query" } else { "execute" };
            statements.push(object_of([(kind, statement.text.as_str().into()), ("params", params)]));
        }
        Ok(object_of([("connection", call.connection.as_str().into()), ("statements", Value::Array(statements))]))
    }

    fn until(&self, source: &str) -> Result<Value, Fault> {
        let part = format!("{}.until", self.part);
        let output = self.scope.mapping(&part, source)?;
        if millis_of(&output).is_none() {
            let message = format!("the mapping must give a time (RFC 3339, or seconds of Unix time), and gave {}", output.kind());
            return Err(Fault::gave(&part, source, &output, message));
        }
        Ok(object_of([("until", Value::from(&output))]))
    }

    fn list(&self, field: &str, source: &str, wanted: &str) -> Result<Value, Fault> {
        let part = format!("{}.{field}", self.part);
        let output = self.scope.mapping(&part, source)?;
        if output.as_array().is_none() {
            return Err(Fault::gave(&part, source, &output, format!("the mapping must give {wanted}, and gave {}", output.kind())));
        }
        Ok(Value::from(&output))
    }

    fn email(&self, call: &EmailCall) -> Result<Value, Fault> {
        let mut request = Map::new();
        let addresses = |field: &str, source: &str| self.scope.addresses(&format!("{}.{field}", self.part), source);
        for (field, sources) in [("to", &call.to), ("cc", &call.cc), ("bcc", &call.bcc)] {
            let mut all = Vec::new();
            for (index, source) in sources.iter().enumerate() {
                all.extend(addresses(&format!("{field}[{index}]"), source)?);
            }
            request.insert(field.to_owned(), all.into());
        }
        for (field, source) in [("from", &call.from), ("reply_to", &call.reply_to)] {
            if let Some(source) = source {
                request.insert(field.to_owned(), addresses(field, source)?.join(", ").into());
            }
        }
        request.insert("subject".to_owned(), self.template("subject", &call.subject, Encoding::HeaderValue)?.into());
        if let Some(text) = &call.text {
            request.insert("text".to_owned(), self.text("text", text)?.into());
        }
        if let Some(html) = &call.html {
            request.insert("html".to_owned(), self.template("html", html, Encoding::Html)?.into());
        }
        if let Some(attachments) = &call.attachments {
            request.insert("attachments".to_owned(), self.list("attachments", attachments, "a list of files")?);
        }
        Ok(with_connection(call.connection.as_str(), request))
    }

    fn sftp(&self, operation: &SftpOperation) -> Result<Map<String, Value>, Fault> {
        let mut request = Map::new();
        let mut put = |field: &str, source: &str| -> Result<(), Fault> {
            request.insert(field.to_owned(), self.text(field, source)?.into());
            Ok(())
        };
        match operation {
            SftpOperation::List { path, pattern } => {
                put("list", path)?;
                pattern.iter().try_for_each(|pattern| put("pattern", pattern))?;
            }
            SftpOperation::Get { path, .. } => put("get", path)?,
            SftpOperation::Put { path, body, .. } => {
                put("put", path)?;
                request.insert("body".to_owned(), self.optional("body", Some(body))?);
            }
            SftpOperation::Move { path, to, .. } => {
                put("move", path)?;
                put("to", to)?;
            }
            SftpOperation::Delete { path } => put("delete", path)?,
        }
        Ok(request)
    }
}

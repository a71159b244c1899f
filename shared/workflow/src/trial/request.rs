//! What a step that reaches out of the process would send, rendered and not sent.

use super::fault::Fault;
use super::scope::Scope;
use crate::mapping::Encoding;
use forebay_contract::definition::{Action, EmailCall, HttpCall, HttpTarget, SftpOperation, SqlCall, Wait};
use forebay_contract::format_duration;
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
            request.insert("headers".to_owned(), render.texts("headers", &call.headers, Encoding::None)?);
            request.insert("body".to_owned(), render.body_or_input(call.body.as_ref())?);
            Ok(with_connection(call.connection.as_str(), request))
        }
        Action::Call(call) => Ok(json!({
            "integration": call.integration.as_str(),
            "wait": call.wait,
            "body": render.body_or_input(call.body.as_ref())?,
            "query": render.optional("query", call.query.as_ref())?,
        })),
        Action::Wait(Wait::For(pause)) => Ok(json!({ "for": format_duration(*pause) })),
        Action::Wait(Wait::Until(until)) => Ok(json!({ "until": scope.json(&format!("{part}.until"), until)? })),
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
        self.template(field, source, Encoding::None)
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
            HttpTarget::Url(url) => _ = request.insert("url".to_owned(), self.template("url", url, Encoding::Url)?.into()),
            HttpTarget::Connection { connection, path } => {
                request.insert("connection".to_owned(), json!(connection.as_str()));
                request.insert("path".to_owned(), self.template("path", path, Encoding::Url)?.into());
            }
        }
        request.insert("query".to_owned(), self.texts("query", &call.query, Encoding::Scalar)?);
        request.insert("headers".to_owned(), self.texts("headers", &call.headers, Encoding::HeaderValue)?);
        if call.body.is_some() {
            request.insert("body".to_owned(), self.optional("body", call.body.as_ref())?);
        }
        Ok(Value::Object(request))
    }

    fn sql(&self, call: &SqlCall) -> Result<Value, Fault> {
        let mut statements = Vec::with_capacity(call.statements.len());
        for statement in &call.statements {
            let params = self.optional("params", statement.params.as_ref())?;
            if statement.params.is_some() && !params.is_array() {
                return Err(Fault::new(&format!("{}.params", self.part), "the mapping must give a list of parameters"));
            }
            statements.push(json!({ if statement.reads_only { "query" } else { "execute" }: statement.text, "params": params }));
        }
        Ok(json!({ "connection": call.connection.as_str(), "statements": statements }))
    }

    fn email(&self, call: &EmailCall) -> Result<Value, Fault> {
        let mut request = Map::new();
        for (field, sources) in [("to", &call.to), ("cc", &call.cc), ("bcc", &call.bcc)] {
            let addresses = sources.iter().map(|source| self.text(field, source).map(Value::from)).collect::<Result<Vec<_>, _>>()?;
            request.insert(field.to_owned(), addresses.into());
        }
        let subject = Some(&call.subject);
        let fields =
            [("from", call.from.as_ref()), ("reply_to", call.reply_to.as_ref()), ("subject", subject), ("text", call.text.as_ref())];
        for (field, source) in fields.into_iter().chain([("html", call.html.as_ref())]) {
            if let Some(source) = source {
                request.insert(field.to_owned(), self.text(field, source)?.into());
            }
        }
        if call.attachments.is_some() {
            request.insert("attachments".to_owned(), self.optional("attachments", call.attachments.as_ref())?);
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
            SftpOperation::Move { path, to } => {
                put("move", path)?;
                put("to", to)?;
            }
            SftpOperation::Delete { path } => put("delete", path)?,
        }
        Ok(request)
    }
}

//! Reads what steps ask of other systems and of other integrations.

use super::body_rule::{body_rule, body_rule_of};
use super::headers;
use crate::body::BodyRule;
use crate::credential_header::{STORED_IN_CLEAR, is_credential};
use crate::definition::{
    AmqpCall, EmailCall, HttpCall, HttpTarget, IntegrationCall, Redirects, SftpCall, SftpOperation, SqlCall, SqlStatement,
};
use crate::fields::{Fields, Read, all_of};
use http::Method;
use serde_json::Value;

/// The methods of an `http` step.
const METHODS: [(&str, Method); 7] = [
    ("GET", Method::GET),
    ("HEAD", Method::HEAD),
    ("POST", Method::POST),
    ("PUT", Method::PUT),
    ("PATCH", Method::PATCH),
    ("DELETE", Method::DELETE),
    ("OPTIONS", Method::OPTIONS),
];

pub(super) fn http_call(fields: Fields<'_>) -> Read<HttpCall> {
    let body = fields.mapping("body");
    let method = method(&fields);
    let target = target(&fields);
    let query = fields.texts("query");
    let headers = call_headers(&fields);
    let accept = statuses(&fields);
    let response = fields.object("response").and_then(|fields| fields.map(response).transpose());
    let redirects = fields.word("redirects", &[("error", Redirects::Error), ("follow_as_get", Redirects::FollowAsGet)]);
    fields.finish();
    let body = body?;
    let default = if body.is_some() { Method::POST } else { Method::GET };
    Ok(HttpCall {
        method: method?.unwrap_or(default),
        target: target?,
        query: query?,
        headers: headers?,
        body,
        accept: accept?,
        redirects: redirects?.unwrap_or_default(),
        response: response?.unwrap_or_default(),
    })
}

/// Credentials that are written out are refused: a definition is stored in clear, with all its versions, and many may read it. A template may
/// give one that the call brought along.
fn call_headers(fields: &Fields<'_>) -> Read<Vec<(String, String)>> {
    let headers = headers(fields)?;
    all_of(headers.into_iter().map(|(name, value)| match is_credential(&name) && !value.contains("${") && !fields.is_stored() {
        true => Err(fields.problem(&format!("headers.{name}"), STORED_IN_CLEAR)),
        false => Ok((name, value)),
    }))
}

fn response(fields: Fields<'_>) -> Read<BodyRule> {
    let mut rule = body_rule(&fields);
    if matches!(&rule, Ok(rule) if rule.is_none()) {
        rule = Err(fields.problem_here("needs one of content_type, charset, separator: how the body is read"));
    }
    fields.finish();
    rule
}

fn method(fields: &Fields<'_>) -> Read<Option<Method>> {
    let Some(text) = fields.text("method")? else { return Ok(None) };
    match METHODS.iter().find(|(name, _)| *name == text) {
        Some((_, method)) => Ok(Some(method.clone())),
        None => Err(fields.problem("method", format!("must be GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS, not '{text}'"))),
    }
}

/// Whether an `http` step says whom it calls.
pub(super) fn has_target(fields: &Fields<'_>) -> bool {
    ["url", "connection"].into_iter().any(|field| matches!(fields.take(field), Ok(Some(_))))
}

fn target(fields: &Fields<'_>) -> Read<HttpTarget> {
    let (url, connection, path) = (fields.text("url"), fields.optional_name("connection"), fields.text_or_blank("path"));
    match (url?, connection?, path?) {
        (Some(_), Some(_), _) => Err(fields.problem("url", "is for calls without a connection: use path under the connection's address")),
        (Some(_), None, Some(_)) => Err(fields.problem("path", "is for calls by a connection: put it into url")),
        (Some(url), None, None) => Ok(HttpTarget::Url(url)),
        (None, Some(connection), path) => Ok(HttpTarget::Connection { connection, path: path.unwrap_or_default() }),
        (None, None, _) => Err(fields.problem(
            "url",
            "is required, or connection: a template of the whole address, such as 'https://erp.example/price/${ .input.id }'",
        )),
    }
}

fn statuses(fields: &Fields<'_>) -> Read<Vec<u16>> {
    let Some(value) = fields.take("accept")? else { return Ok(Vec::new()) };
    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let wanted = "a list of statuses beside 2xx that are no failure, such as [404]";
    let read = |(index, item): (usize, &Value)| match item.as_u64().and_then(|status| u16::try_from(status).ok()) {
        Some(status @ 100..=599) => Ok(status),
        _ if value.is_array() => Err(fields.wrong(&format!("accept[{index}]"), "a status from 100 to 599", item)),
        _ => Err(fields.wrong("accept", wanted, item)),
    };
    all_of(items.iter().enumerate().map(read))
}

pub(super) fn sql(fields: Fields<'_>) -> Read<SqlCall> {
    let connection = fields.name("connection");
    let single = statement(&fields);
    let transaction = fields.list("transaction").and_then(|items| items.map(|items| transaction(&fields, items)).transpose());
    let statements = match (single, transaction) {
        (Err(reported), _) | (_, Err(reported)) => Err(reported),
        (Ok(Some(statement)), Ok(None)) => Ok((vec![statement], false)),
        (Ok(None), Ok(Some(statements))) => Ok((statements, true)),
        (Ok(Some(_)), Ok(Some(_))) => Err(fields.problem("transaction", "holds all statements: move query or execute into it")),
        (Ok(None), Ok(None)) => Err(fields.problem_here("needs query (reads), execute (changes) or transaction (a list of both)")),
    };
    fields.finish();
    let (statements, is_transaction) = statements?;
    Ok(SqlCall { connection: connection?, statements, is_transaction })
}

fn transaction(fields: &Fields<'_>, items: Vec<Fields<'_>>) -> Read<Vec<SqlStatement>> {
    if items.is_empty() {
        return Err(fields.problem("transaction", "is empty: give a list of query and execute"));
    }
    all_of(items.into_iter().map(inner_statement))
}

fn inner_statement(fields: Fields<'_>) -> Read<SqlStatement> {
    let statement = statement(&fields).and_then(|found| found.ok_or_else(|| fields.problem_here("needs query or execute")));
    fields.finish();
    statement
}

fn statement(fields: &Fields<'_>) -> Read<Option<SqlStatement>> {
    let (params, query, execute) = (fields.mapping("params"), fields.text("query"), fields.text("execute"));
    match (query?, execute?, params?) {
        (Some(text), None, params) => Ok(Some(SqlStatement { text, params, reads_only: true })),
        (None, Some(text), params) => Ok(Some(SqlStatement { text, params, reads_only: false })),
        (Some(_), Some(_), _) => Err(fields.problem("execute", "stands beside query: use transaction with a list of both")),
        // Beside `transaction`, each of whose statements has its own.
        (None, None, Some(_)) if !fields.is_stored() => {
            Err(fields.problem("params", "belongs to query or execute: write it beside the statement that it is for"))
        }
        (None, None, _) => Ok(None),
    }
}

pub(super) fn email(fields: Fields<'_>) -> Read<EmailCall> {
    let connection = fields.name("connection");
    let (from, reply_to, subject) = (fields.text("from"), fields.text("reply_to"), fields.text_or_blank("subject"));
    let (text, html) = (fields.text_or_blank("text"), fields.text_or_blank("html"));
    let (to, cc, bcc) = (addresses(&fields, "to"), addresses(&fields, "cc"), addresses(&fields, "bcc"));
    if let (Ok(to), Ok(cc), Ok(bcc)) = (&to, &cc, &bcc)
        && to.is_empty()
        && cc.is_empty()
        && bcc.is_empty()
    {
        fields.problem("to", "is required: an address or a list of addresses");
    }
    let attachments = fields.mapping("attachments");
    if let (Ok(None), Ok(None)) = (&text, &html) {
        fields.problem("text", "is required, or html");
    }
    fields.finish();
    Ok(EmailCall {
        connection: connection?,
        from: from?,
        to: to?,
        cc: cc?,
        bcc: bcc?,
        reply_to: reply_to?,
        subject: subject?.unwrap_or_default(),
        text: text?,
        html: html?,
        attachments: attachments?,
    })
}

fn addresses(fields: &Fields<'_>, field: &'static str) -> Read<Vec<String>> {
    match fields.take(field)? {
        None => Ok(Vec::new()),
        Some(Value::String(_)) => Ok(fields.text(field)?.into_iter().collect()),
        Some(Value::Array(_)) => Ok(fields.list_of_texts(field, "addresses, such as [ops@example.com]")?.unwrap_or_default()),
        Some(other) => Err(fields.wrong(field, "an address or a list of addresses", other)),
    }
}

pub(super) fn sftp(fields: Fields<'_>) -> Read<SftpCall> {
    #[derive(Clone, Copy, PartialEq)]
    enum Kind {
        List,
        Get,
        Put,
        Move,
        Delete,
    }
    let kinds = [("list", Kind::List), ("get", Kind::Get), ("put", Kind::Put), ("move", Kind::Move), ("delete", Kind::Delete)];
    let connection = fields.name("connection");
    let kind = fields.exactly_one_of(&kinds, "make a step of each");
    let only_with = |field: &'static str, wanted: &[Kind], operation: &str| {
        if let Ok(kind) = kind
            && fields.has_key(field)
            && !wanted.contains(&kind)
        {
            fields.problem(field, format!("belongs to {operation}"));
        }
    };
    only_with("pattern", &[Kind::List], "list");
    only_with("to", &[Kind::Move], "move");
    only_with("body", &[Kind::Put], "put");
    only_with("content_type", &[Kind::Put, Kind::Get], "get and put");
    only_with("overwrite", &[Kind::Put, Kind::Move], "put and move");
    only_with("rename", &[Kind::Put], "put");
    only_with("charset", &[Kind::Get], "get; for put it is a part of content_type");
    only_with("separator", &[Kind::Get], "get");
    let (pattern, to, content_type, body) =
        (fields.text("pattern"), fields.text("to"), fields.text("content_type"), fields.mapping("body"));
    let get_type = content_type.as_ref().ok().and_then(Option::as_deref).filter(|_| matches!(kind, Ok(Kind::Get)));
    let rule = body_rule_of(&fields, get_type);
    let is_on = |field| fields.boolean(field).map(|given| given.unwrap_or(true));
    let (overwrite, rename) = (is_on("overwrite"), is_on("rename"));
    let path = |field| fields.required(field, fields.text(field), "a path");
    let operation = kind.and_then(|kind| match kind {
        Kind::List => Ok(SftpOperation::List {
            path: fields.required("list", fields.text_or_blank("list"), "a folder; '' is the connection's own")?,
            pattern: pattern?,
        }),
        Kind::Get => Ok(SftpOperation::Get { path: path("get")?, rule: content_type.and(rule)? }),
        Kind::Put => Ok(SftpOperation::Put {
            path: path("put")?,
            body: fields.required("body", body, "a mapping of the content")?,
            content_type: content_type?,
            overwrite: overwrite?,
            rename: rename?,
        }),
        Kind::Move => {
            Ok(SftpOperation::Move { path: path("move")?, to: fields.required("to", to, "the new path")?, overwrite: overwrite? })
        }
        Kind::Delete => Ok(SftpOperation::Delete { path: path("delete")? }),
    });
    fields.finish();
    Ok(SftpCall { connection: connection?, operation: operation? })
}

pub(super) fn amqp(fields: Fields<'_>) -> Read<AmqpCall> {
    let connection = fields.name("connection");
    let (exchange, routing_key) = (fields.text_or_blank("exchange"), fields.text_or_blank("routing_key"));
    let headers = fields.texts("headers");
    let content_type = fields.text("content_type");
    let body = fields.mapping("body");
    if let (Ok(exchange), Ok(routing_key)) = (&exchange, &routing_key)
        && [exchange, routing_key].iter().all(|text| text.as_ref().is_none_or(String::is_empty))
    {
        fields.problem("routing_key", "is required with the default exchange: the queue's name");
    }
    fields.finish();
    Ok(AmqpCall {
        connection: connection?,
        exchange: exchange?.unwrap_or_default(),
        routing_key: routing_key?.unwrap_or_default(),
        headers: headers?,
        content_type: content_type?,
        body: body?,
    })
}

pub(super) fn call(fields: Fields<'_>) -> Read<IntegrationCall> {
    let integration = fields.name("integration");
    let wait = fields.boolean("wait");
    let (body, query) = (fields.mapping("body"), fields.mapping("query"));
    fields.finish();
    Ok(IntegrationCall { integration: integration?, wait: wait?.unwrap_or(true), body: body?, query: query? })
}

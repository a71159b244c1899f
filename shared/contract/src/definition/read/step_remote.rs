//! Reads what steps ask of other systems and of other integrations.

use super::headers;
use crate::definition::{AmqpCall, EmailCall, HttpCall, HttpTarget, IntegrationCall, SftpCall, SftpOperation, SqlCall, SqlStatement};
use crate::fields::{Fields, describe};
use http::Method;
use serde_json::Value;

pub(super) fn http_call(fields: Fields<'_>) -> Option<HttpCall> {
    let body = fields.mapping("body");
    let default = if body.is_some() { Method::POST } else { Method::GET };
    let method = match fields.text("method") {
        None => default,
        Some(text) => match ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&text) {
            true => text.parse().unwrap_or(default),
            false => {
                fields.problem("method", format!("must be GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS, not '{text}'"));
                default
            }
        },
    };
    let target = target(&fields);
    let query = fields.texts("query");
    let headers = headers(&fields);
    let accept = fields.take("accept").map(|value| statuses(&fields, value)).unwrap_or_default();
    fields.finish();
    Some(HttpCall { method, target: target?, query, headers, body, accept })
}

fn target(fields: &Fields<'_>) -> Option<HttpTarget> {
    let path = fields.text("path").map(str::to_owned);
    match (fields.text("url").map(str::to_owned), fields.optional_name("connection")) {
        (Some(_), Some(_)) => {
            fields.problem("url", "is for calls without a connection: use path under the connection's address");
            None
        }
        (Some(_), None) if path.is_some() => {
            fields.problem("path", "is for calls by a connection: put it into url");
            None
        }
        (Some(url), None) => Some(HttpTarget::Url(url)),
        (None, Some(connection)) => Some(HttpTarget::Connection { connection, path: path.unwrap_or_default() }),
        (None, None) => {
            if !fields.has_key("url") && !fields.has_key("connection") {
                fields.problem(
                    "url",
                    "is required, or connection: a template of the whole address, such as 'https://erp.example/price/${ .input.id }'",
                );
            }
            None
        }
    }
}

fn statuses(fields: &Fields<'_>, value: &Value) -> Vec<u16> {
    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let read = |item: &Value| item.as_u64().filter(|status| (100..=599).contains(status)).and_then(|status| u16::try_from(status).ok());
    let statuses: Vec<u16> = items.iter().filter_map(read).collect();
    if statuses.len() != items.len() {
        fields.problem("accept", "must be a list of statuses beside 2xx that are no failure, such as [404]");
    }
    statuses
}

pub(super) fn sql(fields: Fields<'_>) -> Option<SqlCall> {
    let connection = fields.name("connection");
    let single = statement(&fields);
    let transaction = fields.list("transaction");
    let is_transaction = transaction.is_some();
    let statements = match (single, transaction) {
        (Some(statement), None) => vec![statement],
        (None, Some(items)) if !items.is_empty() => items.into_iter().filter_map(inner_statement).collect(),
        (Some(_), Some(_)) => {
            fields.problem("transaction", "holds all statements: move query or execute into it");
            Vec::new()
        }
        _ => {
            fields.problem_here("needs query (reads), execute (changes) or transaction (a list of both)");
            Vec::new()
        }
    };
    fields.finish();
    Some(SqlCall { connection: connection?, statements, is_transaction })
}

fn inner_statement(fields: Fields<'_>) -> Option<SqlStatement> {
    let statement = statement(&fields);
    if statement.is_none() {
        fields.problem_here("needs query or execute");
    }
    fields.finish();
    statement
}

fn statement(fields: &Fields<'_>) -> Option<SqlStatement> {
    let params = fields.mapping("params");
    match (fields.text("query"), fields.text("execute")) {
        (Some(query), None) => Some(SqlStatement { text: query.to_owned(), params, reads_only: true }),
        (None, Some(execute)) => Some(SqlStatement { text: execute.to_owned(), params, reads_only: false }),
        (Some(_), Some(_)) => {
            fields.problem("execute", "stands beside query: use transaction with a list of both");
            None
        }
        (None, None) => None,
    }
}

pub(super) fn email(fields: Fields<'_>) -> Option<EmailCall> {
    let connection = fields.name("connection");
    let template = |field| fields.text(field).map(str::to_owned);
    let (from, reply_to, text, html) = (template("from"), template("reply_to"), template("text"), template("html"));
    let (to, cc, bcc) = (addresses(&fields, "to"), addresses(&fields, "cc"), addresses(&fields, "bcc"));
    if to.is_empty() && cc.is_empty() && bcc.is_empty() {
        fields.problem("to", "is required: an address or a list of addresses");
    }
    let subject = template("subject").unwrap_or_default();
    let attachments = fields.mapping("attachments");
    if text.is_none() && html.is_none() {
        fields.problem("text", "is required, or html");
    }
    fields.finish();
    Some(EmailCall { connection: connection?, from, to, cc, bcc, reply_to, subject, text, html, attachments })
}

fn addresses(fields: &Fields<'_>, field: &'static str) -> Vec<String> {
    match fields.take(field) {
        None => Vec::new(),
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Some(other) => {
            fields.problem(field, format!("must be an address or a list of addresses, not {}", describe(other)));
            Vec::new()
        }
    }
}

pub(super) fn sftp(fields: Fields<'_>) -> Option<SftpCall> {
    let connection = fields.name("connection");
    let text = |field| fields.text(field).map(str::to_owned);
    let (list, get, put, from, delete) = (text("list"), text("get"), text("put"), text("move"), text("delete"));
    let (pattern, to, content_type, body) = (text("pattern"), text("to"), text("content_type"), fields.mapping("body"));
    let given = [&list, &get, &put, &from, &delete].iter().filter(|path| path.is_some()).count();
    if given != 1 {
        fields.problem_here("needs one of list, get, put, move, delete with a path");
    }
    let only_with = |field: &'static str, is_given: bool, fits: bool, operation: &str| {
        if is_given && !fits {
            fields.problem(field, format!("belongs to {operation}"));
        }
    };
    only_with("pattern", pattern.is_some(), list.is_some(), "list");
    only_with("to", to.is_some(), from.is_some(), "move");
    only_with("body", body.is_some(), put.is_some(), "put");
    only_with("content_type", content_type.is_some(), put.is_some() || get.is_some(), "get and put");
    if from.is_some() && to.is_none() {
        fields.problem("to", "is required: the new path");
    }
    if put.is_some() && body.is_none() {
        fields.problem("body", "is required: a mapping of the content");
    }
    fields.finish();
    let list = list.map(|path| SftpOperation::List { path, pattern });
    let get = get.map(|path| SftpOperation::Get { path, content_type: content_type.clone() });
    let put = put.and_then(|path| Some(SftpOperation::Put { path, body: body?, content_type }));
    let moved = from.and_then(|path| Some(SftpOperation::Move { path, to: to? }));
    let delete = delete.map(|path| SftpOperation::Delete { path });
    Some(SftpCall { connection: connection?, operation: list.or(get).or(put).or(moved).or(delete)? })
}

pub(super) fn amqp(fields: Fields<'_>) -> Option<AmqpCall> {
    let connection = fields.name("connection");
    let exchange = fields.text("exchange").unwrap_or_default().to_owned();
    let routing_key = fields.text("routing_key").unwrap_or_default().to_owned();
    let headers = fields.texts("headers");
    let content_type = fields.text("content_type").map(str::to_owned);
    let body = fields.mapping("body");
    if exchange.is_empty() && routing_key.is_empty() {
        fields.problem("routing_key", "is required with the default exchange: the queue's name");
    }
    fields.finish();
    Some(AmqpCall { connection: connection?, exchange, routing_key, headers, content_type, body })
}

pub(super) fn call(fields: Fields<'_>) -> Option<IntegrationCall> {
    let integration = fields.name("integration");
    let wait = fields.boolean("wait").unwrap_or(true);
    let (body, query) = (fields.mapping("body"), fields.mapping("query"));
    fields.finish();
    Some(IntegrationCall { integration: integration?, wait, body, query })
}

//! Compiles the steps on mail servers, file servers and brokers.

use crate::compile::Compiler;
use crate::mapping::Encoding;
use crate::step::amqp::AmqpStep;
use crate::step::email::EmailStep;
use crate::step::sftp::{Operation, SftpStep};
use forebay_contract::definition::{AmqpCall, EmailCall, SftpCall, SftpOperation};

impl Compiler {
    pub(crate) fn email(&mut self, path: &str, call: &EmailCall) -> Option<EmailStep> {
        let one = Encoding::HeaderValue;
        let from = self.optional_template(&format!("{path}.from"), call.from.as_ref(), one);
        let mut lists = [&call.to, &call.cc, &call.bcc].into_iter().zip(["to", "cc", "bcc"]).map(|(sources, field)| {
            sources.iter().filter_map(|source| self.template(&format!("{path}.{field}"), source, one)).collect::<Vec<_>>()
        });
        let (to, cc, bcc) = (lists.next()?, lists.next()?, lists.next()?);
        drop(lists);
        let reply_to = self.optional_template(&format!("{path}.reply_to"), call.reply_to.as_ref(), one);
        let subject = self.template(&format!("{path}.subject"), &call.subject, one);
        let text = self.optional_template(&format!("{path}.text"), call.text.as_ref(), Encoding::Scalar);
        let html = self.optional_template(&format!("{path}.html"), call.html.as_ref(), Encoding::Html);
        let attachments = self.optional_mapping(&format!("{path}.attachments"), call.attachments.as_ref());
        Some(EmailStep {
            connection: call.connection.clone(),
            from: from?,
            to,
            cc,
            bcc,
            reply_to: reply_to?,
            subject: subject?,
            text: text?,
            html: html?,
            attachments: attachments?,
        })
    }

    pub(crate) fn sftp(&mut self, path: &str, call: &SftpCall) -> Option<SftpStep> {
        self.asks_for_earlier |= !matches!(call.operation, SftpOperation::List { .. } | SftpOperation::Get { .. });
        let mut text = |field: &str, source: &String| self.template(&format!("{path}.{field}"), source, Encoding::Scalar);
        let operation = match &call.operation {
            SftpOperation::List { path: folder, pattern } => {
                let folder = text("list", folder);
                let pattern = match pattern {
                    Some(pattern) => Some(text("pattern", pattern)?),
                    None => None,
                };
                Operation::List { path: folder?, pattern }
            }
            SftpOperation::Get { path: file, content_type } => {
                Operation::Get { path: text("get", file)?, content_type: content_type.clone() }
            }
            SftpOperation::Put { path: file, body, content_type, overwrite, rename } => {
                let file = text("put", file);
                let body = self.mapping(&format!("{path}.body"), body);
                Operation::Put { path: file?, body: body?, content_type: content_type.clone(), overwrite: *overwrite, rename: *rename }
            }
            SftpOperation::Move { path: file, to, overwrite } => {
                let (file, to) = (text("move", file), text("to", to));
                Operation::Move { path: file?, to: to?, overwrite: *overwrite }
            }
            SftpOperation::Delete { path: file } => Operation::Delete { path: text("delete", file)? },
        };
        Some(SftpStep { connection: call.connection.clone(), operation })
    }

    pub(crate) fn amqp(&mut self, path: &str, call: &AmqpCall) -> Option<AmqpStep> {
        let exchange = self.template(&format!("{path}.exchange"), &call.exchange, Encoding::Scalar);
        let routing_key = self.template(&format!("{path}.routing_key"), &call.routing_key, Encoding::Scalar);
        let mut headers = Vec::with_capacity(call.headers.len());
        for (name, source) in &call.headers {
            let template = self.template(&format!("{path}.headers.{name}"), source, Encoding::Scalar);
            headers.extend(template.map(|template| (name.clone(), template)));
        }
        let body = self.optional_mapping(&format!("{path}.body"), call.body.as_ref());
        let (connection, content_type) = (call.connection.clone(), call.content_type.clone());
        Some(AmqpStep { connection, exchange: exchange?, routing_key: routing_key?, headers, content_type, body: body? })
    }
}

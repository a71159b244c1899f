//! Compiles the steps on mail servers, file servers and brokers.

use crate::compile::Compiler;
use crate::step::amqp::AmqpStep;
use crate::step::email::EmailStep;
use crate::step::recipients;
use crate::step::sftp::{Operation, SftpStep};
use forebay_contract::definition::{AmqpCall, EmailCall, SftpCall, SftpOperation};
use forebay_mapping::Paced;
use forebay_mapping::{Encoding, Template};

impl Compiler {
    pub(crate) fn email(&mut self, path: &str, call: &EmailCall) -> Option<EmailStep> {
        let from = self.optional_address(&format!("{path}.from"), call.from.as_ref());
        let mut list = |field: &str, sources: &[String]| -> Vec<Paced<Template>> {
            let place = |index: usize| if sources.len() == 1 { format!("{path}.{field}") } else { format!("{path}.{field}[{index}]") };
            sources.iter().enumerate().filter_map(|(index, source)| self.address(&place(index), source, false)).collect()
        };
        let (to, cc, bcc) = (list("to", &call.to), list("cc", &call.cc), list("bcc", &call.bcc));
        let reply_to = self.optional_address(&format!("{path}.reply_to"), call.reply_to.as_ref());
        let one = Encoding::HeaderValue;
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

    /// A template of addresses. A literal that is none is refused in new documents only: one that is stored may stand where it is
    /// never reached.
    fn address(&mut self, path: &str, source: &str, is_one: bool) -> Option<Paced<Template>> {
        let template = self.template(path, source, Encoding::HeaderValue)?;
        if let Err(problem) = recipients::check(template.program(), is_one) {
            self.new_problem(path, problem);
        }
        Some(template)
    }

    fn optional_address(&mut self, path: &str, source: Option<&String>) -> Option<Option<Paced<Template>>> {
        match source {
            None => Some(None),
            Some(source) => self.address(path, source, true).map(Some),
        }
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
            SftpOperation::Get { path: file, rule } => Operation::Get { path: text("get", file)?, rule: rule.clone() },
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

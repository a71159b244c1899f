//! Compiles the steps on mail servers, file servers and brokers.

use crate::compile::Compiler;
use crate::evaluate::Paced;
use crate::mapping::{Encoding, Template};
use crate::step::email::EmailStep;
use forebay_contract::definition::EmailCall;

impl Compiler {
    fn template(&mut self, path: &str, source: &str, encoding: Encoding) -> Option<Paced<Template>> {
        self.kept(path, Template::compile(source, encoding))
    }

    /// As [`Compiler::optional_mapping`].
    fn optional_template(&mut self, path: &str, source: Option<&String>, encoding: Encoding) -> Option<Option<Paced<Template>>> {
        match source {
            None => Some(None),
            Some(source) => self.template(path, source, encoding).map(Some),
        }
    }

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
}

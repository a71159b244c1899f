//! The `email` step: renders a mail and sends it.

use super::{Caller, wrong_kind};
use crate::connector::{Mail, MailFile};
use crate::evaluate::{Budget, Paced};
use crate::failure::permanent;
use crate::mapping::{Mapping, Template, Value};
use data_encoding::BASE64;
use forebay_contract::Name;
use forebay_contract::connection::ConnectionKind;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use std::time::Duration;

/// An `email` step, compiled.
pub(crate) struct EmailStep {
    pub connection: Name,
    pub from: Option<Paced<Template>>,
    pub to: Vec<Paced<Template>>,
    pub cc: Vec<Paced<Template>>,
    pub bcc: Vec<Paced<Template>>,
    pub reply_to: Option<Paced<Template>>,
    pub subject: Paced<Template>,
    pub text: Option<Paced<Template>>,
    /// What is inserted is escaped.
    pub html: Option<Paced<Template>>,
    pub attachments: Option<Paced<Mapping>>,
}

impl EmailStep {
    pub(crate) async fn run(
        &self,
        caller: Caller<'_>,
        timeout: Option<Duration>,
        context: &Value,
        budget: &Budget,
    ) -> Result<Value, ExecutionError> {
        let connection = caller.host.connection(&self.connection)?;
        if !matches!(connection.kind, ConnectionKind::Smtp(_)) {
            return Err(wrong_kind(&connection, "smtp"));
        }
        let one = async |part: &str, template: &Option<Paced<Template>>| match template {
            Some(template) => template.text(part, context, budget).await.map(Some),
            None => Ok(None),
        };
        let list = async |part: &str, templates: &[Paced<Template>]| {
            let mut texts = Vec::with_capacity(templates.len());
            for template in templates {
                texts.push(template.text(part, context, budget).await?);
            }
            Ok::<_, ExecutionError>(texts)
        };
        let mail = Mail {
            id: caller.idempotency_key(),
            from: one("from", &self.from).await?,
            to: list("to", &self.to).await?,
            cc: list("cc", &self.cc).await?,
            bcc: list("bcc", &self.bcc).await?,
            reply_to: one("reply_to", &self.reply_to).await?,
            subject: self.subject.text("subject", context, budget).await?,
            text: one("text", &self.text).await?,
            html: one("html", &self.html).await?,
            attachments: match &self.attachments {
                Some(mapping) => attachments(&mapping.output("attachments", context, budget).await?)?,
                None => Vec::new(),
            },
        };
        caller.engine.connectors().email(&connection, mail, caller.bounds(timeout)).await
    }
}

fn attachments(output: &Value) -> Result<Vec<MailFile>, ExecutionError> {
    let Some(list) = output.as_array() else {
        let message = format!("attachments: the mapping must give a list of files, and gave {}", output.kind());
        return Err(permanent(ErrorCode::Mapping, message));
    };
    list.iter().enumerate().map(|(index, file)| attachment(file, &format!("attachments[{index}]"))).collect()
}

fn attachment(file: &Value, place: &str) -> Result<MailFile, ExecutionError> {
    let wrong = |what: &str| permanent(ErrorCode::Mapping, format!("{place}: {what}"));
    let text = |name: &str| file.get(name).and_then(Value::as_str);
    let filename = text("filename").ok_or_else(|| wrong("needs a text `filename`"))?;
    let (bytes, default_type) = match (text("text"), text("base64")) {
        (Some(text), None) => (text.as_bytes().to_vec(), "text/plain; charset=utf-8"),
        (None, Some(base64)) => {
            let bytes = BASE64.decode(base64.as_bytes());
            let bytes = bytes.map_err(|error| wrong(&format!("the text in `base64` is no Base64 (RFC 4648, with padding): {error}")))?;
            (bytes, "application/octet-stream")
        }
        _ => return Err(wrong("needs one of `text` and `base64`, a text")),
    };
    let content_type = text("contentType").unwrap_or(default_type).to_owned();
    Ok(MailFile { filename: filename.to_owned(), content_type, bytes })
}

//! The `email` step: renders a mail and sends it.

use super::recipients::{addresses, one_address};
use super::{Caller, wrong_kind};
use data_encoding::BASE64;
use forebay_connectors::{Mail, MailFile};
use forebay_contract::Name;
use forebay_contract::connection::ConnectionKind;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_mapping::{Budget, Paced};
use forebay_mapping::{Mapping, Piece, Template, Value};
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
        let text = async |part: &str, template: &Option<Paced<Template>>| match template {
            Some(template) => template.text(part, context, budget).await.map(Some),
            None => Ok(None),
        };
        let one = async |part: &str, template: &Option<Paced<Template>>| match template {
            Some(template) => {
                one_address(&pieces(part, template, context, budget).await?).map(Some).map_err(|problem| wrong(part, &problem))
            }
            None => Ok(None),
        };
        let list = async |part: &str, templates: &[Paced<Template>]| {
            let mut found = Vec::with_capacity(templates.len());
            for template in templates {
                found.extend(addresses(&pieces(part, template, context, budget).await?).map_err(|problem| wrong(part, &problem))?);
            }
            Ok::<_, ExecutionError>(found)
        };
        let mail = Mail {
            id: caller.idempotency_key(),
            from: one("from", &self.from).await?,
            to: list("to", &self.to).await?,
            cc: list("cc", &self.cc).await?,
            bcc: list("bcc", &self.bcc).await?,
            reply_to: one("reply_to", &self.reply_to).await?,
            subject: self.subject.text("subject", context, budget).await?,
            text: text("text", &self.text).await?,
            html: text("html", &self.html).await?,
            attachments: match &self.attachments {
                Some(mapping) => attachments(&mapping.output("attachments", context, budget).await?)?,
                None => Vec::new(),
            },
        };
        caller.engine.connectors().email(&connection, mail, caller.bounds(timeout)).await
    }
}

async fn pieces(part: &str, template: &Paced<Template>, context: &Value, budget: &Budget) -> Result<Vec<Piece>, ExecutionError> {
    let context = context.clone();
    template.evaluate(part, budget, move |template, limits| template.pieces(&context, limits)).await
}

fn wrong(part: &str, problem: &str) -> ExecutionError {
    ExecutionError::permanent(ErrorCode::Mapping, format!("{part}: {problem}"))
}

fn attachments(output: &Value) -> Result<Vec<MailFile>, ExecutionError> {
    let Some(list) = output.as_array() else {
        let message = format!("attachments: the mapping must give a list of files, and gave {}", output.kind());
        return Err(ExecutionError::permanent(ErrorCode::Mapping, message));
    };
    list.iter().enumerate().map(|(index, file)| attachment(file, &format!("attachments[{index}]"))).collect()
}

fn attachment(file: &Value, place: &str) -> Result<MailFile, ExecutionError> {
    let wrong = |what: &str| ExecutionError::permanent(ErrorCode::Mapping, format!("{place}: {what}"));
    let text = |name: &str| file.get(name).and_then(Value::as_str);
    let filename = text("filename").ok_or_else(|| wrong("needs a text `filename`"))?.to_owned();
    let content_type = text("contentType");
    match (text("text"), text("base64")) {
        (Some(text), None) => MailFile::of_text(filename, content_type, text).map_err(|problem| wrong(&problem)),
        (None, Some(base64)) => {
            let bytes = BASE64.decode(base64.as_bytes());
            let bytes = bytes.map_err(|error| wrong(&format!("the text in `base64` is no Base64 (RFC 4648, with padding): {error}")))?;
            MailFile::of_bytes(filename, content_type, bytes).map_err(|problem| wrong(&problem))
        }
        _ => Err(wrong("needs one of `text` and `base64`, a text")),
    }
}

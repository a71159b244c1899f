//! The `email` step: sends an email.

use super::step_fields::StepFields;
use super::step_kind::StepKind;
use crate::fields::{Fields, Read};
use crate::name::Name;
use crate::published::{KindSchema, described};
use serde_json::{Value, json};

/// An email to send.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EmailCall {
    /// The connection.
    pub connection: Name,
    /// The template of the sender; absent: that of the connection.
    pub from: Option<String>,
    /// The templates of addresses. Each is one address, or several with commas between them in the literal text; a template that is one
    /// expression may return an array of addresses.
    pub to: Vec<String>,
    /// The templates of addresses, as in `to`.
    pub cc: Vec<String>,
    /// The templates of addresses, as in `to`.
    pub bcc: Vec<String>,
    /// The template of an address.
    pub reply_to: Option<String>,
    /// The template of the subject.
    pub subject: String,
    /// The template of the plain text.
    pub text: Option<String>,
    /// The template of the HTML text; inserted values are escaped.
    pub html: Option<String>,
    /// The mapping that returns a list of `{ filename, contentType, text | base64 }`.
    pub attachments: Option<String>,
}

impl StepKind for EmailCall {
    fn read(step: &StepFields<'_>) -> Read<Self> {
        let fields = step.object("email")?;
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
        Ok(Self {
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

    fn schema() -> KindSchema {
        KindSchema::new(
            json!({ "$ref": "#/$defs/email" }),
            json!({
                "email": {
                    "description": "Sends mail; output { messageId, accepted }.",
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "connection": described::name("The connection."),
                        "from": described::template("The sender; absent: the connection's."),
                        "to": {
                            "description": "Recipients. Templates: one address or several.",
                            "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }]
                        },
                        "cc": {
                            "description": "Recipients of copies. Templates: one address or several.",
                            "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }]
                        },
                        "bcc": {
                            "description": "Recipients that others do not see. Templates: one address or several.",
                            "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }]
                        },
                        "reply_to": described::template("Where answers go."),
                        "subject": described::template("The subject."),
                        "text": described::template("The plain text."),
                        "html": described::template("The HTML text; what is inserted is escaped."),
                        "attachments": described::mapping("Gives a list of { filename, contentType, text | base64 }.")
                    },
                    "required": ["connection"],
                    "allOf": [
                        { "anyOf": [{ "required": ["to"] }, { "required": ["cc"] }, { "required": ["bcc"] }] },
                        { "anyOf": [{ "required": ["text"] }, { "required": ["html"] }] }
                    ]
                }
            }),
        )
    }

    fn summary(&self) -> String {
        format!("to {}", self.to.join(", "))
    }

    fn connection(&self) -> Option<&Name> {
        Some(&self.connection)
    }
}

fn addresses(fields: &Fields<'_>, field: &'static str) -> Read<Vec<String>> {
    match fields.take(field)? {
        None => Ok(Vec::new()),
        Some(Value::String(_)) => Ok(fields.text(field)?.into_iter().collect()),
        Some(Value::Array(_)) => Ok(fields.list_of_texts(field, "addresses, such as [ops@example.com]")?.unwrap_or_default()),
        Some(other) => Err(fields.wrong(field, "an address or a list of addresses", other)),
    }
}

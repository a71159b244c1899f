//! Mail by SMTP.

use super::mail_session::{MailSessions, refused};
use super::{Bounds, Connectors, Target};
use crate::failure::{permanent, transient};
use crate::mapping::Value;
use forebay_contract::connection::{Connection, ConnectionKind};
use forebay_contract::format_duration;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use lettre::Message;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, Mailboxes, MultiPart, SinglePart};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Sessions of one process with one server: each sends one mail after the other.
const MOST_SESSIONS: usize = 8;
/// What of a message's id is no `dot-atom-text` (RFC 5322, section 3.2.3), and the dot, of which there must not be two in a row.
const ID: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'/');

/// One mail, rendered.
#[derive(Debug, Clone, Default)]
pub struct Mail {
    /// Unique; the same for the same mail.
    pub id: String,
    /// The sender; absent: the connection's.
    pub from: Option<String>,
    /// Addresses, each text one or several with commas.
    pub to: Vec<String>,
    /// As `to`.
    pub cc: Vec<String>,
    /// As `to`; in no header.
    pub bcc: Vec<String>,
    /// One address.
    pub reply_to: Option<String>,
    /// The subject.
    pub subject: String,
    /// The plain text.
    pub text: Option<String>,
    /// The HTML text.
    pub html: Option<String>,
    /// Files.
    pub attachments: Vec<MailFile>,
}

/// A file of a mail.
#[derive(Debug, Clone)]
pub struct MailFile {
    /// Its name.
    pub filename: String,
    /// Its media type.
    pub content_type: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl Connectors {
    /// Sends a mail to all of its recipients, or to none where the server refuses one of them. Gives `{ messageId, accepted }`,
    /// `accepted` being the addresses.
    ///
    /// # Errors
    /// `Mapping` for what makes no mail, `Remote` for what the server refuses: transient with 4xx, for good with 5xx. `Connection`
    /// where the login is not accepted.
    pub async fn email(&self, connection: &Arc<Connection>, mail: Mail, bounds: Bounds) -> Result<Value, ExecutionError> {
        let target = Target::enabled(connection)?;
        let ConnectionKind::Smtp(smtp) = &connection.kind else { return Err(target.is_no("mail server (smtp)")) };
        let (message, id) = message(&mail, &smtp.from)?;
        let is_sent = AtomicBool::new(false);
        let send = async {
            let make = || MailSessions::new(connection, smtp, self.reach());
            let mut session = self.mail_pools().lease(connection, MOST_SESSIONS, make).await?;
            is_sent.store(true, Ordering::Relaxed);
            let sent = session.send(message.envelope(), &message.formatted()).await;
            sent.map_err(|error| refused(&target, &error, "; the mail may have been sent"))?;
            session.done();
            Ok(())
        };
        tokio::time::timeout(bounds.timeout, send).await.unwrap_or_else(|_| {
            let effect = if is_sent.load(Ordering::Relaxed) { "the mail may have been sent" } else { "nothing was sent" };
            let within = format_duration(bounds.timeout);
            Err(transient(ErrorCode::Timeout, format!("{target} did not take the mail within {within}; {effect}")))
        })?;
        let accepted: Vec<_> = message.envelope().to().iter().map(|address| Value::string(address.to_string())).collect();
        Ok(Value::object([("messageId", Value::string(id)), ("accepted", Value::array(accepted))]))
    }
}

fn message(mail: &Mail, default_from: &str) -> Result<(Message, String), ExecutionError> {
    let from = mailbox("from", mail.from.as_deref().unwrap_or(default_from))?;
    let id = format!("<{}@{}>", utf8_percent_encode(&mail.id, ID), from.email.domain());
    check_line("subject", &mail.subject)?;
    let mut builder = Message::builder().message_id(Some(id.clone())).from(from).subject(mail.subject.clone());
    for mailbox in mailboxes("to", &mail.to)? {
        builder = builder.to(mailbox);
    }
    for mailbox in mailboxes("cc", &mail.cc)? {
        builder = builder.cc(mailbox);
    }
    for mailbox in mailboxes("bcc", &mail.bcc)? {
        builder = builder.bcc(mailbox);
    }
    if let Some(reply_to) = &mail.reply_to {
        builder = builder.reply_to(mailbox("reply_to", reply_to)?);
    }
    let text = match (mail.text.clone(), mail.html.clone()) {
        (text, None) => Part::Single(SinglePart::plain(text.unwrap_or_default())),
        (None, Some(html)) => Part::Single(SinglePart::html(html)),
        (Some(text), Some(html)) => Part::Multi(MultiPart::alternative_plain_html(text, html)),
    };
    let message = if mail.attachments.is_empty() {
        match text {
            Part::Single(part) => builder.singlepart(part),
            Part::Multi(part) => builder.multipart(part),
        }
    } else {
        let mixed = MultiPart::mixed();
        let mut mixed = match text {
            Part::Single(part) => mixed.singlepart(part),
            Part::Multi(part) => mixed.multipart(part),
        };
        for (index, file) in mail.attachments.iter().enumerate() {
            check_line(&format!("attachments[{index}].filename"), &file.filename)?;
            let content_type = ContentType::parse(&file.content_type).map_err(|_| {
                let message = format!("attachments[{index}].contentType: '{}' is no media type", file.content_type);
                permanent(ErrorCode::Mapping, message)
            })?;
            mixed = mixed.singlepart(Attachment::new(file.filename.clone()).body(file.bytes.clone(), content_type));
        }
        builder.multipart(mixed)
    };
    let message = message.map_err(|error| match error {
        lettre::error::Error::MissingTo => permanent(ErrorCode::Mapping, "to: the mail has no recipient"),
        error => permanent(ErrorCode::Mapping, format!("the mail cannot be written: {error}")),
    })?;
    Ok((message, id))
}

enum Part {
    Single(SinglePart),
    Multi(MultiPart),
}

/// A line break in a header would begin another one.
fn check_line(part: &str, text: &str) -> Result<(), ExecutionError> {
    if !text.chars().any(|character| character.is_control() && character != '\t') {
        return Ok(());
    }
    let message = format!("{part}: the text holds a line break or another control character; take it out, for example with gsub");
    Err(permanent(ErrorCode::Mapping, message))
}

fn mailbox(part: &str, text: &str) -> Result<Mailbox, ExecutionError> {
    check_line(part, text)?;
    text.trim().parse().map_err(|error| {
        let message = format!("{part}: '{text}' is no address, such as ann@example.com or 'Ann <ann@example.com>': {error}");
        permanent(ErrorCode::Mapping, message)
    })
}

/// A text that is empty is no address: a mapping may have none to give.
fn mailboxes(part: &str, texts: &[String]) -> Result<Vec<Mailbox>, ExecutionError> {
    let mut all = Vec::new();
    for text in texts.iter().filter(|text| !text.trim().is_empty()) {
        check_line(part, text)?;
        let mailboxes: Mailboxes = text.trim().parse().map_err(|error| {
            let message = format!("{part}: '{text}' is no list of addresses, such as 'ann@example.com, Bob <bob@example.com>': {error}");
            permanent(ErrorCode::Mapping, message)
        })?;
        all.extend(mailboxes);
    }
    Ok(all)
}

//! Writes an email for SMTP (RFC 5322 and MIME): lines end with CR LF, and are at most 998 bytes long. CR or LF alone is not allowed:
//! servers refuse it, and it can hide a second email behind the first.

use super::Mail;
use forebay_contract::MailAddress;
use forebay_contract::body::{Charset, MediaType};
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Attachment, Body, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use mime::Mime;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Characters of a message's id that are not in `dot-atom-text` (RFC 5322, section 3.2.3), and the dot, which must not be repeated.
const ID: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'/');
/// Maximum bytes of a line without its CR LF (RFC 5322, section 2.1.1).
const MAX_LINE_BYTES: usize = 998;

/// An attachment of an email.
#[derive(Debug, Clone)]
pub struct MailFile {
    filename: String,
    content_type: ContentType,
    bytes: Vec<u8>,
}

impl MailFile {
    /// Creates an attachment from text: in the charset of the media type, otherwise in UTF-8, which is added to a text type. Without a
    /// media type it is `text/plain`.
    ///
    /// # Errors
    /// A name with a control character, an invalid media type, and a character that the charset does not have.
    pub fn of_text(filename: String, content_type: Option<&str>, text: &str) -> Result<Self, String> {
        let kind = media_type(content_type.unwrap_or("text/plain"))?;
        let charset = match kind.get_param(mime::CHARSET) {
            None => Charset::Utf8,
            Some(name) => Charset::named(name.as_str()).map_err(|error| format!("contentType: {error}"))?,
        };
        if charset == Charset::Utf8 {
            return Self::new(filename, &in_utf8(&kind), text.as_bytes().to_vec());
        }
        let bytes = charset.encode(text).map_err(|character| {
            format!("the character '{character}' is not in {}, the charset of contentType; leave the charset out for UTF-8", charset.name())
        })?;
        Self::new(filename, kind.as_ref(), bytes.into_owned())
    }

    /// Creates an attachment from bytes. UTF-8 is added to a text type without a charset, if the bytes are valid UTF-8; otherwise the
    /// charset is unknown.
    ///
    /// # Errors
    /// A name with a control character, and an invalid media type.
    pub fn of_bytes(filename: String, content_type: Option<&str>, bytes: Vec<u8>) -> Result<Self, String> {
        let kind = media_type(content_type.unwrap_or("application/octet-stream"))?;
        let is_utf8 = kind.get_param(mime::CHARSET).is_none() && std::str::from_utf8(&bytes).is_ok();
        let content_type = if is_utf8 { in_utf8(&kind) } else { kind.to_string() };
        Self::new(filename, &content_type, bytes)
    }

    fn new(filename: String, content_type: &str, bytes: Vec<u8>) -> Result<Self, String> {
        if let Some(control) = filename.chars().find(|character| character.is_control()) {
            return Err(format!("filename: the text holds the control character {control:?}"));
        }
        let content_type = ContentType::parse(content_type).map_err(|_| format!("contentType: '{content_type}' is no media type"))?;
        Ok(Self { filename, content_type, bytes })
    }
}

fn media_type(text: &str) -> Result<Mime, String> {
    // The type is written in the standard form, since lettre's parser is strict.
    let read = MediaType::parse(text).and_then(|read| read.to_string().parse().ok());
    read.ok_or_else(|| format!("contentType: '{}' is no media type, such as text/csv", text.escape_debug()))
}

/// Returns the media type, with UTF-8 as charset if it is a text.
fn in_utf8(kind: &Mime) -> String {
    if kind.type_() != mime::TEXT {
        return kind.to_string();
    }
    let others = kind.params().filter(|(name, _)| *name != mime::CHARSET).map(|(name, value)| format!("; {name}=\"{value}\""));
    format!("{}{}; charset=utf-8", kind.essence_str(), others.collect::<String>())
}

/// An email in the form in which it is sent.
pub(super) struct Written {
    pub envelope: lettre::address::Envelope,
    pub bytes: Vec<u8>,
    /// Its `Message-ID`.
    pub id: String,
}

/// # Errors
/// `Mapping` for an email without a recipient, a subject with a line break, and an address that SMTP cannot represent.
pub(super) fn written(mail: &Mail, from: &MailAddress) -> Result<Written, ExecutionError> {
    let wrong = |message: String| ExecutionError::permanent(ErrorCode::Mapping, message);
    let from = mailbox("from", from)?;
    let id = format!("<{}@{}>", utf8_percent_encode(&mail.id, ID), from.email.domain());
    // A line break in a header would begin another header.
    if mail.subject.chars().any(|character| character.is_control() && character != '\t') {
        let message = "subject: the text holds a line break or another control character; take it out, for example with gsub";
        return Err(wrong(message.to_owned()));
    }
    let mut builder = Message::builder().message_id(Some(id.clone())).from(from).subject(mail.subject.replace('\t', " "));
    for address in &mail.to {
        builder = builder.to(mailbox("to", address)?);
    }
    for address in &mail.cc {
        builder = builder.cc(mailbox("cc", address)?);
    }
    for address in &mail.bcc {
        builder = builder.bcc(mailbox("bcc", address)?);
    }
    if let Some(address) = &mail.reply_to {
        builder = builder.reply_to(mailbox("reply_to", address)?);
    }
    let part = |kind: ContentType, text: &str| SinglePart::builder().header(kind).body(text_body(text));
    let plain = mail.text.as_deref().map(|text| part(ContentType::TEXT_PLAIN, text));
    let html = mail.html.as_deref().map(|html| part(ContentType::TEXT_HTML, html));
    let text = match (plain, html) {
        (Some(plain), Some(html)) => Part::Multi(MultiPart::alternative().singlepart(plain).singlepart(html)),
        (None, Some(html)) => Part::Single(html),
        (Some(plain), None) => Part::Single(plain),
        (None, None) => Part::Single(part(ContentType::TEXT_PLAIN, "")),
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
        for file in &mail.attachments {
            let body = encoded(file.bytes.clone(), ContentTransferEncoding::Base64);
            mixed = mixed.singlepart(Attachment::new(file.filename.clone()).body(body, file.content_type.clone()));
        }
        builder.multipart(mixed)
    };
    let message = message.map_err(|error| match error {
        lettre::error::Error::MissingTo => wrong("to: the mail has no recipient".to_owned()),
        error => wrong(format!("the mail cannot be written: {error}")),
    })?;
    let bytes = message.formatted();
    check_lines(&bytes).map_err(|problem| wrong(format!("the mail cannot be written: {problem}")))?;
    Ok(Written { envelope: message.envelope().clone(), bytes, id })
}

enum Part {
    Single(SinglePart),
    Multi(MultiPart),
}

/// Encodes a text as quoted-printable, or as Base64 if most of it is not ASCII: both keep lines short and all characters.
fn text_body(text: &str) -> Body {
    let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
    let others = text.bytes().filter(|byte| !byte.is_ascii()).count();
    let encoding = if others > text.len() / 4 { ContentTransferEncoding::Base64 } else { ContentTransferEncoding::QuotedPrintable };
    encoded(text.into_bytes(), encoding)
}

fn encoded(bytes: Vec<u8>, encoding: ContentTransferEncoding) -> Body {
    // These two encodings accept any bytes.
    Body::new_with_encoding(bytes, encoding).unwrap_or_else(Body::new)
}

/// Checks the rules that every email must follow, however it was written.
fn check_lines(bytes: &[u8]) -> Result<(), &'static str> {
    let mut length = 0;
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            b'\r' if bytes.get(index + 1) == Some(&b'\n') => {}
            b'\n' if index > 0 && bytes[index - 1] == b'\r' => length = 0,
            b'\r' | b'\n' => return Err("a CR or LF stands alone in it"),
            _ => length += 1,
        }
        if length > MAX_LINE_BYTES {
            return Err("a line of it is longer than 998 bytes; shorten the subject, a file's name or the address");
        }
    }
    Ok(())
}

fn mailbox(part: &str, address: &MailAddress) -> Result<Mailbox, ExecutionError> {
    let email: Address = address.address().parse().map_err(|error| {
        ExecutionError::permanent(
            ErrorCode::Mapping,
            format!("{part}: '{}' is no address that a mail can go to: {error}", address.address()),
        )
    })?;
    Ok(Mailbox::new(address.name().map(str::to_owned), email))
}

//! The part of a mail session before TLS (RFC 3207). It is our own, since the mail client supports fewer forms of trust than connections.

use super::mode;
use crate::Target;
use forebay_contract::connection::SmtpConnection;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use std::io;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Maximum bytes of a line of a response, and maximum lines (RFC 5321, section 4.5.3.1, allows 512 bytes).
const MAX_LINE: u64 = 4096;
const MAX_LINES: usize = 100;

/// Greets the server as `name` and requests TLS, which starts on the stream afterwards.
///
/// # Errors
/// The server does not offer STARTTLS, or refuses it.
pub(super) async fn ask(target: &Target<'_>, smtp: &SmtpConnection, stream: TcpStream, name: &str) -> Result<TcpStream, ExecutionError> {
    let broke_off =
        |error: io::Error| ExecutionError::transient(ErrorCode::Unreachable, format!("{target} broke off; nothing was sent: {error}"));
    let mut stream = BufReader::new(stream);
    let greeting = answer(&mut stream).await.map_err(broke_off)?;
    greeting.expect(target, "220")?;
    stream.write_all(format!("EHLO {name}\r\n").as_bytes()).await.map_err(broke_off)?;
    let extensions = answer(&mut stream).await.map_err(broke_off)?;
    extensions.expect(target, "250")?;
    if !extensions.lines.iter().any(|line| line.trim().eq_ignore_ascii_case("STARTTLS")) {
        let require = mode(smtp, "`tls: require`", "`mode: require` in `tls`");
        let message = format!("{target} offers no STARTTLS; set {require} for a port with TLS, or `tls: disable`");
        return Err(ExecutionError::permanent(ErrorCode::Connection, message));
    }
    stream.write_all(b"STARTTLS\r\n").await.map_err(broke_off)?;
    answer(&mut stream).await.map_err(broke_off)?.expect(target, "220")?;
    // Clear text after the response would be taken for text received by TLS.
    if !stream.buffer().is_empty() {
        return Err(ExecutionError::permanent(
            ErrorCode::Unreachable,
            format!("{target} sent more than an answer before TLS began; nothing was sent"),
        ));
    }
    Ok(stream.into_inner())
}

/// A response of the server: a code, and text in one or more lines.
struct Answer {
    code: String,
    lines: Vec<String>,
}

impl Answer {
    fn expect(&self, target: &Target<'_>, wanted: &str) -> Result<(), ExecutionError> {
        if self.code == wanted {
            return Ok(());
        }
        let message = format!("{target} answered {}: {}; nothing was sent", self.code, self.lines.join(" "));
        Err(if self.code.starts_with('5') {
            ExecutionError::permanent(ErrorCode::Remote, message)
        } else {
            ExecutionError::transient(ErrorCode::Remote, message)
        })
    }
}

async fn answer(stream: &mut BufReader<TcpStream>) -> io::Result<Answer> {
    let no_answer = |what: &str| io::Error::other(format!("it gives no answer of a mail server: {what}"));
    let mut lines = Vec::new();
    while lines.len() < MAX_LINES {
        let mut line = Vec::new();
        (&mut *stream).take(MAX_LINE).read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        let (code, rest) = line.split_at_checked(3).ok_or_else(|| no_answer("a line is too short"))?;
        if !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(no_answer("a line has no code"));
        }
        lines.push(rest.get(1..).unwrap_or_default().chars().map(|c| if c.is_control() { ' ' } else { c }).collect());
        if !rest.starts_with('-') {
            return Ok(Answer { code: code.to_owned(), lines });
        }
    }
    Err(no_answer("it does not end"))
}

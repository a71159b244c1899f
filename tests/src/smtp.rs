//! A mail server that records every email: SMTP (RFC 5321) with AUTH PLAIN and LOGIN, in clear or with STARTTLS.

use data_encoding::BASE64;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// One mail that was accepted.
#[derive(Debug, Clone)]
pub struct ReceivedMail {
    /// User name and password of the sign-in.
    pub login: Option<(String, String)>,
    /// The sender of the envelope.
    pub from: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// Headers and body, lines ended by CR LF.
    pub data: String,
    /// True if STARTTLS was done before.
    pub is_encrypted: bool,
}

/// The server; it ends with the test.
pub struct MailServer {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    mails: Mutex<Vec<ReceivedMail>>,
    sessions: AtomicUsize,
    /// Present: STARTTLS is offered, and required before any email.
    tls: Option<TlsAcceptor>,
    /// Responses that replace the usual ones, by the beginning of the command.
    answers: Mutex<Vec<(String, String)>>,
}

impl MailServer {
    /// Listens on a free port of 127.0.0.1, in clear.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// Listens with STARTTLS (RFC 3207), which is required before any email.
    pub async fn start_with_starttls(acceptor: TlsAcceptor) -> Self {
        Self::start_with(Some(acceptor)).await
    }

    async fn start_with(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State { tls, ..State::default() });
        let shared = state.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = shared.clone();
                state.sessions.fetch_add(1, Ordering::Relaxed);
                // A client that goes away ends its session only.
                tokio::spawn(async move { serve(stream, &state).await.ok() });
            }
        });
        Self { port, state }
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The mails so far, in order.
    #[must_use]
    pub fn mails(&self) -> Vec<ReceivedMail> {
        self.state.mails.lock().unwrap().clone()
    }

    /// Returns the number of sessions.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.state.sessions.load(Ordering::Relaxed)
    }

    /// Answers commands that begin with `command` (such as `RCPT` or `DATA`; `.` is the end of the data) with `answer` from now on; an
    /// empty one closes the connection.
    pub fn answer(&self, command: &str, answer: &str) {
        self.state.answers.lock().unwrap().insert(0, (command.to_owned(), answer.to_owned()));
    }

    /// Restores the usual responses.
    pub fn answer_as_usual(&self) {
        self.state.answers.lock().unwrap().clear();
    }
}

impl State {
    fn answer_to(&self, line: &str) -> Option<String> {
        let line = line.to_ascii_uppercase();
        self.answers.lock().unwrap().iter().find(|(command, _)| line.starts_with(command)).map(|(_, answer)| answer.clone())
    }
}

/// A connection, in clear or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

type Session = BufReader<Box<dyn Stream>>;

async fn serve(stream: TcpStream, state: &State) -> std::io::Result<()> {
    let mut stream: Session = BufReader::new(Box::new(stream));
    let (mut login, mut from, mut to) = (None, String::new(), Vec::new());
    let mut is_encrypted = false;
    say(&mut stream, "220 test ESMTP").await?;
    while let Some(line) = hear(&mut stream).await? {
        if let Some(answer) = state.answer_to(&line) {
            if answer.is_empty() {
                return Ok(());
            }
            say(&mut stream, &answer).await?;
            continue;
        }
        let upper = line.to_ascii_uppercase();
        let answer = if let Some(tls) = state.tls.as_ref().filter(|_| !is_encrypted) {
            if upper == "STARTTLS" {
                say(&mut stream, "220 2.0.0 go on").await?;
                stream = BufReader::new(Box::new(tls.accept(stream.into_inner()).await?));
                is_encrypted = true;
                continue;
            }
            if upper.starts_with("EHLO") { "250-test\r\n250-STARTTLS\r\n250 8BITMIME" } else { "530 5.7.0 STARTTLS first" }
        } else if upper.starts_with("EHLO") {
            "250-test\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN"
        } else if let Some(token) = upper.starts_with("AUTH PLAIN ").then(|| &line[11..]) {
            let parts = decoded(token);
            let mut parts = parts.split('\0').skip(1);
            login = parts.next().map(str::to_owned).zip(parts.next().map(str::to_owned));
            "235 2.7.0 accepted"
        } else if upper.starts_with("AUTH LOGIN") {
            say(&mut stream, "334 VXNlcm5hbWU6").await?;
            let username = hear(&mut stream).await?.unwrap_or_default();
            say(&mut stream, "334 UGFzc3dvcmQ6").await?;
            let password = hear(&mut stream).await?.unwrap_or_default();
            login = Some((decoded(&username), decoded(&password)));
            "235 2.7.0 accepted"
        } else if upper.starts_with("MAIL FROM:") {
            from = address(&line);
            "250 2.1.0 ok"
        } else if upper.starts_with("RCPT TO:") {
            to.push(address(&line));
            "250 2.1.5 ok"
        } else if upper == "DATA" {
            say(&mut stream, "354 go on").await?;
            let (data, fault) = data(&mut stream).await?;
            let answer = fault.map(str::to_owned).or_else(|| state.answer_to("."));
            if answer.is_none() {
                let mail = ReceivedMail { login: login.clone(), from: from.clone(), to: std::mem::take(&mut to), data, is_encrypted };
                state.mails.lock().unwrap().push(mail);
            }
            match answer.as_deref() {
                Some("") => return Ok(()),
                Some(answer) => say(&mut stream, answer).await?,
                None => say(&mut stream, "250 2.0.0 queued").await?,
            }
            continue;
        } else if upper == "QUIT" {
            return say(&mut stream, "221 2.0.0 bye").await;
        } else {
            "250 2.0.0 ok"
        };
        say(&mut stream, answer).await?;
    }
    Ok(())
}

async fn say(stream: &mut Session, line: &str) -> std::io::Result<()> {
    stream.write_all(format!("{line}\r\n").as_bytes()).await
}

async fn hear(stream: &mut Session) -> std::io::Result<Option<String>> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await?;
    Ok((read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Reads up to the line with a single dot; a doubled dot is reduced (RFC 5321, section 4.5.2). Refuses like a strict server, such as
/// Exchange Online, a single CR or LF, and a line of more than 998 bytes.
async fn data(stream: &mut Session) -> std::io::Result<(String, Option<&'static str>)> {
    let (mut data, mut fault) = (String::new(), None);
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok((data, fault));
        }
        let text = match line.strip_suffix(b"\r\n") {
            Some(text) => text,
            None => {
                fault = Some("550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal");
                line.strip_suffix(b"\n").unwrap_or(&line)
            }
        };
        if text == b"." {
            return Ok((data, fault));
        }
        if text.contains(&b'\r') {
            fault = Some("550 5.6.0 a CR stands alone");
        }
        if text.len() > 998 {
            fault = Some("500 5.5.2 line too long");
        }
        data.push_str(&String::from_utf8_lossy(text.strip_prefix(b".").unwrap_or(text)));
        data.push_str("\r\n");
    }
}

fn address(line: &str) -> String {
    let inside = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map(|(address, _)| address.to_owned()).unwrap_or_default()
}

fn decoded(token: &str) -> String {
    String::from_utf8(BASE64.decode(token.trim().as_bytes()).unwrap()).unwrap()
}

//! A mail server that remembers every mail: SMTP (RFC 5321) without TLS, with AUTH PLAIN and LOGIN.

use data_encoding::BASE64;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

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
}

/// The server; it ends with the test.
pub struct MailServer {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    mails: Mutex<Vec<ReceivedMail>>,
    /// Answers in the place of the usual ones, by how a command begins.
    answers: Mutex<Vec<(String, String)>>,
}

impl MailServer {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let shared = state.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = shared.clone();
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

    /// From now on commands that begin with `command` (such as `RCPT` or `DATA`; `.` is the end of the data) are answered with
    /// `answer`; an empty one closes the connection.
    pub fn answer(&self, command: &str, answer: &str) {
        self.state.answers.lock().unwrap().insert(0, (command.to_owned(), answer.to_owned()));
    }

    /// Back to the usual answers.
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

async fn serve(stream: TcpStream, state: &State) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut login, mut from, mut to) = (None, String::new(), Vec::new());
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
        let answer = if upper.starts_with("EHLO") {
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
            let data = data(&mut stream).await?;
            let answer = state.answer_to(".");
            if answer.is_none() {
                let mail = ReceivedMail { login: login.clone(), from: from.clone(), to: std::mem::take(&mut to), data };
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

async fn say(stream: &mut BufReader<TcpStream>, line: &str) -> std::io::Result<()> {
    stream.write_all(format!("{line}\r\n").as_bytes()).await
}

async fn hear(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<String>> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await?;
    Ok((read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Up to the line with a dot alone; a dot before a dot is taken off (RFC 5321, section 4.5.2).
async fn data(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut data = String::new();
    while let Some(line) = hear(stream).await? {
        if line == "." {
            break;
        }
        data.push_str(line.strip_prefix('.').unwrap_or(&line));
        data.push_str("\r\n");
    }
    Ok(data)
}

fn address(line: &str) -> String {
    let inside = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map(|(address, _)| address.to_owned()).unwrap_or_default()
}

fn decoded(token: &str) -> String {
    String::from_utf8(BASE64.decode(token.trim().as_bytes()).unwrap()).unwrap()
}

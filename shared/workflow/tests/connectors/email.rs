//! Emails to a server that stores them.

use super::*;
use data_encoding::BASE64;
use forebay_connectors::{Mail, MailFile};
use forebay_contract::MailAddress;
use forebay_tests::{MailServer, ReceivedMail};

fn at(server: &MailServer, fields: Json) -> Arc<Connection> {
    let mut smtp = json!({ "host": "127.0.0.1", "port": server.port(), "tls": "disable", "from": "Forebay <forebay@example.com>" });
    smtp.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    connection(json!({ "smtp": smtp }))
}

fn mail() -> Mail {
    Mail {
        id: "7k3/lines[3]/send".to_owned(),
        to: vec![address("ann@example.com"), address("Bob <bob@example.com>")],
        subject: "Order 7".to_owned(),
        text: Some("Hello".to_owned()),
        ..Mail::default()
    }
}

fn address(text: &str) -> MailAddress {
    MailAddress::parse(text).unwrap()
}

fn header(mail: &ReceivedMail, name: &str) -> Option<String> {
    let (head, _) = mail.data.split_once("\r\n\r\n").unwrap();
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}: ")))?;
    Some(line.split_once(": ").unwrap().1.to_owned())
}

#[tokio::test]
async fn a_mail_arrives_at_all_recipients_and_its_id_is_of_the_step() {
    let server = MailServer::start().await;
    let mail = Mail { cc: vec![address("cy@example.com")], bcc: vec![address("dan@example.com")], ..mail() };
    let output = connectors().email(&at(&server, json!({})), mail, BOUNDS).await.unwrap();
    let all = ["ann@example.com", "bob@example.com", "cy@example.com", "dan@example.com"];
    assert_eq!(json_of(&output), json!({ "messageId": "<7k3/lines%5B3%5D/send@example.com>", "accepted": all }));
    let got = server.mails().remove(0);
    assert_eq!((got.from.as_str(), got.to.clone()), ("forebay@example.com", all.map(str::to_owned).to_vec()));
    assert_eq!(header(&got, "message-id").as_deref(), Some("<7k3/lines%5B3%5D/send@example.com>"));
    assert_eq!(header(&got, "subject").as_deref(), Some("Order 7"));
    assert!(!got.data.contains("dan@example.com") && got.data.contains("Hello"), "{}", got.data);
    assert_eq!(got.login, None);
}

#[tokio::test]
async fn text_html_and_files_travel_in_one_mail_after_a_sign_in() {
    let server = MailServer::start().await;
    let files = vec![MailFile::of_bytes("a ö.csv".to_owned(), Some("text/csv"), b"a;b\r\n1;2\r\n".to_vec()).unwrap()];
    let mail = Mail { html: Some("<p>Hello</p>".to_owned()), attachments: files, reply_to: Some(address("eve@example.com")), ..mail() };
    connectors().email(&at(&server, json!({ "username": "u", "password": "p w" })), mail, BOUNDS).await.unwrap();
    let got = server.mails().remove(0);
    assert_eq!(got.login, Some(("u".to_owned(), "p w".to_owned())));
    for part in [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "<p>Hello</p>",
        "text/csv; charset=utf-8",
        &BASE64.encode(b"a;b\r\n1;2\r\n"),
        "Reply-To: eve@example.com",
    ] {
        assert!(got.data.contains(part), "no {part} in {}", got.data);
    }
}

#[tokio::test]
async fn a_4xx_may_go_better_later_and_a_5xx_never() {
    let server = MailServer::start().await;
    let connection = at(&server, json!({ "username": "u", "password": "hunter2" }));
    for (command, answer, is_transient, code) in [
        ("RCPT", "450 4.2.1 mailbox busy", true, ErrorCode::Remote),
        ("RCPT", "550 5.1.1 no such user", false, ErrorCode::Remote),
        (".", "452 4.3.1 full", true, ErrorCode::Remote),
        (".", "554 5.7.1 spam", false, ErrorCode::Remote),
        ("AUTH", "535 5.7.8 bad credentials", false, ErrorCode::Connection),
        ("AUTH", "454 4.7.0 later", true, ErrorCode::Remote),
        ("EHLO", "", true, ErrorCode::Unreachable),
        (".", "", true, ErrorCode::Unreachable),
    ] {
        server.answer_as_usual();
        server.answer(command, answer);
        let error = connectors().email(&connection, mail(), BOUNDS).await.unwrap_err();
        assert_eq!((error.transient, error.code), (is_transient, code), "{command} {answer}: {error:?}");
        assert!(error.message.contains(answer.get(10..).unwrap_or("broke off")) && !error.message.contains("hunter2"), "{error}");
    }
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn what_makes_no_mail_says_which_part_and_nothing_is_sent() {
    let server = MailServer::start().await;
    let cases = [
        (Mail { to: Vec::new(), ..mail() }, "to: the mail has no recipient"),
        (Mail { subject: "a\r\nBcc: x@example.com".to_owned(), ..mail() }, "subject: the text holds a line break"),
    ];
    for (mail, expected) in cases {
        let error = connectors().email(&at(&server, json!({})), mail, BOUNDS).await.unwrap_err();
        assert_permanent(&error, ErrorCode::Mapping, &[expected]);
    }
    let error = connectors().email(&at(&server, json!({ "tls": "starttls" })), mail(), BOUNDS).await.unwrap_err();
    assert_permanent(&error, ErrorCode::Connection, &["offers no STARTTLS"]);
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn a_step_renders_a_mail_and_what_is_inserted_into_html_is_escaped() {
    let server = MailServer::start().await;
    let steps = "
steps:
  - id: tell
    email:
      connection: remote
      to: '${ .body.to }'
      subject: 'Order ${ .body.id }'
      text: 'Hi ${ .body.name }'
      html: '<p>${ .body.name }</p>'
      attachments: '[{ filename: \"a.json\", contentType: \"application/json\", text: (.body | tojson) }]'
respond: { body: .steps.tell }";
    let body = json!({ "to": "ann@example.com", "id": 7, "name": "<b>&\"'" });
    let output = run_on(at(&server, json!({})), steps, &body).await.unwrap();
    assert_eq!(output["accepted"], json!(["ann@example.com"]));
    let got = server.mails().remove(0);
    assert_eq!(header(&got, "subject").as_deref(), Some("Order 7"));
    for part in ["Hi <b>&\"'", "<p>&lt;b&gt;&amp;&quot;&#39;</p>", "filename=\"a.json\""] {
        assert!(got.data.contains(part), "no {part} in {}", got.data);
    }
    let error = run_on(at(&server, json!({})), steps, &json!({ "to": "a@b.example\nx", "id": 7, "name": "" })).await.unwrap_err();
    assert_permanent(&error, ErrorCode::Mapping, &["to: ", "control character"]);
}

#[tokio::test]
async fn mails_go_over_one_session_and_none_is_lost_when_it_has_ended() {
    let server = MailServer::start().await;
    let (connectors, connection) = (connectors(), at(&server, json!({ "username": "u", "password": "p" })));
    let send = async || connectors.email(&connection, mail(), BOUNDS).await;
    for _ in 0..3 {
        send().await.unwrap();
    }
    assert_eq!((server.sessions(), connectors.sessions(), server.mails().len()), (1, 1, 3));
    // The server ends the session.
    server.answer("NOOP", "");
    send().await.unwrap();
    assert_eq!((server.sessions(), server.mails().len()), (2, 4));
    // After a refusal the state of the session is unknown.
    server.answer_as_usual();
    server.answer("RCPT", "550 5.1.1 no such user");
    assert_permanent(&send().await.unwrap_err(), ErrorCode::Remote, &["no such user"]);
    server.answer_as_usual();
    send().await.unwrap();
    assert_eq!((server.sessions(), connectors.sessions(), server.mails().len()), (3, 1, 5));
}

/// Returns the parts of an email with their decoded content.
fn parts(mail: &ReceivedMail) -> Vec<(String, Vec<u8>)> {
    let boundary = mail.data.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap();
    let delimiter = format!("--{boundary}");
    let parts = mail.data.split(&delimiter).skip(1).filter(|part| !part.starts_with("--"));
    parts
        .map(|part| {
            let (head, body) = part.split_once("\r\n\r\n").unwrap();
            let head = head.replace("\r\n ", " ");
            let bytes = match head.contains("Content-Transfer-Encoding: base64") {
                true => BASE64.decode(body.replace("\r\n", "").as_bytes()).unwrap(),
                false => body.as_bytes().to_vec(),
            };
            (head, bytes)
        })
        .collect()
}

#[tokio::test]
async fn no_line_of_a_mail_is_too_long_or_ends_in_a_lone_cr_or_lf_whatever_is_in_it() {
    let server = MailServer::start().await;
    let texts = [
        "one\ntwo",
        "one\rtwo\r\r\nthree",
        "\n.\nMAIL FROM:<evil@evil.example>\r.\r\nRCPT TO:<x@example.com>",
        ".",
        "..\n.",
        "",
        "\u{0}\u{7f}\u{85}\u{2028}",
        "Grüße\nвсем\n",
        &"x".repeat(5000),
        &"ж".repeat(5000),
        &"a ".repeat(3000),
    ];
    for text in texts {
        let files = vec![
            MailFile::of_text("a.txt".to_owned(), None, text).unwrap(),
            MailFile::of_text("b.csv".to_owned(), Some("text/csv; header=present"), text).unwrap(),
            MailFile::of_bytes("c.json".to_owned(), Some("application/json"), text.as_bytes().to_vec()).unwrap(),
            MailFile::of_bytes("d.txt".to_owned(), Some("text/plain"), vec![b'J', 0xf6, b'\n', b'.', b'\n']).unwrap(),
            MailFile::of_text("e \"q\" ö.txt".to_owned(), Some("text/plain; charset=iso-8859-1"), "J\u{f6}rg\n").unwrap(),
        ];
        let one_line: String = text.chars().filter(|character| !character.is_control()).take(900).collect();
        let name = MailAddress::new(Some(&one_line), "eve@example.com").unwrap();
        let (body, subject) = (Some(text.to_owned()), one_line.clone());
        let mail = Mail { text: body.clone(), html: body, subject, attachments: files, cc: vec![name], ..mail() };
        connectors().email(&at(&server, json!({})), mail, BOUNDS).await.unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let got = server.mails().pop().unwrap();
        let parts = parts(&got);
        let file = |name: &str| parts.iter().find(|(head, _)| head.contains(name)).unwrap();
        for (name, content_type) in [
            ("a.txt", "text/plain; charset=utf-8"),
            ("b.csv", "text/csv; header=\"present\"; charset=utf-8"),
            ("c.json", "application/json\r\n"),
        ] {
            let (head, bytes) = file(name);
            assert_eq!(bytes, text.as_bytes(), "{text:?} {name}");
            assert!(head.contains(&format!("Content-Type: {content_type}")) && head.contains("base64"), "{head}");
        }
        assert!(file("d.txt").0.contains("Content-Type: text/plain\r\n"), "nobody knows its charset");
        assert_eq!((file("d.txt").1.as_slice(), file("iso-8859-1").1.as_slice()), (&b"J\xf6\n.\n"[..], &b"J\xf6rg\n"[..]));
    }
    assert_eq!((server.mails().len(), server.sessions()), (texts.len(), texts.len()));
}

#[tokio::test]
async fn a_server_that_is_used_in_tests_refuses_a_lone_lf() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = MailServer::start().await;
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
    stream.write_all(b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\na\nb\r\n.\r\nQUIT\r\n").await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    assert!(answers.contains("BareLinefeedsAreIllegal") && server.mails().is_empty(), "{answers}");
}

#[tokio::test]
async fn an_inserted_value_stays_inside_one_address() {
    let server = MailServer::start().await;
    let steps = "
steps:
  - id: tell
    email:
      connection: remote
      to: ['${ .body.user }@corp.example', '${ .body.more }']
      cc: '\"${ .body.name }\" <cy@corp.example>'
      reply_to: '${ .body.user }@corp.example'
      subject: Hi
      text: x
respond: { body: .steps.tell.accepted }";
    let run = async |user: &str, more: Json| {
        let body = json!({ "user": user, "more": more, "name": "Lee, \"Cy\" <e@v.example>" });
        run_on(at(&server, json!({})), steps, &body).await
    };
    assert_eq!(run("ann", json!([])).await.unwrap(), json!(["ann@corp.example", "cy@corp.example"]));
    let got = server.mails().remove(0);
    assert_eq!(got.to, ["ann@corp.example", "cy@corp.example"]);
    let name = BASE64.encode(br#"Lee, "Cy" <e@v.example>"#);
    assert_eq!(header(&got, "cc"), Some(format!("=?utf-8?b?{name}?= <cy@corp.example>")));
    let all = run("ann", json!(["Bo <bo@d.example>", "di@d.example"])).await.unwrap();
    assert_eq!(all, json!(["ann@corp.example", "bo@d.example", "di@d.example", "cy@corp.example"]));
    for (user, more, part) in [
        ("evil@evil.example, anna", json!([]), "to: 'evil@evil.example, anna' cannot be inserted"),
        ("evil@evil.example", json!([]), "holds '@'"),
        ("ann", json!("evil@evil.example, anna@corp.example"), "give an array of texts"),
        ("ann", json!("anna"), "'anna' is no address"),
        ("ann", json!("a@b@c"), "'a@b@c' is no address"),
        ("a b", json!([]), "holds ' '"),
    ] {
        assert_permanent(&run(user, more).await.unwrap_err(), ErrorCode::Mapping, &[part]);
    }
    assert_eq!(server.mails().len(), 2);
}

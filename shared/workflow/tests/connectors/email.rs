//! Mail to a server that remembers it.

use super::*;
use forebay_tests::{MailServer, ReceivedMail};
use forebay_workflow::connector::{Mail, MailFile};

fn at(server: &MailServer, fields: Json) -> Arc<Connection> {
    let mut smtp = json!({ "host": "127.0.0.1", "port": server.port(), "tls": "disable", "from": "Forebay <forebay@example.com>" });
    smtp.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    connection(json!({ "smtp": smtp }))
}

fn mail() -> Mail {
    Mail {
        id: "7k3/lines[3]/send".to_owned(),
        to: vec!["ann@example.com, Bob <bob@example.com>".to_owned()],
        subject: "Order 7".to_owned(),
        text: Some("Hello".to_owned()),
        ..Mail::default()
    }
}

fn header(mail: &ReceivedMail, name: &str) -> Option<String> {
    let (head, _) = mail.data.split_once("\r\n\r\n").unwrap();
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}: ")))?;
    Some(line.split_once(": ").unwrap().1.to_owned())
}

#[tokio::test]
async fn a_mail_arrives_at_all_recipients_and_its_id_is_of_the_step() {
    let server = MailServer::start().await;
    let mail = Mail { cc: vec![String::new(), "cy@example.com".to_owned()], bcc: vec!["dan@example.com".to_owned()], ..mail() };
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
    let files = vec![MailFile { filename: "a ö.csv".to_owned(), content_type: "text/csv".to_owned(), bytes: b"a;b\r\n1;2\r\n".to_vec() }];
    let mail = Mail { html: Some("<p>Hello</p>".to_owned()), attachments: files, reply_to: Some("eve@example.com".to_owned()), ..mail() };
    connectors().email(&at(&server, json!({ "username": "u", "password": "p w" })), mail, BOUNDS).await.unwrap();
    let got = server.mails().remove(0);
    assert_eq!(got.login, Some(("u".to_owned(), "p w".to_owned())));
    for part in ["multipart/mixed", "multipart/alternative", "text/plain", "<p>Hello</p>", "text/csv", "a;b", "Reply-To: eve@example.com"] {
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
        (Mail { to: vec!["nobody".to_owned()], ..mail() }, "to: 'nobody'"),
        (Mail { to: vec![" ".to_owned()], ..mail() }, "to: the mail has no recipient"),
        (Mail { from: Some("x".to_owned()), ..mail() }, "from: 'x'"),
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
    for part in ["Hi <b>&\"'", "<p>&lt;b&gt;&amp;&quot;&#39;</p>", "a.json"] {
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
    // The server has had enough of it.
    server.answer("NOOP", "");
    send().await.unwrap();
    assert_eq!((server.sessions(), server.mails().len()), (2, 4));
    // After a refusal nobody knows where the session is.
    server.answer_as_usual();
    server.answer("RCPT", "550 5.1.1 no such user");
    assert_permanent(&send().await.unwrap_err(), ErrorCode::Remote, &["no such user"]);
    server.answer_as_usual();
    send().await.unwrap();
    assert_eq!((server.sessions(), connectors.sessions(), server.mails().len()), (3, 1, 5));
}

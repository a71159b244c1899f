use super::*;
use crate::definition::{DefinitionError, documents};
use crate::unix_time::UnixMicros;
use serde_json::json;

fn read(text: &str) -> Result<Alert, DefinitionError> {
    let document = &documents(text).unwrap()[0];
    let read = Alert::from_value(document);
    if read.is_ok() {
        crate::published::tests::assert_valid(document);
    }
    read
}

/// Returns an alert rule with this condition and these lines.
fn with(when: &str, send: &str) -> String {
    format!("tenant: t\nalert: a\nwhen: {when}\nsend: {send}\n")
}

const HOOK: &str = "{ webhook: { url: 'https://a.example/x' } }";

#[test]
fn each_condition_is_read_with_its_defaults() {
    let when = |text: &str| read(&with(text, HOOK)).unwrap().when;
    let window = Duration::from_secs(15 * 60);
    assert_eq!(when("{ failure_rate: { over: 10 } }"), Condition::FailureRate { over: 10.0, window, at_least: 1 });
    let whole = when("{ failure_rate: { over: 0.5, window: 1h, at_least: 20 } }");
    assert_eq!(whole, Condition::FailureRate { over: 0.5, window: Duration::from_secs(3600), at_least: 20 });
    assert_eq!(when("{ oldest_age: { over: 5m } }"), Condition::OldestAge { over: Duration::from_secs(300) });
    assert_eq!(when("{ halted: {} }"), Condition::Halted);
    assert_eq!(when("{ halted: }"), Condition::Halted);
    assert_eq!(when("{ silent: { for: 30m } }"), Condition::Silent { lasting: Duration::from_secs(1800) });
}

#[test]
fn an_alert_watches_every_integration_of_its_tenant_unless_it_names_some() {
    let all = read(&with("{ halted: {} }", HOOK)).unwrap();
    assert_eq!((all.enabled, all.repeat, all.description.as_str()), (true, DEFAULT_REPEAT, ""));
    assert!(all.watches(&"Any".parse().unwrap()));
    let some = read(&format!("{}integrations: [A, B]\nenabled: false\nrepeat: 30m\n", with("{ halted: {} }", HOOK))).unwrap();
    assert!(some.watches(&"B".parse().unwrap()) && !some.watches(&"C".parse().unwrap()));
    assert_eq!((some.enabled, some.repeat, some.path().to_string()), (false, Duration::from_secs(1800), "t/a".to_owned()));
}

#[test]
fn it_is_sent_to_an_address_a_connection_a_mail_box_or_two_of_them() {
    let send = |text: &str| read(&with("{ halted: {} }", text)).unwrap().send;
    let by_url = send("{ webhook: { url: 'https://a.example/x', headers: { X-Team: ops } } }").webhook.unwrap();
    assert_eq!(by_url.target, AlertAddress::Url("https://a.example/x".to_owned()));
    assert_eq!(by_url.headers, [("X-Team".to_owned(), "ops".to_owned())]);
    let both = send("{ webhook: { connection: chat, path: /hook }, email: { connection: mail, to: ['Ops <ops@b.example>'] } }");
    let address = AlertAddress::Connection { connection: "chat".parse().unwrap(), path: "/hook".to_owned() };
    assert_eq!(both.webhook.unwrap().target, address);
    assert_eq!(both.email.unwrap().to, ["Ops <ops@b.example>"]);
}

#[test]
fn a_mistake_names_its_path_and_what_was_meant() {
    let conditions = [
        ("{}", "when: needs one of failure_rate, oldest_age, halted, silent"),
        ("{ halted: {}, silent: { for: 1h } }", "when: has more than one of"),
        ("{ failurerate: { over: 1 } }", "when.failurerate: unknown field; did you mean 'failure_rate'?"),
        ("{ failure_rate: {} }", "when.failure_rate.over: is required"),
        ("{ failure_rate: { over: 100 } }", "when.failure_rate.over: must be a number of percent from 0 to below 100, not 100"),
        ("{ failure_rate: { over: 1, window: 2d } }", "when.failure_rate.window: must be from 1m to 1d, not 2d"),
        ("{ failure_rate: { over: 1, at_least: 0 } }", "when.failure_rate.at_least: must be a whole number from 1"),
        ("{ oldest_age: }", "when.oldest_age: is empty: give a value, or remove the field"),
        ("{ oldest_age: { over: soon } }", "when.oldest_age.over: 'soon' is not a valid duration"),
        ("{ halted: { for: 1m } }", "when.halted.for: unknown field"),
        ("{ silent: { for: 10s } }", "when.silent.for: must be from 1m to 7d, not 10s"),
    ];
    let sendings = [
        ("{}", "send: needs webhook, email or both"),
        ("{ webhook: {} }", "send.webhook.url: is required, or connection"),
        ("{ webhook: { url: a.example } }", "send.webhook.url: must be an address such as"),
        ("{ webhook: { url: 'https://u:p@a.example' } }", "send.webhook.url: must hold no user name"),
        ("{ webhook: { url: 'https://a.example/${ .x }' } }", "send.webhook.url: "),
        ("{ webhook: { url: 'https://a.example', path: /x } }", "send.webhook.path: is for a webhook by a connection"),
        ("{ webhook: { url: 'https://a.example', connection: c } }", "send.webhook.url: is for a webhook without a connection"),
        ("{ webhook: { connection: c, path: '/${ .x }' } }", "send.webhook.path: is plain text here"),
        (
            "{ webhook: { url: 'https://a.example', headers: { Authorization: Bearer x } } }",
            "send.webhook.headers.Authorization: is a credential, and would be stored in clear",
        ),
        ("{ webhook: { url: 'https://a.example', headers: { 'a b': x } } }", "send.webhook.headers: 'a b' is no header name"),
        ("{ email: { connection: m } }", "send.email.to: is required"),
        ("{ email: { connection: m, to: [] } }", "send.email.to: must hold 1 to 100 addresses"),
        ("{ email: { connection: m, to: ops@a.example } }", "send.email.to: must be a list of addresses"),
        ("{ email: { connection: m, to: [ops] } }", "send.email.to[0]: 'ops' is no address"),
        ("{ email: { to: [ops@a.example] } }", "send.email.connection: is required"),
        ("{ mail: {} }", "send.mail: unknown field; did you mean 'email'?"),
    ];
    let whole = [
        ("tenant: t\nalert: a\n", "when: is required"),
        ("tenant: t\nalert: a\n", "send: is required"),
        ("tenant: t\nalert: a b\n", "alert: 'a b' is no name"),
        ("tenant: t\nalert: a\nintegration: [A]\n", "integration: unknown field; did you mean 'integrations'?"),
        ("tenant: t\nalert: a\nintegrations: []\n", "integrations: names none"),
        ("tenant: t\nalert: a\nintegrations: [A, A]\n", "integrations[1]: 'A' is named twice"),
        ("tenant: t\nalert: a\nintegrations: A\n", "integrations: must be a list of the names"),
        ("tenant: t\nalert: a\nrepeat: 5s\n", "repeat: must be from 1m to 7d"),
    ];
    let conditions = conditions.map(|(when, expected)| (with(when, HOOK), expected));
    let sendings = sendings.map(|(send, expected)| (with("{ halted: {} }", send), expected));
    let whole = whole.map(|(text, expected)| (text.to_owned(), expected));
    for (text, expected) in conditions.into_iter().chain(sendings).chain(whole) {
        let error = read(&text).expect_err(&text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = with("{ oldest_age: { over: x } }", "{ webhook: { url: x }, email: { connection: m, to: [x] } }");
    assert_eq!(read(&format!("{text}enable: true\n")).unwrap_err().problems.len(), 4);
}

#[test]
fn a_notification_describes_the_event_for_programs_and_people() {
    let alert = read(&format!("{}description: Orders of ACME\n", with("{ silent: { for: 30m } }", HOOK))).unwrap();
    let entry = |name: &str, event| NotificationEntry {
        integration: name.parse().unwrap(),
        event,
        since: UnixMicros::new(1_700_000_000_000_000),
        detail: "none since then".to_owned(),
    };
    let entries = vec![entry("A", Event::Resolved), entry("B", Event::Raised), entry("C", Event::Raised)];
    let notification = Notification { number: 7, at: UnixMicros::new(1_700_000_060_999_999), entries };
    assert_eq!(notification.subject(&alert), "[Forebay] t/a raised: B and 1 more");
    let body = notification.to_json(&alert);
    let expected = json!({ "integration": "A", "event": "resolved", "since": "2023-11-14T22:13:20Z", "detail": "none since then" });
    assert_eq!(body["integrations"][0], expected);
    assert_eq!((&body["event"], &body["number"], &body["condition"]), (&json!("raised"), &json!(7), &json!("silent")));
    assert_eq!(body["at"], "2023-11-14T22:14:20Z");
    let text = "Alert t/a: no execution was accepted for 30m
Orders of ACME

t/A resolved: none since then
  raised 2023-11-14T22:13:20Z, resolved 2023-11-14T22:14:20Z
t/B raised: none since then
  raised 2023-11-14T22:13:20Z
t/C raised: none since then
  raised 2023-11-14T22:13:20Z";
    assert_eq!(notification.text(&alert), text);
    assert_eq!(Notification::from_stored(&notification.to_stored()), Some(notification));
    let test = Notification { number: 0, at: UnixMicros::default(), entries: Vec::new() };
    assert_eq!(test.subject(&alert), "[Forebay] t/a test");
    assert!(test.text(&alert).contains("This is a test"));
}

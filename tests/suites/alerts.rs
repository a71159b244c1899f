//! Alerts: recipients, repetition, and notifications that cannot be sent.

use forebay_tests::{MailServer, Process, Sink, Stack, eventually};
use serde_json::{Value, json};
use std::time::Duration;

/// Starts a scheduler that evaluates often, so that an alert is resolved after 1.2 s without its condition.
async fn scheduler(stack: &Stack) -> Process {
    stack.start_with("scheduler", &[("FOREBAY_ALERT_INTERVAL", "300ms")]).await
}

/// Returns an alert rule whose notifications go to the sink.
fn alert(sink: &Sink, name: &str, when: &str) -> String {
    format!("tenant: t1\nalert: {name}\nwhen: {{ {when} }}\nsend: {{ webhook: {{ url: '{}/{name}' }} }}\n", sink.address())
}

/// Returns an integration that fails unless the body has `ok: true`.
fn integration(name: &str, more: &str) -> String {
    format!(
        "
tenant: t1
name: {name}
trigger: {{ webhook: {{ authentication: none, {more} }} }}
steps: [{{ id: check, assert: .body.ok }}]
"
    )
}

/// Returns the notifications so far.
fn notifications(sink: &Sink) -> Vec<Value> {
    sink.calls().iter().map(|call| serde_json::from_str(&call.body).unwrap()).collect()
}

fn events(sink: &Sink) -> Vec<String> {
    notifications(sink).iter().map(|notification| notification["event"].as_str().unwrap().to_owned()).collect()
}

async fn until_notified(sink: &Sink, expected: &[&str]) {
    eventually(&format!("{expected:?} are sent"), || async { (events(sink) == expected).then_some(()) }).await;
}

async fn listed(stack: &Stack) -> Value {
    stack.command_json(&["alerts", "list"]).await[0].clone()
}

/// Waits until every alert rule was evaluated several times more.
async fn looks(stack: &Stack, count: usize) {
    let ask = async || stack.sql("select max(look_at) from alert_rules").await;
    for _ in 0..count {
        let before = ask().await;
        eventually("another look", || async { (ask().await != before).then_some(()) }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_rate_is_told_once_when_it_is_too_high_and_once_when_it_is_not_any_more() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    stack.apply(&integration("orders", "")).await;
    stack.apply(&integration("others", "")).await;
    stack.apply(&alert(&sink, "OrdersFailing", "failure_rate: { over: 60, at_least: 3 }")).await;
    let (ingress, _worker, _scheduler) = (stack.start("ingress").await, stack.start("worker").await, scheduler(&stack).await);
    for (path, ok) in [("/t1/orders", false), ("/t1/orders", false), ("/t1/orders", false), ("/t1/others", false), ("/t1/others", true)] {
        assert_eq!(stack.post(&ingress, path, &json!({ "ok": ok }).to_string()).await.status, 202);
    }
    until_notified(&sink, &["raised"]).await;
    let message = notifications(&sink).remove(0);
    assert_eq!((&message["tenant"], &message["alert"], &message["number"]), (&json!("t1"), &json!("OrdersFailing"), &json!(1)));
    assert_eq!(message["subject"], "[Forebay] t1/OrdersFailing raised: orders");
    let entries = message["integrations"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "two of the others are too few: {entries:?}");
    assert_eq!((&entries[0]["integration"], &entries[0]["event"]), (&json!("orders"), &json!("raised")));
    assert_eq!(entries[0]["detail"], "3 of 3 executions that ended within 15m failed or expired (100.0 %)");
    let raised = listed(&stack).await;
    assert_eq!((&raised["raised"][0]["integration"], &raised["notifications"]), (&json!("orders"), &json!(1)));

    for _ in 0..4 {
        stack.post(&ingress, "/t1/orders", r#"{"ok": true}"#).await;
    }
    until_notified(&sink, &["raised", "resolved"]).await;
    let resolved = notifications(&sink).remove(1);
    assert_eq!(resolved["integrations"][0]["since"], message["integrations"][0]["since"]);
    assert_eq!(resolved["integrations"][0]["detail"], "3 of 7 executions that ended within 15m failed or expired (42.9 %)");
    looks(&stack, 8).await;
    assert_eq!(events(&sink), ["raised", "resolved"]);
    let over = listed(&stack).await;
    assert_eq!((&over["raised"], &over["pending"], &over["error"]), (&json!([]), &json!(false), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halted_trigger_is_told_by_mail_until_a_person_has_decided() {
    let (stack, server) = (Stack::new().await, MailServer::start().await);
    stack.apply(&format!("{}on_failure: halt\n", integration("orders", "ordered: true"))).await;
    let mail = format!(
        "tenant: t1\nconnection: mail\nsmtp: {{ host: 127.0.0.1, port: {}, tls: disable, from: forebay@b.example }}\n",
        server.port()
    );
    let alert = "tenant: t1\nalert: Halted\nintegrations: [orders]\nwhen: { halted: {} }\nsend: { email: { connection: mail, to: [ops@b.example, 'Ann <ann@b.example>'] } }\n";
    stack.apply(&format!("{mail}---\n{alert}")).await;
    let (ingress, _worker, _scheduler) = (stack.start("ingress").await, stack.start("worker").await, scheduler(&stack).await);
    stack.post(&ingress, "/t1/orders", r#"{"ok": false}"#).await;
    let subjects = |count: usize| {
        let server = &server;
        async move {
            eventually(&format!("{count} mails"), || async { (server.mails().len() >= count).then_some(()) }).await;
            let subject = |data: &str| data.lines().find_map(|line| line.strip_prefix("Subject: ").map(str::to_owned)).unwrap();
            server.mails().iter().map(|mail| subject(&mail.data)).collect::<Vec<_>>()
        }
    };
    assert_eq!(subjects(1).await, ["[Forebay] t1/Halted raised: orders"]);
    let first = server.mails().remove(0);
    assert_eq!((first.from.as_str(), first.to), ("forebay@b.example", vec!["ops@b.example".to_owned(), "ann@b.example".to_owned()]));
    assert!(first.data.contains("the trigger has halted: check: assert"), "{}", first.data);
    looks(&stack, 8).await;
    assert_eq!(server.mails().len(), 1);
    stack.command(&["triggers", "skip", "t1/orders"]).await;
    assert_eq!(subjects(2).await, ["[Forebay] t1/Halted raised: orders", "[Forebay] t1/Halted resolved: orders"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_nobody_calls_is_told_until_somebody_does() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    stack.apply(&integration("orders", "")).await;
    stack.apply(&integration("busy", "")).await;
    stack.apply(&alert(&sink, "Silent", "silent: { for: 1h }")).await;
    let (ingress, _worker, _scheduler) = (stack.start("ingress").await, stack.start("worker").await, scheduler(&stack).await);
    stack.post(&ingress, "/t1/busy", r#"{"ok": true}"#).await;
    stack.ended("busy", 1).await;
    let watched = "select count(*) from alert_states";
    eventually("both are watched", || async { (stack.sql(watched).await.trim() == "2").then_some(()) }).await;
    looks(&stack, 4).await;
    assert!(sink.calls().is_empty(), "an hour has not gone by since they are watched");
    stack.sql("update alert_states set watched_since = watched_since - interval '2 hours'").await;
    until_notified(&sink, &["raised"]).await;
    let entries = notifications(&sink)[0]["integrations"].clone();
    assert_eq!((entries.as_array().unwrap().len(), &entries[0]["integration"]), (1, &json!("orders")), "{entries}");
    assert!(entries[0]["detail"].as_str().unwrap().starts_with("no execution was accepted in 2h"), "{entries}");
    stack.post(&ingress, "/t1/orders", r#"{"ok": true}"#).await;
    until_notified(&sink, &["raised", "resolved"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_age_is_the_integrations_own_whatever_shares_its_queue() {
    let (stack, sink, slow) = (Stack::new().await, Sink::start(Duration::ZERO).await, Sink::start(Duration::from_secs(8)).await);
    let call = |name: &str, step: &str| {
        format!("tenant: t1\nname: {name}\ntrigger: {{ webhook: {{ authentication: none }} }}\nsteps: [{{ id: a, {step} }}]\n")
    };
    stack.apply(&call("slow", &format!("http: {{ url: '{}' }}", slow.address()))).await;
    stack.apply(&call("fast", "set: 1")).await;
    stack.apply(&alert(&sink, "Late", "oldest_age: { over: 2s }")).await;
    let (ingress, _worker, _scheduler) = (stack.start("ingress").await, stack.start("worker").await, scheduler(&stack).await);
    stack.post(&ingress, "/t1/slow", "{}").await;
    stack.post(&ingress, "/t1/fast", "{}").await;
    until_notified(&sink, &["raised"]).await;
    let entries = notifications(&sink)[0]["integrations"].clone();
    assert_eq!((entries.as_array().unwrap().len(), &entries[0]["integration"]), (1, &json!("slow")), "{entries}");
    until_notified(&sink, &["raised", "resolved"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_age_of_a_message_without_a_worker_grows_too() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    stack.apply(&integration("queued", "ordered: true")).await;
    stack.apply(&integration("shared", "")).await;
    stack.apply(&integration("idle", "ordered: true")).await;
    stack.apply(&format!("{}integrations: [queued, shared, idle]\n", alert(&sink, "Late", "oldest_age: { over: 1s }"))).await;
    let (ingress, _scheduler) = (stack.start("ingress").await, scheduler(&stack).await);
    stack.post(&ingress, "/t1/queued", r#"{"ok": true}"#).await;
    stack.post(&ingress, "/t1/shared", r#"{"ok": true}"#).await;
    let names = |event: &str| {
        let mut names: Vec<String> = Vec::new();
        for message in notifications(&sink) {
            for entry in message["integrations"].as_array().unwrap().iter().filter(|entry| entry["event"] == event) {
                names.push(entry["integration"].as_str().unwrap().to_owned());
            }
        }
        names.sort_unstable();
        names
    };
    eventually("both are sent", || async { (names("raised") == ["queued", "shared"]).then_some(()) }).await;
    let _worker = stack.start("worker").await;
    eventually("both are over", || async { (names("resolved") == ["queued", "shared"]).then_some(()) }).await;
    assert_eq!(names("raised"), ["queued", "shared"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_repeats_nothing_and_of_several_schedulers_one_tells() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    stack.apply(&format!("{}on_failure: halt\n", integration("orders", "ordered: true"))).await;
    stack.apply(&alert(&sink, "Halted", "halted: {}")).await;
    let (ingress, _worker) = (stack.start("ingress").await, stack.start("worker").await);
    let schedulers = [scheduler(&stack).await, scheduler(&stack).await, scheduler(&stack).await];
    stack.post(&ingress, "/t1/orders", r#"{"ok": false}"#).await;
    until_notified(&sink, &["raised"]).await;
    looks(&stack, 8).await;
    for scheduler in schedulers {
        scheduler.kill().await;
    }
    let _again = [scheduler(&stack).await, scheduler(&stack).await];
    looks(&stack, 8).await;
    assert_eq!(events(&sink), ["raised"]);
    // It is still evaluated: changes while no scheduler ran are notified.
    stack.command(&["triggers", "skip", "t1/orders"]).await;
    until_notified(&sink, &["raised", "resolved"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_stays_raised_it_is_told_again_after_the_time_to_repeat() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    stack.apply(&format!("{}on_failure: halt\n", integration("orders", "ordered: true"))).await;
    stack.apply(&format!("{}repeat: 30m\n", alert(&sink, "Halted", "halted: {}"))).await;
    let (ingress, _worker, _scheduler) = (stack.start("ingress").await, stack.start("worker").await, scheduler(&stack).await);
    stack.post(&ingress, "/t1/orders", r#"{"ok": false}"#).await;
    until_notified(&sink, &["raised"]).await;
    looks(&stack, 6).await;
    assert_eq!(events(&sink), ["raised"]);
    stack.sql("update alert_states set told_at = told_at - interval '30 minutes'").await;
    until_notified(&sink, &["raised", "still_raised"]).await;
    looks(&stack, 6).await;
    assert_eq!(events(&sink), ["raised", "still_raised"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_sent_is_tried_again_where_it_did_not_arrive_and_its_error_is_listed() {
    let (stack, sink, server) = (Stack::new().await, Sink::start(Duration::ZERO).await, MailServer::start().await);
    sink.answer_with(500);
    stack.apply(&format!("{}on_failure: halt\n", integration("orders", "ordered: true"))).await;
    stack
        .connect(&format!(
            "tenant: t1\nconnection: mail\nsmtp: {{ host: 127.0.0.1, port: {}, tls: disable, from: forebay@b.example }}\n",
            server.port()
        ))
        .await;
    stack.connect(&format!("tenant: t1\nconnection: chat\nhttp: {{ url: '{}', headers: {{ X-Token: hunter2 }} }}\n", sink.address())).await;
    stack
        .apply("tenant: t1\nalert: Halted\nwhen: { halted: {} }\nsend: { webhook: { connection: chat, path: /hook }, email: { connection: mail, to: [ops@b.example] } }\n")
        .await;
    let (ingress, _worker, _scheduler) = (stack.start("ingress").await, stack.start("worker").await, scheduler(&stack).await);
    stack.post(&ingress, "/t1/orders", r#"{"ok": false}"#).await;
    eventually("three attempts", || async { (sink.calls().len() >= 3).then_some(()) }).await;
    let failing = eventually("the error is listed", || async {
        let listed = listed(&stack).await;
        (listed["attempts"].as_i64() >= Some(2)).then_some(listed)
    })
    .await;
    assert!(failing["error"].as_str().unwrap().contains("answered 500"), "{failing}");
    assert_eq!((&failing["pending"], &failing["sentAt"]), (&json!(true), &Value::Null));
    let text = stack.command(&["alerts", "show", "t1/Halted"]).await;
    assert!(text.contains("orders since") && text.contains("not sent at") && !text.contains("hunter2"), "{text}");
    sink.answer_with(200);
    eventually("it has arrived", || async { (listed(&stack).await["pending"] == false).then_some(()) }).await;
    let arrived = listed(&stack).await;
    assert_eq!((&arrived["error"], arrived["sentAt"].is_string(), &arrived["notifications"]), (&Value::Null, true, &json!(1)));
    looks(&stack, 6).await;
    let keys: std::collections::HashSet<_> =
        sink.calls().into_iter().map(|call| (call.path, call.idempotency_key.unwrap(), call.body)).collect();
    assert_eq!(keys.len(), 1, "the same message each time: {keys:?}");
    assert_eq!(server.mails().len(), 1, "the mail had arrived at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_applied_compared_tested_and_deleted_by_the_command() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    let write = |when: &str, more: &str| {
        stack.named_file("all.yaml", &format!("{}---\n{}{more}", integration("orders", ""), alert(&sink, "a", when)))
    };
    let file = write("halted: {}", "integrations: [orders, ordes]\n");
    let text = stack.command(&["validate", &file]).await;
    assert_eq!(text, "1 definition and 1 alert rule: no problems\n");
    let (code, text, _) = stack.command_ends(&["diff", &file]).await;
    assert!(code == 1 && text.contains("alert rule t1/a  created"), "{code} {text}");
    let (code, applied, error) = stack.command_ends(&["alerts", "apply", &file, "--output", "json"]).await;
    let expected = json!([{"alert": "t1/a", "change": "created", "when": "halted", "enabled": true}]);
    assert_eq!((code, serde_json::from_str::<Value>(&applied).unwrap()), (0, expected));
    assert!(error.contains("alert rule t1/a: the integration 'ordes' does not exist yet"), "{error}");
    assert_eq!(stack.command_json(&["apply", &file, "--yes"]).await[1]["change"], "unchanged");
    assert_eq!(stack.command_ends(&["diff", &file]).await, (0, String::new(), String::new()));
    let file = write("silent: { for: 2h }", "enabled: false\n");
    let (_, text, _) = stack.command_ends(&["diff", &file]).await;
    assert!(text.contains("THIS DISABLES IT") && text.contains("+ when.silent"), "{text}");
    let expected = json!({"alert": "t1/a", "change": "updated", "when": "silent", "enabled": false});
    assert_eq!(stack.command_json(&["apply", &file, "--yes"]).await[1], expected);
    let shown = stack.command_json(&["alerts", "show", "t1/a"]).await;
    assert_eq!((&shown["revision"], &shown["document"]["when"]["silent"]["for"]), (&json!(2), &json!("2h")));
    let list = stack.command(&["alerts", "list", "--tenant", "t1"]).await;
    assert!(list.contains("t1/a") && list.contains("disabled"), "{list}");
    assert_eq!(stack.command(&["alerts", "list", "--tenant", "t2"]).await, "no alert rules\n");

    assert_eq!(stack.command_json(&["alerts", "test", "t1/a"]).await, json!({"alert": "t1/a", "webhook": "sent"}));
    assert_eq!((events(&sink), notifications(&sink)[0]["integrations"].clone()), (vec!["test".to_owned()], json!([])));
    let denied = stack.command_ends_with(&["alerts", "test", "t1/a"], &[("FOREBAY_PRIVATE_ADDRESSES", "deny")]).await;
    assert!(denied.0 == 1 && denied.2.contains("FOREBAY_PRIVATE_ADDRESSES"), "{denied:?}");
    sink.answer_with(403);
    let (code, error) = stack.command_fails(&["alerts", "test", "t1/a"]).await;
    assert!(code == 1 && error.contains("webhook: POST") && error.contains("answered 403"), "{error}");

    let (code, error) = stack.command_fails(&["alerts", "apply", &stack.file("tenant: t1\nalert: b\nwhen: { halt: {} }\n")]).await;
    assert!(
        code == 1 && error.contains("when.halt: unknown field; did you mean 'halted'?") && error.contains("send: is required"),
        "{error}"
    );
    stack.command(&["alerts", "delete", "t1/a"]).await;
    let (code, error) = stack.command_fails(&["alerts", "show", "t1/a"]).await;
    assert!(code == 1 && error.contains("the alert t1/a does not exist"), "{error}");
    let audit = stack.command_json(&["audit", "list"]).await;
    let actions: Vec<&str> =
        audit.as_array().unwrap().iter().filter_map(|line| line["action"].as_str()).filter(|action| action.starts_with("alert")).collect();
    assert_eq!(actions, ["alert.delete", "alert.update", "alert.create"]);
}

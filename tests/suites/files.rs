//! Files whose move is in doubt after a crash.

use forebay_tests::{FileServer, Sink, Stack, eventually};
use serde_json::{Value, json};
use std::time::Duration;

async fn with_files() -> (Stack, FileServer) {
    let (stack, server) = (Stack::new().await, FileServer::start().await);
    let sftp = json!({
        "host": "127.0.0.1", "port": server.port(), "username": server.username(), "private_key": server.private_key(),
        "host_key": server.host_key(), "folder": server.files(),
    });
    stack.connect(&json!({ "tenant": "t1", "connection": "drop", "sftp": sftp }).to_string()).await;
    (stack, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_and_a_delete_that_were_done_before_a_crash_are_not_failures_when_they_come_again() {
    let ((stack, server), sink) = (with_files().await, Sink::start(Duration::from_secs(3)).await);
    for name in ["a", "old"] {
        std::fs::write(server.files().join(name), name).unwrap();
    }
    // A GET has no effect, so checkpoints of earlier steps are not stored before it.
    let yaml = format!(
        "
tenant: t1
name: archive
trigger: {{ webhook: {{ authentication: none }} }}
steps:
  - {{ id: moved, sftp: {{ connection: drop, move: a, to: b }} }}
  - {{ id: ask, http: {{ url: '{0}/ask' }} }}
  - {{ id: tell, http: {{ method: POST, url: '{0}/tell', body: '.steps.moved' }} }}
---
tenant: t1
name: clean
trigger: {{ webhook: {{ authentication: none }} }}
steps:
  - {{ id: deleted, sftp: {{ connection: drop, delete: old }} }}
  - {{ id: ask, http: {{ url: '{0}/ask' }} }}
  - {{ id: tell, http: {{ method: POST, url: '{0}/tell', body: '.steps.deleted' }} }}
",
        sink.address()
    );
    stack.apply(&yaml).await;
    let (ingress, worker) = (stack.start("ingress").await, stack.start("worker").await);
    for name in ["archive", "clean"] {
        assert_eq!(stack.post(&ingress, &format!("/t1/{name}"), "{}").await.status, 202);
    }
    eventually("both are done and ask", || async { (sink.calls().len() == 2).then_some(()) }).await;
    worker.kill().await;
    assert!(server.files().join("b").exists() && !server.files().join("old").exists());
    let _worker = stack.start("worker").await;
    for name in ["archive", "clean"] {
        assert_eq!(stack.ended(name, 1).await[0]["status"], "succeeded");
    }
    let mut bodies: Vec<String> = sink.calls().into_iter().filter(|call| call.path == "/tell").map(|call| call.body).collect();
    bodies.sort();
    assert!(
        bodies[0].contains("\"deleted\":true") && bodies.iter().all(|body| body.contains("\"assumed\":true")) && bodies.len() == 2,
        "{bodies:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_written_before_a_crash_is_known_again_and_nothing_is_written_over() {
    let ((stack, server), sink) = (with_files().await, Sink::start(Duration::from_secs(3)).await);
    let yaml = format!(
        "
tenant: t1
name: order
trigger: {{ webhook: {{ authentication: none }} }}
steps:
  - {{ id: put, sftp: {{ connection: drop, put: 'order-${{ .body.id }}.json', body: .body, overwrite: false }} }}
  - {{ id: ask, http: {{ url: '{0}/ask' }} }}
  - {{ id: tell, http: {{ method: POST, url: '{0}/tell', body: '.steps.put' }} }}
",
        sink.address()
    );
    stack.apply(&yaml).await;
    let (ingress, worker) = (stack.start("ingress").await, stack.start("worker").await);
    assert_eq!(stack.post(&ingress, "/t1/order", r#"{"id":7}"#).await.status, 202);
    eventually("it is written and asks", || async { (sink.calls().len() == 1).then_some(()) }).await;
    worker.kill().await;
    let _worker = stack.start("worker").await;
    assert_eq!(stack.ended("order", 1).await[0]["status"], "succeeded");
    let body = sink.calls().into_iter().find(|call| call.path == "/tell").unwrap().body;
    assert!(body.contains("\"assumed\":true"), "{body}");
    // Another call with the same id: the file of the first one stays.
    assert_eq!(stack.post(&ingress, "/t1/order", r#"{"id":7,"again":true}"#).await.status, 202);
    let ended = stack.ended("order", 2).await;
    let failed = ended.iter().find(|execution| execution["status"] == "failed").unwrap();
    assert!(failed["error"]["message"].as_str().unwrap().contains("order-7.json is there already"), "{failed}");
    assert_eq!(std::fs::read_to_string(server.files().join("order-7.json")).unwrap(), r#"{"id":7}"#);
    assert_eq!(std::fs::read_dir(server.files()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_amid_a_file_leaves_no_part_of_it_once_the_step_is_done() {
    let (stack, server) = with_files().await;
    // Large enough to be interrupted while it is written.
    let steps = "
tenant: t1
name: large
trigger: { webhook: { authentication: none } }
steps: [{ id: put, sftp: { connection: drop, put: large.txt, body: '.body * 20000000' } }]
";
    stack.apply(steps).await;
    let names = || -> Vec<String> {
        let names = std::fs::read_dir(server.files()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        names.collect()
    };
    let (ingress, worker) = (stack.start("ingress").await, stack.start("worker").await);
    assert_eq!(stack.post(&ingress, "/t1/large", "\"x\"").await.status, 202);
    eventually("it is being written", || async { (!names().is_empty()).then_some(()) }).await;
    worker.kill().await;
    let _worker = stack.start("worker").await;
    assert_eq!(stack.ended("large", 1).await[0]["status"], "succeeded");
    assert_eq!(names(), ["large.txt"]);
    let size = std::fs::metadata(server.files().join("large.txt")).unwrap().len();
    assert_eq!(size, 20_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_of_what_was_never_there_fails_also_when_it_is_tried_again_by_hand() {
    let (stack, server) = with_files().await;
    std::fs::write(server.files().join("b"), "of yesterday").unwrap();
    stack
        .apply(
            "
tenant: t1
name: archive
trigger: { webhook: { authentication: none } }
steps: [{ id: moved, sftp: { connection: drop, move: a, to: b } }]
",
        )
        .await;
    let (ingress, _worker) = (stack.start("ingress").await, stack.start("worker").await);
    let id = stack.post(&ingress, "/t1/archive", "{}").await.json()["executionId"].as_str().unwrap().to_owned();
    assert_eq!(stack.ended("archive", 1).await[0]["status"], "failed");
    stack.command(&["executions", "retry", &id]).await;
    let ended: Value = eventually("it failed again", || async {
        let execution = stack.executions("archive").await.remove(0);
        (execution["status"] == "failed" && execution["attempts"] == 2).then_some(execution)
    })
    .await;
    assert!(ended["error"]["message"].as_str().unwrap().contains("a could not be moved to"), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_credential_of_a_file_server_is_in_a_failure_the_history_or_a_log() {
    let (stack, server) = (Stack::new().await, FileServer::start().await);
    let of_another = FileServer::start().await.private_key();
    let logins = [
        ("password", json!({ "password": "PLANTED-0001" }), "does not accept the login"),
        ("no_key", json!({ "private_key": "PLANTED-0001", "passphrase": "PLANTED-0001" }), "private_key cannot be read"),
        ("other_key", json!({ "private_key": of_another, "passphrase": "PLANTED-0001" }), "drop"),
    ];
    for (name, login, _) in &logins {
        let mut sftp = json!({ "host": "127.0.0.1", "port": server.port(), "username": server.username(), "host_key": server.host_key() });
        sftp.as_object_mut().unwrap().extend(login.as_object().unwrap().clone());
        stack.connect(&json!({ "tenant": "t1", "connection": format!("drop_{name}"), "sftp": sftp }).to_string()).await;
        stack
            .apply(&format!(
                "tenant: t1\nname: {name}\ntrigger: {{ webhook: {{ authentication: none }} }}\nsteps: [{{ id: get, sftp: {{ connection: drop_{name}, get: a }} }}]\n"
            ))
            .await;
    }
    let process = stack.start("dev").await;
    let key_line = of_another.lines().nth(1).unwrap();
    for (name, _, expected) in &logins {
        assert_eq!(stack.post(&process, &format!("/t1/{name}"), "{}").await.status, 202);
        let failed = stack.ended(name, 1).await.remove(0);
        assert_eq!(failed["status"], "failed");
        let shown = stack.command(&["executions", "show", failed["id"].as_str().unwrap()]).await;
        let (_, out, tested) = stack.command_ends(&["connections", "test", &format!("t1/drop_{name}")]).await;
        assert!(failed["error"]["message"].as_str().unwrap().contains(expected) && tested.contains(expected), "{name}: {failed} {tested}");
        for text in [failed.to_string(), shown, out, tested] {
            assert!(!text.contains("PLANTED") && !text.contains(key_line), "{name}: {text}");
        }
    }
    let log = stack.log_of("dev");
    assert!(!log.is_empty() && !log.contains("PLANTED") && !log.contains(key_line));
}

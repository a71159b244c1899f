//! Files whose move a crash leaves in doubt.

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
    // A GET has no effect, so nothing of the steps before it is made durable for it.
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
    eventually("both are done and ask", || async { (sink.seen().len() == 2).then_some(()) }).await;
    worker.kill().await;
    assert!(server.files().join("b").exists() && !server.files().join("old").exists());
    let _worker = stack.start("worker").await;
    for name in ["archive", "clean"] {
        assert_eq!(stack.ended(name, 1).await[0]["status"], "succeeded");
    }
    let mut told: Vec<String> = sink.seen().into_iter().filter(|seen| seen.path == "/tell").map(|seen| seen.body).collect();
    told.sort();
    assert!(
        told[0].contains("\"deleted\":true") && told.iter().all(|body| body.contains("\"assumed\":true")) && told.len() == 2,
        "{told:?}"
    );
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

//! Messages that this installation did not write: they are not executed.

use forebay_broker::{Message, MessageKey, encode_envelope};
use forebay_contract::IdIssuer;
use forebay_contract::envelope::{Envelope, Request};
use forebay_tests::{Stack, eventually};
use lapin::options::BasicPublishOptions;
use lapin::{Connection, ConnectionProperties};
use serde_json::{Map, Value};
use uuid::Uuid;

async fn unreadable(stack: &Stack) -> Vec<Value> {
    stack.command_json(&["unreadable", "list"]).await.as_array().unwrap().clone()
}

/// Returns a call of `t1/work` by an attacker who may publish to the broker and knows everything except the installation's key.
async fn forged(stack: &Stack) -> Message {
    let integration: Uuid = stack.sql("select id from integrations").await.trim().parse().unwrap();
    let id = IdIssuer::new(b"a guess").issue(integration).unwrap();
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    let request =
        Request { method: "POST".to_owned(), path: "/t1/work".to_owned(), query_string: String::new(), query: Map::new(), headers };
    let envelope = Envelope::new(id, "t1/work".parse().unwrap(), integration, 1, request, "1".into());
    encode_envelope(&envelope, None, &MessageKey::new(b"a guess", false))
}

async fn put(stack: &Stack, message: &Message) {
    let connection = Connection::connect(&stack.broker_url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let (queue, options) = (format!("{}work.0", stack.queue_prefix()), BasicPublishOptions::default());
    channel
        .basic_publish("".into(), queue.as_str().into(), options, message.body(), message.properties().clone())
        .await
        .unwrap()
        .await
        .unwrap();
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test]
async fn a_message_that_somebody_else_wrote_is_unreadable_and_runs_nothing() {
    let stack = Stack::new().await;
    stack.apply("tenant: t1\nname: work\ntrigger: { webhook: { methods: [POST], authentication: none } }").await;
    let (ingress, _worker) = (stack.start("ingress").await, stack.start("worker").await);
    assert_eq!(stack.post(&ingress, "/t1/work", "1").await.status, 202);
    stack.ended("work", 1).await;
    put(&stack, &forged(&stack).await).await;
    let aside = eventually("the message is unreadable", || async { unreadable(&stack).await.pop() }).await;
    assert!(aside["reason"].as_str().unwrap().contains("no valid proof that this installation wrote it"), "{aside}");
    assert_eq!(stack.post(&ingress, "/t1/work", "2").await.status, 202);
    assert_eq!(stack.ended("work", 2).await.len(), 2);
}

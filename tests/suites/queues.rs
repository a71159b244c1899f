//! Looking at queues: depth, the age of what waits, messages that nobody can read.

use crate::test_queue::{MAX_LENGTH, unchecked};
use forebay_broker::{Broker, Depth, Inspector, Queue, UnreadableAction, UnreadableError, UnreadableMessage};
use forebay_contract::SharedQueueNumber;
use forebay_tests::{Sink, Stack, eventually};
use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use std::time::Duration;

fn broker(stack: &Stack) -> Broker {
    unchecked(stack, &stack.broker_url(), MAX_LENGTH)
}

fn inspector(stack: &Stack) -> Inspector {
    broker(stack).inspector("test")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_depth_of_a_queue_is_what_waits_and_its_age_is_what_the_worker_has_in_hand() {
    let (stack, slow) = (Stack::new().await, Sink::start(Duration::from_secs(4)).await);
    let yaml = format!(
        "tenant: t1\nname: slow\ntrigger: {{ webhook: {{ authentication: none, ordered: true }} }}\nsteps: [{{ id: a, http: {{ method: POST, url: '{}' }} }}]\n",
        slow.address()
    );
    stack.apply(&yaml).await;
    let id = stack.command_json(&["triggers", "list"]).await[0]["integrationId"].as_str().unwrap().parse().unwrap();
    let (inspector, trigger) = (inspector(&stack), Queue::Trigger(id));
    assert_eq!(
        inspector.depths(&[trigger, Queue::Work(SharedQueueNumber::new(0))]).await.unwrap(),
        [None, None],
        "queues that nobody has used do not exist"
    );
    let ingress = stack.start("ingress").await;
    for _ in 0..3 {
        assert_eq!(stack.post(&ingress, "/t1/slow", "{}").await.status, 202);
    }
    let depths = inspector.depths(&[Queue::Delayed { shared_queue: SharedQueueNumber::new(0), delay: 1000 }, trigger]).await.unwrap();
    assert_eq!(depths, [None, Some(Depth { ready: 3, consumers: 0 })]);

    let _worker = stack.start("worker").await;
    let name = broker(&stack).topology().name(trigger);
    let ask = format!("select extract(epoch from now() - oldest_since[array_position(oldest_queues, '{name}')]) from workers");
    eventually("the worker tells the age of the oldest", || async { stack.sql(&ask).await.trim().parse::<f64>().ok() }).await;
    let age: f64 = stack.sql(&ask).await.trim().parse().unwrap();
    assert!((0.0..60.0).contains(&age), "{age}");
    assert_eq!(inspector.depths(&[trigger]).await.unwrap(), [Some(Depth { ready: 0, consumers: 1 })]);
    stack.ended("slow", 3).await;
    let is_listed = format!("select count(*) from workers where '{name}' = any(oldest_queues)");
    eventually("nothing is in hand any more", || async { (stack.sql(&is_listed).await.trim() == "0").then_some(()) }).await;
}

/// lapin gives out 2047 numbers of channels, and none of a channel that the broker closed works again.
#[tokio::test(flavor = "multi_thread")]
async fn queues_that_are_missing_can_be_asked_for_more_often_than_a_connection_has_channels() {
    let stack = Stack::new().await;
    let inspector = inspector(&stack);
    let missing: Vec<Queue> = (0..2_100).map(|_| Queue::Trigger(uuid::Uuid::new_v4())).collect();
    for _ in 0..2 {
        assert!(inspector.depths(&missing).await.unwrap().iter().all(Option::is_none));
    }
    assert!(inspector.unreadable(1).await.unwrap().is_empty());
}

async fn only_one(inspector: &Inspector, is_other: impl Fn(&UnreadableMessage) -> bool) -> UnreadableMessage {
    eventually("one message is unreadable", || async {
        let mut messages = inspector.unreadable(100).await.unwrap();
        (messages.len() == 1 && is_other(&messages[0])).then(|| messages.remove(0))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_message_is_looked_at_returned_as_it_was_and_discarded() {
    let stack = Stack::new().await;
    let (inspector, home) = (inspector(&stack), broker(&stack).topology().name(Queue::Work(SharedQueueNumber::new(0))));
    assert!(inspector.unreadable(10).await.unwrap().is_empty());
    let _worker = stack.start("worker").await;
    eventually("the shared queue is there", || async { inspector.depths(&[Queue::Work(SharedQueueNumber::new(0))]).await.unwrap()[0] })
        .await;
    let connection = Connection::connect(&stack.broker_url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let mut headers = FieldTable::default();
    headers.insert("x-mine".into(), AMQPValue::LongString("kept".into()));
    let properties =
        BasicProperties::default().with_message_id("no-execution".into()).with_headers(headers).with_content_type("a/b".into());
    let publishing = channel.basic_publish("".into(), home.as_str().into(), BasicPublishOptions::default(), b"junk", properties);
    publishing.await.unwrap().await.unwrap();

    let first = only_one(&inspector, |_| true).await;
    let expected = UnreadableMessage {
        id: first.id.clone(),
        reason: first.reason.clone(),
        from: Some(home),
        message_id: Some("no-execution".to_owned()),
        headers: vec![("x-mine".to_owned(), "kept".to_owned())],
        content_type: Some("a/b".to_owned()),
        body: "junk".into(),
    };
    assert_eq!(first, expected);
    assert!(first.reason.contains("is missing"), "{}", first.reason);
    assert_eq!(only_one(&inspector, |_| true).await, expected, "looking at it leaves it there");

    inspector.resolve_unreadable(&first.id, UnreadableAction::Return).await.unwrap();
    // The worker still cannot read it, and puts it aside again.
    let second = only_one(&inspector, |message| message.id != first.id).await;
    assert_eq!(UnreadableMessage { id: first.id.clone(), ..second.clone() }, expected);
    let unknown = inspector.resolve_unreadable(&first.id, UnreadableAction::Discard).await.unwrap_err();
    assert!(matches!(unknown, UnreadableError::NotFound), "{unknown}");
    inspector.resolve_unreadable(&second.id, UnreadableAction::Discard).await.unwrap();
    assert!(inspector.unreadable(10).await.unwrap().is_empty());
}

/// The broker closes the channel on which a queue is declared with other arguments than it has.
#[tokio::test]
async fn queues_with_earlier_limits_are_used_as_they_are_and_no_call_fails_for_it() {
    let stack = Stack::new().await;
    stack
        .apply(
            "
tenant: t1
name: earlier
trigger: { webhook: { methods: [POST], authentication: none, ordered: true } }
---
tenant: t1
name: shared
trigger: { webhook: { methods: [POST], authentication: none } }
",
        )
        .await;
    let earlier = stack.start_with("ingress", &[("FOREBAY_QUEUE_MAX_LENGTH", "1000")]).await;
    assert_eq!(stack.post(&earlier, "/t1/earlier", "{}").await.status, 202);
    assert!(earlier.terminate().await.success());
    let later = stack.start_with("ingress", &[("FOREBAY_QUEUE_MAX_LENGTH", "2000")]).await;
    for _ in 0..20 {
        for path in ["/t1/shared", "/t1/earlier"] {
            let answer = stack.post(&later, path, "{}").await;
            assert_eq!(answer.status, 202, "{path}: {}", String::from_utf8_lossy(&answer.body));
        }
    }
}

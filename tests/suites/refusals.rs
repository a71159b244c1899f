//! Queues that refuse messages although they are not at their declared limit.

use crate::services;
use crate::test_queue::{MAX_LENGTH, TestQueue, message, publisher};
use forebay_broker::{Destination, PublishError, Queue};
use forebay_contract::SharedQueueNumber;
use forebay_tests::{Proxy, Stack, eventually};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// A policy of the operator refuses the messages, since it can be set at any time; to the publisher it looks like a queue without a leader.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_a_queue_that_is_not_full_is_told_as_such_and_disturbs_no_other_message() {
    let stack = Stack::new().await;
    let proxy = Proxy::start(&stack.broker_url()).await.unwrap();
    let (publisher, _end) = publisher(&stack, &proxy.url, MAX_LENGTH).await;
    let queue = TestQueue::new(&stack).await;
    let refusing = || Destination::Queue(Queue::Work(SharedQueueNumber::new(0)));
    let policy = format!("refuse-{}", stack.queue_prefix().trim_end_matches('.'));
    services(&format!("rabbitmqctl set_policy {policy} ^{}work {{\"max-length\":1}}", stack.queue_prefix())).await;
    let connections = proxy.connections();

    let begun = Instant::now();
    let refused = async {
        let mut refusals = 0;
        // Until the connections were opened again, on which messages are refused as well.
        eventually("the publisher connects again", || async {
            match publisher.send(Some(1), refusing(), message("x")).await {
                Ok(()) | Err(PublishError::NotAccepting) => {}
                Err(error) => panic!("{error}"),
            }
            (proxy.connections() > connections).then_some(())
        })
        .await;
        while publisher.send(Some(1), refusing(), message("x")).await != Err(PublishError::NotAccepting) {
            refusals += 1;
            assert!(refusals < 10, "it is accepted");
        }
    };
    let others = async {
        // With the same order, so on the same channels.
        for number in 0..1_000_u32 {
            publisher.send(Some(1), queue.destination(), message(number.to_be_bytes())).await.unwrap();
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    };
    tokio::join!(refused, others);
    assert!(begun.elapsed() >= Duration::from_secs(10), "connections that work are not left at once");
    let expected: Vec<_> = (0..1_000_u32).map(|number| number.to_be_bytes().to_vec()).collect();
    assert!(queue.bodies().await == expected, "in their order, each once");

    services(&format!("rabbitmqctl clear_policy {policy}")).await;
    eventually("the queue accepts again", || async { publisher.send(Some(1), refusing(), message("x")).await.is_ok().then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_was_declared_with_a_lower_limit_is_used_as_it_is_and_told_as_full_when_other_channels_refuse_too() {
    let stack = Stack::new().await;
    let queue = Queue::Trigger(Uuid::new_v4());
    let (earlier, _end) = publisher(&stack, &stack.broker_url(), 3).await;
    earlier.send(Some(1), Destination::Queue(queue), message("x")).await.unwrap();
    let proxy = Proxy::start(&stack.broker_url()).await.unwrap();
    let (later, _end) = publisher(&stack, &proxy.url, MAX_LENGTH).await;
    let connections = proxy.connections();
    // The broker closes the channel that declares it with other arguments: no other message is affected.
    later.send(Some(1), Destination::Queue(queue), message("x")).await.unwrap();
    eventually("it is full", || async {
        (later.send(Some(1), Destination::Queue(queue), message("x")).await == Err(PublishError::QueueFull)).then_some(())
    })
    .await;
    assert_eq!(proxy.connections(), connections);
}

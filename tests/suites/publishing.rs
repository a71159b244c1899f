//! The publisher against the real broker, alone and through a proxy that holds bytes back or hangs up.

use crate::test_queue::{MAX_LENGTH, TestQueue, broker, message, publisher, unchecked};
use forebay_broker::{Destination, Installation, MessageKey, PublishError, PublisherState, Queue};
use forebay_tests::{Proxy, Stack, Way, eventually};
use futures_util::future::join_all;
use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use std::collections::HashMap;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_any_size_arrive_byte_for_byte() {
    let stack = Stack::new().await;
    let (publisher, _end) = publisher(&stack, &stack.broker_url(), MAX_LENGTH).await;
    let test_queue = TestQueue::new(&stack).await;
    // RabbitMQ's frames are of 131,072 bytes, 8 of them not the body's.
    for size in [0, 1, 131_063, 131_064, 131_065, 262_128, 262_129, 5_000_000] {
        let body: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        publisher.send(None, test_queue.destination(), message(body.clone())).await.unwrap();
        let arrived = test_queue.bodies().await;
        assert!(arrived == [body], "{size} bytes: {} messages", arrived.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_one_order_arrive_in_it_whatever_goes_beside_them() {
    let stack = Stack::new().await;
    let (publisher, _end) = publisher(&stack, &stack.broker_url(), MAX_LENGTH).await;
    let test_queue = TestQueue::new(&stack).await;
    // More callers than may be in flight on a channel at once, besides others without an order.
    let (callers, each) = (1_200, 3);
    let clock = Arc::new(AtomicUsize::new(0));
    let calls = (0..callers).map(|caller| {
        let (publisher, destination, clock) = (publisher.clone(), test_queue.destination(), clock.clone());
        tokio::spawn(async move {
            let mut times = Vec::new();
            for _ in 0..each {
                let begun = clock.fetch_add(1, Ordering::SeqCst);
                let order = (caller % 3 > 0).then_some(7);
                publisher.send(order, destination.clone(), message(begun.to_string())).await.unwrap();
                times.extend(order.map(|_| (begun, clock.fetch_add(1, Ordering::SeqCst))));
            }
            times
        })
    });
    let times = join_all(calls).await.into_iter().flat_map(Result::unwrap);
    let ended: HashMap<usize, usize> = times.collect();
    let bodies = test_queue.bodies().await;
    assert_eq!(bodies.len(), callers * each);
    let begun = bodies.iter().map(|body| std::str::from_utf8(body).unwrap().parse::<usize>().unwrap());
    let ordered: Vec<usize> = begun.filter(|begun| ended.contains_key(begun)).collect();
    assert_eq!(ordered.len(), callers / 3 * 2 * each);
    // A message whose confirm was there before another was handed over is in front of it.
    let mut latest = 0;
    for begun in ordered {
        assert!(ended[&begun] > latest, "one that was begun at {latest} is in front of one that had ended at {}", ended[&begun]);
        latest = latest.max(begun);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_one_order_that_overlap_arrive_as_they_were_handed_over() {
    let stack = Stack::new().await;
    let (publisher, _end) = publisher(&stack, &stack.broker_url(), MAX_LENGTH).await;
    let test_queue = TestQueue::new(&stack).await;
    for batch in 0..100_u32 {
        // So few at once are begun one after the other.
        let publishes =
            (0..25).map(|number| publisher.send(Some(7), test_queue.destination(), message((batch * 25 + number).to_be_bytes())));
        assert!(join_all(publishes).await.into_iter().all(|result| result.is_ok()));
    }
    let expected: Vec<_> = (0..2_500_u32).map(|number| number.to_be_bytes().to_vec()).collect();
    assert!(test_queue.bodies().await == expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_messages_sent_together_each_is_told_what_became_of_it() {
    let stack = Stack::new().await;
    let (publisher, _end) = publisher(&stack, &stack.broker_url(), 3).await;
    let test_queue = TestQueue::new(&stack).await;
    let full = Queue::Trigger(Uuid::new_v4());
    // At its limit a quorum queue refuses what comes after it has said so.
    eventually("the queue is full", || async {
        (publisher.send(Some(1), Destination::Queue(full), message("x")).await == Err(PublishError::QueueFull)).then_some(())
    })
    .await;
    let missing = Destination::Named(format!("{}missing", stack.queue_prefix()));
    let all = (0..300).map(|number| {
        let destination = [test_queue.destination(), missing.clone(), Destination::Queue(full)][number % 3].clone();
        publisher.send(Some(1), destination, message("x"))
    });
    let results = join_all(all).await;
    for (number, result) in results.into_iter().enumerate() {
        let expected = [Ok(()), Err(PublishError::Unroutable), Err(PublishError::QueueFull)][number % 3].clone();
        assert_eq!(result, expected, "{number}");
    }
    assert_eq!(test_queue.bodies().await.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_several_declare_at_once_takes_the_first_message_of_each() {
    let stack = Stack::new().await;
    let url = stack.broker_url();
    let publishers = join_all((0..4).map(|_| publisher(&stack, &url, MAX_LENGTH))).await;
    let test_queue = TestQueue::new(&stack).await;
    for _ in 0..30 {
        let queue = Queue::Trigger(Uuid::new_v4());
        let both = publishers.iter().flat_map(|one| [one, one]);
        let first = both.map(|(publisher, _)| publisher.send(Some(1), Destination::Queue(queue), message("x")));
        assert!(join_all(first).await.iter().all(Result::is_ok));
        let name = publishers[0].0.name_of(queue);
        assert_eq!(test_queue.channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default()).await.unwrap(), 8);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_was_deleted_is_declared_again_by_the_next_message() {
    let stack = Stack::new().await;
    let (publisher, _end) = publisher(&stack, &stack.broker_url(), MAX_LENGTH).await;
    let test_queue = TestQueue::new(&stack).await;
    let queue = Queue::Trigger(Uuid::new_v4());
    publisher.send(Some(1), Destination::Queue(queue), message("x")).await.unwrap();
    let name = publisher.name_of(queue);
    assert_eq!(test_queue.channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default()).await.unwrap(), 1);
    publisher.send(Some(1), Destination::Queue(queue), message("x")).await.unwrap();
    assert_eq!(test_queue.channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default()).await.unwrap(), 1);
}

/// On one thread, so that the publisher has begun to wait when it is told.
#[tokio::test]
async fn a_publisher_that_waited_to_know_the_installation_connects_once() {
    let stack = Stack::new().await;
    let proxy = Proxy::start(&stack.broker_url()).await.unwrap();
    let direct = unchecked(&stack, &stack.broker_url(), MAX_LENGTH);
    let mark = Installation::mark_name(stack.queue_prefix(), Uuid::new_v4());
    direct.add_mark(&mark).await.unwrap();
    let (broker, shutdown) = (broker(&stack, &proxy.url, MAX_LENGTH), CancellationToken::new());
    let publisher = broker.publisher("test", NonZeroU8::MIN, MessageKey::new(b"test", false), shutdown.clone());
    let _end = shutdown.drop_guard();
    tokio::task::yield_now().await;
    broker.installation().set_mark(&mark);
    publisher.ready().await;
    let test_queue = TestQueue::new(&stack).await;
    publisher.send(None, test_queue.destination(), message("first")).await.unwrap();
    // One for declaring queues, one for publishing.
    assert_eq!(proxy.connections(), 2);
    direct.remove_mark(&mark).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_when_the_connection_breaks_may_be_delivered_and_the_next_message_is() {
    let stack = Stack::new().await;
    let proxy = Proxy::start(&stack.broker_url()).await.unwrap();
    let (publisher, _end) = publisher(&stack, &proxy.url, MAX_LENGTH).await;
    let test_queue = TestQueue::new(&stack).await;
    publisher.send(None, test_queue.destination(), message("first")).await.unwrap();
    proxy.set(Way::Deaf);
    let in_doubt = join_all((0..50).map(|number| publisher.send(None, test_queue.destination(), message(format!("{number}")))));
    let cut = async {
        let arrived = eventually("all have arrived", || async {
            let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
            let queue = test_queue.channel.queue_declare(test_queue.name.as_str().into(), passive, FieldTable::default()).await.unwrap();
            (queue.message_count() == 51).then_some(51)
        });
        let arrived = arrived.await;
        proxy.set(Way::Cut);
        arrived
    };
    let (results, _) = tokio::join!(in_doubt, cut);
    assert!(results.iter().all(|result| *result == Err(PublishError::Unconfirmed)), "{results:?}");
    eventually("it is known", || async { (publisher.state() == PublisherState::Away).then_some(()) }).await;
    let refused = publisher.send(None, test_queue.destination(), message("refused")).await;
    assert_eq!(refused, Err(PublishError::Unavailable));

    proxy.set(Way::Open);
    publisher.ready().await;
    publisher.send(None, test_queue.destination(), message("last")).await.unwrap();
    let bodies = test_queue.bodies().await;
    assert_eq!(bodies.len(), 52);
    assert_eq!(bodies.last().unwrap(), b"last");
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_that_the_broker_does_not_take_fill_no_more_memory_than_their_bound() {
    let stack = Stack::new().await;
    let proxy = Proxy::start(&stack.broker_url()).await.unwrap();
    let (publisher, _end) = publisher(&stack, &proxy.url, MAX_LENGTH).await;
    let test_queue = TestQueue::new(&stack).await;
    // Made before: while the way is shut, no heartbeat passes.
    let reply = message(vec![b'x'; 1 << 20]);
    proxy.set(Way::Shut);
    for _ in 0..200 {
        publisher.post(test_queue.destination(), reply.clone());
    }
    proxy.set(Way::Open);
    // What was let go makes room again, and what comes then is behind it.
    let arrived = AtomicUsize::new(0);
    eventually("a reply is sent again", || async {
        publisher.post(test_queue.destination(), message("again"));
        let (again, before): (Vec<_>, Vec<_>) = test_queue.bodies().await.into_iter().partition(|body| body == b"again");
        arrived.fetch_add(before.len(), Ordering::SeqCst);
        (!again.is_empty()).then_some(())
    })
    .await;
    // The buffers of the sockets take some more than the bound.
    let arrived = arrived.into_inner();
    assert!((60..100).contains(&arrived), "{arrived}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_falls_silent_is_noticed() {
    let stack = Stack::new().await;
    let proxy = Proxy::start(&format!("{}?heartbeat=1", stack.broker_url())).await.unwrap();
    let (publisher, _end) = publisher(&stack, &proxy.url, MAX_LENGTH).await;
    let test_queue = TestQueue::new(&stack).await;
    proxy.set(Way::Shut);
    assert_eq!(publisher.send(None, test_queue.destination(), message("held back")).await, Err(PublishError::Unconfirmed));
    proxy.set(Way::Cut);
    proxy.set(Way::Open);
    eventually("it publishes again", || async {
        publisher.send(None, test_queue.destination(), message("through")).await.is_ok().then_some(())
    })
    .await;
}

/// The threads of the HTTP server are like these: each with a runtime of its own.
#[tokio::test(flavor = "multi_thread")]
async fn callers_on_threads_of_their_own_all_hear_also_when_others_of_their_thread_have_gone() {
    let stack = Stack::new().await;
    let (publisher, _end) = publisher(&stack, &stack.broker_url(), MAX_LENGTH).await;
    let test_queue = TestQueue::new(&stack).await;
    let threads = (0..4).map(|_| {
        let (publisher, destination) = (publisher.clone(), test_queue.destination());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let callers = (0..500_u64).map(|number| {
                let (publisher, destination) = (publisher.clone(), destination.clone());
                async move {
                    let publish = publisher.send(None, destination, message("x"));
                    // Some callers hang up: at once, or while the broker is at work.
                    match number % 5 {
                        0 => _ = tokio::time::timeout(Duration::from_micros(number * 20), publish).await,
                        _ => publish.await.unwrap(),
                    }
                }
            });
            let local = tokio::task::LocalSet::new();
            let all = local.run_until(async {
                let tasks: Vec<_> = callers.map(tokio::task::spawn_local).collect();
                for task in tasks {
                    task.await.unwrap();
                }
            });
            runtime.block_on(all);
        })
    });
    let threads: Vec<_> = threads.collect();
    tokio::task::spawn_blocking(|| threads.into_iter().for_each(|thread| thread.join().unwrap())).await.unwrap();
    let bodies = test_queue.bodies().await.len();
    assert!((1_600..=2_000).contains(&bodies), "{bodies}");
}

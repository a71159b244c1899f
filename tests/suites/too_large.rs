//! Bodies that are larger than the broker allows. RabbitMQ closes their channel, with everything else on it.

use crate::test_queue::{MAX_LENGTH, TestQueue, message, publisher};
use crate::{Load, services};
use forebay_broker::PublishError;
use forebay_tests::{Answer, Stack};
use futures_util::FutureExt;
use futures_util::future::join_all;
use serde_json::Value;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

const LIMIT: usize = 65_536;
const TOO_LARGE: usize = 100_000;

/// The broker takes bodies of at most [`LIMIT`] bytes from the channels that are opened during the test.
async fn while_bodies_are_limited(test: impl Future<Output = ()>) {
    let set = |bytes: usize| format!("rabbitmqctl eval application:set_env(rabbit,max_message_size,{bytes}).");
    services(&set(LIMIT)).await;
    let ended = AssertUnwindSafe(test).catch_unwind().await;
    // Other suites use the same broker.
    services(&set(128 << 20)).await;
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}

fn json_of(bytes: usize) -> String {
    format!("\"{}\"", "x".repeat(bytes - 2))
}

fn assert_too_large(answer: &Answer) {
    let problem: Value = answer.json();
    assert_eq!(
        (answer.status, &problem["mayBeDelivered"], &problem["maxBytes"]),
        (413, &Value::Bool(false), &Value::from(LIMIT)),
        "{problem}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_messages_on_one_channel_only_those_before_the_too_large_one_are_in_doubt_and_order_holds() {
    while_bodies_are_limited(async {
        let stack = Stack::new().await;
        let (publisher, _end) = publisher(&stack, &stack.broker_url(), MAX_LENGTH).await;
        let queue = TestQueue::new(&stack).await;
        // All are published before the broker has read the first of the large ones.
        let sizes = (0..900_usize).map(|number| if number % 300 == 150 { TOO_LARGE } else { 1 + number });
        let all = sizes.map(|size| publisher.send(Some(7), queue.destination(), message(vec![b'x'; size])));
        // Without tokio's budget, which would make some of them wait behind the others.
        let results = tokio::task::unconstrained(join_all(all)).await;
        let is_too_large = |number: &usize| number % 300 == 150;
        for (number, result) in results.iter().enumerate() {
            match result {
                Err(PublishError::TooLarge { size: TOO_LARGE, limit: LIMIT }) => assert!(is_too_large(&number), "{number}"),
                Ok(()) => assert!(!is_too_large(&number), "{number}"),
                Err(PublishError::Unconfirmed) => assert!(number < 150, "{number} is behind the first that is too large"),
                Err(error) => panic!("{number}: {error}"),
            }
        }
        let sizes: Vec<usize> = queue.bodies().await.iter().map(Vec::len).collect();
        let expected: Vec<usize> = (0..900_usize).filter(|number| !is_too_large(number)).map(|number| 1 + number).collect();
        assert_eq!(sizes, expected, "each once and in order, those in doubt as well");
        // The limit is known by now: the message is refused before it is sent.
        let refused = publisher.send(Some(7), queue.destination(), message(vec![b'x'; LIMIT + 1])).await;
        assert_eq!(refused, Err(PublishError::TooLarge { size: LIMIT + 1, limit: LIMIT }));
        publisher.send(Some(7), queue.destination(), message(vec![b'x'; LIMIT])).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn one_callers_too_large_bodies_get_413_and_no_other_call_fails() {
    while_bodies_are_limited(async {
        let stack = Stack::new().await;
        stack.apply(DEFINITIONS).await;
        let process = stack.start("dev").await;
        let quiet = Load::start(&stack, &process, "/t2/quiet");
        for _ in 0..20 {
            for path in ["/t1/orders", "/t1/ordered"] {
                assert_too_large(&stack.post(&process, path, &json_of(TOO_LARGE)).await);
            }
            // Five times a second.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let answers = quiet.end().await;
        assert!(answers.len() > 100, "{}", answers.len());
        for (_, _, answer) in answers {
            assert_eq!(answer.status, 202, "{}", String::from_utf8_lossy(&answer.body));
        }
        assert_eq!(stack.post(&process, "/t1/orders", &json_of(LIMIT)).await.status, 202);
    })
    .await;
}

#[tokio::test]
async fn the_callers_of_replies_that_are_too_large_get_the_outcome_from_the_store() {
    while_bodies_are_limited(async {
        let stack = Stack::new().await;
        stack.apply(DEFINITIONS).await;
        let process = stack.start("dev").await;
        let quiet = Load::start(&stack, &process, "/t2/answer");
        for _ in 0..5 {
            let answer = stack.post(&process, "/t1/grow", "{}").await;
            assert_eq!((answer.status, answer.body.len()), (200, TOO_LARGE + 2), "{}", String::from_utf8_lossy(&answer.body));
        }
        for (_, _, answer) in quiet.end().await {
            assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        }
    })
    .await;
}

const DEFINITIONS: &str = r#"
tenant: t1
name: orders
trigger: { webhook: { methods: [POST], authentication: none } }
---
tenant: t1
name: ordered
trigger: { webhook: { methods: [POST], authentication: none, ordered: true } }
---
tenant: t1
name: grow
trigger: { webhook: { methods: [POST], authentication: none, response: { wait: 20s } } }
diagnostics: { output: true }
respond: { body: '"x" * 100000' }
---
tenant: t2
name: quiet
trigger: { webhook: { methods: [POST], authentication: none } }
---
tenant: t2
name: answer
trigger: { webhook: { methods: [POST], authentication: none, response: { wait: 20s } } }
respond: { body: '.body' }
"#;

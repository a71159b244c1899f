use crate::database::with_store;
use crate::samples::{apply, path};
use forebay_contract::UnixMicros;
use forebay_contract::outcome::ExecutionStatus;
use forebay_store::{DueSchedule, ScheduleStep, Store};
use std::time::Duration;
use uuid::Uuid;

const EVERY: &str = "trigger: { schedule: { every: 1h } }\n";
const HOUR: Duration = Duration::from_secs(3600);

/// Moves the place of every schedule back by two hours.
const SET_BACK: &str = "update schedules set next_due_at = next_due_at - interval '2 hours', wake_at = wake_at - interval '2 hours'";

/// The step that publishes one run and goes on to the next hour.
fn advanced(due: &DueSchedule) -> ScheduleStep {
    let next = Some(due.next_due_at + 2 * HOUR);
    let published = Some((due.next_due_at, Uuid::from_u128(7)));
    ScheduleStep { integration_id: due.integration.id, next_due_at: next, wake_at: next, published }
}

async fn claim(store: &Store) -> Vec<UnixMicros> {
    let mut claimed = Vec::new();
    let looked_at = store
        .claim_schedules(10, |due| {
            claimed.extend(due.iter().map(|due| due.next_due_at));
            async move { due.iter().map(advanced).collect() }
        })
        .await
        .unwrap();
    assert_eq!(looked_at, claimed.len());
    claimed
}

#[tokio::test]
async fn a_due_time_is_claimed_by_one_and_given_to_the_next_when_that_one_does_not_finish() {
    with_store(|store, database| async move {
        apply(&store, "t/hourly", EVERY).await;
        assert_eq!(claim(&store).await, [], "nothing is due");
        assert!(store.until_next_schedule().await.unwrap().unwrap() > Duration::ZERO);
        let client = database.client().await;
        client.batch_execute(SET_BACK).await.unwrap();
        assert_eq!(store.until_next_schedule().await.unwrap(), Some(Duration::ZERO));

        let other = store.clone();
        let mut given = Vec::new();
        let never_ends = store.claim_schedules(10, |due| {
            given.extend(due.iter().map(|due| due.next_due_at));
            async move {
                assert_eq!(claim(&other).await, [], "it is being published by another");
                std::future::pending().await
            }
        });
        assert!(tokio::time::timeout(Duration::from_millis(500), never_ends).await.is_err());
        assert_eq!(given.len(), 1);

        crate::database::until("the lock of the one that has gone is released", || async {
            // Only one that is published advances, so this repeats until then.
            let claimed = claim(&store).await;
            assert!(claimed.is_empty() || claimed == given);
            !claimed.is_empty()
        })
        .await;
        assert_eq!(claim(&store).await, []);
        let listed = store.list_schedules(None).await.unwrap().remove(0);
        assert_eq!((listed.last_due_at, listed.next_due_at), (Some(given[0]), Some(given[0] + 2 * HOUR)));
        assert_eq!((listed.last_execution.unwrap().unique(), listed.last_status), (Uuid::from_u128(7), Some(ExecutionStatus::Queued)));
    })
    .await;
}

#[tokio::test]
async fn a_disabled_integration_is_not_claimed_and_keeps_its_place() {
    with_store(|store, database| async move {
        apply(&store, "t/hourly", EVERY).await;
        database.client().await.batch_execute(SET_BACK).await.unwrap();
        let placed = store.list_schedules(None).await.unwrap()[0].next_due_at;
        apply(&store, "t/hourly", &format!("{EVERY}enabled: false")).await;
        assert_eq!(claim(&store).await, []);
        assert_eq!(store.until_next_schedule().await.unwrap(), None);
        apply(&store, "t/hourly", EVERY).await;
        assert_eq!(claim(&store).await, [placed.unwrap()]);
    })
    .await;
}

#[tokio::test]
async fn a_changed_timing_starts_from_now_and_another_trigger_has_no_schedule() {
    with_store(|store, database| async move {
        let applied = apply(&store, "t/hourly", EVERY).await;
        database.client().await.batch_execute(SET_BACK).await.unwrap();
        apply(&store, "t/hourly", "trigger: { schedule: { every: 2h } }\n").await;
        assert_eq!(claim(&store).await, []);
        let integration = store.integration(&path("t/hourly")).await.unwrap();
        assert_eq!((integration.id, integration.version), (applied.id, 2));
        apply(&store, "t/hourly", "").await;
        assert_eq!(store.list_schedules(None).await.unwrap(), []);
        assert!(store.integration(&path("t/none")).await.is_err());
    })
    .await;
}

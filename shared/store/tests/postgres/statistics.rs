use crate::database::with_store;
use crate::samples::Sample;
use forebay_contract::UnixMicros;
use forebay_contract::outcome::ExecutionStatus;
use forebay_store::{Counts, MinuteStatistics, StatisticsQuery, StatisticsScope};
use std::time::Duration;
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const MONTH: Duration = Duration::from_secs(30 * 86_400);

fn counts(succeeded: u32, failed: u32, millis: u64) -> Counts {
    let mut counts = Counts::default();
    for _ in 0..succeeded {
        counts.add(ExecutionStatus::Succeeded, Some(Duration::from_millis(millis)));
    }
    for _ in 0..failed {
        counts.add(ExecutionStatus::Failed, Some(Duration::from_millis(millis)));
    }
    counts
}

#[tokio::test]
async fn counts_of_workers_are_summed_by_minute_and_integration_and_may_be_written_again() {
    with_store(|store, database| async move {
        let (a, b) = (Sample::make(&store, "t/a").await, Sample::make(&store, "t/b").await);
        let (a_id, b_id) = (a.integration.id, b.integration.id);
        let hour = MinuteStatistics::minute_of(a.id().issued_at().to_micros());
        let hour = UnixMicros::new(hour.get() - hour.get() % 3_600_000_000);
        let workers = [Uuid::new_v4(), Uuid::new_v4()];
        let count = |integration, minute: u32, counts| MinuteStatistics { integration, minute: hour + minute * MINUTE, counts };
        let of_first = [count(a_id, 0, counts(3, 1, 10)), count(a_id, 1, counts(1, 0, 10)), count(b_id, 0, counts(5, 0, 100))];
        for _ in 0..2 {
            store.record_statistics(workers[0], &of_first).await.unwrap();
        }
        store.record_statistics(workers[0], &[count(a_id, 0, counts(4, 1, 10))]).await.unwrap();
        store.record_statistics(workers[1], &[count(a_id, 0, counts(2, 0, 10))]).await.unwrap();

        let query =
            |of: StatisticsScope, step, each| StatisticsQuery { of, from: hour, to: hour + HOUR, step: Duration::from_secs(step), each };
        let of_a = store.statistics(&query(StatisticsScope::Integrations(vec![a_id]), 60, false)).await.unwrap();
        assert_eq!(
            of_a.iter().map(|point| (point.at.since(hour), point.counts.succeeded, point.counts.failed)).collect::<Vec<_>>(),
            [(Duration::ZERO, 6, 1), (MINUTE, 1, 0)]
        );
        assert_eq!(of_a[0].counts.durations.count(), 7);
        let all = store.statistics(&query(StatisticsScope::All, 3600, false)).await.unwrap();
        assert_eq!((all.len(), all[0].counts.total(), all[0].integration), (1, 13, None));
        let each = store.statistics(&query(StatisticsScope::All, 3600, true)).await.unwrap();
        assert_eq!(each.len(), 2);
        let slow = each.iter().find(|point| point.integration == Some(b_id)).unwrap().counts.durations.quantile(0.95).unwrap();
        assert!((Duration::from_millis(64)..Duration::from_millis(128)).contains(&slow), "{slow:?}");

        assert_eq!(database.count("traffic").await, 4);
        store.maintain(hour + 72 * HOUR, MONTH).await.unwrap();
        assert_eq!(database.count("traffic").await, 0, "minutes of two days ago are known by the hour");
        assert_eq!(database.count("traffic_of_tenants where minutes < 60").await, 0);
        assert_eq!(database.count("traffic_of_integrations where minutes < 60").await, 0);
        let later = store.statistics(&query(StatisticsScope::All, 3600, false)).await.unwrap();
        assert_eq!(later, all);
        store.record_statistics(workers[1], &[count(a_id, 2, counts(1, 0, 10))]).await.unwrap();
        store.maintain(hour + 72 * HOUR, MONTH).await.unwrap();
        assert_eq!(
            store.statistics(&query(StatisticsScope::All, 3600, false)).await.unwrap()[0].counts.total(),
            14,
            "what comes late is added"
        );
        store.maintain(hour + 60 * 24 * HOUR, MONTH).await.unwrap();
        for table in ["traffic", "traffic_of_integrations", "traffic_of_tenants"] {
            assert_eq!(database.count(table).await, 0, "{table}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_activity_of_an_integration_has_its_last_execution_and_its_last_failure() {
    with_store(|store, _| async move {
        let (busy, idle) = (Sample::make(&store, "t/busy").await, Sample::make(&store, "t/idle").await);
        let accepted = busy.id().issued_at().to_micros();
        // Ids of the same millisecond have no order.
        let (failed, last) = (busy.id_at(accepted - Duration::from_millis(1)), busy.id_at(accepted));
        store.record(&[busy.failed_record(failed), busy.record(last)]).await.unwrap();
        let now = last.issued_at().to_micros();
        let minute = MinuteStatistics::minute_of(now);
        let old = MinuteStatistics { integration: busy.integration.id, minute: minute - 2 * HOUR, counts: counts(9, 0, 1) };
        let recent = MinuteStatistics { integration: busy.integration.id, minute, counts: counts(1, 1, 1) };
        store.record_statistics(Uuid::new_v4(), &[old, recent]).await.unwrap();
        let activity = store.activity(&[busy.integration.id, idle.integration.id], now - HOUR).await.unwrap();
        let of_busy = &activity[&busy.integration.id];
        assert_eq!((of_busy.counts.succeeded, of_busy.counts.failed), (1, 1));
        assert_eq!(of_busy.last.as_ref().unwrap().id, last);
        assert_eq!(of_busy.last_unsuccessful.as_ref().unwrap().id, failed);
        assert_eq!(activity[&idle.integration.id], forebay_store::Activity::default());
    })
    .await;
}

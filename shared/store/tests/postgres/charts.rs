//! Charts are read from sums: whatever is written, and however, they show what the minutes add up to.

use crate::database::{Database, with_store};
use crate::samples::{apply, name};
use forebay_contract::UnixMicros;
use forebay_contract::outcome::ExecutionStatus;
use forebay_store::{Counts, MinuteStatistics, StatisticsQuery, StatisticsScope, Store};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const MONTH: Duration = Duration::from_secs(30 * 86_400);
const TENANTS: [&str; 3] = ["t", "u", "v"];
const WORKERS: usize = 3;

/// What one worker wrote of one of the integrations, so many minutes ago.
type Written = (usize, usize, u32, Counts);

fn now() -> UnixMicros {
    UnixMicros::now()
}

fn counts() -> impl Strategy<Value = Counts> {
    vec((0..3_u8, 0..2_000_u64), 1..5).prop_map(|ended| {
        let mut counts = Counts::default();
        for (status, millis) in ended {
            let status = [ExecutionStatus::Succeeded, ExecutionStatus::Failed, ExecutionStatus::Expired][usize::from(status)];
            counts.add(status, (status != ExecutionStatus::Expired).then(|| Duration::from_millis(millis)));
        }
        counts
    })
}

/// Minutes that are near enough to be known one by one, and some of which meet.
fn written() -> impl Strategy<Value = Vec<Written>> {
    let minute = prop_oneof![0..10_u32, 0..400_u32, 0..47 * 60_u32];
    vec((0..TENANTS.len() * 2, 0..WORKERS, minute, counts()), 1..120)
}

/// Two ends, so many minutes ago, and the minutes of a point.
type Chart = (u32, u32, u64);

fn chart() -> impl Strategy<Value = Chart> {
    (
        0..3_000_u32,
        prop_oneof![0..15_u32, 0..3_000_u32],
        prop_oneof![Just(1), Just(5), Just(7), Just(15), Just(60), Just(90), Just(360), Just(1440), 1..800_u64],
    )
}

fn cases() -> Vec<(Vec<Written>, Vec<Chart>)> {
    let mut runner = TestRunner::default();
    (0..12).map(|_| (written(), vec(chart(), 12)).new_tree(&mut runner).unwrap().current()).collect()
}

/// Two integrations of each tenant.
async fn integrations(store: &Store) -> Vec<Uuid> {
    let mut ids = Vec::new();
    for tenant in TENANTS {
        for integration in ["a", "b"] {
            ids.push(apply(store, &format!("{tenant}/{integration}"), "").await.id);
        }
    }
    ids
}

/// The begin of the interval that contains a time; intervals of this many microseconds begin with Unix time.
fn begin_of(time: UnixMicros, width: i64) -> UnixMicros {
    UnixMicros::new(time.get() - time.get() % width)
}

/// The points that the minutes add up to, by integration where each has its own.
fn expected(
    minutes: &HashMap<(Uuid, usize, UnixMicros), Counts>,
    of: &[Uuid],
    query: &StatisticsQuery,
) -> Vec<(Option<Uuid>, UnixMicros, Counts)> {
    let step = i64::try_from(query.step.as_micros()).unwrap();
    let mut points: BTreeMap<(Option<Uuid>, UnixMicros), Counts> = BTreeMap::new();
    for ((integration, _, minute), counts) in minutes {
        if of.contains(integration) && *minute >= MinuteStatistics::minute_of(query.from) && *minute < query.to {
            points.entry((query.each.then_some(*integration), begin_of(*minute, step))).or_default().merge(counts);
        }
    }
    points.into_iter().map(|((integration, at), counts)| (integration, at, counts)).collect()
}

async fn points(store: &Store, query: &StatisticsQuery) -> Vec<(Option<Uuid>, UnixMicros, Counts)> {
    let points = store.statistics(query).await.unwrap();
    points.into_iter().map(|point| (point.integration, point.at, point.counts)).collect()
}

#[tokio::test]
async fn every_chart_shows_what_the_minutes_add_up_to_whatever_was_written_and_written_again() {
    with_store(|store, database| async move {
        let ids = integrations(&store).await;
        let (workers, client) = ([(); WORKERS].map(|()| Uuid::new_v4()), database.client().await);
        for (written, charts) in cases() {
            client.batch_execute("truncate traffic, traffic_of_integrations, traffic_of_tenants").await.unwrap();
            let (end, mut minutes) = (MinuteStatistics::minute_of(now()), HashMap::new());
            for batch in written.chunks(7) {
                let mut rows: HashMap<usize, HashMap<(Uuid, UnixMicros), Counts>> = HashMap::new();
                for (integration, worker, ago, counts) in batch {
                    let (integration, minute) = (ids[*integration], end - *ago * MINUTE);
                    rows.entry(*worker).or_default().insert((integration, minute), *counts);
                    minutes.insert((integration, *worker, minute), *counts);
                }
                for (worker, rows) in rows {
                    let row = |((integration, minute), counts)| MinuteStatistics { integration, minute, counts };
                    store.record_statistics(workers[worker], &rows.into_iter().map(row).collect::<Vec<_>>()).await.unwrap();
                }
                store.maintain(now(), MONTH).await.unwrap();
            }
            for (one, other, step) in charts {
                let (from, to) =
                    (end - one.max(other) * MINUTE + Duration::from_micros(1), end - one.min(other) * MINUTE + Duration::from_secs(61));
                // What is longer ago than two days is known by the hour.
                let from = from.max(end - 47 * HOUR);
                let queries = [
                    (StatisticsScope::All, ids.clone()),
                    (StatisticsScope::Tenants(vec![name("t"), name("v")]), [&ids[..2], &ids[4..]].concat()),
                    (StatisticsScope::Tenants(Vec::new()), Vec::new()),
                    (StatisticsScope::Integrations(ids[1..4].to_vec()), ids[1..4].to_vec()),
                ];
                for (of, these) in queries {
                    for each in [false, true] {
                        let query = StatisticsQuery { of: of.clone(), from, to, step: Duration::from_secs(step * 60), each };
                        assert_eq!(points(&store, &query).await, expected(&minutes, &these, &query), "{query:?} of {minutes:?}");
                    }
                }
            }
        }
    })
    .await;
}

/// True if the sums of every width are those of the minutes, in one moment.
const AGREE: &str = "
    select bool_and(sums = minutes) from (select array_agg(row(succeeded, failed, slow) order by integration_id, at) as minutes from (
        select integration_id, date_trunc('hour', at, 'UTC') as at, sum(succeeded) as succeeded, sum(failed) as failed,
            sum(durations[8]) as slow from traffic group by 1, 2) m) m,
    (select array_agg(row(succeeded::bigint, failed::bigint, d8::bigint) order by integration_id, at) as sums
        from traffic_of_integrations where minutes = 60) h
    union all
    select bool_and(sums = minutes) from (select minutes as width, sum(succeeded) as sums from traffic_of_tenants group by 1
            union all select minutes, sum(succeeded) from traffic_of_integrations group by 1) t,
        (select sum(succeeded) as minutes from traffic) m";

async fn all_agree(database: &Database) -> bool {
    database.client().await.query(AGREE, &[]).await.unwrap().iter().all(|row| row.get::<_, Option<bool>>(0) == Some(true))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sums_are_those_of_the_minutes_at_any_moment_while_workers_write_and_several_maintain() {
    with_store(|store, database| async move {
        let ids = integrations(&store).await;
        let end = MinuteStatistics::minute_of(now());
        let mut tasks = Vec::new();
        for worker in 0..6 {
            let (store, ids) = (database.store().await, ids.clone());
            tasks.push(tokio::spawn(async move {
                let id = Uuid::new_v4();
                for round in 1..=25 {
                    let counts = Counts { succeeded: round, failed: worker, ..Counts::default() };
                    // Each in another order; some are new, most are written again.
                    let row = |place: usize| MinuteStatistics {
                        integration: ids[(place * 5 + worker as usize) % ids.len()],
                        minute: end - (round as u32 / 4) * 20 * MINUTE,
                        counts,
                    };
                    let rows: Vec<MinuteStatistics> = (0..ids.len()).map(row).collect();
                    // The same at once, as after a write whose answer was lost.
                    let (one, other) = tokio::join!(store.record_statistics(id, &rows), store.record_statistics(id, &rows));
                    one.and(other).unwrap();
                    if round % 10 == 0 {
                        store.maintain(now(), MONTH).await.unwrap();
                    }
                }
            }));
        }
        while !tasks.iter().all(tokio::task::JoinHandle::is_finished) {
            let written = database.count("traffic").await > 0;
            assert!(!written || all_agree(&database).await);
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert!(all_agree(&database).await);
        let whole = StatisticsQuery {
            of: StatisticsScope::All,
            from: UnixMicros::default(),
            to: UnixMicros::MAX,
            step: Duration::from_secs(86_400 * 365),
            each: false,
        };
        let total: u64 = store.statistics(&whole).await.unwrap().iter().map(|point| point.counts.total()).sum();
        // Of each worker and integration the last round of every minute, and as many failures as the worker's number.
        let succeeded = [3, 7, 11, 15, 19, 23, 25].iter().sum::<u64>() * 6 * 6;
        assert_eq!(total, succeeded + 7 * 6 * (1..6).sum::<u64>());
    })
    .await;
}

#[tokio::test]
async fn statistics_older_than_two_days_are_shown_by_the_hour_until_their_retention_ends() {
    with_store(|store, database| async move {
        let ids = integrations(&store).await;
        let counts = Counts { succeeded: 1, ..Counts::default() };
        let hour = begin_of(now(), 3_600_000_000);
        let rows: Vec<MinuteStatistics> =
            (0..30 * 24).map(|ago| MinuteStatistics { integration: ids[0], minute: hour - ago * HOUR + 20 * MINUTE, counts }).collect();
        store.record_statistics(Uuid::new_v4(), &rows).await.unwrap();
        store.maintain(now(), MONTH).await.unwrap();
        let total = async |of: StatisticsScope, days: u32, minutes: u64| {
            let step = Duration::from_secs(minutes * 60);
            let query = StatisticsQuery { of, from: hour + 5 * MINUTE - days * 24 * HOUR, to: hour + HOUR, step, each: false };
            store.statistics(&query).await.unwrap().iter().map(|point| point.counts.total()).sum::<u64>()
        };
        for of in [StatisticsScope::All, StatisticsScope::Tenants(vec![name("t")]), StatisticsScope::Integrations(vec![ids[0]])] {
            for minutes in [1, 60, 90, 360, 1440] {
                assert_eq!(total(of.clone(), 20, minutes).await, 20 * 24 + 1, "{of:?} by {minutes} minutes");
            }
        }
        assert_eq!(total(StatisticsScope::Tenants(vec![name("u")]), 20, 60).await, 0);
        assert!(database.count("traffic").await < 53);
        store.maintain(now(), Duration::from_secs(10 * 86_400)).await.unwrap();
        let retained = 10 * 24 + 1;
        assert_eq!(total(StatisticsScope::Integrations(vec![ids[0]]), 20, 60).await, retained);
        let of_whole_rows = total(StatisticsScope::All, 20, 360).await;
        assert!((retained..retained + 6).contains(&of_whole_rows), "six hours go with the last of them: {of_whole_rows}");
    })
    .await;
}

#[tokio::test]
async fn figures_of_an_older_program_are_summed_up_by_the_migration_and_after_it() {
    with_store(|store, database| async move {
        let ids = integrations(&store).await;
        let client = database.client().await;
        let undo = "drop trigger inserted on traffic; drop trigger updated on traffic; drop function traffic_inserted, traffic_updated;
                    drop function add_traffic; drop table traffic_of_integrations, traffic_of_tenants;
                    delete from forebay_migrations where name = 'traffic'";
        client.batch_execute(undo).await.unwrap();
        let (hour, worker) = (begin_of(now(), 3_600_000_000), Uuid::new_v4());
        let counts = Counts { succeeded: 2, ..Counts::default() };
        let rows: Vec<MinuteStatistics> =
            (0..90).map(|ago| MinuteStatistics { integration: ids[0], minute: hour - ago * MINUTE, counts }).collect();
        store.record_statistics(worker, &rows).await.unwrap();
        let summed_up = format!(
            "insert into traffic select '{}', to_timestamp({}), '{}', 100, 0, 0, array_fill(0, array[24])",
            ids[0],
            (hour - 5 * 24 * HOUR).get() / 1_000_000,
            Uuid::nil()
        );
        client.batch_execute(&summed_up).await.unwrap();
        assert_eq!(store.migrate().await.unwrap().applied, ["traffic"]);
        let total = async |of: StatisticsScope, step: u64| {
            let query =
                StatisticsQuery { of, from: hour - 9 * 24 * HOUR, to: UnixMicros::MAX, step: Duration::from_secs(step), each: false };
            store.statistics(&query).await.unwrap().iter().map(|point| point.counts.total()).sum::<u64>()
        };
        assert_eq!(total(StatisticsScope::All, 60).await, 280);
        // It runs until it is replaced, and sums up what has been summed up.
        client.batch_execute(&summed_up.replace("100", "50")).await.unwrap();
        for step in [60, 3600, 86_400] {
            assert_eq!(total(StatisticsScope::All, step).await, 280);
            assert_eq!(total(StatisticsScope::Integrations(vec![ids[0]]), step).await, 280);
        }
        store.maintain(now(), MONTH).await.unwrap();
        assert_eq!(database.count("traffic").await, 90);
    })
    .await;
}

#[tokio::test]
async fn the_statistics_of_a_deleted_integration_are_in_the_chart_of_all() {
    with_store(|store, _| async move {
        let minute = MinuteStatistics::minute_of(now());
        let row = MinuteStatistics { integration: Uuid::new_v4(), minute, counts: Counts { failed: 3, ..Counts::default() } };
        store.record_statistics(Uuid::new_v4(), &[row]).await.unwrap();
        for minutes in [1, 5, 60, 360] {
            let query = StatisticsQuery {
                of: StatisticsScope::All,
                from: minute - 24 * HOUR,
                to: UnixMicros::MAX,
                step: Duration::from_secs(minutes * 60),
                each: false,
            };
            assert_eq!(store.statistics(&query).await.unwrap().iter().map(|point| point.counts.failed).sum::<u64>(), 3);
        }
    })
    .await;
}

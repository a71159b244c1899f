//! Figures of traffic, and the budget of payloads.

use crate::{DAY, Outcome, input, now, record, say};
use forebay_contract::IdIssuer;
use forebay_contract::outcome::ExecutionStatus;
use forebay_store::{Counts, Store, TrafficCount, TrafficQuery};
use std::time::{Duration, Instant};
use uuid::Uuid;

const MINUTE: i64 = 60_000_000;

/// Two days of four workers and 100 integrations that are called each minute.
pub(crate) async fn traffic(store: &Store, integrations: &[Uuid]) -> Outcome<()> {
    let mut counts = Counts::default();
    for millis in 1..100 {
        counts.add(ExecutionStatus::Succeeded, Some(Duration::from_millis(millis)));
    }
    let end = TrafficCount::minute_of(now()?);
    let (workers, mut flushes) = ([(); 4].map(|()| Uuid::new_v4()), Vec::new());
    for minute in 0..2 * 24 * 60 {
        let minute = end - minute * MINUTE;
        let rows: Vec<TrafficCount> =
            integrations[..100].iter().map(|integration| TrafficCount { integration: *integration, minute, counts }).collect();
        for worker in workers {
            let began = Instant::now();
            store.record_traffic(worker, &rows).await?;
            flushes.push(began.elapsed());
        }
    }
    say("write 100 rows of traffic", &mut flushes);
    let query = |integrations: Option<Vec<Uuid>>, hours: i64, minutes: u64, each| TrafficQuery {
        integrations,
        from: end - hours * 60 * MINUTE,
        to: end + MINUTE,
        step: Duration::from_secs(minutes * 60),
        each,
    };
    let charts = [
        ("of one integration, an hour by the minute", query(Some(vec![integrations[0]]), 1, 1, false)),
        ("of all, an hour by the minute", query(None, 1, 1, false)),
        ("of all, a day by the quarter", query(None, 24, 15, false)),
        ("of 100 integrations, a day by the hour, each", query(Some(integrations[..100].to_vec()), 24, 60, true)),
    ];
    for (what, query) in &charts {
        let (mut took, mut points) = (Vec::new(), 0);
        for _ in 0..30 {
            let began = Instant::now();
            points = store.traffic(query).await?.len();
            took.push(began.elapsed());
        }
        say(&format!("chart {what} ({points} points)"), &mut took);
    }
    let mut took = Vec::new();
    for _ in 0..50 {
        let began = Instant::now();
        store.activity(&integrations[..100], end - 60 * MINUTE).await?;
        took.push(began.elapsed());
    }
    say("the activity of 100 integrations", &mut took);
    let began = Instant::now();
    store.maintain(end + 2 * DAY, Duration::from_secs(40 * 86_400)).await?;
    println!("a day of traffic summed up: {:?}", began.elapsed());
    Ok(())
}

/// 100,000 inputs, of which a tenth is over the budget.
pub(crate) async fn budget(store: &Store, issuer: &IdIssuer, integration: Uuid) -> Outcome<()> {
    for _ in 0..50 {
        let mut batch = Vec::with_capacity(2_000);
        for _ in 0..2_000 {
            let mut record = record(issuer.issue(integration)?, integration);
            record.input = Some(input());
            batch.push(record);
        }
        store.record(&batch).await?;
    }
    let tenant = "t0".parse()?;
    store.set_tenant_payload_bytes(&tenant, Some(u64::MAX), "measure").await?;
    let retention = Duration::from_secs(40 * 86_400);
    let began = Instant::now();
    store.maintain(now()?, retention).await?;
    println!("100,000 payloads counted: {:?}", began.elapsed());
    let used: i64 = store.payload_usage().await?.iter().map(|usage| usage.bytes).sum();
    store.set_tenant_payload_bytes(&tenant, Some(u64::try_from(used)? / 10 * 9), "measure").await?;
    let began = Instant::now();
    let deleted = store.maintain(now()?, retention).await?.over_budget;
    println!("{deleted} payloads over the budget deleted: {:?}", began.elapsed());
    store.set_tenant_payload_bytes(&tenant, None, "measure").await?;
    Ok(())
}

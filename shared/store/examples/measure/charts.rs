//! Charts of traffic and the list of integrations.

use crate::pages::Pages;
use crate::{DAY, Outcome, now, say};
use forebay_contract::outcome::ExecutionStatus;
use forebay_contract::{Name, UnixMicros};
use forebay_store::{Counts, DURATION_BUCKETS, MinuteStatistics, StatisticsQuery, StatisticsScope, Store};
use std::time::{Duration, Instant};
use tokio_postgres::Client;
use uuid::Uuid;

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
const ROUNDS: usize = 40;
const WORKERS: usize = 4;
/// 30 days of 400 integrations of 50 tenants: each is called each minute of the last two days, and each hour before. The last two hours are
/// of four workers.
pub(crate) async fn fill(store: &Store, client: &Client, integrations: &[Uuid]) -> Outcome<Vec<Uuid>> {
    let busy: Vec<Uuid> = integrations.chunks(100).take(50).flat_map(|of_tenant| &of_tenant[..8]).copied().collect();
    let end = MinuteStatistics::minute_of(UnixMicros::now()).get();
    let began = Instant::now();
    let sql = "insert into traffic (integration_id, at, worker, succeeded, failed, expired, durations)
               select id, at, '11111111-1111-1111-1111-111111111111', 9, 1, 0, array[0,0,0,1,2,3,2,1,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]
               from unnest($1::uuid[]) id cross join generate_series(to_timestamp($2::bigint), to_timestamp($3::bigint), make_interval(mins => $4)) at";
    let insert = client.prepare(sql).await?;
    let (from, two_days, two_hours) = (end - 30 * DAY, end - 2 * DAY, end - 2 * HOUR);
    for (from, to, chunk, step) in [(from, two_days, DAY, 60), (two_days, two_hours, HOUR, 1)] {
        let mut at = from;
        while at < to {
            let last = (at + chunk).min(to) - MINUTE;
            client.execute(&insert, &[&busy, &(at / 1_000_000), &(last / 1_000_000), &step]).await?;
            at += chunk;
        }
    }
    let mut counts = Counts::default();
    for millis in 1..10 {
        counts.add(ExecutionStatus::Succeeded, Some(Duration::from_millis(millis * millis)));
    }
    let (workers, mut flushes) = ([(); WORKERS].map(|()| Uuid::new_v4()), Vec::new());
    for ago in 0..120 {
        let row = |integration: &Uuid| MinuteStatistics { integration: *integration, minute: UnixMicros::new(end - ago * MINUTE), counts };
        let rows: Vec<MinuteStatistics> = busy.iter().map(row).collect();
        for worker in workers {
            let began = Instant::now();
            store.record_statistics(worker, &rows).await?;
            flushes.push(began.elapsed());
        }
    }
    say("write 400 rows of traffic", &mut flushes);
    store.maintain(UnixMicros::now(), Duration::from_secs(40 * 86_400)).await?;
    client.batch_execute("vacuum analyze traffic, traffic_of_integrations, traffic_of_tenants").await?;
    let rows = client.query_one("select count(*) from traffic", &[]).await?.get::<_, i64>(0);
    println!("30 days of traffic written, {rows} rows of minutes: {:?}", began.elapsed());
    Ok(busy)
}

/// The page of figures: each stretch of time for each choice of tenants.
pub(crate) async fn charts(store: &Store, client: &Client, pages: &mut Pages, busy: &[Uuid]) -> Outcome<()> {
    let tenants = |most: usize| (0..most).map(|number| format!("t{number}").parse()).collect::<Result<Vec<Name>, _>>();
    let whose = [
        ("all", StatisticsScope::All),
        ("50 tenants", StatisticsScope::Tenants(tenants(50)?)),
        ("20 tenants", StatisticsScope::Tenants(tenants(20)?)),
        ("a tenant", StatisticsScope::Tenants(tenants(1)?)),
        ("an integration", StatisticsScope::Integrations(vec![busy[0]])),
    ];
    let times = [
        ("an hour by the minute", 1, 1),
        ("a day by the quarter", 24, 15),
        ("a day by 5 minutes", 24, 5),
        ("a day by the minute", 24, 1),
        ("7 days by the hour", 7 * 24, 60),
        ("30 days by 6 hours", 30 * 24, 360),
        ("30 days by the hour", 30 * 24, 60),
        ("30 days by 100 minutes", 30 * 24, 100),
    ];
    for (of, whose) in &whose {
        for (time, hours, minutes) in times {
            let query = query(whose.clone(), hours, minutes, false)?;
            let points = async || store.statistics(&query).await.map(|points| points.len());
            pages.ask(&format!("chart of {of}, {time}"), ROUNDS, points).await?;
        }
    }
    // What a chart was read from before there were sums.
    let buckets: Vec<String> = (1..=DURATION_BUCKETS).map(|bucket| format!("sum(durations[{bucket}])")).collect();
    let from_minutes = format!(
        "select date_bin('15 minutes', at, 'epoch'), sum(succeeded), sum(failed), sum(expired), {} from traffic
         where at >= now() - interval '1 day' group by 1",
        buckets.join(", ")
    );
    let mut durations = Vec::new();
    for _ in 0..10 {
        let began = Instant::now();
        client.query(&from_minutes, &[]).await?;
        durations.push(began.elapsed());
    }
    say("to compare: a day by the quarter, summed from the minutes", &mut durations);
    Ok(())
}

/// The list of integrations: a page of 100 with what they did in the last hour.
pub(crate) async fn activity(store: &Store, pages: &mut Pages, busy: &[Uuid], integrations: &[Uuid]) -> Outcome<()> {
    let since = UnixMicros::new(now()? - HOUR);
    let quiet: Vec<Uuid> = integrations.iter().rev().take(100).copied().collect();
    for (what, page) in [("busy", busy[..100].to_vec()), ("quiet", quiet)] {
        let activity = async || store.activity(&page, since).await.map(|found| found.len());
        pages.ask(&format!("activity of 100 {what} integrations"), ROUNDS, activity).await?;
        for (slices, hours, minutes) in
            [("the last hour in 12 slices", 1, 5), ("7 days by the hour", 7 * 24, 60), ("a day by the hour", 24, 60)]
        {
            let query = query(StatisticsScope::Integrations(page.clone()), hours, minutes, true)?;
            let points = async || store.statistics(&query).await.map(|points| points.len());
            pages.ask(&format!("traffic of 100 {what} integrations, each, {slices}"), ROUNDS, points).await?;
        }
    }
    Ok(())
}

/// Until now, which is no whole hour.
fn query(of: StatisticsScope, hours: i64, minutes: u64, each: bool) -> Outcome<StatisticsQuery> {
    let to = now()?;
    Ok(StatisticsQuery {
        of,
        from: UnixMicros::new(to - hours * HOUR),
        to: UnixMicros::new(to),
        step: Duration::from_secs(minutes * 60),
        each,
    })
}

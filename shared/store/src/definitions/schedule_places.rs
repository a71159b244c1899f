//! The place of each schedule after its definition was applied: the due time that comes next.

use crate::database::timestamp::Timestamp;
use crate::error::StoreError;
use deadpool_postgres::Transaction;
use forebay_contract::definition::Trigger;
use uuid::Uuid;

/// Gives every new or changed timing of these integrations its place from now on; one that is the same keeps its place.
pub(crate) async fn place(transaction: &Transaction<'_>, triggers: impl Iterator<Item = (Uuid, &Trigger)>) -> Result<(), StoreError> {
    let failed = StoreError::during("place schedules");
    let (mut ids, mut timings, mut due, mut others) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let now: Timestamp = transaction.query_one("select clock_timestamp()", &[]).await.map_err(failed)?.get(0);
    for (id, trigger) in triggers {
        match trigger.schedule() {
            None => others.push(id),
            Some(schedule) => {
                ids.push(id);
                timings.push(schedule.timing.to_string());
                due.push(schedule.timing.next_after(now.0.to_millis()).map(|due| Timestamp(due.to_micros())));
            }
        }
    }
    transaction.execute("delete from schedules where integration_id = any($1)", &[&others]).await.map_err(failed)?;
    let sql = "insert into schedules (integration_id, timing, next_due_at, wake_at)
               select id, timing, due, due from unnest($1::uuid[], $2::text[], $3::timestamptz[]) as new (id, timing, due)
               on conflict (integration_id) do update set timing = excluded.timing, next_due_at = excluded.next_due_at,
                   wake_at = excluded.wake_at
               where schedules.timing <> excluded.timing";
    transaction.execute(sql, &[&ids, &timings, &due]).await.map_err(failed)?;
    Ok(())
}

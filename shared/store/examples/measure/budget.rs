//! The budget of payloads.

use crate::{Outcome, input, record};
use forebay_contract::{IdIssuer, UnixMicros};
use forebay_store::Store;
use std::time::{Duration, Instant};
use uuid::Uuid;

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
    store.maintain(UnixMicros::now(), retention).await?;
    println!("100,000 payloads counted: {:?}", began.elapsed());
    let used: u64 = store.payload_usage().await?.iter().map(|usage| usage.bytes).sum();
    store.set_tenant_payload_bytes(&tenant, Some(used / 10 * 9), "measure").await?;
    let began = Instant::now();
    let deleted = store.maintain(UnixMicros::now(), retention).await?.over_budget;
    println!("{deleted} payloads over the budget deleted: {:?}", began.elapsed());
    store.set_tenant_payload_bytes(&tenant, None, "measure").await?;
    Ok(())
}

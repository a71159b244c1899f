//! The other lists of the console, with as much in them as a large installation has.

use crate::pages::Pages;
use crate::{DAY, Outcome, now};
use forebay_contract::{Name, UnixMicros};
use forebay_store::{AuditFilter, NewKey, Store};
use tokio_postgres::Client;

const ROUNDS: usize = 40;
const KEYS: usize = 2_000;

/// Keys, and an audit log of half a million lines.
pub(crate) async fn fill(store: &Store, client: &Client) -> Outcome<()> {
    for number in 0..KEYS {
        let integrations = (0..3).map(|name| format!("n{}", (number + name) % 100).parse()).collect::<Result<_, _>>()?;
        let (tenant, label) = (format!("t{}", number % 100).parse()?, format!("partner {number}"));
        let new = NewKey { tenant, label, integrations, value: None, expires_at: None, signs: false, reads_all_outcomes: false };
        store.create_key(new, &"measure".into()).await?;
    }
    let lines = "insert into audit (at, by_kind, by_name, tenant, action, target, after)
                 select now() - (500000 - n) * interval '1 minute', 'user', 'person' || n % 40, 't' || n % 100,
                     (array['integration.apply', 'key.create', 'key.update', 'execution.retry'])[n % 4 + 1], 't' || n % 100 || '/n' || n % 97,
                     '{\"version\": 7}' from generate_series(1, 500000) n";
    client.batch_execute(lines).await?;
    client.batch_execute("analyze").await?;
    Ok(())
}

pub(crate) async fn lists(store: &Store, pages: &mut Pages) -> Outcome<()> {
    let tenant: Name = "t7".parse()?;
    for (of, tenant) in [("all", None), ("a tenant", Some(&tenant))] {
        let integrations = async || store.list_integrations(tenant).await.map(|rows| rows.len());
        pages.ask(&format!("integrations of {of}"), ROUNDS, integrations).await?;
        let triggers = async || store.list_triggers(tenant).await.map(|rows| rows.len());
        pages.ask(&format!("triggers of {of}"), ROUNDS, triggers).await?;
        let keys = async || store.list_keys(tenant).await.map(|rows| rows.len());
        pages.ask(&format!("keys of {of}"), ROUNDS, keys).await?;
    }
    let any = AuditFilter { limit: 50, ..AuditFilter::default() };
    let fifty = (0..50).map(|number| format!("t{number}").parse()).collect::<Result<Vec<Name>, _>>()?;
    let text = |text: &str| Some(text.to_owned());
    let filters = [
        ("all", any.clone()),
        ("of a tenant", AuditFilter { tenants: Some(vec![tenant]), ..any.clone() }),
        ("of 50 tenants", AuditFilter { tenants: Some(fifty.clone()), ..any.clone() }),
        ("of 50 tenants, a page far back", AuditFilter { tenants: Some(fifty), before: Some(100_000), ..any.clone() }),
        ("of nobody's tenant", AuditFilter { tenants: Some(vec!["nobody".parse()?]), ..any.clone() }),
        ("by a person", AuditFilter { by: text("person7"), ..any.clone() }),
        ("by nobody", AuditFilter { by: text("nobody"), ..any.clone() }),
        ("of an action", AuditFilter { action: text("key"), ..any.clone() }),
        ("of an action that never was", AuditFilter { action: text("tenant"), ..any.clone() }),
        ("of a target", AuditFilter { target: text("t7/n7"), ..any.clone() }),
        (
            "of a day a month ago",
            AuditFilter { since: Some(UnixMicros::new(now()? - 31 * DAY)), until: Some(UnixMicros::new(now()? - 30 * DAY)), ..any.clone() },
        ),
        ("of a year ago (none)", AuditFilter { until: Some(UnixMicros::new(now()? - 400 * DAY)), ..any }),
    ];
    for (what, filter) in &filters {
        let lines = async || store.list_audit(filter).await.map(|rows| rows.len());
        pages.ask(&format!("audit log {what}"), ROUNDS, lines).await?;
    }
    Ok(())
}

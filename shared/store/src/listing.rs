//! Listing the history, page by page.

use crate::connection::Store;
use crate::error::StoreError;
use crate::executions::{COLUMNS, ExecutionRow, execution_row};
use crate::record::{accepted_at, first_id_at};
use crate::timestamp::Timestamp;
use forebay_contract::outcome::ExecutionStatus;
use forebay_contract::{ExecutionId, Name};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// Where a page is looked for first, in microseconds: a day is one or two partitions, and most pages are full by then.
const FIRST_LOOK: i64 = 24 * 3600 * 1_000_000;
const OPERATION: &str = "list executions";

/// Which executions to list.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Of this tenant; `None`: of all.
    pub tenant: Option<Name>,
    /// Of integrations of this name.
    pub integration: Option<Name>,
    /// That stand so; nothing is stored of queued ones.
    pub status: Option<ExecutionStatus>,
    /// Accepted at this time or later, in microseconds of Unix time.
    pub since: Option<i64>,
    /// Most rows.
    pub limit: u32,
    /// Accepted before this one: the last row of the page before.
    pub before: Option<ExecutionId>,
}

impl Default for Filter {
    fn default() -> Self {
        Self { tenant: None, integration: None, status: None, since: None, limit: 100, before: None }
    }
}

impl Store {
    /// Executions, newest first.
    ///
    /// # Errors
    /// What the server says.
    pub async fn list_executions(&self, filter: &Filter) -> Result<Vec<ExecutionRow>, StoreError> {
        if filter.status == Some(ExecutionStatus::Queued) || filter.limit == 0 {
            return Ok(Vec::new());
        }
        let issuer = self.issuer().await?;
        let integrations = self.integrations_of(filter).await?;
        let newest = filter.before.map_or(Timestamp::now().0, |id| accepted_at(&id));
        let recent = newest.saturating_sub(FIRST_LOOK);
        let mut rows = Vec::new();
        if filter.since.is_none_or(|since| since < recent) {
            rows = self.page(&Listing::new(filter, integrations.clone(), Some(recent))).await?;
        }
        if rows.len() < filter.limit as usize {
            rows = self.page(&Listing::new(filter, integrations, filter.since)).await?;
        }
        rows.iter().map(|row| execution_row(row, issuer)).collect()
    }

    /// The ids of the integrations that are asked for; `None`: all.
    async fn integrations_of(&self, filter: &Filter) -> Result<Option<Vec<Uuid>>, StoreError> {
        let failed = StoreError::during(OPERATION);
        let (tenant, name) = (filter.tenant.as_ref().map(Name::as_str), filter.integration.as_ref().map(Name::as_str));
        if tenant.is_none() && name.is_none() {
            return Ok(None);
        }
        let client = self.client(OPERATION).await?;
        let sql = "select id from integrations where ($1::text is null or tenant = $1) and ($2::text is null or name = $2)";
        let statement = client.prepare_cached(sql).await.map_err(failed)?;
        let rows = client.query(&statement, &[&tenant, &name]).await.map_err(failed)?;
        Ok(Some(rows.iter().map(|row| row.get(0)).collect()))
    }

    async fn page(&self, listing: &Listing) -> Result<Vec<Row>, StoreError> {
        let failed = StoreError::during(OPERATION);
        let client = self.client(OPERATION).await?;
        let statement = client.prepare_cached(&listing.sql()).await.map_err(failed)?;
        client.query(&statement, &listing.parameters()).await.map_err(failed)
    }
}

/// One page. Its statement has only the conditions that are asked for, so that each form gets the plan that suits it.
struct Listing {
    integrations: Option<Vec<Uuid>>,
    status: Option<&'static str>,
    since: Option<(Uuid, Timestamp)>,
    before: Option<(Uuid, Timestamp)>,
    limit: i64,
}

impl Listing {
    fn new(filter: &Filter, integrations: Option<Vec<Uuid>>, since: Option<i64>) -> Self {
        Self {
            integrations,
            status: filter.status.map(ExecutionStatus::as_str),
            since: since.map(|since| (first_id_at(since), Timestamp(since))),
            before: filter.before.map(|id| (id.unique(), Timestamp(accepted_at(&id)))),
            limit: i64::from(filter.limit),
        }
    }

    /// The order of ids is the order of acceptance, and every index ends with the id. Times are there to leave partitions out.
    fn sql(&self) -> String {
        let mut next = 1;
        let mut place = || {
            next += 1;
            next
        };
        let mut conditions = String::from("true");
        if self.status.is_some() {
            conditions.push_str(&format!(" and e.status = ${}", place()));
        }
        if self.status.is_some_and(|status| status != ExecutionStatus::Succeeded.as_str()) {
            // Said again in the words of the partial indexes.
            conditions.push_str(" and e.status <> 'succeeded'");
        }
        if self.since.is_some() {
            conditions.push_str(&format!(" and e.id >= ${} and e.accepted_at >= ${}", place(), place()));
        }
        if self.before.is_some() {
            conditions.push_str(&format!(" and e.id < ${} and e.accepted_at <= ${}", place(), place()));
        }
        let page = match &self.integrations {
            None => format!("select e.* from executions e where {conditions} order by e.id desc limit $1"),
            Some(ids) if ids.len() == 1 => {
                format!("select e.* from executions e where e.integration_id = ${} and {conditions} order by e.id desc limit $1", place())
            }
            // The newest of each integration, from its index, then the newest of those.
            Some(_) => format!(
                "select e.* from unnest(${}::uuid[]) as wanted (integration_id) cross join lateral (
                     select * from executions e where e.integration_id = wanted.integration_id and {conditions} order by e.id desc limit $1) e
                 order by e.id desc limit $1",
                place()
            ),
        };
        format!("select {COLUMNS}, i.tenant, i.name from ({page}) e join integrations i on i.id = e.integration_id order by e.id desc")
    }

    /// In the order in which [`Self::sql`] numbers them.
    fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&self.limit];
        if let Some(status) = &self.status {
            parameters.push(status);
        }
        for (id, time) in self.since.iter().chain(&self.before) {
            parameters.push(id);
            parameters.push(time);
        }
        match &self.integrations {
            None => {}
            Some(ids) if ids.len() == 1 => parameters.push(&ids[0]),
            Some(ids) => parameters.push(ids),
        }
        parameters
    }
}

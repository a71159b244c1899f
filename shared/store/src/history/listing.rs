//! Searching the history, page by page in the order of receipt, and counting.

use crate::database::pool::Store;
use crate::database::timestamp::Timestamp;
use crate::error::StoreError;
use crate::history::outcomes::{COLUMNS, ExecutionRow, execution_row};
use crate::history::record::accepted_at;
use crate::history::search::{Filter, MANY_INTEGRATIONS, Order, Search};
use forebay_contract::{ExecutionId, Name};
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

const HOUR: Duration = Duration::from_secs(3600);
/// The parts of the past that are searched one after the other before all of it: most pages are full by then, and a frequent label is not
/// collected from the whole history.
const PARTS: [Duration; 3] = [HOUR, Duration::from_secs(24 * 3600), Duration::from_secs(7 * 24 * 3600)];
/// The first part for a search by an index that gives the newest first.
const FIRST_ORDERED_PART: usize = 1;
const OPERATION: &str = "search executions";

impl Store {
    /// Returns executions, newest first. The next page is what is [`before`](Filter::before) the last row of this one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_executions(&self, filter: &Filter) -> Result<Vec<ExecutionRow>, StoreError> {
        if filter.limit == 0 {
            return Ok(Vec::new());
        }
        let issuer = self.issuer().await?;
        let Some(integrations) = self.integrations_of(filter).await? else { return Ok(Vec::new()) };
        let ends = [filter.before.map(|id| accepted_at(&id)), filter.until, Some(Timestamp::now().0)];
        let newest = ends.into_iter().flatten().min().unwrap_or_default();
        let parts = match (&filter.id, &filter.label) {
            (Some(_), _) => &[][..],
            (None, Some(_)) => &PARTS[..],
            (None, None) if integrations.are_many() => &PARTS[..],
            (None, None) => &PARTS[FIRST_ORDERED_PART..],
        };
        let mut rows = Vec::new();
        for part in parts {
            let since = newest - *part;
            if filter.since.is_some_and(|from| from >= since) {
                break;
            }
            let search = Search::new(filter, integrations.ids());
            let search = if *part == HOUR { search.shortly_since(since) } else { search.since(Some(since)) };
            rows = self.found(search, Order::NewestFirst).await?;
            if rows.len() == filter.limit as usize {
                break;
            }
        }
        if rows.len() < filter.limit as usize {
            rows = self.found(Search::new(filter, integrations.ids()).since(filter.since), Order::NewestFirst).await?;
        }
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let row = execution_row(row, issuer)?;
            // An id with another tag than this installation gave it is a guess.
            if filter.id.is_none_or(|id| id == row.id) {
                found.push(row);
            }
        }
        Ok(found)
    }

    /// Returns executions in the order of receipt, from the first after `after`; [`Filter::before`] bounds them too.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn executions_in_order(&self, filter: &Filter, after: Option<&ExecutionId>) -> Result<Vec<ExecutionRow>, StoreError> {
        if filter.limit == 0 {
            return Ok(Vec::new());
        }
        let issuer = self.issuer().await?;
        let Some(integrations) = self.integrations_of(filter).await? else { return Ok(Vec::new()) };
        let search = Search::new(filter, integrations.ids()).since(filter.since).after(after);
        let rows = self.found(search, Order::OldestFirst).await?;
        rows.iter().map(|row| execution_row(row, issuer)).collect()
    }

    /// Returns the number of executions that a search finds, at most `max`, whatever its limit.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_executions(&self, filter: &Filter, max: u32) -> Result<u32, StoreError> {
        let Some(integrations) = self.integrations_of(filter).await? else { return Ok(0) };
        let (sql, parameters) = Search::new(filter, integrations.ids()).since(filter.since).count(max);
        let client = self.client(OPERATION).await?;
        let row = client.query_one(&sql, &references(&parameters)).await.map_err(StoreError::during(OPERATION))?;
        Ok(u32::try_from(row.get::<_, i64>(0)).unwrap_or(u32::MAX))
    }

    /// Returns the integrations of the filter; `None`: none has that tenant or name.
    async fn integrations_of(&self, filter: &Filter) -> Result<Option<IntegrationScope>, StoreError> {
        if filter.tenants.is_none() && filter.integration.is_none() {
            return Ok(Some(IntegrationScope::All));
        }
        let failed = StoreError::during(OPERATION);
        let tenants: Option<Vec<&str>> = filter.tenants.as_ref().map(|tenants| tenants.iter().map(Name::as_str).collect());
        let name = filter.integration.as_ref().map(Name::as_str);
        let client = self.client(OPERATION).await?;
        let sql = "select id from integrations where ($1::text[] is null or tenant = any($1)) and ($2::text is null or name = $2)";
        let statement = client.prepare_cached(sql).await.map_err(failed)?;
        let rows = client.query(&statement, &[&tenants, &name]).await.map_err(failed)?;
        let ids: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
        Ok(Some(ids).filter(|ids| !ids.is_empty()).map(IntegrationScope::These))
    }

    /// Runs a search. The statement is prepared each time: one plan for any label or tenant would be bad for most.
    async fn found(&self, search: Search, order: Order) -> Result<Vec<Row>, StoreError> {
        let (sql, parameters) = search.page(COLUMNS, order);
        let client = self.client(OPERATION).await?;
        client.query(&sql, &references(&parameters)).await.map_err(StoreError::during(OPERATION))
    }
}

enum IntegrationScope {
    All,
    These(Vec<Uuid>),
}

impl IntegrationScope {
    fn are_many(&self) -> bool {
        matches!(self, Self::These(ids) if ids.len() >= MANY_INTEGRATIONS)
    }

    fn ids(&self) -> Option<Vec<Uuid>> {
        match self {
            Self::All => None,
            Self::These(ids) => Some(ids.clone()),
        }
    }
}

fn references(parameters: &[Box<dyn ToSql + Sync + Send>]) -> Vec<&(dyn ToSql + Sync)> {
    parameters.iter().map(|parameter| &**parameter as &(dyn ToSql + Sync)).collect()
}

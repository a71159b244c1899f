//! The search of the history: its filter, and the statements that find executions.

use crate::database::timestamp::Timestamp;
use crate::database::word::Stored;
use crate::history::outcomes::ExecutionRow;
use crate::history::record::{accepted_at, first_id_at};
use forebay_contract::outcome::{ErrorCode, ExecutionStatus};
use forebay_contract::{ExecutionId, Label, Name, UnixMicros, label_value};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// A filter of the history: executions that fit everything that is given.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Executions of these tenants; `None`: of all tenants.
    pub tenants: Option<Vec<Name>>,
    /// Executions of integrations of this name.
    pub integration: Option<Name>,
    /// With one of these statuses; empty: with any status.
    pub statuses: Vec<ExecutionStatus>,
    /// Received at this time or later.
    pub since: Option<UnixMicros>,
    /// Received before this time.
    pub until: Option<UnixMicros>,
    /// Found by this label.
    pub label: Option<LabelFilter>,
    /// With this error code.
    pub error: Option<ErrorCode>,
    /// With this id.
    pub id: Option<ExecutionId>,
    /// Maximum rows.
    pub limit: u32,
    /// Received before this one: the last row of the page before.
    pub before: Option<ExecutionId>,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            tenants: None,
            integration: None,
            statuses: Vec::new(),
            since: None,
            until: None,
            label: None,
            error: None,
            id: None,
            limit: 100,
            before: None,
        }
    }
}

impl Filter {
    /// Returns true if an execution fits, limit and `before` aside.
    #[must_use]
    pub fn fits(&self, row: &ExecutionRow) -> bool {
        let of_tenant = self.tenants.as_ref().is_none_or(|tenants| tenants.iter().any(|tenant| tenant.as_str() == row.tenant));
        let of_name = self.integration.as_ref().is_none_or(|name| name.as_str() == row.integration);
        let of_status = self.statuses.is_empty() || self.statuses.contains(&row.status);
        let of_time = self.since.is_none_or(|since| row.accepted_at >= since) && self.until.is_none_or(|until| row.accepted_at < until);
        let labelled = self.label.as_ref().is_none_or(|label| label.fits(&row.labels));
        let failed_so = self.error.is_none_or(|code| row.error.as_ref().is_some_and(|error| error.code == code));
        of_tenant && of_name && of_status && of_time && labelled && failed_so && self.id.is_none_or(|id| id == row.id)
    }
}

/// A label to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelFilter {
    /// This label.
    Is(Label),
    /// Any label of this value.
    Value(String),
}

impl LabelFilter {
    /// Reads `NAME=VALUE`, or a value alone. A text that cannot be a name and a value is a value.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Value(label_value(text)), Self::Is)
    }

    /// Returns true if one of the labels fits.
    #[must_use]
    pub fn fits(&self, labels: &[Label]) -> bool {
        match self {
            Self::Is(label) => labels.contains(label),
            Self::Value(value) => labels.iter().any(|label| label.value() == label_value(value)),
        }
    }

    /// Returns the term by which the index of labels has it.
    fn term(&self) -> String {
        match self {
            Self::Is(label) => label.as_str().to_owned(),
            Self::Value(value) => format!("={}", label_value(value)),
        }
    }
}

/// The order of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    NewestFirst,
    /// In the order of receipt.
    OldestFirst,
}

impl Order {
    fn as_sql(self) -> &'static str {
        match self {
            Self::NewestFirst => "desc",
            Self::OldestFirst => "asc",
        }
    }
}

/// Number of integrations from which a short time is read whole instead of by integration.
pub(crate) const MANY_INTEGRATIONS: usize = 20;
/// Number of integrations from which an index of few rows, of failures or of a label, is read whole: each integration would be looked up in
/// each partition.
const VERY_MANY_INTEGRATIONS: usize = 300;

/// The statements of one search. They have only the conditions of its filter, so that each form gets the plan that suits it. The order
/// of ids is the order of acceptance, and every index but that of labels ends with the id; times are there to leave partitions out.
pub(crate) struct Search {
    conditions: String,
    /// The integrations of the filter; `None`: all.
    integrations: Option<Vec<Uuid>>,
    has_label: bool,
    /// True if successes do not fit.
    only_unsuccessful: bool,
    /// True if the searched time is so short that its rows are read whatever their integration.
    is_short: bool,
    limit: i64,
    parameters: Vec<Box<dyn ToSql + Sync + Send>>,
}

impl Search {
    pub(crate) fn new(filter: &Filter, integrations: Option<Vec<Uuid>>) -> Self {
        let (conditions, has_label) = ("true".to_owned(), filter.label.is_some());
        let of_failures = !filter.statuses.is_empty() && !filter.statuses.contains(&ExecutionStatus::Succeeded);
        let only_unsuccessful = filter.error.is_some() || of_failures;
        let (limit, parameters) = (filter.limit.into(), Vec::new());
        let mut search = Self { conditions, integrations, has_label, only_unsuccessful, is_short: false, limit, parameters };
        if !filter.statuses.is_empty() {
            let words: Vec<Stored<ExecutionStatus>> = filter.statuses.iter().copied().map(Stored).collect();
            let place = search.bind(words);
            search.and(&format!("e.status = any({place})"));
        }
        if only_unsuccessful {
            // Repeated in the words of the partial indexes.
            search.and("e.status <> 'succeeded'");
        }
        if let Some(error) = filter.error {
            let place = search.bind(Stored(error));
            search.and(&format!("e.error_code = {place}"));
        }
        if let Some(label) = &filter.label {
            let place = search.bind(vec![label.term()]);
            search.and(&format!("e.labels is not null and label_terms(e.labels) @> {place}::text[]"));
        }
        if let Some(id) = &filter.id {
            let (id, at) = (search.bind(id.unique()), search.bind(Timestamp(accepted_at(id))));
            search.and(&format!("e.id = {id} and e.accepted_at = {at}"));
        }
        if let Some(before) = &filter.before {
            let (id, at) = (search.bind(before.unique()), search.bind(Timestamp(accepted_at(before))));
            search.and(&format!("e.id < {id} and e.accepted_at <= {at}"));
        }
        if let Some(until) = filter.until {
            let (id, at) = (search.bind(first_id_at(until)), search.bind(Timestamp(until)));
            search.and(&format!("e.id < {id} and e.accepted_at < {at}"));
        }
        search
    }

    /// Keeps executions that were received at this time or later.
    pub(crate) fn since(mut self, since: Option<UnixMicros>) -> Self {
        if let Some(since) = since {
            let (id, at) = (self.bind(first_id_at(since)), self.bind(Timestamp(since)));
            self.and(&format!("e.id >= {id} and e.accepted_at >= {at}"));
        }
        self
    }

    /// Keeps executions as [`since`](Self::since) does, where reading all of them is faster than a look-up for each of many integrations.
    pub(crate) fn shortly_since(mut self, since: UnixMicros) -> Self {
        self.is_short = self.integrations.as_ref().is_some_and(|ids| ids.len() >= MANY_INTEGRATIONS);
        self.since(Some(since))
    }

    /// Keeps executions that were received after this one.
    pub(crate) fn after(mut self, after: Option<&ExecutionId>) -> Self {
        if let Some(after) = after {
            let (id, at) = (self.bind(after.unique()), self.bind(Timestamp(accepted_at(after))));
            self.and(&format!("e.id > {id} and e.accepted_at >= {at}"));
        }
        self
    }

    /// Returns one page with `columns` of `e` and of its integration `i`.
    pub(crate) fn page(mut self, columns: &str, order: Order) -> (String, Vec<Box<dyn ToSql + Sync + Send>>) {
        let limit = self.bind(self.limit);
        let ordered = format!("order by e.id {} limit {limit}", order.as_sql());
        let page = match self.integrations.take() {
            Some(ids) if ids.len() > 1 && !self.has_label && !self.is_short && !self.goes_through(&ids) => {
                // The first of each integration, from its index, then the first of those.
                let (ids, conditions) = (self.bind(ids), &self.conditions);
                format!(
                    "select e.* from unnest({ids}::uuid[]) as requested (integration_id) cross join lateral (
                         select * from executions e where e.integration_id = requested.integration_id and {conditions} {ordered}) e {ordered}"
                )
            }
            ids => {
                self.of_integrations(ids);
                format!("select e.* from executions e where {} {ordered}", self.conditions)
            }
        };
        let direction = order.as_sql();
        let sql = format!("select {columns} from ({page}) e join integrations i on i.id = e.integration_id order by e.id {direction}");
        (sql, self.parameters)
    }

    /// Returns the statement for their number, at most `max`.
    pub(crate) fn count(mut self, max: u32) -> (String, Vec<Box<dyn ToSql + Sync + Send>>) {
        let ids = self.integrations.take();
        self.of_integrations(ids);
        let max = self.bind(i64::from(max));
        (format!("select count(*) from (select 1 from executions e where {} limit {max}) counted", self.conditions), self.parameters)
    }

    /// Returns true if all failures, or all rows of a label, are read and those of other integrations left out.
    fn goes_through(&self, ids: &[Uuid]) -> bool {
        ids.len() >= VERY_MANY_INTEGRATIONS && (self.only_unsuccessful || self.has_label)
    }

    fn of_integrations(&mut self, ids: Option<Vec<Uuid>>) {
        let Some(ids) = ids else { return };
        let condition = match ids.as_slice() {
            [id] => format!("e.integration_id = {}", self.bind(*id)),
            // A form for which no index of integrations is used, and whose selectivity is not estimated in each partition, which took longer
            // than the search.
            _ if self.is_short || self.goes_through(&ids) => {
                format!("(e.integration_id in (select unnest({}::uuid[]))) is true", self.bind(ids))
            }
            _ => format!("e.integration_id = any({})", self.bind(ids)),
        };
        self.and(&condition);
    }

    fn and(&mut self, condition: &str) {
        self.conditions.push_str(" and ");
        self.conditions.push_str(condition);
    }

    /// Adds a parameter and returns its place in the statement.
    fn bind(&mut self, parameter: impl ToSql + Sync + Send + 'static) -> String {
        self.parameters.push(Box::new(parameter));
        format!("${}", self.parameters.len())
    }
}

//! Execution statistics, queues, workers and unreadable messages.

use super::{AdminClient, ClientError};
use crate::monitor::{Queue, StatisticsPoint, StatisticsQuery, Worker};
use crate::paging::{Deleted, ListQuery, Page, PageQuery};
use crate::text::NameText;
use crate::unreadable::{ReturnedMessage, UnreadableMessage};

impl AdminClient {
    /// Execution statistics; points in which nothing ended are left out.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn statistics(&self, query: &StatisticsQuery) -> Result<Vec<StatisticsPoint>, ClientError> {
        let page: Page<StatisticsPoint> = self.get_with("monitor/statistics", query).await?;
        Ok(page.items)
    }

    /// All queues of a tenant, or of every tenant that the caller sees.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn queues(&self, tenant: Option<NameText>) -> Result<Vec<Queue>, ClientError> {
        self.list("monitor/queues", ListQuery::of(tenant), u32::MAX).await
    }

    /// All live workers.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn workers(&self) -> Result<Vec<Worker>, ClientError> {
        self.list("monitor/workers", PageQuery::default(), u32::MAX).await
    }

    /// The oldest unreadable messages, at most 100.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn unreadable_messages(&self) -> Result<Vec<UnreadableMessage>, ClientError> {
        let page: Page<UnreadableMessage> = self.get("unreadable").await?;
        Ok(page.items)
    }

    /// Puts an unreadable message back into its queue.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn return_unreadable(&self, id: &str) -> Result<ReturnedMessage, ClientError> {
        self.trigger(&format!("unreadable/{id}/return")).await
    }

    /// Deletes an unreadable message.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn discard_unreadable(&self, id: &str) -> Result<Deleted, ClientError> {
        self.trigger(&format!("unreadable/{id}/discard")).await
    }
}

//! The mark of the installation's broker: an exchange whose name is its id.
//!
//! A URL does not identify a broker: `localhost` and a container's name may be the same one, and the same name another one tomorrow. So a
//! random name is stored in the database, and an exchange of that name at the broker. A connection is used only where the exchange exists:
//! what is published anywhere else would reach no worker. Nothing is published to the exchange, and it is asked for once a connection.

use std::sync::Arc;
use tokio::sync::watch;
use uuid::Uuid;

/// The installation, as the process knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is not known yet: no connection is used.
    Unknown,
    /// Its broker has the exchange of this name.
    Marked(Arc<str>),
    /// The settings of this process are not the installation's: no connection is used.
    Refused(Arc<str>),
    /// Every broker is accepted.
    Unchecked,
}

/// The installation that a process belongs to, as far as the broker is concerned. Clones share what is known of it.
#[derive(Debug, Clone)]
pub struct Installation {
    standing: Arc<watch::Sender<Standing>>,
}

impl Installation {
    /// Returns an installation that is not known yet: connections wait for [`Self::set_mark`].
    #[must_use]
    pub fn unknown() -> Self {
        Self { standing: Arc::new(watch::Sender::new(Standing::Unknown)) }
    }

    /// Returns an installation that accepts every broker: for tools that look at queues without a database.
    #[must_use]
    pub fn unchecked() -> Self {
        Self { standing: Arc::new(watch::Sender::new(Standing::Unchecked)) }
    }

    /// Returns the name of the exchange that marks a broker.
    #[must_use]
    pub fn mark_name(queue_prefix: &str, mark: Uuid) -> String {
        format!("{queue_prefix}installation.{mark}")
    }

    /// Returns the name of the exchange at a broker that the installation is about to leave. It has the mark's id, and is no mark: no
    /// service uses the broker.
    #[must_use]
    pub fn closed_name(queue_prefix: &str, mark: Uuid) -> String {
        format!("{queue_prefix}installation.closed.{mark}")
    }

    /// Sets the exchange that the broker must have. Publishing connections that were opened for another exchange are opened again.
    pub fn set_mark(&self, name: &str) {
        self.set(Standing::Marked(name.into()));
    }

    /// Keeps this process from using the broker, for this reason. Publishing connections are closed.
    pub fn refuse(&self, reason: &str) {
        self.set(Standing::Refused(reason.into()));
    }

    /// Returns the reason for which this process must not use the broker; `None`: it may, or nothing is known yet.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        match &*self.standing.borrow() {
            Standing::Refused(reason) => Some(reason.to_string()),
            Standing::Unknown | Standing::Marked(_) | Standing::Unchecked => None,
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    fn set(&self, standing: Standing) {
        self.standing.send_if_modified(|current| {
            let is_news = *current != standing;
            *current = standing;
            is_news
        });
    }

    /// Waits until the broker of the installation is known.
    pub(crate) async fn ready(&self) {
        let may_be_used = |standing: &Standing| match standing {
            Standing::Marked(_) | Standing::Unchecked => true,
            Standing::Unknown | Standing::Refused(_) => false,
        };
        // The sender lives as long as `self`.
        let _ = self.standing.subscribe().wait_for(may_be_used).await;
    }

    /// Returns the changes from now on.
    pub(crate) fn changes(&self) -> Changes {
        Changes(self.standing.subscribe())
    }
}

/// Changes of what is known of an installation.
pub(crate) struct Changes(watch::Receiver<Standing>);

impl Changes {
    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_waits_until_the_installation_is_known() {
        let installation = Installation::unknown();
        installation.refuse("another prefix");
        let waiting = installation.clone();
        let waiting = tokio::spawn(async move { waiting.ready().await });
        installation.set_mark("a.installation.x");
        waiting.await.unwrap();
    }
}

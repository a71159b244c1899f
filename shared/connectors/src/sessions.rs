//! Sessions with remote systems, of all kinds.

use crate::http::{OwnClients, Tokens};
use crate::{KeptSessions, Reach};
use forebay_contract::connection::TokenStore;
use std::sync::{Arc, Once};
use std::time::Duration;

const LOOK_FOR_IDLE: Duration = Duration::from_secs(5);

/// Sessions with remote systems. Clones share them; one is enough for a process.
#[derive(Clone)]
pub struct Connectors {
    shared: Arc<Shared>,
}

struct Shared {
    reach: Reach,
    sessions: KeptSessions,
    tokens: Tokens,
    own_clients: OwnClients,
    closer: Once,
}

/// Declares which sessions are kept for the next step: the name of their pools, their manager, and how long they may be unused.
macro_rules! kept {
    ($($pools:ident: $sessions:ty, $idle:expr;)+) => {
        /// Sessions that are kept, by kind.
        struct KeptSessions {
            $($pools: $crate::pool::Pools<$sessions>),+
        }

        impl KeptSessions {
            fn new() -> Self {
                Self { $($pools: $crate::pool::Pools::new($idle)),+ }
            }

            /// How many are open.
            fn count(&self) -> usize {
                [$(self.$pools.sessions()),+].into_iter().sum()
            }

            /// Ends those that were not used for a while.
            fn close_idle(&self) {
                $(self.$pools.close_idle();)+
            }
        }

        impl Connectors {
            $(fn $pools(&self) -> &$crate::pool::Pools<$sessions> {
                &self.kept().$pools
            })+
        }
    };
}
pub(crate) use kept;

impl Connectors {
    /// No session yet: each is made when a step needs it.
    #[must_use]
    pub fn new(reach: Reach) -> Self {
        Self::sharing(reach, None)
    }

    /// As [`new`](Self::new). `tokens`: where access tokens are shared with other processes.
    #[must_use]
    pub fn sharing(reach: Reach, tokens: Option<Arc<dyn TokenStore>>) -> Self {
        Self::with_tokens(reach, Tokens::shared_by(tokens))
    }

    fn with_tokens(reach: Reach, tokens: Tokens) -> Self {
        let shared = Shared { reach, sessions: KeptSessions::new(), tokens, own_clients: OwnClients::default(), closer: Once::new() };
        Self { shared: Arc::new(shared) }
    }

    /// Nothing is kept yet but that a new token is shared with those who use the one before.
    pub(crate) fn of_a_test(&self) -> Self {
        Self::with_tokens(self.shared.reach.clone(), self.shared.tokens.of_a_test())
    }

    /// Where connections may be made to.
    #[must_use]
    pub fn reach(&self) -> &Reach {
        &self.shared.reach
    }

    /// Sessions that are open at the moment.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.shared.sessions.count()
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.shared.tokens
    }

    pub(crate) fn own_clients(&self) -> &OwnClients {
        &self.shared.own_clients
    }

    /// The sessions that are kept. Idle ones are closed from the first use on, which runs on the runtime that `new` need not have.
    pub(crate) fn kept(&self) -> &KeptSessions {
        self.shared.closer.call_once(|| {
            let shared = Arc::downgrade(&self.shared);
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(LOOK_FOR_IDLE).await;
                    let Some(shared) = shared.upgrade() else { return };
                    shared.sessions.close_idle();
                }
            });
        });
        &self.shared.sessions
    }
}

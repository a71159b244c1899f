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

/// Declares the sessions that are reused: the name of their pools, their manager, and their maximum idle time.
macro_rules! kept {
    ($($pools:ident: $sessions:ty, $idle:expr;)+) => {
        /// Sessions that are reused, by kind.
        struct KeptSessions {
            $($pools: $crate::pool::Pools<$sessions>),+
        }

        impl KeptSessions {
            fn new() -> Self {
                Self { $($pools: $crate::pool::Pools::new($idle)),+ }
            }

            /// Returns the number of open sessions.
            fn count(&self) -> usize {
                [$(self.$pools.sessions()),+].into_iter().sum()
            }

            /// Ends idle sessions.
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
    /// Creates connectors without sessions: a session begins when a step needs it.
    #[must_use]
    pub fn new(reach: Reach) -> Self {
        Self::sharing(reach, None)
    }

    /// Creates connectors; `tokens` is the store in which processes share access tokens.
    #[must_use]
    pub fn sharing(reach: Reach, tokens: Option<Arc<dyn TokenStore>>) -> Self {
        Self::with_tokens(reach, Tokens::shared_by(tokens))
    }

    fn with_tokens(reach: Reach, tokens: Tokens) -> Self {
        let shared = Shared { reach, sessions: KeptSessions::new(), tokens, own_clients: OwnClients::default(), closer: Once::new() };
        Self { shared: Arc::new(shared) }
    }

    /// Returns connectors for a test: they have no sessions, and share new tokens with users of the one before.
    pub(crate) fn of_a_test(&self) -> Self {
        Self::with_tokens(self.shared.reach.clone(), self.shared.tokens.of_a_test())
    }

    /// Returns the permitted addresses.
    #[must_use]
    pub fn reach(&self) -> &Reach {
        &self.shared.reach
    }

    /// Returns the number of open sessions.
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

    /// Returns the reused sessions. Closing idle ones starts with the first use, since `new` may be called outside of a runtime.
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

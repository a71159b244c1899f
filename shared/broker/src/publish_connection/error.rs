//! The errors of the connection.

use super::frames::Malformed;
use lapin::types::ShortString;
use std::io;
use std::time::Duration;

/// The reason for which a connection could not be opened, or ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// The socket failed.
    #[error(transparent)]
    Socket(#[from] io::Error),
    /// lapin has no runtime to connect with.
    #[error(transparent)]
    Lapin(#[from] lapin::Error),
    /// The broker ended the connection without a reason.
    #[error("the broker ended the connection")]
    Ended,
    /// The broker closed the connection or a channel with a reason.
    #[error("the broker closed the connection: {code} {text}")]
    Closed {
        /// AMQP's reply code.
        code: u16,
        /// AMQP's reply text.
        text: String,
    },
    /// The broker sent bytes that are no valid frame.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The broker sent nothing for too long.
    #[error("nothing was heard of the broker for {0:?}")]
    Silent(Duration),
}

impl WireError {
    pub(super) fn closed(code: u16, text: &ShortString) -> Self {
        Self::Closed { code, text: text.to_string() }
    }
}

//! The errors between Forebay and the broker.

use forebay_contract::envelope::ENVELOPE_VERSION;
use forebay_tls::{Remedy, TlsFailure};
use std::time::Duration;

/// Error of a connection, a channel or a queue.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The broker cannot be reached, or refused the connection.
    #[error("the broker at {address} cannot be reached")]
    Connect {
        /// Host and port, without credentials.
        address: String,
        /// The cause.
        #[source]
        source: lapin::Error,
    },
    /// The connection on which messages are published could not be opened.
    #[error("the connection for publishing to the broker at {address} cannot be opened")]
    Publishing {
        /// Host and port, without credentials.
        address: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The broker did not answer in time.
    #[error("the broker at {address} did not answer within {after:?}")]
    Timeout {
        /// Host and port, without credentials.
        address: String,
        /// The timeout.
        after: Duration,
    },
    /// None of several addresses can be connected to.
    #[error("no address of the broker can be used: {}", .0.iter().map(|error| chain(error)).collect::<Vec<_>>().join("; "))]
    NoAddress(Vec<BrokerError>),
    /// The URL cannot be read.
    #[error("the broker's URL cannot be used: {0}")]
    Url(String),
    /// The channel or the connection went away.
    #[error("the connection to the broker was lost while {doing}")]
    Lost {
        /// The operation.
        doing: &'static str,
        /// The cause.
        #[source]
        source: lapin::Error,
    },
    /// The broker is another installation's, or of none; the text says so, and what to do.
    #[error("{0}")]
    NotOfInstallation(String),
    /// No connection right now; one is being made.
    #[error("there is no connection to the broker at the moment")]
    NotConnected,
}

/// The reason for which a message was not confirmed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// There is no connection: not sent.
    #[error("the message broker cannot be reached")]
    Unavailable,
    /// The broker is another installation's, or of none: not sent.
    #[error("the message broker is not the one of this installation")]
    NotOfInstallation,
    /// The broker has blocked publishers because it is short of memory or disk: not sent.
    #[error("the message broker accepts no messages because it is short of memory or disk")]
    Blocked,
    /// Too many messages wait to be sent or confirmed: not sent.
    #[error("the message broker is slower than the incoming calls")]
    Busy,
    /// The queue is at its limit: refused by the broker.
    #[error("the queue of this endpoint is full")]
    QueueFull,
    /// The queue is not at its limit and the broker refused all the same: it has no leader, or a node of the broker is down.
    #[error(
        "the queue of this endpoint accepts no messages at the moment, though it is not full; a node of the message broker may be down"
    )]
    NotAccepting,
    /// The body is larger than the broker is set to take: refused by the broker, or not sent.
    #[error("the body has {size} bytes, but the message broker accepts at most {limit}")]
    TooLarge {
        /// Bytes of the body.
        size: usize,
        /// Maximum bytes of a body that the broker takes.
        limit: usize,
    },
    /// The queue does not exist: returned by the broker.
    #[error("the queue of this endpoint does not exist at the broker")]
    Unroutable,
    /// Sent, and no confirm came: it may be delivered.
    #[error("the message broker did not confirm the message")]
    Unconfirmed,
}

impl PublishError {
    /// Returns true if the message may be delivered all the same.
    #[must_use]
    pub fn may_be_delivered(&self) -> bool {
        match self {
            Self::Unconfirmed => true,
            Self::Unavailable
            | Self::NotOfInstallation
            | Self::Blocked
            | Self::Busy
            | Self::QueueFull
            | Self::NotAccepting
            | Self::TooLarge { .. }
            | Self::Unroutable => false,
        }
    }

    /// Returns a stable word for metrics.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::NotOfInstallation => "not_of_installation",
            Self::Blocked => "blocked",
            Self::Busy => "busy",
            Self::QueueFull => "queue_full",
            Self::NotAccepting => "not_accepting",
            Self::TooLarge { .. } => "too_large",
            Self::Unroutable => "unroutable",
            Self::Unconfirmed => "unconfirmed",
        }
    }

    /// Returns the time after which a caller may try again: short while the broker is away, longer if it is overloaded, replaced, or needs
    /// other settings.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Unavailable | Self::Unroutable | Self::Busy | Self::Unconfirmed => Duration::from_secs(1),
            Self::NotOfInstallation | Self::Blocked | Self::QueueFull | Self::NotAccepting | Self::TooLarge { .. } => {
                Duration::from_secs(5)
            }
        }
    }
}

/// A message that is not of a form that is understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A header or property is absent or of the wrong type.
    #[error("the message's {0} is missing or not of its type")]
    Field(&'static str),
    /// Not written by this installation.
    #[error(
        "the message has no valid proof that this installation wrote it: somebody else published it, or a Forebay before proofs did; with \
         FOREBAY_UNSIGNED_MESSAGES=accept a worker reads messages without a proof"
    )]
    NotSigned,
    /// Written by a newer Forebay.
    #[error("the message is of envelope version {0}, this program reads versions 1 to {ENVELOPE_VERSION}; update it")]
    Newer(u32),
}

/// Returns an error with its causes in one line, with the remedy for a certificate that is not trusted.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    match TlsFailure::in_error(error) {
        Some(TlsFailure::Certificate(untrusted)) if untrusted.remedy() == Remedy::Trust => {
            return format!("{error}: {untrusted}; SSL_CERT_FILE names a PEM file with the certificate, or with that of its authority");
        }
        Some(failure) => return format!("{error}: {failure}"),
        None => {}
    }
    forebay_contract::with_causes(error)
}

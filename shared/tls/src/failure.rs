//! Failures of TLS in plain words, instead of those of rustls.

use crate::untrusted::Untrusted;
use rustls::{AlertDescription, Error};
use std::error::Error as StdError;
use std::fmt;
use std::io;

/// The reason for which TLS could not be begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsFailure {
    /// The server's certificate is refused.
    Certificate(Untrusted),
    /// The server does not speak TLS.
    NotTls,
    /// The server refuses this client; the text is the end of a sentence.
    Refused(&'static str),
    /// Client and server have no version, cipher or signature in common.
    NothingInCommon,
    /// The server violates the protocol, or something on the way changes the data.
    Broken,
}

impl TlsFailure {
    /// Returns the failure of TLS among the causes of an error, if there is one: clients have it as the cause of their own errors.
    #[must_use]
    pub fn in_error(error: &(dyn StdError + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(this) = next {
            let inner = this.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            let tls = this.downcast_ref::<Error>().or_else(|| inner.and_then(|inner| inner.downcast_ref::<Error>()));
            if let Some(tls) = tls {
                return Some(Self::of(tls));
            }
            // The source of an I/O error is that of the error inside, and not the error inside.
            next = match inner {
                Some(inner) => Some(inner),
                None => this.source(),
            };
        }
        None
    }

    fn of(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(error) => Self::Certificate(Untrusted::from_rustls(error, None)),
            Error::InvalidMessage(_) => Self::NotTls,
            Error::PeerIncompatible(_) | Error::NoApplicationProtocol => Self::NothingInCommon,
            Error::AlertReceived(alert) => match alert {
                AlertDescription::HandshakeFailure
                | AlertDescription::ProtocolVersion
                | AlertDescription::InsufficientSecurity
                | AlertDescription::NoApplicationProtocol => Self::NothingInCommon,
                AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::NoCertificate
                | AlertDescription::UnknownCA
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnsupportedCertificate => Self::Refused("it wants a certificate of the client that it trusts"),
                AlertDescription::UnrecognisedName => Self::Refused("it does not know the name by which it was asked for"),
                AlertDescription::AccessDenied => Self::Refused("it denies access"),
                AlertDescription::InternalError => Self::Refused("it has an internal error"),
                _ => Self::Broken,
            },
            _ => Self::Broken,
        }
    }
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(untrusted) => untrusted.fmt(f),
            Self::NotTls => f.write_str("what answers there speaks no TLS"),
            Self::Refused(why) => write!(f, "the server refused to begin TLS: {why}"),
            Self::NothingInCommon => {
                f.write_str("the server offers no TLS 1.2 or 1.3 with a cipher that is secure today: update it, or its settings")
            }
            Self::Broken => f.write_str("the server does not keep to the protocol of TLS, or something between changes what is sent"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::{ServerName, UnixTime};
    use rustls::{CertificateError, InvalidMessage};
    use std::time::Duration;

    fn said(error: Error) -> String {
        TlsFailure::in_error(&io::Error::new(io::ErrorKind::InvalidData, error)).unwrap().to_string()
    }

    #[test]
    fn a_failure_is_told_in_words_that_are_not_those_of_rustls() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let name = ServerName::try_from("localhost").unwrap();
        let presented = vec!["DnsName(\"other.example\")".to_owned(), "IpAddress(10.0.0.1)".to_owned()];
        for (error, expected) in [
            (CertificateError::ExpiredContext { time: at(9), not_after: at(0) }, "has expired at 1970-01-01 00:00:00 UTC"),
            (CertificateError::Expired, "has expired"),
            (CertificateError::NotValidYetContext { time: at(0), not_before: at(60) }, "is not valid yet but from 1970-01-01 00:01:00 UTC"),
            (
                CertificateError::NotValidForNameContext { expected: name, presented },
                "is for 'other.example', '10.0.0.1' and not for 'localhost'",
            ),
            (CertificateError::UnknownIssuer, "is from an authority that is not trusted"),
            (CertificateError::BadSignature, "is not what its authority signed: the signature is wrong"),
            (CertificateError::BadEncoding, "is damaged: it cannot be read"),
            (CertificateError::ApplicationVerificationFailure, "is not acceptable"),
        ] {
            assert_eq!(said(Error::InvalidCertificate(error)), format!("the server's certificate {expected}"));
        }
        assert_eq!(said(Error::InvalidMessage(InvalidMessage::InvalidContentType)), "what answers there speaks no TLS");
        let wants = said(Error::AlertReceived(AlertDescription::CertificateRequired));
        assert_eq!(wants, "the server refused to begin TLS: it wants a certificate of the client that it trusts");
        assert!(said(Error::AlertReceived(AlertDescription::ProtocolVersion)).contains("offers no TLS 1.2 or 1.3"));
        assert_eq!(TlsFailure::in_error(&io::Error::other("reset")), None);
    }
}

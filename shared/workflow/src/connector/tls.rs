//! Which servers a connection trusts, and what a step says when a server's TLS is refused.

use super::Target;
use crate::failure::permanent;
use forebay_contract::connection::ServerTrust;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_tls::{Trusted, Untrusted};
use rustls::ClientConfig;
use std::error::Error;
use std::io;

/// What a certificate must be that `trust` names.
///
/// # Errors
/// `Connection`: no authority in it can be read.
pub(super) fn client_config(target: &Target<'_>, trust: &ServerTrust) -> Result<ClientConfig, ExecutionError> {
    let trusted = match trust {
        ServerTrust::Machine => Trusted::ByMachine,
        ServerTrust::Authority(authorities) => Trusted::ByAuthorities(authorities),
        ServerTrust::Certificate(sha256) => Trusted::Certificate(sha256),
    };
    trusted.client_config().map_err(|error| permanent(ErrorCode::Connection, format!("{target}: {error}")))
}

/// What to do about a certificate that is not trusted.
pub(super) fn advice(target: &Target<'_>, untrusted: &Untrusted) -> String {
    format!(
        "{untrusted}; if that is the right one, put it or its fingerprint into the connection '{}' as tls.certificate, or the \
         certificate of its authority as tls.authority",
        target.0.name
    )
}

/// The server's certificate is not right, or it speaks no TLS there: `in_clear` is what a connection says then.
pub(super) fn refused(target: &Target<'_>, error: &(dyn Error + 'static), in_clear: &str) -> ExecutionError {
    let why = super::cause(error);
    let message = match Untrusted::in_error(error) {
        Some(untrusted) => format!("{target}: TLS could not be begun: {}", advice(target, untrusted)),
        None if why.contains("peer certificate") => {
            format!("{target}: TLS could not be begun: {why}; it must be of the connection's host, and from an authority that is trusted")
        }
        None => format!("{target}: TLS could not be begun: {why}; where the port begins in clear text, write {in_clear}"),
    };
    permanent(ErrorCode::Unreachable, message)
}

/// Whether TLS itself went wrong and not what is below it.
pub(super) fn is_refusal(error: &(dyn Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(cause) = error {
        if cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::InvalidData) {
            return true;
        }
        error = cause.source();
    }
    false
}

//! The certificates that a connection trusts, and the advice if TLS cannot be started.

use super::{Target, connector_of};
use forebay_contract::connection::{Connection, ServerTrust};
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_tls::{Remedy, TlsFailure, Trusted};
use rustls::ClientConfig;
use std::error::Error;
use std::fmt::Display;

/// Returns the TLS configuration that trusts the certificates of `trust`.
///
/// # Errors
/// `Connection`: no authority in it can be read.
pub(super) fn client_config(target: &Target<'_>, trust: &ServerTrust) -> Result<ClientConfig, ExecutionError> {
    let trusted = match trust {
        ServerTrust::Machine => Trusted::ByMachine,
        ServerTrust::Authority(authorities) => Trusted::ByAuthorities(authorities),
        ServerTrust::Certificate(sha256) => Trusted::Certificate(sha256),
    };
    config_of(target, trusted)
}

/// Returns the TLS configuration for a server other than the connection's, such as its token endpoint: a certificate belongs to one server,
/// but an authority is trusted for this one too.
pub(super) fn client_config_beside(target: &Target<'_>, trust: &ServerTrust) -> Result<ClientConfig, ExecutionError> {
    let trusted = match trust {
        ServerTrust::Authority(authorities) => Trusted::ByMachineOrAuthorities(authorities),
        ServerTrust::Machine | ServerTrust::Certificate(_) => Trusted::ByMachine,
    };
    config_of(target, trusted)
}

fn config_of(target: &Target<'_>, trusted: Trusted<'_>) -> Result<ClientConfig, ExecutionError> {
    trusted.client_config().map_err(|error| ExecutionError::permanent(ErrorCode::Connection, format!("{target}: {error}")))
}

/// The server of a failed TLS handshake.
#[derive(Clone, Copy)]
pub(super) enum Server<'a> {
    /// The server of an address in a step.
    OfUrl,
    /// The server of the connection.
    Of(&'a Connection),
    /// Another server that the connection needs, such as its token endpoint.
    Beside(&'a Connection),
}

/// Returns the failure if TLS could not be started: the reason, and the remedy. `named` is the name of the server in messages. `None`: TLS
/// was not the cause.
pub(super) fn refused(named: &impl Display, server: Server<'_>, error: &(dyn Error + 'static)) -> Option<ExecutionError> {
    let failure = TlsFailure::in_error(error)?;
    let advice = match &failure {
        TlsFailure::Certificate(untrusted) => on_certificate(server, untrusted.remedy()),
        TlsFailure::NotTls => format!("where the port begins in clear text, write {}", in_clear(server)),
        TlsFailure::Refused(_) | TlsFailure::NothingInCommon | TlsFailure::Broken => "its log may say more".to_owned(),
    };
    let message = format!("{named}: TLS could not be begun: {failure}; {advice}");
    Some(match failure {
        TlsFailure::Certificate(_) => ExecutionError::permanent(ErrorCode::Unreachable, message),
        // A load balancer answers like this while the server behind it is away.
        TlsFailure::NotTls | TlsFailure::Refused(_) | TlsFailure::NothingInCommon | TlsFailure::Broken => {
            ExecutionError::transient(ErrorCode::Unreachable, message)
        }
    })
}

fn on_certificate(server: Server<'_>, remedy: Remedy) -> String {
    let mend = match remedy {
        Remedy::Trust => "",
        Remedy::Name => "write the address with a name of the certificate",
        Remedy::Renew => "give the server one that is valid today, and look at the clock of this machine",
        Remedy::Replace => "give the server another one",
    };
    let (connection, takes_certificate) = match server {
        Server::OfUrl if remedy == Remedy::Trust => {
            return "a connection can name the certificate that is trusted (tls.certificate, tls.authority)".to_owned();
        }
        Server::OfUrl => return mend.to_owned(),
        Server::Of(connection) => (connection, connector_of(&connection.kind).tls_advice().takes_certificate),
        Server::Beside(connection) => (connection, false),
    };
    let name = &connection.name;
    match (remedy, takes_certificate) {
        (Remedy::Trust, true) => format!(
            "if that is the right one, put it or its fingerprint into the connection '{name}' as tls.certificate, or the certificate of \
             its authority as tls.authority"
        ),
        (Remedy::Trust, false) => {
            format!("if that is the right one, put the certificate of its authority into the connection '{name}' as tls.authority")
        }
        (_, true) => format!(
            "{mend}; or, if that is the right one, put it or its fingerprint into the connection '{name}' as tls.certificate, which is \
             trusted whatever its name and its dates are"
        ),
        (_, false) => mend.to_owned(),
    }
}

/// Returns the setting for a server without TLS, or without TLS from the first byte.
fn in_clear(server: Server<'_>) -> &'static str {
    match server {
        Server::OfUrl => "`http://`",
        Server::Of(connection) | Server::Beside(connection) => connector_of(&connection.kind).tls_advice().in_clear,
    }
}

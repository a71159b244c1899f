//! TCP connections to remote systems, to permitted addresses only.

use super::{Reach, Target};
use forebay_contract::connection::CONNECT_TIMEOUT;
use forebay_contract::format_duration;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_tls::TlsFailure;
use std::error::Error;
use tokio::net::TcpStream;

/// Connects to the first address of the host that answers, within [`CONNECT_TIMEOUT`] in total.
///
/// # Errors
/// `Unreachable`, with the error of the last address.
pub(super) async fn dial(reach: &Reach, target: &Target<'_>, host: &str, port: u16) -> Result<TcpStream, ExecutionError> {
    let connect = async {
        let mut last = String::new();
        for address in reach.resolve(host, port).await.map_err(|error| target.at(error))? {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    // Messages are small requests and responses: waiting to fill a packet only delays them.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(error) => last = format!("{}: {error}", address.ip()),
            }
        }
        Err(ExecutionError::transient(ErrorCode::Unreachable, format!("{target} could not be reached at {last}")))
    };
    let too_slow = || {
        ExecutionError::transient(
            ErrorCode::Unreachable,
            format!("{target} could not be reached within {}", format_duration(CONNECT_TIMEOUT)),
        )
    };
    tokio::time::timeout(CONNECT_TIMEOUT, connect).await.unwrap_or_else(|_| Err(too_slow()))
}

/// Returns the innermost cause, which is the most specific: the outer errors are layers of a client.
pub(crate) fn cause(error: &(dyn Error + 'static)) -> String {
    if let Some(failure) = TlsFailure::in_error(error) {
        return failure.to_string();
    }
    forebay_contract::error_chain(error).last().unwrap_or(error).to_string()
}

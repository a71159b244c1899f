//! TCP connections to remote systems, to permitted addresses only.

use super::{Reach, Target};
use forebay_contract::connection::CONNECT_TIMEOUT;
use forebay_contract::format_duration;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_tls::TlsFailure;
use std::error::Error;
use tokio::net::TcpStream;

/// Connects to the first of the host's addresses that answers, all within [`CONNECT_TIMEOUT`].
///
/// # Errors
/// `Unreachable`, with what the last address said.
pub(super) async fn dial(reach: &Reach, target: &Target<'_>, host: &str, port: u16) -> Result<TcpStream, ExecutionError> {
    let connect = async {
        let mut last = String::new();
        for address in reach.resolve(host, port).await.map_err(|error| target.at(error))? {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    // Small messages back and forth: waiting to fill a packet helps nobody.
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

/// The innermost cause: it says most, and what is around it are layers of a client.
pub(crate) fn cause(error: &(dyn Error + 'static)) -> String {
    if let Some(failure) = TlsFailure::in_error(error) {
        return failure.to_string();
    }
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

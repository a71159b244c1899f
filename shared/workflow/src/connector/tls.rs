//! What a step says when a server's TLS is refused.

use super::Target;
use crate::failure::permanent;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use std::error::Error;
use std::io;

/// The server's certificate is not right, or it speaks no TLS there: `in_clear` is what a connection says then.
pub(super) fn refused(target: &Target<'_>, why: &str, in_clear: &str) -> ExecutionError {
    let advice = if why.starts_with("invalid peer certificate") {
        "it must be of the connection's host, and from an authority that this machine trusts".to_owned()
    } else {
        format!("where the port begins in clear text, write {in_clear}")
    };
    permanent(ErrorCode::Unreachable, format!("{target}: TLS could not be begun: {why}; {advice}"))
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

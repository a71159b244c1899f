//! Calls that anybody may make.

use super::{Caller, Check, Credential, Head};
use crate::problem::Problem;
use forebay_contract::authentication::Open;

impl Check for Open {
    fn check_head(&self, head: Head<'_>) -> Result<Caller, Problem> {
        Ok(Caller::Known(head.access(Credential::Open)))
    }

    /// Anybody may call, so anybody may learn that there is something to call.
    fn check_hidden(&self, _: Head<'_>, _: &str) -> Result<(), Problem> {
        Ok(())
    }
}

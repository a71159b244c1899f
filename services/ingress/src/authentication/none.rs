//! Calls that anybody may make.

use super::access::{Caller, Check, Credential, Head};
use crate::problem::Problem;
use forebay_contract::authentication::Open;

impl Check for Open {
    fn check_head(&self, head: Head<'_>) -> Result<Caller, Problem> {
        Ok(Caller::Known(head.access(Credential::Open)))
    }

    /// Everybody may call the endpoint, so everybody may learn that it exists.
    fn check_hidden(&self, _: Head<'_>, _: &str) -> Result<(), Problem> {
        Ok(())
    }
}

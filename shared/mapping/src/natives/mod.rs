//! The functions that Forebay has on top of jq's, for the work of integrations. All are pure but `uuid`; all answer to the meter.

mod arguments;
mod digests;
mod encodings;
mod formats;
mod numbers;
mod tables;
mod times;

use jaq_core::RunPtr;
use jaq_core::native::Filter;

use super::program::Metered;

type Function = Filter<RunPtr<Metered>>;

/// Natives whose result is another each time, with their number of arguments.
pub(super) const NOT_DETERMINISTIC: &[(&str, usize)] = &[("uuid", 0), ("now", 0)];

/// Name, arguments and code of each.
pub(super) fn functions() -> impl Iterator<Item = Function> {
    let functions =
        [formats::functions(), encodings::functions(), digests::functions(), numbers::functions(), tables::functions(), times::functions()];
    functions.into_iter().flatten()
}

//! The functions that Forebay adds to those of jq. All are pure except `uuid`; all call the meter.

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

/// Natives with a different result each time, with their number of arguments.
pub(super) const NOT_DETERMINISTIC: &[(&str, usize)] = &[("uuid", 0), ("now", 0)];

/// Returns name, arguments and code of each.
pub(super) fn functions() -> impl Iterator<Item = Function> {
    let functions =
        [formats::functions(), encodings::functions(), digests::functions(), numbers::functions(), tables::functions(), times::functions()];
    functions.into_iter().flatten()
}

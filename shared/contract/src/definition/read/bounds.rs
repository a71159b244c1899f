//! Bounds of durations.

use std::time::Duration;

pub(in crate::definition) const MILLISECOND: Duration = Duration::from_millis(1);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

//! The bound on calls under way in this process.

use crate::problem::Problem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts calls from their admission to their answer.
#[derive(Clone)]
pub(crate) struct InFlight {
    now: Arc<AtomicUsize>,
    most: usize,
}

/// One call under way; dropping it, by an answer or a caller who hangs up, makes room.
pub(crate) struct Entered(Arc<AtomicUsize>);

impl InFlight {
    pub(crate) fn new(most: usize) -> Self {
        Self { now: Arc::default(), most }
    }

    pub(crate) fn enter(&self) -> Result<Entered, Problem> {
        let entered = Entered(self.now.clone());
        if self.now.fetch_add(1, Ordering::AcqRel) >= self.most {
            return Err(Problem::too_many(self.most));
        }
        Ok(entered)
    }

    pub(crate) fn now(&self) -> usize {
        self.now.load(Ordering::Acquire)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_makes_room() {
        let in_flight = InFlight::new(1);
        let first = in_flight.enter().unwrap();
        assert!(in_flight.enter().is_err());
        assert_eq!(in_flight.now(), 1);
        drop(first);
        assert!(in_flight.enter().is_ok());
    }
}

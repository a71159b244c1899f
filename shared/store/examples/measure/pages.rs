//! What a page of the console waits for: one line a query, and which are too slow.

use std::future::Future;
use std::time::{Duration, Instant};

/// What 95 of 100 queries have to keep to.
const BOUND: Duration = Duration::from_millis(200);

/// The queries that were measured.
#[derive(Default)]
pub(crate) struct Pages {
    slowest: Vec<(Duration, String)>,
}

impl Pages {
    /// Asks so many times; the query tells how many rows it found.
    pub(crate) async fn ask<E, F>(&mut self, what: &str, rounds: usize, query: impl Fn() -> F) -> Result<(), E>
    where
        F: Future<Output = Result<usize, E>>,
    {
        let (mut durations, mut rows) = (Vec::with_capacity(rounds), 0);
        for _ in 0..rounds {
            let began = Instant::now();
            rows = query().await?;
            durations.push(began.elapsed());
        }
        durations.sort_unstable();
        let at = |share: usize| durations[(durations.len() - 1) * share / 100];
        let mark = if at(95) > BOUND { "  TOO SLOW" } else { "" };
        println!("{what} ({rows}): p50 {:.2?}, p95 {:.2?}{mark}", at(50), at(95));
        self.slowest.push((at(95), what.to_owned()));
        Ok(())
    }

    /// Says how many kept to the bound.
    pub(crate) fn conclude(mut self) {
        self.slowest.sort_unstable();
        let over = self.slowest.iter().filter(|(duration, _)| *duration > BOUND).count();
        println!("{} queries of pages, {over} of them over {BOUND:?} p95; the slowest:", self.slowest.len());
        for (duration, what) in self.slowest.iter().rev().take(5) {
            println!("    {duration:.2?} {what}");
        }
    }
}

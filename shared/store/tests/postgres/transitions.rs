//! Which record of an execution stays, for every pair of states.

use crate::database::with_store;
use crate::samples::{Sample, error};
use forebay_contract::outcome::ExecutionStatus::{self, Expired, Failed, Queued, Running, Succeeded};
use forebay_store::{Record, Store};
use std::fmt::Write;

/// By the status of the stored record, the new ones that replace it: of an earlier attempt, of the same one, of a later one, and, whatever
/// the attempt, of an execution that was abandoned.
const TABLE: [(ExecutionStatus, [&[ExecutionStatus]; 4]); 5] = [
    (Queued, [&[], &ExecutionStatus::ALL, &ExecutionStatus::ALL, &[Failed]]),
    (Running, [&[], &ExecutionStatus::ALL, &ExecutionStatus::ALL, &[Failed]]),
    (Expired, [&[], &[Expired, Failed, Succeeded], &ExecutionStatus::ALL, &[]]),
    (Failed, [&[], &[Failed, Succeeded], &ExecutionStatus::ALL, &[]]),
    (Succeeded, [&[], &[], &[], &[]]),
];
const STORED_ATTEMPTS: i32 = 2;

struct Pair {
    stored: Record,
    new: Record,
    /// True if the new one stays.
    replaces: bool,
}

fn pairs(sample: &Sample) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (before, replaced_by) in TABLE {
        for after in ExecutionStatus::ALL {
            let id = sample.id();
            let record = |status, attempts| {
                let error = matches!(status, Failed).then(|| error("no"));
                Record { status, attempts, error, response_status: None, ..sample.record(id) }
            };
            for (attempts, replaced_by) in (1..).zip(&replaced_by[..3]) {
                let execution_id = sample.id();
                let stored = Record { execution_id, ..record(before, STORED_ATTEMPTS) };
                let new = Record { execution_id, ..record(after, attempts) };
                pairs.push(Pair { stored, new, replaces: replaced_by.contains(&after) });
            }
            // Only a failure is recorded as abandoned.
            if after == Failed {
                let stored = record(before, STORED_ATTEMPTS);
                let new = Record { is_abandoned: true, ..record(after, 1) };
                pairs.push(Pair { stored, new, replaces: replaced_by[3].contains(&after) });
            }
        }
    }
    pairs
}

/// The pairs whose stored row is not the one of the table.
async fn wrong(store: &Store, pairs: &[Pair]) -> String {
    let mut wrong = String::new();
    for Pair { stored, new, replaces } in pairs {
        let row = store.execution_detail(&stored.execution_id).await.unwrap().unwrap().row;
        let stays = if *replaces { new } else { stored };
        let attempts = stays.attempts.max(if *replaces { stored.attempts } else { 0 });
        if (row.status, row.attempts) != (stays.status, attempts) {
            let (before, after, attempt) = (stored.status, new.status, new.attempts);
            let _ =
                writeln!(wrong, "{before}, then {after} of attempt {attempt} ({}): {} of {}", new.is_abandoned, row.status, row.attempts);
        }
    }
    wrong
}

#[tokio::test]
async fn every_pair_of_states_leaves_the_one_that_the_table_names_and_the_writer_is_told() {
    with_store(|store, _| async move {
        let sample = Sample::make(&store, "t/n").await;
        let pairs = pairs(&sample);
        assert_eq!(pairs.len(), 80);
        let before: Vec<Record> = pairs.iter().map(|pair| pair.stored.clone()).collect();
        let after: Vec<Record> = pairs.iter().map(|pair| pair.new.clone()).collect();
        assert!(store.record(&before).await.unwrap().iter().all(|is_stored| *is_stored));
        let expected: Vec<bool> = pairs.iter().map(|pair| pair.replaces).collect();
        assert_eq!(store.record(&after).await.unwrap(), expected);
        assert_eq!(wrong(&store, &pairs).await, "");
    })
    .await;
}

#[tokio::test]
async fn the_same_rule_holds_within_a_batch() {
    with_store(|store, _| async move {
        let sample = Sample::make(&store, "t/n").await;
        let pairs = pairs(&sample);
        let batch: Vec<Record> = pairs.iter().flat_map(|pair| [pair.stored.clone(), pair.new.clone()]).collect();
        let expected: Vec<bool> = pairs.iter().flat_map(|pair| [!pair.replaces, pair.replaces]).collect();
        assert_eq!(store.record(&batch).await.unwrap(), expected);
        for Pair { stored, new, replaces } in &pairs {
            let row = store.execution_detail(&stored.execution_id).await.unwrap().unwrap().row;
            assert_eq!(row.status, if *replaces { new.status } else { stored.status });
        }
    })
    .await;
}

#[tokio::test]
async fn a_trigger_is_not_halted_at_an_execution_that_has_succeeded_meanwhile() {
    with_store(|store, _| async move {
        let sample = Sample::make(&store, "t/n").await;
        let (failed, succeeded) = (sample.id(), sample.id());
        store.record(&[sample.failed_record(failed), sample.record(succeeded)]).await.unwrap();
        assert!(!store.halt_trigger(sample.integration.id, &succeeded, &error("late")).await.unwrap());
        assert!(store.halt_trigger(sample.integration.id, &failed, &error("no")).await.unwrap());
        assert!(store.has_begun(&failed).await.unwrap());
        assert!(!store.has_begun(&sample.id()).await.unwrap());
    })
    .await;
}

//! Limits of one execution, and isolation: exceeding them ends only this execution.

mod support;

use forebay_contract::outcome::{ErrorCode, StepStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::*;

#[global_allocator]
static ALLOCATOR: forebay_fairness::CountingAllocator = forebay_fairness::CountingAllocator::system();

/// A mapping of some tens of milliseconds in a debug build: far beyond the first try, far below the full limit.
const SLOW: &str = "last(range(30000)) + 1";

#[tokio::test]
async fn a_mapping_that_outgrows_its_try_gets_its_full_budget_elsewhere() {
    let program = program(&format!("steps: [{{ id: a, set: '{SLOW}' }}]"));
    let engine = engine();
    for _ in 0..3 {
        assert_eq!(text(engine.run(&program, &envelope("{}"), once()).await), "30000");
    }
}

/// All executions share one thread, and the hostile tenant would hold the slow threads for longer than the other one waits.
#[tokio::test]
async fn endless_mappings_of_one_tenant_do_not_hold_up_another() {
    let engine = engine_with(|options| options.mapping_time = LONG * 5);
    let hostile = Arc::new(program("steps: [{ id: a, set: 'def f: f; f' }]"));
    let execution = within(LONG * 5);
    let hostile_runs: Vec<_> = (0..20)
        .map(|_| {
            let (engine, hostile, execution) = (engine.clone(), hostile.clone(), execution.clone());
            tokio::spawn(async move { error(engine.run(&hostile, &envelope("{}"), execution).await) })
        })
        .collect();
    tokio::task::yield_now().await;
    let mut other = envelope("{}");
    other.tenant = "other".parse().unwrap();
    for (mapping, expected) in [("1", "1"), (SLOW, "30000")] {
        let program = program(&format!("steps: [{{ id: a, set: '{mapping}' }}]"));
        assert_eq!(text(engine.run(&program, &other, once()).await), expected);
    }
    execution.cancel.cancel();
    for run in hostile_runs {
        let error = run.await.unwrap();
        assert_eq!((error.code, error.step.as_deref()), (ErrorCode::Crashed, Some("a")), "{error}");
    }
    // Withdrawn runs leave their threads, and those that waited never start.
    let slow = program(&format!("steps: [{{ id: a, set: '{SLOW}' }}]"));
    assert_eq!(text(engine.run(&slow, &envelope("{}"), once()).await), "30000");
}

#[tokio::test]
async fn the_outputs_of_an_execution_are_bounded_together() {
    let engine = engine_with(|options| options.context_memory = 1024 * 1024);
    let rest = "
input: '\"x\" * 400000'
steps:
  - { id: one, set: '\"y\" * 400000' }
  - { id: two, set: '\"z\" * 400000' }
  - { id: three, set: '1' }
";
    let run = engine.run(&program(rest), &envelope("{}"), once()).await;
    assert_eq!(run.steps.iter().map(|step| step.status).collect::<Vec<_>>(), [StepStatus::Succeeded, StepStatus::Failed]);
    let error = error(run);
    assert_eq!((error.code, error.step.as_deref(), error.transient), (ErrorCode::Limit, Some("two"), false));
    assert!(error.message.contains("1 MiB"), "{error}");
}

#[tokio::test]
async fn a_body_that_was_accepted_is_no_output_and_costs_none_of_their_memory() {
    let engine = engine_with(|options| options.context_memory = 1024);
    let body = format!("\"{}\"", "x".repeat(100_000));
    let run = engine.run(&program("steps: [{ id: a, set: '.input | length' }]"), &envelope(&body), once()).await;
    assert_eq!(text(run), "100000");
}

#[tokio::test]
async fn a_mapping_s_memory_is_bounded() {
    let engine = engine_with(|options| options.mapping_memory = 1024 * 1024);
    for mapping in ["[range(1000000)]", "\"x\" * 2000000", "reduce range(40) as $i ([1]; [., .])"] {
        let run = engine.run(&program(&format!("steps: [{{ id: a, set: '{mapping}' }}]")), &envelope("{}"), once()).await;
        let error = error(run);
        assert_eq!((error.code, error.transient), (ErrorCode::Limit, false), "{mapping}: {error}");
    }
}

#[tokio::test]
async fn the_deepest_output_ends_the_execution_and_not_the_process() {
    for (mapping, levels) in [("reduce range(1021) as $i (1; [.])", 1021), ("reduce range(1024) as $i (1; [.])", 0), ("def f: [f]; f", 0)] {
        let run = run(&format!("diagnostics: {{ steps: true }}\nsteps: [{{ id: a, set: '{mapping}' }}]"), "{}").await;
        match levels {
            0 => assert_eq!(error(run).code, ErrorCode::Limit, "{mapping}"),
            levels => assert_eq!(text(run).matches('[').count(), levels),
        }
    }
}

#[tokio::test]
async fn the_deadline_is_kept_between_and_within_steps() {
    let steps: Vec<_> = (0..200).map(|index| format!("  - {{ id: s{index}, set: 'last(range(3000))' }}")).collect();
    let program = program(&format!("steps:\n{}\n", steps.join("\n")));
    let started = Instant::now();
    let run = engine().run(&program, &envelope("{}"), within(Duration::from_millis(50))).await;
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert!(run.steps.len() < 200);
    assert_eq!(run.steps.last().unwrap().status, StepStatus::Failed);
    let error = error(run);
    assert_eq!((error.code, error.transient), (ErrorCode::Timeout, true), "{error}");
    assert!(error.message.contains("deadline") && error.step.is_some(), "{error}");
}

#[tokio::test]
async fn a_cancelled_execution_starts_no_step() {
    let execution = once();
    execution.cancel.cancel();
    let run = engine().run(&program("steps: [{ id: a, set: '1' }]"), &envelope("{}"), execution).await;
    assert_eq!(run.steps, []);
    let error = error(run);
    assert_eq!((error.code, error.step, error.transient), (ErrorCode::Crashed, None, true));
}

#[tokio::test]
async fn a_set_step_keeps_its_own_timeout() {
    let started = Instant::now();
    let error = error(run("steps: [{ id: a, timeout: 50ms, set: 'def f: f; f' }]", "{}").await);
    assert_eq!((error.code, error.step.as_deref(), error.transient), (ErrorCode::Timeout, Some("a"), false));
    assert!(error.message.contains("timeout of 50ms"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_panic_ends_its_own_execution_with_the_steps_so_far() {
    let engine = engine_with(|options| options.inject = Some(Arc::new(|| panic!("a defect"))));
    let rest = "steps: [{ id: fine, set: '1' }, { id: bad, http: { url: 'http://127.0.0.1:1/' } }]";
    let run = engine.run(&program(rest), &envelope("{}"), once()).await;
    assert_eq!(run.steps.iter().map(|step| step.status).collect::<Vec<_>>(), [StepStatus::Succeeded, StepStatus::Failed]);
    let failed = error(run);
    assert_eq!((failed.code, failed.step.as_deref(), failed.transient), (ErrorCode::Internal, Some("bad"), false));
    assert_eq!(text(engine.run(&program("steps: [{ id: a, set: '1' }]"), &envelope("{}"), once()).await), "1");
}

#[tokio::test]
async fn kept_outputs_are_bounded_too() {
    let large = "\"x\" * 9000000";
    let rest =
        format!("diagnostics: {{ steps: true }}\nsteps: [{{ id: a, set: '{large}' }}, {{ id: b, set: '{large}' }}, {{ id: c, set: '1' }}]");
    let run = run(&rest, "{}").await;
    let kept: Vec<_> = run.steps.iter().map(|step| step.output.as_ref().unwrap().to_string()).collect();
    assert_eq!((kept[0].len(), kept[2].as_str()), (9_000_002, "1"));
    assert!(kept[1].contains("not kept"), "{}", &kept[1][..40]);
}

use super::{Rule, check, latencies};
use crate::history::{Answer, Attempt, Call, Effect, History, Kind, Micros, Recorded, Recovery, Stage, State, Window};

const MS: Micros = 1000;

/// Builds a history call by call; everything ends well unless a test changes it.
struct Builder(History);

impl Builder {
    fn new() -> Self {
        Self(History::default())
    }

    fn call(&mut self, kind: Kind, integration: &str, attempts: &[(Micros, Answer)]) -> usize {
        let n = self.0.calls.iter().filter(|call| call.integration == integration).count() as u64;
        let attempt = |(sent, answer): &(Micros, Answer)| Attempt { sent: *sent, answered: sent + 10 * MS, answer: answer.clone() };
        let attempts = attempts.iter().map(attempt).collect();
        self.0.calls.push(Call { tenant: "t".to_owned(), integration: integration.to_owned(), kind, n, is_quiet: true, attempts });
        self.0.calls.len() - 1
    }

    fn effect(&mut self, call: usize, stage: Stage, at: Micros, execution: &str) {
        let integration = self.0.calls[call].integration.clone();
        self.0.effects.push(Effect { at, tenant: "t".to_owned(), integration, call, stage, execution: execution.to_owned() });
    }

    fn record(&mut self, integration: &str, execution: &str, status: &str, error: &str) {
        let [id, tenant, integration, status, error] = [execution, "t", integration, status, error].map(str::to_owned);
        self.0.executions.push(Recorded { id, tenant, integration, status, error });
    }

    /// An ordered call that was accepted, with the times of its effects.
    fn ordered(&mut self, sent: Micros, begin: Micros, end: Micros) -> usize {
        let execution = format!("e{}", self.0.calls.len());
        let call = self.call(Kind::Ordered, "line", &[(sent, accepted("line", &execution))]);
        self.effect(call, Stage::Begin, begin, &execution);
        self.effect(call, Stage::End, end, &execution);
        self.record("line", &execution, "succeeded", "");
        call
    }

    /// A synchronous call that was answered after some time.
    fn synchronous(&mut self, sent: Micros, latency: Micros) -> usize {
        let id = self.0.calls.len();
        let execution = format!("e{id}");
        let call = self.call(Kind::Synchronous, "answer", &[(sent, replied(id, &execution))]);
        self.0.calls[call].attempts[0].answered = sent + latency;
        self.effect(call, Stage::Done, sent + latency / 2, &execution);
        self.record("answer", &execution, "succeeded", "");
        call
    }

    fn window(&mut self, state: State, begin: Micros, end: Micros) {
        self.0.windows.push(Window { state, begin, end });
    }

    fn rules(&self) -> Vec<(Rule, Vec<usize>)> {
        check(&self.0).into_iter().map(|violation| (violation.rule, violation.calls)).collect()
    }
}

fn accepted(integration: &str, execution: &str) -> Answer {
    Answer::Accepted { execution: execution.to_owned(), location: format!("/t/{integration}/executions/{execution}") }
}

fn replied(call: usize, execution: &str) -> Answer {
    Answer::Replied { execution: execution.to_owned(), call: Some(call), tenant: "t".to_owned() }
}

fn refused() -> Answer {
    Answer::Refused { status: 503, text: "away".to_owned() }
}

fn unknown() -> Answer {
    Answer::Unknown { text: "no answer".to_owned() }
}

#[test]
fn a_clean_history_has_no_violation() {
    let mut builder = Builder::new();
    for n in 0..5 {
        builder.ordered(n * 100, n * 1000 + 1, n * 1000 + 500);
        builder.synchronous(n * 1000, 20 * MS);
    }
    let failing = builder.call(Kind::Failing, "failing", &[(5, accepted("failing", "f"))]);
    builder.record("failing", "f", "failed", "mapping: no number");
    builder.call(Kind::Malformed, "strict", &[(6, Answer::Refused { status: 400, text: "malformed".to_owned() })]);
    builder.call(Kind::Flood, "echo", &[(7, accepted("echo", "g"))]);
    builder.record("echo", "g", "succeeded", "");
    assert_eq!((builder.rules(), failing), (vec![], 10));
}

#[test]
fn effects_that_a_woken_worker_repeats_are_no_violation() {
    let mut builder = Builder::new();
    let (first, second) = (builder.ordered(0, 10, 20), builder.ordered(1, 30, 40));
    builder.effect(first, Stage::Begin, 35, "e0");
    builder.effect(first, Stage::End, 50, "e0");
    builder.effect(second, Stage::Begin, 60, "e1");
    assert_eq!(builder.rules(), []);
}

#[test]
fn a_call_of_unknown_outcome_may_have_an_effect_or_none_at_any_time() {
    let mut builder = Builder::new();
    builder.call(Kind::Ordered, "line", &[(0, unknown())]);
    let late = builder.call(Kind::Ordered, "line", &[(1, unknown())]);
    builder.ordered(2, 30, 40);
    builder.effect(late, Stage::Begin, 50, "x");
    builder.effect(late, Stage::End, 60, "x");
    builder.record("line", "x", "succeeded", "");
    builder.call(Kind::Synchronous, "answer", &[(3, unknown())]);
    builder.record("answer", "y", "expired", "");
    builder.record("answer", "z", "failed", "crashed: its worker went away");
    assert_eq!(builder.rules(), []);
}

#[test]
fn an_accepted_call_without_its_last_effect_is_lost() {
    let mut builder = Builder::new();
    let lost = builder.call(Kind::Asynchronous, "work", &[(0, unknown()), (1, accepted("work", "e"))]);
    builder.record("work", "e", "succeeded", "");
    let ordered = builder.call(Kind::Ordered, "line", &[(0, accepted("line", "f"))]);
    builder.effect(ordered, Stage::Begin, 10, "f");
    builder.record("line", "f", "succeeded", "");
    assert_eq!(builder.rules(), [(Rule::Lost, vec![lost]), (Rule::Lost, vec![ordered])]);
}

#[test]
fn an_accepted_call_whose_execution_is_not_recorded_or_has_not_ended_is_lost() {
    let mut builder = Builder::new();
    let missing = builder.call(Kind::Flood, "echo", &[(0, accepted("echo", "e"))]);
    let running = builder.call(Kind::Asynchronous, "work", &[(0, accepted("work", "f"))]);
    builder.effect(running, Stage::Done, 10, "f");
    builder.record("work", "f", "running", "");
    assert_eq!(builder.rules(), [(Rule::Lost, vec![missing]), (Rule::Lost, vec![running])]);
}

#[test]
fn an_ordered_call_that_was_begun_and_not_ended_is_lost_whatever_its_caller_knows() {
    let mut builder = Builder::new();
    let call = builder.call(Kind::Ordered, "line", &[(0, unknown())]);
    builder.effect(call, Stage::Begin, 10, "e");
    assert_eq!(builder.rules(), [(Rule::Lost, vec![call])]);
}

#[test]
fn an_execution_that_fails_or_succeeds_against_its_purpose_has_the_wrong_status() {
    let mut builder = Builder::new();
    let failed = builder.call(Kind::Asynchronous, "work", &[(0, accepted("work", "e"))]);
    builder.effect(failed, Stage::Done, 10, "e");
    builder.record("work", "e", "failed", "remote: 500");
    let poison = builder.call(Kind::Failing, "failing", &[(0, accepted("failing", "f"))]);
    builder.record("failing", "f", "succeeded", "");
    let answered = builder.call(Kind::Synchronous, "answer", &[(0, Answer::Failed { execution: "g".to_owned(), text: String::new() })]);
    let malformed = builder.call(Kind::Malformed, "strict", &[(0, accepted("strict", "h"))]);
    builder.record("strict", "h", "failed", "");
    let (mut found, wrong) = (builder.rules(), Rule::WrongStatus);
    found.sort();
    assert_eq!(
        found,
        [(wrong, vec![failed]), (wrong, vec![poison]), (wrong, vec![answered]), (wrong, vec![malformed]), (wrong, vec![malformed])]
    );
}

#[test]
fn a_synchronous_call_that_was_answered_must_not_be_recorded_as_expired() {
    let mut builder = Builder::new();
    let call = builder.synchronous(0, 10);
    builder.0.executions[0].status = "expired".to_owned();
    assert_eq!(builder.rules(), [(Rule::WrongStatus, vec![call])]);
}

#[test]
fn an_ordered_trigger_that_begins_calls_in_another_order_is_found() {
    let mut builder = Builder::new();
    let (first, second) = (builder.ordered(0, 30, 40), builder.ordered(1, 10, 20));
    builder.ordered(2, 50, 60);
    assert_eq!(builder.rules(), [(Rule::Reordered, vec![first, second])]);
}

#[test]
fn an_ordered_trigger_that_begins_a_call_before_the_one_before_it_ended_is_found() {
    let mut builder = Builder::new();
    let (first, second) = (builder.ordered(0, 10, 40), builder.ordered(1, 20, 30));
    let third = builder.ordered(2, 35, 60);
    assert_eq!(builder.rules(), [(Rule::Overlapping, vec![first, second]), (Rule::Overlapping, vec![first, third])]);
}

#[test]
fn answers_and_effects_of_another_call_or_tenant_are_found() {
    let mut builder = Builder::new();
    let (first, second) = (builder.synchronous(0, 10), builder.synchronous(1, 10));
    builder.0.calls[first].attempts[0].answer = replied(second, "e0");
    assert_eq!(builder.rules(), [(Rule::Crossed, vec![first, second])]);
    builder.0.calls[first].attempts[0].answer = Answer::Replied { execution: "e0".to_owned(), call: Some(first), tenant: "u".to_owned() };
    assert_eq!(builder.rules(), [(Rule::Crossed, vec![first, first])]);

    let mut builder = Builder::new();
    let call = builder.ordered(0, 10, 20);
    builder.0.calls[call].attempts[0].answer =
        Answer::Accepted { execution: "e0".to_owned(), location: "/u/line/executions/e0".to_owned() };
    assert_eq!(builder.rules(), [(Rule::Crossed, vec![call])]);

    let mut builder = Builder::new();
    let (first, second) = (builder.ordered(0, 10, 20), builder.ordered(1, 30, 40));
    builder.effect(second, Stage::End, 50, "e0");
    assert_eq!(builder.rules(), [(Rule::Crossed, vec![second, first]), (Rule::Duplicated, vec![second])]);

    let mut builder = Builder::new();
    let call = builder.ordered(0, 10, 20);
    builder.0.effects[1].tenant = "u".to_owned();
    assert_eq!(builder.rules(), [(Rule::Crossed, vec![call])]);
}

#[test]
fn a_key_that_leads_to_two_executions_is_found() {
    let mut builder = Builder::new();
    let call = builder.call(Kind::Asynchronous, "once", &[(0, accepted("once", "e")), (9, accepted("once", "f"))]);
    builder.effect(call, Stage::Done, 10, "e");
    builder.record("once", "e", "succeeded", "");
    builder.record("once", "f", "succeeded", "");
    assert_eq!(builder.rules(), [(Rule::Duplicated, vec![call])]);
}

#[test]
fn a_call_that_was_refused_for_certain_and_executed_is_found() {
    let mut builder = Builder::new();
    let call = builder.call(Kind::Asynchronous, "work", &[(0, refused())]);
    builder.effect(call, Stage::Done, 10, "e");
    builder.record("work", "e", "succeeded", "");
    assert_eq!(builder.rules(), [(Rule::ExecutedAfterRefusal, vec![call])]);
}

/// Calm windows with answers after 20 ms, and a noise during which they take `latency`.
fn noisy(latency: Micros) -> Builder {
    let mut builder = Builder::new();
    for n in 0..200 {
        builder.synchronous(n * 5 * MS, 20 * MS);
        builder.synchronous(2000 * MS + n * 5 * MS, if n > 190 { latency } else { 20 * MS });
    }
    builder.window(State::Calm, 0, 1100 * MS);
    builder.window(State::Noisy("hangs"), 2000 * MS, 3000 * MS);
    builder
}

#[test]
fn a_noise_that_makes_the_others_slow_is_unfair_and_one_within_the_bound_is_not() {
    assert_eq!(noisy(25 * MS).rules(), []);
    assert_eq!(noisy(165 * MS).rules(), []);
    assert_eq!(noisy(175 * MS).rules(), [(Rule::Unfair, vec![])]);
    let names: Vec<(String, usize, Micros)> = latencies(&noisy(175 * MS).0).into_iter().map(|own| (own.name, own.calls, own.p99)).collect();
    assert_eq!(names, [("calm".to_owned(), 200, 20 * MS), ("hangs".to_owned(), 200, 175 * MS)]);
}

#[test]
fn a_refusal_is_unfair_in_a_noise_a_violation_in_a_calm_window_and_nothing_in_a_fault() {
    let mut builder = noisy(20 * MS);
    builder.window(State::Faulty("kill-worker".to_owned()), 4000 * MS, 5000 * MS);
    let calm = builder.call(Kind::Asynchronous, "work", &[(500 * MS, refused())]);
    let unfair = builder.call(Kind::Asynchronous, "work", &[(2500 * MS, unknown())]);
    builder.call(Kind::Asynchronous, "work", &[(4500 * MS, refused())]);
    assert_eq!(builder.rules(), [(Rule::Unfair, vec![unfair]), (Rule::Refused, vec![calm])]);
}

#[test]
fn a_fault_after_which_calls_do_not_succeed_again_is_found() {
    let mut builder = Builder::new();
    let recovery = |recovered| Recovery { fault: "stall-broker".to_owned(), healed: 1000, recovered };
    builder.0.recoveries.push(recovery(Ok(2000)));
    assert_eq!(builder.rules(), []);
    builder.0.recoveries.push(recovery(Err("t/line has no success".to_owned())));
    assert_eq!(builder.rules(), [(Rule::NotRecovered, vec![])]);
}

use forebay_tests::{Process, Sink, Stack, eventually};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

/// A schedule whose step calls the remote system with the execution's due time.
fn definition(sink: &Sink, name: &str, schedule: &str, more: &str) -> String {
    format!(
        "
tenant: t1
name: {name}
trigger: {{ schedule: {{ {schedule} }} }}
{more}
steps: [{{ id: send, http: {{ method: POST, url: '{}/{name}', body: '{{ due: .execution.dueAt, input: .body, method: .request.method }}' }} }}]
",
        sink.address()
    )
}

/// Returns the bodies of the requests that runs have sent.
fn bodies(sink: &Sink) -> Vec<Value> {
    sink.calls().iter().map(|call| serde_json::from_str(&call.body).unwrap()).collect()
}

/// Seconds of Unix time of a due time on a whole second, such as `2026-12-01T06:00:00Z`.
fn second(due: &Value) -> i64 {
    let text = due.as_str().unwrap();
    let number = |range: std::ops::Range<usize>| text[range].parse::<i64>().unwrap();
    assert!(text.len() == 20 && text.ends_with('Z'), "{text}");
    // Days from the civil date, after Howard Hinnant's days_from_civil.
    let (year, month, day) = (number(0..4) - i64::from(number(5..7) <= 2), (number(5..7) + 9) % 12, number(8..10));
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 719_469;
    days * 86_400 + number(11..13) * 3600 + number(14..16) * 60 + number(17..19)
}

/// Returns the number of runs of each due time.
fn runs(sink: &Sink) -> BTreeMap<i64, usize> {
    let mut runs = BTreeMap::new();
    for body in bodies(sink) {
        *runs.entry(second(&body["due"])).or_default() += 1;
    }
    runs
}

async fn until_runs(sink: &Sink, count: usize) {
    eventually(&format!("{count} runs"), || async { (runs(sink).len() >= count).then_some(()) }).await;
}

/// Moves the next due time of every schedule back, as if no scheduler had run for that time.
async fn set_back(stack: &Stack, interval: &str) {
    stack
        .sql(&format!("update schedules set next_due_at = next_due_at - interval '{interval}', wake_at = wake_at - interval '{interval}'"))
        .await;
}

async fn listed(stack: &Stack) -> Value {
    stack.command_json(&["schedules", "list", "--tenant", "t1"]).await[0].clone()
}

#[tokio::test]
async fn each_due_time_runs_exactly_once_while_one_of_three_schedulers_is_killed_again_and_again() {
    let stack = Stack::new().await;
    let sink = Sink::start(Duration::ZERO).await;
    let _worker = stack.start("worker").await;
    let _steady = [stack.start("scheduler").await, stack.start("scheduler").await];
    stack.apply(&definition(&sink, "tick", "every: 1s, missed: all, input: { a: 1 }", "")).await;
    for kill in 1..=6 {
        let killed = stack.start("scheduler").await;
        until_runs(&sink, kill * 2).await;
        killed.kill().await;
    }
    let runs = runs(&sink);
    let (first, last) = (*runs.keys().next().unwrap(), *runs.keys().last().unwrap());
    assert_eq!(runs.len() as i64, last - first + 1, "no second is left out: {runs:?}");
    assert!(runs.values().all(|count| *count == 1), "one execution for each due time: {runs:?}");
    assert_eq!(bodies(&sink)[0]["input"], serde_json::json!({ "a": 1 }));
    assert_eq!(bodies(&sink)[0]["method"], "SCHEDULE");
    let executions = stack.ended("tick", runs.len()).await;
    let ids: HashSet<&str> = executions.iter().map(|execution| execution["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), executions.len());
    assert_eq!(executions[0]["trigger"], "schedule");
}

#[tokio::test]
async fn missed_runs_are_left_out_made_up_for_by_one_or_all_run() {
    for (missed, expected) in [("skip", 0), ("once", 1), ("all", 5)] {
        let stack = Stack::new().await;
        let sink = Sink::start(Duration::ZERO).await;
        // Its next due time is half a period away, so the last missed one is half a period ago.
        let half_an_hour_ago =
            stack.sql("select to_char(now() at time zone 'utc' - interval '30 minutes', '\"2020-01-01T\"HH24:MI:SS\"Z\"')").await;
        let schedule = format!("every: 1h, starting: '{}', missed: {missed}", half_an_hour_ago.trim());
        stack.apply(&definition(&sink, "late", &schedule, "")).await;
        let next = listed(&stack).await["nextDueAt"].clone();
        set_back(&stack, "5 hours").await;
        let _processes = [stack.start("worker").await, stack.start("scheduler").await];
        eventually("the schedule is at its place again", || async { (listed(&stack).await["nextDueAt"] == next).then_some(()) }).await;
        // Published runs are listed at once, before a worker has run them.
        assert_eq!(listed(&stack).await["lastDueAt"].is_null(), expected == 0, "{missed}");
        let executions = stack.ended("late", expected).await;
        assert_eq!(executions.len(), expected, "{missed}");
        let due: Vec<i64> = runs(&sink).into_keys().collect();
        let missed_times: Vec<i64> = (1..=expected as i64).rev().map(|ago| second(&next) - ago * 3600).collect();
        assert_eq!(due, missed_times, "{missed}");
    }
}

#[tokio::test]
async fn ordered_runs_never_overlap_and_each_waits_its_turn() {
    let stack = Stack::new().await;
    let sink = Sink::start(Duration::from_millis(1500)).await;
    let _processes = [stack.start("worker").await, stack.start("worker").await, stack.start("scheduler").await];
    stack.apply(&definition(&sink, "slow", "every: 1s, ordered: true", "")).await;
    until_runs(&sink, 5).await;
    // A run by hand waits as well.
    stack.command(&["schedules", "run", "t1/slow"]).await;
    eventually("more runs", || async { (sink.calls().len() >= 8).then_some(()) }).await;
    stack.ended("slow", 7).await;
    // The last one may still be running.
    let calls = &sink.calls()[..7];
    for (before, after) in calls.iter().zip(&calls[1..]) {
        assert!(before.ended > before.began && before.ended <= after.began, "two runs overlap");
    }
}

#[tokio::test]
async fn a_run_that_a_person_asks_for_starts_at_once_and_leaves_the_schedule_as_it_is() {
    let stack = Stack::new().await;
    let sink = Sink::start(Duration::ZERO).await;
    stack.apply(&definition(&sink, "yearly", "cron: '@yearly', timezone: Europe/Stockholm", "")).await;
    let _process = stack.start("dev").await;
    let before = listed(&stack).await;
    assert_eq!(before["timing"], "@yearly in Europe/Stockholm");
    let ran = stack.command_json(&["schedules", "run", "t1/yearly"]).await;
    let executions = stack.ended("yearly", 1).await;
    assert_eq!(executions[0]["id"], ran["executionId"]);
    assert_eq!(executions[0]["status"], "succeeded");
    assert_eq!(executions[0]["trigger"], "schedule");
    assert_eq!(listed(&stack).await, before);

    let (code, error) = stack.command_fails(&["schedules", "run", "t1/none"]).await;
    assert!(code == 1 && error.contains("t1/none does not exist"), "{error}");
    stack.apply(&definition(&sink, "yearly", "cron: '@yearly', timezone: Europe/Stockholm", "enabled: false")).await;
    let (_, error) = stack.command_fails(&["schedules", "run", "t1/yearly"]).await;
    assert!(error.contains("t1/yearly is disabled"), "{error}");
}

#[tokio::test]
async fn a_schedule_starts_when_it_is_enabled_and_a_changed_timing_takes_effect_at_once() {
    let stack = Stack::new().await;
    let sink = Sink::start(Duration::ZERO).await;
    let process = stack.start("dev").await;
    let apply =
        async |schedule: &str, enabled: bool| stack.apply(&definition(&sink, "tick", schedule, &format!("enabled: {enabled}"))).await;
    apply("every: 1s, missed: skip", false).await;
    // Long enough for a disabled schedule to run if it could: another one has run meanwhile.
    stack.apply(&definition(&sink, "other", "every: 1s", "")).await;
    let of = |name: &str| sink.calls().iter().filter(|call| call.path == format!("/{name}")).count();
    eventually("the other one has run", || async { (of("other") >= 3).then_some(()) }).await;
    assert_eq!(of("tick"), 0);
    assert_eq!(stack.command_json(&["schedules", "list"]).await[1]["enabled"], false);

    apply("every: 1s, missed: skip", true).await;
    eventually("it runs", || async { (of("tick") >= 2).then_some(()) }).await;
    apply("every: 1h", true).await;
    eventually("its runs have ended", || async { (stack.executions("tick").await.len() == of("tick")).then_some(()) }).await;
    let (before, others) = (of("tick"), of("other"));
    eventually("the other one goes on", || async { (of("other") >= others + 3).then_some(()) }).await;
    assert_eq!(of("tick"), before, "an hour has not gone by");

    let changed = Instant::now();
    apply("every: 1s", true).await;
    eventually("it runs again", || async { (of("tick") > before).then_some(()) }).await;
    assert!(changed.elapsed() < Duration::from_secs(5), "{:?}", changed.elapsed());
    assert!(process.metric("forebay_scheduler_published_total").await >= (of("tick") + of("other") - 2) as f64);
}

#[tokio::test]
async fn the_same_timing_keeps_its_place_when_it_is_applied_again_and_a_new_one_starts_from_now() {
    let stack = Stack::new().await;
    let sink = Sink::start(Duration::ZERO).await;
    stack.apply(&definition(&sink, "daily", "cron: '0 6 * * *', timezone: Europe/Stockholm", "")).await;
    set_back(&stack, "3 days").await;
    let placed = listed(&stack).await["nextDueAt"].clone();
    stack.apply(&definition(&sink, "daily", "cron: '0  6 * * *', timezone: Europe/Stockholm, missed: skip", "description: x")).await;
    assert_eq!(listed(&stack).await["nextDueAt"], placed);
    stack.apply(&definition(&sink, "daily", "every: 1h, starting: '2020-01-01T00:00:00Z'", "")).await;
    assert!(second(&listed(&stack).await["nextDueAt"]) > second(&placed) + 2 * 86_400, "no run of the past");
    stack.apply(&format!("tenant: t1\nname: daily\ntrigger: {{ webhook: {{}} }}\ninput: '\"{}\"'", sink.address())).await;
    assert_eq!(stack.command_json(&["schedules", "list"]).await, serde_json::json!([]));
}

#[tokio::test]
async fn due_times_are_previewed_from_a_file_and_mistakes_are_named() {
    let stack = Stack::new().await;
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/nightly-report.yaml");
    let preview = stack.command_json(&["schedules", "preview", example, "--count", "3"]).await;
    let preview = preview.as_array().unwrap();
    assert_eq!(preview.len(), 3);
    for due in preview {
        let local = due["local"].as_str().unwrap();
        assert!(local.contains("T02:30:00+0") || local.contains("T03:00:00+02:00"), "{local}");
        assert_eq!(due["timezone"], "Europe/Stockholm");
    }
    stack.command(&["apply", example, "--yes"]).await;
    let applied = stack.command_json(&["schedules", "preview", "t37ed/NightlyReport", "--count", "3"]).await;
    assert_eq!(applied.as_array().unwrap(), preview);

    let file = std::env::temp_dir().join(format!("{}.yaml", uuid::Uuid::new_v4()));
    std::fs::write(&file, "tenant: t\nname: n\ntrigger: { schedule: { cron: '61 * * * *' } }").unwrap();
    let (code, error) = stack.command_fails(&["schedules", "preview", file.to_str().unwrap()]).await;
    assert!(code == 1 && error.contains("trigger.schedule.cron: the minute '61' is not allowed: write numbers from 0 to 59"), "{error}");
    std::fs::remove_file(file).unwrap();
    let (code, error) = stack.command_fails(&["schedules", "preview", "nothing"]).await;
    assert!(code == 2 && error.contains("neither a file nor an integration"), "{error}");
}

/// A scheduler without definitions is ready, and ends at a signal.
#[tokio::test]
async fn a_scheduler_without_schedules_is_ready_and_ends_when_told_to() {
    let stack = Stack::new().await;
    let scheduler: Process = stack.start("scheduler").await;
    assert!(scheduler.terminate().await.success());
}

#[tokio::test]
async fn a_run_that_is_tried_again_by_hand_was_due_when_it_was() {
    let stack = Stack::new().await;
    let sink = Sink::start(Duration::ZERO).await;
    sink.answer_with(400);
    stack.apply(&definition(&sink, "again", "cron: '@yearly'", "")).await;
    let _worker = stack.start("worker").await;
    let run = stack.command_json(&["schedules", "run", "t1/again"]).await;
    stack.ended("again", 1).await;
    sink.answer_with(200);
    stack.command(&["executions", "retry", run["executionId"].as_str().unwrap()]).await;
    eventually("success", || async { (stack.executions("again").await[0]["status"] == "succeeded").then_some(()) }).await;
    let due: Vec<Value> = bodies(&sink).iter().map(|body| body["due"].clone()).collect();
    assert!(due.len() == 2 && due[0].is_string() && due[0] == due[1], "{due:?}");
}

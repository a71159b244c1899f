//! One database, one broker, one set of queues: processes with other ones are refused with the reason, and accept nothing.

use forebay_tests::{Process, Stack, eventually};
use lapin::options::{BasicPublishOptions, ExchangeDeclareOptions, ExchangeDeleteOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties, ExchangeKind};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

const SCHEDULE: &str = "
tenant: t1
name: nightly
trigger: { schedule: { every: 24h, starting: 2099-01-01T00:00:00Z } }
steps: [{ id: a, set: '1' }]
";
/// A definition that fails at each attempt, and halts.
const HALTS: &str = "
tenant: t1
name: halts
trigger: { webhook: { methods: [POST], authentication: none, ordered: true } }
on_failure: halt
steps: [{ id: a, set: 'error(\"no stock\")' }]
";
const FAILS: &str = "
tenant: t1
name: fails
trigger: { webhook: { methods: [POST], authentication: none } }
steps: [{ id: a, set: 'error(\"no stock\")' }]
";

/// Skips a case that needs the broker's tool. CI has it, and must not skip.
fn skip(case: &str) {
    assert!(
        std::env::var_os("CI").is_none(),
        "{case}: no rabbitmqctl reaches the broker. Set FOREBAY_SERVICES to this checkout's scripts/services"
    );
    eprintln!("skipped: {case}, since no rabbitmqctl reaches the broker");
}

/// A second broker: a virtual host of its own on the same RabbitMQ.
struct OtherBroker {
    name: String,
    url: String,
}

/// Runs this checkout's own tool if it runs the broker, otherwise that of the system.
fn rabbitmqctl(arguments: &[&str]) -> Option<String> {
    let own = std::env::var("FOREBAY_SERVICES").ok().map(|services| (services, vec!["rabbitmqctl"]));
    let tools = own.into_iter().chain([("rabbitmqctl".to_owned(), Vec::new())]);
    for (tool, first) in tools {
        let output = Command::new(tool).args(first).arg("-q").args(arguments).output();
        if let Some(output) = output.ok().filter(|output| output.status.success()) {
            return Some(String::from_utf8_lossy(&output.stdout).into_owned());
        }
    }
    None
}

impl OtherBroker {
    /// Returns `None` if the broker's tool is not available, for example if the broker runs in another container.
    fn new(stack: &Stack) -> Option<Self> {
        let name = format!("other-{}", stack.queue_prefix().trim_end_matches('.'));
        let url = stack.broker_url();
        let (scheme, rest) = url.split_once("://").unwrap();
        let authority = rest.split('/').next().unwrap();
        let user = authority.split(':').next().unwrap().to_owned();
        rabbitmqctl(&["add_vhost", &name])?;
        let other = Self { url: format!("{scheme}://{authority}/{name}"), name };
        rabbitmqctl(&["set_permissions", "-p", &other.name, &user, ".*", ".*", ".*"])?;
        Some(other)
    }

    /// Returns the queues that were declared there.
    fn queues(&self) -> String {
        rabbitmqctl(&["list_queues", "-p", &self.name, "name"]).unwrap()
    }
}

impl Drop for OtherBroker {
    fn drop(&mut self) {
        rabbitmqctl(&["delete_vhost", &self.name]);
    }
}

/// Publishes a message that is not an envelope to the shared queue of work.
async fn put(stack: &Stack) {
    let connection = Connection::connect(&stack.broker_url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let home = format!("{}work.0", stack.queue_prefix());
    let properties = BasicProperties::default().with_message_id("no-execution".into());
    channel.basic_publish("".into(), home.as_str().into(), BasicPublishOptions::default(), b"?", properties).await.unwrap().await.unwrap();
}

async fn put_unreadable(stack: &Stack) -> String {
    put(stack).await;
    eventually("the message is unreadable", || async {
        Some(stack.command_json(&["unreadable", "list"]).await[0]["id"].as_str()?.to_owned())
    })
    .await
}

/// Returns attempts of all executions, and the number of unreadable messages: values that a verb would have changed.
async fn accepted(stack: &Stack) -> (String, usize) {
    let executions = stack.sql("select count(*), coalesce(sum(attempts), 0) from executions").await;
    (executions, stack.command_json(&["unreadable", "list"]).await.as_array().unwrap().len())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_verb_says_yes_with_another_prefix_number_of_queues_or_broker() {
    let stack = Stack::new().await;
    stack.apply(&format!("{SCHEDULE}---{FAILS}")).await;
    let process = stack.start("dev").await;
    assert_eq!(stack.post(&process, "/t1/fails", "{}").await.status, 202);
    let failed = stack.ended("fails", 1).await[0]["id"].as_str().unwrap().to_owned();
    let message = put_unreadable(&stack).await;
    let verbs: [&[&str]; 6] = [
        &["schedules", "run", "t1/nightly"],
        &["executions", "retry", &failed],
        &["executions", "retry", "--tenant", "t1", "--status", "failed", "--yes"],
        &["unreadable", "list"],
        &["unreadable", "return", &message],
        &["unreadable", "discard", &message, "--yes"],
    ];
    let other = OtherBroker::new(&stack);
    let mut wrong = vec![
        (("FOREBAY_QUEUE_PREFIX", "other."), "FOREBAY_QUEUE_PREFIX is \"other.\" here"),
        (("FOREBAY_QUEUE_PREFIX", ""), "FOREBAY_QUEUE_PREFIX is \"\" here"),
        (("FOREBAY_SHARED_QUEUES", "7"), "FOREBAY_SHARED_QUEUES is 7 here, but 1"),
    ];
    match &other {
        Some(other) => wrong.push((("FOREBAY_AMQP_URL", other.url.as_str()), "is not this installation's")),
        None => skip("another broker"),
    }
    let before = accepted(&stack).await;
    for (setting, reason) in &wrong {
        for verb in verbs {
            let (code, output, error) = stack.command_ends_with(verb, &[*setting]).await;
            assert_eq!((code, output.as_str()), (1, ""), "{verb:?} with {setting:?}: {error}");
            assert!(error.contains(reason) && error.contains("adopt"), "{verb:?} with {setting:?}: {error}");
        }
        for service in ["ingress", "worker", "scheduler", "console", "dev"] {
            let listen = ["HTTP", "CONSOLE", "ADMIN"].map(|name| (format!("FOREBAY_{name}_LISTEN"), "127.0.0.1:0"));
            let mut settings: Vec<(&str, &str)> = listen.iter().map(|(name, value)| (name.as_str(), *value)).collect();
            settings.push(*setting);
            let (code, _, error) = stack.command_ends_with(&[service], &settings).await;
            assert!(code == 1 && error.contains(reason), "{service} with {setting:?}: {code} {error}");
        }
    }
    assert_eq!(accepted(&stack).await, before, "nothing was accepted");
    if let Some(other) = &other {
        assert_eq!(other.queues().trim(), "", "nothing was declared at the other broker");
    }
    // A broker that is away does not end the command.
    let (code, _, error) = stack.command_ends_with(verbs[0], &[("FOREBAY_AMQP_URL", "amqp://guest:guest@127.0.0.1:1")]).await;
    assert!(code == 5 && error.contains("127.0.0.1:1"), "{code} {error}");

    for verb in verbs {
        // The returned message is unreadable again, under another id.
        let again = eventually("the message is there", || async {
            Some(stack.command_json(&["unreadable", "list"]).await[0]["id"].as_str()?.to_owned())
        });
        let id = again.await;
        let verb: Vec<&str> = verb.iter().map(|word| if *word == message { id.as_str() } else { word }).collect();
        let (code, _, error) = stack.command_ends(&verb).await;
        assert_eq!(code, 0, "the same verb with the installation's settings, {verb:?}: {error}");
    }
    stack.ended("nightly", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_on_a_halted_trigger_needs_no_broker_and_is_effective_with_any_settings() {
    let stack = Stack::new().await;
    stack.apply(HALTS).await;
    let process = stack.start("dev").await;
    assert_eq!(stack.post(&process, "/t1/halts", "{}").await.status, 202);
    let state =
        async |condition: &str| stack.sql(&format!("select count(*) from executions where attempts {condition}")).await.trim() == "1";
    let halted = || async { (stack.command_json(&["triggers", "list"]).await[0]["state"] == "halted").then_some(()) };
    eventually("the trigger halts", halted).await;
    assert!(state("= 1").await);
    let (code, _, error) = stack.command_ends_with(&["triggers", "resume", "t1/halts"], &[("FOREBAY_QUEUE_PREFIX", "other.")]).await;
    assert_eq!(code, 0, "{error}");
    eventually("the execution runs again", || async { state("= 2").await.then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_no_service_has_started_with_has_no_broker_yet() {
    let stack = Stack::new().await;
    stack.apply(SCHEDULE).await;
    let (code, output, error) = stack.command_ends(&["schedules", "run", "t1/nightly"]).await;
    assert_eq!((code, output.as_str()), (1, ""), "{error}");
    assert!(error.contains("no broker is registered in this database"), "{error}");
    // All at once: one registers, and the others compare.
    let _all = tokio::join!(stack.start("scheduler"), stack.start("worker"), stack.start("ingress"), stack.start("console"));
    stack.command(&["schedules", "run", "t1/nightly"]).await;
    stack.ended("nightly", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn running_services_refuse_a_broker_without_the_mark_until_it_is_adopted() {
    let stack = Stack::new().await;
    stack.apply(&format!("{SCHEDULE}---{FAILS}")).await;
    let process = stack.start("dev").await;
    assert_eq!(stack.post(&process, "/t1/fails", "{}").await.status, 202);
    let token = {
        stack.command(&["users", "create", "ada", "--no-password", "--role", "administrator"]).await;
        let made = stack.command_json(&["tokens", "create", "--label", "test", "--role", "administrator", "--user", "ada"]).await;
        made["token"].as_str().unwrap().to_owned()
    };
    let run = || async {
        let url = format!("{}/api/v1/integrations/t1/nightly/run", process.console);
        stack.send(stack.http.post(url).bearer_auth(&token).header("content-type", "application/json").body("{}")).await
    };
    let answer = run().await;
    assert_eq!(answer.status / 100, 2, "{answer:?}");

    let ready = || async {
        let url = format!("{}/api/v1/monitor/queues", process.console);
        let answer = stack.send(stack.http.get(url).bearer_auth(&token)).await.json();
        answer["items"].as_array().unwrap().iter().find(|queue| queue["queue"] == format!("{}work.0", stack.queue_prefix())).unwrap()["ready"].clone()
    };
    eventually("the depth is known", || async { ready().await.is_number().then_some(()) }).await;

    // The state after the broker was emptied: it does not have the mark of the database.
    stack.sql("update installation set broker_mark = gen_random_uuid()").await;
    eventually("the depth is of another broker, so not known", || async { ready().await.is_null().then_some(()) }).await;
    let answer = run().await;
    assert_eq!((answer.status, answer.header("content-type")), (409, "application/problem+json"), "{answer:?}");
    let problem = answer.json();
    assert!(problem["type"].as_str().unwrap().ends_with("other-broker"), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("has no exchange"), "{problem}");
    eventually("the ingress accepts nothing", || async { (stack.post(&process, "/t1/fails", "{}").await.status == 503).then_some(()) })
        .await;
    assert!(stack.log_of("dev").contains("is not this installation's"), "the log says why");
    eventually("the ingress says why", || async {
        let refused = stack.post(&process, "/t1/fails", "{}").await.json();
        refused["detail"].as_str().unwrap().contains("the message broker is not the one of this installation").then_some(())
    })
    .await;
    let shown = stack.command(&["installation", "show"]).await;
    assert!(shown.contains("does not have the installation's mark\nServices with these settings do not use this broker"), "{shown}");

    let (code, _, error) = stack.command_ends(&["installation", "adopt"]).await;
    assert!(code == 2 && error.contains("--yes"), "{error}");
    let adopted = stack.command_json(&["installation", "adopt", "--yes"]).await;
    assert_eq!(adopted["here"]["isMarked"], true, "{adopted}");
    eventually("the ingress accepts again, without a restart", || async {
        (stack.post(&process, "/t1/fails", "{}").await.status == 202).then_some(())
    })
    .await;
    assert_eq!(run().await.status / 100, 2);
    stack.ended("nightly", 2).await;
    let audited = stack.command_json(&["audit", "list", "--action", "installation"]).await;
    assert_eq!(audited[0]["action"], "installation.adopt", "{audited}");
    let again = stack.command(&["installation", "adopt", "--yes"]).await;
    assert!(again.contains("already"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_leaves_no_message_in_a_queue_that_nobody_reads() {
    let stack = Stack::new().await;
    stack.apply(FAILS).await;
    let ingress = stack.start("ingress").await;
    assert_eq!(stack.post(&ingress, "/t1/fails", "{}").await.status, 202);
    ingress.terminate().await;
    let moved = format!("{}b.", stack.queue_prefix());
    let settings = [("FOREBAY_QUEUE_PREFIX", moved.as_str())];
    let adopt = ["installation", "adopt", "--yes"];
    let (code, _, error) = stack.command_ends_with(&adopt, &settings).await;
    assert!(code == 1 && error.contains("work.0 (1)"), "{error}");

    let worker = stack.start("worker").await;
    stack.ended("fails", 1).await;
    let (code, _, error) = stack.command_ends_with(&adopt, &settings).await;
    assert!(code == 1 && error.contains("1 worker runs"), "{error}");
    worker.terminate().await;
    // A worker that has ended counts as live for a few more seconds.
    eventually("the move is done", || async { (stack.command_ends_with(&adopt, &settings).await.0 == 0).then_some(()) }).await;
    let (code, _, error) = stack.command_ends(&["worker"]).await;
    assert!(code == 1 && error.contains("FOREBAY_QUEUE_PREFIX"), "the settings from before are refused: {error}");
    assert!(!is_there(&stack, &ingress_mark(&stack)).await, "the earlier mark is gone");
    stack.command_ends_with(&["installation", "adopt", "--yes"], &[]).await;
}

async fn registered_mark(stack: &Stack) -> String {
    stack.sql("select broker_mark from installation").await.trim().to_owned()
}

/// Posts until the ingress refuses; returns the number of accepted calls.
async fn accepted_until_refused(stack: &Stack, ingress: &Process) -> usize {
    let accepted = AtomicUsize::new(0);
    eventually("the ingress accepts nothing", || async {
        match stack.post(ingress, "/t1/fails", "{}").await.status {
            202 => _ = accepted.fetch_add(1, Ordering::Relaxed),
            status => return (status == 503).then_some(()),
        }
        None
    })
    .await;
    accepted.into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_an_ingress_accepts_during_a_move_are_not_left_behind() {
    let stack = Stack::new().await;
    stack.apply(FAILS).await;
    let ingress = stack.start("ingress").await;
    let (before, moved) = (registered_mark(&stack).await, format!("{}b.", stack.queue_prefix()));
    let settings = [("FOREBAY_QUEUE_PREFIX", moved.as_str())];
    let accepting = async {
        eventually("the registration changes", || async { (registered_mark(&stack).await != before).then_some(()) }).await;
        // It has not noticed the change yet.
        accepted_until_refused(&stack, &ingress).await
    };
    let adopt = stack.command_ends_with(&["installation", "adopt", "--yes"], &settings);
    let ((code, _, error), mut accepted) = tokio::join!(adopt, accepting);
    if code == 0 {
        assert_eq!(accepted, 0, "accepted, and left in queues that nobody reads: {error}");
        return;
    }
    assert!(code == 1 && error.contains(&format!("work.0 ({accepted})")), "{accepted}: {error}");
    let accepts = || async { (stack.post(&ingress, "/t1/fails", "{}").await.status == 202).then_some(()) };
    eventually("the ingress accepts again, without a restart", accepts).await;
    accepted += 1;
    let _worker = stack.start("worker").await;
    assert_eq!(stack.ended("fails", accepted).await.len(), accepted);
    let actions = stack.command_json(&["audit", "list", "--action", "installation"]).await;
    assert!(actions.as_array().unwrap().iter().all(|entry| entry["action"] == "installation.close"), "{actions}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_was_interrupted_is_checked_again_by_the_next_one() {
    let stack = Stack::new().await;
    stack.apply(FAILS).await;
    let ingress = stack.start("ingress").await;
    let (before, moved) = (registered_mark(&stack).await, format!("{}b.", stack.queue_prefix()));
    let (adopt, settings) = (["installation", "adopt", "--yes"], [("FOREBAY_QUEUE_PREFIX", moved.as_str())]);
    tokio::select! {
        ended = stack.command_ends_with(&adopt, &settings) => panic!("it ended: {ended:?}"),
        // This kills the command.
        () = eventually("the registration changes", || async { (registered_mark(&stack).await != before).then_some(()) }) => {}
    }
    accepted_until_refused(&stack, &ingress).await;
    put(&stack).await;
    let shown = stack.command_json(&["installation", "show"]).await;
    assert_eq!((&shown["here"]["isMarked"], &shown["here"]["isClosed"]), (&false.into(), &true.into()), "{shown}");
    let (code, _, error) = stack.command_ends(&["worker"]).await;
    assert!(code == 1 && error.contains("adopt"), "{error}");

    let (code, _, error) = stack.command_ends_with(&adopt, &settings).await;
    assert!(code == 1 && error.contains("work.0 ("), "{error}");
    let accepts = || async { (stack.post(&ingress, "/t1/fails", "{}").await.status == 202).then_some(()) };
    eventually("the ingress accepts again, without a restart", accepts).await;
}

/// A user of the broker with all permissions except to configure one exchange.
struct LimitedUser(String);

impl LimitedUser {
    fn new(stack: &Stack, exchange: &str) -> Option<(Self, String)> {
        let name = format!("limited-{}", stack.queue_prefix().trim_end_matches('.'));
        let url = stack.broker_url();
        let (start, rest) = url.split_once('@').unwrap();
        let (scheme, vhost) = (start.split_once("://").unwrap().0, rest.split_once('/').map_or("", |(_, vhost)| vhost));
        let vhost = if vhost.is_empty() { "/".to_owned() } else { vhost.replace("%2f", "/").replace("%2F", "/") };
        rabbitmqctl(&["add_user", &name, "secret"])?;
        let user = Self(name);
        let configure = format!("^(?!{}$)", exchange.replace('.', "\\."));
        rabbitmqctl(&["set_permissions", "-p", &vhost, &user.0, &configure, ".*", ".*"]).unwrap();
        let url = format!("{scheme}://{}:secret@{rest}", user.0);
        Some((user, url))
    }
}

impl Drop for LimitedUser {
    fn drop(&mut self) {
        rabbitmqctl(&["delete_user", &self.0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adoption_whose_earlier_mark_cannot_be_removed_is_done_with_a_warning() {
    let stack = Stack::new().await;
    stack.start("ingress").await.terminate().await;
    let mark = format!("{}installation.{}", stack.queue_prefix(), registered_mark(&stack).await);
    let Some((_user, url)) = LimitedUser::new(&stack, &mark) else {
        return skip("a broker's user who may not delete the mark");
    };
    let settings = [("FOREBAY_AMQP_URL", url.as_str()), ("FOREBAY_SHARED_QUEUES", "2")];
    let (code, output, error) = stack.command_ends_with(&["installation", "adopt", "--yes"], &settings).await;
    assert!(code == 0 && output.starts_with("adopted"), "{code} {output} {error}");
    assert!(error.contains("warning: the earlier mark could not be removed") && error.contains("ACCESS_REFUSED"), "{error}");
    assert!(is_there(&stack, &mark).await);
    stack.command_ends_with(&["installation", "adopt", "--yes"], &[]).await;
    assert_eq!(stack.command_json(&["installation", "show"]).await["sharedQueues"], 1);
    let connection = Connection::connect(&stack.broker_url(), ConnectionProperties::default()).await.unwrap();
    connection.create_channel().await.unwrap().exchange_delete(mark.into(), ExchangeDeleteOptions::default()).await.unwrap();
}

/// Returns the mark before the move, from the audit log.
fn ingress_mark(stack: &Stack) -> String {
    let query = "select before ->> 'mark' from audit where action = 'installation.adopt' order by id limit 1";
    let output = Command::new("psql").args(["-qAt", stack.database_url(), "-c", query]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn is_there(stack: &Stack, exchange: &str) -> bool {
    assert!(exchange.contains("installation."), "{exchange}");
    let connection = Connection::connect(&stack.broker_url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(exchange.into(), ExchangeKind::Fanout, passive, FieldTable::default()).await.is_ok()
}

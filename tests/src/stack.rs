//! Processes of the `forebay` command on a database and a queue prefix of their own.

use serde_json::Value;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use uuid::Uuid;

/// Maximum wait for a condition; far more than it takes, for a machine under load.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Asks repeatedly until there is an answer.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let repeated = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    // Also if one question is never answered.
    let answer = tokio::time::timeout(TIMEOUT, repeated).await;
    answer.unwrap_or_else(|_| panic!("not within {TIMEOUT:?}: {what}"))
}

/// One installation.
pub struct Stack {
    prefix: String,
    database_url: String,
    maintenance_url: String,
    database: String,
    folder: PathBuf,
    /// For calls to it.
    pub http: reqwest::Client,
}

/// One running process; killed when dropped.
pub struct Process {
    child: Child,
    /// `http://127.0.0.1:PORT` of the ingress.
    pub url: String,
    /// `http://127.0.0.1:PORT` of the console.
    pub console: String,
    admin: String,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: reqwest::header::HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// A header's value; empty when absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).ok().filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned())
}

/// Returns the path of the command.
#[must_use]
pub fn command_path() -> String {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/debug/forebay");
    setting("FOREBAY_BIN", default)
}

fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

impl Stack {
    /// A new installation with a migrated database and no process.
    pub async fn new() -> Self {
        // Built with the whole workspace, reqwest has TLS and requires a provider, though all calls here are in clear. Later calls return
        // an error, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let name = format!("t{}", Uuid::new_v4().simple());
        let server = setting("FOREBAY_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres");
        let (base, _) = server.rsplit_once('/').expect("a database URL with a path");
        let folder = std::env::temp_dir().join(&name);
        std::fs::create_dir_all(&folder).unwrap();
        let stack = Self {
            prefix: format!("{name}."),
            database_url: format!("{base}/{name}"),
            maintenance_url: server.clone(),
            database: name,
            folder,
            http: reqwest::Client::builder().pool_max_idle_per_host(1024).build().unwrap(),
        };
        stack.command(&["migrate"]).await;
        stack
    }

    fn prepare(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(command_path());
        command
            .args(arguments)
            .env("FOREBAY_AMQP_URL", setting("FOREBAY_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2f"))
            .env("FOREBAY_DATABASE_URL", &self.database_url)
            .env("FOREBAY_QUEUE_PREFIX", &self.prefix)
            .env("FOREBAY_SHARED_QUEUES", "1")
            // The remote systems of tests are on this machine.
            .env("FOREBAY_PRIVATE_ADDRESSES", "allow")
            .env("FOREBAY_LAME_DUCK", "0s")
            .env("FOREBAY_SECRET_KEY", "0123456789abcdef0123456789abcdef")
            // A variable of `scripts/services`, which is an unknown setting for the command.
            .env_remove("FOREBAY_BROKER_ROOT")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs a client verb and returns what it printed; it must succeed.
    pub async fn command(&self, arguments: &[&str]) -> String {
        let output = self.prepare(arguments).output().await.unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "forebay {arguments:?}: {}\n{error}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a client verb with `--output json`, and returns the parsed output.
    pub async fn command_json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.extend(["--output", "json"]);
        serde_json::from_str(&self.command(&all).await).unwrap()
    }

    /// Runs a client verb that must fail; returns exit code and error text.
    pub async fn command_fails(&self, arguments: &[&str]) -> (i32, String) {
        let (code, _, error) = self.command_ends(arguments).await;
        assert!(code != 0, "forebay {arguments:?} succeeded");
        (code, error)
    }

    /// Runs a client verb; returns exit code, output and error text.
    pub async fn command_ends(&self, arguments: &[&str]) -> (i32, String, String) {
        self.command_ends_with(arguments, &[]).await
    }

    /// Runs a client verb with additional settings; an empty one is removed from the environment.
    pub async fn command_ends_with(&self, arguments: &[&str], settings: &[(&str, &str)]) -> (i32, String, String) {
        let mut command = self.prepare(arguments);
        for (name, value) in settings {
            if value.is_empty() {
                command.env_remove(name)
            } else {
                command.env(name, value)
            };
        }
        let output = command.output().await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    /// Runs a client verb with a text on its standard input, and returns what it printed; it must succeed.
    pub async fn command_reads(&self, arguments: &[&str], input: &str) -> String {
        let mut child = self.prepare(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
        let output = child.wait_with_output().await.unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "forebay {arguments:?}: {}\n{error}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Writes a file into the installation's folder and returns its path.
    #[must_use]
    pub fn named_file(&self, name: &str, text: &str) -> String {
        let file = self.folder.join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    /// Writes a text into a file of the installation's folder and returns its path.
    pub fn file(&self, text: &str) -> String {
        self.named_file(&format!("{}.yaml", Uuid::new_v4()), text)
    }

    /// Applies definitions written as YAML.
    pub async fn apply(&self, yaml: &str) {
        self.command(&["apply", &self.file(yaml), "--yes"]).await;
    }

    /// Stores connections written as YAML.
    pub async fn connect(&self, yaml: &str) {
        self.command(&["connections", "apply", &self.file(yaml)]).await;
    }

    /// Starts a service (`ingress`, `worker`, `scheduler`, `dev`) and waits until it is ready.
    pub async fn start(&self, service: &str) -> Process {
        self.start_with(service, &[]).await
    }

    /// Starts a service with additional settings.
    pub async fn start_with(&self, service: &str, settings: &[(&str, &str)]) -> Process {
        loop {
            match self.try_to_start(service, [(); 3].map(|()| free_address()), settings).await {
                Ok(process) => return process,
                // Another test got the port between our check and the service's.
                Err(log) if log.contains("Address already in use") => {}
                Err(log) => panic!("{service} ended\n{log}"),
            }
        }
    }

    /// Starts a service at the addresses of calls and of health of an earlier process.
    pub async fn start_at(&self, service: &str, [http, admin]: [&str; 2], settings: &[(&str, &str)]) -> Process {
        let addresses = [http.to_owned(), free_address(), admin.to_owned()];
        self.try_to_start(service, addresses, settings).await.unwrap_or_else(|log| panic!("{service} ended\n{log}"))
    }

    /// Starts a service, or returns what it has logged until it ended.
    async fn try_to_start(&self, service: &str, [http, console, admin]: [String; 3], settings: &[(&str, &str)]) -> Result<Process, String> {
        let file = self.folder.join(format!("{service}.log"));
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&file).unwrap();
        let earlier = log.metadata().unwrap().len() as usize;
        let mut command = self.prepare(&[service]);
        command.env("FOREBAY_HTTP_LISTEN", &http).env("FOREBAY_CONSOLE_LISTEN", &console).env("FOREBAY_MANAGEMENT_LISTEN", &admin);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        command.envs(settings.iter().copied());
        let [url, console, admin] = [http, console, admin].map(|address| format!("http://{address}"));
        let mut process = Process { child: command.spawn().unwrap(), url, console, admin };
        let begun = Instant::now();
        loop {
            let answer = self.http.get(format!("{}/readyz", process.admin)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(process);
            }
            let ended = process.child.try_wait().unwrap();
            let log = || String::from_utf8_lossy(&std::fs::read(&file).unwrap()[earlier..]).into_owned();
            if ended.is_some() {
                return Err(log());
            }
            assert!(begun.elapsed() < TIMEOUT, "{service} is not ready\n{}", log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Returns the output and logs of the processes of a service.
    #[must_use]
    pub fn log_of(&self, service: &str) -> String {
        std::fs::read_to_string(self.folder.join(format!("{service}.log"))).unwrap()
    }

    /// Runs SQL directly in the installation's database; returns the rows as plain text.
    pub async fn sql(&self, statement: &str) -> String {
        let output =
            Command::new("psql").args(["-qAt", "-v", "ON_ERROR_STOP=1", &self.database_url, "-c", statement]).output().await.unwrap();
        assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Sends a request and reads the answer.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.bytes().await.unwrap().to_vec() }
    }

    /// The database's URL, which is the test's own.
    #[must_use]
    pub fn database_url(&self) -> &str {
        &self.database_url
    }

    /// Returns the prefix of the installation's queues.
    #[must_use]
    pub fn queue_prefix(&self) -> &str {
        &self.prefix
    }

    /// The broker's URL.
    #[must_use]
    pub fn broker_url(&self) -> String {
        setting("FOREBAY_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2f")
    }

    /// POSTs JSON.
    pub async fn post(&self, process: &Process, path: &str, body: &str) -> Answer {
        let request = self.http.post(format!("{}{path}", process.url)).header("content-type", "application/json");
        self.send(request.body(body.to_owned())).await
    }

    /// Executions of an integration as the command lists them.
    pub async fn executions(&self, integration: &str) -> Vec<Value> {
        let listed = self.command_json(&["executions", "list", "--integration", integration, "--limit", "10000"]).await;
        listed.as_array().unwrap().clone()
    }

    /// Waits until as many executions of an integration have ended.
    pub async fn ended(&self, integration: &str, count: usize) -> Vec<Value> {
        eventually(&format!("{count} executions of {integration} have ended"), || async {
            let mut executions = self.executions(integration).await;
            executions.retain(|execution| execution["status"] != "running");
            (executions.len() >= count).then_some(executions)
        })
        .await
    }
}

/// Deletes the installation's mark and queues: each remaining quorum queue permanently reserves file handles of the broker.
///
/// `shared`: the numbers of shared queues; `triggers`, `paused`: ids of integrations.
fn delete_queues(url: &str, prefix: &str, shared: &[String], triggers: &[String], paused: &[String], mark: &str) {
    let mut names: Vec<String> = ["dead", "outcomes", "unreadable"].map(str::to_owned).into();
    for number in shared {
        names.extend([format!("call.{number}"), format!("work.{number}")]);
        names.extend([1, 2, 5, 10, 30, 60, 120, 300, 3600, 21_600, 86_400].map(|seconds| format!("retry.{}.{number}", seconds * 1000)));
    }
    names.extend(triggers.iter().map(|id| format!("trigger.{id}")));
    names.extend(paused.iter().flat_map(|id| [format!("paused.work.{id}"), format!("paused.call.{id}")]));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let deleting = async {
        let connection = lapin::Connection::connect(url, lapin::ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        for name in names {
            channel.queue_delete(format!("{prefix}{name}").as_str().into(), lapin::options::QueueDeleteOptions::default()).await?;
        }
        if !mark.is_empty() {
            channel.exchange_delete(mark.into(), lapin::options::ExchangeDeleteOptions::default()).await?;
        }
        connection.close(200, "done".into()).await
    };
    let deleted = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), deleting).await });
    if !matches!(deleted, Ok(Ok(()))) {
        eprintln!("queues of {prefix} could not all be deleted: {deleted:?}");
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let listed = std::process::Command::new(command_path())
            .args(["triggers", "list", "--output", "json"])
            .env("FOREBAY_DATABASE_URL", &self.database_url)
            .output();
        let triggers: Value = listed.ok().and_then(|output| serde_json::from_slice(&output.stdout).ok()).unwrap_or_default();
        let triggers = triggers.as_array().map_or(&[][..], Vec::as_slice).iter();
        let ids = triggers.filter_map(|trigger| Some(trigger["integrationId"].as_str()?.to_owned())).collect::<Vec<_>>();
        let select = |statement: &str| {
            let output = std::process::Command::new("psql").args(["-qAt", &self.database_url, "-c", statement]).output();
            output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
        };
        let mark = select("select queue_prefix || 'installation.' || broker_mark from installation where broker_mark is not null");
        let shared: Vec<String> = select("select 0 union select number from tenant_queues").lines().map(str::to_owned).collect();
        let paused: Vec<String> = select("select integration_id from paused_queues").lines().map(str::to_owned).collect();
        let (url, prefix) = (setting("FOREBAY_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2f"), self.prefix.clone());
        // A thread, since this one may be running a runtime already.
        let _ = std::thread::spawn(move || delete_queues(&url, &prefix, &shared, &ids, &paused, &mark)).join();
        // Best effort: the database is named after the test, and nothing else uses it.
        let drop_database = format!("drop database if exists \"{}\" with (force)", self.database);
        let _ = std::process::Command::new("psql")
            .args(["-q", &self.maintenance_url, "-c", &drop_database])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

impl Process {
    /// Ends the process at once, as `kill -9` does.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks the process to end, as an operator's `kill` does, and waits until it has.
    pub async fn terminate(self) -> std::process::ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// Waits until the process has ended.
    pub async fn ended(mut self) -> std::process::ExitStatus {
        tokio::time::timeout(TIMEOUT, self.child.wait()).await.expect("the process ends").unwrap()
    }

    /// `127.0.0.1:PORT` of the ingress.
    #[must_use]
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// `127.0.0.1:PORT` of health and metrics.
    #[must_use]
    pub fn admin_address(&self) -> &str {
        self.admin.trim_start_matches("http://")
    }

    /// Sends the process a signal, such as `TERM` or `STOP`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Memory that the process holds, in bytes.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
    }

    /// One metric's value, summed over its labels; 0 when absent.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = reqwest::get(format!("{}/metrics", self.admin)).await.unwrap().text().await.unwrap();
        text.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

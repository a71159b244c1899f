//! The command line: verbs by clap's derive, and one flag for each setting of the table of settings.

mod alerts;
mod audit;
mod credentials;
mod definitions;
mod diagnostics;
mod executions;
mod people;

pub(crate) use alerts::Alerts;
pub(crate) use audit::Audit;
pub(crate) use credentials::{Connections, Expiry, Keys, NamedKey};
pub(crate) use definitions::{Apply, Export, Paths, Payloads, Rollback, Tenants, Try, Versions};
pub(crate) use diagnostics::Diagnostics;
pub(crate) use executions::{Executions, Retry, Tail, Unreadable};
pub(crate) use people::{Tokens, Users};

use std::collections::HashMap;
use std::ffi::OsString;

use clap::{Arg, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use forebay_contract::{IntegrationPath, Name, Secret, UnixMicros};
use forebay_runtime::settings::{self, SETTINGS, Settings, SettingsError};

use crate::output::Format;

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed (of diff: something differs), 2 wrong use, 3 not signed in or not allowed, \
                          5 away for now: try again";

/// Forebay: webhooks that are stored on RabbitMQ before their callers get a yes, and run in order where that is configured
#[derive(Debug, Parser)]
#[command(name = "forebay", version, propagate_version = true, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Form of what is printed
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
    /// Address of a console: client verbs then use its admin API, and need no database. FOREBAY_API_TOKEN holds the token, or
    /// FOREBAY_API_TOKEN_FILE names a file that does
    #[arg(long, global = true, value_name = "URL", env = "FOREBAY_API_URL", help_heading = "Settings")]
    pub(crate) api_url: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// All services in one process; creates and migrates the database first
    Dev,
    /// Accepts calls: HTTP to RabbitMQ
    Ingress,
    /// Runs workflows: RabbitMQ to outcome
    Worker,
    /// Publishes the due runs of schedules: clock to RabbitMQ
    Scheduler,
    /// Serves the web console and its admin API
    Console,
    /// Brings the tables of the database up to date
    Migrate,
    /// The broker, queue prefix and number of shared queues that every process of an installation uses
    Installation {
        #[command(subcommand)]
        command: Installation,
    },
    /// Asks a running process whether it is ready (exit 0) or not (exit 1)
    Health,
    /// Applies definitions, connections and alerts: files, or folders with *.yaml, *.yml and *.json
    Apply(Apply),
    /// Shows what `apply` would change; exit code 1 when something differs
    Diff(Paths),
    /// Checks files without any service: every problem with its file and line
    Validate(Paths),
    /// Runs a definition on an example without any service: mappings run, and requests to other systems are shown
    Try(Try),
    /// Prints the JSON Schema of definitions, connections and alerts, for editors
    Schema,
    /// Prints stored definitions as they were applied
    Export(Export),
    /// Lists the versions of an integration
    Versions(Versions),
    /// Makes an older version's definition the newest version
    Rollback(Rollback),
    /// API keys of partner systems
    Keys {
        #[command(subcommand)]
        command: Keys,
    },
    /// Tenants and their settings
    Tenants {
        #[command(subcommand)]
        command: Tenants,
    },
    /// Connections: named credentials of remote systems
    Connections {
        #[command(subcommand)]
        command: Connections,
    },
    /// Alerts: notifications when something needs attention
    Alerts {
        #[command(subcommand)]
        command: Alerts,
    },
    /// Calls an integration through the ingress
    Invoke(Invoke),
    /// The history of executions
    Executions {
        #[command(subcommand)]
        command: Executions,
    },
    /// Follows executions: one line for each as it ends
    Tail(Tail),
    /// Shows the state of the installation: throughput, failures, halted triggers, queues, workers, latest executions
    Top {
        /// Print one frame and exit; the default where the output is not a terminal
        #[arg(long)]
        once: bool,
    },
    /// Messages that no worker could read
    Unreadable {
        #[command(subcommand)]
        command: Unreadable,
    },
    /// Users of the console
    Users {
        #[command(subcommand)]
        command: Users,
    },
    /// Tokens of the admin API
    Tokens {
        #[command(subcommand)]
        command: Tokens,
    },
    /// Prints the script by which a shell completes this command, such as `source <(forebay completions bash)`
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Schedules: due times, and runs by hand
    Schedules {
        #[command(subcommand)]
        command: Schedules,
    },
    /// Diagnostics: recording everything of an integration's executions for a time
    Diagnostics {
        #[command(subcommand)]
        command: Diagnostics,
    },
    /// The audit log: who changed what, and when
    Audit {
        #[command(subcommand)]
        command: Audit,
    },
    /// Triggers, and decisions on halted ones
    Triggers {
        #[command(subcommand)]
        command: Triggers,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Invoke {
    /// The integration, such as t37ed/CreateWorkOrder
    #[arg(value_name = "TENANT/NAME")]
    pub(crate) path: IntegrationPath,
    /// The body: a text, or @FILE
    #[arg(long, value_name = "@FILE|TEXT")]
    pub(crate) data: Option<String>,
    /// Type of the body [default: application/json when it is JSON, else by the file's name, else text/plain]
    #[arg(long, value_name = "TYPE", requires = "data")]
    pub(crate) content_type: Option<String>,
    /// A query parameter; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = key_value)]
    pub(crate) query: Vec<(String, String)>,
    /// The API key; with --sign the signing key; `-` reads it from standard input
    #[arg(long, env = "FOREBAY_KEY", hide_env_values = true, allow_hyphen_values = true)]
    pub(crate) key: Option<Secret>,
    /// Signs the call as this sender does, instead of sending the key
    #[arg(long, value_name = "SENDER", value_parser = sender(), requires = "key")]
    pub(crate) sign: Option<String>,
    /// The method [default: POST with --data, else GET]
    #[arg(long, value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// Address of the ingress, such as `https://forebay.example` [default: by --http-listen]
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Installation {
    /// Shows what is registered in the database beside the settings of this command, and whether its broker is the installation's
    Show,
    /// Makes the broker, queue prefix and number of shared queues of this command's settings the installation's
    ///
    /// For a broker that has replaced the earlier one or was emptied, and for a change of FOREBAY_QUEUE_PREFIX or FOREBAY_SHARED_QUEUES: let
    /// the workers empty the queues, stop all services, adopt, start the services with the same settings. Where queues of this broker would be
    /// read no more, no service may use it for about 15 seconds, and messages in such a queue refuse the change.
    Adopt {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Schedules {
    /// Lists schedules, when each is due next, and how its last run went
    List {
        /// Of this tenant only
        #[arg(long)]
        tenant: Option<Name>,
    },
    /// Runs a schedule once, now; its other runs stay as they are
    Run {
        /// The integration, such as t37ed/NightlyReport
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
    },
    /// Shows when the next runs of a schedule are due; of a file without asking the database
    Preview {
        /// A file of definitions, or an applied integration such as t37ed/NightlyReport
        #[arg(value_name = "FILE|TENANT/NAME")]
        what: String,
        /// How many due times of each schedule
        #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
        count: u32,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Triggers {
    /// Lists triggers and whether they run
    List {
        /// Of this tenant only
        #[arg(long)]
        tenant: Option<Name>,
    },
    /// Pauses a trigger: calls are accepted and queued, and none starts, on all workers within 2 seconds
    Pause {
        /// The integration, such as t37ed/CreateWorkOrder
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
        #[command(flatten)]
        pause: PauseOptions,
    },
    /// Ends the pause of a trigger; retries the failed execution of a halted trigger, then runs the ones after it
    Resume {
        /// The integration, such as t37ed/CreateWorkOrder
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
    },
    /// Skips the failed execution of a halted trigger, and runs the ones after it
    Skip {
        /// The integration, such as t37ed/CreateWorkOrder
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
    },
}

/// The options of a pause.
#[derive(Debug, Args)]
pub(crate) struct PauseOptions {
    /// The reason, for people
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
    /// The pause ends by itself at this time, such as 2026-12-24T08:00:00Z, or after this time, such as 2h
    #[arg(long, value_name = "TIME|DURATION", value_parser = future)]
    pub(crate) until: Option<UnixMicros>,
}

fn future(text: &str) -> Result<UnixMicros, String> {
    if let Ok(duration) = forebay_contract::parse_duration(text) {
        return Ok(UnixMicros::now() + duration);
    }
    let time: jiff::Timestamp =
        text.parse().map_err(|_| "give a date and time, such as 2026-12-24T08:00:00Z, or a duration, such as 2h".to_owned())?;
    Ok(UnixMicros::new(time.as_microsecond()))
}

const PRIVATE_ADDRESSES: &str = "FOREBAY_PRIVATE_ADDRESSES";

/// The reason for which the command line cannot be run.
#[derive(Debug)]
pub(crate) enum ReadError {
    Arguments(clap::Error),
    Settings(SettingsError),
}

/// Reads the command line and the settings: a flag takes precedence over its environment variable.
pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<(Cli, Settings), ReadError> {
    let matches = command().try_get_matches_from(arguments).map_err(ReadError::Arguments)?;
    let cli = Cli::from_arg_matches(&matches).map_err(ReadError::Arguments)?;
    let flags = setting_flags(&matches);
    let is_dev = matches!(cli.command, Command::Dev);
    // Services of a developer are on private addresses. Elsewhere the operator sets the permitted addresses.
    let of_dev = |name: &str| (is_dev && name == PRIVATE_ADDRESSES).then(|| "allow".to_owned());
    let given = |name: &str| match flags.get(name) {
        Some(value) => Some(value.clone()),
        None if is_replaced_by_flag(name, &flags) => None,
        None => settings::environment(name),
    };
    let settings = Settings::read(|name| given(name).or_else(|| of_dev(name)));
    Ok((cli, settings.map_err(ReadError::Settings)?))
}

/// Returns the verbs, with a flag for every setting: shown by the verbs that use it, accepted by all.
pub(crate) fn command() -> clap::Command {
    let mut command = Cli::command();
    for verb in ["dev", "ingress", "worker", "scheduler", "console"] {
        command = command.mut_subcommand(verb, |verb| verb.args(SETTINGS.iter().flat_map(|doc| setting_args(doc, true))));
    }
    for verb in [
        "migrate",
        "installation",
        "apply",
        "diff",
        "export",
        "versions",
        "rollback",
        "keys",
        "tenants",
        "connections",
        "alerts",
        "executions",
        "schedules",
        "triggers",
        "diagnostics",
        "audit",
        "tail",
        "top",
        "unreadable",
        "users",
        "tokens",
    ] {
        command = command.mut_subcommand(verb, |verb| show(verb, "FOREBAY_DATABASE_URL"));
    }
    for verb in ["installation", "schedules", "executions", "top", "unreadable"] {
        for setting in ["FOREBAY_AMQP_URL", "FOREBAY_QUEUE_PREFIX", "FOREBAY_SHARED_QUEUES"] {
            command = command.mut_subcommand(verb, |verb| show(verb, setting));
        }
    }
    for verb in ["apply", "diff", "connections", "alerts", "executions"] {
        command = command.mut_subcommand(verb, |verb| show(verb, "FOREBAY_SECRET_KEY"));
    }
    for verb in ["connections", "alerts"] {
        command = command.mut_subcommand(verb, |verb| show(verb, PRIVATE_ADDRESSES));
    }
    command = command.mut_subcommand("invoke", |verb| show(verb, "FOREBAY_HTTP_LISTEN"));
    command = command.mut_subcommand("health", |verb| show(verb, "FOREBAY_MANAGEMENT_LISTEN"));
    command.args(SETTINGS.iter().flat_map(|doc| setting_args(doc, false)))
}

fn show(verb: clap::Command, env: &str) -> clap::Command {
    verb.args(SETTINGS.iter().filter(|doc| doc.env == env).flat_map(|doc| setting_args(doc, true)))
}

/// True for one name of a renamed setting if a flag sets the other: a flag takes precedence over the environment under both names.
fn is_replaced_by_flag(name: &str, flags: &HashMap<&'static str, String>) -> bool {
    SETTINGS.iter().any(|doc| {
        doc.former.is_some_and(|former| {
            (name == doc.env && flags.contains_key(former.env)) || (name == former.env && flags.contains_key(doc.env))
        })
    })
}

/// Returns the flag of a setting; for a secret also the flag of its file, and for a renamed setting also the former one, which help does
/// not show.
fn setting_args(doc: &'static settings::SettingDoc, shown: bool) -> impl Iterator<Item = Arg> {
    // Read by `Settings`, not by clap: so a variable has one meaning, and help shows no secrets.
    let arg = |env, flag, value_name, help: String| {
        Arg::new(env).long(flag).value_name(value_name).help(help).help_heading("Settings").global(true)
    };
    let value = arg(doc.env, doc.flag, doc.value_name, format!("{} [env: {}] [default: {}]", doc.help, doc.env, doc.default)).hide(!shown);
    let file =
        doc.file.map(|file| arg(file.env, file.flag, "PATH", format!("file that holds {} [env: {}]", doc.env, file.env)).hide(!shown));
    let former =
        doc.former.map(|former| arg(former.env, former.flag, doc.value_name, format!("deprecated: use --{}", doc.flag)).hide(true));
    std::iter::once(value).chain(file).chain(former)
}

/// Returns the values of the flags by the name of their variable. A flag may be before or after the verb.
fn setting_flags(matches: &ArgMatches) -> HashMap<&'static str, String> {
    let mut flags = HashMap::new();
    let mut level = Some(matches);
    while let Some(matches) = level {
        for doc in SETTINGS {
            for env in doc.variables() {
                if let Ok(Some(value)) = matches.try_get_one::<String>(env) {
                    flags.insert(env, value.clone());
                }
            }
        }
        level = matches.subcommand().map(|(_, matches)| matches);
    }
    flags
}

fn sender() -> clap::builder::PossibleValuesParser {
    forebay_contract::authentication::Sender::WORDS.map(|(word, _)| word).into()
}

pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<ArgMatches, clap::Error> {
        command().try_get_matches_from(line.split(' '))
    }

    #[test]
    fn the_command_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn a_setting_is_taken_before_and_after_any_verb() {
        for line in [
            "forebay --database-url postgres://a/b keys list",
            "forebay keys --database-url postgres://a/b list",
            "forebay keys list --database-url postgres://a/b",
            "forebay --database-url postgres://a/b dev",
            "forebay dev --database-url postgres://a/b",
        ] {
            let flags = setting_flags(&parse(line).unwrap());
            assert_eq!(flags.get("FOREBAY_DATABASE_URL").map(String::as_str), Some("postgres://a/b"), "{line}");
        }
    }

    #[test]
    fn the_former_flag_of_a_setting_is_taken_and_goes_before_the_environment() {
        let flags = setting_flags(&parse("forebay keys list --lanes 2").unwrap());
        assert_eq!(flags.get("FOREBAY_LANES").map(String::as_str), Some("2"));
        assert!(is_replaced_by_flag("FOREBAY_SHARED_QUEUES", &flags));
        assert!(!is_replaced_by_flag("FOREBAY_LANES", &flags) && !is_replaced_by_flag("FOREBAY_ADMIN_LISTEN", &flags));
    }

    #[test]
    fn help_of_dev_lists_every_setting_with_its_default() {
        let help = parse("forebay dev --help").unwrap_err().to_string();
        for doc in SETTINGS {
            assert!(help.contains(&format!("--{}", doc.flag)) && help.contains(doc.env), "{}", doc.env);
            if let Some(former) = doc.former {
                assert!(!help.contains(former.env) && !help.contains(&format!("--{} ", former.flag)), "{}", former.env);
            }
        }
        assert!(help.contains("[default: 127.0.0.1:8080]"), "{help}");
    }

    #[test]
    fn help_of_a_client_verb_shows_the_settings_that_it_uses() {
        let help = parse("forebay keys list --help").unwrap_err().to_string();
        assert!(help.contains("--database-url") && !help.contains("--http-workers"), "{help}");
    }

    #[test]
    fn a_key_takes_several_integrations() {
        let matches = parse("forebay keys create --tenant t --label l --integration A B --integration C").unwrap();
        let Command::Keys { command: Keys::Create { integration, .. } } = Cli::from_arg_matches(&matches).unwrap().command else {
            panic!("another command")
        };
        assert_eq!(integration.iter().map(Name::as_str).collect::<Vec<_>>(), ["A", "B", "C"]);
    }
}

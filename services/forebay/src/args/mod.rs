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

const EXIT_CODES: &str = "Exit codes: 0 success, 1 failed (diff: something differs), 2 wrong usage, 3 not signed in or not allowed, \
                          5 a server is unavailable: try again";

/// Forebay receives webhooks, stores each call in RabbitMQ before it responds, and runs its workflow on workers
#[derive(Debug, Parser)]
#[command(name = "forebay", version, propagate_version = true, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Format of the output
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
    /// Address of a console: the command then uses its admin API and needs no database. Set FOREBAY_API_TOKEN to a token, or
    /// FOREBAY_API_TOKEN_FILE to a file with a token
    #[arg(long, global = true, value_name = "URL", env = "FOREBAY_API_URL", help_heading = "Settings")]
    pub(crate) api_url: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs all services in one process; creates and migrates the database first
    Dev,
    /// Runs the ingress, which receives calls by HTTP and publishes them to RabbitMQ
    Ingress,
    /// Runs a worker, which executes workflows from RabbitMQ
    Worker,
    /// Runs the scheduler, which publishes the due runs of schedules to RabbitMQ and evaluates alert rules
    Scheduler,
    /// Runs the console, which serves web pages and the admin API
    Console,
    /// Updates the tables of the database to this version
    Migrate,
    /// Shows or changes the broker, queue prefix and number of shared queues that all processes of an installation use
    Installation {
        #[command(subcommand)]
        command: Installation,
    },
    /// Checks if a running process is ready; exit code 1: not ready
    Health,
    /// Stores the definitions, connections and alerts of files, or of folders with *.yaml, *.yml and *.json
    Apply(Apply),
    /// Shows the changes that `apply` would make; exit code 1: something differs
    Diff(Paths),
    /// Checks files and prints each problem with its file and line; needs no service
    Validate(Paths),
    /// Runs a definition on an example: runs its mappings, and shows requests to other systems instead of sending them; needs no service
    Try(Try),
    /// Prints the JSON Schema of definitions, connections and alerts for editors
    Schema,
    /// Prints stored definitions as they were applied
    Export(Export),
    /// Lists the versions of an integration
    Versions(Versions),
    /// Creates a new version of an integration with the definition of an older version
    Rollback(Rollback),
    /// Manages API keys of partner systems
    Keys {
        #[command(subcommand)]
        command: Keys,
    },
    /// Lists tenants and changes their settings
    Tenants {
        #[command(subcommand)]
        command: Tenants,
    },
    /// Manages connections, the named addresses and credentials of remote systems
    Connections {
        #[command(subcommand)]
        command: Connections,
    },
    /// Manages alert rules, which send notifications when something needs attention
    Alerts {
        #[command(subcommand)]
        command: Alerts,
    },
    /// Calls an integration through the ingress
    Invoke(Invoke),
    /// Lists, shows and retries executions
    Executions {
        #[command(subcommand)]
        command: Executions,
    },
    /// Prints executions as they end, one line for each
    Tail(Tail),
    /// Shows the state of the installation: throughput, halted triggers, queues, workers, latest executions
    Top {
        /// Print once and exit; the default if the output is not a terminal
        #[arg(long)]
        once: bool,
    },
    /// Manages messages that no worker could read
    Unreadable {
        #[command(subcommand)]
        command: Unreadable,
    },
    /// Manages users of the console
    Users {
        #[command(subcommand)]
        command: Users,
    },
    /// Manages tokens of the admin API
    Tokens {
        #[command(subcommand)]
        command: Tokens,
    },
    /// Prints the completion script for a shell, for `source <(forebay completions bash)`
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Lists schedules, runs them now, and shows their due times
    Schedules {
        #[command(subcommand)]
        command: Schedules,
    },
    /// Records all data of an integration's executions for a limited time
    Diagnostics {
        #[command(subcommand)]
        command: Diagnostics,
    },
    /// Lists and exports the audit log
    Audit {
        #[command(subcommand)]
        command: Audit,
    },
    /// Lists triggers, and resumes halted ones
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
    /// The body: text, or @FILE for the content of a file
    #[arg(long, value_name = "@FILE|TEXT")]
    pub(crate) data: Option<String>,
    /// Content type of the body [default: from the file's extension, else application/json for JSON, else text/plain]
    #[arg(long, value_name = "TYPE", requires = "data")]
    pub(crate) content_type: Option<String>,
    /// A query parameter; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = key_value)]
    pub(crate) query: Vec<(String, String)>,
    /// The API key, or with --sign the signing key; `-` reads it from standard input
    #[arg(long, env = "FOREBAY_KEY", hide_env_values = true, allow_hyphen_values = true)]
    pub(crate) key: Option<Secret>,
    /// Sign the call with the method of this sender, instead of sending the key
    #[arg(long, value_name = "SENDER", value_parser = sender(), requires = "key")]
    pub(crate) sign: Option<String>,
    /// The method [default: POST with --data, else GET]
    #[arg(long, value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// Address of the ingress, such as `https://forebay.example` [default: from --http-listen]
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Installation {
    /// Compares the settings of this command with those in the database, and checks if the broker belongs to the installation
    Show,
    /// Registers the broker, queue prefix and number of shared queues of this command's settings for the installation
    ///
    /// Use it after the broker was replaced or emptied, or to change FOREBAY_QUEUE_PREFIX or FOREBAY_SHARED_QUEUES. First let the workers
    /// empty the queues, and stop all services. Then run adopt, and start the services with the same settings. If services would no longer
    /// read some queues of this broker, adopt closes the broker to services for about 15 seconds, and fails if these queues contain messages.
    Adopt {
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Schedules {
    /// Lists schedules with their next due time and their last run
    List {
        /// Only schedules of this tenant
        #[arg(long)]
        tenant: Option<Name>,
    },
    /// Runs a schedule once, now; its due times do not change
    Run {
        /// The integration, such as t37ed/NightlyReport
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
    },
    /// Shows the next due times of a schedule; needs no database for a file
    Preview {
        /// A file of definitions, or an applied integration such as t37ed/NightlyReport
        #[arg(value_name = "FILE|TENANT/NAME")]
        what: String,
        /// Number of due times for each schedule
        #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
        count: u32,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Triggers {
    /// Lists triggers with their state
    List {
        /// Only triggers of this tenant
        #[arg(long)]
        tenant: Option<Name>,
    },
    /// Pauses a trigger: calls are accepted and queued, and none starts
    ///
    /// The pause is effective on all workers within 2 seconds.
    Pause {
        /// The integration, such as t37ed/CreateWorkOrder
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
        #[command(flatten)]
        pause: PauseOptions,
    },
    /// Ends the pause of a trigger, or retries the failed execution of a halted trigger and then runs the following executions
    Resume {
        /// The integration, such as t37ed/CreateWorkOrder
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
    },
    /// Skips the failed execution of a halted trigger, and runs the following executions
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

/// An invalid command line or setting.
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
    // A developer's services have private addresses. In production the operator sets the permitted addresses.
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
    // `Settings` reads the variables, not clap, so that a variable has one meaning and help shows no secrets.
    let arg = |env, flag, value_name, help: String| {
        Arg::new(env).long(flag).value_name(value_name).help(help).help_heading("Settings").global(true)
    };
    let value = arg(doc.env, doc.flag, doc.value_name, format!("{} [env: {}] [default: {}]", doc.help, doc.env, doc.default)).hide(!shown);
    let file = doc
        .file
        .map(|file| arg(file.env, file.flag, "PATH", format!("file with the value of {} [env: {}]", doc.env, file.env)).hide(!shown));
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

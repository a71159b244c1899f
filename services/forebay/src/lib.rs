//! The forebay command: every service, and the client verbs.

mod alerts;
mod api;
mod apply;
mod args;
mod audit;
mod change;
mod connections;
mod diagnostics;
mod documents;
mod error;
mod events;
mod executions;
mod export;
mod files;
mod health;
mod installation;
mod invoke;
mod keys;
mod output;
mod pauses;
mod people;
mod retry;
mod schedules;
mod services;
mod shown;
mod standard_input;
mod tail;
mod tenants;
mod top;
mod trial;
mod triggers;
mod unreadable;
mod versions;

pub use error::Error;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use forebay_runtime::settings::Settings;
use forebay_store::{Caps, SecretKeys, Store, StoreOptions};

use crate::api::Api;
use crate::args::{Cli, Command};
use crate::output::Output;

/// Maximum connections to the database of a client verb: it runs one query at a time.
const CLIENT_CONNECTIONS: usize = 2;

/// Runs the command line and returns the exit code, see [`Error::exit_code`].
pub async fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let (cli, settings) = match args::read(arguments) {
        Ok(read) => read,
        Err(args::ReadError::Arguments(error)) => {
            // clap reports help and version as "errors" that are printed to standard output with exit code 0.
            let _ = error.print();
            return exit_code(error.exit_code());
        }
        Err(args::ReadError::Settings(error)) => return report(&error.into()),
    };
    match perform(cli, settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

/// Writes an error and its causes to standard error and returns its exit code.
pub fn report(error: &Error) -> ExitCode {
    if matches!(error, Error::Differs) {
        // The output has the differences already.
        return exit_code(error.exit_code());
    }
    let mut text = format!("error: {error}");
    for cause in forebay_contract::causes(error) {
        text.push_str(&format!("\n  caused by: {cause}"));
    }
    // If standard error is closed, the error cannot be printed.
    let _ = writeln!(std::io::stderr(), "{text}");
    exit_code(error.exit_code())
}

fn exit_code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

async fn perform(cli: Cli, settings: Settings) -> Result<(), Error> {
    let output = Output::new(cli.output);
    let url = cli.api_url.as_deref();
    let api = async || Api::open(url, &settings).await;
    match cli.command {
        Command::Dev => services::run(services::Services::Dev, &settings).await,
        Command::Ingress => services::run(services::Services::Ingress, &settings).await,
        Command::Worker => services::run(services::Services::Worker, &settings).await,
        Command::Scheduler => services::run(services::Services::Scheduler, &settings).await,
        Command::Console => services::run(services::Services::Console, &settings).await,
        Command::Migrate => services::migrate(&output, &settings).await,
        Command::Health => health::health(&output, settings.management_listen).await,
        Command::Installation { command } => installation::perform(&output, &settings, command).await,
        Command::Apply(apply) => apply::apply(&output, &api().await?, &apply).await,
        Command::Diff(paths) => apply::diff(&output, &api().await?, &paths).await,
        Command::Validate(paths) => apply::validate(&output, &paths),
        Command::Try(tried) => trial::perform(&output, &tried).await,
        Command::Schema => output::write(forebay_contract::document_schema()),
        Command::Export(export) => export::export(&output, &api().await?, &export).await,
        Command::Versions(versions) => versions::versions(&output, &api().await?, &versions).await,
        Command::Rollback(rollback) => versions::rollback(&output, &api().await?, &rollback).await,
        Command::Tenants { command } => tenants::perform(&output, &api().await?, command).await,
        Command::Keys { command } => keys::perform(&output, &api().await?, command).await,
        Command::Invoke(invoke) => invoke::invoke(&output, &settings, invoke).await,
        Command::Connections { command } => connections::perform(&output, &api().await?, command).await,
        Command::Alerts { command } => alerts::perform(&output, &api().await?, command).await,
        Command::Executions { command } => executions::perform(&output, &api().await?, command).await,
        Command::Schedules { command } => schedules::perform(&output, url, &settings, command).await,
        Command::Tail(tail) => tail::tail(&output, &api().await?, tail).await,
        Command::Top { once } => top::top(&api().await?, once).await,
        Command::Unreadable { command } => unreadable::perform(&output, &api().await?, command).await,
        Command::Users { command } => people::users(&output, &api().await?, command).await,
        Command::Tokens { command } => people::tokens(&output, &api().await?, command).await,
        Command::Completions { shell } => completions(shell),
        Command::Audit { command } => audit::perform(&output, &api().await?, command).await,
        Command::Diagnostics { command } => diagnostics::perform(&output, &api().await?, command).await,
        Command::Triggers { command } => triggers::perform(&output, &api().await?, command).await,
    }
}

/// `forebay completions`: settings are offered only where `--help` shows them.
fn completions(shell: clap_complete::Shell) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "forebay", &mut script);
    output::write(&String::from_utf8_lossy(&script))
}

/// Returns the keys with which credentials and hidden parts of payloads are encrypted; `None`: no key is set.
fn secret_keys(settings: &Settings) -> Option<Arc<SecretKeys>> {
    settings.secret_key.as_ref().map(|keys| Arc::new(keys.into()))
}

/// Returns the storage limits of tenants.
fn caps(settings: &Settings) -> Caps {
    Caps {
        integrations: settings.max_integrations,
        keys: settings.max_keys,
        connections: settings.max_connections,
        definition_bytes: settings.max_definition_bytes,
    }
}

/// Opens the store for a client verb.
async fn client_store(settings: &Settings) -> Result<Store, Error> {
    let options = StoreOptions {
        max_connections: CLIENT_CONNECTIONS,
        application_name: "forebay command".to_owned(),
        secret_keys: secret_keys(settings),
        caps: caps(settings),
    };
    Ok(Store::connect(settings.database_url.expose(), options).await?)
}

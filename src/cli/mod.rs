//! The command line: one file a command.
//!
//! Data goes to standard output, everything else to standard error. Exit codes: 0 done, 1 a fault was found or the
//! operation failed, 2 wrong usage. Control characters are removed from text that came from outside before it is
//! printed.

mod backup;
mod check;
mod completions;
mod dead_letters;
mod deliveries;
mod delivery_words;
mod demo;
mod discard;
mod events;
mod explain;
mod explain_incident;
mod failure;
mod find;
mod help;
mod incidents;
mod init;
mod json;
mod listing;
mod moment;
mod names;
mod new_secret;
mod number;
mod opening;
mod output;
mod paint;
mod probe;
mod receipts;
mod replay;
mod replay_to;
mod runtime;
mod schema;
mod send;
mod serve;
mod show;
mod status;
mod table;
mod tail;
mod templates;
mod terminal;
mod tokens_on_demand;
mod told;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand, ValueEnum};

use crate::app::log_faults;
use crate::telemetry::{LogFormat, start_logging};
use failure::{Failure, Outcome};
use output::note;

/// Verifies, stores and routes security-alert webhooks to the people who must act on them.
#[derive(Parser)]
#[command(name = "gatepost", version, about, arg_required_else_help = true, after_help = help::overview())]
struct Arguments {
    /// The configuration file
    #[arg(short, long, global = true, value_name = "FILE", default_value = "gatepost.toml", env = "GATEPOST_CONFIG")]
    config: PathBuf,
    /// How log lines are written to standard error
    #[arg(long, global = true, value_name = "FORMAT", default_value = "auto")]
    log_format: LogFormatArgument,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormatArgument {
    /// For people on a terminal, JSON otherwise
    Auto,
    /// For people
    Human,
    /// One JSON object a line
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Show the whole product with nothing configured: real HTTP, local stand-ins for Slack, Jira and PagerDuty
    Demo(demo::Demo),
    /// Write a commented gatepost.toml with generated secrets, and say what to paste where
    Init(init::Init),
    /// Run the gateway
    Serve(serve::Serve),
    /// Validate the configuration: every setting, route and secret
    Check(check::Check),
    /// Sign a request as the vendor would, and post it
    Send(send::Send),
    /// Explain step by step why a request is or is not authentic
    Verify(verify::Verify),
    /// Say which routes take an event and which do not, and why
    Explain(explain::Explain),
    /// List and show receipts: the requests that were acknowledged
    Receipts(receipts::Receipts),
    /// List and show events: the facts in them
    Events(events::Events),
    /// List, show and change incidents: what happens in the world, and who has it
    Incidents(incidents::Incidents),
    /// List and show deliveries: who was told, or not yet
    Deliveries(deliveries::Deliveries),
    /// Show how everything is doing, on one screen
    Status(status::Status),
    /// Show events, incidents and deliveries as they come
    Tail(tail::Tail),
    /// Process a receipt or send deliveries again
    Replay(replay::Replay),
    /// Send a real test event through a destination
    Probe(probe::Probe),
    /// List, print and copy the built-in words as templates
    Templates(templates::Templates),
    /// Print a JSON Schema
    Schema(schema::Schema),
    /// Write a consistent copy of the store while it runs
    Backup(backup::Backup),
    /// Print completions for a shell
    Completions(completions::Completions),
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let format = match arguments.log_format {
        LogFormatArgument::Auto => LogFormat::Auto,
        LogFormatArgument::Human => LogFormat::Human,
        LogFormatArgument::Json => LogFormat::Json,
    };
    match dispatch(&arguments, format) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has closed the pipe: `gatepost events list | head`.
        Err(Failure::Io { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        // Into the log, which may be JSON lines that a program reads.
        Err(failure) if matches!(arguments.command, Command::Serve(_)) && failure.may_be_logged() => {
            tracing::error!(fault = with_causes(&failure), "gatepost cannot serve");
            log_faults(failure.faults().map_or(&[], |(_, faults)| faults));
            ExitCode::FAILURE
        }
        Err(failure) => report(&failure),
    }
}

fn dispatch(arguments: &Arguments, format: LogFormat) -> Outcome {
    let level = match arguments.command {
        // The server library logs each worker that it starts.
        Command::Serve(_) => "info,actix_server=warn",
        // The demo shows what it does by itself; a forgery that is refused is part of it.
        Command::Demo(_) => "error",
        _ => "warn",
    };
    start_logging(format, level)?;
    let config = arguments.config.as_path();
    match &arguments.command {
        Command::Demo(command) => command.run(),
        Command::Init(command) => command.run(config),
        Command::Serve(command) => command.run(config),
        Command::Check(command) => command.run(config),
        Command::Send(command) => command.run(config),
        Command::Verify(command) => command.run(config),
        Command::Explain(command) => command.run(config),
        Command::Receipts(command) => command.run(config),
        Command::Events(command) => command.run(config),
        Command::Incidents(command) => command.run(config),
        Command::Deliveries(command) => command.run(config),
        Command::Status(command) => command.run(config),
        Command::Tail(command) => command.run(config),
        Command::Replay(command) => command.run(config),
        Command::Probe(command) => command.run(config),
        Command::Templates(command) => command.run(),
        Command::Schema(command) => command.run(),
        Command::Backup(command) => command.run(config),
        Command::Completions(command) => command.run(),
    }
}

fn usage(error: &clap::Error) -> ExitCode {
    // Nothing can be done about a standard error that is closed.
    drop(error.print());
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(2),
    }
}

fn report(failure: &Failure) -> ExitCode {
    note!("gatepost: {}", terminal::clean(&with_causes(failure)));
    if let Some((path, faults)) = failure.faults() {
        terminal::print_faults(path, faults);
    }
    match failure {
        Failure::Usage(_) => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    }
}

/// The failure and what caused it, outermost first.
fn with_causes(failure: &dyn std::error::Error) -> String {
    let mut text = failure.to_string();
    let mut cause = failure.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

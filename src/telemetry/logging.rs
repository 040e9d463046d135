//! Log lines on standard error: for people on a terminal, one JSON object a line otherwise.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be read.
    #[error("GATEPOST_LOG is not a log filter such as `info` or `gatepost=debug`: {0}")]
    Filter(String),
    /// Something has started it before.
    #[error("logging was started twice")]
    Twice,
}

/// What the HTTP library calls an error is any connection that broke off or sent no HTTP. An unauthenticated
/// client can cause any number of these lines.
const CLIENT_ERRORS_OFF: &str = "actix_http::h1=off";

/// Starts logging for the process, at `default_level` unless `GATEPOST_LOG` says otherwise.
#[allow(clippy::disallowed_methods, reason = "logging starts before the configuration is found")]
pub fn start_logging(format: LogFormat, default_level: &str) -> Result<(), LogError> {
    let wanted = std::env::var("GATEPOST_LOG").unwrap_or_else(|_| format!("{default_level},{CLIENT_ERRORS_OFF}"));
    let filter = EnvFilter::try_new(&wanted).map_err(|error| LogError::Filter(error.to_string()))?;
    let human = match format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    // What cannot be written is lost, as where the log is a file on a full disk. To say so on standard error, which is where it
    // could not be written, would end in a panic of whatever thread had something to log.
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    let started = if human {
        builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    };
    started.map_err(|_| LogError::Twice)
}

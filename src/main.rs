//! The binary: maps the result of a command to an exit code, and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    gatepost::cli::run()
}

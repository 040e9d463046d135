//! The binary: maps the result of a command to an exit code, and nothing else.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A request is read on one thread, stored on another and freed there: the system's allocator makes both wait.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    gatepost::cli::run()
}

//! The runtime of commands that talk to the network.

use super::failure::Failure;

/// A runtime for a command that talks to the network.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    built.map_err(|source| Failure::Io { what: "the process cannot be set up".to_owned(), source })
}

//! The commands as operators and scripts use them: exit codes, output streams and effects.
//!
//! One file a command; `usage` holds what all of them share.

// A helper that fails is a test that fails.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../harness/mod.rs"]
mod harness;

mod backup;
mod check;
mod completions;
mod demo;
mod explain;
mod incidents;
mod init;
mod listings;
mod probe;
mod pty;
mod read_only;
mod replay;
mod schema;
mod send;
mod serve;
mod status;
mod tail;
mod templates;
mod usage;
mod verify;

use harness::Folder;
use serde_json::Value;

const ADRIAN: &str = "adrian-signs-with-these-32-bytes";
const AKTO: &str = "akto-shows-this-token-of-32-byte";

const SOURCES: &str = r#"
[sources.adrian]
vendor = "secureagentics"
secrets = [{ value = "adrian-signs-with-these-32-bytes" }]

[sources.akto]
vendor = "akto"
secrets = [{ value = "akto-shows-this-token-of-32-byte" }]
"#;

const ARCHIVE: &str = r#"
[destinations.archive]
type = "file"
path = "events.ndjson"

[[routes]]
name = "everything"
to = ["archive"]
"#;

/// The sources, with every event an incident of its own.
fn sources_by_event() -> String {
    SOURCES.replace("\nvendor", "\ngroup_by = [\"event\"]\nvendor")
}

fn config() -> String {
    format!("{SOURCES}{ARCHIVE}")
}

/// A folder with a configuration and nothing that serves.
fn configured(config: &str) -> Folder {
    let folder = Folder::new();
    folder.write("gatepost.toml", config);
    folder
}

/// The value of a field in each row.
fn column<'r>(rows: &'r [Value], field: &str) -> Vec<&'r str> {
    rows.iter().map(|row| row[field].as_str().unwrap()).collect()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// What a terminal would obey or hide: control characters beyond newlines, what turns the direction of writing, and what
/// takes no space.
fn commands_in(text: &str) -> Vec<char> {
    let hidden = |c: &char| {
        matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
    };
    text.chars().filter(|c| (c.is_control() && *c != '\n') || hidden(c)).collect()
}

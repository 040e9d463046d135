//! The settings of a connection that durability depends on, with their values in numbers where other code needs them.

use std::time::Duration;

/// How long a write waits for another process's transaction: an operator's replay is a matter of milliseconds, and a
/// vendor waits at most 10 s for its answer.
pub const BUSY_TIMEOUT: Duration = Duration::from_millis(2_000);

/// The size of a page, as [`SETTINGS`] has it.
pub const PAGE_BYTES: u64 = 8192;

/// `synchronous=FULL` syncs the WAL at every commit: what was answered 200 survives a power cut. `mmap_size=0` because
/// a mapped file turns an I/O error into a signal. The cache is small: intake appends and does not read.
pub const SETTINGS: &str = "
    PRAGMA page_size=8192;
    PRAGMA journal_mode=WAL;
    PRAGMA synchronous=FULL;
    PRAGMA foreign_keys=OFF;
    PRAGMA trusted_schema=OFF;
    PRAGMA mmap_size=0;
    PRAGMA cache_size=-16000;
    PRAGMA temp_store=MEMORY;
    PRAGMA journal_size_limit=67108864;
";

/// What is read back, and the answer that must come.
pub const READ_BACK: &[(&str, &str)] = &[("journal_mode", "wal"), ("synchronous", "2")];

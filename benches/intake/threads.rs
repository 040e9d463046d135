//! The processor time of a process by its threads, from the kernel's account.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::machine;

/// What a thread is for, by its name.
pub fn role(name: &str) -> &'static str {
    match name {
        name if name.starts_with("actix") => LISTENER,
        name if name.starts_with("store-") => WRITER,
        name if name.starts_with("pipeline") => PIPELINE,
        name if name.starts_with("file-") => FILE,
        _ => REST,
    }
}

/// Whether a process has a thread of this name.
pub fn has(process: u32, name: &str) -> io::Result<bool> {
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        // One that has ended meanwhile is none.
        if std::fs::read_to_string(thread?.path().join("comm")).is_ok_and(|found| found.trim() == name) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Processor time by role, since the process was started.
#[derive(Clone, Default)]
pub struct Account(BTreeMap<&'static str, Duration>);

impl Account {
    /// As it is now. What threads have used that ended meanwhile is found under the rest.
    pub fn of(process: u32) -> io::Result<Self> {
        let mut account = Self::default();
        for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
            let folder = thread?.path();
            // A thread may end between the two.
            let Ok(name) = std::fs::read_to_string(folder.join("comm")) else { continue };
            let Ok(used) = used(&folder) else { continue };
            *account.0.entry(role(name.trim())).or_default() += used;
        }
        let whole = machine::cpu_of(&process.to_string())?;
        let known = account.whole();
        *account.0.entry(REST).or_default() += whole.saturating_sub(known);
        Ok(account)
    }

    /// What was used after another account.
    pub fn since(&self, before: &Self) -> Self {
        let used = |role: &&'static str| before.0.get(role).copied().unwrap_or_default();
        Self(self.0.iter().map(|(role, all)| (*role, all.saturating_sub(used(role)))).collect())
    }

    /// All roles together.
    pub fn whole(&self) -> Duration {
        self.0.values().sum()
    }

    /// In the order in which an event meets them.
    pub fn by_role(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        ROLES.into_iter().filter_map(|role| Some((role, *self.0.get(role)?)))
    }
}

/// To the nanosecond where the kernel says so, else in hundredths of a second.
fn used(thread: &std::path::Path) -> io::Result<Duration> {
    let nanoseconds = std::fs::read_to_string(thread.join("schedstat")).ok();
    let nanoseconds = nanoseconds.and_then(|text| text.split(' ').next()?.parse().ok());
    match nanoseconds {
        Some(nanoseconds) => Ok(Duration::from_nanos(nanoseconds)),
        None => machine::cpu_in(&thread.join("stat")),
    }
}

/// Takes requests and answers them.
pub const LISTENER: &str = "listener";
/// The only thread that writes to the store.
pub const WRITER: &str = "store-writer";
/// Reads, routes and tells, with the threads for what blocks.
pub const PIPELINE: &str = "pipeline";
/// Writes the file.
pub const FILE: &str = "file-writer";
const REST: &str = "the rest";
const ROLES: [&str; 5] = [LISTENER, WRITER, PIPELINE, FILE, REST];

//! Where the processor time of a process goes, by step, sampled by `perf` where it is installed.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::Outcome;
use super::process::Folder;
use super::threads::{FILE, LISTENER, WRITER, role};

/// A step of an event, in the order in which it meets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// From the socket to a parsed request.
    Receive,
    Verify,
    /// Its key and its urgency.
    Identify,
    /// Requests into the store.
    Commit,
    /// The end of each transaction, whatever it holds: its pages written and synced; also checkpoints.
    Sync,
    Answer,
    /// From the store to events.
    Read,
    Route,
    /// Into the store, and into incidents.
    Count,
    Deliver,
    /// Runtime, timers, metrics, logs.
    Other,
}

impl Step {
    pub const ALL: [Self; 11] = [
        Self::Receive,
        Self::Verify,
        Self::Identify,
        Self::Commit,
        Self::Sync,
        Self::Answer,
        Self::Read,
        Self::Route,
        Self::Count,
        Self::Deliver,
        Self::Other,
    ];

    /// Whether it comes after the answer.
    pub fn is_later(self) -> bool {
        matches!(self, Self::Read | Self::Route | Self::Count | Self::Deliver | Self::Other)
    }

    /// What a sample is part of: the innermost function that a rule knows decides, else the thread.
    fn of(thread: &str, functions: &[String]) -> Self {
        let known = |function: &String| {
            RULES.iter().find(|(_, parts)| parts.iter().any(|part| function.contains(part))).map(|(step, _)| *step)
        };
        let is_in_transaction = || functions.iter().any(|function| function.contains("CommitLoop::attempt"));
        match (role(thread), functions.iter().find_map(known)) {
            // It writes and syncs a file of its own.
            (FILE, _) => Self::Deliver,
            (_, Some(step)) => step,
            (LISTENER, None) => Self::Receive,
            (WRITER, None) if is_in_transaction() => Self::Commit,
            (WRITER, None) => Self::Sync,
            _ => Self::Other,
        }
    }
}

/// Parts of names of functions. The first that fits counts.
const RULES: &[(Step, &[&str])] = &[
    (Step::Verify, &["gatepost::verify", "hmac::", "sha2::", "Source::authenticate"]),
    (Step::Identify, &["::event_id", "::urgency_hint", "::novelty::"]),
    (Step::Route, &["gatepost::routing::"]),
    (
        Step::Answer,
        &[
            "sys_sendto",
            "sys_writev",
            "SendBuf",
            "actix_http::h1::encoder",
            "PendingReply",
            "ReplyBatch",
            "CommitReplies",
            "CommitLoop::reply",
        ],
    ),
    (Step::Sync, &["sys_fdatasync", "sys_fsync", "sys_pwrite64", "PagerCommitPhaseOne", "BtreeCommitPhaseTwo"]),
    (Step::Receive, &["sys_recvfrom", "actix_http::h1::decoder", "httparse::", "ingress::body"]),
    (
        Step::Deliver,
        &[
            "sqlite::batches",
            "sqlite::delivery",
            "sqlite::notifications",
            "claim_batches",
            "batch_events",
            "claim_deliveries",
            "::settle",
            "gatepost::destinations",
            "gatepost::egress",
            "pipeline::worker::",
            "pipeline::attempt",
            "pipeline::presentation",
            "reqwest::",
        ],
    ),
    (
        Step::Count,
        &[
            "sqlite::record",
            "sqlite::incident",
            "sqlite::gathered",
            "sqlite::sink_plans",
            "Keys::event",
            "Keys::add_event",
            "::conclude",
            "::extend",
            "gatepost::incidents::",
            "process::joining",
        ],
    ),
    (
        Step::Read,
        &[
            "dispatcher::reader",
            "receipt_queue",
            "claim_receipts",
            "gatepost::vendors::",
            "pipeline::process",
            "sqlite::bodies",
        ],
    ),
    (Step::Commit, &["sqlite::arrivals", "sqlite::runs", "Keys::receipt", "Inbox>::accept", "::accept"]),
];

/// A recording that is under way.
pub struct Recording {
    child: Child,
    file: PathBuf,
}

/// Samples of a process, by step.
#[derive(Default)]
pub struct Profile {
    samples: BTreeMap<Step, usize>,
    whole: usize,
}

impl Recording {
    /// Samples a process for so long; the reason where that cannot be.
    pub fn start(process: u32, length: Duration, folder: &Folder) -> Result<Self, String> {
        let file = folder.path().join("perf.data");
        let mut command = Command::new("perf");
        command.args(["record", "-q", "-F", RATE, "--call-graph", "dwarf,16384", "-p", &process.to_string(), "-o"]);
        command.arg(&file).args(["--", "sleep", &length.as_secs_f64().to_string()]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = child.map_err(|error| format!("perf cannot be started: {error}"))?;
        std::thread::sleep(START);
        match child.try_wait() {
            Ok(None) => Ok(Self { child, file }),
            Ok(Some(status)) => Err(format!("perf record ended with {status}")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Waits for the end of the recording and reads it.
    pub fn end(mut self) -> Outcome<Profile> {
        self.child.wait()?;
        read(&self.file)
    }
}

impl Profile {
    /// The share of a step.
    pub fn share(&self, step: Step) -> f64 {
        self.samples.get(&step).copied().unwrap_or(0) as f64 / self.whole.max(1) as f64
    }
}

fn read(file: &Path) -> Outcome<Profile> {
    let mut command = Command::new("perf");
    let output = command.args(["script", "--no-inline", "-F", "comm,ip,sym", "-i"]).arg(file).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("perf script ended with {}", output.status)).into());
    }
    let mut profile = Profile::default();
    // Blocks with an empty line between them: the thread's name, then a function a line, the innermost first.
    for block in String::from_utf8_lossy(&output.stdout).split("\n\n") {
        let mut lines = block.lines().filter(|line| !line.trim().is_empty());
        let Some(thread) = lines.next() else { continue };
        let functions: Vec<String> = lines.filter_map(|line| Some(line.trim().split_once(' ')?.1.to_owned())).collect();
        *profile.samples.entry(Step::of(thread.trim(), &functions)).or_default() += 1;
        profile.whole += 1;
    }
    Ok(profile)
}

/// Samples a second and processor: not in step with timers.
const RATE: &str = "997";
/// Until the first sample.
const START: Duration = Duration::from_millis(400);

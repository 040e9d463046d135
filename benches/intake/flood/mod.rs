//! Whether a flood hides what matters: one source at full speed, and more important events among its own.
//!
//! A file, PagerDuty, Slack and Jira are told; the last three are strict stand-ins at the pace that gatepost is shipped
//! with. The incidents are those of the default settings. Alertmanager meets the same flood where it is installed.

mod alertmanager;
mod senders;

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use gatepost::domain::{Incident, IncidentKind};
use gatepost::store::{Access, IncidentFilter, IncidentQueries, Page, SqliteStore};
use senders::{Senders, Sent};

pub use senders::{Address, post, request};

use super::gateway::Gateway;
use super::people::{People, Told};
use super::plan::Plan;
use super::process::{Folder, new_folder};
use super::targets::{Goal, Target};
use super::{Outcome, progress};

/// Each flood, then Alertmanager.
pub fn run(plan: &Plan) -> Outcome<Vec<Target>> {
    println!("{HEAD}");
    let (mut targets, mut fastest) = (Vec::new(), 0.0);
    for (name, flooding, kills) in FLOODS {
        progress(&format!("a flood of {name}"));
        let (row, told) = flood(plan, name, flooding, *kills)?;
        println!("{row}");
        let target = |what: &str, unit, most, found| {
            Target::found(format!("flood of {name}: {what}"), unit, Goal::AtMost(most), found)
        };
        if *kills == 0 {
            targets.push(target("from the answer to the page of what matters, worst", " ms", 250.0, row.worst()));
        }
        targets.push(target("important events without a page", "", 0.0, row.unpaged() as f64));
        targets.push(target("memory", " MB", 128.0, row.memory));
        if matches!(flooding, Flooding::OneRule) {
            fastest = row.per_second.max(fastest);
            targets.push(target("pages", "", 2.0, told.pages as f64));
            targets.push(target("Slack messages with replies", "", 2.0, told.messages as f64));
            targets.push(target("tickets", "", 1.0, told.tickets as f64));
            targets.push(target("comments", "", 1.0, told.comments as f64));
        }
    }
    match alertmanager::run(plan.flood, NEEDLES)? {
        Some(row) => {
            println!("{row}");
            let ratio = fastest / row.per_second;
            targets.push(Target::found("flood of one rule, times alertmanager", "", Goal::AtLeast(2.0), ratio));
        }
        None => {
            let why = "prometheus-alertmanager is not on the PATH";
            targets.push(Target::skipped("flood of one rule, times alertmanager", "", Goal::AtLeast(2.0), why));
        }
    }
    println!();
    Ok(targets)
}

/// What floods.
#[derive(Clone, Copy, Debug)]
pub enum Flooding {
    /// Events of one rule about one victim.
    OneRule,
    /// Events of a thousand rules in turn.
    Rules,
    /// Events of one rule about a hundred thousand victims in turn.
    Victims,
    /// What [`Flooding::OneRule`] is to gatepost, as Alertmanager takes it.
    Alertmanager,
}

impl Flooding {
    /// The request of an event.
    fn request(self, number: usize) -> Vec<u8> {
        let id = format!("flood-{number}");
        match self {
            Self::OneRule => Self::threat("akto", &id, (RULE, VICTIM), ("HIGH", "")),
            Self::Rules => {
                let rule = format!("{RULE}{:03}", number % 1_000);
                Self::threat("akto", &id, (&rule, VICTIM), ("HIGH", ""))
            }
            Self::Victims => {
                let victim = format!("host{:05}.example.net", number % 100_000);
                Self::threat("akto", &id, (RULE, &victim), ("HIGH", ""))
            }
            Self::Alertmanager => Self::alert("FloodRule", "warning", number),
        }
    }

    /// A threat as Akto sends it, of a kilobyte.
    fn threat(source: &str, id: &str, (rule, host): (&str, &str), (severity, more): (&str, &str)) -> Vec<u8> {
        let body = format!(
            "{{\"id\":\"{id}\",\"filterId\":\"{rule}\",\"host\":\"{host}\",\"url\":\"/api/{id}\",\"method\":\"GET\",\
             \"actor\":\"203.0.113.9\",\"severity\":\"{severity}\"{more},\"latestApiOrig\":\"{:x<750}\"}}",
            ""
        );
        request(&format!("/webhooks/{source}"), &body)
    }

    /// An alert as Alertmanager takes it, of a kilobyte.
    fn alert(name: &str, severity: &str, number: usize) -> Vec<u8> {
        let body = format!(
            "[{{\"labels\":{{\"alertname\":\"{name}\",\"instance\":\"flood.example.net\",\"severity\":\"{severity}\",\
             \"id\":\"flood-{number}\"}},\"annotations\":{{\"summary\":\"{:x<750}\"}}}}]",
            ""
        );
        request("/api/v2/alerts", &body)
    }
}

/// One line of the table.
struct Row {
    name: String,
    per_second: f64,
    accepted: usize,
    p99_ms: f64,
    /// Milliseconds from the answer to the page, for each important event; nothing where it was not paged.
    paged: Vec<Option<f64>>,
    /// Pages about the flood itself.
    pages: usize,
    memory: f64,
    /// What else was found.
    note: String,
}

impl Row {
    fn of(name: &str, sent: &Sent) -> Self {
        Self {
            name: name.to_owned(),
            per_second: sent.accepted as f64 / sent.took.as_secs_f64(),
            accepted: sent.accepted,
            p99_ms: sent.latencies.get(sent.latencies.len() * 99 / 100).copied().map_or(0.0, milliseconds),
            paged: Vec::new(),
            pages: 0,
            memory: 0.0,
            note: String::new(),
        }
    }

    /// Milliseconds to pages, ascending.
    fn times(&self) -> Vec<f64> {
        let mut times: Vec<f64> = self.paged.iter().copied().flatten().collect();
        times.sort_unstable_by(f64::total_cmp);
        times
    }

    fn worst(&self) -> f64 {
        self.times().last().copied().unwrap_or(0.0)
    }

    fn unpaged(&self) -> usize {
        self.paged.iter().filter(|paged| paged.is_none()).count()
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let times = self.times();
        write!(
            f,
            "| {} | {} | {:.0} | {:.1} | {} of {} | {:.0} | {:.0} | {} | {:.0} | {} |",
            self.name,
            self.accepted,
            self.per_second,
            self.p99_ms,
            times.len(),
            self.paged.len(),
            times.get(times.len() / 2).copied().unwrap_or(0.0),
            self.worst(),
            self.pages,
            self.memory,
            self.note
        )
    }
}

fn flood(plan: &Plan, name: &str, flooding: &Flooding, kills: usize) -> Outcome<(Row, Told)> {
    let people = People::start()?;
    let setup = people.setup().and_source("other");
    let folder = new_folder()?;
    let mut gateway = Gateway::start_in(&setup, &folder)?;
    let address: Address = Arc::new(RwLock::new(gateway.address));
    let senders = Senders::start(flooding, &address, plan.flood_events);
    let step = plan.flood / u32::try_from(NEEDLES + 1)?;
    let (mut connection, mut taken_at, mut left) = (None, Vec::new(), kills);
    std::thread::sleep(step);
    acknowledge(&folder)?;
    for needle in 0..NEEDLES {
        if left > 0 && needle % (NEEDLES / kills) == 1 {
            left -= 1;
            drop(gateway);
            gateway = Gateway::start_in(&setup, &folder)?;
            *address.write().unwrap_or_else(PoisonError::into_inner) = gateway.address;
            connection = None;
        }
        let request = important(flooding, needle);
        while post(&mut connection, &address, &request) != Some(200) {}
        taken_at.push(SystemTime::now());
        std::thread::sleep(step);
    }
    while !senders.have_ended() && senders.accepted() < plan.flood_events {
        std::thread::sleep(Duration::from_millis(100));
    }
    let sent = senders.end();
    let read_by_then = lines_of(&folder)?;
    let total = sent.accepted + NEEDLES;
    let begun = std::time::Instant::now();
    gateway
        .wait_until("everything is in the file", DRAIN_MAX, |_| lines_of(&folder).is_ok_and(|lines| lines >= total))?;
    let drained = begun.elapsed();
    let paged = taken_at.iter().enumerate().map(|(needle, taken_at)| {
        let at = people.paged_at(&mark(needle))?;
        Some(milliseconds(at.duration_since(*taken_at).unwrap_or_default()))
    });
    let paged = paged.collect();
    let counted = count(&folder)?;
    if counted != total as u64 {
        return Err(format!("flood of {name}: {total} events were accepted, incidents count {counted}").into());
    }
    // Slack is told once a second; what the flood still changes there is told within this time.
    std::thread::sleep(Duration::from_secs(3));
    let told = people.told(RULE, VICTIM);
    if matches!(flooding, Flooding::OneRule) && (told.messages == 0 || told.tickets == 0) {
        return Err(format!("flood of {name}: {} messages, {} tickets about it", told.messages, told.tickets).into());
    }
    let behind = total.saturating_sub(read_by_then);
    let note = format!(
        "{counted} counted, {} pages in all, {} messages, {} tickets, {} comments about it; {behind} not in the file at its \
         end, {:.1} s later all",
        people.pages(),
        told.messages,
        told.tickets,
        told.comments,
        drained.as_secs_f64()
    );
    let memory = gateway.memory()?.most / 1e6;
    Ok((Row { paged, pages: told.pages, memory, note, ..Row::of(name, &sent) }, told))
}

/// Something that must be paged whatever floods: worse, of another source, or an attack that succeeded; where one rule floods
/// about one victim also another rule, and another victim after the first was acknowledged.
fn important(flooding: &Flooding, needle: usize) -> Vec<u8> {
    let (mark, id) = (mark(needle), format!("important-{needle}"));
    let kinds = if matches!(flooding, Flooding::OneRule) { 5 } else { 3 };
    match needle % kinds {
        0 => Flooding::threat("akto", &id, (&mark, VICTIM), ("CRITICAL", "")),
        1 => Flooding::threat("other", &id, (&mark, "other.example.net"), ("HIGH", "")),
        2 => Flooding::threat("akto", &id, (&mark, VICTIM), ("HIGH", ",\"successfulExploit\":true")),
        3 => Flooding::threat("akto", &id, (&mark, VICTIM), ("HIGH", "")),
        _ => Flooding::threat("akto", &id, (RULE, &mark), ("HIGH", "")),
    }
}

fn mark(needle: usize) -> String {
    format!("important{needle:02}x")
}

/// A person acknowledges the flood, so that its second victim has to be told again.
fn acknowledge(folder: &Folder) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command.args(["incidents", "ack", "1", "--by", "bench"]).current_dir(folder.path());
    let output = command.output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("acknowledging failed: {}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// Events over all incidents. Beyond 10,000 incidents a storm counts events itself.
fn count(folder: &Folder) -> Outcome<u64> {
    let store = SqliteStore::open(&folder.path().join("gatepost.db"), Access::Operate)?;
    let (mut before, mut counted) = (None, 0);
    loop {
        let incidents = store.incidents(&Page { limit: 5_000, before }, &IncidentFilter::default())?;
        let Some(last) = incidents.last() else { return Ok(counted) };
        before = Some(i64::try_from(last.number.0)?);
        counted += incidents.iter().map(events_of).sum::<u64>();
    }
}

fn events_of(incident: &Incident) -> u64 {
    match &incident.kind {
        IncidentKind::Events => incident.count,
        IncidentKind::Storm(facts) => incident.count - facts.incidents,
        IncidentKind::Digest(_) => 0,
    }
}

fn lines_of(folder: &Folder) -> std::io::Result<usize> {
    match std::fs::read(Path::new(folder.path()).join("events.ndjson")) {
        Ok(bytes) => Ok(bytes.iter().filter(|byte| **byte == b'\n').count()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

const FLOODS: &[(&str, Flooding, usize)] = &[
    ("one rule", Flooding::OneRule, 0),
    ("one rule, 5 kills", Flooding::OneRule, 5),
    ("1,000 rules", Flooding::Rules, 0),
    ("100,000 victims", Flooding::Victims, 0),
];
const RULE: &str = "FloodRule";
const VICTIM: &str = "flood.example.net";
/// Fewer than PagerDuty takes in a minute, and of each kind fewer than make a storm.
const NEEDLES: usize = 20;
const DRAIN_MAX: Duration = Duration::from_secs(300);
const HEAD: &str = "\
| flood | events | req/s | p99 ms | important ones paged | p50 ms | worst ms | pages of the flood | most MB | found |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---|";

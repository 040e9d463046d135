//! `gatepost tail`: events, changes of incidents and deliveries as they come.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::failure::{Failure, Outcome, io};
use super::json::{DeliveryJson, EventJson, MilestoneJson, json_of};
use super::number::parse_count;
use super::opening::read_store;
use super::output::out;
use super::paint::{Paint, Tone};
use super::{delivery_words, events, names, terminal, told};
use crate::domain::{Clock, DeliveryState, Severity, SystemClock, Timestamp};
use crate::store::{
    DeliveryRow, EventFilter, EventRow, IncidentQueries, MilestoneRow, Overview, Page, Position, Queries, SqliteStore,
    StoreError,
};

#[derive(clap::Args)]
#[command(after_help = "Examples:
  gatepost tail
  gatepost tail --severity high -n 0
  gatepost tail --json | jq -c 'select(.delivery.state == \"dead\")'

Ends with Ctrl-C.")]
pub struct Tail {
    /// Begin with so many of the last events
    #[arg(short = 'n', long, default_value_t = 10, value_parser = parse_count::<0, 10_000>)]
    lines: u32,
    /// Only of this source
    #[arg(long)]
    source: Option<String>,
    /// Only what is at least this bad
    #[arg(long)]
    severity: Option<Severity>,
    /// One JSON object a line: {"event": …}, {"milestone": …} or {"delivery": …}
    #[arg(long)]
    json: bool,
}

impl Tail {
    pub fn run(&self, path: &Path) -> Outcome {
        let (outline, store) = read_store(path)?;
        names::check_source(&outline, &store, self.source.as_deref())?;
        let mut follower = Follower::start(&store)?;
        self.begin(&store)?;
        follow(|| follower.look()?.iter().try_for_each(|news| self.print(news)))
    }

    /// The last events before the tail begins.
    fn begin(&self, store: &SqliteStore) -> Outcome {
        let filter = EventFilter { source: self.source.clone(), severity: self.severity, ..EventFilter::default() };
        let rows = match self.lines {
            0 => Vec::new(),
            lines => store.events(&Page { limit: lines as usize, before: None }, &filter)?,
        };
        rows.into_iter().rev().try_for_each(|row| self.print(&News::Event(Box::new(row))))
    }

    fn print(&self, news: &News) -> Outcome {
        let (source, severity) = match news {
            News::Event(row) => (&row.event.source, row.event.severity),
            News::Milestone(row) => (&row.source, row.severity),
            News::Delivery(row) => (&row.source, row.severity),
        };
        let is_bad_enough = self.severity.is_none_or(|least| severity.rank() >= least.rank());
        if !is_bad_enough || self.source.as_ref().is_some_and(|wanted| wanted != source.as_str()) {
            return Ok(());
        }
        match (news, self.json) {
            (News::Event(row), true) => out!("{}", json_of(&json!({ "event": EventJson::from(row.as_ref()) }))?),
            (News::Delivery(row), true) => {
                out!("{}", json_of(&json!({ "delivery": DeliveryJson::from(row.as_ref()) }))?)
            }
            (News::Milestone(row), true) => {
                out!("{}", json_of(&json!({ "milestone": MilestoneJson::from(row.as_ref()) }))?)
            }
            (News::Event(row), false) => out!("{}", event_line(row)),
            (News::Milestone(row), false) => out!("{}", milestone_line(row)),
            (News::Delivery(row), false) => out!("{}", delivery_line(row)),
        }
    }
}

/// Polls for new rows until a signal arrives or the reader closes the pipe.
pub fn follow(look: impl FnMut() -> Outcome) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(io("the process cannot be set up"))?.block_on(follow_until_ended(look))
}

async fn follow_until_ended(mut look: impl FnMut() -> Outcome) -> Outcome {
    let both = signal(SignalKind::interrupt()).and_then(|one| Ok((one, signal(SignalKind::terminate())?)));
    let (mut interrupt, mut terminate) = both.map_err(io("the process cannot be set up"))?;
    loop {
        match look() {
            // A locked store is polled again after the pause.
            Ok(()) | Err(Failure::Store(StoreError::Locked(_))) => {}
            Err(failure) => return Err(failure),
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
        }
        if is_output_closed() {
            return Ok(());
        }
    }
}

/// Something that has happened.
enum News {
    Event(Box<EventRow>),
    Milestone(Box<MilestoneRow>),
    Delivery(Box<DeliveryRow>),
}

/// What has been seen, and what is still open.
struct Follower<'s> {
    store: &'s SqliteStore,
    position: Position,
    /// The cursor of the last change of an incident.
    milestone: i64,
    /// Deliveries that have not come to an end, by cursor, with the tries that were told; `None`: not looked at yet.
    open: BTreeMap<i64, Option<u32>>,
}

impl<'s> Follower<'s> {
    fn start(store: &'s SqliteStore) -> Result<Self, Failure> {
        let (position, milestone) = (store.newest()?, store.newest_milestone()?);
        let mut follower = Self { store, position, milestone, open: BTreeMap::new() };
        follower.open.extend(store.open_deliveries(OPEN_MAX / 4)?.into_iter().map(|cursor| (cursor, None)));
        Ok(follower)
    }

    /// What is new. Where the store cannot be read nothing is taken as seen: the next look finds it.
    fn look(&mut self) -> Result<Vec<News>, StoreError> {
        let events = self.store.events_after(self.position.event, BATCH)?;
        let milestones = self.store.milestones_after(self.milestone, BATCH)?;
        for row in self.store.deliveries_after(self.position.delivery, BATCH)? {
            self.position.delivery = row.cursor;
            self.open.insert(row.cursor, Some(0));
        }
        // A replay opens old ones again.
        for cursor in self.store.open_deliveries(BATCH)? {
            self.open.entry(cursor).or_insert(None);
        }
        while self.open.len() > OPEN_MAX {
            self.open.pop_first();
        }
        let cursors: Vec<i64> = self.open.keys().copied().collect();
        let deliveries = self.store.deliveries_at(&cursors)?;
        self.position.event = events.last().map_or(self.position.event, |row| row.cursor);
        self.milestone = milestones.last().map_or(self.milestone, |row| row.cursor);
        let events = events.into_iter().map(|row| News::Event(Box::new(row)));
        let milestones = milestones.into_iter().map(|row| News::Milestone(Box::new(row)));
        let mut news: Vec<News> = events.chain(milestones).collect();
        news.extend(deliveries.into_iter().filter_map(|row| self.progress(row)));
        Ok(news)
    }

    /// The delivery, if there is something new about it.
    fn progress(&mut self, row: DeliveryRow) -> Option<News> {
        let told = self.open.insert(row.cursor, Some(row.delivery.tries))?;
        match row.delivery.state {
            DeliveryState::Delivered | DeliveryState::Dead | DeliveryState::Superseded => {
                self.open.remove(&row.cursor);
                Some(News::Delivery(Box::new(row)))
            }
            // The try has not ended: it is told when it has.
            DeliveryState::Leased => {
                self.open.insert(row.cursor, Some(told.unwrap_or(row.delivery.tries.saturating_sub(1))));
                None
            }
            DeliveryState::Waiting => {
                told.is_some_and(|told| row.delivery.tries > told).then(|| News::Delivery(Box::new(row)))
            }
        }
    }
}

fn event_line(row: &EventRow) -> String {
    let event = &row.event;
    let word = ("event", Tone::Plain);
    let name = event.source.as_str();
    line(event.received_at, word, event.severity, name, &events::headline(event), &event.id)
}

/// `10:00:00  raised     high      akto          title · was medium · #4711`
pub fn milestone_line(row: &MilestoneRow) -> String {
    let milestone = &row.milestone;
    let word = milestone.what.as_str().replace('_', " ");
    let text = format!("{} · {}", row.title, told::by_and_note(milestone));
    line(milestone.at, (&word, Tone::Heading), row.severity, row.source.as_str(), &text, &row.incident)
}

fn delivery_line(row: &DeliveryRow) -> String {
    let (delivery, now) = (&row.delivery, SystemClock.now());
    let word = if delivery.state == DeliveryState::Waiting { "retry" } else { delivery.state.as_str() };
    let remote = delivery.remote.as_deref().map(|remote| format!(" as {remote}"));
    let next = super::json::next_try(row).map(|at| format!(" (next try {})", delivery_words::when(at, now)));
    let reason = delivery.reason.as_deref().filter(|_| delivery.state != DeliveryState::Delivered);
    let reason = reason.map(|reason| format!(": {reason}"));
    let more = [next, remote, reason].into_iter().flatten().collect::<String>();
    let word = (word, Tone::of_state(delivery.state));
    line(
        now,
        word,
        row.severity,
        delivery.destination.as_str(),
        &format!("{}{}{more}", delivery_words::subject(row), row.title),
        &delivery.id,
    )
}

/// One line. On a terminal it is cut to the width, and the id left out where it would leave too little of the text.
fn line(
    at: Timestamp,
    (word, tone): (&str, Tone),
    severity: Severity,
    name: &str,
    text: &str,
    id: &dyn std::fmt::Display,
) -> String {
    let paint = Paint::of_stdout();
    let (word, rank, name) = (format!("{word:<9}"), format!("{:<8}", severity.as_str()), format!("{name:<12}"));
    let head_chars = [&word, &rank, &name].iter().map(|part| part.chars().count() + 2).sum::<usize>() + CLOCK_CHARS + 2;
    let (word, rank) = (paint.paint(tone, &word), paint.paint(Tone::of_severity(severity), &rank));
    let head = format!("{}  {word}  {rank}  {name}", clock(at));
    match terminal::width().map(|width| width.saturating_sub(head_chars)) {
        Some(left) if left < TEXT_CHARS_MIN + ID_CHARS => format!("{head}  {}", terminal::line(text, left)),
        left => {
            let text_max = left.map_or(TEXT_CHARS_MAX, |left| left - ID_CHARS);
            format!("{head}  {} · {id}", terminal::line(text, text_max))
        }
    }
}

/// `10:00:00`, in UTC.
fn clock(time: Timestamp) -> String {
    super::moment::short(time).split_off("2026-11-21 ".len())
}

/// Whether the reading end of standard output has been closed: without anything to write that would not be noticed.
fn is_output_closed() -> bool {
    let output = std::io::stdout();
    let mut ends = [PollFd::new(&output, PollFlags::empty())];
    let looked = poll(&mut ends, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    looked.is_ok() && ends.iter().any(|end| end.revents().intersects(PollFlags::ERR | PollFlags::HUP))
}

const PAUSE: Duration = Duration::from_millis(300);
/// `10:00:00`.
const CLOCK_CHARS: usize = 8;
/// An id, and what sets it off.
const ID_CHARS: usize = 36 + 3;
/// A shorter piece of a text is not useful.
const TEXT_CHARS_MIN: usize = 40;
const TEXT_CHARS_MAX: usize = 240;
/// Rows per query.
pub const BATCH: usize = 500;
/// Deliveries that are watched at the same time.
const OPEN_MAX: usize = 2_000;

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, params};

    use super::*;
    use crate::destinations::testing::event;
    use crate::store::Access;

    #[test]
    fn what_one_look_could_not_show_the_next_one_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        let store = SqliteStore::open(&path, Access::Serve).unwrap();
        let mut follower = Follower::start(&store).unwrap();
        let event = event("minimal");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute(
                "INSERT INTO events (id, receipt, source, received_at, severity, unrouted, quarantined, title, document)
                 VALUES (?1, ?2, ?3, ?4, 0, 0, 0, '', ?5)",
                params![
                    event.id.as_bytes(),
                    event.receipt.as_bytes(),
                    event.source.as_str(),
                    event.received_at.as_millis(),
                    serde_json::to_string(&event).unwrap()
                ],
            )
            .unwrap();
        // The events are read, what comes after them is not.
        connection.execute_batch("ALTER TABLE milestones RENAME TO away").unwrap();
        assert!(follower.look().is_err());
        connection.execute_batch("ALTER TABLE away RENAME TO milestones").unwrap();
        let news = follower.look().unwrap();
        assert!(matches!(news.as_slice(), [News::Event(row)] if row.event.id == event.id), "{}", news.len());
        assert!(follower.look().unwrap().is_empty());
    }
}

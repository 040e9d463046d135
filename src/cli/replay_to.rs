//! `gatepost replay --to`: a sink is sent the past.
//!
//! The routes of now are asked about every event of the period here, because the store knows no routes; what they send to the
//! sink is written down as the order, which the process that serves carries out.

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use super::failure::{Failure, Outcome};
use super::moment::short;
use super::output::out;
use super::{names, terminal};
use crate::config::Outline;
use crate::destinations;
use crate::domain::{Clock, DestinationName, SystemClock, Timestamp};
use crate::routing::Router;
use crate::store::{Choice, Known, Overview, PastEvent, Period, SinkReplay, SinkReplays, SqliteStore};

/// An order to send a sink the past.
pub(super) struct ReplayTo<'a> {
    pub path: &'a Path,
    pub outline: &'a Outline,
    pub store: &'a SqliteStore,
    pub sink: &'a str,
    pub dry_run: bool,
}

/// What was found in the period.
#[derive(Debug, Default)]
struct Found {
    chosen: u64,
    sent_before: u64,
    waiting: u64,
    quarantined: u64,
    routed_elsewhere: u64,
    unreadable: u64,
    /// The row of the first of those, and why.
    first_unreadable: Option<(i64, String)>,
}

impl ReplayTo<'_> {
    pub fn run(&self, since: Timestamp, until: Option<Timestamp>, again: bool) -> Outcome {
        let (sink, now) = (self.sink()?, SystemClock.now());
        let period = Period { since, until: until.unwrap_or(now) };
        if period.until <= period.since {
            return Err(Failure::Usage("--until is not after --since".to_owned()));
        }
        let chooser = Chooser { store: self.store, router: Outline::load_routes(self.path)?, sink, period, again };
        if self.dry_run {
            let found = chooser.walk(|_| Ok(()))?;
            out!("would send {} to {}, received {}", events(found.chosen), chooser.sink, said(period))?;
            return self.tell_rest(found, period, again);
        }
        let choice = match self.store.choose(&chooser.sink, period, now)? {
            Ok(choice) => choice,
            Err(open) => return Err(Failure::Found(under_way(&open))),
        };
        let found = chooser.walk(|rows| self.add(&choice, rows))?;
        if self.store.order_replay(choice)? {
            out!(
                "{} received {} are sent to {}: ordered; {CARRIED_OUT}",
                events(found.chosen),
                said(period),
                self.sink
            )?;
            out!("  `gatepost status` shows how far it is, `gatepost replay --to {} --stop` ends it", self.sink)?;
        } else {
            out!("0 events received {} are sent to {}", said(period), self.sink)?;
        }
        self.tell_rest(found, period, again)
    }

    pub fn stop(&self) -> Outcome {
        let sink = self.sink.parse().map_err(|_| self.unknown())?;
        let open = self.store.sink_replays()?.into_iter().find(|replay| replay.sink == sink && replay.is_open());
        if self.dry_run {
            return match open {
                Some(open) => out!("would stop: {}", under_way(&open)),
                None => out!("no replay to {sink} is under way"),
            };
        }
        match self.store.stop_replay(&sink)? {
            Some(stopped) => {
                let left = stopped.events.saturating_sub(stopped.batched);
                out!(
                    "the replay to {sink} is stopped; {} of it {} not sent",
                    events(left),
                    if left == 1 { "is" } else { "are" }
                )
            }
            None => out!("no replay to {sink} is under way"),
        }
    }

    /// The name of a sink that is configured.
    fn sink(&self) -> Result<DestinationName, Failure> {
        let kind = self.outline.destinations.get(self.sink).ok_or_else(|| self.unknown())?;
        if destinations::find(kind).is_some_and(|kind| kind.is_notifier()) {
            return Err(Failure::Found(format!(
                "{} is a notifier ({kind}): it tells people about incidents, and is not sent events of the past",
                self.sink
            )));
        }
        self.sink.parse().map_err(|_| self.unknown())
    }

    fn unknown(&self) -> Failure {
        names::unknown("destination", self.sink, self.outline.destinations.keys().map(String::as_str))
    }

    fn add(&self, choice: &Choice, rows: Vec<i64>) -> Outcome {
        if self.store.add(choice, rows)? {
            return Ok(());
        }
        Err(Failure::Found(format!(
            "another `gatepost replay --to {}` was begun; this one has ordered nothing",
            self.sink
        )))
    }

    /// What is not sent, each with the reason.
    fn tell_rest(&self, found: Found, period: Period, again: bool) -> Outcome {
        let sink = self.sink;
        let unreadable = found.first_unreadable.map_or_else(String::new, |(row, reason)| {
            format!(
                "that cannot be read; the first is row {row} of the store: {}",
                terminal::line(&reason, REASON_CHARS)
            )
        });
        let lines = [
            (if again { 0 } else { found.sent_before }, format!("sent to {sink} before; --again sends them too")),
            (found.waiting, format!("waiting for {sink} anyway")),
            (found.quarantined, "in quarantine".to_owned()),
            (found.routed_elsewhere, format!("sent to {sink} by no route of now")),
            (found.unreadable, unreadable),
        ];
        for (count, text) in lines.iter().filter(|(count, _)| *count > 0) {
            out!("  left out: {count} {text}")?;
        }
        if again && found.sent_before > 0 {
            out!("  among them: {} sent to {sink} before", found.sent_before)?;
        }
        let Some(removed) = self.store.removed()? else { return Ok(()) };
        match removed.oldest_left {
            Some(oldest) if oldest <= period.since => Ok(()),
            Some(oldest) => out!(
                "  gone: {}, removed by retention; the oldest that is left was received at {}",
                removed.events,
                short(oldest)
            ),
            None => out!("  gone: {}, removed by retention", removed.events),
        }
    }
}

/// Goes through the events of a period.
struct Chooser<'a> {
    store: &'a SqliteStore,
    router: Router,
    sink: DestinationName,
    period: Period,
    again: bool,
}

impl Chooser<'_> {
    /// Hands out the rows of the events that are to be sent.
    fn walk(&self, mut take: impl FnMut(Vec<i64>) -> Outcome) -> Result<Found, Failure> {
        let (newest, mut after, mut found) = (self.store.newest()?.event, 0, Found::default());
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent} % of the events were looked at") {
            bar.set_style(style);
        }
        loop {
            let page = self.store.past_events(&self.sink, self.period, after, EVENTS_AT_ONCE)?;
            let Some(last) = page.last().map(|event| event.row) else { break };
            let first = page.first().map_or(last, |event| event.row);
            if after == 0 {
                bar.set_length(u64::try_from(newest - first + 1).unwrap_or(0));
            }
            bar.inc(u64::try_from(last - first + 1).unwrap_or(0));
            let chosen: Vec<i64> =
                page.iter().filter(|event| self.is_chosen(event, &mut found)).map(|event| event.row).collect();
            if !chosen.is_empty() {
                take(chosen)?;
            }
            after = last;
        }
        bar.finish_and_clear();
        Ok(found)
    }

    fn is_chosen(&self, past: &PastEvent, found: &mut Found) -> bool {
        if past.is_quarantined {
            found.quarantined += 1;
            return false;
        }
        if past.known == Known::Waits {
            found.waiting += 1;
            return false;
        }
        let event = match &past.event {
            Ok(event) => event,
            Err(reason) => {
                found.unreadable += 1;
                found.first_unreadable.get_or_insert_with(|| (past.row, reason.clone()));
                return false;
            }
        };
        let is_sent_there = |(destination, _): &(DestinationName, _)| *destination == self.sink;
        if !self.router.plan(event).deliveries.iter().any(is_sent_there) {
            found.routed_elsewhere += 1;
            return false;
        }
        found.sent_before += u64::from(past.known == Known::Sent);
        let is_chosen = self.again || past.known == Known::Unsent;
        found.chosen += u64::from(is_chosen);
        is_chosen
    }
}

/// How far a replay is, for the operator.
pub(super) fn under_way(replay: &SinkReplay) -> String {
    let SinkReplay { sink, batched, open, events, .. } = replay;
    let done = batched.saturating_sub(*open);
    format!("a replay to {sink} is under way: {done} of {events} events sent, received {}", said(replay.period))
}

fn said(period: Period) -> String {
    format!("from {} to {} UTC", short(period.since), short(period.until))
}

fn events(count: u64) -> String {
    if count == 1 { "1 event".to_owned() } else { format!("{count} events") }
}

/// Few enough that the process that serves need not wait for what is written of them.
const EVENTS_AT_ONCE: usize = 500;
/// Of the reason why an event cannot be read.
const REASON_CHARS: usize = 160;
/// What an order means: this process sends nothing itself.
pub(super) const CARRIED_OUT: &str = "`gatepost serve` carries it out, at once or when it starts";

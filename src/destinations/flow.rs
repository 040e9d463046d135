//! How fast a destination is told, where the operator wants it otherwise than its kind has it.
//!
//! [`Kind::receiver`](super::Kind::receiver) reads these settings beside those of the kind itself, which knows nothing of them.

use std::path::Path;
use std::time::Duration;

use super::{Next, Notifier, Pace, Reply, Sink, Step};
use crate::domain::{Batch, BatchSize, Job, NotifierClass, Telling};
use crate::settings::Section;

/// What the operator sets of the flow to a destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flow {
    /// The pause that each try adds on average.
    interval: Option<Duration>,
    burst: Option<u32>,
    concurrency: Option<usize>,
    batch_events: Option<usize>,
    batch_interval: Duration,
}

impl Flow {
    /// Reads the settings of a notifier; `None` where one is at fault.
    pub(super) fn of_notifier(section: &Section) -> Option<Self> {
        let interval = read(section, "pace", interval);
        let burst = read(section, "burst", |section| whole(section, "burst", BURST_MAX));
        let concurrency = read(section, "concurrency", |section| whole(section, "concurrency", CONCURRENCY_MAX));
        Some(Self {
            interval: interval?,
            burst: burst?,
            concurrency: concurrency?.map(|number| number as usize),
            ..Self::default()
        })
    }

    /// The same of a sink, which takes batches.
    pub(super) fn of_sink(section: &Section) -> Option<Self> {
        let events = read(section, "batch_events", |section| whole(section, "batch_events", BATCH_EVENTS_MAX));
        let batch_interval = read(section, "batch_interval", |section| {
            section.duration("batch_interval", Duration::ZERO..BATCH_INTERVAL_MAX + Duration::from_nanos(1))
        });
        let flow = Self::of_notifier(section);
        Some(Self {
            batch_events: events?.map(|number| number as usize),
            batch_interval: batch_interval?.unwrap_or_default(),
            ..flow?
        })
    }

    /// Whether something is set.
    pub(super) fn is_set(&self) -> bool {
        *self != Self::default()
    }

    fn pace(&self, own: Pace) -> Pace {
        Pace {
            concurrency: self.concurrency.unwrap_or(own.concurrency),
            burst: self.burst.unwrap_or(own.burst),
            interval: self.interval.unwrap_or(own.interval),
        }
    }
}

/// What is read where the key is there: `Some(None)` where it is not, `None` where it is at fault.
fn read<T>(section: &Section, key: &'static str, read: impl FnOnce(&Section) -> Option<T>) -> Option<Option<T>> {
    if section.has(key) { read(section).map(Some) } else { Some(None) }
}

fn whole(section: &Section, key: &'static str, most: i64) -> Option<u32> {
    u32::try_from(section.integer(key, 1..most + 1)?).ok()
}

/// `NUMBER/UNIT`: so many tries a second, minute or hour.
fn interval(section: &Section) -> Option<Duration> {
    let text = section.text("pace")?;
    let parsed = text.split_once('/').and_then(|(number, unit)| {
        let unit = match unit.trim() {
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(3_600),
            _ => return None,
        };
        let number: u32 = number.trim().parse().ok()?;
        (1..=PACE_MAX).contains(&number).then(|| unit / number)
    });
    if parsed.is_none() {
        let fix = "write NUMBER/UNIT, such as 2/s, 100/m or 500/h";
        section.fault("pace", &format!("'{text}' is not a pace"), fix);
    }
    parsed
}

/// A destination at another pace. All else is as the destination has it.
#[derive(Debug)]
pub(super) struct Paced<D: ?Sized> {
    flow: Flow,
    destination: Box<D>,
}

impl<D: ?Sized> Paced<D> {
    /// `destination` as `flow` has it.
    pub(super) fn new(destination: Box<D>, flow: Flow) -> Self {
        Self { flow, destination }
    }
}

impl Sink for Paced<dyn Sink> {
    fn pace(&self) -> Pace {
        self.flow.pace(self.destination.pace())
    }

    fn batch_size(&self) -> BatchSize {
        let own = self.destination.batch_size();
        BatchSize { events: self.flow.batch_events.unwrap_or(own.events).min(own.events), ..own }
    }

    fn batch_interval(&self) -> Duration {
        self.flow.batch_interval
    }

    fn first(&self, batch: &Batch<'_>) -> Next {
        self.destination.first(batch)
    }

    fn next(&self, batch: &Batch<'_>, step: Step, reply: &Reply) -> Next {
        self.destination.next(batch, step, reply)
    }

    fn file(&self) -> Option<&Path> {
        self.destination.file()
    }
}

impl Notifier for Paced<dyn Notifier> {
    fn class(&self) -> NotifierClass {
        self.destination.class()
    }

    fn fingerprint(&self) -> [u8; 16] {
        self.destination.fingerprint()
    }

    fn former_fingerprint(&self) -> Option<[u8; 16]> {
        self.destination.former_fingerprint()
    }

    fn pace(&self) -> Pace {
        self.flow.pace(self.destination.pace())
    }

    fn first(&self, job: &Job<'_>, telling: &Telling<'_>) -> Next {
        self.destination.first(job, telling)
    }

    fn next(&self, job: &Job<'_>, telling: &Telling<'_>, step: Step, reply: &Reply) -> Next {
        self.destination.next(job, telling, step, reply)
    }
}

/// What every destination has, as JSON: name -> JSON Schema.
pub const FLOW_SCHEMA: &str = r##"{
  "pace": {"type": "string", "pattern": "^\\s*[0-9]+\\s*/\\s*[smh]\\s*$", "description": "Messages a second, minute or hour on average, such as 2/s, 100/m or 500/h"},
  "burst": {"type": "integer", "minimum": 1, "maximum": 1000, "description": "Messages without a pause in between after a quiet time"},
  "concurrency": {"type": "integer", "minimum": 1, "maximum": 64, "description": "Messages under way at the same time"}
}"##;

/// What every sink has beside that.
pub const BATCH_SCHEMA: &str = r##"{
  "batch_events": {"type": "integer", "minimum": 1, "maximum": 10000, "description": "Events in a batch, where fewer are wanted than the sink takes at most"},
  "batch_interval": {"$ref": "#/$defs/duration", "description": "The least time between batches that are not full; 0s to 5m"}
}"##;

const PACE_MAX: u32 = 1_000_000;
const BURST_MAX: i64 = 1_000;
const CONCURRENCY_MAX: i64 = 64;
const BATCH_EVENTS_MAX: i64 = 10_000;
const BATCH_INTERVAL_MAX: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::super::{KINDS, Receiver, testing};

    const HOOK: &str = "url = \"http://127.0.0.1:9/\"\nsecret = { env = \"WEBHOOK_SECRET\" }\n";
    const SLACK: &str = "webhook_url = { env = \"SLACK_WEBHOOK_URL\" }\n";

    fn kind(name: &str) -> &'static super::super::Kind {
        KINDS.iter().find(|kind| kind.name == name).unwrap()
    }

    #[test]
    fn what_is_set_takes_the_place_of_what_the_kind_has() {
        let own = testing::build(kind("slack"), SLACK).unwrap().pace();
        let set = |more: &str| testing::build(kind("slack"), &format!("{SLACK}{more}")).unwrap().pace();
        assert_eq!(set("concurrency = 7").concurrency, 7);
        assert_eq!(set("concurrency = 7").interval, own.interval);
        assert_eq!(set("burst = 9").burst, 9);
        for (pace, interval_ms) in [("2/s", 500), ("100/m", 600), (" 1 / h ", 3_600_000)] {
            let interval = set(&format!("pace = \"{pace}\"")).interval;
            assert_eq!(interval.as_millis(), interval_ms, "{pace}");
        }
        let Receiver::Sink(own) = testing::build(kind("webhook"), &format!("{HOOK}batch = 100\n")).unwrap() else {
            panic!()
        };
        let more = "batch = 100\nbatch_events = 50\nbatch_interval = \"5s\"\npace = \"1/s\"";
        let Receiver::Sink(set) = testing::build(kind("webhook"), &format!("{HOOK}{more}")).unwrap() else { panic!() };
        assert_eq!((own.batch_size().events, set.batch_size().events), (100, 50));
        assert_eq!((own.batch_interval().as_secs(), set.batch_interval().as_secs()), (0, 5));
        assert_eq!(set.pace().interval.as_secs(), 1);
        assert_eq!(set.batch_size().bytes, own.batch_size().bytes);
    }

    #[test]
    fn a_sink_takes_no_more_than_its_kind_does() {
        let Receiver::Sink(sink) = testing::build(kind("webhook"), &format!("{HOOK}batch_events = 10000")).unwrap()
        else {
            panic!()
        };
        assert_eq!(sink.batch_size().events, 1);
    }

    #[test]
    fn faults_are_named() {
        for (kind_name, settings, said) in [
            ("slack", "pace = \"fast\"", "pace: 'fast' is not a pace; write NUMBER/UNIT, such as 2/s, 100/m or 500/h"),
            ("slack", "pace = \"0/s\"", "'0/s' is not a pace"),
            ("slack", "pace = \"1/d\"", "'1/d' is not a pace"),
            ("slack", "concurrency = 0", "concurrency: 0 is out of range; write a number from 1 to 64"),
            ("slack", "burst = 1001", "burst: 1001 is out of range"),
            ("slack", "batch_events = 5", "batch_events: is not a known key"),
            ("webhook", "batch_interval = \"1h\"", "batch_interval: '1h' is out of range"),
        ] {
            let own = if kind_name == "slack" { SLACK } else { HOOK };
            let faults = testing::build(kind(kind_name), &format!("{own}{settings}")).unwrap_err();
            assert!(faults.contains(said), "{settings}: {faults}");
        }
    }
}

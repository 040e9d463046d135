//! A file with one JSON document a line: an archive, and a feed for whatever tails files.
//!
//! Lines are complete and not redacted. A probe's line says so in its title and its labels.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::event_format::EventFormat;
use super::{Append, Build, Carrier, Fault, Kind, Line, Message, Next, Pace, Reply, Rotation, Sink, Step, classify};
use crate::domain::{Batch, BatchEvent, BatchSize, Outcome, Scope};
use crate::settings::{Section, parse_duration, parse_size};

/// The `file` destination.
pub const KIND: Kind = Kind {
    name: "file",
    title: "File",
    build: Build::Sink(build),
    carrier: Carrier::Own,
    schema: r##"{
  "path": {"type": "string", "description": "The file; - is standard output"},
  "format": {"enum": ["event", "ocsf", "cloudevents", "ecs"]},
  "rotate": {"description": "When the file is put away: a size, a time, or both with the number of those that are kept",
    "oneOf": [{"$ref": "#/$defs/size"}, {"$ref": "#/$defs/duration"},
      {"type": "object", "additionalProperties": false, "anyOf": [{"required": ["size"]}, {"required": ["every"]}], "properties": {
        "size": {"$ref": "#/$defs/size", "description": "The file is put away before it is longer"},
        "every": {"$ref": "#/$defs/duration", "description": "The file is put away at multiples of this, in UTC"},
        "keep": {"type": "integer", "minimum": 1, "maximum": 10000, "description": "How many files that were put away are kept; default: all"}}}]}
}"##,
    required: &["path"],
    template: r#"path = "events.ndjson"              # "-" is standard output
# format = "event"                  # or "ocsf", "cloudevents", "ecs"
# rotate = { size = "100MiB", every = "1d", keep = 30 }  # put it away before it is longer, and at midnight UTC
"#,
    examples: &[],
};

#[derive(Debug)]
struct File {
    path: PathBuf,
    format: EventFormat,
    rotate: Option<Rotate>,
}

/// When the file is put away, and how many of those that were are kept.
#[derive(Clone, Copy, Debug)]
struct Rotate {
    size: Option<u64>,
    every: Option<Duration>,
    keep: Option<usize>,
}

impl Rotate {
    /// `rotate = "100MiB"`, `"1d"` or `{ size = "100MiB", every = "1d", keep = 30 }`.
    fn of(section: &Section) -> Option<Self> {
        if section.is_table("rotate") {
            return Self::of_table(&section.section("rotate")?);
        }
        let text = section.text("rotate")?;
        match (parse_size(&text), parse_duration(&text)) {
            (Some(_), _) => {
                let size = Some(section.size("rotate", ROTATE_BYTES_MIN..ROTATE_BYTES_MAX)?);
                Some(Self { size, every: None, keep: None })
            }
            (None, Some(_)) => {
                let every = Some(section.duration("rotate", ROTATE_EVERY_MIN..ROTATE_EVERY_MAX)?);
                Some(Self { size: None, every, keep: None })
            }
            (None, None) => {
                let message = format!("'{text}' is neither a size nor a duration");
                section.fault("rotate", &message, "write it like 100MiB or 1d");
                None
            }
        }
    }

    fn of_table(table: &Section) -> Option<Self> {
        let size = table.size("size", ROTATE_BYTES_MIN..ROTATE_BYTES_MAX);
        let every = table.duration("every", ROTATE_EVERY_MIN..ROTATE_EVERY_MAX);
        let keep = table.integer("keep", 1..KEPT_MAX + 1).and_then(|keep| usize::try_from(keep).ok());
        let is_never = !table.has("size") && !table.has("every");
        if is_never {
            table.fault("", "does not say when the file is put away", "add size = \"100MiB\" or every = \"1d\"");
        }
        table.finish();
        (!is_never).then_some(Self { size, every, keep })
    }
}

fn build(section: &Section) -> Option<Box<dyn Sink>> {
    let format = EventFormat::setting(section, FORMATS, EventFormat::Event);
    let rotate = Rotate::of(section);
    let path = section.required_text("path")?;
    if path == STDOUT && section.has("rotate") {
        section.fault("path", "is standard output, which is not rotated", "leave out `rotate`");
        return None;
    }
    let path = if path == STDOUT { PathBuf::from(STDOUT) } else { section.path_of(&path) };
    Some(Box::new(File { path, format: format?, rotate }))
}

impl Sink for File {
    fn pace(&self) -> Pace {
        // Each batch costs a sync: many small ones take the disk and the processor from the intake.
        Pace { concurrency: 1, burst: 5, interval: Duration::from_millis(20) }
    }

    fn batch_size(&self) -> BatchSize {
        BatchSize { events: BATCH_EVENTS_MAX, bytes: Append::BYTES_MAX / self.format.growth() }
    }

    fn first(&self, batch: &Batch<'_>) -> Next {
        let lines: Result<Vec<Line>, serde_json::Error> =
            batch.events.iter().map(|event| self.line(batch, event)).collect();
        match lines {
            Ok(lines) => Next::Send("append", Message::Append(self.append(batch, lines))),
            Err(error) => {
                Next::Done(Outcome::Refused { reason: format!("the event cannot be written as JSON: {error}") })
            }
        }
    }

    fn next(&self, batch: &Batch<'_>, _step: Step, reply: &Reply) -> Next {
        Next::Done(match reply {
            Reply::Appended => Outcome::Delivered { remote: None },
            Reply::Failed(fault) => self.failed(batch, fault),
            Reply::Http(_) | Reply::Mailed(_) | Reply::NotSent(_) | Reply::Written => classify::mixed_up(batch),
        })
    }

    fn file(&self) -> Option<&Path> {
        (self.path != Path::new(STDOUT)).then_some(self.path.as_path())
    }
}

impl File {
    fn line(&self, batch: &Batch<'_>, event: &BatchEvent) -> serde_json::Result<Line> {
        Ok(Line { text: self.format.line(event, batch.purpose)?, id: event.id })
    }

    fn append(&self, batch: &Batch<'_>, lines: Vec<Line>) -> Append {
        let rotation = self.rotate.map(|Rotate { size, every, keep }| Rotation { size, every, keep, now: batch.now });
        Append { path: self.path.clone(), lines, may_be_there: classify::in_doubt(batch), rotation }
    }

    /// A second try looks for the lines first, so it is harmless; but only if it knows that there is something to look
    /// for.
    fn failed(&self, batch: &Batch<'_>, fault: &Fault) -> Outcome {
        let progress = if fault.may_have_arrived { classify::doubt(batch) } else { classify::carried(batch) };
        let path = self.path.display();
        let reason =
            format!("{path} cannot be written: {}. Check the disk, the folder and its permissions", fault.detail);
        Outcome::Retry { reason, after: None, scope: Scope::Destination, progress }
    }
}

/// About as many small events as fit into the bytes of a batch.
const BATCH_EVENTS_MAX: usize = 2000;
const STDOUT: &str = "-";
const FORMATS: &[EventFormat] = &[EventFormat::Event, EventFormat::Ocsf, EventFormat::CloudEvents, EventFormat::Ecs];
/// A batch fits.
const ROTATE_BYTES_MIN: u64 = 1 << 20;
const ROTATE_BYTES_MAX: u64 = 1 << 40;
const ROTATE_EVERY_MIN: Duration = Duration::from_secs(60);
const ROTATE_EVERY_MAX: Duration = Duration::from_secs(366 * 24 * 3600);
const KEPT_MAX: i64 = 10_000;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing;
    use super::*;
    use crate::domain::{Event, Progress, Purpose};

    fn sink(settings: &str) -> Box<dyn Sink> {
        testing::sink(&KIND, settings)
    }

    fn append(next: Next) -> Append {
        match next {
            Next::Send("append", Message::Append(append)) => append,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn settings_are_read_and_faults_named() {
        for good in [
            "path = \"a.ndjson\"",
            "path = \"-\"\nformat = \"ocsf\"",
            "path = \"a\"\nformat = \"cloudevents\"",
            "path = \"a\"\nformat = \"ecs\"",
            "path = \"a\"\nrotate = \"1MiB\"",
            "path = \"a\"\nrotate = \"1d\"",
            "path = \"a\"\nrotate = { size = \"2GiB\", every = \"1d\", keep = 1 }",
        ] {
            assert!(testing::build(&KIND, good).is_ok(), "{good}");
        }
        for (bad, said) in [
            ("", "path: is missing"),
            ("path = \"\"", "is empty"),
            ("path = \"a\"\nformat = \"csv\"", "'csv' is not known"),
            ("path = \"a\"\nformt = \"ocsf\"", "did you mean 'format'?"),
            ("path = \"a\"\nrotate = \"1KiB\"", "rotate: '1KiB' is out of range"),
            ("path = \"a\"\nrotate = \"1s\"", "rotate: '1s' is out of range"),
            (
                "path = \"a\"\nrotate = \"daily\"",
                "rotate: 'daily' is neither a size nor a duration; write it like 100MiB or 1d",
            ),
            ("path = \"a\"\nrotate = 5", "rotate: is an integer"),
            ("path = \"a\"\nrotate = { size = \"1KiB\" }", "rotate.size: '1KiB' is out of range"),
            ("path = \"a\"\nrotate = { every = \"1s\" }", "rotate.every: '1s' is out of range"),
            ("path = \"a\"\nrotate = { keep = 3 }", "rotate: does not say when the file is put away"),
            ("path = \"a\"\nrotate = { every = \"1d\", keep = 0 }", "rotate.keep: 0 is out of range"),
            ("path = \"a\"\nrotate = { every = \"1d\", keeps = 1 }", "did you mean 'keep'?"),
            ("path = \"-\"\nrotate = \"1d\"", "standard output, which is not rotated"),
        ] {
            let faults = testing::build(&KIND, bad).unwrap_err();
            assert!(faults.contains(said), "{bad}: {faults}");
        }
        testing::assert_template(&KIND);
    }

    #[test]
    fn lines_are_golden() {
        for format in ["event", "ocsf"] {
            let sink = sink(&format!("path = \"events.ndjson\"\nformat = \"{format}\""));
            for (name, batch) in &testing::batches() {
                let append = append(sink.first(&batch.as_batch()));
                let [line] = append.lines.as_slice() else { panic!("{append:?}") };
                testing::golden("file", &format!("{name}.{format}"), &serde_json::from_slice(&line.text).unwrap());
            }
        }
    }

    #[test]
    fn a_line_is_one_line_of_everything_and_lines_stand_in_the_order_of_the_batch() {
        let sink = sink("path = \"-\"");
        let events = testing::every_event();
        let batch = testing::batch_of(&events, Purpose::Alert);
        let lines = append(sink.first(&batch.as_batch())).lines;
        assert_eq!(lines.len(), events.len());
        for (line, event) in lines.iter().zip(&events) {
            assert!(!line.text.contains(&b'\n') && !line.text.contains(&b'\r'));
            assert_eq!((serde_json::from_slice::<Event>(&line.text).unwrap(), line.id), (event.clone(), event.id));
        }
    }

    #[test]
    fn a_file_is_rotated_as_the_settings_say_and_else_never() {
        let owned = testing::batch_of(&[testing::event("minimal")], Purpose::Alert);
        let rotation = |settings: &str| append(sink(settings).first(&owned.as_batch())).rotation;
        assert!(rotation("path = \"a\"").is_none());
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (rotate, size, every, keep) in [
            ("{ size = \"2MiB\", every = \"12h\", keep = 5 }", Some(2 << 20), seconds(12 * 3600), Some(5)),
            ("\"2MiB\"", Some(2 << 20), None, None),
            ("\"5m\"", None, seconds(300), None),
        ] {
            let found = rotation(&format!("path = \"a\"\nrotate = {rotate}")).unwrap();
            assert_eq!((found.size, found.every, found.keep), (size, every, keep), "{rotate}");
            assert_eq!(found.now, owned.as_batch().now);
        }
    }

    #[test]
    fn a_probe_says_so_and_a_doubtful_line_is_looked_for() {
        let sink = sink("path = \"-\"");
        let event = testing::event("minimal");
        let owned = testing::batch_of(std::slice::from_ref(&event), Purpose::Alert);
        let batch = owned.as_batch();
        assert!(!append(sink.first(&batch)).may_be_there);
        let doubtful = append(sink.first(&Batch { uncertain: true, ..batch }));
        assert!(doubtful.may_be_there);
        assert!(String::from_utf8_lossy(&doubtful.lines[0].text).contains(&format!("\"{}\"", event.id)));
        let probe = append(sink.first(&Batch { purpose: Purpose::Probe, ..batch }));
        let line: Value = serde_json::from_slice(&probe.lines[0].text).unwrap();
        assert!(line["title"].as_str().unwrap().starts_with("TEST · "));
        assert_eq!(line["labels"]["purpose"], json!("probe"));
    }

    #[test]
    fn an_event_that_cannot_be_read_is_refused_where_it_must_be_read() {
        let broken = testing::OwnedBatch::broken();
        assert_eq!(append(sink("path = \"-\"").first(&broken.as_batch())).lines.len(), 1);
        let refused = sink("path = \"-\"\nformat = \"ocsf\"").first(&broken.as_batch());
        assert!(matches!(refused, Next::Done(Outcome::Refused { .. })), "{refused:?}");
    }

    #[test]
    fn the_reply_table() {
        let sink = sink("path = \"-\"");
        let owned = testing::batch_of(&[testing::event("minimal")], Purpose::Alert);
        let outcome = |reply: Reply| match sink.next(&owned.as_batch(), "append", &reply) {
            Next::Done(outcome) => outcome,
            other => panic!("{other:?}"),
        };
        assert_eq!(outcome(Reply::Appended), Outcome::Delivered { remote: None });
        for may_have_arrived in [false, true] {
            let fault = Fault { may_have_arrived, detail: "no space left on device".into() };
            let Outcome::Retry { reason, scope, progress, .. } = outcome(Reply::Failed(fault)) else { panic!() };
            assert!(reason.contains("no space left"));
            assert_eq!(scope, Scope::Destination);
            assert_eq!(progress == Progress::default(), !may_have_arrived);
        }
        assert!(matches!(outcome(testing::reply(200, "ok")), Outcome::Unknown { .. }));
    }

    fn schema() -> testing::Contract {
        let text = std::fs::read_to_string(testing::project("schemas/event.v1.schema.json")).unwrap();
        testing::Contract::new(&serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn every_event_is_what_the_published_schema_says() {
        let schema = schema();
        for name in testing::EVENTS {
            schema.assert(&serde_json::to_value(testing::event(name)).unwrap());
        }
    }

    #[test]
    fn the_published_schema_names_every_field_and_no_other() {
        let full =
            crate::domain::Event { incident: Some(crate::domain::IncidentNumber(4711)), ..testing::event("full") };
        let full = serde_json::to_value(full).unwrap();
        let text = std::fs::read_to_string(testing::project("schemas/event.v1.schema.json")).unwrap();
        let schema: Value = serde_json::from_str(&text).unwrap();
        let keys =
            |value: &Value| value.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>();
        assert_eq!(keys(&full), keys(&schema["properties"]));
        for part in ["rule", "actor", "target"] {
            assert_eq!(keys(&full[part]), keys(&schema["properties"][part]["properties"]), "{part}");
        }
        assert_eq!(keys(&full["links"][0]), keys(&schema["properties"]["links"]["items"]["properties"]));
    }

    #[test]
    fn the_published_schema_refuses_what_is_no_event() {
        let schema = schema();
        let good = serde_json::to_value(testing::event("full")).unwrap();
        for (pointer, bad) in [
            ("/id", json!("1")),
            ("/key", json!("0123")),
            ("/receipt", json!(null)),
            ("/source", json!("Not A Name")),
            ("/vendor", json!("")),
            ("/type", json!("")),
            ("/time", json!(1_700_000_000)),
            ("/received_at", json!("yesterday")),
            ("/severity", json!("high")),
            ("/severity", json!(7)),
            ("/title", json!("")),
            ("/title", json!("x".repeat(301))),
            ("/message", json!(null)),
            ("/rule", json!({})),
            ("/rule/id", json!(1)),
            ("/actor/ip", json!("claude")),
            ("/actor/ip", json!("1.2.3.4:80")),
            ("/target", json!({ "port": 80 })),
            ("/links/0/url", json!("javascript:alert(1)")),
            ("/links", json!([])),
            ("/labels", json!({ "a": 1 })),
            ("/unmapped", json!([])),
        ] {
            let mut broken = good.clone();
            *broken.pointer_mut(pointer).unwrap() = bad.clone();
            assert!(!schema.accepts(&broken), "{pointer} = {bad}");
        }
        for field in ["id", "key", "receipt", "source", "vendor", "type", "time", "received_at", "severity", "title"] {
            let mut broken = good.clone();
            broken.as_object_mut().unwrap().remove(field);
            assert!(!schema.accepts(&broken), "{field}");
        }
        let mut extra = good;
        extra["surprise"] = json!(1);
        assert!(!schema.accepts(&extra));
    }
}

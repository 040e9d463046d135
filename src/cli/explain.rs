//! `gatepost explain`

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::explain_incident::Place;
use super::failure::{Failure, Outcome, io};
use super::json::json_of;
use super::opening::{load, read_store};
use super::output::out;
use super::{find, names, show, terminal};
use crate::config::{Config, Outline};
use crate::domain::{
    Annotation, Clock, DestinationName, Encoding, Event, IdPrefix, Note, Receipt, ReceiptId, SourceName, SystemClock,
};
use crate::pipeline::Horizon;
use crate::routing::{Annotations, Considered, ConsideredAnnotation, Decision, Flow, Router};
use crate::store::Queries;
use crate::vendors::{Source, Unfound};

#[derive(clap::Args)]
#[command(override_usage = "gatepost explain [OPTIONS] <EVENT>
       gatepost explain [OPTIONS] --file <BODY> --source <SOURCE>")]
#[command(after_help = "Examples:
  gatepost explain 01a1fbb3-c079-7286
  gatepost explain --file body.json --source akto

An event in the store is explained without any secret. A body is read as its source would read it, so that the
settings of the source, and its secrets, must be sound.")]
pub struct Explain {
    /// An event in the store: its id, the beginning of it, or the id of its receipt or of one of its deliveries
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    event: Option<IdPrefix>,
    /// A body to read as if it had come in
    #[arg(long, requires = "source", value_name = "BODY")]
    file: Option<PathBuf>,
    /// The source that it would have come in by
    #[arg(long, value_name = "SOURCE", requires = "file")]
    source: Option<String>,
    /// One JSON object for each event
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub fn run(&self, path: &Path) -> Outcome {
        match (&self.event, &self.file, &self.source) {
            (Some(id), None, None) => self.stored(path, id),
            (None, Some(file), Some(source)) => self.body(path, file, source),
            (Some(_), None, Some(_)) => Err(Failure::Usage(
                "an event in the store says itself which source it came in by: leave --source out".to_owned(),
            )),
            _ => Err(Failure::Usage("give an event, or --file and --source".to_owned())),
        }
    }

    fn stored(&self, path: &Path, id: &IdPrefix) -> Outcome {
        let (outline, store) = read_store(path)?;
        let router = match Outline::load_routes(path) {
            // Some routes may not have been read, so an explanation by the others could be wrong.
            Err(_) if outline.fault.is_some() && !self.json => None,
            router => Some(router?),
        };
        let id = find::event(&store, id)?;
        let row = store.event(id)?;
        let row = row.ok_or_else(|| Failure::Found(format!("there is no event {id} in the store")))?;
        // What gatepost tells about itself goes where `[operator]` says.
        let routed = router.as_ref().filter(|_| row.event.source != SourceName::own());
        let planned = routed.map(|router| router.plan(&row.event).deliveries).unwrap_or_default();
        let planned: Vec<DestinationName> = planned.into_iter().map(|(destination, _)| destination).collect();
        let place = Place::find(path, &store, &row, &planned)?;
        let held = row.quarantined.then_some("it is in quarantine");
        let explained = Explained { event: row.event, held };
        let annotations = Outline::load_annotations(path);
        if let Some(router) = router.as_ref().filter(|_| self.json) {
            let mut json = explained.json(router, &annotations, None, &[]);
            if let (Some(fields), Some(place)) = (json.as_object_mut(), &place) {
                fields.insert("place".to_owned(), place.json());
            }
            return out!("{}", json_of(&json)?);
        }
        let event = &explained.event;
        out!("{} · {}", event.rank(), terminal::line(&event.title, 120))?;
        out!("  type {} · source {} · event {}", terminal::line(&event.kind, 80), event.source, event.id)?;
        explained.of_one_alert()?;
        explained.unknown_severity_of_then(path)?;
        match router {
            _ if explained.event.source == SourceName::own() => {
                out!("  gatepost tells this about itself: `[operator] to` names the receivers, and no route is asked")?;
            }
            Some(router) => explained.routes(&router)?,
            None => out!("  its routes are not explained before the fault is mended")?,
        }
        explained.annotations(&annotations)?;
        place.map_or(Ok(()), |place| place.print())
    }

    fn body(&self, path: &Path, file: &Path, name: &str) -> Outcome {
        let config = load(path)?;
        let found = config.sources.values().find(|source| source.name.as_str() == name);
        let names = config.sources.keys().map(|name| name.as_str());
        let source = found.ok_or_else(|| names::unknown("source", name, names))?;
        let body = std::fs::read(file).map_err(io(format!("{} cannot be read", file.display())))?;
        let unfound = source.normalizer.unfound(&body);
        let (events, note) = read(&config, source, body);
        if self.json {
            let line = |explained: &Explained| {
                out!("{}", json_of(&explained.json(&config.router, &config.annotations, note, &unfound))?)
            };
            return events.iter().try_for_each(line);
        }
        if let Some(note) = note {
            out!("the body is {}", note.as_str())?;
        }
        if events.is_empty() {
            out!("it holds no event: no destination would be told")?;
        }
        for explained in &events {
            show::whole(&explained.event)?;
            explained.unknown_severity()?;
            explained.routes(&config.router)?;
            explained.annotations(&config.annotations)?;
        }
        unfound.iter().try_for_each(|unfound| out!("{}", terminal::line(&unfound.to_string(), 200)))
    }
}

/// An event, and that it is in quarantine or would go there.
struct Explained {
    event: Event,
    held: Option<&'static str>,
}

impl Explained {
    /// What the vendor says about which alert it belongs to, and whether that goes on.
    fn of_one_alert(&self) -> Outcome {
        let Event { state, group, correlation, .. } = &self.event;
        let shown = [
            ("state", state.map(|state| state.as_str())),
            ("group", group.as_deref()),
            ("correlation", correlation.as_deref()),
        ];
        let said = |(what, text): (&str, Option<&str>)| Some(format!("{what} {}", terminal::line(text?, 120)));
        let said: Vec<String> = shown.into_iter().filter_map(said).collect();
        if said.is_empty() { Ok(()) } else { out!("  {}", said.join(" · ")) }
    }

    /// A severity word that was not known when the event was read, and how to apply what the settings say now.
    fn unknown_severity_of_then(&self, path: &Path) -> Outcome {
        let Some(word) = self.event.severity_word() else { return Ok(()) };
        let Event { source, severity, receipt, .. } = &self.event;
        let now = Outline::load_severities(path, source).and_then(|severities| severities.of_word(word));
        let Some(now) = now else {
            self.unknown_severity()?;
            return out!("  then `gatepost replay --receipt {receipt}` applies the settings of now");
        };
        let word = terminal::line(word, 64);
        out!("  its severity word '{word}' was not known when it was read, so its severity is {severity};")?;
        out!("  the settings of now say {now}: `gatepost replay --receipt {receipt}` applies them")
    }

    /// A severity word that is not known, and how to make it known.
    fn unknown_severity(&self) -> Outcome {
        let Some(word) = self.event.severity_word() else { return Ok(()) };
        let word = terminal::line(word, 64);
        let severity = self.event.severity;
        out!(
            "  its severity word '{word}' is not known, so its severity is {severity}; to change that, in the source:"
        )?;
        if word.starts_with(['{', '[']) {
            return out!("    map = {{ severity = \"/severity/level\" }}: a JSON pointer to one plain word");
        }
        out!("    severities = {{ {word:?} = \"high\" }}")?;
        if word.parse().is_ok_and(|number| (0.0..=10.0).contains(&number)) {
            out!("    or severity_numbers = \"cvss\", if its numbers are CVSS scores")?;
        }
        Ok(())
    }

    fn routes(&self, router: &Router) -> Outcome {
        if let Some(held) = self.held {
            out!("  {held}: no route is asked before its receipt is replayed; then")?;
        }
        for considered in router.explain(&self.event) {
            let route = considered.route;
            let to = route.to.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            let condition = route.when.as_ref().map_or("always", |condition| condition.source());
            let stops = if route.flow == Flow::Stop { "; the routes below are not asked" } else { "" };
            match considered.decision {
                Some(Decision::Holds) => out!("  ✔ {}: {condition} holds -> {to}{stops}", route.name)?,
                Some(Decision::Fails) => out!("  ✘ {}: {condition} does not hold", route.name)?,
                Some(Decision::Undecided(why)) => {
                    let why = terminal::line(&why, 200);
                    let stops = if route.flow == Flow::Stop { " and stops nothing" } else { "" };
                    out!(
                        "  ? {}: {condition} cannot be decided ({why}), so it takes the event{stops} -> {to}",
                        route.name
                    )?;
                }
                None => out!("  - {}: not asked, because an earlier route stops the search", route.name)?,
            }
        }
        if router.plan(&self.event).routes_taken == 0 {
            out!("  no route takes it: it is kept, and marked unrouted")?;
        }
        Ok(())
    }

    /// What the operator says about it, and by which of the annotations.
    fn annotations(&self, annotations: &Annotations) -> Outcome {
        for considered in annotations.explain(&self.event) {
            let condition = considered.rule.when.as_ref().map_or("always", |condition| condition.source());
            let said = said_in_one_line(&considered.rule.annotation);
            match considered.decision {
                Decision::Holds => out!("  ✔ annotation {}: {condition} holds: {said}", considered.place)?,
                Decision::Fails => out!("  ✘ annotation {}: {condition} does not hold", considered.place)?,
                Decision::Undecided(why) => {
                    let why = terminal::line(&why, 200);
                    out!(
                        "  ? annotation {}: {condition} cannot be decided ({why}), so it says nothing",
                        considered.place
                    )?;
                }
            }
        }
        Ok(())
    }

    fn json(&self, router: &Router, annotations: &Annotations, note: Option<Note>, unfound: &[Unfound]) -> Value {
        let routes: Vec<Value> = router.explain(&self.event).iter().map(route_json).collect();
        let unfound: Vec<Value> = unfound.iter().map(unfound_json).collect();
        let considered: Vec<Value> = annotations.explain(&self.event).iter().map(annotation_json).collect();
        json!({
            "event": self.event,
            "severity_name": self.event.severity.as_str(),
            "quarantined": self.held,
            "note": note,
            "routes": routes,
            "routed": router.plan(&self.event).routes_taken > 0,
            "annotations": considered,
            "annotation": annotations.of(&self.event),
            "unfound": unfound,
        })
    }
}

/// `runbook https://… · owner @team`
fn said_in_one_line(annotation: &Annotation) -> String {
    let said = show::said(annotation).map(|(name, text)| format!("{name} {text}"));
    terminal::line(&said.collect::<Vec<_>>().join(" · "), 400)
}

fn annotation_json(considered: &ConsideredAnnotation<'_>) -> Value {
    let (verdict, reason) = verdict_of(Some(&considered.decision));
    json!({
        "place": considered.place,
        "when": considered.rule.when.as_ref().map(|condition| condition.source()),
        "says": considered.rule.annotation,
        "verdict": verdict,
        "reason": reason,
    })
}

fn verdict_of(decision: Option<&Decision>) -> (&'static str, Option<&str>) {
    match decision {
        Some(Decision::Holds) => ("holds", None),
        Some(Decision::Fails) => ("fails", None),
        Some(Decision::Undecided(why)) => ("undecided", Some(why)),
        None => ("not asked", None),
    }
}

fn route_json(considered: &Considered<'_>) -> Value {
    let route = considered.route;
    let (verdict, reason) = verdict_of(considered.decision.as_ref());
    json!({
        "name": route.name,
        "when": route.when.as_ref().map(|condition| condition.source()),
        "to": route.to,
        "verdict": verdict,
        "reason": reason,
    })
}

fn unfound_json(unfound: &Unfound) -> Value {
    json!({
        "setting": unfound.setting,
        "pointer": unfound.pointer,
        "missing": unfound.missing,
        "of": unfound.of,
    })
}

/// The events that the body holds, and what else there is to say about it.
fn read(config: &Config, source: &Source, body: Vec<u8>) -> (Vec<Explained>, Option<Note>) {
    let now = SystemClock.now();
    let horizon = Horizon::of(now, now, config.retention.keys);
    let receipt = Receipt {
        id: ReceiptId::generate(),
        source: source.name.clone(),
        received_at: now,
        content_type: None,
        encoding: Encoding::Identity,
        body: body.into(),
    };
    let reading = source.normalizer.normalize(&receipt.body);
    let is_unrecognized = reading.drafts.iter().any(|draft| draft.is_unrecognized);
    let note = if is_unrecognized { Some(Note::Unrecognized) } else { reading.note };
    let explained = reading.drafts.into_iter().enumerate().map(|(position, draft)| Explained {
        held: horizon
            .holds(source, &draft)
            .then_some("once keys have been deleted it goes to quarantine, being older than they are kept"),
        event: draft.into_event(&receipt, source.vendor.name, source.default_severity, position),
    });
    (explained.collect(), note)
}

//! `gatepost explain`

use std::path::{Path, PathBuf};

use super::{Failure, Outcome, io, load, open_store, out, terminal};
use crate::config::Config;
use crate::domain::{Clock, Encoding, Event, EventId, Receipt, ReceiptId, SystemClock};
use crate::pipeline::Horizon;
use crate::routing::{Flow, Judgement};
use crate::store::Ledger;
use crate::vendors::Source;

#[derive(clap::Args)]
pub struct Explain {
    /// An event in the store
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    event: Option<EventId>,
    /// A body to read as if it had come in
    #[arg(long, requires = "source", value_name = "BODY")]
    file: Option<PathBuf>,
    /// The source that it would have come in by
    #[arg(long, value_name = "SOURCE", requires = "file")]
    source: Option<String>,
}

impl Explain {
    pub fn run(&self, path: &Path) -> Outcome {
        let config = load(path)?;
        for Explained { event, held } in self.events(&config)? {
            out!("{} · {}", event.rank(), terminal::line(&event.title, 120))?;
            out!("  type {} · source {} · event {}", terminal::line(&event.kind, 80), event.source, event.id)?;
            if let Some(word) = event.severity_word() {
                let word = terminal::line(word, 64);
                out!(
                    "  its severity word '{word}' is not known, so the default applies; to change that, in the source:"
                )?;
                out!("    severities = {{ {word:?} = \"high\" }}")?;
            }
            if let Some(held) = held {
                out!("  {held}: no route is asked before its receipt is replayed; then")?;
            }
            explain(&config, &event)?;
        }
        Ok(())
    }

    fn events(&self, config: &Config) -> Result<Vec<Explained>, Failure> {
        if let (Some(file), Some(name)) = (&self.file, &self.source) {
            let found = config.sources.values().find(|source| source.name.as_str() == name);
            let source = found.ok_or_else(|| Failure::Found(format!("there is no source '{name}'")))?;
            let body = std::fs::read(file).map_err(io(format!("{} cannot be read", file.display())))?;
            return read(config, source, body);
        }
        let Some(id) = self.event else {
            return Err(Failure::Usage("give an event, or --file and --source".to_owned()));
        };
        let row = open_store(config)?.event(id)?;
        let row = row.ok_or_else(|| Failure::Found(format!("there is no event {id} in the store")))?;
        Ok(vec![Explained { event: row.event, held: row.quarantined.then_some("it is in quarantine") }])
    }
}

/// An event, and that it is in quarantine or would go there.
struct Explained {
    event: Event,
    held: Option<&'static str>,
}

/// The events that the body holds.
fn read(config: &Config, source: &Source, body: Vec<u8>) -> Result<Vec<Explained>, Failure> {
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
    if let Some(note) = reading.note {
        out!("the body is {}", note.as_str())?;
    }
    if reading.drafts.is_empty() {
        out!("it holds no event: nobody would be told")?;
    }
    let drafts = reading.drafts.into_iter().enumerate();
    Ok(drafts
        .map(|(position, draft)| Explained {
            held: horizon
                .holds(source, &draft)
                .then_some("once keys have been deleted it goes to quarantine, being older than they are kept"),
            event: draft.into_event(&receipt, source.vendor.name, source.default_severity, position),
        })
        .collect())
}

fn explain(config: &Config, event: &Event) -> Outcome {
    for considered in config.router.explain(event) {
        let route = considered.route;
        let to = route.to.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        let condition = route.when.as_ref().map_or("always", |condition| condition.source());
        let stops = if route.flow == Flow::Stop { "; the routes below are not asked" } else { "" };
        match considered.judgement {
            Some(Judgement::Holds) => out!("  ✔ {}: {condition} holds -> {to}{stops}", route.name)?,
            Some(Judgement::Fails) => out!("  ✘ {}: {condition} does not hold", route.name)?,
            Some(Judgement::Undecided(why)) => {
                let why = terminal::line(&why, 200);
                out!("  ? {}: {condition} cannot be decided ({why}), so it counts as met -> {to}{stops}", route.name)?;
            }
            None => out!("  - {}: not asked, because an earlier route stops the search", route.name)?,
        }
    }
    if config.router.plan(event).routes_taken == 0 {
        out!("  no route takes it: it is kept, and marked unrouted")?;
    }
    Ok(())
}

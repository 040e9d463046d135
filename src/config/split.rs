//! Warns where routes tell different notifiers of one incident, depending only on the rank of its last event.
//!
//! Severity and outcome change while an incident lives; its source does not. Where one rank goes to one notifier alone and
//! another rank to another alone, a person who acknowledges for the one acknowledges for the other as well. Routes that add
//! notifiers as the rank rises are no such split. Other fields are not tried: which of them change within an incident is not
//! known here.

use std::collections::{BTreeMap, BTreeSet};

use crate::destinations::Receiver;
use crate::domain::{DestinationName, Draft, Encoding, Event, EventOutcome, Rank, Receipt, ReceiptId, RouteName};
use crate::domain::{Severity, SourceName, Timestamp};
use crate::routing::Router;
use crate::settings::Section;

use super::names::Built;

/// Warns at the `to` of routes; `sections` are theirs, by name.
pub fn warn(root: &Section<'_>, sections: &[(RouteName, Section<'_>)], router: &Router, destinations: &Built) {
    let notifiers = destinations.values().flatten().filter(|receiver| matches!(receiver, Receiver::Notifier(_)));
    if notifiers.count() < 2 {
        return;
    }
    let mut warned = BTreeSet::new();
    for section in root.named_sections("sources") {
        let Ok(source) = section.name().parse::<SourceName>() else { continue };
        let vendor = section.text("vendor").unwrap_or_default();
        let told = told_by_rank(&source, &vendor, router, destinations);
        for split in splits(&told) {
            if warned.insert(split.pair()) {
                split.warn(sections);
            }
        }
    }
}

/// The notifiers that are told of some rank, each with the route that asked for it.
type Told = BTreeMap<DestinationName, RouteName>;

/// Two notifiers of which each is told without the other.
struct Split<'t> {
    /// The one that is told of the higher rank.
    higher: (&'t DestinationName, &'t RouteName),
    lower: (&'t DestinationName, &'t RouteName),
}

impl Split<'_> {
    fn pair(&self) -> [DestinationName; 2] {
        let mut pair = [self.higher.0.clone(), self.lower.0.clone()];
        pair.sort();
        pair
    }

    fn warn(&self, sections: &[(RouteName, Section<'_>)]) {
        let ((here, route), (there, other)) = (self.higher, self.lower);
        let Some((_, section)) = sections.iter().find(|(name, _)| name == route) else { return };
        let message = format!(
            "tells '{here}' and not '{there}' of incidents whose events of another severity or outcome tell '{there}' and not \
             '{here}' (route '{other}'): who acknowledges for one acknowledges for the other"
        );
        section.warn("to", &message, &format!("add '{there}' here, or '{here}' to the route '{other}'"));
    }
}

/// What is told of each rank of a source, the highest first.
fn told_by_rank(source: &SourceName, vendor: &str, router: &Router, destinations: &Built) -> Vec<Told> {
    let outcomes = [None].into_iter().chain(EventOutcome::ALL.map(|(_, outcome)| Some(outcome)));
    let mut ranks: Vec<Rank> =
        outcomes.flat_map(|outcome| Severity::SCALE.map(|(_, severity)| Rank { severity, outcome })).collect();
    ranks.sort_by(|a, b| b.cmp(a));
    let is_notifier = |name: &DestinationName| matches!(destinations.get(name), Some(Some(Receiver::Notifier(_))));
    let told = |rank: Rank| {
        let plan = router.plan(&sample(source, vendor, rank));
        plan.deliveries.into_iter().filter(|(name, _)| is_notifier(name)).collect()
    };
    ranks.into_iter().map(told).collect()
}

/// Every pair of notifiers of which each is told of a rank without the other.
fn splits(told: &[Told]) -> Vec<Split<'_>> {
    let mut found = Vec::new();
    for (index, higher) in told.iter().enumerate() {
        for lower in told.iter().skip(index + 1) {
            let only_higher = higher.iter().find(|(name, _)| !lower.contains_key(*name));
            let only_lower = lower.iter().find(|(name, _)| !higher.contains_key(*name));
            found.extend(only_higher.zip(only_lower).map(|(higher, lower)| Split { higher, lower }));
        }
    }
    found
}

/// An event of which nothing is known but where it came from and its rank.
fn sample(source: &SourceName, vendor: &str, rank: Rank) -> Event {
    let receipt = Receipt {
        id: ReceiptId::generate(),
        source: source.clone(),
        received_at: Timestamp::default(),
        content_type: None,
        encoding: Encoding::Identity,
        body: bytes::Bytes::new(),
    };
    let event = Draft::default().into_event(&receipt, vendor, rank.severity, 0);
    Event { outcome: rank.outcome, severity: rank.severity, ..event }
}

//! What the operator says about events: runbook, owner, note.
//!
//! The pipeline asks [`Annotations::of`] for the event that shows an incident, each time it tells of it, and the command
//! line asks [`Annotations::explain`]. Nothing of it is stored: the incident's facts are those of that event, so that the
//! present configuration always decides, and an owner who has changed is right in every message from then on.

use super::condition::{Asked, Condition, Decision, Facts};
use crate::domain::{Annotation, Event};

/// What is said about the events that a condition takes.
#[derive(Debug)]
pub struct AnnotationRule {
    /// Which events; `None`: every event.
    pub when: Option<Condition>,
    /// What is said about them.
    pub annotation: Annotation,
}

/// All of them, in the order of the file.
#[derive(Debug, Default)]
pub struct Annotations {
    rules: Vec<AnnotationRule>,
    /// What their conditions ask for.
    asked: Asked,
}

/// One rule's view of an event.
#[derive(Debug)]
pub struct ConsideredAnnotation<'a> {
    /// Its place in the file, from 1.
    pub place: usize,
    /// The rule.
    pub rule: &'a AnnotationRule,
    /// What its condition said.
    pub decision: Decision,
}

impl Annotations {
    /// Rules in the order of the file.
    pub fn new(rules: Vec<AnnotationRule>) -> Self {
        let conditions = rules.iter().filter_map(|rule| rule.when.as_ref());
        let asked = Asked::by_any(conditions.map(Condition::source));
        Self { rules, asked }
    }

    /// What is said about an event: each part by the first rule that takes the event and has that part. A rule that cannot
    /// be decided says nothing, because a wrong runbook misleads.
    pub fn of(&self, event: &Event) -> Annotation {
        let mut said = Annotation::NONE;
        for considered in self.explain(event) {
            if considered.decision == Decision::Holds {
                said.complete_by(&considered.rule.annotation);
            }
        }
        said
    }

    /// What each rule says of an event, in order.
    pub fn explain<'a>(&'a self, event: &Event) -> Vec<ConsideredAnnotation<'a>> {
        if self.rules.is_empty() {
            return Vec::new();
        }
        let facts = Facts::of(event, &self.asked);
        let decide = |condition: &Condition| condition.decide(&facts);
        let consider = |(index, rule): (usize, &'a AnnotationRule)| ConsideredAnnotation {
            place: index + 1,
            rule,
            decision: rule.when.as_ref().map_or(Decision::Holds, decide),
        };
        self.rules.iter().enumerate().map(consider).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::KnownNames;
    use super::*;
    use crate::domain::{Draft, Encoding, Receipt, ReceiptId, Severity, Timestamp};

    fn event(severity: Severity) -> Event {
        let receipt = Receipt {
            id: ReceiptId::generate(),
            source: "s".parse().unwrap(),
            received_at: Timestamp::default(),
            content_type: None,
            encoding: Encoding::Identity,
            body: bytes::Bytes::new(),
        };
        Draft::default().into_event(&receipt, "v", severity, 0)
    }

    fn rule(when: Option<&str>, runbook: Option<&str>, owner: Option<&str>) -> AnnotationRule {
        let when = when.map(|when| Condition::compile(when, &KnownNames::default()).unwrap());
        let (runbook, owner) = (runbook.map(str::to_owned), owner.map(str::to_owned));
        AnnotationRule { when, annotation: Annotation { runbook, owner, note: None } }
    }

    #[test]
    fn each_part_is_said_by_the_first_rule_that_takes_the_event_and_has_it() {
        let all = Annotations::new(vec![
            rule(Some("event.severity >= high"), Some("https://r.example/high"), None),
            rule(Some("event.severity >= critical"), Some("https://r.example/critical"), Some("@oncall")),
            rule(None, None, Some("@soc")),
        ]);
        let said = |severity| {
            let said = all.of(&event(severity));
            (said.runbook.unwrap_or_default(), said.owner.unwrap_or_default())
        };
        let pair = |runbook: &str, owner: &str| (runbook.to_owned(), owner.to_owned());
        assert_eq!(said(Severity::Critical), pair("https://r.example/high", "@oncall"));
        assert_eq!(said(Severity::High), pair("https://r.example/high", "@soc"));
        assert_eq!(said(Severity::Low), pair("", "@soc"));
        let places: Vec<(usize, bool)> = all
            .explain(&event(Severity::High))
            .iter()
            .map(|considered| (considered.place, considered.decision == Decision::Holds))
            .collect();
        assert_eq!(places, [(1, true), (2, false), (3, true)]);
        assert!(Annotations::default().of(&event(Severity::High)).is_empty());
    }

    #[test]
    fn a_rule_that_cannot_be_decided_says_nothing() {
        let all = Annotations::new(vec![rule(Some("event.unmapped.n > 3"), Some("https://r.example/"), None)]);
        let mut odd = event(Severity::Low);
        odd.unmapped.insert("n".to_owned(), "text".into());
        assert!(matches!(all.explain(&odd)[0].decision, Decision::Undecided(_)));
        assert!(all.of(&odd).is_empty());
    }
}

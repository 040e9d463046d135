//! What is known of each recipient from one try of a mail to the next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::destinations::fingerprint;
use crate::domain::{Job, Operation, Progress, Standing, Telling};

/// The notes of a mail. They are void for another mail: between two tries of a delivery the incident may have changed, and
/// what is to be told with it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Notes {
    /// Which mail they are about.
    pub mail: String,
    /// The number of the try that wrote them.
    pub tries: u32,
    /// When the first try began, in milliseconds since the epoch.
    pub since: i64,
    /// The recipients that have it.
    #[serde(default)]
    pub taken: Vec<String>,
    /// The recipients that get no further try, each with the reason.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// How often it was sent to a recipient who may have got it each time.
    #[serde(default)]
    pub doubtful: BTreeMap<String, u32>,
}

/// A recipient that gets no further try.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The address.
    pub recipient: String,
    /// Why, in a sentence that an operator can act on.
    pub reason: String,
    /// What it depends on.
    pub cause: Cause,
}

/// Why a recipient is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The address, the sender or the account: any message would be answered so.
    Settings,
    /// This message.
    Message,
    /// Too many tries.
    Time,
    /// It may have arrived each time.
    Doubt,
}

impl Notes {
    /// Those of earlier tries of the same mail, or new ones.
    pub fn of(job: &Job<'_>, mail: &str) -> Self {
        let earlier = serde_json::from_value::<Self>(job.progress.0.clone()).ok().filter(|notes| notes.mail == mail);
        let mut notes = earlier.unwrap_or_else(|| Self {
            mail: mail.to_owned(),
            since: job.now.as_millis(),
            tries: 0,
            ..Self::default()
        });
        // A try has ended without a word, and may have sent to anyone.
        let is_gap = job.tries > notes.tries.saturating_add(1);
        notes.tries = job.tries;
        if job.uncertain && is_gap {
            notes.doubtful.entry(EVERY_RECIPIENT.to_owned()).or_insert(1);
        }
        notes
    }

    /// The recipients that are still to get it, in their order.
    pub fn waiting<'t>(&self, to: impl IntoIterator<Item = &'t str>) -> Vec<&'t str> {
        let is_settled = |recipient: &str| {
            self.taken.iter().any(|taken| taken == recipient)
                || self.left_out.iter().any(|left_out| left_out.recipient == recipient)
        };
        to.into_iter().filter(|recipient| !is_settled(recipient)).collect()
    }

    /// Whether the recipient may have it already.
    pub fn is_doubtful(&self, recipient: &str) -> bool {
        self.doubtful.contains_key(recipient) || self.doubtful.contains_key(EVERY_RECIPIENT)
    }

    /// Leaves a recipient out from now on.
    pub fn leave_out(&mut self, recipient: &str, cause: Cause, reason: String) {
        self.left_out.push(LeftOut { recipient: recipient.to_owned(), reason, cause });
    }

    /// As the store keeps them.
    pub fn progress(&self) -> Progress {
        // Texts and numbers cannot fail to become JSON.
        Progress(serde_json::to_value(self).unwrap_or_default())
    }
}

/// The name of a mail, which is the same at every try of it and differs from that of any other: its notification, its
/// number there, and what it tells. The number alone would not do: while a mail waits for some of its recipients, a more
/// urgent change takes its place and number.
pub fn name_of(telling: &Telling<'_>) -> String {
    let number = match telling.intent.operation {
        Operation::Create { number } => format!("m{number}"),
        Operation::Reply { number, .. } => format!("r{number}"),
        other => format!("{other:?}"),
    };
    let told = telling.intent.then.said.map(|told| what_counts(&told.standing)).unwrap_or_default();
    let parts = [telling.intent.change.as_str().as_bytes(), told.as_bytes()];
    let hash = hex::encode(&fingerprint::of(&parts)[..4]);
    format!("{}.{number}.{hash}", telling.notification)
}

/// Of a standing what makes it another message. Counts grow with every event; a new victim is told at 2, 10, 100.
fn what_counts(standing: &Standing) -> String {
    let Standing { state, rank, victims, acknowledgements, reopenings, named, count: _ } = standing;
    let victims = victims.checked_ilog10().unwrap_or_default() + u32::from(*victims > 1);
    format!("{} {rank} {victims} {acknowledgements} {reopenings} {named}", state.as_str())
}

/// In the place of an address: a try of which nothing is known.
const EVERY_RECIPIENT: &str = "*";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destinations::{life, testing};
    use crate::domain::{Audience, Change, NotifierClass, Severity};

    #[test]
    fn a_mail_keeps_its_name_while_it_says_the_same() {
        let told = life::at("raise", NotifierClass::AppendOnly);
        let name = name_of(&told.telling());
        assert!(name.starts_with("0190b6a0-0000-7000-b000-000000000001.r1."), "{name}");
        let mut more = told.clone();
        let operation = Operation::Reply { number: 1, audience: Audience::Channel };
        more.incident.count += 1000;
        assert_eq!(name_of(&more.clone().with(Change::Raise, operation).telling()), name);
        let mut worse = told.clone();
        worse.incident.rank.severity = Severity::Fatal;
        let mut spread = told.clone();
        spread.incident.victims = 2;
        let mut many = told.clone();
        many.incident.victims = 10;
        let other = told.clone().with(Change::Update, operation);
        let next = told.with(Change::Raise, Operation::Reply { number: 2, audience: Audience::Channel });
        let all = [worse, spread, many].map(|told| told.with(Change::Raise, operation));
        let mut names: Vec<String> = all.iter().chain([&other, &next]).map(|told| name_of(&told.telling())).collect();
        names.push(name);
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 6, "{names:?}");
    }

    #[test]
    fn notes_of_another_mail_are_void_and_those_of_an_unknown_form_as_well() {
        let event = testing::event("minimal");
        let mut notes = Notes::of(&testing::job(&event), "a");
        notes.taken.push("x@h.example".into());
        let progress = notes.progress();
        let job = Job { tries: 2, progress: &progress, ..testing::job(&event) };
        assert_eq!(Notes::of(&job, "a").waiting(["x@h.example", "y@h.example"]), ["y@h.example"]);
        assert_eq!(Notes::of(&job, "b").waiting(["x@h.example", "y@h.example"]), ["x@h.example", "y@h.example"]);
        let odd = Progress(serde_json::json!({ "mail": "a", "taken": 7 }));
        assert_eq!(Notes::of(&Job { progress: &odd, ..job }, "a").taken, [""; 0]);
    }

    #[test]
    fn a_try_that_ended_without_notes_leaves_every_recipient_in_doubt() {
        let event = testing::event("minimal");
        let first = Notes::of(&testing::job(&event), "a");
        assert!(!first.is_doubtful("x@h.example"));
        let progress = first.progress();
        let job = |tries, uncertain| Job { tries, uncertain, progress: &progress, ..testing::job(&event) };
        assert!(!Notes::of(&job(2, true), "a").is_doubtful("x@h.example"), "the notes know");
        assert!(Notes::of(&job(3, true), "a").is_doubtful("x@h.example"));
        assert!(!Notes::of(&job(3, false), "a").is_doubtful("x@h.example"));
    }
}

//! What to do with a message that may have arrived, at a receiver that cannot be asked: the setting `on_uncertain`.
//!
//! A chat's webhook knows no idempotency of any kind. After doubt a message is sent again and says that it may be a repeat,
//! or it is given up as a dead letter. The repeats are bounded, because something between may deliver every message and
//! answer 502.

use std::time::Duration;

use serde_json::json;

use crate::domain::{Job, Outcome, Repeat};
use crate::settings::Section;

/// What to do with a message that may have arrived when the receiver cannot tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnUncertain {
    /// It is sent again, with a mark.
    Repeat,
    /// It becomes a dead letter.
    Drop,
}

/// Whether a message says that it may be a repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marked {
    No,
    PossibleRepeat,
}

impl OnUncertain {
    /// The setting `on_uncertain`; `None` where it is at fault.
    pub fn read(section: &Section) -> Option<Self> {
        let words = [("repeat", Self::Repeat), ("drop", Self::Drop)];
        if section.has("on_uncertain") { section.choice("on_uncertain", &words) } else { Some(Self::Repeat) }
    }

    /// The outcome of a message that is not sent again.
    pub fn dropped(who: &str) -> Outcome {
        let reason = format!(
            "an earlier message may have arrived and {who} cannot tell; it was not sent again because of \
             `on_uncertain = \"drop\"`: look into the channel, and replay the delivery if it is not there"
        );
        Outcome::Refused { reason }
    }
}

/// Bounds the repeats of a message that may have arrived each time: something between may deliver everything and answer 502,
/// and the next repeat would do no better.
pub(super) fn bounded(job: &Job<'_>, outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Unknown { reason, scope, after, mut progress, .. } => {
            let sent = job.progress.0[SENT].as_u64().unwrap_or(0).saturating_add(1);
            progress.0[SENT] = json!(sent);
            let pause = usize::try_from(sent - 1).ok().and_then(|sent| BLIND_PAUSES.get(sent));
            let (repeat, reason) = match pause {
                Some(pause) => (Repeat::After(*pause), reason),
                None => (Repeat::Never, format!("{reason}. It may have arrived each of {sent} times. {SENT_ENOUGH}")),
            };
            Outcome::Unknown { reason, scope, repeat, after, progress }
        }
        other => other,
    }
}

/// In the notes: how often a message was sent that may have arrived, without a way to look for it.
const SENT: &str = "sent";
/// After each of them, as long as the destination is left alone anyway at first; all of it within the day after which
/// everything is given up.
const BLIND_PAUSES: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_secs(10),
    Duration::from_secs(120),
    Duration::from_secs(1800),
    Duration::from_secs(4 * 3600),
    Duration::from_secs(19 * 3600),
];
const SENT_ENOUGH: &str = "It is not sent again: look into the channel, and replay the delivery if it is not there";

#[cfg(test)]
mod tests {
    use super::super::classify;
    use super::super::testing;
    use super::*;
    use crate::domain::Progress;

    #[test]
    fn repeats_are_further_and_further_apart_and_end_with_a_reason() {
        let event = testing::event("minimal");
        let (mut progress, mut pauses) = (Progress::default(), Vec::new());
        let reason = loop {
            // The count survives a try that was certainly not taken.
            let carried = classify::carried(&Job { progress: &progress, ..testing::job(&event) });
            let job = Job { progress: &carried, ..testing::job(&event) };
            let outcome = bounded(&job, classify::in_doubt_now(&job, "no answer came".into()));
            let Outcome::Unknown { repeat, reason, progress: notes, .. } = outcome else { panic!("{outcome:?}") };
            match repeat {
                Repeat::After(pause) => pauses.push(pause.as_secs()),
                Repeat::Never => break reason,
                Repeat::Freely => panic!("it cannot be looked for"),
            }
            progress = notes;
        };
        assert!(reason.contains("each of 7 times") && reason.contains("replay"), "{reason}");
        assert_eq!(pauses, [0, 10, 120, 1800, 4 * 3600, 19 * 3600]);
        assert!(pauses.iter().sum::<u64>() < 24 * 3600, "all of it within the day after which everything is given up");
    }

    #[test]
    fn what_is_certain_is_left_as_it_is() {
        let event = testing::event("minimal");
        let outcome = Outcome::Refused { reason: "x".into() };
        assert_eq!(bounded(&testing::job(&event), outcome.clone()), outcome);
    }
}

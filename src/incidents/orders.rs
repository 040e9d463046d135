//! What a person at the command line may ask of an incident.
//!
//! The store calls [`obey`] inside its transaction and writes the changed incident with the milestone. Whether another
//! incident of the same key is live is known to the store alone: it answers [`OrderError::Succeeded`] itself.

use crate::domain::{
    Acknowledgement, Incident, IncidentNumber, IncidentState, Milestone, MilestoneKind, Origin, STATE_NOTE_CHARS_MAX,
    Silence, Standing, Timestamp,
};

use super::due::standing;
use super::storm::takes_no_more;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// A person takes it.
    Acknowledge,
    /// That person gives it back.
    Unacknowledge,
    /// It is over.
    Resolve,
    /// It is not over after all.
    Reopen,
    /// Tell only a raise or a spread.
    Silence {
        /// Until then.
        until: Timestamp,
    },
    /// Write a note into its timeline.
    Note,
}

impl Order {
    fn changes_state(self) -> bool {
        match self {
            Self::Acknowledge | Self::Unacknowledge | Self::Resolve | Self::Reopen => true,
            Self::Silence { .. } | Self::Note => false,
        }
    }
}

/// Why an order was not obeyed. The incident is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// A person has it already.
    #[error("{number} is acknowledged already, by {by} at {}; give it back with `gatepost incidents unack` first", at.to_human())]
    AlreadyAcknowledged {
        /// The incident.
        number: IncidentNumber,
        /// Who has it.
        by: String,
        /// Since when.
        at: Timestamp,
    },
    /// There is no acknowledgement to take back.
    #[error("{number} is {} and not acknowledged; there is nothing to give back", state.as_str())]
    NotAcknowledged {
        /// The incident.
        number: IncidentNumber,
        /// Its state.
        state: IncidentState,
    },
    /// It is over already.
    #[error("{number} is resolved already, by {by} at {}", at.to_human())]
    AlreadyResolved {
        /// The incident.
        number: IncidentNumber,
        /// Who resolved it.
        by: String,
        /// Since when.
        at: Timestamp,
    },
    /// It has not ended.
    #[error("{number} is {}; only a resolved or quiet incident can be reopened", state.as_str())]
    NotOver {
        /// The incident.
        number: IncidentNumber,
        /// Its state.
        state: IncidentState,
    },
    /// It has ended.
    #[error("{number} is {}; reopen it with `gatepost incidents reopen` first", state.as_str())]
    NotLive {
        /// The incident.
        number: IncidentNumber,
        /// Its state.
        state: IncidentState,
    },
    /// A later incident of the same key is live.
    #[error("{number} was followed by {successor}, which is live; work on that one")]
    Succeeded {
        /// The incident.
        number: IncidentNumber,
        /// The live one.
        successor: IncidentNumber,
    },
    /// The silence would be over before it began.
    #[error("the silence would end at {}, which is past; give `--for` a duration such as 4h", until.to_human())]
    SilenceInThePast {
        /// When it would end.
        until: Timestamp,
    },
    /// A note without words.
    #[error("the note is empty; write what others should know")]
    EmptyNote,
}

/// Does what is asked, and says what changed. `note` goes into the milestone, and with a new state to those who are told of
/// it.
pub fn obey(
    incident: &mut Incident,
    order: Order,
    by: Origin,
    note: Option<String>,
    now: Timestamp,
) -> Result<Milestone, OrderError> {
    let note = note.filter(|note| !note.trim().is_empty());
    let what = match order {
        Order::Acknowledge => acknowledge(incident, &by, now)?,
        Order::Unacknowledge => unacknowledge(incident, &by, now)?,
        Order::Resolve => resolve(incident, &by, now)?,
        Order::Reopen => reopen(incident, &by, now)?,
        Order::Silence { until } => silence(incident, until, now)?,
        Order::Note if note.is_none() => return Err(OrderError::EmptyNote),
        Order::Note => MilestoneKind::Noted,
    };
    if order.changes_state() {
        incident.state_note = note.as_deref().map(short);
    }
    Ok(Milestone { at: now, what, by, note })
}

fn acknowledge(incident: &mut Incident, by: &Origin, now: Timestamp) -> Result<MilestoneKind, OrderError> {
    let number = incident.number;
    match incident.state {
        IncidentState::Open => {}
        // Its pages stay while incidents in it are open.
        IncidentState::Quiet if takes_no_more(incident) => incident.is_unattended = false,
        IncidentState::Acknowledged => {
            let (by, at) = (incident.state_by.shown().to_owned(), incident.state_since);
            return Err(OrderError::AlreadyAcknowledged { number, by, at });
        }
        state => return Err(OrderError::NotLive { number, state }),
    }
    let before = incident.acknowledgement.as_ref().map_or(0, |before| before.number);
    incident.acknowledgement = Some(Acknowledgement { at: now, by: by.clone(), number: before.saturating_add(1) });
    incident.enter(IncidentState::Acknowledged, by.clone(), now);
    Ok(MilestoneKind::Acknowledged)
}

fn unacknowledge(incident: &mut Incident, by: &Origin, now: Timestamp) -> Result<MilestoneKind, OrderError> {
    if incident.state != IncidentState::Acknowledged {
        return Err(OrderError::NotAcknowledged { number: incident.number, state: incident.state });
    }
    incident.enter(IncidentState::Open, by.clone(), now);
    Ok(MilestoneKind::Unacknowledged)
}

fn resolve(incident: &mut Incident, by: &Origin, now: Timestamp) -> Result<MilestoneKind, OrderError> {
    if incident.state == IncidentState::Resolved {
        let (by, at) = (incident.state_by.shown().to_owned(), incident.state_since);
        return Err(OrderError::AlreadyResolved { number: incident.number, by, at });
    }
    incident.resolution_held_until = None;
    incident.is_unattended = false;
    incident.enter(IncidentState::Resolved, by.clone(), now);
    Ok(MilestoneKind::Resolved)
}

/// A person's reopening does not count as flapping: it goes into the number of reopenings, not into their times. It is told by
/// itself, even where a storm or a digest told the incident.
fn reopen(incident: &mut Incident, by: &Origin, now: Timestamp) -> Result<MilestoneKind, OrderError> {
    if incident.state.is_live() {
        return Err(OrderError::NotOver { number: incident.number, state: incident.state });
    }
    incident.reopenings = incident.reopenings.saturating_add(1);
    incident.is_unattended = false;
    incident.fold = None;
    incident.enter(IncidentState::Open, by.clone(), now);
    Ok(MilestoneKind::Reopened)
}

fn silence(incident: &mut Incident, until: Timestamp, now: Timestamp) -> Result<MilestoneKind, OrderError> {
    if !incident.state.is_live() {
        return Err(OrderError::NotLive { number: incident.number, state: incident.state });
    }
    if until <= now {
        return Err(OrderError::SilenceInThePast { until });
    }
    let Standing { rank, victims, named, .. } = standing(incident);
    (incident.silenced_until, incident.silence) = (Some(until), Some(Silence { at: now, rank, victims, named }));
    Ok(MilestoneKind::Silenced)
}

/// What is told of it; the whole is in the timeline.
fn short(note: &str) -> String {
    match note.char_indices().nth(STATE_NOTE_CHARS_MAX) {
        None => note.to_owned(),
        Some(_) => note.chars().take(STATE_NOTE_CHARS_MAX - 1).chain(['…']).collect(),
    }
}

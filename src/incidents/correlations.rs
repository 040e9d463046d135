//! Which of the vendor's alerts fire within an incident: it is over when all of them are.
//!
//! The store keeps one row for each alert that ever fired in an incident, and loads those that a batch names, with the totals
//! of all. [`super::absorb`] changes them; the store writes what has changed.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Firing, Timestamp};

use super::NewEvent;
use super::firing::{is_outdated, latest};

/// A hash of the vendor's name of an alert.
pub type CorrelationHash = [u8; 16];

/// Whether an alert fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correlation {
    /// When it began or ended, by the vendor's account; never later than it was received.
    pub at: Timestamp,
    /// Whether it goes on.
    pub is_firing: bool,
    /// When it fired last; `None`: an earlier version has not noted it.
    pub fired: Option<Firing>,
}

/// The alerts of one incident.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Correlations {
    known: BTreeMap<CorrelationHash, Correlation>,
    changed: BTreeSet<CorrelationHash>,
    members: u64,
    firing: u64,
}

/// What a resolution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Nothing: what it names never fired here, or had ended before.
    Nothing,
    /// Nothing: the alert has fired since.
    Outdated,
    /// One alert, while others go on, or as many as can no longer be told.
    One,
    /// The last that fired.
    All,
}

impl Correlations {
    /// As stored: those that the batch names, the number of all that ever fired in the incident, and of those that fire.
    pub fn new(known: BTreeMap<CorrelationHash, Correlation>, members: u64, firing: u64) -> Self {
        Self { known, changed: BTreeSet::new(), members, firing }
    }

    /// Those to write.
    pub fn changed(&self) -> impl Iterator<Item = (&CorrelationHash, Correlation)> {
        self.changed.iter().filter_map(|hash| self.known.get(hash).map(|state| (hash, *state)))
    }

    /// How many ever fired, one more than [`MEMBERS_MAX`] where there were more.
    pub fn members(&self) -> u64 {
        self.members
    }

    /// How many fire.
    pub fn firing(&self) -> u64 {
        self.firing
    }

    /// There were too many to keep: the vendor's resolution no longer counts.
    pub fn is_overflown(&self) -> bool {
        self.members > MEMBERS_MAX
    }

    /// An alert fires. One that ended later stays ended: the event arrived late.
    pub(super) fn fire(&mut self, hash: CorrelationHash, event: &NewEvent) {
        let at = event.at();
        match self.known.get_mut(&hash) {
            Some(state) if state.is_firing => {
                let fired = Some(latest(state.fired, event));
                if fired != state.fired {
                    state.fired = fired;
                    self.changed.insert(hash);
                }
            }
            Some(state) if event.is_before(state.at) => {}
            Some(state) => {
                *state = Correlation { at, is_firing: true, fired: Some(latest(state.fired, event)) };
                self.changed.insert(hash);
                self.firing = self.firing.saturating_add(1);
            }
            // The one beyond the limit is kept: it is the mark that there were too many.
            None if self.members > MEMBERS_MAX => {}
            None => {
                self.known.insert(hash, Correlation { at, is_firing: true, fired: Some(latest(None, event)) });
                self.changed.insert(hash);
                self.members += 1;
                self.firing = self.firing.saturating_add(1);
            }
        }
    }

    /// The vendor says that an alert is over; without a name, that all is over, which counts only where none has a name.
    pub(super) fn end(&mut self, event: &NewEvent, now: Timestamp) -> Ended {
        if self.is_overflown() {
            return Ended::One;
        }
        if self.members == 0 {
            return Ended::All;
        }
        let Some(hash) = event.correlation else { return if self.firing == 0 { Ended::All } else { Ended::One } };
        let Some(state) = self.known.get_mut(&hash) else { return Ended::Nothing };
        if state.is_firing && is_outdated(event, state.fired, now) {
            return Ended::Outdated;
        }
        if state.is_firing {
            *state = Correlation { at: event.at(), is_firing: false, ..*state };
            self.changed.insert(hash);
            self.firing = self.firing.saturating_sub(1);
            return if self.firing == 0 { Ended::All } else { Ended::One };
        }
        if self.firing == 0 { Ended::All } else { Ended::Nothing }
    }
}

/// How many alerts of one incident are kept.
pub const MEMBERS_MAX: u64 = 10_000;

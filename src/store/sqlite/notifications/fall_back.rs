//! Another notifier is told of an incident, because the one that should be has not taken it.

use rusqlite::params;

use super::super::super::{Fallback, FellBack, OverdueDelivery, StoreError};
use super::super::incident_rows::IncidentRows;
use super::super::rows::{row_of, to_text};
use super::Notifications;
use super::stored::Stored;
use crate::domain::{
    Change, Incident, Milestone, MilestoneKind, Notification, NotificationId, Origin, SourceName, Timestamp,
};
use crate::incidents::Due;
use crate::notices::is_about;

impl Notifications<'_> {
    /// Has the fallback told where the delivery would tell something that must be told at once, and has waited for too long.
    pub fn fall_back_if_overdue(&self, delivery: &OverdueDelivery, fell_back: &mut FellBack) -> Result<(), StoreError> {
        // What cannot be read is met when it is claimed.
        let Some(Ok(stored)) = self.rows().read(delivery.notification)? else { return Ok(()) };
        let notifier = self.policy.notifier(&stored.destination);
        let Some((notifier, fallback)) = notifier.zip(self.policy.fallbacks.get(&stored.destination)) else {
            return Ok(());
        };
        let incidents = IncidentRows::of(self.transaction, self.policy, self.now);
        let Some(Ok(incident)) = incidents.read(stored.incident)? else { return Ok(()) };
        let (due, _) = self.due_beside_refused(&stored, &incident, notifier.class);
        let Due::Now(intent) = due else { return Ok(()) };
        let since = waiting_since(intent.change, &stored, &incident).max(delivery.due_since);
        let waited = self.now.since(since);
        if intent.change.is_news() && waited >= fallback.after {
            let why = format!("had not taken it for {}", in_words(waited.as_secs()));
            self.hand_over(&incident, &stored, fallback, &why, fell_back)?;
        }
        Ok(())
    }

    /// Has the fallback told of an incident that a notifier has refused: waiting would not help.
    pub fn fall_back_from_refusal(
        &self,
        incident: &Incident,
        stored: &Stored,
        change: Change,
    ) -> Result<(), StoreError> {
        match self.policy.fallbacks.get(&stored.destination) {
            Some(fallback) if change.is_news() && incident.state.is_live() => {
                self.hand_over(incident, stored, fallback, "has refused it", &mut FellBack::default())
            }
            _ => Ok(()),
        }
    }

    /// Once for each incident: from then on the fallback is told of it like any other notifier.
    fn hand_over(
        &self,
        incident: &Incident,
        stored: &Stored,
        fallback: &Fallback,
        why: &str,
        fell_back: &mut FellBack,
    ) -> Result<(), StoreError> {
        let Some(notifier) = self.policy.notifier(&fallback.to) else { return Ok(()) };
        if incident.source == SourceName::own() && is_about(&incident.key, &fallback.to) {
            // No destination is told of its own condition.
            return Ok(());
        }
        let added = self
            .transaction
            .prepare_cached(
                "INSERT INTO notifications (id, incident, destination, route, fingerprint, document, instead_of)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (incident, destination) DO NOTHING",
            )?
            .execute(params![
                NotificationId::generate().as_bytes(),
                row_of(incident.number),
                fallback.to.as_str(),
                stored.route.as_str(),
                notifier.fingerprint,
                to_text(&Notification::new(self.now))?,
                stored.destination.as_str(),
            ])?;
        if added == 0 {
            return Ok(());
        }
        let note = format!("told at {}, because {} {why}", fallback.to, stored.destination);
        let milestone = Milestone::new(self.now, MilestoneKind::FellBack, Origin::Gatepost).noting(note);
        let incidents = IncidentRows::of(self.transaction, self.policy, self.now);
        incidents.add_milestones(incident.number, std::slice::from_ref(&milestone))?;
        self.arm(incident, &mut fell_back.to_tell)?;
        fell_back.handed_over.push((incident.number, stored.destination.clone(), fallback.to.clone()));
        Ok(())
    }
}

/// Since when there has been that change to tell. A delivery may have been planned for something less before.
fn waiting_since(change: Change, stored: &Stored, incident: &Incident) -> Timestamp {
    match change {
        Change::Open => stored.told.opened_at,
        Change::Raise => incident.rank_since,
        Change::Reopen => incident.state_since,
        _ => Timestamp::default(),
    }
}

fn in_words(seconds: u64) -> String {
    if seconds < 120 { format!("{seconds} s") } else { format!("{} min", seconds / 60) }
}

//! A notifier that is behind with the updates of many incidents, as after a long absence, is told them in one message.
//!
//! Called before deliveries of a notifier are claimed. The digest is an incident of its own with one notification, so that it
//! is kept, retried and shown like any other; the updates count as told as soon as it stands for them.

use rusqlite::{Transaction, params};

use super::super::{Policy, StoreError};
use super::incidents::Incidents;
use super::notifications::{DueUpdate, Notifications};
use super::rows::row_limit;
use super::urgency::highest_urgency_of;
use crate::domain::{Change, DestinationName, NotifierClass, Timestamp};

/// What became of the updates that a notifier is behind with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surplus {
    /// They are few: each is told by itself.
    None,
    /// A digest stands for them.
    Folded,
    /// The digest before is on its way to the notifier. Deliveries of this urgency and below wait for that.
    WaitsBelow(u8),
}

/// Updates of one notifier within one transaction.
pub struct UpdateDigest<'t> {
    transaction: &'t Transaction<'t>,
    policy: &'t Policy,
    destination: &'t DestinationName,
    now: Timestamp,
}

impl<'t> UpdateDigest<'t> {
    pub fn of(
        transaction: &'t Transaction<'t>,
        policy: &'t Policy,
        destination: &'t DestinationName,
        now: Timestamp,
    ) -> Self {
        Self { transaction, policy, destination, now }
    }

    /// Puts updates into a digest, where more than 20 are due at once. `waiting`: the urgencies of what waits.
    pub fn fold(&self, waiting: &[u8]) -> Result<Surplus, StoreError> {
        let Some(highest) = self.highest_urgency() else { return Ok(Surplus::None) };
        let mut deliveries = Vec::new();
        for urgency in waiting.iter().filter(|urgency| **urgency <= highest) {
            deliveries.extend(self.due(*urgency, FOLDED_AT_ONCE - deliveries.len())?);
        }
        if deliveries.len() <= TOLD_SINGLY_MAX {
            return Ok(Surplus::None);
        }
        let notifications = Notifications::of(self.transaction, self.policy, self.now);
        let updates = deliveries.into_iter().map(|(delivery, notification)| {
            // The urgency is that of the time at which it was planned.
            notifications.due_update(delivery, notification).transpose()
        });
        let updates: Vec<DueUpdate> = updates.flatten().collect::<Result<_, _>>()?;
        if updates.len() <= TOLD_SINGLY_MAX {
            return Ok(Surplus::None);
        }
        let incidents = Incidents::of(self.transaction, self.policy, self.now);
        for update in updates {
            match incidents.add_to_digest(&update.incident, self.destination, update.route())? {
                Some(digest) => notifications.tell_through(update, digest)?,
                None => return Ok(Surplus::WaitsBelow(highest)),
            }
        }
        Ok(Surplus::Folded)
    }

    /// Up to which urgency deliveries are messages that say no more than that an incident goes on. Pagers and tickets have
    /// none, and where messages can be edited an update is an edit, which notifies no person.
    fn highest_urgency(&self) -> Option<u8> {
        let change = match self.policy.notifier(self.destination)?.class {
            NotifierClass::AppendOnly => Change::Update,
            NotifierClass::EditableChat => Change::Repeat,
            NotifierClass::Pager | NotifierClass::Ticket => return None,
        };
        Some(highest_urgency_of(change))
    }

    /// Deliveries that are due, each with its notification. One that may have arrived is settled by itself, and so is one
    /// that the operator wants sent again.
    fn due(&self, urgency: u8, limit: usize) -> Result<Vec<(i64, i64)>, StoreError> {
        let mut select = self.transaction.prepare_cached(
            "SELECT seq, notification FROM deliveries WHERE destination = ?1 AND urgency = ?2 AND state = 0
             AND not_before <= ?3 AND notification IS NOT NULL AND uncertain = 0 AND is_forced = 0
             ORDER BY not_before LIMIT ?4",
        )?;
        let values = params![self.destination.as_str(), urgency, self.now.as_millis(), row_limit(limit)];
        let rows = select.query_map(values, |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// So many updates that are due at once are told one by one.
const TOLD_SINGLY_MAX: usize = 20;
/// So many are put into a digest in one transaction: some ten milliseconds.
const FOLDED_AT_ONCE: usize = 64;

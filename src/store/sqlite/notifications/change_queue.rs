//! The deliveries of changes: at most one of each notification waits or is under way.

use rusqlite::{OptionalExtension, Transaction, params};

use super::super::super::StoreError;
use super::stored::Stored;
use crate::domain::{DeliveryId, Timestamp};

/// Whether something more urgent must wait where an earlier message may have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It must: the next try looks for the message, and too soon it would not be found.
    KeepsBack,
    /// It need not: it is told by itself, or after one repeat that says so.
    Yields,
}

/// Deliveries of changes in one transaction.
pub struct ChangeQueue<'t> {
    transaction: &'t Transaction<'t>,
    now: Timestamp,
}

impl<'t> ChangeQueue<'t> {
    pub fn of(transaction: &'t Transaction<'t>, now: Timestamp) -> Self {
        Self { transaction, now }
    }

    /// Ensures that a delivery is claimed at a time. One that waits is brought forward; a back-off after a failure ends
    /// only for something more urgent, and one after doubt only where `doubt` says so.
    pub fn plan(&self, stored: &Stored, at: Timestamp, urgency: u8, doubt: Doubt) -> Result<(), StoreError> {
        let pending = match stored.pending {
            Some(row) => self
                .transaction
                .prepare_cached("SELECT state, tries, not_before, urgency, uncertain FROM deliveries WHERE seq = ?1")?
                .query_row([row], |found| {
                    Ok((row, found.get(0)?, found.get(1)?, found.get(2)?, found.get(3)?, found.get(4)?))
                })
                .optional()?,
            None => None,
        };
        match pending {
            Some((row, WAITING, tries, not_before, planned, is_uncertain)) => {
                let (tries, not_before, planned): (u32, i64, u8) = (tries, not_before, planned);
                let is_uncertain: bool = is_uncertain;
                let waits = is_uncertain && (doubt == Doubt::KeepsBack || urgency <= planned);
                let is_sooner = at.as_millis() < not_before && (tries == 0 || urgency > planned) && !waits;
                if is_sooner || urgency > planned {
                    let at = if is_sooner { at.as_millis() } else { not_before };
                    self.transaction
                        .prepare_cached(
                            "UPDATE deliveries SET not_before = ?2, urgency = ?3, created_at = min(created_at, ?2),
                             retrying_since = NULL WHERE seq = ?1",
                        )?
                        .execute(params![row, at, urgency.max(planned)])?;
                }
                Ok(())
            }
            // It is planned again when that is settled.
            Some((_, LEASED, ..)) => Ok(()),
            _ => self.insert(stored, at, urgency),
        }
    }

    fn insert(&self, stored: &Stored, at: Timestamp, urgency: u8) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached(
                "INSERT INTO deliveries (id, notification, destination, route, urgency, not_before, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
            )?
            .execute(params![
                DeliveryId::generate().as_bytes(),
                stored.row,
                stored.destination.as_str(),
                stored.route.as_str(),
                urgency,
                // It counts as waiting from then on.
                at.as_millis()
            ])?;
        let row = self.transaction.last_insert_rowid();
        self.transaction
            .prepare_cached("UPDATE notifications SET pending = ?2 WHERE seq = ?1")?
            .execute([stored.row, row])?;
        self.forget_oldest(stored.row)
    }

    /// An incident may live for ever: of the deliveries of a notification that have ended, the newest are kept.
    fn forget_oldest(&self, notification: i64) -> Result<(), StoreError> {
        let mut select = self.transaction.prepare_cached(
            "SELECT seq FROM deliveries WHERE notification = ?1 AND state IN (2, 3, 4) ORDER BY seq DESC LIMIT ?2 OFFSET ?3",
        )?;
        let surplus: Vec<i64> = select
            .query_map(params![notification, FORGOTTEN_AT_ONCE, ENDED_KEPT], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for delivery in surplus {
            self.transaction.prepare_cached("DELETE FROM attempts WHERE delivery = ?1")?.execute([delivery])?;
            self.transaction.prepare_cached("DELETE FROM deliveries WHERE seq = ?1")?.execute([delivery])?;
        }
        Ok(())
    }

    /// Changes of one notification happen one after the other.
    pub fn is_another_under_way(&self, stored: &Stored, delivery: i64) -> Result<bool, StoreError> {
        let mut select = self.transaction.prepare_cached(
            "SELECT 1 FROM deliveries INDEXED BY deliveries_leased
                 WHERE destination = ?1 AND state = 1 AND notification = ?2 AND seq <> ?3",
        )?;
        Ok(select.exists(params![stored.destination.as_str(), stored.row, delivery])?)
    }

    /// It is looked at again a little later.
    pub fn postpone(&self, delivery: i64) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached("UPDATE deliveries SET not_before = ?2 WHERE seq = ?1")?
            .execute(params![delivery, self.now.plus(POSTPONED).as_millis()])?;
        Ok(())
    }

    /// It is not due before `at`, with this urgency.
    pub fn put_off(&self, delivery: i64, at: Timestamp, urgency: u8) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached(
                "UPDATE deliveries SET not_before = ?2, created_at = ?2, urgency = ?3, uncertain = 0,
                 retrying_since = NULL, reason = NULL WHERE seq = ?1",
            )?
            .execute(params![delivery, at.max(self.now.plus(POSTPONED_MIN)).as_millis(), urgency])?;
        Ok(())
    }

    /// What it tells from now on was never sent.
    pub fn begin_anew(&self, delivery: i64) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached(
                "UPDATE deliveries SET uncertain = 0, progress = NULL, retrying_since = NULL WHERE seq = ?1",
            )?
            .execute([delivery])?;
        Ok(())
    }

    /// A delivery is no longer needed. One that was never tried leaves nothing behind, unless there is a reason to be kept.
    pub fn supersede(&self, delivery: i64, notification: Option<i64>, reason: &str) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached("UPDATE deliveries SET state = 4, lease_until = 0, reason = ?2 WHERE seq = ?1")?
            .execute(params![delivery, reason])?;
        if let Some(notification) = notification {
            self.release(notification, delivery)?;
        }
        Ok(())
    }

    /// The notification has no pending delivery any more.
    pub fn release(&self, notification: i64, delivery: i64) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached("UPDATE notifications SET pending = NULL WHERE seq = ?1 AND pending = ?2")?
            .execute([notification, delivery])?;
        Ok(())
    }
}

const WAITING: i64 = 0;
const LEASED: i64 = 1;
/// So many ended deliveries of a notification are kept.
const ENDED_KEPT: i64 = 20;
/// As many as are deleted when one is added: one, unless an earlier version has kept more.
const FORGOTTEN_AT_ONCE: i64 = 20;
/// How long a delivery waits that was sent once and is to be sent again, while another of its notification is under way.
const POSTPONED: std::time::Duration = std::time::Duration::from_secs(1);
/// A delivery that was claimed too early is not claimed again at once.
const POSTPONED_MIN: std::time::Duration = std::time::Duration::from_millis(50);

//! Notices to the operator: the conditions that are open, and their events in the incidents of gatepost's own source.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, Transaction, params};

use super::super::{Joining, Notices, PlannedEvent, Policy, Reconciled, Routed, StoreError, Ticket};
use super::SqliteStore;
use super::keys::KeysAtHand;
use super::record::Recorder;
use super::rows::{name, to_text};
use crate::domain::{DestinationName, Event, RouteName, Severity, SourceName, Timestamp};
use crate::incidents::NewEvent;
use crate::notices::{Condition, Known, NoticeId, NoticeKind, Seen, Step, begun, compare, ended, may_tell};

impl Notices for SqliteStore {
    fn reconcile(
        &self,
        seen: Seen,
        to: Vec<DestinationName>,
        policy: &Arc<Policy>,
        now: Timestamp,
    ) -> Ticket<Reconciled> {
        let policy = Arc::clone(policy);
        self.writer.write_with_keys(move |transaction, keys| {
            let reconciliation = Reconciliation { transaction, policy: &policy, to: &to, now };
            reconciliation.run(&seen, keys)
        })
    }

    fn open_notices(&self) -> Result<BTreeMap<NoticeId, Known>, StoreError> {
        open_notices(&self.reader.lock())
    }

    fn dead_notices(&self) -> Result<BTreeMap<DestinationName, u64>, StoreError> {
        let connection = self.reader.lock();
        let mut select = connection.prepare_cached(DEAD_NOTICES)?;
        let rows =
            select.query_map([SourceName::OWN], |row| Ok((name(row, 0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn source_activity(&self) -> Result<BTreeMap<SourceName, Timestamp>, StoreError> {
        let connection = self.reader.lock();
        let mut select = connection.prepare_cached("SELECT source, last_at FROM source_activity")?;
        let rows = select.query_map([], |row| Ok((name(row, 0)?, Timestamp::from_millis(row.get(1)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn note_source_activity(&self, sources: BTreeMap<SourceName, Timestamp>) -> Ticket<()> {
        self.writer.write(move |transaction| {
            let mut upsert = transaction.prepare_cached(
                "INSERT INTO source_activity (source, last_at) VALUES (?1, ?2)
                 ON CONFLICT (source) DO UPDATE SET last_at = excluded.last_at",
            )?;
            for (source, at) in &sources {
                upsert.execute(params![source.as_str(), at.as_millis()])?;
            }
            Ok(())
        })
    }
}

/// One comparison of what holds with what is open, in one transaction.
struct Reconciliation<'a> {
    transaction: &'a Transaction<'a>,
    policy: &'a Policy,
    to: &'a [DestinationName],
    now: Timestamp,
}

impl Reconciliation<'_> {
    fn run(&self, seen: &Seen, keys: &mut KeysAtHand) -> Result<Reconciled, StoreError> {
        let open = open_notices(self.transaction)?;
        let mut recorder = Recorder::of(self.transaction, keys.get(self.transaction)?, self.policy, self.now)?;
        for condition in seen.holding.iter().filter(|_| !self.to.is_empty()) {
            let known = open.get(&condition.id);
            match compare(known, condition, self.now) {
                Step::Open | Step::Update => {
                    self.record(&mut recorder, &condition.id, begun(condition, self.now))?;
                    self.keep(condition, known)?;
                }
                Step::Lower => self.lower(condition)?,
                Step::Nothing => {}
            }
        }
        for id in open.keys().filter(|id| has_ended(id, seen)) {
            self.record(&mut recorder, id, ended(id, self.now))?;
            self.forget(id)?;
        }
        let absorption = recorder.finish()?;
        Ok(Reconciled {
            open: open_notices(self.transaction)?,
            incidents_opened: absorption.opened.values().sum(),
            to_tell: absorption.to_tell,
        })
    }

    fn record(&self, recorder: &mut Recorder<'_>, id: &NoticeId, event: Event) -> Result<(), StoreError> {
        // A reload may have removed one meanwhile: it would be taken for a sink.
        let told = self.to.iter().filter(|notifier| may_tell(id, notifier) && self.policy.notifier(notifier).is_some());
        let deliveries = told.map(|notifier| (notifier.clone(), RouteName::operator())).collect();
        let joining = Joining::of(&event);
        // It is an incident also where it concerns the only notifier that would be told.
        let joining = Joining { event: NewEvent { is_told: true, ..joining.event }, ..joining };
        let document = to_text(&event)?;
        let planned = PlannedEvent { event, deliveries, routed: Routed::Yes, recurrence: None, joining };
        recorder.record_own(&planned, &document)
    }

    /// What was told once of a condition is not told again for less.
    fn keep(&self, condition: &Condition, known: Option<&Known>) -> Result<(), StoreError> {
        let NoticeId { kind, subject } = &condition.id;
        let amount = known.map_or(condition.amount, |known| known.amount.max(condition.amount));
        let before = known.map(|known| known.severity).filter(|before| before.rank() > condition.severity.rank());
        let severity = before.unwrap_or(condition.severity);
        self.transaction
            .prepare_cached(
                "INSERT INTO notices (kind, subject, severity, amount, told_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (kind, subject) DO UPDATE SET
                     severity = excluded.severity, amount = excluded.amount, told_at = excluded.told_at",
            )?
            .execute(params![
                kind.as_str(),
                subject,
                severity.id(),
                i64::try_from(amount).unwrap_or(i64::MAX),
                self.now.as_millis()
            ])?;
        Ok(())
    }

    fn lower(&self, condition: &Condition) -> Result<(), StoreError> {
        let NoticeId { kind, subject } = &condition.id;
        self.transaction
            .prepare_cached("UPDATE notices SET amount = ?3 WHERE kind = ?1 AND subject = ?2")?
            .execute(params![kind.as_str(), subject, i64::try_from(condition.amount).unwrap_or(i64::MAX)])?;
        Ok(())
    }

    fn forget(&self, id: &NoticeId) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached("DELETE FROM notices WHERE kind = ?1 AND subject = ?2")?
            .execute(params![id.kind.as_str(), id.subject])?;
        Ok(())
    }
}

fn has_ended(id: &NoticeId, seen: &Seen) -> bool {
    let holds = seen.holding.iter().any(|condition| condition.id == *id) || seen.undecided.contains(id);
    seen.may_end && !holds
}

fn open_notices(connection: &Connection) -> Result<BTreeMap<NoticeId, Known>, StoreError> {
    let mut select = connection.prepare_cached("SELECT kind, subject, severity, amount, told_at FROM notices")?;
    let mut rows = select.query([])?;
    let mut open = BTreeMap::new();
    while let Some(row) = rows.next()? {
        // A kind that only another version knows is left to that one.
        let Some(kind) = NoticeKind::from_word(&row.get::<_, String>(0)?) else { continue };
        let known = Known {
            severity: Severity::from_id(row.get(2)?),
            amount: row.get::<_, i64>(3)?.unsigned_abs(),
            told_at: Timestamp::from_millis(row.get(4)?),
        };
        open.insert(NoticeId { kind, subject: row.get(1)? }, known);
    }
    Ok(open)
}

/// The incidents of gatepost's own source are few.
const DEAD_NOTICES: &str = "SELECT d.destination, count(*)
    FROM incidents i INDEXED BY incidents_key
    CROSS JOIN notifications n ON n.incident = i.number
    CROSS JOIN deliveries d ON d.notification = n.seq AND d.state = 3
    WHERE i.source = ?1 GROUP BY 1";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notices::is_about;

    #[test]
    fn the_incident_of_a_notice_is_known_to_be_about_its_destination() {
        let [oncall, soc]: [DestinationName; 2] = ["oncall", "soc"].map(|name| name.parse().unwrap());
        for kind in NoticeKind::ALL {
            let id = NoticeId { kind, subject: "oncall".to_owned() };
            let key = Joining::of(&ended(&id, Timestamp::default())).key;
            assert_eq!((is_about(&key, &oncall), is_about(&key, &soc)), (kind.is_of_destination(), false), "{kind:?}");
        }
    }
}

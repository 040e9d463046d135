//! An incident made of one event, for a notifier that is tested: `gatepost probe`.

use crate::domain::{
    Change, Event, Facets, Incident, IncidentId, IncidentKey, IncidentKind, IncidentNumber, IncidentState, Intent,
    Notification, NotificationId, NotifierClass, Operation, Origin, Rank, Standing, Telling, Timestamp, Told, Wording,
};

/// What a [`Telling`] of a probe borrows from. The job beside it has
/// [`Purpose::Probe`](crate::domain::Purpose::Probe): the incident is nowhere else, so its number is not shown.
#[derive(Clone, Debug)]
pub struct ProbeTelling {
    id: NotificationId,
    incident: Incident,
    facets: Facets,
    told: Notification,
    intent: Intent,
}

impl ProbeTelling {
    /// The opening of an incident of which `event` is the only one, as a notifier of that class is told of it.
    pub fn of(event: &Event, class: NotifierClass, now: Timestamp) -> Self {
        let incident = incident(event, now);
        let told = Notification::new(now);
        let standing = Standing {
            state: incident.state,
            rank: incident.rank,
            count: incident.count,
            victims: incident.victims,
            acknowledgements: 0,
            reopenings: 0,
            named: 0,
        };
        let said = Some(Told { standing, at: now });
        let (operation, then) = match class {
            NotifierClass::Pager => (Operation::Trigger { page: 1 }, Notification { said, pages: 1, ..told.clone() }),
            NotifierClass::EditableChat | NotifierClass::AppendOnly | NotifierClass::Ticket => {
                let then = Notification { said, shown: said, creations: 1, ..told.clone() };
                (Operation::Create { number: 1 }, then)
            }
        };
        let intent = Intent { change: Change::Open, operation, then };
        Self { id: NotificationId::generate(), incident, facets: Facets::default(), told, intent }
    }

    /// The same with ids and a number that do not change, for tests of what a notifier sends.
    #[cfg(test)]
    pub(super) fn numbered(event: &Event, class: NotifierClass, now: Timestamp) -> Self {
        let mut probe = Self::of(event, class, now);
        probe.id = super::testing::OPENING.parse().unwrap();
        probe.incident.id = "0190b6a0-0000-7000-c000-000000000001".parse().unwrap();
        probe.incident.number = IncidentNumber(4711);
        probe
    }

    /// What the notifier is told, without the operator's words.
    pub fn telling(&self) -> Telling<'_> {
        Telling {
            notification: self.id,
            incident: &self.incident,
            facets: &self.facets,
            told: &self.told,
            intent: &self.intent,
            wording: Wording::NONE,
        }
    }
}

/// An incident of which `event` is the only one, without a number.
pub(super) fn incident(event: &Event, now: Timestamp) -> Incident {
    let id = IncidentId::generate();
    Incident {
        id,
        number: IncidentNumber(0),
        source: event.source.clone(),
        key: IncidentKey::of(&event.source, &[&id.to_string()]),
        kind: IncidentKind::Events,
        title: event.title.clone(),
        rule: event.kind.clone(),
        state: IncidentState::Open,
        state_since: now,
        state_by: Origin::Gatepost,
        state_note: None,
        acknowledgement: None,
        rank: Rank::of(event),
        rank_since: event.time,
        count: 1,
        victims: 1,
        first_at: event.time,
        last_at: event.time,
        received_at: event.received_at,
        reopenings: 0,
        reopened_at: Vec::new(),
        resolution_held_until: None,
        is_unattended: false,
        is_hold_noted: false,
        ends_by_vendor: false,
        fired: None,
        silenced_until: None,
        silence: None,
        fold: None,
        follows: None,
    }
}

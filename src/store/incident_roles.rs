//! Reading incidents, and the operator's orders about them: the roles behind `gatepost incidents`.

use serde::Serialize;

use super::{DeliveryRow, Page, StoreError};
use crate::domain::{
    DeliveryId, DestinationName, Event, EventId, Facets, Incident, IncidentNumber, IncidentState, Milestone,
    Notification, NotificationId, Origin, RouteName, Severity, SourceName, Timestamp,
};
use crate::incidents::{Joined, Order, OrderError};

/// The operator's reads of incidents. Calls block on the disk: not for the threads that answer requests.
pub trait IncidentQueries: Send + Sync {
    /// Incidents, newest first. A page begins before the number that is its cursor.
    fn incidents(&self, page: &Page, filter: &IncidentFilter) -> Result<Vec<Incident>, StoreError>;

    /// One incident with everything that is known of it.
    fn incident(&self, number: IncidentNumber) -> Result<Option<IncidentDetails>, StoreError>;

    /// The incident of an event, and how the event came into it; `None`: there is no such event, or it was never looked at
    /// for an incident.
    fn incident_of(&self, event: EventId) -> Result<Option<EventPlace>, StoreError>;

    /// How many incidents are in each state.
    fn incident_counts(&self) -> Result<Vec<(IncidentState, u64)>, StoreError>;

    /// Milestones behind a cursor, oldest first, each with its own cursor.
    fn milestones_after(&self, cursor: i64, limit: usize) -> Result<Vec<MilestoneRow>, StoreError>;

    /// The cursor of the newest milestone.
    fn newest_milestone(&self) -> Result<i64, StoreError>;
}

/// The operator's orders. They work beside a process that serves.
pub trait Commands: Send + Sync {
    /// Applies an order to an incident; every notifier that was told of the incident is told the change.
    ///
    /// # Errors
    ///
    /// The outer one where the store could not do it, the inner one where it makes no sense.
    fn order(
        &self,
        number: IncidentNumber,
        order: Order,
        by: Origin,
        note: Option<String>,
        now: Timestamp,
    ) -> Result<Result<Milestone, OrderError>, StoreError>;

    /// Closes what waits for a destination that was removed for good. Returns how many deliveries were closed; for a
    /// sink: how many events.
    fn discard(&self, destination: &DestinationName) -> Result<u64, StoreError>;

    /// Closes a dead letter, and keeps its reason. `false`: it is none.
    fn discard_dead(&self, delivery: DeliveryId) -> Result<bool, StoreError>;
}

/// Which incidents.
#[derive(Clone, Debug, Default)]
pub struct IncidentFilter {
    /// In this state.
    pub state: Option<IncidentState>,
    /// Only those that are not over: open, acknowledged, and quiet ones that no person has seen.
    pub is_listed: bool,
    /// Of this source.
    pub source: Option<SourceName>,
    /// At least this bad.
    pub severity: Option<Severity>,
    /// Told through this storm.
    pub storm: Option<IncidentNumber>,
    /// With an event at this time or later.
    pub since: Option<Timestamp>,
    /// Begun before this time.
    pub until: Option<Timestamp>,
    /// With this text in the title or the rule, whatever its case (ASCII).
    pub text: Option<String>,
}

/// Everything about an incident.
#[derive(Clone, Debug, Serialize)]
pub struct IncidentDetails {
    /// The incident.
    pub incident: Incident,
    /// The victims, actors and targets that it concerns.
    pub facets: Facets,
    /// The event that shows it best, as it was when it came.
    pub event: Event,
    /// What changed, oldest first: the last thousand.
    pub milestones: Vec<Milestone>,
    /// Who was told what.
    pub notifications: Vec<NotificationRow>,
    /// The changes that were told or are to be told, oldest first: the last hundred.
    pub deliveries: Vec<DeliveryRow>,
    /// How its events came into it: counted by reason.
    pub events: Vec<(&'static str, u64)>,
}

/// A notification in a listing.
#[derive(Clone, Debug, Serialize)]
pub struct NotificationRow {
    /// Its id.
    pub id: NotificationId,
    /// The notifier.
    pub destination: DestinationName,
    /// The first route that sent an event there.
    pub route: RouteName,
    /// The notifier that had not taken it, where this one is its fallback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<DestinationName>,
    /// What was told.
    pub told: Notification,
    /// Something waits to be told, or is under way.
    pub is_pending: bool,
    /// The destination has refused the last change.
    pub is_refused: bool,
}

/// The place of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPlace {
    /// Its incident.
    pub incident: Option<IncidentNumber>,
    /// How it came into it, or why not.
    pub joined: Joined,
}

/// A milestone in a listing.
#[derive(Clone, Debug, Serialize)]
pub struct MilestoneRow {
    /// Where the next page begins.
    pub cursor: i64,
    /// The incident.
    pub incident: IncidentNumber,
    /// What changed.
    pub milestone: Milestone,
    /// The title of the incident.
    pub title: String,
    /// The source of the incident.
    pub source: SourceName,
    /// The severity of the incident.
    pub severity: Severity,
}

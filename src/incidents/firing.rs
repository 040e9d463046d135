//! Whether a resolution is out of date: requests are read in the order of their urgency, and a vendor sends again what was
//! refused, so that the end of an alert may be read after the alert has fired again.

use crate::domain::{Firing, Timestamp};

use super::new_event::NewEvent;
use super::set_back::is_ahead;

/// The latest firing, now that this event has come as well. By receipt and by the vendor's time each for itself: one that
/// arrives late makes neither earlier.
pub(super) fn latest(before: Option<Firing>, event: &NewEvent) -> Firing {
    let Some(before) = before else {
        return Firing { received_at: event.received_at, happened_at: event.documented_at() };
    };
    Firing {
        received_at: before.received_at.max(event.received_at),
        happened_at: before.happened_at.max(event.documented_at()),
    }
}

/// The resolution is older than the latest firing: by the vendor's times where it documents both and they differ, else by
/// the order of receipt. Of what was written while the clock was ahead nothing is known.
pub(super) fn is_outdated(resolution: &NewEvent, fired: Option<Firing>, now: Timestamp) -> bool {
    let Some(fired) = fired else { return false };
    let known = |at: &Timestamp| !is_ahead(*at, now);
    match (resolution.documented_at(), fired.happened_at.filter(known)) {
        (Some(ended), Some(fired)) if ended != fired => ended < fired,
        _ => known(&fired.received_at) && resolution.received_at < fired.received_at,
    }
}

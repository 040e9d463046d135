//! An incident whose times are ahead of the clock: it was changed while the clock was ahead, and the clock has been set back.
//!
//! The store calls [`set_back`] when the clock has been set back, and has the incident checked anew. What counts from such a time would otherwise wait until the clock
//! reaches it again, perhaps for years. When its events happened stays as it is: that is shown, and nothing waits for it.

use std::time::Duration;

use crate::domain::{Incident, IncidentKind, Timestamp};

use super::timing::HELD_FOR;

/// Brings times that are ahead of `now` back to it; whether there were any.
pub fn set_back(incident: &mut Incident, now: Timestamp) -> bool {
    let mut times = vec![&mut incident.state_since, &mut incident.rank_since, &mut incident.received_at];
    times.extend(incident.acknowledgement.as_mut().map(|acknowledgement| &mut acknowledgement.at));
    times.extend(&mut incident.reopened_at);
    let mut has_changed = false;
    match &mut incident.kind {
        IncidentKind::Storm(facts) => {
            times.extend(&mut facts.last_fold);
            times.extend(&mut facts.open_at);
            times.extend(facts.named_at.as_mut().map(|(at, _)| at));
        }
        IncidentKind::Digest(facts) => {
            times.extend(&mut facts.opened_at);
            times.extend(facts.latecomers.told_at.as_mut().map(|(at, _)| at));
        }
        IncidentKind::Events => {}
    }
    for time in times {
        if is_ahead(*time, now) {
            (*time, has_changed) = (now, true);
        }
    }
    if let Some((until, silence)) = incident.silenced_until.as_mut().zip(incident.silence.as_mut())
        && is_ahead(silence.at, now)
    {
        // It lasts as long as was asked for.
        (*until, silence.at, has_changed) = (now.plus(until.since(silence.at)), now, true);
    }
    if let Some(until) = &mut incident.resolution_held_until
        && is_ahead(*until, now.plus(HELD_FOR))
    {
        (*until, has_changed) = (now.plus(HELD_FOR), true);
    }
    has_changed
}

/// Whether a time was written before the clock was set back.
pub(super) fn is_ahead(time: Timestamp, now: Timestamp) -> bool {
    time.since(now) > CLOCK_SKEW_MAX
}

/// A smaller difference between two readings of one clock does not mean that it was set.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(60);

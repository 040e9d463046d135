//! What was repeated after doubt is sent once more a while later: an old request that was delayed on its way may have
//! overwritten it.

use std::time::Duration;

use crate::domain::{Change, Doubtful, IncidentState, Notification, NotifierClass, Operation};

use super::{Comparison, Due};

impl Comparison<'_> {
    /// The same, and what is to be sent once more where nothing else is due now.
    pub(super) fn with_confirmations(&self, due: Due) -> Due {
        let doubts = self.told.doubts.iter().filter(|doubt| self.still_matters(doubt));
        let Some(doubt) = doubts.min_by_key(|doubt| doubt.at) else { return due };
        let at = self.after(doubt.at, CONFIRMED_AFTER);
        match due {
            Due::Now(_) => due,
            _ if at <= self.now => self.confirm(doubt.operation),
            Due::At(other) => Due::At(other.min(at)),
            Due::Nothing | Due::Close(_) => Due::At(at),
        }
    }

    /// A page that was acknowledged is left as it is once the incident goes on or is over.
    fn still_matters(&self, doubt: &Doubtful) -> bool {
        match doubt.operation {
            Operation::Edit => !self.told.is_gone,
            Operation::ResolvePage { .. } => true,
            Operation::AcknowledgePage { page } => {
                self.is.state == IncidentState::Acknowledged && page > self.told.pages_resolved
            }
            Operation::Trigger { .. } | Operation::Create { .. } | Operation::Reply { .. } | Operation::Transition => {
                false
            }
        }
    }

    fn confirm(&self, operation: Operation) -> Due {
        let mut then = self.told.clone();
        then.doubts.retain(|doubt| doubt.operation != operation);
        let change = match operation {
            Operation::AcknowledgePage { .. } => Change::Acknowledge,
            Operation::ResolvePage { .. } => Change::Resolve,
            _ => Change::Update,
        };
        if operation == Operation::Edit {
            self.show_present(&mut then);
        }
        self.tell(change, operation, then)
    }

    /// The status of a ticket is changed by a transition alone.
    fn show_present(&self, then: &mut Notification) {
        let before = then.shown;
        then.shown = Some(self.told_now());
        if self.class == NotifierClass::Ticket
            && let (Some(shown), Some(before)) = (&mut then.shown, before)
        {
            shown.standing.state = before.standing.state;
        }
    }
}

/// No request is on its way for longer.
const CONFIRMED_AFTER: Duration = Duration::from_secs(60);

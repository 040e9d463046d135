//! What gatepost says about itself: metrics and logs.
//!
//! Every module may count and log; the names are defined here, in the lowest layer, so that no module needs another one
//! for them. Names are `gatepost_<area>_<what>_<unit>[_total]`. Labels hold configured names and closed lists only,
//! never text that a sender chose.

mod labels;
mod lines;
mod logging;
mod metrics;

pub use labels::{
    ByAttempt, ByCheck, ByDestination, ByEnd, ByIncidentState, ByOutcome, ByQueue, ByReason, ByRoute, BySource, ByTask,
    DeliveryEnd, HeartbeatOutcome, IntakeOutcome, KnownLabels, Task, UNKNOWN_SOURCE,
};
pub use lines::{Line, LineBudget, TELL_AFTER};
pub use logging::{LogError, LogFormat, start_logging};
pub use metrics::Metrics;

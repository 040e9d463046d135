//! One log line for each accepted request, up to the limit of a [`LineBudget`]; beyond it their number.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::{ReceiptId, SourceName, Timestamp};
use crate::telemetry::{IntakeOutcome, Line, LineBudget, TELL_AFTER};

/// The lines of each source.
#[derive(Debug, Default)]
pub struct AcceptedLog(Mutex<HashMap<SourceName, Arc<LineBudget>>>);

impl AcceptedLog {
    /// Logs that a request was accepted, or known already. Must run on a tokio runtime.
    pub fn tell(&self, source: &SourceName, receipt: ReceiptId, outcome: IntakeOutcome, ms: u64, steady: Timestamp) {
        if !tracing::enabled!(tracing::Level::INFO) {
            return;
        }
        let budget = self.budget(source);
        let outcome = outcome.as_str();
        match budget.line(steady) {
            Line::Write => tracing::info!(%source, %receipt, outcome, ms, "a request was accepted"),
            Line::LeaveOut => {}
            Line::LeaveOutAndTell => {
                let source = source.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(TELL_AFTER).await;
                    let more = budget.take_left_out();
                    let seconds = TELL_AFTER.as_secs();
                    tracing::info!(%source, more, seconds, "more requests were accepted than have a line of their own");
                });
            }
        }
    }

    fn budget(&self, source: &SourceName) -> Arc<LineBudget> {
        let mut budgets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match budgets.get(source) {
            Some(budget) => Arc::clone(budget),
            None => Arc::clone(budgets.entry(source.clone()).or_default()),
        }
    }
}

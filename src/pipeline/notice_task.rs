//! Looks after what gatepost tells its operator about itself.
//!
//! Every two seconds it gathers how destinations, sources and the store stand, shows the conditions that hold in `/readyz`,
//! metrics and the log, and has the store open, update and end the notices. It sends nothing: notices are incidents, and the
//! workers of the notifiers tell them. It remembers nothing that the store does not: a look that was missed, or whose commit
//! failed, is made up for by the next one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::notice_board::NoticeBoard;
use super::queues::QueueBoard;
use super::refusal_window::{ByCode, RefusalWindow};
use super::rules::Rules;
use super::source_silence::SourceSilence;
use super::worker::WorkerState;
use super::worker_registry::WorkerRegistry;
use crate::domain::{Clock, DestinationName, SourceName, Timestamp};
use crate::notices::{
    DestinationFacts, Facts, Health, Known, NoticeId, Operator, Seen, SourceFacts, Step, StoreFacts, Watch, compare,
    conditions, unproven,
};
use crate::store::{Notices, Overview, SqliteStore, StoreError};
use crate::telemetry::{BySource, IntakeOutcome, Metrics};

/// Looks after the notices.
pub struct NoticeTask {
    /// The store.
    pub store: SqliteStore,
    /// Who is told of what.
    pub operator: watch::Receiver<Arc<Operator>>,
    /// The sources, and what the store must know of notifiers.
    pub rules: watch::Receiver<Arc<Rules>>,
    /// The time, by a clock that is known not to have been set forward recently: a jump must not make sources silent.
    pub now: watch::Receiver<Timestamp>,
    /// By which durations are measured.
    pub clock: Arc<dyn Clock>,
    /// The destinations, and how they are doing.
    pub workers: Arc<WorkerRegistry>,
    /// What waits for them.
    pub queues: QueueBoard,
    /// Where conditions are shown.
    pub board: NoticeBoard,
    /// Counters of requests, and a gauge for each notice.
    pub metrics: Arc<Metrics>,
}

/// What is remembered from look to look.
struct Memory {
    watch: Watch,
    refusals: RefusalWindow,
    silence: SourceSilence,
    /// The notices that are open, as the store said last.
    open: BTreeMap<NoticeId, Known>,
}

impl NoticeTask {
    /// Works until `stop` changes.
    pub async fn run(&mut self, mut stop: watch::Receiver<bool>) {
        let mut memory = None;
        while !*stop.borrow() {
            if let Err(fault) = self.look(&mut memory).await {
                tracing::warn!(%fault, "the operator cannot be told now; it is tried again");
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
                _ = stop.changed() => {}
            }
        }
    }

    async fn look(&self, memory: &mut Option<Memory>) -> Result<(), StoreError> {
        let memory = match memory {
            Some(memory) => memory,
            None => memory.insert(self.remember().await?),
        };
        if self.queues.read().is_empty() && !self.workers.names().is_empty() {
            // Nothing has been measured yet.
            return Ok(());
        }
        let operator = Arc::clone(&self.operator.borrow());
        let facts = self.facts(memory, &operator).await?;
        let (found, unproven) = (conditions(&facts, &operator.limits), unproven(&facts));
        let seen = memory.watch.look(found, unproven, &operator.limits, self.clock.steady());
        self.board.show(&seen, &self.metrics);
        let to_note = memory.silence.to_note();
        if !to_note.is_empty() {
            self.store.note_source_activity(to_note.clone()).await?;
            memory.silence.noted(&to_note);
        }
        if !is_news(&seen, &memory.open, &operator, self.clock.now()) {
            return Ok(());
        }
        let policy = Arc::clone(&self.rules.borrow().policy);
        let reconciled = self.store.reconcile(seen, operator.to.clone(), &policy, self.clock.now()).await?;
        memory.open = reconciled.open;
        let by_source = BySource { source: SourceName::OWN.to_owned() };
        self.metrics.incidents_opened.get_or_create(&by_source).inc_by(reconciled.incidents_opened as u64);
        self.workers.wake(&reconciled.to_tell.into_iter().collect::<Vec<_>>());
        Ok(())
    }

    /// What an earlier process has left.
    async fn remember(&self) -> Result<Memory, StoreError> {
        let read = |store: SqliteStore| {
            let received = store.active_sources(Timestamp::default())?.into_iter();
            let received: Vec<_> = received.map(|source| (source.source, source.last)).collect();
            Ok((store.open_notices()?, store.source_activity()?, received))
        };
        let (open, noted, received) = self.read(read).await?;
        Ok(Memory {
            watch: Watch::new(self.clock.steady()),
            refusals: RefusalWindow::default(),
            silence: SourceSilence::new(noted, received),
            open,
        })
    }

    async fn facts(&self, memory: &mut Memory, operator: &Operator) -> Result<Facts, StoreError> {
        let read = |store: SqliteStore| {
            let damage = match store.soundness() {
                crate::store::Soundness::Damaged { reason } => Some(reason),
                _ => None,
            };
            let facts = StoreFacts { free_bytes: store.free_bytes(), is_full: store.is_full(), damage };
            Ok((store.dead_notices()?, facts))
        };
        let (dead_notices, store) = self.read(read).await?;
        Ok(Facts { destinations: self.destinations(&dead_notices), sources: self.sources(memory, operator), store })
    }

    fn destinations(&self, dead_notices: &BTreeMap<DestinationName, u64>) -> Vec<DestinationFacts> {
        let (states, queues) = (self.workers.states(), self.queues.read());
        let policy = Arc::clone(&self.rules.borrow().policy);
        let names: std::collections::BTreeSet<&DestinationName> = states.keys().chain(queues.keys()).collect();
        let facts = |name: &DestinationName| {
            let queue = queues.get(name).copied().unwrap_or_default();
            let health = match states.get(name) {
                Some(WorkerState::Running) => Health::Running,
                Some(WorkerState::Untried) => Health::Untried,
                Some(WorkerState::Failing { reason }) => Health::Failing { reason: reason.clone() },
                Some(WorkerState::Stopped { reason }) => Health::Stopped { reason: reason.clone() },
                None => Health::Unconfigured,
            };
            DestinationFacts {
                name: name.clone(),
                health,
                waiting: queue.waiting,
                oldest_waiting: queue.oldest_waiting,
                fallback: policy.fallbacks.get(name).map(|fallback| fallback.to.clone()),
                dead: queue.dead.saturating_sub(dead_notices.get(name).copied().unwrap_or_default()),
            }
        };
        names.into_iter().map(facts).collect()
    }

    fn sources(&self, memory: &mut Memory, operator: &Operator) -> Vec<SourceFacts> {
        let (now, steady) = (*self.now.borrow(), self.clock.steady());
        let rules = Arc::clone(&self.rules.borrow());
        memory.refusals.keep(|source| rules.sources.contains_key(source));
        memory.silence.keep(|source| operator.expect.contains_key(source));
        let facts = |source: &SourceName| {
            let count = |outcome| self.metrics.intake_count(source.as_str(), outcome);
            let refused: ByCode = REFUSALS.map(|code| (code, count(IntakeOutcome::Refused(code)))).to_vec();
            let expect = operator.expect.get(source).copied();
            let accepted = count(IntakeOutcome::Accepted);
            let silent_for = expect.map(|_| memory.silence.look(source, accepted, now));
            SourceFacts {
                name: source.clone(),
                expect,
                silent_for: silent_for.unwrap_or_default(),
                refused: memory.refusals.look(source, refused, steady),
            }
        };
        rules.sources.keys().map(facts).collect()
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(SqliteStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.store.clone();
        let read = tokio::task::spawn_blocking(move || read(store)).await;
        read.map_err(|error| StoreError::Failed(error.to_string()))?
    }
}

/// Whether the store has anything to do: it decides by the same rules, in its transaction.
fn is_news(seen: &Seen, open: &BTreeMap<NoticeId, Known>, operator: &Operator, now: Timestamp) -> bool {
    let mut holding = seen.holding.iter().filter(|_| !operator.to.is_empty());
    let is_open = |id: &NoticeId| seen.undecided.contains(id) || seen.holding.iter().any(|one| one.id == *id);
    holding.any(|condition| compare(open.get(&condition.id), condition, now) != Step::Nothing)
        || (seen.may_end && open.keys().any(|id| !is_open(id)))
}

const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// The codes of refused requests that say that a source is not what it should be, or sends too much.
const REFUSALS: [&str; 6] =
    ["signature-missing", "signature-mismatch", "timestamp-stale", "body-too-large", "rate-limited", "backlog-full"];

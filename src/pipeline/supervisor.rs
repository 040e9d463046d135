//! Starts the pipeline's tasks, exchanges its rules, and stops it in order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::dispatcher::{Dispatcher, HeldLog};
use super::fallback_task::FallbackTask;
use super::heartbeat::{Heartbeat, HeartbeatTask};
use super::incident_timers::IncidentTimers;
use super::notice_board::NoticeBoard;
use super::notice_task::NoticeTask;
use super::presentation::Presentation;
use super::queues::{Queue, QueueBoard};
use super::retention::{Retention, RetentionTask};
use super::rules::Rules;
use super::severity_log::SeverityLog;
use super::supervise::Supervision;
use super::timekeeper::Timekeeper;
use super::worker::{Worker, WorkerState};
use super::worker_registry::{WorkerEntry, WorkerRegistry};
use crate::destinations::Receiver;
use crate::destinations::templates::Templates;
use crate::domain::{Clock, DestinationName};
use crate::egress::Egress;
use crate::notices::{Condition, Operator};
use crate::store::SqliteStore;
use crate::telemetry::{Metrics, Task};

/// What the operator configures of the pipeline.
pub struct Parts {
    /// How to read receipts and which destinations to tell.
    pub rules: Arc<Rules>,
    /// The destinations, by name.
    pub destinations: BTreeMap<DestinationName, Receiver>,
    /// The templates of those that have some.
    pub templates: BTreeMap<DestinationName, Arc<Templates>>,
    /// How long what is kept.
    pub retention: Retention,
    /// Who is told of gatepost's own conditions.
    pub operator: Arc<Operator>,
    /// Where a dead man's switch is told that gatepost is well.
    pub heartbeat: Option<Heartbeat>,
}

/// The running pipeline.
pub struct Pipeline {
    store: SqliteStore,
    egress: Egress,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    supervision: Supervision,
    rules: watch::Sender<Arc<Rules>>,
    retention: watch::Sender<Retention>,
    operator: watch::Sender<Arc<Operator>>,
    heartbeat: watch::Sender<Option<Heartbeat>>,
    receipts: Arc<Notify>,
    registry: Arc<WorkerRegistry>,
    queues: QueueBoard,
    notices: NoticeBoard,
    stop_intake: watch::Sender<bool>,
    others: Mutex<Vec<JoinHandle<()>>>,
    workers: tokio::sync::Mutex<Option<RunningWorkers>>,
}

struct RunningWorkers {
    stop: watch::Sender<bool>,
    tasks: WorkerTasks,
}

type WorkerTasks = BTreeMap<DestinationName, JoinHandle<()>>;

impl Pipeline {
    /// Starts everything on the current tokio runtime.
    pub async fn start(
        store: SqliteStore,
        egress: Egress,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        parts: Parts,
    ) -> Arc<Self> {
        let (rules, _) = watch::channel(parts.rules);
        let (retention, _) = watch::channel(parts.retention);
        let (operator, _) = watch::channel(parts.operator);
        let (heartbeat, _) = watch::channel(parts.heartbeat);
        let (stop_intake, _) = watch::channel(false);
        let supervision = Supervision::new(Arc::clone(&metrics));
        let pipeline = Arc::new(Self {
            supervision,
            store,
            egress,
            clock,
            metrics,
            rules,
            retention,
            operator,
            heartbeat,
            receipts: Arc::default(),
            registry: Arc::default(),
            queues: QueueBoard::default(),
            notices: NoticeBoard::default(),
            stop_intake,
            others: Mutex::default(),
            workers: tokio::sync::Mutex::default(),
        });
        pipeline.start_workers(parts.destinations, parts.templates, WorkerTasks::new()).await;
        pipeline.start_others();
        pipeline
    }

    /// What intake notifies after each commit.
    pub fn receipts_wake(&self) -> Arc<Notify> {
        Arc::clone(&self.receipts)
    }

    /// Waits until a task keeps ending in spite of restarts; which. Only ending the process helps then.
    pub async fn failed(&self) -> Task {
        self.supervision.failed().await
    }

    /// How each destination is doing.
    pub fn worker_states(&self) -> BTreeMap<DestinationName, WorkerState> {
        self.registry.states()
    }

    /// The queues of all destinations, as they were last measured.
    pub fn queues(&self) -> BTreeMap<DestinationName, Queue> {
        self.queues.read()
    }

    /// The dispatcher and the destinations whose tasks have not gone on for too long.
    pub fn stuck(&self) -> Vec<String> {
        self.registry.stuck(self.clock.steady())
    }

    /// The conditions that the operator should know of.
    pub fn notices(&self) -> Vec<Condition> {
        self.notices.read()
    }

    /// Exchanges rules and destinations. The state of every destination is reset, each as soon as its own tries are
    /// finished: one that hangs delays neither the others nor the caller.
    pub async fn exchange(&self, parts: Parts) {
        let retiring = self.retire_workers().await;
        // A destination that has gone keeps no connection; the others open theirs again.
        self.egress.close().await;
        self.rules.send_replace(parts.rules);
        self.retention.send_replace(parts.retention);
        self.operator.send_replace(parts.operator);
        self.heartbeat.send_replace(parts.heartbeat);
        // A destination that has gone is neither stopped nor failing.
        self.metrics.destination_stopped.clear();
        self.metrics.destination_failing.clear();
        self.start_workers(parts.destinations, parts.templates, retiring).await;
    }

    /// Finishes what is under way, within a bound. What is not finished then is taken up again by the next start.
    pub async fn stop(&self, bound: Duration) {
        self.stop_intake.send_replace(true);
        let others: Vec<_> = self.others.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        let all = async {
            for task in others {
                report_end(task.await);
            }
        };
        let workers = self.stop_workers(bound);
        if tokio::time::timeout(bound, async { tokio::join!(all, workers) }).await.is_err() {
            tracing::warn!("work was still under way at the end of the time to stop; the next start takes it up");
        }
        self.egress.close().await;
    }

    fn start_others(&self) {
        let timekeeper = Timekeeper::new(self.store.clone(), Arc::clone(&self.clock), Arc::clone(&self.metrics));
        let dispatcher = Dispatcher {
            outbox: Arc::new(self.store.clone()),
            rules: self.rules.subscribe(),
            retention: self.retention.subscribe(),
            vouched: timekeeper.vouched(),
            witness: timekeeper.witness(),
            held: HeldLog::default(),
            words: SeverityLog::default(),
            workers: Arc::clone(&self.registry),
            wake: Arc::clone(&self.receipts),
            clock: Arc::clone(&self.clock),
            metrics: Arc::clone(&self.metrics),
        };
        let retention = RetentionTask {
            store: self.store.clone(),
            retention: self.retention.subscribe(),
            now: timekeeper.settled(),
            workers: Arc::clone(&self.registry),
            clock: Arc::clone(&self.clock),
            queues: self.queues.clone(),
            metrics: Arc::clone(&self.metrics),
        };
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let (supervision, stop) = (|| self.supervision.clone(), || self.stop_intake.subscribe());
        others.push(tokio::spawn(supervision().supervise(Task::Dispatcher, dispatcher, stop())));
        others.push(tokio::spawn(supervision().supervise(Task::Retention, retention, stop())));
        let timers = IncidentTimers {
            outbox: Arc::new(self.store.clone()),
            rules: self.rules.subscribe(),
            present: timekeeper.present(),
            workers: Arc::clone(&self.registry),
        };
        let notices = NoticeTask {
            store: self.store.clone(),
            operator: self.operator.subscribe(),
            rules: self.rules.subscribe(),
            now: timekeeper.settled(),
            clock: Arc::clone(&self.clock),
            workers: Arc::clone(&self.registry),
            queues: self.queues.clone(),
            board: self.notices.clone(),
            metrics: Arc::clone(&self.metrics),
        };
        let fallbacks = FallbackTask {
            store: Arc::new(self.store.clone()),
            rules: self.rules.subscribe(),
            clock: Arc::clone(&self.clock),
            workers: Arc::clone(&self.registry),
        };
        others.push(tokio::spawn(supervision().supervise(Task::Fallbacks, fallbacks, stop())));
        let heartbeat = HeartbeatTask {
            heartbeat: self.heartbeat.subscribe(),
            inbox: Arc::new(self.store.clone()),
            workers: Arc::clone(&self.registry),
            egress: self.egress.clone(),
            clock: Arc::clone(&self.clock),
            metrics: Arc::clone(&self.metrics),
        };
        others.push(tokio::spawn(supervision().supervise(Task::Heartbeat, heartbeat, stop())));
        others.push(tokio::spawn(supervision().supervise(Task::Notices, notices, stop())));
        others.push(tokio::spawn(supervision().supervise(Task::Clock, timekeeper, stop())));
        others.push(tokio::spawn(supervision().supervise(Task::Incidents, timers, stop())));
    }

    /// Starts a worker for each destination, behind the retiring worker of that name if there is one. Retiring workers
    /// without a successor are only watched until they end.
    async fn start_workers(
        &self,
        destinations: BTreeMap<DestinationName, Receiver>,
        mut templates: BTreeMap<DestinationName, Arc<Templates>>,
        mut tasks: WorkerTasks,
    ) {
        let (stop, _) = watch::channel(false);
        let mut entries = BTreeMap::new();
        let (policy, annotations) = {
            let rules = self.rules.borrow();
            (Arc::clone(&rules.policy), Arc::clone(&rules.annotations))
        };
        for (name, receiver) in destinations {
            let entry = WorkerEntry {
                wake: Arc::default(),
                state: Arc::new(Mutex::new(WorkerState::Untried)),
                is_sink: matches!(receiver, Receiver::Sink(_)),
                beat: Arc::default(),
            };
            let worker = Worker {
                name: name.clone(),
                receiver,
                policy: Arc::clone(&policy),
                presentation: Arc::new(Presentation::new(Arc::clone(&annotations), templates.remove(&name))),
                outbox: Arc::new(self.store.clone()),
                egress: self.egress.clone(),
                clock: Arc::clone(&self.clock),
                metrics: Arc::clone(&self.metrics),
                wake: Arc::clone(&entry.wake),
                beat: Arc::clone(&entry.beat),
                state: Arc::clone(&entry.state),
                delivered: Arc::default(),
            };
            let (predecessor, stop) = (tasks.remove(&name), stop.subscribe());
            let supervision = self.supervision.clone();
            let task = tokio::spawn(async move {
                if let Some(predecessor) = predecessor {
                    finish(predecessor, tokio::time::Instant::now() + RETIRE_BOUND).await;
                }
                supervision.supervise(Task::Delivery, Arc::new(worker), stop).await;
            });
            tasks.insert(name.clone(), task);
            entries.insert(name, entry);
        }
        self.registry.replace(entries);
        *self.workers.lock().await = Some(RunningWorkers { stop, tasks });
    }

    async fn stop_workers(&self, bound: Duration) {
        let deadline = tokio::time::Instant::now() + bound;
        for task in self.retire_workers().await.into_values() {
            finish(task, deadline).await;
        }
    }

    /// Tells all workers to finish what is under way, and waits for none.
    async fn retire_workers(&self) -> WorkerTasks {
        let Some(running) = self.workers.lock().await.take() else { return WorkerTasks::new() };
        running.stop.send_replace(true);
        running.tasks
    }
}

/// Waits for a worker's end, and ends it at the deadline.
async fn finish(task: JoinHandle<()>, deadline: tokio::time::Instant) {
    let abort = task.abort_handle();
    match tokio::time::timeout_at(deadline, task).await {
        Ok(ended) => report_end(ended),
        Err(_) => abort.abort(),
    }
}

fn report_end(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a task of the pipeline ended in a panic");
    }
}

/// How long a worker waits for the one before it; a try lasts 25 s at most, and is taken up again by its lease.
const RETIRE_BOUND: Duration = Duration::from_secs(10);

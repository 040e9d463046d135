//! Starts a task of the pipeline again when it ends or panics, and says when that does not help.
//!
//! Each end is logged and counted. What a task had under way is in the store, and is taken up again when its lease
//! ends. A task that keeps ending is a defect that a restart does not fix: the process ends with an error, so that its
//! supervisor sees it.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::time::Instant;

use super::dispatcher::Dispatcher;
use super::fallback_task::FallbackTask;
use super::heartbeat::HeartbeatTask;
use super::incident_timers::IncidentTimers;
use super::notice_task::NoticeTask;
use super::retention::RetentionTask;
use super::timekeeper::Timekeeper;
use super::worker::Worker;
use crate::store::SqliteStore;
use crate::telemetry::{ByTask, Metrics, Task};

/// Work that goes on until it is told to stop, and can be begun again.
pub trait Supervised: Send {
    /// Works until `stop` changes.
    fn run(&mut self, stop: watch::Receiver<bool>) -> impl Future<Output = ()> + Send;
}

impl Supervised for Dispatcher {
    fn run(&mut self, stop: watch::Receiver<bool>) -> impl Future<Output = ()> + Send {
        Dispatcher::run(self, stop)
    }
}

impl Supervised for RetentionTask {
    fn run(&mut self, stop: watch::Receiver<bool>) -> impl Future<Output = ()> + Send {
        RetentionTask::run(self, stop)
    }
}

impl Supervised for IncidentTimers {
    fn run(&mut self, stop: watch::Receiver<bool>) -> impl Future<Output = ()> + Send {
        IncidentTimers::run(self, stop)
    }
}

impl Supervised for FallbackTask {
    fn run(&mut self, stop: watch::Receiver<bool>) -> impl Future<Output = ()> + Send {
        FallbackTask::run(self, stop)
    }
}

impl Supervised for HeartbeatTask {
    fn run(&mut self, stop: watch::Receiver<bool>) -> impl Future<Output = ()> + Send {
        HeartbeatTask::run(self, stop)
    }
}

impl Supervised for NoticeTask {
    fn run(&mut self, stop: watch::Receiver<bool>) -> impl Future<Output = ()> + Send {
        NoticeTask::run(self, stop)
    }
}

impl Supervised for Timekeeper<SqliteStore> {
    fn run(&mut self, stop: watch::Receiver<bool>) -> impl Future<Output = ()> + Send {
        Timekeeper::run(self, stop)
    }
}

impl Supervised for Arc<Worker> {
    fn run(&mut self, stop: watch::Receiver<bool>) -> impl Future<Output = ()> + Send {
        Worker::run(Arc::clone(self), stop)
    }
}

/// What supervised tasks share.
#[derive(Clone, Debug)]
pub struct Supervision {
    metrics: Arc<Metrics>,
    /// The task that keeps ending, once there is one.
    failed: Arc<watch::Sender<Option<Task>>>,
    patience: Patience,
}

/// How often a task may end.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// After the first end; doubled with each.
    first_pause: Duration,
    /// Only the ends within this time count.
    window: Duration,
}

impl Supervision {
    /// Nothing has failed yet.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, failed: Arc::new(watch::channel(None).0), patience: PATIENCE }
    }

    /// Waits until a task keeps ending; which.
    pub async fn failed(&self) -> Task {
        let mut failed = self.failed.subscribe();
        loop {
            if let Some(task) = *failed.borrow_and_update() {
                return task;
            }
            if failed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Runs the work, and again whenever it ends although it was not told to stop.
    pub async fn supervise(self, task: Task, mut worker: impl Supervised, mut stop: watch::Receiver<bool>) {
        let mut ends = VecDeque::new();
        loop {
            let ended = AssertUnwindSafe(worker.run(stop.clone())).catch_unwind().await;
            if *stop.borrow() {
                if ended.is_err() {
                    tracing::error!(task = task.as_str(), "a task of the pipeline panicked while it was stopped");
                }
                return;
            }
            let panicked = ended.is_err();
            self.metrics.pipeline_restarts.get_or_create(&ByTask { task: task.as_str() }).inc();
            ends.push_back(Instant::now());
            ends.retain(|end: &Instant| end.elapsed() < self.patience.window);
            if ends.len() > ENDS_MAX {
                tracing::error!(
                    task = task.as_str(),
                    panicked,
                    "a task of the pipeline keeps ending; the process ends"
                );
                self.failed.send_replace(Some(task));
                return;
            }
            tracing::error!(
                task = task.as_str(),
                panicked,
                "a task of the pipeline ended, a defect; it is started again"
            );
            let pause = self.patience.first_pause * (1 << (ends.len() - 1).min(10));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.changed() => return,
            }
        }
    }
}

/// So many ends within the window are started again; the next one ends the process.
const ENDS_MAX: usize = 5;
/// The ends that are allowed take 3 s at least.
const PATIENCE: Patience = Patience { first_pause: Duration::from_millis(100), window: Duration::from_secs(60) };

#[cfg(test)]
mod tests {
    use super::*;

    /// Ends or panics this often, then works.
    struct Unsteady {
        ends: usize,
        panics: bool,
        runs: Arc<watch::Sender<usize>>,
    }

    impl Supervised for Unsteady {
        async fn run(&mut self, mut stop: watch::Receiver<bool>) {
            self.runs.send_modify(|runs| *runs += 1);
            if self.ends > 0 {
                self.ends -= 1;
                assert!(!self.panics, "a defect");
                return;
            }
            drop(stop.changed().await);
        }
    }

    fn hasty(metrics: &Arc<Metrics>, window: Duration) -> Supervision {
        let patience = Patience { first_pause: Duration::from_millis(1), window };
        Supervision { patience, ..Supervision::new(Arc::clone(metrics)) }
    }

    fn unsteady(ends: usize, panics: bool) -> (Unsteady, watch::Receiver<usize>) {
        let (runs, seen) = watch::channel(0);
        (Unsteady { ends, panics, runs: Arc::new(runs) }, seen)
    }

    #[tokio::test]
    async fn a_task_that_ends_or_panics_is_counted_and_started_again() {
        for panics in [false, true] {
            let metrics = Arc::new(Metrics::new());
            let none = "gatepost_pipeline_restarts_total{task=\"dispatcher\"} 0";
            assert!(metrics.render().contains(none), "{}", metrics.render());
            let supervision = hasty(&metrics, PATIENCE.window);
            let (worker, mut runs) = unsteady(ENDS_MAX, panics);
            let (stop, stopped) = watch::channel(false);
            let task = tokio::spawn(supervision.clone().supervise(Task::Dispatcher, worker, stopped));
            runs.wait_for(|runs| *runs == ENDS_MAX + 1).await.unwrap();
            let counted = format!("gatepost_pipeline_restarts_total{{task=\"dispatcher\"}} {ENDS_MAX}");
            assert!(metrics.render().contains(&counted), "{}", metrics.render());
            assert!(supervision.failed().now_or_never().is_none());
            stop.send_replace(true);
            task.await.unwrap();
            assert_eq!(*runs.borrow(), ENDS_MAX + 1, "it is not begun again once it is told to stop");
        }
    }

    #[tokio::test]
    async fn a_task_that_keeps_ending_is_given_up_and_named() {
        for panics in [false, true] {
            let supervision = hasty(&Arc::new(Metrics::new()), PATIENCE.window);
            let (worker, runs) = unsteady(usize::MAX, panics);
            let (_stop, stopped) = watch::channel(false);
            let task = tokio::spawn(supervision.clone().supervise(Task::Delivery, worker, stopped));
            assert_eq!(supervision.failed().await, Task::Delivery);
            task.await.unwrap();
            assert_eq!(*runs.borrow(), ENDS_MAX + 1);
        }
    }

    /// Ends more rarely than the window is long.
    struct Rare(watch::Sender<usize>);

    impl Supervised for Rare {
        async fn run(&mut self, mut stop: watch::Receiver<bool>) {
            self.0.send_modify(|runs| *runs += 1);
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
                _ = stop.changed() => {}
            }
        }
    }

    #[tokio::test]
    async fn a_task_that_ends_now_and_then_is_always_started_again() {
        let supervision = hasty(&Arc::new(Metrics::new()), Duration::from_millis(1));
        let (stop, stopped) = watch::channel(false);
        let (runs, mut seen) = watch::channel(0);
        let task = tokio::spawn(supervision.clone().supervise(Task::Clock, Rare(runs), stopped));
        seen.wait_for(|runs| *runs > 4 * ENDS_MAX).await.unwrap();
        assert!(supervision.failed().now_or_never().is_none());
        stop.send_replace(true);
        task.await.unwrap();
    }
}

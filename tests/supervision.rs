//! Tasks of the pipeline that panic: they are restarted, and if they keep failing the process ends with an error.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use gatepost::app::{App, AppError, serve_by};
use gatepost::config::Config;
use gatepost::domain::{Clock, SystemClock, Timestamp};
use harness::{PATIENCE, Post};

const SECRET: &str = "akto-shows-this-token-of-32-byte";

/// The tasks of the pipeline: reading, delivering, retention, the clock, the timers of incidents.
const TASKS: usize = 8;

/// A clock with a defect: every task of the pipeline asks it for the time.
#[derive(Debug, Default)]
struct DefectiveClock {
    panics_left: AtomicI64,
}

impl Clock for DefectiveClock {
    fn now(&self) -> Timestamp {
        assert!(self.panics_left.fetch_sub(1, Ordering::SeqCst) <= 0, "a defect of the clock");
        SystemClock.now()
    }

    fn steady(&self) -> Timestamp {
        SystemClock.steady()
    }
}

fn config(folder: &Path) -> std::path::PathBuf {
    let file = folder.join("gatepost.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [sources.s]\nvendor = \"akto\"\nsecrets = [{{ value = \"{SECRET}\" }}]\n\
         [destinations.d]\ntype = \"file\"\npath = \"out.ndjson\"\n[[routes]]\nname = \"r\"\nto = [\"d\"]\n"
    );
    std::fs::write(&file, text).unwrap();
    file
}

/// How often tasks were started again.
fn restarts(app: &App) -> u64 {
    let answer = Post::get("/metrics").send(app.admin_address());
    let metrics = answer.text();
    let counters: Vec<u64> = metrics
        .lines()
        .filter(|line| line.starts_with("gatepost_pipeline_restarts_total{"))
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(counters.len(), TASKS, "each task is counted from the start\n{metrics}");
    counters.iter().sum()
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_panic_are_started_again_and_go_on_delivering() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(DefectiveClock::default());
    let app = App::start_by(Config::load(&config(folder.path())).unwrap(), clock.clone()).await.unwrap();
    assert_eq!(restarts(&app), 0);
    clock.panics_left.store(TASKS as i64, Ordering::SeqCst);
    until("the tasks have been started again", || restarts(&app) == TASKS as u64).await;
    let post = Post::to("/webhooks/s".to_owned()).line("authorization", format!("Bearer {SECRET}"));
    let body = br#"[{"id":"1","filterId":"F","severity":"HIGH","detectedAt":1760000000000}]"#;
    let answer = post.line("content-type", "application/json").body(body).send(app.public_address());
    assert_eq!(answer.status, 200);
    let lines = || std::fs::read_to_string(folder.path().join("out.ndjson")).unwrap_or_default().lines().count();
    until("the event is told", || lines() == 1).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_keeps_panicking_ends_the_process_with_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(DefectiveClock::default());
    let file = config(folder.path());
    let breaks = {
        let clock = Arc::clone(&clock);
        tokio::spawn(async move {
            // Not before it serves: a start that fails is another matter.
            tokio::time::sleep(Duration::from_secs(3)).await;
            clock.panics_left.store(i64::MAX, Ordering::SeqCst);
        })
    };
    let served = serve_by(Config::load(&file).unwrap(), &file, clock);
    let ended = tokio::time::timeout(PATIENCE, served).await.expect("it serves on without its tasks");
    breaks.await.unwrap();
    assert!(matches!(ended, Err(AppError::Ended(_))), "{ended:?}");
}

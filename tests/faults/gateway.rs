//! The process under test. It ends with the test, however the test ends.

use std::fs::File;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use gatepost::domain::{Clock, SystemClock, Timestamp};
use gatepost::store::{Access, Queries, SqliteStore};
use serde_json::Value;

use super::expectations::Expectations;
use super::world::{Setting, World};
use super::{schedule, wire};

/// A running `gatepost serve`.
pub struct Gateway {
    setting: Setting,
    child: Child,
    started_at: Instant,
}

impl Gateway {
    /// Starts the process and waits for nothing.
    pub fn start(world: &World) -> Self {
        Self::spawn(world, None)
    }

    /// Starts the process, if so wanted as the argument of another command that becomes it.
    pub fn spawn(world: &World, through: Option<Command>) -> Self {
        let setting = world.setting.clone();
        let log = File::options().create(true).append(true).open(&setting.log).unwrap();
        let mut command = match through {
            Some(mut through) => {
                through.arg(BINARY);
                through
            }
            None => Command::new(BINARY),
        };
        let child = command
            .arg("-c")
            .arg(&setting.config)
            .arg("serve")
            .env_remove("GATEPOST_LOG")
            .envs(&setting.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { setting, child, started_at: Instant::now() }
    }

    /// Starts the process and waits for the first 200.
    pub async fn ready(world: &World, expectations: &Expectations) -> Self {
        let mut gateway = Self::start(world);
        gateway.first_answer(expectations).await;
        gateway
    }

    /// Posts until something is answered 200; how long after the start of the process that was.
    pub async fn first_answer(&mut self, expectations: &Expectations) -> Duration {
        let posting = expectations.write(expectations.low(1));
        while self.started_at.elapsed() < START_LIMIT {
            if expectations.post_once(posting, self.setting.public).await == Some(200) {
                return self.started_at.elapsed();
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the gateway ended with {status} at its start\n{}", self.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        schedule::too_slow(&format!("no answer within {START_LIMIT:?} of the start\n{}", self.log_tail()));
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal, such as `TERM` or `HUP`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.pid())).status().unwrap();
        assert!(sent.success(), "the signal {name} was not sent");
    }

    /// Waits for the end of the process.
    pub async fn ended(&mut self, within: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        None
    }

    /// Stops it as an operator would; it must end well within its bound.
    pub async fn stop(mut self) {
        self.end().await;
    }

    /// The same, when another is to take its place.
    pub async fn end(&mut self) {
        self.signal("TERM");
        let status = self.ended(STOP_LIMIT).await;
        assert!(status.is_some_and(|status| status.success()), "stopping: {status:?}\n{}", self.log_tail());
    }

    /// `/readyz`.
    pub async fn readiness(&self) -> Value {
        wire::get(self.setting.admin, "/readyz").await.map(|answer| answer.json()).unwrap_or_default()
    }

    /// How `destination` is doing, by `/readyz`.
    pub async fn state_of(&self, destination: &str) -> String {
        let readiness = self.readiness().await;
        readiness["destinations"][destination]["state"].as_str().unwrap_or("unknown").to_owned()
    }

    pub async fn metrics(&self) -> String {
        wire::get(self.setting.admin, "/metrics").await.map(|answer| answer.text()).unwrap_or_default()
    }

    /// A line of `/proc/PID/status`, in KiB.
    pub fn memory_kib(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap()
    }

    /// The memory that it takes now; its peak (`VmHWM`) is counted anew from here.
    pub fn rss_reset_kib(&self) -> u64 {
        std::fs::write(format!("/proc/{}/clear_refs", self.pid()), "5").unwrap();
        self.memory_kib("VmRSS")
    }

    /// How many sockets it has open.
    pub fn sockets(&self) -> usize {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap();
        let links = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.setting.log).unwrap_or_default()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// Waits until everything that was taken has been read, while others go on sending.
    pub async fn dispatched(&self, within: Duration) {
        let begun = Instant::now();
        let path = self.setting.store.clone();
        let waited = tokio::task::spawn_blocking(move || {
            let store = SqliteStore::open(&path, Access::Operate).unwrap();
            // Whatever is still being read stays waiting over many looks.
            while store.undispatched().unwrap() > 0 && begun.elapsed() < within {
                std::thread::sleep(Duration::from_millis(3));
            }
            begun.elapsed() < within
        });
        assert!(waited.await.unwrap(), "requests wait to be read for {within:?}\n{}", self.log_tail());
    }

    /// Waits until nothing is under way any more, and has the command line confirm it.
    pub async fn drained(&self, within: Duration) -> Duration {
        let took = self.settled(within).await;
        self.confirm_drained();
        took
    }

    /// Waits until nothing is under way any more.
    pub async fn settled(&self, within: Duration) -> Duration {
        self.settled_for(Duration::ZERO, within).await
    }

    /// Waits until nothing is under way any more, and nothing becomes due in the time `ahead`.
    pub async fn settled_for(&self, ahead: Duration, within: Duration) -> Duration {
        let begun = Instant::now();
        let path = self.setting.store.clone();
        let store = tokio::task::spawn_blocking(move || SqliteStore::open(&path, Access::Operate)).await.unwrap();
        let store = store.unwrap();
        let mut left = String::new();
        while begun.elapsed() < within {
            match Self::left(&store, ahead).await {
                None => return begun.elapsed(),
                Some(still) => left = still,
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        schedule::too_slow(&format!("after {within:?} there is still {left}\n{}", self.log_tail()));
    }

    /// What is under way, or becomes due in the time `ahead`.
    pub async fn left(store: &SqliteStore, ahead: Duration) -> Option<String> {
        let look = store.clone();
        let (receipts, depths) = tokio::task::spawn_blocking(move || {
            (look.undispatched().unwrap(), look.depths(SystemClock.now().plus(ahead)).unwrap())
        })
        .await
        .unwrap();
        let under_way: Vec<_> = depths.iter().filter(|depth| depth.state.as_str() != "dead").collect();
        let is_done = receipts == 0 && under_way.is_empty();
        (!is_done).then(|| format!("{receipts} receipts, {under_way:?}"))
    }

    /// What waits for a later time, such as the end of the time in which a resolved incident may be reopened, is not under
    /// way.
    fn confirm_drained(&self) {
        for state in ["waiting", "leased"] {
            let listed = command(&self.setting, &["deliveries", "list", "--state", state, "--json"]);
            assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
            let listed = String::from_utf8(listed.stdout).unwrap();
            let rows = listed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let now = SystemClock.now();
            let is_due = |row: &Value| row["not_before"].as_str().and_then(Timestamp::parse).is_none_or(|at| at <= now);
            let due: Vec<Value> = rows.filter(is_due).collect();
            assert!(due.is_empty(), "{state}: {due:#?}");
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Runs another command of the binary on the same configuration, to its end.
pub fn command(setting: &Setting, arguments: &[&str]) -> std::process::Output {
    Command::new(BINARY).arg("-c").arg(&setting.config).args(arguments).stdin(Stdio::null()).output().unwrap()
}

const BINARY: &str = env!("CARGO_BIN_EXE_gatepost");
const START_LIMIT: Duration = Duration::from_secs(15);
/// The limit for a stop by SIGTERM.
pub const STOP_LIMIT: Duration = Duration::from_secs(10);

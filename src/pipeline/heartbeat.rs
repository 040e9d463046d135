//! Tells a dead man's switch that gatepost is well, for as long as it is.
//!
//! Every `heartbeat_every` it looks whether a request would be stored, by the measure of `/readyz`, and whether the dispatcher
//! and every worker go on. Only then is the URL asked for: what does not come raises the alarm, also where the whole machine is
//! gone. The URL is a credential and appears in no log line.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

use super::worker_registry::WorkerRegistry;
use crate::destinations::{HttpRequest, Message, Method, Reply};
use crate::domain::Clock;
use crate::egress::Egress;
use crate::store::{Inbox, check_accepts};
use crate::telemetry::{HeartbeatOutcome, Metrics};

/// Where heartbeats go, and how often.
#[derive(Clone)]
pub struct Heartbeat {
    /// The URL that is asked for: a secret.
    pub url: Url,
    /// How often.
    pub every: Duration,
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Heartbeat {{ every: {:?} }}", self.every)
    }
}

/// Sends heartbeats.
pub struct HeartbeatTask {
    /// Where they go; `None`: nowhere.
    pub heartbeat: watch::Receiver<Option<Heartbeat>>,
    /// Where requests are accepted.
    pub inbox: Arc<dyn Inbox>,
    /// The tasks that must go on.
    pub workers: Arc<WorkerRegistry>,
    /// The way out.
    pub egress: Egress,
    /// By which it is measured how long a task has been stuck.
    pub clock: Arc<dyn Clock>,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

impl HeartbeatTask {
    /// Works until `stop` changes.
    pub async fn run(&mut self, mut stop: watch::Receiver<bool>) {
        let mut last = None;
        while !*stop.borrow() {
            let begun = Instant::now();
            let heartbeat = self.heartbeat.borrow_and_update().clone();
            let every = heartbeat.as_ref().map_or(LOOK_INTERVAL, |heartbeat| heartbeat.every);
            if let Some(heartbeat) = heartbeat {
                let (outcome, reason) = tokio::select! {
                    beaten = self.beat(heartbeat) => beaten,
                    _ = stop.changed() => return,
                };
                self.metrics.count_heartbeat(outcome);
                if last.replace(outcome) != Some(outcome) {
                    report(outcome, &reason);
                }
            }
            tokio::select! {
                // Counted from the beginning of the last one: an answer that is slow does not make them rarer.
                () = tokio::time::sleep_until(begun + every) => {}
                Ok(()) = self.heartbeat.changed() => {}
                _ = stop.changed() => return,
            }
        }
    }

    async fn beat(&self, heartbeat: Heartbeat) -> (HeartbeatOutcome, String) {
        if let Err(why) = self.is_well().await {
            return (HeartbeatOutcome::Withheld, why);
        }
        let request = HttpRequest {
            method: Method::Get,
            url: heartbeat.url,
            headers: Vec::new(),
            content_type: "text/plain",
            body: Bytes::new(),
        };
        match self.egress.send(Message::Http(request)).await {
            Reply::Http(reply) if (200..300).contains(&reply.status) => (HeartbeatOutcome::Sent, String::new()),
            Reply::Http(reply) => (HeartbeatOutcome::NotTaken, format!("it answers {}", reply.status)),
            Reply::NotSent(_) => (HeartbeatOutcome::NotTaken, "its certificate is not trusted".to_owned()),
            // What the system says may name the host, and that may be a part of the secret.
            _ => (HeartbeatOutcome::NotTaken, "it cannot be reached, or does not answer in time".to_owned()),
        }
    }

    /// Whether a request would be stored, and what is stored is read and told; if not, why.
    async fn is_well(&self) -> Result<(), String> {
        check_accepts(self.inbox.as_ref()).await?;
        let stuck = self.workers.stuck(self.clock.steady());
        if stuck.is_empty() { Ok(()) } else { Err(format!("{} stuck", stuck.join(", "))) }
    }
}

fn report(outcome: HeartbeatOutcome, reason: &str) {
    match outcome {
        HeartbeatOutcome::Sent => tracing::info!("heartbeats are taken"),
        HeartbeatOutcome::NotTaken => {
            tracing::warn!(reason, "a heartbeat was not taken; the next one is sent in its time")
        }
        HeartbeatOutcome::Withheld => tracing::error!(reason, "heartbeats are withheld, because gatepost is not well"),
    }
}

/// A reload wakes it.
const LOOK_INTERVAL: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use super::super::beat::Beat;
    use super::super::worker::WorkerState;
    use super::super::worker_registry::WorkerEntry;
    use super::*;
    use crate::domain::SystemClock;
    use crate::store::{Access, SqliteStore};

    #[tokio::test]
    async fn gatepost_is_well_while_requests_are_stored_and_every_worker_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("test.db"), Access::Serve).unwrap();
        let (workers, beat) = (Arc::new(WorkerRegistry::default()), Arc::new(Beat::default()));
        let state = Arc::new(Mutex::new(WorkerState::Running));
        let entry = WorkerEntry { wake: Arc::default(), state, is_sink: false, beat: Arc::clone(&beat) };
        workers.replace(BTreeMap::from([("oncall".parse().unwrap(), entry)]));
        let clock = SystemClock;
        let task = HeartbeatTask {
            heartbeat: watch::channel(None).1,
            inbox: Arc::new(store.clone()),
            workers: Arc::clone(&workers),
            egress: Egress::new().unwrap(),
            clock: Arc::new(clock),
            metrics: Arc::default(),
        };
        let long_ago = clock.steady().minus(Duration::from_secs(200));
        assert_eq!(task.is_well().await, Ok(()));
        beat.note(long_ago);
        assert_eq!(task.is_well().await, Err("oncall stuck".to_owned()));
        beat.note(clock.steady());
        assert_eq!(task.is_well().await, Ok(()));
        workers.dispatcher().0.note(long_ago);
        assert_eq!(task.is_well().await, Err("the dispatcher stuck".to_owned()));
        workers.dispatcher().0.note(clock.steady());
        workers.dispatcher().1.note(long_ago);
        assert_eq!(task.is_well().await, Err("the dispatcher stuck".to_owned()));
        workers.dispatcher().1.note(clock.steady());
        store.close();
        assert!(task.is_well().await.unwrap_err().contains("shutting down"));
    }

    /// A switch that takes its time, and when it was asked.
    async fn slow_switch() -> (Url, Arc<Mutex<Vec<Instant>>>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/ping", listener.local_addr().unwrap())).unwrap();
        let asked: Arc<Mutex<Vec<Instant>>> = Arc::default();
        let noted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                noted.lock().unwrap().push(Instant::now());
                tokio::time::sleep(Duration::from_millis(200)).await;
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                drop(tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await);
            }
        });
        (url, asked)
    }

    /// How long eight heartbeats take, a quarter of a second apart, after a reload that has shortened an hour to that.
    async fn eight_heartbeats() -> Duration {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("test.db"), Access::Serve).unwrap();
        let (url, asked) = slow_switch().await;
        let heartbeat = |every| Some(Heartbeat { url: url.clone(), every });
        let (settings, subscribed) = watch::channel(heartbeat(Duration::from_secs(3600)));
        let mut task = HeartbeatTask {
            heartbeat: subscribed,
            inbox: Arc::new(store.clone()),
            workers: Arc::default(),
            egress: Egress::new().unwrap(),
            clock: Arc::new(SystemClock),
            metrics: Arc::default(),
        };
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(async move { task.run(stopped).await });
        let come = async |wanted: usize| {
            while asked.lock().unwrap().len() < wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        come(1).await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(asked.lock().unwrap().len(), 1, "the next one is due in an hour");
        settings.send_replace(heartbeat(Duration::from_millis(250)));
        tokio::time::timeout(Duration::from_secs(60), come(9)).await.expect("a reload is obeyed at once");
        stop.send_replace(true);
        running.await.unwrap();
        let asked = asked.lock().unwrap();
        asked[8] - asked[1]
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn heartbeats_keep_their_cadence_whatever_the_switch_takes_and_a_reload_changes_it_at_once() {
        // 7 times 250 ms; counted from each answer it would be 7 times 450 ms. A busy machine may be late, and is never early.
        for _ in 0..3 {
            let took = eight_heartbeats().await;
            assert!(took > Duration::from_millis(1_600), "{took:?}");
            if took < Duration::from_millis(2_700) {
                return;
            }
        }
        panic!("heartbeats are rarer than they are set to be");
    }

    #[test]
    fn the_url_is_not_printed() {
        let url = Url::parse("https://hc.example/ping/the-secret").unwrap();
        let shown = format!("{:?}", Heartbeat { url, every: Duration::from_secs(60) });
        assert!(!shown.contains("secret") && !shown.contains("hc.example"), "{shown}");
    }
}

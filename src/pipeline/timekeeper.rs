//! What is done when the wall clock is set.
//!
//! Leases, the day of retries, pauses and paces use the monotonic clock and are not affected. Two things must use the
//! wall clock, because people and other processes read them: when a retry is due, and when a row was written. So the
//! timekeeper compares both clocks once a second. If they have moved apart it logs that, and
//!
//! - whatever would wait for a time that is now far away is made due: a retry costs at most one try more, and what is too
//!   early is planned anew. What was planned by the former time may still be on its way into the store, so the store is
//!   asked again for a minute;
//! - incidents are timed by the clock as it stands, so that no message is late; but silence counts anew from a jump
//!   forward, as it does from a start, and what is old only by a clock that was set forward does not end for its age;
//! - retention does not follow a clock that was set forward until it has stood there for a day, so that nothing is
//!   deleted early and a repetition stays known as one. It follows a clock that was set back at once: it deletes less.
//!
//! Quarantine trusts the wall clock even less: a clock far ahead would make it hold back every alert. It does not
//! follow a clock that was set forward, however long it stays there, until a request has carried a time that agrees
//! with it: see [`Witness`].
//!
//! The times that retention and quarantine follow are kept in the store, so that a clock that was set while gatepost
//! was down is noticed, too. Set forward it looks like a long downtime, and is treated alike: retention waits a day.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::horizon::Witness;
use crate::domain::{Clock, Timestamp};
use crate::incidents::Present;
use crate::store::{Hastened, NotedTime, StoreError, Upkeep};
use crate::telemetry::Metrics;

/// Watches the clock.
pub struct Timekeeper<U> {
    /// The store.
    store: U,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    time: Time,
    /// The time that retention follows.
    settled: watch::Sender<Timestamp>,
    /// The time that incidents follow.
    present: watch::Sender<Present>,
    /// The time that quarantine follows.
    vouched: watch::Sender<Timestamp>,
    witness: Arc<Witness>,
    jumped_at_start: Option<Jump>,
    late_writes: Option<LateWrites>,
}

/// What may be written by the former time although the clock has been set back: a transaction that waited for its turn, an
/// answer that arrived while the clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LateWrites {
    /// What it plans waits for a time after this one.
    beyond: Timestamp,
    /// On the steady hand: later there are none.
    until: Timestamp,
}

impl LateWrites {
    /// Of a clock that was set back to `now`. `None`: they wait no longer than a short while.
    fn after(by: Duration, now: Timestamp, steady: Timestamp) -> Option<Self> {
        let beyond = now.plus(by).minus(LATE_MAX);
        (by > 2 * LATE_MAX).then(|| Self { beyond, until: steady.plus(LATE_MAX) })
    }

    /// What is to be made due now.
    fn at(self, steady: Timestamp) -> Option<Timestamp> {
        (steady <= self.until).then_some(self.beyond)
    }
}

/// The clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Jump {
    Forward(Duration),
    Back(Duration),
}

/// Both hands of the clock as they were last seen, and what retention and quarantine make of them.
#[derive(Clone, Debug)]
struct Time {
    wall: Timestamp,
    steady: Timestamp,
    settled: Timestamp,
    /// Never ahead of what is settled.
    vouched: Timestamp,
    /// Since when the wall clock has been ahead of what is settled, on the steady hand.
    ahead_since: Option<Timestamp>,
    /// By the wall clock: since the start, or since it was last set forward.
    listening_since: Timestamp,
}

impl Time {
    /// At a start, with what was noted last.
    fn new(noted: Option<NotedTime>, wall: Timestamp, steady: Timestamp) -> (Self, Option<Jump>) {
        let noted = noted.unwrap_or(NotedTime { settled: wall, vouched: wall });
        let ahead = wall.since(noted.settled) > NOTED_AGE_MAX;
        let settled = if ahead { noted.settled } else { wall };
        let vouched = noted.vouched.plus(settled.since(noted.settled)).min(wall);
        let ahead_since = ahead.then_some(steady);
        let time = Self { wall, steady, settled, vouched, ahead_since, listening_since: wall };
        let behind = noted.settled.since(wall);
        (time, (behind > JUMP_MIN).then_some(Jump::Back(behind)))
    }

    /// Reads the clock again; `is_vouched_for` says whether a request has confirmed it.
    fn look(&mut self, wall: Timestamp, steady: Timestamp, is_vouched_for: bool) -> Option<Jump> {
        let elapsed = steady.since(self.steady);
        let expected = self.wall.plus(elapsed);
        (self.wall, self.steady) = (wall, steady);
        let jump = match (wall.since(expected), expected.since(wall)) {
            (forward, _) if forward > JUMP_MIN => Some(Jump::Forward(forward)),
            (_, back) if back > JUMP_MIN => Some(Jump::Back(back)),
            _ => None,
        };
        if matches!(jump, Some(Jump::Forward(_))) {
            // After another jump forward it has to stay for a day again.
            self.ahead_since = Some(steady);
            // What was skipped was not listened to, also where the machine was suspended.
            self.listening_since = wall;
        }
        // Before it was set back the clock may have been ahead.
        self.listening_since = self.listening_since.min(wall);
        let believed = self.ahead_since.is_none_or(|since| steady.since(since) >= BELIEVED_AFTER);
        let held = self.settled.plus(elapsed);
        if believed || wall <= held {
            self.ahead_since = None;
            self.settled = wall;
        } else {
            self.settled = held;
        }
        self.vouched = if is_vouched_for { self.settled } else { self.vouched.plus(elapsed).min(self.settled) };
        jump
    }

    fn present(&self) -> Present {
        Present { now: self.wall, settled: self.settled, listening_since: self.listening_since }
    }
}

impl<U: Upkeep> Timekeeper<U> {
    /// Reads what time an earlier process noted. Blocks on the disk for a moment.
    pub fn new(store: U, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        let noted = store.noted_time().unwrap_or_else(|fault| {
            tracing::warn!(%fault, "the time that was noted last cannot be read");
            None
        });
        let (time, jumped_at_start) = Time::new(noted, clock.now(), clock.steady());
        if time.ahead_since.is_some() {
            let (noted, now) = (time.settled, time.wall);
            tracing::info!(%noted, %now, "gatepost was down, or the clock was set: retention waits a day");
        }
        let (settled, _) = watch::channel(time.settled);
        let (present, _) = watch::channel(time.present());
        let (vouched, _) = watch::channel(time.vouched);
        Self {
            store,
            clock,
            metrics,
            time,
            settled,
            present,
            vouched,
            witness: Arc::default(),
            jumped_at_start,
            late_writes: None,
        }
    }

    /// The time that retention follows, as it changes.
    pub fn settled(&self) -> watch::Receiver<Timestamp> {
        self.settled.subscribe()
    }

    /// The time that incidents follow, as it changes.
    pub fn present(&self) -> watch::Receiver<Present> {
        self.present.subscribe()
    }

    /// The time that quarantine follows, as it changes.
    pub fn vouched(&self) -> watch::Receiver<Timestamp> {
        self.vouched.subscribe()
    }

    /// Who is to be told when a time in a request agrees with the clock.
    pub fn witness(&self) -> Arc<Witness> {
        Arc::clone(&self.witness)
    }

    /// Works until `stop` changes.
    pub async fn run(&mut self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.take_over() => {}
            _ = stop.changed() => return,
        }
        let mut noted: Option<Timestamp> = None;
        loop {
            if noted.is_none_or(|noted| self.time.steady.since(noted) >= NOTE_INTERVAL) {
                noted = Some(self.time.steady);
                let now = NotedTime { settled: self.time.settled, vouched: self.time.vouched };
                if let Err(fault) = self.store.note_time(now).await {
                    tracing::debug!(%fault, "the time cannot be noted now");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
                _ = stop.changed() => return,
            }
            let wall = self.clock.now();
            let jump = self.time.look(wall, self.clock.steady(), self.witness.vouches_for(wall));
            self.settled.send_replace(self.time.settled);
            self.present.send_replace(self.time.present());
            self.vouched.send_replace(self.time.vouched);
            tokio::select! {
                () = self.follow(jump) => {}
                _ = stop.changed() => return,
            }
        }
    }

    async fn follow(&mut self, jump: Option<Jump>) {
        if let Some(jump) = jump {
            self.report(jump).await;
        } else if let Some(late_writes) = self.late_writes {
            match late_writes.at(self.time.steady) {
                Some(beyond) => self.hasten(Hastened::All, beyond).await,
                None => self.late_writes = None,
            }
        }
    }

    /// What an earlier process left may wait for a time that its clock would have reached.
    async fn take_over(&mut self) {
        if let Some(jump) = self.jumped_at_start {
            return self.report(jump).await;
        }
        self.hasten(Hastened::Retries, self.clock.now().plus(WAIT_LONGEST)).await;
        self.hasten(Hastened::All, self.clock.now().plus(PLANNED_AHEAD_MAX)).await;
    }

    async fn report(&mut self, jump: Jump) {
        self.metrics.clock_jumps.inc();
        let now = self.clock.now();
        match jump {
            Jump::Forward(by) => {
                let seconds = by.as_secs();
                tracing::error!(seconds, %now, "the clock was set forward; nothing is deleted early: retention waits a day");
            }
            Jump::Back(by) => {
                let seconds = by.as_secs();
                tracing::error!(seconds, %now, "the clock was set back; retries that would wait too long are made due");
                self.late_writes = LateWrites::after(by, now, self.time.steady);
                self.hasten(Hastened::All, now).await;
            }
        }
    }

    async fn hasten(&self, what: Hastened, beyond: Timestamp) {
        let now = self.clock.now();
        let mut all = 0;
        loop {
            match self.store.hasten(what, beyond.max(now), now, HASTENED_ROWS).await {
                Ok(count) => {
                    all += count;
                    if count < HASTENED_ROWS {
                        break;
                    }
                }
                Err(StoreError::Stopped) => return,
                Err(fault) => {
                    tracing::warn!(%fault, "retries cannot be made due now");
                    tokio::time::sleep(HASTEN_AGAIN).await;
                }
            }
            tokio::time::sleep(HASTEN_PAUSE).await;
        }
        if all > 0 {
            tracing::warn!(
                rows = all,
                "deliveries and incidents waited for a time that is too far away, and were made due"
            );
        }
    }
}

const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Time servers correct less than this in normal operation.
const JUMP_MIN: Duration = Duration::from_secs(5);
/// How long a clock that was set forward has to stand before rows are deleted by it.
const BELIEVED_AFTER: Duration = Duration::from_secs(24 * 3600);
/// How often the time is noted.
const NOTE_INTERVAL: Duration = Duration::from_secs(60);
/// A restart is over sooner.
const NOTED_AGE_MAX: Duration = Duration::from_secs(300);
/// Nothing waits longer: twice the longest `Retry-After` that is kept to.
const WAIT_LONGEST: Duration = Duration::from_secs(7200);
/// Counts are brought up to date within a day; what is planned for later than that is checked at a start, and planned anew
/// where its time has not come.
const PLANNED_AHEAD_MAX: Duration = Duration::from_secs(48 * 3600);
/// A transaction that was begun before the clock was set has ended by then.
const LATE_MAX: Duration = Duration::from_secs(60);
/// Few enough that intake need not wait.
const HASTENED_ROWS: usize = 500;
const HASTEN_PAUSE: Duration = Duration::from_millis(20);
const HASTEN_AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;

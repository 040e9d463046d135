//! Which scenarios run at the same time.
//!
//! Most of them wait most of the time, so they run side by side, as many as the test runner starts. A delay that one
//! measures may be due to the others: a scenario that was too slow is repeated alone, and must hold there. In the long
//! form each runs alone from the start. Those that keep processors busy wait for one another, so that it does not come to that
//! for the delays which they measure. The turns are locks on files, so that they hold among processes as well.

use std::fs::File;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::task::JoinHandle;

use super::is_long;

/// A turn; it ends when this is dropped.
pub struct Turn(#[allow(dead_code)] File);

/// The panic payload of a scenario that was too slow.
#[derive(Debug)]
struct TooSlow;

/// A turn beside others, for what measures no time.
pub async fn beside_others() -> Turn {
    take(&shared_lock(), is_long()).await
}

/// A turn alone, for what was too slow beside others.
pub async fn alone() -> Turn {
    take(&shared_lock(), true).await
}

/// Runs a scenario beside others, and once more alone if it was [`too_slow`] there.
pub async fn measured<F: Future<Output = ()>>(scenario: fn() -> F) {
    repeated_alone(&shared_lock(), &[], scenario).await;
}

/// The same for one that keeps the processors busy: there are only so many of these at once.
pub async fn measured_while_busy<F: Future<Output = ()>>(scenario: fn() -> F) {
    repeated_alone(&shared_lock(), &busy_locks(), scenario).await;
}

/// A turn beside others for one that keeps the processors busy, and measures no time.
pub async fn busy_beside_others() -> (Option<Turn>, Turn) {
    (busy_turn(&busy_locks()).await, beside_others().await)
}

/// How a part of a scenario failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    TooSlow,
    Wrong,
}

/// Waits for a part of a scenario.
pub async fn result<T>(part: JoinHandle<T>) -> Result<T, End> {
    part.await.map_err(|error| if error.into_panic().is::<TooSlow>() { End::TooSlow } else { End::Wrong })
}

/// Ends the scenario: the machine may have been too busy, or the gateway is at fault.
pub fn too_slow(why: &str) -> ! {
    println!("too slow: {why}");
    std::panic::resume_unwind(Box::new(TooSlow))
}

/// Ends the scenario if what was measured is beyond its limit.
pub fn within(what: &str, measured: Duration, limit: Duration) {
    if measured > limit {
        too_slow(&format!("{what}: {measured:?}, and the limit is {limit:?}"));
    }
}

/// Waits for parts of a scenario that run at once, and ends as the worst of them did: wrong before slow.
pub async fn joined(parts: impl IntoIterator<Item = JoinHandle<()>>) {
    let ended = join_all(parts.into_iter().map(result)).await;
    assert!(!ended.contains(&Err(End::Wrong)), "a part of it failed");
    if ended.contains(&Err(End::TooSlow)) {
        std::panic::resume_unwind(Box::new(TooSlow));
    }
}

async fn repeated_alone<F: Future<Output = ()>>(lock: &Path, busy_locks: &[PathBuf], scenario: impl Fn() -> F) {
    let turns = (busy_turn(busy_locks).await, take(lock, is_long()).await);
    let Err(cause) = AssertUnwindSafe(scenario()).catch_unwind().await else { return };
    drop(turns);
    if is_long() || !cause.is::<TooSlow>() {
        std::panic::resume_unwind(cause);
    }
    println!("once more, alone");
    let _turn = take(lock, true).await;
    scenario().await;
}

/// One of the turns of those that keep the processors busy; none where there are no locks for it.
async fn busy_turn(locks: &[PathBuf]) -> Option<Turn> {
    while !locks.is_empty() {
        for lock in locks {
            let file = File::create(lock).unwrap();
            if file.try_lock().is_ok() {
                return Some(Turn(file));
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    None
}

async fn take(lock: &Path, is_alone: bool) -> Turn {
    let lock = lock.to_owned();
    let taken = tokio::task::spawn_blocking(move || {
        let file = File::create(lock).unwrap();
        if is_alone { file.lock() } else { file.lock_shared() }.unwrap();
        file
    });
    Turn(taken.await.unwrap())
}

/// As many as a small machine has processors.
fn busy_locks() -> [PathBuf; 2] {
    ["faults.busy.1", "faults.busy.2"].map(|name| Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
}

fn shared_lock() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults.lock")
}

#[tokio::test]
async fn what_is_too_slow_is_repeated_alone_once_and_what_is_wrong_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let lock = folder.path().join("lock");
    let tries = std::cell::Cell::new(0);
    let limit = Duration::from_secs(1);
    let run = async |slow_times: u32, is_wrong: bool| {
        tries.set(0);
        let scenario = async || {
            tries.set(tries.get() + 1);
            let took = if tries.get() <= slow_times { limit * 2 } else { limit };
            within("it", took, limit);
            assert!(!is_wrong);
        };
        let ended = AssertUnwindSafe(repeated_alone(&lock, &[], scenario)).catch_unwind().await;
        (ended.is_ok(), tries.get())
    };
    assert_eq!(run(0, false).await, (true, 1));
    assert_eq!(run(1, false).await, (true, 2));
    assert_eq!(run(2, false).await, (false, 2));
    assert_eq!(run(0, true).await, (false, 1));
    assert_eq!(run(1, true).await, (false, 2));
}

#[tokio::test]
async fn no_more_than_there_are_turns_keep_the_processors_busy() {
    let folder = tempfile::tempdir().unwrap();
    let locks = [folder.path().join("1"), folder.path().join("2")];
    let held = [busy_turn(&locks).await, busy_turn(&locks).await];
    assert!(held.iter().all(Option::is_some));
    let short = Duration::from_millis(120);
    assert!(tokio::time::timeout(short, busy_turn(&locks)).await.is_err(), "a third has a turn");
    drop(held);
    assert!(busy_turn(&locks).await.is_some() && busy_turn(&[]).await.is_none());
}

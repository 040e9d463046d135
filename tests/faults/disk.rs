//! A disk that is full, and a database that somebody else holds.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::TURN;
use super::book::Book;
use super::dice::Dice;
use super::gateway::Gateway;
use super::load::{Amount, Load};
use super::oracle::{self, Allowance};
use super::world::World;

/// A file system of its own, for as long as it is held.
pub struct Tmpfs {
    folder: tempfile::TempDir,
}

impl Tmpfs {
    /// `None`, and a word about it, where the test may not mount.
    pub fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self { folder }),
            _ => {
                println!("skipped: a tmpfs cannot be mounted here (needs root)");
                None
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until so many bytes lie on it.
    async fn holds(&self, wanted: u64) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let held =
            || std::fs::read_dir(self.path()).unwrap().flatten().map(|entry| entry.metadata().map_or(0, |m| m.len()));
        while held().sum::<u64>() < wanted {
            assert!(Instant::now() < deadline, "{}", self.usage());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What lies on it, for whoever reads a failure.
    fn usage(&self) -> String {
        let entries = std::fs::read_dir(self.path()).unwrap().flatten();
        let sizes = entries.map(|entry| {
            let size = entry.metadata().map_or(0, |metadata| metadata.len());
            format!("{} {} KiB", entry.file_name().to_string_lossy(), size >> 10)
        });
        sizes.collect::<Vec<_>>().join(", ")
    }

    pub fn make_read_only(&self) {
        let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(self.path()).status().unwrap();
        assert!(remounted.success());
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: whoever still holds a file in it does not keep it in the tree.
        drop(Command::new("umount").arg("-l").arg(self.path()).status());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_answered_with_503_and_heals() {
    let _turn = TURN.lock().await;
    let Some(disk) = Tmpfs::mount("16m") else { return };
    let mut dice = Dice::of("full disk");
    let world = World::with_store_in(Some(disk.path())).await;
    let book = Arc::new(Book::new(&mut dice));
    let gateway = Gateway::ready(&world, &book).await;
    let amount = Amount { pause: Duration::from_millis(40), padding: 400, ..Amount::default() };
    let load = Load::start(&book, world.public, amount, &mut dice);
    // SQLite's log is to be caught half grown: it is then that it cannot be emptied by the usual rule.
    disk.holds(1 << 20).await;
    let filler = fill(disk.path());
    refused(&book, 20).await;
    let readiness = gateway.readiness().await;
    assert_eq!(readiness["status"], "not ready", "{readiness}");
    // Long enough for everything behind intake to run into it as well.
    tokio::time::sleep(Duration::from_secs(3)).await;
    load.stop().await;
    // Not much is given back, and it must do.
    let full = std::fs::metadata(&filler).unwrap().len();
    File::options().write(true).open(&filler).unwrap().set_len(full - (3 << 20)).unwrap();
    let healed = answered_again(&world, &book).await;
    let full_from = book.entries().answers.clone();
    let load = Load::start(&book, world.public, amount, &mut dice);
    tokio::time::sleep(Duration::from_secs(4)).await;
    load.stop().await;
    println!("full disk: {}; healed in {healed:?}", disk.usage());
    let drained = gateway.drained(Duration::from_secs(60)).await;
    gateway.stop().await;
    let figures = oracle::judge(&world, &book, Allowance::default());
    let entries = book.entries();
    println!("full disk: {figures}; answers {:?}; drained in {drained:?}", entries.answers);
    assert!(entries.answers.keys().all(|status| [200, 503].contains(status)), "{:?}", entries.answers);
    assert!(entries.answers[&200] > full_from[&200] + 100, "it does not work again: {full_from:?}");
    assert_eq!(entries.answers[&503], full_from[&503], "it is full again");
    assert_eq!((entries.unhelpful, entries.torn, entries.silent), (0, 0, 0));
    assert!(healed <= HEAL_LIMIT, "healed only after {healed:?}");
    assert!(drained <= Duration::from_secs(20), "what was accepted before waited for {drained:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_locked_is_answered_with_503_and_heals() {
    let _turn = TURN.lock().await;
    let mut dice = Dice::of("locked");
    let world = World::new().await;
    let book = Arc::new(Book::new(&mut dice));
    let gateway = Gateway::ready(&world, &book).await;
    // Few paced events: what is left in the end is to be the doing of the locks.
    let amount = Amount { paced: [0.2, 1.0, 2.0], ..Amount::default() };
    let load = Load::start(&book, world.public, amount, &mut dice);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let path = world.store().to_owned();
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(2)).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    let before = book.entries().acknowledged.len();
    tokio::time::sleep(Duration::from_secs(6)).await;
    let (during, refused) = {
        let entries = book.entries();
        (entries.acknowledged.len(), entries.answers.get(&503).copied().unwrap_or(0))
    };
    connection.execute_batch("COMMIT").unwrap();
    let healed = answered_again(&world, &book).await;
    // Short ones, which come between the steps of the work behind intake.
    for _ in 0..4 {
        tokio::time::sleep(dice.millis(100, 400)).await;
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        connection.execute_batch("COMMIT").unwrap();
    }
    drop(connection);
    load.stop().await;
    let drained = gateway.drained(Duration::from_secs(60)).await;
    gateway.stop().await;
    let figures = oracle::judge(&world, &book, Allowance::default());
    println!("locked: {figures}; {refused} answered 503 meanwhile; healed in {healed:?}, drained in {drained:?}");
    let entries = book.entries();
    // What had been committed at that moment may still have been on its way to its vendor.
    assert!(during - before <= Amount::default().connections, "{} were answered 200 under a lock", during - before);
    assert!(refused > 0);
    assert!(drained <= Duration::from_secs(15), "what was accepted before waited for {drained:?}");
    assert_eq!((entries.unhelpful, entries.torn, entries.silent), (0, 0, 0));
    assert!(healed <= HEAL_LIMIT);
}

/// Fills the disk to the last byte.
fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("filler");
    let mut file = File::create(&path).unwrap();
    for size in [64 << 10, 4 << 10, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    path
}

async fn refused(book: &Book, wanted: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while book.entries().answers.get(&503).copied().unwrap_or(0) < wanted {
        assert!(Instant::now() < deadline, "nothing was refused: {:?}", book.entries().answers);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How long until a new request is answered 200.
pub async fn answered_again(world: &World, book: &Book) -> Duration {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        let posting = book.write(book.low(10));
        if book.post_once(posting, world.public).await == Some(200) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    begun.elapsed()
}

/// How soon it must work again once it can.
pub const HEAL_LIMIT: Duration = Duration::from_secs(10);

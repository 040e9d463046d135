//! A disk that is full, and a database that another process has locked.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::dice::Dice;
use super::expectations::Expectations;
use super::gateway::Gateway;
use super::load::{Amount, Load};
use super::oracle::{self, Allowance};
use super::start::refuses_to_start;
use super::world::World;
use super::{needs, schedule};

/// A file system of its own, for as long as it is held.
pub struct Tmpfs {
    folder: tempfile::TempDir,
}

impl Tmpfs {
    /// `None` where the test may not mount.
    pub fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self { folder }),
            _ => {
                needs::skip("mount", "no right to mount a tmpfs");
                None
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until the WAL of the store in it has so many bytes.
    async fn wal_has(&self, wanted: u64) {
        let log = self.path().join("gatepost.db-wal");
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::fs::metadata(&log).map_or(0, |log| log.len()) < wanted {
            assert!(Instant::now() < deadline, "{}", self.usage());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Whether the store in it has its reserve.
    fn has_reserve(&self) -> bool {
        self.path().join("gatepost.db.reserve").exists()
    }

    /// The files on it with their sizes, for the message of a failed assertion.
    fn usage(&self) -> String {
        let entries = std::fs::read_dir(self.path()).unwrap().flatten();
        let sizes = entries.map(|entry| {
            let size = entry.metadata().map_or(0, |metadata| metadata.len());
            format!("{} {} KiB", entry.file_name().to_string_lossy(), size >> 10)
        });
        sizes.collect::<Vec<_>>().join(", ")
    }

    pub fn make_read_only(&self) {
        self.remount("ro");
    }

    fn remount(&self, option: &str) {
        let option = format!("remount,{option}");
        let remounted = Command::new("mount").args(["-o", &option]).arg(self.path()).status().unwrap();
        assert!(remounted.success(), "{option}");
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily, so that a process with an open file on it does not keep it mounted.
        drop(Command::new("umount").arg("-l").arg(self.path()).status());
    }
}

/// Little space is freed in the end, and it must suffice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_answered_with_503_and_heals() {
    schedule::measured(full_disk).await;
}

async fn full_disk() {
    let Some(disk) = Tmpfs::mount("16m") else { return };
    let trial = Trial::begin("full disk", disk).await;
    let load = trial.load(400);
    // The WAL must be half grown: then the usual rule cannot checkpoint it.
    trial.disk.wal_has(1 << 20).await;
    trial.give_slack_work(6).await;
    let filler = fill(trial.disk.path());
    trial.refuses(load).await;
    let full = std::fs::metadata(&filler).unwrap().len();
    File::options().write(true).open(&filler).unwrap().set_len(full - (3 << 20)).unwrap();
    trial.heals().await;
}

/// No other program writes: the store has filled the disk by itself, and its WAL is longer than the free space.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_the_store_itself_has_filled_heals() {
    schedule::measured(filled_by_itself).await;
}

async fn filled_by_itself() {
    let Some(disk) = Tmpfs::mount("8m") else { return };
    let trial = Trial::begin("full disk of 8 MB", disk).await;
    // Something that can be deleted, as retention does.
    let connection = rusqlite::Connection::open(trial.world.store()).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    connection.execute_batch("CREATE TABLE old AS SELECT zeroblob(2300000)").unwrap();
    let load = trial.load(12_000);
    trial.give_slack_work(5).await;
    trial.refuses(load).await;
    connection.execute_batch("DELETE FROM old").unwrap();
    drop(connection);
    trial.healed().await;
    assert!(!trial.disk.has_reserve() && trial.gateway.log().contains("there is room within the database again"));
    trial.disk.remount("size=16m");
    trial.has_reserve_again().await;
    trial.heals().await;
}

/// Another program goes on filling it, and takes the space that the reserve frees.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_another_program_goes_on_filling_heals_once_it_stops() {
    schedule::measured(filled_on).await;
}

async fn filled_on() {
    let Some(disk) = Tmpfs::mount("64m") else { return };
    let trial = Trial::begin("full disk of 64 MB", disk).await;
    let load = trial.load(12_000);
    trial.disk.wal_has(3 << 20).await;
    let filler = Filler::start(trial.disk.path());
    trial.is_refused().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    load.stop().await;
    println!("{}: {}", trial.name, trial.disk.usage());
    filler.stop();
    trial.heals().await;
}

/// A process that was killed, and one that was stopped, each started on a disk that is full to the last byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_on_a_full_disk_delivers_what_was_accepted_or_ends_with_a_sentence() {
    schedule::measured(start_on_full).await;
}

async fn start_on_full() {
    let Some(disk) = Tmpfs::mount("16m") else { return };
    let mut trial = Trial::begin("start on a full disk", disk).await;
    let load = trial.load(2_000);
    trial.disk.wal_has(1 << 20).await;
    trial.give_slack_work(6).await;
    trial.gateway.kill();
    trial.kills += 1;
    load.stop().await;
    let filler = fill(trial.disk.path());
    let told = trial.messages();
    trial.start_on_full_disk().await;
    assert!(trial.messages() > told, "nothing was left to be told");
    std::fs::remove_file(&filler).unwrap();
    trial.healed().await;
    trial
        .expectations
        .post_once(trial.expectations.write(trial.expectations.adrian("critical", 40)), trial.world.public)
        .await;
    trial.gateway.end().await;
    // What a clean stop has removed must be made again at the start.
    let filler = fill(trial.disk.path());
    trial.start_on_full_disk().await;
    assert!(!trial.disk.has_reserve());
    std::fs::remove_file(&filler).unwrap();
    trial.healed().await;
    trial.gateway.end().await;
    std::fs::remove_file(trial.disk.path().join("gatepost.db.reserve")).unwrap();
    let filler = fill(trial.disk.path());
    refuses_to_start(&trial.world, "a full disk without a reserve", "cannot be opened; check that the folder exists");
    std::fs::remove_file(&filler).unwrap();
    trial.gateway = Gateway::start(&trial.world);
    trial.gateway.first_answer(&trial.expectations).await;
    trial.heals().await;
}

/// A store on a small disk, and everything around it.
struct Trial {
    name: &'static str,
    disk: Tmpfs,
    world: World,
    expectations: Arc<Expectations>,
    gateway: Gateway,
    dice: Mutex<Dice>,
    /// How often it was killed with a message on its way.
    kills: usize,
}

impl Trial {
    async fn begin(name: &'static str, disk: Tmpfs) -> Self {
        let mut dice = Dice::of(name);
        let world = World::with_store_in(Some(disk.path())).await;
        let expectations = Arc::new(Expectations::new(&mut dice));
        let gateway = Gateway::ready(&world, &expectations).await;
        assert!(disk.has_reserve(), "{}", disk.usage());
        Self { name, disk, world, expectations, gateway, dice: Mutex::new(dice), kills: 0 }
    }

    fn load(&self, padding: u64) -> Load {
        let amount = Amount { pause: Duration::from_millis(30), padding, ..Amount::default() };
        Load::start(&self.expectations, self.world.public, amount, &mut self.dice.lock().unwrap())
    }

    /// More than Slack may be told at once: something is to be left to do when the disk is full.
    async fn give_slack_work(&self, count: usize) {
        for _ in 0..count {
            let posting = self.expectations.write(self.expectations.adrian("critical", 40));
            self.expectations.post_once(posting, self.world.public).await;
        }
    }

    async fn is_refused(&self) {
        refused(&self.expectations, 20).await;
        let readiness = self.gateway.readiness().await;
        assert_eq!(readiness["status"], "not ready", "{readiness}");
    }

    /// Under load until it has refused for a while: nothing more is accepted, and what was accepted before is told.
    async fn refuses(&self, load: Load) {
        self.is_refused().await;
        let told = self.messages();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let accepted = self.expectations.entries().acknowledged.len();
        tokio::time::sleep(Duration::from_secs(1)).await;
        load.stop().await;
        let later = self.expectations.entries().acknowledged.len();
        assert_eq!(accepted, later, "room that is kept for deliveries was given to arrivals");
        self.drains_while_full().await;
        assert!(self.messages() > told, "nothing was left to be told");
    }

    async fn has_reserve_again(&self) {
        let deadline = Instant::now() + HEAL_LIMIT;
        while !self.disk.has_reserve() {
            assert!(Instant::now() < deadline, "{}", self.disk.usage());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn messages(&self) -> usize {
        self.world.slack.as_ref().unwrap().messages().len()
    }

    async fn drains_while_full(&self) {
        let drained = self.gateway.drained(Duration::from_secs(30)).await;
        println!("{}: all was delivered {drained:?} later, still full: {}", self.name, self.disk.usage());
        let answer =
            self.expectations.post_once(self.expectations.write(self.expectations.low(10)), self.world.public).await;
        assert_eq!(answer, Some(503), "it is not full any more: {}", self.disk.usage());
        assert!(drained <= Duration::from_secs(20), "what was accepted waited for {drained:?}");
        assert!(!self.disk.has_reserve());
        let deadline = Instant::now() + Duration::from_secs(7);
        while !self.gateway.metrics().await.contains("gatepost_store_full 1") {
            assert!(Instant::now() < deadline, "the metrics do not show it");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn start_on_full_disk(&mut self) {
        self.gateway = Gateway::start(&self.world);
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let posting = self.expectations.write(self.expectations.low(10));
            match self.expectations.post_once(posting, self.world.public).await {
                Some(503) => break,
                // The unused part of the WAL may hold requests for a moment.
                Some(200) | None => assert!(Instant::now() < deadline, "it does not answer"),
                Some(status) => panic!("answered {status}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.drains_while_full().await;
    }

    /// There is free space now.
    async fn healed(&self) {
        let healed = answered_again(&self.world, &self.expectations).await;
        println!("{}: healed in {healed:?}", self.name);
        assert!(healed <= HEAL_LIMIT, "healed only after {healed:?}");
    }

    /// It works again as before, and nothing was lost.
    async fn heals(self) {
        self.healed().await;
        let healed_at = self.expectations.entries().answers.clone();
        let load = self.load(400);
        tokio::time::sleep(Duration::from_secs(3)).await;
        load.stop().await;
        self.has_reserve_again().await;
        let drained = self.gateway.drained(Duration::from_secs(60)).await;
        let usage = self.disk.usage();
        let log = self.gateway.log();
        assert!(log.contains("requests are refused with 503"), "{log}");
        assert!(log.contains("there is room on the disk again"), "{log}");
        self.gateway.stop().await;
        let figures = oracle::check(&self.world, &self.expectations, Allowance { slack_repeats: self.kills });
        let entries = self.expectations.entries();
        println!("{}: {figures}; answers {:?}; drained in {drained:?}; {usage}", self.name, entries.answers);
        assert!(entries.answers.keys().all(|status| [200, 503].contains(status)), "{:?}", entries.answers);
        if entries.answers[&200] <= healed_at[&200] + 100 {
            schedule::too_slow(&format!("it hardly works again: {healed_at:?}, then {:?}", entries.answers));
        }
        assert_eq!(entries.answers[&503], healed_at[&503], "it is full again: {usage}");
        assert_eq!((entries.unhelpful, entries.silent), (0, 0));
        assert!(drained <= Duration::from_secs(20), "what was accepted before waited for {drained:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_locked_is_answered_with_503_and_heals() {
    schedule::measured(locked).await;
}

async fn locked() {
    let mut dice = Dice::of("locked");
    let world = World::new().await;
    let expectations = Arc::new(Expectations::new(&mut dice));
    let gateway = Gateway::ready(&world, &expectations).await;
    // Few paced events: the deliveries that are left in the end must be due to the locks.
    let amount = Amount { paced: [0.2, 1.0, 2.0], ..Amount::default() };
    let load = Load::start(&expectations, world.public, amount, &mut dice);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let path = world.store().to_owned();
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(2)).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    let before = expectations.entries().acknowledged.len();
    tokio::time::sleep(Duration::from_secs(6)).await;
    let (during, refused) = {
        let entries = expectations.entries();
        (entries.acknowledged.len(), entries.answers.get(&503).copied().unwrap_or(0))
    };
    connection.execute_batch("COMMIT").unwrap();
    let healed = answered_again(&world, &expectations).await;
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
    let figures = oracle::check(&world, &expectations, Allowance::default());
    println!("locked: {figures}; {refused} answered 503 meanwhile; healed in {healed:?}, drained in {drained:?}");
    let entries = expectations.entries();
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

/// Fills the disk, and goes on filling whatever space is freed.
struct Filler {
    path: PathBuf,
    is_done: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Filler {
    fn start(folder: &Path) -> Self {
        let path = folder.join("filler");
        let mut file = File::create(&path).unwrap();
        let is_done = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_done);
        let thread = std::thread::spawn(move || {
            let piece = vec![0; 64 << 10];
            while !stop.load(Ordering::Relaxed) {
                if file.write(&piece).is_err() && file.write(&piece[..1]).is_err() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        Self { path, is_done, thread }
    }

    fn stop(self) {
        self.is_done.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        std::fs::remove_file(&self.path).unwrap();
    }
}

pub async fn refused(expectations: &Expectations, wanted: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while expectations.entries().answers.get(&503).copied().unwrap_or(0) < wanted {
        assert!(Instant::now() < deadline, "nothing was refused: {:?}", expectations.entries().answers);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How long until a new request is answered 200.
pub async fn answered_again(world: &World, expectations: &Expectations) -> Duration {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        let posting = expectations.write(expectations.low(10));
        if expectations.post_once(posting, world.public).await == Some(200) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    begun.elapsed()
}

/// How soon it must work again once it can.
pub const HEAL_LIMIT: Duration = Duration::from_secs(10);

//! Power cuts: the calls of the real process to the system are recorded with every byte, and the states that a cut at
//! any moment may leave are opened as after a power cut. Whatever had been answered 200 by then must be there.
//!
//! The answers stand in the same recording as the syncs: an answer counts from the moment the process began to send it.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatepost::config::Config;
use gatepost::domain::{Clock, Headers, Request, SystemClock, Timestamp};
use gatepost::store::{Acceptance, Access, Inbox, Page, Queries, ReceiptFilter, SqliteStore};
use gatepost::vendors::{Authenticated, Sources};

use super::dice::Dice;
use super::disk_model::{Deed, DiskModel, Image};
use super::expectations::{self, Expectations, Posting};
use super::gateway::Gateway;
use super::load::{Amount, Load};
use super::strace::{Call, Strace};
use super::world::World;
use super::{is_long, schedule};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_a_power_cut() {
    let _turns = schedule::busy_beside_others().await;
    let mut dice = Dice::of("power");
    let (rounds, states) = if is_long() { (5, 2_100) } else { (1, 120) };
    let (mut all, mut control, mut without) = (Tally::default(), Tally::default(), Tally::default());
    for _ in 0..rounds {
        let Some(mut recorder) = Recorder::new(&mut dice).await else { return };
        let span = Duration::from_millis(if is_long() { 3_000 } else { 900 });
        for end in [End::Stop, End::Kill, End::Kill] {
            recorder.live(span, end, &mut dice).await;
        }
        let recording = recorder.finish();
        println!("power: {}", recording.summary());
        assert!(recording.log_was_emptied >= 3, "no cut can fall into the emptying of the log");
        all.add(recording.try_cuts(Syncs::Kept, states, &mut dice));
        control.add(recording.try_cuts(Syncs::AsNormal, states / 4, &mut dice));
        without.add(recording.try_cuts(Syncs::None, states / 8, &mut dice));
    }
    println!("power: {all}; control with synchronous=NORMAL: {control}; control without any sync: {without}");
    all.must_be_whole();
    assert!(control.lost * 10 >= control.states, "the control must lose: {control}");
    assert_eq!(control.damaged, 0, "synchronous=NORMAL loses, but damages nothing");
    assert!(without.damaged > 0, "the control without syncs must be damaged: {without}");
}

/// A sync fails. Readers see what was written before it, although it may never reach the disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_after_a_failed_sync_survives_a_power_cut() {
    let _turns = schedule::busy_beside_others().await;
    let mut dice = Dice::of("power after a failed sync");
    let (rounds, states) = if is_long() { (40, 150) } else { (3, 30) };
    let mut all = Tally::default();
    let mut repeated = 0;
    for round in 0..rounds {
        let Some(mut recorder) = Recorder::new(&mut dice).await else { return };
        // The start of an empty store takes eleven syncs; what ends the start is no subject of this scenario.
        let fault = format!("fdatasync:error=EIO:when={}", 12 + dice.below(40));
        recorder.fail(&fault, round % 2 == 0, &mut dice).await;
        repeated += recorder.repeat(&mut dice).await;
        let recording = recorder.finish();
        println!("power after a failed sync: {fault}: {}", recording.summary());
        all.add(recording.try_cuts(Syncs::Kept, states, &mut dice));
    }
    println!("power after a failed sync: {rounds} processes, {repeated} requests sent again after their 503; {all}");
    all.must_be_whole();
    assert!(repeated > 0, "nothing was refused");
}

/// How a process ends.
#[derive(Clone, Copy)]
enum End {
    Stop,
    Kill,
}

/// The processes that serve one store, one after the other.
struct Recorder {
    world: World,
    expectations: Arc<Expectations>,
    /// On a file system where a sync is free, if there is one: only the order of calls counts.
    folder: tempfile::TempDir,
    lives: Vec<Vec<Call>>,
}

impl Recorder {
    async fn new(dice: &mut Dice) -> Option<Self> {
        let folder = scratch();
        Strace::new(folder.path().join("tried"), TRACED)?;
        let world = World::with_store_in(Some(folder.path())).await;
        let expectations = Arc::new(Expectations::new(dice));
        Some(Self { world, expectations, folder, lives: Vec::new() })
    }

    fn strace(&self) -> Strace {
        Strace::new(self.folder.path().join(format!("calls-{}", self.lives.len())), TRACED).unwrap()
    }

    /// One process under load.
    async fn live(&mut self, span: Duration, end: End, dice: &mut Dice) {
        let strace = self.strace();
        let mut gateway = Gateway::start_under(&self.world, &strace);
        gateway.first_answer(&self.expectations).await;
        let load = Load::start(&self.expectations, self.world.public, AMOUNT, dice);
        tokio::time::sleep(span).await;
        let process = gateway.pid();
        match end {
            End::Stop => {
                load.stop().await;
                gateway.stop().await;
            }
            End::Kill => {
                gateway.kill();
                load.stop().await;
            }
        }
        self.lives.push(strace.calls(process));
    }

    /// One process in which a call fails. It is killed as soon as something has been refused, or goes on.
    async fn fail(&mut self, fault: &str, is_killed: bool, dice: &mut Dice) {
        let strace = self.strace().inject(fault);
        let mut gateway = Gateway::start_under(&self.world, &strace);
        gateway.first_answer(&self.expectations).await;
        let load = Load::start(&self.expectations, self.world.public, AMOUNT, dice);
        let deadline = Instant::now() + Duration::from_secs(3);
        while !self.expectations.entries().answers.contains_key(&503) && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if !is_killed {
            tokio::time::sleep(Duration::from_millis(1_200)).await;
        }
        let process = gateway.pid();
        gateway.kill();
        load.stop().await;
        self.lives.push(strace.calls(process));
    }

    /// Another process, to which whatever has not been answered 200 is sent once more. How many that were.
    async fn repeat(&mut self, dice: &mut Dice) -> usize {
        let strace = self.strace();
        let mut gateway = Gateway::start_under(&self.world, &strace);
        gateway.first_answer(&self.expectations).await;
        let unanswered: Vec<usize> = {
            let entries = self.expectations.entries();
            let answered: std::collections::HashSet<usize> =
                entries.acknowledged.iter().map(|answer| answer.posting).collect();
            (0..entries.postings.len()).filter(|posting| !answered.contains(posting)).collect()
        };
        for posting in &unanswered {
            // As a vendor does: on a machine that does other things as well the store may be too slow for a first try.
            let deadline = Instant::now() + Duration::from_secs(10);
            while self.expectations.post_once(*posting, self.world.public).await != Some(200) {
                assert!(Instant::now() < deadline, "a request that was refused is refused for ever");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        let load = Load::start(&self.expectations, self.world.public, AMOUNT, dice);
        tokio::time::sleep(Duration::from_millis(150)).await;
        let process = gateway.pid();
        gateway.kill();
        load.stop().await;
        self.lives.push(strace.calls(process));
        unanswered.len()
    }

    fn finish(self) -> Recording {
        let store = self.world.store().to_owned();
        let mut steps = Vec::new();
        let mut base = 0;
        for life in &self.lives {
            let last = life.iter().map(|call| call.ended.unwrap_or(call.begun)).max().unwrap_or(0);
            transcribe(life, &store, base..base + last, &mut steps);
            base += last + 1;
        }
        steps.sort_by_key(|(moment, _)| *moment);
        let steps: Vec<Step> = steps.into_iter().map(|(_, step)| step).collect();
        let entries = self.expectations.entries();
        let known: HashMap<String, Posting> = entries
            .acknowledged
            .iter()
            .map(|answer| (answer.receipt.clone(), entries.postings[answer.posting].clone()))
            .collect();
        drop(entries);
        let recording = Recording {
            answered: steps.iter().filter(|step| matches!(step, Step::Answered(_))).count(),
            log_was_emptied: emptied(&steps),
            lives: self.lives.len(),
            sources: Config::load(&self.world.setting.config).unwrap().sources,
            made_at: SystemClock.steady(),
            known,
            steps,
        };
        recording.holds_every_answer();
        recording.names_were_settled();
        recording
    }
}

/// What happened, in order.
enum Step {
    File(String, Deed),
    FolderSynced,
    /// An answer with 200 was about to be sent.
    Answered(String),
}

/// The calls on the store's files, and the answers in between.
struct Recording {
    steps: Vec<Step>,
    /// What the clients know to be accepted.
    known: HashMap<String, Posting>,
    sources: Arc<Sources>,
    /// When it was made: a body without an id is known for a while.
    made_at: Timestamp,
    lives: usize,
    answered: usize,
    log_was_emptied: usize,
}

/// Which syncs count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Syncs {
    Kept,
    /// The WAL is synced only before a checkpoint, and when it is restarted.
    AsNormal,
    None,
}

fn transcribe(life: &[Call], store: &Path, lines: Range<usize>, steps: &mut Vec<(usize, Step)>) {
    let base = lines.start;
    let folder = store.parent().unwrap();
    let own = |path: &Path| -> Option<String> {
        let name = path.to_str()?.strip_prefix(store.to_str()?)?;
        ["", "-wal", "-journal"].contains(&name).then(|| name.to_owned())
    };
    for (number, call) in life.iter().enumerate() {
        let begun = 2 * (base + call.begun);
        let ended = call.ended.map(|line| 2 * (base + line) + 1);
        let id = base + number;
        if call.name == "sendto" && call.says("HTTP/1.1 200") {
            let text = String::from_utf8_lossy(&call.bytes()).into_owned();
            let receipts = text.split("\"receipt\":\"").skip(1).filter_map(|rest| rest.split('"').next());
            steps.extend(receipts.map(|receipt| (begun, Step::Answered(receipt.to_owned()))));
            continue;
        }
        if ["open", "openat", "creat", "unlink", "unlinkat", "rename", "renameat", "renameat2"]
            .contains(&call.name.as_str())
        {
            let Some(name) = own(&call.path()) else { continue };
            match call.name.as_str() {
                _ if call.failed() => {}
                "unlink" | "unlinkat" => steps.push((begun, Step::File(name, Deed::Removed))),
                "open" | "openat" if !call.says("O_TRUNC") => {
                    steps.extend(call.says("O_CREAT").then_some((begun, Step::File(name, Deed::Created))));
                }
                other => panic!("{other} on the store is nothing that can be replayed"),
            }
            continue;
        }
        let Some(path) = call.file() else { continue };
        let is_sync = ["fsync", "fdatasync"].contains(&call.name.as_str());
        if is_sync && path == folder {
            steps.extend(ended.filter(|_| !call.failed()).map(|moment| (moment, Step::FolderSynced)));
            continue;
        }
        let Some(name) = own(path) else { continue };
        let deed = match call.name.as_str() {
            _ if is_sync => {
                let deed = if call.failed() { Deed::SyncFailed { begun } } else { Deed::Synced { begun } };
                steps.extend(ended.map(|moment| (moment, Step::File(name, deed))));
                continue;
            }
            _ if call.failed() => continue,
            "pwrite64" => {
                let mut bytes = call.bytes();
                bytes.truncate(call.answer().map_or(usize::MAX, |written| written as usize));
                Deed::Write { call: id, offset: call.number(2) as usize, bytes: Arc::new(bytes) }
            }
            "ftruncate" => Deed::Resize { call: id, length: call.number(1) as usize },
            other => panic!("{other} on the store is nothing that can be replayed"),
        };
        steps.push((begun, Step::File(name.clone(), deed)));
        // What a killed process had begun to write has been written when it is gone, or never will be.
        let at = ended.unwrap_or(2 * lines.end + 1);
        steps.push((at, Step::File(name, Deed::Returned { call: id, at })));
    }
}

/// How often the database was synced with something new in it.
fn emptied(steps: &[Step]) -> usize {
    let mut is_changed = false;
    let mut count = 0;
    for step in steps {
        match step {
            Step::File(name, Deed::Write { .. }) if name.is_empty() => is_changed = true,
            Step::File(name, Deed::Synced { .. }) if name.is_empty() => {
                count += usize::from(std::mem::take(&mut is_changed))
            }
            _ => {}
        }
    }
    count
}

impl Recording {
    fn summary(&self) -> String {
        let Self { lives, answered, log_was_emptied, .. } = self;
        let steps = self.steps.len();
        format!("{lives} processes, {steps} steps, {answered} answers, the log emptied {log_was_emptied} times")
    }

    /// The recording is of use only if nothing is missing.
    fn holds_every_answer(&self) {
        let recorded: std::collections::HashSet<&str> = self
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::Answered(receipt) => Some(receipt.as_str()),
                _ => None,
            })
            .collect();
        assert!(!self.known.is_empty(), "nothing was answered");
        for receipt in self.known.keys() {
            assert!(recorded.contains(receipt.as_str()), "the answer that names {receipt} was not recorded");
        }
    }

    /// Before anything is answered, the folder is synced, so that the names of the files survive.
    fn names_were_settled(&self) {
        let mut disk_model = DiskModel::default();
        for step in &self.steps {
            match step {
                Step::Answered(_) => {
                    let unsettled: Vec<&str> =
                        ["", "-wal"].into_iter().filter(|name| disk_model.is_unsettled(name)).collect();
                    assert!(unsettled.is_empty(), "answered before the folder was synced: {unsettled:?}");
                    return;
                }
                Step::FolderSynced => disk_model.settle_names(),
                Step::File(name, deed) => disk_model.suffer(name, deed),
            }
        }
    }

    /// Cuts at so many moments and looks at what is left.
    fn try_cuts(&self, syncs: Syncs, states: usize, dice: &mut Dice) -> Tally {
        let begun = Instant::now();
        let mut cuts: Vec<(usize, Dice)> = (0..states).map(|_| (self.moment(dice), dice.fork())).collect();
        cuts.sort_by_key(|(moment, _)| *moment);
        let halves: [Vec<_>; 2] = [0, 1].map(|half| cuts.iter().skip(half).step_by(2).cloned().collect());
        let mut tally = Tally::default();
        std::thread::scope(|scope| {
            let threads = halves.map(|cuts| scope.spawn(move || self.walk(syncs, &cuts)));
            for thread in threads {
                tally.add(thread.join().unwrap());
            }
        });
        tally.took = begun.elapsed();
        tally
    }

    /// A moment to cut at: just after an answer, within a checkpoint, or any.
    fn moment(&self, dice: &mut Dice) -> usize {
        let way = dice.below(3);
        for _ in 0..10_000 {
            let place = dice.below(self.steps.len() as u64) as usize;
            let is_wanted = match (&self.steps[place], way) {
                (Step::Answered(_), 0) => true,
                (Step::File(name, _), 1) => name.is_empty(),
                _ => way == 2,
            };
            if is_wanted {
                return place;
            }
        }
        self.steps.len() - 1
    }

    fn walk(&self, syncs: Syncs, cuts: &[(usize, Dice)]) -> Tally {
        let bench = Bench::new(self);
        let mut tally = Tally::default();
        let mut disk_model = DiskModel::default();
        let mut answered: Vec<&str> = Vec::new();
        let mut cuts = cuts.iter().peekable();
        for (place, step) in self.steps.iter().enumerate() {
            match step {
                Step::Answered(receipt) => answered.push(receipt),
                Step::FolderSynced => disk_model.settle_names(),
                Step::File(name, Deed::Synced { .. }) if !self.counts(syncs, place, name) => {}
                Step::File(name, deed) => disk_model.suffer(name, deed),
            }
            while let Some((_, dice)) = cuts.next_if(|(cut, _)| *cut == place) {
                let mut dice = dice.clone();
                let images = disk_model.cut(&mut dice);
                let found = bench.examine(&images, &answered, &mut dice);
                let whole = found.is_ok();
                tally.note(found, || {
                    format!("cut after step {place} of {}, {} answers", self.steps.len(), answered.len())
                });
                if !whole && syncs == Syncs::Kept {
                    tally.keep(&images);
                }
            }
        }
        tally
    }

    fn counts(&self, syncs: Syncs, place: usize, name: &str) -> bool {
        let write_at = |step: &Step| match step {
            Step::File(name, Deed::Write { offset, .. }) => Some((name.is_empty(), *offset)),
            _ => None,
        };
        match syncs {
            Syncs::Kept => true,
            Syncs::None => false,
            Syncs::AsNormal if name != "-wal" => true,
            Syncs::AsNormal => {
                let next = self.steps[place..].iter().find_map(write_at);
                let last = self.steps[..place].iter().rev().find_map(write_at);
                next.is_some_and(|(is_database, _)| is_database) || last == Some((false, 0))
            }
        }
    }
}

/// Where a state is opened.
struct Bench<'r> {
    recording: &'r Recording,
    folder: tempfile::TempDir,
}

/// What is wrong with a state.
enum Wrong {
    Lost(String),
    Damaged(String),
}

impl<'r> Bench<'r> {
    fn new(recording: &'r Recording) -> Self {
        Self { recording, folder: scratch() }
    }

    fn examine(&self, images: &[Image], answered: &[&str], dice: &mut Dice) -> Result<(), Wrong> {
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        let path = self.folder.path().join("gatepost.db");
        for (name, bytes) in images {
            std::fs::write(beside(&path, name), bytes).unwrap();
        }
        if dice.chance(30) {
            // The WAL index is rebuilt; its content is ignored.
            let garbage: Vec<u8> = (0..32_768).map(|_| dice.next() as u8).collect();
            std::fs::write(beside(&path, "-shm"), garbage).unwrap();
        }
        self.open(&path, answered, dice)
    }

    /// Opens it as a start does, and asks for what was answered.
    fn open(&self, path: &Path, answered: &[&str], dice: &mut Dice) -> Result<(), Wrong> {
        let damaged = |error: &dyn std::fmt::Debug| Wrong::Damaged(format!("{error:?}"));
        let store = SqliteStore::open(path, Access::Serve).map_err(|fault| damaged(&fault))?;
        let rows = store.receipts(&ALL, &ReceiptFilter::default()).map_err(|fault| damaged(&fault))?;
        let stored: std::collections::HashSet<String> = rows.iter().map(|row| row.id.to_string()).collect();
        let lost: Vec<&&str> = answered.iter().filter(|receipt| !stored.contains(**receipt)).collect();
        if !lost.is_empty() {
            return Err(Wrong::Lost(format!("{} of {} receipts: {:?}", lost.len(), answered.len(), lost[0])));
        }
        let late = answered.iter().rev().take(24);
        let others =
            (0..24).filter(|_| !answered.is_empty()).map(|_| &answered[dice.below(answered.len() as u64) as usize]);
        let mut again = Vec::new();
        for receipt in late.chain(others.collect::<Vec<_>>()) {
            // The client may have been cut off: then it is unknown which request was answered.
            let Some(posting) = self.recording.known.get(*receipt) else { continue };
            let found = store.receipt(receipt.parse().unwrap()).map_err(|fault| damaged(&fault))?;
            match found.and_then(|(_, receipt)| receipt) {
                Some(found) if found.body == posting.body && found.source.as_str() == posting.source => {}
                _ => return Err(Wrong::Damaged(format!("the body of {receipt} is another"))),
            }
            again.push((receipt, store.accept(self.arrival(posting), None)));
        }
        for (receipt, ticket) in again {
            match ticket.wait() {
                Ok(Acceptance::Duplicate(id)) if id.to_string() == **receipt => {}
                other => return Err(Wrong::Lost(format!("the key of {receipt}: sent again it is {other:?}"))),
            }
        }
        store.close();
        drop(store);
        let connection = rusqlite::Connection::open(path).map_err(|error| damaged(&error))?;
        let verdict: String =
            connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(|error| damaged(&error))?;
        if verdict == "ok" { Ok(()) } else { Err(Wrong::Damaged(verdict)) }
    }

    /// The request as it is when it comes again.
    fn arrival(&self, posting: &Posting) -> Authenticated {
        let source = &self.recording.sources[&posting.source.parse().unwrap()];
        let (name, value) = expectations::credentials(posting);
        let headers: Headers = [(name.to_ascii_lowercase().as_str(), value.as_str())].into_iter().collect();
        let now = Timestamp::from_millis(1_760_000_000_000);
        let request = Request { headers, body: posting.body.clone().into(), received_at: now };
        source.authenticate(request, self.recording.made_at).unwrap()
    }
}

/// What became of the states.
#[derive(Default)]
struct Tally {
    states: usize,
    lost: usize,
    damaged: usize,
    took: Duration,
    examples: Vec<String>,
    kept: Option<PathBuf>,
}

impl Tally {
    fn note(&mut self, found: Result<(), Wrong>, when: impl Fn() -> String) {
        self.states += 1;
        match found {
            Ok(()) => {}
            Err(Wrong::Lost(what)) => {
                self.lost += 1;
                self.examples.push(format!("{}: lost {what}", when()));
            }
            Err(Wrong::Damaged(what)) => {
                self.damaged += 1;
                self.examples.push(format!("{}: damaged: {what}", when()));
            }
        }
    }

    /// Keeps the files of the first bad state for analysis.
    fn keep(&mut self, images: &[Image]) {
        if self.kept.is_none() {
            let folder = tempfile::Builder::new().prefix("gatepost-power-").tempdir().unwrap().keep();
            for (name, bytes) in images {
                std::fs::write(beside(&folder.join("gatepost.db"), name), bytes).unwrap();
            }
            self.kept = Some(folder);
        }
    }

    fn add(&mut self, other: Self) {
        self.states += other.states;
        self.lost += other.lost;
        self.damaged += other.damaged;
        self.took += other.took;
        self.examples.extend(other.examples);
        self.kept = self.kept.take().or(other.kept);
    }

    fn must_be_whole(&self) {
        let shown: Vec<&String> = self.examples.iter().take(8).collect();
        assert!(self.lost + self.damaged == 0, "{self}: {shown:#?}\nthe first is kept in {:?}", self.kept);
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { states, lost, damaged, took, .. } = self;
        write!(f, "{states} states: {lost} with something lost, {damaged} damaged, in {took:.1?}")
    }
}

fn beside(path: &Path, name: &str) -> PathBuf {
    PathBuf::from(format!("{}{name}", path.display()))
}

/// A folder in memory, or else on the disk.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Mostly events for the archive, and a few for the others, so that every kind of transaction occurs.
const AMOUNT: Amount = Amount { connections: 6, pause: Duration::from_millis(4), paced: [1.0, 1.0, 1.0], padding: 700 };

/// Whatever changes a file, its length or its name, and what is sent.
const TRACED: &str = "?open,openat,?creat,pwrite64,pwritev,pwritev2,write,writev,ftruncate,truncate,fallocate,\
                      copy_file_range,sendfile,splice,fsync,fdatasync,sync_file_range,?unlink,unlinkat,?rename,\
                      ?renameat,renameat2,sendto";

const ALL: Page = Page { limit: 10_000_000, before: None };

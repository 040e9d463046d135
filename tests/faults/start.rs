//! Stores that cannot be served: the process says so in a sentence and ends.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::dice::Dice;
use super::disk::Tmpfs;
use super::expectations::Expectations;
use super::gateway::Gateway;
use super::load::{Amount, Load};
use super::power::scratch;
use super::schedule;
use super::strace::Strace;
use super::world::World;

/// What is found at the path of the store.
type Spoil = fn(&Path);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_cannot_be_served_ends_the_start_with_a_sentence() {
    let _turn = schedule::beside_others().await;
    let cases: [(&str, Spoil, &str); 5] = [
        ("a folder", |path| std::fs::create_dir(path).unwrap(), "cannot be opened"),
        ("garbage", |path| std::fs::write(path, vec![0x5a; 20_000]).unwrap(), "cannot be opened"),
        ("a newer schema", |path| newer(path), "was written by a newer gatepost"),
        ("another program's database", |path| execute(path, "CREATE TABLE theirs (x)"), "not one of gatepost's"),
        ("another server", |_| (), "another gatepost already serves"),
    ];
    for (what, spoil, sentence) in cases {
        let mut dice = Dice::of("start");
        let world = World::new().await;
        spoil(world.store());
        let expectations = Expectations::new(&mut dice);
        let other = if what == "another server" { Some(Gateway::ready(&world, &expectations).await) } else { None };
        refuses_to_start(&world, what, sentence);
        drop(other);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_read_only_ends_the_start_with_a_sentence() {
    let _turn = schedule::beside_others().await;
    let Some(disk) = Tmpfs::mount("8m") else { return };
    let mut dice = Dice::of("read-only");
    let world = World::with_store_in(Some(disk.path())).await;
    let expectations = Expectations::new(&mut dice);
    Gateway::ready(&world, &expectations).await.stop().await;
    disk.make_read_only();
    refuses_to_start(&world, "a read-only disk", "cannot be opened; check that the folder exists, is writable");
}

/// Every `close` is made slow: a listener that is opened only to see whether its address is free, and closed again, takes
/// connections in between and resets them with the requests in them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_during_the_start_is_answered_or_finds_no_connection() {
    let _turn = schedule::beside_others().await;
    let mut dice = Dice::of("requests during the start");
    let folder = scratch();
    let Some(strace) = Strace::new(folder.path().join("calls"), "close") else { return };
    let strace = strace.inject("close:delay_enter=20000");
    let world = World::new().await;
    let expectations = Arc::new(Expectations::new(&mut dice));
    let amount = Amount { connections: 4, pause: Duration::from_millis(5), ..Amount::default() };
    let load = Load::start(&expectations, world.public, amount, &mut dice);
    let gateway = Gateway::start_under(&world, &strace);
    let deadline = Instant::now() + Duration::from_secs(30);
    while expectations.entries().acknowledged.len() < 40 {
        assert!(Instant::now() < deadline, "nothing is answered\n{}", gateway.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    load.stop().await;
    let entries = expectations.entries();
    println!("requests during the start: {:?}", entries.answers);
    assert_eq!((entries.unanswered.len(), entries.unsent, entries.torn, entries.silent), (0, 0, 0, 0));
}

pub fn refuses_to_start(world: &World, what: &str, sentence: &str) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .arg("-c")
        .arg(&world.setting.config)
        .arg("serve")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{what}: it does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{what}: {said}");
    let last = said.lines().find(|line| line.contains("gatepost cannot serve")).unwrap_or_default();
    assert!(last.contains(sentence), "{what}: {said}");
    assert!(!said.contains("panicked"), "{what}: {said}");
    println!("start: {what}: exit 1, {last}");
}

/// A store of this version that claims to be of a later one.
fn newer(path: &Path) {
    execute(path, "PRAGMA application_id = 0x67617465; PRAGMA user_version = 9999; CREATE TABLE later (x)");
}

fn execute(path: &Path, statements: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(statements).unwrap();
}

//! A file system that turns read-only under the process.
//!
//! The system refuses an operator's `mount -o remount,ro` while the store's files are open for writing. In practice a
//! file system detects damage and takes no more writes until it has been repaired and mounted again.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use super::dice::Dice;
use super::disk::{HEAL_LIMIT, answered_again, refused};
use super::expectations::Expectations;
use super::gateway::Gateway;
use super::load::{Amount, Load};
use super::oracle::{self, Allowance};
use super::power::scratch;
use super::world::World;
use super::{needs, schedule};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_turns_read_only_is_answered_with_503_and_heals_once_it_is_back() {
    let _turn = schedule::beside_others().await;
    let mut dice = Dice::of("read-only");
    let Some(mut disk) = Ext4::mount() else { return };
    let world = World::with_store_in(Some(disk.folder.path())).await;
    let expectations = Arc::new(Expectations::new(&mut dice));
    let gateway = Gateway::ready(&world, &expectations).await;
    let load = Load::start(&expectations, world.public, Amount::default(), &mut dice);
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Linux reports a sync as done that was under way when the file system aborted, and what was to be synced is lost.
    // So no call is under way then; what has been written and not synced is.
    gateway.signal("STOP");
    tokio::time::sleep(Duration::from_millis(200)).await;
    disk.turn_read_only();
    gateway.signal("CONT");
    refused(&expectations, 20).await;
    let readiness = gateway.readiness().await;
    assert_eq!(readiness["status"], "not ready", "{readiness}");
    let accepted = expectations.entries().acknowledged.len();
    tokio::time::sleep(Duration::from_secs(2)).await;
    // First it is not mounted, and the mount point holds no store.
    disk.take_away();
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(std::fs::read_dir(disk.folder.path()).unwrap().count(), 0, "a store was made where none was mounted");
    let later = expectations.entries().acknowledged.len();
    disk.put_back();
    let healed = answered_again(&world, &expectations).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    load.stop().await;
    let second = Gateway::start(&world).ended(Duration::from_secs(5)).await;
    let drained = gateway.drained(Duration::from_secs(60)).await;
    gateway.stop().await;
    let figures = oracle::check(&world, &expectations, Allowance::default());
    let entries = expectations.entries();
    println!("read-only: {figures}; answers {:?}; healed in {healed:?}, drained in {drained:?}", entries.answers);
    assert_eq!(accepted, later, "something was accepted on a disk that takes nothing");
    assert!(entries.answers.keys().all(|status| [200, 503].contains(status)), "{:?}", entries.answers);
    assert_eq!((entries.unhelpful, entries.torn, entries.silent, entries.unanswered.len()), (0, 0, 0, 0));
    assert!(healed <= HEAL_LIMIT, "healed only after {healed:?}");
    assert!(entries.acknowledged.len() > later + 100, "it does not work again");
    assert_eq!(second.and_then(|status| status.code()), Some(1), "a second process serves the store");
}

/// A file system in a file.
struct Ext4 {
    /// Where the files are in which it is.
    images: tempfile::TempDir,
    image: PathBuf,
    folder: tempfile::TempDir,
}

impl Ext4 {
    /// `None` where the test may not mount.
    fn mount() -> Option<Self> {
        let images = scratch();
        let image = images.path().join("first");
        let disk = Self { images, image, folder: tempfile::tempdir().unwrap() };
        std::fs::File::create(&disk.image).unwrap().set_len(48 << 20).unwrap();
        let made = run("mkfs.ext4", &["-q", "-F"], &disk.image).is_ok() && disk.try_mount().is_ok();
        if !made {
            needs::skip("mount", "no root, no mkfs.ext4 or no loop device to mount a file system");
        }
        made.then_some(disk)
    }

    fn try_mount(&self) -> Result<(), String> {
        let image = self.image.display().to_string();
        run("mount", &["-t", "ext4", "-o", "loop,errors=remount-ro", &image], self.folder.path())?;
        // `lost+found` is not needed.
        drop(std::fs::remove_dir(self.folder.path().join("lost+found")));
        Ok(())
    }

    /// As when it detects damage.
    fn turn_read_only(&self) {
        run("mount", &["-o", "remount,abort"], self.folder.path()).unwrap();
        assert!(std::fs::write(self.folder.path().join("tried"), "").is_err(), "it still takes writes");
    }

    /// A process with files open on it keeps them, as they are.
    fn take_away(&self) {
        run("umount", &["-l"], self.folder.path()).unwrap();
    }

    /// What the disk holds, repaired.
    fn put_back(&mut self) {
        let copy = self.images.path().join("second");
        std::fs::copy(&self.image, &copy).unwrap();
        self.image = copy;
        // Its answer says that it has repaired something.
        drop(run("e2fsck", &["-p", "-f"], &self.image));
        self.try_mount().unwrap();
    }
}

impl Drop for Ext4 {
    fn drop(&mut self) {
        drop(run("umount", &["-l"], self.folder.path()));
    }
}

fn run(program: &str, arguments: &[&str], path: &Path) -> Result<(), String> {
    let output = Command::new(program).args(arguments).arg(path).output().map_err(|error| error.to_string())?;
    let said = || format!("{program}: {}", String::from_utf8_lossy(&output.stderr));
    output.status.success().then_some(()).ok_or_else(said)
}

//! Lines that are written once, whatever a disk, a crash or a rotation does.

use super::*;

const ONE: &str = r#"{"id":"01a20038-f1cf-7086-8aa5-000000000001","title":"one"}"#;
const TWO: &str = r#"{"id":"01a20038-f1cf-7086-8aa5-000000000002","title":"two"}"#;
const THREE: &str = r#"{"id":"01a20038-f1cf-7086-8aa5-000000000003","title":"three"}"#;

fn append(path: &Path, lines: &[&str], may_be_there: bool) -> Append {
    let line = |text: &&str| Line { id: text[7..43].parse().unwrap(), text: bytes::Bytes::from((*text).to_owned()) };
    Append { path: path.to_owned(), lines: lines.iter().map(line).collect(), may_be_there, rotation: None }
}

#[tokio::test]
async fn lines_are_appended_once_and_survive_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.ndjson");
    std::fs::write(&path, "torn").unwrap();
    let files = Files::default();
    assert!(matches!(files.append(append(&path, &[ONE, TWO], false)).await, Reply::Appended));
    assert!(matches!(files.append(append(&path, &[TWO, ONE], true)).await, Reply::Appended));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("torn\n{ONE}\n{TWO}\n"));
    std::fs::rename(&path, folder.path().join("old")).unwrap();
    assert!(matches!(files.append(append(&path, &[THREE], false)).await, Reply::Appended));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{THREE}\n"));
}

#[tokio::test]
async fn of_an_interrupted_batch_only_what_is_missing_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.ndjson");
    std::fs::write(&path, format!("{ONE}\n{}", &TWO[..50])).unwrap();
    let files = Files::default();
    for _ in 0..2 {
        assert!(matches!(files.append(append(&path, &[ONE, TWO, THREE], true)).await, Reply::Appended));
    }
    let wanted = format!("{ONE}\n{}\n{TWO}\n{THREE}\n", &TWO[..50]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), wanted, "a torn line is not the line");
}

#[test]
fn a_long_end_of_a_file_is_searched_once_and_not_for_each_line() {
    let text = |n: usize| format!(r#"{{"id":"01a20038-f1cf-7086-8aa5-{n:012}","title":"{}"}}"#, "\"x".repeat(n % 90));
    let tail: String = (0..20_000).map(|n| text(n) + "\n").collect();
    let line = |n: usize| Line { id: text(n)[7..43].parse().unwrap(), text: text(n).into() };
    let (found, spent) = crate::processor_time::processor_time(|| {
        let tail = Tail::of(&tail);
        (0..4_000).map(|n| n * 10).filter(|n| tail.holds(&line(*n))).count()
    });
    assert_eq!(found, 2_000);
    assert!(spent < std::time::Duration::from_secs(2), "{spent:?}");
}

/// Writes lines by a keeper, as a batch of their own.
fn write<S: Fn(&File) -> std::io::Result<()>>(keeper: &mut Keeper<S>, append: Append) -> Result<(), Fault> {
    keeper.write(&[(append, oneshot::channel().0)])
}

#[test]
fn after_a_failed_sync_nothing_of_the_page_cache_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.ndjson");
    let shown = || std::fs::read_to_string(&path).unwrap();
    let fails = std::cell::Cell::new(false);
    let sync = |_: &File| if fails.get() { Err(std::io::Error::from_raw_os_error(5)) } else { Ok(()) };
    let mut keeper = Keeper::new(path.clone(), sync);
    write(&mut keeper, append(&path, &[ONE], false)).unwrap();
    fails.set(true);
    let fault = write(&mut keeper, append(&path, &[TWO], false)).unwrap_err();
    assert!(fault.may_have_arrived);
    assert_eq!(shown(), format!("{ONE}\n"), "the page cache must not show what the disk may never get");
    assert!(keeper.open.is_none(), "a handle that has failed to sync is not used again");
    // While the disk fails, the end of the file cannot be relied on either.
    assert!(write(&mut keeper, append(&path, &[TWO], true)).is_err());
    fails.set(false);
    write(&mut keeper, append(&path, &[TWO], true)).unwrap();
    write(&mut keeper, append(&path, &[TWO], true)).unwrap();
    assert_eq!(shown(), format!("{ONE}\n{TWO}\n"));
}

#[test]
fn what_could_not_be_cut_off_after_a_failed_sync_is_cut_off_when_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.ndjson");
    std::fs::write(&path, "one\ntwo\n").unwrap();
    let inode = std::fs::metadata(&path).unwrap().ino();
    let mut keeper = Keeper { unsynced: Some((inode, 4)), ..Keeper::new(path.clone(), File::sync_data) };
    write(&mut keeper, append(&path, &[THREE], false)).unwrap();
    let shown = std::fs::read_to_string(&path).unwrap();
    assert_eq!(shown, format!("one\n{THREE}\n"), "what did not reach the disk is not kept");
    assert!(keeper.unsynced.is_none());
    // Another file in its place is left as it is.
    let mut keeper = Keeper { unsynced: Some((inode + 1, 4)), ..Keeper::new(path.clone(), File::sync_data) };
    write(&mut keeper, append(&path, &[TWO], false)).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("one\n{THREE}\n{TWO}\n"));
}

#[test]
fn what_an_earlier_process_left_is_synced_before_it_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.ndjson");
    std::fs::write(&path, format!("{ONE}\n")).unwrap();
    let syncs = std::cell::Cell::new(0);
    let sync = |_: &File| {
        syncs.set(syncs.get() + 1);
        if syncs.get() == 1 { Err(std::io::Error::from_raw_os_error(5)) } else { Ok(()) }
    };
    let mut keeper = Keeper::new(path.clone(), sync);
    assert!(write(&mut keeper, append(&path, &[ONE], true)).is_err(), "its own sync failed");
    write(&mut keeper, append(&path, &[ONE], true)).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{ONE}\n"));
}

const TIME: &str = "2026-11-22T03:00:00.123Z";

/// A file that is put away before it is longer than 130 bytes: two lines.
fn rotating(path: &Path, lines: &[&str], may_be_there: bool, keep: Option<usize>) -> Append {
    let now = Timestamp::parse(TIME).unwrap();
    let rotation = Some(Rotation { size: Some(130), every: None, keep, now });
    Append { rotation, ..append(path, lines, may_be_there) }
}

/// The lines of all files in the folder, sorted.
fn everything(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let mut lines: Vec<String> = files.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    lines.sort();
    lines
}

fn numbered(number: usize) -> String {
    format!(r#"{{"id":"01a20038-f1cf-7086-8aa5-{number:012}","title":"n"}}"#)
}

#[test]
fn a_file_is_put_away_before_it_is_too_long_and_nothing_is_lost_or_doubled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.ndjson");
    let mut keeper = Keeper::new(path.clone(), File::sync_data);
    let lines: Vec<String> = (0..9).map(numbered).collect();
    for line in &lines {
        write(&mut keeper, rotating(&path, &[line], false, None)).unwrap();
    }
    assert_eq!(everything(folder.path()), lines);
    let names = || std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names(), 5, "two lines a file");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", lines[8]));
    // Of three batches in doubt each is found, however many rotations ago it was written.
    for line in &lines {
        write(&mut keeper, rotating(&path, &[line], true, None)).unwrap();
    }
    assert_eq!((everything(folder.path()), names()), (lines, 5));
}

#[test]
fn a_crash_at_any_point_of_a_rotation_loses_and_doubles_nothing() {
    let away = "out.ndjson.20261122T030000.122Z";
    let [one, two, three] = [ONE, TWO, THREE].map(|line| format!("{line}\n"));
    for (point, files) in [
        ("before the rename", vec![("out.ndjson", one.clone() + &two)]),
        ("after the rename", vec![(away, one.clone() + &two)]),
        ("after the new file was made", vec![(away, one.clone() + &two), ("out.ndjson", String::new())]),
        ("within the new file", vec![(away, one.clone() + &two), ("out.ndjson", three[..50].to_owned())]),
        ("at its end", vec![(away, one.clone() + &two), ("out.ndjson", three.clone())]),
        ("by logrotate", vec![("out.ndjson.1", one.clone() + &two), ("out.ndjson", String::new())]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.ndjson");
        files.iter().for_each(|(name, text)| std::fs::write(folder.path().join(name), text).unwrap());
        // Two batches are in doubt: one from before the rotation, one from after it.
        for _ in 0..2 {
            let mut keeper = Keeper::new(path.clone(), File::sync_data);
            write(&mut keeper, rotating(&path, &[THREE], true, None)).unwrap();
            write(&mut keeper, rotating(&path, &[ONE, TWO], true, None)).unwrap();
        }
        let mut found = everything(folder.path());
        found.retain(|line| line.len() > 50);
        assert_eq!(found, [ONE, TWO, THREE].map(str::to_owned), "{point}");
    }
}

#[test]
fn the_file_of_another_destination_is_not_relied_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.ndjson");
    for other in ["out.ndjson.critical", "out-critical.ndjson", "out2.ndjson"] {
        std::fs::write(folder.path().join(other), format!("{ONE}\n")).unwrap();
    }
    let mut keeper = Keeper::new(path.clone(), File::sync_data);
    write(&mut keeper, append(&path, &[ONE], true)).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{ONE}\n"));
}

#[test]
fn the_newest_rotated_files_are_kept_and_a_new_day_begins_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.ndjson");
    let mut keeper = Keeper::new(path.clone(), File::sync_data);
    for number in 0..9 {
        write(&mut keeper, rotating(&path, &[&numbered(number)], false, Some(2))).unwrap();
    }
    assert_eq!(everything(folder.path()), (4..9).map(numbered).collect::<Vec<_>>());
    let tomorrow = Timestamp::from_millis(std::fs::metadata(&path).unwrap().mtime() * 1000 + 86_400_000);
    let every = Some(Duration::from_secs(86_400));
    let rotation = Some(Rotation { size: None, every, keep: Some(1), now: tomorrow });
    write(&mut keeper, Append { rotation, ..append(&path, &[ONE], false) }).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{ONE}\n"));
    assert_eq!(everything(folder.path()).len(), 2);
}

#[test]
fn a_file_that_cannot_be_put_away_is_written_on_and_tried_again_a_minute_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.ndjson");
    std::fs::write(&path, format!("{ONE}\n")).unwrap();
    let mut keeper = Keeper::new(path.clone(), File::sync_data);
    let rotation = rotating(&path, &[], false, None).rotation.unwrap();
    let file = keeper.file().unwrap();
    // Without the file the rename fails, as it does in a folder that must not be changed.
    let hidden = folder.path().join("hidden");
    std::fs::rename(&path, &hidden).unwrap();
    let file = keeper.rotated(file, &rotation).unwrap();
    assert_eq!(file.metadata().unwrap().len(), ONE.len() as u64 + 1);
    std::fs::rename(&hidden, &path).unwrap();
    let file = keeper.rotated(file, &rotation).unwrap();
    assert!(file.metadata().unwrap().len() > 0, "not within the minute");
    let later = Rotation { now: rotation.now.plus(ROTATES_AGAIN), ..rotation };
    assert_eq!(keeper.rotated(file, &later).unwrap().metadata().unwrap().len(), 0);
}

#[tokio::test]
async fn a_file_that_cannot_be_written_says_so() {
    let files = Files::default();
    let folder = tempfile::tempdir().unwrap();
    let reply = files.append(append(&folder.path().join("no/such/folder"), &[ONE], false)).await;
    assert!(matches!(reply, Reply::Failed(Fault { may_have_arrived: false, .. })), "{reply:?}");
}

//! Lines for files: appended, synced, and answered only then.
//!
//! Each file has one thread. It takes the lines that have gathered, writes them at once and syncs once for all of them.
//! A line that could not be written whole is truncated again, so that the file never holds a partial line between whole
//! ones. A file that was moved away (log rotation) is opened anew.
//!
//! After a failed sync the page cache holds what the disk may never get, and a later sync says nothing about it. The
//! lines are therefore truncated again and the file is opened anew, so that the next try writes them again. For the
//! same reason the end of a file is rewritten and synced before a line that an earlier process left there is relied on.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::destinations::{Append, Fault, Reply};
use crate::text::escape_json;

/// The files that are open.
#[derive(Clone, Debug, Default)]
pub struct Files(Arc<Mutex<HashMap<PathBuf, Sender<Job>>>>);

type Job = (Append, oneshot::Sender<Reply>);

impl Files {
    /// Appends a line and waits until it is synced.
    pub async fn append(&self, append: Append) -> Reply {
        let (answer, reply) = oneshot::channel();
        if let Err(error) = self.queue(append, answer) {
            return not_written(&error);
        }
        reply.await.unwrap_or_else(|_| maybe_written("the thread that writes the file ended"))
    }

    fn queue(&self, append: Append, answer: oneshot::Sender<Reply>) -> std::io::Result<()> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let job = match files.get(&append.path) {
            Some(lines) => match lines.send((append, answer)) {
                Ok(()) => return Ok(()),
                Err(returned) => returned.0,
            },
            None => (append, answer),
        };
        let (sender, receiver) = channel();
        let path = job.0.path.clone();
        let keeper = Keeper::new(path.clone(), File::sync_data);
        std::thread::Builder::new().name("file-writer".to_owned()).spawn(move || keeper.run(&receiver))?;
        // The receiver was made a moment ago: it takes the job.
        drop(sender.send(job));
        files.insert(path, sender);
        Ok(())
    }
}

/// One file and its thread.
struct Keeper<S> {
    path: PathBuf,
    open: Option<File>,
    /// Makes what was written durable.
    sync: S,
    /// After a failed sync, where what could not be cut off again begins, and in which file (its inode).
    unsynced: Option<(u64, u64)>,
    /// The end of the file is known to be on the disk.
    is_end_synced: bool,
}

impl<S: Fn(&File) -> std::io::Result<()>> Keeper<S> {
    fn new(path: PathBuf, sync: S) -> Self {
        Self { path, open: None, sync, unsynced: None, is_end_synced: false }
    }

    fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut batch = vec![first];
            batch.extend(jobs.try_iter().take(BATCH_LINES_MAX - 1));
            let reply = self.write(&batch);
            for (_, answer) in batch {
                // The caller may have stopped waiting; the line is written nevertheless.
                drop(answer.send(match &reply {
                    Ok(()) => Reply::Appended,
                    Err(fault) => Reply::Failed(fault.clone()),
                }));
            }
        }
    }

    fn write(&mut self, batch: &[Job]) -> Result<(), Fault> {
        let lines = batch.iter().map(|(append, _)| append);
        if self.path == Path::new("-") {
            return write_to_stdout(lines);
        }
        let mut file = self.file().map_err(|error| fault(false, &error))?;
        let tail = match lines.clone().any(|append| append.unless_present.is_some()) {
            true => self.synced_tail_of(&mut file).map_err(|error| fault(false, &error))?,
            false => String::new(),
        };
        let missing = lines.filter(|append| !is_present(append, &tail));
        let text: Vec<u8> = missing.flat_map(|append| append.line.iter().copied().chain([b'\n'])).collect();
        let before = file.metadata().map_err(|error| fault(false, &error))?.len();
        if let Err(error) = file.write_all(&text) {
            return Err(self.undo(&file, before, &error));
        }
        if let Err(error) = (self.sync)(&file) {
            self.distrust(&file, before);
            return Err(fault(true, &error));
        }
        self.open = Some(file);
        Ok(())
    }

    /// Cuts off what could not be synced, now or when the file is opened again.
    fn distrust(&mut self, file: &File, before: u64) {
        self.is_end_synced = false;
        if file.set_len(before).is_err() {
            self.unsynced = file.metadata().ok().map(|metadata| (metadata.ino(), before));
        }
    }

    /// The last lines of the file, which are on the disk.
    fn synced_tail_of(&mut self, file: &mut File) -> std::io::Result<String> {
        let (start, tail) = tail_of(file)?;
        if !self.is_end_synced {
            // Not by the handle that appends: that one cannot write anywhere else.
            let place = OpenOptions::new().write(true).open(&self.path)?;
            if place.metadata()?.ino() == file.metadata()?.ino() {
                place.write_all_at(&tail, start)?;
            }
            (self.sync)(file)?;
            self.is_end_synced = true;
        }
        Ok(String::from_utf8_lossy(&tail).into_owned())
    }

    /// The open file, or a new one where it has never been opened or was moved away.
    fn file(&mut self) -> std::io::Result<File> {
        if let Some(file) = self.open.take()
            && std::fs::metadata(&self.path).is_ok_and(|now| file.metadata().is_ok_and(|open| now.ino() == open.ino()))
        {
            return Ok(file);
        }
        let mut file = OpenOptions::new().create(true).read(true).append(true).mode(0o640).open(&self.path)?;
        self.is_end_synced = false;
        let metadata = file.metadata()?;
        if let Some((inode, synced)) = self.unsynced
            && metadata.ino() == inode
            && metadata.len() > synced
        {
            file.set_len(synced)?;
        }
        self.unsynced = None;
        seal(&mut file)?;
        Ok(file)
    }

    /// Cuts half-written lines off again.
    fn undo(&self, file: &File, before: u64, error: &std::io::Error) -> Fault {
        let undone = file.set_len(before).is_ok();
        fault(!undone, error)
    }
}

/// A file that ends within a line (a power cut) gets an end of line first, so that the next line is whole.
fn seal(file: &mut File) -> std::io::Result<()> {
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::Start(length - 1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last[0] == b'\n' { Ok(()) } else { file.write_all(b"\n") }
}

/// The last lines of the file, where a line of an interrupted try would stand, and where they begin.
fn tail_of(file: &mut File) -> std::io::Result<(u64, Vec<u8>)> {
    let start = file.metadata()?.len().saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail)?;
    Ok((start, tail))
}

/// Whether the line stands whole in the tail. A process that was killed while it wrote leaves the beginning of a line,
/// mark and all; that is not the line.
fn is_present(append: &Append, tail: &str) -> bool {
    let Some(mark) = &append.unless_present else { return false };
    tail.match_indices(mark.as_str()).any(|(at, _)| {
        let start = tail[..at].rfind('\n').map_or(0, |end| end + 1);
        let end = tail[at..].find('\n').map_or(tail.len(), |length| at + length);
        let found = &tail.as_bytes()[start..end];
        found.len() >= append.line.len() || !append.line.starts_with(found)
    })
}

/// Characters that JSON allows in a text but that a terminal would interpret are escaped, which changes nothing for
/// parsers.
fn write_to_stdout<'a>(lines: impl Iterator<Item = &'a Append>) -> Result<(), Fault> {
    let mut out = std::io::stdout().lock();
    let is_terminal = out.is_terminal();
    for append in lines {
        let line = match is_terminal {
            true => Cow::Owned(escape_json(&String::from_utf8_lossy(&append.line)).into_bytes()),
            false => Cow::Borrowed(append.line.as_ref()),
        };
        out.write_all(&line).and_then(|()| out.write_all(b"\n")).map_err(|error| fault(true, &error))?;
    }
    out.flush().map_err(|error| fault(true, &error))
}

fn fault(may_have_arrived: bool, error: &std::io::Error) -> Fault {
    Fault { may_have_arrived, detail: error.to_string() }
}

fn not_written(error: &std::io::Error) -> Reply {
    Reply::Failed(fault(false, error))
}

fn maybe_written(detail: &str) -> Reply {
    Reply::Failed(Fault { may_have_arrived: true, detail: detail.to_owned() })
}

const BATCH_LINES_MAX: usize = 1024;
/// As much as can have been written since an interrupted try, many times over.
const TAIL_BYTES: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn line(path: &Path, text: &str, unless_present: Option<&str>) -> Append {
        Append {
            path: path.to_owned(),
            line: bytes::Bytes::from(text.to_owned()),
            unless_present: unless_present.map(str::to_owned),
        }
    }

    #[tokio::test]
    async fn lines_are_appended_once_and_survive_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.ndjson");
        std::fs::write(&path, "torn").unwrap();
        let files = Files::default();
        assert!(matches!(files.append(line(&path, "one", None)).await, Reply::Appended));
        assert!(matches!(files.append(line(&path, "one", Some("one"))).await, Reply::Appended));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "torn\none\n");
        std::fs::rename(&path, folder.path().join("old")).unwrap();
        assert!(matches!(files.append(line(&path, "two", None)).await, Reply::Appended));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\n");
    }

    #[tokio::test]
    async fn a_line_that_was_torn_is_written_again_and_a_whole_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.ndjson");
        let whole = "{\"id\":\"mark\",\"title\":\"x\"}";
        std::fs::write(&path, &whole[..18]).unwrap();
        let files = Files::default();
        for _ in 0..2 {
            assert!(matches!(files.append(line(&path, whole, Some("mark"))).await, Reply::Appended));
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n{whole}\n", &whole[..18]));
    }

    /// Writes one line by a keeper, as a batch of its own.
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
        write(&mut keeper, line(&path, "one", None)).unwrap();
        fails.set(true);
        let fault = write(&mut keeper, line(&path, "two", None)).unwrap_err();
        assert!(fault.may_have_arrived);
        assert_eq!(shown(), "one\n", "the page cache must not show what the disk may never get");
        assert!(keeper.open.is_none(), "a handle that has failed to sync is not used again");
        // While the disk fails, the end of the file cannot be relied on either.
        assert!(write(&mut keeper, line(&path, "two", Some("two"))).is_err());
        fails.set(false);
        write(&mut keeper, line(&path, "two", Some("two"))).unwrap();
        write(&mut keeper, line(&path, "two", Some("two"))).unwrap();
        assert_eq!(shown(), "one\ntwo\n");
    }

    #[test]
    fn what_could_not_be_cut_off_after_a_failed_sync_is_cut_off_when_the_file_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.ndjson");
        std::fs::write(&path, "one\ntwo\n").unwrap();
        let inode = std::fs::metadata(&path).unwrap().ino();
        let mut keeper = Keeper { unsynced: Some((inode, 4)), ..Keeper::new(path.clone(), File::sync_data) };
        write(&mut keeper, line(&path, "three", None)).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\nthree\n", "what did not reach the disk is not kept");
        assert!(keeper.unsynced.is_none());
        // Another file in its place is left as it is.
        let mut keeper = Keeper { unsynced: Some((inode + 1, 4)), ..Keeper::new(path.clone(), File::sync_data) };
        write(&mut keeper, line(&path, "four", None)).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\nthree\nfour\n");
    }

    #[test]
    fn what_an_earlier_process_left_is_synced_before_it_is_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.ndjson");
        std::fs::write(&path, "one\n").unwrap();
        let syncs = std::cell::Cell::new(0);
        let sync = |_: &File| {
            syncs.set(syncs.get() + 1);
            if syncs.get() == 1 { Err(std::io::Error::from_raw_os_error(5)) } else { Ok(()) }
        };
        let mut keeper = Keeper::new(path.clone(), sync);
        assert!(write(&mut keeper, line(&path, "one", Some("one"))).is_err(), "its own sync failed");
        write(&mut keeper, line(&path, "one", Some("one"))).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\n");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_says_so() {
        let files = Files::default();
        let folder = tempfile::tempdir().unwrap();
        let reply = files.append(line(&folder.path().join("no/such/folder"), "x", None)).await;
        assert!(matches!(reply, Reply::Failed(Fault { may_have_arrived: false, .. })), "{reply:?}");
    }
}

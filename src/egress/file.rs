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

use crate::destinations::{Append, Fault, Line, Reply};
use crate::text::escape_json;

/// The files that are open.
#[derive(Clone, Debug, Default)]
pub struct Files(Arc<Mutex<HashMap<PathBuf, Sender<Job>>>>);

type Job = (Append, oneshot::Sender<Reply>);

impl Files {
    /// Appends lines and waits until they are synced.
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
            let mut length = length_of(&first);
            let mut batch = vec![first];
            while length < Append::BYTES_MAX
                && let Ok(next) = jobs.try_recv()
            {
                length += length_of(&next);
                batch.push(next);
            }
            let reply = self.write(&batch);
            for (_, answer) in batch {
                // The caller may have stopped waiting; the lines are written nevertheless.
                drop(answer.send(match &reply {
                    Ok(()) => Reply::Appended,
                    Err(fault) => Reply::Failed(fault.clone()),
                }));
            }
        }
    }

    fn write(&mut self, batch: &[Job]) -> Result<(), Fault> {
        let appends = || batch.iter().map(|(append, _)| append);
        if self.path == Path::new("-") {
            return write_to_stdout(appends().flat_map(|append| &append.lines));
        }
        let mut file = self.file().map_err(|error| fault(false, &error))?;
        let tail = match appends().any(|append| append.may_be_there) {
            true => self.synced_tail_of(&mut file).map_err(|error| fault(false, &error))?,
            false => String::new(),
        };
        let tail = Tail::of(&tail);
        let mut text = Vec::with_capacity(batch.iter().map(length_of).sum());
        for append in appends() {
            for line in append.lines.iter().filter(|line| !append.may_be_there || !tail.holds(line)) {
                text.extend_from_slice(&line.text);
                text.push(b'\n');
            }
        }
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

/// The end of a file, by the ids that its lines hold: a batch has thousands of lines, and searching for each would read the
/// end of the file as often.
struct Tail<'t> {
    lines: HashMap<&'t str, Vec<&'t str>>,
}

impl<'t> Tail<'t> {
    fn of(text: &'t str) -> Self {
        let mut lines: HashMap<&str, Vec<&str>> = HashMap::new();
        for line in text.split('\n') {
            for (start, _) in line.match_indices('"') {
                let id = line.get(start + 1..start + 1 + ID_CHARS);
                if let Some(id) = id.filter(|id| is_like_an_id(id)) {
                    lines.entry(id).or_default().push(line);
                }
            }
        }
        Self { lines }
    }

    /// Whether the line stands there whole. A process that was killed while it wrote leaves the beginning of a line, id and
    /// all; that is not the line.
    fn holds(&self, line: &Line) -> bool {
        let found = self.lines.get(line.id.to_string().as_str()).into_iter().flatten();
        found.into_iter().any(|found| found.len() >= line.text.len() || !line.text.starts_with(found.as_bytes()))
    }
}

fn is_like_an_id(text: &str) -> bool {
    text.bytes().enumerate().all(|(place, byte)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

/// How many bytes the lines of a job take.
fn length_of((append, _): &Job) -> usize {
    append.lines.iter().map(|line| line.text.len() + 1).sum()
}

/// Characters that JSON allows in a text but that a terminal would interpret are escaped, which changes nothing for
/// parsers.
fn write_to_stdout<'a>(lines: impl Iterator<Item = &'a Line>) -> Result<(), Fault> {
    let mut out = std::io::stdout().lock();
    let is_terminal = out.is_terminal();
    for line in lines {
        let line = match is_terminal {
            true => Cow::Owned(escape_json(&String::from_utf8_lossy(&line.text)).into_bytes()),
            false => Cow::Borrowed(line.text.as_ref()),
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

/// A UUID as text.
const ID_CHARS: usize = 36;
/// Four times as much as an interrupted try can have left, unless its lines are longer than the events are as they are stored.
const TAIL_BYTES: u64 = 4 * Append::BYTES_MAX as u64;

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"{"id":"01a20038-f1cf-7086-8aa5-000000000001","title":"one"}"#;
    const TWO: &str = r#"{"id":"01a20038-f1cf-7086-8aa5-000000000002","title":"two"}"#;
    const THREE: &str = r#"{"id":"01a20038-f1cf-7086-8aa5-000000000003","title":"three"}"#;

    fn append(path: &Path, lines: &[&str], may_be_there: bool) -> Append {
        let line =
            |text: &&str| Line { id: text[7..43].parse().unwrap(), text: bytes::Bytes::from((*text).to_owned()) };
        Append { path: path.to_owned(), lines: lines.iter().map(line).collect(), may_be_there }
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
        let text =
            |n: usize| format!(r#"{{"id":"01a20038-f1cf-7086-8aa5-{n:012}","title":"{}"}}"#, "\"x".repeat(n % 90));
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

    #[tokio::test]
    async fn a_file_that_cannot_be_written_says_so() {
        let files = Files::default();
        let folder = tempfile::tempdir().unwrap();
        let reply = files.append(append(&folder.path().join("no/such/folder"), &[ONE], false)).await;
        assert!(matches!(reply, Reply::Failed(Fault { may_have_arrived: false, .. })), "{reply:?}");
    }
}

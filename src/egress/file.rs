//! Lines for files: appended, synced, and answered only then.
//!
//! Each file has one thread. It takes the lines that have gathered, writes them at once and syncs once for all of them.
//! A line that could not be written whole is truncated again, so that the file never holds a partial line between whole
//! ones. A file that was moved away (log rotation) is opened anew, and where the settings say so it is put away here.
//!
//! A line that may be there already is searched for at the end of the file and, as far as that is shorter, at the end of those
//! that were this file before: the process may have died between the line and a rotation, or between a rotation and the line.
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
use std::time::Duration;

use tokio::sync::oneshot;

use super::rotation;
use crate::destinations::{Append, Fault, Line, Reply, Rotation};
use crate::domain::Timestamp;
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
    /// After a rotation that failed, when the next one is tried.
    rotates_again_at: Option<Timestamp>,
}

impl<S: Fn(&File) -> std::io::Result<()>> Keeper<S> {
    fn new(path: PathBuf, sync: S) -> Self {
        Self { path, open: None, sync, unsynced: None, is_end_synced: false, rotates_again_at: None }
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
        // Before the search, which changes the time of the last change.
        let was = file.metadata().map_err(|error| fault(false, &error))?;
        let tails = match appends().any(|append| append.may_be_there) {
            true => self.synced_tails(&mut file).map_err(|error| fault(false, &error))?,
            false => Vec::new(),
        };
        let tails: Vec<Tail<'_>> = tails.iter().map(|text| Tail::of(text)).collect();
        let is_there = |line: &Line| tails.iter().any(|tail| tail.holds(line));
        let mut text = Vec::with_capacity(batch.iter().map(length_of).sum());
        for append in appends() {
            for line in append.lines.iter().filter(|line| !append.may_be_there || !is_there(line)) {
                text.extend_from_slice(&line.text);
                text.push(b'\n');
            }
        }
        let rotation = appends().find_map(|append| append.rotation);
        if let Some(rotation) = rotation
            && !text.is_empty()
            && rotation::is_due(&rotation, &was, u64::try_from(text.len()).unwrap_or(u64::MAX))
        {
            file = self.rotated(file, &rotation).map_err(|error| fault(false, &error))?;
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

    /// A new file in the place of this one, or this one where it cannot be put away: what is too long is better than what is
    /// missing.
    fn rotated(&mut self, file: File, rotation: &Rotation) -> std::io::Result<File> {
        if self.rotates_again_at.is_some_and(|again| rotation.now < again) {
            return Ok(file);
        }
        if let Err(error) = rotation::put_away(&self.path, rotation.now) {
            let path = self.path.display();
            tracing::warn!(%path, %error, "a file cannot be rotated; it is written on");
            self.rotates_again_at = Some(rotation.now.plus(ROTATES_AGAIN));
            return Ok(file);
        }
        self.rotates_again_at = None;
        drop(file);
        let new = self.file()?;
        if let Some(keep) = rotation.keep
            && let Err(error) = rotation::delete_but(&self.path, keep)
        {
            let path = self.path.display();
            tracing::warn!(%path, %error, "a rotated file cannot be deleted; the next rotation tries again");
        }
        Ok(new)
    }

    /// The last lines of the file and of those that were this file before, which are on the disk; together as long as what an
    /// interrupted try can have left.
    fn synced_tails(&mut self, file: &mut File) -> std::io::Result<Vec<String>> {
        let mut tails = vec![self.synced_tail_of(file)?];
        // A folder may be closed to readers.
        for earlier in rotation::earlier(&self.path).unwrap_or_default() {
            let found: u64 = tails.iter().map(|tail| tail.len() as u64).sum();
            let Some(wanted) = TAIL_BYTES.checked_sub(found).filter(|wanted| *wanted > 0) else { break };
            // One that has gone or cannot be made durable is not relied on: better a line twice than never.
            tails.extend(self.synced_tail_of_earlier(&earlier, wanted));
        }
        Ok(tails)
    }

    /// The last lines of a file that was put away, which are on the disk then. The time of its last change stays: it tells
    /// which is the newest.
    fn synced_tail_of_earlier(&self, path: &Path, wanted: u64) -> std::io::Result<String> {
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let modified = file.metadata()?.modified()?;
        let (start, tail) = tail_of(&mut file, wanted)?;
        file.write_all_at(&tail, start)?;
        (self.sync)(&file)?;
        file.set_modified(modified)?;
        Ok(String::from_utf8_lossy(&tail).into_owned())
    }

    /// The last lines of the file, which are on the disk.
    fn synced_tail_of(&mut self, file: &mut File) -> std::io::Result<String> {
        let (start, tail) = tail_of(file, TAIL_BYTES)?;
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
        if metadata.is_file() && metadata.len() == 0 {
            // Lines in a file whose name is not on the disk are lost with it, and so is what a rotation has renamed.
            rotation::sync_folder(&self.path)?;
        }
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
fn tail_of(file: &mut File, wanted: u64) -> std::io::Result<(u64, Vec<u8>)> {
    let start = file.metadata()?.len().saturating_sub(wanted);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.take(wanted).read_to_end(&mut tail)?;
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
/// After a rotation that failed.
const ROTATES_AGAIN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;

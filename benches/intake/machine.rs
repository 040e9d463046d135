//! The machine that the figures were measured on: they mean nothing without it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use gatepost::store::{Access, SqliteStore};

/// Machine, disk and the settings that decide durability, and the command, as lines of text.
pub fn description(words: &str) -> Result<String, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let command = if words.is_empty() { String::new() } else { format!("GATEPOST_BENCH={words} ") };
    let cpu = first_value("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
    let cores = std::thread::available_parallelism()?;
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let data = sync_cost(folder.path(), File::sync_data)?;
    let all = sync_cost(folder.path(), File::sync_all)?;
    Ok(format!(
        "command: {command}cargo bench --bench intake\ndate: {}\ncpu: {cores} x {cpu}, Linux {}\ndisk: {}; 4 KiB written over and synced, p50: fdatasync {data:.0} us, \
         fsync {all:.0} us\nstore: SQLite {}, {}, built with {}\n",
        jiff::Timestamp::now(),
        kernel.trim(),
        disk_of(folder.path()),
        rusqlite::version(),
        settings(folder.path())?,
        option_env!("LIBSQLITE3_FLAGS").unwrap_or("no flags of its own (fsync)"),
    ))
}

/// What a section cannot do without.
#[derive(Clone, Copy, Debug)]
pub struct Needs {
    /// The load has one to itself.
    pub cores: usize,
    /// For stores, in gigabytes.
    pub disk_gb: f64,
}

impl Needs {
    /// What the machine lacks of it, as a sentence.
    pub fn lacking(self) -> io::Result<Option<String>> {
        let Self { cores, disk_gb } = self;
        let folder = rustix::fs::statvfs(env!("CARGO_TARGET_TMPDIR"))?;
        let (free_gb, have) =
            (folder.f_bavail as f64 * folder.f_frsize as f64 / 1e9, std::thread::available_parallelism()?.get());
        Ok(match (have < cores, free_gb < disk_gb) {
            (true, _) => Some(format!("it needs {cores} processors, there is {have}")),
            (_, true) => Some(format!("it needs {disk_gb} GB of disk, {free_gb:.1} GB are free")),
            _ => None,
        })
    }
}

/// What a process has in memory.
#[derive(Clone, Copy)]
pub struct Memory {
    /// Resident now, in bytes.
    pub now: f64,
    /// The most that was ever resident.
    pub most: f64,
}

/// What a process has in memory.
pub fn memory_of(process: u32) -> io::Result<Memory> {
    let file = format!("/proc/{process}/status");
    let bytes = |key| {
        let value = first_value(&file, key)?;
        Some(value.split(' ').next()?.parse::<f64>().ok()? * 1_024.0)
    };
    let both = bytes("VmRSS").zip(bytes("VmHWM"));
    both.map(|(now, most)| Memory { now, most }).ok_or_else(|| io::Error::other(format!("{file} does not say it")))
}

/// The median time in milliseconds to write 4 KiB over what is there and sync it, now.
pub fn fsync_ms() -> io::Result<f64> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    Ok(sync_cost(folder.path(), File::sync_all)? / 1e3)
}

/// The processor time that a process has used; `self` is this one.
pub fn cpu_of(process: &str) -> io::Result<Duration> {
    cpu_in(Path::new(&format!("/proc/{process}/stat")))
}

/// The processor time in a `stat` of a process or of a thread.
pub fn cpu_in(file: &Path) -> io::Result<Duration> {
    let stat = std::fs::read_to_string(file)?;
    // The second field is the name in parentheses and may hold blanks; utime and stime are the 14th and 15th.
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    Ok(ticks(fields.split(' ').skip(11).take(2)))
}

/// The processor time that everything on the machine has used.
pub fn busy() -> io::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    // user, nice and system of all cores; then idle and iowait, which are idle time; then irq and softirq.
    let fields: Vec<&str> = stat.lines().next().unwrap_or_default().split_whitespace().collect();
    Ok(ticks([1, 2, 3, 6, 7].into_iter().filter_map(|index| fields.get(index).copied())))
}

/// Linux counts processor time in hundredths of a second wherever gatepost runs.
fn ticks<'f>(fields: impl Iterator<Item = &'f str>) -> Duration {
    Duration::from_millis(fields.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>() * 10)
}

fn first_value(file: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The mount that holds the folder.
fn disk_of(folder: &Path) -> String {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let holding = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let (device, place, kind) = (fields.next()?, fields.next()?, fields.next()?);
        folder.starts_with(place).then(|| (place.len(), format!("{device} ({kind})")))
    });
    holding.max().map_or_else(|| "unknown".to_owned(), |(_, disk)| disk)
}

/// The median time in microseconds to write 4 KiB over what is there and sync it.
fn sync_cost(folder: &Path, sync: fn(&File) -> io::Result<()>) -> io::Result<f64> {
    let file = File::create(folder.join("probe"))?;
    file.write_all_at(&vec![1; 1 << 20], 0)?;
    file.sync_all()?;
    let mut costs = Vec::new();
    for step in 0..300_u64 {
        let begun = Instant::now();
        file.write_all_at(&[u8::try_from(step % 251).unwrap_or(0); 4_096], step % 256 * 4_096)?;
        sync(&file)?;
        costs.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    costs.sort_unstable_by(f64::total_cmp);
    Ok(costs[costs.len() / 2])
}

/// Page size and journal as a store of gatepost has them. `synchronous` belongs to a connection: gatepost reads it back
/// and does not start unless it is FULL.
fn settings(folder: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let path = folder.join("settings.db");
    SqliteStore::open(&path, Access::Serve)?.close();
    let connection = rusqlite::Connection::open(&path)?;
    let journal: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    let page: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    Ok(format!("journal_mode={journal}, synchronous=FULL, page_size={page}"))
}

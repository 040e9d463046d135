//! Rotated files: when a file is put away, under which name, and which ones lie beside it.
//!
//! Nothing is kept in memory or in a file of its own: whether a file is full or of an earlier period is read from its length
//! and from the time of its last change, and what was put away is recognized by its name. A process that dies between any two
//! steps leaves a folder in which the next one goes on.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::destinations::Rotation;
use crate::domain::Timestamp;

/// Whether the file is to be put away before `more` bytes are appended: it would become too long, or it was last written in an
/// earlier period. Periods are multiples of `every` since 1970 in UTC, so that a day ends at midnight.
pub fn is_due(rotation: &Rotation, file: &Metadata, more: u64) -> bool {
    if !file.is_file() || file.len() == 0 {
        return false;
    }
    let period =
        |millis: i64, every: Duration| millis.div_euclid(i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1));
    let changed = file.mtime().saturating_mul(1000).saturating_add(file.mtime_nsec() / 1_000_000);
    let is_full = rotation.size.is_some_and(|size| file.len().saturating_add(more) > size);
    let is_of_earlier =
        rotation.every.is_some_and(|every| period(changed, every) < period(rotation.now.as_millis(), every));
    is_full || is_of_earlier
}

/// Puts the file away: beside itself, under its name and the present time. A link stays, and what it leads to is put away.
/// Where an earlier one has this time or a later one, as after a clock was set back, the time is a millisecond after that:
/// names are in the order of rotation.
///
/// # Errors
/// Where the folder cannot be changed. The file is then where it was.
pub fn put_away(path: &Path, now: Timestamp) -> io::Result<()> {
    let path = std::fs::canonicalize(path)?;
    let newest = put_away_before(&path)?.pop().and_then(|name| time_of(&path, &name));
    let time = newest.map_or(now, |newest| now.max(newest.plus(Duration::from_millis(1))));
    std::fs::rename(&path, with_suffix(&path, &suffix(time)))
}

/// Deletes all but the newest `keep` of those that [`put_away`] has put away.
///
/// # Errors
/// Where one cannot be deleted; the next rotation tries again.
pub fn delete_but(path: &Path, keep: usize) -> io::Result<()> {
    let path = std::fs::canonicalize(path)?;
    let away = put_away_before(&path)?;
    let surplus = away.len().saturating_sub(keep);
    away.iter().take(surplus).try_for_each(|name| std::fs::remove_file(path.with_file_name(name)))
}

/// The files that were this one before, the newest first, renamed by gatepost or by another program: `events.ndjson.20261122T000000.000Z` here,
/// `events.ndjson.1`, `events.ndjson-20261122` and `events-20261122.ndjson` by logrotate. Nothing but digits tells them from
/// this one, so that the file of another destination is none of them.
///
/// # Errors
/// Where the folder cannot be read.
pub fn earlier(path: &Path) -> io::Result<Vec<PathBuf>> {
    let path = std::fs::canonicalize(path)?;
    let mut found = Vec::new();
    for name in names_beside(&path)?.into_iter().filter(|name| is_earlier(&path, name)) {
        let file = path.with_file_name(name);
        // One that has gone meanwhile is of no interest.
        let Ok(metadata) = std::fs::symlink_metadata(&file) else { continue };
        if metadata.is_file() {
            found.push((metadata.mtime(), metadata.mtime_nsec(), file));
        }
    }
    found.sort();
    Ok(found.into_iter().rev().map(|(_, _, file)| file).collect())
}

/// Makes the names in the folder of a file durable.
///
/// # Errors
/// Where the disk fails. A folder that cannot be synced at all is none.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let path = std::fs::canonicalize(path)?;
    let Some(folder) = path.parent() else { return Ok(()) };
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error) if NOT_SYNCED.contains(&error.kind()) => Ok(()),
        synced => synced,
    }
}

fn names_beside(path: &Path) -> io::Result<Vec<String>> {
    let Some(folder) = path.parent() else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}

fn is_earlier(path: &Path, name: &str) -> bool {
    let text = |part: Option<&OsStr>| part.and_then(OsStr::to_str).map(str::to_owned).unwrap_or_default();
    let (whole, stem, extension) = (text(path.file_name()), text(path.file_stem()), text(path.extension()));
    let behind = |rest: &str| {
        let rest = rest.strip_prefix(['.', '-']).unwrap_or_default();
        rest.starts_with(|c: char| c.is_ascii_digit())
            && rest.bytes().all(|byte| byte.is_ascii_digit() || b"TZ.-".contains(&byte))
    };
    let within = || name.strip_prefix(&stem)?.strip_suffix(&format!(".{extension}"));
    name.strip_prefix(&whole).is_some_and(behind) || (!extension.is_empty() && within().is_some_and(behind))
}

/// The names that [`put_away`] has made, in their order.
fn put_away_before(path: &Path) -> io::Result<Vec<String>> {
    let mut names = names_beside(path)?;
    names.retain(|name| time_of(path, name).is_some());
    names.sort();
    Ok(names)
}

/// The time in a name that [`put_away`] has made.
fn time_of(path: &Path, name: &str) -> Option<Timestamp> {
    let found = name.strip_prefix(path.file_name()?.to_str()?)?.strip_prefix('.')?;
    let time = Timestamp::parse(found)?;
    (suffix(time) == format!(".{found}")).then_some(time)
}

/// `.20261122T030000.123Z`
fn suffix(time: Timestamp) -> String {
    format!(".{}", time.to_string().replace(['-', ':'], ""))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut whole = path.as_os_str().to_owned();
    whole.push(suffix);
    whole.into()
}

/// What file systems say that have nothing to sync, and folders that may be written and not read.
const NOT_SYNCED: [io::ErrorKind; 3] =
    [io::ErrorKind::InvalidInput, io::ErrorKind::Unsupported, io::ErrorKind::PermissionDenied];

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn rotation(size: Option<u64>, every: Option<u64>, now: &str) -> Rotation {
        Rotation { size, every: every.map(Duration::from_secs), keep: None, now: at(now) }
    }

    #[test]
    fn a_file_is_due_when_it_is_full_or_of_an_earlier_period() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.ndjson");
        std::fs::write(&path, "0123456789").unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        let millis = u64::try_from(at("2026-11-21T23:59:59.999Z").as_millis()).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_millis(millis)).unwrap();
        let metadata = file.metadata().unwrap();
        let day = Some(86_400);
        for (size, every, now, more, wanted) in [
            (Some(15), None, "2030-01-01T00:00:00Z", 5, false),
            (Some(15), None, "2026-11-21T23:59:59.999Z", 6, true),
            (None, day, "2026-11-21T23:59:59.999Z", 1 << 30, false),
            (None, day, "2026-11-22T00:00:00Z", 0, true),
            (None, day, "2026-11-01T00:00:00Z", 0, false),
            (Some(1000), Some(3600), "2026-11-22T00:00:00Z", 1, true),
            (None, None, "2030-01-01T00:00:00Z", 1, false),
        ] {
            assert_eq!(is_due(&rotation(size, every, now), &metadata, more), wanted, "{size:?} {every:?} {now} {more}");
        }
        std::fs::write(&path, "").unwrap();
        let empty = std::fs::metadata(&path).unwrap();
        assert!(
            !is_due(&rotation(Some(1), day, "2099-01-01T00:00:00Z"), &empty, 99),
            "an empty file is never put away"
        );
    }

    #[test]
    fn only_what_was_this_file_counts_as_earlier() {
        let path = Path::new("/x/events.ndjson");
        for name in [
            "events.ndjson.20261122T030000.123Z",
            "events.ndjson.1",
            "events.ndjson-20261122",
            "events-20261122.ndjson",
            "events.1.ndjson",
        ] {
            assert!(is_earlier(path, name), "{name}");
        }
        for name in [
            "events.ndjson",
            "events.ndjson.critical",
            "events.ndjson.1.gz",
            "events-critical.ndjson",
            "events2.ndjson",
            "other.ndjson.1",
            "events.ndjson.",
            "events..ndjson",
        ] {
            assert!(!is_earlier(path, name), "{name}");
        }
        assert_eq!(time_of(path, "events.ndjson.20261122T030000.123Z"), Some(at("2026-11-22T03:00:00.123Z")));
        for name in
            ["events.ndjson.20261122", "events.ndjson.1", "events.ndjson.20261122T030000Z", "x.20261122T030000.123Z"]
        {
            assert_eq!(time_of(path, name), None, "{name}");
        }
    }

    #[test]
    fn names_tell_the_time_none_is_overwritten_and_the_newest_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.ndjson");
        for (number, time) in
            ["2026-11-22T03:00:00.123Z", "2026-11-22T03:00:00.123Z", "2026-11-23T00:00:00Z"].iter().enumerate()
        {
            std::fs::write(&path, number.to_string()).unwrap();
            put_away(&path, at(time)).unwrap();
        }
        std::fs::write(&path, "now").unwrap();
        std::fs::write(folder.path().join("events.ndjson.1"), "not ours").unwrap();
        delete_but(&path, 2).unwrap();
        let mut names: Vec<String> = names_beside(&std::fs::canonicalize(&path).unwrap()).unwrap();
        names.sort();
        let wanted = [
            "events.ndjson",
            "events.ndjson.1",
            "events.ndjson.20261122T030000.124Z",
            "events.ndjson.20261123T000000.000Z",
        ];
        assert_eq!(names, wanted);
        assert_eq!(std::fs::read_to_string(folder.path().join(wanted[2])).unwrap(), "1");
    }

    #[test]
    fn a_link_stays_and_what_it_leads_to_is_put_away() {
        let folder = tempfile::tempdir().unwrap();
        let (link, target) = (folder.path().join("link"), folder.path().join("events.ndjson"));
        std::os::unix::fs::symlink("events.ndjson", &link).unwrap();
        std::fs::write(&target, "x").unwrap();
        put_away(&link, at("2026-11-22T03:00:00Z")).unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink() && !target.exists());
        assert!(folder.path().join("events.ndjson.20261122T030000.000Z").exists());
        assert!(put_away(&link, at("2026-11-22T03:00:00Z")).is_err(), "nothing is there any more");
    }
}

//! A model of a disk that may lose power: what is on it for certain, what may be on it, and the states a cut may leave.
//!
//! - A write is on the disk for certain once a sync of its file that began after it has ended well. Until then each of
//!   its sectors of 512 bytes may be there or not, in any order; a sector is as it was at some moment, never mixed.
//! - The length of a file grows with what is written or later; a file that was cut short may still be long.
//! - A name that was made or taken away is so for certain once the folder has been synced.
//! - After a sync that failed, the system takes the pages for clean: they never come to the disk, unless they are
//!   written once more and synced. Readers see them all the same.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::dice::Dice;

/// The disk. Files go by name.
#[derive(Default)]
pub struct DiskModel {
    names: BTreeMap<String, Name>,
    files: Vec<File>,
}

/// Something that happens to it. `at` is a moment: what began later than another ended is known to be later.
#[derive(Clone, Debug)]
pub enum Deed {
    /// A name appears, or stays.
    Created,
    /// A name goes.
    Removed,
    /// Bytes are written. `call` names the write until it has returned.
    Write { call: usize, offset: usize, bytes: std::sync::Arc<Vec<u8>> },
    /// The file is cut or lengthened.
    Resize { call: usize, length: usize },
    /// The write or cut has returned.
    Returned { call: usize, at: usize },
    /// A sync has returned well: what had returned before it began is there for certain.
    Synced { begun: usize },
    /// A sync has failed.
    SyncFailed { begun: usize },
}

#[derive(Default)]
struct Name {
    /// Which file has it, for certain.
    settled: Option<usize>,
    /// Which may have it, oldest first.
    unsettled: Vec<Option<usize>>,
}

#[derive(Default)]
struct File {
    certain: Vec<u8>,
    changes: Vec<Change>,
}

#[derive(Clone)]
struct Change {
    call: usize,
    returned: Option<usize>,
    what: What,
}

#[derive(Clone)]
enum What {
    /// Bytes within one page of the system's cache.
    Piece {
        offset: usize,
        bytes: Vec<u8>,
        is_forgotten: bool,
    },
    Length(usize),
}

/// A file as a cut leaves it.
pub type Image = (String, Vec<u8>);

impl DiskModel {
    pub fn suffer(&mut self, name: &str, deed: &Deed) {
        match deed {
            Deed::Created if self.current(name).is_some() => {}
            Deed::Created => {
                self.files.push(File::default());
                let file = self.files.len() - 1;
                self.names.entry(name.to_owned()).or_default().unsettled.push(Some(file));
            }
            Deed::Removed => self.names.entry(name.to_owned()).or_default().unsettled.push(None),
            deed => {
                if let Some(file) = self.current(name) {
                    self.files[file].suffer(deed);
                }
            }
        }
    }

    /// The folder has been synced.
    pub fn settle_names(&mut self) {
        for name in self.names.values_mut() {
            if let Some(last) = name.unsettled.pop() {
                name.settled = last;
                name.unsettled.clear();
            }
        }
    }

    /// Whether the folder is to be synced before a name can be relied on.
    pub fn is_unsettled(&self, name: &str) -> bool {
        self.names.get(name).is_none_or(|name| !name.unsettled.is_empty())
    }

    fn current(&self, name: &str) -> Option<usize> {
        let name = self.names.get(name)?;
        name.unsettled.last().copied().unwrap_or(name.settled)
    }

    /// What a cut may leave at this moment.
    pub fn cut(&self, dice: &mut Dice) -> Vec<Image> {
        let mut images = Vec::new();
        for (label, name) in &self.names {
            let choices = name.unsettled.len() as u64 + 1;
            let choice = match dice.below(choices) {
                0 => name.settled,
                later => name.unsettled[later as usize - 1],
            };
            if let Some(file) = choice {
                images.push((label.clone(), self.files[file].cut(dice)));
            }
        }
        images
    }
}

impl File {
    fn suffer(&mut self, deed: &Deed) {
        match deed {
            Deed::Write { call, offset, bytes } => {
                let mut done = 0;
                while done < bytes.len() {
                    let from = offset + done;
                    let length = (PAGE - from % PAGE).min(bytes.len() - done);
                    let bytes = bytes[done..done + length].to_vec();
                    let what = What::Piece { offset: from, bytes, is_forgotten: false };
                    self.changes.push(Change { call: *call, returned: None, what });
                    done += length;
                }
            }
            Deed::Resize { call, length } => {
                self.changes.push(Change { call: *call, returned: None, what: What::Length(*length) });
            }
            Deed::Returned { call, at } => {
                for change in self.changes.iter_mut().filter(|change| change.call == *call) {
                    change.returned = Some(*at);
                }
            }
            Deed::Synced { begun } => self.make_certain(*begun),
            Deed::SyncFailed { begun } => {
                for change in self.changes.iter_mut().filter(|change| change.is_before(*begun)) {
                    if let What::Piece { is_forgotten, .. } = &mut change.what {
                        *is_forgotten = true;
                    }
                }
            }
            Deed::Created | Deed::Removed => {}
        }
    }

    /// What is in pages that are known to be dirty goes to the disk, with everything else in these pages.
    fn make_certain(&mut self, begun: usize) {
        let dirty: HashSet<usize> = self
            .changes
            .iter()
            .filter(|change| change.is_before(begun))
            .filter_map(|change| match &change.what {
                What::Piece { offset, is_forgotten: false, .. } => Some(offset / PAGE),
                _ => None,
            })
            .collect();
        let mut left = Vec::new();
        for change in std::mem::take(&mut self.changes) {
            match &change.what {
                What::Length(length) if change.is_before(begun) => self.certain.resize(*length, 0),
                What::Piece { offset, bytes, .. } if change.is_before(begun) => {
                    lengthen(&mut self.certain, offset + bytes.len());
                    match dirty.contains(&(offset / PAGE)) {
                        true => self.certain[*offset..offset + bytes.len()].copy_from_slice(bytes),
                        false => left.push(change),
                    }
                }
                _ => left.push(change),
            }
        }
        self.changes = left;
    }

    fn cut(&self, dice: &mut Dice) -> Vec<u8> {
        let mut image = self.certain.clone();
        let reached = self.reached(dice);
        let versions = versions(reached, dice);
        let mut seen: HashMap<usize, usize> = HashMap::new();
        for change in reached {
            let (offset, bytes) = match &change.what {
                What::Length(length) => {
                    image.resize(*length, 0);
                    continue;
                }
                What::Piece { offset, bytes, .. } => (*offset, bytes),
            };
            for (from, to) in sectors(offset, bytes.len()) {
                let seen = seen.entry(from / SECTOR).or_default();
                *seen += 1;
                if *seen <= versions.get(&(from / SECTOR)).copied().unwrap_or(0) {
                    lengthen(&mut image, to);
                    image[from..to].copy_from_slice(&bytes[from - offset..to - offset]);
                }
            }
        }
        // The length is written by itself: before the bytes, or never.
        let longest = reached.iter().map(Change::end).max().unwrap_or(0);
        match dice.below(4) {
            0 => lengthen(&mut image, longest),
            1 if image.len() > self.certain.len() => {
                let lost = dice.below((image.len() - self.certain.len()) as u64 + 1) as usize;
                image.truncate(image.len() - lost);
            }
            _ => {}
        }
        image
    }

    /// The changes up to the first cut of the length that did not come to the disk.
    fn reached(&self, dice: &mut Dice) -> &[Change] {
        let lengths = self.changes.iter().enumerate().filter(|(_, change)| matches!(change.what, What::Length(_)));
        let mut end = self.changes.len();
        for (place, _) in lengths {
            if dice.chance(50) {
                end = place;
                break;
            }
        }
        &self.changes[..end]
    }
}

/// How many of the changes of each sector came to the disk.
fn versions(changes: &[Change], dice: &mut Dice) -> HashMap<usize, usize> {
    let way = dice.below(5);
    let share = dice.below(101);
    let mut counts: HashMap<usize, usize> = HashMap::new();
    let mut versions: HashMap<usize, usize> = HashMap::new();
    for (place, change) in changes.iter().enumerate() {
        let What::Piece { offset, bytes, .. } = &change.what else { continue };
        let is_whole = match way {
            0 => false,
            1 => true,
            // The first ones, as if they had gone in order.
            2 => place as u64 * 100 < changes.len() as u64 * share,
            // This one and not that one.
            _ => dice.chance(share),
        };
        for (from, _) in sectors(*offset, bytes.len()) {
            let count = counts.entry(from / SECTOR).or_default();
            *count += 1;
            // Torn: each sector by itself.
            if if way == 4 { dice.chance(share) } else { is_whole } {
                versions.insert(from / SECTOR, *count);
            }
        }
    }
    versions
}

impl Change {
    fn is_before(&self, moment: usize) -> bool {
        self.returned.is_some_and(|returned| returned < moment)
    }

    fn end(&self) -> usize {
        match &self.what {
            What::Piece { offset, bytes, .. } => offset + bytes.len(),
            What::Length(_) => 0,
        }
    }
}

fn sectors(offset: usize, length: usize) -> impl Iterator<Item = (usize, usize)> {
    let end = offset + length;
    let first = offset / SECTOR;
    (first..end.div_ceil(SECTOR)).map(move |sector| ((sector * SECTOR).max(offset), ((sector + 1) * SECTOR).min(end)))
}

fn lengthen(bytes: &mut Vec<u8>, length: usize) {
    if bytes.len() < length {
        bytes.resize(length, 0);
    }
}

const SECTOR: usize = 512;
/// A page of the system's cache: what a sync writes as a whole.
const PAGE: usize = 4096;

#[test]
fn a_cut_leaves_what_was_synced_and_any_part_of_the_rest() {
    let mut dice = Dice::of("disk_model");
    let mut disk_model = DiskModel::default();
    let write = |call, offset, byte| Deed::Write { call, offset, bytes: std::sync::Arc::new(vec![byte; 600]) };
    disk_model.suffer("f", &Deed::Created);
    disk_model.settle_names();
    for (call, deed) in [write(1, 0, b'a'), write(2, 5_000, b'b')].iter().enumerate() {
        disk_model.suffer("f", deed);
        disk_model.suffer("f", &Deed::Returned { call: call + 1, at: call + 1 });
    }
    disk_model.suffer("f", &Deed::SyncFailed { begun: 2 });
    disk_model.suffer("f", &Deed::Synced { begun: 9 });
    let states: Vec<Vec<u8>> = (0..200).map(|_| disk_model.cut(&mut dice).remove(0).1).collect();
    assert!(states.iter().all(|state| state[5_000..5_600] == [b'b'; 600]), "it was synced");
    for (from, to) in [(0, 512), (512, 600)] {
        let there = states.iter().filter(|state| state[from..to].iter().all(|byte| *byte == b'a')).count();
        let lost = states.iter().filter(|state| state[from..to].iter().all(|byte| *byte == 0)).count();
        assert!(there > 20 && lost > 20 && there + lost == 200, "its sync failed: {there} {lost}");
    }
    let torn = states.iter().filter(|state| state[0] != state[599]).count();
    assert!(torn > 5, "{torn}");
    // Written once more, in another sector of the same page, it goes with the page.
    disk_model.suffer("f", &write(3, 2_000, b'c'));
    disk_model.suffer("f", &Deed::Returned { call: 3, at: 10 });
    disk_model.suffer("f", &Deed::Synced { begun: 11 });
    assert!((0..50).all(|_| disk_model.cut(&mut dice).remove(0).1[..600] == [b'a'; 600]));
}

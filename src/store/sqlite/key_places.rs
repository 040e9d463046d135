//! In which parts the keys of a generation are, in three bytes a key.
//!
//! Made by [`key_partitions`](super::key_partitions) when a generation is closed: no key is added to it any more. An entry is
//! what follows of a key after its bucket, cut to 16 bits, and a group of four parts. So it never lacks a key, and takes one of
//! 2,300 that it does not have for one that it has. Which part holds a key, if any, is asked of the table.

use std::hash::{Hash, Hasher};
use std::ops::Range;

/// A key: a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(pub [u8; 16]);

/// In which groups of parts the keys are.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyPlaces {
    /// Where the entries of each bucket begin, and at last where those of the last one end.
    begins: Box<[u32]>,
    /// For each entry bits of its key. They are apart from the groups, so that few bytes are compared at once.
    marks: Box<[u16]>,
    /// For each entry the group of parts that holds its key.
    groups: Box<[u8]>,
}

impl KeyPlaces {
    /// Of keys with the places of their parts in the generation, below [`PLACES`]. A key may come with several.
    pub fn of(keys: impl Iterator<Item = (Key, u16)> + Clone) -> Self {
        let mut begins = vec![0_u32; BUCKETS + 1];
        keys.clone().for_each(|(key, _)| begins[bucket(key) + 1] += 1);
        let mut sum = 0;
        for begin in &mut begins {
            sum += *begin;
            *begin = sum;
        }
        let count = sum as usize;
        let (mut marks, mut groups) = (vec![0; count], vec![0; count]);
        let mut next = begins.clone();
        for (key, place) in keys {
            let entry = &mut next[bucket(key)];
            marks[*entry as usize] = mark(key);
            groups[*entry as usize] = u8::try_from(place / GROUP).unwrap_or(u8::MAX);
            *entry += 1;
        }
        Self { begins: begins.into(), marks: marks.into(), groups: groups.into() }
    }

    /// The places of parts that may hold the key: mostly none, or the four of one group.
    pub fn of_key(&self, key: Key) -> impl Iterator<Item = u16> {
        let (mark, entries) = (mark(key), self.entries(key));
        // All of a bucket are compared at once: most keys are new, and in no bucket.
        let is_there = self.marks[entries.clone()].iter().fold(false, |is_there, other| is_there | (*other == mark));
        let entries = if is_there { entries } else { 0..0 };
        entries.filter(move |entry| self.marks[*entry] == mark).flat_map(|entry| {
            let first = u16::from(self.groups[entry]) * GROUP;
            first..first + GROUP
        })
    }

    fn entries(&self, key: Key) -> Range<usize> {
        let bucket = bucket(key);
        self.begins[bucket] as usize..self.begins[bucket + 1] as usize
    }

    /// As they are stored: a check sum, the sizes of the buckets, the marks, the groups.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; CHECK_BYTES];
        bytes.reserve_exact(4 * BUCKETS + 3 * self.marks.len());
        self.begins.windows(2).for_each(|ends| bytes.extend((ends[1] - ends[0]).to_le_bytes()));
        self.marks.iter().for_each(|mark| bytes.extend(mark.to_le_bytes()));
        bytes.extend(&self.groups);
        let check = check_sum(&bytes[CHECK_BYTES..]);
        bytes[..CHECK_BYTES].copy_from_slice(&check);
        bytes
    }

    /// The same, read again; `None` where the bytes are not what was stored.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (check, content) = bytes.split_at_checked(CHECK_BYTES)?;
        if check != check_sum(content) {
            return None;
        }
        let (sizes, entries) = content.split_at_checked(4 * BUCKETS)?;
        let mut begins = Vec::with_capacity(BUCKETS + 1);
        let mut sum = 0_u32;
        begins.push(sum);
        for size in sizes.as_chunks().0 {
            sum = sum.checked_add(u32::from_le_bytes(*size))?;
            begins.push(sum);
        }
        if entries.len() != 3 * sum as usize {
            return None;
        }
        let (marks, groups) = entries.split_at_checked(2 * sum as usize)?;
        let marks = marks.as_chunks().0.iter().map(|mark| u16::from_le_bytes(*mark)).collect();
        Some(Self { begins: begins.into(), marks, groups: groups.into() })
    }
}

/// Apart from the first eight bytes, by which keys are sorted elsewhere.
fn bucket(Key(key): Key) -> usize {
    usize::from(u16::from_le_bytes([key[8], key[9]])) % BUCKETS
}

fn mark(Key(key): Key) -> u16 {
    u16::from_le_bytes([key[10], key[11]])
}

/// SQLite has none of its own.
fn check_sum(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum().to_le_bytes()
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// How many parts a generation may have.
pub const PLACES: u16 = 256 * GROUP;
/// Parts of a group.
const GROUP: u16 = 4;
/// 28 keys of a full generation in each: as many bytes of marks as a processor fetches at once.
const BUCKETS: usize = 1 << 14;
const CHECK_BYTES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    fn key(number: usize) -> Key {
        let mut key = [0; 16];
        key.copy_from_slice(&Sha256::digest(number.to_le_bytes())[..16]);
        Key(key)
    }

    fn places(count: usize) -> KeyPlaces {
        KeyPlaces::of((0..count).map(|number| (key(number), place(number))))
    }

    fn place(number: usize) -> u16 {
        u16::try_from(number / 8 % usize::from(PLACES)).unwrap()
    }

    #[test]
    fn every_key_is_found_where_it_was_put_and_few_others_are_found() {
        for count in [0, 1, 2, 1_000, 100_000] {
            let places = places(count);
            for number in 0..count {
                assert!(places.of_key(key(number)).any(|found| found == place(number)), "{number} of {count}");
                assert!(places.of_key(key(number)).count() <= 12, "{number} of {count} is looked for everywhere");
            }
            // The share of those that are taken for one is that of the keys in a bucket of all marks.
            let others = (count..count + 100_000).filter(|number| places.of_key(key(*number)).next().is_some()).count();
            let expected = 100_000.0 * count as f64 / BUCKETS as f64 / 65_536.0;
            assert!((others as f64) < 2.0 * expected + 10.0, "{others} of 100,000 beside {count}, not {expected:.0}");
        }
    }

    #[test]
    fn a_key_that_came_to_several_parts_is_found_in_all_of_them() {
        let places = KeyPlaces::of([(key(1), 3), (key(2), 4), (key(1), 700), (key(1), 1023)].into_iter());
        let found: Vec<u16> = places.of_key(key(1)).collect();
        assert_eq!(found, [0, 1, 2, 3, 700, 701, 702, 703, 1020, 1021, 1022, 1023]);
    }

    #[test]
    fn what_is_stored_is_read_again_and_nothing_else() {
        for count in [0, 1, 5_000] {
            let places = places(count);
            let bytes = places.to_bytes();
            assert_eq!(bytes.len(), CHECK_BYTES + 4 * BUCKETS + 3 * count);
            assert_eq!(KeyPlaces::from_bytes(&bytes).as_ref(), Some(&places));
            for length in [0, 3, CHECK_BYTES, 4 * BUCKETS, bytes.len() - 1] {
                assert_eq!(KeyPlaces::from_bytes(&bytes[..length]), None, "{length} of {} bytes", bytes.len());
            }
            assert_eq!(KeyPlaces::from_bytes(&[bytes.as_slice(), &[0]].concat()), None);
            for byte in [0, CHECK_BYTES, bytes.len() / 2, bytes.len() - 1] {
                let mut damaged = bytes.clone();
                damaged[byte] ^= 0x10;
                assert_eq!(KeyPlaces::from_bytes(&damaged), None, "byte {byte} is another");
            }
        }
    }

    #[test]
    fn bytes_with_a_right_check_sum_are_no_places_unless_they_are_as_many_as_they_say() {
        let with_sum = |content: &[u8]| [check_sum(content).as_slice(), content].concat();
        let mut content = vec![0; 4 * BUCKETS + 3];
        assert_eq!(KeyPlaces::from_bytes(&with_sum(&content)), None, "an entry too many");
        content[0] = 1;
        assert!(KeyPlaces::from_bytes(&with_sum(&content)).is_some());
        content[..8].fill(0xff);
        assert_eq!(KeyPlaces::from_bytes(&with_sum(&content)), None, "more than can be counted");
        assert_eq!(KeyPlaces::from_bytes(&with_sum(&[])), None);
    }
}

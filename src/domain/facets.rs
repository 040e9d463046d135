//! The victims, actors and targets of an incident, in bounded space.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::cut;

/// The values of an incident's events that people want to see.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facets {
    /// The victims: agents, hosts.
    #[serde(default)]
    pub victims: Facet,
    /// Who did it: addresses, users.
    #[serde(default)]
    pub actors: Facet,
    /// To what: methods with URLs.
    #[serde(default)]
    pub targets: Facet,
}

/// One of them: the most frequent and the newest values, and how many distinct ones there are. At most 64 values are
/// counted (Space-Saving: beyond that the least frequent is evicted, and its count is a bound); the number of distinct
/// values is exact to 64 and an estimate beyond (HyperLogLog with 256 registers, within 7 % two times of three).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facet {
    counted: Vec<(String, u64)>,
    newest: Vec<String>,
    /// Hashes of the distinct values, while they are few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<u64>,
    /// The registers of the estimate, once they are many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    registers: Vec<u8>,
}

/// How many distinct values there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distinct {
    /// Exactly so many.
    Exactly(u64),
    /// About so many.
    About(u64),
}

impl Distinct {
    /// The number.
    pub fn number(self) -> u64 {
        match self {
            Self::Exactly(number) | Self::About(number) => number,
        }
    }
}

impl Facet {
    /// Adds a value, held to 256 characters for show. Returns whether it is new, as far as that can be told.
    pub fn add(&mut self, value: &str) -> bool {
        let is_new = self.see(hash(value));
        let shown = cut::chars(value, VALUE_CHARS_MAX).map_or(value, |end| &value[..end]).to_owned();
        if self.newest.last() != Some(&shown) {
            self.newest.retain(|known| *known != shown);
            self.newest.push(shown.clone());
            if self.newest.len() > SHOWN_MAX {
                self.newest.remove(0);
            }
        }
        if let Some((_, count)) = self.counted.iter_mut().find(|(known, _)| *known == shown) {
            *count = count.saturating_add(1);
        } else if self.counted.len() < COUNTED_MAX {
            self.counted.push((shown, 1));
        } else if let Some(least) = self.counted.iter_mut().min_by_key(|(_, count)| *count) {
            *least = (shown, least.1.saturating_add(1));
        }
        is_new
    }

    /// Up to five values with their counts, the most frequent first.
    pub fn frequent(&self) -> Vec<(&str, u64)> {
        let mut values: Vec<(&str, u64)> = self.counted.iter().map(|(value, count)| (value.as_str(), *count)).collect();
        values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        values.truncate(SHOWN_MAX);
        values
    }

    /// Up to five values, the newest first.
    pub fn newest(&self) -> impl Iterator<Item = &str> {
        self.newest.iter().rev().map(String::as_str)
    }

    /// How many distinct values there are.
    pub fn distinct(&self) -> Distinct {
        if self.registers.is_empty() {
            Distinct::Exactly(u64::try_from(self.hashes.len()).unwrap_or(u64::MAX))
        } else {
            Distinct::About(self.estimate())
        }
    }

    fn see(&mut self, hash: u64) -> bool {
        if self.registers.is_empty() {
            if self.hashes.contains(&hash) {
                return false;
            }
            if self.hashes.len() < EXACT_MAX {
                self.hashes.push(hash);
                return true;
            }
            self.registers = vec![0; REGISTERS];
            for known in std::mem::take(&mut self.hashes) {
                self.register(known);
            }
        }
        self.register(hash)
    }

    /// Whether a register grew: the value is new then. Where none grew it may be new all the same.
    fn register(&mut self, hash: u64) -> bool {
        let place = usize::from(hash.to_le_bytes()[0]);
        let zeros = u8::try_from((hash >> 8).trailing_zeros().min(56) + 1).unwrap_or(u8::MAX);
        match self.registers.get_mut(place) {
            Some(register) if *register < zeros => {
                *register = zeros;
                true
            }
            _ => false,
        }
    }

    /// HyperLogLog's estimate, with its linear counting for the lower end.
    fn estimate(&self) -> u64 {
        let registers = REGISTERS as f64;
        let sum: f64 = self.registers.iter().map(|register| 2f64.powi(-i32::from(*register))).sum();
        let raw = 0.7213 / (1.0 + 1.079 / registers) * registers * registers / sum;
        let zeros = self.registers.iter().filter(|register| **register == 0).count();
        let estimate =
            if raw <= 2.5 * registers && zeros > 0 { registers * (registers / zeros as f64).ln() } else { raw };
        // It never falls below what was exact.
        (estimate.round() as u64).max(EXACT_MAX as u64 + 1)
    }
}

fn hash(value: &str) -> u64 {
    let digest = Sha256::digest(value.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(first)
}

const COUNTED_MAX: usize = 64;
const EXACT_MAX: usize = 64;
const SHOWN_MAX: usize = 5;
const VALUE_CHARS_MAX: usize = 256;
const REGISTERS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_counted_exactly() {
        let mut facet = Facet::default();
        for n in 0..64 {
            assert!(facet.add(&format!("10.0.0.{n}")));
        }
        assert!(!facet.add("10.0.0.7"));
        assert_eq!(facet.distinct(), Distinct::Exactly(64));
        assert_eq!(facet.frequent()[0], ("10.0.0.7", 2));
        assert_eq!(
            facet.newest().collect::<Vec<_>>(),
            ["10.0.0.7", "10.0.0.63", "10.0.0.62", "10.0.0.61", "10.0.0.60"]
        );
    }

    #[test]
    fn a_million_values_take_bounded_space_and_are_estimated() {
        let mut facet = Facet::default();
        for n in 0..100_000 {
            facet.add(&format!("host-{n}"));
            facet.add("the same");
        }
        let Distinct::About(number) = facet.distinct() else { panic!("{:?}", facet.distinct()) };
        assert!((80_000..120_000).contains(&number), "{number}");
        assert_eq!(facet.frequent()[0].0, "the same");
        assert!(serde_json::to_string(&facet).unwrap().len() < 8 << 10);
    }

    #[test]
    fn a_long_value_is_shown_cut_and_told_apart_whole() {
        let mut facet = Facet::default();
        let long = "x".repeat(100_000);
        assert!(facet.add(&format!("{long}a")) && facet.add(&format!("{long}b")));
        assert_eq!(facet.distinct(), Distinct::Exactly(2));
        assert_eq!(facet.newest().next().unwrap().len(), 256);
        facet.add(&format!("GET https://{}?u=postgres://svc:hunter2secret@db", "x".repeat(VALUE_CHARS_MAX - 40)));
        assert!(facet.newest().next().unwrap().ends_with("xx?"));
    }
}

//! The limit on the incidents of a source that are told one by one.
//!
//! The store asks [`StormGauge::admit`] in the transaction that opens an incident, and keeps the gauge with what it decided:
//! after a crash, and on another node, the answer is the same.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::{Rank, Timestamp};

use super::timing::StormLimits;

/// How much one source has told one by one: token buckets over the running maximum of the time of receipt. The same events in
/// the same order give the same answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StormGauge {
    /// The running maximum.
    at: Option<Timestamp>,
    /// When the bucket of a rank is full again, by the level of the rank.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    ranks: BTreeMap<u8, Timestamp>,
    /// When the bucket of a rule and rank is full again, by a hash of both in hexadecimal.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    rules: BTreeMap<String, Timestamp>,
    /// When an incident of that level was last told by itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    told: BTreeMap<u8, Timestamp>,
}

impl StormGauge {
    /// Whether an incident that is opened at `at` is told by itself. `false`: it is to be folded.
    pub fn admit(&mut self, rank: Rank, rule: &str, at: Timestamp, limits: &StormLimits) -> bool {
        let now = self.advance(at, limits.within);
        let (level, rule) = (rank.level(), rule_key(rule, rank));
        let is_above_all = self.told.range(level..).next().is_none();
        let of_rank = Bucket { per_window: limits.per_rank, within: limits.within };
        let of_rule = Bucket { per_window: limits.per_rule, within: limits.within };
        let next_of_rank = of_rank.take(self.ranks.get(&level), now);
        let next_of_rule = of_rule.take(self.rules.get(&rule), now);
        let is_within = next_of_rank.is_some() && next_of_rule.is_some();
        if is_within || is_above_all {
            self.ranks.extend(next_of_rank.map(|full_at| (level, full_at)));
            self.rules.extend(next_of_rule.map(|full_at| (rule, full_at)));
            self.told.insert(level, now);
        }
        is_within || is_above_all
    }

    /// Moves on to `at` and forgets what no longer counts. A clock that was set back by more than the window resets the
    /// gauge: otherwise everything would be folded until the clock reaches its former time.
    fn advance(&mut self, at: Timestamp, within: Duration) -> Timestamp {
        if self.at.is_some_and(|before| before.since(at) > within) {
            *self = Self::default();
        }
        let now = self.at.map_or(at, |before| before.max(at));
        self.at = Some(now);
        self.ranks.retain(|_, full_at| *full_at > now);
        self.rules.retain(|_, full_at| *full_at > now);
        self.told.retain(|_, told_at| now.since(*told_at) < within);
        now
    }
}

/// The generic cell rate algorithm: a bucket is known by the time at which it is full again.
struct Bucket {
    per_window: u32,
    within: Duration,
}

impl Bucket {
    /// When it is full again after one more; `None`: it is empty.
    fn take(&self, full_at: Option<&Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let interval = self.within.checked_div(self.per_window)?;
        let next = full_at.map_or(now, |full_at| now.max(*full_at)).plus(interval);
        (next.since(now) <= self.within).then_some(next)
    }
}

fn rule_key(rule: &str, rank: Rank) -> String {
    let mut hash = Sha256::new();
    hash.update([rank.level()]);
    hash.update(rule.as_bytes());
    hex::encode(&hash.finalize()[..8])
}

//! The random numbers of a scenario, from one seed that a failure shows.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Xorshift64*: small, good enough to choose moments, and the same on every machine.
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// The dice of one scenario, from `GATEPOST_SEED` or the time. Prints the seed, which a failing test shows.
    pub fn of(scenario: &str) -> Self {
        let given = std::env::var("GATEPOST_SEED").ok();
        let seed = match given {
            Some(text) => text.parse().expect("GATEPOST_SEED must be a number"),
            None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_micros() as u64),
        };
        println!("{scenario}: GATEPOST_SEED={seed}");
        // Scenarios of one seed should not all do the same.
        let name = scenario
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self { state: (seed ^ name).max(1) }
    }

    /// Dice of their own for another task.
    pub fn fork(&mut self) -> Self {
        Self { state: self.next().max(1) }
    }

    pub fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound.max(1)
    }

    /// True so many times in a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A time from `least` (inclusive) to `most` (exclusive) milliseconds.
    pub fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most - least))
    }
}

//! Welch's t-test, one sample after the other, over everything and over what is left when the slowest are cut off.

use super::classes::Class;

/// A test for each place to cut.
pub struct Crops {
    tests: Vec<(u64, Test)>,
}

#[derive(Clone, Copy, Default)]
struct Test {
    classes: [Moments; 2],
}

/// Count, mean and sum of squared distances (Welford).
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Crops {
    /// Cuts where the first samples say: densely where most samples lie, as dudect does.
    pub fn new(mut first: Vec<u64>) -> Self {
        first.sort_unstable();
        let place = |share: f64| first[((first.len() - 1) as f64 * share) as usize];
        let cuts = (1..=CUTS).map(|n| place(1.0 - 0.5_f64.powf(10.0 * f64::from(n) / f64::from(CUTS))));
        Self { tests: cuts.chain([u64::MAX]).map(|cut| (cut, Test::default())).collect() }
    }

    pub fn add(&mut self, class: Class, nanos: u64) {
        for (cut, test) in &mut self.tests {
            if nanos <= *cut {
                test.classes[class as usize].add(nanos as f64);
            }
        }
    }

    /// The largest |t| of all tests that have enough samples.
    pub fn worst(&self) -> f64 {
        self.tests.iter().filter_map(|(_, test)| test.t()).map(f64::abs).fold(0.0, f64::max)
    }

    /// Of everything.
    pub fn means(&self) -> [f64; 2] {
        self.tests.last().map(|(_, test)| test.classes.map(|class| class.mean)).unwrap_or_default()
    }
}

impl Test {
    fn t(&self) -> Option<f64> {
        let [a, b] = self.classes;
        let spread = (a.variance() / a.count + b.variance() / b.count).sqrt();
        (a.count >= SAMPLES_LEAST && b.count >= SAMPLES_LEAST && spread > 0.0).then(|| (a.mean - b.mean) / spread)
    }
}

impl Moments {
    fn add(&mut self, sample: f64) {
        self.count += 1.0;
        let off = sample - self.mean;
        self.mean += off / self.count;
        self.squares += off * (sample - self.mean);
    }

    fn variance(&self) -> f64 {
        self.squares / (self.count - 1.0)
    }
}

const CUTS: u32 = 100;
/// Below this the test says little.
const SAMPLES_LEAST: f64 = 10_000.0;

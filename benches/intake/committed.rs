//! The figures that a quiet machine has reached, kept with the code: what CI fails below.
//!
//! Only what does not depend on how fast the machine is: ratios of figures of one run, and megabytes. Milliseconds and
//! rates are held against half of their targets. Each run prints what it found as lines for here.

/// What was reached for a target, where it is kept.
pub fn figure(what: &str) -> Option<f64> {
    FIGURES.iter().find(|(name, _)| *name == what).map(|(_, figure)| *figure)
}

/// So much of a committed figure must be reached; of one that is the better the less it is, at most the reciprocal.
pub const SHARE: f64 = 0.85;

/// As found by `GATEPOST_BENCH=ci`, built without link-time optimization.
const FIGURES: &[(&str, f64)] = &[
    ("intake at 256 connections, of L0", 0.37),
    ("intake at 64 connections, of L0", 0.30),
    ("intake at 256 connections, with three notifiers, of L0", 0.33),
    ("intake at 64 connections, with three notifiers, of L0", 0.33),
    ("intake at 256 connections, times naive", 5.5),
    ("intake at 64 connections, times naive", 5.7),
    ("intake at 256 connections, duplicates to new events", 1.06),
    ("intake at 64 connections, duplicates to new events", 1.44),
];

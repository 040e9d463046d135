//! The ratios that a quiet machine has reached, kept with the code: what CI fails below.
//!
//! Only ratios of figures of one run are kept. Milliseconds and megabytes depend on the machine and are held against half of
//! their targets.

/// The ratio that was reached for a target, where one is committed.
pub fn ratio(what: &str) -> Option<f64> {
    RATIOS.iter().find(|(name, _)| *name == what).map(|(_, ratio)| *ratio)
}

/// So much of a committed ratio must be reached.
pub const SHARE: f64 = 0.85;

/// As found by `GATEPOST_BENCH=ci`, built without link-time optimization.
const RATIOS: &[(&str, f64)] = &[
    ("intake at 256 connections, of L0", 0.37),
    ("intake at 64 connections, of L0", 0.30),
    ("intake at 256 connections, with three notifiers, of L0", 0.33),
    ("intake at 64 connections, with three notifiers, of L0", 0.33),
    ("intake at 256 connections, times naive", 5.5),
    ("intake at 64 connections, times naive", 5.7),
    ("intake at 256 connections, duplicates to new events", 1.06),
    ("intake at 64 connections, duplicates to new events", 1.44),
];

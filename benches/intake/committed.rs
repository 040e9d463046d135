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
    ("half of that rate, 256 connections, p50 to that at the full rate", 0.16),
    ("half of that rate, 256 connections, p99 to that at the full rate", 0.77),
    ("half of that rate, 64 connections, p50 to that at the full rate", 0.56),
    ("half of that rate, 64 connections, p99 to that at the full rate", 0.70),
    ("end to end to a file, of L0", 0.085),
    ("end to end to a file and 3 notifiers, of L0", 0.025),
    ("answer to page, p50, times that of the answer", 3.9),
    ("processor of an event to a file, times a request of L0", 13.0),
    ("processor of an event to a file and 3 notifiers, times a request of L0", 30.0),
    ("first answer, empty store, times that of L0", 6.5),
    ("binary, stripped", 22.4),
    ("memory, idle", 19.4),
    ("memory, full load at 256 connections", 65.0),
    ("memory with a body of 25 MB", 91.3),
    ("p99 of others beside a body of 25 MB, later by, of its own answer", 0.10),
];

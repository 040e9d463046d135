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

/// As found by `GATEPOST_BENCH=ci`, built without link-time optimization: of several runs the lowest, because the machine below
/// shares its processors with others. Latencies at half of the rate have no figure: their ratios differed by four between
/// runs of one build, so they are held against half of their targets.
const FIGURES: &[(&str, f64)] = &[
    ("intake at 256 connections, of L0", 0.38),
    ("intake at 64 connections, of L0", 0.28),
    ("intake at 256 connections, with three notifiers, of L0", 0.38),
    ("intake at 64 connections, with three notifiers, of L0", 0.26),
    ("intake at 256 connections, times naive", 5.4),
    ("intake at 64 connections, times naive", 4.8),
    ("intake at 256 connections, duplicates to new events", 1.06),
    ("intake at 64 connections, duplicates to new events", 1.25),
    ("end to end to a file, of L0", 0.15),
    ("end to end to a file and 3 notifiers, of L0", 0.07),
    ("answer to page, p50, times that of the answer", 5.3),
    ("processor of an event to a file, times a request of L0", 12.0),
    ("processor of an event to a file and 3 notifiers, times a request of L0", 20.0),
    ("first answer, empty store, times that of L0", 8.0),
    ("binary, stripped", 22.7),
    ("memory, idle", 19.4),
    ("memory, full load at 256 connections", 72.0),
    ("memory with a body of 25 MB", 93.2),
    ("p99 of others beside a body of 25 MB, later by, of its own answer", 0.10),
];

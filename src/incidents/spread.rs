//! At how many victims an incident has spread.

/// How many of the steps 2, 10, 100, 1,000 ... that many victims have reached.
pub(super) fn steps(victims: u64) -> u32 {
    match victims {
        0 | 1 => 0,
        2..=9 => 1,
        more => more.ilog10() + 1,
    }
}

//! Rows that cannot be read.

/// A row that this binary cannot read: it was damaged, or another program wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The number of the row.
    pub row: i64,
    /// What is wrong with it.
    pub reason: String,
}

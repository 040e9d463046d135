//! How the store is opened.

/// What the store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To serve: creates the file, takes it for this process alone, and recovers what an ended process left.
    Serve,
    /// For one of the operator's commands, beside a process that may be serving.
    Operate,
}

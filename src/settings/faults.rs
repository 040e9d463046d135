//! The list of what is wrong with a configuration.

use std::cell::RefCell;
use std::fmt;

/// How bad a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It runs, but the operator should look at it.
    Warning,
    /// It cannot run.
    Error,
}

/// One thing that is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// How bad.
    pub level: Level,
    /// The line in the file, from 1.
    pub line: usize,
    /// The path of the setting: `sources.adrian.secrets`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub fix: String,
}

/// `line 12: sources.adrian.secrets: what is wrong; what to do`, without the file's name, which the caller knows.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if self.fix.is_empty() { Ok(()) } else { write!(f, "; {}", self.fix) }
    }
}

/// Everything that was found, in the order of the file once it is taken out.
#[derive(Debug, Default)]
pub struct Faults(RefCell<Vec<Fault>>);

impl Faults {
    /// Adds one.
    pub fn push(&self, fault: Fault) {
        self.0.borrow_mut().push(fault);
    }

    /// Whether a fault prevents running.
    pub fn any_error(&self) -> bool {
        self.0.borrow().iter().any(|fault| fault.level == Level::Error)
    }

    /// All of them, sorted by line.
    pub fn into_sorted(self) -> Vec<Fault> {
        let mut all = self.0.into_inner();
        all.sort_by(|a, b| (a.line, &a.path).cmp(&(b.line, &b.path)));
        all.dedup();
        all
    }
}

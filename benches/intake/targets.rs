//! What is to be reached, beside what was found.

use std::fmt;

use super::committed;

/// When a figure is good.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    /// Half as good.
    fn half(self) -> Self {
        match self {
            Self::AtLeast(figure) => Self::AtLeast(figure / 2.0),
            Self::AtMost(figure) => Self::AtMost(figure * 2.0),
        }
    }

    fn holds(self, found: f64) -> bool {
        match self {
            Self::AtLeast(figure) => found >= figure,
            Self::AtMost(figure) => found <= figure,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(figure) => write!(f, "at least {}", Short(*figure)),
            Self::AtMost(figure) => write!(f, "at most {}", Short(*figure)),
        }
    }
}

/// A figure with as many digits as say something.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.abs() {
            large if large >= 100.0 => write!(f, "{:.0}", self.0),
            middle if middle >= 10.0 => write!(f, "{:.1}", self.0),
            _ => write!(f, "{:.2}", self.0),
        }
    }
}

/// One target.
#[derive(Clone, Debug)]
pub struct Target {
    what: String,
    unit: &'static str,
    goal: Goal,
    /// What was found, or why nothing was measured.
    found: Result<f64, String>,
}

impl Target {
    /// A target and what was found.
    pub fn found(what: impl Into<String>, unit: &'static str, goal: Goal, found: f64) -> Self {
        Self { what: what.into(), unit, goal, found: Ok(found) }
    }

    /// A target that could not be measured.
    pub fn skipped(what: impl Into<String>, unit: &'static str, goal: Goal, why: impl Into<String>) -> Self {
        Self { what: what.into(), unit, goal, found: Err(why.into()) }
    }

    /// Its name, one of its kind in a run.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// How it stands against its floor, as a sentence; `None` where it is better or was not measured.
    pub fn shortfall(&self) -> Option<String> {
        let found = *self.found.as_ref().ok()?;
        let floor = self.floor();
        let by = match floor {
            Goal::AtLeast(figure) => 1.0 - found / figure,
            Goal::AtMost(figure) => found / figure - 1.0,
        };
        let Self { what, unit, .. } = self;
        (!floor.holds(found))
            .then(|| format!("{what}: {}{unit}, must be {floor}{unit}: missed by {:.0} %", Short(found), by * 100.0))
    }

    /// What CI fails below: a share of the ratio that is committed, or else half of the goal.
    fn floor(&self) -> Goal {
        match (committed::ratio(&self.what), self.goal) {
            (Some(ratio), Goal::AtLeast(_)) => Goal::AtLeast(ratio * committed::SHARE),
            (Some(ratio), Goal::AtMost(_)) => Goal::AtMost(ratio / committed::SHARE),
            (None, goal) => goal.half(),
        }
    }
}

/// The table of targets.
pub struct Table<'t>(pub &'t [Target]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| target | wanted | found | met |\n|---|---:|---:|---|")?;
        for Target { what, unit, goal, found } in self.0 {
            match found {
                Ok(found) => {
                    let met = if goal.holds(*found) { "yes" } else { "**no**" };
                    writeln!(f, "| {what} | {goal}{unit} | {}{unit} | {met} |", Short(*found))?;
                }
                Err(why) => writeln!(f, "| {what} | {goal}{unit} | skipped: {why} | |")?,
            }
        }
        let counted = |met: bool| {
            let holds = |target: &&Target| target.found.as_ref().is_ok_and(|found| target.goal.holds(*found) == met);
            self.0.iter().filter(holds).count()
        };
        let skipped = self.0.iter().filter(|target| target.found.is_err()).count();
        writeln!(f, "\n{} met, {} not met, {skipped} skipped", counted(true), counted(false))
    }
}

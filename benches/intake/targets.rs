//! What is to be reached, beside what was found.

use std::fmt;

use super::committed;

/// When a figure is good.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// The less the better: only what is committed says how little.
    Lower,
}

impl Goal {
    /// Half as good; nothing where only what is committed counts.
    fn half(self) -> Option<Self> {
        match self {
            Self::AtLeast(figure) => Some(Self::AtLeast(figure / 2.0)),
            Self::AtMost(figure) => Some(Self::AtMost(figure * 2.0)),
            Self::Lower => None,
        }
    }

    /// What must be reached where this figure is committed.
    fn committed(self, figure: f64) -> Self {
        match self {
            Self::AtLeast(_) => Self::AtLeast(figure * committed::SHARE),
            Self::AtMost(_) | Self::Lower => Self::AtMost(figure / committed::SHARE),
        }
    }

    fn holds(self, found: f64) -> bool {
        match self {
            Self::AtLeast(figure) => found >= figure,
            Self::AtMost(figure) => found <= figure,
            Self::Lower => true,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(figure) => write!(f, "at least {}", Short(*figure)),
            Self::AtMost(figure) => write!(f, "at most {}", Short(*figure)),
            Self::Lower => write!(f, "no figure"),
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
    /// Whether it has no floor.
    is_observed: bool,
}

impl Target {
    /// A target and what was found.
    pub fn found(what: impl Into<String>, unit: &'static str, goal: Goal, found: f64) -> Self {
        Self { what: what.into(), unit, goal, found: Ok(found), is_observed: false }
    }

    /// A target and what was found, or why nothing was.
    pub fn of(
        what: impl Into<String>,
        unit: &'static str,
        goal: Goal,
        found: Option<f64>,
        why: impl Into<String>,
    ) -> Self {
        Self { what: what.into(), unit, goal, found: found.ok_or_else(|| why.into()), is_observed: false }
    }

    /// A target that no run fails by: what was found depends on how fast the machine is.
    pub fn observed(what: impl Into<String>, unit: &'static str, goal: Goal, found: f64) -> Self {
        Self { is_observed: true, ..Self::found(what, unit, goal, found) }
    }

    /// A target that could not be measured.
    pub fn skipped(what: impl Into<String>, unit: &'static str, goal: Goal, why: impl Into<String>) -> Self {
        Self { what: what.into(), unit, goal, found: Err(why.into()), is_observed: false }
    }

    /// Its name, one of its kind in a run.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// How it stands against its floor, as a sentence; `None` where it is better or was not measured.
    pub fn shortfall(&self) -> Option<String> {
        let found = *self.found.as_ref().ok()?;
        let floor = self.floor()?;
        let by = match floor {
            Goal::AtMost(figure) => found / figure - 1.0,
            Goal::AtLeast(figure) => 1.0 - found / figure,
            Goal::Lower => 0.0,
        };
        let Self { what, unit, .. } = self;
        (!floor.holds(found))
            .then(|| format!("{what}: {}{unit}, must be {floor}{unit}: missed by {:.0} %", Short(found), by * 100.0))
    }

    /// What CI fails below: a share of what is committed, or half of the target where nothing is.
    fn floor(&self) -> Option<Goal> {
        match committed::figure(&self.what) {
            Some(figure) => Some(self.goal.committed(figure)),
            None if self.is_observed => None,
            None => self.goal.half(),
        }
    }

    /// Its line in [`committed`], where its figure does not depend on how fast the machine is.
    fn line(&self) -> Option<String> {
        let found = *self.found.as_ref().ok()?;
        let is_kept = matches!(self.unit, "" | " MB") || committed::figure(&self.what).is_some();
        is_kept.then(|| format!("    (\"{}\", {found:.3}),", self.what))
    }
}

/// What this run found, as the lines that [`committed`] would hold.
pub struct Lines<'t>(pub &'t [Target]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "As lines of FIGURES in benches/intake/committed.rs:\n")?;
        self.0.iter().filter_map(Target::line).try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// The table of targets.
pub struct Table<'t>(pub &'t [Target]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| target | wanted | found | met |\n|---|---:|---:|---|")?;
        for Target { what, unit, goal, found, .. } in self.0 {
            match found {
                Ok(found) => {
                    let met = match goal {
                        Goal::Lower => "",
                        goal if goal.holds(*found) => "yes",
                        _ => "**no**",
                    };
                    let unit_of_goal = if goal.half().is_some() { unit } else { "" };
                    writeln!(f, "| {what} | {goal}{unit_of_goal} | {}{unit} | {met} |", Short(*found))?;
                }
                Err(why) => writeln!(f, "| {what} | {goal}{unit} | skipped: {why} | |")?,
            }
        }
        let counted = |met: bool| {
            let holds = |target: &&Target| {
                let is_met = target.found.as_ref().is_ok_and(|found| target.goal.holds(*found) == met);
                is_met && target.goal.half().is_some()
            };
            self.0.iter().filter(holds).count()
        };
        let skipped = self.0.iter().filter(|target| target.found.is_err()).count();
        writeln!(f, "\n{} met, {} not met, {skipped} skipped", counted(true), counted(false))
    }
}

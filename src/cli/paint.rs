//! Colours on a terminal, and nowhere else.

use super::terminal;
use crate::domain::{DeliveryState, IncidentState, Severity};

/// How a text is emphasized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Not at all.
    #[default]
    Plain,
    /// A heading.
    Heading,
    /// Of less interest.
    Faint,
    /// As it should be.
    Good,
    /// Something waits.
    Waiting,
    /// Action is needed.
    Bad,
    /// Action is needed at once.
    Worst,
}

impl Tone {
    /// The tone of a severity.
    pub fn of_severity(severity: Severity) -> Self {
        match severity {
            Severity::Fatal | Severity::Critical => Self::Worst,
            Severity::High => Self::Bad,
            Severity::Medium => Self::Waiting,
            Severity::Informational => Self::Faint,
            Severity::Low | Severity::Unknown | Severity::Other => Self::Plain,
        }
    }

    /// The tone of a delivery's state.
    pub fn of_state(state: DeliveryState) -> Self {
        match state {
            DeliveryState::Delivered => Self::Good,
            DeliveryState::Waiting | DeliveryState::Leased => Self::Waiting,
            DeliveryState::Dead => Self::Bad,
            DeliveryState::Superseded => Self::Faint,
        }
    }

    /// The tone of an incident's state: whether a person has to act.
    pub fn of_incident(state: IncidentState) -> Self {
        match state {
            IncidentState::Open => Self::Bad,
            IncidentState::Acknowledged => Self::Waiting,
            IncidentState::Resolved => Self::Good,
            IncidentState::Quiet => Self::Faint,
        }
    }

    /// The parameters of SGR (ECMA-48, 8.3.117): colours that can be read on a dark and on a light ground.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Heading => Some("1"),
            Self::Faint => Some("2"),
            Self::Good => Some("32"),
            Self::Waiting => Some("33"),
            Self::Bad => Some("31"),
            Self::Worst => Some("1;31"),
        }
    }
}

/// Whether to write colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// A terminal, and the environment does not say otherwise.
    Colours,
    /// Text only.
    None,
}

impl Paint {
    /// For standard output. `NO_COLOR` (no-color.org) and a terminal that knows none turn colours off.
    #[allow(clippy::disallowed_methods, reason = "what a terminal can show is no setting of gatepost")]
    pub fn of_stdout() -> Self {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|kind| kind == "dumb");
        if terminal::is_watched() && !is_set("NO_COLOR") && !is_dumb { Self::Colours } else { Self::None }
    }

    /// The text in its tone.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        match (self, tone.code()) {
            (Self::Colours, Some(code)) if !text.is_empty() => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            _ => text.to_owned(),
        }
    }
}

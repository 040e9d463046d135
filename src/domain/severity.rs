//! How bad it is: OCSF 1.8.0 `severity_id`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The severity of an event. The order is OCSF's number, except that `Other` and `Unknown` sort lowest:
/// a rule that says "at least high" must not be met by "we do not know".
///
/// In JSON it is OCSF's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Severity {
    /// Not known (0).
    #[default]
    Unknown,
    /// No action is needed (1).
    Informational,
    /// May be looked at in time (2).
    Low,
    /// Needs action (3).
    Medium,
    /// Needs action at once (4).
    High,
    /// Needs action at once, the scope is broad (5).
    Critical,
    /// It is too late to remedy (6).
    Fatal,
    /// Something that the list does not hold (99).
    Other,
}

impl Severity {
    /// The six that can be ordered, from low to high, with the names used in configuration.
    pub const SCALE: [(&'static str, Severity); 6] = [
        ("informational", Severity::Informational),
        ("low", Severity::Low),
        ("medium", Severity::Medium),
        ("high", Severity::High),
        ("critical", Severity::Critical),
        ("fatal", Severity::Fatal),
    ];

    /// OCSF's `severity_id`.
    pub fn id(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Informational => 1,
            Self::Low => 2,
            Self::Medium => 3,
            Self::High => 4,
            Self::Critical => 5,
            Self::Fatal => 6,
            Self::Other => 99,
        }
    }

    /// From OCSF's `severity_id`; a number that is not in the list is `Other`.
    pub fn from_id(id: u8) -> Self {
        match id {
            0 => Self::Unknown,
            1 => Self::Informational,
            2 => Self::Low,
            3 => Self::Medium,
            4 => Self::High,
            5 => Self::Critical,
            6 => Self::Fatal,
            _ => Self::Other,
        }
    }

    /// The place in the order of badness, 0 for what has none.
    pub fn rank(self) -> u8 {
        if self == Self::Other { 0 } else { self.id() }
    }

    /// The lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
            Self::Fatal => "fatal",
            Self::Other => "other",
        }
    }

    /// The word as OCSF captions it: `High`.
    pub fn caption(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Informational => "Informational",
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
            Self::Critical => "Critical",
            Self::Fatal => "Fatal",
            Self::Other => "Other",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Severity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.id())
    }
}

impl<'de> Deserialize<'de> for Severity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u8::deserialize(deserializer).map(Self::from_id)
    }
}

/// The word is not one of the severities.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a severity is informational, low, medium, high, critical or fatal")]
pub struct UnknownSeverity;

impl FromStr for Severity {
    type Err = UnknownSeverity;

    fn from_str(word: &str) -> Result<Self, UnknownSeverity> {
        Self::SCALE.iter().find(|(name, _)| *name == word).map(|(_, severity)| *severity).ok_or(UnknownSeverity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_and_order() {
        for (word, severity) in Severity::SCALE {
            assert_eq!(Severity::from_id(severity.id()), severity);
            assert_eq!(word.parse(), Ok(severity));
            assert_eq!(severity.as_str(), word);
        }
        assert_eq!(Severity::from_id(99), Severity::Other);
        assert!(Severity::Other.rank() < Severity::Informational.rank());
        assert!("HIGH".parse::<Severity>().is_err());
    }
}

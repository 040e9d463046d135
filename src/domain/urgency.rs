//! How soon an accepted request should be read, as far as that is known before it is read.
//!
//! Intake finds it out from the beginning of the body, the store keeps what waits in one queue a source and urgency. It
//! orders what waits and decides nothing else: the severity of an event is what reading the body says.

use super::Severity;

/// How soon a request should be read. The order is from the least urgent to the most urgent.
///
/// There are four classes by severity and not three: events of the vendors that are built in are `high` unless they say
/// otherwise, so that a flood is usually one of `high`, and what is worse than that must not wait behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// `low` and `informational`.
    Low,
    /// `medium`, and what is not known.
    Normal,
    /// `high`, and what cannot be looked into.
    High,
    /// `critical`, `fatal`, and an attack that has succeeded.
    Critical,
    /// The first of their kind for a while, whatever their severity: few, so that they hold up none of the others.
    First,
}

impl Urgency {
    /// From the most urgent to the least urgent.
    pub const MOST_URGENT_FIRST: [Self; 5] = [Self::First, Self::Critical, Self::High, Self::Normal, Self::Low];

    /// The urgency of an event of that severity.
    pub fn of(severity: Severity) -> Self {
        match severity {
            Severity::Fatal | Severity::Critical => Self::Critical,
            Severity::High => Self::High,
            Severity::Medium | Severity::Unknown | Severity::Other => Self::Normal,
            Severity::Low | Severity::Informational => Self::Low,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_the_more_urgent() {
        let scale = Severity::SCALE.map(|(_, severity)| Urgency::of(severity));
        assert!(scale.is_sorted());
        assert_eq!((scale[0], scale[5]), (Urgency::Low, Urgency::Critical));
        assert!(Urgency::of(Severity::Unknown) > Urgency::of(Severity::Low), "what is not known is not put off");
        assert!(Urgency::MOST_URGENT_FIRST.iter().rev().is_sorted());
    }
}

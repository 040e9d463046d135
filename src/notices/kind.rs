//! What a notice is about.

/// What a notice is about. Each subject has at most one open notice of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoticeKind {
    /// A destination is stopped, or fails.
    DestinationDown,
    /// What a destination is to be told, or a sink is to be sent, waits for too long.
    DestinationBehind,
    /// Deliveries of a destination will not be tried again.
    DeadLetters,
    /// Requests of a source are refused in numbers.
    SourceRefused,
    /// A source has sent nothing for longer than it was expected to.
    SourceSilent,
    /// The disk of the store is nearly full, or full.
    DiskLow,
    /// The database is damaged.
    StoreDamaged,
}

impl NoticeKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::DestinationDown,
        Self::DestinationBehind,
        Self::DeadLetters,
        Self::SourceRefused,
        Self::SourceSilent,
        Self::DiskLow,
        Self::StoreDamaged,
    ];

    /// The word in the store, in metrics, as the type of its events and as their rule.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DestinationDown => "destination-down",
            Self::DestinationBehind => "destination-behind",
            Self::DeadLetters => "dead-letters",
            Self::SourceRefused => "source-refused",
            Self::SourceSilent => "source-silent",
            Self::DiskLow => "disk-low",
            Self::StoreDamaged => "store-damaged",
        }
    }

    /// The kind of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether the subject is a destination, which is not told of itself.
    pub fn is_of_destination(self) -> bool {
        matches!(self, Self::DestinationDown | Self::DestinationBehind | Self::DeadLetters)
    }

    /// Whether so much more is worth telling: each dead letter is; of the others ten times as many are.
    pub(super) fn has_grown(self, told: u64, now: u64) -> bool {
        match self {
            Self::DeadLetters => now > told,
            _ => now >= told.max(1).saturating_mul(10),
        }
    }

    /// Whether there is less of it, and each one beyond that is worth telling. The others go up and down by themselves.
    pub(super) fn is_compared_with_the_least(self, told: u64, now: u64) -> bool {
        self == Self::DeadLetters && now < told
    }

    /// Whether it comes and goes: a pause in it is not its end. The others end when they are seen not to hold.
    pub(super) fn comes_and_goes(self) -> bool {
        match self {
            Self::DestinationDown | Self::DestinationBehind | Self::SourceRefused | Self::DiskLow => true,
            Self::DeadLetters | Self::SourceSilent | Self::StoreDamaged => false,
        }
    }
}

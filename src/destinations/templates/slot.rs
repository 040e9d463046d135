//! What a template is for.

/// What a template is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The first line, the summary of a page or a ticket.
    Title,
    /// The subject of a mail.
    Subject,
    /// Everything between the title and where it came from.
    Text,
    /// A named value.
    Field(String),
}

impl Slot {
    /// The path of its setting below `templates`.
    pub fn key(&self) -> String {
        match self {
            Self::Title => "title".to_owned(),
            Self::Subject => "subject".to_owned(),
            Self::Text => "text".to_owned(),
            Self::Field(name) => format!("fields.{name}"),
        }
    }

    /// Whether line breaks become spaces.
    pub fn is_one_line(&self) -> bool {
        matches!(self, Self::Title | Self::Subject)
    }

    /// Output beyond this is cut off. Each notifier cuts further, to what its receiver takes.
    pub fn bytes_max(&self) -> usize {
        match self {
            Self::Title | Self::Subject => 2 << 10,
            Self::Field(_) => 8 << 10,
            Self::Text => 32 << 10,
        }
    }
}

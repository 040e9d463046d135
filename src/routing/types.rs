//! The types that the checker gives to the parts of a condition.

/// The type of an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// Not known, because a fault was found in it: it goes with everything, so that one fault is named once.
    Unknown,
    /// Any type: what a vendor sent and no field holds.
    Any,
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// A whole number without a sign.
    Uint,
    /// A decimal number.
    Double,
    /// Text.
    Text(Shape),
    /// Bytes.
    Bytes,
    /// Null.
    Null,
    /// A severity: a number that only the constants are compared with.
    Severity,
    /// A list.
    List(Box<Type>),
    /// A map with its keys and values.
    Map(Box<Type>, Box<Type>),
    /// The event itself.
    Event,
    /// A group of fields, such as `actor`.
    Group(String),
}

/// What a text can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Anything.
    Free,
    /// Anything: the value of a label.
    Label,
    /// A time as `2026-11-21T10:00:00.000Z`.
    Time,
    /// An IP address or nothing.
    Address,
    /// The name of a source.
    Source,
    /// The name of a vendor.
    Vendor,
    /// One of these words, or nothing.
    Words(&'static [&'static str]),
}

impl Type {
    /// With its article: `a text`.
    pub fn named(&self) -> &'static str {
        match self {
            Self::Unknown | Self::Any => "a value",
            Self::Bool => "true or false",
            Self::Int | Self::Uint | Self::Double => "a number",
            Self::Text(_) => "a text",
            Self::Bytes => "bytes",
            Self::Null => "null",
            Self::Severity => "a severity",
            Self::List(_) => "a list",
            Self::Map(..) => "a map",
            Self::Event => "the whole event",
            Self::Group(_) => "a group of fields",
        }
    }

    /// As an operator's operand: `text`.
    pub fn bare(&self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            _ => self.named().trim_start_matches("a ").trim_start_matches("the "),
        }
    }

    /// Whether it is a number other than a severity.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Uint | Self::Double)
    }

    /// Whether it is text.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Whether it is text, or may be.
    pub fn may_be_text(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Any | Self::Unknown)
    }

    /// Whether nothing is known about it, by nature or after a fault.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Any | Self::Unknown)
    }

    /// Whether a severity is in it, itself or as an element.
    pub fn holds_severity(&self) -> bool {
        match self {
            Self::Severity => true,
            Self::List(element) => element.holds_severity(),
            Self::Map(key, value) => key.holds_severity() || value.holds_severity(),
            _ => false,
        }
    }

    /// The type of what is one or the other; `None` where they differ.
    pub fn join(&self, other: &Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::Unknown, known) | (known, Self::Unknown) => known.clone(),
            (left, right) if left == right => left.clone(),
            (Self::Text(_), Self::Text(_)) => Self::Text(Shape::Free),
            (Self::Any, other) | (other, Self::Any) if !other.holds_severity() => Self::Any,
            (Self::List(left), Self::List(right)) => Self::List(Box::new(left.join(right)?)),
            (Self::Map(key, value), Self::Map(other_key, other_value)) => {
                Self::Map(Box::new(key.join(other_key)?), Box::new(value.join(other_value)?))
            }
            _ => return None,
        })
    }
}

//! Why the stand-in of Slack refuses arguments.

/// Why the arguments are refused: the service's word, and a sentence for the developer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) error: &'static str,
    pub(super) detail: String,
}

impl Refusal {
    pub(super) fn new(error: &'static str, detail: impl Into<String>) -> Self {
        Self { error, detail: detail.into() }
    }
}

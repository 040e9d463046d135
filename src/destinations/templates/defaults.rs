//! The built-in words as templates, for operators to copy and change.
//!
//! The built-in words themselves are made in Rust, with the markup of each place. A test holds that these templates say the same
//! words.

use crate::destinations::Kind;

/// The templates that say what a kind of notifier says without any.
#[derive(Clone, Copy, Debug)]
pub struct DefaultTemplates {
    /// Name of the setting and template.
    pub texts: &'static [(&'static str, &'static str)],
    /// The named values, each a line of TOML; where there are none, those of a message stand in its text.
    pub fields: Option<&'static str>,
}

/// Those of a kind; `None` for a sink.
pub fn defaults(kind: &Kind) -> Option<DefaultTemplates> {
    let texts: &[(&str, &str)] = match kind.name {
        _ if !kind.is_notifier() => return None,
        "email" => &[
            ("subject", include_str!("defaults/email/subject.txt")),
            ("title", include_str!("defaults/email/title.txt")),
            ("text", include_str!("defaults/email/text.txt")),
        ],
        "jira" => {
            &[("title", include_str!("defaults/jira/title.txt")), ("text", include_str!("defaults/jira/text.txt"))]
        }
        "opsgenie" => &[
            ("title", include_str!("defaults/opsgenie/title.txt")),
            ("text", include_str!("defaults/opsgenie/text.txt")),
        ],
        "pagerduty" => &[("title", include_str!("defaults/pagerduty/title.txt"))],
        "servicenow" => &[
            ("title", include_str!("defaults/servicenow/title.txt")),
            ("text", include_str!("defaults/servicenow/text.txt")),
        ],
        _ => &[("title", include_str!("defaults/chat/title.txt")), ("text", include_str!("defaults/chat/text.txt"))],
    };
    let fields = (kind.name == "pagerduty").then_some(include_str!("defaults/pagerduty/fields.toml"));
    Some(DefaultTemplates { texts, fields })
}

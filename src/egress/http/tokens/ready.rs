//! A token for a request, or why there is none.

use crate::destinations::{Fault, Reply};
use crate::domain::Secret;

/// A token and whether it was fetched just now.
#[derive(Debug)]
pub struct Ready {
    /// What the request carries.
    pub token: Secret,
    /// Another one would be no better.
    pub is_new: bool,
}

/// Why there is no token. Nothing was sent to the destination then.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The operator must act.
    Refused(String),
    /// Where tokens come from cannot be reached or is in trouble.
    Away(String),
}

impl Failure {
    /// What the destination is told in the place of an answer.
    pub fn into_reply(self) -> Reply {
        match self {
            Self::Refused(why) => Reply::NotSent(why),
            Self::Away(detail) => Reply::Failed(Fault { may_have_arrived: false, detail }),
        }
    }

    /// Why, for a log line.
    pub fn why(&self) -> &str {
        match self {
            Self::Refused(why) | Self::Away(why) => why,
        }
    }
}

//! What comes next in a try, as a destination says it to `pipeline::attempt`.

use super::Message;
use crate::domain::Outcome;

/// The name of a step of a destination, chosen by the destination and given back with the reply.
pub type Step = &'static str;

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// Send this and come back with the reply.
    Send(Step, Message),
    /// The try is over.
    Done(Outcome),
}

//! How a stand-in misbehaves on order.

use std::collections::VecDeque;
use std::time::Duration;

/// What happens to one request instead of the usual. "Taken" means that the request had its full effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: the request is taken and answered, for a gap in a script.
    NoFault,
    /// Not taken; answered with this status and no document.
    Status(u16),
    /// Not taken; 429 in the words of the service, with `Retry-After` in seconds where it is given.
    Status429 {
        /// The wait that is asked for.
        retry_after: Option<Duration>,
    },
    /// Not taken; silent for that long, then the connection is dropped.
    Hang(Duration),
    /// Not taken; the connection is dropped without a byte of an answer.
    Reset,
    /// Taken; the connection is dropped without a byte of an answer.
    TakenThenReset,
    /// Taken; silent for that long, then the connection is dropped.
    TakenThenHang(Duration),
    /// Not taken; answered so, for an answer that the service gives in a state of its own.
    Answer {
        /// The status code.
        status: u16,
        /// The body, which is said to be JSON.
        body: String,
    },
    /// Not taken; 200 with a page that no client of the service understands.
    Garbage200,
    /// Not taken; 307 to this URL, which asks to repeat the request there, credentials and all.
    Redirect(String),
    /// Not taken; the service says that it does not know the credentials.
    Unauthorized,
    /// Taken; the body of the answer comes at this pace.
    SlowAnswer {
        /// At least 1.
        bytes_per_second: u32,
    },
}

impl Fault {
    /// Whether the request has its effect all the same.
    pub fn takes(&self) -> bool {
        matches!(self, Self::NoFault | Self::TakenThenReset | Self::TakenThenHang(_) | Self::SlowAnswer { .. })
    }
}

/// The faults that are still to come.
#[derive(Debug, Default)]
pub(super) struct Script {
    next: VecDeque<Fault>,
    always: Option<Fault>,
}

impl Script {
    pub(super) fn script(&mut self, faults: impl IntoIterator<Item = Fault>) {
        self.next.extend(faults);
    }

    pub(super) fn forget_script(&mut self) {
        self.next.clear();
    }

    /// How many scripted faults have met no request.
    pub(super) fn unmet(&self) -> usize {
        self.next.len()
    }

    pub(super) fn always(&mut self, fault: Option<Fault>) {
        self.always = fault;
    }

    /// The fault of the request that has just come.
    pub(super) fn draw(&mut self) -> Fault {
        self.next.pop_front().or_else(|| self.always.clone()).unwrap_or(Fault::NoFault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_comes_first_and_what_is_always_so_after_it() {
        let mut script = Script::default();
        assert_eq!(script.draw(), Fault::NoFault);
        script.always(Some(Fault::Reset));
        script.script([Fault::Status(500), Fault::NoFault]);
        assert_eq!(script.draw(), Fault::Status(500));
        assert_eq!(script.draw(), Fault::NoFault);
        assert_eq!(script.draw(), Fault::Reset);
        assert_eq!(script.draw(), Fault::Reset);
        script.always(None);
        assert_eq!(script.draw(), Fault::NoFault);
        script.script([Fault::Reset]);
        assert_eq!(script.unmet(), 1);
        script.forget_script();
        assert_eq!((script.unmet(), script.draw()), (0, Fault::NoFault));
    }
}

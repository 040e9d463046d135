//! One message to a chat's incoming webhook, which knows no idempotency: the steps that are the same in every chat.
//!
//! Called by the notifiers whose messages go through such a webhook. A message that is not accepted in its full form is sent
//! once more in a plainer one. After doubt it is sent again with a mark, or not at all, as `on_uncertain` says.

use super::classify::{self, Again, Answer};
use super::errors::{Classified, ErrorRow};
use super::uncertain::{self, Marked, OnUncertain};
use super::{HttpReply, HttpRequest, Message, Next, Reply, Step};
use crate::domain::{Job, Outcome, Telling};

/// A chat that takes messages by an incoming webhook.
pub(super) trait Hook {
    /// Its name, as people read it.
    const NAME: &'static str;

    /// What to do with a message that may have arrived.
    fn on_uncertain(&self) -> OnUncertain;

    /// The message about a change.
    fn request(&self, job: &Job<'_>, telling: &Telling<'_>, form: Form) -> HttpRequest;

    /// What the answer to a message means.
    fn verdict(&self, answer: &Answer<'_>) -> Verdict;

    /// Texts that no reason may repeat.
    fn secrets(&self) -> Vec<String>;
}

/// The form of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Whether it says that it may be a repeat.
    pub marked: Marked,
    /// How much of it there is.
    pub shape: Shape,
}

/// How much of a message there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// All of it.
    Full,
    /// The least that tells the change, for a chat that did not accept the full form.
    Plain,
}

/// What an answer means.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The try is over.
    Done(Outcome),
    /// It was certainly not taken, and may be in a plainer form; if not, this is the outcome.
    Plainer(Outcome),
}

impl From<Classified> for Verdict {
    fn from(classified: Classified) -> Self {
        match classified {
            Classified::Done(outcome) => Self::Done(outcome),
            Classified::Plainer(outcome) => Self::Plainer(outcome),
        }
    }
}

/// The verdict by a table: that of the first row for this status and what the answer says, else that of the status.
pub(super) fn by_table(table: &[ErrorRow], answer: &Answer<'_>, status: u16, said: &[String]) -> Verdict {
    match ErrorRow::find(table, status, said) {
        Some(row) => row.classify(answer, std::time::Duration::from_secs(1)).into(),
        None => Verdict::Done(answer.by_status()),
    }
}

/// The first message of a try.
pub(super) fn first<H: Hook>(hook: &H, job: &Job<'_>, telling: &Telling<'_>) -> Next {
    if !classify::in_doubt(job) {
        return send(hook, job, telling, POST);
    }
    match hook.on_uncertain() {
        OnUncertain::Repeat => send(hook, job, telling, REPEAT),
        OnUncertain::Drop => Next::Done(OnUncertain::dropped(H::NAME)),
    }
}

/// What to make of the reply to a step of [`first`] or of this.
pub(super) fn next<H: Hook>(hook: &H, job: &Job<'_>, telling: &Telling<'_>, step: Step, reply: &Reply) -> Next {
    let reply = match classify::http(job, H::NAME, Again::Doubled, reply) {
        Ok(reply) => reply,
        Err(outcome) => return Next::Done(uncertain::bounded(job, outcome)),
    };
    match (hook.verdict(&answer(hook, job, reply)), step) {
        (Verdict::Plainer(_), POST) => send(hook, job, telling, POST_PLAIN),
        (Verdict::Plainer(_), REPEAT) => send(hook, job, telling, REPEAT_PLAIN),
        (Verdict::Plainer(outcome) | Verdict::Done(outcome), _) => Next::Done(uncertain::bounded(job, outcome)),
    }
}

/// A reply to classify, of a message that would be there twice if it were sent twice.
pub(super) fn answer<'a, H: Hook>(hook: &H, job: &'a Job<'a>, reply: &'a HttpReply) -> Answer<'a> {
    Answer { attempt: job.into(), who: H::NAME, reply, secrets: hook.secrets(), again: Again::Doubled }
}

fn send<H: Hook>(hook: &H, job: &Job<'_>, telling: &Telling<'_>, step: Step) -> Next {
    let is_repeat = matches!(step, REPEAT | REPEAT_PLAIN);
    let is_plain = matches!(step, POST_PLAIN | REPEAT_PLAIN);
    let form = Form {
        marked: if is_repeat { Marked::PossibleRepeat } else { Marked::No },
        shape: if is_plain { Shape::Plain } else { Shape::Full },
    };
    Next::Send(step, Message::Http(hook.request(job, telling, form)))
}

pub(super) const POST: Step = "post";
pub(super) const POST_PLAIN: Step = "post-plain";
pub(super) const REPEAT: Step = "repeat";
pub(super) const REPEAT_PLAIN: Step = "repeat-plain";

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{body, done, reply, sent};
    use super::super::{Fault, life};
    use super::*;
    use crate::domain::OutcomeKind::{Delivered, Refused, Retry, Unknown};
    use crate::domain::{NotifierClass, Progress, Repeat};

    /// A chat that takes `full` with 200, wants it plainer with 400, and is in doubt otherwise.
    struct Acme(OnUncertain);

    impl Hook for Acme {
        const NAME: &'static str = "Acme";

        fn on_uncertain(&self) -> OnUncertain {
            self.0
        }

        fn request(&self, _: &Job<'_>, _: &Telling<'_>, form: Form) -> HttpRequest {
            let url = url::Url::parse("https://acme.example/s3cret-path").unwrap();
            let document =
                json!({ "repeat": form.marked == Marked::PossibleRepeat, "full": form.shape == Shape::Full });
            HttpRequest::post_json(url, &document)
        }

        fn verdict(&self, answer: &Answer<'_>) -> Verdict {
            match answer.reply.status {
                200 => Verdict::Done(Outcome::Delivered { remote: None }),
                400 => Verdict::Plainer(answer.refused("too much")),
                _ => Verdict::Done(answer.by_status()),
            }
        }

        fn secrets(&self) -> Vec<String> {
            vec!["s3cret-path".into()]
        }
    }

    fn form(next: Next) -> (Step, Value) {
        let (step, request) = sent(next);
        (step, body(&request))
    }

    #[test]
    fn what_is_not_accepted_is_sent_once_more_in_a_plainer_form() {
        let told = life::at("open", NotifierClass::AppendOnly);
        let nothing = Progress::default();
        let (certain, telling, acme) = (told.job(), told.telling(), Acme(OnUncertain::Repeat));
        let doubtful = life::in_doubt(certain, &nothing);
        for (job, is_repeat, steps) in [(certain, false, [POST, POST_PLAIN]), (doubtful, true, [REPEAT, REPEAT_PLAIN])]
        {
            let full = (steps[0], json!({ "repeat": is_repeat, "full": true }));
            assert_eq!(form(first(&acme, &job, &telling)), full);
            let plain = (steps[1], json!({ "repeat": is_repeat, "full": false }));
            assert_eq!(form(next(&acme, &job, &telling, steps[0], &reply(400, "no"))), plain);
            assert_eq!(done(next(&acme, &job, &telling, steps[1], &reply(400, "no"))).kind(), Refused);
            for step in steps {
                assert_eq!(done(next(&acme, &job, &telling, step, &reply(200, ""))).kind(), Delivered);
            }
        }
    }

    #[test]
    fn a_message_in_doubt_is_repeated_with_a_mark_or_dropped() {
        let told = life::at("open", NotifierClass::AppendOnly);
        let nothing = Progress::default();
        let (job, telling) = (life::in_doubt(told.job(), &nothing), told.telling());
        assert_eq!(form(first(&Acme(OnUncertain::Repeat), &job, &telling)).0, REPEAT);
        let dropped = done(first(&Acme(OnUncertain::Drop), &job, &telling));
        assert!(dropped.kind() == Refused && dropped.reason().unwrap().contains("Acme cannot tell"), "{dropped:?}");
        assert_eq!(form(first(&Acme(OnUncertain::Drop), &told.job(), &telling)).0, POST, "without doubt it is sent");
    }

    #[test]
    fn doubt_is_bounded_and_what_certainly_did_not_arrive_is_tried_again() {
        let told = life::at("open", NotifierClass::AppendOnly);
        let (job, telling, acme) = (told.job(), told.telling(), Acme(OnUncertain::Repeat));
        let fault = |may_have_arrived| Reply::Failed(Fault { may_have_arrived, detail: "it broke".into() });
        for doubtful in [reply(502, "at s3cret-path"), fault(true)] {
            let outcome = done(next(&acme, &job, &telling, POST, &doubtful));
            assert!(matches!(outcome, Outcome::Unknown { repeat: Repeat::After(_), .. }), "{outcome:?}");
            assert!(outcome.kind() == Unknown && !outcome.reason().unwrap().contains("s3cret"), "{outcome:?}");
        }
        assert_eq!(done(next(&acme, &job, &telling, POST, &fault(false))).kind(), Retry);
    }
}

//! What the answers of a mail server mean: for each recipient, and for the delivery.

use std::time::Duration;

use super::notes::{Cause, Notes};
use super::{Email, NAME, errors};
use crate::destinations::classify;
use crate::destinations::errors::{ErrorClass, ErrorRow};
use crate::destinations::render::{redact, sanitize, truncate};
use crate::destinations::{MailAnswer, MailResult, MailStage, Reply};
use crate::domain::{Job, Outcome, Repeat, Scope};

/// What became of the mail for one recipient.
enum Verdict {
    /// The server has it.
    Taken,
    /// It gets no further try.
    LeftOut(Cause, String),
    /// Not taken, and worth another try.
    Later { reason: String, after: Option<Duration>, scope: Scope },
    /// The settings are at fault, for every recipient.
    Settings(String),
    /// It may have been taken.
    Doubtful(String),
}

impl Email {
    /// Notes what became of each recipient that was waiting, and says what follows.
    pub fn outcome(&self, job: &Job<'_>, notes: &mut Notes, waiting: &[&str], reply: &Reply) -> Outcome {
        let results = match reply {
            Reply::Mailed(results) => results,
            other => return with_notes(unreached(job, other), notes),
        };
        let taken_before = notes.taken.len();
        let mut open = Open::default();
        for (index, recipient) in waiting.iter().enumerate() {
            let result = results.get(index).unwrap_or(&MailResult::NotTried);
            match self.verdict(recipient, result) {
                Verdict::Taken => notes.taken.push((*recipient).to_owned()),
                Verdict::LeftOut(cause, reason) => notes.leave_out(recipient, cause, reason),
                Verdict::Settings(reason) => open.settings = Some(reason),
                Verdict::Later { reason, after, scope } => open.later(reason, after, scope),
                Verdict::Doubtful(reason) => open.doubtful(notes, recipient, reason),
            }
        }
        let is_reached = notes.taken.len() > taken_before;
        match open.outcome(job, notes, is_reached) {
            Some(outcome) => outcome,
            None => Self::settled(notes, waiting, &open),
        }
    }

    /// Nothing more is tried: who has it, who has not.
    pub fn settled(notes: &mut Notes, waiting: &[&str], open: &Open) -> Outcome {
        for recipient in notes.waiting(waiting.iter().copied()).into_iter().map(str::to_owned).collect::<Vec<_>>() {
            let reason = open.reason.clone().unwrap_or_else(|| "it was not its turn".to_owned());
            notes.leave_out(&recipient, Cause::Time, format!("{recipient}: given up after hours of trying: {reason}"));
        }
        if !notes.taken.is_empty() {
            return Outcome::Delivered { remote: None };
        }
        let reason = reasons(notes);
        let is_all = |cause| notes.left_out.iter().all(|left_out| left_out.cause == cause);
        if notes.left_out.iter().any(|left_out| left_out.cause == Cause::Doubt) {
            let progress = notes.progress();
            return Outcome::Unknown { reason, scope: Scope::Delivery, repeat: Repeat::Never, after: None, progress };
        }
        if is_all(Cause::Settings) {
            return Outcome::Misconfigured { reason, scope: Scope::Delivery };
        }
        Outcome::Refused { reason }
    }

    fn verdict(&self, recipient: &str, result: &MailResult) -> Verdict {
        match result {
            MailResult::Answered(answer) if answer.is_taken() => Verdict::Taken,
            MailResult::Answered(answer) => self.of_answer(recipient, answer),
            MailResult::NotTried => {
                let reason = format!("{recipient}: the connection ended before it was its turn");
                Verdict::Later { reason, after: None, scope: Scope::Delivery }
            }
            MailResult::Broken { may_have_arrived: true, detail } => Verdict::Doubtful(format!(
                "{recipient}: {NAME} may have taken it, but no answer came: {}",
                line(detail)
            )),
            MailResult::Broken { may_have_arrived: false, detail } => {
                let reason = format!("{recipient}: {NAME} broke off before it had it: {}", line(detail));
                Verdict::Later { reason, after: None, scope: Scope::Destination }
            }
        }
    }

    fn of_answer(&self, recipient: &str, answer: &MailAnswer) -> Verdict {
        let said = vec![answer.enhanced_code().unwrap_or_default().to_owned()];
        let row = ErrorRow::find(table(answer.stage), answer.code, &said);
        let Some(row) = row else {
            let reason = self.reason(recipient, answer, "that is no answer to what was asked", "");
            return Verdict::Later { reason, after: Some(PAUSE), scope: Scope::Delivery };
        };
        let reason = self.reason(recipient, answer, row.meaning, row.remedy);
        let is_of_recipient = answer.stage == MailStage::Recipient;
        match row.class {
            ErrorClass::Busy => Verdict::Later { reason, after: Some(PAUSE), scope: Scope::Destination },
            ErrorClass::Settings => Verdict::Settings(reason),
            ErrorClass::Suspect => Verdict::LeftOut(Cause::Settings, reason),
            ErrorClass::Refused => Verdict::LeftOut(Cause::Message, reason),
            ErrorClass::Unknown => Verdict::Doubtful(reason),
            _ => Verdict::Later { reason, after: Some(pause(answer.code, is_of_recipient)), scope: Scope::Delivery },
        }
    }

    /// `soc@example.com: the mail server says 550 to RCPT TO: …`
    fn reason(&self, recipient: &str, answer: &MailAnswer, meaning: &str, remedy: &str) -> String {
        let about = if answer.stage < MailStage::Sender { String::new() } else { format!("{recipient}: ") };
        let (code, stage) = (answer.code, answer.stage.as_str());
        let mut reason = format!("{about}{NAME} says {code} to {stage}: {meaning}");
        if !remedy.is_empty() {
            reason.push_str(&format!(": {remedy}"));
        }
        let mut said = answer.text.clone();
        for secret in self.credentials() {
            said = said.replace(&secret, "[secret]");
        }
        match sanitize::line(&redact::text(&truncate::chars(&said, 2000))) {
            Some(said) => format!("{reason}. It said: {}", truncate::chars(&said, QUOTE_CHARS_MAX)),
            None => reason,
        }
    }
}

/// Why recipients were left out, in one line.
pub fn reasons(notes: &Notes) -> String {
    let all = notes.left_out.iter().map(|left_out| left_out.reason.as_str()).collect::<Vec<_>>().join("; ");
    truncate::chars(&all, REASON_CHARS_MAX).into_owned()
}

/// What is still open after a try.
#[derive(Debug, Default)]
pub struct Open {
    settings: Option<String>,
    doubt: Option<Duration>,
    is_later: bool,
    is_destination: bool,
    after: Option<Duration>,
    reason: Option<String>,
}

impl Open {
    fn later(&mut self, reason: String, after: Option<Duration>, scope: Scope) {
        self.is_destination |= scope == Scope::Destination;
        // The first one to be due again decides; what was not tried goes with it.
        self.after = self.after.into_iter().chain(after).min();
        self.is_later = true;
        self.reason.get_or_insert(reason);
    }

    /// It is sent again a few times, later and later, under the same id.
    fn doubtful(&mut self, notes: &mut Notes, recipient: &str, reason: String) {
        let sent = notes.doubtful.get(recipient).copied().unwrap_or(0).saturating_add(1);
        notes.doubtful.insert(recipient.to_owned(), sent);
        match usize::try_from(sent - 1).ok().and_then(|sent| DOUBTFUL_PAUSES.get(sent)) {
            Some(pause) => {
                self.doubt = Some(self.doubt.map_or(*pause, |other| other.min(*pause)));
                self.reason = Some(reason);
            }
            None => {
                let reason = format!("{reason}. It may have arrived each of {sent} times. {SENT_ENOUGH}");
                notes.leave_out(recipient, Cause::Doubt, reason);
            }
        }
    }

    /// What follows, unless nothing more is to be tried.
    fn outcome(&self, job: &Job<'_>, notes: &Notes, is_reached: bool) -> Option<Outcome> {
        let reason = || self.reason.clone().unwrap_or_default();
        let progress = notes.progress();
        let scope = if is_reached || !self.is_destination { Scope::Delivery } else { Scope::Destination };
        match (&self.settings, self.doubt) {
            // What was taken must be written down first.
            (Some(reason), _) if is_reached => {
                let (reason, after) = (reason.clone(), Some(PAUSE));
                Some(Outcome::Retry { reason, after, scope: Scope::Delivery, progress })
            }
            (Some(reason), _) => Some(Outcome::Misconfigured { reason: reason.clone(), scope: Scope::Destination }),
            (None, Some(pause)) => {
                let scope = if is_reached { Scope::Delivery } else { Scope::Destination };
                Some(Outcome::Unknown { reason: reason(), scope, repeat: Repeat::After(pause), after: None, progress })
            }
            (None, None) if !self.is_later => None,
            // Others have it, and what is to be told next must not wait for ever.
            (None, None) if !notes.taken.is_empty() && is_late(job, notes) => None,
            (None, None) => Some(Outcome::Retry { reason: reason(), after: self.after, scope, progress }),
        }
    }
}

fn is_late(job: &Job<'_>, notes: &Notes) -> bool {
    let waited = job.now.as_millis().saturating_sub(notes.since);
    u64::try_from(waited).is_ok_and(|waited| Duration::from_millis(waited) >= STRAGGLERS_WAIT_MAX)
}

fn unreached(job: &Job<'_>, reply: &Reply) -> Outcome {
    match classify::http(job, NAME, classify::Again::Doubled, reply) {
        Err(outcome) => outcome,
        Ok(_) => {
            classify::in_doubt_now(job, "the reply to a request of HTTP came back: report this as a defect".into())
        }
    }
}

fn with_notes(outcome: Outcome, notes: &Notes) -> Outcome {
    let progress = notes.progress();
    match outcome {
        Outcome::Retry { reason, after, scope, .. } => Outcome::Retry { reason, after, scope, progress },
        Outcome::Unknown { reason, scope, repeat, after, .. } => {
            Outcome::Unknown { reason, scope, repeat, after, progress }
        }
        other => other,
    }
}

fn table(stage: MailStage) -> &'static [ErrorRow] {
    match stage {
        MailStage::Greeting | MailStage::Hello | MailStage::StartTls | MailStage::Login => errors::SESSION,
        MailStage::Sender => errors::SENDER,
        MailStage::Recipient => errors::RECIPIENT,
        MailStage::Data | MailStage::Content => errors::MESSAGE,
    }
}

/// How long a mail waits that was turned away. A server that greylists takes it from a few minutes on; a full mailbox or disk
/// takes longer.
fn pause(code: u16, is_of_recipient: bool) -> Duration {
    match code {
        450 | 451 if is_of_recipient => GREYLISTED_PAUSE,
        452 | 552 => FULL_PAUSE,
        _ => PAUSE,
    }
}

fn line(text: &str) -> String {
    truncate::chars(&sanitize::line(text).unwrap_or_else(|| "no details".into()), QUOTE_CHARS_MAX).into_owned()
}

const PAUSE: Duration = Duration::from_secs(60);
const GREYLISTED_PAUSE: Duration = Duration::from_secs(5 * 60);
const FULL_PAUSE: Duration = Duration::from_secs(15 * 60);
/// Where others have a mail, a recipient that does not take it is waited for no longer.
const STRAGGLERS_WAIT_MAX: Duration = Duration::from_secs(4 * 3600);
/// After each time that a mail may have arrived. Until then nothing else is told of the incident.
const DOUBTFUL_PAUSES: [Duration; 3] =
    [Duration::from_secs(60), Duration::from_secs(5 * 60), Duration::from_secs(30 * 60)];
const SENT_ENOUGH: &str = "It is not sent again: ask the recipient, and replay the delivery if it is not there";
const QUOTE_CHARS_MAX: usize = 200;
const REASON_CHARS_MAX: usize = 1000;

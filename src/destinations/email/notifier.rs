//! Incidents by mail: one message for each change, to each recipient by itself.

use bytes::Bytes;
use serde_json::json;

use super::compose::{self, Header};
use super::notes::{Notes, name_of};
use super::notice::{self, Marked, Notice};
use super::reply::{Open, reasons};
use super::{Email, NAME, PACE};
use crate::destinations::render::truncate;
use crate::destinations::{Mail, Mailing, Message, Next, Notifier, Pace, Reply, Step, classify, fingerprint};
use crate::domain::{Job, NotifierClass, Operation, Outcome, Purpose, Reference, Telling};

impl Notifier for Email {
    fn class(&self) -> NotifierClass {
        NotifierClass::AppendOnly
    }

    /// Who reads it, and as whose mail. The server and the account are only a way there: incidents are not told anew when
    /// a password is replaced.
    fn fingerprint(&self) -> [u8; 16] {
        let mut to: Vec<String> = self.recipients().map(str::to_ascii_lowercase).collect();
        to.sort();
        let from: &str = self.from.email.as_ref();
        let parts = [b"email".as_slice(), from.as_bytes()].into_iter().chain(to.iter().map(String::as_bytes));
        fingerprint::of(&parts.collect::<Vec<_>>())
    }

    fn pace(&self) -> Pace {
        PACE
    }

    fn first(&self, job: &Job<'_>, telling: &Telling<'_>) -> Next {
        if !matches!(telling.intent.operation, Operation::Create { .. } | Operation::Reply { .. }) {
            return Next::Done(classify::not_supported(NAME, telling.intent.operation));
        }
        let mut notes = Notes::of(job, &name_of(telling));
        let waiting = notes.waiting(self.recipients());
        if waiting.is_empty() {
            let outcome = Self::settled(&mut notes, &[], &Open::default());
            return Next::Done(self.with_reference(job, telling, &notes, outcome));
        }
        match self.mails(job, telling, &notes, &waiting) {
            Ok(mails) => {
                let sender = self.from.email.to_string();
                Next::Send(SEND, Message::Mail(Mailing { server: self.server.clone(), sender, mails }))
            }
            Err(error) => Next::Done(Outcome::Refused {
                reason: format!("the mail cannot be written: {error}; report this as a defect of gatepost"),
            }),
        }
    }

    fn next(&self, job: &Job<'_>, telling: &Telling<'_>, _step: Step, reply: &Reply) -> Next {
        let notes = Notes::of(job, &name_of(telling));
        let waiting = notes.waiting(self.recipients());
        let mut after = notes.clone();
        let outcome = self.outcome(job, &mut after, &waiting, reply);
        Next::Done(self.with_reference(job, telling, &after, outcome))
    }
}

impl Email {
    fn recipients(&self) -> impl Iterator<Item = &str> {
        self.to.iter().map(|to| to.email.as_ref())
    }

    /// A mail for each; a recipient that may have it already is told so.
    fn mails(
        &self,
        job: &Job<'_>,
        telling: &Telling<'_>,
        notes: &Notes,
        waiting: &[&str],
    ) -> Result<Vec<Mail>, String> {
        let mut plain: Option<Bytes> = None;
        let mut marked: Option<Bytes> = None;
        let mut mails = Vec::with_capacity(waiting.len());
        for recipient in waiting {
            let (made, mark) = match notes.is_doubtful(recipient) {
                true => (&mut marked, Marked::PossibleRepeat),
                false => (&mut plain, Marked::No),
            };
            let content = match made {
                Some(content) => content.clone(),
                None => made.insert(Bytes::from(self.content(job, telling, mark)?)).clone(),
            };
            mails.push(Mail { recipient: (*recipient).to_owned(), content });
        }
        Ok(mails)
    }

    fn content(&self, job: &Job<'_>, telling: &Telling<'_>, marked: Marked) -> Result<Vec<u8>, String> {
        let first = first_mail(telling);
        let subject = match first {
            Some((_, subject)) => subject.to_owned(),
            None => notice::subject(job, telling),
        };
        let mut more = vec![("X-Gatepost-Severity", telling.incident.rank.severity.as_str().to_owned())];
        if job.purpose != Purpose::Probe {
            more.push(("X-Gatepost-Incident", telling.incident.number.0.to_string()));
        }
        let header = Header {
            from: &self.from,
            to: &self.to,
            subject: &subject,
            date: job.now,
            message_id: &self.message_id(telling),
            first_id: first.map(|(id, _)| id),
            more,
        };
        compose::compose(&header, &Notice::of(job, telling, marked))
    }

    /// The same at every try, so that mail stores can show it once.
    fn message_id(&self, telling: &Telling<'_>) -> String {
        format!("<{}@{}>", name_of(telling), self.from.email.domain())
    }

    /// The first mail is what the later ones answer. Who was left out is said beside its name, for the operator.
    fn with_reference(&self, job: &Job<'_>, telling: &Telling<'_>, notes: &Notes, outcome: Outcome) -> Outcome {
        if !matches!(outcome, Outcome::Delivered { .. }) {
            return outcome;
        }
        let id = self.message_id(telling);
        let name = match notes.left_out.len() {
            0 => id.clone(),
            missing => {
                let all = notes.taken.len() + missing;
                let reasons = reasons(notes);
                truncate::chars(&format!("{id} for {} of {all}. {reasons}", notes.taken.len()), NAME_CHARS_MAX)
                    .into_owned()
            }
        };
        let (first, subject) = match first_mail(telling) {
            Some((first, subject)) => (first.to_owned(), subject.to_owned()),
            None => (id, notice::subject(job, telling)),
        };
        let data = json!({ MESSAGE_ID: first, SUBJECT: subject });
        Outcome::Delivered { remote: Some(Reference { name, data }) }
    }
}

/// Id and subject of the first mail of the incident, where this is not the first one.
fn first_mail<'t>(telling: &Telling<'t>) -> Option<(&'t str, &'t str)> {
    if !matches!(telling.intent.operation, Operation::Reply { .. }) {
        return None;
    }
    let data = &telling.told.reference.as_ref()?.data;
    let id = data[MESSAGE_ID].as_str().filter(|id| is_id(id))?;
    let subject = data[SUBJECT].as_str().filter(|subject| !subject.chars().any(char::is_control))?;
    Some((id, subject))
}

/// As it was made here.
fn is_id(id: &str) -> bool {
    id.starts_with('<') && id.ends_with('>') && id.len() <= 400 && id.bytes().all(|byte| byte.is_ascii_graphic())
}

const SEND: Step = "send";
/// In the data of a reference.
const MESSAGE_ID: &str = "message_id";
const SUBJECT: &str = "subject";
const NAME_CHARS_MAX: usize = 500;

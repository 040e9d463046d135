//! Incidents to mails, answers of a mail server to outcomes.

use serde_json::{Value, json};

use super::*;
use crate::destinations::life::{self, OwnedTelling};
use crate::destinations::testing::{self, done};
use crate::destinations::{
    Fault, Mail, MailAnswer, MailResult, MailSecurity, MailStage, Mailing, Message, Next, Reply, errors as tables,
};
use crate::domain::OutcomeKind::{self, Delivered, Misconfigured, Refused, Retry, Unknown};
use crate::domain::{
    Audience, Change, Event, Job, NotifierClass, Operation, Outcome, Progress, Repeat, Scope, Severity, Telling,
};
use crate::standins::email::Message as Read;

const SERVER: &str = "smtp = \"smtps://alerts@smtp.acme.example:465\"\npassword = { env = \"SMTP_PASSWORD\" }\nfrom = \"Gatepost <gatepost@acme.example>\"";
const ONE: &str = "to = \"soc@acme.example\"";
const THREE: &str = "to = [\"soc@acme.example\", \"Dana <dana@acme.example>\", \"lee@acme.example\"]";
const CREATE: Operation = Operation::Create { number: 1 };
const REPLY: Operation = Operation::Reply { number: 1, audience: Audience::Channel };

fn notifier(to: &str) -> Box<dyn Notifier> {
    testing::notifier(&KIND, &format!("{SERVER}\n{to}"))
}

fn mailing(next: Next) -> Mailing {
    match next {
        Next::Send(step, Message::Mail(mailing)) => {
            assert_eq!(step, "send");
            mailing
        }
        other => panic!("{other:?}"),
    }
}

/// As a strict server reads it.
fn read(mail: &Mail) -> Read {
    Read::read(&mail.content).unwrap_or_else(|why| panic!("{why}\n{}", String::from_utf8_lossy(&mail.content)))
}

fn answered(stage: MailStage, code: u16, text: &str) -> MailResult {
    MailResult::Answered(MailAnswer { stage, code, text: text.into() })
}

fn taken() -> MailResult {
    answered(MailStage::Content, 250, "2.0.0 taken")
}

fn lost() -> MailResult {
    MailResult::Broken { may_have_arrived: true, detail: "it closed the connection".into() }
}

fn told(stage: &str) -> OwnedTelling {
    life::at(stage, NotifierClass::AppendOnly)
}

/// A mail as golden files hold it.
fn transcript(mailing: &Mailing) -> Value {
    let mails = mailing.mails.iter().map(|mail| {
        let message = read(mail);
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let header: Vec<String> = message.fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        json!({
            "recipient": mail.recipient,
            "header": header,
            "subject": message.subject(),
            "plain": lines(&message.plain),
            "html": lines(&message.html),
        })
    });
    json!({ "sender": mailing.sender, "mails": mails.collect::<Vec<_>>() })
}

/// Drives a try whose mails are all taken.
fn tell(notifier: &dyn Notifier, job: &Job<'_>, telling: &Telling<'_>) -> (Vec<Value>, Outcome) {
    let mailing = mailing(notifier.first(job, telling));
    assert!(!testing::leaks(&format!("{mailing:?}")));
    let reply = Reply::Mailed(vec![taken(); mailing.mails.len()]);
    (vec![transcript(&mailing)], done(notifier.next(job, telling, "send", &reply)))
}

#[test]
fn settings_are_read_and_faults_named() {
    let with = |smtp: &str| format!("smtp = \"{smtp}\"\nfrom = \"a@acme.example\"\n{ONE}");
    for good in [
        with("smtps://mail.acme.example"),
        with("smtp://mail.acme.example:587"),
        with("smtp://127.0.0.1:2525"),
        with("smtp://[::1]:2525/"),
        with("smtp://localhost"),
        format!("{SERVER}\n{THREE}"),
        format!("{SERVER}\n{ONE}\nca_file = \"authority.pem\""),
        format!("{}\npassword = {{ env = \"SHORT\" }}", with("smtps://soc%40acme.example@mail.acme.example")),
    ] {
        assert!(testing::build(&KIND, &good).is_ok(), "{good}: {:?}", testing::build(&KIND, &good).err());
    }
    let many = (0..21).map(|n| format!("\"{n}@acme.example\"")).collect::<Vec<_>>().join(", ");
    for (bad, said) in [
        (format!("from = \"a@acme.example\"\n{ONE}"), "smtp: is missing"),
        (format!("smtp = \"smtps://h.example\"\n{ONE}"), "from: is missing"),
        ("smtp = \"smtps://h.example\"\nfrom = \"a@acme.example\"".to_owned(), "to: is missing"),
        (with("mail.acme.example:25"), "is neither smtp nor smtps"),
        (with("https://mail.acme.example"), "is neither smtp nor smtps"),
        (with("smtps://"), "has no host"),
        (with("smtps://a b/"), "is not a URL"),
        (with("smtps://u:hunter2@h.example"), "holds a password"),
        (with("smtps://h.example/path"), "after the port"),
        (with("smtps://h.example?x=1"), "after the port"),
        (with("smtps://u@h.example"), "password: is missing, and `smtp` names a user"),
        (with("smtps://u%zz@h.example"), "has a user that cannot be read"),
        (with("smtps://u%0d@h.example"), "has a user that cannot be read"),
        (format!("{}\npassword = {{ env = \"SHORT\" }}", with("smtps://h.example")), "names no user"),
        (format!("{}\npassword = {{ env = \"LINES\" }}", with("smtps://u@h.example")), "no login can carry"),
        (format!("{}\nca_file = \"empty.pem\"", with("smtps://h.example")), "holds no certificate"),
        (format!("{}\nca_file = \"absent.pem\"", with("smtps://h.example")), "cannot be read"),
        (format!("{SERVER}\nto = []"), "is an empty list"),
        (format!("{SERVER}\nto = [\"a@acme.example\", \"A@ACME.example\"]"), "names A@ACME.example twice"),
        (format!("{SERVER}\nto = [{many}]"), "more than 20 recipients"),
        (format!("{SERVER}\nto = \"soc\""), "'soc' is not a mail address"),
        (format!("{SERVER}\nto = \"soc@acme.example\\r\\nBcc: x@e.example\""), "is not a mail address"),
        (format!("{SERVER}\nto = \"s\u{f6}c@acme.example\""), "is not a mail address"),
        (format!("{SERVER}\nto = \"<a@b.example>,c@d.example\""), "is not a mail address"),
    ] {
        let faults = testing::build(&KIND, &bad).err().unwrap_or_else(|| panic!("{bad}"));
        assert!(faults.contains(said) && !faults.contains("hunter2"), "{bad}: {faults}");
    }
    testing::assert_template(&KIND);
    assert!(!testing::leaks(&format!("{:?}", notifier(ONE))));
}

#[test]
fn the_address_says_how_tls_begins_and_where_it_is_left_out() {
    for (smtp, security, port, user) in [
        ("smtps://u@mail.acme.example", MailSecurity::Tls, 465, Some("u")),
        ("smtps://soc%40acme.example@127.0.0.1:2465", MailSecurity::Tls, 2465, Some("soc@acme.example")),
        ("smtp://Mail.Acme.example", MailSecurity::StartTls, 587, None),
        ("smtp://10.0.0.7:25", MailSecurity::StartTls, 25, None),
        ("smtp://localhost:2525", MailSecurity::PlainOnLoopback, 2525, None),
        ("smtp://127.9.9.9", MailSecurity::PlainOnLoopback, 25, None),
        ("smtp://[::1]", MailSecurity::PlainOnLoopback, 25, None),
        ("smtp://localhost.acme.example", MailSecurity::StartTls, 587, None),
    ] {
        let password = user.map(|_| "password = { env = \"SMTP_PASSWORD\" }").unwrap_or_default();
        let settings = format!("smtp = \"{smtp}\"\n{password}\nfrom = \"a@acme.example\"\n{ONE}");
        let telling = told("open");
        let mailing = mailing(testing::notifier(&KIND, &settings).first(&telling.job(), &telling.telling()));
        let server = &mailing.server;
        assert_eq!((server.security, server.port), (security, port), "{smtp}");
        assert_eq!(server.login.as_ref().map(|login| login.user.as_str()), user, "{smtp}");
        assert!(!server.host.contains(['[', 'M']) && server.hello == "acme.example", "{server:?}");
    }
}

#[test]
fn openings_are_golden() {
    for (name, job) in testing::jobs() {
        let opening = testing::Opening::at(&KIND, &format!("{SERVER}\n{ONE}"));
        let mailing = mailing(opening.first(&job.as_job()));
        testing::golden("email", name, &transcript(&mailing));
    }
}

#[test]
fn a_life_is_golden() {
    let email = notifier(THREE);
    let stages = life::live_by(email.as_ref(), |job, telling| tell(email.as_ref(), job, telling));
    assert_eq!(stages.len(), life::STAGES.len());
    let mut subjects = Vec::new();
    for (name, conversation) in stages {
        let mails = conversation[0]["mails"].as_array().unwrap();
        assert_eq!(mails.len(), 3);
        if !["storm", "digest"].contains(&name) {
            subjects.push(mails[0]["subject"].clone());
        }
        // What the others get is the same.
        let mut first = conversation.clone();
        first[0]["mails"] = json!([mails[0]]);
        testing::golden("email", &format!("life/{name}"), &first);
    }
    assert!(subjects.iter().all(|subject| subject == "[#4711] SQL injection on POST /v1/payments"), "{subjects:?}");
}

/// The first line of a mail's text.
fn first_line(stage: &str, operation: Operation) -> String {
    let told = told(stage);
    let change = told.intent.change;
    let told = told.with(change, operation);
    let mailing = mailing(notifier(ONE).first(&told.job(), &told.telling()));
    read(&mailing.mails[0]).plain.lines().next().unwrap().to_owned()
}

#[test]
fn the_first_line_always_tells_the_present_state() {
    let title = "SQL injection on POST /v1/payments · #4711";
    for (stage, line) in [
        ("open", format!("MEDIUM · blocked · {title}")),
        ("raise", format!("HIGH · allowed · {title}")),
        ("acknowledge", format!("👀 acknowledged · HIGH · allowed · {title}")),
        ("resolve", format!("✅ resolved · CRITICAL · SUCCEEDED · {title}")),
        ("quiet", format!("💤 quiet · CRITICAL · SUCCEEDED · {title}")),
    ] {
        assert_eq!(first_line(stage, CREATE), line, "{stage}");
        assert_eq!(first_line(stage, REPLY), line, "{stage}");
    }
}

#[test]
fn a_thread_has_one_subject_and_answers_its_first_mail() {
    let email = notifier(ONE);
    let open = told("open");
    let (_, outcome) = tell(email.as_ref(), &open.job(), &open.telling());
    let Outcome::Delivered { remote: Some(reference) } = outcome else { panic!("{outcome:?}") };
    let opening = read(&mailing(email.first(&open.job(), &open.telling())).mails[0]);
    assert_eq!(reference.name, opening.field("Message-ID"));
    assert_eq!((opening.field("In-Reply-To"), opening.field("References")), ("", ""));
    let mut raise = told("raise");
    raise.told.reference = Some(reference.clone());
    raise.incident.title = "another title".into();
    let mail = read(&mailing(email.first(&raise.job(), &raise.telling())).mails[0]);
    assert_eq!(mail.field("In-Reply-To"), reference.name);
    assert_eq!(mail.field("References"), reference.name);
    assert_eq!(mail.subject(), opening.subject());
    assert_ne!(mail.field("Message-ID"), reference.name);
    let (_, outcome) = tell(email.as_ref(), &raise.job(), &raise.telling());
    let Outcome::Delivered { remote: Some(later) } = outcome else { panic!("{outcome:?}") };
    assert_eq!(later.data, reference.data, "the first mail stays the first");
    // What the store gives back is checked before it stands in a header.
    raise.told.reference = life::reference("x", json!({ "message_id": "<a@b>\r\nBcc: x@e.example", "subject": "s" }));
    let mail = read(&mailing(email.first(&raise.job(), &raise.telling())).mails[0]);
    assert_eq!((mail.field("In-Reply-To"), mail.field("Bcc")), ("", ""));
}

#[test]
fn a_mail_has_the_same_id_at_every_try_and_for_every_recipient() {
    let email = notifier(THREE);
    let open = told("open");
    let ids = |job: &Job<'_>| {
        let mailing = mailing(email.first(job, &open.telling()));
        mailing.mails.iter().map(|mail| read(mail).field("Message-ID").to_owned()).collect::<Vec<_>>()
    };
    let first = ids(&open.job());
    assert!(first.iter().all(|id| *id == first[0]) && first[0].ends_with("@acme.example>"), "{first:?}");
    let nothing = Progress::default();
    let again = Job { tries: 2, ..life::in_doubt(open.job(), &nothing) };
    assert_eq!(ids(&again), first);
    let mailing = mailing(email.first(&again, &open.telling()));
    assert!(mailing.mails.iter().all(|mail| read(mail).plain.contains("Possible repeat")));
}

#[test]
fn only_mails_are_sent() {
    for operation in [Operation::Edit, Operation::Transition, Operation::Trigger { page: 1 }] {
        let told = told("raise").with(Change::Raise, operation);
        assert_eq!(done(notifier(ONE).first(&told.job(), &told.telling())).kind(), Refused);
    }
    assert_eq!(notifier(ONE).class(), NotifierClass::AppendOnly);
}

const FIELDS: [&str; 15] = [
    "auto-submitted",
    "content-transfer-encoding",
    "content-type",
    "date",
    "from",
    "in-reply-to",
    "message-id",
    "mime-version",
    "references",
    "subject",
    "to",
    "x-auto-response-suppress",
    "x-gatepost-incident",
    "x-gatepost-severity",
    "",
];

/// What must hold of any mail, checked without the code that made it.
fn assert_harmless(mail: &Mail) {
    let message = read(mail);
    for (name, _) in &message.fields {
        assert!(FIELDS.contains(&name.to_ascii_lowercase().as_str()), "{name}");
    }
    assert_eq!(message.field("From"), "Gatepost <gatepost@acme.example>");
    assert_eq!(message.field("To"), "soc@acme.example");
    let subject = message.subject();
    assert!(subject.encode_utf16().count() <= 200 && !subject.contains("=?"), "{subject}");
    for text in [&subject, &message.plain, &message.html] {
        assert!(!text.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\u{1b}', '\u{0}']), "{text:?}");
    }
    assert!(mail.content.len() < 250_000, "{}", mail.content.len());
    // Every tag is one of ours, and every link is shown as what it is.
    let html = &message.html;
    for tag in html.split('<').skip(1) {
        let name: String = tag.chars().take_while(|c| c.is_ascii_alphanumeric() || "!/".contains(*c)).collect();
        let ours = ["!DOCTYPE", "html", "head", "meta", "/head", "body", "/body", "/html", "p", "/p", "b", "/b", "br"];
        assert!(
            ours.contains(&name.as_str()) || ["pre", "/pre", "code", "/code", "a", "/a"].contains(&name.as_str()),
            "{tag}"
        );
    }
    for link in html.split("<a href=\"").skip(1) {
        let (url, rest) = link.split_once('"').unwrap();
        assert!(url.starts_with("http") && rest.contains(&format!(">{url}</a>")), "{link}");
    }
}

#[test]
fn every_mail_is_taken_by_a_strict_server_and_is_harmless() {
    let email = notifier(ONE);
    for operation in [CREATE, REPLY] {
        for told in life::every_telling(NotifierClass::AppendOnly, 11) {
            let change = told.intent.change;
            let told = told.with(change, operation);
            let mailing = mailing(email.first(&told.job(), &told.telling()));
            assert_eq!(
                (mailing.sender.as_str(), mailing.mails[0].recipient.as_str()),
                ("gatepost@acme.example", "soc@acme.example")
            );
            assert_harmless(&mailing.mails[0]);
        }
    }
}

#[test]
fn what_an_alert_says_stays_out_of_the_header() {
    let email = notifier(ONE);
    for title in [
        "a\r\nBcc: x@e.example\r\n\r\nbody",
        "a\nSubject: other",
        "=?utf-8?B?DQpCY2M6IHhAZS5leGFtcGxl?=",
        "=?utf-8?Q?a=0D=0ABcc:_x?= =?utf-8?Q?b?=",
        "\u{2028}Bcc: x@e.example",
        ".",
        "--=_0190b6a0000070",
    ] {
        let mut open = told("open");
        open.incident.title = title.to_owned();
        open.event = testing::with_every_text(&open.event, title);
        let mailing = mailing(email.first(&open.job(), &open.telling()));
        assert_harmless(&mailing.mails[0]);
        let message = read(&mailing.mails[0]);
        assert_eq!(message.field("Bcc"), "");
        let subject = message.subject();
        assert!(subject.starts_with("[#4711] ") && !subject.contains(['\r', '\n']), "{subject:?}");
    }
}

/// A try whose mails come to these ends.
fn outcome(to: &str, job: &Job<'_>, telling: &Telling<'_>, results: Vec<MailResult>) -> Outcome {
    done(notifier(to).next(job, telling, "send", &Reply::Mailed(results)))
}

#[test]
fn the_error_tables_are_obeyed() {
    let told = told("open");
    for (stage, table) in [
        (MailStage::Login, errors::SESSION),
        (MailStage::Sender, errors::SENDER),
        (MailStage::Recipient, errors::RECIPIENT),
        (MailStage::Content, errors::MESSAGE),
    ] {
        assert!(table.iter().all(|row| row.word == tables::ANY || row.sample == row.word));
        testing::assert_errors(table, |status, sample| {
            let text = format!("{} not-a-real-mail-password", sample.trim_matches('*'));
            let reply = Reply::Mailed(vec![answered(stage, status, text.trim())]);
            notifier(ONE).next(&told.job(), &told.telling(), "send", &reply)
        });
    }
}

#[test]
fn the_reply_table() {
    let fault = |may_have_arrived| Reply::Failed(Fault { may_have_arrived, detail: "h:465: refused".into() });
    let mailed = |result| Reply::Mailed(vec![result]);
    let broken = MailResult::Broken { may_have_arrived: false, detail: "it closed the connection".into() };
    let rows: Vec<(Reply, OutcomeKind, &str)> = vec![
        (mailed(answered(MailStage::Greeting, 554, "5.7.1 blocked")), Misconfigured, "from this machine"),
        (mailed(answered(MailStage::Greeting, 421, "4.3.2 busy")), Retry, "421 to the connection"),
        (mailed(answered(MailStage::Login, 535, "5.7.8 no not-a-real-mail-password")), Misconfigured, "[secret]"),
        (mailed(answered(MailStage::Sender, 550, "5.7.60 no")), Misconfigured, "`from`"),
        (mailed(answered(MailStage::Recipient, 550, "5.1.1 no such user")), Misconfigured, "soc@acme.example: "),
        (mailed(answered(MailStage::Recipient, 451, "4.7.1 greylisted")), Retry, "greylisted"),
        (mailed(answered(MailStage::Data, 250, "odd")), Retry, "no answer to what was asked"),
        (mailed(answered(MailStage::Content, 552, "5.3.4 too large")), Refused, "too large"),
        (mailed(answered(MailStage::Content, 554, "5.7.1 spam \u{1b}[2J")), Refused, "does not accept"),
        (mailed(broken), Retry, "before it had it"),
        (mailed(MailResult::NotTried), Retry, "its turn"),
        (mailed(lost()), Unknown, "may have taken it"),
        (Reply::Mailed(Vec::new()), Retry, "its turn"),
        (fault(false), Retry, "cannot be reached"),
        (fault(true), Unknown, "may have taken it"),
        (Reply::NotSent("h:465: its certificate expired".into()), Misconfigured, "expired"),
        (Reply::Appended, Unknown, "defect"),
        (testing::reply(200, "ok"), Unknown, "defect"),
    ];
    let told = told("open");
    for (reply, kind, said) in rows {
        let outcome = done(notifier(ONE).next(&told.job(), &told.telling(), "send", &reply));
        assert_eq!(outcome.kind(), kind, "{reply:?}: {outcome:?}");
        let reason = outcome.reason().unwrap();
        assert!(reason.contains(said) && !testing::leaks(reason) && !reason.contains('\u{1b}'), "{reason}");
    }
}

/// The recipients of the next try after one with this outcome.
fn next_recipients(told: &OwnedTelling, tries: u32, outcome: &Outcome) -> Vec<String> {
    let progress = match outcome {
        Outcome::Retry { progress, .. } | Outcome::Unknown { progress, .. } => progress.clone(),
        other => panic!("{other:?}"),
    };
    let uncertain = matches!(outcome, Outcome::Unknown { .. });
    let job = Job { tries, uncertain, progress: &progress, ..told.job() };
    let mailing = mailing(notifier(THREE).first(&job, &told.telling()));
    mailing.mails.iter().map(|mail| mail.recipient.clone()).collect()
}

#[test]
fn a_retry_goes_to_those_who_have_not_got_it() {
    let told = told("raise");
    let telling = told.telling();
    let full = answered(MailStage::Recipient, 452, "4.2.2 mailbox full");
    let unknown_user = answered(MailStage::Recipient, 550, "5.1.1 no such user");
    let first = outcome(THREE, &told.job(), &telling, vec![taken(), unknown_user, full]);
    let Outcome::Retry { after, scope, progress, .. } = &first else { panic!("{first:?}") };
    assert_eq!((*after, *scope), (Some(Duration::from_secs(900)), Scope::Delivery));
    assert_eq!(next_recipients(&told, 2, &first), ["lee@acme.example"]);
    let job = Job { tries: 2, progress, ..told.job() };
    let last = outcome(THREE, &job, &telling, vec![taken()]);
    let Outcome::Delivered { remote: Some(remote) } = last else { panic!("{last:?}") };
    assert!(remote.name.contains("for 2 of 3. dana@acme.example: The mail server says 550 to RCPT TO"), "{remote:?}");
    // A more urgent change in the meantime is for all again.
    let worse = self::told("worse");
    let job = Job { tries: 3, progress, ..worse.job() };
    assert_eq!(mailing(notifier(THREE).first(&job, &worse.telling())).mails.len(), 3);
}

#[test]
fn all_left_out_is_the_fault_of_the_settings_or_of_the_message() {
    let told = told("open");
    let telling = told.telling();
    let no_user = || answered(MailStage::Recipient, 550, "5.1.1 no such user");
    let spam = || answered(MailStage::Content, 554, "5.7.1 spam");
    let kind = |results| outcome(THREE, &told.job(), &telling, results);
    let all = kind(vec![no_user(), no_user(), no_user()]);
    assert!(matches!(all, Outcome::Misconfigured { scope: Scope::Delivery, .. }), "{all:?}");
    assert_eq!(kind(vec![no_user(), spam(), no_user()]).kind(), Refused);
    assert_eq!(kind(vec![no_user(), taken(), spam()]).kind(), Delivered);
}

#[test]
fn the_first_pause_to_end_decides_and_a_busy_server_holds_up_the_destination() {
    let told = told("open");
    let grey = || answered(MailStage::Recipient, 451, "4.7.1 greylisted");
    let full = || answered(MailStage::Recipient, 452, "4.2.2 full");
    let busy = || answered(MailStage::Recipient, 421, "4.3.2 busy");
    for (results, seconds, scope) in [
        (vec![full(), grey(), full()], Some(300), Scope::Delivery),
        (vec![busy(), MailResult::NotTried, MailResult::NotTried], Some(60), Scope::Destination),
        (vec![taken(), busy(), MailResult::NotTried], Some(60), Scope::Delivery),
        (vec![taken(), MailResult::NotTried, MailResult::NotTried], None, Scope::Delivery),
        (vec![full(), full(), full()], Some(900), Scope::Delivery),
    ] {
        let found = outcome(THREE, &told.job(), &told.telling(), results);
        let Outcome::Retry { after, scope: found_scope, .. } = found else { panic!("{found:?}") };
        assert_eq!((after, found_scope), (seconds.map(Duration::from_secs), scope));
    }
}

#[test]
fn what_may_have_arrived_is_repeated_under_its_id_a_few_times_and_then_given_up() {
    let told = told("open");
    let telling = told.telling();
    let email = notifier(ONE);
    let mut progress = Progress::default();
    let mut pauses = Vec::new();
    for tries in 1..10 {
        let job = Job { tries, uncertain: tries > 1, progress: &progress, ..told.job() };
        let mail = read(&mailing(email.first(&job, &telling)).mails[0]);
        assert_eq!(mail.plain.contains("Possible repeat"), tries > 1);
        match outcome(ONE, &job, &telling, vec![lost()]) {
            Outcome::Unknown { repeat: Repeat::After(pause), progress: notes, scope, .. } => {
                assert_eq!(scope, Scope::Destination);
                pauses.push(pause.as_secs());
                progress = notes;
            }
            Outcome::Unknown { repeat: Repeat::Never, reason, .. } => {
                assert!(reason.contains("each of 4 times") && reason.contains("replay"), "{reason}");
                assert_eq!(pauses, [60, 300, 1800]);
                return;
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("it is repeated without end");
}

#[test]
fn one_who_may_have_it_does_not_keep_it_from_counting_as_told() {
    let told = told("open");
    let telling = told.telling();
    let mut progress = Progress::default();
    for tries in 1..10 {
        let job = Job { tries, uncertain: tries > 1, progress: &progress, ..told.job() };
        let results = if tries == 1 { vec![taken(), lost(), taken()] } else { vec![lost()] };
        match outcome(THREE, &job, &telling, results) {
            Outcome::Unknown { progress: notes, .. } => progress = notes,
            Outcome::Delivered { remote } => {
                assert_eq!(tries, 4);
                assert!(remote.unwrap().name.contains("for 2 of 3. dana@acme.example: "));
                return;
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("it is repeated without end");
}

#[test]
fn a_mailbox_that_stays_full_is_waited_for_a_few_hours_where_others_have_it() {
    let told = told("open");
    let telling = told.telling();
    let full = || answered(MailStage::Recipient, 452, "4.2.2 full");
    let first = outcome(THREE, &told.job(), &telling, vec![taken(), full(), taken()]);
    let Outcome::Retry { progress, .. } = first else { panic!("{first:?}") };
    let job = |hours: u64| Job {
        tries: 2,
        progress: &progress,
        now: told.now.plus(Duration::from_secs(hours * 3600)),
        ..told.job()
    };
    assert_eq!(outcome(THREE, &job(3), &telling, vec![full()]).kind(), Retry);
    let last = outcome(THREE, &job(4), &telling, vec![full()]);
    let Outcome::Delivered { remote: Some(remote) } = last else { panic!("{last:?}") };
    assert!(remote.name.contains("given up after hours of trying"), "{}", remote.name);
    // Where none has it, the queue decides.
    let none = outcome(ONE, &told.job(), &telling, vec![full()]);
    let Outcome::Retry { progress, .. } = none else { panic!("{none:?}") };
    let job = Job { tries: 2, progress: &progress, now: told.now.plus(Duration::from_secs(80_000)), ..told.job() };
    assert_eq!(outcome(ONE, &job, &telling, vec![full()]).kind(), Retry);
}

#[test]
fn what_was_taken_is_written_down_before_the_destination_stops() {
    let told = told("open");
    let no_login = || answered(MailStage::Sender, 530, "5.7.0 log in");
    let first = outcome(THREE, &told.job(), &told.telling(), vec![taken(), no_login(), no_login()]);
    assert_eq!(first.kind(), Retry);
    assert_eq!(next_recipients(&told, 2, &first), ["dana@acme.example", "lee@acme.example"]);
    let Outcome::Retry { progress, .. } = &first else { panic!("{first:?}") };
    let job = Job { tries: 2, progress, ..told.job() };
    let next = outcome(THREE, &job, &told.telling(), vec![no_login(), no_login()]);
    assert!(matches!(next, Outcome::Misconfigured { scope: Scope::Destination, .. }), "{next:?}");
}

#[test]
fn nothing_is_sent_where_every_recipient_of_the_settings_has_it() {
    let told = told("open");
    let first = outcome(THREE, &told.job(), &told.telling(), vec![taken(), taken(), lost()]);
    let Outcome::Unknown { progress, .. } = first else { panic!("{first:?}") };
    let job = Job { tries: 2, progress: &progress, ..told.job() };
    // The third one was taken out of the settings.
    let two = "to = [\"soc@acme.example\", \"dana@acme.example\"]";
    assert_eq!(done(notifier(two).first(&job, &told.telling())).kind(), Delivered);
}

#[test]
fn a_place_is_who_reads_it_and_not_the_way_there() {
    let fingerprint = |settings: &str| testing::notifier(&KIND, settings).fingerprint();
    let same = fingerprint(&format!("{SERVER}\n{THREE}"));
    let other_way = "smtp = \"smtp://127.0.0.1:2525\"\nfrom = \"Other name <gatepost@acme.example>\"";
    let turned = "to = [\"LEE@acme.example\", \"soc@acme.example\", \"dana@acme.example\"]";
    assert_eq!(fingerprint(&format!("{other_way}\n{turned}")), same);
    assert_ne!(fingerprint(&format!("{SERVER}\n{ONE}")), same);
    assert_ne!(fingerprint(&format!("{}\n{THREE}", SERVER.replace("gatepost@", "soc@"))), same);
}

#[test]
fn the_severity_is_there_for_the_rules_of_a_mailbox() {
    for severity in (0..=6).map(Severity::from_id) {
        let mut open = told("open");
        open.incident.rank.severity = severity;
        let mail = read(&mailing(notifier(ONE).first(&open.job(), &open.telling())).mails[0]);
        assert_eq!(mail.field("X-Gatepost-Severity"), severity.as_str());
        assert_eq!(mail.field("X-Gatepost-Incident"), "4711");
    }
}

#[test]
fn vendors_links_are_shown_as_what_they_are_and_text_makes_none() {
    let mut event: Event = testing::event("full");
    event.message = Some("see https://evil.example/<b>\"onclick=x".into());
    let mailing = mailing(testing::Opening::at(&KIND, &format!("{SERVER}\n{ONE}")).first(&testing::job(&event)));
    let html = read(&mailing.mails[0]).html;
    assert!(!html.contains("href=\"https://evil.example"), "{html}");
    assert!(html.contains("https://evil.example/&lt;b&gt;&quot;onclick=x"), "{html}");
}

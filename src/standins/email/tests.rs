//! Mail over real connections: `egress` and the notifier against the stand-in, and what the stand-in refuses.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Fault, MailServer as StandIn, Message, Options, PASSWORD, Style, USER, start, start_with};
use crate::destinations::life::{self, OwnedTelling};
use crate::destinations::{
    Mail, MailLogin, MailResult, MailSecurity, MailServer, MailStage, Mailing, Message as Out, Next, Notifier, Reply,
    TlsSettings, testing,
};
use crate::domain::{Audience, Job, NotifierClass, Operation, Outcome, OutcomeKind, Progress, Secret};
use crate::egress::{Egress, testing as egress};

fn fixture(name: &str) -> PathBuf {
    testing::project("tests/fixtures/tls").join(name)
}

/// A server's side of TLS with the certificate of this name.
fn tls(certificate: &str) -> Option<Arc<rustls::ServerConfig>> {
    let chain = vec![CertificateDer::from_pem_file(fixture(&format!("{certificate}.pem"))).unwrap()];
    let key = PrivateKeyDer::from_pem_file(fixture("receiver.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Some(Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap()))
}

fn server_of(standin: &StandIn, security: MailSecurity) -> MailServer {
    let authority = CertificateDer::from_pem_file(fixture("authority.pem")).unwrap();
    MailServer {
        host: "127.0.0.1".into(),
        port: standin.address().port(),
        security,
        login: None,
        hello: "acme.example".into(),
        tls: TlsSettings { authorities: Some(vec![authority]), identity: None },
    }
}

/// A message that the strict server takes.
fn content() -> Bytes {
    let lines = [
        "From: gatepost@acme.example",
        "To: a@acme.example",
        "Subject: x",
        "Date: Sat, 21 Nov 2026 10:00:00 +0000",
        "Message-ID: <a.b@acme.example>",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "Content-Type: multipart/alternative;",
        " boundary=\"=_b\"",
        "",
        "--=_b",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: quoted-printable",
        "",
        ".",
        "..leading dots=",
        ".",
        "--=_b",
        "Content-Type: text/html; charset=utf-8",
        "Content-Transfer-Encoding: quoted-printable",
        "",
        "<p>x</p>",
        "--=_b--",
        "",
    ];
    Bytes::from(lines.join("\r\n"))
}

async fn send(server: MailServer, recipients: &[&str]) -> Reply {
    let mail = |recipient: &&str| Mail { recipient: (*recipient).to_owned(), content: content() };
    let mails = recipients.iter().map(mail).collect();
    let mailing = Mailing { server: Arc::new(server), sender: "gatepost@acme.example".into(), mails };
    drop(rustls::crypto::ring::default_provider().install_default());
    Egress::new().unwrap().send(Out::Mail(mailing)).await
}

fn mailed(reply: Reply) -> Vec<MailResult> {
    match reply {
        Reply::Mailed(results) => results,
        other => panic!("{other:?}"),
    }
}

/// Stage and code of each answer; code 0 where it broke, 1 where it broke and may have arrived, 2 where it was not tried.
fn ends(results: &[MailResult]) -> Vec<(Option<MailStage>, u16)> {
    let end = |result: &MailResult| match result {
        MailResult::Answered(answer) => (Some(answer.stage), answer.code),
        MailResult::Broken { may_have_arrived, .. } => (None, u16::from(*may_have_arrived)),
        MailResult::NotTried => (None, 2),
    };
    results.iter().map(end).collect()
}

const TAKEN: (Option<MailStage>, u16) = (Some(MailStage::Content), 250);
const BROKEN: (Option<MailStage>, u16) = (None, 0);
const DOUBTFUL: (Option<MailStage>, u16) = (None, 1);
const NOT_TRIED: (Option<MailStage>, u16) = (None, 2);

#[tokio::test]
async fn each_recipient_is_a_transaction_of_its_own() {
    let standin = start().unwrap();
    standin.answer_recipient("b@acme.example", Some("550 5.1.1 no such user"));
    standin.answer_recipient("c@acme.example", Some("452 4.2.2 mailbox full"));
    let server = server_of(&standin, MailSecurity::PlainOnLoopback);
    let to = ["a@acme.example", "b@acme.example", "c@acme.example", "d@acme.example"];
    let results = mailed(send(server, &to).await);
    let at_recipient = |code| (Some(MailStage::Recipient), code);
    assert_eq!(ends(&results), [TAKEN, at_recipient(550), at_recipient(452), TAKEN]);
    let mails = standin.mails();
    assert_eq!(mails.iter().map(|mail| mail.recipient.as_str()).collect::<Vec<_>>(), [to[0], to[3]]);
    assert!(
        mails.iter().all(|mail| mail.raw == content() && mail.sender == "gatepost@acme.example" && !mail.is_secure)
    );
    assert_eq!(mails[0].message.plain, ".\n..leading dots.");
    let commands = standin.commands();
    assert_eq!(commands.iter().filter(|command| *command == "connect").count(), 1);
    assert_eq!(commands.last().map(String::as_str), Some("QUIT"));
}

#[tokio::test]
async fn tls_begins_with_the_connection_or_by_starttls_and_the_login_comes_after_it() {
    for (security, is_implicit) in [(MailSecurity::Tls, true), (MailSecurity::StartTls, false)] {
        for login in ["PLAIN LOGIN", "LOGIN", "XOAUTH2 LOGIN"] {
            let options = Options { tls: tls("good"), is_implicit, login: Some(login), size_max: Some(10_000) };
            let standin = start_with(options).unwrap();
            let account = MailLogin { user: USER.into(), password: Secret::new(PASSWORD) };
            let server = MailServer { login: Some(account), ..server_of(&standin, security) };
            let results = mailed(send(server, &["a@acme.example"]).await);
            assert_eq!(ends(&results), [TAKEN], "{security:?} {login}: {results:?}");
            assert!(standin.mails()[0].is_secure);
        }
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_right_stops_it_before_anything_is_said() {
    for (security, is_implicit) in [(MailSecurity::Tls, true), (MailSecurity::StartTls, false)] {
        for (certificate, said) in [
            ("expired", "expired"),
            ("early", "begins at"),
            ("elsewhere", "not for 127.0.0.1 but for elsewhere.example"),
            ("stranger", "no authority that `ca_file` holds"),
        ] {
            let options = Options { tls: tls(certificate), is_implicit, ..Options::default() };
            let standin = start_with(options).unwrap();
            match send(server_of(&standin, security), &["a@acme.example"]).await {
                Reply::NotSent(why) => assert!(why.contains(said), "{why}"),
                other => panic!("{certificate}: {other:?}"),
            }
            assert!(!standin.commands().iter().any(|command| ["MAIL", "AUTH"].contains(&command.as_str())));
        }
        // The authority of the tests is none of the system's.
        let standin = start_with(Options { tls: tls("good"), is_implicit, ..Options::default() }).unwrap();
        let server = MailServer { tls: TlsSettings::default(), ..server_of(&standin, security) };
        let reply = send(server, &["a@acme.example"]).await;
        assert!(matches!(reply, Reply::NotSent(_) | Reply::Failed(_)), "{reply:?}");
    }
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_gets_the_one_that_is_set() {
    for (security, is_implicit) in [(MailSecurity::Tls, true), (MailSecurity::StartTls, false)] {
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            for (shown, said) in egress::CLIENTS {
                let options = Options { tls: Some(egress::mutual(version)), is_implicit, ..Options::default() };
                let standin = start_with(options).unwrap();
                let server = MailServer { tls: egress::settings(shown), ..server_of(&standin, security) };
                let reply = send(server, &["a@acme.example"]).await;
                match (said, &reply) {
                    (None, Reply::Mailed(results)) => assert_eq!(ends(results), [TAKEN]),
                    (Some(said), Reply::NotSent(why)) => assert!(why.contains(said), "{version:?} {shown:?}: {why}"),
                    _ => panic!("{security:?} {version:?} {shown:?}: {reply:?}"),
                }
                assert_eq!(standin.mails().len(), usize::from(said.is_none()));
            }
        }
    }
}

#[tokio::test]
async fn without_starttls_nothing_is_sent_and_what_was_said_before_tls_counts_for_nothing() {
    let standin = start().unwrap();
    let reply = send(server_of(&standin, MailSecurity::StartTls), &["a@acme.example"]).await;
    let Reply::NotSent(why) = reply else { panic!("{reply:?}") };
    assert!(why.contains("offers no STARTTLS"), "{why}");
    assert_eq!(standin.commands(), ["connect", "EHLO"]);

    let standin = start_with(Options { tls: tls("good"), ..Options::default() }).unwrap();
    standin.script("STARTTLS", Fault::ThenUnasked("250-standin.example\r\n250 AUTH PLAIN"));
    let reply = send(server_of(&standin, MailSecurity::StartTls), &["a@acme.example"]).await;
    let Reply::NotSent(why) = reply else { panic!("{reply:?}") };
    assert!(why.contains("went on without TLS"), "{why}");
    assert!(standin.mails().is_empty());
}

#[tokio::test]
async fn what_does_not_speak_tls_or_smtp_is_named() {
    let standin = start().unwrap();
    let reply = send(server_of(&standin, MailSecurity::Tls), &["a@acme.example"]).await;
    let Reply::Failed(fault) = reply else { panic!("{reply:?}") };
    assert!(!fault.may_have_arrived && fault.detail.contains("does not speak TLS: write smtp://"), "{fault:?}");
    standin.script("connect", Fault::Answer("SSH-2.0-OpenSSH_9.2"));
    let reply = send(server_of(&standin, MailSecurity::PlainOnLoopback), &["a@acme.example"]).await;
    let Reply::Failed(fault) = reply else { panic!("{reply:?}") };
    assert!(!fault.may_have_arrived && fault.detail.contains("does not speak SMTP"), "{fault:?}");
}

#[tokio::test]
async fn a_login_that_is_refused_or_not_offered_stops_it() {
    let account = |password: &str| Some(MailLogin { user: USER.into(), password: Secret::new(password) });
    let standin = start_with(Options { login: Some("PLAIN"), ..Options::default() }).unwrap();
    let server = || server_of(&standin, MailSecurity::PlainOnLoopback);
    let wrong = MailServer { login: account("wrong"), ..server() };
    let to = ["a@acme.example", "b@acme.example"];
    assert_eq!(ends(&mailed(send(wrong, &to).await)), [(Some(MailStage::Login), 535); 2]);
    assert_eq!(ends(&mailed(send(server(), &to).await)), [(Some(MailStage::Sender), 530); 2]);
    let odd = start_with(Options { login: Some("XOAUTH2"), ..Options::default() }).unwrap();
    let server = MailServer { login: account(PASSWORD), ..server_of(&odd, MailSecurity::PlainOnLoopback) };
    let reply = send(server, &to).await;
    assert!(matches!(&reply, Reply::NotSent(why) if why.contains("PLAIN or LOGIN")), "{reply:?}");
}

#[tokio::test]
async fn only_what_breaks_after_the_end_of_a_message_may_have_arrived() {
    let to = ["a@acme.example", "b@acme.example"];
    for (command, fault, wanted, kept) in [
        ("MAIL", Fault::Close, vec![BROKEN, NOT_TRIED], 0),
        ("RCPT", Fault::Close, vec![BROKEN, NOT_TRIED], 0),
        ("DATA", Fault::Close, vec![BROKEN, NOT_TRIED], 0),
        (".", Fault::Close, vec![DOUBTFUL, NOT_TRIED], 0),
        (".", Fault::TakenThenClose, vec![DOUBTFUL, NOT_TRIED], 1),
        ("RCPT", Fault::Answer("421 4.3.2 going down"), vec![(Some(MailStage::Recipient), 421), NOT_TRIED], 0),
        (".", Fault::Answer("421 4.3.2 going down"), vec![(Some(MailStage::Content), 421), NOT_TRIED], 0),
        (".", Fault::Answer("451 4.3.0 later"), vec![(Some(MailStage::Content), 451), TAKEN], 1),
        ("DATA", Fault::Answer("554 5.5.1 no"), vec![(Some(MailStage::Data), 554), TAKEN], 1),
        ("MAIL", Fault::Answer("452 4.3.1 no room"), vec![(Some(MailStage::Sender), 452), TAKEN], 1),
        ("connect", Fault::Answer("554 5.7.1 blocked"), vec![(Some(MailStage::Greeting), 554); 2], 0),
        ("EHLO", Fault::Answer("502 5.5.1 no"), vec![(Some(MailStage::Hello), 502); 2], 0),
    ] {
        let standin = start().unwrap();
        standin.script(command, fault.clone());
        let results = mailed(send(server_of(&standin, MailSecurity::PlainOnLoopback), &to).await);
        assert_eq!(ends(&results), wanted, "{command} {fault:?}");
        assert_eq!(standin.mails().len(), kept, "{command} {fault:?}");
    }
    for command in ["connect", "EHLO"] {
        let standin = start().unwrap();
        standin.script(command, Fault::Close);
        let reply = send(server_of(&standin, MailSecurity::PlainOnLoopback), &to).await;
        assert!(matches!(&reply, Reply::Failed(fault) if !fault.may_have_arrived), "{command}: {reply:?}");
    }
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_before_it_is_sent() {
    let standin = start_with(Options { size_max: Some(100), ..Options::default() }).unwrap();
    let results = mailed(send(server_of(&standin, MailSecurity::PlainOnLoopback), &["a@acme.example"]).await);
    assert_eq!(ends(&results), [(Some(MailStage::Sender), 552)]);
    assert!(!standin.commands().contains(&"DATA".to_owned()));
}

#[tokio::test]
async fn addresses_that_no_mail_server_has_are_not_connected_to() {
    let standin = start().unwrap();
    for (host, security) in [
        ("169.254.169.254", MailSecurity::Tls),
        ("169.254.169.254", MailSecurity::StartTls),
        ("fd00:ec2::254", MailSecurity::Tls),
        ("0.0.0.0", MailSecurity::StartTls),
        // Without TLS only this machine, whatever the name resolves to.
        ("192.0.2.1", MailSecurity::PlainOnLoopback),
    ] {
        let server = MailServer { host: host.into(), ..server_of(&standin, security) };
        let reply = send(server, &["a@acme.example"]).await;
        let Reply::Failed(fault) = reply else { panic!("{host}: {reply:?}") };
        let is_named =
            ["requests may go to", "no address on this machine"].iter().any(|said| fault.detail.contains(said));
        assert!(is_named && !fault.may_have_arrived, "{fault:?}");
    }
    assert!(standin.commands().is_empty());
}

/// A notifier at a stand-in, what it was told, and how it is driven.
struct Told {
    notifier: Box<dyn Notifier>,
    egress: Egress,
    progress: Progress,
    tries: u32,
}

impl Told {
    fn at(smtp: &str, more: &str) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let settings = format!(
            "smtp = \"{smtp}\"\nfrom = \"gatepost@acme.example\"\nto = [\"a@acme.example\", \"b@acme.example\"]\n{more}"
        );
        let notifier = testing::notifier(crate::destinations::find("email").unwrap(), &settings);
        Self { notifier, egress: Egress::new().unwrap(), progress: Progress::default(), tries: 0 }
    }

    /// The next try, as the queue would begin it.
    async fn tell(&mut self, told: &OwnedTelling) -> Outcome {
        self.tries += 1;
        let uncertain = self.tries > 1;
        let job = Job { tries: self.tries, uncertain, progress: &self.progress, ..told.job() };
        let telling = told.telling();
        let outcome = match self.notifier.first(&job, &telling) {
            Next::Done(outcome) => outcome,
            Next::Send(step, message) => {
                let reply = self.egress.send(message).await;
                match self.notifier.next(&job, &telling, step, &reply) {
                    Next::Done(outcome) => outcome,
                    other => panic!("{other:?}"),
                }
            }
        };
        match &outcome {
            Outcome::Retry { progress, .. } | Outcome::Unknown { progress, .. } => self.progress = progress.clone(),
            _ => (self.progress, self.tries) = (Progress::default(), 0),
        }
        outcome
    }
}

fn told(stage: &str, operation: Operation) -> OwnedTelling {
    let told = life::at(stage, NotifierClass::AppendOnly);
    let change = told.intent.change;
    told.with(change, operation)
}

const CREATE: Operation = Operation::Create { number: 1 };

#[tokio::test]
async fn a_life_is_a_thread_in_each_mailbox() {
    let standin = start().unwrap();
    let mut by = Told::at(&standin.url(), "");
    let outcome = by.tell(&told("open", CREATE)).await;
    let Outcome::Delivered { remote } = outcome else { panic!("{outcome:?}") };
    for (number, stage) in (1..).zip(["update", "raise", "spread", "acknowledge", "resolve", "reopen", "quiet"]) {
        let mut told = told(stage, Operation::Reply { number, audience: Audience::Channel });
        told.told.reference = remote.clone();
        assert_eq!(by.tell(&told).await.kind(), OutcomeKind::Delivered, "{stage}");
    }
    let mails = standin.mailbox("b@acme.example");
    assert_eq!((mails.len(), standin.mailbox("a@acme.example").len()), (8, 8));
    let first = mails[0].message.field("Message-ID").to_owned();
    assert!(mails[1..].iter().all(|mail| mail.message.field("References") == first));
    assert!(mails.iter().all(|mail| mail.message.subject() == "[#4711] SQL injection on POST /v1/payments"));
    assert!(standin.render_terminal(Style::Plain).contains("Email to a@acme.example"));
}

#[tokio::test]
async fn a_greylisted_mail_comes_through_later_and_no_recipient_gets_it_twice() {
    let standin = start().unwrap();
    standin.answer_recipient("a@acme.example", Some("450 4.2.1 try later"));
    let mut by = Told::at(&standin.url(), "");
    let open = told("open", CREATE);
    let outcome = by.tell(&open).await;
    let Outcome::Retry { after, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(after, Some(Duration::from_secs(300)));
    standin.answer_recipient("a@acme.example", None);
    assert_eq!(by.tell(&open).await.kind(), OutcomeKind::Delivered);
    assert_eq!((standin.mailbox("a@acme.example").len(), standin.mailbox("b@acme.example").len()), (1, 1));

    let standin = start().unwrap();
    standin.greylist();
    let mut by = Told::at(&standin.url(), "");
    assert_eq!(by.tell(&open).await.kind(), OutcomeKind::Retry);
    assert_eq!(by.tell(&open).await.kind(), OutcomeKind::Delivered);
    assert_eq!(standin.mails().len(), 2);
}

#[tokio::test]
async fn a_lost_answer_is_repeated_under_the_same_id_to_that_recipient_alone() {
    let standin = start().unwrap();
    let mut by = Told::at(&standin.url(), "");
    let open = told("open", CREATE);
    standin.script(".", Fault::TakenThenClose);
    assert_eq!(by.tell(&open).await.kind(), OutcomeKind::Unknown);
    assert_eq!(by.tell(&open).await.kind(), OutcomeKind::Delivered);
    let (a, b) = (standin.mailbox("a@acme.example"), standin.mailbox("b@acme.example"));
    assert_eq!((a.len(), b.len()), (2, 1));
    assert_eq!(a[0].message.field("Message-ID"), a[1].message.field("Message-ID"));
    assert!(a[1].message.plain.contains("Possible repeat") && !b[0].message.plain.contains("Possible repeat"));
}

#[tokio::test]
async fn hostile_alerts_are_taken_by_the_strict_server() {
    let standin = start().unwrap();
    let mut by = Told::at(&standin.url(), "");
    let all = life::every_telling(NotifierClass::AppendOnly, 5);
    for told in &all {
        let outcome = by.tell(told).await;
        assert_eq!(outcome.kind(), OutcomeKind::Delivered, "{outcome:?}");
    }
    assert_eq!(standin.mails().len(), all.len() * 2);
}

/// Against aiosmtpd, a server that is not ours: `docs/reliability.md` says how it is run.
#[tokio::test]
#[ignore = "needs a real mail server, whose address GATEPOST_SMTP names"]
async fn a_real_server_takes_every_mail() {
    let smtp = std::env::var("GATEPOST_SMTP").expect("GATEPOST_SMTP=smtp://127.0.0.1:PORT");
    let more = std::env::var("GATEPOST_SMTP_SETTINGS").unwrap_or_default();
    let mut by = Told::at(&smtp, &more);
    let mut sent = 0;
    for told in life::every_telling(NotifierClass::AppendOnly, 5) {
        assert_eq!(by.tell(&told).await.kind(), OutcomeKind::Delivered);
        sent += 2;
    }
    println!("{sent} mails were taken");
}

#[test]
fn what_a_gateway_must_not_send_is_refused() {
    let good = String::from_utf8(content().to_vec()).unwrap();
    assert!(Message::read(good.as_bytes()).is_ok());
    let long = "x".repeat(999);
    for (from, to, why) in [
        ("Subject: x", "Subject: \u{fc}", "more than ASCII"),
        ("Subject: x", "Subject: x\0", "a NUL"),
        ("Subject: x\r\n", "Subject: x\n", "by itself"),
        ("Subject: x\r\n", "Subject: x\r\r\n", "by itself"),
        ("Subject: x", long.as_str(), "999 octets"),
        ("--=_b--\r\n", "--=_b--", "not ended by CRLF"),
        ("Subject: x\r\n", "", "Subject is missing"),
        ("Subject: x\r\n", "Subject: x\r\nsubject: y\r\n", "Subject is there twice"),
        ("Subject: x", "no colon", "without a colon"),
        ("Subject: x", "Subject: =?utf-8?B?YQ0KYg==?=", "control characters"),
        ("<a.b@acme.example>", "a.b@acme.example", "Message-ID is no id"),
        ("auto-generated", "no", "Auto-Submitted"),
        ("+0000", "+0100", "not in UTC"),
        ("multipart/alternative", "multipart/mixed", "multipart/alternative"),
        ("--=_b--", "--=_c--", "last boundary"),
        ("text/html; charset=utf-8", "text/html", "in UTF-8"),
        ("leading dots=", "leading dots=Z", "without its code"),
        ("leading dots=", "=FF=", "not UTF-8"),
        ("leading dots=", "=1B[2J=", "control characters in a part"),
        ("<p>x</p>", "<img alt=3D\"\">", "HTML holds <img"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        let found = Message::read(bad.as_bytes()).unwrap_err();
        assert!(found.contains(why), "{from} -> {to}: {found}");
    }
}

#[test]
fn encoded_words_are_decoded() {
    let subject = |value: &str| {
        let raw =
            String::from_utf8(content().to_vec()).unwrap().replacen("Subject: x", &format!("Subject: {value}"), 1);
        Message::read(raw.as_bytes()).unwrap().subject()
    };
    assert_eq!(subject("plain words"), "plain words");
    assert_eq!(subject("=?utf-8?B?w6k=?= =?utf-8?Q?a_b?= c"), "\u{e9}a b c");
    assert_eq!(subject("=?utf-8?B?w6k=?=\r\n =?utf-8?B?w6k=?="), "\u{e9}\u{e9}");
}

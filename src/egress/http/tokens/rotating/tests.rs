//! Renewals against a strict Slack, with tokens that are kept in a real store.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::*;
use crate::destinations::{HttpRequest, Message, Next, Receiver, testing};
use crate::domain::{Clock, ManualClock};
use crate::egress::Egress;
use crate::pipeline::StoredTokens;
use crate::standins::slack::{self as standin, CHANNEL, CLIENT_ID, CLIENT_SECRET};
use crate::standins::{Fault as Misdeed, StandIn};
use crate::store::{Access, SqliteStore};

const FIRST: &str = "xoxe-1-first";

/// A process with a store, and Slack.
struct Fixture {
    folder: tempfile::TempDir,
    slack: StandIn<standin::Slack>,
    clock: Arc<ManualClock>,
    store: SqliteStore,
    egress: Egress,
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let slack = standin::start().await.unwrap();
        slack.rotate(FIRST);
        // The stand-in goes by the clock of the system.
        let clock = Arc::new(ManualClock::at(crate::domain::SystemClock.now()));
        let (store, egress) = open(folder.path(), Access::Serve, &clock);
        Self { folder, slack, clock, store, egress }
    }

    /// As after the end of the process, whatever it was doing.
    fn restarted(self) -> Self {
        let Self { folder, slack, clock, store, egress } = self;
        drop(egress);
        store.close();
        drop(store);
        let (store, egress) = open(folder.path(), Access::Serve, &clock);
        Self { folder, slack, clock, store, egress }
    }

    /// The way of a destination that is set to this refresh token, and a message for it.
    fn destination(&self, refresh: &str) -> (Arc<Connection>, impl Fn() -> HttpRequest) {
        let settings = format!(
            "api_url = \"{}\"\nrefresh_token = {{ value = \"{refresh}\" }}\nclient_id = \"{CLIENT_ID}\"\n\
             client_secret = {{ value = \"{CLIENT_SECRET}\" }}\nchannel = \"{CHANNEL}\"",
            self.slack.api_url()
        );
        let kind = crate::destinations::find("slack").unwrap();
        let Receiver::Notifier(notifier) = testing::build(kind, &settings).unwrap() else { panic!() };
        let event = testing::event("minimal");
        let job = testing::job(&event);
        let probe = crate::destinations::ProbeTelling::of(&event, notifier.class(), job.now);
        let Next::Send(_, Message::HttpOver(connection, _)) = notifier.first(&job, &probe.telling()) else { panic!() };
        let url: url::Url = format!("{}/chat.postMessage", self.slack.api_url()).parse().unwrap();
        let message = serde_json::json!({"channel": CHANNEL, "text": "hello"});
        (connection, move || HttpRequest::post_json(url.clone(), &message))
    }

    async fn send_to(&self, refresh: &str) -> Reply {
        let (connection, request) = self.destination(refresh);
        self.egress.send(Message::HttpOver(connection, request())).await
    }

    async fn posted(&self) {
        let reply = self.send_to(FIRST).await;
        assert!(is_posted(&reply), "{reply:?}");
    }

    fn pass(&self, seconds: u64) {
        self.clock.set(self.clock.now().plus(Duration::from_secs(seconds)));
    }
}

fn open(folder: &std::path::Path, access: Access, clock: &Arc<ManualClock>) -> (SqliteStore, Egress) {
    let store = SqliteStore::open(&folder.join("gatepost.db"), access).unwrap();
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let keeper = StoredTokens::new(Arc::new(store.clone()), clock);
    (store, Egress::keeping_tokens(Arc::new(keeper)).unwrap())
}

fn is_posted(reply: &Reply) -> bool {
    matches!(reply, Reply::Http(answer) if String::from_utf8_lossy(&answer.body).contains("\"ok\":true"))
}

const HOUR: u64 = 3600;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_before_it_expires_and_once_for_all() {
    let fixture = Fixture::new().await;
    fixture.posted().await;
    fixture.pass(10 * HOUR - 1);
    fixture.posted().await;
    assert_eq!(fixture.slack.renewals(), 1);
    fixture.pass(1);
    // Also for destinations that were set up anew by a reload, or that share the app.
    let destinations: Vec<_> = (0..8).map(|_| fixture.destination(FIRST)).collect();
    let at_once =
        destinations.iter().map(|(way, request)| fixture.egress.send(Message::HttpOver(Arc::clone(way), request())));
    for reply in futures_util::future::join_all(at_once).await {
        assert!(is_posted(&reply), "{reply:?}");
    }
    assert_eq!(fixture.slack.renewals(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_accepted_any_more_is_renewed_once_for_all() {
    let fixture = Fixture::new().await;
    fixture.posted().await;
    fixture.slack.expire_tokens();
    let (way, request) = fixture.destination(FIRST);
    let at_once = (0..8).map(|_| fixture.egress.send(Message::HttpOver(Arc::clone(&way), request())));
    for reply in futures_util::future::join_all(at_once).await {
        assert!(is_posted(&reply), "{reply:?}");
    }
    assert_eq!((fixture.slack.renewals(), fixture.slack.effects()), (2, 9));
    // Revoked by hand, which Slack says in another word.
    for misdeed in [Misdeed::Unauthorized, Misdeed::Unauthorized] {
        fixture.slack.script([misdeed]);
        fixture.posted().await;
    }
    assert_eq!(fixture.slack.renewals(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_that_is_not_accepted_either_is_the_destinations_answer() {
    let fixture = Fixture::new().await;
    fixture.slack.script([Misdeed::NoFault, Misdeed::Unauthorized]);
    let reply = fixture.send_to(FIRST).await;
    assert!(
        matches!(&reply, Reply::Http(answer) if answer.body.windows(12).any(|at| at == b"invalid_auth")),
        "{reply:?}"
    );
    assert_eq!((fixture.slack.renewals(), fixture.slack.effects()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_the_newest_tokens_are_used_and_the_configured_one_is_long_used_up() {
    let mut fixture = Fixture::new().await;
    for renewals in 1..=4 {
        fixture.posted().await;
        assert_eq!(fixture.slack.renewals(), renewals);
        fixture = fixture.restarted();
        fixture.posted().await;
        assert_eq!(fixture.slack.renewals(), renewals, "a restart alone renews nothing");
        fixture.pass(11 * HOUR);
    }
    assert!(!fixture.slack.is_fresh(FIRST) && fixture.slack.is_fresh("xoxe-1-standin-4"));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_configured_token_wins() {
    let fixture = Fixture::new().await;
    fixture.posted().await;
    fixture.slack.expire_tokens();
    fixture.slack.revoke_refresh_tokens();
    let Reply::NotSent(why) = fixture.send_to(FIRST).await else { panic!() };
    assert!(why.contains("invalid_refresh_token") && why.contains("generate a new one in the app's settings"), "{why}");
    assert!(why.ends_with("and set it as `refresh_token`") && !why.contains("xoxe"), "{why}");
    fixture.slack.generate_refresh_token("xoxe-1-generated");
    let reply = fixture.send_to("xoxe-1-generated").await;
    assert!(is_posted(&reply), "{reply:?}");
    let fixture = fixture.restarted();
    assert!(is_posted(&fixture.send_to("xoxe-1-generated").await));
    assert_eq!(fixture.slack.renewals(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_asked_for_again_at_once() {
    for misdeed in [Misdeed::TakenThenReset, Misdeed::Garbage200] {
        let fixture = Fixture::new().await;
        fixture.slack.set_grace(Duration::from_secs(60));
        fixture.slack.script([misdeed.clone()]);
        fixture.posted().await;
        assert_eq!(fixture.slack.effects(), 1, "{misdeed:?}");
    }
    // Without a time of grace the operator has to act.
    let fixture = Fixture::new().await;
    fixture.slack.script([Misdeed::TakenThenReset]);
    let Reply::NotSent(why) = fixture.send_to(FIRST).await else { panic!() };
    assert!(why.contains("the refresh token was used before, or has been revoked: generate a new one"), "{why}");
    assert_eq!(fixture.slack.effects(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_end_between_answer_and_commit_the_former_token_is_tried_again() {
    for (grace, is_taken) in [(60, true), (0, false)] {
        let fixture = Fixture::new().await;
        fixture.slack.set_grace(Duration::from_secs(grace));
        // What a process leaves that ends there: its claim, and nothing else.
        let (way, _) = fixture.destination(FIRST);
        let Some(Grant::RefreshToken(rotating)) = &way.grant else { panic!() };
        let keeper = StoredTokens::new(Arc::new(fixture.store.clone()), Arc::clone(&fixture.clock) as Arc<dyn Clock>);
        let query = TokenQuery { chain: rotating.chain(), first: rotating.first.clone(), refused: None };
        let TokenState::Renew { renewal, .. } = keeper.claim(query).await.unwrap() else { panic!() };
        let answer = fixture.egress.send(Message::Http(rotating.renewal(&renewal.refresh))).await;
        assert!(matches!(answer, Reply::Http(_)));
        let fixture = fixture.restarted();
        let reply = fixture.send_to(FIRST).await;
        assert_eq!(is_posted(&reply), is_taken, "{reply:?}");
        if !is_taken {
            assert!(matches!(&reply, Reply::NotSent(why) if why.contains("generate a new one")), "{reply:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_present_token_is_used_as_long_as_it_is_good() {
    let fixture = Fixture::new().await;
    fixture.posted().await;
    fixture.pass(11 * HOUR);
    fixture.slack.revoke_refresh_tokens();
    for _ in 0..3 {
        fixture.posted().await;
    }
    let asked = fixture.slack.requests().iter().filter(|request| request.path.ends_with("oauth.v2.access")).count();
    assert_eq!(asked, 2, "a renewal that was refused is not asked for with every message");
    fixture.pass(2 * HOUR);
    assert!(matches!(fixture.send_to(FIRST).await, Reply::NotSent(_)));
    // What is away is no affair of the operator's.
    let fixture = Fixture::new().await;
    fixture.slack.script([Misdeed::Status429 { retry_after: None }]);
    let reply = fixture.send_to(FIRST).await;
    assert!(
        matches!(&reply, Reply::Failed(fault) if !fault.may_have_arrived && fault.detail.contains("rate")),
        "{reply:?}"
    );
    fixture.posted().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_given_up_takes_no_answer_with_it() {
    let fixture = Fixture::new().await;
    fixture.slack.script([Misdeed::SlowAnswer { bytes_per_second: 800 }]);
    let given_up = tokio::time::timeout(Duration::from_millis(100), fixture.send_to(FIRST)).await;
    assert!(given_up.is_err());
    fixture.egress.close().await;
    let fixture = fixture.restarted();
    fixture.posted().await;
    assert_eq!(fixture.slack.renewals(), 1);
}

/// A store whose disk is full for a while.
#[derive(Debug)]
struct FullDisk {
    tokens: StoredTokens,
    is_full: std::sync::atomic::AtomicBool,
}

impl TokenKeeper for FullDisk {
    fn now(&self) -> Timestamp {
        self.tokens.now()
    }

    fn claim(&self, query: TokenQuery) -> BoxFuture<'_, Result<TokenState, String>> {
        self.tokens.claim(query)
    }

    fn keep<'a>(&'a self, renewal: &'a Renewal, tokens: &'a TokenPair) -> BoxFuture<'a, Result<(), KeepError>> {
        match self.is_full.load(std::sync::atomic::Ordering::SeqCst) {
            true => futures_util::future::ready(Err(KeepError::Fault("the disk is full".to_owned()))).boxed(),
            false => self.tokens.keep(renewal, tokens),
        }
    }

    fn give_up(&self, renewal: Renewal) -> BoxFuture<'_, Result<(), String>> {
        self.tokens.give_up(renewal)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_at_once_is_used_meanwhile_and_written_later_without_another_request() {
    let mut fixture = Fixture::new().await;
    let clock = Arc::clone(&fixture.clock) as Arc<dyn Clock>;
    let tokens = StoredTokens::new(Arc::new(fixture.store.clone()), clock);
    let disk = Arc::new(FullDisk { tokens, is_full: true.into() });
    fixture.egress = Egress::keeping_tokens(Arc::clone(&disk) as Arc<dyn TokenKeeper>).unwrap();
    fixture.posted().await;
    fixture.posted().await;
    disk.is_full.store(false, std::sync::atomic::Ordering::SeqCst);
    tokio::time::sleep(KEEP_INTERVAL + Duration::from_millis(300)).await;
    let fixture = fixture.restarted();
    fixture.posted().await;
    assert_eq!(fixture.slack.renewals(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_beside_the_process_that_serves_shares_its_tokens() {
    let fixture = Fixture::new().await;
    let (_command, beside) = open(fixture.folder.path(), Access::Operate, &fixture.clock);
    let (way, request) = fixture.destination(FIRST);
    for (round, seconds) in [(1, 11 * HOUR), (2, 11 * HOUR), (3, 0)] {
        let message = || Message::HttpOver(Arc::clone(&way), request());
        let (here, there) = tokio::join!(fixture.egress.send(message()), beside.send(message()));
        assert!(is_posted(&here) && is_posted(&there), "{here:?} {there:?}");
        assert_eq!(fixture.slack.renewals(), round);
        fixture.pass(seconds);
    }
}

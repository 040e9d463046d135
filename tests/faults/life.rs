//! The life of an incident, each step of it under a fault of a destination: opened, counted, raised, acknowledged, worse,
//! resolved, reopened. In the end the destination shows what the incident is, and nothing is there twice.

use std::time::{Duration, Instant};

use gatepost::domain::{Clock, IncidentNumber, Origin, SystemClock};
use gatepost::incidents::Order;
use gatepost::standins::Fault;
use gatepost::standins::pagerduty::Status;
use gatepost::store::{Access, Commands, IncidentFilter, IncidentQueries, SqliteStore};

use super::dice::Dice;
use super::expectations::Expectations;
use super::gateway::Gateway;
use super::misdeeds::Who;
use super::oracle::{self, ALL, Allowance};
use super::proxy::{Mode, Proxy};
use super::schedule;
use super::world::{Chat, World};

/// The fault of a destination at each step.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    None,
    /// Taken, and no answer.
    AnswerLost,
    /// Not taken, and no answer.
    Reset,
    TooMany,
    Broken,
    /// Not reachable for a while.
    Away,
    /// The process ends while the request is under way, which has been taken.
    Kill,
    /// The process ends while the request is under way, which has not been taken.
    KillUntaken,
}

impl Trouble {
    const ALL: [Self; 8] = [
        Self::None,
        Self::AnswerLost,
        Self::Reset,
        Self::TooMany,
        Self::Broken,
        Self::Away,
        Self::Kill,
        Self::KillUntaken,
    ];

    /// How the next request is answered.
    fn fault(self) -> Option<Fault> {
        match self {
            Self::None | Self::Away => None,
            Self::AnswerLost => Some(Fault::TakenThenReset),
            Self::Reset => Some(Fault::Reset),
            Self::TooMany => Some(Fault::Status429 { retry_after: Some(Duration::from_secs(1)) }),
            Self::Broken => Some(Fault::Status(503)),
            Self::Kill => Some(Fault::TakenThenHang(Duration::from_secs(20))),
            Self::KillUntaken => Some(Fault::Hang(Duration::from_secs(20))),
        }
    }
}

/// What happens to the incident.
#[derive(Clone, Copy, Debug)]
enum Step {
    Event { severity: &'static str, outcome: &'static str },
    Order(Order),
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pager_shows_what_the_incident_is_whatever_befalls_it() {
    schedule::measured(|| lives(Who::PagerDuty, Chat::Bot)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_shows_what_the_incident_is_whatever_befalls_it() {
    schedule::measured(|| lives(Who::Slack, Chat::Bot)).await;
}

/// What may have arrived is repeated once, and marked: it cannot be looked up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_is_told_all_that_the_incident_was_whatever_befalls_it() {
    schedule::measured(|| lives(Who::Slack, Chat::Webhook)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_tells_what_the_incident_is_whatever_befalls_it() {
    schedule::measured(|| lives(Who::Jira, Chat::Bot)).await;
}

async fn lives(who: Who, chat: Chat) {
    let mut dice = Dice::of(&format!("lives at {} {chat:?}", who.name()));
    schedule::joined(Trouble::ALL.map(|trouble| tokio::spawn(life(who, chat, trouble, dice.fork())))).await;
}

async fn life(who: Who, chat: Chat, trouble: Trouble, mut dice: Dice) {
    let mut world = World::new().await;
    world.write_config(&world.grouped_config_text());
    if chat == Chat::Webhook {
        world.tell_chat_by_webhook();
    }
    let proxy = world.behind_proxy(who, "http").await;
    let expectations = Expectations::new(&mut dice);
    let mut living = Living { gateway: Gateway::ready(&world, &expectations).await, world, expectations, proxy, who };
    let begun = Instant::now();
    for step in STEPS {
        living.goes_through(step, trouble).await;
    }
    let Living { gateway, world, expectations, .. } = living;
    gateway.drained(DRAIN_LIMIT).await;
    gateway.stop().await;
    let slack_repeats = match (chat, trouble) {
        (Chat::Webhook, Trouble::AnswerLost | Trouble::Kill | Trouble::KillUntaken) => STEPS.len(),
        _ => 0,
    };
    let figures = oracle::check(&world, &expectations, Allowance { slack_repeats });
    println!("lives: {who:?} {chat:?} {trouble:?}: {} steps in {:.1?}; {figures}", STEPS.len(), begun.elapsed());
    assert_eq!(figures.incidents, 1);
    // The oracle has compared each destination with what was told; here, what must have been told.
    let statuses: Vec<Status> = world.pagerduty.as_ref().unwrap().incidents().iter().map(|page| page.status).collect();
    assert_eq!(statuses, PAGES, "{who:?} {trouble:?}");
    let replies = if chat == Chat::Bot { REPLIES } else { REPLIES + ACKNOWLEDGEMENTS };
    assert_eq!(figures.slack_messages - figures.slack_repeats, 1 + replies, "{who:?} {trouble:?}");
    let issues = world.jira.as_ref().unwrap().issues();
    let comments: Vec<usize> = issues.iter().map(|issue| issue.comments.len()).collect();
    assert_eq!(comments, [COMMENTS], "{who:?} {trouble:?}: {issues:#?}");
}

struct Living {
    world: World,
    expectations: Expectations,
    gateway: Gateway,
    proxy: Proxy,
    who: Who,
}

impl Living {
    /// One step, its fault, and the recovery.
    async fn goes_through(&mut self, step: Step, trouble: Trouble) {
        let before = self.world.requests(self.who).len();
        if matches!(trouble, Trouble::Away) {
            self.proxy.set(Mode::Refuse);
        }
        self.world.script(self.who, trouble.fault().into_iter().collect());
        self.take(step).await;
        match trouble {
            Trouble::Kill | Trouble::KillUntaken => self.is_killed_in_between(before).await,
            Trouble::Away => {
                tokio::time::sleep(AWAY).await;
                self.proxy.set(Mode::Pass);
            }
            _ => {}
        }
        self.gateway.drained(DRAIN_LIMIT).await;
        // A fault that no request met does not carry over to the next step.
        self.world.forget_script(self.who);
    }

    async fn take(&self, step: Step) {
        match step {
            Step::Event { severity, outcome } => {
                let alert = self.expectations.alert("leak", "bot-7", severity, outcome);
                let posting = self.expectations.write(alert);
                assert_eq!(self.expectations.post_once(posting, self.world.public).await, Some(200));
            }
            Step::Order(order) => {
                let path = self.world.store().to_owned();
                let obeyed = tokio::task::spawn_blocking(move || obey(&path, order));
                obeyed.await.unwrap();
            }
        }
    }

    /// Ends the process while the request is under way, if the step makes one.
    async fn is_killed_in_between(&mut self, before: usize) {
        let deadline = Instant::now() + Duration::from_secs(3);
        while self.world.requests(self.who).len() == before && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.gateway.kill();
        self.gateway = Gateway::ready(&self.world, &self.expectations).await;
    }
}

/// A person gives an order beside the process that serves.
fn obey(store: &std::path::Path, order: Order) {
    let store = SqliteStore::open(store, Access::Operate).unwrap();
    let incidents = store.incidents(&ALL, &IncidentFilter::default()).unwrap();
    let numbers: Vec<IncidentNumber> = incidents.iter().map(|incident| incident.number).collect();
    assert_eq!(numbers.len(), 1, "{incidents:#?}");
    let by = Origin::CommandLine { user: "dana".to_owned() };
    store.order(numbers[0], order, by, None, SystemClock.now()).unwrap().unwrap();
    store.close();
}

const STEPS: [Step; 8] = [
    Step::Event { severity: "critical", outcome: "blocked" },
    Step::Event { severity: "critical", outcome: "blocked" },
    Step::Event { severity: "critical", outcome: "succeeded" },
    Step::Order(Order::Acknowledge),
    Step::Event { severity: "fatal", outcome: "blocked" },
    Step::Order(Order::Acknowledge),
    Step::Order(Order::Resolve),
    Step::Event { severity: "critical", outcome: "blocked" },
];
/// The opening, the raise, what was worse after the acknowledgement, the reopening.
const PAGES: [Status; 4] = [Status::Resolved, Status::Resolved, Status::Resolved, Status::Triggered];
/// The raise, what was worse, the end, the reopening; an acknowledgement is shown by the message itself.
const REPLIES: usize = 4;
/// Where nothing can be edited each is said.
const ACKNOWLEDGEMENTS: usize = 2;
/// The raise, who has it, what was worse, who has it, the end, the reopening.
const COMMENTS: usize = 6;
const AWAY: Duration = Duration::from_secs(2);
const DRAIN_LIMIT: Duration = Duration::from_secs(90);

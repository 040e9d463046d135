//! The life of an incident at a notifier of every kind, with a fault at each step of it: opened, counted, raised, spread,
//! acknowledged, worse, resolved, reopened. In the end each notifier shows what the incident is, nothing is lost, and nothing is
//! there twice but what was in doubt where nothing can be looked up.
//!
//! The short form has lives in which each notifier meets another fault at each step, and in each of them the gateway is killed
//! once; the long form has, besides, a life for each fault, which all notifiers meet at every step.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gatepost::domain::{Clock, IncidentNumber, NotifierClass, Origin, SystemClock};
use gatepost::incidents::Order;
use gatepost::standins::Card;
use gatepost::store::{Access, Commands, IncidentFilter, IncidentQueries, SqliteStore};

use super::dice::Dice;
use super::expectations::Expectations;
use super::gateway::Gateway;
use super::guests::Mishap;
use super::misdeeds::Who;
use super::oracle::{self, ALL, Allowance};
use super::proxy::{Mode, Proxy};
use super::shown;
use super::trials::Trial;
use super::world::World;
use super::{is_long, matrix, schedule};

/// A notifier of the world.
#[derive(Clone, Copy, Debug)]
pub struct Notifier {
    /// Its name in the configuration.
    pub name: &'static str,
    pub kind: &'static str,
    pub class: NotifierClass,
    place: Place,
}

/// Where the world has it.
#[derive(Clone, Copy, Debug)]
enum Place {
    Usual(Who),
    Guest(usize),
}

/// What happens to the incident.
#[derive(Clone, Copy, Debug)]
enum Step {
    Event {
        agent: &'static str,
        severity: &'static str,
        outcome: &'static str,
    },
    /// By a person, with a note.
    Order(Order, &'static str),
}

/// Whether a notifier of that class is told of that step.
fn is_told(place: usize, class: NotifierClass) -> bool {
    place != COUNTED || class == NotifierClass::EditableChat
}

/// What the notifiers meet at one step, in their order.
type Trials = Vec<Trial>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_notifier_shows_what_the_incident_was_and_is_after_a_life_of_faults() {
    schedule::measured(lives).await;
}

async fn lives() {
    let mut dice = Dice::of("lives");
    let mut lives = Vec::new();
    for (place, of_all) in Trial::OF_ALL.into_iter().enumerate() {
        let trials = mixed(&mut dice, of_all);
        let name = format!("mixed, {of_all:?}");
        lives.push(tokio::spawn(life(name, trials, place % 2 == 0, dice.fork())));
    }
    for trial in Trial::ALL.into_iter().filter(|_| is_long()) {
        let trials = vec![vec![trial; NOTIFIERS.len()]; STEPS.len()];
        lives.push(tokio::spawn(life(format!("{trial:?}"), trials, dice.chance(50), dice.fork())));
    }
    schedule::joined(lives).await;
}

/// At one step all meet the same, at most others each something else.
fn mixed(dice: &mut Dice, of_all: Trial) -> Vec<Trials> {
    // Where all are told; the last step is not in every life. A ticket that may have been opened and was not is looked for
    // for half a minute.
    let first = if of_all == Trial::KilledUntaken { COUNTED + 1 } else { 0 };
    let possible: Vec<usize> = (first..STEPS.len() - 1).filter(|place| *place != COUNTED).collect();
    let common = possible[dice.below(possible.len() as u64) as usize];
    let trials = (0..STEPS.len()).map(|place| {
        let is_calm = place != common && !dice.chance(STEPS_PERCENT);
        let drawn = NOTIFIERS.map(|notifier| {
            let possible = Trial::short(notifier.kind);
            match place {
                _ if place == common => of_all,
                _ if is_calm || !dice.chance(NOTIFIERS_PERCENT) => Trial::Calm,
                _ => possible[dice.below(possible.len() as u64) as usize],
            }
        });
        drawn.to_vec()
    });
    trials.collect()
}

async fn life(name: String, trials: Vec<Trials>, ends_resolved: bool, mut dice: Dice) {
    let mut world = World::of_every_notifier(&GUESTS).await;
    let mut proxies = Vec::new();
    for notifier in NOTIFIERS {
        proxies.push(match notifier.place {
            Place::Usual(who) => world.behind_proxy(who, "http").await,
            Place::Guest(place) => world.guest_behind_proxy(place).await,
        });
    }
    let expectations = Expectations::new(&mut dice);
    let gateway = Gateway::ready(&world, &expectations).await;
    let mut living = Living { world, expectations, gateway, proxies, deaths: [0; NOTIFIERS.len()] };
    let begun = Instant::now();
    let steps = if ends_resolved { &STEPS[..] } else { &STEPS[..STEPS.len() - 1] };
    for (place, (step, trials)) in steps.iter().zip(&trials).enumerate() {
        let begun = Instant::now();
        living.goes_through(place, *step, trials).await;
        println!("life: {name}: step {place} in {:.1?}: {trials:?}", begun.elapsed());
    }
    let Living { world, expectations, gateway, deaths, .. } = living;
    // What was repeated after doubt is sent once more a minute later.
    gateway.settled_for(END_AHEAD, DRAIN_LIMIT).await;
    gateway.drained(DRAIN_LIMIT).await;
    gateway.stop().await;
    let figures = oracle::check(&world, &expectations, Allowance::default());
    assert_eq!(figures.incidents, 1, "{name}");
    let mut repeats = BTreeMap::new();
    for (notifier, deaths) in NOTIFIERS.iter().zip(deaths) {
        let found = shown::check(notifier, &world.cards(notifier), ends_resolved);
        let in_doubt = matrix::in_doubt(&world, notifier.name) + deaths;
        assert!(found <= in_doubt, "{name}: {}: {found} repeats, and {in_doubt} were in doubt", notifier.name);
        repeats.insert(notifier.name, format!("{found} of {in_doubt}"));
    }
    println!(
        "life: {name}: {} steps at {} notifiers in {:.1?}, 0 lost; repeated of what was in doubt: {repeats:?}",
        steps.len(),
        NOTIFIERS.len(),
        begun.elapsed()
    );
}

struct Living {
    world: World,
    expectations: Expectations,
    gateway: Gateway,
    proxies: Vec<Proxy>,
    /// How often the gateway was killed while a request to each notifier was under way.
    deaths: [usize; NOTIFIERS.len()],
}

impl Living {
    /// One step, its faults, and the recovery.
    async fn goes_through(&mut self, place: usize, step: Step, trials: &Trials) {
        for (at, trial) in trials.iter().enumerate() {
            if trial.is_away() {
                self.proxies[at].set(Mode::Refuse);
            }
            if let Some(mishap) = trial.mishap() {
                self.world.meets(&NOTIFIERS[at], &mishap);
            }
        }
        self.take(step).await;
        if trials.iter().any(|trial| trial.is_away()) {
            tokio::time::sleep(AWAY).await;
        }
        self.all_have_met(place).await;
        if trials.iter().any(|trial| trial.kills()) {
            self.gateway.kill();
            for (at, notifier) in NOTIFIERS.iter().enumerate() {
                let is_under_way = trials[at].mishap().is_some() && !self.world.is_yet_to_meet(notifier);
                self.deaths[at] += usize::from(is_under_way);
            }
            self.gateway = Gateway::ready(&self.world, &self.expectations).await;
        }
        for (proxy, _) in self.proxies.iter().zip(trials).filter(|(_, trial)| trial.is_away()) {
            proxy.set(Mode::Pass);
        }
        if place == COUNTED {
            tokio::time::sleep(UPDATE_EVERY * 2).await;
        }
        self.gateway.settled(DRAIN_LIMIT).await;
        for notifier in &NOTIFIERS {
            self.world.forgets(notifier);
        }
    }

    /// Waits until each notifier has met what was prepared for it, if it is told of the step.
    async fn all_have_met(&self, place: usize) {
        let deadline = Instant::now() + MET_LIMIT;
        loop {
            let told = NOTIFIERS.iter().filter(|notifier| is_told(place, notifier.class));
            let missing = told.filter(|notifier| self.world.is_yet_to_meet(notifier));
            let missing: Vec<&str> = missing.map(|notifier| notifier.name).collect();
            if missing.is_empty() {
                return;
            }
            if Instant::now() > deadline {
                schedule::too_slow(&format!("not told of step {place}: {missing:?}"));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn take(&self, step: Step) {
        match step {
            Step::Event { agent, severity, outcome } => {
                let alert = self.expectations.alert("leak", agent, severity, outcome);
                let posting = self.expectations.write(alert);
                assert_eq!(self.expectations.post_once(posting, self.world.public).await, Some(200));
            }
            Step::Order(order, note) => {
                let path = self.world.store().to_owned();
                let obeyed = tokio::task::spawn_blocking(move || obey(&path, order, note));
                obeyed.await.unwrap();
            }
        }
    }
}

/// A person gives an order beside the process that serves.
fn obey(store: &std::path::Path, order: Order, note: &str) {
    let store = SqliteStore::open(store, Access::Operate).unwrap();
    let incidents = store.incidents(&ALL, &IncidentFilter::default()).unwrap();
    let numbers: Vec<IncidentNumber> = incidents.iter().map(|incident| incident.number).collect();
    assert_eq!(numbers.len(), 1, "{incidents:#?}");
    let by = Origin::CommandLine { user: "dana".to_owned() };
    store.order(numbers[0], order, by, Some(note.to_owned()), SystemClock.now()).unwrap().unwrap();
    store.close();
}

impl World {
    fn meets(&self, notifier: &Notifier, mishap: &Mishap) {
        match notifier.place {
            Place::Usual(who) => self.script(who, vec![mishap.http.clone()]),
            Place::Guest(place) => self.guests[place].meets(mishap),
        }
    }

    /// A fault that no request met does not carry over to the next step.
    fn forgets(&self, notifier: &Notifier) {
        match notifier.place {
            Place::Usual(who) => self.forget_script(who),
            Place::Guest(place) => self.guests[place].mend(),
        }
    }

    fn is_yet_to_meet(&self, notifier: &Notifier) -> bool {
        match notifier.place {
            Place::Usual(Who::Slack) => self.slack.as_ref().unwrap().unmet() > 0,
            Place::Usual(Who::PagerDuty) => self.pagerduty.as_ref().unwrap().unmet() > 0,
            Place::Usual(Who::Jira) => self.jira.as_ref().unwrap().unmet() > 0,
            Place::Guest(place) => self.guests[place].is_yet_to_meet(),
        }
    }

    fn cards(&self, notifier: &Notifier) -> Vec<Card> {
        match notifier.place {
            Place::Usual(Who::Slack) => self.slack.as_ref().unwrap().cards(),
            Place::Usual(Who::PagerDuty) => self.pagerduty.as_ref().unwrap().cards(),
            Place::Usual(Who::Jira) => self.jira.as_ref().unwrap().cards(),
            Place::Guest(place) => self.guests[place].cards(),
        }
    }
}

/// The kinds beside the usual ones; Slack's is the webhook.
const GUESTS: [&str; 7] = ["opsgenie", "discord", "slack", "mattermost", "teams", "email", "servicenow"];

const NOTIFIERS: [Notifier; 10] = {
    use NotifierClass::{AppendOnly, EditableChat, Pager, Ticket};
    const fn usual(name: &'static str, kind: &'static str, class: NotifierClass, who: Who) -> Notifier {
        Notifier { name, kind, class, place: Place::Usual(who) }
    }
    const fn guest(place: usize, class: NotifierClass) -> Notifier {
        Notifier { name: GUESTS[place], kind: GUESTS[place], class, place: Place::Guest(place) }
    }
    [
        usual("oncall", "pagerduty", Pager, Who::PagerDuty),
        usual("soc", "slack", EditableChat, Who::Slack),
        usual("tickets", "jira", Ticket, Who::Jira),
        guest(0, Pager),
        guest(1, EditableChat),
        guest(2, AppendOnly),
        guest(3, AppendOnly),
        guest(4, AppendOnly),
        guest(5, AppendOnly),
        guest(6, Ticket),
    ]
};

const STEPS: [Step; 9] = [
    Step::Event { agent: "bot-7", severity: "high", outcome: "blocked" },
    Step::Event { agent: "bot-7", severity: "high", outcome: "blocked" },
    Step::Event { agent: "bot-7", severity: "high", outcome: "succeeded" },
    Step::Event { agent: "bot-8", severity: "high", outcome: "blocked" },
    Step::Order(Order::Acknowledge, "looking at the logs"),
    Step::Event { agent: "bot-7", severity: "critical", outcome: "succeeded" },
    Step::Order(Order::Resolve, "the key is withdrawn"),
    Step::Event { agent: "bot-7", severity: "critical", outcome: "allowed" },
    Step::Order(Order::Resolve, "the bot is switched off"),
];
/// The place of the step at which there is only one more of what is known.
const COUNTED: usize = 1;
/// How many steps of a mixed life have faults, and at how many of the notifiers.
const STEPS_PERCENT: u64 = 60;
const NOTIFIERS_PERCENT: u64 = 60;
const AWAY: Duration = Duration::from_millis(500);
/// The `update_every` of the configuration.
const UPDATE_EVERY: Duration = Duration::from_secs(1);
const MET_LIMIT: Duration = Duration::from_secs(30);
/// For the command line and the stop.
const END_AHEAD: Duration = Duration::from_secs(5);
/// Mail in doubt is repeated after a minute, and its lost answer takes fifteen seconds.
const DRAIN_LIMIT: Duration = Duration::from_secs(150);

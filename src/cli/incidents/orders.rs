//! `gatepost incidents ack|unack|resolve|reopen|note|silence`: what a person at the command line changes.

use std::path::Path;
use std::time::Duration;

use super::super::failure::{Failure, Outcome};
use super::super::names;
use super::super::number::parse_incident;
use super::super::opening::{open_store, outline, read_store};
use super::super::output::{note, out};
use super::super::terminal;
use super::filter::Which;
use super::unknown;
use crate::domain::{Clock, Incident, IncidentNumber, IncidentState, Origin, SystemClock, Timestamp};
use crate::incidents::{Order, obey};
use crate::settings::parse_duration;
use crate::store::{Commands, IncidentFilter, IncidentQueries, Page, SqliteStore};

#[derive(clap::Args)]
#[command(after_help = "Examples:
  gatepost incidents ack 4711 4712
  gatepost incidents ack 4711 --by dana --note \"looking at the logs\"
  gatepost incidents ack --storm 4720 --dry-run

With filters it takes those that are open, unless --state says otherwise.")]
pub struct Acknowledge {
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    person: Person,
}

#[derive(clap::Args)]
pub struct Unacknowledge {
    #[command(flatten)]
    numbered: Numbered,
    #[command(flatten)]
    person: Person,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:
  gatepost incidents resolve 4711 --note \"blocked at the edge\"
  gatepost incidents resolve --source scanner --text 4XX_FILTER --dry-run

With filters it takes those that are not over, unless --state says otherwise.")]
pub struct Resolve {
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    person: Person,
}

#[derive(clap::Args)]
pub struct Reopen {
    #[command(flatten)]
    numbered: Numbered,
    #[command(flatten)]
    person: Person,
}

#[derive(clap::Args)]
pub struct Note {
    /// Its number: 4711 or '#4711'
    #[arg(value_parser = parse_incident)]
    number: IncidentNumber,
    /// What others should know
    text: String,
    #[command(flatten)]
    by: By,
}

#[derive(clap::Args)]
#[command(after_help = "Example:
  gatepost incidents silence 4711 --for 4h --note \"the scan of the red team\"

A raise or a spread is told all the same. What is held back is told once the time is over.")]
pub struct Silence {
    #[command(flatten)]
    numbered: Numbered,
    /// For how long, from now on
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_silence)]
    length: Duration,
    /// Why
    #[arg(long, value_name = "TEXT")]
    note: String,
    #[command(flatten)]
    by: By,
}

/// Incidents by number.
#[derive(clap::Args)]
struct Numbered {
    /// Their numbers: 4711 or '#4711'
    #[arg(value_name = "NUMBER", required = true, value_parser = parse_incident)]
    numbers: Vec<IncidentNumber>,
}

/// Incidents by number, or by what they have in common.
#[derive(clap::Args)]
struct Chosen {
    /// Their numbers: 4711 or '#4711'
    #[arg(value_name = "NUMBER", value_parser = parse_incident)]
    numbers: Vec<IncidentNumber>,
    #[command(flatten)]
    which: Which,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// Who, and why.
#[derive(clap::Args)]
struct Person {
    #[command(flatten)]
    by: By,
    /// What others should know
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

#[derive(clap::Args)]
struct By {
    /// Who does it; else the name of the account
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    by: Option<String>,
}

impl Acknowledge {
    pub fn run(&self, path: &Path) -> Outcome {
        let open =
            |filter: IncidentFilter| IncidentFilter { state: filter.state.or(Some(IncidentState::Open)), ..filter };
        self.chosen.run(path, open, &Change::new(Order::Acknowledge, "acknowledged", &self.person))
    }
}

impl Unacknowledge {
    pub fn run(&self, path: &Path) -> Outcome {
        Change::new(Order::Unacknowledge, "open again", &self.person).order_all(path, &self.numbered.numbers)
    }
}

impl Resolve {
    pub fn run(&self, path: &Path) -> Outcome {
        let listed = |filter: IncidentFilter| IncidentFilter { is_listed: filter.state.is_none(), ..filter };
        self.chosen.run(path, listed, &Change::new(Order::Resolve, "resolved", &self.person))
    }
}

impl Reopen {
    pub fn run(&self, path: &Path) -> Outcome {
        Change::new(Order::Reopen, "reopened", &self.person).order_all(path, &self.numbered.numbers)
    }
}

impl Note {
    pub fn run(&self, path: &Path) -> Outcome {
        let note = Some(self.text.clone());
        let change = Change { order: Order::Note, word: "noted".to_owned(), by: self.by.origin(), note };
        change.order_all(path, &[self.number])
    }
}

impl Silence {
    pub fn run(&self, path: &Path) -> Outcome {
        if self.note.trim().is_empty() {
            return Err(Failure::Usage("the note is empty; write why the incident is silenced".to_owned()));
        }
        let until = SystemClock.now().plus(self.length);
        let change = Change {
            order: Order::Silence { until },
            word: format!("silenced until {}", until.to_human()),
            by: self.by.origin(),
            note: Some(self.note.clone()),
        };
        change.order_all(path, &self.numbered.numbers)
    }
}

impl Chosen {
    /// `narrow` adds what is meant where no state is given.
    fn run(&self, path: &Path, narrow: impl Fn(IncidentFilter) -> IncidentFilter, change: &Change) -> Outcome {
        match (self.numbers.is_empty(), self.which.is_given()) {
            (true, false) => {
                let text = "name incidents by number, or say which: --source, --severity, --state, --storm, --text";
                return Err(Failure::Usage(text.to_owned()));
            }
            (false, true) => {
                let text = "give numbers or filters, not both";
                return Err(Failure::Usage(text.to_owned()));
            }
            (true, true) | (false, false) => {}
        }
        if self.dry_run {
            let (outline, store) = read_store(path)?;
            names::check_source(&outline, &store, self.which.source.as_deref())?;
            return change.rehearse(&store, &self.numbers(&store, &narrow)?);
        }
        let outline = outline(path)?;
        let store = open_store(&outline)?;
        names::check_source(&outline, &store, self.which.source.as_deref())?;
        change.order_each(&store, &self.numbers(&store, &narrow)?)
    }

    /// The numbers that were given, or those of the incidents that the filters take, oldest first.
    fn numbers(
        &self,
        store: &SqliteStore,
        narrow: &impl Fn(IncidentFilter) -> IncidentFilter,
    ) -> Result<Vec<IncidentNumber>, Failure> {
        if !self.numbers.is_empty() {
            return Ok(self.numbers.clone());
        }
        let filter = narrow(self.which.filter());
        let mut numbers: Vec<IncidentNumber> = Vec::new();
        loop {
            let before = numbers.last().and_then(|number| i64::try_from(number.0).ok());
            let rows = store.incidents(&Page { limit: 500, before }, &filter)?;
            if rows.is_empty() {
                numbers.reverse();
                return Ok(numbers);
            }
            numbers.extend(rows.iter().map(|incident| incident.number));
        }
    }
}

impl By {
    fn origin(&self) -> Origin {
        Origin::CommandLine { user: self.by.clone().unwrap_or_else(account) }
    }
}

/// An order, who gives it and why.
struct Change {
    order: Order,
    /// What the incident is afterwards.
    word: String,
    by: Origin,
    note: Option<String>,
}

impl Change {
    fn new(order: Order, word: &str, person: &Person) -> Self {
        Self { order, word: word.to_owned(), by: person.by.origin(), note: person.note.clone() }
    }

    fn order_all(&self, path: &Path, numbers: &[IncidentNumber]) -> Outcome {
        self.order_each(&open_store(&outline(path)?)?, numbers)
    }

    /// Applies it to each. A refusal is printed and does not stop the others.
    fn order_each(&self, store: &SqliteStore, numbers: &[IncidentNumber]) -> Outcome {
        let mut refusals = Vec::new();
        for number in numbers {
            match self.order_one(store, *number) {
                Ok(incident) => out!("{number} is {} · {}", self.word, line(&incident))?,
                Err(Failure::Found(why)) => refusals.push(why),
                Err(failure) => return Err(failure),
            }
        }
        let done = numbers.len() - refusals.len();
        if done > 0 && self.is_told() {
            out!("{TOLD_BY}")?;
        }
        match refusals.as_slice() {
            [] if numbers.is_empty() => out!("0 incidents are {}: there is none like that", self.word),
            [] => Ok(()),
            [only] if numbers.len() == 1 => Err(Failure::Found(only.clone())),
            refusals => {
                refusals.iter().for_each(|why| note!("{}", terminal::clean(why)));
                Err(Failure::Found(format!("{} of {} incidents are as they were", refusals.len(), numbers.len())))
            }
        }
    }

    fn order_one(&self, store: &SqliteStore, number: IncidentNumber) -> Result<Incident, Failure> {
        let incident = find(store, number)?;
        let ordered = store.order(number, self.order, self.by.clone(), self.note.clone(), SystemClock.now())?;
        ordered.map(|_| incident).map_err(|error| Failure::Found(error.to_string()))
    }

    /// Says what would be done.
    fn rehearse(&self, store: &SqliteStore, numbers: &[IncidentNumber]) -> Outcome {
        let (now, mut refused) = (SystemClock.now(), 0);
        for number in numbers {
            match self.rehearse_one(store, *number, now) {
                Ok(incident) => out!("{number} would be {} · {}", self.word, line(&incident))?,
                Err(Failure::Found(why)) => {
                    refused += 1;
                    note!("{}", terminal::clean(&why));
                }
                Err(failure) => return Err(failure),
            }
        }
        out!("{} incidents would be {}", numbers.len() - refused, self.word)?;
        if refused == 0 { Ok(()) } else { Err(Failure::Found(format!("{refused} would be left as they are"))) }
    }

    fn rehearse_one(&self, store: &SqliteStore, number: IncidentNumber, now: Timestamp) -> Result<Incident, Failure> {
        let incident = find(store, number)?;
        let changed = obey(&mut incident.clone(), self.order, self.by.clone(), self.note.clone(), now);
        changed.map(|_| incident).map_err(|error| Failure::Found(error.to_string()))
    }

    /// Whether somewhere else is told of it.
    fn is_told(&self) -> bool {
        !matches!(self.order, Order::Note | Order::Silence { .. })
    }
}

fn find(store: &SqliteStore, number: IncidentNumber) -> Result<Incident, Failure> {
    let before = i64::try_from(number.0).unwrap_or(i64::MAX).saturating_add(1);
    let found = store.incidents(&Page { limit: 1, before: Some(before) }, &IncidentFilter::default())?;
    found.into_iter().find(|incident| incident.number == number).ok_or_else(|| unknown(number))
}

fn line(incident: &Incident) -> String {
    format!("{} · {}", incident.rank, terminal::line(&incident.title, 100))
}

/// The name of the account, as the environment has it; the one behind `sudo` where there is one.
#[allow(clippy::disallowed_methods, reason = "the account is that of the process, and no setting")]
fn account() -> String {
    let named = |variable| parse_name(&std::env::var(variable).ok()?).ok();
    let account = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(named);
    account.unwrap_or_else(|| "an account without a name".to_owned())
}

fn parse_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    let is_name = !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX && !name.chars().any(char::is_control);
    if is_name { Ok(name.to_owned()) } else { Err(format!("write a name of 1 to {NAME_CHARS_MAX} characters")) }
}

fn parse_silence(text: &str) -> Result<Duration, String> {
    let length = parse_duration(text).filter(|length| (SILENCE_MIN..=SILENCE_MAX).contains(length));
    length.ok_or_else(|| "write a duration from 1s to 90d, such as 30m, 4h or 2d".to_owned())
}

const NAME_CHARS_MAX: usize = 64;
const SILENCE_MIN: Duration = Duration::from_secs(1);
/// A silence is temporary. What never matters is excluded by routes.
const SILENCE_MAX: Duration = Duration::from_secs(90 * 24 * 3600);
/// What an order means: this process sends nothing itself.
const TOLD_BY: &str = "`gatepost serve` tells this wherever it was told, at once or when it starts";

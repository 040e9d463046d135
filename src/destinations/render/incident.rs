//! The words of an incident: what is in a message that is kept up to date, and in a ticket.
//!
//! What is new against what was told before is in [`news`](super::news).

use super::collective::{amount, parts, rank_words};
use super::own::{self, Own};
use super::standing::standing;
use super::summary::{self, Fact, Summary};
use super::words::{Words, count};
use super::{line, own_link, sanitize, truncate, web_links};
use crate::domain::{
    DigestFacts, DigestOf, Distinct, Event, Facet, Incident, IncidentKind, IncidentNumber, IncidentState, Job, Link,
    Purpose, Rank, Telling,
};

/// What there is to say about one incident, in the order that is the same everywhere. Texts are redacted and free of control
/// characters, neither cut nor escaped; what is not known is missing.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentSummary {
    /// The words of the event that shows it best.
    pub event: Summary,
    /// Its number; none on a probe.
    pub number: Option<IncidentNumber>,
    /// Where it stands.
    pub state: IncidentState,
    /// How bad it is.
    pub rank: Rank,
    /// What it is made of.
    pub form: Form,
    /// One line, never blank.
    pub title: String,
    /// Who did it.
    pub who: Option<Side>,
    /// To what.
    pub what: Option<Side>,
    /// The victim: agent, else host.
    pub victim: Option<String>,
    /// `1,204 events since 02:10, last 02:41; 3 attackers, 2 endpoints`; none for a single event.
    pub extent: Option<Words>,
    /// What a storm or a digest stands for.
    pub parts: Vec<Words>,
    /// Who has it, who has ended it, until when it is silenced.
    pub standing: Vec<Words>,
    /// Named values that nothing above says.
    pub facts: Vec<Fact>,
    /// `Akto · SqlInjection · source akto · id 6f1c2ab0`
    pub origin: String,
    /// Who is responsible, as the operator says: not escaped.
    pub owner: Option<String>,
    /// What else the operator says about it: not escaped.
    pub note: Option<String>,
    /// The page that says what to do, as the operator says.
    pub runbook: Option<Link>,
    /// What the operator's templates made of it.
    pub own: Own,
    /// Pages to open: the runbook, then at most three of the vendor.
    pub links: Vec<Link>,
    /// `gatepost incidents show 4711`
    pub lookup: Option<String>,
}

/// What an incident is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Events with one key.
    Events,
    /// Incidents that are too many to be told one by one.
    Storm,
    /// Old events that arrived together.
    Digest,
}

/// The newest of some values, and how many more there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// The newest.
    pub newest: String,
    /// ` and 2 more`; blank where there is only one.
    pub more: String,
}

impl IncidentSummary {
    /// The words of an incident as it is now.
    pub fn of(job: &Job<'_>, telling: &Telling<'_>) -> Self {
        let (incident, is_probe) = (telling.incident, job.purpose == Purpose::Probe);
        let event = Summary::of(job);
        let form = Form::of(incident);
        // What is said of one event of many would mislead.
        let annotation = (form == Form::Events).then_some(&telling.wording.annotation);
        let runbook = annotation.and_then(|said| own_link("Runbook", said.runbook.as_deref()?));
        let victim = victim(job.event).or_else(|| telling.facets.victims.newest().find_map(line));
        let who = side(event.action.as_ref().and_then(|action| action.who.clone()), &telling.facets.actors);
        let what = side(event.action.as_ref().and_then(|action| action.what.clone()), &telling.facets.targets);
        let what = what.or_else(|| side(event.agent().map(|agent| format!("agent {agent}")), &telling.facets.victims));
        let is_told = |fact: &Fact| fact.name == "rule" || fact.name == "agent" && says(what.as_ref(), &fact.value);
        Self {
            number: (!is_probe).then_some(incident.number),
            state: incident.state,
            rank: incident.rank,
            form,
            title: title(incident),
            victim: (form == Form::Events).then_some(victim).flatten(),
            extent: extent(telling),
            parts: parts(telling),
            standing: standing(job, incident),
            facts: event.facts.iter().filter(|fact| !is_told(fact)).cloned().collect(),
            origin: origin(job.event, &event, incident),
            owner: annotation.and_then(|said| sanitize::line(said.owner.as_deref()?)),
            note: annotation.and_then(|said| sanitize::line(said.note.as_deref()?)),
            // The page of one event of many would mislead.
            links: runbook
                .iter()
                .cloned()
                .chain(web_links(&job.event.links).into_iter().take(if form == Form::Events { LINKS_MAX } else { 0 }))
                .collect(),
            runbook,
            own: Own::of(telling.wording),
            lookup: (!is_probe).then(|| lookup(incident)),
            who: who.filter(|_| form == Form::Events),
            what: what.filter(|_| form == Form::Events),
            event,
        }
    }

    /// `CRITICAL · SUCCEEDED · SQL injection · #4711`, on a probe `TEST · …`, of at most `chars_max` characters: the title gives
    /// way, and the number stays.
    pub fn headline(&self, chars_max: usize) -> String {
        let rank = self.rank.to_string();
        self.line_of(
            |title| if self.form == Form::Events { format!("{rank} · {title}") } else { self.storm_line(title) },
            chars_max,
        )
    }

    /// The same without the rank, for what never changes again: a ticket's summary.
    pub fn lasting_title(&self, chars_max: usize) -> String {
        self.own_title(chars_max).unwrap_or_else(|| self.line_of(str::to_owned, chars_max))
    }

    /// The headline with something between title and number: the victim, on a page.
    pub fn headline_with(&self, extra: Option<&str>, chars_max: usize) -> String {
        if let Some(title) = self.own_title(chars_max) {
            return title;
        }
        let Some(extra) = extra else { return self.headline(chars_max) };
        let extra = truncate::chars(extra, EXTRA_CHARS_MAX);
        let rank = self.rank.to_string();
        self.line_of(|title| format!("{rank} · {title} · {extra}"), chars_max)
    }

    /// `who` → `what` with what there is more of each. `None` where neither is known.
    pub fn action(&self) -> Option<Words> {
        let side = |side: &Side| Words::default().value(side.newest.as_str()).ours(side.more.as_str());
        match (&self.who, &self.what) {
            (Some(who), Some(what)) => Some(side(who).ours(" → ").then(side(what))),
            (Some(one), None) | (None, Some(one)) => Some(side(one)),
            (None, None) => None,
        }
    }

    /// The operator's own title, of at most `chars_max` characters.
    pub fn own_title(&self, chars_max: usize) -> Option<String> {
        Some(own::fitted(self.own.title.as_deref()?, &self.title, chars_max))
    }

    /// The operator's own subject, of at most `chars_max` characters.
    pub fn own_subject(&self, chars_max: usize) -> Option<String> {
        Some(own::fitted(self.own.subject.as_deref()?, &self.title, chars_max))
    }

    /// The operator's own text, of at most `chars_max` characters.
    pub fn own_text(&self, chars_max: usize) -> Option<String> {
        Some(truncate::chars(self.own.text.as_deref()?, chars_max).into_owned())
    }

    /// Who is responsible and what else the operator says, each with its name.
    pub fn said(&self) -> Vec<(&'static str, &str)> {
        let all = [("Owner", &self.owner), ("Note", &self.note)];
        all.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?))).collect()
    }

    /// The pages of the vendor.
    pub fn vendor_links(&self) -> &[Link] {
        self.links.get(usize::from(self.runbook.is_some())..).unwrap_or_default()
    }

    fn storm_line(&self, title: &str) -> String {
        if self.form == Form::Storm { format!("{title}, {}", rank_words(self.rank)) } else { title.to_owned() }
    }

    fn line_of(&self, line: impl Fn(&str) -> String, chars_max: usize) -> String {
        let mark = self.event.mark.map(|mark| format!("{mark} · ")).unwrap_or_default();
        let number = self.number.map(|number| format!(" · {number}")).unwrap_or_default();
        let whole = |title: &str| format!("{mark}{}{number}", line(title));
        let around = whole("").encode_utf16().count();
        whole(&truncate::chars(&self.title, chars_max.saturating_sub(around).max(1)))
    }
}

impl Form {
    fn of(incident: &Incident) -> Self {
        match incident.kind {
            IncidentKind::Events => Self::Events,
            IncidentKind::Storm(_) => Self::Storm,
            IncidentKind::Digest(_) => Self::Digest,
        }
    }
}

/// The agent, else the host of the event.
pub fn victim(event: &Event) -> Option<String> {
    let target = event.target.as_ref()?;
    [&target.agent, &target.host].into_iter().flatten().find_map(|text| line(text))
}

/// How many victims there are, as far as is known.
pub fn victims(telling: &Telling<'_>) -> u64 {
    telling.facets.victims.distinct().number().max(telling.incident.victims)
}

fn title(incident: &Incident) -> String {
    let source = &incident.source;
    match &incident.kind {
        IncidentKind::Storm(storm) => {
            let rules = u64::try_from(storm.rules.len()).unwrap_or(u64::MAX).saturating_add(storm.more_rules);
            let incidents = count(storm.incidents, "more incident", "more incidents");
            format!("{source}: {incidents} of {}", count(rules, "rule", "rules"))
        }
        IncidentKind::Digest(DigestFacts { incidents, of: DigestOf::Updates(_), .. }) => {
            format!("{source}: {} went on", count(*incidents, "incident", "incidents"))
        }
        IncidentKind::Digest(_) => {
            let (events, first, last) =
                (count(incident.count, "event", "events"), day(incident.first_at), day(incident.last_at));
            let days = match (first.split_once(' '), last.split_once(' ')) {
                _ if first == last => format!("of {last}"),
                (Some((day, month)), Some((_, later))) if month == later => format!("from {day} to {last}"),
                _ => format!("from {first} to {last}"),
            };
            format!("{source}: {events} {days} arrived together")
        }
        IncidentKind::Events => line(&incident.title).unwrap_or_else(|| "Alert without a title".into()),
    }
}

/// `21 Nov`
fn day(time: crate::domain::Timestamp) -> String {
    time.to_human().chars().take(6).collect()
}

/// The event's own value, else the newest known; with the number of the others.
fn side(own: Option<String>, facet: &Facet) -> Option<Side> {
    let newest = own.or_else(|| facet.newest().find_map(line))?;
    let more = match facet.distinct() {
        Distinct::Exactly(0 | 1) => String::new(),
        Distinct::Exactly(number) => format!(" and {} more", super::words::number(number - 1)),
        Distinct::About(number) => format!(" and about {} more", super::words::number(number.saturating_sub(1))),
    };
    Some(Side { newest, more })
}

fn says(side: Option<&Side>, value: &str) -> bool {
    side.is_some_and(|side| side.newest.contains(value))
}

fn extent(telling: &Telling<'_>) -> Option<Words> {
    let incident = telling.incident;
    if incident.count < 2 || Form::of(incident) == Form::Digest {
        return None;
    }
    let words = Words::of(format!("{} since ", amount(incident)))
        .time(incident.first_at)
        .ours(", last ")
        .time(incident.last_at);
    let parties = parties(telling);
    Some(if parties.is_empty() { words } else { words.ours(format!("; {}", parties.join(", "))) })
}

/// `3 attackers`, `2 endpoints`, `4 victims`: what there is more than one of. A storm keeps its rules in the place of
/// endpoints; they are in its title.
pub fn parties(telling: &Telling<'_>) -> Vec<String> {
    let facets = telling.facets;
    let victims = match facets.victims.distinct() {
        Distinct::About(_) => Distinct::About(victims(telling)),
        Distinct::Exactly(_) => Distinct::Exactly(victims(telling)),
    };
    let kinds =
        [(facets.actors.distinct(), "attackers"), (facets.targets.distinct(), "endpoints"), (victims, "victims")];
    let is_storm = Form::of(telling.incident) == Form::Storm;
    kinds
        .into_iter()
        .filter(|(distinct, kind)| distinct.number() > 1 && !(is_storm && *kind == "endpoints"))
        .map(|(distinct, kind)| how_many(distinct, kind))
        .collect()
}

fn how_many(distinct: Distinct, kind: &str) -> String {
    match distinct {
        Distinct::Exactly(number) => format!("{} {kind}", super::words::number(number)),
        Distinct::About(number) => format!("about {} {kind}", super::words::number(number)),
    }
}

fn origin(event: &Event, words: &Summary, incident: &Incident) -> String {
    let rule =
        line(&incident.rule).filter(|_| Form::of(incident) == Form::Events).unwrap_or_else(|| words.kind.clone());
    let mut parts = vec![words.vendor.clone(), rule];
    if Form::of(incident) != Form::Events {
        parts.truncate(1);
    }
    parts.push(format!("source {}", incident.source));
    if Form::of(incident) == Form::Events {
        parts.extend(words.vendor_id.as_ref().map(|id| format!("id {id}")));
        parts.extend(summary::delay(event, LATE).map(|delay| format!("received {delay}")));
    }
    parts.join(" · ")
}

fn lookup(incident: &Incident) -> String {
    match incident.kind {
        IncidentKind::Storm(_) => format!("gatepost incidents list --storm {}", incident.number.0),
        IncidentKind::Events | IncidentKind::Digest(_) => format!("gatepost incidents show {}", incident.number.0),
    }
}

/// What was received later than this after it happened says so.
const LATE: std::time::Duration = std::time::Duration::from_secs(60);
/// Of the vendor.
const LINKS_MAX: usize = 3;
/// Of a victim in a headline: the title and the number must keep their place.
const EXTRA_CHARS_MAX: usize = 100;

#[cfg(test)]
mod tests;

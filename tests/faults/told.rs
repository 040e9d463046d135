//! The oracle for incidents: does each hold its events, was each notifier told of it as it is, and does what is shown
//! there say so?

use std::collections::{BTreeMap, BTreeSet};

use gatepost::domain::{Event, EventId, Incident, IncidentKind, IncidentNumber, IncidentState, Notification};
use gatepost::incidents::Joined;
use gatepost::standins::jira::Issue;
use gatepost::standins::pagerduty::{self, Status};
use gatepost::standins::slack::Message;
use gatepost::store::{IncidentDetails, IncidentFilter, IncidentQueries, NotificationRow};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::oracle::{ALL, Allowance, Trial};
use super::world::World;

/// An incident with the events of which it was made.
pub struct Told<'e> {
    pub details: IncidentDetails,
    pub events: Vec<&'e Event>,
}

impl Told<'_> {
    /// What was told at a notifier.
    pub fn at(&self, destination: &str) -> Option<&NotificationRow> {
        self.details.notifications.iter().find(|row| row.destination.as_str() == destination)
    }
}

impl Trial<'_> {
    /// Every event that is for notifiers is in its incident or has a reason, every incident counts exactly its events, and what its notifiers
    /// were told last is how it stands.
    pub fn incidents_are_told<'e>(&mut self, events: &'e [Event]) -> Vec<Told<'e>> {
        let mut by_incident = self.events_of_incidents(events);
        let incidents = self.store.incidents(&ALL, &IncidentFilter::default()).unwrap();
        self.figures.incidents = incidents.len();
        let numbers = incidents.iter().map(|incident| incident.number);
        let told: Vec<Told<'e>> = numbers
            .map(|number| {
                let details = self.store.incident(number).unwrap().unwrap();
                Told { details, events: by_incident.remove(&number).unwrap_or_default() }
            })
            .collect();
        self.check(by_incident.is_empty(), || {
            format!("events of incidents that do not exist: {:?}", by_incident.keys())
        });
        for one in &told {
            self.incident_is_told(one);
        }
        told
    }

    fn events_of_incidents<'e>(&mut self, events: &'e [Event]) -> BTreeMap<IncidentNumber, Vec<&'e Event>> {
        let mut by_incident: BTreeMap<IncidentNumber, Vec<&'e Event>> = BTreeMap::new();
        for event in events {
            let is_for_people = !notifiers_of(self.world, event).is_empty();
            // What goes to sinks alone is not looked at for an incident.
            let Some(place) = self.store.incident_of(event.id).unwrap() else {
                let (id, severity) = (event.id, event.severity.as_str());
                self.check(!is_for_people, || {
                    format!("event {id} is {severity}, in no incident, and nothing says why")
                });
                continue;
            };
            self.check(is_for_people && place.incident.is_some() == is_counted(place.joined), || {
                format!("event {} of {} is {}", event.id, event.severity.as_str(), place.joined.as_str())
            });
            if let Some(number) = place.incident {
                by_incident.entry(number).or_default().push(event);
            }
        }
        by_incident
    }

    fn incident_is_told(&mut self, told: &Told<'_>) {
        let incident = &told.details.incident;
        let number = incident.number;
        let notified: BTreeSet<&str> = told.details.notifications.iter().map(|row| row.destination.as_str()).collect();
        if incident.kind == IncidentKind::Events {
            let count = told.events.len() as u64;
            self.check(incident.count == count, || format!("{number} counts {} of {count} events", incident.count));
            let wanted: BTreeSet<&str> = told.events.iter().flat_map(|event| notifiers_of(self.world, event)).collect();
            self.check(notified == wanted, || format!("{number} is for {notified:?}, not {wanted:?}"));
        }
        for row in &told.details.notifications {
            let to = &row.destination;
            self.check(!row.is_refused, || format!("{to} has refused {number}"));
            match (&row.told.said, incident.fold) {
                (None, None) => self.faults.push(format!("{to} was never told of {number}")),
                (Some(_), Some(_)) => self.faults.push(format!("{to} was told of {number}, which is folded")),
                _ => self.is_told_as_it_is(incident, row),
            }
        }
    }

    fn is_told_as_it_is(&mut self, incident: &Incident, row: &NotificationRow) {
        let (to, number) = (row.destination.as_str(), incident.number);
        let wanted = (incident.state, incident.rank, incident.reopenings);
        for (what, told) in [("told", &row.told.said), ("shown", &row.told.shown)] {
            let Some(told) = told else { continue };
            let standing = told.standing;
            // Whether the status of a ticket changes depends on its project; a resolved page is complete.
            let is_of_state = what == "told" || to == "soc";
            let state = if is_of_state { standing.state } else { incident.state };
            let last = (state, standing.rank, if is_of_state { standing.reopenings } else { incident.reopenings });
            self.check(last == wanted, || format!("{to} was {what} {last:?} of {number}, which is {wanted:?}"));
            self.check(standing.count <= incident.count, || format!("{to} was {what} {} events", standing.count));
        }
    }

    /// Each page that was triggered is one alert at PagerDuty, which stands as the incident does and shows one of its
    /// events; there are no others.
    pub fn pages_are_single(&mut self, told: &[Told<'_>]) {
        let mut pages: BTreeMap<String, Vec<pagerduty::Incident>> = BTreeMap::new();
        for page in self.world.pagerduty.iter().flat_map(|pager| pager.incidents()) {
            pages.entry(page.dedup_key.clone()).or_default().push(page);
        }
        for (one, row) in told.iter().filter_map(|one| Some((one, one.at("oncall")?))) {
            let incident = &one.details.incident;
            for page in 1..=row.told.pages {
                let key = format!("{}/{page}", incident.id);
                let found = pages.remove(&key).unwrap_or_default();
                self.figures.repeats_elsewhere += found.len().saturating_sub(1);
                self.check(found.len() == 1, || {
                    format!("oncall has {} pages {key} of {}", found.len(), incident.number)
                });
                for alert in &found {
                    let wanted = status_of(&row.told, page);
                    let number = incident.number;
                    self.check(alert.status == wanted, || {
                        format!("{key} of {number} is {:?}, not {wanted:?}", alert.status)
                    });
                    self.shows_an_event(one, alert);
                }
            }
        }
        self.check(pages.is_empty(), || format!("oncall has pages of no incident: {:?}", pages.keys()));
    }

    /// Each ticket that was created is there once, with each comment that was told once, and the number of its incident;
    /// there are no others.
    pub fn tickets_are_single(&mut self, told: &[Told<'_>]) {
        let mut by_label: BTreeMap<String, Vec<Issue>> = BTreeMap::new();
        for issue in self.world.jira.iter().flat_map(|jira| jira.issues()) {
            let own = issue.labels().into_iter().find(|label| label.starts_with("gatepost-"));
            by_label.entry(own.unwrap_or("none").to_owned()).or_default().push(issue);
        }
        for (one, row) in told.iter().filter_map(|one| Some((one, one.at("tickets")?))) {
            let number = one.details.incident.number;
            let mut comments = 0;
            for made in 1..=row.told.creations {
                let found = by_label.remove(&label_of(&row.id.to_string(), made)).unwrap_or_default();
                self.figures.repeats_elsewhere += found.len().saturating_sub(1);
                self.check(found.len() == 1, || format!("tickets has {} tickets of {number}", found.len()));
                for issue in &found {
                    let summary = issue.summary();
                    self.check(summary.contains(&number.to_string()), || format!("the ticket of {number}: {summary}"));
                    comments += issue.comments.len();
                }
            }
            let replies = row.told.replies as usize;
            self.check(comments == replies, || format!("{comments} comments of {replies} on the ticket of {number}"));
        }
        self.check(by_label.is_empty(), || format!("Jira has tickets of no incident: {:?}", by_label.keys()));
    }

    fn shows_an_event(&mut self, told: &Told<'_>, alert: &pagerduty::Incident) {
        if told.details.incident.kind != IncidentKind::Events {
            return;
        }
        for trigger in &alert.triggers {
            let shown = trigger.event["payload"]["custom_details"]["event_id"].as_str().map(str::parse::<EventId>);
            let is_of_it = matches!(shown, Some(Ok(id)) if told.events.iter().any(|event| event.id == id));
            self.check(is_of_it, || format!("a page of {} shows {shown:?}", told.details.incident.number));
        }
    }
}

impl Trial<'_> {
    /// Each message and each reply that was told is there once, or again and marked so; the message shows how the incident
    /// stands; there are no others.
    pub fn messages_are_single(&mut self, told: &[Told<'_>], allowance: Allowance) {
        self.messages_are_found_by_token(told);
        let (repeats, allowed) = (self.figures.slack_repeats, allowance.slack_repeats);
        self.check(repeats <= allowed, || format!("Slack has {repeats} repeated messages, {allowed} are explained"));
    }

    fn messages_are_found_by_token(&mut self, told: &[Told<'_>]) {
        let mut by_token: BTreeMap<String, Vec<Message>> = BTreeMap::new();
        for message in self.world.slack.iter().flat_map(|slack| slack.messages()) {
            self.figures.slack_messages += 1;
            let payload = message.metadata.as_ref().map(|metadata| &metadata["event_payload"]["token"]);
            let token = payload.and_then(Value::as_str).unwrap_or("none").to_owned();
            by_token.entry(token).or_default().push(message);
        }
        for (one, row) in told.iter().filter_map(|one| Some((one, one.at("soc")?))) {
            for made in 1..=row.told.creations {
                let found = by_token.remove(&format!("{}.m{made}", row.id)).unwrap_or_default();
                self.is_there(&one.details.incident, &found);
                if made == row.told.creations {
                    found.last().into_iter().for_each(|message| self.shows_the_state(&one.details.incident, message));
                }
            }
            for made in 1..=row.told.replies {
                let found = by_token.remove(&format!("{}.r{made}", row.id)).unwrap_or_default();
                self.is_there(&one.details.incident, &found);
                let is_reply = found.iter().all(|message| message.thread_ts.is_some());
                self.check(is_reply, || format!("a reply about {} stands alone", one.details.incident.number));
            }
        }
        self.check(by_token.is_empty(), || format!("Slack has messages about no incident: {:?}", by_token.keys()));
    }

    fn is_there(&mut self, incident: &Incident, found: &[Message]) {
        self.check(!found.is_empty(), || format!("Slack lacks a message about {}", incident.number));
        let again = found.get(1..).unwrap_or_default();
        self.figures.slack_repeats += again.len();
        let unmarked = again.iter().filter(|message| !text_of(message).contains("possible repeat")).count();
        self.check(unmarked == 0, || format!("Slack repeats {} without saying so", incident.number));
    }

    fn shows_the_state(&mut self, incident: &Incident, message: &Message) {
        let text = text_of(message);
        let rank = incident.rank.to_string().to_lowercase();
        let (is_over, number) = (incident.state == IncidentState::Resolved, incident.number);
        let shows = text.contains(&number.to_string()) && text.contains(&rank);
        self.check(shows && text.contains('✅') == is_over, || format!("the message about {number} says {text}"));
    }
}

/// The label as the documentation describes it: made of the notification and the number of the ticket.
fn label_of(notification: &str, number: u32) -> String {
    format!("gatepost-{}", hex::encode(&Sha256::digest(format!("{notification}/{number}").as_bytes())[..8]))
}

/// All that people see of a message, in lower case.
fn text_of(message: &Message) -> String {
    format!("{} {}", message.text, Value::Array(message.blocks.clone())).to_lowercase()
}

/// The notifiers that an event goes to.
fn notifiers_of(world: &World, event: &Event) -> Vec<&'static str> {
    world.notifiers_of(event.severity.id())
}

/// Whether an event is one of those that its incident counts.
fn is_counted(joined: Joined) -> bool {
    !matches!(joined, Joined::NotTold | Joined::NothingToResolve)
}

/// How a page stands of which this was told.
fn status_of(told: &Notification, page: u32) -> Status {
    if page <= told.pages_resolved {
        Status::Resolved
    } else if page <= told.pages_acknowledged {
        Status::Acknowledged
    } else {
        Status::Triggered
    }
}

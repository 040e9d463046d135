//! What people see at a notifier at the end of an incident's life, beside what `docs/incidents.md` says that they see.
//!
//! Read are the cards of the stand-ins: one for each page, ticket and message as it stands.

use gatepost::domain::NotifierClass;
use gatepost::standins::Card;

use super::life::Notifier;

/// What a page, message or note tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Open,
    Raise,
    Spread,
    Acknowledge,
    Worse,
    Resolve,
    Reopen,
    ResolveAgain,
}

impl Told {
    /// By the words that nothing else has; what was acknowledged and became worse tells of a raise as well.
    fn by(text: &str) -> Self {
        let found = MARKS.iter().find(|(marks, _)| marks.iter().all(|mark| text.contains(mark)));
        found.map_or(Self::Open, |(_, told)| *told)
    }

    /// The same of a page, which shows beside its own words what became of it.
    fn by_page(text: &str) -> Self {
        let pages = [Self::Worse, Self::Raise, Self::Spread, Self::Reopen];
        let of_pages = MARKS.iter().filter(|(_, told)| pages.contains(told));
        let mut found = of_pages.filter(|(marks, _)| marks.iter().all(|mark| text.contains(mark)));
        found.next().map_or(Self::Open, |(_, told)| *told)
    }
}

/// Checks what a notifier shows; how many messages are there twice, each of which must say so.
pub fn check(notifier: &Notifier, cards: &[Card], ends_resolved: bool) -> usize {
    let seen = Seen { notifier, cards: cards.iter().map(lines_of).collect(), ends_resolved };
    match notifier.class {
        NotifierClass::Pager => seen.pages(),
        NotifierClass::Ticket => seen.ticket(),
        NotifierClass::EditableChat => seen.edited_chat(),
        NotifierClass::AppendOnly => seen.messages(),
    }
}

struct Seen<'n> {
    notifier: &'n Notifier,
    /// The lines of each.
    cards: Vec<Vec<String>>,
    ends_resolved: bool,
}

impl Seen<'_> {
    /// A page for the opening and for whatever was worse, each with its own end.
    fn pages(&self) -> usize {
        let told: Vec<Told> = self.cards.iter().map(|page| Told::by_page(&page.join("\n"))).collect();
        self.is("pages", &told, &[Told::Open, Told::Raise, Told::Spread, Told::Worse, Told::Reopen]);
        let ranks =
            ["HIGH · blocked", "HIGH · SUCCEEDED", "HIGH · SUCCEEDED", "CRITICAL · SUCCEEDED", "CRITICAL · allowed"];
        let (open, over, worst) = match self.notifier.kind {
            "pagerduty" => ("triggered", "resolved", "critical"),
            _ => ("open", "closed", "P1"),
        };
        for (place, (page, rank)) in self.cards.iter().zip(ranks).enumerate() {
            assert!(page[0].starts_with(rank), "{}: page {place} is not {rank}: {page:#?}", self.notifier.name);
            let is_last = place + 1 == ranks.len();
            let status = if is_last && !self.ends_resolved { open } else { over };
            let standing: Vec<&str> = page[1].split(" · ").collect();
            let is_worst = rank.starts_with("CRITICAL");
            assert!(standing[0] == status && (standing[1] == worst) == is_worst, "{}: {page:#?}", self.notifier.name);
            // The first three had been acknowledged when it became worse.
            let mut wanted = if place < 3 { vec!["acknowledged"] } else { Vec::new() };
            wanted.extend((status == over).then_some(over));
            let changes = page[2..].iter().filter_map(|line| line.split(' ').next());
            let changes: Vec<&str> = changes.filter(|word| ["acknowledged", over].contains(word)).collect();
            self.is("changes of a page", &changes, &wanted);
        }
        0
    }

    /// One ticket, as severe as the incident, with a note for each change.
    fn ticket(&self) -> usize {
        let [ticket] = self.cards.as_slice() else { panic!("{}: {:#?}", self.notifier.name, self.cards) };
        let notes: Vec<Told> = ticket
            .split(|line| ["── comment", "work note"].contains(&line.as_str()))
            .skip(1)
            .map(|note| Told::by(&note.join("\n")))
            .collect();
        self.is("notes", &notes, &self.changes(&[Told::Acknowledge]));
        let standing = &ticket[1];
        let is_right = match (self.notifier.kind, self.ends_resolved) {
            ("jira", is_done) => standing.contains("· Highest ·") && standing.contains("· Done ·") == is_done,
            (_, true) => standing.starts_with("state 6 · impact 1 · urgency 1 ·"),
            (_, false) => standing.starts_with("state 2 · impact 1 · urgency 1 ·"),
        };
        assert!(is_right, "{}: {standing}", self.notifier.name);
        0
    }

    /// One message that shows how the incident stands, and others for what was worse or over.
    fn edited_chat(&self) -> usize {
        let is_edited = |card: &&Vec<String>| card.iter().any(|line| line == "(edited)");
        let edited: Vec<&Vec<String>> = self.cards.iter().filter(is_edited).collect();
        let [message] = edited.as_slice() else { panic!("{}: {edited:#?}", self.notifier.name) };
        let is_over = message[0].starts_with("✅ resolved · CRITICAL");
        let is_as_it_stands =
            message[0].contains("CRITICAL · allowed") && message.join("\n").contains("6 events since");
        assert!(is_as_it_stands && is_over == self.ends_resolved, "{}: {message:#?}", self.notifier.name);
        let others: Vec<&Vec<String>> = self.cards.iter().filter(|card| !is_edited(card)).collect();
        // The message whose answer was lost cannot be found again: it stays as it was.
        let orphans = others.iter().take_while(|other| Told::by(&other.join("\n")) == Told::Open).count();
        orphans + self.in_order(&others[orphans..], &self.changes(&[]))
    }

    /// A message for each change.
    fn messages(&self) -> usize {
        if self.notifier.kind == "email" {
            let subjects: Vec<&String> = self.cards.iter().map(|mail| &mail[0]).collect();
            assert!(subjects.iter().all(|subject| *subject == subjects[0]), "not one thread: {subjects:#?}");
        }
        let wanted: Vec<Told> = [Told::Open].into_iter().chain(self.changes(&[Told::Acknowledge])).collect();
        self.in_order(&self.cards.iter().collect::<Vec<_>>(), &wanted)
    }

    /// The changes that are told where they are said, beside the opening; `more` of those that are not said everywhere.
    fn changes(&self, more: &[Told]) -> Vec<Told> {
        let all = [
            Told::Raise,
            Told::Spread,
            Told::Acknowledge,
            Told::Worse,
            Told::Resolve,
            Told::Reopen,
            Told::ResolveAgain,
        ];
        let is_said = |told: &Told| match told {
            Told::Acknowledge => more.contains(told),
            Told::ResolveAgain => self.ends_resolved,
            _ => true,
        };
        all.into_iter().filter(is_said).collect()
    }

    /// Each is there, in this order; how many are there once more, right after the first and marked so.
    fn in_order(&self, messages: &[&Vec<String>], wanted: &[Told]) -> usize {
        let (mut told, mut repeats) = (Vec::new(), 0);
        for message in messages {
            let text = message.join("\n");
            let one = Told::by(&text);
            if told.last() == Some(&one) {
                let is_marked = text.contains("ossible repeat") || text.contains("may be a repeat");
                assert!(is_marked, "{}: a repeat does not say so: {text}", self.notifier.name);
                repeats += 1;
            } else {
                told.push(one);
            }
        }
        self.is("messages", &told, wanted);
        repeats
    }

    fn is<T: PartialEq + std::fmt::Debug>(&self, what: &str, found: &[T], wanted: &[T]) {
        assert!(found == wanted, "{}: {what}: {found:?}, not {wanted:?}: {:#?}", self.notifier.name, self.cards);
    }
}

/// Without the marks that keep names from being links or commands.
fn lines_of(card: &Card) -> Vec<String> {
    let text: Vec<&str> = card.lines.iter().map(|line| line.text.as_str()).collect();
    text.join("\n").replace('`', "").lines().map(str::to_owned).collect()
}

const MARKS: [(&[&str], Told); 7] = [
    (&["worse since dana acknowledged it", "now CRITICAL, SUCCEEDED (was HIGH, SUCCEEDED)"], Told::Worse),
    (&["now HIGH, SUCCEEDED (was HIGH, blocked)"], Told::Raise),
    (&["second victim: bot-8"], Told::Spread),
    (&["dana has it", "\"looking at the logs\""], Told::Acknowledge),
    (&["resolved by dana", "\"the key is withdrawn\""], Told::Resolve),
    (&["resolved by dana", "\"the bot is switched off\""], Told::ResolveAgain),
    (&["reopened at", "1 event since"], Told::Reopen),
];

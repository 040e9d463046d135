//! Annotations, as each notifier shows them.

use super::life;
use super::spoken::{has_words, notifiers, sent, told};
use crate::domain::{Annotation, IncidentKind, Wording};

fn annotation() -> Annotation {
    let some = |text: &str| Some(text.to_owned());
    Annotation {
        runbook: some("https://wiki.example.org/run?page=sqli&token=page-7"),
        owner: some("@payments-team"),
        note: some("ask <!channel> *first* [x](y)"),
    }
}

fn plain(text: &str) -> String {
    text.replace(['\\', '\u{200b}'], "").replace('\u{ff20}', "@").replace("&amp;", "&")
}

#[test]
fn every_notifier_shows_owner_and_runbook_with_each_message_that_stands_alone() {
    for (kind, notifier) in notifiers() {
        let mut shown = 0;
        for stage in life::STAGES {
            let mut told = told(kind, notifier.class(), stage);
            told.wording = Wording { annotation: annotation(), ..Wording::default() };
            if !has_words(told.intent.operation, notifier.class()) {
                continue;
            }
            let text = sent(notifier.as_ref(), &told).unwrap();
            let is_of_events = told.incident.kind == IncidentKind::Events;
            let says = |what: &str| plain(&text).contains(what);
            let about = format!("{} {stage}:\n{text}", kind.name);
            assert_eq!(says("@payments-team"), is_of_events, "{about}");
            assert_eq!(says("https://wiki.example.org/run?page=sqli&token=page-7"), is_of_events, "{about}");
            shown += u32::from(is_of_events);
        }
        assert!(shown > 0, "{}", kind.name);
    }
}

#[test]
fn an_opening_shows_the_note_and_nothing_of_it_has_an_effect() {
    for (kind, notifier) in notifiers() {
        let mut told = told(kind, notifier.class(), "open");
        told.wording = Wording { annotation: annotation(), ..Wording::default() };
        let text = sent(notifier.as_ref(), &told).unwrap();
        if kind.name != "opsgenie" {
            assert!(
                plain(&text).replace("&lt;", "<").replace("&gt;", ">").contains("ask <!channel> *first*"),
                "{text}"
            );
        }
        let is_raw = |text: &str| text.contains("<!channel>");
        // Texts that are shown as they are may hold it; where it would be markup it must not stand.
        match kind.name {
            "slack" => assert!(text.contains("ask &lt;!channel&gt;"), "the text of a notification is escaped: {text}"),
            "discord" => {
                assert!(text.contains("ask \\<\\!channel\\>") || text.contains("ask \\<!channel\\>"), "{text}")
            }
            "mattermost" => assert!(!is_raw(&text) && !text.contains("@payments"), "{text}"),
            "email" => assert!(text.contains("ask &lt;!channel&gt;"), "{text}"),
            "opsgenie" => assert!(!is_raw(&text) && text.contains("ask ‹!channel›"), "{text}"),
            _ => {}
        }
    }
}

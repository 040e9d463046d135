//! `[[annotations]]`: runbook, owner and note for the events that a condition takes.

use url::Url;

use super::routes::{known_names, read_condition};
use crate::domain::Annotation;
use crate::routing::{AnnotationRule, Annotations};
use crate::settings::Section;

/// Reads them in the order of the file; those at fault are left out, their faults recorded.
pub fn read(root: &Section<'_>) -> Annotations {
    let known = known_names(root);
    let read = |section: &Section<'_>| {
        let when = read_condition(section, &known);
        let annotation = read_annotation(section);
        section.finish();
        Some(AnnotationRule { when: when?, annotation: annotation? })
    };
    Annotations::new(root.section_list("annotations").iter().filter_map(read).collect())
}

fn read_annotation(section: &Section<'_>) -> Option<Annotation> {
    let has = ["runbook", "owner", "note"].map(|key| section.has(key));
    if has == [false; 3] {
        let fix = "add runbook = \"https://…\", owner = \"@team\" or note = \"…\"";
        section.fault("", "says nothing about its events", fix);
        return None;
    }
    let runbook = section.text("runbook").map(|text| read_runbook(section, &text));
    let owner = section.text("owner").map(|text| read_line(section, "owner", &text, OWNER_CHARS_MAX));
    let note = section.text("note").map(|text| read_line(section, "note", &text, NOTE_CHARS_MAX));
    let read = [&runbook, &owner, &note].map(|part| matches!(part, Some(Some(_))));
    (read == has).then(|| Annotation { runbook: runbook.flatten(), owner: owner.flatten(), note: note.flatten() })
}

/// A page that people open: http is as good as https inside a company.
fn read_runbook(section: &Section<'_>, text: &str) -> Option<String> {
    let message = match Url::parse(text.trim()) {
        Err(_) => "is not a URL",
        Ok(url) if !matches!(url.scheme(), "http" | "https") => "is neither http nor https",
        Ok(url) if !url.username().is_empty() || url.password().is_some() => "has a user name or password inside",
        Ok(url) if url.as_str().len() > RUNBOOK_BYTES_MAX => "is longer than 1,000 bytes",
        Ok(url) => return Some(url.to_string()),
    };
    section.fault("runbook", message, "write the address of a page, such as https://wiki.example.org/runbooks/sqli");
    None
}

fn read_line(section: &Section<'_>, key: &'static str, text: &str, chars_max: usize) -> Option<String> {
    let text = text.trim();
    let message = if text.is_empty() {
        "is empty".to_owned()
    } else if text.chars().any(char::is_control) {
        "holds a line break or another control character".to_owned()
    } else if text.chars().count() > chars_max {
        format!("is longer than {chars_max} characters")
    } else {
        return Some(text.to_owned());
    };
    section.fault(key, &message, "write one short line");
    None
}

const RUNBOOK_BYTES_MAX: usize = 1_000;
const OWNER_CHARS_MAX: usize = 100;
const NOTE_CHARS_MAX: usize = 300;

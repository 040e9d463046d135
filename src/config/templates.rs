//! `[destinations.NAME.templates]`: the operator's own words for a notifier.

use std::sync::Arc;

use crate::destinations::templates::{Slot, TemplateError, TemplateFailure, TemplateSource, Templates};
use crate::destinations::{Kind, Receiver};
use crate::settings::{Section, SourcedText};

/// Reads, compiles and tries the templates of a destination; `None` where there are none, or where one is at fault.
pub fn read(section: &Section<'_>, kind: &Kind, receiver: Option<&Receiver>) -> Option<Arc<Templates>> {
    if !kind.is_notifier() || !section.has("templates") {
        return None;
    }
    let templates = section.section("templates")?;
    let is_sound = [("subject", kind.name == "email"), ("text", kind.name != "pagerduty")]
        .map(|(key, is_there)| is_there || !is_given_in_vain(&templates, kind, key));
    let one = |key: &'static str, slot: Slot| Some((slot, templates.text_or_file(key)?));
    let texts = [one("title", Slot::Title), one("subject", Slot::Subject), one("text", Slot::Text)];
    let fields = templates.text_or_file_map("fields").into_iter().map(|given| (Slot::Field(given.key.clone()), given));
    let given: Vec<(Slot, SourcedText)> = texts.into_iter().flatten().chain(fields).collect();
    let has_fields = templates.has("fields");
    templates.finish();
    let Some(Receiver::Notifier(notifier)) = receiver else { return None };
    let source = |(slot, given): &(Slot, SourcedText)| TemplateSource { slot: slot.clone(), text: given.text.clone() };
    match Templates::compile(kind, notifier.class(), given.iter().map(source).collect(), has_fields) {
        Err(failures) => {
            failures.iter().for_each(|failure| fault(&templates, &given, failure, ""));
            None
        }
        Ok(compiled) => {
            let failures = compiled.try_samples();
            failures.iter().for_each(|(failure, sample)| fault(&templates, &given, failure, sample));
            (failures.is_empty() && is_sound == [true; 2]).then(|| Arc::new(compiled))
        }
    }
}

/// Whether a template is given that the kind has no place for.
fn is_given_in_vain(templates: &Section<'_>, kind: &Kind, key: &'static str) -> bool {
    let is_given = templates.has(key);
    if is_given {
        let fix = match key {
            "subject" => "set title, or text",
            _ => "set title, or fields: its pages have named values and no text",
        };
        templates.fault(key, &format!("has no place at {}", kind.title), fix);
    }
    is_given
}

/// `templates/soc/text.txt line 3 …`, at the setting; with the sample that it failed on.
fn fault(templates: &Section<'_>, given: &[(Slot, SourcedText)], failure: &TemplateFailure, sample: &str) {
    let TemplateError { line, message, remedy } = &failure.error;
    let Some((_, given)) = given.iter().find(|(slot, _)| *slot == failure.slot) else { return };
    let place = match (&given.file, given.text.contains('\n')) {
        (Some(file), _) => format!("{file} line {line} "),
        (None, true) => format!("line {line} of it "),
        (None, false) => String::new(),
    };
    let name = if let Slot::Field(name) = &failure.slot { format!("\"{name}\" ") } else { String::new() };
    let sample = if sample.is_empty() { String::new() } else { format!(" (with {sample})") };
    let key = match failure.slot {
        Slot::Title => "title",
        Slot::Subject => "subject",
        Slot::Text => "text",
        Slot::Field(_) => "fields",
    };
    templates.fault(key, &format!("{name}{place}{message}{sample}"), remedy);
}

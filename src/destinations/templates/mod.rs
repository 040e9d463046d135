//! The operator's own words: templates for the title, the text and the named values of what a notifier sends.
//!
//! `config` compiles them, the pipeline renders them for each change and hands the result to the notifier in its
//! [`Wording`]. What comes out is plain text. The notifier escapes and cuts it as it does its own
//! words, so that a template can open no injection; texts of attackers are values, and are never read as a template.
//!
//! A template reaches no file, no network and no other template. Its work is bounded by [`FUEL`], its output is cut at the
//! limit of its slot. What fails is left to the built-in words: a template never keeps an alert from arriving.

mod context;
mod defaults;
pub(super) mod engine;
pub(super) mod error;
mod names;
mod samples;
mod slot;

pub use defaults::{DefaultTemplates, defaults};
pub use error::TemplateError;
pub use names::FUEL;
pub use slot::Slot;

use std::panic::{AssertUnwindSafe, catch_unwind};

use minijinja::value::Serde;
use minijinja::{Environment, Value};

use self::context::Context;
use super::Kind;
use super::render::{redact, sanitize};
use crate::domain::{Annotation, Job, NotifierClass, Telling, Wording};

/// The compiled templates of one destination.
#[derive(Debug)]
pub struct Templates {
    kind: &'static str,
    class: NotifierClass,
    engine: Environment<'static>,
    /// Those of title, subject and text.
    slots: Vec<Slot>,
    /// The names of the named values; `None` where the built-in ones stay.
    fields: Option<Vec<String>>,
}

/// A template as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateSource {
    /// What it is for.
    pub slot: Slot,
    /// Its text.
    pub text: String,
}

/// A template that failed on a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFailure {
    /// What it is for.
    pub slot: Slot,
    /// Where and why.
    pub error: TemplateError,
}

impl Templates {
    /// Compiles templates for a notifier; every fault where there is one.
    ///
    /// `has_fields` says that the built-in named values are replaced, even by none.
    pub fn compile(
        kind: &Kind,
        class: NotifierClass,
        sources: Vec<TemplateSource>,
        has_fields: bool,
    ) -> Result<Self, Vec<TemplateFailure>> {
        let mut engine = engine::environment();
        let (mut slots, mut fields, mut failures) = (Vec::new(), Vec::new(), Vec::new());
        for TemplateSource { slot, text } in sources {
            match engine::add(&mut engine, &slot.key(), text) {
                Err(error) => failures.push(TemplateFailure { slot, error }),
                Ok(()) => match slot {
                    Slot::Field(name) => fields.push(name),
                    slot => slots.push(slot),
                },
            }
        }
        let fields = has_fields.then_some(fields);
        if failures.is_empty() { Ok(Self { kind: kind.name, class, engine, slots, fields }) } else { Err(failures) }
    }

    /// Renders every template against the samples: an opening, a raise, a storm, the end, and one that attackers wrote.
    /// Each template is named once, with its first failure.
    pub fn try_samples(&self) -> Vec<(TemplateFailure, &'static str)> {
        let mut failures: Vec<(TemplateFailure, &'static str)> = Vec::new();
        for sample in samples::all(self.class) {
            let (_, failed) = self.render(&sample.job(), &sample.telling(), Annotation::NONE);
            for failure in failed {
                if !failures.iter().any(|(known, _)| known.slot == failure.slot) {
                    failures.push((failure, sample.name));
                }
            }
        }
        failures
    }

    /// The words of a change, and the templates that failed, whose words are the built-in ones. One that comes out blank leaves
    /// the built-in words as well, and a field that comes out blank is left out.
    pub fn render(
        &self,
        job: &Job<'_>,
        telling: &Telling<'_>,
        annotation: Annotation,
    ) -> (Wording, Vec<TemplateFailure>) {
        let wording = Wording { annotation, ..Wording::NONE.clone() };
        let telling = Telling { wording: &wording, ..*telling };
        let context = Value::from(Serde(Context::of(job, &telling, self.kind, self.class)));
        let mut failures = Vec::new();
        let mut said = |slot: &Slot| match self.words(slot, &context) {
            Ok(words) => words,
            Err(error) => {
                failures.push(TemplateFailure { slot: slot.clone(), error });
                None
            }
        };
        let mut own = |slot: Slot| self.slots.contains(&slot).then(|| said(&slot)).flatten();
        let (title, subject, text) = (own(Slot::Title), own(Slot::Subject), own(Slot::Text));
        let fields = self.fields.as_ref().map(|names| {
            let field = |name: &String| Some((name.clone(), said(&Slot::Field(name.clone()))?));
            names.iter().filter_map(field).collect::<Vec<_>>()
        });
        // Named values of which one failed are the built-in ones: a page without its details would be worse.
        let fields = fields.filter(|_| !failures.iter().any(|failure| matches!(failure.slot, Slot::Field(_))));
        (Wording { title, subject, text, fields, ..wording }, failures)
    }

    /// Redacted, without what people cannot see, and within the limit of its slot.
    fn words(&self, slot: &Slot, context: &Value) -> Result<Option<String>, TemplateError> {
        // A panic of the engine must not keep the alert from arriving.
        let rendered =
            catch_unwind(AssertUnwindSafe(|| engine::render(&self.engine, &slot.key(), context, slot.bytes_max())));
        let text = redact::text(&rendered.unwrap_or_else(|_| Err(TemplateError::panicked()))?);
        Ok(if slot.is_one_line() { sanitize::line(&text) } else { sanitize::text(&tidied(&text)) })
    }
}

/// Without blanks at the ends of lines, and with at most one blank line in a row: what a condition leaves out leaves no gap.
fn tidied(text: &str) -> String {
    let mut tidy = String::with_capacity(text.len());
    let mut blank = 1;
    for line in text.lines().map(str::trim_end) {
        blank = if line.is_empty() { blank + 1 } else { 0 };
        if blank < 2 {
            tidy.push_str(line);
            tidy.push('\n');
        }
    }
    tidy
}

#[cfg(test)]
mod tests;

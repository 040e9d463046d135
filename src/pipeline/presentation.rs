//! The operator's words for a destination: annotations and templates, applied to each change that is told there.
//!
//! A template that fails is counted each time and logged once; the change is told in the built-in words.

use std::sync::{Arc, Mutex, PoisonError};

use crate::destinations::templates::{TemplateFailure, Templates};
use crate::domain::{DestinationName, Job, Telling, Wording};
use crate::routing::Annotations;
use crate::telemetry::{ByDestination, Metrics};

/// The operator's words for one destination.
#[derive(Debug, Default)]
pub struct Presentation {
    annotations: Arc<Annotations>,
    templates: Option<Arc<Templates>>,
    /// The templates whose failure has a line in the log already.
    logged: Mutex<Vec<String>>,
}

impl Presentation {
    /// Of these annotations and templates.
    pub fn new(annotations: Arc<Annotations>, templates: Option<Arc<Templates>>) -> Self {
        Self { annotations, templates, logged: Mutex::default() }
    }

    /// The words of a change, and the templates that failed on it.
    pub fn words(&self, job: &Job<'_>, telling: &Telling<'_>) -> (Wording, Vec<TemplateFailure>) {
        let annotation = self.annotations.of(job.event);
        match &self.templates {
            Some(templates) => templates.render(job, telling, annotation),
            None => (Wording { annotation, ..Wording::default() }, Vec::new()),
        }
    }

    /// The words of a change; failures are counted and logged.
    pub(super) fn told(
        &self,
        destination: &DestinationName,
        metrics: &Metrics,
        job: &Job<'_>,
        telling: &Telling<'_>,
    ) -> Wording {
        let (wording, failures) = self.words(job, telling);
        for TemplateFailure { slot, error } in failures {
            let label = ByDestination { destination: destination.to_string() };
            metrics.template_failures.get_or_create(&label).inc();
            if self.is_first(slot.key()) {
                let template = slot.key();
                tracing::warn!(%destination, template, %error, "a template failed; the built-in words were told");
            }
        }
        wording
    }

    fn is_first(&self, key: String) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = !logged.contains(&key);
        if is_first {
            logged.push(key);
        }
        is_first
    }
}

//! One ticket an event.

use serde_json::Value;

use super::create::{Creation, label};
use super::{DESCRIPTION_BYTES_MAX, Deployment, EXTENTS, Jira, PACE, SUMMARY_CHARS_MAX, adf, wiki};
use crate::destinations::render::{Summary, truncate};
use crate::destinations::{Destination, Next, Pace, Reply, Step};
use crate::domain::{EventKey, Job};

impl Destination for Jira {
    fn pace(&self) -> Pace {
        PACE
    }

    fn first(&self, job: &Job<'_>) -> Next {
        self.make(&self.alert(job))
    }

    fn next(&self, job: &Job<'_>, step: Step, reply: &Reply) -> Next {
        self.made(&self.alert(job), step, reply)
    }
}

impl Jira {
    fn alert<'a>(&self, job: &'a Job<'a>) -> Creation<'a> {
        let summary = Summary::of(job);
        Creation {
            job,
            label: own_label(job.event.key),
            summary: truncate::chars(&summary.headline(), SUMMARY_CHARS_MAX).into_owned(),
            description: self.description(&summary),
            severity: summary.severity,
            follows: None,
        }
    }

    /// The longest description that Jira takes.
    fn description(&self, summary: &Summary) -> Value {
        let mut description = Value::Null;
        for extent in &EXTENTS {
            description = match self.deployment {
                Deployment::Cloud => adf::document(summary, extent),
                Deployment::DataCenter => Value::String(wiki::document(summary, extent)),
            };
            if description.to_string().len() <= DESCRIPTION_BYTES_MAX {
                break;
            }
        }
        description
    }
}

/// The label by which a ticket is found again: the same for every try of every delivery of the event.
pub fn own_label(key: EventKey) -> String {
    label(&key.to_string())
}

//! One alert an event. The key is the event's, so a vendor's repetition that became its own event is its own alert.

use serde_json::{Value, json};

use super::{PACE, PagerDuty, REQUEST_BYTES_MAX, SHORT_CHARS_MAX, SUMMARY_CHARS_MAX, severity};
use crate::destinations::render::{Summary, truncate};
use crate::destinations::{Destination, Next, Pace, Reply, Step};
use crate::domain::{EventOutcome, Job, Purpose, Reference};

impl Destination for PagerDuty {
    fn pace(&self) -> Pace {
        PACE
    }

    fn first(&self, job: &Job<'_>) -> Next {
        self.send("trigger", self.trigger(job).to_string())
    }

    fn next(&self, job: &Job<'_>, _step: Step, reply: &Reply) -> Next {
        self.done(job, reply, |reply| {
            let body: Value = serde_json::from_slice(&reply.body).ok()?;
            Some(Reference::named(truncate::chars(body["dedup_key"].as_str()?, SHORT_CHARS_MAX)))
        })
    }
}

impl PagerDuty {
    /// The event, trimmed to what PagerDuty takes: first the details, then the links.
    fn trigger(&self, job: &Job<'_>) -> Value {
        let summary = Summary::of(job);
        let mut event = Value::Null;
        for text_chars_max in [65_536, 8192, 2048, 256] {
            event = self.event(job, &summary, text_chars_max);
            if event.to_string().len() <= REQUEST_BYTES_MAX {
                return event;
            }
        }
        event["payload"]["custom_details"] = ids(job);
        if event.to_string().len() > REQUEST_BYTES_MAX {
            event["links"] = json!([]);
        }
        event
    }

    fn event(&self, job: &Job<'_>, summary: &Summary, text_chars_max: usize) -> Value {
        let short = |text: &str| truncate::chars(text, SHORT_CHARS_MAX).into_owned();
        let what = summary.action.as_ref().and_then(|action| action.what.as_deref());
        let who = summary.action.as_ref().and_then(|action| action.who.as_deref());
        let agent = summary.agent();
        let mut payload = json!({
            "summary": truncate::chars(&summary.headline(), SUMMARY_CHARS_MAX),
            "source": short(who.or(what).unwrap_or(&summary.source)),
            "severity": severity(summary.severity),
            "timestamp": job.event.time,
            "class": short(&summary.kind),
            "custom_details": details(job, summary, text_chars_max),
        });
        if let Some(what) = what {
            payload["component"] = json!(short(what));
        }
        if let Some(agent) = agent {
            payload["group"] = json!(short(agent));
        }
        let mut event = json!({
            "routing_key": self.routing_key.expose_str(),
            "event_action": "trigger",
            "dedup_key": job.event.key,
            "client": "gatepost",
            "payload": payload,
        });
        if let Some(link) = &summary.link {
            event["links"] = json!([{ "href": link.url, "text": short(&link.title) }]);
        }
        event
    }
}

/// What the responder sees below the summary.
fn details(job: &Job<'_>, summary: &Summary, text_chars_max: usize) -> Value {
    let mut details = ids(job);
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            details[name] = json!(truncate::chars(value, text_chars_max));
        }
    };
    add("outcome", job.event.outcome.map(EventOutcome::as_str));
    add("when", Some(&summary.when));
    add("vendor_id", summary.vendor_id.as_deref());
    add("source", Some(&summary.source));
    add("vendor", Some(&summary.vendor));
    add("type", Some(&summary.kind));
    add("who", summary.action.as_ref().and_then(|action| action.who.as_deref()));
    add("what", summary.action.as_ref().and_then(|action| action.what.as_deref()));
    add("message", summary.message.as_deref());
    add("impact", summary.impact.as_deref());
    add("remediation", summary.remediation.as_deref());
    add("evidence", summary.evidence.as_deref());
    add("note", (!summary.notes.is_empty()).then(|| summary.notes.join(" ")).as_deref());
    for fact in &summary.facts {
        add(&fact.name, Some(&fact.value));
    }
    // In one text: a label may be called like one of the above, and must not replace it.
    let (labels, more) = summary.few_labels();
    let mut labels: Vec<String> = labels
        .iter()
        .map(|label| {
            format!(
                "{} = {}",
                truncate::chars(&label.name, SHORT_CHARS_MAX),
                truncate::chars(&label.value, SHORT_CHARS_MAX)
            )
        })
        .collect();
    if more > 0 {
        labels.push(format!("{more} more"));
    }
    add("labels", (!labels.is_empty()).then(|| labels.join(", ")).as_deref());
    details
}

/// What leads back to us.
fn ids(job: &Job<'_>) -> Value {
    let mut ids = json!({ "event_id": job.event.id, "delivery": job.id });
    if job.purpose == Purpose::Probe {
        ids["test"] = json!(true);
    }
    ids
}

//! `gatepost probe`

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::failure::{Failure, Outcome};
use super::opening::load;
use super::output::out;
use super::runtime::runtime;
use super::tokens_on_demand::TokensOnDemand;
use super::{names, terminal};
use crate::destinations::{Exchange, MailResult, ProbeTelling, Receiver, Reply, Step};
use crate::domain::{
    Batch, BatchEvent, Clock, DeliveryId, Draft, Encoding, Event, EventDocument, Job, NotifierClass,
    Outcome as Delivered, Progress, Purpose, Receipt, ReceiptId, Severity, SystemClock, Target, Telling,
};
use crate::egress::Egress;
use crate::pipeline::{Presentation, converse};

#[derive(clap::Args)]
pub struct Probe {
    /// The destination
    destination: String,
}

impl Probe {
    pub fn run(&self, path: &Path) -> Outcome {
        let config = load(path)?;
        let found = config.destinations.iter().find(|(name, _)| name.as_str() == self.destination);
        let Some((name, destination)) = found else {
            let names = config.destinations.keys().map(|name| name.as_str());
            return Err(names::unknown("destination", &self.destination, names));
        };
        let tokens = TokensOnDemand::of(config.store.clone());
        let egress = Egress::keeping_tokens(Arc::new(tokens)).map_err(crate::app::AppError::Client)?;
        let event = test_event()?;
        let stored = EventDocument::of(&event).map_err(|error| Failure::Found(error.to_string()))?;
        let events = [BatchEvent { id: event.id, document: stored }];
        let presentation = Presentation::new(Arc::clone(&config.annotations), config.templates.get(name).cloned());
        let test = Test { id: DeliveryId::generate(), events, presentation, event };
        let (runtime, mut steps) = (runtime()?, Vec::new());
        let outcome = runtime.block_on(test.run(destination, &egress, &mut steps));
        runtime.block_on(egress.close());
        for step in steps {
            out!("  {}", terminal::line(&step, 300))?;
        }
        match outcome {
            Delivered::Delivered { remote } => {
                let remote = remote.map(|remote| format!(" as {}", terminal::line(&remote.name, 120)));
                out!("{name} has taken the test event{}; look whether it shows", remote.unwrap_or_default())
            }
            Delivered::DeliveredSlowDown { .. } => {
                out!("{name} has taken the test event, and says that it has too much to do; look whether it shows")
            }
            other => {
                let reason = other.reason().unwrap_or_default().to_owned();
                Err(Failure::Found(format!(
                    "{name} has not taken the test event ({}): {reason}",
                    other.kind().as_str()
                )))
            }
        }
    }
}

/// The test event, as it goes to a destination of either kind.
struct Test {
    id: DeliveryId,
    event: Event,
    presentation: Presentation,
    events: [BatchEvent; 1],
}

impl Test {
    /// Tries until the destination has said what became of it: some take it first, and say so when they are asked again.
    async fn run(&self, destination: &Receiver, egress: &Egress, steps: &mut Vec<String>) -> Delivered {
        let class = match destination {
            Receiver::Sink(_) => NotifierClass::AppendOnly,
            Receiver::Notifier(notifier) => notifier.class(),
        };
        let probe = ProbeTelling::of(&self.event, class, SystemClock.now());
        let nothing = Progress::default();
        let (wording, failures) = self.presentation.words(&self.job(&nothing), &probe.telling());
        steps.extend(failures.iter().map(|failed| format!("template {}: {}", failed.slot.key(), failed.error)));
        let told = Telling { wording: &wording, ..probe.telling() };
        let (mut notes, mut waited) = (Progress::default(), Duration::ZERO);
        loop {
            let seen = |step: Step, reply: &Reply| steps.push(format!("{step}: {}", describe(reply)));
            match self.attempt(destination, &told, egress, &notes, seen).await {
                Delivered::Retry { progress, after: Some(pause), .. }
                | Delivered::Pending { progress, after: pause, .. }
                    if progress != Progress::default() && waited + pause <= WAIT_MAX =>
                {
                    tokio::time::sleep(pause).await;
                    (notes, waited) = (progress, waited + pause);
                }
                outcome => return outcome,
            }
        }
    }

    fn job<'a>(&'a self, progress: &'a Progress) -> Job<'a> {
        let (purpose, now) = (Purpose::Probe, SystemClock.now());
        Job { id: self.id, event: &self.event, purpose, tries: 1, uncertain: false, progress, now }
    }

    async fn attempt(
        &self,
        destination: &Receiver,
        telling: &Telling<'_>,
        egress: &Egress,
        progress: &Progress,
        seen: impl FnMut(Step, &Reply),
    ) -> Delivered {
        let Job { id, purpose, tries, uncertain, progress, now, .. } = self.job(progress);
        match destination {
            Receiver::Sink(sink) => {
                let batch = Batch { id, events: &self.events, purpose, tries, uncertain, progress, now };
                converse(Exchange::Batch(sink.as_ref(), &batch), egress, seen).await
            }
            Receiver::Notifier(notifier) => {
                let job = self.job(progress);
                converse(Exchange::Change(notifier.as_ref(), &job, telling), egress, seen).await
            }
        }
    }
}

fn describe(reply: &Reply) -> String {
    match reply {
        // Not its body: some receivers repeat what they were sent, credentials and all.
        Reply::Http(answer) => format!("answered {}", answer.status),
        Reply::Appended => "written".to_owned(),
        Reply::Mailed(results) => results.iter().map(describe_mail).collect::<Vec<_>>().join(", "),
        Reply::Written => "written to the network; no acknowledgement exists".to_owned(),
        Reply::Failed(fault) if fault.may_have_arrived => format!("no answer ({}); it may have arrived", fault.detail),
        Reply::Failed(fault) => format!("not sent ({})", fault.detail),
        Reply::NotSent(_) => "not sent".to_owned(),
    }
}

fn describe_mail(result: &MailResult) -> String {
    match result {
        MailResult::Answered(answer) => format!("answered {} to {}", answer.code, answer.stage.as_str()),
        MailResult::Broken { detail, may_have_arrived: true } => format!("no answer ({detail}); it may have arrived"),
        MailResult::Broken { detail, may_have_arrived: false } => format!("not sent ({detail})"),
        MailResult::NotTried => "not tried".to_owned(),
    }
}

/// An event that says that it is a test.
fn test_event() -> Result<Event, Failure> {
    let source = "gatepost".parse().map_err(|fault: crate::domain::NameError| Failure::Found(fault.to_string()))?;
    let receipt = Receipt {
        id: ReceiptId::generate(),
        source,
        received_at: SystemClock.now(),
        content_type: None,
        encoding: Encoding::Identity,
        body: bytes::Bytes::new(),
    };
    let draft = Draft {
        kind: "gatepost.probe".to_owned(),
        title: "Test event sent with `gatepost probe`".to_owned(),
        message: Some("Nothing has happened. This tests whether events reach this place.".to_owned()),
        target: Some(Target { host: Some("example.com".to_owned()), ..Target::default() }),
        ..Draft::default()
    };
    Ok(draft.into_event(&receipt, "gatepost", Severity::Informational, 0))
}

/// A destination that has not said by then what became of the test event is shown as it is.
const WAIT_MAX: Duration = Duration::from_secs(30);

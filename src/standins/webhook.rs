//! A stand-in of a receiver of Standard Webhooks.
//!
//! It does what the specification asks of a receiver: it checks id, time and signature before anything else, and takes a
//! second request of one id for a repetition, which must hold the same body.

use std::time::Duration;

use serde_json::{Value, json};

use super::terminal::{Card, Line};
use super::wire::{Answer, Arrived};
use super::{Service, StandIn};
use crate::domain::{Request, Secret};
use crate::verify::{HmacScheme, Scheme, Verifier};

/// The secret that the stand-in signs with; what is signed with another one is refused.
pub const SECRET: &str = "whsec_c3RhbmQtaW4gb2YgYSB3ZWJob29rIHJlY2VpdmVy";

/// Starts a stand-in on a free port of 127.0.0.1.
///
/// # Errors
/// Where no port can be bound or no thread can be started.
pub async fn start() -> std::io::Result<StandIn<Webhook>> {
    let scheme = Scheme::Hmac(HmacScheme::standard_webhooks());
    let verifier = Verifier::new(scheme, vec![Secret::new(SECRET)]).map_err(std::io::Error::other)?;
    StandIn::start(Webhook { verifier, taken: Vec::new(), unfit: None }, 0).await
}

impl StandIn<Webhook> {
    /// Where webhooks are taken.
    pub fn url(&self) -> String {
        format!("{}{PATH}", self.base_url())
    }

    /// How many events have come since this was last asked; they are forgotten, and with them their ids.
    pub fn forget_webhooks(&self) -> usize {
        self.shared.forget_requests();
        let taken = std::mem::take(&mut self.shared.service().taken);
        taken.iter().map(|taken| taken.body.as_array().map_or(1, Vec::len)).sum()
    }

    /// Bodies that hold this text are refused from now on.
    pub fn refuse_bodies_with(&self, text: &str) {
        self.shared.service().unfit = Some(text.to_owned());
    }

    /// The webhooks that were taken, oldest first.
    pub fn taken(&self) -> Vec<Taken> {
        self.shared.service().taken.clone()
    }
}

/// A webhook that was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// Its `webhook-id`.
    pub id: String,
    /// The body.
    pub body: Value,
    /// How often it came again.
    pub repetitions: usize,
}

impl Taken {
    /// Its events, whether one stands by itself or several in an array.
    pub fn events(&self) -> Vec<Value> {
        match &self.body {
            Value::Array(events) => events.clone(),
            event => vec![event.clone()],
        }
    }
}

/// The state of the stand-in.
#[derive(Debug)]
pub struct Webhook {
    verifier: Verifier,
    taken: Vec<Taken>,
    unfit: Option<String>,
}

impl Webhook {
    fn post(&mut self, arrived: &Arrived) -> Answer {
        if arrived.body.len() > BODY_BYTES_MAX {
            return refusal(413, "the body is larger than 1.5 MiB");
        }
        if !MEDIA_TYPES.contains(&arrived.media_type().as_str()) {
            return refusal(415, "the body must be application/json, or of CloudEvents");
        }
        let id = arrived.headers.only("webhook-id").unwrap_or_default().to_owned();
        if id.is_empty() || id.contains('.') {
            return refusal(400, "webhook-id is missing, or holds a full stop");
        }
        // What was signed is what came over the wire.
        let Arrived { headers, body, received_at, .. } = arrived.clone();
        if let Err(refused) = self.verifier.verify(Request { headers, body, received_at }, received_at) {
            return refusal(401, &refused.to_string());
        }
        let Some(inflated) = arrived.inflated() else { return refusal(415, "the body is not gzip") };
        let Some(body) = inflated.json().filter(|body| is_events(body, &arrived.media_type())) else {
            return refusal(400, "the body is neither an event nor an array of events");
        };
        if self.unfit.as_ref().is_some_and(|text| body.to_string().contains(text)) {
            return refusal(413, "one of the events is refused");
        }
        self.take(id, body)
    }

    fn take(&mut self, id: String, body: Value) -> Answer {
        match self.taken.iter_mut().find(|taken| taken.id == id) {
            Some(taken) if taken.body != body => return refusal(400, "another body came under this webhook-id"),
            Some(taken) => taken.repetitions += 1,
            None => self.taken.push(Taken { id, body, repetitions: 0 }),
        }
        Answer::text(204, "")
    }
}

impl Service for Webhook {
    const NAME: &'static str = "Webhook";

    fn answer(&mut self, request: &Arrived) -> Answer {
        match (request.path.as_str(), request.method.as_str()) {
            (PATH, "POST") => self.post(request),
            (PATH, _) => Answer::text(405, "").header("Allow", "POST"),
            _ => Answer::text(404, ""),
        }
    }

    fn refuse_credentials(&self, _request: &Arrived) -> Answer {
        refusal(401, "the signature does not fit")
    }

    fn throttle(&self, _request: &Arrived, retry_after: Option<Duration>) -> Answer {
        refusal(429, "too many requests").retry_after(retry_after)
    }

    /// The events, each webhook once.
    fn effects(&self) -> usize {
        self.taken.iter().map(|taken| taken.events().len()).sum()
    }

    fn mentions(&self, text: &str) -> usize {
        let events = self.taken.iter().flat_map(Taken::events);
        events.filter(|event| event.to_string().contains(text)).count()
    }

    fn cards(&self) -> Vec<Card> {
        self.taken.iter().map(card).collect()
    }
}

fn card(taken: &Taken) -> Card {
    let events = taken.events();
    let lines = events.iter().map(|event| Line::normal(event.to_string())).collect();
    Card { heading: format!("Webhook {}", taken.id), lines }
}

fn is_events(body: &Value, media_type: &str) -> bool {
    let is_cloud_event = |event: &Value| {
        event["specversion"] == "1.0"
            && ["id", "source", "type"].iter().all(|name| event[name].as_str().is_some_and(|text| !text.is_empty()))
    };
    match body {
        Value::Array(events) if media_type == CLOUD_EVENTS => events.iter().all(is_cloud_event),
        event if media_type == CLOUD_EVENT => is_cloud_event(event),
        Value::Array(events) => media_type == JSON && !events.is_empty() && events.iter().all(Value::is_object),
        event => media_type == JSON && event.is_object(),
    }
}

fn refusal(status: u16, error: &str) -> Answer {
    Answer::json(status, &json!({ "error": error }))
}

const PATH: &str = "/hooks/gatepost";
const JSON: &str = "application/json";
const CLOUD_EVENT: &str = "application/cloudevents+json";
const CLOUD_EVENTS: &str = "application/cloudevents-batch+json";
const MEDIA_TYPES: [&str; 3] = [JSON, CLOUD_EVENT, CLOUD_EVENTS];
const BODY_BYTES_MAX: usize = 3 << 19;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Clock, SystemClock, Timestamp};
    use crate::standins::Fault;
    use crate::standins::tests::client;

    /// Posts a body as `secret` signs it at that time, and says what is answered.
    async fn post(receiver: &StandIn<Webhook>, id: &str, body: &str, secret: &str, at: Timestamp) -> (u16, String) {
        let scheme = Scheme::Hmac(HmacScheme::standard_webhooks());
        let signer = Verifier::new(scheme, vec![Secret::new(secret)]).unwrap();
        let mut request = client().post(receiver.url()).header("content-type", "application/json");
        for (name, value) in signer.sign(body.as_bytes(), at, id) {
            request = request.header(name, value.expose_str().unwrap());
        }
        let answer = request.body(body.to_owned()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    #[test]
    fn a_body_must_be_what_its_media_type_says() {
        let whole = json!({ "specversion": "1.0", "id": "a", "source": "/s", "type": "t" });
        let mut nameless = whole.clone();
        nameless["id"] = json!("");
        for (body, media_type, is_taken) in [
            (json!({ "n": 1 }), JSON, true),
            (json!([{ "n": 1 }]), JSON, true),
            (json!({ "n": 1 }), CLOUD_EVENT, false),
            (whole.clone(), CLOUD_EVENT, true),
            (nameless.clone(), CLOUD_EVENT, false),
            (json!([whole]), CLOUD_EVENT, false),
            (json!([whole]), CLOUD_EVENTS, true),
            (json!([whole, nameless]), CLOUD_EVENTS, false),
            (whole.clone(), CLOUD_EVENTS, false),
        ] {
            assert_eq!(is_events(&body, media_type), is_taken, "{media_type}: {body}");
        }
    }

    #[tokio::test]
    async fn what_is_signed_now_is_taken_once_and_everything_else_is_refused() {
        let receiver = start().await.unwrap();
        let now = SystemClock.now();
        let large = format!("[{}]", " ".repeat(BODY_BYTES_MAX));
        let other = "whsec_YW5vdGhlciBzZWNyZXQgb2YgYSB3ZWJob29r";
        for (id, body, secret, at, status) in [
            ("a", r#"{"n":1}"#, SECRET, now, 204),
            ("a", r#"{"n":1}"#, SECRET, now, 204),
            ("a", r#"{"n":2}"#, SECRET, now, 400),
            ("b", r#"[{"n":2},{"n":3}]"#, SECRET, now, 204),
            ("c", r#"{"n":4}"#, other, now, 401),
            ("d", r#"{"n":4}"#, SECRET, Timestamp::from_millis(now.as_millis() - 400_000), 401),
            ("e", "[]", SECRET, now, 400),
            ("f", "[1]", SECRET, now, 400),
            ("g", "event", SECRET, now, 400),
            ("h.1", r#"{"n":4}"#, SECRET, now, 400),
            ("i", &large, SECRET, now, 413),
        ] {
            assert_eq!(post(&receiver, id, body, secret, at).await.0, status, "{id}");
        }
        assert_eq!((receiver.effects(), receiver.mentions(r#""n":"#)), (3, 3));
        assert_eq!(receiver.taken()[0].repetitions, 1);
        assert!(receiver.render_terminal(crate::standins::Style::Plain).contains("Webhook a"));
        let unsigned = client().post(receiver.url()).header("content-type", "application/json").body("{}");
        assert_eq!(unsigned.send().await.unwrap().status(), 400);
        let form = client().post(receiver.url()).header("webhook-id", "x").body("{}");
        assert_eq!(form.send().await.unwrap().status(), 415);
        assert_eq!(client().get(receiver.url()).send().await.unwrap().status(), 405);
        assert_eq!(client().post(receiver.base_url()).send().await.unwrap().status(), 404);
        receiver.script([Fault::Unauthorized, Fault::Status429 { retry_after: Some(Duration::from_secs(3)) }]);
        assert_eq!(post(&receiver, "j", "{}", SECRET, now).await.0, 401);
        assert_eq!(post(&receiver, "j", "{}", SECRET, now).await.0, 429);
    }
}

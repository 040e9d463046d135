//! What people need to set it up, and what it sends.

use crate::vendors::Sample;

pub(super) const SAMPLES: &[Sample] = &[
    sample(
        "alert.triggered",
        "2024-01-15T10:30:00Z",
        include_bytes!("../../../tests/fixtures/vendors/secureagentics/alert.triggered.json"),
    ),
    sample(
        "policy.violated",
        "2024-01-15T10:31:12Z",
        include_bytes!("../../../tests/fixtures/vendors/secureagentics/policy.violated.json"),
    ),
    sample(
        "agent.registered",
        "2024-01-15T10:32:00Z",
        include_bytes!("../../../tests/fixtures/vendors/secureagentics/agent.registered.json"),
    ),
    sample(
        "agent.error",
        "2024-01-15T10:33:45Z",
        include_bytes!("../../../tests/fixtures/vendors/secureagentics/agent.error.json"),
    ),
    sample("ping", "2024-01-15T10:29:00Z", include_bytes!("../../../tests/fixtures/vendors/secureagentics/ping.json")),
];

const fn sample(name: &'static str, time: &'static str, body: &'static [u8]) -> Sample {
    Sample { name, content_type: "application/json", body, time: Some(time) }
}

pub(super) const SETUP: &str = "\
In the Secureagentics dashboard open Settings > Webhooks and click Add webhook.
  Endpoint URL:    {url}
  Events:          alert.triggered, policy.violated, agent.registered, agent.error
  Signing secret:  {secret}
Click Save: a test ping arrives at once and shows up here as a receipt with the note `ping`.
The signing secret is optional at Secureagentics and required here: without it the requests are refused with 401.
The endpoint must be reachable from the internet over https. To see an event, open the webhook and click Send test event.
";

pub(super) const TEMPLATE: &str = "\
# severity = { \"alert.triggered\" = \"critical\", \"agent.error\" = \"low\" }   # wins over what the event says
";

//! The errors of PagerDuty, by its documentation and by what its users report.

use crate::destinations::errors::{ANY, ErrorClass, ErrorRow};

/// The errors of `POST /v2/enqueue`, whatever the event asks for.
pub const EVENTS: &[ErrorRow] = &[
    ErrorRow {
        status: 400..=403,
        word: "Invalid routing key*",
        class: ErrorClass::Settings,
        meaning: "it does not know the key set as `routing_key`",
        remedy: KEY,
        sample: "Invalid routing key",
    },
    ErrorRow {
        status: 400..=400,
        word: "Length of 'routing_key' is incorrect*",
        class: ErrorClass::Settings,
        meaning: "the key set as `routing_key` is no integration key",
        remedy: KEY,
        sample: r#"{"status":"invalid event","message":"Event object is invalid","errors":["Length of 'routing_key' is incorrect (should be 32 characters)"]}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "'routing_key' *",
        class: ErrorClass::Settings,
        meaning: "the key set as `routing_key` is no integration key",
        remedy: KEY,
        sample: r#"{"status":"invalid event","message":"Event object is invalid","errors":["'routing_key' cannot contain non-alphanumeric characters."]}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "'event_type' is missing or blank",
        class: ErrorClass::Settings,
        meaning: "it is the Events API v1 that answers at `url`",
        remedy: "set `url` to the base of the Events API v2, without a path",
        sample: r#"{"status":"invalid event","message":"Event object is invalid","errors":["'event_type' is missing or blank","Service key can't be blank"]}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "Service key *",
        class: ErrorClass::Settings,
        meaning: "it is the Events API v1 that answers at `url`",
        remedy: "set `url` to the base of the Events API v2, without a path",
        sample: r#"{"status":"invalid event","message":"Event object is invalid","errors":["Service key can't be blank"]}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "invalid event",
        class: ErrorClass::Refused,
        meaning: "a field of the event is not as it must be",
        remedy: DEFECT,
        sample: r#"{"status":"invalid event","message":"Event object is invalid","errors":["'summary' is too long (maximum is 1024 characters)"]}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "Unrecognized object",
        class: ErrorClass::Refused,
        meaning: "the event is not JSON as it must be",
        remedy: DEFECT,
        sample: r#"{"status":"Unrecognized object","message":"Event object format is unrecognized","errors":["JSON parse error"]}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: ANY,
        class: ErrorClass::Suspect,
        meaning: "something is wrong that its documentation does not name",
        remedy: "check `routing_key` and `url`, and send a `gatepost probe`",
        sample: "Bad Request",
    },
    ErrorRow {
        status: 413..=413,
        word: ANY,
        class: ErrorClass::Refused,
        meaning: "the event is larger than 512 KB",
        remedy: DEFECT,
        sample: "",
    },
    ErrorRow {
        status: 429..=429,
        word: ANY,
        class: ErrorClass::Busy,
        meaning: "the rate is limited, to about 120 events a minute and key",
        remedy: "",
        sample: r#"{"status":"throttle exceeded","message":"Requests for this service are arriving too quickly. Please retry later."}"#,
    },
    ErrorRow {
        status: 500..=599,
        word: ANY,
        class: ErrorClass::ByStatus,
        meaning: "PagerDuty is in trouble",
        remedy: "",
        sample: "",
    },
];

const KEY: &str = "copy the integration key of an \"Events API v2\" integration into `routing_key`";
const DEFECT: &str = "report this as a defect of gatepost";

//! What a receiver of webhooks means by its status, by Standard Webhooks 1.0.0 and by what receivers do.

use crate::destinations::errors::{ANY, ErrorClass, ErrorRow};

/// The answers to a webhook. Their text is the receiver's own, so only the status counts.
pub const WEBHOOK: &[ErrorRow] = &[
    ErrorRow {
        status: 400..=401,
        word: ANY,
        class: ErrorClass::Suspect,
        meaning: "it does not accept the request, perhaps because of the signature",
        remedy: SECRET,
        sample: r#"{"error":"invalid signature"}"#,
    },
    ErrorRow {
        status: 403..=403,
        word: ANY,
        class: ErrorClass::Suspect,
        meaning: "it does not allow the request",
        remedy: SECRET,
        sample: "",
    },
    ErrorRow {
        status: 404..=405,
        word: ANY,
        class: ErrorClass::Suspect,
        meaning: "nothing takes webhooks at this address",
        remedy: "correct `url`",
        sample: "",
    },
    ErrorRow {
        status: 408..=408,
        word: ANY,
        class: ErrorClass::Again,
        meaning: "the request took too long",
        remedy: "",
        sample: "",
    },
    ErrorRow {
        status: 410..=410,
        word: ANY,
        class: ErrorClass::Settings,
        meaning: "it wants no more webhooks at this address",
        remedy: "set `url` and `secret` to those of a new endpoint, or take the destination out of its routes",
        sample: "",
    },
    ErrorRow {
        status: 413..=413,
        word: ANY,
        class: ErrorClass::Refused,
        meaning: "the request is too large",
        remedy: "set a smaller `batch`, or raise the receiver's limit",
        sample: "",
    },
    ErrorRow {
        status: 415..=415,
        word: ANY,
        class: ErrorClass::Settings,
        meaning: "it does not take a body of this kind",
        remedy: "check `format` and `compression`, or set `url` to a receiver that takes JSON",
        sample: "",
    },
    ErrorRow {
        status: 425..=425,
        word: ANY,
        class: ErrorClass::Again,
        meaning: "it is too early",
        remedy: "",
        sample: "",
    },
    ErrorRow {
        status: 429..=429,
        word: ANY,
        class: ErrorClass::Busy,
        meaning: "the rate is limited",
        remedy: "",
        sample: "",
    },
    ErrorRow {
        status: 422..=422,
        word: ANY,
        class: ErrorClass::Suspect,
        meaning: "it does not accept the events",
        remedy: "check `format` and `batch` against what the receiver takes",
        sample: "",
    },
    ErrorRow {
        status: 500..=599,
        word: ANY,
        class: ErrorClass::ByStatus,
        meaning: "the receiver is in trouble",
        remedy: "",
        sample: "",
    },
];

const SECRET: &str = "check `secret`, `headers` and what the receiver demands of a request";

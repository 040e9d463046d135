//! The errors of Opsgenie, by its documentation and by what its users report.
//!
//! What an answer says is its `message` and each of its `errors` as `field: text`; of a request that is processed, its `status`.

use crate::destinations::errors::{ANY, ErrorClass, ErrorRow};
use ErrorClass::{Again, Busy, ByStatus, Left, Refused, Settings, Suspect};

/// The errors of `POST /v2/alerts`, and of questions.
pub const ALERT: &[ErrorRow] = &[
    UNREADABLE,
    KEY_REFUSED,
    UNPAID,
    NOT_PERMITTED,
    NOTHING_THERE,
    CONFLICT,
    TOO_LARGE,
    RESPONDERS,
    INVALID,
    TOO_FAST,
    IN_TROUBLE,
];

/// The errors of an acknowledgement and of a closing.
pub const CHANGE: &[ErrorRow] = &[
    NO_ALERT,
    UNREADABLE,
    KEY_REFUSED,
    UNPAID,
    NOT_PERMITTED,
    NOTHING_THERE,
    CONFLICT,
    TOO_LARGE,
    INVALID,
    TOO_FAST,
    IN_TROUBLE,
];

/// Why the processing of a new alert fails.
pub const PROCESSED_ALERT: &[ErrorRow] = &[NOT_PROCESSED];

/// Why the processing of an acknowledgement or a closing fails.
pub const PROCESSED_CHANGE: &[ErrorRow] = &[
    ErrorRow {
        status: 200..=200,
        word: "Alert does not exist*",
        class: Left,
        meaning: "there is no open alert with this alias: a person has closed or deleted it",
        remedy: "",
        sample: r#"{"data":{"success":false,"action":"Acknowledge","processedAt":"2017-05-24T14:41:18.185Z","integrationId":"c9cec2cb-e782-4ebb-bc1d-1b2fa703cf03","isSuccess":false,"status":"Alert does not exist","alertId":"","alias":""},"took":0.019,"requestId":"dc194ce3-9daf-4a19-bca3-40be91218089"}"#,
    },
    ErrorRow {
        status: 200..=200,
        word: "There is no open alert *",
        class: Left,
        meaning: "a person has closed it",
        remedy: "",
        sample: r#"{"data":{"success":false,"action":"Close","isSuccess":false,"status":"There is no open alert with alias [x-1].","alertId":"","alias":""},"took":0.019,"requestId":"dc194ce3-9daf-4a19-bca3-40be91218089"}"#,
    },
    ErrorRow {
        status: 200..=200,
        word: "Alert is already *",
        class: Left,
        meaning: "a person has done it",
        remedy: "",
        sample: r#"{"data":{"success":false,"action":"Acknowledge","isSuccess":false,"status":"Alert is already acknowledged","alertId":"","alias":""},"took":0.019,"requestId":"dc194ce3-9daf-4a19-bca3-40be91218089"}"#,
    },
    NOT_PROCESSED,
];

const NO_ALERT: ErrorRow = ErrorRow {
    status: 404..=404,
    word: "*alert*not*",
    class: Left,
    meaning: "there is no open alert with this alias: a person has closed or deleted it",
    remedy: "",
    sample: r#"{"message":"Alert with alias [x-1] does not exist","took":0.004,"requestId":"dc194ce3-9daf-4a19-bca3-40be91218089"}"#,
};

const NOT_PROCESSED: ErrorRow = ErrorRow {
    status: 200..=200,
    word: ANY,
    class: Suspect,
    meaning: "it has taken the request and then not done it",
    remedy: "look at the integration's logs in Opsgenie (Settings > Logs) and at the rules by which it ignores requests",
    sample: r#"{"data":{"success":false,"action":"Create","isSuccess":false,"status":"Request is ignored by the integration","alertId":"","alias":""},"took":0.019,"requestId":"dc194ce3-9daf-4a19-bca3-40be91218089"}"#,
};

const UNREADABLE: ErrorRow = ErrorRow {
    status: 400..=400,
    word: ANY,
    class: Refused,
    meaning: "the request is not JSON as it must be",
    remedy: DEFECT,
    sample: r#"{"message":"Could not parse the request body","took":0.001,"requestId":"dc194ce3-9daf-4a19-bca3-40be91218089"}"#,
};

const KEY_REFUSED: ErrorRow = ErrorRow {
    status: 401..=401,
    word: ANY,
    class: Settings,
    meaning: "it does not know the key set as `api_key`, or its integration is switched off",
    remedy: KEY,
    sample: r#"{"message":"Could not authenticate","took":0.001,"requestId":"dc194ce3-9daf-4a19-bca3-40be91218089"}"#,
};

const UNPAID: ErrorRow = ErrorRow {
    status: 402..=402,
    word: ANY,
    class: Settings,
    meaning: "the plan of the account does not include this",
    remedy: "look at the account's subscription",
    sample: r#"{"message":"Your plan does not allow this action","took":0.001,"requestId":"dc194ce3-9daf-4a19-bca3-40be91218089"}"#,
};

const NOT_PERMITTED: ErrorRow = ErrorRow {
    status: 403..=403,
    word: ANY,
    class: Settings,
    meaning: "the key may not do this",
    remedy: "give the API integration the right to read, create and update alerts",
    sample: r#"{"message":"You are not authorized to do this operation","code":40301,"took":0.001,"requestId":"dc194ce3-9daf-4a19-bca3-40be91218089"}"#,
};

const NOTHING_THERE: ErrorRow = ErrorRow {
    status: 404..=404,
    word: ANY,
    class: Suspect,
    meaning: "there is nothing at this address",
    remedy: "check `url`: https://api.opsgenie.com, https://api.eu.opsgenie.com, or https://api.atlassian.com/jsm/ops/integration",
    sample: r#"{"message":"Page not found","took":0.001,"requestId":"dc194ce3-9daf-4a19-bca3-40be91218089"}"#,
};

const CONFLICT: ErrorRow = ErrorRow {
    status: 409..=409,
    word: ANY,
    class: Again,
    meaning: "it is changing the same thing at the moment",
    remedy: "",
    sample: "",
};

const TOO_LARGE: ErrorRow = ErrorRow {
    status: 413..=413,
    word: ANY,
    class: Refused,
    meaning: "the request is too large",
    remedy: DEFECT,
    sample: "",
};

const RESPONDERS: ErrorRow = ErrorRow {
    status: 422..=422,
    word: "responders*",
    class: Settings,
    meaning: "it does not accept the `responders`",
    remedy: "write the names of teams, users, escalations and schedules as Opsgenie shows them",
    sample: r#"{"message":"Request body is not processable. Please check the errors.","errors":{"responders":"responders[0].type must be one of team, user, escalation, schedule"},"took":0.0,"requestId":"dc194ce3-9daf-4a19-bca3-40be91218089"}"#,
};

const INVALID: ErrorRow = ErrorRow {
    status: 422..=422,
    word: ANY,
    class: Refused,
    meaning: "a field of the request is not as it must be",
    remedy: DEFECT,
    sample: r#"{"message":"Request body is not processable. Please check the errors.","errors":{"message":"Message can not be empty."},"took":0.0,"requestId":"dc194ce3-9daf-4a19-bca3-40be91218089"}"#,
};

const TOO_FAST: ErrorRow = ErrorRow {
    status: 429..=429,
    word: ANY,
    class: Busy,
    meaning: "the rate is limited for the account",
    remedy: "",
    sample: r#"{"message":"You are making too many requests!","took":0.001,"requestId":"dc194ce3-9daf-4a19-bca3-40be91218089"}"#,
};

const IN_TROUBLE: ErrorRow = ErrorRow {
    status: 500..=599,
    word: ANY,
    class: ByStatus,
    meaning: "Opsgenie is in trouble",
    remedy: "",
    sample: "",
};

const KEY: &str = "copy the key of an enabled API integration into `api_key`, and set `url` for its region";
const DEFECT: &str = "report this as a defect of gatepost";

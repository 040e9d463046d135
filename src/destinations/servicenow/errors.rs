//! The errors of ServiceNow, by its documentation and by what its users report.
//!
//! What an answer says is the `message` and the `detail` of its `error`. A 200 may hold one.

use crate::destinations::errors::{ANY, ErrorClass, ErrorRow};
use ErrorClass::{Busy, ByStatus, Gone, Left, Refused, Settings, Suspect, Unknown};

/// The errors of a new ticket, and of the search for one.
pub const CREATE: &[ErrorRow] = &[
    CANCELLED,
    HIBERNATING,
    NO_TABLE,
    row(
        400,
        ANY,
        Suspect,
        "it cannot read the request",
        "look at what it said; if it is not about your `fields`, report this as a defect of gatepost",
        r#"{"error":{"message":"Exception while reading request","detail":"The payload is not valid JSON."},"status":"failure"}"#,
    ),
    NOT_AUTHENTICATED,
    row(
        403,
        "*Data Policy Exception*",
        Suspect,
        "a data policy demands a field that gatepost does not fill",
        "name it in `fields`, or exempt the account from the policy",
        r#"{"error":{"message":"Operation Failed","detail":"Data Policy Exception: The following fields are mandatory: Caller"},"status":"failure"}"#,
    ),
    row(
        403,
        "*aborted by Business Rule*",
        Suspect,
        "a business rule of the table does not let the ticket be made",
        "look at the rule that it names",
        r#"{"error":{"message":"Operation Failed","detail":"Operation against file 'incident' was aborted by Business Rule 'Check caller^bcaa22b1c0a8016b01c0c1a8a0b4d9d1'. Business Rule Stack:Check caller"},"status":"failure"}"#,
    ),
    row(
        403,
        ANY,
        Suspect,
        "the account may not do this",
        "give it a role that may create, read and write in the table, such as itil",
        r#"{"error":{"message":"Operation Failed","detail":"ACL Exception Insert Failed due to security constraints"},"status":"failure"}"#,
    ),
    row(
        404,
        ANY,
        Suspect,
        "there is nothing at this address",
        "check `url` and `table`",
        r#"{"error":{"message":"Requested URI does not represent any resource","detail":null},"status":"failure"}"#,
    ),
    TOO_LARGE,
    TOO_FAST,
    IN_TROUBLE,
];

/// The errors of a work note, and of the look for one.
pub const NOTE: &[ErrorRow] = &[
    CANCELLED,
    HIBERNATING,
    NO_TABLE,
    UNREADABLE,
    NOT_AUTHENTICATED,
    row(
        403,
        ANY,
        Suspect,
        "the account may not write work notes into this ticket, perhaps because it is closed",
        "give it a role that may write work notes, such as itil",
        r#"{"error":{"message":"Operation Failed","detail":"ACL Exception Update Failed due to security constraints"},"status":"failure"}"#,
    ),
    NO_RECORD,
    NOTHING_THERE,
    TOO_LARGE,
    TOO_FAST,
    IN_TROUBLE,
];

/// The errors of a change of fields or of the state, and of questions about a ticket.
pub const CHANGE: &[ErrorRow] = &[
    CANCELLED,
    HIBERNATING,
    NO_TABLE,
    UNREADABLE,
    NOT_AUTHENTICATED,
    row(
        403,
        "*Data Policy Exception*",
        Left,
        "a data policy demands a field that gatepost does not fill",
        "exempt the account from the policy",
        r#"{"error":{"message":"Operation Failed","detail":"Data Policy Exception: The following fields are mandatory: Resolution code"},"status":"failure"}"#,
    ),
    row(
        403,
        "*aborted by Business Rule*",
        Left,
        "a business rule of the table does not let the ticket be changed so",
        "look at the rule that it names",
        r#"{"error":{"message":"Operation Failed","detail":"Operation against file 'incident' was aborted by Business Rule 'No reopening^bcaa22b1c0a8016b01c0c1a8a0b4d9d1'."},"status":"failure"}"#,
    ),
    row(
        403,
        ANY,
        Left,
        "the account may not change this ticket",
        "give it a role that may write in the table, such as itil",
        r#"{"error":{"message":"Operation Failed","detail":"ACL Exception Update Failed due to security constraints"},"status":"failure"}"#,
    ),
    NO_RECORD,
    NOTHING_THERE,
    TOO_LARGE,
    TOO_FAST,
    IN_TROUBLE,
];

const CANCELLED: ErrorRow = row(
    200,
    "Transaction cancelled*",
    Unknown,
    "it has given up its work on the request",
    "look at the instance's slow business rules if this goes on",
    r#"{"result":[],"error":{"message":"Transaction cancelled: maximum execution time exceeded","detail":"maximum execution time exceeded Check logs for error trace or enable glide.rest.debug property to verify REST request processing"},"status":"failure"}"#,
);

const HIBERNATING: ErrorRow = row(
    200,
    "*hibernating*",
    Busy,
    "the instance sleeps, as those of developers do",
    "log in and wake it",
    "<html><head><title>Instance Hibernating page</title></head></html>",
);

const NO_TABLE: ErrorRow = row(
    400,
    "Invalid table*",
    Settings,
    "there is no table like the one set as `table`",
    "set `table` to the name of a table, such as incident",
    r#"{"error":{"message":"Invalid table incidents","detail":null},"status":"failure"}"#,
);

const UNREADABLE: ErrorRow = row(
    400,
    ANY,
    Refused,
    "it cannot read the request",
    DEFECT,
    r#"{"error":{"message":"Exception while reading request","detail":"The payload is not valid JSON."},"status":"failure"}"#,
);

const NOT_AUTHENTICATED: ErrorRow = row(
    401,
    ANY,
    Settings,
    "it refused the credentials",
    "renew or correct `user` and `password`, or `token`",
    r#"{"error":{"message":"User Not Authenticated","detail":"Required to provide Auth information"},"status":"failure"}"#,
);

const NO_RECORD: ErrorRow = row(
    404,
    "No Record found",
    Gone,
    "the ticket is no longer there, or the account must not see it",
    "",
    r#"{"error":{"message":"No Record found","detail":"Record doesn't exist or ACL restricts the record retrieval"},"status":"failure"}"#,
);

const NOTHING_THERE: ErrorRow = row(
    404,
    ANY,
    Suspect,
    "there is nothing at this address",
    "check `url` and `table`",
    r#"{"error":{"message":"Requested URI does not represent any resource","detail":null},"status":"failure"}"#,
);

const TOO_LARGE: ErrorRow = row(413, ANY, Refused, "the request is too large", DEFECT, "");

const TOO_FAST: ErrorRow = row(
    429,
    ANY,
    Busy,
    "the rate is limited, by a rule of the instance or by its load",
    "",
    r#"{"error":{"message":"Rate limit exceeded","detail":"Rate limit exceeded for the current user"},"status":"failure"}"#,
);

const IN_TROUBLE: ErrorRow = ErrorRow {
    status: 500..=599,
    word: ANY,
    class: ByStatus,
    meaning: "ServiceNow is in trouble",
    remedy: "",
    sample: "",
};

const fn row(
    status: u16,
    word: &'static str,
    class: ErrorClass,
    meaning: &'static str,
    remedy: &'static str,
    sample: &'static str,
) -> ErrorRow {
    ErrorRow { status: status..=status, word, class, meaning, remedy, sample }
}

const DEFECT: &str = "report this as a defect of gatepost";

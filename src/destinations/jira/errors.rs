//! The errors of Jira, by its documentation of Cloud and Data Center and by what its users report.
//!
//! What an answer says is each of its `errorMessages`, its `message`, and each of its `errors` as `field: text`.

use crate::destinations::errors::{ANY, ErrorClass, ErrorRow};
use ErrorClass::{Again, Busy, ByStatus, Gone, Left, Plainer, Refused, Settings, Suspect};

/// The errors of `POST /issue`, the most telling first.
pub const CREATE: &[ErrorRow] = &[
    ErrorRow {
        status: 400..=400,
        word: "project: *",
        class: Settings,
        meaning: "the project set as `project` does not exist, or the account must not create issues in it",
        remedy: PROJECT,
        sample: r#"{"errorMessages":[],"errors":{"project":"valid project is required"}}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "The value '*' does not exist for the field 'project'*",
        class: Settings,
        meaning: "the project set as `project` does not exist, or the account must not see it",
        remedy: PROJECT,
        sample: r#"{"errorMessages":["The value 'SEC' does not exist for the field 'project'."],"warningMessages":[]}"#,
    },
    ErrorRow {
        status: 400..=404,
        word: "No project could be found with *",
        class: Settings,
        meaning: "the project set as `project` does not exist, or the account must not see it",
        remedy: PROJECT,
        sample: r#"{"errorMessages":["No project could be found with key 'SEC'."],"errors":{}}"#,
    },
    ErrorRow {
        status: 400..=403,
        word: "You do not have permission *",
        class: Settings,
        meaning: "the account must not create issues in the project",
        remedy: PROJECT,
        sample: r#"{"errorMessages":["You do not have permission to create issues in this project."],"errors":{}}"#,
    },
    ErrorRow {
        status: 400..=403,
        word: "Anonymous users do not have permission *",
        class: Settings,
        meaning: "it does not take the credentials for those of an account",
        remedy: CREDENTIALS,
        sample: r#"{"errorMessages":["Anonymous users do not have permission to create issues in this project."],"errors":{}}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "issuetype: *",
        class: Settings,
        meaning: "the project has no issue type like the one set as `issue_type`",
        remedy: "set a type that the project has, or its id",
        sample: r#"{"errorMessages":[],"errors":{"issuetype":"The issue type selected is invalid."}}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "priority: *",
        class: Plainer,
        meaning: "the project does not take the priority",
        remedy: SCREEN,
        sample: r#"{"errorMessages":[],"errors":{"priority":"The priority selected is invalid."}}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "labels: *",
        class: Plainer,
        meaning: "the project does not take the labels",
        remedy: SCREEN,
        sample: r#"{"errorMessages":[],"errors":{"labels":"Field 'labels' cannot be set. It is not on the appropriate screen, or unknown."}}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "issuelinks: *",
        class: Plainer,
        meaning: "the project does not take links of a new issue",
        remedy: "add linked issues to the project's create screen",
        sample: r#"{"errorMessages":[],"errors":{"issuelinks":"Field 'issuelinks' cannot be set. It is not on the appropriate screen, or unknown."}}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "*: Field '*' cannot be set*",
        class: Plainer,
        meaning: "the project's create screen lacks a field that every ticket needs",
        remedy: SCREEN,
        sample: r#"{"errorMessages":[],"errors":{"description":"Field 'description' cannot be set. It is not on the appropriate screen, or unknown."}}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "*: * is required*",
        class: Suspect,
        meaning: "the project demands a field that gatepost does not fill",
        remedy: "make it optional for this issue type, or set another `issue_type`",
        sample: r#"{"errorMessages":[],"errors":{"customfield_10041":"Region is required."}}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "reporter: *",
        class: Suspect,
        meaning: "the account must not be the reporter of an issue in the project",
        remedy: PROJECT,
        sample: r#"{"errorMessages":[],"errors":{"reporter":"The reporter specified is not a user."}}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "summary: *",
        class: Refused,
        meaning: "it does not accept the summary",
        remedy: DEFECT,
        sample: r#"{"errorMessages":[],"errors":{"summary":"Summary must be less than 255 characters."}}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "description: *",
        class: Refused,
        meaning: "it does not accept the description",
        remedy: DEFECT,
        sample: r#"{"errorMessages":[],"errors":{"description":"The entered text is too long. It exceeds the allowed limit of 32,767 characters."}}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "CONTENT_LIMIT_EXCEEDED",
        class: Refused,
        meaning: "the description is too long",
        remedy: DEFECT,
        sample: r#"{"errorMessages":["CONTENT_LIMIT_EXCEEDED"],"errors":{}}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "INVALID_INPUT",
        class: Refused,
        meaning: "it does not accept the description",
        remedy: DEFECT,
        sample: r#"{"errorMessages":["INVALID_INPUT"],"errors":{}}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "There was an error parsing JSON*",
        class: Refused,
        meaning: "it cannot read the request",
        remedy: DEFECT,
        sample: r#"{"errorMessages":["There was an error parsing JSON. Check that your request body is valid."]}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: ANY,
        class: Suspect,
        meaning: "the ticket cannot be made, perhaps because of a rule of the project's workflow",
        remedy: "look at what it said and at the project's rules for new issues",
        sample: r#"{"errorMessages":["We can't create this issue for you right now, it could be due to unsupported content you've entered into one or more of the issue fields."],"errors":{}}"#,
    },
    ErrorRow {
        status: 401..=401,
        word: ANY,
        class: Settings,
        meaning: "it refused the credentials",
        remedy: CREDENTIALS,
        sample: r#"{"message":"Client must be authenticated to access this resource.","status-code":401}"#,
    },
    ErrorRow {
        status: 403..=403,
        word: "Basic auth with password is not allowed*",
        class: Settings,
        meaning: "it takes an API token and no password",
        remedy: CREDENTIALS,
        sample: "Basic auth with password is not allowed on this instance\n",
    },
    ErrorRow {
        status: 403..=403,
        word: ANY,
        class: Suspect,
        meaning: "the account lacks a permission",
        remedy: PROJECT,
        sample: r#"{"errorMessages":["Forbidden"],"errors":{}}"#,
    },
    ErrorRow {
        status: 404..=404,
        word: ANY,
        class: Suspect,
        meaning: "there is nothing at this address, or the account must not see it",
        remedy: "check `url` and `deployment`, and that the account may create issues in the project",
        sample: r#"{"errorMessages":["Site temporarily unavailable"],"errors":{}}"#,
    },
    ErrorRow {
        status: 409..=409,
        word: ANY,
        class: Again,
        meaning: "it is changing the same thing at the moment",
        remedy: "",
        sample: "",
    },
    ErrorRow {
        status: 413..=413,
        word: ANY,
        class: Refused,
        meaning: "the message is too large",
        remedy: DEFECT,
        sample: "",
    },
    ErrorRow {
        status: 422..=422,
        word: ANY,
        class: Suspect,
        meaning: "the project's configuration prevents the issue",
        remedy: "ask the project's administrator to look at its workflow and screens",
        sample: r#"{"errorMessages":["The workflow has no initial step"],"errors":{}}"#,
    },
    ErrorRow { status: 429..=429, word: ANY, class: Busy, meaning: "the rate is limited", remedy: "", sample: "" },
    ErrorRow { status: 500..=599, word: ANY, class: ByStatus, meaning: "Jira is in trouble", remedy: "", sample: "" },
];

/// The errors of `POST /issue/KEY/comment`, and of reading the comments.
pub const COMMENT: &[ErrorRow] = &[
    row(
        400,
        "comment: *",
        Refused,
        "it does not accept the comment",
        DEFECT,
        r#"{"errorMessages":[],"errors":{"comment":"Comment body can not be empty!"}}"#,
    ),
    row(
        400,
        "CONTENT_LIMIT_EXCEEDED",
        Refused,
        "the comment is too long",
        DEFECT,
        r#"{"errorMessages":["CONTENT_LIMIT_EXCEEDED"],"errors":{}}"#,
    ),
    row(
        400,
        "INVALID_INPUT",
        Refused,
        "it does not accept the comment",
        DEFECT,
        r#"{"errorMessages":["INVALID_INPUT"],"errors":{}}"#,
    ),
    row(
        400,
        "There was an error parsing JSON*",
        Refused,
        "it cannot read the request",
        DEFECT,
        r#"{"errorMessages":["There was an error parsing JSON. Check that your request body is valid."]}"#,
    ),
    row(
        400,
        "You do not have the permission to comment *",
        Suspect,
        "the account must not comment on the ticket",
        ISSUE,
        r#"{"errorMessages":["You do not have the permission to comment on this issue."],"errors":{}}"#,
    ),
    row(400, ANY, Suspect, "the comment cannot be made", ISSUE, r#"{"errorMessages":["Something else."],"errors":{}}"#),
    row(401, ANY, Settings, "it refused the credentials", CREDENTIALS, ""),
    row(403, ANY, Suspect, "the account lacks a permission", ISSUE, ""),
    row(404, ANY, Gone, "the ticket does not exist any more, or the account must not see it", "", GONE_SAMPLE),
    row(409, ANY, Again, "it is changing the same thing at the moment", "", ""),
    row(410, ANY, Gone, "the ticket does not exist any more", "", ""),
    row(413, ANY, Refused, "the comment is too large", DEFECT, ""),
    row(429, ANY, Busy, "the rate is limited", "", ""),
    ErrorRow { status: 500..=599, word: ANY, class: ByStatus, meaning: "Jira is in trouble", remedy: "", sample: "" },
];

/// The errors of reading a ticket, of changing its priority and of its transitions. What a workflow or a screen does not
/// allow is left as it is.
pub const CHANGE: &[ErrorRow] = &[
    row(
        400,
        "priority: *",
        Left,
        "the project does not take the priority",
        "",
        r#"{"errorMessages":[],"errors":{"priority":"The priority selected is invalid."}}"#,
    ),
    row(
        400,
        "*: Field '*' cannot be set*",
        Left,
        "the field is not on the project's screen",
        "",
        r#"{"errorMessages":[],"errors":{"resolution":"Field 'resolution' cannot be set. It is not on the appropriate screen, or unknown."}}"#,
    ),
    row(
        400,
        "*: * is required*",
        Left,
        "the transition demands a field that gatepost does not fill",
        "",
        r#"{"errorMessages":[],"errors":{"resolution":"Resolution is required."}}"#,
    ),
    row(
        400,
        "* is not valid for this issue*",
        Left,
        "the transition is not possible any more",
        "",
        r#"{"errorMessages":["Transition id '31' is not valid for this issue."],"errors":{}}"#,
    ),
    row(
        400,
        "It seems that you have tried to perform a workflow operation*",
        Left,
        "the transition is not possible any more",
        "",
        r#"{"errorMessages":["It seems that you have tried to perform a workflow operation (Done) that is not valid for the current state of this issue."],"errors":{}}"#,
    ),
    row(
        400,
        ANY,
        Suspect,
        "the ticket cannot be changed, perhaps because of a rule of the project's workflow",
        ISSUE,
        r#"{"errorMessages":["Something else."],"errors":{}}"#,
    ),
    row(401, ANY, Settings, "it refused the credentials", CREDENTIALS, ""),
    row(403, ANY, Suspect, "the account lacks a permission", ISSUE, ""),
    row(404, ANY, Gone, "the ticket does not exist any more, or the account must not see it", "", GONE_SAMPLE),
    row(409, ANY, Again, "it is changing the same thing at the moment", "", ""),
    row(410, ANY, Gone, "the ticket does not exist any more", "", ""),
    row(413, ANY, Refused, "the request is too large", DEFECT, ""),
    row(422, ANY, Suspect, "the project's configuration prevents it", ISSUE, ""),
    row(429, ANY, Busy, "the rate is limited", "", ""),
    ErrorRow { status: 500..=599, word: ANY, class: ByStatus, meaning: "Jira is in trouble", remedy: "", sample: "" },
];

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

const GONE_SAMPLE: &str =
    r#"{"errorMessages":["Issue does not exist or you do not have permission to see it."],"errors":{}}"#;
const ISSUE: &str =
    "give the account the permissions to browse the project, to add comments, to edit and to transition issues";
const PROJECT: &str = "check `project`, and give the account the permissions to browse it and to create issues in it";
const CREDENTIALS: &str = "renew or correct them (Cloud: `email` and `api_token`; Data Center: `token`)";
const SCREEN: &str = "add summary, description and labels to the project's create screen";
const DEFECT: &str = "report this as a defect of gatepost";

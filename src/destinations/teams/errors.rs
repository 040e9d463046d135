//! The errors of the trigger of a workflow, as Power Automate and Logic Apps word them: `{"error":{"code":…,"message":…}}`. A code
//! counts whatever status it comes with, because an error may stand inside a 200.

use std::ops::RangeInclusive;

use crate::destinations::errors::{ANY, ErrorClass, ErrorRow};
use ErrorClass::{Busy, ByStatus, Plainer, Refused, Settings, Suspect};

/// The errors of a workflow's webhook.
pub const WORKFLOW: &[ErrorRow] = &[
    code("DirectApiAuthorizationRequired", Settings, "the workflow wants its callers to sign in", ANYONE),
    code("DirectApiInvalidAuthorizationScheme", Settings, "the workflow wants its callers to sign in", ANYONE),
    code("MisMatchingOAuthClaims", Settings, "the workflow wants its callers to sign in", ANYONE),
    code("DirectApiRequestHasMoreThanOneAuthorization", Settings, "the URL is signed in two ways", WHOLE_URL),
    code("AuthorizationFailed", Settings, "the signature in the URL is wrong", WHOLE_URL),
    code("WorkflowTriggerIsNotEnabled", Settings, "the workflow is switched off or was deleted", TURN_ON),
    code("WorkflowTriggerNotFound", Settings, "the workflow does not begin with a webhook any more", TEMPLATE),
    code("WorkflowNotFound", Settings, "the workflow was deleted or moved", WHOLE_URL),
    code("TriggerRequestMethodNotValid", Settings, "the workflow does not take POST", TEMPLATE),
    code("TriggerInputSchemaMismatch", Suspect, "the workflow expects another kind of message", TEMPLATE),
    code("InvalidRequestContent", Refused, "it cannot read the message", DEFECT),
    code("RequestEntityTooLarge", Plainer, "the message is too large", DEFECT),
    code("TooManyRequests", Busy, "the rate is limited", ""),
    status(200..=299, Suspect, "the workflow has failed", RUNS),
    status(400..=400, Suspect, "it does not accept the message", RUNS),
    status(401..=401, Settings, "it does not accept the URL", ANYONE),
    status(403..=403, Settings, "a policy of the tenant forbids it", "ask its administrator, or set another workflow"),
    status(404..=404, Settings, "the workflow was deleted or moved", WHOLE_URL),
    status(410..=410, Settings, "the workflow was deleted or moved", WHOLE_URL),
    status(413..=413, Plainer, "the message is too large", DEFECT),
    status(429..=429, Busy, "the rate is limited", ""),
    status(500..=599, ByStatus, "Teams or the workflow is in trouble", ""),
];

const fn code(word: &'static str, class: ErrorClass, meaning: &'static str, remedy: &'static str) -> ErrorRow {
    ErrorRow { status: 200..=499, word, class, meaning, remedy, sample: word }
}

const fn status(
    status: RangeInclusive<u16>,
    class: ErrorClass,
    meaning: &'static str,
    remedy: &'static str,
) -> ErrorRow {
    ErrorRow { status, word: ANY, class, meaning, remedy, sample: "UnlistedError" }
}

const ANYONE: &str =
    "set \"Who can trigger the flow\" to Anyone in its trigger, save, and set the whole new URL as `webhook_url`";
const WHOLE_URL: &str = "copy the URL from the workflow's trigger, up to its end, and set it as `webhook_url`";
const TURN_ON: &str = "turn it on in Power Automate, or set the URL of the new one as `webhook_url`";
const TEMPLATE: &str = "make it from the template \"Send webhook alerts to a channel\"";
const RUNS: &str = "look at the workflow's run history in Power Automate";
const DEFECT: &str = "report this as a defect of gatepost";

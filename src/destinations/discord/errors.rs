//! The errors of Discord, by the numbers of its JSON: `{"code":10015,"message":"Unknown Webhook"}`.

use std::ops::RangeInclusive;

use crate::destinations::errors::{ANY, ErrorClass, ErrorRow};
use ErrorClass::{Again, Busy, ByStatus, Gone, Plainer, Refused, Settings, Suspect};

/// The errors of a new message.
pub const POST: &[ErrorRow] = &[
    row(404..=404, "10003", Settings, "the channel or the thread does not exist any more", NEW_HOOK),
    row(404..=404, "10015", Settings, "the webhook was deleted", NEW_HOOK),
    row(400..=404, "50027", Settings, "the webhook's URL is wrong", NEW_HOOK),
    row(400..=403, "160005", Settings, "the thread is locked", THREAD),
    row(400..=403, "50083", Settings, "the thread is archived", THREAD),
    row(400..=400, "220001", Settings, "the webhook belongs to a forum, where every message needs a thread", THREAD),
    row(400..=403, "200000", Plainer, "the server's moderation blocks the message", MODERATION),
    row(400..=400, "240000", Plainer, "it takes a link in the message for harmful", MODERATION),
    row(400..=400, "50035", Plainer, "it does not accept the form of the message", DEFECT),
    row(400..=413, "40005", Plainer, "the message is too large", DEFECT),
    row(400..=400, "50006", Refused, "the message is empty", DEFECT),
    row(400..=400, "50109", Refused, "it cannot read the message", DEFECT),
    row(400..=429, "20028", Busy, "the channel's rate is limited", ""),
    row(400..=429, "20029", Busy, "the server's rate is limited", ""),
    row(400..=503, "130000", Again, "it is overloaded at the moment", ""),
    row(400..=400, ANY, Suspect, UNLISTED, LOOK_UP),
    row(401..=401, ANY, Settings, "the webhook's URL is wrong", NEW_HOOK),
    row(403..=403, ANY, Suspect, UNLISTED, LOOK_UP),
    row(404..=404, ANY, Settings, "it does not know the webhook", NEW_HOOK),
    row(413..=413, ANY, Plainer, "the message is too large", DEFECT),
    row(429..=429, ANY, Busy, "the rate is limited", ""),
    row(500..=599, ANY, ByStatus, "Discord is in trouble", ""),
];

/// The errors of an edit.
pub const EDIT: &[ErrorRow] = &[
    row(404..=404, "10008", Gone, "the message is not there any more", ""),
    row(400..=403, "50005", Gone, "it is not a message of this webhook any more", ""),
    row(404..=404, "10003", Settings, "the channel or the thread does not exist any more", NEW_HOOK),
    row(404..=404, "10015", Settings, "the webhook was deleted", NEW_HOOK),
    row(400..=404, "50027", Settings, "the webhook's URL is wrong", NEW_HOOK),
    row(400..=403, "160005", Gone, "the thread is locked", ""),
    row(400..=403, "50083", Gone, "the thread is archived", ""),
    row(400..=429, "30046", Again, "old messages may be edited only so often", ""),
    row(400..=403, "200000", Plainer, "the server's moderation blocks the message", MODERATION),
    row(400..=400, "240000", Plainer, "it takes a link in the message for harmful", MODERATION),
    row(400..=400, "50035", Plainer, "it does not accept the form of the message", DEFECT),
    row(400..=413, "40005", Plainer, "the message is too large", DEFECT),
    row(400..=400, "50006", Refused, "the message is empty", DEFECT),
    row(400..=400, "50109", Refused, "it cannot read the message", DEFECT),
    row(400..=429, "20028", Busy, "the channel's rate is limited", ""),
    row(400..=429, "20029", Busy, "the server's rate is limited", ""),
    row(400..=503, "130000", Again, "it is overloaded at the moment", ""),
    row(400..=400, ANY, Suspect, UNLISTED, LOOK_UP),
    row(401..=401, ANY, Settings, "the webhook's URL is wrong", NEW_HOOK),
    row(403..=403, ANY, Suspect, UNLISTED, LOOK_UP),
    row(404..=404, ANY, Settings, "it does not know the webhook", NEW_HOOK),
    row(413..=413, ANY, Plainer, "the message is too large", DEFECT),
    row(429..=429, ANY, Busy, "the rate is limited", ""),
    row(500..=599, ANY, ByStatus, "Discord is in trouble", ""),
];

const fn row(
    status: RangeInclusive<u16>,
    word: &'static str,
    class: ErrorClass,
    meaning: &'static str,
    remedy: &'static str,
) -> ErrorRow {
    ErrorRow { status, word, class, meaning, remedy, sample: word }
}

const NEW_HOOK: &str = "make a new webhook in the channel and set its URL as `webhook_url`";
const THREAD: &str = "add `?thread_id=…` of another one to `webhook_url`, or take the webhook of a text channel";
const MODERATION: &str = "exempt the channel from it, or look into gatepost";
const DEFECT: &str = "report this as a defect of gatepost";
const UNLISTED: &str = "the error is not in gatepost's table";
const LOOK_UP: &str = "look it up in Discord's documentation of JSON error codes";

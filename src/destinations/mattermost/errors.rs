//! The errors of Mattermost's incoming webhooks, by the ids that its server gives them.

use std::ops::RangeInclusive;

use crate::destinations::errors::{ANY, ErrorClass, ErrorRow};
use ErrorClass::{Busy, ByStatus, Plainer, Refused, Settings, Suspect};

/// The errors of an incoming webhook.
pub const WEBHOOK: &[ErrorRow] = &[
    row(400..=404, "web.incoming_webhook.invalid.app_error", Settings, "the webhook was deleted", NEW_HOOK),
    row(501..=501, "web.incoming_webhook.disabled.app_error", Settings, "webhooks are switched off", ENABLE),
    row(400..=404, "web.incoming_webhook.channel.app_error", Settings, "the webhook's channel is gone", NEW_HOOK),
    row(404..=404, "app.channel.get.existing.app_error", Settings, "the webhook's channel is gone", NEW_HOOK),
    row(
        400..=400,
        "api.post.create_post.can_not_post_to_deleted.error",
        Settings,
        "its channel is archived",
        UNARCHIVE,
    ),
    row(400..=403, "web.incoming_webhook.channel_locked.app_error", Settings, "the webhook is locked", NEW_HOOK),
    row(400..=403, "web.incoming_webhook.user.app_error", Settings, "the webhook's owner is gone", NEW_HOOK),
    row(403..=403, "web.incoming_webhook.permissions.app_error", Settings, "its owner may not post there", OWNER),
    row(403..=403, "api.post.create_post.town_square_read_only", Settings, "the channel is read-only", NEW_HOOK),
    row(400..=400, "web.incoming_webhook.split_props_length.app_error", Plainer, "the attachment is too long", DEFECT),
    row(400..=400, "web.incoming_webhook.text.app_error", Refused, "the message has no text", DEFECT),
    row(400..=413, "web.incoming_webhook.parse.app_error", Refused, "it cannot read the message", DEFECT),
    row(500..=500, "api.post.create_webhook_post.creating.app_error", ByStatus, "the message was not stored", ""),
    row(400..=400, ANY, Suspect, "something is wrong that gatepost's table does not name", LOGS),
    row(403..=403, ANY, Suspect, "it does not allow the message", LOGS),
    row(404..=404, ANY, Settings, "there is no Mattermost at this address", NEW_HOOK),
    row(413..=413, ANY, Plainer, "the message is too large", DEFECT),
    row(429..=429, ANY, Busy, "the rate is limited", ""),
    row(501..=501, ANY, Settings, "webhooks are switched off", ENABLE),
    row(500..=599, ANY, ByStatus, "Mattermost is in trouble", ""),
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

const NEW_HOOK: &str = "make a new webhook and set its URL as `webhook_url`";
const ENABLE: &str = "let an administrator enable incoming webhooks in the System Console";
const UNARCHIVE: &str = "unarchive it, or make a webhook for another one and set it as `webhook_url`";
const OWNER: &str = "add the owner of the webhook to the channel";
const LOGS: &str = "look into the server's log";
const DEFECT: &str = "report this as a defect of gatepost";

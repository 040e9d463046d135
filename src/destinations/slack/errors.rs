//! The errors of Slack, by its method pages, its changelog of the webhook's errors, and what its users report.

use std::ops::RangeInclusive;

use crate::destinations::errors::{ANY, ErrorClass, ErrorRow};
use ErrorClass::{Again, Busy, ByStatus, Gone, Plainer, Refused, Settings, Suspect, Unknown};

/// The errors of an incoming webhook: a status and one word.
pub const WEBHOOK: &[ErrorRow] = &[
    hook(400..=400, "invalid_blocks", Plainer, "it does not accept the blocks", DEFECT),
    hook(400..=400, "invalid_blocks_format", Plainer, "it does not accept the blocks", DEFECT),
    hook(400..=400, "msg_blocks_too_long", Plainer, "the blocks are too long", DEFECT),
    hook(400..=403, "invalid_token", Settings, "the webhook's URL is wrong", NEW_HOOK),
    hook(400..=404, "user_not_found", Settings, "the webhook posts to a user who is gone", NEW_HOOK),
    hook(400..=400, "invalid_payload", Refused, "it cannot read the message", DEFECT),
    hook(400..=400, "no_text", Refused, "the message has no text", DEFECT),
    hook(400..=400, "missing_text_or_fallback_or_attachments", Refused, "the message has no text", DEFECT),
    hook(400..=400, "too_many_attachments", Refused, "the message has too many attachments", DEFECT),
    hook(403..=403, "action_prohibited", Settings, "an administrator forbids the webhook to post there", ASK),
    hook(403..=403, "posting_to_general_channel_denied", Settings, "few may post to the general channel", ASK),
    hook(403..=404, "team_disabled", Settings, "the webhook's workspace is gone", NEW_HOOK),
    hook(403..=404, "no_team", Settings, "the webhook's workspace is gone", NEW_HOOK),
    hook(404..=404, "channel_not_found", Settings, "the webhook's channel does not exist any more", NEW_HOOK),
    hook(404..=404, "no_service", Settings, "the webhook was removed or switched off", NEW_HOOK),
    hook(404..=404, "no_service_id", Settings, "the webhook's URL is wrong", NEW_HOOK),
    hook(404..=404, "no_active_hooks", Settings, "the webhook was removed or switched off", NEW_HOOK),
    hook(404..=404, "No hooks", Settings, "the webhook was removed or switched off", NEW_HOOK),
    hook(410..=410, "channel_is_archived", Settings, "the webhook's channel is archived", UNARCHIVE),
    hook(400..=400, ANY, Suspect, "something is wrong that Slack's documentation does not name", NEW_HOOK),
    hook(403..=404, ANY, Suspect, "it does not know the webhook any more", NEW_HOOK),
    hook(410..=410, ANY, Suspect, "it does not know the webhook any more", NEW_HOOK),
    hook(429..=429, ANY, Busy, "the rate is limited", ""),
    hook(500..=500, "rollup_error", ByStatus, "something went wrong midway", ""),
    hook(500..=599, ANY, ByStatus, "Slack is in trouble", ""),
];

/// The errors of `chat.postMessage`, for messages and for replies: 200, with the word in the body. `fatal_error` and `internal_error` are documented as
/// perhaps done in part.
pub const API: &[ErrorRow] = &[
    api("ratelimited", Busy, "the rate is limited", ""),
    api("rate_limited", Busy, "the rate is limited", ""),
    api("service_unavailable", Busy, "the service is not available at the moment", ""),
    api("request_timeout", Again, "the request was cut short on its way", ""),
    api("team_added_to_org", Busy, "the workspace is being moved into an organization", ""),
    api("org_login_required", Busy, "the workspace is being moved into an organization", ""),
    api("fatal_error", Unknown, "something went wrong midway", ""),
    api("internal_error", Unknown, "something went wrong midway", ""),
    api("invalid_auth", Settings, TOKEN, NEW_TOKEN),
    api("not_authed", Settings, TOKEN, NEW_TOKEN),
    api("account_inactive", Settings, TOKEN, NEW_TOKEN),
    api("token_revoked", Settings, TOKEN, NEW_TOKEN),
    api("token_expired", Settings, TOKEN, NEW_TOKEN),
    api("not_allowed_token_type", Settings, "`token` is of another kind", BOT_TOKEN),
    api("metadata_must_be_sent_from_app", Settings, "`token` is of another kind", BOT_TOKEN),
    api("missing_scope", Settings, "the app lacks a permission", SCOPE),
    api("no_permission", Settings, "the app lacks a permission", SCOPE),
    api("access_denied", Settings, POLICY, ASK),
    api("accesslimited", Settings, POLICY, ASK),
    api("ekm_access_denied", Settings, POLICY, ASK),
    api("enterprise_is_restricted", Settings, POLICY, ASK),
    api("team_access_not_granted", Settings, POLICY, ASK),
    api(
        "two_factor_setup_required",
        Settings,
        "the account behind `token` lacks two-factor authentication",
        "set it up",
    ),
    api("restricted_action_thread_locked", Gone, "the thread is locked", ""),
    api("restricted_action*", Settings, POLICY, ASK),
    api("message_limit_exceeded", Settings, "the workspace has used up its messages", ASK),
    api("messages_tab_disabled", Settings, "the app's messages tab is off", "turn it on, or set another `channel`"),
    api(
        "channel_not_found",
        Settings,
        "the channel set as `channel` does not exist or the app is not in it",
        "invite the app, or correct the channel",
    ),
    api("not_in_channel", Settings, "the app is not in the channel set as `channel`", "invite it"),
    api("is_archived", Settings, "the channel set as `channel` is archived", "unarchive it, or set another one"),
    // Of replies: the message that they answer.
    api("thread_not_found", Gone, "the message is not there any more", ""),
    api("message_not_found", Gone, "the message is not there any more", ""),
    api("cannot_reply_to_message", Gone, "the message cannot be answered any more", ""),
    api("team_not_found", Settings, "the workspace behind the token is gone", NEW_TOKEN),
    api("method_deprecated", Settings, "this version of gatepost is too old for Slack", "update it"),
    api("deprecated_endpoint", Settings, "this version of gatepost is too old for Slack", "update it"),
    api("invalid_blocks*", Plainer, "it does not accept the blocks", DEFECT),
    api("msg_blocks_too_long", Plainer, "the blocks are too long", DEFECT),
    api("msg_too_long", Refused, "the message is too long", DEFECT),
    api("no_text", Refused, "the message has no text", DEFECT),
    api("too_many_attachments", Refused, "the message has too many attachments", DEFECT),
    api("attachment_payload_limit_exceeded", Refused, "the attachments are too long", DEFECT),
    api("metadata_too_large", Refused, "the metadata is too long", DEFECT),
    api("invalid_*", Refused, "it does not accept the message", DEFECT),
    api(ANY, Suspect, "the error is not in gatepost's table; the message was not posted", UNLISTED),
    hook(429..=429, ANY, Busy, "the rate is limited", ""),
    hook(500..=599, ANY, ByStatus, "Slack is in trouble", ""),
];

/// The errors of `chat.update`: 200, with the word in the body. An edit is absolute, so what may have been done in part is
/// sent again.
pub const UPDATE: &[ErrorRow] = &[
    api("message_not_found", Gone, "the message is not there any more", ""),
    api("cant_update_message", Gone, "it is not a message of this app any more", ""),
    api("edit_window_closed", Gone, "the workspace does not let old messages be edited", ""),
    api("ratelimited", Busy, "the rate is limited", ""),
    api("rate_limited", Busy, "the rate is limited", ""),
    api("service_unavailable", Busy, "the service is not available at the moment", ""),
    api("request_timeout", Again, "the request was cut short on its way", ""),
    api("team_added_to_org", Busy, "the workspace is being moved into an organization", ""),
    api("org_login_required", Busy, "the workspace is being moved into an organization", ""),
    api("update_failed", Again, "something went wrong midway", ""),
    api("fatal_error", Unknown, "something went wrong midway", ""),
    api("internal_error", Unknown, "something went wrong midway", ""),
    api("invalid_auth", Settings, TOKEN, NEW_TOKEN),
    api("not_authed", Settings, TOKEN, NEW_TOKEN),
    api("account_inactive", Settings, TOKEN, NEW_TOKEN),
    api("token_revoked", Settings, TOKEN, NEW_TOKEN),
    api("token_expired", Settings, TOKEN, NEW_TOKEN),
    api("not_allowed_token_type", Settings, "`token` is of another kind", BOT_TOKEN),
    api("metadata_must_be_sent_from_app", Settings, "`token` is of another kind", BOT_TOKEN),
    api("missing_scope", Settings, "the app lacks a permission", SCOPE),
    api("no_permission", Settings, "the app lacks a permission", SCOPE),
    api("access_denied", Settings, POLICY, ASK),
    api("accesslimited", Settings, POLICY, ASK),
    api("ekm_access_denied", Settings, POLICY, ASK),
    api("enterprise_is_restricted", Settings, POLICY, ASK),
    api("team_access_not_granted", Settings, POLICY, ASK),
    api("restricted_action*", Settings, POLICY, ASK),
    api(
        "channel_not_found",
        Settings,
        "the channel set as `channel` does not exist or the app is not in it",
        "invite the app, or correct the channel",
    ),
    api("not_in_channel", Settings, "the app is not in the channel set as `channel`", "invite it"),
    api("is_archived", Settings, "the channel set as `channel` is archived", "unarchive it, or set another one"),
    api("team_not_found", Settings, "the workspace behind the token is gone", NEW_TOKEN),
    api("method_deprecated", Settings, "this version of gatepost is too old for Slack", "update it"),
    api("deprecated_endpoint", Settings, "this version of gatepost is too old for Slack", "update it"),
    api("invalid_blocks*", Plainer, "it does not accept the blocks", DEFECT),
    api("msg_blocks_too_long", Plainer, "the blocks are too long", DEFECT),
    api("block_mismatch", Plainer, "it does not accept the blocks in the place of the old ones", DEFECT),
    api("msg_too_long", Refused, "the message is too long", DEFECT),
    api("no_text", Refused, "the message has no text", DEFECT),
    api("too_many_attachments", Refused, "the message has too many attachments", DEFECT),
    api("attachment_payload_limit_exceeded", Refused, "the attachments are too long", DEFECT),
    api("metadata_too_large", Refused, "the metadata is too long", DEFECT),
    api("json_not_object", Refused, "it cannot read the request", DEFECT),
    api("missing_post_type", Refused, "it cannot read the request", DEFECT),
    api("invalid_*", Refused, "it does not accept the message", DEFECT),
    api(ANY, Suspect, "the error is not in gatepost's table; the message was not edited", UNLISTED_UPDATE),
    hook(429..=429, ANY, Busy, "the rate is limited", ""),
    hook(500..=599, ANY, ByStatus, "Slack is in trouble", ""),
];

/// The errors of `oauth.v2.access` where it renews a token: 200, with the word in the body. What may have been done in part is
/// asked again at once, because a refresh token that was used is taken for a short time more.
pub const RENEWAL: &[ErrorRow] = &[
    api("invalid_refresh_token", Settings, "the refresh token was used before, or has been revoked", NEW_REFRESH_TOKEN),
    api("refresh_token_expired", Settings, "the refresh token has expired", NEW_REFRESH_TOKEN),
    api("token_revoked", Settings, "the refresh token has been revoked", NEW_REFRESH_TOKEN),
    api(
        "invalid_client_id",
        Settings,
        "no app has the id set as `client_id`",
        "copy it from Basic Information > App Credentials",
    ),
    api(
        "bad_client_secret",
        Settings,
        "`client_secret` is not that of the app",
        "copy it from Basic Information > App Credentials",
    ),
    api(
        "token_rotation_not_enabled",
        Settings,
        "the app has no token rotation",
        "set its bot token as `token` instead",
    ),
    api("account_inactive", Settings, "the app's installation is gone", REINSTALL),
    api("team_not_found", Settings, "the workspace is gone", REINSTALL),
    api("cannot_install_an_org_installed_app", Settings, "the app belongs to the organization", REINSTALL),
    api("access_denied", Settings, POLICY_OF_TOKENS, ASK),
    api("accesslimited", Settings, POLICY_OF_TOKENS, ASK),
    api("ekm_access_denied", Settings, POLICY_OF_TOKENS, ASK),
    api("enterprise_is_restricted", Settings, POLICY_OF_TOKENS, ASK),
    api("ratelimited", Busy, "the rate is limited", ""),
    api("rate_limited", Busy, "the rate is limited", ""),
    api("service_unavailable", Busy, "the service is not available at the moment", ""),
    api("team_added_to_org", Busy, "the workspace is being moved into an organization", ""),
    api("org_login_required", Busy, "the workspace is being moved into an organization", ""),
    api("request_timeout", Again, "the request was cut short on its way", ""),
    api("fatal_error", Again, "something went wrong midway", ""),
    api("internal_error", Again, "something went wrong midway", ""),
    api("invalid_grant_type", Settings, "this version of gatepost is too old for Slack", "update it"),
    api("method_deprecated", Settings, "this version of gatepost is too old for Slack", "update it"),
    api("deprecated_endpoint", Settings, "this version of gatepost is too old for Slack", "update it"),
    api(ANY, Settings, "the error is not in gatepost's table; there is no new token", UNLISTED_RENEWAL),
    hook(429..=429, ANY, Busy, "the rate is limited", ""),
    hook(500..=599, ANY, Again, "Slack is in trouble", ""),
];

const fn hook(
    status: RangeInclusive<u16>,
    word: &'static str,
    class: ErrorClass,
    meaning: &'static str,
    remedy: &'static str,
) -> ErrorRow {
    ErrorRow { status, word, class, meaning, remedy, sample: word }
}

const fn api(word: &'static str, class: ErrorClass, meaning: &'static str, remedy: &'static str) -> ErrorRow {
    ErrorRow { status: 200..=200, word, class, meaning, remedy, sample: word }
}

const NEW_HOOK: &str = "make a new webhook and set it as `webhook_url`";
const UNARCHIVE: &str = "unarchive it, or make a webhook for another one and set it as `webhook_url`";
const ASK: &str = "ask an administrator of the workspace for the permission";
const TOKEN: &str = "the token does not work any more";
const NEW_TOKEN: &str = "set a new one as `token`, or with token rotation a new `refresh_token`";
const BOT_TOKEN: &str = "set a bot token, which begins with xoxb-";
const SCOPE: &str = "give it the scope chat:write and reinstall it";
const POLICY: &str = "a policy of the workspace forbids posting there";
const DEFECT: &str = "report this as a defect of gatepost";
const UNLISTED: &str = "look it up in Slack's documentation of chat.postMessage";
const NEW_REFRESH_TOKEN: &str =
    "generate a new one in the app's settings, under OAuth & Permissions, and set it as `refresh_token`";
const REINSTALL: &str = "install the app in the workspace again, under OAuth & Permissions, and set its new refresh token as `refresh_token`";
const POLICY_OF_TOKENS: &str = "a policy of the workspace forbids it";
const UNLISTED_RENEWAL: &str = "look it up in Slack's documentation of oauth.v2.access";
const UNLISTED_UPDATE: &str = "look it up in Slack's documentation of chat.update";

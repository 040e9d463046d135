//! Token rotation of Slack's apps: access tokens that expire after twelve hours, and refresh tokens that are good once.
//!
//! `oauth.v2.access` gives a new access token and a new refresh token for a refresh token, which it revokes "after a short grace
//! period"; how short is not documented. The former access token stays good until it expires, and at most two are good at once.

use std::time::Duration;

use serde_json::Value;

use super::errors::RENEWAL;
use crate::destinations::errors::{ErrorClass, ErrorRow};
use crate::destinations::{HttpReply, Renewed, RotationDialect};
use crate::domain::Secret;
use crate::settings::Section;

/// How Slack answers about tokens.
#[derive(Debug)]
pub struct Rotation;

impl RotationDialect for Rotation {
    fn base(&self) -> &'static str {
        "https://slack.com/api"
    }

    fn token_path(&self) -> &'static str {
        "/oauth.v2.access"
    }

    fn check(&self, section: &Section, refresh: &Secret) -> bool {
        let begins = |start: &[u8]| refresh.expose().starts_with(start);
        if begins(b"xoxe.") || begins(b"xoxb-") || begins(b"xoxp-") {
            section.fault("refresh_token", "is an access token", "set the refresh token, which begins with xoxe-");
            return false;
        }
        true
    }

    fn is_refused(&self, reply: &HttpReply) -> bool {
        document(reply).is_some_and(|body| {
            body["ok"] == false && body["error"].as_str().is_some_and(|word| NOT_ACCEPTED.contains(&word))
        })
    }

    fn read(&self, reply: &HttpReply) -> Renewed {
        let body = document(reply);
        let word = body.as_ref().and_then(|body| body["error"].as_str()).unwrap_or_default();
        let is_taken = body.as_ref().is_some_and(|body| body["ok"] == true);
        match &body {
            Some(body) if reply.status == 200 && is_taken => {
                tokens(body).unwrap_or_else(|| unreadable("is no bot token"))
            }
            Some(_) if reply.status == 200 => error(200, word),
            None if reply.status == 200 => unreadable("is not its JSON"),
            _ => error(reply.status, ""),
        }
    }
}

/// The new pair. One without a refresh token is that of an app whose tokens do not expire.
fn tokens(body: &Value) -> Option<Renewed> {
    let token = |key: &str| body[key].as_str().filter(|token| is_token(token)).map(Secret::new);
    let seconds = body["expires_in"].as_u64().filter(|seconds| *seconds > 0)?;
    let lifetime = Duration::from_secs(seconds).min(LIFETIME_MAX);
    Some(Renewed::Tokens { access: token("access_token")?, refresh: token("refresh_token")?, lifetime })
}

/// What can stand in a header (RFC 6750, 2.1).
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.len() <= TOKEN_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn document(reply: &HttpReply) -> Option<Value> {
    if reply.truncated { None } else { serde_json::from_slice(&reply.body).ok() }
}

fn error(status: u16, word: &str) -> Renewed {
    let Some(row) = ErrorRow::find(RENEWAL, status, &[word.to_owned()]) else {
        let why = format!("no access token: Slack answered {status} where tokens are renewed: correct `api_url`");
        return Renewed::Refused(why);
    };
    // What is not Slack's word is not repeated.
    let said = if is_word(word) { format!("{word} ({status})") } else { status.to_string() };
    let remedy = if row.remedy.is_empty() { String::new() } else { format!(": {}", row.remedy) };
    let why = format!("no access token: Slack says {said} to a renewal: {}{remedy}", row.meaning);
    match row.class {
        ErrorClass::Busy => Renewed::Away(why),
        ErrorClass::Again => Renewed::Doubtful(why),
        _ => Renewed::Refused(why),
    }
}

fn is_word(text: &str) -> bool {
    (1..=60).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// It may have been taken all the same.
fn unreadable(what: &str) -> Renewed {
    Renewed::Doubtful(format!("no access token: what Slack answered to a renewal {what}"))
}

/// Words of every method that mean that the token is the fault. Nothing was done then.
const NOT_ACCEPTED: [&str; 3] = ["token_expired", "invalid_auth", "token_revoked"];
const TOKEN_BYTES_MAX: usize = 4 << 10;
/// Slack says twelve hours. Longer ones are renewed all the same.
const LIFETIME_MAX: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::super::KIND;
    use super::*;
    use crate::destinations::testing::{self, reply};
    use crate::destinations::{Connection, Exchange, Grant, Message, Next, Receiver, Reply};

    const ROTATING: &str = "refresh_token = { env = \"SLACK_REFRESH_TOKEN\" }\nclient_id = \"60503450.61416\"\n\
                            client_secret = { env = \"SLACK_CLIENT_SECRET\" }\nchannel = \"C00000000\"";

    fn answered(status: u16, body: &str) -> HttpReply {
        match reply(status, body) {
            Reply::Http(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn settings_are_read_and_faults_named() {
        assert_eq!(testing::said(&KIND, ROTATING), "");
        for (bad, said) in [
            (ROTATING.replace("client_id = \"60503450.61416\"\n", ""), "client_id: is missing"),
            (ROTATING.replace("channel = \"C00000000\"", ""), "channel: is missing"),
            (
                ROTATING.replace("\"SLACK_REFRESH_TOKEN\"", "\"SLACK_TOKEN\""),
                "refresh_token: is an access token; set the refresh",
            ),
            (ROTATING.replace("\"SLACK_REFRESH_TOKEN\"", "\"LINES\""), "refresh_token: is empty or holds characters"),
            (ROTATING.replace("\"SLACK_CLIENT_SECRET\"", "\"LINES\""), "client_secret: is empty or holds characters"),
            (ROTATING.replace("refresh_token = {", "token = {"), "token: stands beside 'client_id'; keep token, or"),
            (format!("{ROTATING}\ntoken = {{ env = \"SLACK_TOKEN\" }}"), "token: stands beside 'refresh_token'"),
            (
                format!("{ROTATING}\nwebhook_url = {{ env = \"SLACK_WEBHOOK_URL\" }}"),
                "webhook_url: stands beside token",
            ),
            ("client_id = \"1.2\"\nchannel = \"C00000000\"".to_owned(), "refresh_token: is missing"),
            ("client_secret = \"hunter2\"\nchannel = \"C00000000\"".to_owned(), "a secret is not written here"),
        ] {
            let faults = testing::build(&KIND, &bad).unwrap_err();
            assert!(faults.contains(said) && !testing::leaks(&faults), "{bad}: {faults}");
            assert!(!faults.contains("hunter2") && faults.starts_with("line "), "{faults}");
        }
        let expiring = "token = { env = \"SLACK_ROTATED_TOKEN\" }\nchannel = \"C00000000\"";
        assert!(
            testing::said(&KIND, expiring)
                .contains("token: expires after 12 hours, because the app has token rotation")
        );
    }

    #[test]
    fn requests_carry_no_credential_of_their_own_and_go_over_a_connection_that_has_some() {
        let receiver = testing::build(&KIND, ROTATING).unwrap();
        let Receiver::Notifier(notifier) = &receiver else { panic!() };
        let event = testing::event("full");
        let job = testing::job(&event);
        let telling = crate::destinations::ProbeTelling::of(&event, notifier.class(), job.now);
        let next = Exchange::Change(notifier.as_ref(), &job, &telling.telling()).first();
        let Next::Send(_, Message::HttpOver(connection, request)) = next else { panic!("{next:?}") };
        assert!(!request.headers.iter().any(|(name, _)| name == "Authorization"));
        let Connection { grant: Some(Grant::RefreshToken(rotating)), .. } = &*connection else { panic!() };
        assert_eq!(rotating.token_url.as_str(), "https://slack.com/api/oauth.v2.access");
        assert!(!testing::leaks(&format!("{connection:?} {receiver:?}")));
        let renewal = rotating.renewal(&Secret::new("xoxe-1-a+b"));
        let form: Vec<(String, String)> = url::form_urlencoded::parse(&renewal.body).into_owned().collect();
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            form,
            [
                ("grant_type", "refresh_token"),
                ("client_id", "60503450.61416"),
                ("client_secret", "not-a-real-client-secret"),
                ("refresh_token", "xoxe-1-a+b"),
            ]
        );
        // Another refresh token of the same app reaches what was made with the former one.
        let renewed = testing::build(&KIND, &ROTATING.replace("SLACK_REFRESH_TOKEN", "SHORT")).unwrap();
        let other = testing::build(&KIND, &ROTATING.replace("60503450", "1")).unwrap();
        let fingerprint = |receiver: &Receiver| match receiver {
            Receiver::Notifier(notifier) => notifier.fingerprint(),
            Receiver::Sink(_) => panic!(),
        };
        assert_eq!(fingerprint(&receiver), fingerprint(&renewed));
        assert_ne!(fingerprint(&receiver), fingerprint(&other));
    }

    #[test]
    fn answers_to_a_renewal_are_told_apart() {
        let good = r#"{"ok":true,"access_token":"xoxe.xoxb-1-new","expires_in":43200,"refresh_token":"xoxe-1-new","token_type":"bot"}"#;
        let Renewed::Tokens { access, refresh, lifetime } = Rotation.read(&answered(200, good)) else { panic!() };
        assert_eq!((access.expose_str(), refresh.expose_str()), (Some("xoxe.xoxb-1-new"), Some("xoxe-1-new")));
        assert_eq!(lifetime, Duration::from_secs(43200));
        let word = |word: &str| format!(r#"{{"ok":false,"error":"{word}"}}"#);
        for (status, body, kind, said) in [
            (
                200,
                word("invalid_refresh_token"),
                'r',
                "invalid_refresh_token (200) to a renewal: the refresh token was used before",
            ),
            (200, word("bad_client_secret"), 'r', "`client_secret` is not that of the app: copy it from"),
            (200, word("invalid_client_id"), 'r', "`client_id`"),
            (200, word("ratelimited"), 'a', "the rate is limited"),
            (200, word("internal_error"), 'd', "something went wrong midway"),
            (200, word("brand_new_error"), 'r', "brand_new_error (200) to a renewal: the error is not in"),
            (200, word("your secret is s3cret"), 'r', "Slack says 200 to a renewal"),
            (429, String::new(), 'a', "the rate is limited"),
            (503, "<html>".to_owned(), 'd', "Slack is in trouble"),
            (404, "{}".to_owned(), 'r', "Slack answered 404 where tokens are renewed: correct `api_url`"),
            (200, "<html>".to_owned(), 'd', "is not its JSON"),
            (200, "{}".to_owned(), 'r', "the error is not in gatepost's table"),
            (200, good.replace("43200", "0"), 'd', "is no bot token"),
            (200, good.replace("xoxe-1-new", ""), 'd', "is no bot token"),
            (200, good.replace("xoxe.xoxb-1-new", "a b"), 'd', "is no bot token"),
        ] {
            let (found, why) = match Rotation.read(&answered(status, &body)) {
                Renewed::Refused(why) => ('r', why),
                Renewed::Away(why) => ('a', why),
                Renewed::Doubtful(why) => ('d', why),
                Renewed::Tokens { .. } => panic!("{body}"),
            };
            assert_eq!(found, kind, "{status} {body}: {why}");
            assert!(
                why.contains(said) && why.starts_with("no access token: ") && !why.contains("s3cret"),
                "{body}: {why}"
            );
        }
    }

    #[test]
    fn only_what_is_said_of_the_token_has_it_renewed() {
        for (word, is_refused) in [
            ("token_expired", true),
            ("invalid_auth", true),
            ("token_revoked", true),
            ("not_authed", false),
            ("account_inactive", false),
            ("channel_not_found", false),
        ] {
            let body = format!(r#"{{"ok":false,"error":"{word}"}}"#);
            assert_eq!(Rotation.is_refused(&answered(200, &body)), is_refused, "{word}");
        }
        assert!(!Rotation.is_refused(&answered(200, r#"{"ok":true,"ts":"1"}"#)));
        assert!(!Rotation.is_refused(&answered(500, "token_expired")));
    }
}

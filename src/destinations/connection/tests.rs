//! The settings of a connection, and that every request of a destination has them.

use super::*;
use crate::destinations::testing;
use crate::destinations::{HttpRequest, KINDS, Kind, Message, Next, ProbeTelling, Receiver, webhook};
use crate::domain::{Purpose, Secret};

const URL: &str = "url = \"https://soar.acme.example/hooks\"\nsecret = { env = \"WEBHOOK_SECRET\" }";
const IDENTITY: &str = "client_cert = \"client.pem\"\nclient_key = { env = \"CLIENT_KEY\" }";

fn with(more: &str) -> String {
    format!("{URL}\n{more}")
}

/// The kinds that speak HTTP.
fn kinds() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().copied().filter(|kind| !matches!(kind.carrier, Carrier::Own))
}

#[test]
fn settings_of_tls_are_read_and_faults_named() {
    for good in [
        "ca_file = \"authority.pem\"",
        IDENTITY,
        "client_cert = \"client.pem\"\nclient_key = \"client.key\"",
        "client_cert = \"client.pem\"\nclient_key = { file = \"client.key\" }\nca_file = \"authority.pem\"",
    ] {
        assert_eq!(testing::said(&webhook::KIND, &with(good)), "", "{good}");
    }
    for (bad, said) in [
        ("ca_file = \"absent.pem\"", "ca_file: /etc/gatepost/absent.pem cannot be read"),
        ("ca_file = \"empty.pem\"", "ca_file: holds no certificates"),
        ("ca_file = \"client.key\"", "ca_file: holds no certificates"),
        ("client_cert = \"client.pem\"", "client_cert: stands without 'client_key'"),
        ("client_key = { env = \"CLIENT_KEY\" }", "client_key: stands without 'client_cert'"),
        ("client_cert = \"client.key\"\nclient_key = \"client.key\"", "client_cert: holds no certificates"),
        ("client_cert = \"client.pem\"\nclient_key = \"client.pem\"", "client_key: holds no private key"),
        ("client_cert = \"client.pem\"\nclient_key = { env = \"SHORT\" }", "client_key: holds no private key"),
        ("client_cert = \"client.pem\"\nclient_key = { env = \"UNSET\" }", "UNSET is not set"),
        (
            "client_cert = \"client.pem\"\nclient_key = \"receiver.key\"",
            "client_key: does not belong to the certificate",
        ),
        ("client_cert = \"client.pem\"\nclient_key = \"client-encrypted.key\"", "client_key: is encrypted"),
    ] {
        let faults = testing::build(&webhook::KIND, &with(bad)).unwrap_err();
        assert!(faults.contains(said) && faults.starts_with("line "), "{bad}: {faults}");
        assert!(!faults.contains("PRIVATE KEY-----"), "{faults}");
    }
    for (odd, said) in [
        ("client_cert = \"client-expired.pem\"\nclient_key = \"client.key\"", "expired at 01 Feb 2020 00:00:00 UTC"),
        ("client_cert = \"early.pem\"\nclient_key = \"receiver.key\"", "begins at 01 Jan 2047 00:00:00 UTC"),
    ] {
        let warnings = testing::said(&webhook::KIND, &with(odd));
        assert!(warnings.contains(said) && testing::build(&webhook::KIND, &with(odd)).is_ok(), "{odd}: {warnings}");
    }
    let plain = format!("{}\nca_file = \"authority.pem\"", URL.replace("https", "http"));
    assert!(testing::said(&webhook::KIND, &plain).contains("ca_file: has no effect over plain http"));
}

#[test]
fn settings_of_a_proxy_are_read_and_faults_named() {
    let good = "proxy = \"http://gate%40post@127.0.0.1:3128/\"\nproxy_password = { env = \"SMTP_PASSWORD\" }";
    for good in ["proxy = \"http://proxy.internal:3128\"", "proxy = \"http://[::1]:8080\"", good] {
        assert_eq!(testing::said(&webhook::KIND, &with(good)), "", "{good}");
    }
    let (connection, _) = carried(first(&testing::build(&webhook::KIND, &with(good)).unwrap())).unwrap();
    let proxy = connection.proxy.as_ref().unwrap();
    assert_eq!((proxy.host.as_str(), proxy.port), ("127.0.0.1", 3128));
    // gate@post:not-a-real-mail-password
    let basic = "Basic Z2F0ZUBwb3N0Om5vdC1hLXJlYWwtbWFpbC1wYXNzd29yZA==";
    assert_eq!(proxy.authorization.as_ref().and_then(Secret::expose_str), Some(basic));
    assert!(!format!("{connection:?}").contains("Z2F0"));
    let password = "proxy_password = { env = \"SMTP_PASSWORD\" }";
    for (bad, said) in [
        ("proxy = \"proxy.internal:3128\"".to_owned(), "proxy: is no proxy that is reached by http"),
        ("proxy = \"3128\"".to_owned(), "proxy: is not a URL"),
        ("proxy = \"https://proxy.internal:3128\"".to_owned(), "TLS with the destination goes through it"),
        ("proxy = \"socks5://proxy.internal:1080\"".to_owned(), "proxy: is no proxy that is reached by http"),
        ("proxy = \"http://u:hunter2@proxy.internal\"".to_owned(), "holds a password; set it as proxy_password"),
        ("proxy = \"http://proxy.internal:3128/path\"".to_owned(), "something after the port"),
        ("proxy = \"http://u@proxy.internal:3128\"".to_owned(), "proxy_password: is missing, and `proxy` names a user"),
        (
            format!("proxy = \"http://proxy.internal:3128\"\n{password}"),
            "proxy: names no user, and there is a password",
        ),
        (format!("proxy = \"http://a%3Ab@proxy.internal:3128\"\n{password}"), "proxy: has a user with a colon"),
        (format!("proxy = \"http://a%0a@proxy.internal:3128\"\n{password}"), "proxy: has a user that cannot be read"),
        (
            "proxy = \"http://u@proxy.internal:3128\"\nproxy_password = { env = \"LINES\" }".to_owned(),
            "no login can carry",
        ),
        (
            "proxy = \"http://u@proxy.internal:3128\"\nproxy_password = \"hunter2\"".to_owned(),
            "a secret is not written here",
        ),
        (password.to_owned(), "proxy_password: stands without 'proxy'"),
    ] {
        let faults = testing::build(&webhook::KIND, &with(&bad)).unwrap_err();
        assert!(faults.contains(said) && !faults.contains("hunter2"), "{bad}: {faults}");
    }
    let far = format!("proxy = \"http://u@proxy.internal:3128\"\n{password}");
    assert!(testing::said(&webhook::KIND, &with(&far)).contains("proxy_password: goes to the proxy unencrypted"));
    for kind in ["email", "syslog"] {
        let kind = crate::destinations::find(kind).unwrap();
        let faults = testing::build(kind, &format!("{}\nproxy = \"http://p:3128\"", kind.template)).unwrap_err();
        assert!(faults.contains("does not go through an HTTP proxy; leave it out"), "{faults}");
    }
}

#[test]
fn settings_of_oauth_are_read_and_faults_named() {
    let oauth =
        |more: &str| format!("oauth = {{ client_id = \"id\", client_secret = {{ env = \"COLLECTOR_TOKEN\" }}{more} }}");
    let snow = format!("url = \"https://acme.service-now.com/\"\n{}", oauth(""));
    let snow_kind = crate::destinations::find("servicenow").unwrap();
    let (connection, request) = carried(first(&testing::build(snow_kind, &snow).unwrap())).unwrap();
    let Some(Grant::ClientCredentials(read)) = &connection.grant else { panic!("{connection:?}") };
    assert_eq!(read.token_url.as_str(), "https://acme.service-now.com/oauth_token.do");
    assert_eq!((read.client_id.as_str(), read.scope.as_deref()), ("id", None));
    assert!(!request.headers.iter().any(|(name, _)| name == "Authorization"));
    assert!(!testing::leaks(&format!("{connection:?}")));
    let at = ", token_url = \"https://login.acme.example/t\", scope = \"a b\"";
    let elastic = format!("url = \"https://e.acme.example\"\nindex = \"alerts\"\n{}", oauth(at));
    let elastic_kind = crate::destinations::find("elasticsearch").unwrap();
    assert_eq!(testing::said(elastic_kind, &elastic), "");
    assert_eq!(testing::said(&webhook::KIND, &with(&oauth(at))), "");
    for (kind, bad, said) in [
        (&webhook::KIND, with(&oauth("")), "oauth.token_url: is missing"),
        (&webhook::KIND, with("oauth = { token_url = \"https://h.example\" }"), "oauth.client_id: is missing"),
        (&webhook::KIND, with(&oauth(", token_url = \"h.example\"")), "oauth.token_url: is not a URL"),
        (&webhook::KIND, with(&oauth(&format!("{at}, audience = \"x\""))), "oauth.audience: is not a known key"),
        (
            &webhook::KIND,
            with(&format!("{}\nheaders = {{ Authorization = {{ env = \"COLLECTOR_TOKEN\" }} }}", oauth(at))),
            "is that of 'oauth'",
        ),
        (&webhook::KIND, with("oauth = \"x\""), "oauth: is a string, not a table"),
        (snow_kind, format!("{snow}\ntoken = {{ env = \"SERVICENOW_TOKEN\" }}"), "token: stands beside 'oauth'"),
        (snow_kind, format!("{snow}\nuser = \"u\""), "user: stands beside 'oauth'"),
        (
            elastic_kind,
            format!("{elastic}\napi_key = {{ env = \"ELASTIC_API_KEY\" }}"),
            "api_key: does not go with 'oauth'",
        ),
    ] {
        let faults = testing::build(kind, &bad).unwrap_err();
        assert!(faults.contains(said) && !testing::leaks(&faults), "{bad}: {faults}");
    }
    for kind in kinds().filter(|kind| matches!(kind.carrier, Carrier::Http | Carrier::HttpOrRotation(_))) {
        let faults = testing::build(kind, &format!("{}\n{}", kind.template, oauth(at))).unwrap_err();
        assert!(faults.contains("oauth: is not a known key"), "{}: {faults}", kind.name);
    }
}

#[test]
fn every_destination_that_speaks_tls_takes_them() {
    for kind in kinds() {
        let settings = format!("{}\nca_file = \"authority.pem\"\n{IDENTITY}", kind.template);
        assert!(testing::build(kind, &settings).is_ok(), "{}: {:?}", kind.name, testing::build(kind, &settings).err());
    }
    for kind in ["email", "syslog"] {
        let kind = crate::destinations::find(kind).unwrap();
        let settings = format!("{}\nca_file = \"authority.pem\"\n{IDENTITY}", kind.template);
        assert!(testing::build(kind, &settings).is_ok(), "{}: {:?}", kind.name, testing::build(kind, &settings).err());
    }
}

/// The first message to a destination.
fn first(receiver: &Receiver) -> Next {
    let event = testing::event("full");
    match receiver {
        Receiver::Sink(sink) => sink.first(&testing::batch_of(std::slice::from_ref(&event), Purpose::Alert).as_batch()),
        Receiver::Notifier(notifier) => {
            let job = testing::job(&event);
            let probe = ProbeTelling::of(&event, notifier.class(), job.now);
            notifier.first(&job, &probe.telling())
        }
    }
}

fn carried(next: Next) -> Option<(Arc<Connection>, HttpRequest)> {
    match next {
        Next::Send(_, Message::HttpOver(connection, request)) => Some((connection, request)),
        _ => None,
    }
}

#[test]
fn every_request_travels_as_it_is_set() {
    for kind in kinds() {
        let bare = testing::build(kind, kind.template).unwrap();
        assert!(matches!(first(&bare), Next::Send(_, Message::Http(_))), "{}", kind.name);
        let set = testing::build(kind, &format!("{}\nca_file = \"authority.pem\"\n{IDENTITY}", kind.template)).unwrap();
        let (connection, request) = carried(first(&set)).unwrap_or_else(|| panic!("{}", kind.name));
        assert_eq!(connection.tls.authorities.as_ref().map(Vec::len), Some(1));
        assert!(connection.tls.identity.is_some());
        let Next::Send(_, Message::Http(same)) = first(&bare) else { panic!("{}", kind.name) };
        assert_eq!(request.url, same.url);
        assert_eq!(bare.pace(), set.pace());
        if let (Receiver::Notifier(bare), Receiver::Notifier(set)) = (&bare, &set) {
            assert_eq!((bare.fingerprint(), bare.class()), (set.fingerprint(), set.class()), "{}", kind.name);
        }
        assert!(!format!("{connection:?} {set:?}").contains("PRIVATE"));
    }
}

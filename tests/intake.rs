//! `POST /webhooks/{source}` over real HTTP: every answer that vendors are promised.

// A helper that fails is a test that fails.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use std::sync::{Arc, Barrier, LazyLock};
use std::time::{Duration, Instant};

use gatepost::standins::{Rate, StandIn, jira, pagerduty, slack};
use harness::{Answer, Connection, Gateway, PATIENCE, Post, gzip, hmac_hex, unix_now, until};
use serde_json::Value;

const ADRIAN: &str = "adrian-signs-with-these-32-bytes";
const AKTO: &str = "akto-shows-this-token-of-32-byte";
const SCANNER: &str = "scanner-signs-with-these-32-byte";
const OTHER: &str = "another-party-has-these-32-bytes";

/// Three sources, one of each way to authenticate, and an archive.
fn config() -> String {
    format!(
        r#"
[sources.adrian]
vendor = "secureagentics"
secrets = [{{ value = "{ADRIAN}" }}]
body_limit = "4MiB"

[sources.akto]
vendor = "akto"
secrets = [{{ value = "{AKTO}" }}]

[sources.scanner]
vendor = "generic"
secrets = [{{ value = "{SCANNER}" }}]
verify = {{ scheme = "hmac", header = "x-acme-signature", prefix = "sha256=", signed = "{{timestamp}}.{{body}}", timestamp = {{ header = "x-acme-timestamp", tolerance = "5m" }} }}
id = {{ header = "x-acme-delivery" }}

{ARCHIVE}"#
    )
}

const ARCHIVE: &str = r#"
[destinations.archive]
type = "file"
path = "events.ndjson"

[[routes]]
name = "everything"
to = ["archive"]
"#;

/// An alert dated now, because signed events that are old go to quarantine. The same id makes the same bytes.
fn alert(id: &str) -> Vec<u8> {
    static NOW: LazyLock<i64> = LazyLock::new(unix_now);
    format!(r#"{{"id":"{id}","type":"alert.triggered","timestamp":{},"data":{{}}}}"#, *NOW).into_bytes()
}

/// A post to `adrian` with these signature lines.
fn signed(body: &[u8], signatures: &[&str]) -> Post {
    let post = Post::to("/webhooks/adrian").body(body);
    signatures.iter().fold(post, |post, signature| post.line("X-Secureagentics-Signature", *signature))
}

fn bearer(source: &str) -> Post {
    Post::to(format!("/webhooks/{source}")).line("Authorization", format!("Bearer {AKTO}"))
}

/// A post to `scanner`, signed for this time.
fn timed(body: &[u8], time: i64) -> Post {
    let signed = [time.to_string().as_bytes(), b".", body].concat();
    let signature = format!("sha256={}", hmac_hex(SCANNER, &signed));
    Post::to("/webhooks/scanner").line("x-acme-signature", signature).body(body)
}

#[test]
fn the_same_request_is_accepted_once_and_then_known_for_ever() {
    let mut gateway = Gateway::start(&config());
    let body = alert("evt_1");
    let receipt = gateway.post_signed("adrian", ADRIAN, &body).accepted();
    assert_eq!(gateway.post_signed("adrian", ADRIAN, &body).duplicate(), receipt);
    // The vendor's id makes it the same, not the bytes around it.
    let respelled = br#"{ "type": "alert.triggered", "id": "evt_1" }"#;
    assert_eq!(gateway.post_signed("adrian", ADRIAN, respelled).duplicate(), receipt);
    assert_ne!(gateway.post_signed("adrian", ADRIAN, &alert("evt_2")).accepted(), receipt);
    // Akto has no ids: the body makes it the same, and another source's requests are never.
    let other = gateway.post_bearer("akto", AKTO, &body).accepted();
    assert_eq!(gateway.post_bearer("akto", AKTO, &body).duplicate(), other);
    assert!(gateway.stop().success());
    gateway.serve_again();
    assert_eq!(gateway.post_signed("adrian", ADRIAN, &body).duplicate(), receipt);
    gateway.settle();
    assert_eq!((gateway.list("receipts", &[]).len(), gateway.list("events", &[]).len()), (3, 3));
}

#[test]
fn only_the_right_signature_opens() {
    let gateway = Gateway::start(&config());
    let body = alert("evt_1");
    let right = hmac_hex(ADRIAN, &body);
    let refused: &[(&str, &[&str], &str)] = &[
        ("none", &[], "signature-missing"),
        ("empty", &[""], "signature-missing"),
        ("wrong", &[&right.replace(['0', '1', '2'], "f")], "signature-mismatch"),
        ("truncated", &[&right[..63]], "signature-mismatch"),
        ("truncated to whole bytes", &[&right[..62]], "signature-mismatch"),
        ("longer", &[&format!("{right}00")], "signature-mismatch"),
        ("of another secret", &[&hmac_hex(OTHER, &body)], "signature-mismatch"),
        ("of another body", &[&hmac_hex(ADRIAN, &alert("evt_2"))], "signature-mismatch"),
        ("of no body", &[&hmac_hex(ADRIAN, b"")], "signature-mismatch"),
        ("doubled", &[&right, &right], "signature-mismatch"),
        ("doubled, the wrong one first", &[&"0".repeat(64), &right], "signature-mismatch"),
        ("two in one line", &[&format!("{right},{right}")], "signature-mismatch"),
        ("with another prefix", &[&format!("sha1={right}")], "signature-mismatch"),
        ("the secret itself", &[ADRIAN], "signature-mismatch"),
        ("no hexadecimal", &[&"g".repeat(64)], "signature-mismatch"),
        ("huge", &[&"a".repeat(8000)], "signature-mismatch"),
    ];
    for (what, signatures, code) in refused {
        println!("{what}");
        signed(&body, signatures).send(gateway.server).refused(401, code);
    }
    signed(&alert("evt_2"), &[&right]).send(gateway.server).refused(401, "signature-mismatch");
    assert!(gateway.list("receipts", &[]).is_empty(), "something was stored that is not authentic");

    for (id, shape) in [("evt_3", "plain"), ("evt_4", "upper"), ("evt_5", "prefix"), ("evt_6", "blanks")] {
        let body = alert(id);
        let right = hmac_hex(ADRIAN, &body);
        let signature = match shape {
            "upper" => right.to_uppercase(),
            "prefix" => format!("sha256={right}"),
            "blanks" => format!("  {right}\t "),
            _ => right,
        };
        println!("{shape}");
        signed(&body, &[&signature]).send(gateway.server).accepted();
    }
}

#[test]
fn only_the_right_token_opens() {
    let gateway = Gateway::start(&config());
    let post = |lines: &[&str]| {
        let post = Post::to("/webhooks/akto").body("[]");
        lines.iter().fold(post, |post, value| post.line("authorization", *value)).send(gateway.server)
    };
    let right = format!("Bearer {AKTO}");
    for (lines, code) in [
        (&[][..], "signature-missing"),
        (&[""], "signature-missing"),
        (&["Bearer"], "signature-missing"),
        (&["Bearer "], "signature-missing"),
        (&[AKTO], "signature-mismatch"),
        (&[&format!("Basic {AKTO}")], "signature-mismatch"),
        (&[&format!("Bearer {OTHER}")], "signature-mismatch"),
        (&[&right[..right.len() - 1]], "signature-mismatch"),
        (&[&format!("{right}x")], "signature-mismatch"),
        (&[&right.to_uppercase()], "signature-mismatch"),
        (&[&right, &right], "signature-mismatch"),
    ] {
        println!("{lines:?}");
        post(lines).refused(401, code);
    }
    let receipt = post(&[&right]).accepted();
    assert_eq!(post(&[&right.replace("Bearer", "bearer")]).duplicate(), receipt);
    // A signature of another vendor is no token.
    signed(b"{}", &[&hmac_hex(AKTO, b"{}")]).send(gateway.server).refused(401, "signature-mismatch");
}

#[test]
fn a_signed_time_must_be_the_present() {
    let gateway = Gateway::start(&config());
    let (now, body) = (unix_now(), br#"{"title":"x"}"#);
    let with_time = |post: Post, time: i64| post.line("x-acme-timestamp", time.to_string());
    let receipt = with_time(timed(body, now), now).line("x-acme-delivery", "d1").send(gateway.server).accepted();
    for (what, post, code) in [
        ("ten minutes ago", with_time(timed(body, now - 600), now - 600), "timestamp-stale"),
        ("in ten minutes", with_time(timed(body, now + 600), now + 600), "timestamp-stale"),
        ("in 1970", with_time(timed(body, 0), 0), "timestamp-stale"),
        ("no time", timed(body, now), "signature-missing"),
        ("another time than the signed one", with_time(timed(body, now - 600), now), "signature-mismatch"),
        ("two times", with_time(with_time(timed(body, now), now), now), "signature-mismatch"),
        ("no prefix", signed_without_prefix(body, now), "signature-mismatch"),
    ] {
        println!("{what}");
        post.line("x-acme-delivery", "d2").send(gateway.server).refused(401, code);
    }
    // The vendor's retry is signed anew and has the same id.
    let again = with_time(timed(body, now - 60), now - 60).line("x-acme-delivery", "d1").send(gateway.server);
    assert_eq!(again.duplicate(), receipt);
    let other_id = |time: i64| with_time(timed(body, time), time).line("x-acme-delivery", "d2").send(gateway.server);
    assert_eq!(other_id(now).duplicate(), receipt, "captured: no signature covers the id");
    other_id(now - 1).accepted();
}

fn signed_without_prefix(body: &[u8], now: i64) -> Post {
    let signature = hmac_hex(SCANNER, &[now.to_string().as_bytes(), b".", body].concat());
    let post = Post::to("/webhooks/scanner").line("x-acme-signature", signature).body(body);
    post.line("x-acme-timestamp", now.to_string())
}

#[test]
fn what_is_not_a_webhook_is_refused_in_the_same_words() {
    let gateway = Gateway::start(&config());
    let body = alert("evt_1");
    let to = |path: &str| Post::to(path).line("x-secureagentics-signature", hmac_hex(ADRIAN, &body)).body(&*body);
    for path in ["/webhooks/absent", "/webhooks/Adrian", "/webhooks/adrian%20", "/webhooks/..", "/webhooks/a.b"] {
        println!("{path}");
        to(path).send(gateway.server).refused(404, "unknown-source");
    }
    for path in ["/", "/webhooks", "/webhooks/", "/webhooks/adrian/", "/webhooks/adrian/x", "/healthz", "/metrics"] {
        println!("{path}");
        to(path).send(gateway.server).refused(404, "not-found");
    }
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
        println!("{method}");
        let answer = to("/webhooks/adrian").method(method).send(gateway.server);
        answer.refused(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), Some("POST"));
    }
    let head = Post::to("/webhooks/adrian").method("HEAD").send(gateway.server);
    assert_eq!((head.status, head.header("allow")), (405, Some("POST")));
    assert_eq!(to("/webhooks/adrian").send(gateway.admin).status, 404, "vendors do not reach the operator's listener");
    to("/webhooks/absent").method("GET").send(gateway.server).refused(405, "method-not-allowed");
    let metrics = Post::get("/metrics").send(gateway.admin).text().to_owned();
    for counted in
        ["source=\"adrian\",outcome=\"method-not-allowed\"} 8", "source=\"unknown\",outcome=\"method-not-allowed\"} 1"]
    {
        assert!(metrics.contains(counted), "{counted} is missing in\n{metrics}");
    }
    assert!(gateway.list("receipts", &[]).is_empty());
    // The query is not part of the source: vendors append to URLs.
    to("/webhooks/adrian?from=akto").send(gateway.server).accepted();
}

#[test]
fn a_body_over_the_limit_is_refused_however_it_comes() {
    let mut gateway = Gateway::start(&config().replace("[sources.akto]", "[sources.akto]\nbody_limit = \"8KiB\""));
    let full = vec![b'a'; 8192];
    bearer("akto").body(full.clone()).send(gateway.server).accepted();
    assert_eq!(bearer("akto").body(full.clone()).send_chunked(gateway.server, 100).status, 200);
    let over = [&full[..], b"b"].concat();

    let mut announced = Connection::open(gateway.server);
    announced.send(&bearer("akto").head("content-length: 8193"));
    announced.answer().refused(413, "body-too-large");
    assert!(announced.is_closed(), "the rest of the body would be read as a request");
    let mut absurd = Connection::open(gateway.server);
    absurd.send(&bearer("akto").head("content-length: 18446744073709551615"));
    absurd.answer().refused(413, "body-too-large");

    bearer("akto").body(over.clone()).send(gateway.server).refused(413, "body-too-large");
    bearer("akto").body(over.clone()).send_chunked(gateway.server, 100).refused(413, "body-too-large");
    endless(&gateway).refused(413, "body-too-large");

    let zipped = |body: &[u8]| bearer("akto").line("content-encoding", "gzip").body(gzip(body)).send(gateway.server);
    let bomb = vec![0; 4 << 20];
    assert!(gzip(&bomb).len() < 8192, "the bomb is refused for its size on the wire");
    zipped(&bomb).refused(413, "body-too-large");
    zipped(&over).refused(413, "body-too-large");
    // Two members, each within the limit.
    let members = [gzip(&full), gzip(&full)].concat();
    bearer("akto").line("content-encoding", "gzip").body(members).send(gateway.server).refused(413, "body-too-large");
    zipped(&full).accepted();

    // A large body without a signature is refused, whatever the source's own limit is.
    let unsigned = Post::to("/webhooks/adrian").body(vec![b'a'; 3 << 20]);
    unsigned.send(gateway.server).refused(401, "signature-missing");
    Post::to("/webhooks/absent").body(vec![b'a'; 3 << 20]).send(gateway.server).refused(413, "body-too-large");
    assert_eq!(gateway.list("receipts", &[]).len(), 2);
    assert!(gateway.is_alive());
}

/// Chunks without end, until there is an answer.
fn endless(gateway: &Gateway) -> Answer {
    let mut connection = Connection::open(gateway.server);
    connection.send(&bearer("akto").head("transfer-encoding: chunked"));
    let chunk = harness::chunk(&[b'a'; 1000]);
    let begun = Instant::now();
    while connection.offer(&chunk) {
        assert!(begun.elapsed() < PATIENCE, "it is taken in for ever, for a source that takes 8 KiB");
    }
    connection.answer()
}

#[test]
fn an_early_answer_closes_the_connection() {
    let gateway = Gateway::start_with("body_idle_timeout = \"300ms\"", &config());
    let adrian = || Post::to("/webhooks/adrian");
    let early = [
        ("no such path", Post::to("/nothing"), 404),
        ("wrong method", adrian().method("PUT"), 405),
        ("no such source", Post::to("/webhooks/absent"), 408),
        ("no signature", adrian(), 408),
        ("wrong token", bearer("akto").line("authorization", "Bearer x"), 408),
        ("silence", adrian().line("x-secureagentics-signature", "00"), 408),
    ];
    let mut connections = Vec::new();
    for (what, post, status) in early {
        for framing in ["transfer-encoding: chunked", "content-length: 1000"] {
            let mut connection = Connection::open(gateway.server);
            connection.send(&post.head(framing));
            connections.push((format!("{what}, {framing}"), connection, status));
        }
    }
    // Connections are limited.
    for (what, connection, status) in &mut connections {
        println!("{what}");
        assert_eq!(connection.answer().status, *status);
        assert!(connection.is_closed());
    }
}

#[test]
fn a_request_that_is_under_way_is_finished_before_the_end() {
    let mut gateway = Gateway::start(&config());
    let body = alert("evt_1");
    let mut begun = Connection::open(gateway.server);
    let length = format!("content-length: {}", body.len());
    begun.send(&signed(&body, &[&hmac_hex(ADRIAN, &body)]).head(&length));
    begun.send(&body[..10]);
    // The answer to a later request shows that this one has been taken up.
    gateway.post_signed("adrian", ADRIAN, &alert("evt_2")).accepted();
    let server = gateway.server;
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| gateway.stop());
        until("no new connection is let in", || std::net::TcpStream::connect(server).is_err().then_some(()));
        begun.send(&body[10..]);
        begun.answer().accepted();
        assert_eq!(stopping.join().unwrap().code(), Some(0));
    });
    gateway.serve_again();
    assert_eq!(gateway.list("receipts", &[]).len(), 2);
    gateway.signal("INT");
    until("SIGINT ends it as well", || (!gateway.is_alive()).then_some(()));
}

#[test]
fn gzip_is_taken_where_the_vendor_sends_it() {
    let gateway = Gateway::start(&config());
    let body = br#"[{"id":"1","filterId":"XSS","actor":"192.0.2.1","url":"/"}]"#;
    let coded = |encoding: &str, body: &[u8]| bearer("akto").line("content-encoding", encoding).body(body);
    let receipt = coded("gzip", &gzip(body)).send(gateway.server).accepted();
    assert_eq!(coded("x-gzip", &gzip(body)).send(gateway.server).duplicate(), receipt);
    assert_eq!(coded("GZIP", &gzip(body)).send(gateway.server).duplicate(), receipt);
    // Empty and authentic: Akto does that.
    coded("gzip", &gzip(b"")).send(gateway.server).accepted();
    coded("identity", body).send(gateway.server).accepted();
    // Unauthenticated clients are told only that they are not authenticated.
    coded("gzip", b"no gzip").line("authorization", "x").send(gateway.server).refused(401, "signature-mismatch");

    gateway.settle();
    let shown = gateway.show("receipts", &receipt);
    assert_eq!(shown["body_hex"], hex::encode(gzip(body)), "the raw body is what came over the wire");
    assert_eq!(shown["encoding"], "gzip");
    let events = shown["events"].as_array().unwrap();
    assert_eq!((events.len(), events[0]["actor"]["ip"].as_str()), (1, Some("192.0.2.1")));
}

#[test]
fn an_authentic_body_is_kept_whatever_its_encoding() {
    let gateway = Gateway::start(&config());
    let record =
        |id: usize| format!(r#"[{{"id":"{id}","filterId":"XSS","actor":"192.0.2.1","url":"/"}}]"#).into_bytes();
    let long: Vec<u8> = (0..200).flat_map(record).collect();
    let cut = |whole: Vec<u8>| whole[..whole.len() - 4].to_vec();
    let mut changed = gzip(&record(1));
    let middle = changed.len() / 2;
    changed[middle] ^= 0xff;
    let mut kept = Vec::new();
    for (what, encodings, body) in [
        ("deflate", &["deflate"][..], gzip(&record(2))),
        ("brotli", &["br"], gzip(&record(3))),
        ("zstd", &["zstd"], gzip(&record(4))),
        ("two in one line", &["gzip, gzip"], gzip(&gzip(&record(5)))),
        ("two lines", &["gzip", "gzip"], gzip(&record(6))),
        ("nonsense", &["\u{ff}"], record(7)),
        ("no gzip", &["gzip"], record(8)),
        ("gzip without its end", &["gzip"], cut(gzip(&record(9)))),
        ("half a gzip", &["gzip"], gzip(&long)[..200].to_vec()),
        ("gzip with a wrong bit", &["gzip"], changed),
        ("gzip and something behind it", &["gzip"], [gzip(&record(10)), b"x".to_vec()].concat()),
    ] {
        let post = encodings.iter().fold(bearer("akto"), |post, encoding| post.line("content-encoding", *encoding));
        let answer = post.body(body.clone()).send(gateway.server);
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        kept.push((what, answer.accepted(), body));
    }
    // An empty body is empty, however it is encoded.
    let empty = bearer("akto").line("content-encoding", "gzip").send(gateway.server).accepted();
    // Secureagentics sends none.
    let zipped = gzip(&alert("evt_1"));
    let post = |signature: &str| signed(&zipped, &[signature]).line("content-encoding", "gzip").send(gateway.server);
    kept.push(("gzip that is switched off", post(&hmac_hex(ADRIAN, &zipped)).accepted(), zipped.clone()));
    post(&hmac_hex(OTHER, &zipped)).refused(401, "signature-mismatch");

    gateway.settle();
    for (what, receipt, body) in &kept {
        let shown = gateway.show("receipts", receipt);
        assert_eq!(shown["body_hex"], hex::encode(body), "{what}: the raw body is what came over the wire");
        assert_eq!(shown["receipt"]["note"], "unparsed", "{what}");
        let events = shown["events"].as_array().unwrap();
        assert_eq!((events.len(), &events[0]["type"]), (1, &"unparsed".into()), "{what}");
    }
    assert_eq!(gateway.show("receipts", &empty)["receipt"]["note"], "empty");
    assert_eq!(gateway.folder.lines("events.ndjson").len(), kept.len(), "each is told");
    let half = gateway.show("receipts", &kept[8].1)["events"][0]["id"].as_str().unwrap().to_owned();
    let shown = gateway.show("events", &half).to_string();
    assert!(shown.contains("192.0.2.1"), "what could be inflated is shown: {shown}");

    // What was switched off can be switched on, and read.
    gateway.configure(&config().replace("[sources.adrian]", "[sources.adrian]\ngzip = true"));
    gateway.signal("HUP");
    gateway.logs("the configuration has been reloaded");
    let off = &kept[kept.len() - 1].1;
    gateway.run(&["replay", "--receipt", off]).done();
    until("it is read", || {
        let shown = gateway.show("receipts", off);
        let events = shown["events"].as_array().unwrap();
        events.iter().any(|event| event["type"] == "alert.triggered").then_some(())
    });
}

#[test]
fn the_operator_decides_who_may_send_gzip() {
    let switched = config().replace("[sources.adrian]", "[sources.adrian]\ngzip = true");
    let gateway = Gateway::start(&switched.replace("[sources.akto]", "[sources.akto]\ngzip = false"));
    let zipped = gzip(&alert("evt_1"));
    let post = signed(&zipped, &[&hmac_hex(ADRIAN, &zipped)]).line("content-encoding", "gzip");
    let receipt = post.send(gateway.server).accepted();
    let refused = bearer("akto").line("content-encoding", "gzip").body(gzip(b"[]"));
    let unread = refused.send(gateway.server).accepted();
    gateway.settle();
    assert_eq!(gateway.show("receipts", &receipt)["events"][0]["type"], "alert.triggered");
    assert_eq!(gateway.show("receipts", &unread)["events"][0]["type"], "unparsed");
}

#[test]
fn slow_and_broken_bodies_end_and_leave_nothing() {
    let settings = "body_idle_timeout = \"400ms\"\nbody_timeout = \"1500ms\"";
    let mut gateway = Gateway::start_with(settings, &config());
    let begin = |framing: &str, start: &[u8]| {
        let mut connection = Connection::open(gateway.server);
        connection.send(&bearer("akto").head(framing));
        connection.send(start);
        connection
    };
    let mut silent = begin("content-length: 100", b"[1,2");
    let mut silent_in_chunks = begin("transfer-encoding: chunked", b"4\r\n[1,2\r\n");
    let mut at_once = begin("content-length: 100", b"");
    let mut dripping = begin("content-length: 100", b"[");
    let begun = Instant::now();
    while dripping.offer(b" ") && begun.elapsed() < Duration::from_secs(1) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(begun.elapsed() >= Duration::from_secs(1), "a body that comes slowly but steadily is given its time");
    for connection in [&mut silent, &mut silent_in_chunks, &mut at_once, &mut dripping] {
        // Meanwhile the others are served.
        assert_eq!(gateway.post_bearer("akto", AKTO, b"[]").status, 200);
        connection.answer().refused(408, "body-too-slow");
        assert!(connection.is_closed());
    }
    for (framing, start) in [
        ("content-length: 100", &b"[1,2"[..]),
        ("transfer-encoding: chunked", b"4\r\n[1,2\r\n"),
        ("content-length: 1", b""),
    ] {
        let mut cut = begin(framing, start);
        cut.finish();
        if let Some(answer) = cut.try_answer() {
            answer.refused(400, "body-incomplete");
        }
    }
    begin("transfer-encoding: chunked", b"zz\r\n[]\r\n0\r\n\r\n").answer().refused(400, "body-incomplete");
    drop(begin("content-length: 100", b"[1,2"));
    assert_eq!(gateway.list("receipts", &[]).len(), 1, "half a body was taken for a whole one");
    assert!(gateway.is_alive());
}

#[test]
fn ambiguous_framing_is_never_accepted() {
    let gateway = Gateway::start(&config());
    for framing in [
        "content-length: 2\r\ntransfer-encoding: chunked",
        "content-length: 2\r\ncontent-length: 3",
        "content-length: +2",
        "content-length: 2, 2",
        "transfer-encoding: chunked, chunked",
        "transfer-encoding: identity",
        "transfer-encoding: gzip, chunked",
    ] {
        println!("{framing}");
        let mut connection = Connection::open(gateway.server);
        connection.send(&bearer("akto").head(framing));
        // The head may have been refused already.
        connection.offer(b"2\r\n[]\r\n0\r\n\r\n");
        connection.finish();
        if let Some(answer) = connection.try_answer() {
            assert!((400..500).contains(&answer.status), "{answer:?}");
        }
    }
    assert!(gateway.list("receipts", &[]).is_empty());
}

#[test]
fn a_secret_is_rotated_without_losing_a_request() {
    let secrets = |list: &str| config().replace(&format!("[{{ value = \"{ADRIAN}\" }}]"), list);
    let both = secrets(&format!("[{{ value = \"{ADRIAN}\" }}, {{ value = \"{OTHER}\" }}]"));
    let gateway = Gateway::start(&both);
    gateway.post_signed("adrian", ADRIAN, &alert("evt_1")).accepted();
    gateway.post_signed("adrian", OTHER, &alert("evt_2")).accepted();
    gateway.post_signed("adrian", SCANNER, &alert("evt_3")).refused(401, "signature-mismatch");

    gateway.configure(&secrets(&format!("[{{ value = \"{OTHER}\" }}]")));
    gateway.signal("HUP");
    gateway.logs("the configuration has been reloaded");
    gateway.post_signed("adrian", ADRIAN, &alert("evt_3")).refused(401, "signature-mismatch");
    gateway.post_signed("adrian", OTHER, &alert("evt_3")).accepted();

    // What is at fault is not taken, not even in part.
    gateway.configure("[sources.adrian]\nvendor = \"akto\"\nsecrts = []\n");
    gateway.signal("HUP");
    gateway.logs("the configuration was not reloaded; the old one stays in force");
    gateway.logs("did you mean 'secrets'?");
    gateway.post_signed("adrian", OTHER, &alert("evt_4")).accepted();
}

#[test]
fn fifty_posts_of_one_event_at_once_have_one_effect() {
    let places = Places::start();
    let gateway = Gateway::start(&places.config());
    let body = Arc::new(alert("evt_1"));
    let gate = Arc::new(Barrier::new(50));
    let server = gateway.server;
    let senders: Vec<_> = (0..50)
        .map(|_| {
            let (body, gate) = (Arc::clone(&body), Arc::clone(&gate));
            std::thread::spawn(move || {
                gate.wait();
                signed(&body, &[&hmac_hex(ADRIAN, &body)]).send(server)
            })
        })
        .collect();
    let answers: Vec<Answer> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
    let (new, known): (Vec<&Answer>, Vec<&Answer>) =
        answers.iter().partition(|answer| answer.json()["status"] == "accepted");
    assert_eq!((new.len(), known.len()), (1, 49));
    let receipt = new[0].accepted();
    assert!(known.iter().all(|answer| answer.duplicate() == receipt));

    gateway.settle();
    assert_eq!(gateway.list("receipts", &[]).len(), 1);
    let events = gateway.list("events", &[]);
    assert_eq!(events.len(), 1);
    let deliveries = gateway.list("deliveries", &[]);
    let states: Vec<(&Value, &Value)> = deliveries.iter().map(|row| (&row["state"], &row["tries"])).collect();
    assert_eq!(states, vec![(&"delivered".into(), &1.into()); 4]);
    assert_eq!(places.effects(), [1, 1, 1]);
    let archive = gateway.folder.lines("events.ndjson");
    assert_eq!(archive.len(), 1);
    assert_eq!(serde_json::from_str::<Value>(&archive[0]).unwrap()["id"], events[0]["id"]);
}

/// Stand-ins for the three services, which take everything at any rate.
struct Places {
    slack: StandIn<slack::Slack>,
    jira: StandIn<jira::Jira>,
    pagerduty: StandIn<pagerduty::PagerDuty>,
}

impl Places {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let places = Self {
                slack: slack::start().await.unwrap(),
                jira: jira::start().await.unwrap(),
                pagerduty: pagerduty::start().await.unwrap(),
            };
            places.slack.limit_rates(Rate::UNLIMITED, Rate::UNLIMITED);
            places.jira.limit_rate(Rate::UNLIMITED);
            places.pagerduty.limit_rate(Rate::UNLIMITED);
            places
        })
    }

    fn config(&self) -> String {
        let (slack, jira, pagerduty) = (self.slack.webhook_url(), self.jira.base_url(), self.pagerduty.base_url());
        let (key, email, token) = (pagerduty::ROUTING_KEY, jira::EMAIL, jira::API_TOKEN);
        let project = jira::PROJECT;
        format!(
            r#"{}
[destinations.soc]
type = "slack"
webhook_url = {{ value = "{slack}" }}

[destinations.tickets]
type = "jira"
url = "{jira}"
email = "{email}"
api_token = {{ value = "{token}" }}
project = "{project}"

[destinations.oncall]
type = "pagerduty"
url = "{pagerduty}"
routing_key = {{ value = "{key}" }}

[[routes]]
name = "page"
when = 'event.severity >= high'
to = ["soc", "tickets", "oncall", "archive"]
"#,
            config()
        )
    }

    /// Messages, issues, incidents.
    fn effects(&self) -> [usize; 3] {
        [self.slack.effects(), self.jira.effects(), self.pagerduty.effects()]
    }
}

#[test]
fn a_captured_request_is_known_under_every_id() {
    let hub = |name: &str, more: &str| {
        format!(
            "[sources.{name}]\nvendor = \"generic\"\nsecrets = [{{ value = \"{SCANNER}\" }}]\nid = {{ header = \"x-hub-delivery\" }}\nverify = {{ scheme = \"hmac\", header = \"x-hub-signature\" }}\nrepeat_window = \"1s\"\n{more}\n"
        )
    };
    let trusting = "danger_trust_unsigned_id = true";
    let text = format!("{}{}{}", hub("hub", ""), hub("trusting", trusting), config());
    let mut gateway = Gateway::start(&text);
    let body = br#"{"title":"captured","severity":"high"}"#;
    let post = |gateway: &Gateway, source: &str, id: Option<&str>, body: &[u8]| {
        let post = Post::to(format!("/webhooks/{source}")).line("x-hub-signature", hmac_hex(SCANNER, body)).body(body);
        id.into_iter().fold(post, |post, id| post.line("x-hub-delivery", id)).send(gateway.server)
    };
    let first = post(&gateway, "hub", Some("1"), body).accepted();
    assert_eq!(post(&gateway, "hub", Some("1"), body).duplicate(), first);
    assert_eq!(post(&gateway, "hub", Some("2"), body).duplicate(), first);
    assert_eq!(post(&gateway, "hub", None, body).duplicate(), first, "the id is not signed, so it can be left out");
    let twice = Post::to("/webhooks/hub").line("x-hub-signature", hmac_hex(SCANNER, body)).body(&body[..]);
    assert_eq!(twice.line("x-hub-delivery", "3").line("x-hub-delivery", "4").send(gateway.server).duplicate(), first);
    // An id that is already known does not hide another body.
    post(&gateway, "hub", Some("1"), br#"{"title":"another"}"#).accepted();
    let trusted = post(&gateway, "trusting", Some("1"), body).accepted();
    post(&gateway, "trusting", Some("2"), body).accepted();
    assert_eq!(post(&gateway, "trusting", Some("1"), body).duplicate(), trusted);
    let long = format!(r#"{{"title":"long","pad":"{}"}}"#, "x".repeat(1_100_000)).into_bytes();
    let kept = post(&gateway, "hub", Some("5"), &long).accepted();
    assert_eq!(post(&gateway, "hub", Some("6"), &long).duplicate(), kept);

    // Neither the end of the window nor a restart nor a withdrawn `danger_trust_unsigned_id` makes it new.
    std::thread::sleep(Duration::from_millis(1_600));
    assert_eq!(post(&gateway, "hub", Some("7"), body).duplicate(), first);
    let counted = Post::get("/metrics").send(gateway.admin);
    let line = "gatepost_intake_requests_total{source=\"hub\",outcome=\"repeated\"} 5";
    assert!(counted.text().contains(line), "{}", counted.text());
    gateway.logs("a body came again under another id");
    assert!(gateway.stop().success());
    gateway.configure(&text.replace(trusting, ""));
    gateway.serve_again();
    assert_eq!(post(&gateway, "hub", Some("8"), body).duplicate(), first);
    assert_eq!(post(&gateway, "trusting", Some("1"), body).duplicate(), trusted);
    gateway.settle();
    let of_hub = gateway.list("events", &["--source", "hub"]);
    assert_eq!(of_hub.len(), 3, "{of_hub:?}");
}

#[test]
fn a_captured_request_with_a_signed_time_is_known_under_every_id() {
    let source = format!(
        "[sources.timed]\nvendor = \"generic\"\nsecrets = [{{ value = \"{SCANNER}\" }}]\nid = {{ header = \"x-delivery-id\" }}\n\
         verify = {{ scheme = \"hmac\", header = \"x-signature\", signed = \"{{timestamp}}.{{body}}\", timestamp = {{ header = \"x-time\" }} }}\n"
    );
    let gateway = Gateway::start(&format!("{source}{}", config()));
    let body = br#"{"title":"captured","severity":"high"}"#;
    let now = unix_now();
    let post = |time: i64, id: Option<&str>| {
        let signature = hmac_hex(SCANNER, &[format!("{time}.").as_bytes(), body].concat());
        let post =
            Post::to("/webhooks/timed").line("x-signature", signature).line("x-time", time.to_string()).body(body);
        id.into_iter().fold(post, |post, id| post.line("x-delivery-id", id)).send(gateway.server)
    };
    let first = post(now, Some("n0")).accepted();
    for id in [Some("n1"), Some("n2"), Some("n3"), None, Some("n0")] {
        assert_eq!(post(now, id).duplicate(), first, "{id:?}");
    }
    assert_eq!(post(now + 1, Some("n0")).duplicate(), first, "a retry is signed anew");
    assert_eq!(post(now + 1, Some("n4")).duplicate(), first, "and may be captured as well");
    post(now + 2, Some("n4")).accepted();
    gateway.settle();
    assert_eq!(gateway.list("events", &["--source", "timed"]).len(), 2);
}

#[test]
fn a_content_encoding_that_is_not_signed_does_not_change_a_signed_request() {
    let gateway = Gateway::start(&config());
    let body = alert("evt_1");
    let post = || signed(&body, &[&hmac_hex(ADRIAN, &body)]);
    let captured = post().line("content-encoding", "br").send(gateway.server).accepted();
    assert_eq!(post().send(gateway.server).duplicate(), captured);
    gateway.settle();
    assert_eq!(gateway.show("receipts", &captured)["events"][0]["type"], "alert.triggered");
}

#[test]
fn the_operators_listener_answers_no_foreign_page() {
    let settings = format!("{}\n", config());
    let gateway = Gateway::start(&settings);
    let ask = |lines: &[&str]| {
        let mut connection = Connection::open(gateway.admin);
        connection.send(format!("GET /metrics HTTP/1.1\r\nconnection: close\r\n{}\r\n", lines.concat()).as_bytes());
        connection.answer()
    };
    let (own, admin) = (format!("host: {}\r\n", gateway.admin), gateway.admin);
    for own in [own.as_str(), "host: localhost\r\n", "host: [::1]:8081\r\n"] {
        assert_eq!(ask(&[own]).status, 200, "{own}");
    }
    assert_eq!(ask(&[&own, &format!("origin: http://{admin}\r\n")]).status, 200, "a page of its own");
    ask(&["host: rebound.evil.example\r\n"]).refused(403, "foreign-host");
    ask(&[&own, "origin: https://evil.example\r\n"]).refused(403, "foreign-origin");
    ask(&[&own, "origin: null\r\n"]).refused(403, "foreign-origin");
}

#[test]
fn a_source_over_its_rate_is_asked_to_come_again() {
    let limited = config().replace("[sources.adrian]", "[sources.adrian]\nrate_limit = \"5/s\"");
    let gateway = Gateway::start(&limited);
    // Unauthenticated requests do not use up the source's rate limit.
    for _ in 0..20 {
        signed(b"{}", &["00"]).send(gateway.server).refused(401, "signature-mismatch");
    }
    let mut posts = (0..).map(|n| gateway.post_signed("adrian", ADRIAN, &alert(&format!("evt_{n}"))));
    let mut taken = 0;
    let refused = until("the rate is felt", || {
        let answer = posts.next().unwrap();
        taken += usize::from(answer.status == 200);
        (answer.status != 200).then_some(answer)
    });
    assert!(taken >= 5, "one second's worth may come at once, and {taken} came");
    refused.refused(429, "rate-limited");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(wait, 1);
    gateway.post_bearer("akto", AKTO, b"[]").accepted();
    until("the source is let in again", || (posts.next().unwrap().status == 200).then_some(()));
}

/// Puts receipts of `akto` into the store of a gateway that is stopped, as if it had accepted them and read none.
fn leave_unread(gateway: &Gateway, receipts: usize) {
    let store = rusqlite::Connection::open(gateway.folder.path().join("gatepost.db")).unwrap();
    let statements = format!(
        "BEGIN;
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {receipts})
         INSERT INTO receipts (id, source, received_at, content_type, encoding, bytes, body, long_body)
         SELECT randomblob(16), 'akto', 1763600000000, NULL, 'identity', 5, CAST('flood' AS BLOB), NULL FROM n;
         INSERT INTO runs (first, next, last, bytes, large, source, urgency)
         SELECT min(seq), min(seq), max(seq), sum(bytes), 0, 'akto', 1 FROM receipts WHERE source = 'akto';
         COMMIT"
    );
    store.execute_batch(&statements).unwrap();
}

#[test]
fn a_source_whose_backlog_is_full_is_asked_to_come_again_and_others_are_read_meanwhile() {
    let limited = config().replace("[sources.akto]", "[sources.akto]\nbacklog = { events = 1 }");
    let mut gateway = Gateway::start(&limited);
    assert!(gateway.stop().success());
    leave_unread(&gateway, 20_000);
    gateway.serve_again();
    let post = || gateway.post_bearer("akto", AKTO, b"{}");
    let refused = post();
    refused.refused(503, "backlog-full");
    assert_eq!(refused.header("retry-after"), Some("10"));
    // An unauthenticated client does not learn it.
    bearer("akto")
        .line("authorization", "Bearer wrong")
        .body("{}")
        .send(gateway.server)
        .refused(401, "signature-mismatch");
    gateway.post_signed("adrian", ADRIAN, &alert("evt_1")).accepted();
    until("the other source is read", || (!gateway.list("events", &["--source", "adrian"]).is_empty()).then_some(()));
    post().refused(503, "backlog-full");
    gateway.configure(&config());
    gateway.signal("HUP");
    until("more may wait", || (post().status == 200).then_some(()));
}

#[test]
fn the_first_alert_of_another_rule_does_not_wait_for_a_flood_of_its_severity() {
    let mut gateway = Gateway::start(&config());
    assert!(gateway.stop().success());
    leave_unread(&gateway, 50_000);
    gateway.serve_again();
    // What has no kind has no precedence.
    let unknown = gateway.post_bearer("akto", AKTO, br#"{"severity":"high"}"#).accepted();
    let other = gateway.post_bearer("akto", AKTO, br#"{"filterId":"X","url":"/","severity":"high"}"#).accepted();
    let state = |receipt: &str| gateway.show("receipts", receipt)["receipt"]["state"].clone();
    until("the other rule is read", || (state(&other) == "dispatched").then_some(()));
    assert_eq!(state(&unknown), "waiting", "the flood is still there");
}

#[test]
fn a_body_of_many_records_holds_up_no_other() {
    let gateway = Gateway::start(&config());
    let record = |n: usize| format!(r#"{{"id":"{n}","filterId":"X","actor":"203.0.113.9","url":"/{n}"}}"#);
    let export = format!("[{}]", (0..20_000).map(record).collect::<Vec<_>>().join(","));
    gateway.post_bearer("akto", AKTO, export.as_bytes()).accepted();
    gateway.post_signed("adrian", ADRIAN, &alert("evt_1")).accepted();
    until("the other source is read", || (!gateway.list("events", &["--source", "adrian"]).is_empty()).then_some(()));
    let receipts = gateway.list("receipts", &["--source", "akto"]);
    assert_eq!((receipts.len(), &receipts[0]["state"]), (1, &Value::from("waiting")), "reading it takes longer");
}

#[test]
fn no_authentic_body_is_refused_lost_or_changed() {
    let mut gateway = Gateway::start(&config());
    let bodies = poison();
    let mut posted = Vec::new();
    for (what, body) in &bodies {
        let now = unix_now();
        let post = timed(body, now).line("x-acme-timestamp", now.to_string());
        let scanner = post.line("x-acme-delivery", posted.len().to_string()).send(gateway.server);
        for (source, answer) in [
            ("adrian", gateway.post_signed("adrian", ADRIAN, body)),
            ("akto", gateway.post_bearer("akto", AKTO, body)),
            ("scanner", scanner),
        ] {
            assert_eq!(answer.status, 200, "{source}: {what}: {}", answer.text());
            posted.push((format!("{source}: {what}"), answer.accepted(), body));
        }
    }
    gateway.settle();
    let listed = gateway.list("receipts", &[]);
    assert_eq!(listed.len(), posted.len());
    for (what, receipt, body) in &posted {
        let shown = gateway.show("receipts", receipt);
        assert!(shown["body_hex"] == hex::encode(body), "{what}: the stored body is another one");
        let silent = ["ping", "empty"].iter().any(|note| shown["receipt"]["note"] == *note);
        let events = shown["events"].as_array().unwrap().len();
        assert!(events > 0 || silent, "{what} vanished: {}", shown["receipt"]);
        assert_eq!(shown["receipt"]["state"], "dispatched", "{what}");
    }
    assert!(gateway.is_alive(), "a body ended the process");
    assert!(!gateway.log().contains("panic"), "{}", gateway.log());
    assert_eq!(gateway.folder.lines("events.ndjson").len(), gateway.list("events", &[]).len());
    assert!(gateway.stop().success());
}

/// Bodies made to break a parser. Each has an id of its own, where it has one.
fn poison() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let keys: String = (0..100_000).map(|n| format!("\"k{n}\":{n},")).collect();
    let deep = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    vec![
        ("nothing", Vec::new()),
        ("blanks", text(" \r\n\t ")),
        ("a byte order mark alone", b"\xef\xbb\xbf".to_vec()),
        ("a byte order mark before an alert", [b"\xef\xbb\xbf", &alert("bom")[..]].concat()),
        ("one NUL", vec![0]),
        ("a NUL inside", b"{\"id\":\"nul\0\",\"type\":\"t\"}".to_vec()),
        ("an escaped NUL", text(r#"{"id":"n\u0000","type":"a\u0000b"}"#)),
        ("invalid UTF-8", vec![0xff; 100]),
        ("invalid UTF-8 in an alert", b"{\"id\":\"u\xff\xfe\",\"type\":\"t\"}".to_vec()),
        ("half a character", b"{\"id\":\"\xe2\x82".to_vec()),
        ("a lone high surrogate", text(r#"{"id":"\ud800","type":"\ud800"}"#)),
        ("a lone low surrogate", text(r#"{"id":"\udc00x","type":"t"}"#)),
        ("10,000 lists", text(&"[".repeat(10_000))),
        ("10,000 closed lists", text(&format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)))),
        ("10,000 objects", text(&deep)),
        ("10,000 objects in data", text(&format!("{{\"id\":\"deep\",\"type\":\"t\",\"data\":{deep}}}"))),
        ("doubled keys", text(r#"{"id":"a","id":"b","type":"ping","type":"alert.triggered"}"#)),
        ("huge numbers", text(r#"{"id":1e400,"timestamp":1e308,"type":-1e999}"#)),
        ("thirty digits", text(r#"{"id":123456789012345678901234567890}"#)),
        ("an empty list", text("[]")),
        ("an empty object", text("{}")),
        ("null", text("null")),
        ("a number", text("7")),
        ("a list of everything", text("[1,\"a\",null,true,{\"a\":1},[2]]")),
        ("100,000 keys", text(&format!("{{{keys}\"z\":0}}"))),
        ("wrong types", text(r#"{"id":{},"type":[],"timestamp":{},"data":"text","severity":[1],"actor":{"a":1}}"#)),
        ("a form", text("payload=%7B%7D&a=b")),
        ("every byte", (0..=255).collect()),
        ("what gzip begins with", b"\x1f\x8b\x08\x00\x00\x00\x00\x00".to_vec()),
        ("terminal escapes", text("{\"id\":\"esc\",\"type\":\"\u{1b}[2J\u{202e}t\"}")),
    ]
}

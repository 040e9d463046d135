//! The stand-in takes what the grammar has, and nothing else.

use super::*;

/// Waits until it is so, for five seconds.
pub(crate) async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..500 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it does not become so");
}

/// Long enough for what loopback carries.
pub(crate) async fn pause() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

fn vectors() -> Option<serde_json::Value> {
    crate::destinations::testing::shared("syslog-rfc5424.grammar.json")
}

#[test]
fn the_grammar_takes_what_is_valid_and_refuses_what_is_not() {
    let Some(vectors) = vectors() else { return };
    let grammar = regex::Regex::new(vectors["header_regex"].as_str().unwrap()).unwrap();
    for valid in vectors["valid"].as_array().unwrap() {
        let valid = valid.as_str().unwrap();
        assert!(grammar.is_match(valid));
        parse(valid.as_bytes()).unwrap_or_else(|fault| panic!("{valid}: {fault}"));
    }
    for invalid in vectors["invalid"].as_array().unwrap() {
        let invalid = invalid.as_str().unwrap();
        assert!(parse(invalid.as_bytes()).is_err(), "{invalid}");
    }
}

#[test]
fn every_part_of_a_message_is_read() {
    let read =
        parse(b"<107>1 2026-11-21T10:00:00.123Z h gatepost 7 a.b [x@1 a=\"1 \\] \\\" \\\\\" b=\"\"][y@1] text ]")
            .unwrap();
    assert_eq!((read.facility, read.severity, read.message_id.as_str()), (13, 3, "a.b"));
    assert_eq!((read.parameter("a"), read.parameter("b"), read.parameter("c")), (Some("1 ] \" \\"), Some(""), None));
    assert_eq!(read.text.as_deref(), Some("text ]"));
    for bad in [
        "<13>1 - - - - - ",
        "<13>1 - - - - - -x",
        "<13>2 - - - - - -",
        "<13>1 2026-13-01T00:00:00Z - - - - -",
        "<13>1 2026-11-21T10:00:00.Z - - - - -",
        "<13>1 2026-11-21T10:00:00 - - - - -",
        "<13>1 -  - - - -",
        "<13>1 - - - - - [a b=\"\\n\"]",
        "<13>1 - - - - - [a][a]",
        "<13>1 - - - - - [a b=1]",
        "<13>1 - - - - - - a\nb",
        "",
    ] {
        assert!(parse(bad.as_bytes()).is_err(), "{bad}");
    }
    let long = "x".repeat(33);
    assert!(parse(format!("<13>1 - - - - {long} -").as_bytes()).is_err());
    assert!(parse(format!("<13>1 - - - - - [{long}]").as_bytes()).is_err());
}

#[tokio::test]
async fn a_frame_without_a_good_length_ends_the_connection_and_is_noted() {
    for (frame, said) in [
        ("<13>1 - - - - - -\n", "no part of a length"),
        ("017 <13>1 - - - - - -", "no part of a length"),
        ("9000 x", "where 8096 are taken"),
        ("5 <13>1 - - - - - -", "it ends before"),
    ] {
        let collector = start_tcp().await.unwrap();
        let mut stream = tokio::net::TcpStream::connect(collector.address).await.unwrap();
        stream.write_all(b"17 <13>1 - - - - - -").await.unwrap();
        stream.write_all(frame.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        // A connection that is closed with something unread is reset.
        drop(stream.read_to_end(&mut rest).await);
        until(|| !collector.faults().is_empty()).await;
        assert_eq!((collector.messages().len(), rest.len()), (1, 0));
        assert!(collector.faults()[0].contains(said), "{frame}: {:?}", collector.faults());
    }
}

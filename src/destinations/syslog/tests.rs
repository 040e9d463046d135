//! Events to messages, by the grammar of RFC 5424 and the dictionary of the Common Event Format, and replies to outcomes.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::destinations::Fault;
use crate::destinations::testing;
use crate::domain::{OutcomeKind, Scope, Severity};
use crate::settings::{Document, Environment, PathFacts};

const SETTINGS: &str = "address = \"tls://logs.acme.example\"\nhostname = \"gw.acme.example\"";

fn sink(more: &str) -> Box<dyn Sink> {
    testing::sink(&KIND, &format!("{SETTINGS}\n{more}"))
}

fn messages(sink: &dyn Sink, batch: &Batch<'_>) -> Vec<String> {
    match sink.first(batch) {
        Next::Send("write", Message::Syslog(sent)) => {
            let text = |message: &Bytes| String::from_utf8(message.to_vec()).unwrap();
            sent.messages.iter().map(text).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn message(more: &str, event: &Event) -> String {
    let owned = testing::batch_of(std::slice::from_ref(event), Purpose::Alert);
    messages(sink(more).as_ref(), &owned.as_batch()).remove(0)
}

/// What stands behind the header and the structured data.
fn text_of(message: &str) -> &str {
    // No value of the structured data holds a bracket here.
    message.split_once("] ").unwrap().1
}

/// Builds with a file system in which only `/etc/gatepost/ca.pem` and the name of the machine are.
fn build_with_files(settings: &str) -> Result<Syslog, String> {
    let pem = std::fs::read(testing::project("tests/fixtures/tls/authority.pem")).unwrap();
    let environment = Environment {
        variable: Box::new(|_| None),
        read_file: Box::new(move |path| match path.to_str().unwrap() {
            "/etc/gatepost/ca.pem" => Ok(pem.clone()),
            "/etc/gatepost/empty.pem" => Ok(b"nothing".to_vec()),
            "/proc/sys/kernel/hostname" => Ok(b"gw 7\n".to_vec()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        }),
        paths: PathFacts::default(),
        now: crate::domain::Timestamp::from_millis(1_795_000_000_000),
        base: PathBuf::from("/etc/gatepost"),
    };
    let document = Document::new(settings, &environment);
    let table = document.parse();
    let section = document.root(table.get_ref());
    let built = read(&section);
    section.finish();
    let faults = document.into_faults().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    built.filter(|_| faults.is_empty()).ok_or(faults)
}

#[test]
fn settings_are_read_and_faults_named() {
    for good in [
        "address = \"tls://logs.acme.example:6514/\"\nformat = \"cef\"\nfacility = \"local7\"\nbom = true",
        "address = \"tcp://10.1.2.3\"\nmax_bytes = 1048576\nsd_id = \"acme@1.2\"",
        "address = \"udp://[2001:db8::1]:514\"\nformat = \"ocsf\"\nmax_bytes = 65507",
    ] {
        assert!(testing::build(&KIND, good).is_ok(), "{good}");
    }
    let with = |more: &str| format!("{SETTINGS}\n{more}");
    let at = |address: &str| format!("address = \"{address}\"");
    for (bad, said) in [
        (String::new(), "address: is missing"),
        (at("logs.acme.example:6514"), "is neither tls, tcp nor udp"),
        (at("logs.acme.example"), "is not an address"),
        (at("https://logs.acme.example"), "is neither tls, tcp nor udp"),
        (at("tls://user@logs.acme.example"), "more than a host and a port"),
        (at("tls://logs.acme.example/path"), "more than a host and a port"),
        (at("tls://"), "names no host"),
        (at("tls://a..b"), "names no host"),
        (at("tcp://h.example:0"), "the port 0"),
        (with("format = \"leef\""), "'leef' is not known"),
        (with("facility = \"local8\""), "did you mean 'local"),
        (with("max_bytes = 1399"), "out of range"),
        (with("max_bytes = 1048577"), "out of range"),
        ("address = \"udp://h.example\"\nmax_bytes = 65508".to_owned(), "out of range"),
        (with("sd_id = \"gatepost\""), "is not a name of structured data"),
        (with("sd_id = \"a]b@1\""), "is not a name of structured data"),
        (with("ca_file = \"nowhere.pem\""), "nowhere.pem cannot be read"),
        ("address = \"tls://h.example\"\nhostname = \"a b\"".to_owned(), "is not the name of a host"),
    ] {
        let faults = testing::build(&KIND, &bad).unwrap_err();
        assert!(faults.contains(said), "{bad}: {faults}");
    }
    testing::assert_template(&KIND);
}

#[test]
fn an_authority_of_ones_own_is_read_and_the_machine_names_itself() {
    let syslog = build_with_files("address = \"tls://h.example\"\nca_file = \"ca.pem\"").unwrap();
    assert_eq!((syslog.collector.port, syslog.collector.tls.authorities.as_ref().map(Vec::len)), (6514, Some(1)));
    assert!(syslog.header.of(&testing::event("minimal"), false).contains("Z gw_7 gatepost "));
    for (bad, said) in [
        ("address = \"tls://h.example\"\nca_file = \"empty.pem\"", "holds no certificates"),
        ("address = \"tcp://127.0.0.1\"\nca_file = \"ca.pem\"", "only over TLS"),
        ("address = \"udp://h.example\"", "unencrypted"),
        ("address = \"tls://logs.example.com\"", "host of the example"),
    ] {
        assert!(build_with_files(bad).unwrap_err().contains(said), "{bad}");
    }
}

#[test]
fn messages_are_golden() {
    for (form, more) in [
        ("event", ""),
        ("ocsf", "format = \"ocsf\""),
        ("cef", "format = \"cef\"\nfacility = \"local4\""),
        ("short", "max_bytes = 1400"),
        ("short-ocsf", "format = \"ocsf\"\nmax_bytes = 1400"),
    ] {
        for (name, batch) in &testing::batches() {
            let mut syslog = build_with_files(&format!("{SETTINGS}\n{more}")).unwrap();
            syslog.header.process = 4711;
            let messages = messages(&syslog, &batch.as_batch());
            let [message] = messages.as_slice() else { panic!("{messages:?}") };
            testing::golden("syslog", &format!("{name}.{form}"), &json!({ "message": message }));
        }
    }
}

/// Settings of each form, with the least length and the usual one.
fn all_settings() -> Vec<(&'static str, usize)> {
    let forms = ["format = \"event\"", "format = \"ocsf\"", "format = \"cef\"\nbom = true"];
    forms.into_iter().flat_map(|form| [1400, 8096].map(|max| (form, max))).collect()
}

#[test]
fn every_message_fulfils_the_grammar_and_is_no_longer_than_the_collector_takes() {
    let grammar = testing::shared("syslog-rfc5424.grammar.json");
    let grammar = grammar.map(|grammar| regex::Regex::new(grammar["header_regex"].as_str().unwrap()).unwrap());
    let all: Vec<Event> = testing::most_events().into_iter().chain(testing::random_events(7, 8)).collect();
    let owned = testing::batch_of(&all, Purpose::Alert);
    for (form, max) in all_settings() {
        let found = messages(sink(&format!("{form}\nmax_bytes = {max}")).as_ref(), &owned.as_batch());
        assert_eq!(found.len(), all.len());
        for (message, event) in found.iter().zip(&all) {
            let frame = format!("{} {message}", message.len());
            assert!(frame.len() <= max, "{form} {max}: {}", frame.len());
            let read =
                crate::standins::syslog::parse(message.as_bytes()).unwrap_or_else(|fault| panic!("{fault}: {message}"));
            assert_eq!((read.facility, read.app_name.as_str()), (13, "gatepost"));
            assert_eq!(read.timestamp, event.time.to_string());
            assert_eq!(read.parameter("event_id"), Some(event.id.to_string().as_str()));
            assert_eq!(read.parameter("source"), Some(event.source.as_str()));
            assert!(read.structured[0].parameters.iter().all(|(name, _)| !name.contains(char::is_uppercase)));
            if let Some(grammar) = &grammar {
                assert!(grammar.is_match(message), "{message}");
            }
        }
    }
}

#[test]
fn a_document_that_is_cut_is_still_valid_and_says_what_is_not_whole() {
    let text = std::fs::read_to_string(testing::project("schemas/event.v1.schema.json")).unwrap();
    let event_schema = testing::Contract::new(&serde_json::from_str(&text).unwrap());
    let finding = testing::contract("ocsf-1.8.0/detection_finding.schema.json");
    for max in [1400, 8096] {
        for event in testing::most_events() {
            let message = message(&format!("max_bytes = {max}"), &event);
            let document: Value = serde_json::from_str(text_of(&message)).unwrap();
            let whole = serde_json::to_value(&event).unwrap();
            let is_cut = message.contains(" truncated=\"true\"]");
            assert_eq!(document != whole, is_cut);
            for kept in ["id", "key", "receipt", "source", "vendor", "time", "received_at", "severity"] {
                assert_eq!(document[kept], whole[kept], "{kept}");
            }
            if is_cut {
                let named: Vec<&str> = document["labels"]["truncated"].as_str().unwrap().split(", ").collect();
                for (name, value) in whole.as_object().unwrap() {
                    let is_same = document.get(name) == Some(value) || (name == "labels" && named.is_empty());
                    assert!(
                        is_same || named.contains(&name.as_str()) || name == "labels",
                        "{name} is cut and not named"
                    );
                }
            }
            // Monsters that no normalizer lets through have an empty title, and links longer than a field.
            if !event.title.is_empty() && !event.kind.is_empty() && event_schema.accepts(&whole) {
                event_schema.assert(&document);
            }
            if let Some(finding) = &finding {
                let message = self::message(&format!("format = \"ocsf\"\nmax_bytes = {max}"), &event);
                let is_cut = message.contains(" truncated=\"true\"]");
                let document: Value = serde_json::from_str(text_of(&message)).unwrap();
                finding.assert(&document);
                assert_eq!(document["unmapped"]["gatepost"]["truncated"].is_array(), is_cut);
            }
        }
    }
}

/// Reads a line of the Common Event Format as receivers do: header fields, and keys with values.
fn read_cef(line: &str) -> (Vec<String>, Vec<(String, String)>) {
    let (mut header, mut field, mut characters) = (Vec::new(), String::new(), line.char_indices());
    let mut rest = 0;
    while header.len() < 7 {
        let (place, c) = characters.next().unwrap();
        match c {
            '|' => header.push(std::mem::take(&mut field)),
            '\\' => field.push(characters.next().filter(|(_, c)| matches!(c, '\\' | '|')).unwrap().1),
            c => field.push(c),
        }
        rest = place + c.len_utf8();
    }
    let extension = &line[rest..];
    let keys = regex::Regex::new(r"(?:^| )([A-Za-z0-9]+)=").unwrap();
    let found: Vec<_> = keys.captures_iter(extension).map(|key| (key.get(0).unwrap(), key[1].to_owned())).collect();
    let value = |number: usize| {
        let end = found.get(number + 1).map_or(extension.len(), |(next, _)| next.start());
        let (mut value, mut characters) = (String::new(), extension[found[number].0.end()..end].chars());
        while let Some(c) = characters.next() {
            match c {
                '\\' => value.push(match characters.next().unwrap() {
                    'n' => '\n',
                    'r' => '\r',
                    c @ ('\\' | '=') => c,
                    other => panic!("\\{other} is no escape: {line}"),
                }),
                '=' => panic!("a = that is not escaped: {line}"),
                c => value.push(c),
            }
        }
        value
    };
    let fields = (0..found.len()).map(|number| (found[number].1.clone(), value(number))).collect();
    (header, fields)
}

#[test]
fn every_line_of_cef_can_be_read_and_keeps_to_the_dictionary() {
    let dictionary = testing::shared("cef-dictionary.json");
    let all: Vec<Event> = testing::most_events().into_iter().chain(testing::random_events(11, 16)).collect();
    for (more, event) in
        ["max_bytes = 1400", "max_bytes = 8096"].into_iter().flat_map(|more| all.iter().map(move |event| (more, event)))
    {
        let message = message(&format!("format = \"cef\"\n{more}"), event);
        let (header, fields) = read_cef(text_of(&message));
        assert_eq!((header[0].as_str(), header[1].as_str()), ("CEF:0", event.vendor.as_str()));
        assert!(header[6].parse::<u8>().unwrap() <= 10);
        let of = |key: &str| fields.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
        assert_eq!(of("externalId"), Some(event.id.to_string().as_str()));
        assert_eq!(of("rt"), Some(event.time.as_millis().to_string().as_str()));
        let mut keys: Vec<&str> = fields.iter().map(|(key, _)| key.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), fields.len(), "a key comes twice");
        let Some(dictionary) = &dictionary else { continue };
        for (key, value) in &fields {
            let entry = &dictionary["keys"][key];
            assert!(entry.is_object(), "{key} is not in the dictionary");
            let max = entry["max_len"].as_u64().unwrap_or(u64::MAX);
            assert!(
                value.chars().count() as u64 <= max && !value.is_empty() && value.trim() == value,
                "{key}: {value}"
            );
        }
        let lengths = &dictionary["header_max_len"];
        for (place, name) in
            [(1, "deviceVendor"), (2, "deviceProduct"), (3, "deviceVersion"), (4, "signatureId"), (5, "name")]
        {
            assert!(header[place].chars().count() as u64 <= lengths[name].as_u64().unwrap(), "{name}");
        }
    }
}

#[test]
fn what_an_event_says_cannot_become_a_field_or_a_message_of_its_own() {
    let event =
        testing::with_every_text(&testing::event("full"), "a|b\\ act=blocked\r\n<13>1 - - - - - - x \u{85}\u{1b}[2J");
    let (header, fields) = read_cef(text_of(&message("format = \"cef\"", &event)).to_owned().as_str());
    assert_eq!(header[5], "a|b\\ act=blocked  <13>1 - - - - - - x  [2J");
    let of = |key: &str| {
        fields.iter().filter(|(known, _)| known == key).map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(of("msg"), ["a|b\\ act=blocked\r\n<13>1 - - - - - - x  [2J"]);
    assert_eq!(of("act"), ["succeeded"]);
    for more in ["", "format = \"ocsf\"", "format = \"cef\""] {
        assert!(!message(more, &event).contains(|c: char| c.is_control()), "{more}");
    }
}

#[test]
fn priority_is_facility_and_severity() {
    let of = |severity, facility: &str| {
        let event = Event { severity, ..testing::event("minimal") };
        let message = message(&format!("facility = \"{facility}\""), &event);
        message[1..].split_once('>').unwrap().0.parse::<u8>().unwrap()
    };
    for (severity, code) in [
        (Severity::Unknown, 5),
        (Severity::Informational, 6),
        (Severity::Low, 5),
        (Severity::Medium, 4),
        (Severity::High, 3),
        (Severity::Critical, 2),
        (Severity::Fatal, 1),
        (Severity::Other, 5),
    ] {
        for (facility, number) in [("user", 1), ("audit", 13), ("local0", 16), ("local7", 23)] {
            assert_eq!(of(severity, facility), number * 8 + code, "{severity:?}");
        }
    }
}

#[test]
fn a_repetition_is_the_same_to_the_byte_and_a_probe_says_that_it_is_one() {
    let events = testing::most_events();
    let owned = testing::batch_of(&events, Purpose::Alert);
    let sink = sink("");
    let later = Batch { tries: 2, uncertain: true, ..owned.as_batch() };
    assert_eq!(messages(sink.as_ref(), &owned.as_batch()), messages(sink.as_ref(), &later));
    let probe = testing::batch_of(&[testing::event("minimal")], Purpose::Probe);
    assert!(messages(sink.as_ref(), &probe.as_batch())[0].contains("TEST · "));
}

#[test]
fn an_event_that_cannot_be_read_is_refused() {
    let refused = sink("").first(&testing::OwnedBatch::broken().as_batch());
    assert!(matches!(refused, Next::Done(Outcome::Refused { .. })), "{refused:?}");
}

#[test]
fn the_reply_table() {
    let failed = |may_have_arrived| Reply::Failed(Fault { may_have_arrived, detail: "broken pipe".into() });
    let owned = testing::batch_of(&[testing::event("minimal")], Purpose::Alert);
    let outcome = |reply: &Reply| match sink("").next(&owned.as_batch(), "write", reply) {
        Next::Done(outcome) => outcome,
        other => panic!("{other:?}"),
    };
    assert_eq!(outcome(&Reply::Written), Outcome::Delivered { remote: None });
    for (reply, kind, said) in [
        (failed(false), OutcomeKind::Retry, "cannot be reached: broken pipe"),
        (failed(true), OutcomeKind::Unknown, "broken pipe"),
        (Reply::NotSent("h:6514: expired".into()), OutcomeKind::Misconfigured, "was sent nothing: h:6514: expired"),
        (testing::reply(200, "ok"), OutcomeKind::Unknown, "another kind"),
        (Reply::Appended, OutcomeKind::Unknown, "another kind"),
    ] {
        let outcome = outcome(&reply);
        assert_eq!(outcome.kind(), kind, "{reply:?}");
        assert!(outcome.reason().unwrap().contains(said), "{outcome:?}");
    }
    assert!(matches!(outcome(&failed(false)), Outcome::Retry { scope: Scope::Destination, .. }));
}

#[test]
fn datagrams_are_fewer_and_shorter() {
    let udp = testing::sink(&KIND, "address = \"udp://127.0.0.1\"");
    assert_eq!(udp.batch_size().events, 64);
    let owned = testing::batch_of(&testing::most_events(), Purpose::Alert);
    assert!(messages(udp.as_ref(), &owned.as_batch()).iter().all(|message| message.len() <= 1400));
    assert_eq!(sink("").batch_size(), BatchSize { events: 1000, bytes: 1 << 20 });
}

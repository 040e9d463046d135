//! What operators write about verification, right and wrong, with the exact words that they are told.

use std::path::PathBuf;
use std::time::Duration;

use super::shapes::{self, text};
use super::*;
use crate::settings::{Document, Environment, PathFacts};
use crate::verify::{
    Algorithm, HmacScheme, KeyEncoding, SignatureEncoding, SignedPart, TimestampFormat, TimestampRule, TokenScheme,
};

/// Reads `[sources.s]` with these lines, `S<n>` standing for a secret of n bytes. The answers are the verifier and
/// what the operator is told, warnings marked.
fn read(lines: &str, default: Option<fn() -> Scheme>) -> (Option<Verifier>, Vec<String>) {
    let environment = Environment {
        variable: Box::new(|name| match name.strip_prefix('S').and_then(|length| length.parse::<usize>().ok()) {
            Some(length) => Some("k".repeat(length)),
            None if name == "WHSEC" => Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
            None if name == "WHSEC_LONG" => Some(format!("whsec_{}", "A".repeat(88))),
            None if name == "BLANKS" => Some(format!(" {} ", "k".repeat(40))),
            None => None,
        }),
        read_file: Box::new(|_| Err(std::io::ErrorKind::NotFound.into())),
        paths: PathFacts::default(),
        now: crate::domain::Timestamp::from_millis(1_795_000_000_000),
        base: PathBuf::new(),
    };
    let config = format!("[sources.s]\n{lines}\n");
    let document = Document::new(&config, &environment);
    let table = document.parse();
    let root = document.root(table.get_ref());
    let sources = root.named_sections("sources");
    let verifier = sources.first().and_then(|section| Verifier::from_settings(section, default));
    sources.into_iter().for_each(|section| section.finish());
    drop(root);
    assert!(verifier.is_some() || document.any_error(), "{lines}: no verifier, and no fault that says why");
    let faults = document.into_faults();
    let told = |fault: &crate::settings::Fault| match fault.level {
        crate::settings::Level::Warning => format!("warning: {fault}"),
        crate::settings::Level::Error => fault.to_string(),
    };
    (verifier, faults.iter().map(told).collect())
}

fn plain() -> Option<fn() -> Scheme> {
    Some(|| Scheme::Hmac(HmacScheme::sha256_hex("x-sig")))
}

/// What is told about these lines.
fn told(lines: &str, default: Option<fn() -> Scheme>) -> Vec<String> {
    read(lines, default).1
}

/// What is told about a `verify` table with good secrets.
fn told_of_verify(verify: &str) -> Vec<String> {
    told(&format!("verify = {{ {verify} }}\nsecrets = [{{ env = \"S32\" }}]"), None)
}

fn scheme_of(verify: &str) -> String {
    let (verifier, told) = read(&format!("verify = {{ {verify} }}\nsecrets = [{{ env = \"S40\" }}]"), None);
    assert_eq!(told, [] as [&str; 0], "{verify}");
    format!("{:?}", verifier.unwrap())
}

fn debug(scheme: Scheme) -> String {
    format!(
        "Verifier {{ scheme: {}, secrets: 1 }}",
        match scheme {
            Scheme::Hmac(scheme) => format!("{scheme:?}"),
            Scheme::Token(scheme) => format!("{scheme:?}"),
            Scheme::DangerUnsigned => "DangerUnsigned".to_owned(),
        }
    )
}

#[test]
fn the_documented_table_is_read_whole() {
    let rule = TimestampRule {
        header: "x-acme-timestamp".to_owned(),
        prefix: String::new(),
        separator: None,
        format: TimestampFormat::Unix,
        tolerance: Duration::from_secs(300),
    };
    let scheme = HmacScheme {
        prefix: "sha256=".to_owned(),
        signed: vec![SignedPart::Timestamp, text("."), SignedPart::Body],
        timestamp: Some(rule),
        ..HmacScheme::sha256_hex("x-acme-signature")
    };
    let verify = r#"scheme = "hmac", algorithm = "sha256", header = "x-acme-signature", encoding = "hex",
        prefix = "sha256=", signed = "{timestamp}.{body}",
        timestamp = { header = "x-acme-timestamp", format = "unix", tolerance = "5m" }"#;
    assert_eq!(scheme_of(verify), debug(Scheme::Hmac(scheme)));
}

#[test]
fn what_is_left_out_is_the_usual() {
    let plain = HmacScheme::sha256_hex("x-sig");
    assert_eq!(scheme_of(r#"scheme = "hmac", header = "X-Sig""#), debug(Scheme::Hmac(plain)));
    assert_eq!(scheme_of(r#"scheme = "token""#), debug(Scheme::Token(TokenScheme::bearer())));
    let bare = TokenScheme { header: "x-api-key".to_owned(), prefix: String::new() };
    assert_eq!(scheme_of(r#"scheme = "token", header = "X-Api-Key""#), debug(Scheme::Token(bare)));
    let key = TokenScheme { header: "authorization".to_owned(), prefix: "GenieKey ".to_owned() };
    assert_eq!(scheme_of(r#"scheme = "token", prefix = "GenieKey ""#), debug(Scheme::Token(key)));
}

#[test]
fn every_other_word_is_read() {
    let rule = TimestampRule {
        header: "x-sig".to_owned(),
        prefix: "t=".to_owned(),
        separator: Some(';'),
        format: TimestampFormat::UnixMillis,
        tolerance: Duration::from_secs(86_400),
    };
    let scheme = HmacScheme {
        algorithm: Algorithm::Sha512,
        encoding: SignatureEncoding::Base64,
        prefix: "v1=".to_owned(),
        separator: Some(';'),
        signed: vec![text("v1:"), SignedPart::Id, text(":"), SignedPart::Timestamp, text(":"), SignedPart::Body],
        key_encoding: KeyEncoding::Base64,
        timestamp: Some(rule),
        id_header: Some("x-id".to_owned()),
        ..HmacScheme::sha256_hex("x-sig")
    };
    let verify = r#"scheme = "hmac", algorithm = "sha512", header = "x-sig", encoding = "base64", prefix = "v1=",
        separator = ";", signed = "v1:{id}:{timestamp}:{body}", key = "base64", id_header = "X-Id",
        timestamp = { header = "x-sig", prefix = "t=", separator = ";", format = "unix_ms", tolerance = "1d" }"#;
    let (verifier, told) = read(&format!("verify = {{ {verify} }}\nsecrets = [{{ env = \"S44\" }}]"), None);
    assert_eq!((format!("{:?}", verifier.unwrap()), told), (debug(Scheme::Hmac(scheme)), vec![]));
}

#[test]
fn what_is_read_verifies() {
    let lines = r#"verify = { scheme = "hmac", header = "webhook-signature", encoding = "base64", prefix = "v1,",
        separator = " ", signed = "{id}.{timestamp}.{body}", key = "whsec", id_header = "webhook-id",
        timestamp = { header = "webhook-timestamp" } }
        secrets = [{ env = "S40" }, { env = "WHSEC" }]"#;
    let (own, told) = read(lines, None);
    assert_eq!(told, [] as [&str; 0]);
    let vendor = verifier(Scheme::Hmac(shapes::standard_webhooks()), &["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]);
    let request = signed(&vendor, b"{}", seconds(1_750_000_000));
    assert_eq!(slot_of(&own.unwrap(), &request, seconds(1_750_000_000)), Ok(Some(1)));
}

#[test]
fn a_source_without_verification_is_a_fault() {
    assert_eq!(
        told("", None),
        [
            "line 1: sources.s: a source without verification; add verify = { scheme = … } and add secrets = [{ env = \"NAME\" }]"
        ]
    );
    assert_eq!(
        told("", plain()),
        ["line 1: sources.s.secrets: is missing: a source without verification accepts every sender; \
          add secrets = [{ env = \"NAME\" }]"]
    );
    assert_eq!(
        told("secrets = [{ env = \"S32\" }]", None),
        ["line 1: sources.s.verify: is missing: this vendor has no scheme of its own; add verify = { scheme = … }"]
    );
    let empty = "line 2: sources.s.secrets: is an empty list; write [{ env = \"NAME\" }]";
    assert_eq!(told("secrets = []", plain()), [empty]);
    assert_eq!(
        told("secrets = [{ env = \"S0\" }]", plain()),
        ["line 2: sources.s.secrets: the secret is empty; give it a value, best of 32 random bytes or more"]
    );
    assert_eq!(
        told("secrets = [{ env = \"S32\" }, { env = \"NONE\" }]", plain()),
        ["line 2: sources.s.secrets: the environment variable NONE is not set; set NONE where gatepost is started"]
    );
    let from_default: Option<fn() -> Scheme> = Some(|| Scheme::DangerUnsigned);
    assert_eq!(told("", from_default).len(), 1, "a vendor cannot open a source; only danger_unsigned can");
}

#[test]
fn short_secrets_are_refused_unless_danger_is_asked_for() {
    let secrets =
        |length: usize, danger: &str| told(&format!("secrets = [{{ env = \"S{length}\" }}]\n{danger}"), plain());
    assert_eq!(
        secrets(23, ""),
        ["line 2: sources.s.secrets: secret 1 has 23 bytes, fewer than 24; use 32 random bytes or more; \
          where the vendor allows no more, danger_short_secret = true accepts 8"]
    );
    assert_eq!(
        secrets(24, ""),
        ["warning: line 2: sources.s.secrets: secret 1 has 24 bytes, fewer than 32; \
          replace it with 32 random bytes or more"]
    );
    assert_eq!(secrets(31, "").len(), 1);
    assert_eq!(secrets(32, ""), [] as [&str; 0]);
    let danger = "danger_short_secret = true";
    assert_eq!(
        secrets(7, danger),
        ["line 2: sources.s.secrets: secret 1 has 7 bytes, fewer than 8; use 32 random bytes or more; \
          nothing accepts fewer than 8"]
    );
    assert_eq!(
        secrets(8, danger),
        ["warning: line 3: sources.s.danger_short_secret: secret 1 has only 8 bytes and can be guessed; \
          replace it with 32 random bytes or more"]
    );
    assert_eq!(
        secrets(32, danger),
        ["warning: line 3: sources.s.danger_short_secret: is not needed: no secret is short; remove it"]
    );
}

#[test]
fn every_secret_is_checked() {
    assert_eq!(
        told("secrets = [{ env = \"S9\" }, { env = \"S32\" }, { env = \"S10\" }]", plain()).len(),
        2,
        "both short ones are told at once"
    );
    assert_eq!(
        told("secrets = [{ env = \"S32\" }, { env = \"S33\" }, { env = \"S32\" }]", plain()),
        ["warning: line 2: sources.s.secrets: secrets 1 and 3 are the same; remove one of them"]
    );
    let five = ["{ env = \"S32\" }"; 5].join(", ");
    assert_eq!(
        told(&format!("secrets = [{five}]"), plain()),
        ["line 2: sources.s.secrets: holds 5 secrets, more than 4; remove those that the vendor signs with no more"]
    );
    let whsec: Option<fn() -> Scheme> = Some(|| Scheme::Hmac(shapes::standard_webhooks()));
    assert_eq!(told("secrets = [{ env = \"WHSEC\" }]", whsec), [] as [&str; 0]);
    assert_eq!(
        told("secrets = [{ env = \"S33\" }]", whsec),
        ["line 2: sources.s.secrets: secret 1 is not base64, which its key is written in; \
          copy it again, whole, as the vendor shows it"]
    );
    assert_eq!(
        told("secrets = [{ env = \"S28\" }]", whsec),
        ["line 2: sources.s.secrets: secret 1 has 21 bytes, fewer than 24; use 32 random bytes or more; \
          where the vendor allows no more, danger_short_secret = true accepts 8"]
    );
    assert_eq!(
        told("secrets = [{ env = \"WHSEC_LONG\" }]", whsec),
        ["line 2: sources.s.secrets: secret 1 has 66 bytes, more than the 64 of Standard Webhooks; \
          copy it again, whole, as the vendor shows it"]
    );
    let bearer: Option<fn() -> Scheme> = Some(|| Scheme::Token(TokenScheme::bearer()));
    assert_eq!(
        told("secrets = [{ env = \"BLANKS\" }]", bearer),
        [
            "warning: line 2: sources.s.secrets: the environment variable BLANKS begins or ends with blanks; \
          remove them if the vendor's secret has none",
            "line 2: sources.s.secrets: secret 1 is no token: a header carries printable ASCII without blanks around it; \
          give the source a secret that its scheme can use"
        ]
    );
}

#[test]
fn unsigned_is_loud_and_stands_alone() {
    let loud = "warning: line 2: sources.s.danger_unsigned: every client that reaches this source can raise alerts; \
                give it secrets, or let only the vendor's addresses through to it";
    for default in [None, plain()] {
        let (verifier, told) = read("danger_unsigned = true", default);
        assert!(verifier.unwrap().is_unsigned());
        assert_eq!(told, [loud]);
    }
    assert_eq!(
        told("danger_unsigned = true\nsecrets = [{ env = \"S32\" }]\nverify = { scheme = \"token\" }", plain()),
        [
            loud,
            "line 3: sources.s.secrets: contradicts danger_unsigned = true; remove one of the two",
            "line 4: sources.s.verify: contradicts danger_unsigned = true; remove one of the two",
        ]
    );
    let (verifier, told) = read("danger_unsigned = false\nsecrets = [{ env = \"S32\" }]", plain());
    assert!(!verifier.unwrap().is_unsigned() && told.is_empty());
}

#[test]
fn words_that_are_not_known_are_faults() {
    for (verify, says) in [
        ("", "verify.scheme: is missing; add scheme = …"),
        (r#"scheme = "github""#, "verify.scheme: 'github' is not known; one of: hmac, token"),
        (r#"scheme = "hmacs""#, "verify.scheme: 'hmacs' is not known; did you mean 'hmac'?"),
        (r#"scheme = "hmac""#, "verify.header: is missing; add header = …"),
        (
            r#"scheme = "hmac", header = "h", algorithm = "md5""#,
            "verify.algorithm: 'md5' is not known; one of: sha256, sha512",
        ),
        (
            r#"scheme = "hmac", header = "h", encoding = "HEX""#,
            "verify.encoding: 'HEX' is not known; one of: hex, base64",
        ),
        (r#"scheme = "hmac", header = "h", key = "utf-8""#, "verify.key: 'utf-8' is not known; did you mean 'utf8'?"),
        (
            r#"scheme = "hmac", header = "h", separator = ", ""#,
            "verify.separator: is not one character; write one of: , ; | or a blank",
        ),
        (
            r#"scheme = "hmac", header = "h", separator = """#,
            "verify.separator: is not one character; write one of: , ; | or a blank",
        ),
        (
            r#"scheme = "hmac", header = "h", separator = "=""#,
            "verify.separator: is a character that stands inside signatures; write one of: , ; | or a blank",
        ),
        (
            r#"scheme = "hmac", header = "h h""#,
            "verify.header: is not a header name; write the header's name alone, like x-acme-signature",
        ),
        (
            r#"scheme = "token", header = """#,
            "verify.header: is not a header name; write the header's name alone, like x-acme-signature",
        ),
        (
            r#"scheme = "hmac", header = "h", prefix = "é""#,
            "verify.prefix: is not printable ASCII of at most 32 bytes; write what stands before the value, like sha256=",
        ),
        (
            r#"scheme = "hmac", header = "h", prefix = "v1,", separator = ",""#,
            "verify.prefix: contains the separator; the separator stands between whole values: correct one of the two",
        ),
        (r#"scheme = "hmac", header = "h", prefx = "v1=""#, "verify.prefx: is not a known key; did you mean 'prefix'?"),
        (
            r#"scheme = "token", algorithm = "sha256""#,
            "verify.algorithm: is not a known key; known here: scheme, header, prefix",
        ),
    ] {
        assert_eq!(told_of_verify(verify), [format!("line 2: sources.s.{says}")], "{verify}");
    }
    assert_eq!(
        told("verify = \"hmac\"\nsecrets = [{ env = \"S32\" }]", plain()),
        ["line 2: sources.s.verify: is a string, not a table; write a table"],
        "the vendor's scheme does not stand in for one that cannot be read"
    );
}

#[test]
fn templates_that_sign_something_else_are_faults() {
    let known = "use {body}, {timestamp} and {id}, and text without braces between them";
    for (signed, says) in [
        ("", "must contain {body} exactly once; write {body} where the raw body stands".to_owned()),
        ("body", "must contain {body} exactly once; write {body} where the raw body stands".to_owned()),
        ("{body}{body}", "must contain {body} exactly once; write {body} where the raw body stands".to_owned()),
        (
            "{timestamp}.{body}",
            "has {timestamp}, but there is no timestamp table; add timestamp = { header = \"…\" }, or remove it"
                .to_owned(),
        ),
        ("{id}.{body}", "has {id}, but there is no id_header; add id_header = \"…\", or remove it".to_owned()),
        ("{url}.{body}", format!("'{{url}}' is not known; {known}")),
        ("{Body}", format!("'{{Body}}' is not known; {known}")),
        ("{}", format!("'{{}}' is not known; {known}")),
        ("{{body}}", format!("'{{{{body}}' is not known; {known}")),
        ("{body", format!("has a brace without its other half; {known}")),
        ("body}{body}", format!("has a brace without its other half; {known}")),
        ("{body}}", format!("has a brace without its other half; {known}")),
        (&"x".repeat(129), format!("has more than 128 bytes; {known}")),
    ] {
        let told = told_of_verify(&format!(r#"scheme = "hmac", header = "h", signed = "{signed}""#));
        assert_eq!(told, [format!("line 2: sources.s.verify.signed: {says}")], "{signed}");
    }
    let twice = told_of_verify(r#"scheme = "hmac", header = "h", id_header = "i", signed = "{id}.{id}.{body}""#);
    assert_eq!(
        twice,
        ["line 2: sources.s.verify.signed: repeats a placeholder; write each of {timestamp} and {id} at most once"]
    );
}

#[test]
fn timestamp_tables_are_checked() {
    let base = r#"scheme = "hmac", header = "h", separator = ",", prefix = "v1=", signed = "{timestamp}.{body}""#;
    for (rule, says) in [
        ("{ }", "timestamp.header: is missing; add header = …"),
        ("\"x\"", "timestamp: is a string, not a table; write a table"),
        (
            r#"{ header = "a b" }"#,
            "timestamp: its header is not a header name; write the header's name alone, like x-acme-signature",
        ),
        (r#"{ header = "x", format = "iso" }"#, "timestamp.format: 'iso' is not known; one of: unix, unix_ms, rfc3339"),
        (
            r#"{ header = "x", tolerance = "0s" }"#,
            "timestamp.tolerance: '0s' is out of range; write a duration from 1s to 86401s",
        ),
        (
            r#"{ header = "x", tolerance = "2d" }"#,
            "timestamp.tolerance: '2d' is out of range; write a duration from 1s to 86401s",
        ),
        (
            r#"{ header = "x", tolerance = 300 }"#,
            "timestamp.tolerance: is an integer, not a text in quotes; write a text in quotes",
        ),
        (r#"{ header = "x", tolerence = "5m" }"#, "timestamp.tolerence: is not a known key; did you mean 'tolerance'?"),
        (
            r#"{ header = "H" }"#,
            "timestamp: shares the signature's header, which needs a prefix and the same separator in both; add prefix and separator to timestamp, like t= and a comma",
        ),
    ] {
        let told = told_of_verify(&format!("{base}, timestamp = {rule}"));
        assert_eq!(told, [format!("line 2: sources.s.verify.{says}")], "{rule}");
    }
}

#[test]
fn all_faults_of_a_table_are_told_at_once() {
    let told = told_of_verify(
        r#"scheme = "hmac", algorithm = "x", encoding = "x", key = "x", signed = "{x}", separator = "xx", timestamp = { format = "x", tolerance = "x", typo = 1 }, typo = 1"#,
    );
    assert_eq!(told.len(), 11, "{told:#?}");
}

#[test]
fn what_weakens_a_scheme_is_warned_of() {
    for (verify, says) in [
        (
            r#"timestamp = { header = "x" }"#,
            "timestamp: the time is not signed, so a captured request can be sent again with another; sign {timestamp} if the vendor can",
        ),
        (r#"id_header = "x""#, "id_header: is not signed, so it has no effect; remove it, or add {id} to signed"),
        (
            r#"signed = "{body}{timestamp}", timestamp = { header = "x" }"#,
            "signed: two placeholders touch, so bytes can be moved from one to the other; separate them if the vendor can",
        ),
    ] {
        let told = told_of_verify(&format!(r#"scheme = "hmac", header = "h", {verify}"#));
        assert_eq!(told, [format!("warning: line 2: sources.s.verify.{says}")], "{verify}");
    }
}

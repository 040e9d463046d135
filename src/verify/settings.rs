//! What the operator says about verification: `verify`, `secrets` and the two settings called `danger`.

use std::ops::Range;
use std::time::Duration;

use super::key::key_bytes;
use super::scheme::{
    Algorithm, HmacScheme, KeyEncoding, Scheme, SignatureEncoding, SignedPart, TimestampFormat, TimestampRule,
    TokenScheme,
};
use super::verifier::Verifier;
use super::verifier_error::SECRETS_MAX;
use crate::domain::Secret;
use crate::settings::Section;

impl Scheme {
    /// Reads the `verify` table of a source. `None` where it is absent or at fault; faults are recorded.
    pub fn from_settings(section: &Section) -> Option<Self> {
        let verify = section.section("verify")?;
        verify.required_text("scheme")?;
        let scheme = match verify.choice("scheme", &[("hmac", Word::Hmac), ("token", Word::Token)])? {
            Word::Hmac => read_hmac(&verify).map(Self::Hmac),
            Word::Token => read_token(&verify).map(Self::Token),
        };
        let scheme = scheme.filter(|scheme| is_usable(scheme, &verify));
        if let Some(Self::Hmac(scheme)) = &scheme {
            warn_of_unsigned_parts(scheme, &verify);
        }
        verify.finish();
        scheme
    }
}

impl Verifier {
    /// Reads `verify`, `secrets`, `danger_unsigned` and `danger_short_secret` of a source. `default_scheme` is the
    /// vendor's, for when `verify` is absent. `None` where no verifier can be built. Faults are recorded; an unknown key
    /// is one that does not stop the building, so ask the section whether there is any.
    pub fn from_settings(section: &Section, default_scheme: Option<fn() -> Scheme>) -> Option<Self> {
        let unsigned = section.flag("danger_unsigned");
        let floor = if section.flag("danger_short_secret") { Floor::Danger } else { Floor::Usual };
        let own = Scheme::from_settings(section);
        let secrets = section.secrets("secrets");
        if unsigned {
            return from_nothing(section);
        }
        let scheme = if section.has("verify") { own } else { default_scheme.map(|scheme| scheme()) };
        let (has_scheme, has_secrets) = (section.has("verify") || scheme.is_some(), section.has("secrets"));
        match (has_scheme, has_secrets) {
            (true, true) => {}
            (true, false) => {
                section.fault("secrets", "is missing: a source without verification accepts every sender", ADD_SECRETS)
            }
            (false, true) => section.fault("verify", "is missing: this vendor has no scheme of its own", ADD_VERIFY),
            (false, false) => {
                section.fault("", "a source without verification", &format!("{ADD_VERIFY} and {ADD_SECRETS}"))
            }
        }
        let (scheme, secrets) = (scheme?, Some(secrets).filter(|secrets| !secrets.is_empty())?);
        let usable = check_secrets(section, &scheme, &secrets, floor);
        if !usable {
            return None;
        }
        build(section, scheme, secrets)
    }
}

/// Which of the two words after `scheme =`.
#[derive(Clone, Copy)]
enum Word {
    Hmac,
    Token,
}

/// How short a secret may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Floor {
    Usual,
    Danger,
}

impl Floor {
    fn bytes(self) -> usize {
        match self {
            Self::Usual => SECRET_BYTES_MIN,
            Self::Danger => SECRET_BYTES_MIN_DANGER,
        }
    }
}

fn read_hmac(verify: &Section) -> Option<HmacScheme> {
    let algorithm = choice_or(verify, "algorithm", ALGORITHMS, Algorithm::Sha256);
    let encoding = choice_or(verify, "encoding", ENCODINGS, SignatureEncoding::Hex);
    let key_encoding = choice_or(verify, "key", KEYS, KeyEncoding::Utf8);
    let header = verify.required_text("header").map(|name| name.to_ascii_lowercase());
    let prefix = text_or(verify, "prefix", "");
    let separator = read_separator(verify);
    let signed = text_or(verify, "signed", "{body}").and_then(|template| read_template(verify, &template));
    let id_header = optional(verify, "id_header").map(|name| name.map(|name| name.to_ascii_lowercase()));
    let timestamp = match verify.section("timestamp") {
        Some(section) => read_timestamp(section).map(Some),
        None if verify.has("timestamp") => None,
        None => Some(None),
    };
    Some(HmacScheme {
        algorithm: algorithm?,
        header: header?,
        encoding: encoding?,
        prefix: prefix?,
        prefix_optional: false,
        separator: separator?,
        signed: signed?,
        key_encoding: key_encoding?,
        timestamp: timestamp?,
        id_header: id_header?,
    })
}

fn read_timestamp(section: Section) -> Option<TimestampRule> {
    let header = section.required_text("header").map(|name| name.to_ascii_lowercase());
    let prefix = text_or(&section, "prefix", "");
    let separator = read_separator(&section);
    let format = choice_or(&section, "format", FORMATS, TimestampFormat::Unix);
    let tolerance =
        if section.has("tolerance") { section.duration("tolerance", TOLERANCES) } else { Some(TOLERANCE_DEFAULT) };
    section.finish();
    Some(TimestampRule {
        header: header?,
        prefix: prefix?,
        separator: separator?,
        format: format?,
        tolerance: tolerance?,
    })
}

fn read_token(verify: &Section) -> Option<TokenScheme> {
    let header = text_or(verify, "header", "authorization").map(|name| name.to_ascii_lowercase());
    let usual = if header.as_deref() == Some("authorization") { "Bearer " } else { "" };
    let prefix = text_or(verify, "prefix", usual);
    Some(TokenScheme { header: header?, prefix: prefix? })
}

/// Reads `{timestamp}.{body}` into its parts. What the parts must be together is the scheme's own business.
fn read_template(verify: &Section, template: &str) -> Option<Vec<SignedPart>> {
    let fix = "use {body}, {timestamp} and {id}, and text without braces between them";
    if template.len() > TEMPLATE_BYTES_MAX {
        verify.fault("signed", &format!("has more than {TEMPLATE_BYTES_MAX} bytes"), fix);
        return None;
    }
    let mut parts = Vec::new();
    let mut rest = template;
    while !rest.is_empty() {
        let (literal, placeholder, after) = cut_placeholder(rest);
        if literal.contains(['{', '}']) {
            verify.fault("signed", "has a brace without its other half", fix);
            return None;
        }
        if !literal.is_empty() {
            parts.push(SignedPart::Literal(literal.to_owned()));
        }
        match placeholder {
            None => {}
            Some("body") => parts.push(SignedPart::Body),
            Some("timestamp") => parts.push(SignedPart::Timestamp),
            Some("id") => parts.push(SignedPart::Id),
            Some(other) => {
                verify.fault("signed", &format!("'{{{other}}}' is not known"), fix);
                return None;
            }
        }
        rest = after;
    }
    Some(parts)
}

/// The text before the first placeholder, the placeholder, and what comes after it.
fn cut_placeholder(text: &str) -> (&str, Option<&str>, &str) {
    let cut = text.split_once('{').and_then(|(literal, rest)| {
        let (placeholder, after) = rest.split_once('}')?;
        Some((literal, Some(placeholder), after))
    });
    cut.unwrap_or((text, None, ""))
}

fn is_usable(scheme: &Scheme, verify: &Section) -> bool {
    let faults = scheme.faults();
    for fault in &faults {
        let (key, message) = match fault.setting().split_once('.') {
            Some((table, key)) => (table, format!("its {key} {fault}")),
            None => (fault.setting(), fault.to_string()),
        };
        verify.fault(key, &message, fault.fix());
    }
    faults.is_empty()
}

fn warn_of_unsigned_parts(scheme: &HmacScheme, verify: &Section) {
    let signs = |part: SignedPart| scheme.signed.contains(&part);
    if scheme.timestamp.is_some() && !signs(SignedPart::Timestamp) {
        let message = "the time is not signed, so a captured request can be sent again with another";
        verify.warn("timestamp", message, "sign {timestamp} if the vendor can");
    }
    if scheme.id_header.is_some() && !signs(SignedPart::Id) {
        verify.warn("id_header", "is not signed, so it has no effect", "remove it, or add {id} to signed");
    }
    let variable = |part: &SignedPart| !matches!(part, SignedPart::Literal(_));
    if scheme.signed.windows(2).any(|pair| pair.iter().all(variable)) {
        let message = "two placeholders touch, so bytes can be moved from one to the other";
        verify.warn("signed", message, "separate them if the vendor can");
    }
}

fn from_nothing(section: &Section) -> Option<Verifier> {
    let mut contradicted = false;
    for key in ["secrets", "verify"] {
        if section.has(key) {
            section.fault(key, "contradicts danger_unsigned = true", "remove one of the two");
            contradicted = true;
        }
    }
    let message = "every client that reaches this source can raise alerts";
    section.warn("danger_unsigned", message, "give it secrets, or let only the vendor's addresses through to it");
    if contradicted { None } else { build(section, Scheme::DangerUnsigned, Vec::new()) }
}

fn check_secrets(section: &Section, scheme: &Scheme, secrets: &[Secret], floor: Floor) -> bool {
    if secrets.len() > SECRETS_MAX {
        let message = format!("holds {} secrets, more than {SECRETS_MAX}", secrets.len());
        section.fault("secrets", &message, "remove those that the vendor signs with no more");
        return false;
    }
    warn_of_equals(section, secrets);
    let encoding = match scheme {
        Scheme::Hmac(scheme) => scheme.key_encoding,
        Scheme::Token(_) | Scheme::DangerUnsigned => KeyEncoding::Utf8,
    };
    let lengths: Vec<Option<usize>> =
        secrets.iter().map(|secret| key_bytes(encoding, secret).map(|key| key.len())).collect();
    if floor == Floor::Danger && lengths.iter().flatten().all(|bytes| *bytes >= SECRET_BYTES_MIN) {
        section.warn("danger_short_secret", "is not needed: no secret is short", "remove it");
    }
    let check = |(index, length): (usize, &Option<usize>)| {
        let length_check = LengthCheck { section, position: index + 1, encoding, floor };
        length_check.accepts(*length)
    };
    // Counted rather than `all`, so that every secret at fault is reported.
    lengths.iter().enumerate().map(check).filter(|accepted| !accepted).count() == 0
}

/// Judges the length of one secret's key.
struct LengthCheck<'j, 'd> {
    section: &'j Section<'d>,
    position: usize,
    encoding: KeyEncoding,
    floor: Floor,
}

impl LengthCheck<'_, '_> {
    fn accepts(&self, length: Option<usize>) -> bool {
        let Some(bytes) = length else {
            self.fault("is not base64, which its key is written in", "copy it again, whole, as the vendor shows it");
            return false;
        };
        if bytes < self.floor.bytes() {
            let message = format!("has {bytes} bytes, fewer than {}", self.floor.bytes());
            self.fault(&message, self.fix_of_short());
            return false;
        }
        if self.encoding == KeyEncoding::Whsec && bytes > WHSEC_BYTES_MAX {
            let message = format!("has {bytes} bytes, more than the {WHSEC_BYTES_MAX} of Standard Webhooks");
            self.fault(&message, "copy it again, whole, as the vendor shows it");
            return false;
        }
        if bytes < SECRET_BYTES_MIN {
            let message = format!("secret {} has only {bytes} bytes and can be guessed", self.position);
            self.section.warn("danger_short_secret", &message, "replace it with 32 random bytes or more");
        } else if bytes < SECRET_BYTES_GOOD && self.encoding != KeyEncoding::Whsec {
            let message = format!("secret {} has {bytes} bytes, fewer than {SECRET_BYTES_GOOD}", self.position);
            self.section.warn("secrets", &message, "replace it with 32 random bytes or more");
        }
        true
    }

    fn fault(&self, what: &str, fix: &str) {
        self.section.fault("secrets", &format!("secret {} {what}", self.position), fix);
    }

    fn fix_of_short(&self) -> &'static str {
        match self.floor {
            Floor::Usual => {
                "use 32 random bytes or more; where the vendor allows no more, danger_short_secret = true accepts 8"
            }
            Floor::Danger => "use 32 random bytes or more; nothing accepts fewer than 8",
        }
    }
}

fn warn_of_equals(section: &Section, secrets: &[Secret]) {
    for (index, secret) in secrets.iter().enumerate() {
        if let Some(other) = secrets.iter().take(index).position(|other| other.ct_eq(secret)) {
            let message = format!("secrets {} and {} are the same", other + 1, index + 1);
            section.warn("secrets", &message, "remove one of them");
        }
    }
}

fn build(section: &Section, scheme: Scheme, secrets: Vec<Secret>) -> Option<Verifier> {
    match Verifier::new(scheme, secrets) {
        Ok(verifier) => Some(verifier),
        Err(fault) => {
            section.fault("secrets", &fault.to_string(), "give the source a secret that its scheme can use");
            None
        }
    }
}

/// `None` only where the setting is there and at fault.
fn choice_or<T: Copy>(section: &Section, key: &'static str, words: &[(&str, T)], usual: T) -> Option<T> {
    if section.has(key) { section.choice(key, words) } else { Some(usual) }
}

fn text_or(section: &Section, key: &'static str, usual: &str) -> Option<String> {
    if section.has(key) { section.text(key) } else { Some(usual.to_owned()) }
}

fn optional(section: &Section, key: &'static str) -> Option<Option<String>> {
    if section.has(key) { section.text(key).map(Some) } else { Some(None) }
}

fn read_separator(section: &Section) -> Option<Option<char>> {
    let Some(text) = optional(section, "separator")? else { return Some(None) };
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(separator), None) => Some(Some(separator)),
        _ => {
            section.fault("separator", "is not one character", "write one of: , ; | or a blank");
            None
        }
    }
}

const ALGORITHMS: &[(&str, Algorithm)] = &[("sha256", Algorithm::Sha256), ("sha512", Algorithm::Sha512)];
const ENCODINGS: &[(&str, SignatureEncoding)] =
    &[("hex", SignatureEncoding::Hex), ("base64", SignatureEncoding::Base64)];
const KEYS: &[(&str, KeyEncoding)] =
    &[("utf8", KeyEncoding::Utf8), ("whsec", KeyEncoding::Whsec), ("base64", KeyEncoding::Base64)];
const FORMATS: &[(&str, TimestampFormat)] =
    &[("unix", TimestampFormat::Unix), ("unix_ms", TimestampFormat::UnixMillis), ("rfc3339", TimestampFormat::Rfc3339)];

const ADD_SECRETS: &str = "add secrets = [{ env = \"NAME\" }]";
const ADD_VERIFY: &str = "add verify = { scheme = … }";

/// What Standard Webhooks asks for at least.
const SECRET_BYTES_MIN: usize = 24;
/// Fewer can be searched through.
const SECRET_BYTES_MIN_DANGER: usize = 8;
/// The strength of SHA-256 itself.
const SECRET_BYTES_GOOD: usize = 32;
/// Standard Webhooks: secrets have 24 to 64 bytes.
const WHSEC_BYTES_MAX: usize = 64;
/// Templates in the field have less than 30.
const TEMPLATE_BYTES_MAX: usize = 128;
/// Standard Webhooks, Stripe and Slack agree on it.
const TOLERANCE_DEFAULT: Duration = Duration::from_secs(300);
/// Beyond a day a time protects against nothing; the end is not included.
const TOLERANCES: Range<Duration> = Duration::from_secs(1)..Duration::from_secs(86_401);

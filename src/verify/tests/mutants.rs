//! Authentic requests, damaged in the ways that attackers and proxies damage them: none may pass.
//!
//! | what | how many |
//! |---|---|
//! | every bit of every header line and of the body of every specimen | 31,480; with the vectors of `shared` 53,968 |
//! | damage at random, one kind after the other, from a seed that is printed | 120,000; a million with `GATEPOST_FAULTS=long` |

use super::mutations::MUTATIONS;
use super::*;
use super::{shapes, vectors};
use crate::verify::{HmacScheme, SignatureEncoding, TimestampRule};

const NOW: i64 = 1_750_000_000;

/// Bodies that differ in what a reader might do to them: text, lines, bytes that are no text.
const BODIES: [&[u8]; 3] = [
    b"{\"id\":\"evt_1\",\"v\":[1,2.5]}",
    b" {\n  \"a\": \"\xc3\xbc:\\/.\",\n  \"a\": 1.50\n}\n",
    b"v0:\xff\xfe\x00.\x80\xc0t=1,v1=ab: . ",
];

#[test]
fn no_mutant_is_accepted() {
    let mut dice = Dice::new();
    let seed = dice.0;
    let wanted = if std::env::var("GATEPOST_FAULTS").is_ok_and(|form| form == "long") { 1_000_000 } else { 120_000 };
    let specimens = specimens();
    let mut counts = [0usize; MUTATIONS.len()];
    let (mut tried, mut controls) = (0, 0);
    while tried < wanted {
        let specimen = &specimens[dice.below(specimens.len())];
        let which = dice.below(MUTATIONS.len());
        let (name, mutate) = MUTATIONS[which];
        let Some(mutant) = mutate(specimen, &mut dice) else { continue };
        tried += 1;
        counts[which] += 1;
        let accepted = specimen.accepts(&mutant);
        assert!(!accepted, "seed {seed}: {name} on {} was accepted: {mutant:?}", specimen.name);
        if tried % 100 == 0 {
            controls += 1;
            assert!(specimen.accepts(&specimen.authentic), "seed {seed}: {} is refused", specimen.name);
        }
    }
    for ((name, _), count) in MUTATIONS.iter().zip(counts) {
        assert!(count > 200, "seed {seed}: {name} was tried {count} times only");
    }
    println!(
        "{tried} mutants of {} specimens in {} ways: none accepted; {controls} controls: all accepted",
        specimens.len(),
        MUTATIONS.len()
    );
}

#[test]
fn no_single_bit_can_flip() {
    let mut tried = 0;
    for specimen in specimens() {
        let lines = specimen.lines();
        for (line, at) in
            lines.iter().enumerate().flat_map(|(line, (_, value))| (0..value.len() * 8).map(move |at| (line, at)))
        {
            let mut changed = lines.clone();
            let byte = &mut changed[line].1[at / 8];
            let before = *byte;
            *byte ^= 1 << (at % 8);
            let name = &lines[line].0;
            let case_only =
                *name == specimen.header && specimen.ignores_case_at(at / 8) && before.eq_ignore_ascii_case(byte);
            tried += 1;
            let accepted = specimen.accepts(&specimen.with_all_lines(&changed));
            assert_eq!(accepted, case_only, "bit {at} of {name} of {}", specimen.name);
        }
        let signed = if specimen.hmac().is_some() { specimen.authentic.body.len() * 8 } else { 0 };
        for at in 0..signed {
            let mut body = specimen.authentic.body.to_vec();
            body[at / 8] ^= 1 << (at % 8);
            tried += 1;
            let mutant = Request { body: body.into(), ..specimen.authentic.clone() };
            let refusal = specimen.verifier.verify(mutant, specimen.now).err();
            assert_eq!(refusal, Some(Refusal::SignatureMismatch), "bit {at} of the body of {}", specimen.name);
        }
    }
    println!("{tried} single bits: none can flip");
    assert!(tried >= BITS_OF_OWN_SPECIMENS, "{tried}");
}

/// Without the vectors that only some machines have.
const BITS_OF_OWN_SPECIMENS: usize = 31_480;

/// What the mutations pass over must be accepted, or they would pass over too much.
#[test]
fn what_is_the_same_is_accepted() {
    for specimen in specimens() {
        let (value, tag) = (specimen.value(), specimen.tag());
        let start = value.len() - tag.len();
        let mut same = vec![value.clone(), format!(" \t{value}\t ")];
        match specimen.hmac().map(|scheme| scheme.encoding) {
            Some(SignatureEncoding::Hex) => same.push(format!("{}{}", &value[..start], tag.to_uppercase())),
            Some(SignatureEncoding::Base64) => same.push(value.trim_end_matches('=').to_owned()),
            None => same.push(format!("{}{tag}", value[..start].to_uppercase())),
        }
        for value in same {
            let request = specimen.with_lines(&[value.as_bytes()]);
            assert_eq!(slot_of(&specimen.verifier, &request, specimen.now), Ok(Some(0)), "{}: {value}", specimen.name);
        }
    }
}

/// Verifiers with the mistakes that have had advisories: the mutations must catch each, or they prove nothing.
#[test]
fn the_mutations_catch_verifiers_with_known_mistakes() {
    let specimens: Vec<Specimen> =
        specimens().into_iter().filter(|specimen| specimen.name.starts_with("github ")).collect();
    for (mistake, accepts) in MISTAKES {
        let mut dice = Dice::new();
        let caught = (0..100_000).any(|_| {
            let specimen = &specimens[dice.below(specimens.len())];
            let (_, mutate) = MUTATIONS[dice.below(MUTATIONS.len())];
            mutate(specimen, &mut dice).is_some_and(|mutant| accepts(specimen, &mutant))
        });
        assert!(caught, "{mistake}: no mutant shows it");
        assert!(specimens.iter().all(|specimen| accepts(specimen, &specimen.authentic)), "{mistake}");
    }
}

type Mistake = (&'static str, fn(&Specimen, &Request) -> bool);

const MISTAKES: &[Mistake] = &[
    ("compares only as far as the shorter goes", |specimen, request| {
        let (tag, expected) = (naive_tag(request), specimen.expected(&request.body));
        tag.is_some_and(|tag| tag.bytes().zip(expected.bytes()).all(|(a, b)| a == b))
    }),
    ("takes the first of two lines", |specimen, request| {
        let first = request.headers.all("x-hub-signature-256").next();
        first == Some(format!("sha256={}", specimen.expected(&request.body)).as_bytes())
    }),
    ("takes any prefix", |specimen, request| {
        let value = request.headers.only("x-hub-signature-256").unwrap_or_default();
        value.rsplit('=').next() == Some(&specimen.expected(&request.body))
    }),
    ("drops what is no digit", |specimen, request| {
        let tag: Option<String> = naive_tag(request).map(|tag| tag.chars().filter(char::is_ascii_hexdigit).collect());
        tag == Some(specimen.expected(&request.body))
    }),
    ("trims the body", |specimen, request| {
        let body = specimen.authentic.body.trim_ascii();
        request.body.trim_ascii() == body && naive_tag(request) == Some(specimen.tag())
    }),
    ("signs text instead of bytes", |specimen, request| {
        let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
        text(&request.body) == text(&specimen.authentic.body) && naive_tag(request) == Some(specimen.tag())
    }),
    ("only looks whether the header is there", |_, request| request.headers.only("x-hub-signature-256").is_some()),
];

fn naive_tag(request: &Request) -> Option<String> {
    request.headers.only("x-hub-signature-256")?.strip_prefix("sha256=").map(str::to_owned)
}

/// A source, a request that it accepts, and what the mutations need to know about it.
pub(super) struct Specimen {
    pub(super) name: String,
    pub(super) scheme: Scheme,
    /// The one that signed.
    pub(super) secret: String,
    pub(super) verifier: Verifier,
    pub(super) authentic: Request,
    pub(super) now: Timestamp,
    /// The header that holds the signature or the token.
    pub(super) header: String,
    pub(super) prefix: String,
}

/// Every shape of scheme with every body, under three secrets, and what vendors print.
fn specimens() -> Vec<Specimen> {
    let mut all = Vec::new();
    for shapes::Shape { name, scheme, secrets } in shapes::all() {
        for (number, body) in BODIES.iter().enumerate() {
            let authentic = signed(&verifier(scheme.clone(), &secrets), body, seconds(NOW));
            let name = format!("{name} {number}");
            all.push(Specimen::new(name, scheme.clone(), (&secrets, authentic), seconds(NOW)));
        }
    }
    for vectors::Printed { name, scheme, secret, request, now } in vectors::printed() {
        all.push(Specimen::new(name, Scheme::Hmac(scheme), (&[&secret], request), now));
    }
    all
}

impl Specimen {
    fn new(name: String, scheme: Scheme, (secrets, authentic): (&[&str], Request), now: Timestamp) -> Self {
        let verifier = verifier(scheme.clone(), secrets);
        assert_eq!(slot_of(&verifier, &authentic, now), Ok(Some(0)), "{name}");
        let (header, prefix) = match &scheme {
            Scheme::Hmac(HmacScheme { header, prefix, .. }) => (header.clone(), prefix.clone()),
            Scheme::Token(token) => (token.header.clone(), token.prefix.clone()),
            Scheme::DangerUnsigned => unreachable!("no shape is unsigned"),
        };
        Self { name, scheme, secret: secrets[0].to_owned(), verifier, authentic, now, header, prefix }
    }

    fn accepts(&self, request: &Request) -> bool {
        self.verifier.verify(request.clone(), self.now).is_ok()
    }

    pub(super) fn hmac(&self) -> Option<&HmacScheme> {
        if let Scheme::Hmac(scheme) = &self.scheme { Some(scheme) } else { None }
    }

    /// Hexadecimal has two cases, and so has the word before a token.
    pub(super) fn ignores_case_at(&self, at: usize) -> bool {
        match self.hmac() {
            Some(scheme) => scheme.encoding == SignatureEncoding::Hex && at >= self.value().len() - self.tag().len(),
            None => at < self.prefix.len(),
        }
    }

    pub(super) fn value(&self) -> String {
        self.authentic.headers.only(&self.header).unwrap().to_owned()
    }

    /// The tag or token without what stands before it.
    pub(super) fn tag(&self) -> String {
        let value = self.value();
        let stripped = value.rsplit_once(self.prefix.as_str()).filter(|_| !self.prefix.is_empty());
        stripped.map_or(value.clone(), |(_, tag)| tag.to_owned())
    }

    /// The tag that the body should have.
    fn expected(&self, body: &[u8]) -> String {
        let request = signed(&self.verifier, body, self.now);
        let value = request.headers.only(&self.header).unwrap();
        value.strip_prefix(&self.prefix).unwrap_or(value).to_owned()
    }

    /// The id in its header, else one that is not read.
    pub(super) fn id(&self) -> String {
        let header = self.hmac().and_then(|scheme| scheme.id_header.as_deref());
        header.and_then(|header| self.authentic.headers.only(header)).unwrap_or("msg_2ab").to_owned()
    }

    /// The text of the time.
    pub(super) fn time(&self) -> Option<String> {
        let TimestampRule { header, prefix, separator, .. } = self.hmac()?.timestamp.as_ref()?;
        let value = self.authentic.headers.only(header)?;
        let mut items = value.split(|c| Some(c) == *separator);
        items.find_map(|item| item.strip_prefix(prefix.as_str())).map(str::to_owned)
    }

    /// The request with another text for the time.
    pub(super) fn with_time(&self, time: &str) -> Option<Request> {
        let rule = self.hmac()?.timestamp.as_ref()?;
        let (old, mut lines) = (self.time()?, self.lines());
        let line = lines.iter_mut().find(|(name, _)| *name == rule.header)?;
        let value = std::str::from_utf8(&line.1).ok()?;
        line.1 = value.replacen(&format!("{}{old}", rule.prefix), &format!("{}{time}", rule.prefix), 1).into_bytes();
        Some(self.with_all_lines(&lines))
    }

    /// The request with another signature header; `None` where nothing changed that counts.
    pub(super) fn with_value(&self, value: &[u8]) -> Option<Request> {
        let base64 = self.hmac().is_some_and(|scheme| scheme.encoding == SignatureEncoding::Base64);
        let same = canonical(value, base64) == canonical(self.value().as_bytes(), base64);
        (!same).then(|| self.with_lines(&[value]))
    }

    pub(super) fn with_tag(&self, tag: &str) -> Option<Request> {
        let value = self.value();
        let start = value.len() - self.tag().len();
        self.with_value([&value[..start], tag].concat().as_bytes())
    }

    /// The request with these signature headers.
    pub(super) fn with_lines(&self, values: &[&[u8]]) -> Request {
        let mut lines = self.lines();
        lines.retain(|(name, _)| *name != self.header);
        lines.extend(values.iter().map(|value| (self.header.clone(), value.to_vec())));
        self.with_all_lines(&lines)
    }

    pub(super) fn lines(&self) -> Vec<(String, Vec<u8>)> {
        self.authentic.headers.iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect()
    }

    pub(super) fn with_all_lines(&self, lines: &[(String, Vec<u8>)]) -> Request {
        let mut headers = Headers::default();
        lines.iter().for_each(|(name, value)| headers.push(name, value.as_slice()));
        Request { headers, ..self.authentic.clone() }
    }
}

/// What a reader may take for the same: outer blanks, and the padding of base64. The case of hexadecimal is looked
/// after where bits are flipped.
fn canonical(value: &[u8], base64: bool) -> String {
    let text = String::from_utf8_lossy(value);
    let text = text.trim_matches([' ', '\t']);
    if base64 { text.trim_end_matches('=').to_owned() } else { text.to_owned() }
}

fn random_seed() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes)
}

/// splitmix64: small, and the same everywhere for one seed.
pub(super) struct Dice(u64);

impl Dice {
    /// From `GATEPOST_SEED`, else at random; prints the seed, which a failing test shows.
    fn new() -> Self {
        let seed = std::env::var("GATEPOST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(random_seed);
        println!("GATEPOST_SEED={seed}");
        Self(seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % u64::try_from(bound).unwrap()).unwrap()
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.roll().to_le_bytes()[0]
    }

    pub(super) fn pick<'p, T>(&mut self, from: &'p [T]) -> &'p T {
        &from[self.below(from.len())]
    }
}

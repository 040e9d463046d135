//! Authentic requests, damaged at random in the ways that attackers and proxies damage them: none may pass.

use super::shapes;
use super::*;
use crate::verify::{HmacScheme, KeyEncoding, SignatureEncoding};

const MUTANTS: usize = 120_000;
const NOW: i64 = 1_750_000_000;

#[test]
fn no_mutant_is_accepted() {
    let seed = std::env::var("GATEPOST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(random_seed);
    println!("GATEPOST_SEED={seed}");
    let mut dice = Dice(seed);
    let specimens: Vec<Specimen> = shapes::all().into_iter().map(Specimen::new).collect();
    let mut counts = [0usize; MUTATIONS.len()];
    let mut tried = 0;
    while tried < MUTANTS {
        let specimen = &specimens[dice.below(specimens.len())];
        let which = dice.below(MUTATIONS.len());
        let (name, mutate) = MUTATIONS[which];
        let Some(mutant) = mutate(specimen, &mut dice) else { continue };
        tried += 1;
        counts[which] += 1;
        let verdict = specimen.verifier.verify(mutant.clone(), seconds(NOW));
        assert!(verdict.is_err(), "seed {seed}: {name} on {} was accepted: {mutant:?}", specimen.name);
    }
    for ((name, _), count) in MUTATIONS.iter().zip(counts) {
        assert!(count > 500, "seed {seed}: {name} was tried {count} times only");
    }
}

/// A source, a request that it accepts, and what the mutations need to know about it.
struct Specimen {
    name: &'static str,
    scheme: Scheme,
    secrets: [&'static str; 3],
    verifier: Verifier,
    authentic: Request,
    /// The header that holds the signature or the token.
    header: String,
    prefix: String,
}

impl Specimen {
    fn new(shape: shapes::Shape) -> Self {
        let shapes::Shape { name, scheme, secrets } = shape;
        let verifier = verifier(scheme.clone(), &secrets);
        let authentic = signed(&verifier, b"{\"id\":\"evt_1\",\"v\":[1,2.5]}", seconds(NOW));
        assert_eq!(judge(&verifier, &authentic, seconds(NOW)), Ok(Some(0)), "{name}");
        let (header, prefix) = match &scheme {
            Scheme::Hmac(HmacScheme { header, prefix, .. }) => (header.clone(), prefix.clone()),
            Scheme::Token(token) => (token.header.clone(), token.prefix.clone()),
            Scheme::DangerUnsigned => unreachable!("no shape is unsigned"),
        };
        Self { name, scheme, secrets, verifier, authentic, header, prefix }
    }

    fn hmac(&self) -> Option<&HmacScheme> {
        if let Scheme::Hmac(scheme) = &self.scheme { Some(scheme) } else { None }
    }

    fn value(&self) -> String {
        self.authentic.headers.only(&self.header).unwrap().to_owned()
    }

    /// The tag or token without what stands before it.
    fn tag(&self) -> String {
        let value = self.value();
        let stripped = value.rsplit_once(self.prefix.as_str()).filter(|_| !self.prefix.is_empty());
        stripped.map_or(value.clone(), |(_, tag)| tag.to_owned())
    }

    /// The request with another signature header; `None` where nothing changed that counts.
    fn with_value(&self, value: &[u8]) -> Option<Request> {
        let base64 = self.hmac().is_some_and(|scheme| scheme.encoding == SignatureEncoding::Base64);
        let same = canonical(value, base64) == canonical(self.value().as_bytes(), base64);
        (!same).then(|| self.with_lines(&[value]))
    }

    fn with_tag(&self, tag: &str) -> Option<Request> {
        let value = self.value();
        let start = value.len() - self.tag().len();
        self.with_value([&value[..start], tag].concat().as_bytes())
    }

    fn with_lines(&self, values: &[&[u8]]) -> Request {
        let mut headers = Headers::default();
        let others = self.authentic.headers.iter().filter(|(name, _)| *name != self.header);
        others.for_each(|(name, value)| headers.push(name, value));
        values.iter().for_each(|value| headers.push(&self.header, *value));
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

type Mutation = (&'static str, fn(&Specimen, &mut Dice) -> Option<Request>);

const MUTATIONS: &[Mutation] = &[
    ("a flipped bit in the header", flip_header),
    ("a flipped bit in the body", flip_body),
    ("a flipped bit in another header", flip_other),
    ("a shortened or lengthened body", resize_body),
    ("a truncated tag", truncate_tag),
    ("a lengthened tag", lengthen_tag),
    ("another prefix", change_prefix),
    ("doubled header lines", double_lines),
    ("a list that is none", play_with_list),
    ("too many candidates", too_many),
    ("digits that are not ASCII", unicode_digits),
    ("a secret of somebody else", wrong_secret),
    ("an empty tag", empty_tag),
    ("a missing header", drop_header),
    ("the tag of another body", other_tag),
    ("random bytes", random_value),
    ("a forgotten or foreign encoding", other_encoding),
];

fn flip_header(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    let mut value = specimen.value().into_bytes();
    let at = dice.below(value.len());
    let before = value[at];
    value[at] ^= 1 << dice.below(8);
    // Hexadecimal has two cases, and so has the word before a token.
    let insensitive = specimen.hmac().is_none_or(|scheme| scheme.encoding == SignatureEncoding::Hex);
    let case_only = before.eq_ignore_ascii_case(&value[at]) && insensitive;
    if case_only { None } else { specimen.with_value(&value) }
}

fn flip_body(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    specimen.hmac()?;
    let mut body = specimen.authentic.body.to_vec();
    let at = dice.below(body.len());
    body[at] ^= 1 << dice.below(8);
    Some(Request { body: body.into(), ..specimen.authentic.clone() })
}

fn flip_other(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    let mut lines: Vec<(String, Vec<u8>)> =
        specimen.authentic.headers.iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
    let line = dice.below(lines.len());
    if lines[line].0 == specimen.header {
        return None;
    }
    let at = dice.below(lines[line].1.len());
    lines[line].1[at] ^= 1 << dice.below(8);
    let mut headers = Headers::default();
    lines.iter().for_each(|(name, value)| headers.push(name, value.as_slice()));
    Some(Request { headers, ..specimen.authentic.clone() })
}

fn resize_body(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    specimen.hmac()?;
    let mut body = specimen.authentic.body.to_vec();
    match dice.below(3) {
        0 => body.truncate(dice.below(body.len())),
        1 => body.extend((0..=dice.below(70)).map(|_| dice.byte())),
        _ => body.insert(dice.below(body.len()), b' '),
    }
    Some(Request { body: body.into(), ..specimen.authentic.clone() })
}

fn truncate_tag(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    let tag = specimen.tag();
    let keep = dice.below(tag.len());
    specimen.with_tag(if dice.below(2) == 0 { &tag[..keep] } else { &tag[tag.len() - keep..] })
}

fn lengthen_tag(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    let tag = specimen.tag();
    let more = dice.pick(&["0", "00", "A", "AA", "=", "==", "\0", "%00", "\n", ";", "/", "."]);
    let longer = match dice.below(3) {
        0 => format!("{tag}{more}"),
        1 => format!("{more}{tag}"),
        _ => format!("{tag}{tag}"),
    };
    specimen.with_tag(&longer)
}

fn change_prefix(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    let others =
        ["sha1=", "sha512=", "SHA256=", "v0,", "v2,", "v1a,", "v1:", "=", "md5=", "Basic ", "Token ", "sha256=sha256="];
    let prefix = dice.pick(&others);
    let value = specimen.value().replacen(&specimen.tag(), "", 1);
    let before = value.strip_suffix(specimen.prefix.as_str()).unwrap_or(&value);
    specimen.with_value(format!("{before}{prefix}{}", specimen.tag()).as_bytes())
}

fn double_lines(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    let value = specimen.value();
    let other = dice.pick(&["", "x", value.as_str()]).to_owned();
    let mut lines = vec![value.as_bytes(), other.as_bytes()];
    if dice.below(2) == 0 {
        lines.reverse();
    }
    Some(specimen.with_lines(&lines))
}

/// Lists where the scheme has none, and separators that are not the scheme's.
fn play_with_list(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    let own = specimen.hmac().and_then(|scheme| scheme.separator);
    let separator = *dice.pick(&[',', ' ', ';', '|', '\t', ':', '&']);
    let blank_before_list = separator == '\t' || separator == ' ';
    if own == Some(separator) || (own.is_some() && blank_before_list) {
        return None;
    }
    let (prefix, tag, junk) = (&specimen.prefix, specimen.tag(), dice.pick(&["0", "x=1", "v1=00", "v1,AA"]).to_owned());
    let list = match dice.below(3) {
        0 => format!("{prefix}{junk}{separator}{prefix}{tag}"),
        1 => format!("{prefix}{tag}{separator}{prefix}{junk}"),
        _ => format!("{prefix}{tag}{separator}{prefix}{tag}"),
    };
    specimen.with_value(list.as_bytes())
}

fn too_many(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    let separator = specimen.hmac()?.separator?;
    let mut list = vec![format!("{}{}", specimen.prefix, "0".repeat(64)); 8 + dice.below(20)];
    let at = dice.below(list.len() + 1);
    list.insert(at, format!("{}{}", specimen.prefix, specimen.tag()));
    let value = specimen.value();
    let head = value.split_once(separator).map_or(String::new(), |(time, _)| format!("{time}{separator}"));
    specimen.with_value(format!("{head}{}", list.join(&separator.to_string())).as_bytes())
}

fn unicode_digits(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    let value = specimen.value();
    let digits: Vec<usize> = value.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(at, _)| at).collect();
    if digits.is_empty() {
        return None;
    }
    let at = *dice.pick(&digits);
    let digit = u32::from(value.as_bytes()[at] - b'0');
    let zero = *dice.pick(&[0xff10, 0x0660, 0x0966, 0x1d7ce]);
    let stranger = char::from_u32(zero + digit)?;
    specimen.with_value(format!("{}{stranger}{}", &value[..at], &value[at + 1..]).as_bytes())
}

fn wrong_secret(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    let scheme = specimen.scheme.clone();
    let base64 = matches!(&scheme, Scheme::Hmac(s) if s.key_encoding != KeyEncoding::Utf8);
    let secret = match dice.below(3) {
        _ if base64 => format!("{:0<8}", dice.below(10_000_000)),
        0 => specimen.secrets.concat(),
        1 => specimen.secrets[0].chars().rev().collect(),
        _ => format!("{}{}", specimen.secrets[0], dice.below(1000)),
    };
    Some(signed(&verifier(scheme, &[&secret]), &specimen.authentic.body, seconds(NOW)))
}

fn empty_tag(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    let blank = dice.pick(&["", " ", "\t", "=", "==", "====", "\"\"", "null", "undefined", "0", ",", "v1,", "v1="]);
    let value = match dice.below(2) {
        0 => format!("{}{blank}", specimen.prefix),
        _ => (*blank).to_owned(),
    };
    specimen.with_value(value.as_bytes())
}

fn drop_header(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    let lines: Vec<_> = specimen.authentic.headers.iter().collect();
    let dropped = dice.below(lines.len());
    let mut headers = Headers::default();
    let kept = lines.iter().enumerate().filter(|(at, _)| *at != dropped);
    kept.for_each(|(_, (name, value))| headers.push(name, *value));
    if dice.below(2) == 0 {
        headers.push(&format!("x-{}", lines[dropped].0), lines[dropped].1);
    }
    Some(Request { headers, ..specimen.authentic.clone() })
}

fn other_tag(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    specimen.hmac()?;
    let body: Vec<u8> = (0..dice.below(40)).map(|_| dice.byte()).collect();
    let request = signed(&specimen.verifier, &body, seconds(NOW));
    Some(Request { body: specimen.authentic.body.clone(), ..request })
}

fn random_value(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    let length = dice.below(200);
    let noise: Vec<u8> = (0..length).map(|_| dice.byte()).collect();
    let prefixed = [specimen.prefix.as_bytes(), &noise].concat();
    Some(specimen.with_lines(&[if dice.below(2) == 0 { noise.as_slice() } else { prefixed.as_slice() }]))
}

/// The same tag in the other encoding, in base64 for URLs, or as its bare bytes.
fn other_encoding(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    use SignatureEncoding::{Base64, Hex};
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    let scheme = specimen.hmac()?;
    let tag = specimen.tag();
    let bytes = match scheme.encoding {
        Hex => hex::decode(&tag).unwrap(),
        Base64 => STANDARD.decode(&tag).unwrap(),
    };
    let value = specimen.value();
    let before = &value.as_bytes()[..value.len() - tag.len()];
    let written = match dice.below(4) {
        0 if scheme.encoding == Hex => STANDARD.encode(&bytes).into_bytes(),
        0 => hex::encode(&bytes).into_bytes(),
        1 => URL_SAFE.encode(&bytes).into_bytes(),
        2 => bytes,
        _ => STANDARD.encode(&tag).into_bytes(),
    };
    specimen.with_value(&[before, &written].concat())
}

fn random_seed() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes)
}

/// splitmix64: small, and the same everywhere for one seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % u64::try_from(bound).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.roll().to_le_bytes()[0]
    }

    fn pick<'p, T>(&mut self, from: &'p [T]) -> &'p T {
        &from[self.below(from.len())]
    }
}

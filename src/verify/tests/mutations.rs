//! The ways in which attackers and proxies damage an authentic request. Each gives `None` where the damage is none: what
//! a reader may take for the same is left to the controls.

use sha2::{Digest, Sha256};

use super::mutants::{Dice, Specimen};
use super::*;
use crate::verify::{Algorithm, HmacScheme, KeyEncoding, SignatureEncoding, SignedPart};

pub(super) type Mutation = (&'static str, fn(&Specimen, &mut Dice) -> Option<Request>);

pub(super) const MUTATIONS: &[Mutation] = &[
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
    ("a secret of another sender", wrong_secret),
    ("an empty tag", empty_tag),
    ("a missing header", drop_header),
    ("the tag of another body", other_tag),
    ("random bytes", random_value),
    ("a forgotten or foreign encoding", other_encoding),
    ("a respelled body", respell_body),
    ("another line doubled", double_other),
    ("another time under the same tag", change_time),
    ("a right tag of another time", stale),
    ("bytes moved between time and body", move_bytes),
    ("another algorithm", other_algorithm),
    ("a hash that is no HMAC", plain_hash),
    ("another header's name", rename_header),
];

fn flip_header(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    let mut value = specimen.value().into_bytes();
    let at = dice.below(value.len());
    let before = value[at];
    value[at] ^= 1 << dice.below(8);
    let case_only = before.eq_ignore_ascii_case(&value[at]) && specimen.ignores_case_at(at);
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
    let mut lines = specimen.lines();
    let line = dice.below(lines.len());
    if lines[line].0 == specimen.header {
        return None;
    }
    let at = dice.below(lines[line].1.len());
    lines[line].1[at] ^= 1 << dice.below(8);
    Some(specimen.with_all_lines(&lines))
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
    let mut lines = specimen.lines();
    let line = dice.below(lines.len());
    let value = std::str::from_utf8(&lines[line].1).ok()?.to_owned();
    let digits: Vec<usize> = value.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(at, _)| at).collect();
    if digits.is_empty() {
        return None;
    }
    let at = *dice.pick(&digits);
    let digit = u32::from(value.as_bytes()[at] - b'0');
    let zero = *dice.pick(&[0xff10, 0x0660, 0x0966, 0x1d7ce]);
    let stranger = char::from_u32(zero + digit)?;
    lines[line].1 = format!("{}{stranger}{}", &value[..at], &value[at + 1..]).into_bytes();
    Some(specimen.with_all_lines(&lines))
}

fn wrong_secret(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    let scheme = specimen.scheme.clone();
    let base64 = matches!(&scheme, Scheme::Hmac(s) if s.key_encoding != KeyEncoding::Utf8);
    let secret = match dice.below(3) {
        _ if base64 => format!("{:0<8}", dice.below(10_000_000)),
        0 => specimen.secret.repeat(2),
        1 => specimen.secret.chars().rev().collect(),
        _ => format!("{}{}", specimen.secret, dice.below(1000)),
    };
    // An id that is in the request stays.
    let id = specimen.id();
    Some(signed_as(&verifier(scheme, &[&secret]), &specimen.authentic.body, specimen.now, &id))
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
    let request = signed_as(&specimen.verifier, &body, specimen.now, &specimen.id());
    (body != specimen.authentic.body).then(|| Request { body: specimen.authentic.body.clone(), ..request })
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

/// What parsers, editors and proxies make of a body on the way.
fn respell_body(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    specimen.hmac()?;
    let body = &specimen.authentic.body;
    let text = String::from_utf8_lossy(body);
    let respelled = match dice.below(10) {
        0 => [b"\xef\xbb\xbf", &body[..]].concat(),
        1 => [&body[..], b"\n"].concat(),
        2 => [&body[..], b"\0"].concat(),
        3 => text.replace('\n', "\r\n").into_bytes(),
        4 => text.into_owned().into_bytes(),
        5 => body.trim_ascii().to_vec(),
        6 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        7 => body.to_ascii_uppercase(),
        8 => serde_json::from_slice::<serde_json::Value>(body).ok()?.to_string().into_bytes(),
        _ => body.repeat(2),
    };
    (respelled != *body).then(|| Request { body: respelled.into(), ..specimen.authentic.clone() })
}

/// The line with the time or the id twice, also where both say the same.
fn double_other(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    let mut lines = specimen.lines();
    let place = dice.below(lines.len());
    let (name, value) = lines[place].clone();
    if name == specimen.header {
        return None;
    }
    let other = if dice.below(2) == 0 { value } else { b"1".to_vec() };
    lines.insert(place + dice.below(2), (name, other));
    Some(specimen.with_all_lines(&lines))
}

fn change_time(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    let time = specimen.time()?;
    let digits: Vec<usize> = time.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(at, _)| at).collect();
    let at = *dice.pick(&digits);
    let digit = (time.as_bytes()[at] - b'0' + 1 + u8::try_from(dice.below(9)).unwrap()) % 10;
    specimen.with_time(&format!("{}{digit}{}", &time[..at], &time[at + 1..]))
}

/// Signed with the secret, outside of the tolerance: a captured request.
fn stale(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    let tolerance = i64::try_from(specimen.hmac()?.timestamp.as_ref()?.tolerance.as_secs()).ok()?;
    let scale = 1 << dice.below(31);
    let off = tolerance + 1 + i64::try_from(dice.below(scale)).ok()?;
    let off = if dice.below(2) == 0 { off } else { -off };
    let then = Timestamp::from_millis(specimen.now.as_millis() + off * 1000);
    Some(signed_as(&specimen.verifier, &specimen.authentic.body, then, &specimen.id()))
}

/// The same signed content, cut in another place.
fn move_bytes(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    let (time, body) = (specimen.time()?, specimen.authentic.body.to_vec());
    let (time, body) = match specimen.hmac()?.signed.as_slice() {
        [.., SignedPart::Timestamp, SignedPart::Literal(between), SignedPart::Body] => {
            let places: Vec<usize> = body
                .windows(between.len())
                .enumerate()
                .filter(|(_, w)| *w == between.as_bytes())
                .map(|(at, _)| at)
                .collect();
            let at = *places.get(dice.below(places.len().max(1)))?;
            let before = std::str::from_utf8(&body[..at]).ok()?;
            (format!("{time}{between}{before}"), body[at + between.len()..].to_vec())
        }
        [SignedPart::Body, SignedPart::Timestamp] if dice.below(2) == 0 => {
            let (first, rest) = time.split_at(1 + dice.below(time.len() - 1));
            (rest.to_owned(), [&body, first.as_bytes()].concat())
        }
        [SignedPart::Body, SignedPart::Timestamp] => {
            let keep = dice.below(body.len());
            (format!("{}{time}", std::str::from_utf8(&body[keep..]).ok()?), body[..keep].to_vec())
        }
        _ => return None,
    };
    specimen.with_time(&time).map(|request| Request { body: body.into(), ..request })
}

fn other_algorithm(specimen: &Specimen, _dice: &mut Dice) -> Option<Request> {
    let scheme = specimen.hmac()?;
    let algorithm = match scheme.algorithm {
        Algorithm::Sha256 => Algorithm::Sha512,
        Algorithm::Sha512 => Algorithm::Sha256,
    };
    let other = verifier(Scheme::Hmac(HmacScheme { algorithm, ..scheme.clone() }), &[&specimen.secret]);
    Some(signed_as(&other, &specimen.authentic.body, specimen.now, &specimen.id()))
}

/// A hash over secret and body, as home-made schemes have it.
fn plain_hash(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let scheme = specimen.hmac()?;
    let (secret, body) = (specimen.secret.as_bytes(), &specimen.authentic.body[..]);
    let hash = Sha256::digest(match dice.below(3) {
        0 => [secret, body].concat(),
        1 => [body, secret].concat(),
        _ => body.to_vec(),
    });
    let hash = if scheme.algorithm == Algorithm::Sha256 { hash.to_vec() } else { hash.repeat(2) };
    specimen.with_tag(&match scheme.encoding {
        SignatureEncoding::Hex => hex::encode(hash),
        SignatureEncoding::Base64 => STANDARD.encode(hash),
    })
}

fn rename_header(specimen: &Specimen, dice: &mut Dice) -> Option<Request> {
    let mut lines = specimen.lines();
    let line = lines.iter_mut().find(|(name, _)| *name == specimen.header)?;
    let name = match dice.below(4) {
        0 => line.0.replace('-', "_"),
        1 => format!("{}-256", line.0),
        2 => format!("{} ", line.0),
        _ => line.0.trim_start_matches("x-").to_owned(),
    };
    let same = name == line.0;
    line.0 = name;
    (!same).then(|| specimen.with_all_lines(&lines))
}

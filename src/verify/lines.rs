//! Header lines as verification reads them: one line of a name, visible ASCII, a bounded length.

use super::refusal::Flaw;
use crate::domain::Headers;

/// The value of the only line called `name`, without the optional whitespace around it (RFC 9110, 5.5).
///
/// Two lines are refused, even two that are the same: another reader might take the other one.
/// Other than [`Headers::only`] it knows no whitespace beyond blank and tab, and no character beyond ASCII.
pub(super) fn single<'h>(headers: &'h Headers, name: &str) -> Result<&'h str, Flaw> {
    let mut lines = headers.all(name);
    let Some(line) = lines.next() else {
        return Err(Flaw::missing(format!("the request has no header {name}")));
    };
    let more = lines.count();
    if more > 0 {
        return Err(Flaw::mismatch(format!("the header {name} stands {} times; it must stand once", more + 1)));
    }
    if line.len() > VALUE_BYTES_MAX {
        return Err(Flaw::mismatch(format!("the header {name} has {} bytes, more than {VALUE_BYTES_MAX}", line.len())));
    }
    match std::str::from_utf8(line).map(trim) {
        Ok("") => Err(Flaw::missing(format!("the header {name} is empty"))),
        Ok(text) if text.bytes().all(|b| (b' '..=b'~').contains(&b) || b == b'\t') => Ok(text),
        _ => Err(Flaw::mismatch(format!("the header {name} holds bytes that are not visible ASCII"))),
    }
}

/// The items of a value that may be a list, without whitespace around them and without empty ones.
pub(super) fn items(value: &str, separator: Option<char>) -> impl Iterator<Item = &str> {
    let (list, alone) = match separator {
        Some(separator) => (Some(value.split(separator)), None),
        None => (None, Some(value)),
    };
    list.into_iter().flatten().chain(alone).map(trim).filter(|item| !item.is_empty())
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Eight SHA-512 signatures in hexadecimal with their prefixes take less than 1,400, and tokens are shorter still.
pub(super) const VALUE_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Refusal;

    #[test]
    fn one_line_of_visible_ascii_is_taken_without_its_blanks() {
        let headers: Headers = [("X-Sig", " \t a b \t"), ("x-other", "c")].into_iter().collect();
        assert_eq!(single(&headers, "x-sig").unwrap(), "a b");
    }

    #[test]
    fn everything_else_is_refused() {
        let long = "a".repeat(VALUE_BYTES_MAX + 1);
        for (lines, refusal) in [
            (vec![], Refusal::SignatureMissing),
            (vec!["".as_bytes()], Refusal::SignatureMissing),
            (vec![b" \t "], Refusal::SignatureMissing),
            (vec![b"a", b"a"], Refusal::SignatureMismatch),
            (vec![b"", b"a"], Refusal::SignatureMismatch),
            (vec!["１２".as_bytes()], Refusal::SignatureMismatch),
            (vec!["\u{a0}a".as_bytes()], Refusal::SignatureMismatch),
            (vec![b"a\xff"], Refusal::SignatureMismatch),
            (vec![b"a\0"], Refusal::SignatureMismatch),
            (vec![b"a\x7f"], Refusal::SignatureMismatch),
            (vec![long.as_bytes()], Refusal::SignatureMismatch),
        ] {
            let mut headers = Headers::default();
            lines.iter().for_each(|line| headers.push("x-sig", *line));
            assert_eq!(single(&headers, "x-sig").unwrap_err().refusal, refusal, "{lines:?}");
        }
    }

    #[test]
    fn a_list_is_cut_only_where_it_may_be() {
        assert_eq!(items("a, b,,\tc ,", Some(',')).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(items("a b", Some(' ')).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(items("a,b", None).collect::<Vec<_>>(), ["a,b"]);
    }
}

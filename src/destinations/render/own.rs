//! The words that the operator's templates made, in the place of the built-in ones.

use super::summary::Fact;
use super::truncate;
use crate::domain::Wording;

/// The words that the operator's templates made. Plain text, neither cut nor escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// One line, never blank.
    pub title: Option<String>,
    /// One line, never blank.
    pub subject: Option<String>,
    /// Several lines, never blank.
    pub text: Option<String>,
    /// Named values.
    pub fields: Option<Vec<Fact>>,
}

impl Own {
    /// Those of a change.
    pub fn of(wording: &Wording) -> Self {
        let fact = |(name, value): &(String, String)| Fact { name: name.clone(), value: value.clone() };
        Self {
            title: wording.title.clone(),
            subject: wording.subject.clone(),
            text: wording.text.clone(),
            fields: wording.fields.as_ref().map(|fields| fields.iter().map(fact).collect()),
        }
    }
}

/// A line of at most `chars_max` characters: the title of the incident gives way where the line holds it, so that the number
/// and what the operator put around it stay.
pub fn fitted(line: &str, title: &str, chars_max: usize) -> String {
    let excess = length(line).saturating_sub(chars_max);
    let room = length(title).saturating_sub(excess);
    if excess > 0
        && room > 0
        && let Some((before, after)) = line.split_once(title)
    {
        return format!("{before}{}{after}", truncate::chars(title, room));
    }
    truncate::chars(line, chars_max).into_owned()
}

fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_gives_way_and_what_is_around_it_stays() {
        for (line, title, chars_max, fits) in [
            ("[prod] injection · #1", "injection", 40, "[prod] injection · #1"),
            ("[prod] injection · #1", "injection", 18, "[prod] injec… · #1"),
            ("[prod] injection · #1", "absent", 10, "[prod] in…"),
            ("[prod] injection · #1", "injection", 8, "[prod] …"),
            ("😀😀 x", "😀😀", 5, "😀… x"),
        ] {
            assert_eq!(fitted(line, title, chars_max), fits);
        }
    }
}

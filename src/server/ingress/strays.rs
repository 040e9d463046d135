//! Requests to addresses that no source has: a vendor's URL may be mistyped, and then no alert of that vendor arrives,
//! or an unauthenticated client probes. The log says so once a minute for each name, with the most similar configured
//! name.
//!
//! Names that look like a configured one and names that do not have [`NAMES_MAX`] lines a minute each, so that probing
//! clients cannot hide a mistyped name. The name is an attacker's text: it is truncated, and only plain characters of
//! it are shown.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::Timestamp;
use crate::vendors::Sources;

/// What has been logged, and when.
#[derive(Debug, Default)]
pub struct Strays(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    near: Told,
    far: Told,
    /// The second in which names were last compared, and how many in it.
    compared: (i64, u32),
}

#[derive(Debug, Default)]
struct Told {
    /// The names that have been logged within the last [`QUIET`], and when.
    names: BTreeMap<String, Timestamp>,
    /// Requests without a line since the last line.
    more: u64,
}

/// A request that is to be logged.
#[derive(Debug, PartialEq, Eq)]
pub struct Stray {
    /// What was typed, harmless to show.
    pub typed: String,
    /// The configured source whose name is nearest.
    pub nearest: Option<String>,
    /// How many requests had no line since the last one that had.
    pub more: u64,
}

impl Strays {
    /// Counts a request to `typed`; what is to be logged about it, if anything.
    pub fn note(&self, typed: &str, sources: &Sources, steady: Timestamp) -> Option<Stray> {
        let typed = typed.get(..typed.floor_char_boundary(TYPED_BYTES_MAX)).unwrap_or_default();
        let shown = shown(typed);
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.forget(steady);
        if let Some(told) = state.told_of(&shown) {
            told.more += 1;
            return None;
        }
        if !state.may_compare(steady) {
            state.far.more += 1;
            return None;
        }
        let names = sources.keys().map(|name| name.as_str());
        let nearest = nearest(typed, names);
        let is_near = nearest.is_some_and(|(likeness, _)| likeness >= NEAR);
        let told = if is_near { &mut state.near } else { &mut state.far };
        let more = told.due(&shown, steady)?;
        Some(Stray { typed: shown, nearest: nearest.map(|(_, name)| name.to_owned()), more })
    }
}

impl State {
    fn forget(&mut self, steady: Timestamp) {
        for told in [&mut self.near, &mut self.far] {
            told.names.retain(|_, at| steady.since(*at) < QUIET);
        }
    }

    fn told_of(&mut self, name: &str) -> Option<&mut Told> {
        [&mut self.near, &mut self.far].into_iter().find(|told| told.names.contains_key(name))
    }

    /// Comparing costs time, which is limited for unauthenticated clients.
    fn may_compare(&mut self, steady: Timestamp) -> bool {
        if self.near.is_full() && self.far.is_full() {
            return false;
        }
        let second = steady.as_millis() / 1_000;
        if self.compared.0 != second {
            self.compared = (second, 0);
        }
        self.compared.1 += 1;
        self.compared.1 <= COMPARED_PER_SECOND
    }
}

impl Told {
    fn is_full(&self) -> bool {
        self.names.len() >= NAMES_MAX
    }

    /// How many requests had no line before this one; `None` if this one has none either.
    fn due(&mut self, name: &str, steady: Timestamp) -> Option<u64> {
        if self.is_full() {
            self.more += 1;
            return None;
        }
        self.names.insert(name.to_owned(), steady);
        Some(std::mem::take(&mut self.more))
    }
}

/// The name that is most like what was typed, and how like it is, from 0 to 1.
fn nearest<'n>(typed: &str, names: impl Iterator<Item = &'n str>) -> Option<(f64, &'n str)> {
    let typed = typed.trim_matches('/').to_ascii_lowercase();
    let last = typed.rsplit('/').next().unwrap_or_default();
    let likeness = |name: &str| match last.contains(name) || (last.len() >= PART_MIN && name.contains(last)) {
        true => 1.0,
        false => strsim::normalized_damerau_levenshtein(last, name),
    };
    names.map(|name| (likeness(name), name)).max_by(|a, b| a.0.total_cmp(&b.0))
}

/// The characters of a path that mean nothing to a terminal or a log; a question mark for each other.
fn shown(typed: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '%' | '/');
    typed.chars().map(|c| if plain(c) { c } else { '?' }).collect()
}

/// How long a name has no further line after one.
const QUIET: Duration = Duration::from_secs(60);
/// As many names have a line within [`QUIET`], of those that look like a configured one and of the others.
const NAMES_MAX: usize = 8;
/// How much of a path is looked at: the longest name of a source, and a margin.
const TYPED_BYTES_MAX: usize = 80;
/// From this similarity on the name counts as mistyped.
const NEAR: f64 = 0.6;
/// A shorter common part is no similarity.
const PART_MIN: usize = 3;
const COMPARED_PER_SECOND: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(typed: &str) -> Option<(&'static str, bool)> {
        nearest(typed, ["adrian", "akto-prod", "github"].into_iter()).map(|(likeness, name)| (name, likeness >= NEAR))
    }

    #[test]
    fn the_name_that_was_meant_is_found() {
        for (typed, meant) in [
            ("adrain", "adrian"),
            ("Adrian", "adrian"),
            ("adrian-prod", "adrian"),
            ("akto", "akto-prod"),
            ("aktoprod", "akto-prod"),
            ("/webhook/github", "github"),
            ("/webhooks/github/", "github"),
        ] {
            assert_eq!(of(typed), Some((meant, true)), "{typed}");
        }
        for typed in ["wp-login.php", "", "a", "zzzzzzzz", "/.env"] {
            assert!(of(typed).is_some_and(|(_, is_near)| !is_near), "{typed}");
        }
        assert_eq!(nearest("adrian", std::iter::empty()), None);
    }

    #[test]
    fn a_name_is_told_once_a_minute_with_the_number_of_the_others() {
        let (strays, none) = (Strays::default(), Sources::new());
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        let told = |more| Some(Stray { typed: "x".to_owned(), nearest: None, more });
        assert_eq!(strays.note("x", &none, at(100)), told(0));
        for second in 101..160 {
            assert_eq!(strays.note("x", &none, at(second)), None);
        }
        assert_eq!(strays.note("x", &none, at(160)), told(59));
    }

    #[test]
    fn several_names_are_told_within_a_minute_and_the_others_as_a_number() {
        let (strays, none) = (Strays::default(), Sources::new());
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        let told: Vec<_> = (0..12).filter_map(|n| strays.note(&format!("name-{n}"), &none, at(100))).collect();
        assert_eq!(told.len(), 8);
        assert!(told.iter().all(|stray| stray.more == 0), "{told:?}");
        assert_eq!(strays.note("name-0", &none, at(101)), None);
        assert_eq!(strays.note("name-0", &none, at(160)).map(|stray| stray.more), Some(5));
    }

    #[test]
    fn unknown_names_do_not_hide_a_mistyped_name() {
        let mut state = State::default();
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        for name in 0..NAMES_MAX {
            assert_eq!(state.far.due(&name.to_string(), at(100)), Some(0));
        }
        assert_eq!(state.far.due("another", at(100)), None);
        assert!(state.may_compare(at(101)), "a name that is near would be told");
        for name in 0..NAMES_MAX {
            assert_eq!(state.near.due(&name.to_string(), at(101)), Some(0));
        }
        assert!(!state.may_compare(at(101)), "neither would");
        state.forget(at(200));
        let compared = (0..100).filter(|_| state.may_compare(at(200))).count();
        assert_eq!(compared, COMPARED_PER_SECOND as usize);
    }

    #[test]
    fn what_an_attacker_wrote_is_cut_and_harmless() {
        let typed = format!("a\u{1b}[31m\u{202e}\"\n{{}}{}", "ö".repeat(1_000));
        let stray = Strays::default().note(&typed, &Sources::new(), Timestamp::default()).unwrap();
        assert!(stray.typed.len() <= TYPED_BYTES_MAX && stray.typed.starts_with("a??31m????"), "{}", stray.typed);
        assert!(stray.typed.bytes().all(|byte| byte.is_ascii_graphic()));
    }
}

//! Numbers as people type them: what is wanted is said where something else was typed.

/// A whole number from `LEAST` to `MOST`.
pub fn parse_count<const LEAST: u32, const MOST: u32>(text: &str) -> Result<u32, String> {
    let number = text.trim().parse().ok().filter(|number| (LEAST..=MOST).contains(number));
    number.ok_or_else(|| format!("write a number from {LEAST} to {MOST}"))
}

/// The cursor that ended a page of a listing.
pub fn parse_cursor(text: &str) -> Result<i64, String> {
    let wanted = "write the number that the page before ended with, after --before; an id or a time is none (--until \
                  takes a time)";
    text.trim().parse().map_err(|_| wanted.to_owned())
}

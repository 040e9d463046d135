//! Parsers for numbers on the command line. An error states what is accepted.

use crate::domain::IncidentNumber;

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

/// The number of an incident: `4711` or `#4711`.
pub fn parse_incident(text: &str) -> Result<IncidentNumber, String> {
    let digits = text.trim().trim_start_matches('#');
    let number = digits.parse().ok().filter(|number| (1..=i64::MAX.unsigned_abs()).contains(number));
    number.map(IncidentNumber).ok_or_else(|| "write the number of an incident, such as 4711 or '#4711'".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_an_incident_is_taken_with_and_without_its_sign() {
        for text in ["4711", "#4711", " #4711 "] {
            assert_eq!(parse_incident(text), Ok(IncidentNumber(4711)), "{text}");
        }
        for bad in ["", "#", "0", "-1", "4711a", "99999999999999999999"] {
            assert!(parse_incident(bad).is_err(), "{bad}");
        }
    }
}

//! Times on the command line: parsing and display.

use std::time::Duration;

use crate::domain::{Clock, SystemClock, Timestamp};
use crate::settings::parse_duration;

/// A day (`2026-11-21`), a time (RFC 3339, or `2026-11-21 10:00` in UTC), or a duration before now (`24h`).
pub fn parse_moment(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Some(duration) = parse_duration(text) {
        return Ok(SystemClock.now().minus(duration));
    }
    let with_offset = Timestamp::parse(text);
    let in_utc = || Timestamp::parse(&format!("{}Z", text.replacen(' ', "T", 1)));
    let day = || (text.len() == "2026-11-21".len()).then(|| Timestamp::parse(&format!("{text}T00:00:00Z"))).flatten();
    with_offset.or_else(day).or_else(in_utc).ok_or_else(|| {
        "write a day like 2026-11-21, a time like 2026-11-21T10:00:00Z, or a duration like 24h".to_owned()
    })
}

/// `2026-11-21 10:00:00`, in UTC.
pub fn short(time: Timestamp) -> String {
    let text = time.to_string();
    text.get(..19).unwrap_or(&text).replacen('T', " ", 1)
}

/// `45 s`, `12 min`, `3 h`, `2 d`: rounded for display.
pub fn rough(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// How long ago a time was.
pub fn ago(time: Timestamp, now: Timestamp) -> String {
    format!("{} ago", rough(now.since(time)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_times_and_durations_are_understood() {
        let parse = |text: &str| parse_moment(text).map(|time| time.to_string());
        for text in ["2026-11-21", "2026-11-21T00:00:00Z", "2026-11-21 00:00", "2026-11-21T01:00:00+01:00"] {
            assert_eq!(parse(text).as_deref(), Ok("2026-11-21T00:00:00.000Z"), "{text}");
        }
        let day_ago = parse_moment("1d").unwrap();
        assert!(SystemClock.now().since(day_ago).as_secs().abs_diff(86_400) < 60);
        for bad in ["", "yesterday", "2026-13-21", "2026-11-32", "21.11.2026", "10:00", "24", "2026-11-21T25:00:00Z"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(short(parse_moment("2026-11-21").unwrap()), "2026-11-21 00:00:00");
    }

    #[test]
    fn lengths_are_told_as_exactly_as_people_want() {
        let told = [0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(|seconds| rough(Duration::from_secs(seconds)));
        assert_eq!(told, ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d"]);
    }
}

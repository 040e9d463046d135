//! Points in time, and where they come from.
//!
//! Time is an argument everywhere: only `app` picks [`SystemClock`], tests drive a [`ManualClock`] by hand.
//!
//! A clock gives two readings. [`Clock::now`] is the wall clock: what people are shown, what vendors sign, what is kept with a
//! row. It can be set, by seconds or by years. [`Clock::steady`] is monotonic: leases, deadlines and all other durations go
//! by it.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time: whole milliseconds since 1970-01-01T00:00:00Z. Written as RFC 3339 in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch, held within the years 0001 to 9999 that RFC 3339 can write.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(MILLIS_MIN, MILLIS_MAX))
    }

    /// From whole seconds since the epoch; `None` outside the years 0001 to 9999.
    pub fn from_seconds(seconds: i64) -> Option<Self> {
        let millis = seconds.checked_mul(1000)?;
        (MILLIS_MIN..=MILLIS_MAX).contains(&millis).then_some(Self(millis))
    }

    /// Reads an RFC 3339 or ISO 8601 date and time with an offset (`2024-01-15T10:30:00Z`).
    pub fn parse(text: &str) -> Option<Self> {
        let parsed: jiff::Timestamp = text.trim().parse().ok()?;
        Some(Self::from_millis(parsed.as_millisecond()))
    }

    /// Milliseconds since the epoch.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// Later by `duration`, held at the last representable millisecond.
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// Earlier by `duration`, held at the first representable millisecond.
    pub fn minus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_sub(millis))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The distance between two times, whichever is first.
    pub fn distance(self, other: Self) -> Duration {
        Duration::from_millis(self.0.abs_diff(other.0))
    }

    /// `15 Jan 2024 10:30:00 UTC`, the form that people read.
    pub fn to_human(self) -> String {
        self.to_jiff().strftime("%d %b %Y %H:%M:%S UTC").to_string()
    }

    fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

/// RFC 3339 in UTC with milliseconds, `2024-01-15T10:30:00.000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.digits() {
            Some(text) => f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?),
            None => write!(f, "{}", self.to_jiff().strftime("%Y-%m-%dT%H:%M:%S.%3fZ")),
        }
    }
}

impl Timestamp {
    /// As it is written, where the year has four digits: each event holds two times, and a general formatter takes ten times
    /// as long.
    fn digits(self) -> Option<[u8; 24]> {
        let time = jiff::tz::Offset::UTC.to_datetime(self.to_jiff());
        let year = u32::try_from(time.year()).ok().filter(|year| (1_000..10_000).contains(year))?;
        let of = |number: i8| u32::from(number.unsigned_abs());
        let (month, day) = (of(time.month()), of(time.day()));
        let (hour, minute, second) = (of(time.hour()), of(time.minute()), of(time.second()));
        let millis = u32::from(time.millisecond().unsigned_abs());
        let digit = |number: u32| b'0' + u8::try_from(number % 10).unwrap_or(0);
        #[rustfmt::skip]
        let text = [
            digit(year / 1000), digit(year / 100), digit(year / 10), digit(year), b'-',
            digit(month / 10), digit(month), b'-', digit(day / 10), digit(day), b'T',
            digit(hour / 10), digit(hour), b':', digit(minute / 10), digit(minute), b':',
            digit(second / 10), digit(second), b'.',
            digit(millis / 100), digit(millis / 10), digit(millis), b'Z',
        ];
        Some(text)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 time"))
    }
}

/// Where the present moment comes from.
pub trait Clock: Send + Sync + 'static {
    /// The present moment, as the wall clock says.
    fn now(&self) -> Timestamp;

    /// The present moment on a monotonic clock: it starts with the process at the wall clock's time and cannot be set.
    /// Comparable only with other readings of the same process.
    fn steady(&self) -> Timestamp;
}

/// The machine's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
    }

    fn steady(&self) -> Timestamp {
        static START: OnceLock<(Timestamp, Instant)> = OnceLock::new();
        let (wall, instant) = START.get_or_init(|| (self.now(), Instant::now()));
        wall.plus(instant.elapsed())
    }
}

/// A clock that stands still until it is moved by hand.
#[derive(Debug, Default)]
pub struct ManualClock {
    wall: AtomicI64,
    steady: AtomicI64,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> Self {
        Self { wall: AtomicI64::new(now.as_millis()), steady: AtomicI64::new(now.as_millis()) }
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().plus(by));
        self.steady.store(self.steady().plus(by).as_millis(), Ordering::SeqCst);
    }

    /// Sets the wall clock, as a person or a time server does: no time passes.
    pub fn set(&self, to: Timestamp) {
        self.wall.store(to.as_millis(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.wall.load(Ordering::SeqCst))
    }

    fn steady(&self) -> Timestamp {
        Timestamp::from_millis(self.steady.load(Ordering::SeqCst))
    }
}

/// 0001-01-01T00:00:00Z, RFC 3339's first year.
const MILLIS_MIN: i64 = -62_135_596_800_000;
/// 9999-12-30T00:00:00Z: short of RFC 3339's end, so that no offset can carry a time over it.
const MILLIS_MAX: i64 = 253_402_128_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_general_formatter_writes_them() {
        let days = (0..3_000_000_i64).step_by(997).map(|day| MILLIS_MIN + day * 86_400_000 + day * 7_919 % 86_400_000);
        let odd =
            ["0001-01-01T00:00:00Z", "0999-12-31T23:59:59.999Z", "1000-01-01T00:00:00Z", "9999-12-29T23:59:59.009Z"];
        let odd = odd.map(|text| Timestamp::parse(text).unwrap().as_millis());
        for millis in days.chain(odd).chain([0, -1, 1, 951_782_400_000]) {
            let time = Timestamp::from_millis(millis);
            let wanted = time.to_jiff().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
            assert_eq!(time.to_string(), wanted, "{millis}");
        }
        assert!(Timestamp::from_millis(0).digits().is_some() && Timestamp::from_millis(MILLIS_MIN).digits().is_none());
    }

    #[test]
    fn a_time_is_read_and_written() {
        let time = Timestamp::parse("2024-01-15T10:30:00Z").unwrap();
        assert_eq!(time.as_millis(), 1_705_314_600_000);
        assert_eq!(time.to_string(), "2024-01-15T10:30:00.000Z");
        assert_eq!(time.to_human(), "15 Jan 2024 10:30:00 UTC");
        assert_eq!(Timestamp::parse("2024-01-15T12:30:00+02:00"), Some(time));
    }

    #[test]
    fn what_is_no_time_is_refused_and_extremes_do_not_overflow() {
        for text in ["", "now", "2024-13-01T00:00:00Z", "2024-01-15", "1705314600"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
        assert_eq!(Timestamp::from_seconds(i64::MAX), None);
        let last = Timestamp::from_millis(i64::MAX);
        assert_eq!(last.plus(Duration::MAX), last);
        assert!(last.to_string().starts_with("9999-12-30"));
        assert!(Timestamp::from_millis(i64::MIN).to_string().starts_with("0001-01-01"));
    }
}

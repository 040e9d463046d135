//! The time that is a message's id.

/// A `ts` as microseconds; `None` for what is no time. Fewer than six decimals are taken, as the real service does.
pub(super) fn micros(ts: &str) -> Option<u64> {
    let (seconds, fraction) = ts.split_once('.').unwrap_or((ts, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if seconds.is_empty() || seconds.len() > 10 || fraction.len() > 6 || !is_number(seconds) || !is_number(fraction) {
        return None;
    }
    format!("{seconds}{fraction:0<6}").parse().ok()
}

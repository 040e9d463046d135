//! Events as the collector takes them: JSON objects one after the other, in no array.

use serde_json::json;

use crate::destinations::event_format::EventFormat;
use crate::domain::{Batch, Timestamp};

/// The body of a request.
pub(super) fn body(batch: &Batch<'_>, format: EventFormat, index: Option<&str>) -> serde_json::Result<Vec<u8>> {
    let mut body = Vec::new();
    for event in batch.events {
        let (read, document) = format.document(event, batch.purpose)?;
        let mut envelope = json!({
            "time": seconds(read.time),
            "source": format!("gatepost:{}", read.source),
            "sourcetype": format!("gatepost:{}", format.as_str()),
            "fields": { "event_id": event.id.to_string() },
            "event": document,
        });
        if let Some(index) = index {
            envelope["index"] = json!(index);
        }
        serde_json::to_writer(&mut body, &envelope)?;
        body.push(b'\n');
    }
    Ok(body)
}

/// Seconds since 1970 with three decimals, as a text: what looks like scientific notation is refused. A time before 1970,
/// which the collector cannot express, is 1970.
fn seconds(time: Timestamp) -> String {
    let millis = time.as_millis().max(0);
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_plain_decimal() {
        for (millis, wanted) in [(1_700_000_000_123, "1700000000.123"), (5, "0.005"), (0, "0.000"), (-5, "0.000")] {
            assert_eq!(seconds(Timestamp::from_millis(millis)), wanted);
        }
    }
}

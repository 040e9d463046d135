//! How large Teams finds a message.
//!
//! Teams takes messages of 28 KB, and counts after it has encoded the card once more, as a text inside its own message. What is
//! larger fails in the workflow, after its 202 was sent: nothing tells the sender. So the limit is kept here, by the
//! larger of what either encoding could make of it.

/// The bytes of a document after Teams has encoded it as a text: quotes and backslashes take two, and what is not ASCII may be
/// written as `\uXXXX`, six for each unit of UTF-16.
pub fn as_counted(document: &str) -> usize {
    document.chars().map(counted).sum()
}

/// Whether Teams takes it: within its own limit, and within the requests that are known to be taken.
pub fn fits(document: &str) -> bool {
    document.len() <= REQUEST_BYTES_MAX && as_counted(document) <= COUNTED_BYTES_MAX
}

fn counted(c: char) -> usize {
    match c {
        '"' | '\\' => 2,
        c if c.is_ascii() => 1,
        c => 6 * c.len_utf16(),
    }
}

/// A request of 24,453 bytes has been seen to fail. Others stay below 21,000.
const REQUEST_BYTES_MAX: usize = 20_000;
/// 28 KB, less what Teams puts around the card.
const COUNTED_BYTES_MAX: usize = 28_672 - 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_again_counts_as_it_will_be_then() {
        for (document, bytes) in [("abc", 3), (r#"{"a":"\n"}"#, 10 + 4 + 1), ("é", 6), ("😀", 12), ("", 0)] {
            assert_eq!(as_counted(document), bytes, "{document}");
        }
        assert!(fits(&"x".repeat(20_000)) && !fits(&"x".repeat(20_001)));
        assert!(fits(&"\"".repeat(13_824)) && !fits(&"\"".repeat(13_825)));
        assert!(fits(&"é".repeat(4_608)) && !fits(&"é".repeat(4_609)));
    }
}

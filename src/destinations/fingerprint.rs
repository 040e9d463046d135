//! What stands for the place where a notifier's messages go, without telling its credential.

use sha2::{Digest, Sha256};

/// The first 16 bytes of a SHA-256 over kind, address, channel or project, and credential. Each part goes in with its length,
/// so that parts cannot be shifted into each other.
pub(super) fn of(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(part);
    }
    let mut first = [0; 16];
    first.copy_from_slice(&hash.finalize()[..16]);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts_and_none_can_be_shifted_into_the_next() {
        let parts: [&[&[u8]]; 5] =
            [&[b"slack", b"a", b"bc"], &[b"slack", b"ab", b"c"], &[b"slack", b"a"], &[b"slack", b"a", b""], &[]];
        let all: std::collections::BTreeSet<[u8; 16]> = parts.iter().map(|parts| of(parts)).collect();
        assert_eq!(all.len(), parts.len());
        assert_eq!(of(parts[0]), of(&[b"slack", b"a", b"bc"]));
    }
}

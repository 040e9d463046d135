//! Inflating a compressed body without being fooled by its size.

use std::io::Read;

use flate2::read::MultiGzDecoder;

/// Why a body cannot be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// It grows past the limit.
    #[error("it is larger than the source's limit when it is inflated")]
    TooLarge,
    /// It is not gzip.
    #[error("it is not valid gzip")]
    Invalid,
}

/// Inflates gzip piece by piece and stops at `limit_bytes`, so that a bomb costs no more than the limit. Returns the
/// inflated length.
pub fn inflate(wire: &[u8], limit_bytes: u64, mut keep: impl FnMut(&[u8])) -> Result<u64, InflateError> {
    let mut decoder = MultiGzDecoder::new(wire);
    let mut piece = [0; 16 << 10];
    let mut total = 0_u64;
    loop {
        match decoder.read(&mut piece) {
            Ok(0) => return Ok(total),
            Ok(count) => {
                total += count as u64;
                if total > limit_bytes {
                    return Err(InflateError::TooLarge);
                }
                keep(&piece[..count]);
            }
            Err(_) => return Err(InflateError::Invalid),
        }
    }
}

/// The length that a gzip body says it has when it is inflated, at most `limit_bytes`: a hint, and no more.
pub fn inflated_length_hint(wire: &[u8], limit_bytes: u64) -> usize {
    let said = wire.last_chunk::<4>().map_or(0, |last| u32::from_le_bytes(*last));
    usize::try_from(u64::from(said).min(limit_bytes)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_bomb_costs_no_more_than_the_limit() {
        let bomb = gzip(&vec![0; 8 << 20]);
        let mut kept = 0;
        assert_eq!(inflate(&bomb, 1 << 20, |piece| kept += piece.len()), Err(InflateError::TooLarge));
        assert!(kept <= 1 << 20);
        assert_eq!(inflate(&bomb, 8 << 20, |_| ()), Ok(8 << 20));
    }

    #[test]
    fn the_length_is_known_before() {
        let wire = gzip(&[7; 70_000]);
        assert_eq!(inflated_length_hint(&wire, 1 << 20), 70_000);
        assert_eq!((inflated_length_hint(&wire, 100), inflated_length_hint(b"abc", 100)), (100, 0));
    }

    #[test]
    fn what_is_not_gzip_or_cut_off_is_invalid() {
        let whole = gzip(b"hello");
        assert_eq!(inflate(&whole[..whole.len() - 3], 100, |_| ()), Err(InflateError::Invalid));
        assert_eq!(inflate(b"hello", 100, |_| ()), Err(InflateError::Invalid));
    }
}

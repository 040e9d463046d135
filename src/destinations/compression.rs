//! Whether the bodies of requests are compressed.
//!
//! Called by the sinks that send batches over HTTP. The size of a batch counts what is compressed, so that what a receiver
//! inflates stays within its limits.

use std::io::Write;

use flate2::Compression as Level;
use flate2::write::GzEncoder;

use super::HttpRequest;
use crate::domain::Secret;
use crate::settings::Section;

/// Whether the body of a request is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// It is sent as it is.
    None,
    /// gzip, by the fastest level: it saves nearly as much of JSON as the slowest.
    Gzip,
}

impl Compression {
    /// Reads `compression`; none where it is absent. `None` where it is at fault.
    pub fn setting(section: &Section) -> Option<Self> {
        if !section.has("compression") {
            return Some(Self::None);
        }
        section.choice("compression", &[("none", Self::None), ("gzip", Self::Gzip)])
    }

    /// The request with its body as it goes over the wire.
    pub fn apply(self, request: HttpRequest) -> HttpRequest {
        match self {
            Self::None => request,
            Self::Gzip => match gzip(&request.body) {
                Ok(body) => {
                    HttpRequest { body: body.into(), ..request }.header("Content-Encoding", Secret::new("gzip"))
                }
                // Writing into memory does not fail; if it did, the body as it is would do as well.
                Err(_) => request,
            },
        }
    }
}

fn gzip(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::inflate;

    #[test]
    fn a_body_is_compressed_where_it_is_set_and_says_so() {
        let url = url::Url::parse("https://h.example/").unwrap();
        let request = || HttpRequest::post_json(url.clone(), &serde_json::json!({ "a": "b".repeat(5000) }));
        let plain = Compression::None.apply(request());
        assert_eq!((plain.body.len(), plain.headers.len()), (5008, 0));
        let small = Compression::Gzip.apply(request());
        assert!(small.body.len() < 200, "{}", small.body.len());
        assert_eq!(small.headers[0].0, "Content-Encoding");
        assert_eq!(small.headers[0].1.expose(), b"gzip");
        let mut inflated = Vec::new();
        inflate(&small.body, 1 << 20, |piece| inflated.extend_from_slice(piece)).unwrap();
        assert_eq!(inflated, plain.body);
    }
}

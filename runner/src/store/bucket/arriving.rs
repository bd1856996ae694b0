//! Objects on their way here, compared with the checksum that the store sends along.

use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream::{StreamExt, TryStreamExt};
use http::{HeaderMap, StatusCode};
use md5::{Digest, Md5};
use opendal::{Buffer, HttpBody};

use super::failure::{Failure, describe};
use super::md5_from;

/// Of a whole object, as the store keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    Crc32c(u32),
    Md5([u8; 16]),
}

/// What the answers to the requests of one download say.
#[derive(Debug, Default)]
pub(super) struct Announced(Mutex<Option<Checksum>>);

impl Announced {
    pub fn set(&self, status: StatusCode, headers: &HeaderMap) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = announced(status, headers);
    }

    pub fn get(&self) -> Option<Checksum> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Google sends the CRC32C of the whole object along with each part of it, Azure an MD5, in another header.
fn announced(status: StatusCode, headers: &HeaderMap) -> Option<Checksum> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    if let Some(crc) = crc32c_of(headers) {
        return Some(Checksum::Crc32c(crc));
    }
    let md5 = match status {
        StatusCode::OK => text("content-md5"),
        _ => text("x-ms-blob-content-md5"),
    };
    md5_from(md5?).map(Checksum::Md5)
}

fn crc32c_of(headers: &HeaderMap) -> Option<u32> {
    let hashes = headers.get_all("x-goog-hash").iter();
    let encoded = hashes
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|hash| hash.trim().strip_prefix("crc32c="))?;
    let bytes = STANDARD.decode(encoded).ok()?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// The checksum of what has arrived so far, over all requests that brought it.
pub(super) enum Arrived {
    Crc32c { expected: u32, sum: u32 },
    Md5 { expected: [u8; 16], sum: Box<Md5> },
}

impl Arrived {
    pub fn nothing(expected: Checksum) -> Self {
        match expected {
            Checksum::Crc32c(expected) => Self::Crc32c { expected, sum: 0 },
            Checksum::Md5(expected) => Self::Md5 {
                expected,
                sum: Box::default(),
            },
        }
    }

    pub fn add(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32c { sum, .. } => *sum = crc32c::crc32c_append(*sum, bytes),
            Self::Md5 { sum, .. } => sum.update(bytes),
        }
    }

    /// Whether all of it is what the store keeps.
    pub fn equals_the_stored(self) -> bool {
        match self {
            Self::Crc32c { expected, sum } => sum == expected,
            Self::Md5 { expected, sum } => <[u8; 16]>::from(sum.finalize()) == expected,
        }
    }
}

/// An object's bytes as they come.
pub(super) fn body(response: reqwest::Response) -> HttpBody {
    let size = response.content_length();
    let temporary = |error: reqwest::Error| {
        let message = describe(&error);
        opendal::Error::new(opendal::ErrorKind::Unexpected, &message)
            .set_source(Failure::Unreachable(message))
            .set_temporary()
    };
    let chunks = response.bytes_stream().map_err(temporary);
    // OpenDAL takes an empty chunk for the end, and HTTP/2 may send one anywhere.
    let chunks = chunks.filter(|chunk| {
        let is_empty = matches!(chunk, Ok(chunk) if chunk.is_empty());
        std::future::ready(!is_empty)
    });
    HttpBody::new(chunks.map_ok(Buffer::from), size)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_of_the_whole_object_whatever_part_comes() {
        let md5 = STANDARD.encode(Md5::digest(b"hello"));
        let crc = STANDARD.encode(crc32c::crc32c(b"hello").to_be_bytes());
        let crc = format!("crc32c={crc},md5={md5}");
        for (status, name, value, is_known) in [
            (200, "x-goog-hash", &crc, true),
            (206, "x-goog-hash", &crc, true),
            (200, "content-md5", &md5, true),
            // Of the part.
            (206, "content-md5", &md5, false),
            (206, "x-ms-blob-content-md5", &md5, true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            let found = announced(StatusCode::from_u16(status).unwrap(), &headers);
            assert_eq!(found.is_some(), is_known, "{status} {name}");
            let Some(found) = found else { continue };
            for (pieces, right) in [(["hel", "lo"], true), (["hel", "l0"], false)] {
                let mut arrived = Arrived::nothing(found);
                pieces
                    .iter()
                    .for_each(|piece| arrived.add(piece.as_bytes()));
                assert_eq!(arrived.equals_the_stored(), right);
            }
        }
    }

    #[tokio::test]
    async fn an_empty_chunk_is_no_end() {
        let chunks = ["a", "", "b"].map(Ok::<_, std::io::Error>);
        let chunks = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
        let answer = reqwest::Response::from(http::Response::new(chunks));
        let arrived = body(answer).to_buffer().await.unwrap();
        assert_eq!(arrived.to_vec(), b"ab");
    }
}

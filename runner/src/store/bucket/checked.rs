//! Objects on their way, compared with the checksum that Google sends along.

use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use http::{HeaderMap, StatusCode};
use opendal::{Buffer, HttpBody};

use super::transport::{Failure, describe};

/// An object's bytes, compared with the CRC32C that Google sends along.
pub(super) fn checked_body(response: reqwest::Response) -> HttpBody {
    let size = response.content_length();
    let expected = (response.status() == StatusCode::OK)
        .then(|| crc32c_header(response.headers()))
        .flatten();
    let temporary = |error: reqwest::Error| {
        let message = describe(&error);
        opendal::Error::new(opendal::ErrorKind::Unexpected, &message)
            .set_source(Failure::Unreachable(message))
            .set_temporary()
    };
    let chunks = response.bytes_stream().map_err(temporary);
    match expected {
        Some(expected) => HttpBody::new(Box::pin(with_crc32c(chunks, expected)), size),
        None => HttpBody::new(chunks.map_ok(Buffer::from), size),
    }
}

fn with_crc32c(
    chunks: impl Stream<Item = opendal::Result<bytes::Bytes>> + Send + Sync + 'static,
    expected: u32,
) -> impl Stream<Item = opendal::Result<Buffer>> + Send + Sync + 'static {
    let mut crc = 0;
    let end = stream::once(std::future::ready(Ok(bytes::Bytes::new())));
    chunks.chain(end).map(move |chunk| {
        let chunk = chunk?;
        crc = crc32c::crc32c_append(crc, &chunk);
        // The empty chunk is ours: all bytes are there.
        if chunk.is_empty() && crc != expected {
            let message = "it arrived with another CRC32C than it was stored with".to_owned();
            return Err(
                opendal::Error::new(opendal::ErrorKind::Unexpected, &message)
                    .set_source(Failure::Unreachable(message)),
            );
        }
        Ok(Buffer::from(chunk))
    })
}

fn crc32c_header(headers: &HeaderMap) -> Option<u32> {
    use base64::Engine;
    let hashes = headers.get_all("x-goog-hash").iter();
    let encoded = hashes
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|hash| hash.trim().strip_prefix("crc32c="))?;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .ok()?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

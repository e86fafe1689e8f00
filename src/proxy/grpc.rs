//! How gRPC is told from other requests, and what it says of how a call ended.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

/// Whether a request is gRPC, which always uses HTTP/2.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| {
        kind.starts_with(b"application/grpc") && !kind.starts_with(b"application/grpc-web")
    })
}

/// The gRPC status in trailers, or in the headers of a response without trailers.
pub(super) fn grpc_status(headers: &HeaderMap) -> Option<u16> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

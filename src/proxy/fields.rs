//! The names of fields and cookies that the proxy sets or reads itself.

use http::{HeaderName, HeaderValue};

/// Cloud Run's own header for the token: if it is present, no other counts (documented).
pub(super) const SERVERLESS: HeaderName = HeaderName::from_static("x-serverless-authorization");
pub(super) const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
pub(super) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(super) const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The header in which a client sends the secret.
pub(super) const SECRET_HEADER: &str = "x-runaccess-secret";
/// The cookie in which a browser sends the secret, and the query parameter that sets this cookie.
pub const SECRET: &str = "runaccess-secret";

/// A field's value as text, a character a byte: what is not ASCII stays what it is.
pub(super) fn text_of(value: &HeaderValue) -> String {
    value.as_bytes().iter().map(|byte| char::from(*byte)).collect()
}

/// The reverse; `None` for what no field may hold.
pub(super) fn value_of(text: &str) -> Option<HeaderValue> {
    let bytes: Result<Vec<u8>, _> = text.chars().map(|c| u8::try_from(u32::from(c))).collect();
    HeaderValue::from_bytes(&bytes.ok()?).ok()
}

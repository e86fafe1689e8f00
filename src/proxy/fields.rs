//! The names of fields and cookies that the proxy sets or reads itself.

use http::HeaderName;

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

//! Reads the header and claims of a JWT. Nothing is verified here: that is the recipient's part.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;
use time::OffsetDateTime;

/// The header of a token; `None` if the text is not a JWT.
pub fn header(token: &str) -> Option<Value> {
    parts(token).and_then(|[header, ..]| object(header))
}

/// The claims of a token; `None` if the text is not a JWT.
pub fn claims(token: &str) -> Option<Value> {
    parts(token).and_then(|[_, claims, _]| object(claims))
}

/// The expiry of a token, by its `exp` claim.
pub fn expiry(token: &str) -> Option<OffsetDateTime> {
    let end = claims(token)?["exp"].as_i64()?;
    OffsetDateTime::from_unix_timestamp(end).ok()
}

fn parts(token: &str) -> Option<[&str; 3]> {
    token.split('.').collect::<Vec<_>>().try_into().ok()
}

fn object(part: &str) -> Option<Value> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?;
    serde_json::from_slice::<Value>(&bytes).ok().filter(Value::is_object)
}

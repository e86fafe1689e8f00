//! JSON Web Tokens, made and spoilt.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

/// gcloud's own client, the audience of users' tokens.
pub(crate) const GCLOUD: &str = "32555940559.apps.googleusercontent.com";

/// What stands in a token.
pub(crate) fn claims(token: &str) -> Value {
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

/// The same token with other claims, whose signature no longer fits.
pub(crate) fn tampered(token: &str, name: &str, value: Value) -> String {
    let mut claims = claims(token);
    claims[name] = value;
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    parts[1] = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
    parts.join(".")
}

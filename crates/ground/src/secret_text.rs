//! Recognises the text of a token or a key where something else belongs: a path, an address, a name.

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

/// Prefixes of the tokens and secrets that Google and its clients issue.
const BEGINNINGS: [&str; 9] =
    ["ya29.", "1//", "GOCSPX-", "AIza", "Bearer ", "ghp_", "ghs_", "gho_", "github_pat_"];

/// Words that only the text of a credential contains.
const WITHIN: [&str; 5] =
    ["private_key", "PRIVATE KEY", "refresh_token", "client_secret", "subject_token"];

/// A name of at least this length, without a folder or an extension, counts as a token if its
/// characters are mixed like those of a token.
const AS_LONG_AS_A_TOKEN: usize = 40;

/// Whether a text is a token or a key, or holds one, as far as its form shows.
pub fn is_secret(text: &str) -> bool {
    // Strip curl's `@` and the folder.
    let text = text.trim().trim_matches(['"', '\'']);
    let text = text.trim_start_matches(['@', '.']).trim_start_matches('/');
    text.starts_with('{')
        || text.contains(['\n', '\r'])
        || WITHIN.iter().any(|word| text.contains(word))
        || is_token(text)
        || decoded(text).is_some_and(|json| json.is_object())
        || is_in_hex(text)
        || text.split('/').any(|part| !part.contains('.') && is_mixed(part))
}

/// Whether a text is certainly a token, a key or the file of one: by how it begins, by its three parts,
/// or as JSON.
pub fn is_token(text: &str) -> bool {
    let text = text.trim();
    text.starts_with('{')
        || text.contains("PRIVATE KEY")
        || decoded(text).is_some_and(|json| json.is_object())
        || BEGINNINGS.iter().any(|beginning| text.starts_with(beginning))
        || is_jwt(text)
}

/// Whether it has three parts, of which the first is a JSON object.
fn is_jwt(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() == 3 && decoded(parts[0]).is_some_and(|header| header.is_object())
}

/// The JSON in a base64 text, of either alphabet.
fn decoded(text: &str) -> Option<Value> {
    let lenient =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [STANDARD, URL_SAFE].into_iter().find_map(|alphabet| {
        let bytes = GeneralPurpose::new(&alphabet, lenient).decode(text).ok()?;
        serde_json::from_slice(&bytes).ok()
    })
}

/// Whether it is as long and as mixed as an opaque token.
fn is_mixed(name: &str) -> bool {
    name.len() >= AS_LONG_AS_A_TOKEN
        && name.contains(|c: char| c.is_ascii_lowercase())
        && name.contains(|c: char| c.is_ascii_uppercase())
        && name.contains(|c: char| c.is_ascii_digit())
}

/// Whether it looks like a hexadecimal key and is in no folder.
fn is_in_hex(text: &str) -> bool {
    text.len() >= AS_LONG_AS_A_TOKEN && text.chars().all(|c| c.is_ascii_hexdigit())
}

/// A text in backticks, for a message; a secret is replaced by what it is.
pub fn shown(text: &str) -> String {
    if is_secret(text) { "(a credential)".to_owned() } else { format!("`{text}`") }
}

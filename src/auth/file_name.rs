//! Distinguishes a file name from the secret itself.

use std::path::Path;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use super::AuthError;

/// Options that name a file with a token in it.
const OPTIONS: [&str; 2] = ["--access-token-file", "--id-token-file"];

/// Prefixes of the tokens and secrets that Google and its clients issue.
const BEGINNINGS: [&str; 9] =
    ["ya29.", "1//", "GOCSPX-", "AIza", "Bearer ", "ghp_", "ghs_", "gho_", "github_pat_"];

/// Words that only the text of a credential contains.
const WITHIN: [&str; 5] =
    ["private_key", "PRIVATE KEY", "refresh_token", "client_secret", "subject_token"];

/// A name of at least this length, without a folder or an extension, counts as a token if its
/// characters are mixed like those of a token.
const AS_LONG_AS_A_TOKEN: usize = 40;

/// Parses a path. `said_by` is the text's origin, for errors. Refuses a text that is the credential
/// itself, without quoting it: many people read build logs.
pub(super) fn file_name<'a>(text: &'a Path, said_by: &str) -> Result<&'a Path, AuthError> {
    if is_a_secret(text) {
        return Err(AuthError::SecretItself { said_by: said_by.to_owned() });
    }
    Ok(text)
}

/// Refuses arguments in which an option that names a file contains a secret, before any message
/// repeats the arguments. Arguments after a bare `--` belong to another program.
pub fn check_arguments(arguments: &[String]) -> Result<(), AuthError> {
    let ours = arguments.split(|word| word == "--").next().unwrap_or_default();
    for (at, word) in ours.iter().enumerate() {
        let (name, joined) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word.as_str(), None),
        };
        if let Some(option) = OPTIONS.into_iter().find(|option| *option == name)
            && let Some(value) = joined.or_else(|| ours.get(at + 1).map(String::as_str))
        {
            file_name(Path::new(value), &format!("`{option}`"))?;
        }
    }
    Ok(())
}

fn is_a_secret(path: &Path) -> bool {
    let Some(text) = path.to_str() else { return false };
    // Strip curl's `@` and the folder.
    let text = text.trim().trim_start_matches(['@', '.']).trim_start_matches('/');
    let certain = text.starts_with(['{', '[', '"']) || text.contains(['\n', '\r']);
    // A file may have any name.
    if !certain && path.exists() {
        return false;
    }
    certain
        || WITHIN.iter().any(|word| text.contains(word))
        || BEGINNINGS.iter().any(|beginning| text.starts_with(beginning))
        || is_jwt(text)
        || decoded(text).is_some_and(|json| json.is_object())
        || is_in_hex(text)
        || text.split('/').any(|part| !part.contains('.') && is_mixed(part))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_no_name_and_a_name_no_secret() {
        let key = r#"{"type":"service_account","private_key":"-----BEGIN PRIVATE KEY-----\nMII"}"#;
        let in_base64 = base64::prelude::BASE64_STANDARD.encode(key);
        let long = format!("{}9aZ", "abcDEF12".repeat(6));
        for secret in [
            key,
            &in_base64,
            in_base64.trim_end_matches('='),
            "  {\"type\": 1}",
            "-----BEGIN PRIVATE KEY-----",
            "one\ntwo",
            "ya29.a0AfH6SMB",
            "@ya29.a0AfH6SMB",
            "./ya29.a0AfH6SMB",
            "ghs_16C7e42F292c6912E7710c838347Ae178B4a",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "1//0gabc",
            "Bearer ya29.x",
            "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln",
            "e30.e30.sig",
            &long,
        ] {
            assert!(is_a_secret(Path::new(secret)), "{secret}");
            let error = file_name(Path::new(secret), "`X`").unwrap_err().to_string();
            assert_eq!(error, "`X` holds the credential itself, not the name of a file");
        }
        for name in [
            "key.json",
            "~/token",
            "/home/runner/work/_temp/gha-creds-0123456789ABCDEF0123456789abcdef.json",
            "/run/user/1000/a/b/c/d/e/f/g/h/i/j/k/l/m/n/O/P/Q/r0/token",
            "secrets/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "eyJ.json",
            "/dev/stdin",
            "nosuch",
            "",
        ] {
            assert!(!is_a_secret(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn arguments_are_looked_through_up_to_anothers() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (arguments, is_good) in [
            ("curl hello --id-token-file ya29.x", false),
            ("list --access-token-file=ya29.x", false),
            ("list --access-token-file token", true),
            ("list --access-token-file", true),
            ("proxy hello -- other --id-token-file ya29.x", true),
        ] {
            assert_eq!(check_arguments(&words(arguments)).is_ok(), is_good, "{arguments}");
        }
    }
}

//! Distinguishes a file name from the secret itself.

use std::path::Path;

use super::AuthError;
use crate::gcloud::Variables;
use crate::secret_text::{is_secret, is_token};

/// Options that name a file with a token in it.
const FILES: [&str; 2] = ["--access-token-file", "--id-token-file"];
/// Options that name something else, and what that is.
const NAMES: [(&str, &str); 11] = [
    ("--account", "an account"),
    ("--allow-host", "a host"),
    ("--audience", "an address"),
    ("--configuration", "the name of a configuration"),
    ("--host", "a host"),
    ("--impersonate-service-account", "an account"),
    ("--path", "a path"),
    ("--project", "a project"),
    ("--region", "a region"),
    ("--tag", "a traffic tag"),
    ("--url", "an address"),
];
/// Variables that name a folder, a host or a project.
const VARIABLES: [(&str, &str); 8] = [
    ("CLOUDSDK_ACTIVE_CONFIG_NAME", "the name of a configuration"),
    ("CLOUDSDK_CONFIG", "a folder"),
    ("CLOUDSDK_ROOT_DIR", "a folder"),
    ("GCE_METADATA_HOST", "a host"),
    ("GCE_METADATA_ROOT", "a host"),
    ("GOOGLE_CLOUD_QUOTA_PROJECT", "a project"),
    ("RUNACCESS_HOME", "a folder"),
    ("XDG_STATE_HOME", "a folder"),
];
/// What is given to the command that runs curl, behind the service, is curl's.
const CURL: &str = "curl";

/// Parses a path. `said_by` is the text's origin, for errors. Refuses a text that is the credential
/// itself, without quoting it: many people read build logs.
pub(super) fn file_name<'a>(text: &'a Path, said_by: &str) -> Result<&'a Path, AuthError> {
    if is_secret_path(text) {
        let (said_by, what) = (said_by.to_owned(), "the name of a file".to_owned());
        return Err(AuthError::SecretItself { said_by, what });
    }
    Ok(text)
}

/// Refuses arguments in which an option that names a file contains a secret, before any message
/// repeats the arguments. Arguments after a bare `--` belong to another program.
pub fn check_arguments(arguments: &[String]) -> Result<(), AuthError> {
    let ours = arguments.split(|word| word == "--").next().unwrap_or_default();
    let is_value = |at: usize| at > 0 && ours[at - 1].starts_with('-');
    let operands: Vec<usize> =
        (0..ours.len()).filter(|at| !ours[*at].starts_with('-') && !is_value(*at)).collect();
    // Behind the service that curl is to call, all words are curl's.
    let last = match operands.iter().position(|at| ours[*at] == CURL) {
        Some(command) => operands.get(command + 1).copied(),
        None => operands.last().copied(),
    };
    for (at, word) in ours.iter().enumerate() {
        let (name, joined) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value)),
            _ => (word.as_str(), None),
        };
        let value = joined.or_else(|| ours.get(at + 1).map(String::as_str));
        if let Some(value) = value.filter(|_| FILES.contains(&name)) {
            file_name(Path::new(value), &format!("`{name}`"))?;
        }
        let known = NAMES.iter().find(|(known, _)| *known == name);
        if let (Some((option, what)), Some(value)) = (known, value) {
            no_secret(value, &format!("`{option}`"), what)?;
        }
        // The value of an option may be a person's own words.
        if operands.contains(&at) && Some(at) <= last && is_token(word) {
            let what = "a name".to_owned();
            return Err(AuthError::SecretItself { said_by: "an argument".to_owned(), what });
        }
    }
    Ok(())
}

/// Refuses variables that contain a secret where they name something else.
pub fn check_variables(variables: &Variables) -> Result<(), AuthError> {
    for (name, what) in VARIABLES {
        // A folder that exists, or whose parent does, is one whatever it is called.
        let is_folder = |value: &String| {
            let path = Path::new(value);
            path.is_absolute() && (path.exists() || path.parent().is_some_and(Path::exists))
        };
        if let Some(value) = variables.get(name).filter(|value| !is_folder(value)) {
            no_secret(value, &format!("`{name}`"), what)?;
        }
    }
    Ok(())
}

fn no_secret(text: &str, said_by: &str, what: &str) -> Result<(), AuthError> {
    if is_secret(text) {
        let (said_by, what) = (said_by.to_owned(), what.to_owned());
        return Err(AuthError::SecretItself { said_by, what });
    }
    Ok(())
}

/// Whether a text is a secret; one that names a file that exists is not.
fn is_secret_path(path: &Path) -> bool {
    let Some(text) = path.to_str() else { return false };
    let is_one_line =
        !text.trim().contains(['\n', '\r']) && !text.trim().starts_with(['{', '[', '"']);
    is_secret(text) && !(is_one_line && path.exists())
}

#[cfg(test)]
mod tests {
    use base64::Engine;

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
            assert!(is_secret_path(Path::new(secret)), "{secret}");
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
            assert!(!is_secret_path(Path::new(name)), "{name}");
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

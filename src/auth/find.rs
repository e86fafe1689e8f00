//! Finds the active credential: on the command line, in gcloud's configuration, or in files.

use std::fs;
use std::path::Path;

use serde_json::Value;
use time::OffsetDateTime;

use super::bearer::BearerToken;
use super::credential::{Credential, Endpoints, is_service_account, universe_in};
use super::file_name::file_name;
use super::quota::Family;
use super::tokens::AtHand;
use super::{AuthError, IdentityRequest, Kind};
use crate::gcloud::{CredentialStore, Properties, Property};
use crate::jwt::expiry;

/// The file of Application Default Credentials in gcloud's folder.
const FILE: &str = "application_default_credentials.json";

/// A credential that was found.
pub(super) struct FoundCredential {
    pub(super) credential: Credential,
    pub(super) account: Option<String>,
    pub(super) source: String,
    /// The credential's name in errors.
    pub(super) place: String,
    pub(super) at_hand: AtHand,
    pub(super) login: Option<String>,
    /// Whose rules the quota project follows.
    pub(super) family: Family,
    /// The quota project that the file sets, and the file.
    pub(super) quota_project: Option<(String, String)>,
    /// The universe that the file names, or Google's if it names none; `None` if nothing could.
    pub(super) universe: Option<String>,
}

/// Finds the credential, in the documented order.
pub(super) fn find(
    request: &IdentityRequest,
    properties: &Properties,
    endpoints: &Endpoints,
    now: OffsetDateTime,
) -> Result<FoundCredential, AuthError> {
    if let Some(path) = &request.access_token_file {
        return token_file(path, "`--access-token-file`", "--access-token-file");
    }
    if let Some(account) = &request.account {
        return stored_account(account, "`--account`", properties, endpoints, now);
    }
    if let Some(token) = properties.variable_or_error("CLOUDSDK_AUTH_ACCESS_TOKEN")? {
        return bare_token(token, "`CLOUDSDK_AUTH_ACCESS_TOKEN`".to_owned());
    }
    if let Some(path) = properties.value("auth", "access_token_file")? {
        let place = set_by("auth/access_token_file", &path);
        return token_file(Path::new(&path.value), &place, "auth/access_token_file");
    }
    if let Some(path) = properties.value("auth", "credential_file_override")? {
        let said_by = "auth/credential_file_override";
        let path_named = file_name(Path::new(&path.value), &set_by(said_by, &path))?;
        let found = credential_file(path_named, said_by, endpoints)?;
        return Ok(FoundCredential { family: Family::Gcloud, ..found });
    }
    if let Some(account) = properties.value("core", "account")? {
        let said_by = account.source.to_string();
        return stored_account(&account.value, &said_by, properties, endpoints, now);
    }
    let named = properties.variable("GOOGLE_APPLICATION_CREDENTIALS");
    if let Some(path) = named {
        let said_by = "`GOOGLE_APPLICATION_CREDENTIALS`";
        return credential_file(file_name(Path::new(path), said_by)?, said_by, endpoints);
    }
    let path = properties.directory().join(FILE);
    if path.exists() {
        return credential_file(&path, "Application Default Credentials", endpoints);
    }
    let host = properties.metadata_host().ok_or(AuthError::None)?;
    let place = "the metadata server".to_owned();
    Ok(FoundCredential {
        credential: Credential::Metadata { host },
        account: None,
        source: place.clone(),
        place,
        at_hand: AtHand::default(),
        login: None,
        family: Family::GoogleAuth,
        quota_project: None,
        universe: None,
    })
}

/// The account of `GOOGLE_APPLICATION_CREDENTIALS`, or the path if the file names none, if another
/// credential is active.
pub(super) fn passed_over(found: &FoundCredential, properties: &Properties) -> Option<String> {
    let path = properties.variable("GOOGLE_APPLICATION_CREDENTIALS")?;
    file_name(Path::new(path), "").ok()?;
    let json: Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let named = Credential::read(&json, path, &Endpoints::default()).ok()?;
    if named.fingerprint() == found.credential.fingerprint() {
        return None;
    }
    let account =
        named.account().or(json["account"].as_str()).filter(|account| !account.is_empty());
    match (account, &found.account) {
        (Some(named), Some(acting)) if named.eq_ignore_ascii_case(acting) => None,
        (Some(named), _) => Some(named.to_owned()),
        (None, _) => Some(path.to_owned()),
    }
}

/// Origin of a property that names a file, for errors that must not quote its value.
fn set_by(name: &str, property: &Property) -> String {
    format!("`{name}` ({})", property.source)
}

/// Reads the access token in a file. `named_by` is the origin of the path, for errors.
pub(super) fn token_file(
    path: &Path,
    named_by: &str,
    said_by: &str,
) -> Result<FoundCredential, AuthError> {
    let path = file_name(path, named_by)?;
    let token = fs::read_to_string(path)
        .map_err(|source| AuthError::TokenFile { path: path.to_owned(), source })?;
    bare_token(token.trim(), format!("`{}` ({said_by})", path.display()))
}

fn bare_token(token: &str, place: String) -> Result<FoundCredential, AuthError> {
    match BearerToken::new(token) {
        Ok(token) => Ok(FoundCredential {
            credential: Credential::Bearer(token),
            account: None,
            source: place.clone(),
            place: format!("the access token of {place}"),
            at_hand: AtHand::default(),
            login: None,
            family: Family::Gcloud,
            quota_project: None,
            universe: None,
        }),
        Err(source) => Err(AuthError::Token { place, source }),
    }
}

fn stored_account(
    account: &str,
    said_by: &str,
    properties: &Properties,
    endpoints: &Endpoints,
    now: OffsetDateTime,
) -> Result<FoundCredential, AuthError> {
    let store = CredentialStore::new(properties.directory());
    let place = format!("gcloud's account `{account}`");
    let Some(json) = store.credential(account)? else {
        let known = store.accounts()?;
        return Err(AuthError::NoSuchAccount { account: account.to_owned(), known });
    };
    let login = login_of(account);
    let credential = Credential::read(&json, &place, endpoints);
    let credential = credential.map_err(|error| error.or_login(Some(&login)))?;
    let access = match store.access_token(account, now)? {
        None => None,
        Some(token) => Some(
            BearerToken::new(&token.0)
                .map_err(|source| AuthError::Token { place: place.clone(), source })?,
        ),
    };
    let id = match credential.kind() {
        Kind::User => store.id_token(account)?.map(|token| token.0),
        _ => None,
    };
    let id =
        id.filter(|token| expiry(token).is_some_and(|end| end - now > time::Duration::minutes(5)));
    Ok(FoundCredential {
        credential,
        account: Some(account.to_owned()),
        source: format!("{place}, named by {said_by}"),
        place,
        at_hand: AtHand { access, id },
        login: Some(login),
        family: Family::Gcloud,
        quota_project: None,
        universe: Some(universe_in(&json).to_owned()),
    })
}

/// gcloud's command that logs an account in.
pub fn login_of(account: &str) -> String {
    if is_service_account(account) {
        "auth activate-service-account --key-file key.json".to_owned()
    } else {
        format!("auth login {account}")
    }
}

/// Parses the text of a credential file; the error says what is wrong with it, without any of it.
fn parsed(text: &[u8]) -> Result<Value, String> {
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err("it is empty".to_owned());
    }
    match text {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => {
            return Err("it is in UTF-16: save it as UTF-8".to_owned());
        }
        [0xEF, 0xBB, 0xBF, ..] => {
            return Err("it begins with a byte order mark: save it as UTF-8 without one".to_owned());
        }
        _ => {}
    }
    let Ok(text) = std::str::from_utf8(text) else {
        return Err("it is not in UTF-8".to_owned());
    };
    if text.trim_start().starts_with("-----BEGIN") {
        return Err("it is a key in PEM, not the JSON file that holds it".to_owned());
    }
    serde_json::from_str(text).map_err(|error| {
        format!("it is not JSON (line {}, column {})", error.line(), error.column())
    })
}

fn credential_file(
    path: &Path,
    said_by: &str,
    endpoints: &Endpoints,
) -> Result<FoundCredential, AuthError> {
    let place = format!("`{}`", path.display());
    let text = fs::read(path)
        .map_err(|source| AuthError::CredentialFile { path: path.to_owned(), source })?;
    let json = parsed(&text).map_err(|why| AuthError::Unusable {
        place: place.clone(),
        why,
        login: None,
    })?;
    let is_person = json["type"] == "authorized_user";
    let login = is_person.then(|| "auth application-default login".to_owned());
    let credential = Credential::read(&json, &place, endpoints);
    let credential = credential.map_err(|error| error.or_login(login.as_deref()))?;
    let account = credential.account().or(json["account"].as_str()).filter(|a| !a.is_empty());
    let quota_project = json["quota_project_id"].as_str().filter(|project| !project.is_empty());
    Ok(FoundCredential {
        account: account.map(str::to_owned),
        credential,
        source: format!("{said_by} in {place}"),
        quota_project: quota_project.map(|project| (project.to_owned(), place.clone())),
        place,
        at_hand: AtHand::default(),
        login,
        family: Family::GoogleAuth,
        universe: Some(universe_in(&json).to_owned()),
    })
}

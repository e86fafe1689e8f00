//! Who acts: access tokens for every kind of credential. Alone names `google_cloud_auth`.

mod bearer;

use std::fs;
use std::path::{Path, PathBuf};

use google_cloud_auth::credentials::{
    Credentials, external_account, impersonated, mds, service_account, user_account,
};
use serde_json::Value;
use thiserror::Error;
use time::OffsetDateTime;

pub use self::bearer::{BearerToken, TokenError, authorization};
use crate::gcloud::{CredentialStore, Properties, SetupError};

/// The scope that every call of the Cloud Run Admin API accepts (discovery document).
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// A credential, and whose it is where that is known.
#[derive(Clone, Debug)]
pub struct Identity {
    pub credentials: Credentials,
    /// The account's address; `None` for a bare token.
    pub account: Option<String>,
    /// Where the credential came from, for a person to read.
    pub source: String,
}

/// What was said on the command line about who acts.
#[derive(Clone, Debug, Default)]
pub struct IdentityRequest {
    pub access_token_file: Option<PathBuf>,
    pub account: Option<String>,
}

/// Why nobody can act.
#[derive(Debug, Error)]
pub enum AuthError {
    #[error("no credentials were found")]
    None,
    #[error("gcloud has no credentials for the account `{account}`")]
    NoSuchAccount { account: String, known: Vec<String> },
    #[error("cannot read the access token in `{}`", path.display())]
    TokenFile { path: PathBuf, source: std::io::Error },
    #[error("what stands in {place} is not an access token: {source}")]
    Token { place: String, source: TokenError },
    #[error("cannot read the credentials in `{}`", path.display())]
    CredentialFile { path: PathBuf, source: std::io::Error },
    #[error("the credential of {place} cannot be used: {why}")]
    Unusable { place: String, why: String },
    #[error(transparent)]
    Setup(#[from] SetupError),
}

/// Finds who acts, in this order: the token file of the command line; the account of the command
/// line; `CLOUDSDK_AUTH_ACCESS_TOKEN`; the property `auth/access_token_file`; the active gcloud
/// account; Application Default Credentials. Reads files only: no request is made.
pub fn identify(
    request: &IdentityRequest,
    properties: &Properties,
    now: OffsetDateTime,
) -> Result<Identity, AuthError> {
    if let Some(path) = &request.access_token_file {
        return token_file(path, "--access-token-file");
    }
    if let Some(account) = &request.account {
        return stored_account(account, "`--account`", properties, now);
    }
    if let Some(token) = properties.variable_or_error("CLOUDSDK_AUTH_ACCESS_TOKEN")? {
        return bare_token(token, "`CLOUDSDK_AUTH_ACCESS_TOKEN`".to_owned());
    }
    if let Some(path) = properties.value("auth", "access_token_file")? {
        return token_file(Path::new(&path.value), "auth/access_token_file");
    }
    if let Some(account) = properties.value("core", "account")? {
        return stored_account(&account.value, &account.source.to_string(), properties, now);
    }
    application_default(properties)
}

fn token_file(path: &Path, said_by: &str) -> Result<Identity, AuthError> {
    let token = fs::read_to_string(path)
        .map_err(|source| AuthError::TokenFile { path: path.to_owned(), source })?;
    bare_token(token.trim(), format!("`{}` ({said_by})", path.display()))
}

fn bare_token(token: &str, place: String) -> Result<Identity, AuthError> {
    match BearerToken::new(token) {
        Ok(token) => Ok(Identity { credentials: token.into(), account: None, source: place }),
        Err(source) => Err(AuthError::Token { place, source }),
    }
}

fn stored_account(
    account: &str,
    said_by: &str,
    properties: &Properties,
    now: OffsetDateTime,
) -> Result<Identity, AuthError> {
    let store = CredentialStore::new(properties.directory());
    let place = format!("gcloud's account `{account}`");
    let source = format!("{place}, named by {said_by}");
    let Some(credential) = store.credential(account)? else {
        let known = store.accounts()?;
        return Err(AuthError::NoSuchAccount { account: account.to_owned(), known });
    };
    let credentials = match store.access_token(account, now)? {
        Some(token) => BearerToken::new(&token.0)
            .map_err(|source| AuthError::Token { place: place.clone(), source })?
            .into(),
        None => from_json(credential, &place, properties)?,
    };
    Ok(Identity { credentials, account: Some(account.to_owned()), source })
}

fn application_default(properties: &Properties) -> Result<Identity, AuthError> {
    let named = properties.variable("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from);
    let path = named
        .clone()
        .unwrap_or_else(|| properties.directory().join("application_default_credentials.json"));
    if named.is_none() && !path.exists() {
        return metadata_server(properties);
    }
    let place = format!("`{}`", path.display());
    let text = fs::read(&path)
        .map_err(|source| AuthError::CredentialFile { path: path.clone(), source })?;
    let json: Value = serde_json::from_slice(&text).map_err(|error| AuthError::Unusable {
        place: place.clone(),
        why: format!("it is not JSON (line {}, column {})", error.line(), error.column()),
    })?;
    let account =
        json["client_email"].as_str().or(json["account"].as_str()).filter(|a| !a.is_empty());
    Ok(Identity {
        account: account.map(str::to_owned),
        credentials: from_json(json.clone(), &place, properties)?,
        source: format!("Application Default Credentials in {place}"),
    })
}

/// The metadata server is asked only where the environment says that there is one, so that no
/// command on a laptop waits for it.
fn metadata_server(properties: &Properties) -> Result<Identity, AuthError> {
    if properties.metadata_host().is_none() {
        return Err(AuthError::None);
    }
    let credentials = mds::Builder::default().with_scopes([SCOPE]).build().map_err(|error| {
        AuthError::Unusable { place: "the metadata server".to_owned(), why: error.to_string() }
    })?;
    Ok(Identity { credentials, account: None, source: "the metadata server".to_owned() })
}

fn from_json(json: Value, place: &str, properties: &Properties) -> Result<Credentials, AuthError> {
    let unusable = |why: String| AuthError::Unusable { place: place.to_owned(), why };
    let kind = json["type"].as_str().unwrap_or_default().to_owned();
    let built = match kind.as_str() {
        "authorized_user" => {
            let mut builder = user_account::Builder::new(json);
            if let Some(host) = properties.value("auth", "token_host")? {
                builder = builder.with_token_uri(host.value);
            }
            builder.build()
        }
        "external_account" => external_account::Builder::new(json).with_scopes([SCOPE]).build(),
        "impersonated_service_account" => {
            impersonated::Builder::new(json).with_scopes([SCOPE]).build()
        }
        "service_account" => {
            let scopes = service_account::AccessSpecifier::from_scopes([SCOPE]);
            service_account::Builder::new(json).with_access_specifier(scopes).build()
        }
        "" => return Err(unusable("it does not say its `type`".to_owned())),
        other => {
            return Err(unusable(format!("this version does not know the type `{other}`")));
        }
    };
    // The error's own text is left out on purpose: it may quote what it could not parse.
    built.map_err(|_| unusable(format!("what it holds is not a whole `{kind}`")))
}

#[cfg(test)]
mod tests;

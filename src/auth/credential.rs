//! Kinds of credential, parsed from their files.

use std::fmt;
use std::fs;

use serde_json::Value;

use super::bearer::BearerToken;
use super::{AuthError, Kind};
use crate::domain::member::{Member, MemberKind};
use crate::transport::Endpoint;

const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// Token endpoint of authorized users of an external account (documented).
const EXTERNAL_TOKEN_URI: &str = "https://sts.googleapis.com/v1/oauthtoken";
const IAM_CREDENTIALS: &str = "https://iamcredentials.googleapis.com";
/// The field that names the service account to impersonate.
const IMPERSONATION_URL: &str = "service_account_impersonation_url";

/// A credential that obtains tokens. `Debug` does not print its secrets.
#[derive(Clone)]
pub(super) enum Credential {
    /// A finished access token. It can only be used unchanged, or to impersonate.
    Bearer(BearerToken),
    User(User),
    ServiceAccount(Box<ServiceAccount>),
    /// Workload or workforce identity federation: the file without the service account that it
    /// impersonates. That account is an `Impersonated` with this credential as its source.
    External(Box<Value>),
    Metadata {
        /// Includes the port, unless it is 80.
        host: String,
    },
    Impersonated(Box<Impersonated>),
}

/// A user's refresh token: of a Google account or of an external account.
#[derive(Clone)]
pub(super) struct User {
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) refresh_token: String,
    pub(super) token_uri: String,
    /// Whether the client authenticates in a header, as external accounts do; their responses hold
    /// no ID token.
    pub(super) is_federated: bool,
    /// Whether the token endpoint issues ID tokens for any audience, as the sandbox does for a
    /// service account.
    pub(super) chooses_audience: bool,
    /// Whether the endpoint is the sandbox in this process, whose port differs on each run.
    pub(super) in_sandbox: bool,
}

/// A service account key.
#[derive(Clone)]
pub(super) struct ServiceAccount {
    pub(super) email: String,
    pub(super) key_id: String,
    pub(super) private_key: String,
    pub(super) token_uri: String,
    /// The whole file, for the official client.
    pub(super) file: Value,
}

/// A service account that another credential impersonates.
#[derive(Clone)]
pub(super) struct Impersonated {
    pub(super) source: Credential,
    /// A valid access token of the source.
    pub(super) at_hand: Option<BearerToken>,
    pub(super) target: String,
    /// The delegation chain, nearest to the source first.
    pub(super) delegates: Vec<String>,
    /// Endpoint of IAM Credentials, without a trailing slash.
    pub(super) endpoint: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({:?})", self.kind())
    }
}

/// Endpoints that a gcloud property may override.
#[derive(Clone, Debug, Default)]
pub(super) struct Endpoints {
    /// gcloud's property `auth/token_host`.
    pub(super) token: Option<String>,
    /// gcloud's property `api_endpoint_overrides/iamcredentials`.
    pub(super) iam_credentials: Option<String>,
}

impl Credential {
    /// Parses a credential file. `place` is the file's name in errors.
    pub(super) fn read(
        json: &Value,
        place: &str,
        endpoints: &Endpoints,
    ) -> Result<Self, AuthError> {
        let unusable = |why: String| AuthError::Unusable { place: place.to_owned(), why };
        let kind = json["type"].as_str().unwrap_or_default();
        let text = |name: &str| json[name].as_str().filter(|t| !t.is_empty()).map(str::to_owned);
        let partial = || unusable(format!("what it holds is not a whole `{kind}`"));
        let need = |name: &str| text(name).ok_or_else(partial);
        let token_uri = || {
            let named = endpoints.token.clone().or_else(|| text("token_uri"));
            named.unwrap_or_else(|| TOKEN_URI.to_owned())
        };
        Ok(match kind {
            "authorized_user" | "external_account_authorized_user" => {
                let is_federated = kind != "authorized_user";
                let user = User {
                    client_id: need("client_id")?,
                    client_secret: need("client_secret")?,
                    refresh_token: need("refresh_token")?,
                    token_uri: if is_federated {
                        text("token_url").unwrap_or_else(|| EXTERNAL_TOKEN_URI.to_owned())
                    } else {
                        token_uri()
                    },
                    is_federated,
                    chooses_audience: false,
                    in_sandbox: false,
                };
                check_endpoint(&user.token_uri, place)?;
                Self::User(user)
            }
            "service_account" => {
                let token_uri = token_uri();
                check_endpoint(&token_uri, place)?;
                Self::ServiceAccount(Box::new(ServiceAccount {
                    email: need("client_email")?,
                    key_id: need("private_key_id")?,
                    private_key: need("private_key")?,
                    token_uri,
                    file: json.clone(),
                }))
            }
            "external_account" => {
                need("audience")?;
                need("subject_token_type")?;
                check_endpoint(&text("token_url").unwrap_or_default(), place)?;
                let mut bare = json.clone();
                if let Some(fields) = bare.as_object_mut() {
                    fields.shift_remove(IMPERSONATION_URL);
                }
                let bare = Self::External(Box::new(bare));
                match text(IMPERSONATION_URL) {
                    None => bare,
                    Some(url) => {
                        let made = impersonation(bare, &url, Vec::new(), endpoints, place)?;
                        made.ok_or_else(partial)?
                    }
                }
            }
            "impersonated_service_account" => {
                let source = Self::read(&json["source_credentials"], place, endpoints)?;
                let delegates = json["delegates"].as_array().into_iter().flatten();
                let delegates = delegates.filter_map(Value::as_str).map(account_of).collect();
                let url = need(IMPERSONATION_URL)?;
                impersonation(source, &url, delegates, endpoints, place)?.ok_or_else(partial)?
            }
            "" => return Err(unusable("it does not say its `type`".to_owned())),
            other => {
                return Err(unusable(format!("this version does not know the type `{other}`")));
            }
        })
    }

    /// This credential impersonating the last of these accounts, with the others as the delegation
    /// chain.
    pub(super) fn impersonating(
        self,
        at_hand: Option<BearerToken>,
        accounts: &[String],
        endpoints: &Endpoints,
    ) -> Result<Self, AuthError> {
        let Some((target, delegates)) = accounts.split_last() else { return Ok(self) };
        let endpoint =
            endpoints.iam_credentials.clone().unwrap_or_else(|| IAM_CREDENTIALS.to_owned());
        check_endpoint(&endpoint, "api_endpoint_overrides/iamcredentials")?;
        if let Some(other) = accounts.iter().find(|account| !is_service_account(account)) {
            return Err(AuthError::NotAServiceAccount(other.clone()));
        }
        Ok(Self::Impersonated(Box::new(Impersonated {
            source: self,
            at_hand,
            target: target.clone(),
            delegates: delegates.to_vec(),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
        })))
    }

    /// The kind of credential.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Bearer(_) => Kind::Token,
            Self::User(user) if user.is_federated => Kind::ExternalAccount,
            Self::User(user) if user.chooses_audience => Kind::ServiceAccount,
            Self::User(_) => Kind::User,
            Self::ServiceAccount(_) | Self::Metadata { .. } => Kind::ServiceAccount,
            Self::External(_) => Kind::ExternalAccount,
            Self::Impersonated(_) => Kind::Impersonated,
        }
    }

    /// The principal that the credential authenticates, if the credential names it.
    pub(super) fn account(&self) -> Option<&str> {
        match self {
            Self::ServiceAccount(account) => Some(&account.email),
            Self::Impersonated(impersonated) => Some(&impersonated.target),
            Self::Bearer(_) | Self::User(_) | Self::External(_) | Self::Metadata { .. } => None,
        }
    }

    /// A fingerprint that distinguishes the credential from every other one, for cache keys; stored
    /// only as a digest. `None` if the credential does not determine the principal: its tokens are
    /// not cached.
    pub(super) fn fingerprint(&self) -> Option<String> {
        Some(match self {
            Self::Bearer(token) => format!("bearer {}", token.text()),
            Self::User(user) => {
                let place = if user.in_sandbox { "the sandbox" } else { &user.token_uri };
                format!("user {place} {} {}", user.client_id, user.refresh_token)
            }
            Self::ServiceAccount(account) => {
                format!("key {} {} {}", account.token_uri, account.email, account.key_id)
            }
            // The subject token determines the principal; it can be read only if it is in a file.
            Self::External(file) => {
                let subject = file["credential_source"]["file"].as_str()?;
                format!("external {file} {}", fs::read_to_string(subject).ok()?)
            }
            // Each machine has its own service account, and several machines may share a home
            // folder.
            Self::Metadata { host } => {
                let read = |path: &str| fs::read_to_string(path).ok();
                let boot = read("/proc/sys/kernel/random/boot_id")?;
                format!("metadata {host} {boot} {}", read("/proc/sys/kernel/hostname")?)
            }
            Self::Impersonated(it) => {
                let source = it.source.fingerprint()?;
                let in_sandbox = matches!(&it.source, Self::User(user) if user.in_sandbox);
                let endpoint = if in_sandbox { "the sandbox" } else { &it.endpoint };
                format!("{} at {endpoint} through {:?} by {source}", it.target, it.delegates)
            }
        })
    }
}

/// Whether an address belongs to a service account.
pub(super) fn is_service_account(address: &str) -> bool {
    let has_name = address.split_once('@').is_some_and(|(name, _)| !name.is_empty());
    has_name && Member::of_account(address).kind() == MemberKind::ServiceAccount
}

/// Parses an impersonation from the URL of its IAM Credentials call, the form in credential files.
fn impersonation(
    source: Credential,
    url: &str,
    delegates: Vec<String>,
    endpoints: &Endpoints,
    place: &str,
) -> Result<Option<Credential>, AuthError> {
    let Some((origin, path)) = url.split_once("/v1/") else { return Ok(None) };
    let endpoint = endpoints.iam_credentials.as_deref().unwrap_or(origin);
    check_endpoint(endpoint, place)?;
    let target = account_of(path.rsplit_once(':').map_or(path, |(name, _)| name));
    let endpoint = endpoint.trim_end_matches('/').to_owned();
    Ok(Some(Credential::Impersonated(Box::new(Impersonated {
        source,
        at_hand: None,
        target,
        delegates,
        endpoint,
    }))))
}

/// The address at the end of `projects/-/serviceAccounts/ADDRESS`.
fn account_of(name: &str) -> String {
    name.rsplit('/').next().unwrap_or(name).to_owned()
}

/// Rejects an address that must not receive a secret.
fn check_endpoint(address: &str, place: &str) -> Result<(), AuthError> {
    Endpoint::parse(address).map(|_| ()).map_err(|error| AuthError::Unusable {
        place: place.to_owned(),
        why: format!("where it says to ask for tokens: {error}"),
    })
}

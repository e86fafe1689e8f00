//! Kinds of credential, parsed from their files.

use std::fmt;
use std::fs;

use serde_json::Value;

use super::bearer::BearerToken;
use super::{AuthError, Kind, UNIVERSE, federation};
use crate::domain::member::{Member, MemberKind};
use crate::transport::Endpoint;

/// The field that names the service account to impersonate.
const IMPERSONATION_URL: &str = "service_account_impersonation_url";

/// The types of file that are supported.
const TYPES: [&str; 5] = [
    "authorized_user",
    "external_account",
    "external_account_authorized_user",
    "impersonated_service_account",
    "service_account",
];

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
    /// Whether an executable may be run for a subject token.
    pub(super) runs_executables: bool,
    /// The universe, if it is known before the credential is read.
    pub(super) universe: Option<String>,
}

impl Credential {
    /// Parses a credential file. `place` is the file's name in errors.
    pub(super) fn read(
        json: &Value,
        place: &str,
        endpoints: &Endpoints,
    ) -> Result<Self, AuthError> {
        let unusable =
            |why: String| AuthError::Unusable { place: place.to_owned(), why, login: None };
        let kind = json["type"].as_str().unwrap_or_default();
        let text = |name: &str| json[name].as_str().filter(|t| !t.is_empty()).map(str::to_owned);
        let lacks = |names: &[&str]| lacks(json, names).map_err(unusable);
        let need = |name: &str| text(name).ok_or_else(|| unusable(format!("it lacks `{name}`")));
        let universe = universe_in(json);
        let check = |address: &str| check_endpoint(address, place, universe);
        let token_uri = || {
            let named = endpoints.token.clone().or_else(|| text("token_uri"));
            named.unwrap_or_else(|| format!("https://oauth2.{universe}/token"))
        };
        Ok(match kind {
            "authorized_user" | "external_account_authorized_user" => {
                let is_federated = kind != "authorized_user";
                lacks(&["client_id", "client_secret", "refresh_token"])?;
                let user = User {
                    client_id: need("client_id")?,
                    client_secret: need("client_secret")?,
                    refresh_token: need("refresh_token")?,
                    token_uri: if is_federated {
                        text("token_url")
                            .unwrap_or_else(|| format!("https://sts.{universe}/v1/oauthtoken"))
                    } else {
                        token_uri()
                    },
                    is_federated,
                    chooses_audience: false,
                    in_sandbox: false,
                };
                check(&user.token_uri)?;
                Self::User(user)
            }
            "service_account" => {
                lacks(&["client_email", "private_key_id", "private_key"])?;
                let token_uri = token_uri();
                check(&token_uri)?;
                check_key(&need("private_key")?).map_err(|why| unusable(why.to_owned()))?;
                Self::ServiceAccount(Box::new(ServiceAccount {
                    email: need("client_email")?,
                    key_id: need("private_key_id")?,
                    private_key: need("private_key")?,
                    token_uri,
                    file: for_official_client(json),
                }))
            }
            "external_account" => {
                lacks(&["audience", "subject_token_type", "token_url"])?;
                check(&need("token_url")?)?;
                check_source(json, endpoints).map_err(unusable)?;
                let mut bare = json.clone();
                if let Some(fields) = bare.as_object_mut() {
                    fields.shift_remove(IMPERSONATION_URL);
                }
                let bare = Self::External(Box::new(bare));
                match text(IMPERSONATION_URL) {
                    None => bare,
                    Some(url) => {
                        impersonation(bare, &url, Vec::new(), endpoints, (place, universe))?
                    }
                }
            }
            "impersonated_service_account" => {
                lacks(&[IMPERSONATION_URL])?;
                if !json["source_credentials"].is_object() {
                    return Err(unusable(format!(
                        "it is a `{kind}` that lacks `source_credentials`"
                    )));
                }
                let source = Self::read(&json["source_credentials"], place, endpoints)?;
                let delegates = json["delegates"].as_array().into_iter().flatten();
                let delegates = delegates.filter_map(Value::as_str).map(account_of).collect();
                let url = need(IMPERSONATION_URL)?;
                impersonation(source, &url, delegates, endpoints, (place, universe))?
            }
            "" => return Err(unusable("it does not say its `type`".to_owned())),
            other => return Err(unusable(not_supported(other))),
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
        let universe = endpoints.universe.as_deref().unwrap_or(UNIVERSE);
        let endpoint = endpoints.iam_credentials.clone();
        let endpoint = endpoint.unwrap_or_else(|| format!("https://iamcredentials.{universe}"));
        check_endpoint(&endpoint, "api_endpoint_overrides/iamcredentials", universe)?;
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
                let key = &account.private_key;
                format!("key {} {} {} {key}", account.token_uri, account.email, account.key_id)
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
    (place, universe): (&str, &str),
) -> Result<Credential, AuthError> {
    let Some((origin, path)) = url.split_once("/v1/") else {
        let why = format!("its `{IMPERSONATION_URL}` is no address of IAM Credentials");
        return Err(AuthError::Unusable { place: place.to_owned(), why, login: None });
    };
    let endpoint = endpoints.iam_credentials.as_deref().unwrap_or(origin);
    check_endpoint(endpoint, place, universe)?;
    let target = account_of(path.rsplit_once(':').map_or(path, |(name, _)| name));
    let endpoint = endpoint.trim_end_matches('/').to_owned();
    Ok(Credential::Impersonated(Box::new(Impersonated {
        source,
        at_hand: None,
        target,
        delegates,
        endpoint,
    })))
}

/// The address at the end of `projects/-/serviceAccounts/ADDRESS`.
fn account_of(name: &str) -> String {
    name.rsplit('/').next().unwrap_or(name).to_owned()
}

/// Rejects an address that must not receive a secret.
fn check_endpoint(address: &str, place: &str, universe: &str) -> Result<(), AuthError> {
    let unusable = |why: String| AuthError::Unusable {
        place: place.to_owned(),
        why: format!("where it says to ask for tokens: {why}"),
        login: None,
    };
    let endpoint = Endpoint::parse(address).map_err(|error| unusable(error.to_string()))?;
    if universe != UNIVERSE && endpoint.is_googles() {
        return Err(unusable(format!("`{address}` is not of its universe `{universe}`")));
    }
    Ok(())
}

/// A key's file as the official client takes it: it wants a `project_id`, and uses it for nothing.
fn for_official_client(file: &Value) -> Value {
    let mut file = file.clone();
    if let Some(fields) = file.as_object_mut() {
        fields.entry("project_id").or_insert_with(|| Value::from(""));
    }
    file
}

/// Names the fields that a credential file lacks.
fn lacks(file: &Value, names: &[&str]) -> Result<(), String> {
    let has = |name: &str| file[name].as_str().is_some_and(|text| !text.is_empty());
    let lacking = names.iter().filter(|name| !has(name)).map(|name| format!("`{name}`"));
    let lacking: Vec<String> = lacking.collect();
    let kind = file["type"].as_str().unwrap_or_default();
    let all = lacking.join(", ");
    if lacking.is_empty() {
        Ok(())
    } else {
        Err(format!("its type is `{kind}`, and it lacks {all}"))
    }
}

/// Why a type of file is not supported.
fn not_supported(kind: &str) -> String {
    if kind == "gdch_service_account" {
        return format!("it is of Google Distributed Cloud (`{kind}`), which has no Cloud Run");
    }
    let supported = TYPES.map(|kind| format!("`{kind}`")).join(", ");
    format!("its type `{kind}` is not supported: {supported} are")
}

/// Checks where a federation's subject token comes from.
fn check_source(file: &Value, endpoints: &Endpoints) -> Result<(), String> {
    federation::source(file)?;
    if file["credential_source"].get("executable").is_some() && !endpoints.runs_executables {
        return Err(format!(
            "it runs a program for its token, which takes `{}=1` in the environment",
            federation::ALLOW_EXECUTABLES
        ));
    }
    Ok(())
}

/// The universe that a credential file names, or Google's public cloud (documented).
pub(super) fn universe_in(file: &Value) -> &str {
    let named = file["universe_domain"].as_str();
    let of_source = || file["source_credentials"]["universe_domain"].as_str();
    named.or_else(of_source).filter(|universe| !universe.is_empty()).unwrap_or(UNIVERSE)
}

/// What is wrong with the text of a private key, as far as that shows.
fn check_key(key: &str) -> Result<(), &'static str> {
    if key.contains("\\n") {
        return Err("its `private_key` has `\\n` written out in place of line ends");
    }
    if key.contains("ENCRYPTED") {
        return Err("its `private_key` is encrypted, and nothing asks for a password");
    }
    if !(key.contains("-----BEGIN") && key.contains("-----END")) {
        return Err("its `private_key` is not in PEM, with a line of `BEGIN` and one of `END`");
    }
    if !key.trim().contains('\n') {
        return Err("its `private_key` has lost its line ends");
    }
    Ok(())
}

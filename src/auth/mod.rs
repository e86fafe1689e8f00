//! Access tokens and ID tokens for every kind of credential, and their cache. Only this module
//! names `google_cloud_auth`.

mod bearer;
mod cache;
mod credential;
mod federation;
mod file_name;
mod find;
mod mint;
mod quota;
mod tokens;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use thiserror::Error;
use time::OffsetDateTime;

pub use self::bearer::{BearerToken, IdTokenFileError, TokenError};
use self::cache::TokenCache;
pub use self::cache::renewal_time;
use self::credential::{Credential, Endpoints, User, is_service_account};
use self::federation::ALLOW_EXECUTABLES;
pub use self::file_name::{check_arguments, check_variables};
pub use self::find::login_of;
use self::find::{FoundCredential, find, passed_over, token_file};
use self::quota::{Family, quota_project};
pub use self::quota::{QuotaProject, SetBy};
use self::tokens::AtHand;
pub use self::tokens::{IdToken, Tokens};
use crate::domain::error::{CommandError, ErrorKind, Hint};
use crate::gcloud::{Properties, PropertySource, SetupError};
use crate::transport::Network;

/// Every method of the Cloud Run Admin API accepts this scope (discovery document).
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// The universe of Google's public cloud.
pub const UNIVERSE: &str = "googleapis.com";
/// gcloud's own client: the audience of user tokens that Cloud Run accepts.
pub const GCLOUD_CLIENT: &str = "32555940559.apps.googleusercontent.com";

/// The active credential, and its account if known.
#[derive(Clone, Debug)]
pub struct Identity {
    pub tokens: Arc<Tokens>,
    /// The account's address; `None` if the credential does not contain it.
    pub account: Option<String>,
    /// The origin of the credential, for display.
    pub source: String,
    /// The account of `GOOGLE_APPLICATION_CREDENTIALS`, or the file itself, if another credential
    /// took precedence.
    pub passed_over: Option<String>,
    /// The command that logs the account in again, if there is one.
    pub login: Option<String>,
    /// The project that the account's requests count for.
    pub quota: QuotaProject,
    /// The universe of the credential, such as `googleapis.com`: its tokens go nowhere else.
    pub universe: String,
}

impl Identity {
    /// A note that `GOOGLE_APPLICATION_CREDENTIALS` names another account than the active one.
    pub fn other_passed_over(&self) -> Option<String> {
        let other = self.passed_over.as_ref()?;
        Some(format!("`GOOGLE_APPLICATION_CREDENTIALS` is of `{other}`, which does not act here"))
    }
}

/// Kinds of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    ExternalAccount,
    Impersonated,
    ServiceAccount,
    Token,
    User,
}

impl Kind {
    /// The word for this kind in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ExternalAccount => "externalAccount",
            Self::Impersonated => "impersonated",
            Self::ServiceAccount => "serviceAccount",
            Self::Token => "token",
            Self::User => "user",
        }
    }

    /// The name of this kind in a table.
    pub fn words(self) -> &'static str {
        match self {
            Self::ExternalAccount => "external account",
            Self::ServiceAccount => "service account",
            Self::Impersonated | Self::Token | Self::User => self.as_str(),
        }
    }
}

/// The options that select the active account.
#[derive(Clone, Debug, Default)]
pub struct IdentityRequest {
    pub access_token_file: Option<PathBuf>,
    pub account: Option<String>,
    /// Accounts to impersonate: the last one, with the others as the delegation chain.
    pub impersonate: Vec<String>,
}

/// The cache and the clock that tokens are obtained with.
#[derive(Clone, Debug)]
pub struct TokenOptions {
    /// The token cache; `None` if tokens are not cached.
    pub cache: Option<PathBuf>,
    pub clock: fn() -> OffsetDateTime,
    /// How token servers are reached.
    pub network: Network,
}

/// Why there is no credential, or no token.
#[derive(Debug, Error)]
pub enum AuthError {
    #[error("no credentials were found")]
    None,
    #[error("gcloud has no credentials for the account `{account}`")]
    NoSuchAccount { account: String, known: Vec<String> },
    #[error("{said_by} holds the credential itself, not {what}")]
    SecretItself { said_by: String, what: String },
    #[error("cannot read the access token in `{}`", path.display())]
    TokenFile { path: PathBuf, source: std::io::Error },
    #[error("what stands in {place} is not an access token: {source}")]
    Token { place: String, source: TokenError },
    #[error("cannot read the credentials in `{}`", path.display())]
    CredentialFile { path: PathBuf, source: std::io::Error },
    #[error("the credential of {place} cannot be used: {why}")]
    Unusable { place: String, why: String, login: Option<String> },
    #[error("{place} must log in again")]
    LoginNeeded { place: String, why: String, login: Option<String> },
    #[error("{place} is of the universe `{theirs}`, and `core/universe_domain` is `{set}`")]
    OtherUniverse { place: String, theirs: String, set: String, hint: Option<String> },
    #[error("{place} was refused a token")]
    Refused { place: String, why: String },
    /// The key of a service account was refused: it is deleted or replaced, or the clock is off.
    #[error("{place} was refused a token")]
    KeyRefused { place: String, why: String, email: String, is_clock: bool },
    /// Federation: the other provider's token could not be read.
    #[error("{place} has no subject token to exchange")]
    SubjectToken { place: String, why: String },
    #[error("`{0}` is not a service account, and only those can be impersonated")]
    NotAServiceAccount(String),
    #[error("`{target}` cannot be impersonated")]
    NotImpersonated { target: String, why: String },
    /// The server refused a cached token; it may accept a new one.
    #[error("a token is not taken")]
    Unauthenticated { why: String },
    #[error("`{url}` gives no token")]
    Unreachable { url: String, why: String },
    #[error("{place} gives no ID token")]
    NoIdToken { place: String },
    #[error("a user's ID token cannot have the audience `{audience}`")]
    AudienceNotChosen { audience: String },
    #[error("an ID token of a service account needs an audience")]
    AudienceNeeded,
    #[error(transparent)]
    Setup(#[from] SetupError),
}

/// Finds the active credential, in this order: the command line's token file; the command line's
/// account; `CLOUDSDK_AUTH_ACCESS_TOKEN`; the properties `auth/access_token_file` and
/// `auth/credential_file_override`; gcloud's active account; `GOOGLE_APPLICATION_CREDENTIALS`;
/// Application Default Credentials; the metadata server. It may then impersonate another account.
/// Reads files only; sends no request.
pub fn identify(
    request: &IdentityRequest,
    properties: &Properties,
    options: &TokenOptions,
) -> Result<Identity, AuthError> {
    let value = |section, key| -> Result<Option<String>, SetupError> {
        Ok(properties.value(section, key)?.map(|property| property.value))
    };
    let endpoints = Endpoints {
        token: value("auth", "token_host")?,
        iam_credentials: value("api_endpoint_overrides", "iamcredentials")?,
        universe: None,
        runs_executables: properties.variable(ALLOW_EXECUTABLES) == Some("1"),
    };
    let mut found = find(request, properties, &endpoints, (options.clock)())?;
    let passed_over = passed_over(&found, properties);
    let universe = universe_of(&found, properties)?;
    let mut accounts = request.impersonate.clone();
    let mut said_by = "`--impersonate-service-account`".to_owned();
    if accounts.is_empty()
        && let Some(property) = properties.value("auth", "impersonate_service_account")?
    {
        accounts = property.value.split(',').map(|account| account.trim().to_owned()).collect();
        said_by = property.source.to_string();
    }
    let endpoints = Endpoints { universe: Some(universe.clone()), ..endpoints };
    found = acting(found, &accounts, &said_by, &endpoints)?;
    let kind = found.credential.kind();
    let quota = quota_project(found.family, kind, found.quota_project.take(), properties)?;
    Ok(Identity { passed_over, quota, universe, ..identity_of(found, options) })
}

/// The universe of a credential. A key or a login is of one universe; a credential that does not say
/// which is of the one that is set, or of Google's public cloud.
fn universe_of(found: &FoundCredential, properties: &Properties) -> Result<String, AuthError> {
    let set = properties.value("core", "universe_domain")?;
    let Some(theirs) = found.universe.clone() else {
        return Ok(set.map_or_else(|| UNIVERSE.to_owned(), |property| property.value));
    };
    match set {
        Some(set) if set.value != theirs => Err(AuthError::OtherUniverse {
            place: found.place.clone(),
            theirs,
            hint: match &set.source {
                PropertySource::Variable(name) => Some(format!("unset {name}")),
                _ => None,
            },
            set: set.value,
        }),
        _ => Ok(theirs),
    }
}

/// The credential that impersonates the last of these accounts; the original credential if there
/// are none.
fn acting(
    found: FoundCredential,
    accounts: &[String],
    said_by: &str,
    endpoints: &Endpoints,
) -> Result<FoundCredential, AuthError> {
    let Some(target) = accounts.last() else { return Ok(found) };
    let mut at_hand = found.at_hand;
    Ok(FoundCredential {
        source: format!("{}, acting as `{target}` ({said_by})", found.source),
        account: Some(target.clone()),
        credential: found.credential.impersonating(at_hand.access.take(), accounts, endpoints)?,
        at_hand: AtHand::default(),
        ..found
    })
}

/// An account of the sandbox at `endpoint`, which issues tokens for any address. The access token
/// of the default account needs no request: the sandbox accepts any opaque token for it.
pub fn identify_in_sandbox(
    request: &IdentityRequest,
    endpoint: &str,
    default_account: &str,
    refresh_prefix: &str,
    options: &TokenOptions,
) -> Result<Identity, AuthError> {
    if let Some(path) = &request.access_token_file {
        let found = token_file(path, "`--access-token-file`", "--access-token-file")?;
        return Ok(identity_of(found, options));
    }
    let account = request.account.as_deref().unwrap_or(default_account);
    let credential = Credential::User(User {
        client_id: GCLOUD_CLIENT.to_owned(),
        client_secret: "sandbox".to_owned(),
        refresh_token: format!("{refresh_prefix}{account}"),
        token_uri: format!("{endpoint}/token"),
        is_federated: false,
        chooses_audience: is_service_account(account),
        in_sandbox: true,
    });
    let mut at_hand = AtHand::default();
    if account == default_account {
        at_hand.access = BearerToken::new("sandbox").ok();
    }
    let found = FoundCredential {
        credential,
        account: Some(account.to_owned()),
        source: "the sandbox".to_owned(),
        place: format!("the sandbox's `{account}`"),
        at_hand,
        login: None,
        family: Family::Gcloud,
        quota_project: None,
        universe: None,
    };
    let endpoints =
        Endpoints { iam_credentials: Some(endpoint.to_owned()), ..Endpoints::default() };
    let said_by = "`--impersonate-service-account`";
    Ok(identity_of(acting(found, &request.impersonate, said_by, &endpoints)?, options))
}

fn identity_of(found: FoundCredential, options: &TokenOptions) -> Identity {
    let FoundCredential { credential, account, source, place, at_hand, login, .. } = found;
    let tokens = Tokens {
        credential,
        place,
        at_hand: Mutex::new(at_hand),
        cache: options.cache.clone().map(TokenCache::new),
        clock: options.clock,
        network: options.network.clone(),
        login: login.clone(),
    };
    let (passed_over, quota) = (None, QuotaProject::None);
    let universe = UNIVERSE.to_owned();
    Identity { tokens: Arc::new(tokens), account, source, passed_over, login, quota, universe }
}

impl AuthError {
    /// Adds the command that writes the credential anew, if there is one.
    fn or_login(self, command: Option<&str>) -> Self {
        match self {
            Self::Unusable { place, why, login: None } => {
                Self::Unusable { place, why, login: command.map(str::to_owned) }
            }
            other => other,
        }
    }
}

impl From<AuthError> for CommandError {
    fn from(error: AuthError) -> Self {
        Self::from(&error).with_source(error)
    }
}

impl From<&AuthError> for CommandError {
    fn from(error: &AuthError) -> Self {
        let refused =
            |why: &str| Self::new(ErrorKind::NotAuthenticated, error.to_string()).because(why);
        let plain = Self::new(ErrorKind::NotAuthenticated, error.to_string());
        match error {
            AuthError::None => plain.hint(Hint::Login).hint("runaccess --sandbox list"),
            AuthError::NoSuchAccount { account, known } => {
                let error = plain.hint_gcloud(login_of(account));
                match known.first() {
                    None => error,
                    Some(_) => error.because(format!("it has those of `{}`", known.join("`, `"))),
                }
            }
            AuthError::TokenFile { source, .. } | AuthError::CredentialFile { source, .. } => {
                refused(&source.to_string())
            }
            AuthError::SecretItself { .. } => plain.because(
                "a credential belongs in a file that nobody else can read: \
                 `--access-token-file`, `--id-token-file` and `GOOGLE_APPLICATION_CREDENTIALS` name it",
            ),
            AuthError::Token { .. } => plain.hint(Hint::Login),
            AuthError::Unusable { login, .. } => match login {
                Some(login) => plain.hint_gcloud(login.as_str()),
                None => plain,
            },
            AuthError::LoginNeeded { why, login, .. } => {
                refused(why).hint(login.clone().map_or(Hint::Login, Hint::Gcloud))
            }
            AuthError::Refused { why, .. }
            | AuthError::SubjectToken { why, .. }
            | AuthError::Unauthenticated { why } => refused(why),
            AuthError::OtherUniverse { hint, .. } => {
                let error = plain.because("a token is sent to no other universe than its own");
                match hint {
                    Some(hint) => error.hint(hint.as_str()),
                    None => error.hint_gcloud("config unset core/universe_domain"),
                }
            }
            AuthError::KeyRefused { why, is_clock: true, .. } => refused(why)
                .because(
                    "this machine's clock is off: assertions are good for an hour by the server's",
                )
                .hint("timedatectl set-ntp true"),
            AuthError::KeyRefused { why, email, .. } => refused(why)
                .because("the key was deleted or replaced, or its account was")
                .hint_gcloud(format!("iam service-accounts keys list --iam-account={email}")),
            AuthError::NotImpersonated { why, .. } => refused(why).because(
                "it takes a role such as `roles/iam.serviceAccountTokenCreator` on that account",
            ),
            AuthError::Unreachable { why, .. } => {
                Self::new(ErrorKind::Unavailable, error.to_string()).because(why)
            }
            AuthError::NoIdToken { .. } => plain,
            AuthError::AudienceNotChosen { .. } => Self::usage(error.to_string())
                .because("it always has that of the client that the user logged in with"),
            AuthError::AudienceNeeded | AuthError::NotAServiceAccount(_) => {
                Self::usage(error.to_string())
            }
            AuthError::Setup(error) => Self::from(error),
        }
    }
}

impl From<IdTokenFileError> for CommandError {
    fn from(error: IdTokenFileError) -> Self {
        let why = match &error {
            IdTokenFileError::Unreadable { source, .. } => source.to_string(),
            IdTokenFileError::NoToken { source, .. } => source.to_string(),
        };
        Self::new(ErrorKind::NotAuthenticated, error.to_string()).because(why)
    }
}

#[cfg(test)]
mod tests;

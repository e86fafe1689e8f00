//! From the errors of the layers below to those of a command.

use std::error::Error;
use std::path::Path;

use super::{CommandError, ErrorKind, quoted};
use crate::auth::{AuthError, IdTokenFileError, login_of};
use crate::cloud::{Failure, FailureKind};
use crate::domain::address::AddressError;
use crate::domain::member::MemberError;
use crate::domain::resource::ServiceRefError;
use crate::domain::role::RoleError;
use crate::domain::role::carries;
use crate::gcloud::SetupError;
use crate::journal::JournalError;
use crate::sandbox::StoreError;
use crate::transport::{EndpointError, TransportError};

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        if let Some(error) = &failure.auth {
            return Self::from(error.as_ref());
        }
        let kind = match failure.kind {
            FailureKind::Aborted => ErrorKind::Conflict,
            FailureKind::Connect | FailureKind::Network | FailureKind::Unavailable => {
                ErrorKind::Unavailable
            }
            FailureKind::Credentials | FailureKind::Unauthenticated => ErrorKind::NotAuthenticated,
            FailureKind::Deadline => ErrorKind::Deadline,
            FailureKind::AlreadyExists | FailureKind::FailedPrecondition => {
                ErrorKind::FailedPrecondition
            }
            FailureKind::InvalidArgument => ErrorKind::InvalidArgument,
            FailureKind::Malformed | FailureKind::Redirected => ErrorKind::MalformedResponse,
            FailureKind::NotFound => ErrorKind::NotFound,
            FailureKind::Other | FailureKind::Unimplemented => ErrorKind::Failed,
            FailureKind::PermissionDenied => ErrorKind::PermissionDenied,
            FailureKind::RateLimited => ErrorKind::RateLimited,
        };
        let permission = failure.permission().map(str::to_owned);
        let error = Self::new(kind, failure.to_string()).because(failure.message);
        match kind {
            ErrorKind::NotAuthenticated => error.hint("gcloud auth login"),
            ErrorKind::PermissionDenied => match permission {
                // Who has it is who can give it.
                Some(permission) => match roles_with(&permission) {
                    Some(roles) => error
                        .because(format!("`{permission}` is in {roles}"))
                        .hint("runaccess roles"),
                    None => error.hint("gcloud auth list"),
                },
                None => error.hint("gcloud auth list"),
            },
            _ => error,
        }
    }
}

/// The roles that a person is given for a permission, the least first, as they are known.
fn roles_with(permission: &str) -> Option<String> {
    const LEAST: [&str; 7] = [
        "roles/run.invoker",
        "roles/run.servicesInvoker",
        "roles/run.jobsExecutorWithOverrides",
        "roles/run.viewer",
        "roles/iam.securityAdmin",
        "roles/run.developer",
        "roles/run.admin",
    ];
    /// Of other APIs (background knowledge; the roles' pages list more).
    const BESIDE: [(&str, &str); 9] = [
        ("cloudfunctions.functions.list", "roles/cloudfunctions.viewer"),
        ("iam.roles.get", "roles/iam.roleViewer"),
        ("iam.roles.list", "roles/iam.roleViewer"),
        ("iam.serviceAccounts.create", "roles/iam.serviceAccountAdmin"),
        ("iam.serviceAccounts.delete", "roles/iam.serviceAccountAdmin"),
        ("iam.serviceAccounts.get", "roles/iam.serviceAccountViewer"),
        ("iam.serviceAccounts.getIamPolicy", "roles/iam.serviceAccountAdmin"),
        ("iam.serviceAccounts.setIamPolicy", "roles/iam.serviceAccountAdmin"),
        ("resourcemanager.projects.get", "roles/browser"),
    ];
    let holds = |role: &&&str| carries(role, permission) == Some(true);
    let beside = BESIDE.iter().filter(|(held, _)| *held == permission).map(|(_, role)| role);
    let roles: Vec<String> =
        LEAST.iter().filter(holds).chain(beside).map(|role| format!("`{role}`")).collect();
    match roles.as_slice() {
        [] => None,
        [only] => Some(only.clone()),
        [first, .., last] => Some(format!("{first} and {last}")),
    }
}

impl From<AuthError> for CommandError {
    fn from(error: AuthError) -> Self {
        Self::from(&error)
    }
}

impl From<&AuthError> for CommandError {
    fn from(error: &AuthError) -> Self {
        let refused =
            |why: &str| Self::new(ErrorKind::NotAuthenticated, error.to_string()).because(why);
        let plain = Self::new(ErrorKind::NotAuthenticated, error.to_string());
        match error {
            AuthError::None => plain.hint("gcloud auth login").hint("runaccess --sandbox list"),
            AuthError::NoSuchAccount { account, known } => {
                let error = plain.hint(login_of(account));
                match known.first() {
                    None => error,
                    Some(_) => error.because(format!("it has those of `{}`", known.join("`, `"))),
                }
            }
            AuthError::TokenFile { source, .. } | AuthError::CredentialFile { source, .. } => {
                refused(&source.to_string())
            }
            AuthError::SecretItself { .. } => plain.because(
                "it is to be the path of a file that holds it and that nobody else can read",
            ),
            AuthError::Token { .. } | AuthError::Unusable { .. } => plain.hint("gcloud auth login"),
            AuthError::LoginNeeded { why, login, .. } => {
                let login = login.clone().unwrap_or_else(|| "gcloud auth login".to_owned());
                refused(why).hint(login)
            }
            AuthError::Refused { why, .. } | AuthError::Unauthenticated { why } => refused(why),
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

impl From<SetupError> for CommandError {
    fn from(error: SetupError) -> Self {
        Self::from(&error)
    }
}

impl From<&SetupError> for CommandError {
    fn from(error: &SetupError) -> Self {
        let message = error.to_string();
        match error {
            SetupError::Empty(name) => {
                match name.strip_prefix('`').and_then(|n| n.strip_suffix('`')) {
                    Some(variable) if variable.starts_with("CLOUDSDK_") => {
                        Self::usage(message).hint(format!("unset {variable}"))
                    }
                    _ => Self::usage(message),
                }
            }
            SetupError::ConfigurationName(_) => {
                Self::usage(message).hint("gcloud config configurations list")
            }
            SetupError::NoSuchConfiguration { path, .. } => Self::usage(message)
                .because(format!("`{}` does not exist", path.display()))
                .hint("gcloud config configurations list"),
            SetupError::File { source, .. } => {
                Self::new(ErrorKind::State, message).because(source.to_string())
            }
            SetupError::Syntax { .. } => Self::new(ErrorKind::State, message),
            SetupError::Locked { .. } => Self::new(ErrorKind::State, message)
                .because("another gcloud command may be running"),
            SetupError::Damaged { source, .. } => Self::new(ErrorKind::State, message)
                .because(source.to_string())
                .hint("gcloud auth login"),
        }
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        let mut command_error = Self::new(ErrorKind::State, error.to_string());
        if let Some(source) = error.source() {
            command_error = command_error.because(source.to_string());
        }
        match error {
            StoreError::Folder { .. } | StoreError::SetAside { .. } => {
                command_error.hint("RUNACCESS_HOME=\"$(mktemp -d)\" runaccess --sandbox list")
            }
            StoreError::Open { .. } => command_error.hint("runaccess sandbox reset"),
            StoreError::Newer { .. } => command_error,
        }
    }
}

impl From<JournalError> for CommandError {
    fn from(error: JournalError) -> Self {
        let message = error.to_string();
        let mut command_error = Self::new(ErrorKind::State, message);
        if let Some(source) = error.source() {
            command_error = command_error.because(source.to_string());
        }
        match error.damaged().and_then(Path::parent) {
            // With its log, which belongs to it.
            Some(folder) => {
                let folder = quoted(&folder.display().to_string());
                command_error.hint(format!("mv {folder} {folder}.damaged"))
            }
            None => command_error,
        }
    }
}

impl From<TransportError> for CommandError {
    fn from(error: TransportError) -> Self {
        Self::new(ErrorKind::Unavailable, error.to_string())
    }
}

impl From<EndpointError> for CommandError {
    fn from(error: EndpointError) -> Self {
        Self::usage(error.to_string())
            .because("it is the endpoint override of the Cloud Run Admin API")
    }
}

impl From<MemberError> for CommandError {
    fn from(error: MemberError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<ServiceRefError> for CommandError {
    fn from(error: ServiceRefError) -> Self {
        match error {
            ServiceRefError::Address(error) => error.into(),
            error => Self::usage(error.to_string()),
        }
    }
}

impl From<AddressError> for CommandError {
    fn from(error: AddressError) -> Self {
        let said = Self::usage(error.to_string());
        match error {
            AddressError::UserInfo { .. } => {
                said.because("a service takes a token, and neither a user name nor a password")
            }
            AddressError::DotSegment(_) => {
                said.because("it would lead to another path than it reads: write the path itself")
            }
            AddressError::IllFormed(_) => said,
        }
    }
}

impl From<RoleError> for CommandError {
    fn from(error: RoleError) -> Self {
        Self::usage(error.to_string()).hint("runaccess roles")
    }
}

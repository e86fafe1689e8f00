//! An existing gcloud setup: configurations, properties and stored credentials.
//!
//! The setup is only read. Its layout is gcloud's own, as measured on versions 528 and 578.

mod credential_store;
mod ini;
mod properties;

use std::collections::BTreeMap;
use std::path::PathBuf;

use thiserror::Error;

pub use self::credential_store::{CredentialStore, StoredToken};
pub use self::properties::{Properties, Property, PropertySource};
use crate::domain::error::{CommandError, ErrorKind, Hint};

/// The environment variables, passed in by the caller.
pub type Variables = BTreeMap<String, String>;

/// Why a gcloud setup cannot be used.
#[derive(Debug, Error)]
pub enum SetupError {
    #[error("{0} is set to the empty string")]
    Empty(String),
    #[error("{0} holds a credential itself, not what it is to name")]
    Secret(String),
    #[error("`{0}` is not a name that a gcloud configuration can have")]
    ConfigurationName(String),
    #[error("there is no gcloud configuration `{name}`")]
    NoSuchConfiguration { name: String, path: PathBuf },
    #[error("cannot read `{}`", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("cannot understand `{}`: {why}", path.display())]
    Syntax { path: PathBuf, why: String },
    #[error("gcloud's `{}` is locked by another process", path.display())]
    Locked { path: PathBuf },
    #[error("gcloud's `{}` is damaged", path.display())]
    Damaged { path: PathBuf, source: rusqlite::Error },
}

/// Parses one of gcloud's files, for the tests on raw bytes.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_ini(text: &str) {
    if let Ok(sections) = ini::Sections::parse(text) {
        sections.value("core", "project");
    }
}

impl From<SetupError> for CommandError {
    fn from(error: SetupError) -> Self {
        Self::from(&error).with_source(error)
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
            SetupError::Secret(_) => Self::new(ErrorKind::NotAuthenticated, message)
                .because("a credential belongs in a file that nobody else can read"),
            SetupError::ConfigurationName(_) => {
                Self::usage(message).hint_gcloud("config configurations list")
            }
            SetupError::NoSuchConfiguration { path, .. } => Self::usage(message)
                .because(format!("`{}` does not exist", path.display()))
                .hint_gcloud("config configurations list"),
            SetupError::File { source, .. } => {
                Self::new(ErrorKind::State, message).because(source.to_string())
            }
            SetupError::Syntax { .. } => Self::new(ErrorKind::State, message),
            SetupError::Locked { .. } => Self::new(ErrorKind::State, message)
                .because("another gcloud command may be running"),
            SetupError::Damaged { source, .. } => {
                Self::new(ErrorKind::State, message).because(source.to_string()).hint(Hint::Login)
            }
        }
    }
}

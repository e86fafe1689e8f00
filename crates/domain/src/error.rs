//! What a command reports when it fails: kind, message, causes, hints.
//!
//! Every layer has errors of its own that carry data, and says beside them what they are to a person:
//! `From<…> for CommandError`.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::exit_code::ExitCode;

/// The error of a command, or of its part on one resource.
#[derive(Clone, Debug)]
pub struct CommandError {
    pub kind: ErrorKind,
    /// A lower-case fragment that names the thing in backticks.
    pub message: String,
    pub causes: Vec<String>,
    /// Commands ready to run.
    pub hints: Vec<Hint>,
    /// The exit code, if it is not the kind's.
    ending: Option<ExitCode>,
    /// The layer's own error that it was made from.
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// A command that may help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Ready to run as it is.
    Ready(String),
    /// A command of this program that does not say yet whether it is for the sandbox.
    Own(&'static str),
    /// A command of gcloud, which does nothing about the sandbox.
    Gcloud(String),
    /// The accounts that could act in place of this one.
    Accounts,
    /// The login of the account that acts.
    Login,
}

impl From<String> for Hint {
    fn from(command: String) -> Self {
        Self::Ready(command)
    }
}

impl From<&str> for Hint {
    fn from(command: &str) -> Self {
        Self::Ready(command.to_owned())
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(command) => f.write_str(command),
            Self::Own(command) => write!(f, "runaccess {command}"),
            Self::Gcloud(command) => write!(f, "gcloud {command}"),
            Self::Accounts => f.write_str("gcloud auth list"),
            Self::Login => f.write_str("gcloud auth login"),
        }
    }
}

impl Serialize for Hint {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_one_line())
    }
}

impl Error for CommandError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// The kinds of error that a script can tell apart, each with its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    Ambiguous,
    Cancelled,
    Conflict,
    ConditionRequired,
    ConfirmationRequired,
    Deadline,
    Failed,
    FailedPrecondition,
    InvalidArgument,
    LimitExceeded,
    LimitsNothing,
    MalformedResponse,
    /// What is there has no address to be called at.
    NoUrl,
    NotAuthenticated,
    NotExpected,
    NotFound,
    NotToBeUndone,
    OrganisationPolicy,
    Partial,
    PermissionDenied,
    PlanChanged,
    RateLimited,
    SavedBefore,
    State,
    Unavailable,
    Undetermined,
    Usage,
}

impl ErrorKind {
    /// The code that stands in JSON; listed in `docs/json.md`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Ambiguous => "ambiguous",
            Self::Cancelled => "cancelled",
            Self::Conflict => "conflict",
            Self::ConditionRequired => "condition-required",
            Self::ConfirmationRequired => "confirmation-required",
            Self::Deadline => "deadline",
            Self::Failed => "failed",
            Self::FailedPrecondition => "failed-precondition",
            Self::InvalidArgument => "invalid-argument",
            Self::LimitExceeded => "limit-exceeded",
            Self::LimitsNothing => "limits-nothing",
            Self::MalformedResponse => "malformed-response",
            Self::NotAuthenticated => "not-authenticated",
            Self::NotExpected => "not-expected",
            Self::NoUrl | Self::NotFound => "not-found",
            Self::NotToBeUndone => "not-to-be-undone",
            Self::OrganisationPolicy => "organisation-policy",
            Self::Partial => "partial",
            Self::PermissionDenied => "permission-denied",
            Self::PlanChanged => "plan-changed",
            Self::RateLimited => "rate-limited",
            Self::SavedBefore => "saved-before",
            Self::State => "state",
            Self::Unavailable => "unavailable",
            Self::Undetermined => "undetermined",
            Self::Usage => "usage",
        }
    }

    /// The exit code.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Ambiguous
            | Self::ConditionRequired
            | Self::ConfirmationRequired
            | Self::Usage => ExitCode::Usage,
            Self::Cancelled => ExitCode::Cancelled,
            Self::Conflict
            | Self::NotExpected
            | Self::NotToBeUndone
            | Self::PlanChanged
            | Self::SavedBefore => ExitCode::Conflict,
            Self::LimitsNothing => ExitCode::No,
            Self::Deadline
            | Self::Failed
            | Self::FailedPrecondition
            | Self::InvalidArgument
            | Self::LimitExceeded
            | Self::MalformedResponse
            | Self::RateLimited
            | Self::State
            | Self::Unavailable => ExitCode::Failed,
            Self::NotAuthenticated => ExitCode::NotAuthenticated,
            Self::NoUrl | Self::NotFound => ExitCode::NotFound,
            Self::OrganisationPolicy | Self::PermissionDenied => ExitCode::Refused,
            Self::Partial => ExitCode::Partial,
            Self::Undetermined => ExitCode::Undetermined,
        }
    }
}

impl CommandError {
    /// An error of a kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            causes: Vec::new(),
            hints: Vec::new(),
            ending: None,
            source: None,
        }
    }

    /// A wrong command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// Ends with another exit code than the kind's.
    #[must_use]
    pub fn ending(mut self, code: ExitCode) -> Self {
        self.ending = Some(code);
        self
    }

    /// The exit code.
    pub fn exit_code(&self) -> ExitCode {
        self.ending.unwrap_or_else(|| self.kind.exit_code())
    }

    /// Keeps the layer's own error that it was made from.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Adds a cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Adds a command that may help.
    #[must_use]
    pub fn hint(mut self, command: impl Into<Hint>) -> Self {
        let command = command.into();
        if !self.hints.contains(&command) {
            self.hints.push(command);
        }
        self
    }

    /// Adds a command of gcloud that may help.
    #[must_use]
    pub fn hint_gcloud(self, command: impl Into<String>) -> Self {
        self.hint(Hint::Gcloud(command.into()))
    }

    /// The message with its causes.
    pub fn in_one_line(&self) -> String {
        let parts = std::iter::once(&self.message).chain(&self.causes);
        parts.map(String::as_str).collect::<Vec<_>>().join(": ")
    }

    /// The document that stands on stdout with `-o json`.
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Document<'a> {
            error: Body<'a>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            code: &'a str,
            exit_code: u8,
            message: String,
            hints: &'a [Hint],
        }
        let body = Body {
            code: self.kind.code(),
            exit_code: self.exit_code().number(),
            message: self.in_one_line(),
            hints: &self.hints,
        };
        serde_json::to_string_pretty(&Document { error: body }).unwrap_or_default()
    }
}

/// Quotes a word for a POSIX shell, if it needs that.
pub fn quoted(word: &str) -> String {
    let plain = !word.is_empty()
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

//! Errors in Google's envelope.

use rusqlite::ErrorCode;
use serde_json::{Value, json};

/// The status of an answer that met a damaged store.
const DATA_LOSS: &str = "DATA_LOSS";

/// An error as Google's APIs answer it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) code: u16,
    pub(super) status: &'static str,
    pub(super) message: String,
}

impl ApiError {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self { code: 400, status: "INVALID_ARGUMENT", message: message.into() }
    }

    pub(super) fn failed_precondition(message: impl Into<String>) -> Self {
        Self { code: 400, status: "FAILED_PRECONDITION", message: message.into() }
    }

    /// Google's text (observed on its token-checked APIs).
    pub(super) fn no_credentials() -> Self {
        Self {
            code: 401,
            status: "UNAUTHENTICATED",
            message: "Request is missing required authentication credential. Expected OAuth 2 \
                access token, login cookie or other valid authentication credential. See \
                https://developers.google.com/identity/sign-in/web/devconsole-project."
                .to_owned(),
        }
    }

    /// Google's text (observed on its token-checked APIs).
    pub(super) fn bad_credentials() -> Self {
        Self {
            code: 401,
            status: "UNAUTHENTICATED",
            message: "Request had invalid authentication credentials. Expected OAuth 2 access \
                token, login cookie or other valid authentication credential. See \
                https://developers.google.com/identity/sign-in/web/devconsole-project."
                .to_owned(),
        }
    }

    /// That a project cannot be told from one that is hidden is documented; this wording is not
    /// certain.
    pub(super) fn no_project(permission: &str, project: &str) -> Self {
        Self {
            code: 403,
            status: "PERMISSION_DENIED",
            message: format!(
                "Permission '{permission}' denied on resource 'projects/{project}' (or resource \
                 may not exist)."
            ),
        }
    }

    /// Google's text (observed).
    pub(super) fn no_service(project: &str, region: &str, service: &str) -> Self {
        Self {
            code: 404,
            status: "NOT_FOUND",
            message: format!(
                "Resource '{service}' of kind 'SERVICE' in region '{region}' in project \
                 '{project}' does not exist."
            ),
        }
    }

    /// Wording as of other Google APIs; Run's own is not certain.
    pub(super) fn no_location(region: &str) -> Self {
        Self::not_found(format!("Location {region} is not found or access is unauthorized."))
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self { code: 404, status: "NOT_FOUND", message: message.into() }
    }

    pub(super) fn already_exists(message: impl Into<String>) -> Self {
        Self { code: 409, status: "ALREADY_EXISTS", message: message.into() }
    }

    pub(super) fn aborted(message: impl Into<String>) -> Self {
        Self { code: 409, status: "ABORTED", message: message.into() }
    }

    /// Google's text (observed on project policies; not seen for Run itself).
    pub(super) fn policy_conflict() -> Self {
        Self::aborted(
            "There were concurrent policy changes. Please retry the whole read-modify-write with \
             exponential backoff.",
        )
    }

    pub(super) fn unimplemented(method: &str, path: &str) -> Self {
        Self {
            code: 501,
            status: "UNIMPLEMENTED",
            message: format!("The sandbox does not have {method} {path}."),
        }
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self { code: 500, status: "INTERNAL", message: message.into() }
    }

    pub(super) fn envelope(&self) -> Value {
        json!({"error": {"code": self.code, "message": self.message, "status": self.status}})
    }
}

impl From<rusqlite::Error> for ApiError {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error_code();
        let unreadable = matches!(error, rusqlite::Error::FromSqlConversionFailure(..));
        let corrupt = matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase));
        if unreadable || corrupt {
            return Self {
                code: 500,
                status: DATA_LOSS,
                message: "The sandbox's state is damaged; `runaccess sandbox reset` sets it aside."
                    .to_owned(),
            };
        }
        Self::internal(format!("The sandbox's store failed: {error}."))
    }
}

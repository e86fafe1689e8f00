//! Errors in Google's envelope.

use rusqlite::ErrorCode;
use serde_json::{Value, json};

/// The status of an answer that met a damaged store.
const DATA_LOSS: &str = "DATA_LOSS";

/// An error as Google's APIs answer it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) code: u16,
    pub(crate) status: &'static str,
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self { code: 400, status: "INVALID_ARGUMENT", message: message.into() }
    }

    pub(crate) fn failed_precondition(message: impl Into<String>) -> Self {
        Self { code: 400, status: "FAILED_PRECONDITION", message: message.into() }
    }

    /// Google's text (observed on its token-checked APIs).
    pub(crate) fn no_credentials() -> Self {
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
    pub(crate) fn bad_credentials() -> Self {
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
    pub(crate) fn no_project(permission: &str, project: &str) -> Self {
        Self::lacks(permission, &format!("projects/{project}"))
    }

    /// Google's text (observed); what is hidden cannot be told from what is not there.
    pub(crate) fn lacks(permission: &str, resource: &str) -> Self {
        let what = match resource.split('/').next() {
            Some("folders") => "the folder",
            Some("organizations") => "the organization",
            _ => "resource",
        };
        Self::permission_denied(format!(
            "Permission '{permission}' denied on resource '{resource}' (or {what} may not exist)."
        ))
    }

    /// Google's text (observed for tokens), which does not name the account.
    pub(crate) fn no_account(verb: &str) -> Self {
        let permission = match verb {
            "generateIdToken" => "getOpenIdToken",
            "generateAccessToken" => "getAccessToken",
            "getIamPolicy" | "setIamPolicy" => verb,
            _ => "get",
        };
        Self::permission_denied(format!(
            "Permission 'iam.serviceAccounts.{permission}' denied on resource (or it may not exist)."
        ))
    }

    /// Google's text (observed).
    pub(crate) fn no_service(project: &str, region: &str, service: &str) -> Self {
        Self::missing("SERVICE", service, region, project)
    }

    /// Google's text (observed for services; taken to be the same for other kinds).
    pub(crate) fn missing(kind: &str, name: &str, region: &str, project: &str) -> Self {
        Self::not_found(format!(
            "Resource '{name}' of kind '{kind}' in region '{region}' in project '{project}' does \
             not exist."
        ))
    }

    /// Wording as of other Google APIs; Run's own is not certain.
    pub(crate) fn no_location(region: &str) -> Self {
        Self::not_found(format!("Location {region} is not found or access is unauthorized."))
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self { code: 404, status: "NOT_FOUND", message: message.into() }
    }

    /// A version of a resource that is not the present one. The wording is that of Run v1
    /// (observed); v2's is not certain.
    pub(crate) fn stale(name: &str, asked: &str, current: &str) -> Self {
        Self::aborted(format!(
            "Conflict for resource '{name}': version '{asked}' was specified but current version \
             is '{current}'."
        ))
    }

    pub(crate) fn already_exists(message: impl Into<String>) -> Self {
        Self { code: 409, status: "ALREADY_EXISTS", message: message.into() }
    }

    /// Of a resource of Cloud Run that is to be made, by its short name.
    pub(crate) fn taken(name: &str) -> Self {
        Self::already_exists(format!("Resource '{name}' already exists."))
    }

    pub(crate) fn aborted(message: impl Into<String>) -> Self {
        Self { code: 409, status: "ABORTED", message: message.into() }
    }

    /// Google's text (observed on project policies; not seen for Run itself).
    pub(crate) fn policy_conflict() -> Self {
        Self::aborted(
            "There were concurrent policy changes. Please retry the whole read-modify-write with \
             exponential backoff.",
        )
    }

    /// A method that no API has. The wording is that of other Google APIs.
    pub(crate) fn no_such_method(method: &str, path: &str) -> Self {
        Self::not_found(format!("Method not found: {method} {path}"))
    }

    pub(crate) fn unimplemented(method: &str, path: &str) -> Self {
        Self::not_implemented(&format!("{method} {path}"))
    }

    /// Something that the API has and the sandbox does not, named.
    pub(crate) fn not_implemented(what: &str) -> Self {
        Self {
            code: 501,
            status: "UNIMPLEMENTED",
            message: format!("The sandbox does not have {what}."),
        }
    }

    pub(crate) fn permission_denied(message: impl Into<String>) -> Self {
        Self { code: 403, status: "PERMISSION_DENIED", message: message.into() }
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self { code: 503, status: "UNAVAILABLE", message: message.into() }
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self { code: 500, status: "INTERNAL", message: message.into() }
    }

    /// What the sandbox was told to answer, in the words of the real thing where they are known:
    /// the conflict of policies and the quota's (both observed).
    pub(crate) fn of_fault(code: u16, path: &str) -> Self {
        let (status, message) = match code {
            401 => return Self::bad_credentials(),
            403 => ("PERMISSION_DENIED", "The caller does not have permission"),
            404 => ("NOT_FOUND", "Requested entity was not found."),
            409 if path.ends_with("IamPolicy") => return Self::policy_conflict(),
            409 => ("ABORTED", "Conflict for the resource: it was changed meanwhile."),
            412 => ("FAILED_PRECONDITION", "Precondition check failed."),
            429 => (
                "RESOURCE_EXHAUSTED",
                "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per \
                 minute per region' of service 'run.googleapis.com'.",
            ),
            400..=499 => ("INVALID_ARGUMENT", "Request contains an invalid argument."),
            500 => ("INTERNAL", "Internal error encountered."),
            504 => ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
            _ => ("UNAVAILABLE", "The service is currently unavailable."),
        };
        Self { code, status, message: message.to_owned() }
    }

    pub(crate) fn envelope(&self) -> Value {
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

//! Failures of API calls, by the kinds that a command handles differently.

use std::sync::Arc;
use std::time::Duration;

use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderMap, Uri};
use serde_json::Value;
use thiserror::Error;

use super::error_info::ErrorInfo;
use super::failure_kind::FailureKind;
use crate::auth::AuthError;
use crate::domain::diagnosis::Signature;
use crate::domain::error::{CommandError, ErrorKind, Hint};
use crate::domain::role::carries;
use crate::transport::TransportError;

/// A failed API call.
#[derive(Clone, Debug, Error)]
#[error("could not {call}")]
pub struct Failure {
    pub kind: FailureKind,
    /// The attempted action, completing "could not …".
    pub call: String,
    /// The message of the server or the network.
    pub message: String,
    /// How long the server asks the client to wait.
    pub retry_after: Option<Duration>,
    /// Why there is no token, if that is the cause.
    pub auth: Option<Arc<AuthError>>,
    /// The reason that the server gives, if it is one that is known.
    pub info: Option<Box<ErrorInfo>>,
    /// Whether the server had accepted a write before this failure, so that the write may still be
    /// applied.
    pub accepted: bool,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: FailureKind, call: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            call: call.to_owned(),
            message: message.into(),
            retry_after: None,
            auth: None,
            info: None,
            accepted: false,
        }
    }

    /// The missing permission, if the response names it: in its `ErrorInfo`, or as `Permission 'X'
    /// denied on …` (both observed).
    pub fn permission(&self) -> Option<&str> {
        if self.kind != FailureKind::PermissionDenied {
            return None;
        }
        if let Some(permission) = self.info.as_ref().and_then(|info| info.permission()) {
            return Some(permission);
        }
        let named = self.message.split_once("Permission '")?.1.split('\'').next()?;
        named.contains('.').then_some(named)
    }

    /// What `doctor` calls the refusal, if the server says why it refuses. Cloud Run's own texts say
    /// that an API is off, if a response comes without a reason (observed).
    pub fn signature(&self) -> Option<Signature> {
        const OFF: [&str; 2] = ["has not been used in project", "it is disabled"];
        let is_off = || {
            let says_so = OFF.iter().any(|text| self.message.contains(text));
            (self.kind == FailureKind::PermissionDenied && says_so)
                .then_some(Signature::ApiDisabled)
        };
        self.info.as_ref().and_then(|info| info.signature()).or_else(is_off)
    }

    /// Whether a policy was refused because the principal with this address does not exist, or is
    /// not known everywhere yet. No error code distinguishes this case, so the message is parsed
    /// (observed).
    pub fn names_missing_principal(&self, address: &str) -> bool {
        self.kind == FailureKind::InvalidArgument
            && self.message.contains("does not exist")
            && names(&self.message, address)
    }

    /// Whether the server has no such method.
    pub fn is_unimplemented(&self) -> bool {
        self.kind == FailureKind::Unimplemented
    }

    /// A response that is not one of this API.
    pub(super) fn malformed(call: &str) -> Self {
        Self::new(FailureKind::Malformed, call, "the answer is not what this API sends")
    }

    /// This failure, after the server had accepted the write.
    pub(super) fn after_acceptance(self) -> Self {
        Self { accepted: true, ..self }
    }

    /// The error of an operation, by its code in `google.rpc.Code`.
    pub(super) fn of_operation(call: &str, code: i64, message: &str) -> Self {
        let kind = match code {
            7 => FailureKind::PermissionDenied,
            9 => FailureKind::FailedPrecondition,
            10 => FailureKind::Aborted,
            _ => FailureKind::Other,
        };
        Self::new(kind, call, message)
    }

    /// The command's time limit passed before the response.
    pub fn deadline(call: &str, limit: Duration) -> Self {
        Self::new(
            FailureKind::Deadline,
            call,
            format!("no answer within {} seconds", limit.as_secs_f64()),
        )
    }

    /// No token could be obtained.
    pub(super) fn from_auth(call: &str, error: AuthError) -> Self {
        let failure = Self::new(FailureKind::Credentials, call, error.to_string());
        Self { auth: Some(Arc::new(error)), ..failure }
    }

    /// The request had no response.
    pub(super) fn of_transport(call: &str, error: &TransportError) -> Self {
        let kind = match error {
            TransportError::Connect(_) => FailureKind::Connect,
            TransportError::Network(_) => FailureKind::Network,
            TransportError::TooLarge => return Self::malformed(call),
            TransportError::Unusable(_) => FailureKind::Other,
        };
        Self::new(kind, call, error.to_string())
    }

    /// Converts a response whose status is not a success.
    pub(super) fn from_answer(call: &str, code: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        if let 301 | 302 | 307 | 308 = code {
            return Self::new(FailureKind::Redirected, call, redirected(code, headers));
        }
        let envelope: Option<Value> = serde_json::from_slice(body).ok();
        let error = envelope.as_ref().map(|value| &value["error"]);
        let text = |name: &str| error.and_then(|error| error[name].as_str()).unwrap_or_default();
        let (kind, message) = match text("message") {
            "" => (
                FailureKind::without_envelope(code),
                format!("HTTP {code}, and not in the form of this API"),
            ),
            message => (FailureKind::from_status(code, text("status")), message.to_owned()),
        };
        let info = error.and_then(ErrorInfo::read).map(Box::new);
        let kind = info.as_ref().and_then(|info| info.kind()).unwrap_or(kind);
        Self { retry_after: retry_after(headers), info, ..Self::new(kind, call, message) }
    }
}

/// The message that a redirect is not followed. Names the host only; the rest of the address is not
/// for display.
fn redirected(code: u16, headers: &HeaderMap) -> String {
    let to = headers.get(LOCATION).and_then(|to| to.to_str().ok()?.parse::<Uri>().ok());
    match to.as_ref().and_then(Uri::host) {
        Some(host) => {
            format!("HTTP {code}, a redirect to `{host}`, which no API of Google's sends")
        }
        None => format!("HTTP {code}, a redirect, which no API of Google's sends"),
    }
}

/// Whether a text contains an address as a whole, not as part of another one.
fn names(text: &str, address: &str) -> bool {
    let is_of_one = |c: char| c.is_ascii_alphanumeric() || "@_%+-".contains(c);
    address.contains('@')
        && text.match_indices(address).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let mut after = text[at + address.len()..].chars();
            let goes_on = match after.next() {
                Some('.') => after.next().is_some_and(|c| c.is_ascii_alphanumeric()),
                next => next.is_some_and(is_of_one),
            };
            !before.is_some_and(|c| c == '.' || is_of_one(c)) && !goes_on
        })
}

/// `Retry-After` in seconds. Ignores the form with a date, because clocks differ.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse::<u64>().ok().map(|seconds| Duration::from_secs(seconds.min(600)))
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        Self::from(&failure).with_source(failure)
    }
}

impl From<&Failure> for CommandError {
    fn from(failure: &Failure) -> Self {
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
            FailureKind::PermissionDenied | FailureKind::Refused => ErrorKind::PermissionDenied,
            FailureKind::RateLimited => ErrorKind::RateLimited,
        };
        let error = Self::new(kind, failure.to_string()).because(&*failure.message);
        if let Some(info) = &failure.info
            && let Some(meaning) = info.meaning()
        {
            let error = error.because(meaning);
            let error = match info.quota_source() {
                Some(source) => error.because(source),
                None => error,
            };
            return match info.remedy() {
                Some(hint) => error.hint(hint),
                None => error,
            };
        }
        match (kind, failure.permission()) {
            (ErrorKind::NotAuthenticated, _) => error.hint(Hint::Login),
            // Whoever has the role can grant it.
            (ErrorKind::PermissionDenied, Some(permission)) => match roles_with(permission) {
                Some(roles) => error
                    .because(format!("`{permission}` is in {roles}"))
                    .hint(Hint::Own("roles")),
                None => error.because(format!(
                    "a role that holds `{permission}` can be granted by whoever administers IAM there"
                )),
            },
            // Nothing says what is lacking: another account may hold it.
            (ErrorKind::PermissionDenied, None) => error.hint(Hint::Accounts),
            _ => error,
        }
    }
}

/// The roles that are usually granted for a permission, the least first, from the built-in tables.
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
    /// Permissions of other APIs (background knowledge; the roles' pages list more).
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_missing_only_where_it_is_named_whole() {
        let says = |message: &str| {
            let failure = Failure::new(FailureKind::InvalidArgument, "c", message);
            failure.names_missing_principal("a@p.example.com")
        };
        assert!(says("Service account a@p.example.com does not exist."));
        assert!(says("User a@p.example.com. It does not exist"));
        for other in [
            "Service account aa@p.example.com does not exist.",
            "Service account x.a@p.example.com does not exist.",
            "Service account a@p.example.com.evil.example does not exist.",
            "Service account a@p.example.community does not exist.",
            "Service account a@p.example.com is of another domain.",
        ] {
            assert!(!says(other), "{other}");
        }
        let other = Failure::new(FailureKind::NotFound, "c", "a@p.example.com does not exist");
        assert!(!other.names_missing_principal("a@p.example.com"));
    }

    #[test]
    fn answers_become_kinds() {
        let of =
            |code, body: &str| Failure::from_answer("c", code, &HeaderMap::new(), body.as_bytes());
        let aborted = of(409, r#"{"error":{"code":409,"message":"again","status":"ABORTED"}}"#);
        assert_eq!((aborted.kind, aborted.message.as_str()), (FailureKind::Aborted, "again"));
        let html = of(502, "<html>bad gateway</html>");
        assert_eq!(html.kind, FailureKind::Unavailable);
        assert_eq!(html.message, "HTTP 502, and not in the form of this API");
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        let limited = Failure::from_answer("c", 429, &headers, b"");
        assert_eq!(limited.retry_after, Some(Duration::from_secs(7)));
        headers.insert(RETRY_AFTER, "Wed, 21 Oct 2026 07:28:00 GMT".parse().unwrap());
        assert_eq!(Failure::from_answer("c", 429, &headers, b"").retry_after, None);
    }
}

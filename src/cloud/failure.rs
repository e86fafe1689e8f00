//! Why a call failed, in terms that a command can act on.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use google_cloud_gax::error::CredentialsError;
use google_cloud_gax::error::Error as ClientError;
use google_cloud_gax::error::rpc::Code;
use http::HeaderMap;
use http::header::RETRY_AFTER;
use serde_json::Value;
use thiserror::Error;

use crate::auth::AuthError;
use crate::transport::{TransportError, chain};

/// A call that failed.
#[derive(Clone, Debug, Error)]
#[error("could not {call}")]
pub struct Failure {
    pub kind: FailureKind,
    /// What was being done, completing "could not …".
    pub call: String,
    /// What the server, or the network, said.
    pub message: String,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
    /// Why no token could be had, where it is that.
    pub auth: Option<Arc<AuthError>>,
    /// Whether a write had been accepted before this failed, so that it may be done all the same.
    pub accepted: bool,
}

/// The kinds of failure that differ in what follows from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Somebody else changed it first.
    Aborted,
    /// What was to be made is there.
    AlreadyExists,
    /// The server could not be reached at all.
    Connect,
    /// There is no token, or it could not be had.
    Credentials,
    /// The command's time is up.
    Deadline,
    FailedPrecondition,
    InvalidArgument,
    /// What came back is not an answer of this API.
    Malformed,
    /// The connection broke.
    Network,
    NotFound,
    Other,
    PermissionDenied,
    RateLimited,
    /// The server refused the token.
    Unauthenticated,
    /// The server is in trouble.
    Unavailable,
}

impl FailureKind {
    /// Whether a read may be sent again after it.
    pub fn is_passing(self) -> bool {
        matches!(self, Self::Connect | Self::Network | Self::RateLimited | Self::Unavailable)
    }

    /// What an answer means that is no error of this API: whatever sent it, it is not known
    /// whether the thing asked for exists or may be read.
    fn without_envelope(code: u16) -> Self {
        match Self::from_status(code, "") {
            kind @ (Self::RateLimited | Self::Unauthenticated | Self::Unavailable) => kind,
            _ => Self::Malformed,
        }
    }

    fn from_status(code: u16, status: &str) -> Self {
        match (code, status) {
            (_, "ABORTED") => Self::Aborted,
            (_, "ALREADY_EXISTS") => Self::AlreadyExists,
            (_, "FAILED_PRECONDITION") => Self::FailedPrecondition,
            (400, _) => Self::InvalidArgument,
            (401, _) => Self::Unauthenticated,
            (403, _) => Self::PermissionDenied,
            (404, _) => Self::NotFound,
            (409, _) => Self::Aborted,
            (429, _) => Self::RateLimited,
            (_, "DATA_LOSS") => Self::Other,
            (408 | 500..=599, _) => Self::Unavailable,
            _ => Self::Other,
        }
    }
}

impl Failure {
    /// A failure of a kind of its own.
    pub fn new(kind: FailureKind, call: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            call: call.to_owned(),
            message: message.into(),
            retry_after: None,
            auth: None,
            accepted: false,
        }
    }

    /// An answer that is not one of this API.
    pub(super) fn malformed(call: &str) -> Self {
        Self::new(FailureKind::Malformed, call, "the answer is not what this API sends")
    }

    /// The same failure, met after the server had accepted the write.
    pub(super) fn after_acceptance(self) -> Self {
        Self { accepted: true, ..self }
    }

    /// What an operation ended with, by the code of `google.rpc.Code`.
    pub(super) fn of_operation(call: &str, code: i32, message: &str) -> Self {
        let kind = match Code::from(code) {
            Code::Aborted => FailureKind::Aborted,
            Code::FailedPrecondition => FailureKind::FailedPrecondition,
            Code::PermissionDenied => FailureKind::PermissionDenied,
            _ => FailureKind::Other,
        };
        Self::new(kind, call, message)
    }

    /// The command's time was up before the call was answered.
    pub fn deadline(call: &str, limit: Duration) -> Self {
        Self::new(
            FailureKind::Deadline,
            call,
            format!("no answer within {} seconds", limit.as_secs_f64()),
        )
    }

    /// No token could be had.
    pub(super) fn from_auth(call: &str, error: AuthError) -> Self {
        let failure = Self::new(FailureKind::Credentials, call, error.to_string());
        Self { auth: Some(Arc::new(error)), ..failure }
    }

    /// The request had no answer.
    pub(super) fn of_transport(call: &str, error: &TransportError) -> Self {
        let kind = match error {
            TransportError::Connect(_) => FailureKind::Connect,
            TransportError::Network(_) => FailureKind::Network,
            TransportError::TooLarge => return Self::malformed(call),
            TransportError::Unusable(_) => FailureKind::Other,
        };
        Self::new(kind, call, error.to_string())
    }

    /// Translates an error of the official client.
    pub(super) fn from_client(call: &str, error: &ClientError) -> Self {
        let retry_after = error.http_headers().and_then(retry_after);
        let failed = |kind, message: String| Self {
            kind,
            call: call.to_owned(),
            message,
            retry_after,
            auth: None,
            accepted: false,
        };
        if error.is_authentication() {
            let passing = error
                .source()
                .and_then(|source| source.downcast_ref::<CredentialsError>())
                .is_some_and(CredentialsError::is_transient);
            let kind = if passing { FailureKind::Network } else { FailureKind::Credentials };
            return failed(kind, chain(error));
        }
        if let Some(status) = error.status() {
            let http = error.http_status_code().unwrap_or_default();
            let kind = match status.code {
                Code::Aborted | Code::AlreadyExists => FailureKind::Aborted,
                Code::DeadlineExceeded | Code::Internal | Code::Unavailable => {
                    FailureKind::Unavailable
                }
                Code::FailedPrecondition => FailureKind::FailedPrecondition,
                Code::InvalidArgument | Code::OutOfRange => FailureKind::InvalidArgument,
                Code::NotFound => FailureKind::NotFound,
                Code::PermissionDenied => FailureKind::PermissionDenied,
                Code::ResourceExhausted => FailureKind::RateLimited,
                Code::Unauthenticated => FailureKind::Unauthenticated,
                Code::DataLoss => FailureKind::Other,
                _ => FailureKind::from_status(http, ""),
            };
            return failed(kind, status.message.clone());
        }
        if let Some(code) = error.http_status_code() {
            let kind = FailureKind::without_envelope(code);
            return failed(kind, format!("HTTP {code}, and not in the form of this API"));
        }
        if error.is_deserialization() {
            return Self::malformed(call);
        }
        if error.is_connect() {
            return failed(FailureKind::Connect, chain(error));
        }
        if error.is_io() || error.is_transport() || error.is_timeout() || error.is_exhausted() {
            let broken_json = chain(error).contains("decoding response body");
            let kind = if broken_json { FailureKind::Malformed } else { FailureKind::Network };
            return failed(kind, chain(error));
        }
        failed(FailureKind::Other, chain(error))
    }

    /// Translates an answer whose status is not a success.
    pub(super) fn from_answer(call: &str, code: u16, headers: &HeaderMap, body: &[u8]) -> Self {
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
        Self { retry_after: retry_after(headers), ..Self::new(kind, call, message) }
    }
}

/// `Retry-After` in seconds. The form with a date is passed over: clocks differ.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse::<u64>().ok().map(|seconds| Duration::from_secs(seconds.min(600)))
}

#[cfg(test)]
mod tests {
    use google_cloud_gax::error::rpc::Status;

    use super::*;

    #[test]
    fn client_errors_become_kinds() {
        for (code, kind) in [
            (Code::Aborted, FailureKind::Aborted),
            (Code::FailedPrecondition, FailureKind::FailedPrecondition),
            (Code::NotFound, FailureKind::NotFound),
            (Code::PermissionDenied, FailureKind::PermissionDenied),
            (Code::Unauthenticated, FailureKind::Unauthenticated),
            (Code::ResourceExhausted, FailureKind::RateLimited),
            (Code::Unavailable, FailureKind::Unavailable),
        ] {
            let error = ClientError::service(Status::default().set_code(code).set_message("m"));
            let failure = Failure::from_client("c", &error);
            assert_eq!((failure.kind, failure.message.as_str()), (kind, "m"));
        }
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

//! Kinds of failure of a request.

/// The kinds of failure that have different consequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Another writer changed the resource first.
    Aborted,
    /// The resource to be created exists already.
    AlreadyExists,
    /// The server could not be reached at all.
    Connect,
    /// There is no token, and none could be obtained.
    Credentials,
    /// The command's time limit has passed.
    Deadline,
    FailedPrecondition,
    InvalidArgument,
    /// The response is not one of this API.
    Malformed,
    /// The connection broke.
    Network,
    NotFound,
    Other,
    PermissionDenied,
    RateLimited,
    /// The server refuses for another reason than a permission that the caller lacks: `info` holds
    /// it.
    Refused,
    /// The server redirects. It did not carry out the request, and the redirect is not followed.
    Redirected,
    /// The server refused the token.
    Unauthenticated,
    /// The server failed, perhaps for a short time only.
    Unavailable,
    /// The server has no such method.
    Unimplemented,
}

impl FailureKind {
    /// Whether a read may be repeated after this failure.
    pub fn is_passing(self) -> bool {
        matches!(self, Self::Connect | Self::Network | Self::RateLimited | Self::Unavailable)
    }

    /// Whether the response, or its absence, says nothing of what was asked for.
    pub fn says_nothing(self) -> bool {
        self.is_passing() || matches!(self, Self::Deadline | Self::Malformed | Self::Redirected)
    }

    /// The meaning of an error response that is not in this API's format: whatever sent it, it is
    /// unknown whether the requested resource exists or may be read.
    pub(super) fn without_envelope(code: u16) -> Self {
        match Self::from_status(code, "") {
            kind @ (Self::RateLimited | Self::Unauthenticated | Self::Unavailable) => kind,
            _ => Self::Malformed,
        }
    }

    /// By the status code, and Google's word for it if the response has one.
    pub(super) fn from_status(code: u16, status: &str) -> Self {
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
            // A missing method does not appear a moment later, so this is not retried.
            (501, _) | (_, "UNIMPLEMENTED") => Self::Unimplemented,
            (_, "DATA_LOSS") => Self::Other,
            (408 | 500..=599, _) => Self::Unavailable,
            _ => Self::Other,
        }
    }
}

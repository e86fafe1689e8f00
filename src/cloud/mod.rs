//! Google's APIs as this program uses them. Only this module names the API clients; it never
//! prints.
//!
//! Every call uses `transport`. There is one file for each kind of resource; `gateway` holds the
//! shared parts, `apply` writes, `ancestors` and `evidence` read what else affects who may invoke a
//! service.

mod accounts;
mod ancestors;
mod api;
mod apply;
mod boundaries;
mod cache;
mod constraints;
mod convert;
mod deadline;
mod dns;
mod error_info;
mod evidence;
mod failure;
mod failure_kind;
mod functions;
mod gateway;
mod groups;
mod mappings;
mod metadata;
mod policies;
mod quota;
mod request;
mod retry;
mod roles;
mod services;
mod wire;
mod workloads;

pub use self::ancestors::{Ancestors, why};
pub use self::api::{Api, Endpoints};
pub use self::deadline::Deadline;
pub use self::error_info::{ErrorInfo, Reason};
pub use self::evidence::Subject;
pub use self::failure::Failure;
pub use self::failure_kind::FailureKind;
pub use self::functions::Function;
pub use self::gateway::{Gateway, Trace, TraceLine};
pub use self::mappings::Mappings;
pub use self::metadata::project_id;
pub use self::quota::Quota;
pub use self::services::{Listing, ServiceAccess, Unreadable};

/// The parsers of server responses, for the tests on raw bytes.
#[cfg(any(test, fuzzing))]
mod raw {
    use std::time::Duration;

    use crate::domain::policy::Policy;
    use http::header::{HeaderMap, HeaderValue, RETRY_AFTER};

    use super::{convert, failure, request, wire};
    use crate::domain::invokers::Grant;

    pub(crate) fn read_policy(bytes: &[u8]) -> Option<Policy> {
        request::parsed("read", bytes).ok()
    }

    pub(crate) fn read_grants(bytes: &[u8]) -> Option<Vec<Grant>> {
        let body: wire::PolicyBody<'_> = request::parsed("read", bytes).ok()?;
        convert::grants_of(&body.bindings)
    }

    pub(crate) fn read_retry_after(bytes: &[u8]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_bytes(bytes).ok()?);
        failure::Failure::from_answer("read", 429, &headers, b"").retry_after
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) use self::raw::{read_grants, read_policy, read_retry_after};

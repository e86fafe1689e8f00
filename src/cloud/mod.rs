//! Google's APIs as this program uses them. Alone names the API clients; never prints.
//!
//! Every call goes over one lean `transport`: `gateway` reads one service whole, and changes it;
//! `beside` does both for what stands beside services; `fleet` reads many with few bytes, and what it yields cannot be planned
//! on; `above` and `evidence` read what else bears on who may invoke.

mod above;
mod api;
mod beside;
mod boundaries;
mod constraints;
mod convert;
mod deadline;
mod domains;
mod evidence;
mod failure;
mod fleet;
mod gateway;
mod groups;
mod memo;
mod metadata;
mod reading;
mod retry;
mod wire;

pub use self::above::{Above, why};
pub use self::api::{Api, Endpoints};
pub use self::beside::Function;
pub use self::deadline::Deadline;
pub use self::domains::Mappings;
pub use self::evidence::For;
pub use self::failure::{Failure, FailureKind};
pub use self::fleet::{Listing, ServiceAccess, Unreadable};
pub use self::gateway::{Gateway, Trace, TraceLine};
pub use self::metadata::project_id;

/// The readers of what servers send, for the tests of raw bytes.
#[cfg(any(test, fuzzing))]
mod raw {
    use std::time::Duration;

    use crate::domain::policy::Policy;
    use http::header::{HeaderMap, HeaderValue, RETRY_AFTER};

    use super::{convert, failure, reading, wire};
    use crate::domain::invokers::Grant;

    pub(crate) fn read_policy(bytes: &[u8]) -> Option<Policy> {
        reading::parsed("read", bytes).ok()
    }

    pub(crate) fn read_grants(bytes: &[u8]) -> Option<Vec<Grant>> {
        let body: wire::PolicyBody<'_> = reading::parsed("read", bytes).ok()?;
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

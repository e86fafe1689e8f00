//! Read requests, and the parsing of responses.

use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use super::api::Api;
use super::failure::Failure;
use super::failure_kind::FailureKind;

/// A read request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read<'a> {
    pub(super) api: Api,
    /// The attempted action, completing "could not …".
    pub(super) call: &'a str,
    pub(super) path: &'a str,
    /// The encoded query.
    pub(super) query: &'a str,
    /// The body of a read that uses POST, as some of Google's methods do; `None` for a GET.
    pub(super) body: Option<&'a str>,
    /// The region whose own endpoint is used, if the endpoint is Google's.
    pub(super) region: Option<&'a str>,
}

impl<'a> Read<'a> {
    /// A GET without a query.
    pub(super) fn of(api: Api, call: &'a str, path: &'a str) -> Self {
        Self { api, call, path, query: "", body: None, region: None }
    }

    pub(super) fn with_query(self, query: &'a str) -> Self {
        Self { query, ..self }
    }

    pub(super) fn with_body(self, body: &'a str) -> Self {
        Self { body: Some(body), ..self }
    }

    pub(super) fn in_region(self, region: &'a str) -> Self {
        Self { region: Some(region), ..self }
    }
}

/// Parses a response.
pub(super) fn parsed<'a, T: Deserialize<'a>>(call: &str, body: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        Category::Data => Failure::malformed(call),
        _ => Failure::new(FailureKind::Malformed, call, "the answer is not JSON"),
    })
}

/// Serializes the body of a write request.
pub(super) fn written(body: &impl Serialize, call: &str) -> Result<String, Failure> {
    serde_json::to_string(body)
        .map_err(|error| Failure::new(FailureKind::Other, call, error.to_string()))
}

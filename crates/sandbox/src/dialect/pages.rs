//! Lists in pages, as all APIs but Run v1 answer them.

use serde_json::{Value, json};

use crate::dialect::api_error::ApiError;
use crate::dialect::query::Query;

const LARGEST_PAGE: usize = 1_000;

/// Where a page of services starts, and how long it may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageRequest {
    pub(crate) after: i64,
    pub(crate) limit: usize,
}

impl PageRequest {
    /// Where a page of a list that goes from the newest to the oldest starts, itself left out.
    pub(crate) fn before(self) -> i64 {
        if self.after == 0 { i64::MAX } else { self.after }
    }
}

/// Reads the size and token of a page from a query.
pub(crate) fn page_request(
    query: &Query,
    size: &str,
    token: &str,
    default: usize,
) -> Result<PageRequest, ApiError> {
    let bad = |name: &str| ApiError::invalid(format!("Invalid value at '{name}'."));
    let limit = match query.get(size).filter(|text| !text.is_empty() && *text != "0") {
        None => default,
        Some(text) => text.parse::<usize>().map_err(|_| bad(size))?.min(LARGEST_PAGE),
    };
    let after = match query.get(token).filter(|text| !text.is_empty()) {
        None => 0,
        Some(text) => text.parse::<i64>().ok().filter(|n| *n > 0).ok_or_else(|| bad(token))?,
    };
    Ok(PageRequest { after, limit })
}

/// A page of a list under its name, with the token of the next one. An empty list is left out.
pub(crate) fn page(name: &str, items: Vec<Value>, next: Option<i64>) -> Value {
    let mut answer = json!({});
    if !items.is_empty() {
        answer[name] = Value::Array(items);
    }
    if let Some(next) = next {
        answer["nextPageToken"] = Value::from(next.to_string());
    }
    answer
}

/// The part of a list that never changes which a page asks for, its token being a position.
pub(crate) fn slice<T>(request: PageRequest, items: &[T]) -> (&[T], Option<i64>) {
    let from = usize::try_from(request.after).unwrap_or(usize::MAX).min(items.len());
    let end = from.saturating_add(request.limit).min(items.len());
    let next = (end < items.len()).then(|| i64::try_from(end).unwrap_or(i64::MAX));
    (&items[from..end], next)
}

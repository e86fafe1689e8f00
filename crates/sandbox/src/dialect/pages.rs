//! Lists in pages, as all APIs but Run v1 answer them.

use serde_json::{Value, json};

use crate::dialect::api_error::ApiError;
use crate::dialect::query::Query;

/// How many a page of a list holds, as its method's documents say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageSize {
    /// If nothing, zero, or less is asked for.
    pub(crate) usual: usize,
    /// However many are asked for.
    pub(crate) most: usize,
}

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
pub(crate) fn page_request(query: &Query, size: PageSize) -> Result<PageRequest, ApiError> {
    page_named(query, "pageSize", "pageToken", size)
}

/// As `page_request`, of the parameters that the API calls so.
pub(crate) fn page_named(
    query: &Query,
    size_name: &str,
    token_name: &str,
    size: PageSize,
) -> Result<PageRequest, ApiError> {
    let bad = |name: &str| ApiError::invalid(format!("Invalid value at '{name}'."));
    let asked = match query.get(size_name).filter(|text| !text.is_empty()) {
        None => 0,
        Some(text) => text.parse::<i32>().map_err(|_| bad(size_name))?,
    };
    let limit = usize::try_from(asked).ok().filter(|limit| *limit > 0).unwrap_or(size.usual);
    let after = match query.get(token_name).filter(|text| !text.is_empty()) {
        None => 0,
        Some(text) => text.parse::<i64>().ok().filter(|n| *n > 0).ok_or_else(|| bad(token_name))?,
    };
    Ok(PageRequest { after, limit: limit.min(size.most) })
}

/// As `page_request`, of a method that has them in its body, where the size may be a number or a text.
pub(crate) fn page_in_body(body: &Value, size: PageSize) -> Result<PageRequest, ApiError> {
    let text = |name: &str| match &body[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let asked = [("pageSize", text("pageSize")), ("pageToken", text("pageToken"))];
    page_request(&Query::of(&asked.each_ref().map(|(name, text)| (*name, text.as_str()))), size)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_as_long_as_is_asked_for_and_allowed() {
        let size = PageSize { usual: 20, most: 100 };
        let table = [
            ("", Some(20)),
            ("0", Some(20)),
            ("-3", Some(20)),
            ("7", Some(7)),
            ("100", Some(100)),
            ("5000", Some(100)),
            ("five", None),
            ("99999999999", None),
        ];
        for (asked, limit) in table {
            let query = Query::of(&[("pageSize", asked)]);
            let found = page_request(&query, size).ok().map(|request| request.limit);
            assert_eq!(found, limit, "{asked}");
        }
        for token in ["x", "-1", "0"] {
            let query = Query::of(&[("pageToken", token)]);
            assert!(page_request(&query, size).is_err(), "{token}");
        }
    }
}

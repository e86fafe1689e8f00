//! Long-running operations. A mutation's answer is still under way; the first look at the
//! operation finds it done, so that every client's waiting is put to use. Told to, operations
//! take their time, or fail.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::api_error::ApiError;
use super::pages::{page, page_request};
use super::query::Query;
use super::run_v2::Site;
use super::schema::known_fields;
use super::service_body::{TOLD_TO_FAIL, millis, shown};
use super::world::World;

const DEFAULT_PAGE: usize = 100;
/// The code of `google.rpc.Code.INTERNAL`.
const INTERNAL: u8 = 13;

/// What an operation is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    /// Where the operation is listed, such as `projects/P/locations/R`.
    pub(super) parent: &'a str,
    /// The type of the resource, as a client names it.
    pub(super) message: &'a str,
}

impl Site<'_> {
    /// When an operation that starts now is done, in milliseconds since 1970.
    pub(super) fn done_at(&self) -> i64 {
        let delay = i64::try_from(self.effects.operation_delay.as_millis()).unwrap_or(i64::MAX);
        millis(self.now).saturating_add(delay)
    }
}

/// Does what a request asks of a resource, by an operation; one that was only to be checked does
/// nothing, and neither does one that the sandbox was told to let fail.
pub(super) fn carry_out(
    site: &Site<'_>,
    subject: Subject<'_>,
    query: &Query,
    resource: &Value,
    work: impl FnOnce() -> Result<(), ApiError>,
) -> Result<Value, ApiError> {
    if query.flag("validateOnly")? {
        return Ok(checked(subject, resource, site.now));
    }
    if !site.effects.operations_fail {
        work()?;
    }
    start(site, subject, resource)
}

/// Keeps an operation on a resource, and returns it as it looks before it is done.
fn start(site: &Site<'_>, subject: Subject<'_>, resource: &Value) -> Result<Value, ApiError> {
    let id = format!("{:032x}", fastrand::u128(..));
    let name = format!("{}/operations/{id}", subject.parent);
    let any = typed(subject.message, &shown(resource.clone(), site.now));
    let end = site.now + site.effects.operation_delay;
    let settled = typed(subject.message, &shown(resource.clone(), end));
    let done = if site.effects.operations_fail {
        let error = json!({"code": INTERNAL, "message": TOLD_TO_FAIL});
        json!({"name": name, "metadata": any, "done": true, "error": error})
    } else {
        json!({"name": name, "metadata": settled, "done": true, "response": settled})
    };
    site.world.put_operation(&name, &done, site.done_at())?;
    Ok(json!({"name": name, "metadata": any}))
}

/// An operation that nobody need wait for: a request that was only to be checked.
fn checked(subject: Subject<'_>, resource: &Value, now: OffsetDateTime) -> Value {
    let name = format!("{}/operations/0", subject.parent);
    json!({"name": name, "done": true, "response": typed(subject.message, &shown(resource.clone(), now))})
}

/// The routes below a place's `operations`; `None` for one that is not there.
pub(super) fn answer(
    site: &Site<'_>,
    parent: &str,
    (method, rest, verb): (&str, &[&str], &str),
    (query, body): (&Query, &Value),
) -> Option<Result<Value, ApiError>> {
    let name = |id: &str| format!("{parent}/operations/{id}");
    Some(match (method, rest, verb) {
        ("GET", [], "") => list(site, parent, query),
        // The server holds a `wait` back until the operation is done.
        ("GET", [id], "") => query.only(&[]).and_then(|()| get(site.world, &name(id), site.now)),
        ("POST", [id], "wait") => query
            .only(&[])
            .and_then(|()| known_fields(body, &["timeout"], ""))
            .and_then(|()| get(site.world, &name(id), site.now)),
        ("DELETE", [id], "") => query
            .only(&[])
            .and_then(|()| get(site.world, &name(id), site.now))
            .and_then(|_| Ok(site.world.delete_operation(&name(id))?))
            .map(|()| json!({})),
        _ => return None,
    })
}

fn get(world: &World<'_>, name: &str, now: OffsetDateTime) -> Result<Value, ApiError> {
    let found = world.operation(name)?;
    found
        .map(|(operation, done_at)| at(operation, done_at, now))
        .ok_or_else(|| ApiError::not_found(format!("Requested entity was not found: {name}")))
}

fn list(site: &Site<'_>, parent: &str, query: &Query) -> Result<Value, ApiError> {
    query.only(&["filter", "pageSize", "pageToken", "returnPartialSuccess"])?;
    if query.get("filter").is_some_and(|filter| !filter.is_empty()) {
        return Err(ApiError::not_implemented("the filter of operations"));
    }
    let request = page_request(query, "pageSize", "pageToken", DEFAULT_PAGE)?;
    let (found, next) = site.world.operations_below(&format!("{parent}/operations/"), request)?;
    let found = found.into_iter().map(|(operation, done_at)| at(operation, done_at, site.now));
    let found: Vec<Value> = found.collect();
    Ok(page("operations", found, next))
}

/// An operation as it looks at a time.
fn at(operation: Value, done_at: i64, now: OffsetDateTime) -> Value {
    if millis(now) >= done_at {
        return operation;
    }
    json!({"name": operation["name"], "metadata": operation["metadata"]})
}

fn typed(message: &str, resource: &Value) -> Value {
    let mut any = json!({"@type": format!("type.googleapis.com/google.cloud.run.v2.{message}")});
    for (field, value) in resource.as_object().into_iter().flatten() {
        any[field] = value.clone();
    }
    any
}

//! Long-running operations. A mutation's answer is still under way; the first look at the
//! operation finds it done, so that every client's waiting is put to use. Told to, operations
//! take their time, or fail.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::call::{Answer, Call, Site};
use super::service_body::{TOLD_TO_FAIL, shown};
use crate::dialect::api_error::ApiError;
use crate::dialect::pages::{PageSize, page, page_request};
use crate::dialect::query::Query;
use crate::records::stamps::{millis, stamp};
use crate::records::world::Collection;

const PAGE: PageSize = PageSize { usual: 100, most: 100 };
/// The code of `google.rpc.Code.INTERNAL`.
const INTERNAL: u8 = 13;

/// What an operation is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    /// Where the operation is listed, such as `projects/P/locations/R`.
    pub(crate) parent: &'a str,
    /// The type of the resource, as a client names it.
    pub(crate) message: &'a str,
}

impl Site<'_> {
    /// When an operation that starts now is done, in milliseconds since 1970.
    pub(crate) fn done_at(&self) -> i64 {
        let delay = i64::try_from(self.effects.operation_delay.as_millis()).unwrap_or(i64::MAX);
        millis(self.now).saturating_add(delay)
    }
}

/// Does what a request asks of a resource, by an operation; one that was only to be checked does
/// nothing, and neither does one that the sandbox was told to let fail.
pub(crate) fn carry_out(
    site: &Site<'_>,
    subject: Subject<'_>,
    only_checks: bool,
    resource: &Value,
    work: impl FnOnce() -> Result<(), ApiError>,
) -> Result<Value, ApiError> {
    if only_checks {
        return Ok(checked(subject, resource, site.now));
    }
    if !site.effects.operations_fail {
        work()?;
    }
    start(site, subject, resource)
}

/// Takes a resource away, by an operation that tells when.
pub(crate) fn take_away(
    site: &Site<'_>,
    subject: Subject<'_>,
    query: &Query,
    mut resource: Value,
    work: impl FnOnce() -> Result<(), ApiError>,
) -> Result<Value, ApiError> {
    let only_checks = only_checks(query)?;
    if !only_checks {
        resource["deleteTime"] = Value::from(stamp(site.now));
    }
    carry_out(site, subject, only_checks, &resource, work)
}

/// Whether a request is only to be checked. Methods that are verbs have it in the body.
pub(crate) fn only_checks(query: &Query) -> Result<bool, ApiError> {
    query.flag("validateOnly")
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

/// The name of the operation that a path names.
fn named(call: &Call<'_>) -> Result<String, ApiError> {
    Ok(format!("{}/operations/{}", call.site()?.location(call.region()), call.after("operations")))
}

/// An operation, of which the server holds a `wait` back until it is done.
pub(crate) fn get(call: &Call<'_>) -> Answer {
    call.site()?.check_reachable(call.region())?;
    let name = named(call)?;
    let found = call.visit.world.operation(&name)?;
    let found = found.map(|(operation, done_at)| at(operation, done_at, call.visit.now));
    found.ok_or_else(|| ApiError::not_found(format!("Requested entity was not found: {name}")))
}

pub(crate) fn list(call: &Call<'_>) -> Answer {
    let (site, query) = (call.site()?, call.query);
    site.check_listed(call.region())?;
    if query.get("filter").is_some_and(|filter| !filter.is_empty()) {
        return Err(ApiError::not_implemented("the filter of operations"));
    }
    let request = page_request(query, PAGE)?;
    // Those of every region are read across collections (documented).
    let below = match call.region() {
        "-" => site.location(""),
        region => format!("{}/operations/", site.location(region)),
    };
    let (found, next) = site.world.operations_below(&below, request)?;
    let found = found.into_iter().map(|(operation, done_at)| at(operation, done_at, site.now));
    Ok(page("operations", found.collect(), next))
}

/// Forgets an operation; what it does goes on (documented).
pub(crate) fn delete(call: &Call<'_>) -> Answer {
    get(call)?;
    call.visit.world.delete_operation(&named(call)?)?;
    Ok(json!({}))
}

/// An operation of Resource Manager or Service Usage, each of which is done at once.
pub(crate) fn get_done(call: &Call<'_>) -> Answer {
    let found =
        call.visit.world.resource(Collection::global("operations"), call.after("operations"))?;
    found.ok_or_else(|| ApiError::not_found("Requested entity was not found."))
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

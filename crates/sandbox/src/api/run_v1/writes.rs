//! What is made, replaced and deleted through v1, and kept as v2 has it.

use serde_json::{Map, Value, json};

use super::reads::{one_region, revision};
use super::{LEFTOVERS, body, view};
use crate::api::call::{Answer, Call, Site};
use crate::api::service_body::{self, Change, OUTCOME};
use crate::api::service_check::check_service;
use crate::api::services::{self, check_constraints, new_name};
use crate::dialect::api_error::ApiError;
use crate::dialect::query::Query;
use crate::dialect::schema::{self, RUN_V2};
use crate::dialect::wire::remove;
use runaccess_domain::resource::ServiceName;

pub(crate) fn create(call: &Call<'_>) -> Answer {
    let ((site, region), query, body) = (one_region(call)?, call.query, call.body);
    check(site, body, "Service", None)?;
    let name = new_name(site, region, body["metadata"]["name"].as_str().unwrap_or_default())?;
    let asked = body::service(body, &Value::Null)?;
    schema::check(RUN_V2, "GoogleCloudRunV2Service", &asked, "service")?;
    check_constraints(site.project, &asked)?;
    check_service(&name, &asked, |_| false)?;
    let mut service = service_body::create(site.project, &name, &asked, site.caller(), site.now);
    settle(site, &mut service, body);
    if !dry_run(query)? {
        services::keep(site, &name, service.clone(), true)?;
    }
    Ok(view::service(site, &service))
}

pub(crate) fn replace(call: &Call<'_>) -> Answer {
    let ((site, _), query, body) = (one_region(call)?, call.query, call.body);
    let name = &call.service()?;
    check(site, body, "Service", Some(name.service()))?;
    let mut service = services::load(site.world, name)?;
    let current = view::resource_version(&service);
    let asked = body["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    if !asked.is_empty() && asked != current {
        return Err(ApiError::stale(name.service(), asked, current));
    }
    let asked = body::service(body, &service)?;
    check_constraints(site.project, &asked)?;
    let change = Change { by: site.caller(), now: site.now, new_revision: false };
    let before = service.clone();
    let is_new = service_body::patch(site.project, name, &mut service, &asked, None, change)?;
    services::check_values(site, name, &service)?;
    settle(site, &mut service, body);
    if site.effects.operations_fail {
        // Nothing of the change came about, but that it was asked for and failed is told.
        service = not_changed(before, &service);
    }
    if !dry_run(query)? {
        services::keep(site, name, service.clone(), is_new && !site.effects.operations_fail)?;
    }
    Ok(view::service(site, &service))
}

/// A service as it was, at the version and with the outcome of a change that failed.
fn not_changed(mut before: Value, changed: &Value) -> Value {
    for field in ["generation", "observedGeneration", "etag", OUTCOME, service_body::SETTLES_AT] {
        before[field] = changed[field].clone();
    }
    before
}

/// Keeps of v1's leftovers those whose surroundings a change through v2 has left as they were.
pub(crate) fn keep_leftovers(site: &Site<'_>, before: &Value, after: &mut Value) {
    let Some(left) = before[LEFTOVERS].as_object() else { return };
    let bare = |service: &Value| {
        let mut service = service.clone();
        remove(&mut service, LEFTOVERS);
        view::service(site, &service)
    };
    let (was, is) = (bare(before), bare(after));
    let kept: Map<String, Value> = left
        .iter()
        .filter(|(pointer, _)| {
            let around = pointer.rsplit_once('/').map_or("", |(around, _)| around);
            let above = around.match_indices('/').map(|(at, _)| &around[..at]).chain([around]);
            // What stands in a list's item stays with that item: one of the same name, or image.
            is.pointer(around).is_some()
                && above.into_iter().all(|at| match (was.pointer(at), is.pointer(at)) {
                    (Some(was), Some(is)) if !was["image"].is_null() || !was["name"].is_null() => {
                        match (&was["name"], &is["name"]) {
                            (Value::Null, Value::Null) => was["image"] == is["image"],
                            (was, is) => was == is,
                        }
                    }
                    _ => true,
                })
        })
        .map(|(pointer, value)| (pointer.clone(), value.clone()))
        .collect();
    remove(after, LEFTOVERS);
    if !kept.is_empty() {
        after[LEFTOVERS] = Value::Object(kept);
    }
}

/// Keeps what the body says and v2 has no place for, and how the change will end: v1 has no
/// operation, so that a failure is told by the conditions alone.
fn settle(site: &Site<'_>, service: &mut Value, body: &Value) {
    remove(service, LEFTOVERS);
    remove(service, OUTCOME);
    let left = body::leftovers(body, &view::service(site, service));
    if !left.is_empty() {
        service[LEFTOVERS] = Value::Object(left);
    }
    if site.effects.operations_fail {
        service[OUTCOME] = Value::from("failed");
    }
    service[service_body::SETTLES_AT] = Value::from(site.done_at());
}

pub(crate) fn delete(call: &Call<'_>) -> Answer {
    let ((site, _), name) = (one_region(call)?, call.service()?);
    let service = services::load(site.world, &name)?;
    if !dry_run(call.query)? {
        site.world.delete_service(&name)?;
    }
    Ok(deleted("serving.knative.dev", "services", name.service(), &service["uid"]))
}

pub(crate) fn delete_revision(call: &Call<'_>) -> Answer {
    let ((site, region), short) = (one_region(call)?, call.after("revisions"));
    let found = revision(site, region, short)?;
    let full = found["name"].as_str().unwrap_or_default();
    let of = full.split_once("/revisions/").and_then(|(of, _)| ServiceName::parse(of));
    if let Some(of) = of {
        services::check_unused(&services::load(site.world, &of)?, short)?;
    }
    if !dry_run(call.query)? {
        site.world.delete_revision(full)?;
    }
    Ok(deleted("serving.knative.dev", "revisions", short, &found["uid"]))
}

pub(super) fn deleted(group: &str, kind: &str, name: &str, uid: &Value) -> Value {
    json!({
        "status": "Success",
        "details": {"group": group, "kind": kind, "name": name, "uid": uid},
    })
}

/// Checks a body's fields, and that it is of the kind and place that the path says.
pub(super) fn check(
    site: &Site<'_>,
    body: &Value,
    kind: &str,
    name: Option<&str>,
) -> Result<(), ApiError> {
    let at = kind.to_lowercase();
    let wrong = |field: &str, value: &Value| {
        ApiError::invalid(format!("Invalid value at '{at}.{field}': {value}."))
    };
    if !body["kind"].is_null() && body["kind"] != kind {
        return Err(wrong("kind", &body["kind"]));
    }
    let group = if kind == "Job" { "run.googleapis.com" } else { "serving.knative.dev" };
    if !body["apiVersion"].is_null() && body["apiVersion"] != format!("{group}/v1") {
        return Err(wrong("apiVersion", &body["apiVersion"]));
    }
    let metadata = &body["metadata"];
    let namespace = metadata["namespace"].as_str().filter(|text| !text.is_empty());
    if namespace.is_some_and(|text| text != site.project.id && text != site.project.number) {
        return Err(wrong("metadata.namespace", &metadata["namespace"]));
    }
    match name {
        Some(name) if metadata["name"] != name => Err(wrong("metadata.name", &metadata["name"])),
        _ => Ok(()),
    }
}

/// Whether nothing is to be written.
pub(crate) fn dry_run(query: &Query) -> Result<bool, ApiError> {
    match query.get("dryRun") {
        None | Some("") => Ok(false),
        Some("all") => Ok(true),
        Some(other) => Err(ApiError::invalid(format!("Invalid value at 'dryRun': {other}."))),
    }
}

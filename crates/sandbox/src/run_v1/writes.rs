//! What is made, replaced and deleted through v1, and kept as v2 has it.

use serde_json::{Map, Value, json};

use super::super::api_error::ApiError;
use super::super::jobs;
use super::super::policy_check::remove;
use super::super::query::Query;
use super::super::run_v2::{self, Site, check_constraints, new_name};
use super::super::schema::{self, Api};
use super::super::service_body::{self, Change, OUTCOME};
use super::super::service_check::check_service;
use super::{LEFTOVERS, body, view};
use runaccess_domain::resource::ServiceName;

pub(super) const OF_DELETE: [&str; 4] = ["apiVersion", "dryRun", "kind", "propagationPolicy"];

pub(super) fn create(
    site: &Site<'_>,
    region: &str,
    query: &Query,
    body: &Value,
) -> Result<Value, ApiError> {
    query.only(&["dryRun"])?;
    check(site, body, "Service", None)?;
    let name = new_name(site, region, body["metadata"]["name"].as_str().unwrap_or_default())?;
    let asked = body::service(body, &Value::Null)?;
    service_body::check(&asked)?;
    check_constraints(site.project, &asked)?;
    check_service(&name, &asked, |_| false)?;
    let mut service = service_body::create(site.project, &name, &asked, site.caller, site.now);
    settle(site, &mut service, body);
    if !dry_run(query)? {
        run_v2::keep(site, &name, service.clone(), true)?;
    }
    Ok(view::service(site, &service))
}

pub(super) fn replace(
    site: &Site<'_>,
    name: &ServiceName,
    query: &Query,
    body: &Value,
) -> Result<Value, ApiError> {
    query.only(&["dryRun"])?;
    check(site, body, "Service", Some(name.service()))?;
    let mut service = run_v2::load(site.world, name)?;
    let current = view::resource_version(&service);
    let asked = body["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    if !asked.is_empty() && asked != current {
        return Err(ApiError::stale(name.service(), asked, current));
    }
    let asked = body::service(body, &service)?;
    check_constraints(site.project, &asked)?;
    let change = Change { by: site.caller, now: site.now, new_revision: false };
    let before = service.clone();
    let is_new = service_body::patch(site.project, name, &mut service, &asked, None, change)?;
    run_v2::check_values(site, name, &service)?;
    settle(site, &mut service, body);
    if site.effects.operations_fail {
        // Nothing of the change came about, but that it was asked for and failed is told.
        service = not_changed(before, &service);
    }
    if !dry_run(query)? {
        run_v2::keep(site, name, service.clone(), is_new && !site.effects.operations_fail)?;
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
pub(in super::super) fn keep_leftovers(site: &Site<'_>, before: &Value, after: &mut Value) {
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

pub(super) fn delete(
    site: &Site<'_>,
    name: &ServiceName,
    query: &Query,
) -> Result<Value, ApiError> {
    query.only(&OF_DELETE)?;
    let service = run_v2::load(site.world, name)?;
    if !dry_run(query)? {
        site.world.delete_service(name)?;
    }
    Ok(deleted("serving.knative.dev", "services", name.service(), &service["uid"]))
}

pub(super) fn create_job(
    site: &Site<'_>,
    region: &str,
    query: &Query,
    body: &Value,
) -> Result<Value, ApiError> {
    query.only(&["dryRun"])?;
    check(site, body, "Job", None)?;
    let name = body["metadata"]["name"].as_str().unwrap_or_default();
    let asked = body::job(body)?;
    let mut job = jobs::made(site, region, name, &asked)?;
    let left = body::leftovers(body, &view::job(site, &job));
    if !left.is_empty() {
        job[LEFTOVERS] = Value::Object(left);
    }
    if !dry_run(query)? {
        site.world.put_resource(jobs::place(site, region), name, &job)?;
    }
    Ok(view::job(site, &job))
}

pub(super) fn delete_job(
    site: &Site<'_>,
    region: &str,
    name: &str,
    query: &Query,
) -> Result<Value, ApiError> {
    query.only(&OF_DELETE)?;
    let job = jobs::get(site, region, name)?;
    if !dry_run(query)? {
        jobs::forget(site, region, name)?;
    }
    Ok(deleted("run.googleapis.com", "jobs", name, &job["uid"]))
}

fn deleted(group: &str, kind: &str, name: &str, uid: &Value) -> Value {
    json!({
        "status": "Success",
        "details": {"group": group, "kind": kind, "name": name, "uid": uid},
    })
}

/// Checks a body's fields, and that it is of the kind and place that the path says.
fn check(site: &Site<'_>, body: &Value, kind: &str, name: Option<&str>) -> Result<(), ApiError> {
    let at = kind.to_lowercase();
    schema::check(Api::RunV1, kind, body, &at)?;
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
pub(super) fn dry_run(query: &Query) -> Result<bool, ApiError> {
    match query.get("dryRun") {
        None | Some("") => Ok(false),
        Some("all") => Ok(true),
        Some(other) => Err(ApiError::invalid(format!("Invalid value at 'dryRun': {other}."))),
    }
}

//! Cloud Run Admin API v2: services and revisions.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::api_error::ApiError;
use super::names::is_region;
use super::router::Query;
use super::world::{PageRequest, Project, World};
use super::{operations, service_body};
use crate::domain::resource::{ServiceName, ServiceRef};

const DEFAULT_PAGE: usize = 100;
const LARGEST_PAGE: usize = 1_000;

/// Where a request is made: who asks, when, and in which project.
#[derive(Debug)]
pub(super) struct Site<'a> {
    pub(super) world: &'a World<'a>,
    pub(super) project: &'a Project,
    pub(super) caller: &'a str,
    pub(super) now: OffsetDateTime,
}

pub(super) fn list(site: &Site<'_>, region: &str, query: &Query) -> Result<Value, ApiError> {
    // The discovery document: "Location must be a valid Google Cloud region, and cannot be the
    // "-" wildcard".
    if !is_region(region) {
        return Err(ApiError::invalid(format!("Location '{region}' is not a valid region.")));
    }
    let page = page_request(query, "pageSize", "pageToken", DEFAULT_PAGE)?;
    let (services, next) = site.world.services_by_age(&site.project.id, region, page)?;
    let mut answer = json!({});
    if !services.is_empty() {
        answer["services"] = Value::Array(services);
    }
    if let Some(next) = next {
        answer["nextPageToken"] = Value::from(next.to_string());
    }
    Ok(answer)
}

pub(super) fn get(world: &World<'_>, name: &ServiceName) -> Result<Value, ApiError> {
    world
        .service(name)?
        .ok_or_else(|| ApiError::no_service(name.project(), name.region(), name.service()))
}

pub(super) fn create(
    site: &Site<'_>,
    region: &str,
    query: &Query,
    body: &Value,
) -> Result<Value, ApiError> {
    let id = query.get("serviceId").unwrap_or_default();
    if !matches!(ServiceRef::parse(id), Ok(ServiceRef::Name(name)) if name == id) {
        return Err(ApiError::invalid(format!(
            "Invalid service id '{id}': only lowercase, digits, and hyphens; must begin with \
             letter, and cannot end with hyphen; must be less than 50 characters."
        )));
    }
    if !is_region(region) {
        return Err(ApiError::invalid(format!("Location '{region}' is not a valid region.")));
    }
    service_body::check(body)?;
    check_constraints(site.project, body)?;
    let name = ServiceName::new(&site.project.id, region, id);
    if site.world.service(&name)?.is_some() {
        return Err(ApiError::already_exists(format!("Resource '{id}' already exists.")));
    }
    let service = service_body::create(site.project, &name, body, site.caller, site.now);
    if query.is_true("validateOnly") {
        return Ok(operations::checked(&name, &service));
    }
    site.world.put_service(&name, &service)?;
    site.world.put_revision(&name, &service_body::revision(&name, &service, site.now))?;
    operations::start(site.world, &name, &service)
}

pub(super) fn patch(
    site: &Site<'_>,
    name: &ServiceName,
    query: &Query,
    body: &Value,
) -> Result<Value, ApiError> {
    service_body::check(body)?;
    check_constraints(site.project, body)?;
    let mut service = get(site.world, name)?;
    check_etag(name, &service, body["etag"].as_str())?;
    let mask: Option<Vec<String>> = query
        .get("updateMask")
        .filter(|mask| !mask.is_empty())
        .map(|mask| mask.split(',').map(|path| path.trim().to_owned()).collect());
    let change = service_body::Change {
        by: site.caller,
        now: site.now,
        new_revision: query.is_true("forceNewRevision"),
    };
    let is_new =
        service_body::patch(site.project, name, &mut service, body, mask.as_deref(), change)?;
    if query.is_true("validateOnly") {
        return Ok(operations::checked(name, &service));
    }
    site.world.put_service(name, &service)?;
    if is_new {
        site.world.put_revision(name, &service_body::revision(name, &service, site.now))?;
    }
    operations::start(site.world, name, &service)
}

pub(super) fn delete(
    site: &Site<'_>,
    name: &ServiceName,
    query: &Query,
) -> Result<Value, ApiError> {
    let mut service = get(site.world, name)?;
    check_etag(name, &service, query.get("etag"))?;
    if query.is_true("validateOnly") {
        return Ok(operations::checked(name, &service));
    }
    service["deleteTime"] = Value::from(service_body::stamp(site.now));
    site.world.delete_service(name)?;
    operations::start(site.world, name, &service)
}

pub(super) fn revisions(world: &World<'_>, name: &ServiceName) -> Result<Value, ApiError> {
    get(world, name)?;
    let revisions = world.revisions(name)?;
    Ok(if revisions.is_empty() { json!({}) } else { json!({"revisions": revisions}) })
}

pub(super) fn revision(
    world: &World<'_>,
    name: &ServiceName,
    revision: &str,
) -> Result<Value, ApiError> {
    world.revision(&format!("{name}/revisions/{revision}"))?.ok_or_else(|| {
        ApiError::not_found(format!(
            "Resource '{revision}' of kind 'REVISION' in region '{}' in project '{}' does not exist.",
            name.region(),
            name.project()
        ))
    })
}

/// Reads the size and token of a page from a query.
pub(super) fn page_request(
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

/// The conflict's wording is that of Run v1 (observed); v2's is not certain.
fn check_etag(name: &ServiceName, service: &Value, asked: Option<&str>) -> Result<(), ApiError> {
    let current = service["etag"].as_str().unwrap_or_default();
    match asked.filter(|etag| !etag.is_empty() && *etag != current) {
        None => Ok(()),
        Some(etag) => Err(ApiError::aborted(format!(
            "Conflict for resource '{}': version '{etag}' was specified but current version is \
             '{current}'.",
            name.service()
        ))),
    }
}

/// `run.managed.requireInvokerIam`; the words in the middle are observed, the rest is not.
fn check_constraints(project: &Project, body: &Value) -> Result<(), ApiError> {
    let required = project.constraints.iter().any(|c| c == "run.managed.requireInvokerIam");
    if required && body["invokerIamDisabled"] == true {
        return Err(ApiError::failed_precondition(
            "invoker_iam_disabled is not currently available: an organization policy requires \
             the invoker IAM check.",
        ));
    }
    Ok(())
}

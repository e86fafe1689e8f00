//! Cloud Run Admin API v2: services, revisions, jobs and operations.

use serde_json::Value;
use time::OffsetDateTime;

use super::api_error::ApiError;
use super::authority::require;
use super::faults::Effects;
use super::iam;
use super::names::{check_id, check_region};
use super::operations::Subject;
use super::pages::{page, page_request};
use super::policy_check::{Rules, remove};
use super::query::Query;
use super::service_check::check_service;
use super::world::{Project, World};
use super::{jobs, operations, roles, run_v1, service_body};
use runaccess_domain::member::Member;
use runaccess_domain::resource::ServiceName;

const DEFAULT_PAGE: usize = 100;

/// Where a request is made: who asks, when, in which project, and what was asked to go wrong.
#[derive(Debug)]
pub(super) struct Site<'a> {
    pub(super) world: &'a World<'a>,
    pub(super) project: &'a Project,
    /// The address, or what stands for it, of who asks.
    pub(super) caller: &'a str,
    pub(super) principal: &'a Member,
    /// Where this server is, such as `http://127.0.0.1:8787`.
    pub(super) base: &'a str,
    pub(super) now: OffsetDateTime,
    pub(super) effects: &'a Effects,
}

impl Site<'_> {
    /// What a policy in this project is checked by.
    pub(super) fn rules(&self) -> Rules<'_> {
        Rules {
            domain: &self.project.domain,
            constraints: &self.project.constraints,
            run_roles_only: true,
            named_only: false,
        }
    }

    /// Who asks, and when.
    pub(super) fn asker(&self) -> (&Member, OffsetDateTime) {
        (self.principal, self.now)
    }

    /// A verb of IAM on a service or job that is there; `None` for another verb.
    pub(super) fn policy_verb(
        &self,
        resource: &str,
        verb: &str,
        request: (&Query, &Value),
    ) -> Option<Result<Value, ApiError>> {
        let is_valid = roles::is_run_permission;
        let rules = Rules { named_only: resource.contains("/jobs/"), ..self.rules() };
        iam::verb(self.world, self.asker(), verb, resource, rules, request, is_valid)
    }

    /// Where in the project a region is, such as `projects/P/locations/R`.
    pub(super) fn location(&self, region: &str) -> String {
        format!("projects/{}/locations/{region}", self.project.id)
    }

    /// Whether the sandbox was told not to reach a region.
    pub(super) fn is_unreachable(&self, region: &str) -> bool {
        self.effects.unreachable.iter().any(|unreachable| unreachable == region)
    }

    /// Refuses a region that the sandbox was told not to reach.
    pub(super) fn check_reachable(&self, region: &str) -> Result<(), ApiError> {
        if self.is_unreachable(region) {
            return Err(ApiError::unavailable(format!("The region {region} cannot be reached.")));
        }
        Ok(())
    }
}

/// The routes of v2 below a location; `None` for one that is not there.
pub(super) fn answer(
    site: &Site<'_>,
    region: &str,
    route: (&str, &[&str], &str),
    query: &Query,
    body: &Value,
) -> Option<Result<Value, ApiError>> {
    if let Err(error) = site.check_reachable(region) {
        return Some(Err(error));
    }
    let name = |service: &str| ServiceName::new(&site.project.id, region, service);
    Some(match route {
        ("GET", ["services"], "") => list(site, region, query),
        ("POST", ["services"], "") => create(site, region, query, body),
        ("GET", ["services", s], "") => query.only(&[]).and_then(|()| get(site, &name(s))),
        ("PATCH", ["services", s], "") => patch(site, &name(s), query, body),
        ("DELETE", ["services", s], "") => delete(site, &name(s), query),
        ("GET", ["services", s], "getIamPolicy")
        | ("POST", ["services", s], "setIamPolicy" | "testIamPermissions") => {
            return policy_verb(site, &name(s), route.2, (query, body));
        }
        ("GET", ["services", s, "revisions"], "") => revisions(site, &name(s), query),
        ("GET", ["services", s, "revisions", r], "") => {
            query.only(&[]).and_then(|()| revision(site, &name(s), r))
        }
        (method, ["jobs", rest @ ..], verb) => {
            return jobs::answer_v2(site, region, (method, rest, verb), query, body);
        }
        (method, ["operations", rest @ ..], verb) => {
            let parent = site.location(region);
            return operations::answer(site, &parent, (method, rest, verb), (query, body));
        }
        _ => return None,
    })
}

/// A verb of IAM on a service, which is the same in v1.
pub(super) fn policy_verb(
    site: &Site<'_>,
    name: &ServiceName,
    verb: &str,
    request: (&Query, &Value),
) -> Option<Result<Value, ApiError>> {
    if let Err(error) = load(site.world, name) {
        return Some(Err(error));
    }
    let full = name.to_string();
    site.policy_verb(&full, verb, request)
}

fn list(site: &Site<'_>, region: &str, query: &Query) -> Result<Value, ApiError> {
    query.only(&["pageSize", "pageToken", "showDeleted"])?;
    // The discovery document: "Location must be a valid Google Cloud region, and cannot be the
    // "-" wildcard".
    check_region(region)?;
    let request = page_request(query, "pageSize", "pageToken", DEFAULT_PAGE)?;
    let (services, next) = site.world.services_by_age(&site.project.id, region, request)?;
    let services: Vec<Value> =
        services.into_iter().map(|service| service_body::shown(service, site.now)).collect();
    Ok(page("services", services, next))
}

/// A service as it is kept.
pub(super) fn load(world: &World<'_>, name: &ServiceName) -> Result<Value, ApiError> {
    world
        .service(name)?
        .ok_or_else(|| ApiError::no_service(name.project(), name.region(), name.service()))
}

/// A service as v2 shows it.
pub(super) fn get(site: &Site<'_>, name: &ServiceName) -> Result<Value, ApiError> {
    Ok(service_body::shown(load(site.world, name)?, site.now))
}

fn create(site: &Site<'_>, region: &str, query: &Query, body: &Value) -> Result<Value, ApiError> {
    query.only(&["serviceId", "validateOnly"])?;
    let id = query.get("serviceId").unwrap_or_default();
    service_body::check(body)?;
    let name = new_name(site, region, id)?;
    check_constraints(site.project, body)?;
    check_service(&name, body, |_| false)?;
    let service = service_body::create(site.project, &name, body, site.caller, site.now);
    operations::carry_out(site, subject(&site.location(region)), query, &service, || {
        keep(site, &name, service.clone(), true)
    })
}

/// The name of a service that is to be made: well-formed, in a region there is, and free.
pub(super) fn new_name(site: &Site<'_>, region: &str, id: &str) -> Result<ServiceName, ApiError> {
    check_id("service", id)?;
    check_region(region)?;
    let name = ServiceName::new(&site.project.id, region, id);
    if site.world.service(&name)?.is_some() {
        return Err(ApiError::already_exists(format!("Resource '{id}' already exists.")));
    }
    Ok(name)
}

/// Keeps a service that was made or changed, and its new revision; it settles when the
/// operation on it is done.
pub(super) fn keep(
    site: &Site<'_>,
    name: &ServiceName,
    mut service: Value,
    new_revision: bool,
) -> Result<(), ApiError> {
    let is_open = |service: &Value| service["invokerIamDisabled"] == true;
    if is_open(&service) != site.world.service(name)?.as_ref().is_some_and(is_open) {
        // Whoever turns the check off, or on, decides who may invoke (documented).
        let resource = name.to_string();
        require(site.world, site.principal, &resource, "run.services.setIamPolicy", site.now)?;
    }
    if new_revision {
        let revision = service_body::revision(name, &service, site.now);
        let full = revision["name"].as_str().unwrap_or_default();
        if site.world.revision(full)?.is_some() {
            // Observed in gcloud's output; that the status is 409 is not certain.
            return Err(ApiError::already_exists(format!(
                "Revision named '{}' with different configuration already exists.",
                service_body::latest_revision(&service)
            )));
        }
        site.world.put_revision(name, &revision)?;
    }
    service[service_body::SETTLES_AT] = Value::from(site.done_at());
    if site.effects.operation_delay.is_zero() && !site.effects.operations_fail {
        remove(&mut service, service_body::SETTLES_AT);
    }
    Ok(site.world.put_service(name, &service)?)
}

fn patch(
    site: &Site<'_>,
    name: &ServiceName,
    query: &Query,
    body: &Value,
) -> Result<Value, ApiError> {
    query.only(&["updateMask", "allowMissing", "validateOnly", "forceNewRevision"])?;
    service_body::check(body)?;
    check_constraints(site.project, body)?;
    let mut service = match load(site.world, name) {
        Err(error) if query.flag("allowMissing")? && error.code == 404 => {
            let query = Query::of(&[
                ("serviceId", name.service()),
                ("validateOnly", query.get("validateOnly").unwrap_or_default()),
            ]);
            return create(site, name.region(), &query, body);
        }
        loaded => loaded?,
    };
    check_etag(name, &service, body["etag"].as_str())?;
    let mask: Option<Vec<String>> = query
        .get("updateMask")
        .filter(|mask| !mask.is_empty())
        .map(|mask| mask.split(',').map(|path| path.trim().to_owned()).collect());
    let change = service_body::Change {
        by: site.caller,
        now: site.now,
        new_revision: query.flag("forceNewRevision")?,
    };
    let before = service.clone();
    let is_new =
        service_body::patch(site.project, name, &mut service, body, mask.as_deref(), change)?;
    check_values(site, name, &service)?;
    run_v1::keep_leftovers(site, &before, &mut service);
    remove(&mut service, service_body::OUTCOME);
    operations::carry_out(site, subject(&site.location(name.region())), query, &service, || {
        keep(site, name, service.clone(), is_new)
    })
}

/// Checks the service that a change would leave behind.
pub(super) fn check_values(
    site: &Site<'_>,
    name: &ServiceName,
    service: &Value,
) -> Result<(), ApiError> {
    let mut known = Vec::new();
    for target in service["traffic"].as_array().into_iter().flatten() {
        let short = target["revision"].as_str().and_then(|full| full.rsplit('/').next());
        let short = short.unwrap_or_default();
        if site.world.revision(&format!("{name}/revisions/{short}"))?.is_some() {
            known.push(short.to_owned());
        }
    }
    let latest = service_body::latest_revision(service);
    check_service(name, service, |short| short == latest || known.iter().any(|k| k == short))
}

fn delete(site: &Site<'_>, name: &ServiceName, query: &Query) -> Result<Value, ApiError> {
    query.only(&["etag", "validateOnly"])?;
    let mut service = load(site.world, name)?;
    check_etag(name, &service, query.get("etag"))?;
    if !query.flag("validateOnly")? {
        service["deleteTime"] = Value::from(service_body::stamp(site.now));
    }
    operations::carry_out(site, subject(&site.location(name.region())), query, &service, || {
        Ok(site.world.delete_service(name)?)
    })
}

fn subject(parent: &str) -> Subject<'_> {
    Subject { parent, message: "Service" }
}

fn revisions(site: &Site<'_>, name: &ServiceName, query: &Query) -> Result<Value, ApiError> {
    query.only(&["pageSize", "pageToken", "showDeleted"])?;
    load(site.world, name)?;
    let request = page_request(query, "pageSize", "pageToken", DEFAULT_PAGE)?;
    let (revisions, next) =
        site.world.revisions_below(&format!("{name}"), request, &|revision| {
            revision["service"] == name.service()
        })?;
    Ok(page("revisions", revisions, next))
}

fn revision(site: &Site<'_>, name: &ServiceName, revision: &str) -> Result<Value, ApiError> {
    site.world
        .revision(&format!("{name}/revisions/{revision}"))?
        .ok_or_else(|| ApiError::missing("REVISION", revision, name.region(), name.project()))
}

/// Refuses a change that was made on another version of a service than the present one.
fn check_etag(name: &ServiceName, service: &Value, asked: Option<&str>) -> Result<(), ApiError> {
    let current = service["etag"].as_str().unwrap_or_default();
    match asked.filter(|etag| !etag.is_empty() && *etag != current) {
        None => Ok(()),
        Some(etag) => Err(ApiError::stale(name.service(), etag, current)),
    }
}

/// `run.managed.requireInvokerIam`; the words in the middle are observed, the rest is not.
pub(super) fn check_constraints(project: &Project, body: &Value) -> Result<(), ApiError> {
    let required = project.constraints.iter().any(|c| c == "run.managed.requireInvokerIam");
    if required && body["invokerIamDisabled"] == true {
        return Err(ApiError::failed_precondition(
            "invoker_iam_disabled is not currently available: an organization policy requires \
             the invoker IAM check.",
        ));
    }
    Ok(())
}

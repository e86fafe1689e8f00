//! Cloud Run Admin API v2: services and their revisions.

use serde_json::{Value, json};

use super::call::{Answer, Call, Site};
use super::operations::{self, Subject, only_checks};
use super::service_check::check_service;
use super::{iam, run_v1, service_body};
use crate::dialect::api_error::ApiError;
use crate::dialect::names::{check_id, check_region};
use crate::dialect::pages::{PageSize, page, page_request};
use crate::dialect::query::Query;
use crate::dialect::wire::remove;
use crate::records::roles;
use crate::records::world::{Project, World};
use runaccess_domain::resource::ServiceName;

const PAGE: PageSize = PageSize { usual: 100, most: 1_000 };

/// A verb of IAM on a service, which is the same in v1.
pub(crate) fn policy(call: &Call<'_>) -> Answer {
    let name = call.service()?;
    load(call.visit.world, &name)?;
    iam::verb(call, &name.to_string(), call.site()?.rules(), roles::is_run_permission)
}

/// Lists the services of a region, or of all (`-`), newest first (documented: "sorted by creation
/// time, descending"). That `-` is taken, though the parameter's text refuses it, is what the
/// response's `unreachable` is for and what clients rely on.
pub(crate) fn list(call: &Call<'_>) -> Answer {
    let (site, region) = (call.site()?, call.region());
    site.check_listed(region)?;
    let request = page_request(call.query, PAGE)?;
    let (services, next) =
        site.world.services_newest_first(&site.project.id, region, request, &|service| {
            site.can_reach(service)
        })?;
    let services: Vec<Value> =
        services.into_iter().map(|service| service_body::shown(service, site.now)).collect();
    let mut answer = page("services", services, next);
    if region == "-" && !site.effects.unreachable.is_empty() {
        answer["unreachable"] = json!(site.effects.unreachable);
    }
    Ok(answer)
}

/// A service as it is kept.
pub(crate) fn load(world: &World<'_>, name: &ServiceName) -> Result<Value, ApiError> {
    world
        .service(name)?
        .ok_or_else(|| ApiError::no_service(name.project(), name.region(), name.service()))
}

pub(crate) fn get(call: &Call<'_>) -> Answer {
    let site = call.site()?;
    Ok(service_body::shown(load(site.world, &call.service()?)?, site.now))
}

pub(crate) fn create(call: &Call<'_>) -> Answer {
    let site = call.site()?;
    site.check_reachable(call.region())?;
    let id = call.query.get("serviceId").unwrap_or_default();
    create_named(site, call.region(), id, call.query, call.body)
}

fn create_named(site: &Site<'_>, region: &str, id: &str, query: &Query, body: &Value) -> Answer {
    service_body::check(body)?;
    let name = new_name(site, region, id)?;
    check_constraints(site.project, body)?;
    check_service(&name, body, |_| false)?;
    let service = service_body::create(site.project, &name, body, site.caller(), site.now);
    let only_checks = only_checks(query)?;
    operations::carry_out(site, subject(&site.location(region)), only_checks, &service, || {
        keep(site, &name, service.clone(), true)
    })
}

/// The name of a service that is to be made: well-formed, in a region there is, and free.
pub(crate) fn new_name(site: &Site<'_>, region: &str, id: &str) -> Result<ServiceName, ApiError> {
    check_id("service", id)?;
    check_region(region)?;
    let name = ServiceName::new(&site.project.id, region, id);
    if site.world.service(&name)?.is_some() {
        return Err(ApiError::taken(id));
    }
    Ok(name)
}

/// Keeps a service that was made or changed, and its new revision; it settles when the
/// operation on it is done.
pub(crate) fn keep(
    site: &Site<'_>,
    name: &ServiceName,
    mut service: Value,
    new_revision: bool,
) -> Result<(), ApiError> {
    let is_open = |service: &Value| service["invokerIamDisabled"] == true;
    if is_open(&service) != site.world.service(name)?.as_ref().is_some_and(is_open) {
        // Whoever turns the check off, or on, decides who may invoke (documented).
        let resource = name.to_string();
        site.require("run.services.setIamPolicy", &resource)?;
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

pub(crate) fn patch(call: &Call<'_>) -> Answer {
    let (site, name, query, body) = (call.site()?, call.service()?, call.query, call.body);
    check_constraints(site.project, body)?;
    let Some(mut service) = call.or_missing(load(site.world, &name), "run.services.create")? else {
        return create_named(site, name.region(), name.service(), query, body);
    };
    check_etag(&name, &service, body["etag"].as_str())?;
    service_body::check_added("service", body, &service)?;
    let mask = service_body::mask_of(query);
    let change = service_body::Change {
        by: site.caller(),
        now: site.now,
        new_revision: query.flag("forceNewRevision")?,
    };
    let before = service.clone();
    let is_new =
        service_body::patch(site.project, &name, &mut service, body, mask.as_deref(), change)?;
    check_values(site, &name, &service)?;
    run_v1::keep_leftovers(site, &before, &mut service);
    remove(&mut service, service_body::OUTCOME);
    let location = site.location(name.region());
    operations::carry_out(site, subject(&location), only_checks(query)?, &service, || {
        keep(site, &name, service.clone(), is_new)
    })
}

/// Checks the service that a change would leave behind.
pub(crate) fn check_values(
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

pub(crate) fn delete(call: &Call<'_>) -> Answer {
    let (site, name, query) = (call.site()?, call.service()?, call.query);
    let service = load(site.world, &name)?;
    check_etag(&name, &service, query.get("etag"))?;
    operations::take_away(site, subject(&site.location(name.region())), query, service, || {
        Ok(site.world.delete_service(&name)?)
    })
}

fn subject(parent: &str) -> Subject<'_> {
    Subject { parent, message: "Service" }
}

/// Lists the revisions of a service, or of all services of a region (`-`; documented), newest first.
pub(crate) fn list_revisions(call: &Call<'_>) -> Answer {
    let (site, name) = (call.site()?, call.service()?);
    let request = page_request(call.query, PAGE)?;
    let is_of_all = name.service() == "-";
    if !is_of_all {
        load(site.world, &name)?;
    }
    let place = if is_of_all {
        format!("{}/services/", site.location(name.region()))
    } else {
        name.to_string()
    };
    let is_of = |revision: &Value| is_of_all || revision["service"] == name.service();
    let (revisions, next) = site.world.revisions_below(&place, request, &is_of)?;
    Ok(page("revisions", revisions, next))
}

pub(crate) fn get_revision(call: &Call<'_>) -> Answer {
    revision(call.site()?, &call.service()?, call.after("revisions"))
}

fn revision(site: &Site<'_>, name: &ServiceName, revision: &str) -> Result<Value, ApiError> {
    site.world
        .revision(&format!("{name}/revisions/{revision}"))?
        .ok_or_else(|| ApiError::missing("REVISION", revision, name.region(), name.project()))
}

/// Deletes a revision that has no traffic and is not the latest (documented for the console; the
/// texts are not certain).
pub(crate) fn delete_revision(call: &Call<'_>) -> Answer {
    let (site, name, query) = (call.site()?, call.service()?, call.query);
    let short = call.after("revisions");
    let found = revision(site, &name, short)?;
    check_version(short, &found, query.get("etag"))?;
    check_unused(&load(site.world, &name)?, short)?;
    let location = site.location(name.region());
    let subject = Subject { parent: &location, message: "Revision" };
    operations::take_away(site, subject, query, found, || {
        Ok(site.world.delete_revision(&format!("{name}/revisions/{short}"))?)
    })
}

/// Refuses to take away a revision that its service still needs.
pub(crate) fn check_unused(service: &Value, short: &str) -> Result<(), ApiError> {
    if service_body::latest_revision(service) == short {
        return Err(ApiError::failed_precondition(format!(
            "Revision '{short}' is the latest created revision of its service, and cannot be \
             deleted."
        )));
    }
    let mut targets = service["trafficStatuses"].as_array().into_iter().flatten();
    let is_target = |target: &Value| {
        target["revision"].as_str().and_then(|name| name.rsplit('/').next()) == Some(short)
    };
    if targets.any(is_target) {
        return Err(ApiError::failed_precondition(format!(
            "Revision '{short}' is a target of its service's traffic, and cannot be deleted."
        )));
    }
    Ok(())
}

/// Refuses a change that was made on another version of a service than the present one.
fn check_etag(name: &ServiceName, service: &Value, asked: Option<&str>) -> Result<(), ApiError> {
    check_version(name.service(), service, asked)
}

/// Refuses a change that was made on another version of a resource than the present one.
pub(crate) fn check_version(
    name: &str,
    resource: &Value,
    asked: Option<&str>,
) -> Result<(), ApiError> {
    let current = resource["etag"].as_str().unwrap_or_default();
    match asked.filter(|etag| !etag.is_empty() && *etag != current) {
        None => Ok(()),
        Some(etag) => Err(ApiError::stale(name, etag, current)),
    }
}

/// `run.managed.requireInvokerIam`; the words in the middle are observed, the rest is not.
pub(crate) fn check_constraints(project: &Project, body: &Value) -> Result<(), ApiError> {
    let required = project.constraints.iter().any(|c| c == "run.managed.requireInvokerIam");
    if required && body["invokerIamDisabled"] == true {
        return Err(ApiError::failed_precondition(
            "invoker_iam_disabled is not currently available: an organization policy requires \
             the invoker IAM check.",
        ));
    }
    Ok(())
}

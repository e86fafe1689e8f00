//! Cloud Run Admin API v1: services, their revisions, routes and configurations, domain mappings,
//! jobs. A view of what v2 keeps; what is written through either is read through the other.
//!
//! A resource is found below `projects/P/locations/R` on any host, and below `namespaces/P` on a
//! region's own host name (discovery document); the global host lists the namespaces' of every
//! region.

mod annotations;
mod body;
pub(super) mod domains;
mod lists;
mod selector;
mod template;
mod view;
mod writes;

use serde_json::{Value, json};

use self::lists::{list_domains, list_jobs, list_revisions, list_services};
use self::writes::{create, create_job, delete, delete_job, replace};
use super::api_error::ApiError;
use super::jobs;
use super::names::{is_region, regions};
use super::operations;
use super::pages::{page, page_request, slice};
use super::query::Query;
use super::run_v2::{self, Site};
use super::world::{PageRequest, Project};
use runaccess_domain::resource::ServiceName;

pub(super) use self::annotations::is_mapped as is_mapped_annotation;
pub(super) use self::body::LEFTOVERS;
pub(super) use self::writes::keep_leftovers;

/// The size of a page if none is asked for. Whether the real API pages unasked is not known;
/// clients must follow `metadata.continue` either way.
const DEFAULT_PAGE: usize = 1_000;
/// What is found below a location.
const KINDS: [&str; 7] =
    ["services", "routes", "configurations", "revisions", "domainmappings", "jobs", "operations"];
/// What is not of a region.
const AUTHORIZED_DOMAINS: &str = "authorizeddomains";
const SERVICE_LABEL: &str = "serving.knative.dev/service";

/// Where in v1 a request goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route<'a> {
    pub(super) method: &'a str,
    /// A region, or `-` for every one.
    pub(super) region: &'a str,
    pub(super) rest: &'a [&'a str],
    pub(super) verb: &'a str,
    /// Whether it was `namespaces/…`, where the verbs of IAM are not.
    pub(super) in_namespace: bool,
}

/// The routes of v1 below a location or a namespace; `None` for one that is not there.
pub(super) fn answer(
    site: &Site<'_>,
    route: Route<'_>,
    query: &Query,
    body: &Value,
) -> Option<Result<Value, ApiError>> {
    let Route { method, region, rest, verb, in_namespace } = route;
    let kind = rest.first().copied().unwrap_or_default();
    if in_namespace && rest == [AUTHORIZED_DOMAINS] && method == "GET" && verb.is_empty() {
        return Some(authorized_domains(site.project, query));
    }
    if region == "-" && !(method == "GET" && rest.len() == 1) {
        return KINDS.contains(&kind).then(|| Err(no_region(rest)));
    }
    if region == "-" && kind == "operations" {
        return None;
    }
    if region != "-" && !is_region(region) {
        return Some(Err(ApiError::no_location(region)));
    }
    if let Err(error) = site.check_reachable(region) {
        return Some(Err(error));
    }
    let name = |service: &str| ServiceName::new(&site.project.id, region, service);
    Some(match (method, rest, verb) {
        ("GET", ["services"], "") => query.fields().and_then(|fields| {
            let show = |site: &Site<'_>, kept: &Value| view::listed_service(site, kept, &fields);
            list_services(site, region, query, "Service", &show)
        }),
        ("GET", ["routes"], "") => list_services(site, region, query, "Route", &view::route),
        ("GET", ["configurations"], "") => {
            list_services(site, region, query, "Configuration", &view::configuration)
        }
        ("GET", ["revisions"], "") => list_revisions(site, region, query),
        ("GET", ["domainmappings"], "") => list_domains(site, region, query),
        ("GET", ["jobs"], "") if in_namespace => list_jobs(site, region, query),
        ("GET", [kind @ ("services" | "routes" | "configurations"), s], "") => {
            let show = match *kind {
                "services" => view::service,
                "routes" => view::route,
                _ => view::configuration,
            };
            query.only(&[]).and_then(|()| Ok(show(site, &get(site, &name(s), kind)?)))
        }
        ("GET", ["revisions", r], "") => query.only(&[]).and_then(|()| revision(site, region, r)),
        ("GET", ["domainmappings", d], "") => {
            query.only(&[]).and_then(|()| domains::get(site, region, d))
        }
        ("POST", ["domainmappings"], "") => domains::create(site, region, query, body),
        ("DELETE", ["domainmappings", d], "") => domains::delete(site, region, d, query),
        ("POST", ["services"], "") => create(site, region, query, body),
        ("PUT", ["services", s], "") => replace(site, &name(s), query, body),
        ("DELETE", ["services", s], "") => delete(site, &name(s), query),
        ("POST", ["jobs"], "") if in_namespace => create_job(site, region, query, body),
        ("GET", ["jobs", j], "") if in_namespace => {
            query.only(&[]).and_then(|()| Ok(view::job(site, &jobs::get(site, region, j)?)))
        }
        ("DELETE", ["jobs", j], "") if in_namespace => delete_job(site, region, j, query),
        ("POST", ["jobs", j], "run") if in_namespace => jobs::run_v1(site, region, j, query, body),
        ("GET", ["services", s], "getIamPolicy")
        | ("POST", ["services", s], "setIamPolicy" | "testIamPermissions")
            if !in_namespace =>
        {
            return run_v2::policy_verb(site, &name(s), verb, (query, body));
        }
        ("GET", ["jobs", j], "getIamPolicy")
        | ("POST", ["jobs", j], "setIamPolicy" | "testIamPermissions")
            if !in_namespace =>
        {
            return jobs::policy_verb(site, region, j, verb, (query, body));
        }
        (method, ["operations", rest @ ..], verb) if !in_namespace => {
            let parent = site.location(region);
            return operations::answer(site, &parent, (method, rest, verb), (query, body));
        }
        _ => return None,
    })
}

/// The domains that are known to be one's own, which are of no region: here the organisation's.
pub(super) fn authorized_domains(project: &Project, query: &Query) -> Result<Value, ApiError> {
    query.only(&["pageSize", "pageToken"])?;
    Ok(json!({"domains": [{"id": project.domain}]}))
}

/// The locations of a project, which v1 alone lists.
pub(super) fn locations(project: &Project, query: &Query) -> Result<Value, ApiError> {
    query.only(&["extraLocationTypes", "filter", "pageSize", "pageToken"])?;
    if query.get("filter").is_some_and(|filter| !filter.is_empty()) {
        return Err(ApiError::not_implemented("the filter of locations"));
    }
    let request = page_request(query, "pageSize", "pageToken", DEFAULT_PAGE)?;
    let regions: Vec<&str> = regions().collect();
    let (regions, next) = slice(request, &regions);
    let show = |region: &&str| {
        json!({
            "name": format!("projects/{}/locations/{region}", project.id),
            "locationId": region,
            "displayName": region,
        })
    };
    Ok(page("locations", regions.iter().map(show).collect(), next))
}

fn get(site: &Site<'_>, name: &ServiceName, kind: &str) -> Result<Value, ApiError> {
    site.world.service(name)?.ok_or_else(|| {
        let kind = kind.trim_end_matches('s').to_uppercase();
        ApiError::missing(&kind, name.service(), name.region(), name.project())
    })
}

fn revision(site: &Site<'_>, region: &str, short: &str) -> Result<Value, ApiError> {
    let place = format!("{}/services/", site.location(region));
    let page = PageRequest { after: 0, limit: 1 };
    let (found, _) = site.world.revisions_below(&place, page, &|revision| {
        revision["name"].as_str().is_some_and(|name| name.rsplit('/').next() == Some(short))
    })?;
    let found = found.first().map(|revision| view::revision(site, revision));
    found.ok_or_else(|| ApiError::missing("REVISION", short, region, &site.project.id))
}

/// That one resource of a namespace is found on a region's own host alone is in the discovery
/// document; what the global one answers is not certain.
fn no_region(rest: &[&str]) -> ApiError {
    ApiError::invalid(format!(
        "'{}' must be asked for at a region, such as at the host us-central1-run.googleapis.com.",
        rest.join("/")
    ))
}

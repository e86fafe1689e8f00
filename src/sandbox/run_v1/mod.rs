//! Cloud Run Admin API v1: services, their revisions, routes and configurations, domain mappings,
//! jobs. A view of what v2 keeps; what is written through either is read through the other.
//!
//! A resource is found below `projects/P/locations/R` on any host, and below `namespaces/P` on a
//! region's own host name (discovery document); the global host lists the namespaces' of every
//! region.

mod annotations;
mod body;
mod selector;
mod template;
mod view;

use serde_json::{Map, Value, json};

use self::selector::Selector;
use super::api_error::ApiError;
use super::jobs;
use super::names::{is_region, regions};
use super::operations;
use super::policy_check::remove;
use super::router::Query;
use super::run_v2::{self, Site, check_constraints, new_name, page_request};
use super::schema::{self, Api};
use super::service_body::{self, Change, OUTCOME};
use super::service_check::check_service;
use super::world::{PageRequest, Place, Project};
use crate::domain::resource::ServiceName;

pub(super) use self::body::LEFTOVERS;
pub(super) use self::view::LOCATION_LABEL;

/// The size of a page where none is asked for. Whether the real API pages unasked is not known;
/// clients must follow `metadata.continue` either way.
const DEFAULT_PAGE: usize = 1_000;
/// What every list takes (discovery document).
const OF_LIST: [&str; 7] = [
    "continue",
    "fieldSelector",
    "includeUninitialized",
    "labelSelector",
    "limit",
    "resourceVersion",
    "watch",
];
/// What is found below a location.
const KINDS: [&str; 7] =
    ["services", "routes", "configurations", "revisions", "domainmappings", "jobs", "operations"];
const OF_DELETE: [&str; 4] = ["apiVersion", "dryRun", "kind", "propagationPolicy"];
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
            query.only(&[]).and_then(|()| domain(site, region, d))
        }
        ("POST", ["services"], "") => create(site, region, query, body),
        ("PUT", ["services", s], "") => replace(site, &name(s), query, body),
        ("DELETE", ["services", s], "") => delete(site, &name(s), query),
        ("POST", ["jobs"], "") if in_namespace => create_job(site, region, query, body),
        ("GET", ["jobs", j], "") if in_namespace => {
            query.only(&[]).and_then(|()| Ok(view::job(site, &jobs::get(site, region, j)?)))
        }
        ("DELETE", ["jobs", j], "") if in_namespace => delete_job(site, region, j, query),
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
            let parent = format!("projects/{}/locations/{region}", site.project.id);
            return operations::answer(site, &parent, (method, rest, verb), (query, body));
        }
        _ => return None,
    })
}

/// The locations of a project, which v1 alone lists.
pub(super) fn locations(project: &Project, query: &Query) -> Result<Value, ApiError> {
    query.only(&["extraLocationTypes", "filter", "pageSize", "pageToken"])?;
    if query.get("filter").is_some_and(|filter| !filter.is_empty()) {
        return Err(ApiError::not_implemented("the filter of locations"));
    }
    let page = page_request(query, "pageSize", "pageToken", DEFAULT_PAGE)?;
    let from = usize::try_from(page.after).unwrap_or(usize::MAX);
    let locations: Vec<Value> = regions()
        .skip(from)
        .take(page.limit)
        .map(|region| {
            json!({
                "name": format!("projects/{}/locations/{region}", project.id),
                "locationId": region,
                "displayName": region,
            })
        })
        .collect();
    let end = from.saturating_add(locations.len());
    let mut answer = json!({"locations": locations});
    if end < regions().count() {
        answer["nextPageToken"] = Value::from(end.to_string());
    }
    Ok(answer)
}

/// What a list asks for, beside its kind and place.
struct Wanted {
    page: PageRequest,
    selector: Selector,
}

fn wanted(query: &Query) -> Result<Wanted, ApiError> {
    query.only(&OF_LIST)?;
    for part in ["fieldSelector", "includeUninitialized", "watch"] {
        if query.get(part).is_some_and(|value| !matches!(value, "" | "false")) {
            return Err(ApiError::not_implemented(&format!("`{part}` for lists")));
        }
    }
    Ok(Wanted {
        page: page_request(query, "limit", "continue", DEFAULT_PAGE)?,
        selector: Selector::parse(query.get("labelSelector").unwrap_or_default())?,
    })
}

/// Lists services, newest first, or what is shown of each.
fn list_services(
    site: &Site<'_>,
    region: &str,
    query: &Query,
    kind: &str,
    show: &dyn Fn(&Site<'_>, &Value) -> Value,
) -> Result<Value, ApiError> {
    let Wanted { page, selector } = wanted(query)?;
    let of_service = kind == "Service";
    let wanted = |service: &Value| {
        let name = service["name"].as_str().unwrap_or_default();
        let mut parts = name.split('/').skip(3).step_by(2);
        let (region, short) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if site.effects.unreachable.iter().any(|unreachable| unreachable == region) {
            return false;
        }
        let mut labels = service["labels"].as_object().cloned().unwrap_or_default();
        labels.insert(view::LOCATION_LABEL.to_owned(), Value::from(region));
        if !of_service {
            labels.insert(SERVICE_LABEL.to_owned(), Value::from(short));
        }
        selector.matches(&labels)
    };
    let (services, next) =
        site.world.services_newest_first(&site.project.id, region, page, &wanted)?;
    let items = services.into_iter().map(|service| show(site, &service));
    Ok(list(site, (kind, "serving.knative.dev/v1"), region, items.collect(), next))
}

fn list_revisions(site: &Site<'_>, region: &str, query: &Query) -> Result<Value, ApiError> {
    let Wanted { page, selector } = wanted(query)?;
    let place = match region {
        "-" => format!("projects/{}/locations/", site.project.id),
        _ => format!("projects/{}/locations/{region}/services/", site.project.id),
    };
    let wanted = |revision: &Value| {
        let region = revision["name"].as_str().and_then(|name| name.split('/').nth(3));
        let unreachable = &site.effects.unreachable;
        !unreachable.iter().any(|known| Some(known.as_str()) == region)
            && selector.matches(&view::revision_labels(revision))
    };
    let (revisions, next) = site.world.revisions_below(&place, page, &wanted)?;
    let items = revisions.iter().map(|revision| view::revision(site, revision)).collect();
    Ok(list(site, ("Revision", "serving.knative.dev/v1"), region, items, next))
}

fn list_domains(site: &Site<'_>, region: &str, query: &Query) -> Result<Value, ApiError> {
    let Wanted { page, selector } = wanted(query)?;
    let (items, next) =
        site.world.resources_newest_first(domains(site, region), page, &|item| {
            is_wanted(site, &selector, &item["metadata"]["labels"])
        })?;
    Ok(list(site, ("DomainMapping", "domains.cloudrun.com/v1"), region, items, next))
}

fn list_jobs(site: &Site<'_>, region: &str, query: &Query) -> Result<Value, ApiError> {
    let Wanted { page, selector } = wanted(query)?;
    let place = jobs::place(site, region);
    let (found, next) = site.world.resources_newest_first(place, page, &|job| {
        is_wanted(site, &selector, &view::job(site, job)["metadata"]["labels"])
    })?;
    let items = found.iter().map(|job| view::job(site, job)).collect();
    Ok(list(site, ("Job", "run.googleapis.com/v1"), region, items, next))
}

/// Whether labels, as they are shown, are selected, and their region can be reached.
fn is_wanted(site: &Site<'_>, selector: &Selector, labels: &Value) -> bool {
    let region = labels[view::LOCATION_LABEL].as_str().unwrap_or_default();
    !site.effects.unreachable.iter().any(|unreachable| unreachable == region)
        && labels.as_object().is_some_and(|labels| selector.matches(labels))
}

/// A list as v1 answers it. A region that cannot be reached is named where every one is listed.
fn list(
    site: &Site<'_>,
    (kind, version): (&str, &str),
    region: &str,
    items: Vec<Value>,
    next: Option<i64>,
) -> Value {
    let mut answer = json!({"apiVersion": version, "kind": format!("{kind}List"), "metadata": {}});
    if let Some(next) = next {
        answer["metadata"]["continue"] = Value::from(next.to_string());
    }
    if !items.is_empty() {
        answer["items"] = Value::Array(items);
    }
    let unreachable = &site.effects.unreachable;
    if region == "-" && !unreachable.is_empty() {
        let full = |region: &String| format!("projects/{}/locations/{region}", site.project.id);
        answer["unreachable"] = unreachable.iter().map(full).collect();
    }
    answer
}

fn get(site: &Site<'_>, name: &ServiceName, kind: &str) -> Result<Value, ApiError> {
    site.world.service(name)?.ok_or_else(|| {
        let kind = kind.trim_end_matches('s').to_uppercase();
        ApiError::missing(&kind, name.service(), name.region(), name.project())
    })
}

fn revision(site: &Site<'_>, region: &str, short: &str) -> Result<Value, ApiError> {
    let place = format!("projects/{}/locations/{region}/services/", site.project.id);
    let page = PageRequest { after: 0, limit: 1 };
    let (found, _) = site.world.revisions_below(&place, page, &|revision| {
        revision["name"].as_str().is_some_and(|name| name.rsplit('/').next() == Some(short))
    })?;
    let found = found.first().map(|revision| view::revision(site, revision));
    found.ok_or_else(|| ApiError::missing("REVISION", short, region, &site.project.id))
}

fn domain(site: &Site<'_>, region: &str, name: &str) -> Result<Value, ApiError> {
    let found = site.world.resource(domains(site, region), name)?;
    found.ok_or_else(|| ApiError::missing("DOMAINMAPPING", name, region, &site.project.id))
}

fn domains<'a>(site: &'a Site<'_>, region: &'a str) -> Place<'a> {
    Place { kind: "domainmappings", project: &site.project.id, region }
}

fn create(site: &Site<'_>, region: &str, query: &Query, body: &Value) -> Result<Value, ApiError> {
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

fn replace(
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
        return Err(conflict(name.service(), asked, current));
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
pub(super) fn keep_leftovers(site: &Site<'_>, before: &Value, after: &mut Value) {
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
            // What stands in an object stays with it; what stands in a list's item, with that item.
            let item = around.match_indices('/').map(|(at, _)| &around[..at]).chain([around]);
            let mut lists = item.filter(|at| was.pointer(at).is_some_and(Value::is_array));
            is.pointer(around).is_some() && lists.all(|at| was.pointer(at) == is.pointer(at))
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

fn delete(site: &Site<'_>, name: &ServiceName, query: &Query) -> Result<Value, ApiError> {
    query.only(&OF_DELETE)?;
    let service = run_v2::load(site.world, name)?;
    if !dry_run(query)? {
        site.world.delete_service(name)?;
    }
    Ok(deleted("serving.knative.dev", "services", name.service(), &service["uid"]))
}

fn create_job(
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

fn delete_job(site: &Site<'_>, region: &str, name: &str, query: &Query) -> Result<Value, ApiError> {
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
fn dry_run(query: &Query) -> Result<bool, ApiError> {
    match query.get("dryRun") {
        None | Some("") => Ok(false),
        Some("all") => Ok(true),
        Some(other) => Err(ApiError::invalid(format!("Invalid value at 'dryRun': {other}."))),
    }
}

/// The conflict's wording is observed.
fn conflict(name: &str, asked: &str, current: &str) -> ApiError {
    ApiError::aborted(format!(
        "Conflict for resource '{name}': version '{asked}' was specified but current version is \
         '{current}'."
    ))
}

/// That one resource of a namespace is found on a region's own host alone is in the discovery
/// document; what the global one answers is not certain.
fn no_region(rest: &[&str]) -> ApiError {
    ApiError::invalid(format!(
        "'{}' must be asked for at a region, such as at the host us-central1-run.googleapis.com.",
        rest.join("/")
    ))
}

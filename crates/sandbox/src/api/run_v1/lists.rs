//! The lists of v1: pages of what is selected, newest first, and what could not be reached.

use serde_json::{Value, json};

use super::reads::any_region;
use super::selector::Selector;
use super::{LOCATION_LABEL, PAGE, SERVICE_LABEL, domains, view};
use crate::api::call::{Answer, Call, Site};
use crate::api::{executions, job_place};
use crate::dialect::api_error::ApiError;
use crate::dialect::pages::{PageRequest, page_named, slice};
use crate::dialect::query::Query;

/// What gcloud asks for where it lists multi-region services.
const MULTI_REGION_ONLY: &str = "multiRegionOnly";

/// What a list asks for, beside its kind and place.
pub(super) struct Wanted {
    pub(super) page: PageRequest,
    pub(super) selector: Selector,
}

pub(super) fn wanted(query: &Query) -> Result<Wanted, ApiError> {
    for part in ["fieldSelector", "includeUninitialized", "watch"] {
        let known = |value: &str| {
            matches!(value, "" | "false") || (part == "fieldSelector" && value == MULTI_REGION_ONLY)
        };
        if query.get(part).is_some_and(|value| !known(value)) {
            return Err(ApiError::not_implemented(&format!("`{part}` for lists")));
        }
    }
    Ok(Wanted {
        page: page_named(query, "limit", "continue", PAGE)?,
        selector: Selector::parse(query.get("labelSelector").unwrap_or_default())?,
    })
}

pub(crate) fn list_services(call: &Call<'_>) -> Answer {
    let fields = call.query.fields()?;
    list_of_services(call, "Service", &|site, kept| view::listed_service(site, kept, &fields))
}

pub(crate) fn list_routes(call: &Call<'_>) -> Answer {
    list_of_services(call, "Route", &view::route)
}

pub(crate) fn list_configurations(call: &Call<'_>) -> Answer {
    list_of_services(call, "Configuration", &view::configuration)
}

/// Lists services, newest first, or what is shown of each.
fn list_of_services(
    call: &Call<'_>,
    kind: &str,
    show: &dyn Fn(&Site<'_>, &Value) -> Value,
) -> Answer {
    let ((site, region), query) = (any_region(call)?, call.query);
    let Wanted { page, selector } = wanted(query)?;
    let of_service = kind == "Service";
    let of_several = query.get("fieldSelector") == Some(MULTI_REGION_ONLY);
    let wanted = |service: &Value| {
        if of_several && !service["multiRegionSettings"].is_object() {
            return false;
        }
        let name = service["name"].as_str().unwrap_or_default();
        let mut parts = name.split('/').skip(3).step_by(2);
        let (region, short) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if site.is_unreachable(region) {
            return false;
        }
        let mut labels = service["labels"].as_object().cloned().unwrap_or_default();
        labels.insert(LOCATION_LABEL.to_owned(), Value::from(region));
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

pub(crate) fn list_revisions(call: &Call<'_>) -> Answer {
    let (site, region) = any_region(call)?;
    let Wanted { page, selector } = wanted(call.query)?;
    let place = match region {
        "-" => format!("projects/{}/locations/", site.project.id),
        _ => format!("projects/{}/locations/{region}/services/", site.project.id),
    };
    let wanted = |revision: &Value| {
        site.can_reach(revision) && selector.matches(&view::revision_labels(revision))
    };
    let (revisions, next) = site.world.revisions_below(&place, page, &wanted)?;
    let items = revisions.iter().map(|revision| view::revision(site, revision)).collect();
    Ok(list(site, ("Revision", "serving.knative.dev/v1"), region, items, next))
}

pub(crate) fn list_domains(call: &Call<'_>) -> Answer {
    let (site, region) = any_region(call)?;
    let Wanted { page, selector } = wanted(call.query)?;
    let (items, next) =
        site.world.resources_newest_first(domains::place(site, region), page, &|item| {
            is_wanted(site, &selector, &item["metadata"]["labels"])
        })?;
    Ok(list(site, ("DomainMapping", "domains.cloudrun.com/v1"), region, items, next))
}

pub(crate) fn list_jobs(call: &Call<'_>) -> Answer {
    let (site, region) = any_region(call)?;
    let Wanted { page, selector } = wanted(call.query)?;
    let place = job_place::kept_in(site, region);
    let (found, next) = site.world.resources_newest_first(place, page, &|job| {
        site.can_reach(job) && selector.matches(&view::labels_of_run(job))
    })?;
    let items = found.iter().map(|job| view::job(site, job)).collect();
    Ok(list(site, ("Job", "run.googleapis.com/v1"), region, items, next))
}

pub(crate) fn list_executions(call: &Call<'_>) -> Answer {
    let (site, region) = any_region(call)?;
    let Wanted { page, selector } = wanted(call.query)?;
    let place = executions::place(site, region);
    let (found, next) = site.world.resources_newest_first(place, page, &|execution| {
        site.can_reach(execution) && selector.matches(&view::execution_labels(execution))
    })?;
    let items = found.iter().map(|execution| view::execution(site, execution)).collect();
    Ok(list(site, ("Execution", "run.googleapis.com/v1"), region, items, next))
}

/// Tasks are not kept: all of a namespace's are made up from its executions.
pub(crate) fn list_tasks(call: &Call<'_>) -> Answer {
    let (site, region) = any_region(call)?;
    let Wanted { page, selector } = wanted(call.query)?;
    let whole = PageRequest { after: 0, limit: usize::MAX };
    let place = executions::place(site, region);
    let (found, _) = site.world.resources_newest_first(place, whole, &|_| true)?;
    let tasks = found.iter().flat_map(executions::tasks);
    let tasks = tasks.map(|task| view::task(site, &task));
    let tasks: Vec<Value> =
        tasks.filter(|task| is_wanted(site, &selector, &task["metadata"]["labels"])).collect();
    let (some, next) = slice(page, &tasks);
    Ok(list(site, ("Task", "run.googleapis.com/v1"), region, some.to_vec(), next))
}

/// Whether labels, as they are shown, are selected, and their region can be reached.
fn is_wanted(site: &Site<'_>, selector: &Selector, labels: &Value) -> bool {
    let region = labels[LOCATION_LABEL].as_str().unwrap_or_default();
    !site.is_unreachable(region)
        && labels.as_object().is_some_and(|labels| selector.matches(labels))
}

/// A list as v1 answers it. A region that cannot be reached is named where every one is listed.
pub(super) fn list(
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

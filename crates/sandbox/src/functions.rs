//! Cloud Functions v2, to be looked at: each function of the 2nd generation runs as a Cloud Run service.

use serde_json::{Value, json};

use super::api_error::ApiError;
use super::names::{check_region, deterministic_url};
use super::pages::{page, page_request};
use super::query::Query;
use super::run_v2::Site;
use super::service_body::stamp;
use super::world::Collection;

const DEFAULT_PAGE: usize = 1_000;
const KIND: &str = "functions";

/// The routes of v2 below a location's `functions`; `None` for one that is not there.
pub(super) fn answer(
    site: &Site<'_>,
    region: &str,
    (method, rest, verb): (&str, &[&str], &str),
    query: &Query,
) -> Option<Result<Value, ApiError>> {
    match (method, rest, verb) {
        ("GET", [], "") => Some(list(site, region, query)),
        ("GET", [name], "") => Some(query.only(&["revision"]).and_then(|()| {
            let found = site.world.resource(place(site, region), name)?;
            found.ok_or_else(|| {
                // Google's text (observed).
                ApiError::not_found(format!(
                    "Resource '{}/functions/{name}' was not found",
                    site.location(region)
                ))
            })
        })),
        _ => None,
    }
}

fn list(site: &Site<'_>, region: &str, query: &Query) -> Result<Value, ApiError> {
    query.only(&["filter", "orderBy", "pageSize", "pageToken"])?;
    if query.get("filter").is_some_and(|filter| !filter.is_empty()) {
        return Err(ApiError::not_implemented("the filter of functions"));
    }
    if region != "-" {
        check_region(region)?;
    }
    let request = page_request(query, "pageSize", "pageToken", DEFAULT_PAGE)?;
    let (functions, next) =
        site.world.resources_newest_first(place(site, region), request, &|_| true)?;
    Ok(page("functions", functions, next))
}

/// A function of the 2nd generation as it is shown, with the service under it.
pub(super) fn second_generation(site: &Site<'_>, region: &str, name: &str) -> Value {
    let location = site.location(region);
    // The rule is observed: in small letters, underscores as hyphens.
    let service = name.to_lowercase().replace('_', "-");
    json!({
        "name": format!("{location}/functions/{name}"),
        "environment": "GEN_2",
        "state": "ACTIVE",
        "updateTime": stamp(site.now),
        "createTime": stamp(site.now),
        "buildConfig": {"runtime": "nodejs22", "entryPoint": name},
        "serviceConfig": {
            "service": format!("{location}/services/{service}"),
            "uri": deterministic_url(&service, &site.project.number, region),
            "serviceAccountEmail": site.project.compute_account(),
            "ingressSettings": "ALLOW_ALL",
            "allTrafficOnLatestRevision": true,
        },
        "url": format!("https://{region}-{}.cloudfunctions.net/{name}", site.project.id),
    })
}

/// One of the 1st generation, which has no service under it.
pub(super) fn first_generation(site: &Site<'_>, region: &str, name: &str) -> Value {
    json!({
        "name": format!("{}/functions/{name}", site.location(region)),
        "environment": "GEN_1",
        "state": "ACTIVE",
        "updateTime": stamp(site.now),
        "buildConfig": {"runtime": "nodejs20", "entryPoint": name},
        "url": format!("https://{region}-{}.cloudfunctions.net/{name}", site.project.id),
    })
}

/// Where the functions of a region, or of all (`-`), are kept.
pub(super) fn place<'a>(site: &'a Site<'_>, region: &'a str) -> Collection<'a> {
    Collection { kind: KIND, project: &site.project.id, region }
}

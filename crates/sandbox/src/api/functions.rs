//! Cloud Functions v2, to be looked at: each function of the 2nd generation runs as a Cloud Run service.

use serde_json::{Value, json};

use super::call::{Answer, Call, Site};
use super::filter::Filter;
use crate::dialect::api_error::ApiError;
use crate::dialect::names::{check_region, deterministic_url};
use crate::dialect::pages::{PageSize, page, page_request};
use crate::records::stamps::stamp;
use crate::records::world::Collection;

const PAGE: PageSize = PageSize { usual: 1_000, most: 1_000 };
const KIND: &str = "functions";

pub(crate) fn get(call: &Call<'_>) -> Answer {
    let (site, region, name) = (call.site()?, call.region(), call.after(KIND));
    let found = site.world.resource(place(site, region), name)?;
    found.ok_or_else(|| {
        // Google's text (observed).
        let location = site.location(region);
        ApiError::not_found(format!("Resource '{location}/functions/{name}' was not found"))
    })
}

pub(crate) fn list(call: &Call<'_>) -> Answer {
    let (site, region) = (call.site()?, call.region());
    if region != "-" {
        check_region(region)?;
    }
    let filter = Filter::parse(call.query.get("filter").unwrap_or_default())?;
    let request = page_request(call.query, PAGE)?;
    let wanted = |function: &Value| filter.matches(function);
    let (functions, next) =
        site.world.resources_newest_first(place(site, region), request, &wanted)?;
    Ok(page("functions", functions, next))
}

/// A function of the 2nd generation as it is shown, with the service under it.
pub(crate) fn second_generation(site: &Site<'_>, region: &str, name: &str) -> Value {
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
pub(crate) fn first_generation(site: &Site<'_>, region: &str, name: &str) -> Value {
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
pub(crate) fn place<'a>(site: &'a Site<'_>, region: &'a str) -> Collection<'a> {
    Collection { kind: KIND, project: &site.project.id, region }
}

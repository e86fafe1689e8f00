//! One resource of v1, and what is of no region.

use serde_json::{Value, json};

use super::{PAGE, view};
use crate::api::call::{Answer, Call, Site};
use crate::dialect::api_error::ApiError;
use crate::dialect::names::{is_region, regions};
use crate::dialect::pages::{PageRequest, page, page_request, slice};
use runaccess_domain::resource::ServiceName;

/// The region of a call that is about one resource.
pub(super) fn one_region<'a>(call: &'a Call<'a>) -> Result<(&'a Site<'a>, &'a str), ApiError> {
    if call.region() == "-" {
        return Err(no_region(call));
    }
    any_region(call)
}

/// The region of a call that may be about all of them (`-`).
pub(super) fn any_region<'a>(call: &'a Call<'a>) -> Result<(&'a Site<'a>, &'a str), ApiError> {
    let (site, region) = (call.site()?, call.region());
    if region != "-" && !is_region(region) {
        return Err(ApiError::no_location(region));
    }
    site.check_reachable(region)?;
    Ok((site, region))
}

/// That one resource of a namespace is found on a region's own host alone is in the discovery
/// document; what the global one answers is not certain.
fn no_region(call: &Call<'_>) -> ApiError {
    let parts = &call.path.parts;
    let below = parts.iter().skip(5);
    ApiError::invalid(format!(
        "'{}' must be asked for at a region, such as at the host us-central1-run.googleapis.com.",
        below.map(String::as_str).collect::<Vec<_>>().join("/")
    ))
}

/// The domains that are known to be one's own, which are of no region: here the organisation's.
pub(crate) fn authorized_domains(call: &Call<'_>) -> Answer {
    Ok(json!({"domains": [{"id": call.site()?.project.domain}]}))
}

/// The locations of a project, which v1 alone lists.
pub(crate) fn locations(call: &Call<'_>) -> Answer {
    if call.query.get("filter").is_some_and(|filter| !filter.is_empty()) {
        return Err(ApiError::not_implemented("the filter of locations"));
    }
    let request = page_request(call.query, PAGE)?;
    let regions: Vec<&str> = regions().collect();
    let (regions, next) = slice(request, &regions);
    let project = call.site()?.project;
    let show = |region: &&str| {
        json!({
            "name": format!("projects/{}/locations/{region}", project.id),
            "locationId": region,
            "displayName": region,
        })
    };
    Ok(page("locations", regions.iter().map(show).collect(), next))
}

pub(crate) fn get_service(call: &Call<'_>) -> Answer {
    one(call, "services", view::service)
}

pub(crate) fn get_route(call: &Call<'_>) -> Answer {
    one(call, "routes", view::route)
}

pub(crate) fn get_configuration(call: &Call<'_>) -> Answer {
    one(call, "configurations", view::configuration)
}

/// A service, or what is shown of it by another name.
fn one(call: &Call<'_>, kind: &str, show: fn(&Site<'_>, &Value) -> Value) -> Answer {
    let (site, region) = one_region(call)?;
    let name = ServiceName::new(&site.project.id, region, call.after(kind));
    let kept = site.world.service(&name)?.ok_or_else(|| {
        let kind = kind.trim_end_matches('s').to_uppercase();
        ApiError::missing(&kind, name.service(), region, name.project())
    })?;
    Ok(show(site, &kept))
}

pub(crate) fn get_revision(call: &Call<'_>) -> Answer {
    let (site, region) = one_region(call)?;
    let found = revision(site, region, call.after("revisions"))?;
    Ok(view::revision(site, &found))
}

/// A revision by its short name, of whichever service of a region.
pub(super) fn revision(site: &Site<'_>, region: &str, short: &str) -> Result<Value, ApiError> {
    let place = format!("{}/services/", site.location(region));
    let page = PageRequest { after: 0, limit: 1 };
    let (found, _) = site.world.revisions_below(&place, page, &|revision| {
        revision["name"].as_str().is_some_and(|name| name.rsplit('/').next() == Some(short))
    })?;
    let missing = || ApiError::missing("REVISION", short, region, &site.project.id);
    found.into_iter().next().ok_or_else(missing)
}

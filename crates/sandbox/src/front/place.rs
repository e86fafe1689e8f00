//! Which service a host name is of. The sandbox makes these names, so that it may also read them;
//! whoever calls it may not.

use serde_json::Value;

use crate::dialect::api_error::ApiError;
use crate::dialect::names::{HASHED_END, hashed_label, parse_deterministic, parse_hashed, regions};
use crate::records::home::{DEFAULT_PROJECT, HOME_REGION};
use crate::records::store::{Sandbox, StoreError};
use crate::records::world::{Collection as Kept, World};
use runaccess_domain::address::{FUNCTIONS, RUN_APP};
use runaccess_domain::resource::{ServiceName, TAG_SIGN};

const LOCALHOST: &str = ".localhost";

/// What a host name is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostTarget {
    pub(crate) name: ServiceName,
    pub(crate) tag: Option<String>,
    /// Whether it is one of the service's `run.app` addresses, or stands for one.
    pub(crate) by_default_url: bool,
    /// Whether it is the host of a custom audience, at which a load balancer answers.
    pub(crate) behind_balancer: bool,
}

/// Whether a host, without its port, is the front end's rather than an API's; `is_mapped` says
/// whether a domain is mapped to a service.
pub(crate) fn is_front(
    host: &str,
    is_mapped: impl FnOnce(&str) -> Result<bool, ApiError>,
) -> Result<bool, ApiError> {
    if [RUN_APP, LOCALHOST, FUNCTIONS].iter().any(|end| host.ends_with(end)) {
        return Ok(true);
    }
    let is_name = host.contains('.') && host.parse::<std::net::IpAddr>().is_err();
    let is_api = host.ends_with(".googleapis.com") || host.ends_with("-127.0.0.1");
    if is_name && !is_api { is_mapped(host) } else { Ok(false) }
}

/// The function that a path begins with, and what the function is given of it; `None` at a host that
/// is not of functions.
pub(crate) fn function_in<'a>(host: &str, path: &'a str) -> Option<(&'a str, &'a str)> {
    if !host.ends_with(FUNCTIONS) {
        return None;
    }
    let rest = path.strip_prefix('/').unwrap_or(path);
    let (name, _) = rest.split_once('/').unwrap_or((rest, ""));
    let behind = &rest[name.len()..];
    Some((name, if behind.is_empty() { "/" } else { behind }))
}

/// The service of a function, at the host of its region and project.
fn by_function(
    world: &World<'_>,
    host: &str,
    function: &str,
) -> Result<Option<ServiceName>, ApiError> {
    let Some(label) = host.strip_suffix(FUNCTIONS) else { return Ok(None) };
    let region = regions()
        .find(|region| label.strip_prefix(region).is_some_and(|project| project.starts_with('-')));
    let Some(region) = region else { return Ok(None) };
    let project = &label[region.len() + 1..];
    let place = Kept { kind: "functions", project, region };
    let found = world.resource(place, function)?;
    let service = found.as_ref().and_then(|found| found["serviceConfig"]["service"].as_str());
    Ok(service.and_then(ServiceName::parse))
}

/// Finds the service of a host, without its port, and of a function there.
pub(crate) fn find(
    world: &World<'_>,
    host: &str,
    function: Option<&str>,
) -> Result<Option<HostTarget>, ApiError> {
    if let Some(function) = function {
        let name = by_function(world, host, function)?;
        return Ok(name.map(|name| HostTarget {
            name,
            tag: None,
            by_default_url: true,
            behind_balancer: false,
        }));
    }
    let (tag, bare) = match host.split_once(TAG_SIGN) {
        Some((tag, bare)) => (Some(tag.to_owned()), bare),
        None => (None, host),
    };
    let by_default_url = bare.ends_with(RUN_APP) || bare.ends_with(LOCALHOST);
    if !by_default_url {
        if let Some((project, region, mapping)) = world.domain_mapping(host)? {
            let service = mapping["spec"]["routeName"].as_str().unwrap_or_default();
            let name = ServiceName::new(project, region, service);
            let (tag, by_default_url, behind_balancer) = (None, false, false);
            return Ok(Some(HostTarget { name, tag, by_default_url, behind_balancer }));
        }
        let name = by_audience(world, host)?;
        let (tag, by_default_url, behind_balancer) = (None, false, true);
        return Ok(name.map(|name| HostTarget { name, tag, by_default_url, behind_balancer }));
    }
    let name = match bare.strip_suffix(LOCALHOST) {
        Some(label) => match by_label(world, label)? {
            Some(name) => Some(name),
            None => by_name(world, label)?,
        },
        None => match bare.strip_suffix(HASHED_END) {
            Some(label) => by_label(world, label)?,
            None => match parse_deterministic(bare) {
                None => None,
                Some((service, number, region)) => world
                    .project(number)?
                    .filter(|project| project.number == number)
                    .map(|project| ServiceName::new(project.id, region, service)),
            },
        },
    };
    let behind_balancer = false;
    Ok(name.map(|name| HostTarget { name, tag, by_default_url, behind_balancer }))
}

/// The service whose custom audience is an address at this host. The sandbox has no load balancers of
/// its own: where callers name one in a custom audience, it stands in for it.
pub(crate) fn by_audience(world: &World<'_>, host: &str) -> Result<Option<ServiceName>, ApiError> {
    let is_at_host = |audience: &Value| {
        let address = audience.as_str().and_then(|text| text.strip_prefix("https://"));
        let named = address.and_then(|address| address.split(['/', '?', ':']).next());
        named.is_some_and(|named| named.eq_ignore_ascii_case(host))
    };
    let found = world.services_with_audiences()?.into_iter().find(|body| {
        body["customAudiences"].as_array().is_some_and(|all| all.iter().any(is_at_host))
    });
    Ok(found.as_ref().and_then(name_of))
}

fn by_label(world: &World<'_>, label: &str) -> Result<Option<ServiceName>, ApiError> {
    let Some((service, hash, region)) = parse_hashed(label) else { return Ok(None) };
    let project = world.project_by_hash(hash)?;
    Ok(project.map(|id| ServiceName::new(id, region, service)))
}

/// A service by its bare name: that of the default project, in the home region if there are
/// several.
fn by_name(world: &World<'_>, service: &str) -> rusqlite::Result<Option<ServiceName>> {
    let regions = world.regions_of(DEFAULT_PROJECT, service)?;
    let region = match regions.as_slice() {
        [only] => Some(only.as_str()),
        several => several.iter().map(String::as_str).find(|region| *region == HOME_REGION),
    };
    Ok(region.map(|region| ServiceName::new(DEFAULT_PROJECT, region, service)))
}

/// The names below `.localhost` at which the services of a project answer, each with its service:
/// short where that is enough.
pub(crate) fn labels(
    world: &World<'_>,
    project: &str,
) -> rusqlite::Result<Vec<(ServiceName, String)>> {
    let Some(hash) = world.project(project)?.map(|project| project.hash) else {
        return Ok(Vec::new());
    };
    let mut labels = Vec::new();
    for body in world.all_services(project)? {
        let Some(name) = name_of(&body) else { continue };
        let short = by_name(world, name.service())?.as_ref() == Some(&name);
        let label = if short {
            name.service().to_owned()
        } else {
            hashed_label(name.service(), &hash, name.region())
        };
        labels.push((name, label));
    }
    labels.sort_by(|a, b| a.0.list_order().cmp(&b.0.list_order()));
    Ok(labels)
}

fn name_of(body: &Value) -> Option<ServiceName> {
    ServiceName::parse(body["name"].as_str()?)
}

impl Sandbox {
    /// Where the services of a project answer below `.localhost`, while it is served: each with the
    /// first part of its name there.
    pub fn addresses(&self, project: &str) -> Result<Vec<(ServiceName, String)>, StoreError> {
        self.locally(|world| labels(world, project))
    }
}

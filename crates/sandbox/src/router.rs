//! Which request is what.

use percent_encoding::percent_decode_str;
use serde_json::Value;
use time::OffsetDateTime;

use super::api_error::ApiError;
use super::authority::{Visit, require};
use super::faults::Effects;
use super::options::Options;
use super::permission::{Asked, Needed, needed};
use super::query::Query;
use super::run_v1::Route;
use super::run_v2::Site;
use super::settings::Settings;
use super::store::Sandbox;
use super::tokens::{self, Issuer, VERBS};
use super::world::{Collection, Project, World};
use super::{
    boundaries, custom_roles, deny_policies, functions, groups, iap, older_resource_manager,
    org_policy, resource_manager, roles, run_v1, run_v2, service_accounts, service_usage, tags,
    wire,
};
use runaccess_domain::member::Member;

/// A request to an API, taken off the wire.
#[derive(Clone, Debug)]
pub(super) struct ApiRequest {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Query,
    /// The `Authorization` header, if there is one.
    pub(super) authorization: Option<String>,
    pub(super) body: Vec<u8>,
    pub(super) now: OffsetDateTime,
    /// The region that the host name is of.
    pub(super) host_region: Option<String>,
    /// Where this server is, as the client names it: such as `http://127.0.0.1:8787`.
    pub(super) base: String,
    pub(super) effects: Effects,
}

/// Answers a request, in the dialect that it asks for.
pub(super) fn answer(
    sandbox: &Sandbox,
    options: &Options,
    request: &ApiRequest,
) -> Result<Value, ApiError> {
    let authorization = request.authorization.as_deref();
    let (strict, settings) = (options.strict_auth, &options.settings);
    let caller = tokens::caller(sandbox, authorization, strict, settings, request.now)?;
    if let Some(alt) = request.query.get("alt").filter(|alt| !matches!(*alt, "" | "json")) {
        return Err(ApiError::not_implemented(&format!("answers in the form of alt={alt}")));
    }
    let body = parse_body(request)?;
    let mut value = dispatch(sandbox, options, request, &body, &caller)?;
    if request.query.get("$alt").is_some_and(|alt| alt.contains("enum-encoding=int")) {
        wire::with_numbers(&mut value);
    }
    Ok(request.query.fields()?.select(value))
}

fn parse_body(request: &ApiRequest) -> Result<Value, ApiError> {
    if request.body.is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    let mut body: Value = serde_json::from_slice(&request.body)
        .map_err(|error| ApiError::invalid(format!("Invalid JSON payload received. {error}")))?;
    if !body.is_object() {
        return Err(ApiError::invalid(
            "Invalid JSON payload received. Root element must be a message.",
        ));
    }
    wire::with_names(&mut body);
    Ok(body)
}

impl ApiRequest {
    /// Whether it reads one service or its policy, by its key, which takes no time.
    pub(super) fn is_quick(&self) -> bool {
        let mut parts = self.path.rsplit('/').skip(1);
        self.method == "GET" && parts.next() == Some("services")
    }
}

/// What a path names, and the verb after its colon.
struct Target<'a> {
    parts: Vec<&'a str>,
    verb: &'a str,
}

fn dispatch(
    sandbox: &Sandbox,
    options: &Options,
    request: &ApiRequest,
    body: &Value,
    caller: &Member,
) -> Result<Value, ApiError> {
    let (parts, verb) = taken_apart(&request.path);
    let target = Target { parts: parts.iter().map(String::as_str).collect(), verb: &verb };
    let reads = request.method == "GET"
        || matches!(target.verb, "getIamPolicy" | "testIamPermissions" | "wait")
        || VERBS.contains(&target.verb);
    let work = |world: &World<'_>| {
        let by = By { caller, issuer: sandbox.issuer(), settings: &options.settings };
        let answer = route(world, request, &target, body, by)
            .unwrap_or_else(|| Err(ApiError::unimplemented(&request.method, &request.path)))?;
        // gcloud asks for an operation again though it is done.
        let name = answer["name"].as_str().filter(|_| answer["done"] == true);
        if let Some(id) = name
            .and_then(|name| name.strip_prefix("operations/"))
            .filter(|id| !reads && !id.starts_with("noop."))
        {
            world.put_resource(Collection::global(OPERATIONS), id, &answer)?;
        }
        Ok(answer)
    };
    if reads { sandbox.read(work) } else { sandbox.write(work) }
}

/// The kind under which the operations of Resource Manager and Service Usage are kept.
const OPERATIONS: &str = "operations";

/// The names in which one part holds slashes of its own, encoded (documented).
const WITH_ENCODED_SLASHES: [&str; 2] = ["v2/policies/", "v3/tagBindings/"];

/// A path at its slashes, decoded, and the verb after its colon.
fn taken_apart(path: &str) -> (Vec<String>, String) {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let raw = path.trim_start_matches('/');
    if WITH_ENCODED_SLASHES.iter().any(|start| raw.starts_with(start)) {
        // gcloud encodes such a name twice.
        let twice = |text: &str| decode(&decode(text));
        return (raw.split('/').map(twice).collect(), String::new());
    }
    let decoded = decode(raw);
    let (path, verb) = match decoded.rsplit_once(':') {
        Some((path, verb)) if !verb.contains('/') => (path, verb),
        _ => (decoded.as_str(), ""),
    };
    (path.split('/').map(str::to_owned).collect(), verb.to_owned())
}

/// Who asks, and by whom tokens are issued.
#[derive(Clone, Copy)]
struct By<'a> {
    caller: &'a Member,
    issuer: &'a Issuer,
    settings: &'a Settings,
}

/// Finds the API that a path belongs to; `None` if the sandbox has no such route.
fn route(
    world: &World<'_>,
    request: &ApiRequest,
    target: &Target<'_>,
    body: &Value,
    by: By<'_>,
) -> Option<Result<Value, ApiError>> {
    let (method, query, verb) = (request.method.as_str(), &request.query, target.verb);
    let project = match project(world, request, target) {
        Ok(project) => project,
        Err(error) => return Some(Err(error)),
    };
    let asked =
        Asked { method, parts: &target.parts, verb, host_region: request.host_region.as_deref() };
    let id = project.as_ref().map(|project| project.id.as_str());
    let needed = needed(asked, id);
    if needed.as_ref().is_some_and(|needed| !roles::is_known(&needed.permission)) {
        // A method that the sandbox does not have: nobody is let in to what is not known.
        return None;
    }
    if let Some(Needed { permission, resource }) = needed
        && let Err(error) = require(world, by.caller, &resource, &permission, request.now)
    {
        return Some(Err(error));
    }
    let visit = Visit { world, who: by.caller, now: request.now };
    let address = by.caller.as_str();
    let site = project.as_ref().map(|project| Site {
        world,
        project,
        caller: address
            .split_once(':')
            .filter(|_| address.contains('@'))
            .map_or(address, |(_, address)| address),
        principal: by.caller,
        base: &request.base,
        now: request.now,
        effects: &request.effects,
    });
    match (target.parts.as_slice(), site) {
        (["v1", "projects", _, "locations"], Some(site)) if method == "GET" && verb.is_empty() => {
            Some(run_v1::locations(site.project, query))
        }
        (["v1", "projects", _, "authorizeddomains"], Some(site)) if method == "GET" => {
            Some(run_v1::authorized_domains(site.project, query))
        }
        (["v1", "projects", _, "locations", region, rest @ ..], Some(site)) => {
            let route = Route { method, region, rest, verb, in_namespace: false };
            run_v1::answer(&site, route, query, body)
        }
        (["apis", group, "v1", "namespaces", _, rest @ ..], Some(site)) => {
            let is_there = match *rest.first()? {
                "authorizeddomains" | "domainmappings" => *group == "domains.cloudrun.com",
                "jobs" => *group == "run.googleapis.com",
                _ => *group == "serving.knative.dev",
            };
            let region = request.host_region.as_deref().unwrap_or("-");
            let route = Route { method, region, rest, verb, in_namespace: true };
            is_there.then(|| run_v1::answer(&site, route, query, body)).flatten()
        }
        (["v2", "projects", _, "locations", region, "functions", rest @ ..], Some(site)) => {
            functions::answer(&site, region, (method, rest, verb), query)
        }
        (["v2", "projects", _, "locations", region, rest @ ..], Some(site)) => {
            run_v2::answer(&site, region, (method, rest, verb), query, body)
        }
        (["v1", "projects", _, "serviceAccounts", rest @ ..], Some(site)) => {
            service_accounts::answer(
                &site,
                (method, rest, verb),
                (by.issuer, by.settings),
                query,
                body,
            )
        }
        (["v1", "projects", _, "services", api], Some(site)) => {
            service_usage::answer(site.project, (method, api, verb))
        }
        _ => around(visit, (method, target), project.as_ref(), query, body),
    }
}

/// The APIs beside Cloud Run's, of what is above and around a service; `None` if there is no such
/// route.
fn around(
    visit: Visit<'_>,
    (method, target): (&str, &Target<'_>),
    project: Option<&Project>,
    query: &Query,
    body: &Value,
) -> Option<Result<Value, ApiError>> {
    let verb = target.verb;
    let owner = |kind: &str, id: &str| {
        let id = project.map_or(id, |project| project.id.as_str());
        format!("{kind}/{id}")
    };
    match target.parts.as_slice() {
        ["v1" | "v3", OPERATIONS, id] if method == "GET" && verb.is_empty() => {
            Some(query.only(&[]).and_then(|()| {
                let found = visit.world.resource(Collection::global(OPERATIONS), id)?;
                found.ok_or_else(|| ApiError::not_found("Requested entity was not found."))
            }))
        }
        ["v1", "permissions"] if verb == "queryTestablePermissions" => {
            Some(roles::testable(query, body))
        }
        ["v1", "roles", rest @ ..] if verb.is_empty() => roles::answer(method, rest, query),
        ["v1", kind @ ("projects" | "organizations"), id, "roles", rest @ ..] => {
            custom_roles::answer(visit, &owner(kind, id), (method, rest, verb), query, body)
        }
        ["v1", "projects", _, "iap_web", rest @ ..] if method == "POST" => {
            iap::answer(visit, project?, (rest, verb), query, body)
        }
        ["v1", "groups", rest @ ..] => groups::answer(visit, (method, rest, verb), query, body),
        ["v2", "policies", point, rest @ ..] => {
            deny_policies::answer(visit, (method, point, rest), query, body)
        }
        ["v2", kind @ ("projects" | "folders" | "organizations"), id, "constraints"]
            if method == "GET" =>
        {
            let at = (owner(kind, id), format!("{kind}/{id}"));
            Some(org_policy::constraints(visit, (&at.0, &at.1), query))
        }
        ["v2", kind @ ("projects" | "folders" | "organizations"), id, "policies", rest @ ..] => {
            let at = (owner(kind, id), project);
            org_policy::answer(visit, (&at.0, at.1), (method, rest, verb), query, body)
        }
        parts @ (["v1", "projects" | "organizations"]
        | ["v2", "folders"]
        | ["v1", "projects" | "organizations", _]
        | ["v2", "folders", _]) => {
            older_resource_manager::answer(visit, (method, parts, verb), project, query, body)
        }
        ["v3", rest @ ..]
            if rest
                .first()
                .is_some_and(|kind| kind.starts_with("tag") || *kind == "effectiveTags") =>
        {
            tags::answer(visit, (method, rest, verb), query, body)
        }
        [
            "v3",
            kind @ ("projects" | "folders" | "organizations"),
            id,
            "locations",
            "global",
            rest @ ..,
        ] if verb.is_empty() => {
            let shown = format!("{kind}/{id}");
            boundaries::answer(visit, (method, &owner(kind, id), &shown), rest, query, body)
        }
        ["v3", kind] => resource_manager::collection(visit, (method, kind, verb), query, body),
        ["v3", kind, id] => {
            let route = resource_manager::Route { method, kind, id, verb };
            let asker = (visit.who, visit.now);
            resource_manager::answer(visit.world, asker, route, project, query, body)
        }
        _ => None,
    }
}

/// The project that a path names, with the organisation policies that a fault adds; `None` if
/// it names none.
fn project(
    world: &World<'_>,
    request: &ApiRequest,
    target: &Target<'_>,
) -> Result<Option<Project>, ApiError> {
    let home;
    let id = match target.parts.as_slice() {
        // An account's own address, or unique id, names its project.
        ["v1", "projects", "-", "serviceAccounts", account, ..] => {
            let found = if account.contains('@') {
                world.service_account(account)?
            } else {
                world.service_account_by_id(account)?
            };
            let found = found.and_then(|found| found["projectId"].as_str().map(str::to_owned));
            let Some(found) = found else {
                return Err(ApiError::no_account(target.verb));
            };
            home = found;
            home.as_str()
        }
        ["v1" | "v2" | "v3", "projects", id, ..] | ["apis", _, "v1", "namespaces", id, ..] => id,
        _ => return Ok(None),
    };
    let Some(mut project) = world.project(id)? else {
        let asked = Asked {
            method: &request.method,
            parts: &target.parts,
            verb: target.verb,
            host_region: request.host_region.as_deref(),
        };
        let permission = needed(asked, Some(id)).map(|needed| needed.permission);
        let permission = permission.unwrap_or_else(|| "run.services.get".to_owned());
        return Err(ApiError::no_project(&permission, id));
    };
    let added = request.effects.constraints.iter().map(|name| (*name).to_owned());
    project.constraints.extend(added);
    project.constraints.extend(org_policy::enforced(world, &project.id)?);
    Ok(Some(project))
}

/// The region that a host name is of: `REGION-run.googleapis.com`, `run.REGION.rep.googleapis.com`
/// (discovery document), or what gcloud makes of an endpoint on loopback, `REGION-127.0.0.1`.
pub(super) fn region_of_host(host: &str) -> Option<String> {
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.chars().all(|c| c.is_ascii_digit()) { name } else { host }
    });
    let region = ["-run.googleapis.com", "-127.0.0.1", "-localhost"]
        .into_iter()
        .find_map(|end| name.strip_suffix(end))
        .or_else(|| name.strip_prefix("run.")?.strip_suffix(".rep.googleapis.com"))?;
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (!region.is_empty() && region.chars().all(good)).then(|| region.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_may_name_a_region() {
        for (host, region) in [
            ("us-central1-run.googleapis.com", Some("us-central1")),
            ("run.europe-west1.rep.googleapis.com:443", Some("europe-west1")),
            ("us-central1-127.0.0.1:8787", Some("us-central1")),
            ("europe-west10-localhost:80", Some("europe-west10")),
            ("run.googleapis.com", None),
            ("127.0.0.1:8787", None),
            ("nowhere1-127.0.0.1:8787", Some("nowhere1")),
            ("[::1]:8787", None),
        ] {
            assert_eq!(region_of_host(host).as_deref(), region, "{host}");
        }
    }
}

//! Which request is what.

use percent_encoding::percent_decode_str;
use serde_json::Value;
use time::OffsetDateTime;

use super::api_error::ApiError;
use super::partial::Fields;
use super::run_v2::Site;
use super::seed::DEFAULT_ACCOUNT;
use super::store::Sandbox;
use super::world::World;
use super::{iam, operations, run_v1, run_v2, wire};
use crate::domain::resource::ServiceName;

/// A request to an API, taken off the wire.
#[derive(Debug)]
pub(super) struct ApiRequest {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Query,
    /// The `Authorization` header, if there is one.
    pub(super) authorization: Option<String>,
    pub(super) body: Vec<u8>,
    pub(super) now: OffsetDateTime,
}

/// The parameters of a request.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }
}

/// Answers a request, in the dialect that it asks for.
pub(super) fn answer(sandbox: &Sandbox, request: &ApiRequest) -> Result<Value, ApiError> {
    let caller = caller(request.authorization.as_deref())?;
    let body = parse_body(request)?;
    let mut value = dispatch(sandbox, request, &body, caller)?;
    if request.query.get("$alt").is_some_and(|alt| alt.contains("enum-encoding=int")) {
        wire::with_numbers(&mut value);
    }
    match request.query.get("fields") {
        Some(fields) => Ok(Fields::parse(fields)?.select(value)),
        None => Ok(value),
    }
}

/// Who asks. An opaque token is the default account's. A JWT is judged, and since the sandbox
/// issues none yet, none is good.
fn caller(authorization: Option<&str>) -> Result<&'static str, ApiError> {
    let (scheme, token) = authorization
        .and_then(|header| header.split_once(' '))
        .ok_or_else(ApiError::no_credentials)?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
        return Err(ApiError::no_credentials());
    }
    let is_jwt = token.starts_with("eyJ") && token.split('.').count() == 3;
    if is_jwt { Err(ApiError::bad_credentials()) } else { Ok(DEFAULT_ACCOUNT) }
}

fn parse_body(request: &ApiRequest) -> Result<Value, ApiError> {
    if request.body.is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    let mut body: Value = serde_json::from_slice(&request.body)
        .map_err(|error| ApiError::invalid(format!("Invalid JSON payload received. {error}")))?;
    wire::with_names(&mut body);
    Ok(body)
}

fn dispatch(
    sandbox: &Sandbox,
    request: &ApiRequest,
    body: &Value,
    caller: &str,
) -> Result<Value, ApiError> {
    let decoded = percent_decode_str(&request.path).decode_utf8_lossy();
    let path = decoded.trim_start_matches('/');
    let (path, verb) = match path.rsplit_once(':') {
        Some((path, verb)) if !verb.contains('/') => (path, verb),
        _ => (path, ""),
    };
    let parts: Vec<&str> = path.split('/').collect();
    let query = &request.query;
    let method = request.method.as_str();
    let within = |world: &World<'_>, project: &str, permission: &str| {
        world.project(project)?.ok_or_else(|| ApiError::no_project(permission, project))
    };
    let service = |world: &World<'_>, project: &str, region: &str, name: &str, permission: &str| {
        let project = within(world, project, permission)?;
        let name = ServiceName::new(&project.id, region, name);
        Ok::<_, ApiError>((project, name))
    };
    match (method, parts.as_slice(), verb) {
        ("GET", ["v1" | "v2", "projects", p, "locations", r, "services", s], "getIamPolicy") => {
            sandbox.read(|world| {
                let (_, name) = service(world, p, r, s, "run.services.getIamPolicy")?;
                run_v2::get(world, &name)?;
                iam::get(world, &name, query.get("options.requestedPolicyVersion"))
            })
        }
        ("POST", ["v1" | "v2", "projects", p, "locations", r, "services", s], "setIamPolicy") => {
            sandbox.write(|world| {
                let (project, name) = service(world, p, r, s, "run.services.setIamPolicy")?;
                run_v2::get(world, &name)?;
                iam::set(world, &project, &name, body)
            })
        }
        (
            "POST",
            ["v1" | "v2", "projects", p, "locations", r, "services", s],
            "testIamPermissions",
        ) => sandbox.read(|world| {
            let (_, name) = service(world, p, r, s, "run.services.get")?;
            run_v2::get(world, &name)?;
            iam::test_permissions(body)
        }),
        ("GET", ["v1", "projects", p, "locations"], "") => {
            sandbox.read(|world| Ok(run_v1::locations(&within(world, p, "run.locations.list")?)))
        }
        ("GET", ["v1", "projects", p, "locations", r, "services"], "") => sandbox.read(|world| {
            let project = within(world, p, "run.services.list")?;
            run_v1::list(world, &project, r, query)
        }),
        ("GET", ["v1", "projects", p, "locations", r, "services", s], "") => {
            sandbox.read(|world| {
                let (project, name) = service(world, p, r, s, "run.services.get")?;
                Ok(run_v1::view(&project, &run_v2::get(world, &name)?))
            })
        }
        (_, ["v2", "projects", p, "locations", r, rest @ ..], _) => {
            let is_write = method != "GET";
            let work = |world: &World<'_>| {
                let project = within(world, p, "run.services.list")?;
                let site = Site { world, project: &project, caller, now: request.now };
                v2(&site, r, (method, rest, verb), query, body)
                    .unwrap_or_else(|| Err(ApiError::unimplemented(method, &request.path)))
            };
            if is_write { sandbox.write(work) } else { sandbox.read(work) }
        }
        _ => Err(ApiError::unimplemented(method, &request.path)),
    }
}

/// The routes of v2 below a location; `None` for one that is not there.
fn v2(
    site: &Site<'_>,
    region: &str,
    route: (&str, &[&str], &str),
    query: &Query,
    body: &Value,
) -> Option<Result<Value, ApiError>> {
    let name = |service: &str| ServiceName::new(&site.project.id, region, service);
    let operation =
        |id: &str| format!("projects/{}/locations/{region}/operations/{id}", site.project.id);
    Some(match route {
        ("GET", ["services"], "") => run_v2::list(site, region, query),
        ("POST", ["services"], "") => run_v2::create(site, region, query, body),
        ("GET", ["services", s], "") => run_v2::get(site.world, &name(s)),
        ("PATCH", ["services", s], "") => run_v2::patch(site, &name(s), query, body),
        ("DELETE", ["services", s], "") => run_v2::delete(site, &name(s), query),
        ("GET", ["services", s, "revisions"], "") => run_v2::revisions(site.world, &name(s)),
        ("GET", ["services", s, "revisions", r], "") => run_v2::revision(site.world, &name(s), r),
        ("GET", ["operations", o], "") | ("POST", ["operations", o], "wait") => {
            operations::get(site.world, &operation(o))
        }
        _ => return None,
    })
}

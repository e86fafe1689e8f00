//! From a request to the method that it calls: matched once, its permission, parameters and body
//! checked once.

use serde_json::Value;

use super::call::{Call, Site};
use super::methods::{self, Needs, Row};
use super::org_policy;
use crate::authority::{Visit, require};
use crate::dialect::api_error::ApiError;
use crate::dialect::method::{self, Method, Path};
use crate::dialect::query::Query;
use crate::dialect::wire;
use crate::options::Options;
use crate::records::store::Sandbox;
use crate::records::world::{Collection, Project, World};
use crate::request::ApiRequest;
use crate::tokens;
use runaccess_domain::member::Member;

/// What the sandbox has at a path.
pub(crate) struct Route {
    /// The methods there, the closest first: several APIs may have one at the same path, since each
    /// has a host of its own.
    methods: Vec<(&'static Method, &'static Row)>,
    path: Path,
}

/// The one method that a request means.
struct Meant<'a> {
    method: &'static Method,
    row: &'static Row,
    path: &'a Path,
}

impl Route {
    /// What is called; 404 for what no API has, 501 for what the sandbox does not.
    pub(crate) fn of(http: &str, path: &str) -> Result<Self, ApiError> {
        let parsed = Path::parse(path);
        let methods = method::at(http, &parsed);
        let here = methods.iter().filter_map(|method| Some((*method, methods::row(method.id)?)));
        let here: Vec<_> = here.collect();
        match (here.is_empty(), methods.is_empty()) {
            (false, _) => Ok(Self { methods: here, path: parsed }),
            (true, true) => Err(ApiError::no_such_method(http, path)),
            (true, false) => Err(ApiError::unimplemented(http, path)),
        }
    }

    /// The method that a request means: the closest that takes what it brings.
    fn meant(&self, query: &Query, body: &Value) -> Meant<'_> {
        let takes = |(method, _): &&(&Method, &Row)| {
            method.check_query(query).is_ok() && method.check_body(body).is_ok()
        };
        let closest = &self.methods[0];
        let several = self.methods.len() > 1;
        let found = if several { self.methods.iter().find(takes) } else { None };
        let (method, row) = found.unwrap_or(closest);
        Meant { method, row, path: &self.path }
    }

    /// Whether it reads one resource or its policy by a key, which takes no time.
    pub(crate) fn is_quick(&self) -> bool {
        let (method, _) = self.methods[0];
        let name = method.id.rsplit('.').next().unwrap_or_default();
        method.http == "GET"
            && matches!(name, "get" | "getIamPolicy")
            && !self.path.after("services").is_empty()
    }

    /// Whether it is answered once an operation is done, or its time is up.
    pub(crate) fn waits(&self) -> bool {
        self.path.verb == "wait"
    }
}

/// Answers a request, in the dialect that it asks for.
pub(crate) fn answer(
    sandbox: &Sandbox,
    options: &Options,
    route: &Route,
    request: &ApiRequest,
) -> Result<Value, ApiError> {
    let authorization = request.authorization.as_deref();
    let (strict, settings) = (options.strict_auth, &options.settings);
    let caller = tokens::caller(sandbox, authorization, strict, settings, request.now)?;
    if let Some(alt) = request.query.get("alt").filter(|alt| !matches!(*alt, "" | "json")) {
        return Err(ApiError::not_implemented(&format!("answers in the form of alt={alt}")));
    }
    let body = parse_body(request)?;
    let meant = route.meant(&request.query, &body);
    let work = |world: &World<'_>| {
        let answer = call(sandbox, options, &meant, request, (&caller, &body), world)?;
        keep_operation(world, meant.row, &answer)?;
        Ok(answer)
    };
    let answer = if meant.row.is_read { sandbox.read(work) } else { sandbox.write(work) };
    let mut value = answer?;
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

/// Checks who calls and what came along, and calls the method.
fn call(
    sandbox: &Sandbox,
    options: &Options,
    meant: &Meant<'_>,
    request: &ApiRequest,
    (caller, body): (&Member, &Value),
    world: &World<'_>,
) -> Result<Value, ApiError> {
    let Meant { method, row, path } = meant;
    let project = project(world, request, meant)?;
    let site = project.as_ref().map(|project| Site {
        world,
        project,
        who: caller,
        base: &request.base,
        now: request.now,
        effects: &request.effects,
    });
    let call = Call {
        visit: Visit { world, who: caller, now: request.now },
        site,
        path,
        query: &request.query,
        body,
        host_region: request.host_region.as_deref(),
        issuer: sandbox.issuer(),
        settings: &options.settings,
        base: &request.base,
        effects: &request.effects,
        buckets: &sandbox.directory().join("buckets"),
    };
    check_permission(&call, row.needs)?;
    method.check_query(call.query)?;
    method.check_body(body)?;
    (row.answer)(&call)
}

fn check_permission(call: &Call<'_>, needs: Needs) -> Result<(), ApiError> {
    let (permission, resource) = match needs {
        Needs::Own => return Ok(()),
        Needs::Holder(permission) => (permission, call.holder()),
        Needs::Resource(permission) => (permission, call.resource()),
    };
    let Visit { world, who, now } = call.visit;
    require(world, who, &resource, permission, now).map_err(|error| match call.shown_resource() {
        // What is asked for by a namespace is refused by it (observed).
        Some(shown) if error.code == 403 => ApiError::lacks(permission, &shown),
        _ => error,
    })
}

/// The kind under which the operations of Resource Manager and Service Usage are kept.
const OPERATIONS: &str = "operations";

/// Keeps an operation that is done, and that no API of its own keeps: gcloud asks for it again.
fn keep_operation(world: &World<'_>, row: &Row, answer: &Value) -> Result<(), ApiError> {
    let name = answer["name"].as_str().filter(|_| answer["done"] == true && !row.is_read);
    if let Some(id) =
        name.and_then(|name| name.strip_prefix("operations/")).filter(|id| !id.starts_with("noop."))
    {
        world.put_resource(Collection::global(OPERATIONS), id, answer)?;
    }
    Ok(())
}

/// The project that a path names, with the organisation policies that a fault adds; `None` if
/// it names none.
fn project(
    world: &World<'_>,
    request: &ApiRequest,
    meant: &Meant<'_>,
) -> Result<Option<Project>, ApiError> {
    let parts: Vec<&str> = meant.path.parts.iter().map(String::as_str).collect();
    let home;
    let id = match parts.as_slice() {
        // An account's own address, or unique id, names its project.
        ["v1", "projects", "-", "serviceAccounts", account, ..] => {
            let found = if account.contains('@') {
                world.service_account(account)?
            } else {
                world.service_account_by_id(account)?
            };
            let found = found.and_then(|found| found["projectId"].as_str().map(str::to_owned));
            let Some(found) = found else {
                return Err(ApiError::no_account(&meant.path.verb));
            };
            home = found;
            home.as_str()
        }
        ["v1" | "v1beta1" | "v2" | "v3", "projects", id, ..]
        | ["apis", _, "v1", "namespaces", id, ..] => id,
        _ => return Ok(None),
    };
    let Some(mut project) = world.project(id)? else {
        return Err(match meant.row.needs {
            Needs::Holder(permission) | Needs::Resource(permission) => {
                ApiError::no_project(permission, id)
            }
            Needs::Own => ApiError::no_project("run.services.get", id),
        });
    };
    let added = request.effects.constraints.iter().map(|name| (*name).to_owned());
    project.constraints.extend(added);
    project.constraints.extend(org_policy::enforced(world, &project.id)?);
    Ok(Some(project))
}

//! IAM v3: principal access boundary policies, and the bindings that tie them to sets of principals.
//! What is there cannot be changed, only deleted and made anew. The texts of refusals are not certain.

use serde_json::{Value, json};

use super::api_error::ApiError;
use super::authority::Visit;
use super::iam::new_etag;
use super::pages::{page, page_request};
use super::query::Query;
use super::schema::known_fields;
use super::service_body::{new_uid, stamp};
use super::world::{Collection, World};
use runaccess_domain::access::{Attached, Hierarchy as Home, Outcome, kept_by_boundaries};
use runaccess_domain::boundary::{Boundary, RESOURCE_MANAGER, bound_at};
use runaccess_domain::condition::Condition;
use runaccess_domain::member::Member;
use runaccess_domain::principal::Caller;
use runaccess_domain::role::{RUN_JOB, RUN_JOB_WITH_OVERRIDES};

const POLICIES: &str = "principalAccessBoundaryPolicies";
const BINDINGS: &str = "policyBindings";
const DEFAULT_PAGE: usize = 50;

/// The routes below `v3/PARENT/locations/global`, of which `rest` is what follows; `None` for one that
/// is not there. `parent` names a project by its ID, `shown` as the request does.
pub(super) fn answer(
    visit: Visit<'_>,
    (method, parent, shown): (&str, &str, &str),
    rest: &[&str],
    query: &Query,
    body: &Value,
) -> Option<Result<Value, ApiError>> {
    let (kind, rest) = match rest {
        [POLICIES, rest @ ..] if parent.starts_with("organizations/") => (POLICIES, rest),
        [BINDINGS, rest @ ..] => (BINDINGS, rest),
        _ => return None,
    };
    let may = |verb: &str| {
        let permission = format!("iam.{}.{verb}", kind.to_ascii_lowercase());
        visit.require(&permission, parent)
    };
    let world = visit.world;
    let place = Collection { kind, project: parent, region: "" };
    let named = |id: &str| format!("{shown}/locations/global/{kind}/{id}");
    let get = |id: &str| {
        let found = world.resource(place, id)?;
        found.ok_or_else(|| ApiError::not_found(format!("{} was not found.", named(id))))
    };
    Some(match (method, rest) {
        ("GET", []) => may("list").and_then(|()| {
            query.only(&["pageSize", "pageToken", "filter"])?;
            let request = page_request(query, "pageSize", "pageToken", DEFAULT_PAGE)?;
            let (found, next) = world.resources_newest_first(place, request, &|_| true)?;
            Ok(page(kind, found, next))
        }),
        ("GET", [id]) => may("get").and_then(|()| get(id)),
        ("POST", []) => may("create").and_then(|()| {
            let (field, checked) = match kind {
                POLICIES => ("principalAccessBoundaryPolicyId", policy(body)?),
                _ => ("policyBindingId", binding(world, parent, body)?),
            };
            query.only(&[field, "validateOnly"])?;
            let id = query.get(field).unwrap_or_default();
            let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if !id.starts_with(|c: char| c.is_ascii_lowercase()) || !id.chars().all(good) {
                return Err(ApiError::invalid(format!("Invalid ID: {id}.")));
            }
            if world.resource(place, id)?.is_some() {
                return Err(ApiError::already_exists(format!("{} already exists.", named(id))));
            }
            let now = stamp(visit.now);
            let mut made = checked;
            made["name"] = named(id).into();
            made["uid"] = new_uid().into();
            made["etag"] = new_etag().into();
            made["createTime"] = now.clone().into();
            made["updateTime"] = now.into();
            if query.get("validateOnly") != Some("true") {
                world.put_resource(place, id, &made)?;
            }
            Ok(done(&made))
        }),
        ("DELETE", [id]) => may("delete").and_then(|()| {
            query.only(&["etag", "force", "validateOnly"])?;
            let there = get(id)?;
            world.delete_resource(place, id, &named(id))?;
            Ok(done(&there))
        }),
        _ => return None,
    })
}

fn policy(body: &Value) -> Result<Value, ApiError> {
    known_fields(body, &["name", "displayName", "annotations", "details"], "policy")?;
    let details = &body["details"];
    known_fields(details, &["rules", "enforcementVersion"], "policy.details")?;
    let rules = details["rules"].as_array().cloned().unwrap_or_default();
    for rule in &rules {
        known_fields(rule, &["description", "resources", "effect"], "policy.details.rules")?;
        let resources = rule["resources"].as_array().into_iter().flatten();
        let is_one = |name: &str| name.starts_with(RESOURCE_MANAGER);
        if rule["effect"] != "ALLOW"
            || !resources.into_iter().all(|r| r.as_str().is_some_and(is_one))
        {
            return Err(ApiError::invalid("A rule allows projects, folders and organizations."));
        }
    }
    let version = details["enforcementVersion"].as_str().unwrap_or("1");
    let mut policy = json!({"details": {"rules": rules, "enforcementVersion": version}});
    if body["displayName"].is_string() {
        policy["displayName"] = body["displayName"].clone();
    }
    Ok(policy)
}

fn binding(world: &World<'_>, parent: &str, body: &Value) -> Result<Value, ApiError> {
    let fields =
        ["name", "displayName", "annotations", "target", "policyKind", "policy", "condition"];
    known_fields(body, &fields, "policy_binding")?;
    let set = body["target"]["principalSet"].as_str().unwrap_or_default();
    if !set.starts_with("//") {
        return Err(ApiError::invalid(format!("Invalid principal set: {set}.")));
    }
    let name = body["policy"].as_str().unwrap_or_default();
    if read_policy(world, name)?.is_none() {
        return Err(ApiError::not_found(format!("The policy {name} was not found.")));
    }
    let is_elsewhere = set.strip_prefix(RESOURCE_MANAGER).is_some_and(|at| {
        at.split('/').next() != parent.split('/').next()
            || (!at.starts_with("projects/") && at != parent)
    });
    if is_elsewhere {
        return Err(ApiError::invalid("The principal set is not the parent's."));
    }
    let mut made = json!({
        "target": {"principalSet": set},
        "policyKind": "PRINCIPAL_ACCESS_BOUNDARY",
        "policy": name,
    });
    for field in ["displayName", "condition"] {
        if !body[field].is_null() {
            made[field] = body[field].clone();
        }
    }
    Ok(made)
}

fn read_policy(world: &World<'_>, name: &str) -> Result<Option<Value>, ApiError> {
    let parts: Vec<&str> = name.split('/').collect();
    let ["organizations", id, "locations", "global", POLICIES, policy] = parts.as_slice() else {
        return Ok(None);
    };
    let parent = format!("organizations/{id}");
    Ok(world.resource(Collection { kind: POLICIES, project: &parent, region: "" }, policy)?)
}

/// An operation that is done.
fn done(made: &Value) -> Value {
    let name = made["name"].as_str().unwrap_or_default();
    json!({"name": format!("{name}/operations/0"), "done": true, "response": made})
}

/// Whether boundaries take a permission away: of Cloud Run those to run jobs.
pub(super) fn may_keep_out(permission: &str) -> bool {
    [RUN_JOB, RUN_JOB_WITH_OVERRIDES].contains(&permission)
}

/// Whether somebody is kept from what is at a place by the boundaries that bind them.
pub(super) fn keep_out(world: &World<'_>, who: &Member, home: &Home) -> Result<bool, ApiError> {
    let mut read: Vec<(String, Vec<Boundary>)> = Vec::new();
    for (parent, found) in world.resources_by_owner(BINDINGS)? {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let policy = read_policy(world, &text(&found["policy"]))?.unwrap_or_default();
        let rules = policy["details"]["rules"].as_array().into_iter().flatten();
        let named = rules.flat_map(|rule| rule["resources"].as_array().into_iter().flatten());
        let boundary = Boundary {
            policy: text(&found["policy"]),
            principal_set: text(&found["target"]["principalSet"]),
            condition: found["condition"].is_object().then(Condition::default),
            resources: named.map(text).collect(),
        };
        let at = match parent.strip_prefix("projects/") {
            Some(id) => world.project(id)?.map(|project| format!("projects/{}", project.number)),
            None => Some(parent),
        };
        let Some(at) = at else { continue };
        match read.iter_mut().find(|(known, _)| *known == at) {
            Some((_, bound)) => bound.push(boundary),
            None => read.push((at, vec![boundary])),
        }
    }
    if read.is_empty() {
        return Ok(false);
    }
    // If none stands, that is known.
    let places = bound_at(who, home).map(|(_, places)| places).unwrap_or_default();
    for at in places {
        if !read.iter().any(|(known, _)| *known == at) {
            read.push((at, Vec::new()));
        }
    }
    let layers: Vec<Attached<'_, Boundary>> = read
        .iter()
        .map(|(resource, bound)| Attached { resource, read: Ok(bound.as_slice()) })
        .collect();
    Ok(kept_by_boundaries(&layers, Caller::Verified(who), home) == Outcome::Block)
}

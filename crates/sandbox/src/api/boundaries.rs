//! IAM v3: principal access boundary policies, and the bindings that tie them to sets of principals.
//! What is there cannot be changed, only deleted and made anew. The texts of refusals are not certain.

use serde_json::{Value, json};

use super::call::{Answer, Call};
use crate::dialect::api_error::ApiError;
use crate::dialect::pages::{PageSize, page, page_request};
use crate::records::boundaries::{POLICIES, read_policy};
use crate::records::stamps::{new_etag, new_uid, stamp};
use crate::records::world::{Collection, World};
use runaccess_domain::boundary::RESOURCE_MANAGER;

const PAGE: PageSize = PageSize { usual: 50, most: 1_000 };

/// Which of the two kinds a path is about.
fn kind<'a>(call: &Call<'a>) -> &'a str {
    let parts = &call.path.parts;
    parts.get(5).map_or("", String::as_str)
}

/// The name of one of them, of a holder as the request names it.
fn named(call: &Call<'_>, id: &str) -> String {
    format!("{}/{id}", call.path.parts[1..6].join("/"))
}

/// The one that the path names.
fn load(call: &Call<'_>, parent: &str) -> Answer {
    let id = call.after(kind(call));
    let place = Collection { kind: kind(call), project: parent, region: "" };
    let found = call.visit.world.resource(place, id)?;
    found.ok_or_else(|| ApiError::not_found(format!("{} was not found.", named(call, id))))
}

pub(crate) fn list(call: &Call<'_>) -> Answer {
    let (kind, parent) = (kind(call), call.holder());
    let place = Collection { kind, project: &parent, region: "" };
    let request = page_request(call.query, PAGE)?;
    let (found, next) = call.visit.world.resources_newest_first(place, request, &|_| true)?;
    Ok(page(kind, found, next))
}

pub(crate) fn get(call: &Call<'_>) -> Answer {
    load(call, &call.holder())
}

pub(crate) fn create(call: &Call<'_>) -> Answer {
    let (world, kind, parent) = (call.visit.world, kind(call), call.holder());
    let (field, mut made) = match kind {
        POLICIES => ("principalAccessBoundaryPolicyId", policy(call.body)?),
        _ => ("policyBindingId", binding(world, &parent, call.body)?),
    };
    let id = call.query.get(field).unwrap_or_default();
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !id.starts_with(|c: char| c.is_ascii_lowercase()) || !id.chars().all(good) {
        return Err(ApiError::invalid(format!("Invalid ID: {id}.")));
    }
    let place = Collection { kind, project: &parent, region: "" };
    let name = named(call, id);
    if world.resource(place, id)?.is_some() {
        return Err(ApiError::already_exists(format!("{name} already exists.")));
    }
    let now = stamp(call.visit.now);
    made["name"] = name.into();
    made["uid"] = new_uid().into();
    made["etag"] = new_etag().into();
    made["createTime"] = now.clone().into();
    made["updateTime"] = now.into();
    if !call.query.flag("validateOnly")? {
        world.put_resource(place, id, &made)?;
    }
    Ok(done(&made))
}

pub(crate) fn delete(call: &Call<'_>) -> Answer {
    let (kind, parent) = (kind(call), call.holder());
    let there = load(call, &parent)?;
    let id = call.after(kind);
    if !call.query.flag("validateOnly")? {
        let place = Collection { kind, project: &parent, region: "" };
        call.visit.world.delete_resource(place, id, &named(call, id))?;
    }
    Ok(done(&there))
}

fn policy(body: &Value) -> Result<Value, ApiError> {
    let details = &body["details"];
    let rules = details["rules"].as_array().cloned().unwrap_or_default();
    for rule in &rules {
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

/// An operation that is done.
fn done(made: &Value) -> Value {
    let name = made["name"].as_str().unwrap_or_default();
    json!({"name": format!("{name}/operations/0"), "done": true, "response": made})
}

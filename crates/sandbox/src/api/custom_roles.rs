//! IAM v1: roles of a project's or an organisation's own, with their stages, taken away and brought
//! back.

use serde_json::{Value, json};

use super::call::{Answer, Call};
use crate::dialect::api_error::ApiError;
use crate::dialect::pages::{PageSize, page, page_request};
use crate::dialect::wire::{camel, remove};
use crate::records::roles::{custom_roles, is_permission};
use crate::records::stamps::{new_etag, same_bytes};
use crate::records::world::World;

const COLLECTION: &str = "roles";
const PAGE: PageSize = PageSize { usual: 300, most: 1_000 };
/// The stages that a role may have (discovery document).
const STAGES: [&str; 6] = ["ALPHA", "BETA", "GA", "DEPRECATED", "DISABLED", "EAP"];

pub(crate) fn list(call: &Call<'_>) -> Answer {
    of_owner(call, &call.holder())
}

/// The roles of a parent, for who may list them.
pub(super) fn list_of(call: &Call<'_>, parent: &str) -> Answer {
    let owner = match parent.strip_prefix("projects/") {
        Some(id) => call.visit.world.project(id)?.map(|project| format!("projects/{}", project.id)),
        None => Some(parent.to_owned()),
    };
    let owner = owner.ok_or_else(|| ApiError::lacks("iam.roles.list", parent))?;
    call.visit.require("iam.roles.list", &owner)?;
    of_owner(call, &owner)
}

fn of_owner(call: &Call<'_>, owner: &str) -> Answer {
    let query = call.query;
    let request = page_request(query, PAGE)?;
    let (all, full) = (query.flag("showDeleted")?, query.get("view") == Some("FULL"));
    let wanted = |role: &Value| all || role["deleted"] != true;
    let place = custom_roles(owner);
    let (mut found, next) = call.visit.world.resources_newest_first(place, request, &wanted)?;
    for role in found.iter_mut().filter(|_| !full) {
        remove(role, "includedPermissions");
    }
    Ok(page("roles", found, next))
}

pub(crate) fn get(call: &Call<'_>) -> Answer {
    load(call.visit.world, &call.holder(), call.after(COLLECTION))
}

pub(crate) fn delete(call: &Call<'_>) -> Answer {
    set_deleted(call, true, call.query.get("etag"))
}

pub(crate) fn undelete(call: &Call<'_>) -> Answer {
    set_deleted(call, false, call.body["etag"].as_str())
}

fn load(world: &World<'_>, owner: &str, id: &str) -> Answer {
    world.resource(custom_roles(owner), id)?.ok_or_else(|| {
        ApiError::not_found(format!("The role named {owner}/roles/{id} was not found."))
    })
}

pub(crate) fn create(call: &Call<'_>) -> Answer {
    let (world, owner, body) = (call.visit.world, call.holder(), call.body);
    let owner = owner.as_str();
    let id = body["roleId"].as_str().unwrap_or_default();
    let is_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    if !(3..=64).contains(&id.len()) || !id.chars().all(is_id) {
        return Err(ApiError::invalid(format!("The role ID {id} is ill-formed.")));
    }
    if let Some(there) = world.resource(custom_roles(owner), id)? {
        if there["deleted"] == true {
            // Google's text (observed).
            return Err(ApiError::failed_precondition(format!(
                "You can't create a role_id ({id}) which has been marked for deletion."
            )));
        }
        return Err(ApiError::already_exists(format!(
            "A role named {id} in {owner} already exists."
        )));
    }
    put(world, owner, id, &body["role"])
}

/// Keeps a role with these fields.
pub(crate) fn put(
    world: &World<'_>,
    owner: &str,
    id: &str,
    fields: &Value,
) -> Result<Value, ApiError> {
    let stage = fields["stage"].as_str().unwrap_or("GA");
    if !STAGES.contains(&stage) {
        return Err(ApiError::invalid(format!("Invalid value at 'role.stage': {stage}.")));
    }
    let permissions = fields["includedPermissions"].as_array().cloned().unwrap_or_default();
    let is_one = |text: &Value| text.as_str().is_some_and(is_permission);
    if let Some(bad) = permissions.iter().find(|permission| !is_one(permission)) {
        return Err(ApiError::invalid(format!("Permission {bad} is not valid.")));
    }
    let mut role = json!({
        "name": format!("{owner}/roles/{id}"),
        "title": fields["title"].as_str().unwrap_or(id),
        "stage": stage,
        "etag": new_etag(),
    });
    if let Some(description) = fields["description"].as_str() {
        role["description"] = Value::from(description);
    }
    if !permissions.is_empty() {
        role["includedPermissions"] = Value::Array(permissions);
    }
    world.put_resource(custom_roles(owner), id, &role)?;
    Ok(role)
}

pub(crate) fn patch(call: &Call<'_>) -> Answer {
    let (world, owner, query, body) = (call.visit.world, call.holder(), call.query, call.body);
    let (owner, id) = (owner.as_str(), call.after(COLLECTION));
    let mut role = load(world, owner, id)?;
    check_etag(&role, body["etag"].as_str())?;
    if role["deleted"] == true {
        // That it is refused, rather than brought back, is taken to be so.
        return Err(ApiError::failed_precondition(format!(
            "You can't update the role {owner}/roles/{id}, which has been marked for deletion."
        )));
    }
    let mask = query.get("updateMask").unwrap_or_default();
    let named: Vec<String> = match mask {
        "" => body.as_object().into_iter().flat_map(|fields| fields.keys().cloned()).collect(),
        mask => mask.split(',').map(|path| camel(path.trim())).collect(),
    };
    for field in ["title", "description", "includedPermissions", "stage"] {
        if named.iter().any(|name| name == field) {
            role[field] = body[field].clone();
        }
    }
    put(world, owner, id, &role)
}

fn set_deleted(call: &Call<'_>, is_deleted: bool, etag: Option<&str>) -> Answer {
    let (world, owner) = (call.visit.world, call.holder());
    let (owner, id) = (owner.as_str(), call.after(COLLECTION));
    let mut role = load(world, owner, id)?;
    check_etag(&role, etag)?;
    if (role["deleted"] == true) == is_deleted {
        let state = if is_deleted { "is already" } else { "is not" };
        return Err(ApiError::failed_precondition(format!(
            "The role {owner}/roles/{id} {state} deleted."
        )));
    }
    if is_deleted {
        role["deleted"] = Value::from(true);
    } else {
        remove(&mut role, "deleted");
    }
    role["etag"] = Value::from(new_etag());
    world.put_resource(custom_roles(owner), id, &role)?;
    Ok(role)
}

/// The etags of roles are bytes (discovery document).
fn check_etag(role: &Value, etag: Option<&str>) -> Result<(), ApiError> {
    let current = role["etag"].as_str().unwrap_or_default();
    match etag.filter(|etag| !etag.is_empty()) {
        Some(etag) if !same_bytes(etag, current) => Err(ApiError::policy_conflict()),
        _ => Ok(()),
    }
}

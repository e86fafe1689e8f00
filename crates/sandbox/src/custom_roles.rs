//! IAM v1: roles of a project's or an organisation's own, with their stages, taken away and brought
//! back.

use serde_json::{Value, json};

use super::api_error::ApiError;
use super::authority::Visit;
use super::iam::{new_etag, same_bytes};
use super::pages::{page, page_request};
use super::query::Query;
use super::roles;
use super::schema::known_fields;
use super::world::{Collection, World};

const KIND: &str = "roles";
const DEFAULT_PAGE: usize = 300;
/// The stages that a role may have (discovery document).
const STAGES: [&str; 6] = ["ALPHA", "BETA", "GA", "DEPRECATED", "DISABLED", "EAP"];
const FIELDS: [&str; 7] =
    ["name", "title", "description", "includedPermissions", "stage", "etag", "deleted"];

/// Whether a role, predefined or custom, gives a permission. One that is disabled or deleted gives
/// nothing (documented).
pub(super) fn carries(world: &World<'_>, name: &str, permission: &str) -> Result<bool, ApiError> {
    if name.starts_with("roles/") {
        return Ok(roles::carries(name, permission));
    }
    let Some((owner, id)) = name.split_once("/roles/") else { return Ok(false) };
    let Some(role) = world.resource(place(owner), id)? else { return Ok(false) };
    let is_live = role["deleted"] != true && role["stage"] != "DISABLED";
    let mut held = role["includedPermissions"].as_array().into_iter().flatten();
    Ok(is_live && held.any(|held| held == permission))
}

/// The routes below `v1/{projects|organizations}/ID/roles`, of an owner such as `projects/P`;
/// `None` for one that is not there.
pub(super) fn answer(
    visit: Visit<'_>,
    owner: &str,
    (method, rest, verb): (&str, &[&str], &str),
    query: &Query,
    body: &Value,
) -> Option<Result<Value, ApiError>> {
    let may = |permission: &str| visit.require(&format!("iam.roles.{permission}"), owner);
    let world = visit.world;
    Some(match (method, rest, verb) {
        ("GET", [], "") => may("list").and_then(|()| list(world, owner, query)),
        ("POST", [], "") => may("create").and_then(|()| create(world, owner, query, body)),
        ("GET", [id], "") => may("get").and_then(|()| get(world, owner, id)),
        ("PATCH", [id], "") => may("update").and_then(|()| update(world, owner, id, query, body)),
        ("DELETE", [id], "") => may("delete").and_then(|()| {
            query.only(&["etag"])?;
            set_deleted(world, owner, id, true, query.get("etag"))
        }),
        ("POST", [id], "undelete") => may("undelete").and_then(|()| {
            query.only(&[])?;
            known_fields(body, &["etag"], "")?;
            set_deleted(world, owner, id, false, body["etag"].as_str())
        }),
        _ => return None,
    })
}

fn list(world: &World<'_>, owner: &str, query: &Query) -> Result<Value, ApiError> {
    query.only(&["pageSize", "pageToken", "showDeleted", "view"])?;
    let request = page_request(query, "pageSize", "pageToken", DEFAULT_PAGE)?;
    let (all, full) = (query.flag("showDeleted")?, query.get("view") == Some("FULL"));
    let wanted = |role: &Value| all || role["deleted"] != true;
    let (mut found, next) = world.resources_newest_first(place(owner), request, &wanted)?;
    for role in found.iter_mut().filter(|_| !full) {
        super::policy_check::remove(role, "includedPermissions");
    }
    Ok(page("roles", found, next))
}

fn get(world: &World<'_>, owner: &str, id: &str) -> Result<Value, ApiError> {
    world.resource(place(owner), id)?.ok_or_else(|| {
        ApiError::not_found(format!("The role named {owner}/roles/{id} was not found."))
    })
}

fn create(world: &World<'_>, owner: &str, query: &Query, body: &Value) -> Result<Value, ApiError> {
    query.only(&[])?;
    known_fields(body, &["roleId", "role"], "")?;
    known_fields(&body["role"], &FIELDS, "role")?;
    let id = body["roleId"].as_str().unwrap_or_default();
    let is_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    if !(3..=64).contains(&id.len()) || !id.chars().all(is_id) {
        return Err(ApiError::invalid(format!("The role ID {id} is ill-formed.")));
    }
    if let Some(there) = world.resource(place(owner), id)? {
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
pub(super) fn put(
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
    let is_one = |text: &Value| text.as_str().is_some_and(super::resource_manager::is_permission);
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
    world.put_resource(place(owner), id, &role)?;
    Ok(role)
}

fn update(
    world: &World<'_>,
    owner: &str,
    id: &str,
    query: &Query,
    body: &Value,
) -> Result<Value, ApiError> {
    query.only(&["updateMask"])?;
    known_fields(body, &FIELDS, "role")?;
    let mut role = get(world, owner, id)?;
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
        mask => mask.split(',').map(|path| super::wire::camel(path.trim())).collect(),
    };
    for field in ["title", "description", "includedPermissions", "stage"] {
        if named.iter().any(|name| name == field) {
            role[field] = body[field].clone();
        }
    }
    put(world, owner, id, &role)
}

fn set_deleted(
    world: &World<'_>,
    owner: &str,
    id: &str,
    is_deleted: bool,
    etag: Option<&str>,
) -> Result<Value, ApiError> {
    let mut role = get(world, owner, id)?;
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
        super::policy_check::remove(&mut role, "deleted");
    }
    role["etag"] = Value::from(new_etag());
    world.put_resource(place(owner), id, &role)?;
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

fn place(owner: &str) -> Collection<'_> {
    Collection { kind: KIND, project: owner, region: "" }
}

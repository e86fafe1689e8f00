//! IAM v1: the predefined roles, those that hold a permission of Cloud Run or that the sandbox asks for.

use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::custom_roles;
use crate::dialect::api_error::ApiError;
use crate::dialect::pages::{PageSize, page, page_in_body, page_request, slice};
use crate::records::roles::{every_permission, names, permissions_of};
use runaccess_domain::role;

const PAGE: PageSize = PageSize { usual: 300, most: 1_000 };
const TESTABLE_PAGE: PageSize = PageSize { usual: 100, most: 1_000 };

/// `permissions:queryTestablePermissions`: the permissions that the sandbox knows, on whatever resource,
/// which is named by an endpoint of one's own there.
pub(crate) fn testable(call: &Call<'_>) -> Answer {
    let request = page_in_body(call.body, TESTABLE_PAGE)?;
    let all: Vec<String> = every_permission().into_iter().collect();
    let (some, next) = slice(request, &all);
    let show = |name: &String| json!({"name": name, "stage": "GA"});
    Ok(page("permissions", some.iter().map(show).collect(), next))
}

/// Lists the predefined roles, or those of a `parent`.
pub(crate) fn list(call: &Call<'_>) -> Answer {
    if let Some(parent) = call.query.get("parent").filter(|parent| !parent.is_empty()) {
        return custom_roles::list_of(call, parent);
    }
    let request = page_request(call.query, PAGE)?;
    let names: Vec<&str> = names().collect();
    let (names, next) = slice(request, &names);
    let full = call.query.get("view") == Some("FULL");
    Ok(page("roles", names.iter().map(|name| show(name, full)).collect(), next))
}

/// A role: all of Cloud Run's own are in the tables, of others the sandbox knows what it asks for,
/// which of most is nothing.
pub(crate) fn get(call: &Call<'_>) -> Answer {
    let name = format!("roles/{}", call.after("roles"));
    if permissions_of(&name).is_some() || !name.starts_with("roles/run.") {
        return Ok(show(&name, true));
    }
    Err(ApiError::not_found(format!("The role named {name} was not found.")))
}

fn show(name: &str, full: bool) -> Value {
    let info = role::info(name);
    let mut role = json!({
        "name": name,
        "title": info.map_or(name, |info| info.title),
        "description": "Of this role's permissions, the sandbox knows those that it asks for.",
        "stage": info.map_or("GA", |info| info.stage.as_str()),
        "etag": "AA==",
    });
    if full {
        role["includedPermissions"] = permissions_of(name).into_iter().flatten().collect();
    }
    role
}

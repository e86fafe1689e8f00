//! Predefined roles, those that hold a permission of Cloud Run, as the IAM API shows them.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::api_error::ApiError;
use super::pages::{page, page_request, slice};
use super::query::Query;
use super::schema::known_fields;
use runaccess_domain::role;

const DEFAULT_PAGE: usize = 300;
/// Permissions of other services that the sandbox asks for.
const OTHERS: &str = include_str!("schema/other_permissions.txt");
const OWNER: &str = "roles/owner";
/// What Cloud Run's permissions begin with, which its table leaves out.
const RUN: &str = "run.";

/// Whether Cloud Run has this permission: the owner's role holds all of them.
pub(super) fn is_run_permission(permission: &str) -> bool {
    permission.starts_with(RUN) && carries(OWNER, permission)
}

/// What an owner lacks of the permissions outside Cloud Run: tokens of service accounts (observed),
/// what lets past Identity-Aware Proxy, and what is above a project.
const NOT_AN_OWNERS: [&str; 8] = [
    "iam.serviceAccounts.getAccessToken",
    "iam.serviceAccounts.getOpenIdToken",
    "iam.serviceAccounts.implicitDelegation",
    "iam.serviceAccounts.signBlob",
    "iam.serviceAccounts.signJwt",
    "iap.webServiceVersions.accessViaIAP",
    "resourcemanager.folders.",
    "resourcemanager.organizations.",
];

/// Whether a predefined role holds a permission, as far as the sandbox's tables go.
pub(super) fn carries(role: &str, permission: &str) -> bool {
    if role == OWNER && !permission.starts_with(RUN) {
        return !NOT_AN_OWNERS.iter().any(|lacked| permission.starts_with(lacked));
    }
    held().get(role).is_some_and(|permissions| permissions.contains(permission))
}

/// Whether the sandbox asks for a permission at all: some role that it knows holds it.
pub(super) fn is_known(permission: &str) -> bool {
    static KNOWN: OnceLock<HashSet<&str>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| held().values().flatten().map(String::as_str).collect());
    known.contains(permission)
}

/// What each role holds, by both tables.
fn held() -> &'static HashMap<&'static str, HashSet<String>> {
    static HELD: OnceLock<HashMap<&str, HashSet<String>>> = OnceLock::new();
    HELD.get_or_init(|| {
        let mut held: HashMap<&str, HashSet<String>> = HashMap::new();
        for name in names() {
            let of_run = role::run_permissions(name).map(|permission| format!("{RUN}{permission}"));
            held.entry(name).or_default().extend(of_run);
        }
        for line in OTHERS.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split(' ');
            let role = words.next().unwrap_or_default();
            held.entry(role).or_default().extend(words.map(str::to_owned));
        }
        held
    })
}

/// The IAM API's routes below `v1/roles`; `None` for one that is not there.
pub(super) fn answer(
    method: &str,
    rest: &[&str],
    query: &Query,
) -> Option<Result<Value, ApiError>> {
    match (method, rest) {
        ("GET", []) => Some(list(query)),
        ("GET", [name]) => Some(query.only(&[]).and_then(|()| get(&format!("roles/{name}")))),
        _ => None,
    }
}

/// `permissions:queryTestablePermissions`: the permissions that the sandbox knows, on whatever resource,
/// which is named by an endpoint of one's own there.
pub(super) fn testable(query: &Query, body: &Value) -> Result<Value, ApiError> {
    query.only(&[])?;
    known_fields(body, &["fullResourceName", "pageSize", "pageToken"], "")?;
    let text = |name: &str| match &body[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let (size, token) = (text("pageSize"), text("pageToken"));
    let asked = Query::of(&[("pageSize", &size), ("pageToken", &token)]);
    let request = page_request(&asked, "pageSize", "pageToken", DEFAULT_PAGE)?;
    let mut all: Vec<&str> = held().values().flatten().map(String::as_str).collect();
    all.sort_unstable();
    all.dedup();
    let (some, next) = slice(request, &all);
    let show = |name: &&str| json!({"name": name, "stage": "GA"});
    Ok(page("permissions", some.iter().map(show).collect(), next))
}

fn list(query: &Query) -> Result<Value, ApiError> {
    query.only(&["parent", "pageSize", "pageToken", "showDeleted", "view"])?;
    if query.get("parent").is_some_and(|parent| !parent.is_empty()) {
        return Err(ApiError::not_implemented("custom roles by `parent`: ask for PARENT/roles"));
    }
    let request = page_request(query, "pageSize", "pageToken", DEFAULT_PAGE)?;
    let names: Vec<&str> = names().collect();
    let (names, next) = slice(request, &names);
    let full = query.get("view") == Some("FULL");
    Ok(page("roles", names.iter().map(|name| show(name, full)).collect(), next))
}

fn get(name: &str) -> Result<Value, ApiError> {
    // All of Cloud Run's own are in the tables; of others, the sandbox knows what it asks for: nothing.
    if held().contains_key(name) || !name.starts_with("roles/run.") {
        Ok(show(name, true))
    } else {
        Err(ApiError::not_found(format!("The role named {name} was not found.")))
    }
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
        let mut permissions: Vec<&String> = held().get(name).into_iter().flatten().collect();
        permissions.sort();
        role["includedPermissions"] = permissions.into_iter().map(String::as_str).collect();
    }
    role
}

fn names() -> impl Iterator<Item = &'static str> {
    role::ROLES.iter().map(|role| role.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_holds_what_its_tables_say() {
        assert!(carries("roles/run.invoker", "run.routes.invoke"));
        assert!(!carries("roles/viewer", "run.routes.invoke"));
        assert!(carries(OWNER, "iam.roles.create"));
        assert!(!carries(OWNER, "iap.webServiceVersions.accessViaIAP"));
        assert!(!carries(OWNER, "resourcemanager.folders.get"));
        assert!(carries("roles/iap.httpsResourceAccessor", "iap.webServiceVersions.accessViaIAP"));
        assert!(is_run_permission("run.routes.invoke"));
        assert!(!is_run_permission("run.routes.invent") && !is_run_permission("routes.invoke"));
    }
}

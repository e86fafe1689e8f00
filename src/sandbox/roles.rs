//! Predefined roles, those that hold a permission of Cloud Run, as the IAM API shows them.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::api_error::ApiError;
use super::pages::{page, page_request, slice};
use super::router::Query;
use crate::domain::role;

const DEFAULT_PAGE: usize = 300;
/// Permissions of other services that the sandbox asks for.
const OTHERS: &str = include_str!("schema/other_permissions.txt");
const OWNER: &str = "roles/owner";
/// What Cloud Run's permissions begin with, which its table leaves out.
const RUN: &str = "run.";
const TABLE: &str = include_str!("schema/role_permissions.txt");

/// Whether Cloud Run has this permission: the owner's role holds all of them.
pub(super) fn is_run_permission(permission: &str) -> bool {
    permission.starts_with(RUN) && carries(OWNER, permission)
}

/// What an owner lacks of the permissions outside Cloud Run: tokens of service accounts (observed),
/// and what is above a project.
const NOT_AN_OWNERS: [&str; 7] = [
    "iam.serviceAccounts.getAccessToken",
    "iam.serviceAccounts.getOpenIdToken",
    "iam.serviceAccounts.implicitDelegation",
    "iam.serviceAccounts.signBlob",
    "iam.serviceAccounts.signJwt",
    "resourcemanager.folders.",
    "resourcemanager.organizations.",
];

/// Whether a predefined role holds a permission, as far as the sandbox's tables go. Custom roles
/// hold nothing: the sandbox has none yet.
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
        for (table, prefix) in [(TABLE, RUN), (OTHERS, "")] {
            for line in table.lines().filter(|line| !line.starts_with('#')) {
                let mut words = line.split(' ');
                let role = words.next().unwrap_or_default();
                held.entry(role).or_default().extend(words.map(|word| format!("{prefix}{word}")));
            }
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

fn list(query: &Query) -> Result<Value, ApiError> {
    query.only(&["parent", "pageSize", "pageToken", "showDeleted", "view"])?;
    if query.get("parent").is_some_and(|parent| !parent.is_empty()) {
        return Err(ApiError::not_implemented("custom roles (`parent`)"));
    }
    let request = page_request(query, "pageSize", "pageToken", DEFAULT_PAGE)?;
    let names: Vec<&str> = names().collect();
    let (names, next) = slice(request, &names);
    let full = query.get("view") == Some("FULL");
    Ok(page("roles", names.iter().map(|name| show(name, full)).collect(), next))
}

fn get(name: &str) -> Result<Value, ApiError> {
    if names().any(|known| known == name) {
        Ok(show(name, true))
    } else {
        // It may well be a role of Google's; the sandbox does not know, and so does not say no.
        Err(ApiError::not_implemented(&format!(
            "the role {name}, which holds none of Cloud Run's permissions"
        )))
    }
}

fn show(name: &str, full: bool) -> Value {
    let info = role::info(name);
    let mut role = json!({
        "name": name,
        "title": info.map(|info| info.title),
        "description": "Of this role's permissions, the sandbox knows Cloud Run's.",
        "stage": info.map(|info| info.stage.as_str()),
        "etag": "AA==",
    });
    if full {
        role["includedPermissions"] = permissions(name).map(|name| format!("run.{name}")).collect();
    }
    role
}

fn names() -> impl Iterator<Item = &'static str> {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(' ').next())
}

fn permissions(role: &str) -> impl Iterator<Item = &'static str> {
    let line = TABLE.lines().find(|line| line.split(' ').next() == Some(role));
    line.into_iter().flat_map(|line| line.split(' ').skip(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_the_domains_agree() {
        assert_eq!(names().count(), 51);
        for name in names() {
            let info = role::info(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(info.invokes, permissions(name).any(|p| p == "routes.invoke"), "{name}");
            assert_eq!(info.can_grant, permissions(name).any(|p| p == "services.setIamPolicy"));
        }
        assert_eq!(permissions("roles/owner").count(), 69);
        assert!(is_run_permission("run.routes.invoke"));
        assert!(!is_run_permission("run.routes.invent") && !is_run_permission("routes.invoke"));
    }
}

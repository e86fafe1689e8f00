//! Which role holds which permission: the predefined ones that hold a permission of Cloud Run or that
//! the sandbox asks for, and those of one's own.

use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;

use super::world::{Collection, World};
use crate::dialect::api_error::ApiError;
use runaccess_domain::role;

/// Permissions of other services that the sandbox asks for.
const OTHERS: &str = include_str!("other_permissions.txt");

const OWNER: &str = "roles/owner";

/// What Cloud Run's permissions begin with, which its table leaves out.
const RUN: &str = "run.";

const CUSTOM_ROLES: &str = "roles";

/// Whether Cloud Run has this permission: the owner's role holds all of them.
pub(crate) fn is_run_permission(permission: &str) -> bool {
    permission.starts_with(RUN) && predefined_carries(OWNER, permission)
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
pub(crate) fn predefined_carries(role: &str, permission: &str) -> bool {
    if role == OWNER && !permission.starts_with(RUN) {
        return !NOT_AN_OWNERS.iter().any(|lacked| permission.starts_with(lacked));
    }
    held().get(role).is_some_and(|held| held.has(permission))
}

/// Whether some role that the sandbox knows holds a permission.
#[cfg(test)]
pub(crate) fn is_known(permission: &str) -> bool {
    held().values().any(|held| held.has(permission))
}

/// What a predefined role holds, by name; `None` for one that is in no table.
pub(crate) fn permissions_of(role: &str) -> Option<BTreeSet<String>> {
    held().get(role).map(|held| held.names().collect())
}

/// Every permission that some predefined role holds, by name.
pub(crate) fn every_permission() -> BTreeSet<String> {
    held().values().flat_map(Held::names).collect()
}

/// The permissions of one role.
#[derive(Default)]
struct Held {
    /// Cloud Run's, without what they begin with.
    of_run: Vec<&'static str>,
    others: Vec<&'static str>,
}

impl Held {
    fn has(&self, permission: &str) -> bool {
        let of_run = permission.strip_prefix(RUN);
        of_run.is_some_and(|rest| self.of_run.contains(&rest)) || self.others.contains(&permission)
    }

    fn names(&self) -> impl Iterator<Item = String> {
        let of_run = self.of_run.iter().map(|rest| format!("{RUN}{rest}"));
        of_run.chain(self.others.iter().map(|name| (*name).to_owned()))
    }
}

/// What each role holds, by both tables.
fn held() -> &'static HashMap<&'static str, Held> {
    static HELD: OnceLock<HashMap<&str, Held>> = OnceLock::new();
    HELD.get_or_init(|| {
        let mut held: HashMap<&str, Held> = HashMap::new();
        for (name, of_run) in role::every_role() {
            held.entry(name).or_default().of_run.extend(of_run);
        }
        for line in OTHERS.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split(' ');
            let role = words.next().unwrap_or_default();
            held.entry(role).or_default().others.extend(words);
        }
        held
    })
}

pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    role::ROLES.iter().map(|role| role.name)
}

/// Whether a role, predefined or custom, gives a permission. One that is disabled or deleted gives
/// nothing (documented).
pub(crate) fn carries(world: &World<'_>, name: &str, permission: &str) -> Result<bool, ApiError> {
    if name.starts_with("roles/") {
        return Ok(predefined_carries(name, permission));
    }
    let Some((owner, id)) = name.split_once("/roles/") else { return Ok(false) };
    let Some(role) = world.resource(custom_roles(owner), id)? else { return Ok(false) };
    let is_live = role["deleted"] != true && role["stage"] != "DISABLED";
    let mut held = role["includedPermissions"].as_array().into_iter().flatten();
    Ok(is_live && held.any(|held| held == permission))
}

pub(crate) fn custom_roles(owner: &str) -> Collection<'_> {
    Collection { kind: CUSTOM_ROLES, project: owner, region: "" }
}

/// Whether a text has the form of a permission: the sandbox has no list of all of them.
pub(crate) fn is_permission(text: &str) -> bool {
    let word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric());
    text.split('.').count() == 3 && text.split('.').all(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_holds_what_its_tables_say() {
        assert!(predefined_carries("roles/run.invoker", "run.routes.invoke"));
        assert!(!predefined_carries("roles/viewer", "run.routes.invoke"));
        assert!(predefined_carries(OWNER, "iam.roles.create"));
        assert!(!predefined_carries(OWNER, "iap.webServiceVersions.accessViaIAP"));
        assert!(!predefined_carries(OWNER, "resourcemanager.folders.get"));
        assert!(predefined_carries(
            "roles/iap.httpsResourceAccessor",
            "iap.webServiceVersions.accessViaIAP"
        ));
        assert!(is_run_permission("run.routes.invoke"));
        assert!(!is_run_permission("run.routes.invent") && !is_run_permission("routes.invoke"));
    }
}

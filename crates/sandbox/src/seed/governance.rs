//! What governs the seeded services from above: groups, roles of the organisation's own, tags, a deny
//! policy, organisation policies, and who may pass Identity-Aware Proxy. Each has something to teach.

use serde_json::{Value, json};

use super::{DEFAULT_ACCOUNT, DEFAULT_PROJECT, FOLDER, FOUNDED, HOME_REGION, ORGANIZATION};
use crate::api::{custom_roles, deny_policies, groups, org_policy, tags};
use crate::authority::{Visit, lineage};
use crate::dialect::api_error::ApiError;
use crate::records::stamps::new_etag;
use crate::records::world::World;
use runaccess_domain::member::Member;

const CUSTOMER: &str = "customers/C03xgje4y";

/// Who is in which group: one group is in another.
const GROUPS: [(&str, &str, &[&str]); 7] = [
    ("admins@example.com", "Admins", &[DEFAULT_ACCOUNT]),
    ("oncall@example.com", "On call", &["ola@example.com"]),
    ("team@example.com", "Team", &["bea@example.com", "oncall@example.com"]),
    ("engineering@example.com", "Engineering", &["bea@example.com"]),
    ("sre@example.com", "Site reliability", &["sam@example.com"]),
    ("employees@example.com", "Employees", &["bea@example.com", "finance@example.com"]),
    ("contractors@example.com", "Contractors", &["contractor@example.com", "vendor@example.com"]),
];

/// What the default account holds of the organisation, so that it may load any other below it.
const HELD_ABOVE: [&str; 9] = [
    "roles/iam.denyAdmin",
    "roles/iam.organizationRoleAdmin",
    "roles/iam.principalAccessBoundaryAdmin",
    "roles/iam.securityReviewer",
    "roles/iap.admin",
    "roles/orgpolicy.policyAdmin",
    "roles/resourcemanager.folderAdmin",
    "roles/resourcemanager.projectCreator",
    "roles/resourcemanager.tagAdmin",
];

/// Puts organisation policies where the world had constraints in force without one, and lets the
/// default account look into the inventory.
pub(super) fn fill_restricted(world: &World<'_>) -> rusqlite::Result<()> {
    restrict(world).map_err(|error| rusqlite::Error::InvalidParameterName(error.message))
}

fn restrict(world: &World<'_>) -> Result<(), ApiError> {
    let who = Member::of_account(DEFAULT_ACCOUNT);
    let visit = Visit { world, who: &who, now: FOUNDED };
    // Who administers the organisation looks into its inventory.
    let viewer = json!({"role": "roles/cloudasset.viewer", "members": [who.as_str()]});
    add(world, &format!("organizations/{ORGANIZATION}"), &mut vec![viewer])?;
    for id in world.project_ids()? {
        let Some(project) = world.project(&id)? else { continue };
        let owner = format!("projects/{id}");
        for constraint in &project.constraints {
            let name = format!("projects/{}/policies/{constraint}", project.number);
            let rule = org_policy::rule(world, &lineage(world, &owner)?, constraint)?;
            let body = json!({"spec": {"rules": [rule]}});
            org_policy::put(visit, &owner, (constraint, &name), &body, None)?;
        }
        world.clear_constraints(&id)?;
    }
    Ok(())
}

/// Fills in what governs the world.
pub(super) fn fill(world: &World<'_>) -> rusqlite::Result<()> {
    let who = Member::of_account(DEFAULT_ACCOUNT);
    let visit = Visit { world, who: &who, now: FOUNDED };
    // What fails here but the store is a slip in this file.
    govern(visit).map_err(|error| rusqlite::Error::InvalidParameterName(error.message))
}

fn govern(visit: Visit<'_>) -> Result<(), ApiError> {
    let world = visit.world;
    let (organization, folder) =
        (format!("organizations/{ORGANIZATION}"), format!("folders/{FOLDER}"));
    let project = format!("projects/{DEFAULT_PROJECT}");
    for (address, name, members) in GROUPS {
        let group = groups::put_group(visit, address, &json!({"displayName": name}), CUSTOMER)?;
        for member in members {
            groups::put_member(visit, &group, member, &Value::Null)?;
        }
    }
    for (owner, id, title, stage, permissions) in [
        (
            &project,
            "reportReader",
            "Report reader",
            "GA",
            ["run.routes.invoke", "run.services.get"],
        ),
        (
            &organization,
            "legacyCaller",
            "Caller of old",
            "DISABLED",
            ["run.routes.invoke", "run.routes.get"],
        ),
    ] {
        let fields = json!({"title": title, "stage": stage, "includedPermissions": permissions});
        custom_roles::put(world, owner, id, &fields)?;
    }
    let key = tags::put(visit, "tagKeys", &organization, "environment", &Value::Null)?;
    let key = key["name"].as_str().unwrap_or_default();
    let production = tags::put(visit, "tagValues", key, "production", &Value::Null)?;
    tags::put(visit, "tagValues", key, "development", &Value::Null)?;
    let number = world.project(DEFAULT_PROJECT)?.map(|project| project.number).unwrap_or_default();
    let full = format!("//cloudresourcemanager.googleapis.com/projects/{number}");
    tags::put_binding(visit, &full, &project, &production)?;
    let name = format!(
        "policies/cloudresourcemanager.googleapis.com%2Forganizations%2F{ORGANIZATION}/denypolicies/\
         no-contractors"
    );
    let rule = json!({"description": "Contractors call no service", "denyRule": {
        "deniedPrincipals": ["principalSet://goog/group/contractors@example.com"],
        "exceptionPrincipals": ["principal://goog/subject/vendor@example.com"],
        "deniedPermissions": ["run.googleapis.com/routes.invoke"],
    }});
    let policy = json!({"displayName": "No contractors", "rules": [rule]});
    deny_policies::put(
        visit,
        &organization,
        "no-contractors",
        deny_policies::checked(&policy, &name)?,
        None,
    )?;
    let intranet = format!("{project}/iap_web/cloud_run-{HOME_REGION}/services/intranet");
    let binding = json!({
        "role": "roles/iap.httpsResourceAccessor",
        "members": ["group:employees@example.com"],
    });
    world.put_policy(&intranet, &json!({"bindings": [binding], "etag": new_etag()}))?;
    let mut bindings: Vec<Value> = HELD_ABOVE
        .iter()
        .map(|role| json!({"role": role, "members": [visit.who.as_str()]}))
        .collect();
    add(world, &organization, &mut bindings)?;
    let on_production = format!("resource.matchTag('{ORGANIZATION}/environment', 'production')");
    let inherited = json!({
        "role": "roles/run.invoker",
        "members": ["group:sre@example.com"],
        "condition": {"title": "production only", "expression": on_production},
    });
    add(world, &folder, &mut vec![inherited])
}

/// Adds bindings to a policy that may be there already.
fn add(world: &World<'_>, resource: &str, more: &mut Vec<Value>) -> Result<(), ApiError> {
    let policy = world.policy(resource)?.unwrap_or_else(|| json!({}));
    let mut bindings = policy["bindings"].as_array().cloned().unwrap_or_default();
    bindings.append(more);
    world.put_policy(resource, &json!({"bindings": bindings, "etag": new_etag()}))?;
    Ok(())
}

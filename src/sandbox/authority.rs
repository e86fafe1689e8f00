//! Who may do what with the APIs: allow policies of a resource and of all above it, by the
//! domain's own engine.

use serde_json::Value;
use time::OffsetDateTime;

use super::api_error::ApiError;
use super::policy_check::bindings;
use super::resource_manager::FOLDERS;
use super::roles;
use super::world::{Place, World};
use crate::domain::access::{Attached, Caller, Knowledge, Outcome, permitted};
use crate::domain::condition::{Attributes, Condition};
use crate::domain::invokers::Grant;
use crate::domain::member::Member;

/// No organisation is deeper (documented: ten levels of folders).
const DEEPEST: usize = 13;

/// The resources from which a resource inherits grants, itself first, as policies are kept by.
pub(super) fn lineage(world: &World<'_>, resource: &str) -> Result<Vec<String>, ApiError> {
    let mut lineage = vec![resource.to_owned()];
    while let Some(above) = parent(world, lineage.last().map_or("", String::as_str))? {
        lineage.push(above);
        if lineage.len() == DEEPEST {
            break;
        }
    }
    Ok(lineage)
}

/// The project that a resource is in; `None` for one that is in none, and for a project itself.
fn project_of(resource: &str) -> Option<&str> {
    let (end, _) = resource.strip_prefix("projects/")?.match_indices('/').next()?;
    Some(&resource[..end + "projects/".len()])
}

/// What a resource is right below.
fn parent(world: &World<'_>, resource: &str) -> Result<Option<String>, ApiError> {
    if let Some(project) = project_of(resource) {
        return Ok(Some(project.to_owned()));
    }
    let above = match resource.split_once('/') {
        Some(("projects", id)) => world.project(id)?.map(|project| project.parent),
        Some((FOLDERS, id)) => {
            let found = world.resource(Place::global(FOLDERS), id)?;
            found.and_then(|folder| folder["parent"].as_str().map(str::to_owned))
        }
        // An organisation has nothing above it.
        _ => None,
    };
    Ok(above.filter(|above| !above.is_empty()))
}

/// The grants of a resource's own policy.
pub(super) fn grants(world: &World<'_>, resource: &str) -> Result<Vec<Grant>, ApiError> {
    let Some(policy) = world.policy(resource)? else { return Ok(Vec::new()) };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut grants = Vec::new();
    for binding in bindings(&policy) {
        let condition = binding.get("condition").filter(|c| c.is_object()).map(|c| Condition {
            title: text(&c["title"]),
            description: text(&c["description"]),
            expression: text(&c["expression"]),
        });
        let members = binding["members"].as_array().into_iter().flatten();
        grants.extend(members.map(|member| Grant {
            role: text(&binding["role"]),
            member: Member::from_policy(text(member)),
            condition: condition.clone(),
        }));
    }
    Ok(grants)
}

/// What is known of groups: the sandbox has none yet, so none of them holds anybody.
pub(super) const NO_GROUPS: &dyn Fn(&Member, &Member) -> Option<bool> = &|_, _| Some(false);

/// Whether a principal holds a permission on a resource, by its policy or one above it.
pub(super) fn holds(
    world: &World<'_>,
    who: &Member,
    resource: &str,
    permission: &str,
    now: OffsetDateTime,
) -> Result<bool, ApiError> {
    let carries = |role: &str| Some(roles::carries(role, permission));
    let known = Knowledge { carries: &carries, holds: NO_GROUPS };
    // A call of an API has neither path nor host, so that a condition on them is not met.
    let attributes = Attributes { path: None, host: None, time: now };
    let gives = |resource: &str| -> Result<bool, ApiError> {
        let grants = grants(world, resource)?;
        let attached = [Attached { resource, grants: Some(&grants) }];
        let step = permitted(&attached, Caller::Verified(who), &attributes, known);
        Ok(step.outcome == Outcome::Pass)
    };
    // Most grants are the project's: it is asked first, and what is above it only at last.
    let project = project_of(resource);
    if let Some(project) = project
        && gives(project)?
    {
        return Ok(true);
    }
    for above in lineage(world, resource)? {
        if Some(above.as_str()) != project && gives(&above)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Refuses who does not hold a permission on a resource.
pub(super) fn require(
    world: &World<'_>,
    who: &Member,
    resource: &str,
    permission: &str,
    now: OffsetDateTime,
) -> Result<(), ApiError> {
    if holds(world, who, resource, permission, now)? {
        return Ok(());
    }
    Err(ApiError::lacks(permission, resource))
}

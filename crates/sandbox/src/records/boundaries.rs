//! The principal access boundaries that are kept, and whom they keep out.

use serde_json::Value;

use super::world::{Collection, World};
use crate::dialect::api_error::ApiError;
use runaccess_domain::access::{Attached, Hierarchy as Home, Outcome, kept_by_boundaries};
use runaccess_domain::boundary::{Boundary, bound_at};
use runaccess_domain::condition::Condition;
use runaccess_domain::member::Member;
use runaccess_domain::principal::Caller;
use runaccess_domain::role::{RUN_JOB, RUN_JOB_WITH_OVERRIDES};

pub(crate) const POLICIES: &str = "principalAccessBoundaryPolicies";

pub(crate) const BINDINGS: &str = "policyBindings";

pub(crate) fn read_policy(world: &World<'_>, name: &str) -> Result<Option<Value>, ApiError> {
    let parts: Vec<&str> = name.split('/').collect();
    let ["organizations", id, "locations", "global", POLICIES, policy] = parts.as_slice() else {
        return Ok(None);
    };
    let parent = format!("organizations/{id}");
    Ok(world.resource(Collection { kind: POLICIES, project: &parent, region: "" }, policy)?)
}

/// Whether boundaries take a permission away: of Cloud Run those to run jobs.
pub(crate) fn may_keep_out(permission: &str) -> bool {
    [RUN_JOB, RUN_JOB_WITH_OVERRIDES].contains(&permission)
}

/// Whether somebody is kept from what is at a place by the boundaries that bind them.
pub(crate) fn keep_out(world: &World<'_>, who: &Member, home: &Home) -> Result<bool, ApiError> {
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

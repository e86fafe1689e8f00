//! Resource Manager v3: projects, folders and the organisation, and their policies.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::api_error::ApiError;
use super::iam;
use super::policy_check::Rules;
use super::router::Query;
use super::world::{Place, Project, World};
use crate::domain::member::Member;

/// The kinds of resource that hold others.
pub(super) const FOLDERS: &str = "folders";
pub(super) const ORGANIZATIONS: &str = "organizations";

/// What a request is, below `v3/KIND/ID`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route<'a> {
    pub(super) method: &'a str,
    pub(super) kind: &'a str,
    pub(super) id: &'a str,
    pub(super) verb: &'a str,
}

/// The routes of v3; `None` for one that is not there. `project` is the one that the path names.
pub(super) fn answer(
    world: &World<'_>,
    asker: (&Member, OffsetDateTime),
    route: Route<'_>,
    project: Option<&Project>,
    query: &Query,
    body: &Value,
) -> Option<Result<Value, ApiError>> {
    let Route { method, kind, id, verb } = route;
    let found = match (kind, project) {
        ("projects", Some(project)) => Ok(show_project(project)),
        (FOLDERS | ORGANIZATIONS, _) => holder(world, kind, id),
        _ => return None,
    };
    let resource = match found {
        Ok(resource) => resource,
        Err(error) => return Some(Err(error)),
    };
    if (method, verb) == ("GET", "") {
        return Some(query.only(&[]).map(|()| resource));
    }
    if method != "POST" {
        return None;
    }
    // Policies are kept by a project's id, whichever way it was asked for.
    let full = match project {
        Some(project) => format!("projects/{}", project.id),
        None => format!("{kind}/{id}"),
    };
    let domain = match project {
        Some(project) => project.domain.clone(),
        None => resource["displayName"].as_str().unwrap_or_default().to_owned(),
    };
    let constraints = project.map(|project| project.constraints.as_slice()).unwrap_or_default();
    let rules = Rules { domain: &domain, constraints, run_roles_only: false };
    iam::verb(world, asker, verb, &full, rules, (query, body), is_permission)
}

/// A project as v1 shows it, which gcloud still asks for.
pub(super) fn project_v1(project: &Project) -> Value {
    let (kind, id) = project.parent.split_once('/').unwrap_or_default();
    json!({
        "projectNumber": project.number,
        "projectId": project.id,
        "lifecycleState": "ACTIVE",
        "name": project.id,
        "createTime": "2026-01-12T09:00:00Z",
        "parent": {"type": kind.trim_end_matches('s'), "id": id},
    })
}

fn holder(world: &World<'_>, kind: &str, id: &str) -> Result<Value, ApiError> {
    world.resource(Place::global(kind), id)?.ok_or_else(|| {
        // As with projects, what is hidden cannot be told from what is not there.
        ApiError::lacks(&format!("resourcemanager.{kind}.get"), &format!("{kind}/{id}"))
    })
}

fn show_project(project: &Project) -> Value {
    json!({
        "name": format!("projects/{}", project.number),
        "parent": project.parent,
        "projectId": project.id,
        "state": "ACTIVE",
        "displayName": project.id,
        "createTime": "2026-01-12T09:00:00Z",
        "updateTime": "2026-01-12T09:00:00Z",
        "etag": "W/\"2f9a1c5b7d3e\"",
    })
}

/// Whether a text has the form of a permission: the sandbox has no list of all of them.
pub(super) fn is_permission(text: &str) -> bool {
    let word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric());
    text.split('.').count() == 3 && text.split('.').all(word)
}

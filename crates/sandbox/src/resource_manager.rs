//! Resource Manager v3: projects, folders and the organisation, and their policies.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::api_error::ApiError;
use super::authority::{Visit, lineage};
use super::iam::{self, new_etag};
use super::pages::{page, page_request};
use super::policy_check::Rules;
use super::query::Query;
use super::schema::known_fields;
use super::service_body::stamp;
use super::world::{Collection, Project, World};
use runaccess_domain::member::Member;

/// The kinds of resource that hold others.
pub(super) const FOLDERS: &str = "folders";
pub(super) const ORGANIZATIONS: &str = "organizations";

const DEFAULT_PAGE: usize = 100;

/// An operation that is done, about a resource of this message's type.
pub(super) fn done(resource: &Value, message: &str) -> Value {
    let mut response = resource.clone();
    let kind = format!("type.googleapis.com/google.cloud.resourcemanager.v3.{message}");
    response["@type"] = Value::from(kind);
    let id = fastrand::u64(..1 << 62);
    json!({"name": format!("operations/cp.{id}"), "done": true, "response": response})
}

/// The routes of v3 that name no one project, folder or organisation; `None` for one that is not
/// there.
pub(super) fn collection(
    visit: Visit<'_>,
    (method, kind, verb): (&str, &str, &str),
    query: &Query,
    body: &Value,
) -> Option<Result<Value, ApiError>> {
    Some(match (method, kind, verb) {
        ("POST", FOLDERS, "") => create_folder(visit, query, body),
        ("POST", "projects", "") => create_project(visit, query, body),
        ("GET", FOLDERS, "") => below(visit, query, "resourcemanager.folders.list", |parent| {
            let wanted = |folder: &Value| folder["parent"] == parent;
            let all = visit.world.resources_where(FOLDERS, &wanted)?;
            Ok(page(FOLDERS, all, None))
        }),
        ("GET", "projects", "") => below(visit, query, "resourcemanager.projects.list", |parent| {
            let all = projects(visit.world)?.into_iter();
            let found = all.filter(|project| project.parent == parent);
            Ok(page("projects", found.map(|project| show_project(&project)).collect(), None))
        }),
        // What is found is what the caller may see (documented).
        ("GET", ORGANIZATIONS, "search") => {
            query.only(&["query", "pageSize", "pageToken"]).and_then(|()| {
                let asked = query.get("query").unwrap_or_default().to_owned();
                let wanted = |found: &Value| is_asked_for(found, &asked);
                let mut found = visit.world.resources_where(ORGANIZATIONS, &wanted)?;
                let may = |organization: &Value| {
                    let name = organization["name"].as_str().unwrap_or_default();
                    visit.require("resourcemanager.organizations.get", name).is_ok()
                };
                found.retain(may);
                Ok(page(ORGANIZATIONS, found, None))
            })
        }
        _ => return None,
    })
}

/// Whether a search for `domain:NAME` or `directorycustomerid:ID` means an organisation (documented).
pub(super) fn is_asked_for(organization: &Value, query: &str) -> bool {
    let wanted = match query.split_once(':') {
        Some((field, wanted)) if field.trim().eq_ignore_ascii_case("domain") => {
            ("displayName", wanted)
        }
        Some((field, wanted)) if field.trim().eq_ignore_ascii_case("directorycustomerid") => {
            ("directoryCustomerId", wanted)
        }
        _ => return true,
    };
    let held = organization[wanted.0].as_str().unwrap_or_default();
    held.eq_ignore_ascii_case(wanted.1.trim())
}

/// A list of what is right below a folder or organisation, for who may list it there.
fn below(
    visit: Visit<'_>,
    query: &Query,
    permission: &str,
    list: impl FnOnce(&str) -> Result<Value, ApiError>,
) -> Result<Value, ApiError> {
    query.only(&["parent", "pageSize", "pageToken", "showDeleted"])?;
    page_request(query, "pageSize", "pageToken", DEFAULT_PAGE)?;
    let parent = query.get("parent").unwrap_or_default();
    visit.require(permission, parent)?;
    list(parent)
}

fn projects(world: &World<'_>) -> Result<Vec<Project>, ApiError> {
    let mut found = Vec::new();
    for id in world.project_ids()? {
        found.extend(world.project(&id)?);
    }
    Ok(found)
}

/// The parent that a body names, which must be there.
fn parent(world: &World<'_>, body: &Value) -> Result<String, ApiError> {
    let named = body["parent"].as_str().unwrap_or_default();
    let bad = || ApiError::invalid(format!("Invalid parent: {named}."));
    let (kind, id) = named.split_once('/').ok_or_else(bad)?;
    if !matches!(kind, FOLDERS | ORGANIZATIONS)
        || world.resource(Collection::global(kind), id)?.is_none()
    {
        return Err(bad());
    }
    Ok(named.to_owned())
}

fn create_folder(visit: Visit<'_>, query: &Query, body: &Value) -> Result<Value, ApiError> {
    query.only(&[])?;
    known_fields(body, &["name", "parent", "displayName", "tags"], "folder")?;
    let parent = parent(visit.world, body)?;
    visit.require("resourcemanager.folders.create", &parent)?;
    let name = body["displayName"].as_str().unwrap_or_default();
    if !(3..=30).contains(&name.len()) {
        return Err(ApiError::invalid("A display name has 3 to 30 characters."));
    }
    let twin =
        |folder: &Value| folder["parent"] == parent.as_str() && folder["displayName"] == name;
    if !visit.world.resources_where(FOLDERS, &twin)?.is_empty() {
        return Err(ApiError::already_exists(format!("A folder named {name} is there already.")));
    }
    let folder = put_folder(visit, &parent, name)?;
    Ok(done(&folder, "Folder"))
}

/// Keeps a new folder.
pub(super) fn put_folder(visit: Visit<'_>, parent: &str, name: &str) -> Result<Value, ApiError> {
    let id = fastrand::u64(10_u64.pow(11)..10_u64.pow(12)).to_string();
    let now = stamp(visit.now);
    let folder = json!({
        "name": format!("{FOLDERS}/{id}"),
        "parent": parent,
        "displayName": name,
        "state": "ACTIVE",
        "createTime": now,
        "updateTime": now,
        "etag": "W/\"5a1c9e72f0b4\"",
    });
    visit.world.put_resource(Collection::global(FOLDERS), &id, &folder)?;
    Ok(folder)
}

/// Makes a project, whose owner is who made it (documented).
pub(super) fn create_project(
    visit: Visit<'_>,
    query: &Query,
    body: &Value,
) -> Result<Value, ApiError> {
    query.only(&[])?;
    known_fields(
        body,
        &["name", "parent", "projectId", "displayName", "labels", "tags"],
        "project",
    )?;
    let world = visit.world;
    // A project in no organisation anybody may make (documented).
    let parent = if body["parent"].is_null() { String::new() } else { parent(world, body)? };
    if !parent.is_empty() {
        visit.require("resourcemanager.projects.create", &parent)?;
    }
    let id = body["projectId"].as_str().unwrap_or_default();
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_id = (6..=30).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.chars().all(good)
        && !id.ends_with('-');
    if !is_id {
        return Err(ApiError::invalid(format!("Invalid project ID: {id}.")));
    }
    if world.project(id)?.is_some() {
        return Err(ApiError::already_exists("Requested entity already exists"));
    }
    let letters = |_| char::from(b"abcdefghijklmnopqrstuvwxyz"[fastrand::usize(..26)]);
    let mut project = Project {
        id: id.to_owned(),
        number: fastrand::u64(10_u64.pow(11)..10_u64.pow(12)).to_string(),
        hash: (0..10).map(letters).collect(),
        domain: String::new(),
        constraints: Vec::new(),
        parent,
        facts: json!({"createTime": stamp(visit.now)}),
    };
    for field in ["displayName", "labels"] {
        if !body[field].is_null() {
            project.facts[field] = body[field].clone();
        }
    }
    let above = lineage(world, &project.parent)?;
    if let Some(organization) = above.iter().find_map(|name| name.strip_prefix("organizations/")) {
        let found =
            world.resource(Collection::global(ORGANIZATIONS), organization)?.unwrap_or_default();
        found["displayName"].as_str().unwrap_or_default().clone_into(&mut project.domain);
    }
    world.put_project(&project)?;
    world.set_parent(id, &project.parent)?;
    let compute = project.compute_account();
    super::service_accounts::put(world, id, &compute)?;
    let bindings = json!([{"role": "roles/owner", "members": [visit.who.as_str()]}]);
    world.put_policy(
        &format!("projects/{id}"),
        &json!({"bindings": bindings, "etag": new_etag()}),
    )?;
    Ok(done(&show_project(&project), "Project"))
}

/// Takes an empty folder away.
fn delete_folder(world: &World<'_>, name: &str, folder: &Value) -> Result<Value, ApiError> {
    let inside = |other: &Value| other["parent"] == name;
    let holds_projects = projects(world)?.iter().any(|project| project.parent == name);
    if holds_projects || !world.resources_where(FOLDERS, &inside)?.is_empty() {
        return Err(ApiError::failed_precondition("The folder is not empty."));
    }
    let id = name.rsplit('/').next().unwrap_or_default();
    world.delete_resource(Collection::global(FOLDERS), id, name)?;
    let mut gone = folder.clone();
    gone["state"] = Value::from("DELETE_REQUESTED");
    Ok(done(&gone, "Folder"))
}

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
    if (method, kind, verb) == ("DELETE", FOLDERS, "") {
        return Some(delete_folder(world, &format!("{kind}/{id}"), &resource));
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
    let rules = Rules { domain: &domain, constraints, run_roles_only: false, named_only: false };
    iam::verb(world, asker, verb, &full, rules, (query, body), is_permission)
}

fn holder(world: &World<'_>, kind: &str, id: &str) -> Result<Value, ApiError> {
    world.resource(Collection::global(kind), id)?.ok_or_else(|| {
        // As with projects, what is hidden cannot be told from what is not there.
        ApiError::lacks(&format!("resourcemanager.{kind}.get"), &format!("{kind}/{id}"))
    })
}

fn show_project(project: &Project) -> Value {
    let facts = &project.facts;
    let mut shown = json!({
        "name": format!("projects/{}", project.number),
        "projectId": project.id,
        "state": "ACTIVE",
        "displayName": facts["displayName"].as_str().unwrap_or(&project.id),
        "createTime": facts["createTime"],
        "updateTime": facts["createTime"],
        "etag": "W/\"2f9a1c5b7d3e\"",
    });
    if !project.parent.is_empty() {
        shown["parent"] = Value::from(project.parent.as_str());
    }
    if facts["labels"].is_object() {
        shown["labels"] = facts["labels"].clone();
    }
    shown
}

/// Whether a text has the form of a permission: the sandbox has no list of all of them.
pub(super) fn is_permission(text: &str) -> bool {
    let word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric());
    text.split('.').count() == 3 && text.split('.').all(word)
}

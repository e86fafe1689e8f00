//! Resource Manager v3: projects, folders and the organisation, and their policies.

use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::filter::Filter;
use super::iam;
use super::policy_check::Rules;
use crate::authority::{Visit, lineage};
use crate::dialect::api_error::ApiError;
use crate::dialect::pages::{PageSize, page, page_request, slice};
use crate::records::accounts;
use crate::records::roles::is_permission;
use crate::records::stamps::{new_etag, stamp};
use crate::records::world::{Collection, FOLDERS, ORGANIZATIONS, Project, World};

const PAGE: PageSize = PageSize { usual: 100, most: 1_000 };

/// The folder or organization that a path names.
fn load(call: &Call<'_>) -> Answer {
    let holder = call.holder();
    let (kind, id) = holder.split_once('/').unwrap_or_default();
    self::holder(call.visit.world, kind, id)
}

pub(crate) fn get(call: &Call<'_>) -> Answer {
    match &call.site {
        Some(site) => Ok(show_project(site.project)),
        None => load(call),
    }
}

/// A verb of IAM on a project, folder or organization.
pub(crate) fn policy(call: &Call<'_>) -> Answer {
    let domain = match &call.site {
        Some(site) => site.project.domain.clone(),
        None => load(call)?["displayName"].as_str().unwrap_or_default().to_owned(),
    };
    let constraints = call.site.as_ref().map(|site| site.project.constraints.as_slice());
    let constraints = constraints.unwrap_or_default();
    let rules = Rules { domain: &domain, constraints, run_roles_only: false, named_only: false };
    iam::verb(call, &call.holder(), rules, is_permission)
}

/// The parent whose folders or projects a call lists, for who may list them there.
fn listed<'a>(call: &'a Call<'_>, permission: &str) -> Result<&'a str, ApiError> {
    let parent = call.query.get("parent").unwrap_or_default();
    call.visit.require(permission, parent)?;
    Ok(parent)
}

pub(crate) fn list_folders(call: &Call<'_>) -> Answer {
    let parent = listed(call, "resourcemanager.folders.list")?;
    let all = call.visit.world.resources_where(FOLDERS, &|folder| folder["parent"] == parent)?;
    paged(call, FOLDERS, &all)
}

pub(crate) fn list_projects(call: &Call<'_>) -> Answer {
    let parent = listed(call, "resourcemanager.projects.list")?;
    let all = projects(call.visit.world)?.into_iter().filter(|project| project.parent == parent);
    paged(call, "projects", &all.map(|project| show_project(&project)).collect::<Vec<_>>())
}

fn paged(call: &Call<'_>, name: &str, all: &[Value]) -> Answer {
    let request = page_request(call.query, PAGE)?;
    let (some, next) = slice(request, all);
    Ok(page(name, some.to_vec(), next))
}

/// Whether whoever asks may see a folder or organization, or a project by its ID.
pub(crate) fn may_see(visit: Visit<'_>, kind: &str, name: &str) -> bool {
    visit.require(&format!("resourcemanager.{kind}.get"), name).is_ok()
}

/// What is found is what the caller may see (documented), of organizations, folders and projects.
pub(crate) fn search_organizations(call: &Call<'_>) -> Answer {
    let asked = call.query.get("query").unwrap_or_default();
    let wanted = |found: &Value| {
        let name = found["name"].as_str().unwrap_or_default();
        is_asked_for(found, asked) && may_see(call.visit, ORGANIZATIONS, name)
    };
    paged(call, ORGANIZATIONS, &call.visit.world.resources_where(ORGANIZATIONS, &wanted)?)
}

pub(crate) fn search_folders(call: &Call<'_>) -> Answer {
    let filter = Filter::parse(call.query.get("query").unwrap_or_default())?;
    let wanted = |found: &Value| {
        let name = found["name"].as_str().unwrap_or_default();
        filter.matches(found) && may_see(call.visit, FOLDERS, name)
    };
    paged(call, FOLDERS, &call.visit.world.resources_where(FOLDERS, &wanted)?)
}

pub(crate) fn search_projects(call: &Call<'_>) -> Answer {
    let filter = Filter::parse(call.query.get("query").unwrap_or_default())?;
    let mut found = Vec::new();
    for project in projects(call.visit.world)? {
        let mut shown = show_project(&project);
        // A query calls them so too (documented).
        for (alias, field) in [("id", "projectId"), ("name", "displayName")] {
            shown[alias] = shown[field].clone();
        }
        let is_wanted = filter.matches(&shown);
        if is_wanted && may_see(call.visit, "projects", &format!("projects/{}", project.id)) {
            found.push(show_project(&project));
        }
    }
    paged(call, "projects", &found)
}

/// Refuses labels that a project may not have (documented).
fn check_labels(labels: &Value) -> Result<(), ApiError> {
    let labels = labels.as_object().into_iter().flatten();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    let is_good = |text: &str| text.len() <= 63 && text.chars().all(plain);
    for (count, (key, value)) in labels.enumerate() {
        let value = value.as_str().unwrap_or_default();
        let is_begun = key.starts_with(|c: char| c.is_ascii_lowercase());
        if count >= 64 || !is_begun || !is_good(key) || !is_good(value) {
            return Err(ApiError::invalid(format!("Invalid label: {key}={value}.")));
        }
    }
    Ok(())
}

/// Takes an empty folder away.
pub(crate) fn delete_folder(call: &Call<'_>) -> Answer {
    let (folder, name) = (load(call)?, call.holder());
    take_away(call.visit.world, &name, &folder)
}

pub(crate) fn create_folder(call: &Call<'_>) -> Answer {
    create_folder_of(call.visit, call.body)
}

/// Makes a folder of what a body of v3 says.
pub(crate) fn create_folder_of(visit: Visit<'_>, body: &Value) -> Answer {
    let parent = parent(visit.world, body)?;
    visit.require("resourcemanager.folders.create", &parent)?;
    let name = body["displayName"].as_str().unwrap_or_default();
    // Documented: letters, digits, blanks, hyphens and underscores, the ends letters or digits.
    let is_end = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let good = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    if !(3..=30).contains(&name.chars().count())
        || !is_end(name.chars().next())
        || !is_end(name.chars().next_back())
        || !name.chars().all(good)
    {
        return Err(ApiError::invalid(format!("Invalid display name: {name}.")));
    }
    let twin =
        |folder: &Value| folder["parent"] == parent.as_str() && folder["displayName"] == name;
    if !visit.world.resources_where(FOLDERS, &twin)?.is_empty() {
        return Err(ApiError::already_exists(format!("A folder named {name} is there already.")));
    }
    let folder = put_folder(visit, &parent, name)?;
    Ok(done(&folder, "Folder"))
}

/// Makes a project, whose owner is who made it (documented).
pub(crate) fn create_project(call: &Call<'_>) -> Answer {
    create_project_of(call.visit, call.body)
}

/// The same of what a body of v3 says.
pub(crate) fn create_project_of(visit: Visit<'_>, body: &Value) -> Answer {
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
    check_labels(&body["labels"])?;
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
    let (field, agents) = accounts::first_agents(&project.number);
    project.facts[field] = agents;
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
    accounts::put(world, id, &compute)?;
    let bindings = json!([{"role": "roles/owner", "members": [visit.who.as_str()]}]);
    world.put_policy(
        &format!("projects/{id}"),
        &json!({"bindings": bindings, "etag": new_etag()}),
    )?;
    Ok(done(&show_project(&project), "Project"))
}

fn take_away(world: &World<'_>, name: &str, folder: &Value) -> Result<Value, ApiError> {
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

/// Whether a search for `domain:NAME` or `directorycustomerid:ID` means an organisation (documented).
pub(crate) fn is_asked_for(organization: &Value, query: &str) -> bool {
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

/// Keeps a new folder.
pub(crate) fn put_folder(visit: Visit<'_>, parent: &str, name: &str) -> Result<Value, ApiError> {
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

/// An operation that is done, about a resource of this message's type.
pub(crate) fn done(resource: &Value, message: &str) -> Value {
    let mut response = resource.clone();
    let kind = format!("type.googleapis.com/google.cloud.resourcemanager.v3.{message}");
    response["@type"] = Value::from(kind);
    let id = fastrand::u64(..1 << 62);
    json!({"name": format!("operations/cp.{id}"), "done": true, "response": response})
}

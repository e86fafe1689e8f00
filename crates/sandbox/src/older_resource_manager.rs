//! Resource Manager v1 and v2, which gcloud still speaks: what v3 holds, in the older shapes.
//!
//! There is no discovery document of theirs to be had here; the shapes are those that gcloud reads.

use serde_json::{Value, json};

use super::api_error::ApiError;
use super::authority::{Visit, lineage};
use super::query::Query;
use super::resource_manager::{self, FOLDERS, ORGANIZATIONS, Route, is_asked_for};
use super::schema::known_fields;
use super::world::{Project, World};

/// The routes of v1 and v2 by what follows the version; `None` for one that is not there.
pub(super) fn answer(
    visit: Visit<'_>,
    (method, parts, verb): (&str, &[&str], &str),
    project: Option<&Project>,
    query: &Query,
    body: &Value,
) -> Option<Result<Value, ApiError>> {
    let world = visit.world;
    Some(match (method, parts, verb) {
        ("GET", ["v1", "projects"], "") => projects(visit, query),
        ("POST", ["v1", "projects"], "") => create_project(visit, query, body),
        ("GET", ["v1", "projects", _], "") => {
            query.only(&[]).map(|()| project.map(project_v1).unwrap_or_default())
        }
        ("POST", ["v1", "projects", _], "getAncestry") => ancestry(world, project?),
        ("POST", ["v1", ORGANIZATIONS], "search") => search(visit, query, body),
        ("GET", ["v2", FOLDERS], "") => folders(visit, query, body)?,
        ("POST", ["v2", FOLDERS], "") => create_folder(visit, query, body)?,
        (_, ["v1", kind @ ("projects" | ORGANIZATIONS), id] | ["v2", kind @ FOLDERS, id], _) => {
            let route = Route { method, kind, id, verb };
            let asker = (visit.who, visit.now);
            let answer = resource_manager::answer(world, asker, route, project, query, body)?;
            match (method, *kind, verb) {
                ("GET", ORGANIZATIONS, "") => answer.map(|found| organization_v1(&found)),
                ("GET", FOLDERS, "") => answer.map(|found| folder_v2(&found)),
                ("DELETE", FOLDERS, "") => answer.map(|done| folder_v2(&done["response"])),
                _ => answer,
            }
        }
        _ => return None,
    })
}

/// The projects that whoever asks may see; of a filter, only that they be active.
fn projects(visit: Visit<'_>, query: &Query) -> Result<Value, ApiError> {
    query.only(&["filter", "pageSize", "pageToken"])?;
    let filter = query.get("filter").unwrap_or_default();
    if !matches!(filter, "" | "lifecycleState:ACTIVE" | "lifecycleState=ACTIVE") {
        return Err(ApiError::not_implemented(&format!("a list of projects by `{filter}`")));
    }
    let mut found = Vec::new();
    for id in visit.world.project_ids()? {
        let name = format!("projects/{id}");
        if visit.require("resourcemanager.projects.get", &name).is_ok() {
            found.extend(visit.world.project(&id)?.as_ref().map(project_v1));
        }
    }
    Ok(json!({"projects": found}))
}

fn create_project(visit: Visit<'_>, query: &Query, body: &Value) -> Result<Value, ApiError> {
    query.only(&[])?;
    known_fields(body, &["name", "parent", "projectId", "labels"], "project")?;
    let mut asked = json!({"projectId": body["projectId"]});
    if !body["parent"].is_null() {
        let part = |name: &str| body["parent"][name].as_str().unwrap_or_default();
        asked["parent"] = Value::from(format!("{}s/{}", part("type"), part("id")));
    }
    for (to, from) in [("displayName", "name"), ("labels", "labels")] {
        if !body[from].is_null() {
            asked[to] = body[from].clone();
        }
    }
    let done = resource_manager::create_project(visit, query, &asked)?;
    let id = body["projectId"].as_str().unwrap_or_default();
    let project = visit.world.project(id)?;
    let mut response = project.as_ref().map(project_v1).unwrap_or_default();
    response["@type"] = Value::from("type.googleapis.com/google.cloudresourcemanager.v1.Project");
    Ok(json!({"name": done["name"], "done": true, "response": response}))
}

fn ancestry(world: &World<'_>, project: &Project) -> Result<Value, ApiError> {
    let above = lineage(world, &format!("projects/{}", project.id))?;
    let show = |name: &String| {
        let (kind, id) = name.split_once('/').unwrap_or_default();
        json!({"resourceId": {"type": kind.trim_end_matches('s'), "id": id}})
    };
    Ok(json!({"ancestor": above.iter().map(show).collect::<Vec<_>>()}))
}

fn search(visit: Visit<'_>, query: &Query, body: &Value) -> Result<Value, ApiError> {
    query.only(&[])?;
    known_fields(body, &["filter", "pageSize", "pageToken"], "")?;
    // v1 knows the customer as its owner's.
    let asked = body["filter"].as_str().unwrap_or_default();
    let asked = asked.strip_prefix("owner.").unwrap_or(asked);
    let wanted = |found: &Value| {
        let name = found["name"].as_str().unwrap_or_default();
        is_asked_for(found, asked)
            && visit.require("resourcemanager.organizations.get", name).is_ok()
    };
    let found = visit.world.resources_where(ORGANIZATIONS, &wanted)?;
    Ok(json!({"organizations": found.iter().map(organization_v1).collect::<Vec<_>>()}))
}

fn folders(visit: Visit<'_>, query: &Query, body: &Value) -> Option<Result<Value, ApiError>> {
    let found = resource_manager::collection(visit, ("GET", FOLDERS, ""), query, body)?;
    Some(found.map(|found| {
        let all = found[FOLDERS].as_array().into_iter().flatten();
        json!({"folders": all.map(folder_v2).collect::<Vec<_>>()})
    }))
}

/// The parent stands in the query there.
fn create_folder(visit: Visit<'_>, query: &Query, body: &Value) -> Option<Result<Value, ApiError>> {
    if let Err(error) = query.only(&["parent"]) {
        return Some(Err(error));
    }
    let mut asked = body.clone();
    asked["parent"] = Value::from(query.get("parent").unwrap_or_default());
    let none = Query::default();
    let made = resource_manager::collection(visit, ("POST", FOLDERS, ""), &none, &asked)?;
    Some(made.map(|mut done| {
        let mut response = folder_v2(&done["response"]);
        response["@type"] =
            Value::from("type.googleapis.com/google.cloud.resourcemanager.v2.Folder");
        done["response"] = response;
        done
    }))
}

fn project_v1(project: &Project) -> Value {
    let (kind, id) = project.parent.split_once('/').unwrap_or_default();
    let mut shown = json!({
        "projectNumber": project.number,
        "projectId": project.id,
        "lifecycleState": "ACTIVE",
        "name": project.facts["displayName"].as_str().unwrap_or(&project.id),
        "createTime": project.facts["createTime"],
    });
    if !id.is_empty() {
        shown["parent"] = json!({"type": kind.trim_end_matches('s'), "id": id});
    }
    if project.facts["labels"].is_object() {
        shown["labels"] = project.facts["labels"].clone();
    }
    shown
}

fn organization_v1(found: &Value) -> Value {
    json!({
        "name": found["name"],
        "displayName": found["displayName"],
        "creationTime": found["createTime"],
        "lifecycleState": found["state"],
        "owner": {"directoryCustomerId": found["directoryCustomerId"]},
    })
}

fn folder_v2(found: &Value) -> Value {
    json!({
        "name": found["name"],
        "parent": found["parent"],
        "displayName": found["displayName"],
        "lifecycleState": found["state"],
        "createTime": found["createTime"],
    })
}

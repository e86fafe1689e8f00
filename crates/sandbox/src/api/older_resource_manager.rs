//! Resource Manager v1 and v2, which gcloud and older clients ask for projects, organizations (v1) and
//! folders (v2). The shapes are those that gcloud reads and the discovery documents list.

use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::filter::Filter;
use super::resource_manager::{self, is_asked_for, may_see};
use crate::authority::lineage;
use crate::dialect::pages::{PageSize, page, page_in_body, page_request, slice};
use crate::records::world::{FOLDERS, ORGANIZATIONS, Project};

const PAGE: PageSize = PageSize { usual: 500, most: 1_000 };

/// The projects that whoever asks may see.
pub(crate) fn list_projects(call: &Call<'_>) -> Answer {
    let filter = Filter::parse(call.query.get("filter").unwrap_or_default())?;
    let mut found = Vec::new();
    for id in call.visit.world.project_ids()? {
        if may_see(call.visit, "projects", &format!("projects/{id}")) {
            let shown = call.visit.world.project(&id)?.as_ref().map(project_v1);
            // A filter calls the ID so too (documented).
            let named = shown.clone().map(|mut shown| {
                shown["id"] = shown["projectId"].clone();
                shown
            });
            found.extend(shown.filter(|_| named.is_some_and(|named| filter.matches(&named))));
        }
    }
    let request = page_request(call.query, PAGE)?;
    let (some, next) = slice(request, &found);
    Ok(page("projects", some.to_vec(), next))
}

pub(crate) fn get_project(call: &Call<'_>) -> Answer {
    Ok(project_v1(call.site()?.project))
}

pub(crate) fn create_project(call: &Call<'_>) -> Answer {
    let body = call.body;
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
    let done = resource_manager::create_project_of(call.visit, &asked)?;
    let id = body["projectId"].as_str().unwrap_or_default();
    let project = call.visit.world.project(id)?;
    let mut response = project.as_ref().map(project_v1).unwrap_or_default();
    response["@type"] = Value::from("type.googleapis.com/google.cloudresourcemanager.v1.Project");
    Ok(json!({"name": done["name"], "done": true, "response": response}))
}

pub(crate) fn get_ancestry(call: &Call<'_>) -> Answer {
    let above = lineage(call.visit.world, &call.holder())?;
    let show = |name: &String| {
        let (kind, id) = name.split_once('/').unwrap_or_default();
        json!({"resourceId": {"type": kind.trim_end_matches('s'), "id": id}})
    };
    Ok(json!({"ancestor": above.iter().map(show).collect::<Vec<_>>()}))
}

pub(crate) fn search_organizations(call: &Call<'_>) -> Answer {
    // v1 knows the customer as its owner's.
    let asked = call.body["filter"].as_str().unwrap_or_default();
    let asked = asked.strip_prefix("owner.").unwrap_or(asked);
    let wanted = |found: &Value| {
        let name = found["name"].as_str().unwrap_or_default();
        is_asked_for(found, asked) && may_see(call.visit, ORGANIZATIONS, name)
    };
    let found = call.visit.world.resources_where(ORGANIZATIONS, &wanted)?;
    Ok(json!({"organizations": found.iter().map(organization_v1).collect::<Vec<_>>()}))
}

pub(crate) fn get_organization(call: &Call<'_>) -> Answer {
    resource_manager::get(call).map(|found| organization_v1(&found))
}

pub(crate) fn list_folders(call: &Call<'_>) -> Answer {
    resource_manager::list_folders(call).map(|found| folders_v2(&found))
}

fn folders_v2(found: &Value) -> Value {
    let mut answer = found.clone();
    for folder in answer[FOLDERS].as_array_mut().into_iter().flatten() {
        *folder = folder_v2(folder);
    }
    answer
}

pub(crate) fn get_folder(call: &Call<'_>) -> Answer {
    resource_manager::get(call).map(|found| folder_v2(&found))
}

/// What v3 takes in the query stands in the body here.
pub(crate) fn search_folders(call: &Call<'_>) -> Answer {
    let filter = Filter::parse(call.body["query"].as_str().unwrap_or_default())?;
    let wanted = |found: &Value| {
        let name = found["name"].as_str().unwrap_or_default();
        filter.matches(&folder_v2(found)) && may_see(call.visit, FOLDERS, name)
    };
    let found = call.visit.world.resources_where(FOLDERS, &wanted)?;
    let request = page_in_body(call.body, PAGE)?;
    let (some, next) = slice(request, &found);
    Ok(page(FOLDERS, some.iter().map(folder_v2).collect(), next))
}

/// The parent stands in the query here.
pub(crate) fn create_folder(call: &Call<'_>) -> Answer {
    let mut asked = call.body.clone();
    asked["parent"] = Value::from(call.query.get("parent").unwrap_or_default());
    let mut done = resource_manager::create_folder_of(call.visit, &asked)?;
    let mut response = folder_v2(&done["response"]);
    response["@type"] = Value::from("type.googleapis.com/google.cloud.resourcemanager.v2.Folder");
    done["response"] = response;
    Ok(done)
}

/// Takes an empty folder away, and answers with it as it was.
pub(crate) fn delete_folder(call: &Call<'_>) -> Answer {
    resource_manager::delete_folder(call).map(|done| folder_v2(&done["response"]))
}

pub(crate) fn project_v1(project: &Project) -> Value {
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

pub(crate) fn organization_v1(found: &Value) -> Value {
    json!({
        "name": found["name"],
        "displayName": found["displayName"],
        "creationTime": found["createTime"],
        "lifecycleState": found["state"],
        "owner": {"directoryCustomerId": found["directoryCustomerId"]},
    })
}

pub(crate) fn folder_v2(found: &Value) -> Value {
    json!({
        "name": found["name"],
        "parent": found["parent"],
        "displayName": found["displayName"],
        "lifecycleState": found["state"],
        "createTime": found["createTime"],
    })
}

//! Executions of jobs, and their tasks, in v2. Each has succeeded at once: nothing is run here.

use serde_json::{Value, json};

use super::call::{Answer, Call, Site};
use super::job_place::{self, Place};
use super::operations::{self, Subject};
use super::services::check_version;
use crate::dialect::api_error::ApiError;
use crate::dialect::pages::{PageSize, page, page_request, slice};
use crate::records::stamps::{new_uid, quoted_etag, stamp};
use crate::records::world::Collection;

const PAGE: PageSize = PageSize { usual: 100, most: 1_000 };

/// Where the executions of a region, or of all (`-`), are kept.
pub(crate) fn place<'a>(site: &'a Site<'_>, region: &'a str) -> Collection<'a> {
    Collection { kind: "executions", project: &site.project.id, region }
}

/// An execution of a job, as it is once it is done.
pub(crate) fn made(place: &Place<'_>, job: &Value, overrides: &Value) -> Value {
    let letters: String = (0..5).map(|_| fastrand::lowercase()).collect();
    let now = stamp(place.site.now);
    let template = &job["template"];
    let tasks = overrides["taskCount"].as_i64().or(template["taskCount"].as_i64()).unwrap_or(1);
    // Unset, it is as many as the system can (documented), which is all of them here.
    let parallelism = template["parallelism"].as_i64().filter(|number| *number > 0);
    let mut execution = json!({
        "name": format!("{}/executions/{}-{letters}", place.full_name(), place.name),
        "uid": new_uid(),
        "creator": place.site.caller(),
        "generation": "1",
        "observedGeneration": "1",
        "createTime": now,
        "startTime": now,
        "completionTime": now,
        "updateTime": now,
        "launchStage": job["launchStage"],
        "job": place.name,
        "parallelism": parallelism.unwrap_or(tasks).min(tasks),
        "taskCount": tasks,
        "template": overridden(&template["template"], overrides),
        "succeededCount": tasks,
        "conditions": [{"type": "Completed", "state": "CONDITION_SUCCEEDED",
            "lastTransitionTime": now}],
        "etag": quoted_etag(),
    });
    for field in ["labels", "annotations"] {
        if template[field].is_object() {
            execution[field] = template[field].clone();
        }
    }
    execution
}

/// A task's template with what one run of the job overrides.
fn overridden(template: &Value, overrides: &Value) -> Value {
    let mut template = template.clone();
    if overrides["timeout"].is_string() {
        template["timeout"] = overrides["timeout"].clone();
    }
    let mut containers = template["containers"].as_array().cloned().unwrap_or_default();
    for one in overrides["containerOverrides"].as_array().into_iter().flatten() {
        let is_it = |own: &&mut Value| one["name"].is_null() || own["name"] == one["name"];
        let Some(container) = containers.iter_mut().find(is_it) else { continue };
        if one["clearArgs"] == true || one["args"].is_array() {
            container["args"] =
                if one["args"].is_array() { one["args"].clone() } else { json!([]) };
        }
        let said = one["env"].as_array().cloned().unwrap_or_default();
        if !said.is_empty() {
            let own = container["env"].as_array().cloned().unwrap_or_default();
            let stays = |own: &Value| !said.iter().any(|said| said["name"] == own["name"]);
            let kept = own.into_iter().filter(stays);
            container["env"] = kept.chain(said.iter().cloned()).collect();
        }
    }
    template["containers"] = Value::Array(containers);
    template
}

/// Keeps an execution, and what its job tells of it.
pub(crate) fn keep(place: &Place<'_>, job: &mut Value, execution: &Value) -> Result<(), ApiError> {
    let Place { site, region, name } = *place;
    let count = job["executionCount"].as_i64().unwrap_or_default();
    job["executionCount"] = Value::from(count + 1);
    job["latestCreatedExecution"] = json!({
        "name": short_name(execution),
        "createTime": execution["createTime"],
        "completionTime": execution["completionTime"],
        "completionStatus": "EXECUTION_SUCCEEDED",
    });
    site.world.put_resource(job_place::kept_in(site, region), name, job)?;
    Ok(site.world.put_resource(self::place(site, region), short_name(execution), execution)?)
}

/// The last part of a resource's name.
pub(crate) fn short_name(resource: &Value) -> &str {
    resource["name"].as_str().and_then(|name| name.rsplit('/').next()).unwrap_or_default()
}

/// Whether an execution is of a job, by the job's full name.
fn is_of(execution: &Value, job: &str) -> bool {
    let name = execution["name"].as_str().and_then(|name| name.split_once("/executions/"));
    name.is_some_and(|(of, _)| of == job)
}

/// Takes the executions of a job away.
pub(crate) fn forget_all(site: &Site<'_>, region: &str, job: &str) -> Result<(), ApiError> {
    for execution in site.world.resources_where("executions", &|found| is_of(found, job))? {
        site.world.delete_resource(place(site, region), short_name(&execution), "")?;
    }
    Ok(())
}

/// An execution of whichever job, as it is kept.
pub(crate) fn load(site: &Site<'_>, region: &str, name: &str) -> Result<Value, ApiError> {
    let found = site.world.resource(place(site, region), name)?;
    found.ok_or_else(|| ApiError::missing("EXECUTION", name, region, &site.project.id))
}

fn of_job(call: &Call<'_>) -> Answer {
    let job = Place::of(call)?;
    let name = call.after("executions");
    let found = load(job.site, job.region, name)?;
    if is_of(&found, &job.full_name()) {
        return Ok(found);
    }
    Err(ApiError::missing("EXECUTION", name, job.region, &job.site.project.id))
}

pub(crate) fn get(call: &Call<'_>) -> Answer {
    of_job(call)
}

/// Lists the executions of a job, or of every job of a region (`-`), newest first.
pub(crate) fn list(call: &Call<'_>) -> Answer {
    let job = Place::of(call)?;
    if job.name != "-" {
        job.load()?;
    }
    let request = page_request(call.query, PAGE)?;
    let full = job.full_name();
    let is_wanted = |found: &Value| job.name == "-" || is_of(found, &full);
    let place = place(job.site, job.region);
    let (found, next) = job.site.world.resources_newest_first(place, request, &is_wanted)?;
    Ok(page("executions", found, next))
}

pub(crate) fn delete(call: &Call<'_>) -> Answer {
    let (site, region, query) = (call.site()?, call.region(), call.query);
    let execution = of_job(call)?;
    let name = call.after("executions");
    check_version(name, &execution, query.get("etag"))?;
    let subject = Subject { parent: &site.location(region), message: "Execution" };
    operations::take_away(site, subject, query, execution, || {
        Ok(site.world.delete_resource(place(site, region), name, "")?)
    })
}

/// What is done cannot be cancelled (the text is not certain), and all is done at once here.
pub(crate) fn cancel(call: &Call<'_>) -> Answer {
    of_job(call)?;
    Err(ApiError::failed_precondition(format!(
        "The execution '{}' has completed.",
        call.after("executions")
    )))
}

/// The tasks of an execution.
pub(crate) fn tasks(execution: &Value) -> Vec<Value> {
    let count = execution["taskCount"].as_i64().unwrap_or_default();
    let short = short_name(execution);
    let task = |index: i64| {
        let mut task = execution["template"].clone();
        for field in ["createTime", "startTime", "completionTime", "updateTime", "generation"] {
            task[field] = execution[field].clone();
        }
        let name = execution["name"].as_str().unwrap_or_default();
        task["name"] = Value::from(format!("{name}/tasks/{short}-task{index}"));
        task["job"] = execution["job"].clone();
        task["execution"] = Value::from(short);
        task["index"] = Value::from(index);
        task["scheduledTime"] = execution["startTime"].clone();
        task["conditions"] = execution["conditions"].clone();
        task["lastAttemptResult"] = json!({"status": {}, "exitCode": 0});
        task["etag"] = execution["etag"].clone();
        task
    };
    (0..count).map(task).collect()
}

pub(crate) fn list_tasks(call: &Call<'_>) -> Answer {
    let all = tasks(&of_job(call)?);
    let request = page_request(call.query, PAGE)?;
    let (some, next) = slice(request, &all);
    Ok(page("tasks", some.to_vec(), next))
}

pub(crate) fn get_task(call: &Call<'_>) -> Answer {
    let name = call.after("tasks");
    let mut all = tasks(&of_job(call)?).into_iter();
    let found = all.find(|task| short_name(task) == name);
    let project = &call.site()?.project.id;
    found.ok_or_else(|| ApiError::missing("TASK", name, call.region(), project))
}

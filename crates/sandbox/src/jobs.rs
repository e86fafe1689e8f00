//! Jobs: made, read, listed and deleted, with their policies, in both versions. The sandbox does
//! not run them.

use serde_json::{Value, json};

use super::api_error::ApiError;
use super::authority::require;
use super::names::{check_id, check_region};
use super::operations::{self, Subject};
use super::pages::{page, page_request};
use super::query::Query;
use super::run_v2::Site;
use super::schema::{self, Api, known_fields};
use super::service_body::{new_uid, quoted_etag, shown, stamp};
use super::service_check::check_job;
use super::world::Collection;
use runaccess_domain::role::RUN_JOB_WITH_OVERRIDES;

const DEFAULT_PAGE: usize = 100;
const KIND: &str = "jobs";

/// The routes of v2 below a location's `jobs`; `None` for one that is not there.
pub(super) fn answer_v2(
    site: &Site<'_>,
    region: &str,
    (method, rest, verb): (&str, &[&str], &str),
    query: &Query,
    body: &Value,
) -> Option<Result<Value, ApiError>> {
    Some(match (method, rest, verb) {
        ("GET", [], "") => list(site, region, query),
        ("POST", [], "") => create(site, region, query, body),
        ("GET", [name], "") => {
            query.only(&[]).and_then(|()| Ok(shown(get(site, region, name)?, site.now)))
        }
        ("DELETE", [name], "") => delete(site, region, name, query),
        ("POST", [name], "run") => run(site, region, name, query, body),
        ("GET", [name], "getIamPolicy")
        | ("POST", [name], "setIamPolicy" | "testIamPermissions") => {
            return policy_verb(site, region, name, verb, (query, body));
        }
        _ => return None,
    })
}

/// A verb of IAM on a job, which is the same in v1.
pub(super) fn policy_verb(
    site: &Site<'_>,
    region: &str,
    name: &str,
    verb: &str,
    request: (&Query, &Value),
) -> Option<Result<Value, ApiError>> {
    if let Err(error) = get(site, region, name) {
        return Some(Err(error));
    }
    let full = full_name(site, region, name);
    site.policy_verb(&full, verb, request)
}

/// Runs a job: an execution that has succeeded at once, since nothing is run here. With overrides that
/// takes a permission of its own, which the invoker role does not hold (roles dump). That
/// Google also asks for `iam.serviceAccounts.actAs` on the job's account is reported, and not done here.
pub(super) fn run(
    site: &Site<'_>,
    region: &str,
    name: &str,
    query: &Query,
    body: &Value,
) -> Result<Value, ApiError> {
    query.only(&[])?;
    known_fields(body, &["etag", "overrides", "validateOnly"], "")?;
    let mut job = get(site, region, name)?;
    check_overrides(site, region, name, &body["overrides"])?;
    if let Some(etag) = body["etag"].as_str()
        && job["etag"] != *etag
    {
        return Err(ApiError::stale(name, etag, job["etag"].as_str().unwrap_or_default()));
    }
    let execution = execution(site, region, name, tasks(&job, &body["overrides"]));
    let subject = Subject { parent: &site.location(region), message: "Execution" };
    let only_checks = body["validateOnly"] == true;
    let asked = Query::of(&[("validateOnly", if only_checks { "true" } else { "false" })]);
    operations::carry_out(site, subject, &asked, &execution, || {
        let count = job["executionCount"].as_i64().unwrap_or_default();
        job["executionCount"] = Value::from(count + 1);
        job["latestCreatedExecution"] = json!({
            "name": execution["name"], "createTime": execution["createTime"],
            "completionTime": execution["completionTime"],
            "completionStatus": "EXECUTION_SUCCEEDED",
        });
        Ok(site.world.put_resource(place(site, region), name, &job)?)
    })
}

/// The same in v1, which answers with the execution.
pub(super) fn run_v1(
    site: &Site<'_>,
    region: &str,
    name: &str,
    query: &Query,
    body: &Value,
) -> Result<Value, ApiError> {
    query.only(&[])?;
    known_fields(body, &["overrides"], "")?;
    let job = get(site, region, name)?;
    check_overrides(site, region, name, &body["overrides"])?;
    let tasks = tasks(&job, &body["overrides"]);
    let made = execution(site, region, name, tasks);
    let short = made["name"].as_str().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
    Ok(json!({
        "apiVersion": "run.googleapis.com/v1",
        "kind": "Execution",
        "metadata": {"name": short, "namespace": site.project.number, "uid": made["uid"],
            "creationTimestamp": made["createTime"],
            "labels": {"run.googleapis.com/job": name, "cloud.googleapis.com/location": region}},
        "spec": {"taskCount": tasks},
        "status": {"succeededCount": tasks, "completionTime": made["completionTime"],
            "conditions": [{"type": "Completed", "status": "True"}]},
    }))
}

fn check_overrides(
    site: &Site<'_>,
    region: &str,
    name: &str,
    overrides: &Value,
) -> Result<(), ApiError> {
    if overrides.is_null() {
        return Ok(());
    }
    known_fields(overrides, &["containerOverrides", "taskCount", "timeout"], "overrides")?;
    let full = full_name(site, region, name);
    require(site.world, site.principal, &full, RUN_JOB_WITH_OVERRIDES, site.now)?;
    let wrong = |what: &str| Err(ApiError::invalid(format!("overrides.{what} is invalid.")));
    let tasks = &overrides["taskCount"];
    if !tasks.is_null() && tasks.as_i64().is_none_or(|tasks| tasks < 1) {
        return wrong("task_count");
    }
    let is_span = |text: &str| {
        let seconds = text.strip_suffix('s');
        seconds.is_some_and(|it| it.parse::<f64>().is_ok_and(|it| it.is_finite() && it >= 0.0))
    };
    if !overrides["timeout"].is_null() && !overrides["timeout"].as_str().is_some_and(is_span) {
        return wrong("timeout");
    }
    let job = get(site, region, name)?;
    let own = job["template"]["template"]["containers"].as_array();
    for one in overrides["containerOverrides"].as_array().into_iter().flatten() {
        known_fields(one, &["name", "args", "env", "clearArgs"], "overrides.container_overrides")?;
        let is_it = |own: &Value| one["name"].is_null() || own["name"] == one["name"];
        if !own.into_iter().flatten().any(is_it) {
            return wrong("container_overrides.name");
        }
    }
    Ok(())
}

/// How many tasks an execution has.
fn tasks(job: &Value, overrides: &Value) -> i64 {
    let own = job["template"]["taskCount"].as_i64();
    overrides["taskCount"].as_i64().or(own).unwrap_or(1)
}

fn execution(site: &Site<'_>, region: &str, name: &str, tasks: i64) -> Value {
    let letters: String = (0..5).map(|_| fastrand::lowercase()).collect();
    let now = stamp(site.now);
    json!({
        "name": format!("{}/executions/{name}-{letters}", full_name(site, region, name)),
        "uid": new_uid(),
        "creator": site.caller,
        "generation": "1",
        "createTime": now,
        "startTime": now,
        "completionTime": now,
        "job": full_name(site, region, name),
        "parallelism": 1,
        "taskCount": tasks,
        "succeededCount": tasks,
        "conditions": [{"type": "Completed", "state": "CONDITION_SUCCEEDED",
            "lastTransitionTime": now}],
        "etag": quoted_etag(),
    })
}

/// A job as it is kept.
pub(super) fn get(site: &Site<'_>, region: &str, name: &str) -> Result<Value, ApiError> {
    let found = site.world.resource(place(site, region), name)?;
    found.ok_or_else(|| ApiError::missing("JOB", name, region, &site.project.id))
}

fn list(site: &Site<'_>, region: &str, query: &Query) -> Result<Value, ApiError> {
    query.only(&["pageSize", "pageToken", "showDeleted"])?;
    check_region(region)?;
    let request = page_request(query, "pageSize", "pageToken", DEFAULT_PAGE)?;
    let (jobs, next) =
        site.world.resources_newest_first(place(site, region), request, &|_| true)?;
    let jobs: Vec<Value> = jobs.into_iter().map(|job| shown(job, site.now)).collect();
    Ok(page("jobs", jobs, next))
}

fn create(site: &Site<'_>, region: &str, query: &Query, body: &Value) -> Result<Value, ApiError> {
    query.only(&["jobId", "validateOnly"])?;
    let id = query.get("jobId").unwrap_or_default();
    let job = made(site, region, id, body)?;
    let subject = Subject { parent: &site.location(region), message: "Job" };
    operations::carry_out(site, subject, query, &job, || {
        Ok(site.world.put_resource(place(site, region), id, &job)?)
    })
}

/// A new job as it will be.
pub(super) fn made(
    site: &Site<'_>,
    region: &str,
    id: &str,
    body: &Value,
) -> Result<Value, ApiError> {
    schema::check(Api::RunV2, "GoogleCloudRunV2Job", body, "job")?;
    check_job(body)?;
    check_id("job", id)?;
    check_region(region)?;
    if site.world.resource(place(site, region), id)?.is_some() {
        return Err(ApiError::already_exists(format!("Resource '{id}' already exists.")));
    }
    let now = stamp(site.now);
    let mut job = json!({
        "name": full_name(site, region, id),
        "uid": new_uid(),
        "generation": "1",
        "observedGeneration": "1",
        "createTime": now,
        "updateTime": now,
        "creator": site.caller,
        "lastModifier": site.caller,
        "launchStage": "GA",
        "executionCount": 0,
        "terminalCondition":
            {"type": "Ready", "state": "CONDITION_SUCCEEDED", "lastTransitionTime": now},
        "etag": quoted_etag(),
    });
    for field in schema::settable(Api::RunV2, "GoogleCloudRunV2Job") {
        if let Some(value) = body.get(field).filter(|value| !value.is_null()) {
            job[field] = value.clone();
        }
    }
    let tasks = &mut job["template"]["template"];
    for (field, default) in [
        ("maxRetries", Value::from(3)),
        ("timeout", Value::from("600s")),
        ("serviceAccount", Value::from(site.project.compute_account())),
    ] {
        if tasks[field].is_null() {
            tasks[field] = default;
        }
    }
    if job["template"]["taskCount"].is_null() {
        job["template"]["taskCount"] = Value::from(1);
    }
    Ok(job)
}

fn delete(site: &Site<'_>, region: &str, name: &str, query: &Query) -> Result<Value, ApiError> {
    query.only(&["etag", "validateOnly"])?;
    let mut job = get(site, region, name)?;
    let asked = query.get("etag").unwrap_or_default();
    if !asked.is_empty() && job["etag"] != asked {
        return Err(ApiError::aborted(format!("Conflict for resource '{name}'.")));
    }
    if !query.flag("validateOnly")? {
        job["deleteTime"] = Value::from(stamp(site.now));
    }
    let subject = Subject { parent: &site.location(region), message: "Job" };
    operations::carry_out(site, subject, query, &job, || forget(site, region, name))
}

/// Takes a job away.
pub(super) fn forget(site: &Site<'_>, region: &str, name: &str) -> Result<(), ApiError> {
    let full = full_name(site, region, name);
    Ok(site.world.delete_resource(place(site, region), name, &full)?)
}

/// Where the jobs of a region, or of all (`-`), are kept.
pub(super) fn place<'a>(site: &'a Site<'_>, region: &'a str) -> Collection<'a> {
    Collection { kind: KIND, project: &site.project.id, region }
}

fn full_name(site: &Site<'_>, region: &str, name: &str) -> String {
    format!("{}/jobs/{name}", site.location(region))
}

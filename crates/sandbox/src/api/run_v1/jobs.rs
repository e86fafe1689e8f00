//! Jobs through v1, with their executions and tasks.

use serde_json::Value;

use super::reads::one_region;
use super::writes::{check, deleted, dry_run};
use super::{LEFTOVERS, body, view};
use crate::api::call::{Answer, Call};
use crate::api::job_place::{self, Place};
use crate::api::{executions, jobs, services};
use crate::dialect::api_error::ApiError;
use crate::dialect::wire::remove;

const GROUP: &str = "run.googleapis.com";

pub(crate) fn get(call: &Call<'_>) -> Answer {
    let (site, region) = one_region(call)?;
    Ok(view::job(site, &job_place::load(site, region, call.after("jobs"))?))
}

pub(crate) fn create(call: &Call<'_>) -> Answer {
    let ((site, region), body) = (one_region(call)?, call.body);
    check(site, body, "Job", None)?;
    let name = body["metadata"]["name"].as_str().unwrap_or_default();
    let mut job = jobs::made(site, region, name, &body::job(body)?)?;
    keep_leftovers(call, &mut job)?;
    if !dry_run(call.query)? {
        site.world.put_resource(job_place::kept_in(site, region), name, &job)?;
    }
    Ok(view::job(site, &job))
}

pub(crate) fn replace(call: &Call<'_>) -> Answer {
    let ((site, region), body) = (one_region(call)?, call.body);
    let name = call.after("jobs");
    check(site, body, "Job", Some(name))?;
    let mut job = job_place::load(site, region, name)?;
    let asked = body["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    if !asked.is_empty() {
        services::check_version(name, &job, Some(&format!("\"{asked}\"")))?;
    }
    jobs::replace(site, &mut job, &body::job(body)?);
    keep_leftovers(call, &mut job)?;
    if !dry_run(call.query)? {
        site.world.put_resource(job_place::kept_in(site, region), name, &job)?;
    }
    Ok(view::job(site, &job))
}

/// Keeps what the body says and v2 has no place for.
fn keep_leftovers(call: &Call<'_>, job: &mut Value) -> Result<(), ApiError> {
    remove(job, LEFTOVERS);
    let left = body::leftovers(call.body, &view::job(call.site()?, job));
    if !left.is_empty() {
        job[LEFTOVERS] = Value::Object(left);
    }
    Ok(())
}

pub(crate) fn delete(call: &Call<'_>) -> Answer {
    let ((site, region), name) = (one_region(call)?, call.after("jobs"));
    let job = job_place::load(site, region, name)?;
    if !dry_run(call.query)? {
        jobs::forget(site, region, name)?;
    }
    Ok(deleted(GROUP, "jobs", name, &job["uid"]))
}

/// Runs a job, and answers with the execution.
pub(crate) fn run(call: &Call<'_>) -> Answer {
    one_region(call)?;
    let place = Place::of(call)?;
    let mut job = place.load()?;
    let overrides = &call.body["overrides"];
    jobs::check_overrides(&place, &job, overrides)?;
    let execution = executions::made(&place, &job, overrides);
    executions::keep(&place, &mut job, &execution)?;
    Ok(view::execution(place.site, &execution))
}

pub(crate) fn get_execution(call: &Call<'_>) -> Answer {
    let (site, region) = one_region(call)?;
    Ok(view::execution(site, &executions::load(site, region, call.after("executions"))?))
}

pub(crate) fn delete_execution(call: &Call<'_>) -> Answer {
    let ((site, region), name) = (one_region(call)?, call.after("executions"));
    let execution = executions::load(site, region, name)?;
    site.world.delete_resource(executions::place(site, region), name, "")?;
    Ok(deleted(GROUP, "executions", name, &execution["uid"]))
}

pub(crate) fn get_task(call: &Call<'_>) -> Answer {
    let ((site, region), name) = (one_region(call)?, call.after("tasks"));
    // A task is called by its execution's name and its own number.
    let execution = name.rsplit_once("-task").map_or(name, |(execution, _)| execution);
    let found = site.world.resource(executions::place(site, region), execution)?;
    let mut tasks = found.as_ref().map(executions::tasks).unwrap_or_default().into_iter();
    let found = tasks.find(|task| executions::short_name(task) == name);
    let found = found.ok_or_else(|| ApiError::missing("TASK", name, region, &site.project.id))?;
    Ok(view::task(site, &found))
}

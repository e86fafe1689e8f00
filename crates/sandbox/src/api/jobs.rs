//! Jobs of v2: made, read, listed, changed, run and deleted. The sandbox does not run what is in them.

use serde_json::{Value, json};

use super::call::{Answer, Call, Site};
use super::executions;
use super::iam;
use super::job_place::{Place, full_name, kept_in};
use super::operations::{self, Subject, only_checks};
use super::policy_check::Rules;
use super::service_body::{self, fill, shown};
use super::service_check::check_job;
use super::services::check_version;
use crate::dialect::api_error::ApiError;
use crate::dialect::names::{check_id, check_region};
use crate::dialect::pages::{PageSize, page, page_request};
use crate::dialect::query::Query;
use crate::dialect::schema::{self, RUN_V2};
use crate::dialect::wire::remove;
use crate::records::roles::is_run_permission;
use crate::records::stamps::{new_uid, stamp};
use runaccess_domain::role::RUN_JOB_WITH_OVERRIDES;

const PAGE: PageSize = PageSize { usual: 100, most: 1_000 };
/// The message of Run v2 that a job is.
const MESSAGE: &str = "GoogleCloudRunV2Job";

/// A verb of IAM on a job, which is the same in v1.
pub(crate) fn policy(call: &Call<'_>) -> Answer {
    let job = Place::of(call)?;
    job.load()?;
    let rules = Rules { named_only: true, ..job.site.rules() };
    iam::verb(call, &job.full_name(), rules, is_run_permission)
}

/// Runs a job: an execution that has succeeded at once, since nothing is run here. With overrides that
/// takes a permission of its own, which the invoker role does not hold (roles dump). That
/// Google also asks for `iam.serviceAccounts.actAs` on the job's account is reported, and not done here.
pub(crate) fn run(call: &Call<'_>) -> Answer {
    let place = Place::of(call)?;
    let site = place.site;
    let mut job = place.load()?;
    let overrides = &call.body["overrides"];
    check_overrides(&place, &job, overrides)?;
    check_version(place.name, &job, call.body["etag"].as_str())?;
    let execution = executions::made(&place, &job, overrides);
    let subject = Subject { parent: &site.location(place.region), message: "Execution" };
    let only_checks = call.body["validateOnly"] == true;
    operations::carry_out(site, subject, only_checks, &execution, || {
        executions::keep(&place, &mut job, &execution)
    })
}

/// Refuses overrides that are not valid, or that whoever asks may not make.
pub(crate) fn check_overrides(
    place: &Place<'_>,
    job: &Value,
    overrides: &Value,
) -> Result<(), ApiError> {
    if overrides.is_null() {
        return Ok(());
    }
    place.site.require(RUN_JOB_WITH_OVERRIDES, &place.full_name())?;
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
    let own = job["template"]["template"]["containers"].as_array();
    for one in overrides["containerOverrides"].as_array().into_iter().flatten() {
        let is_it = |own: &Value| one["name"].is_null() || own["name"] == one["name"];
        if !own.into_iter().flatten().any(is_it) {
            return wrong("container_overrides.name");
        }
    }
    Ok(())
}

pub(crate) fn get(call: &Call<'_>) -> Answer {
    let job = Place::of(call)?;
    Ok(shown(job.load()?, job.site.now))
}

/// Lists the jobs of a region, newest first, or of all (`-`; its parameter's text does not refuse it).
pub(crate) fn list(call: &Call<'_>) -> Answer {
    let (site, region) = (call.site()?, call.region());
    site.check_listed(region)?;
    let request = page_request(call.query, PAGE)?;
    let (jobs, next) =
        site.world
            .resources_newest_first(kept_in(site, region), request, &|job| site.can_reach(job))?;
    let jobs: Vec<Value> = jobs.into_iter().map(|job| shown(job, site.now)).collect();
    Ok(page("jobs", jobs, next))
}

pub(crate) fn create(call: &Call<'_>) -> Answer {
    let (site, region) = (call.site()?, call.region());
    site.check_reachable(region)?;
    let id = call.query.get("jobId").unwrap_or_default();
    create_named(site, region, id, call.query, call.body)
}

fn create_named(site: &Site<'_>, region: &str, id: &str, query: &Query, body: &Value) -> Answer {
    check_annotations(body)?;
    let job = made(site, region, id, body)?;
    let subject = Subject { parent: &site.location(region), message: "Job" };
    operations::carry_out(site, subject, only_checks(query)?, &job, || {
        Ok(site.world.put_resource(kept_in(site, region), id, &job)?)
    })
}

/// A new job as it will be.
pub(crate) fn made(site: &Site<'_>, region: &str, id: &str, body: &Value) -> Answer {
    check_job(body)?;
    check_id("job", id)?;
    check_region(region)?;
    if site.world.resource(kept_in(site, region), id)?.is_some() {
        return Err(ApiError::taken(id));
    }
    let mut job = json!({
        "name": full_name(site, region, id),
        "uid": new_uid(),
        "generation": "1",
        "createTime": stamp(site.now),
        "creator": site.caller(),
        "executionCount": 0,
    });
    say(site, &mut job, body);
    Ok(job)
}

/// Refuses what v2 rejects in new jobs.
fn check_annotations(body: &Value) -> Result<(), ApiError> {
    service_body::check_annotations("job", body, &["", "/template"])
}

/// Sets all that a body says, with Cloud Run's defaults for the rest.
fn say(site: &Site<'_>, job: &mut Value, body: &Value) {
    for field in schema::settable(RUN_V2, MESSAGE) {
        match body.get(field).filter(|value| !value.is_null()) {
            Some(value) => job[field] = value.clone(),
            None => remove(job, field),
        }
    }
    service_body::tell_change(job, site.caller(), site.now);
    fill(&mut job["template"]["taskCount"], Value::from(1));
    let task = &mut job["template"]["template"];
    fill(&mut task["maxRetries"], Value::from(3));
    fill(&mut task["timeout"], Value::from("600s"));
    fill(&mut task["serviceAccount"], Value::from(site.project.compute_account()));
    fill(&mut task["executionEnvironment"], Value::from(service_body::NEWER_ENVIRONMENT));
    service_body::fill_limits(task);
}

/// Replaces a job: the method has no mask.
pub(crate) fn patch(call: &Call<'_>) -> Answer {
    let (place, query, body) = (Place::of(call)?, call.query, call.body);
    let (site, region) = (place.site, place.region);
    check_job(body)?;
    let Some(mut job) = call.or_missing(place.load(), "run.jobs.create")? else {
        return create_named(site, region, place.name, query, body);
    };
    check_version(place.name, &job, body["etag"].as_str())?;
    service_body::check_added("job", body, &job)?;
    replace(site, &mut job, body);
    let subject = Subject { parent: &site.location(region), message: "Job" };
    operations::carry_out(site, subject, only_checks(query)?, &job, || {
        Ok(site.world.put_resource(kept_in(site, region), place.name, &job)?)
    })
}

/// Makes a job that is there what a body says.
pub(crate) fn replace(site: &Site<'_>, job: &mut Value, body: &Value) {
    service_body::raise_generation(job);
    say(site, job, body);
}

pub(crate) fn delete(call: &Call<'_>) -> Answer {
    let (place, query) = (Place::of(call)?, call.query);
    let job = place.load()?;
    check_version(place.name, &job, query.get("etag"))?;
    let subject = Subject { parent: &place.site.location(place.region), message: "Job" };
    operations::take_away(place.site, subject, query, job, || {
        forget(place.site, place.region, place.name)
    })
}

/// Takes a job away, and its executions with it.
pub(crate) fn forget(site: &Site<'_>, region: &str, name: &str) -> Result<(), ApiError> {
    let full = full_name(site, region, name);
    executions::forget_all(site, region, &full)?;
    Ok(site.world.delete_resource(kept_in(site, region), name, &full)?)
}

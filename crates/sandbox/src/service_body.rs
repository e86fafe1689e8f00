//! A service as Run v2's JSON: what a client may say of it, and what Cloud Run works out.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::api_error::ApiError;
use super::iam::new_etag;
use super::names::{deterministic_url, hashed_url, tag_url};
use super::run_v1::is_mapped_annotation;
use super::schema::{self, Api};
use super::wire::camel;
use super::world::Project;
use runaccess_domain::address::Address;
use runaccess_domain::resource::ServiceName;

/// The message of Run v2 that a service is.
const MESSAGE: &str = "GoogleCloudRunV2Service";
/// Until when a service is still being worked on, in milliseconds since 1970, and how that ends:
/// `failed`, or well where it is absent. Kept with the service and shown as its conditions.
pub(super) const SETTLES_AT: &str = "_settlesAt";
pub(super) const OUTCOME: &str = "_outcome";

/// Checks a service in a request's body.
pub(super) fn check(body: &Value) -> Result<(), ApiError> {
    schema::check(Api::RunV2, MESSAGE, body, "service")?;
    // That v2 rejects v1's system annotations is background knowledge; a text of our own.
    for (of_template, at, annotations) in [
        (false, "service.annotations", &body["annotations"]),
        (true, "service.template.annotations", &body["template"]["annotations"]),
    ] {
        let names = annotations.as_object().into_iter().flatten().map(|(name, _)| name);
        if let Some(name) = names.into_iter().find(|name| is_mapped_annotation(of_template, name)) {
            return Err(ApiError::invalid(format!(
                "Invalid value at '{at}': the system annotation '{name}' is a field in v2."
            )));
        }
    }
    Ok(())
}

/// A service as v2 shows it at a time: without what is kept for the sandbox alone, and with the
/// conditions of that moment.
pub(super) fn shown(mut service: Value, now: OffsetDateTime) -> Value {
    if let Cow::Owned(changed) = at_time(&service, now) {
        service = changed;
    }
    without_own(service)
}

/// A resource without what is kept with it for the sandbox alone.
pub(super) fn without_own(mut resource: Value) -> Value {
    if let Some(object) = resource.as_object_mut() {
        object.retain(|name, _| !name.starts_with('_'));
    }
    resource
}

/// A service with the conditions of a time: most often those with which it is kept.
pub(super) fn at_time(kept: &Value, now: OffsetDateTime) -> Cow<'_, Value> {
    if kept.get(SETTLES_AT).is_none() && kept.get(OUTCOME).is_none() {
        return Cow::Borrowed(kept);
    }
    let mut service = kept.clone();
    let settles_at = service[SETTLES_AT].as_i64().unwrap_or_default();
    let failed = service[OUTCOME] == "failed";
    let state = if millis(now) < settles_at {
        service["reconciling"] = Value::from(true);
        "CONDITION_RECONCILING"
    } else if failed {
        "CONDITION_FAILED"
    } else {
        return Cow::Borrowed(kept);
    };
    service["terminalCondition"]["state"] = Value::from(state);
    for condition in service["conditions"].as_array_mut().into_iter().flatten() {
        condition["state"] = Value::from(state);
    }
    if failed && state == "CONDITION_FAILED" {
        service["terminalCondition"]["message"] = Value::from(TOLD_TO_FAIL);
    }
    Cow::Owned(service)
}

/// What an operation says that the sandbox was told to let fail.
pub(super) const TOLD_TO_FAIL: &str = "The sandbox was told to let operations fail.";

/// Milliseconds since 1970.
pub(super) fn millis(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// Makes a new service of what a client said.
pub(super) fn create(
    project: &Project,
    name: &ServiceName,
    body: &Value,
    by: &str,
    now: OffsetDateTime,
) -> Value {
    let mut service = Map::new();
    service.insert("name".to_owned(), Value::from(name.to_string()));
    service.insert("uid".to_owned(), Value::from(new_uid()));
    service.insert("generation".to_owned(), Value::from("1"));
    service.insert("createTime".to_owned(), Value::from(stamp(now)));
    service.insert("creator".to_owned(), Value::from(by));
    let mut service = Value::Object(service);
    copy_settable(&mut service, body, |_| true);
    complete(project, name, &mut service, Change { by, now, new_revision: true });
    service
}

/// Who changes a service, when, and whether that makes a revision whatever is changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    pub(super) by: &'a str,
    pub(super) now: OffsetDateTime,
    pub(super) new_revision: bool,
}

/// Changes what the mask names (`None`: everything that may be set), and returns whether that
/// makes a new revision.
pub(super) fn patch(
    project: &Project,
    name: &ServiceName,
    service: &mut Value,
    body: &Value,
    mask: Option<&[String]>,
    change: Change<'_>,
) -> Result<bool, ApiError> {
    let mask = mask.filter(|paths| !paths.iter().any(|path| path == "*"));
    let mut wanted = Vec::new();
    let mut nested = Vec::new();
    for path in mask.unwrap_or_default() {
        let top = camel(path.split('.').next().unwrap_or_default());
        if !settable().any(|field| field == top) {
            return Err(ApiError::invalid(format!(
                "The field mask path '{path}' cannot be updated."
            )));
        }
        let parts: Vec<String> = path.split('.').map(camel).collect();
        if !schema::has_path(Api::RunV2, MESSAGE, &parts) {
            return Err(ApiError::invalid(format!(
                "The field mask path '{path}' is not one of a service."
            )));
        }
        if parts.len() == 1 {
            wanted.push(top);
        } else {
            nested.push(parts);
        }
    }
    let template = service["template"].clone();
    copy_settable(service, body, |field| mask.is_none() || wanted.iter().any(|name| name == field));
    for path in nested {
        put_part(service, &path, path.iter().fold(body, |value, name| &value[name.as_str()]));
    }
    let generation: u64 = service["generation"].as_str().and_then(|g| g.parse().ok()).unwrap_or(1);
    service["generation"] = Value::from((generation + 1).to_string());
    fill_template(project, service);
    let new_revision = change.new_revision || service["template"] != template;
    complete(project, name, service, Change { new_revision, ..change });
    Ok(new_revision)
}

/// Sets the part at a path; if it is null, takes it away.
fn put_part(service: &mut Value, path: &[String], part: &Value) {
    let Some((last, way)) = path.split_last() else { return };
    let place = way.iter().fold(service, |value, name| {
        if !value.is_object() {
            *value = json!({});
        }
        &mut value[name.as_str()]
    });
    if !place.is_object() {
        *place = json!({});
    }
    match place.as_object_mut() {
        Some(object) if part.is_null() => {
            object.shift_remove(last);
        }
        _ => place[last.as_str()] = part.clone(),
    }
}

/// The revision that a service's template stands for now.
pub(super) fn revision(name: &ServiceName, service: &Value, now: OffsetDateTime) -> Value {
    let short = latest_revision(service);
    let mut revision = json!({
        "name": format!("{name}/revisions/{short}"),
        "uid": new_uid(),
        "generation": "1",
        "createTime": stamp(now),
        "updateTime": stamp(now),
        "service": name.service(),
        "conditions": [{"type": "Ready", "state": "CONDITION_SUCCEEDED", "lastTransitionTime": stamp(now)}],
        "observedGeneration": "1",
        "etag": quoted_etag(),
    });
    if let Some(template) = service["template"].as_object() {
        for field in [
            "containers",
            "serviceAccount",
            "scaling",
            "timeout",
            "maxInstanceRequestConcurrency",
            "labels",
            "annotations",
        ] {
            if let Some(value) = template.get(field) {
                revision[field] = value.clone();
            }
        }
    }
    revision
}

/// The short name of the latest revision.
pub(super) fn latest_revision(service: &Value) -> String {
    let full = service["latestCreatedRevision"].as_str().unwrap_or_default();
    full.rsplit('/').next().unwrap_or_default().to_owned()
}

fn settable() -> impl Iterator<Item = &'static str> {
    schema::settable(Api::RunV2, MESSAGE)
}

fn copy_settable(service: &mut Value, body: &Value, wanted: impl Fn(&str) -> bool) {
    let Some(object) = service.as_object_mut() else {
        return;
    };
    for field in settable().filter(|field| wanted(field)) {
        match body.get(field) {
            None | Some(Value::Null | Value::Bool(false)) => {
                object.shift_remove(field);
            }
            Some(value) => {
                object.insert(field.to_owned(), value.clone());
            }
        }
    }
}

fn or(value: &Value, default: Value) -> Value {
    if value.is_null() { default } else { value.clone() }
}

/// Fills in the defaults of the template.
fn fill_template(project: &Project, service: &mut Value) {
    let mut template = or(&service["template"], json!({}));
    template["serviceAccount"] =
        or(&template["serviceAccount"], Value::from(project.compute_account()));
    if template["timeout"] == "" {
        template["timeout"] = Value::Null;
    }
    template["timeout"] = or(&template["timeout"], Value::from("300s"));
    template["maxInstanceRequestConcurrency"] =
        or(&template["maxInstanceRequestConcurrency"], Value::from(80));
    template["containers"] = or(
        &template["containers"],
        json!([{"image": "us-docker.pkg.dev/cloudrun/container/hello"}]),
    );
    // One container takes requests: where none says that it does, the first.
    let containers = template["containers"].as_array_mut();
    if let Some([first, rest @ ..]) = containers.map(Vec::as_mut_slice)
        && rest.iter().all(|container| container["ports"].is_null())
    {
        first["ports"] = or(&first["ports"], json!([{"name": "http1", "containerPort": 8080}]));
    }
    service["template"] = template;
}

/// Fills in defaults and works out what Cloud Run reports.
fn complete(project: &Project, name: &ServiceName, service: &mut Value, change: Change<'_>) {
    let Change { by, now, new_revision } = change;
    service["updateTime"] = Value::from(stamp(now));
    service["lastModifier"] = Value::from(by);
    service["ingress"] = or(&service["ingress"], Value::from("INGRESS_TRAFFIC_ALL"));
    service["launchStage"] = or(&service["launchStage"], Value::from("GA"));
    fill_template(project, service);
    let latest = json!([{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}]);
    service["traffic"] = or(&service["traffic"], latest);

    let generation = service["generation"].as_str().unwrap_or("1").to_owned();
    if new_revision {
        let number: u32 = generation.parse().unwrap_or(1);
        let chosen = service["template"]["revision"].as_str().filter(|name| !name.is_empty());
        let short = match chosen {
            Some(chosen) => chosen.to_owned(),
            None => format!("{}-{number:05}-{}", name.service(), letters()),
        };
        let revision = format!("{name}/revisions/{short}");
        service["latestReadyRevision"] = Value::from(revision.clone());
        service["latestCreatedRevision"] = Value::from(revision);
    }
    service["observedGeneration"] = Value::from(generation);
    let condition = |kind: &str| json!({"type": kind, "state": "CONDITION_SUCCEEDED", "lastTransitionTime": stamp(now)});
    service["terminalCondition"] = condition("Ready");
    service["conditions"] = json!([condition("RoutesReady"), condition("ConfigurationsReady")]);

    let hashed = hashed_url(name.service(), &project.hash, name.region());
    // Those of a function are not the service's own to lose.
    let of_function: Vec<String> = service["urls"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter(|url| Address::listed(url).is_some_and(|url| url.function_path().is_some()))
        .map(str::to_owned)
        .collect();
    let object = service.as_object_mut();
    if let Some(object) = object {
        object.shift_remove("uri");
        object.shift_remove("urls");
    }
    if service["defaultUriDisabled"] != true {
        let deterministic = deterministic_url(name.service(), &project.number, name.region());
        let urls: Vec<String> = deterministic.into_iter().chain([hashed.clone()]).collect();
        service["uri"] = Value::from(hashed.clone());
        service["urls"] = json!([urls, of_function].concat());
    } else if !of_function.is_empty() {
        service["urls"] = json!(of_function);
    }
    service["trafficStatuses"] = Value::Array(traffic_statuses(service, &hashed));
    service["etag"] = Value::from(quoted_etag());
}

fn traffic_statuses(service: &Value, url: &str) -> Vec<Value> {
    let latest = latest_revision(service);
    let targets = service["traffic"].as_array().into_iter().flatten();
    targets
        .map(|target| {
            let mut status = target.clone();
            if status["revision"].is_null() {
                status["revision"] = Value::from(latest.clone());
            }
            if let Some(tag) = target["tag"].as_str().filter(|tag| !tag.is_empty()) {
                status["uri"] = Value::from(tag_url(tag, url));
            }
            status
        })
        .collect()
}

/// The time as Google writes it.
pub(super) fn stamp(time: OffsetDateTime) -> String {
    let time = time.replace_nanosecond(time.microsecond() * 1_000).unwrap_or(time);
    time.format(&Rfc3339).unwrap_or_default()
}

pub(super) fn quoted_etag() -> String {
    format!("\"{}\"", new_etag())
}

pub(super) fn new_uid() -> String {
    let n = fastrand::u128(..);
    let hex = format!("{n:032x}");
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

fn letters() -> String {
    std::iter::repeat_with(fastrand::lowercase).take(3).collect()
}

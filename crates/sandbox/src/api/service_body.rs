//! A service as Run v2's JSON: what a client may say of it, and what Cloud Run works out.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use crate::dialect::api_error::ApiError;
use crate::dialect::names::{deterministic_url, hashed_url, tag_url};
use crate::dialect::query::Query;
use crate::dialect::schema::{self, RUN_V2};
use crate::dialect::wire::camel;
use crate::records::stamps::{millis, new_uid, quoted_etag, stamp};
use crate::records::world::Project;
use runaccess_domain::address::Address;
use runaccess_domain::resource::ServiceName;

/// The message of Run v2 that a service is.
const MESSAGE: &str = "GoogleCloudRunV2Service";
/// Until when a service is still being worked on, in milliseconds since 1970, and how that ends:
/// `failed`, or well where it is absent. Kept with the service and shown as its conditions.
pub(crate) const SETTLES_AT: &str = "_settlesAt";
pub(crate) const OUTCOME: &str = "_outcome";

/// Checks a service in a request's body, of a new service.
pub(crate) fn check(body: &Value) -> Result<(), ApiError> {
    check_annotations("service", body, &["", "/template"])
}

/// The namespaces of v1's system annotations and labels, which v2 rejects in new resources
/// (discovery document).
const SYSTEM: [&str; 4] = [
    "run.googleapis.com/",
    "cloud.googleapis.com/",
    "serving.knative.dev/",
    "autoscaling.knative.dev/",
];

/// Refuses system annotations and labels in these parts of a body. The text about annotations is
/// observed, that about labels is made after it.
pub(crate) fn check_annotations(kind: &str, body: &Value, parts: &[&str]) -> Result<(), ApiError> {
    for part in parts {
        for field in ["annotations", "labels"] {
            let names = body.pointer(&format!("{part}/{field}")).and_then(Value::as_object);
            let mut names = names.into_iter().flat_map(Map::keys);
            if names.any(|name| SYSTEM.iter().any(|start| name.starts_with(start))) {
                return Err(ApiError::invalid(format!(
                    "{kind}{}.{field}: system {field} are not supported in Cloud Run API v2.",
                    part.replace('/', ".")
                )));
            }
        }
    }
    Ok(())
}

/// Refuses what a change adds that v2 rejects: what v1 put there may stay.
pub(crate) fn check_added(kind: &str, body: &Value, there: &Value) -> Result<(), ApiError> {
    let mut added = json!({});
    for (part, at) in [
        ("", "/annotations"),
        ("", "/labels"),
        ("template", "/template/annotations"),
        ("template", "/template/labels"),
    ] {
        let own = body.pointer(at).and_then(Value::as_object).cloned().unwrap_or_default();
        let known = there.pointer(at).and_then(Value::as_object);
        let new = own.into_iter().filter(|(name, _)| known.is_none_or(|k| !k.contains_key(name)));
        let field = at.rsplit('/').next().unwrap_or_default();
        let place = if part.is_empty() { &mut added } else { &mut added[part] };
        place[field] = Value::Object(new.collect());
    }
    check_annotations(kind, &added, &["", "/template"])
}

/// A service as v2 shows it at a time: without what is kept for the sandbox alone, and with the
/// conditions of that moment.
pub(crate) fn shown(mut service: Value, now: OffsetDateTime) -> Value {
    if let Cow::Owned(changed) = at_time(&service, now) {
        service = changed;
    }
    without_own(service)
}

/// A resource without what is kept with it for the sandbox alone.
pub(crate) fn without_own(mut resource: Value) -> Value {
    if let Some(object) = resource.as_object_mut() {
        object.retain(|name, _| !name.starts_with('_'));
    }
    resource
}

/// A service with the conditions of a time: most often those with which it is kept.
pub(crate) fn at_time(kept: &Value, now: OffsetDateTime) -> Cow<'_, Value> {
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
pub(crate) const TOLD_TO_FAIL: &str = "The sandbox was told to let operations fail.";

/// Makes a new service of what a client said.
pub(crate) fn create(
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
    copy_settable(MESSAGE, &mut service, body, |_| true);
    complete(project, name, &mut service, Change { by, now, new_revision: true });
    service
}

/// Who changes a service, when, and whether that makes a revision whatever is changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    pub(crate) by: &'a str,
    pub(crate) now: OffsetDateTime,
    pub(crate) new_revision: bool,
}

/// Sets in a resource what the mask names of a body (`None`: everything that may be set). What the
/// server alone sets is passed over (AIP-203; clients name it), what the message does not have refused.
pub(crate) fn apply_mask(
    message: &str,
    resource: &mut Value,
    body: &Value,
    mask: Option<&[String]>,
) -> Result<(), ApiError> {
    let mask = mask.filter(|paths| !paths.iter().any(|path| path == "*"));
    let settable: Vec<&str> = schema::settable(RUN_V2, message).collect();
    let mut wanted = Vec::new();
    let mut nested = Vec::new();
    for path in mask.unwrap_or_default() {
        let parts: Vec<String> = path.split('.').map(camel).collect();
        if !schema::has_path(RUN_V2, message, &parts) {
            return Err(ApiError::invalid(format!(
                "The field mask path '{path}' is not one of {}.",
                message.trim_start_matches("GoogleCloudRunV2")
            )));
        }
        let top = &parts[0];
        if !settable.contains(&top.as_str()) {
            continue;
        }
        if parts.len() == 1 {
            wanted.push(top.clone());
        } else {
            nested.push(parts);
        }
    }
    let is_wanted = |field: &str| mask.is_none() || wanted.iter().any(|name| name == field);
    copy_settable(message, resource, body, is_wanted);
    for path in nested {
        put_part(resource, &path, path.iter().fold(body, |value, name| &value[name.as_str()]));
    }
    Ok(())
}

/// The paths of a mask in a query; `None` if there is none.
pub(crate) fn mask_of(query: &Query) -> Option<Vec<String>> {
    let mask = query.get("updateMask").filter(|mask| !mask.is_empty())?;
    Some(mask.split(',').map(|path| path.trim().to_owned()).collect())
}

/// Changes what the mask names (`None`: everything that may be set), and returns whether that
/// makes a new revision.
pub(crate) fn patch(
    project: &Project,
    name: &ServiceName,
    service: &mut Value,
    body: &Value,
    mask: Option<&[String]>,
    change: Change<'_>,
) -> Result<bool, ApiError> {
    let template = service["template"].clone();
    apply_mask(MESSAGE, service, body, mask)?;
    raise_generation(service);
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
pub(crate) fn revision(name: &ServiceName, service: &Value, now: OffsetDateTime) -> Value {
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
            "volumes",
            "vpcAccess",
            "sessionAffinity",
            "executionEnvironment",
            "encryptionKey",
        ] {
            if let Some(value) = template.get(field) {
                revision[field] = value.clone();
            }
        }
    }
    revision
}

/// The short name of the latest revision.
pub(crate) fn latest_revision(service: &Value) -> String {
    let full = service["latestCreatedRevision"].as_str().unwrap_or_default();
    full.rsplit('/').next().unwrap_or_default().to_owned()
}

/// Sets the fields of a body that a client may set and that are wanted.
pub(crate) fn copy_settable(
    message: &str,
    resource: &mut Value,
    body: &Value,
    wanted: impl Fn(&str) -> bool,
) {
    let Some(object) = resource.as_object_mut() else {
        return;
    };
    for field in schema::settable(RUN_V2, message).filter(|field| wanted(field)) {
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

/// Sets what is not said.
pub(crate) fn fill(place: &mut Value, default: Value) {
    if place.is_null() {
        *place = default;
    }
}

/// Counts a change of a resource.
pub(crate) fn raise_generation(resource: &mut Value) {
    let generation = resource["generation"].as_str().and_then(|text| text.parse::<u64>().ok());
    resource["generation"] = Value::from((generation.unwrap_or(1) + 1).to_string());
}

/// Sets what is told of a change of a job, an instance or a worker pool, each of which is ready at once.
pub(crate) fn tell_change(resource: &mut Value, by: &str, now: OffsetDateTime) {
    let now = stamp(now);
    resource["updateTime"] = Value::from(now.as_str());
    resource["lastModifier"] = Value::from(by);
    resource["observedGeneration"] = resource["generation"].clone();
    resource["terminalCondition"] =
        json!({"type": "Ready", "state": "CONDITION_SUCCEEDED", "lastTransitionTime": now});
    resource["etag"] = Value::from(quoted_etag());
    fill(&mut resource["launchStage"], Value::from("GA"));
}

/// The execution environment of new resources.
pub(crate) const NEWER_ENVIRONMENT: &str = "EXECUTION_ENVIRONMENT_GEN2";

/// A number of processors, as limits write it.
fn processors(limit: &str) -> Option<f64> {
    match limit.strip_suffix('m') {
        Some(thousandths) => thousandths.parse::<f64>().ok().map(|number| number / 1_000.0),
        None => limit.parse().ok(),
    }
}

/// Fills in which traffic leaves by a network that is said (documented).
pub(crate) fn fill_egress(template: &mut Value) {
    let access = &mut template["vpcAccess"];
    if access.is_object() && access["egress"].is_null() {
        access["egress"] = Value::from("PRIVATE_RANGES_ONLY");
    } else if access.is_null() {
        crate::dialect::wire::remove(template, "vpcAccess");
    }
}

/// Fills in the limits that a container has if none are said.
pub(crate) fn fill_limits(template: &mut Value) {
    for container in template["containers"].as_array_mut().into_iter().flatten() {
        for (name, least) in [("cpu", "1000m"), ("memory", "512Mi")] {
            fill(&mut container["resources"]["limits"][name], Value::from(least));
        }
    }
}

/// Fills in the defaults of the template.
fn fill_template(project: &Project, service: &mut Value) {
    let template = &mut service["template"];
    fill(template, json!({}));
    fill(&mut template["serviceAccount"], Value::from(project.compute_account()));
    if template["timeout"] == "" {
        template["timeout"] = Value::Null;
    }
    fill(&mut template["timeout"], Value::from("300s"));
    fill(
        &mut template["containers"],
        json!([{"image": "us-docker.pkg.dev/cloudrun/container/hello"}]),
    );
    fill(&mut template["executionEnvironment"], Value::from(NEWER_ENVIRONMENT));
    for container in template["containers"].as_array_mut().into_iter().flatten() {
        // Documented: without any requirement, the processor is there during requests alone.
        fill(&mut container["resources"], json!({"cpuIdle": true}));
    }
    fill_limits(template);
    // Documented: less than one processor takes one request at a time.
    if template["maxInstanceRequestConcurrency"].as_i64().unwrap_or_default() == 0 {
        let cpu = template["containers"][0]["resources"]["limits"]["cpu"].as_str();
        let is_part = cpu.and_then(processors).is_some_and(|cpu| cpu < 1.0);
        template["maxInstanceRequestConcurrency"] = Value::from(if is_part { 1 } else { 80 });
    }
    // Documented: the server's default of instances at most.
    if template["scaling"]["maxInstanceCount"].as_i64().unwrap_or_default() == 0 {
        template["scaling"]["maxInstanceCount"] = Value::from(100);
    }
    fill_egress(template);
    // One container takes requests: where none says that it does, the first.
    let containers = template["containers"].as_array_mut();
    if let Some([first, rest @ ..]) = containers.map(Vec::as_mut_slice)
        && rest.iter().all(|container| container["ports"].is_null())
    {
        fill(&mut first["ports"], json!([{"name": "http1", "containerPort": 8080}]));
    }
}

/// Fills in defaults and works out what Cloud Run reports.
fn complete(project: &Project, name: &ServiceName, service: &mut Value, change: Change<'_>) {
    let Change { by, now, new_revision } = change;
    service["updateTime"] = Value::from(stamp(now));
    service["lastModifier"] = Value::from(by);
    fill(&mut service["ingress"], Value::from("INGRESS_TRAFFIC_ALL"));
    fill(&mut service["launchStage"], Value::from("GA"));
    fill_template(project, service);
    let latest = json!([{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}]);
    fill(&mut service["traffic"], latest);

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

fn letters() -> String {
    std::iter::repeat_with(fastrand::lowercase).take(3).collect()
}

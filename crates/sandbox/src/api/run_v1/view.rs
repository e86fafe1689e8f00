//! What v2 keeps, as v1 shows it.

use serde_json::{Map, Value, json};

use super::annotations::{self, INGRESS, OF_EXECUTION, OF_JOB, OF_SERVICE, OF_TEMPLATE};
use super::body::{LEFTOVERS, restore};
use super::template::{copy, drop_nulls, merge, seconds, show_containers, show_volumes};
use super::{LOCATION_LABEL, SERVICE_LABEL, template};
use crate::api::call::Site;
use crate::api::service_body::{at_time, latest_revision};
use crate::dialect::partial::Fields;
use runaccess_domain::resource::ServiceName;

/// What the regions of one multi-region service share (read in gcloud's source).
const MULTI_REGION_LABEL: &str = "run.googleapis.com/multi-region-id";

/// A service, from how it is kept.
pub(crate) fn service(site: &Site<'_>, kept: &Value) -> Value {
    let service = at_time(kept, site.now);
    let mut answer = service_with(site, &service, |_| true);
    restore(&kept[LEFTOVERS], &mut answer);
    answer
}

/// A service in a list, of which only some parts may be wanted: the others are not even made.
pub(crate) fn listed_service(site: &Site<'_>, kept: &Value, wanted: &Fields) -> Value {
    let service = at_time(kept, site.now);
    let part = |name: &str| wanted.wants(&["items", name]);
    let mut answer = service_with(site, &service, part);
    if part("spec") {
        restore(&kept[LEFTOVERS], &mut answer);
    }
    answer
}

fn service_with(site: &Site<'_>, service: &Value, wanted: impl Fn(&str) -> bool) -> Value {
    let mut answer = json!({"apiVersion": "serving.knative.dev/v1", "kind": "Service"});
    if wanted("metadata") {
        answer["metadata"] = metadata(site, service, "services");
    }
    if wanted("spec") {
        answer["spec"] = json!({
            "template": run_template(service),
            "traffic": traffic(&service["traffic"], "", false),
        });
    }
    if wanted("status") {
        let mut status = status(service, &["Ready", "ConfigurationsReady", "RoutesReady"]);
        let latest = latest_revision(service);
        status["latestReadyRevisionName"] = Value::from(latest.as_str());
        status["latestCreatedRevisionName"] = Value::from(latest);
        merge_address(&mut status, service);
        answer["status"] = status;
    }
    answer
}

/// The route of a service: where its traffic goes.
pub(crate) fn route(site: &Site<'_>, kept: &Value) -> Value {
    let service = at_time(kept, site.now);
    let service = service.as_ref();
    let mut answer = json!({
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Route",
        "metadata": metadata(site, service, "routes"),
        "spec": {"traffic": traffic(&service["traffic"], "", false)},
        "status": status(service, &["Ready"]),
    });
    merge_address(&mut answer["status"], service);
    label_with_service(&mut answer, service);
    answer
}

/// The configuration of a service: what its next revision is made of.
pub(crate) fn configuration(site: &Site<'_>, kept: &Value) -> Value {
    let service = at_time(kept, site.now);
    let service = service.as_ref();
    let mut answer = json!({
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Configuration",
        "metadata": metadata(site, service, "configurations"),
        "spec": {"template": run_template(service)},
        "status": status(service, &["Ready"]),
    });
    merge(
        &mut answer["status"],
        json!({
            "latestReadyRevisionName": latest_revision(service),
            "latestCreatedRevisionName": latest_revision(service),
        }),
    );
    label_with_service(&mut answer, service);
    answer
}

/// A revision.
pub(crate) fn revision(site: &Site<'_>, revision: &Value) -> Value {
    let short = short_name(revision);
    let mut annotations = revision["annotations"].as_object().cloned().unwrap_or_default();
    annotations::show(OF_TEMPLATE, &json!({"template": revision}), &mut annotations);
    let mut spec = run_spec(revision);
    drop_nulls(&mut spec);
    let mut conditions: Vec<Value> =
        revision["conditions"].as_array().into_iter().flatten().map(condition).collect();
    let active = if takes_traffic(site, revision) { "True" } else { "False" };
    conditions.push(json!({"type": "Active", "status": active}));
    json!({
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Revision",
        "metadata": {
            "name": short,
            "namespace": site.project.number,
            "selfLink": self_link(site, "serving.knative.dev", "revisions", short),
            "uid": revision["uid"],
            "resourceVersion": resource_version(revision),
            "generation": number(&revision["generation"]),
            "creationTimestamp": revision["createTime"],
            "labels": revision_labels(revision),
            "annotations": annotations,
        },
        "spec": spec,
        "status": {
            "observedGeneration": number(&revision["observedGeneration"]),
            "conditions": conditions,
        },
    })
}

/// Whether a revision has a share of its service's traffic, or a tag.
fn takes_traffic(site: &Site<'_>, revision: &Value) -> bool {
    let full = revision["name"].as_str().unwrap_or_default();
    let service = full.split_once("/revisions/").and_then(|(name, _)| ServiceName::parse(name));
    let service = service.and_then(|name| site.world.service(&name).ok().flatten());
    let targets = service.as_ref().and_then(|service| service["trafficStatuses"].as_array());
    targets.into_iter().flatten().any(|target| {
        let named = target["revision"].as_str().and_then(|name| name.rsplit('/').next());
        named == Some(short_name(revision))
    })
}

/// The labels of a revision: its own, and those of its place.
pub(crate) fn revision_labels(revision: &Value) -> Map<String, Value> {
    let mut labels = revision["labels"].as_object().cloned().unwrap_or_default();
    let service = revision["service"].as_str().unwrap_or_default();
    for label in [SERVICE_LABEL, "serving.knative.dev/configuration", "serving.knative.dev/route"] {
        labels.insert(label.to_owned(), Value::from(service));
    }
    let region = revision["name"].as_str().and_then(|name| name.split('/').nth(3));
    labels.insert(LOCATION_LABEL.to_owned(), Value::from(region.unwrap_or_default()));
    labels
}

/// A job.
pub(crate) fn job(site: &Site<'_>, job: &Value) -> Value {
    let (execution, tasks) = (&job["template"], &job["template"]["template"]);
    let mut own = execution["annotations"].as_object().cloned().unwrap_or_default();
    annotations::show(OF_EXECUTION, job, &mut own);
    let mut template = json!({"labels": execution["labels"], "annotations": own});
    drop_nulls(&mut template);
    let mut spec = copy(&["parallelism", "taskCount", "delayExecution"], execution);
    spec["template"] = json!({"spec": task_spec(tasks)});
    let short = short_name(job);
    let labels = labels_of_run(job);
    let mut own = job["annotations"].as_object().cloned().unwrap_or_default();
    annotations::show(OF_JOB, job, &mut own);
    people(job, "run.googleapis.com", &mut own);
    let mut answer = json!({
        "apiVersion": "run.googleapis.com/v1",
        "kind": "Job",
        "metadata": {
            "name": short,
            "namespace": site.project.number,
            "selfLink": self_link(site, "run.googleapis.com", "jobs", short),
            "uid": job["uid"],
            "resourceVersion": resource_version(job),
            "generation": number(&job["generation"]),
            "creationTimestamp": job["createTime"],
            "labels": labels,
            "annotations": own,
        },
        "spec": {"template": {"metadata": template, "spec": spec}},
        "status": {
            "observedGeneration": number(&job["observedGeneration"]),
            "conditions": [condition(&job["terminalCondition"])],
            "executionCount": job["executionCount"],
        },
    });
    restore(&job[LEFTOVERS], &mut answer);
    answer
}

/// An instance.
pub(crate) fn instance(site: &Site<'_>, instance: &Value) -> Value {
    let mut answer = workload(site, instance, ("Instance", "instances"));
    let own = &mut answer["metadata"]["annotations"];
    if let Some(own) = own.as_object_mut() {
        annotations::show(OF_SERVICE, instance, own);
    }
    answer["spec"] = json!({
        "containers": show_containers(&instance["containers"]),
        "volumes": volumes(instance),
        "serviceAccountName": instance["serviceAccount"],
    });
    drop_nulls(&mut answer["spec"]);
    if instance["urls"].is_array() {
        answer["status"]["urls"] = instance["urls"].clone();
    }
    answer
}

/// A worker pool.
pub(crate) fn worker_pool(site: &Site<'_>, pool: &Value) -> Value {
    let mut answer = workload(site, pool, ("WorkerPool", "workerpools"));
    let mut spec = run_spec(&pool["template"]);
    drop_nulls(&mut spec);
    answer["spec"] = json!({"template": {"spec": spec}});
    answer
}

/// What an instance and a worker pool have in common.
fn workload(site: &Site<'_>, resource: &Value, (kind, collection): (&str, &str)) -> Value {
    json!({
        "apiVersion": "run.googleapis.com/v1",
        "kind": kind,
        "metadata": metadata_of_run(site, resource, collection, &labels_of_run(resource)),
        "status": {
            "observedGeneration": number(&resource["observedGeneration"]),
            "conditions": [condition(&resource["terminalCondition"])],
        },
    })
}

/// What a label of an execution or task names its job, and a task's its execution, by.
const JOB_LABEL: &str = "run.googleapis.com/job";
const EXECUTION_LABEL: &str = "run.googleapis.com/execution";

/// An execution.
pub(crate) fn execution(site: &Site<'_>, execution: &Value) -> Value {
    let labels = execution_labels(execution);
    let tasks = &execution["taskCount"];
    json!({
        "apiVersion": "run.googleapis.com/v1",
        "kind": "Execution",
        "metadata": metadata_of_run(site, execution, "executions", &labels),
        "spec": {
            "parallelism": execution["parallelism"],
            "taskCount": tasks,
            "template": {"spec": task_spec(&execution["template"])},
        },
        "status": {
            "observedGeneration": number(&execution["observedGeneration"]),
            "conditions": conditions_of_run(execution),
            "startTime": execution["startTime"],
            "completionTime": execution["completionTime"],
            "succeededCount": tasks,
        },
    })
}

/// A task of an execution.
pub(super) fn task(site: &Site<'_>, task: &Value) -> Value {
    let mut labels = execution_labels(task);
    labels.insert(EXECUTION_LABEL.to_owned(), task["execution"].clone());
    json!({
        "apiVersion": "run.googleapis.com/v1",
        "kind": "Task",
        "metadata": metadata_of_run(site, task, "tasks", &labels),
        "spec": task_spec(task),
        "status": {
            "index": task["index"],
            "startTime": task["startTime"],
            "completionTime": task["completionTime"],
            "conditions": conditions_of_run(task),
            "lastAttemptResult": task["lastAttemptResult"],
        },
    })
}

/// The labels of an execution, and of its tasks but for one.
pub(super) fn execution_labels(execution: &Value) -> Map<String, Value> {
    let mut labels = labels_of_run(execution);
    labels.insert(JOB_LABEL.to_owned(), execution["job"].clone());
    labels
}

/// The labels of a job, and what is shared by those of its executions and tasks.
pub(super) fn labels_of_run(resource: &Value) -> Map<String, Value> {
    let mut labels = resource["labels"].as_object().cloned().unwrap_or_default();
    let region = resource["name"].as_str().and_then(|name| name.split('/').nth(3));
    labels.insert(LOCATION_LABEL.to_owned(), Value::from(region.unwrap_or_default()));
    labels
}

fn metadata_of_run(
    site: &Site<'_>,
    resource: &Value,
    kind: &str,
    labels: &Map<String, Value>,
) -> Value {
    let short = short_name(resource);
    json!({
        "name": short,
        "namespace": site.project.number,
        "selfLink": self_link(site, "run.googleapis.com", kind, short),
        "uid": resource["uid"],
        "resourceVersion": resource_version(resource),
        "generation": number(&resource["generation"]),
        "creationTimestamp": resource["createTime"],
        "labels": labels,
        "annotations": resource["annotations"].as_object().cloned().unwrap_or_default(),
    })
}

fn conditions_of_run(resource: &Value) -> Vec<Value> {
    resource["conditions"].as_array().into_iter().flatten().map(condition).collect()
}

/// What a task runs.
fn task_spec(tasks: &Value) -> Value {
    let mut run = json!({
        "containers": show_containers(&tasks["containers"]),
        "volumes": volumes(tasks),
        "maxRetries": tasks["maxRetries"],
        "serviceAccountName": tasks["serviceAccount"],
        // A text here, unlike a service's (discovery document).
        "timeoutSeconds": seconds(&tasks["timeout"]).as_i64().map(|number| number.to_string()),
    });
    drop_nulls(&mut run);
    run
}

/// What `resourceVersion` shows: the etag of v2 without its quotes.
pub(crate) fn resource_version(resource: &Value) -> &str {
    resource["etag"].as_str().unwrap_or_default().trim_matches('"')
}

fn run_template(service: &Value) -> Value {
    let template = &service["template"];
    let mut annotations = template["annotations"].as_object().cloned().unwrap_or_default();
    annotations::show(OF_TEMPLATE, service, &mut annotations);
    let mut metadata = json!({
        "name": latest_revision(service),
        "labels": template["labels"],
        "annotations": if annotations.is_empty() { Value::Null } else { annotations.into() },
    });
    drop_nulls(&mut metadata);
    let mut spec = run_spec(template);
    drop_nulls(&mut spec);
    json!({"metadata": metadata, "spec": spec})
}

fn run_spec(template: &Value) -> Value {
    json!({
        "containerConcurrency": template["maxInstanceRequestConcurrency"],
        "timeoutSeconds": seconds(&template["timeout"]),
        "serviceAccountName": template["serviceAccount"],
        "containers": show_containers(&template["containers"]),
        "volumes": volumes(template),
    })
}

fn volumes(template: &Value) -> Value {
    let shown = show_volumes(&template["volumes"]);
    if shown.as_array().is_some_and(Vec::is_empty) { Value::Null } else { shown }
}

fn metadata(site: &Site<'_>, service: &Value, kind: &str) -> Value {
    let full = service["name"].as_str().and_then(ServiceName::parse);
    let name = full.unwrap_or_else(|| ServiceName::new(&site.project.id, "-", "-"));
    let mut labels = service["labels"].as_object().cloned().unwrap_or_default();
    labels.insert(LOCATION_LABEL.to_owned(), Value::from(name.region()));
    // Read in gcloud's source.
    let several = &service["multiRegionSettings"];
    if let Some(id) = several["multiRegionId"].as_str() {
        labels.insert(MULTI_REGION_LABEL.to_owned(), Value::from(id));
    }
    let mut own = service["annotations"].as_object().cloned().unwrap_or_default();
    people(service, "serving.knative.dev", &mut own);
    annotations::show(OF_SERVICE, service, &mut own);
    let word = INGRESS.iter().find(|(_, v2)| service["ingress"] == *v2).map(|(word, _)| *word);
    own.insert("run.googleapis.com/ingress-status".to_owned(), Value::from(word.unwrap_or("all")));
    if let Some(urls) = service.get("urls") {
        own.insert("run.googleapis.com/urls".to_owned(), Value::from(urls.to_string()));
    }
    json!({
        "name": name.service(),
        "namespace": site.project.number,
        "selfLink": self_link(site, "serving.knative.dev", kind, name.service()),
        "uid": service["uid"],
        "resourceVersion": resource_version(service),
        "generation": number(&service["generation"]),
        "creationTimestamp": service["createTime"],
        "labels": labels,
        "annotations": own,
    })
}

/// Who made a resource, and who changed it last, in annotations of this group (gcloud reads those
/// of a job in another than those of a service; read in its source).
fn people(resource: &Value, group: &str, annotations: &mut Map<String, Value>) {
    for field in ["creator", "lastModifier"] {
        if let Some(who) = resource.get(field) {
            annotations.insert(format!("{group}/{field}"), who.clone());
        }
    }
}

fn self_link(site: &Site<'_>, group: &str, kind: &str, name: &str) -> String {
    format!("/apis/{group}/v1/namespaces/{}/{kind}/{name}", site.project.number)
}

fn label_with_service(answer: &mut Value, service: &Value) {
    answer["metadata"]["labels"][SERVICE_LABEL] = Value::from(short_name(service));
}

fn short_name(resource: &Value) -> &str {
    resource["name"].as_str().and_then(|name| name.rsplit('/').next()).unwrap_or_default()
}

/// What is known of how a service fares; `Ready` is v2's terminal condition.
fn status(service: &Value, kinds: &[&str]) -> Value {
    let conditions: Vec<Value> = std::iter::once(&service["terminalCondition"])
        .chain(service["conditions"].as_array().into_iter().flatten())
        .filter(|known| kinds.iter().any(|kind| known["type"] == *kind))
        .map(condition)
        .collect();
    // While it is worked on, the generation that was last seen is the one before.
    let generation = number(&service["observedGeneration"]);
    let observed = match generation.as_i64() {
        Some(generation) if service["reconciling"] == true => Value::from(generation - 1),
        _ => generation,
    };
    json!({"observedGeneration": observed, "conditions": conditions})
}

fn merge_address(status: &mut Value, service: &Value) {
    status["traffic"] = Value::Array(traffic(&service["trafficStatuses"], "uri", true));
    if let Some(uri) = service.get("uri") {
        status["url"] = uri.clone();
        status["address"] = json!({"url": uri});
    }
}

fn condition(condition: &Value) -> Value {
    let mut view = json!({
        "type": condition["type"],
        "status": match condition["state"].as_str() {
            Some("CONDITION_SUCCEEDED") => "True",
            Some("CONDITION_FAILED") => "False",
            _ => "Unknown",
        },
        "reason": condition["reason"],
        "message": condition["message"],
        "lastTransitionTime": condition["lastTransitionTime"],
    });
    drop_nulls(&mut view);
    view
}

fn traffic(targets: &Value, url_field: &str, with_revision: bool) -> Vec<Value> {
    let targets = targets.as_array().into_iter().flatten();
    targets
        .map(|target| {
            let latest = target["type"] == "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST";
            let mut view = template::copy(&["percent", "tag"], target);
            if with_revision || !latest {
                view["revisionName"] = target["revision"].clone();
            }
            if latest {
                view["latestRevision"] = Value::from(true);
            }
            view["url"] = target[url_field].clone();
            drop_nulls(&mut view);
            view
        })
        .collect()
}

fn number(value: &Value) -> Value {
    value.as_str().and_then(|text| text.parse::<i64>().ok()).map_or(Value::Null, Value::from)
}

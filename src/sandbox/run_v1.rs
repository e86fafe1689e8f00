//! Cloud Run Admin API v1, a view of the same services.

use serde_json::{Map, Value, json};

use super::api_error::ApiError;
use super::names::{is_region, regions};
use super::router::Query;
use super::run_v2::page_request;
use super::service_body::latest_revision;
use super::world::{Project, World};
use crate::domain::resource::ServiceName;

/// The size of a page where none is asked for. Whether the real API pages unasked is not known;
/// clients must follow `metadata.continue` either way.
const DEFAULT_PAGE: usize = 1_000;

pub(super) fn locations(project: &Project) -> Value {
    let locations: Vec<Value> = regions()
        .map(|region| {
            json!({
                "name": format!("projects/{}/locations/{region}", project.id),
                "locationId": region,
                "displayName": region,
            })
        })
        .collect();
    json!({"locations": locations})
}

/// Lists the services of a region, or of every region (`-`), newest first.
pub(super) fn list(
    world: &World<'_>,
    project: &Project,
    region: &str,
    query: &Query,
) -> Result<Value, ApiError> {
    if region != "-" && !is_region(region) {
        return Err(ApiError::no_location(region));
    }
    let page = page_request(query, "limit", "continue", DEFAULT_PAGE)?;
    let (services, next) = world.services_newest_first(&project.id, region, page)?;
    let items: Vec<Value> = services.iter().map(|service| view(project, service)).collect();
    let mut answer = json!({
        "apiVersion": "serving.knative.dev/v1",
        "kind": "ServiceList",
        "metadata": {},
    });
    if let Some(next) = next {
        answer["metadata"]["continue"] = Value::from(next.to_string());
    }
    if !items.is_empty() {
        answer["items"] = Value::Array(items);
    }
    Ok(answer)
}

/// A service of v2 as v1 shows it.
pub(super) fn view(project: &Project, service: &Value) -> Value {
    let full = service["name"].as_str().and_then(ServiceName::parse);
    let name = full.unwrap_or_else(|| ServiceName::new(&project.id, "-", "-"));
    let revision = latest_revision(service);
    let template = &service["template"];
    let mut spec = json!({
        "containerConcurrency": template["maxInstanceRequestConcurrency"],
        "timeoutSeconds": seconds(&template["timeout"]),
        "serviceAccountName": template["serviceAccount"],
        "containers": template["containers"],
    });
    drop_nulls(&mut spec);
    let mut status = json!({
        "observedGeneration": number(&service["observedGeneration"]),
        "conditions": conditions(service),
        "latestReadyRevisionName": revision,
        "latestCreatedRevisionName": revision,
        "traffic": traffic(&service["trafficStatuses"], "uri", true),
        "url": service["uri"],
        "address": service.get("uri").map(|uri| json!({"url": uri})),
    });
    drop_nulls(&mut status);
    let mut template_metadata = json!({
        "name": revision,
        "labels": template["labels"],
        "annotations": template["annotations"],
    });
    drop_nulls(&mut template_metadata);
    json!({
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": metadata(project, &name, service),
        "spec": {
            "template": {"metadata": template_metadata, "spec": spec},
            "traffic": traffic(&service["traffic"], "", false),
        },
        "status": status,
    })
}

fn metadata(project: &Project, name: &ServiceName, service: &Value) -> Value {
    let mut labels = service["labels"].as_object().cloned().unwrap_or_default();
    labels.insert("cloud.googleapis.com/location".to_owned(), Value::from(name.region()));
    let mut annotations = service["annotations"].as_object().cloned().unwrap_or_default();
    let ingress = ingress(service["ingress"].as_str().unwrap_or_default());
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            annotations.insert(key.to_owned(), value);
        }
    };
    put("serving.knative.dev/creator", service["creator"].clone());
    put("serving.knative.dev/lastModifier", service["lastModifier"].clone());
    put("run.googleapis.com/ingress", Value::from(ingress));
    put("run.googleapis.com/ingress-status", Value::from(ingress));
    for (field, key) in [
        ("invokerIamDisabled", "invoker-iam-disabled"),
        ("defaultUriDisabled", "default-url-disabled"),
        ("iapEnabled", "iap-enabled"),
    ] {
        if service[field] == true {
            put(&format!("run.googleapis.com/{key}"), Value::from("true"));
        }
    }
    for (field, key) in [("customAudiences", "custom-audiences"), ("urls", "urls")] {
        if let Some(list) = service.get(field) {
            put(&format!("run.googleapis.com/{key}"), Value::from(list.to_string()));
        }
    }
    json!({
        "name": name.service(),
        "namespace": project.number,
        "selfLink": format!(
            "/apis/serving.knative.dev/v1/namespaces/{}/services/{}", project.number, name.service()
        ),
        "uid": service["uid"],
        "resourceVersion": service["etag"].as_str().unwrap_or_default().trim_matches('"'),
        "generation": number(&service["generation"]),
        "creationTimestamp": service["createTime"],
        "labels": labels,
        "annotations": Map::from_iter(annotations),
    })
}

fn ingress(v2: &str) -> &'static str {
    match v2 {
        "INGRESS_TRAFFIC_INTERNAL_ONLY" => "internal",
        "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER" => "internal-and-cloud-load-balancing",
        "INGRESS_TRAFFIC_NONE" => "none",
        _ => "all",
    }
}

fn conditions(service: &Value) -> Vec<Value> {
    let all = std::iter::once(&service["terminalCondition"])
        .chain(service["conditions"].as_array().into_iter().flatten());
    all.map(|condition| {
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
    })
    .collect()
}

fn traffic(targets: &Value, url_field: &str, with_revision: bool) -> Vec<Value> {
    let targets = targets.as_array().into_iter().flatten();
    targets
        .map(|target| {
            let latest = target["type"] == "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST";
            let mut view = json!({
                "revisionName": if latest && !with_revision { &Value::Null } else { &target["revision"] },
                "percent": target["percent"],
                "latestRevision": if latest { Value::from(true) } else { Value::Null },
                "tag": target["tag"],
                "url": target[url_field],
            });
            drop_nulls(&mut view);
            view
        })
        .collect()
}

fn drop_nulls(value: &mut Value) {
    if let Some(object) = value.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
}

fn number(value: &Value) -> Value {
    value.as_str().and_then(|text| text.parse::<i64>().ok()).map_or(Value::Null, Value::from)
}

fn seconds(duration: &Value) -> Value {
    let text = duration.as_str().unwrap_or_default().trim_end_matches('s');
    text.parse::<i64>().map_or(Value::Null, Value::from)
}

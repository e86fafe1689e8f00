//! A service or job of v1 in a request's body, turned into v2's, which is what is kept.

use serde_json::{Map, Value, json};

use super::LOCATION_LABEL;
use super::annotations::{self, OF_EXECUTION, OF_JOB, OF_SERVICE, OF_TEMPLATE};
use super::template::{
    copy, drop_fields, drop_nulls, duration, merge, seconds, take_containers, take_volumes,
};
use crate::api::service_body::latest_revision;
use crate::dialect::api_error::ApiError;

/// Fields of v2's that v1 says in full, and so replaces.
const OF_V1: [&str; 13] = [
    "labels",
    "annotations",
    "template",
    "traffic",
    "ingress",
    "invokerIamDisabled",
    "defaultUriDisabled",
    "iapEnabled",
    "customAudiences",
    "launchStage",
    "description",
    "client",
    "clientVersion",
];
const TEMPLATE_OF_V1: [&str; 10] = [
    "revision",
    "labels",
    "annotations",
    "containers",
    "volumes",
    "serviceAccount",
    "maxInstanceRequestConcurrency",
    "sessionAffinity",
    "executionEnvironment",
    "encryptionKey",
];
/// Parts of parts that v1 says, if it does not say the whole.
const PARTS_OF_V1: [(&str, &[&str]); 3] = [
    ("/scaling", &["minInstanceCount", "maxInstanceCount"]),
    ("/template/scaling", &["minInstanceCount", "maxInstanceCount"]),
    ("/template/vpcAccess", &["connector", "egress"]),
];

/// Where v1's leftovers are kept in a stored resource: what v1 knows and v2 has no place for, by
/// JSON pointer into the v1 form. No client of v2 sees it.
pub(crate) const LEFTOVERS: &str = "_v1";

/// The v2 form of a service, on top of the one that is there, if any.
pub(crate) fn service(body: &Value, there: &Value) -> Result<Value, ApiError> {
    let mut service = there.clone();
    drop_fields(&mut service, &OF_V1);
    if !service.is_object() {
        service = json!({});
    }
    let (metadata, spec) = (&body["metadata"], &body["spec"]);
    let (template, run) = (&spec["template"]["metadata"], &spec["template"]["spec"]);
    service["labels"] = labels(metadata);
    service["template"] = there["template"].clone();
    if !service["template"].is_object() {
        service["template"] = json!({});
    }
    drop_fields(&mut service["template"], &TEMPLATE_OF_V1);
    for (part, fields) in PARTS_OF_V1 {
        if let Some(part) = service.pointer_mut(part) {
            drop_fields(part, fields);
        }
    }
    merge(
        &mut service["template"],
        json!({
            "labels": template["labels"],
            "containers": take_containers(&run["containers"], &there["template"]["containers"]),
            "serviceAccount": run["serviceAccountName"],
            "maxInstanceRequestConcurrency": run["containerConcurrency"],
        }),
    );
    // A time of parts of a second is not shown, and so not said.
    if run["timeoutSeconds"] != seconds(&there["template"]["timeout"]) {
        service["template"]["timeout"] = duration(&run["timeoutSeconds"]);
    }
    let volumes = take_volumes(&run["volumes"], &there["template"]["volumes"]);
    if volumes.as_array().is_some_and(|volumes| !volumes.is_empty()) {
        service["template"]["volumes"] = volumes;
    }
    let own = annotations::take(OF_SERVICE, &metadata["annotations"], &mut service)?;
    service["annotations"] = Value::Object(own);
    let own = annotations::take(OF_TEMPLATE, &template["annotations"], &mut service)?;
    service["template"]["annotations"] = Value::Object(own);
    // In v1 the processor is there during requests alone, unless the annotation says otherwise.
    if let Some(first) = service["template"]["containers"].get_mut(0)
        && first["resources"]["cpuIdle"].is_null()
    {
        first["resources"]["cpuIdle"] = Value::from(true);
    }
    // A client sends back the name of the revision that it read; that is no wish for a new one.
    match template["name"].as_str().filter(|name| !name.is_empty()) {
        Some(same) if same == latest_revision(there) => {
            service["template"]["revision"] = there["template"]["revision"].clone();
        }
        Some(wish) => service["template"]["revision"] = Value::from(wish),
        None => {}
    }
    service["traffic"] = traffic(&spec["traffic"]);
    drop_empty(&mut service);
    drop_empty(&mut service["template"]);
    Ok(service)
}

/// The v2 form of a job.
pub(crate) fn job(body: &Value) -> Result<Value, ApiError> {
    let (metadata, spec) = (&body["metadata"], &body["spec"]);
    let (execution, tasks) = (&spec["template"]["metadata"], &spec["template"]["spec"]);
    let run = &tasks["template"]["spec"];
    let mut template = copy(&["parallelism", "taskCount", "delayExecution"], tasks);
    template["labels"] = execution["labels"].clone();
    template["template"] = copy(&["maxRetries"], run);
    merge(
        &mut template["template"],
        json!({
            "containers": take_containers(&run["containers"], &Value::Null),
            "volumes": take_volumes(&run["volumes"], &Value::Null),
            "serviceAccount": run["serviceAccountName"],
            "timeout": duration(&run["timeoutSeconds"]),
        }),
    );
    let mut job = copy(&["startExecutionToken", "runExecutionToken"], spec);
    job["labels"] = labels(metadata);
    job["template"] = template;
    let own = annotations::take(OF_JOB, &metadata["annotations"], &mut job)?;
    job["annotations"] = Value::Object(own);
    let own = annotations::take(OF_EXECUTION, &execution["annotations"], &mut job)?;
    job["template"]["annotations"] = Value::Object(own);
    drop_empty(&mut job);
    drop_empty(&mut job["template"]);
    drop_empty(&mut job["template"]["template"]);
    Ok(job)
}

/// What a body says that the v1 form of what is kept does not show, by JSON pointer.
pub(crate) fn leftovers(body: &Value, shown: &Value) -> Map<String, Value> {
    let mut left = Map::new();
    gather(&body["spec"], &shown["spec"], "/spec", &mut left);
    let mut metadata = body["metadata"].clone();
    drop_fields(&mut metadata, &["labels", "annotations"]);
    gather(&metadata, &shown["metadata"], "/metadata", &mut left);
    left
}

/// Puts leftovers back to where they were.
pub(crate) fn restore(left: &Value, shown: &mut Value) {
    for (pointer, value) in left.as_object().into_iter().flatten() {
        let Some((parent, name)) = pointer.rsplit_once('/') else { continue };
        let name = name.replace("~1", "/").replace("~0", "~");
        match shown.pointer_mut(parent) {
            Some(Value::Object(object)) => {
                object.entry(name).or_insert_with(|| value.clone());
            }
            Some(Value::Array(_)) | None => {}
            Some(other) if other.is_null() => *other = json!({ name: value }),
            Some(_) => {}
        }
    }
}

fn gather(said: &Value, shown: &Value, at: &str, left: &mut Map<String, Value>) {
    match (said, shown) {
        (Value::Object(said), Value::Object(shown)) => {
            for (name, value) in said {
                let below = shown.get(name).unwrap_or(&Value::Null);
                let name = name.replace('~', "~0").replace('/', "~1");
                gather(value, below, &format!("{at}/{name}"), left);
            }
        }
        (Value::Array(said), Value::Array(shown)) if said.len() == shown.len() => {
            for (position, (said, shown)) in said.iter().zip(shown).enumerate() {
                gather(said, shown, &format!("{at}/{position}"), left);
            }
        }
        // What v2 leaves out because it is off or empty says nothing that would be lost.
        (Value::Null, _) | (Value::Bool(false), Value::Null) => {}
        (Value::String(text), Value::Null) if text.is_empty() => {}
        (Value::Array(items), Value::Null) if items.is_empty() => {}
        (Value::Object(fields), Value::Null) if fields.is_empty() => {}
        (said, Value::Null) => {
            left.insert(at.to_owned(), said.clone());
        }
        _ => {}
    }
}

fn labels(metadata: &Value) -> Value {
    let mut labels = metadata["labels"].as_object().cloned().unwrap_or_default();
    // V1 shows it, and nobody sets it.
    labels.shift_remove(LOCATION_LABEL);
    Value::Object(labels)
}

fn traffic(targets: &Value) -> Value {
    let targets = targets.as_array().into_iter().flatten();
    targets
        .map(|target| {
            let latest = target["latestRevision"] == true || target["revisionName"].is_null();
            let kind = if latest { "LATEST" } else { "REVISION" };
            let mut taken = copy(&["percent", "tag"], target);
            taken["type"] = Value::from(format!("TRAFFIC_TARGET_ALLOCATION_TYPE_{kind}"));
            if !latest {
                taken["revision"] = target["revisionName"].clone();
            }
            taken
        })
        .collect()
}

fn drop_empty(value: &mut Value) {
    drop_nulls(value);
    if let Some(object) = value.as_object_mut() {
        object.retain(|_, value| {
            !(value.as_object().is_some_and(Map::is_empty)
                || value.as_array().is_some_and(Vec::is_empty))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_v2_has_no_place_for_is_kept_and_put_back() {
        let body = json!({"spec": {"template": {"spec": {
            "nodeSelector": {"a/b": "c"},
            "containers": [{"image": "i", "imagePullPolicy": "Always"}],
        }}}});
        let mut shown = json!({"spec": {"template": {"spec": {"containers": [{"image": "i"}]}}}});
        let left = leftovers(&body, &shown);
        assert_eq!(left.len(), 2);
        restore(&Value::Object(left), &mut shown);
        assert_eq!(shown, body);
    }

    #[test]
    fn what_v1_cannot_say_is_kept() {
        let there = json!({
            "sshEnabled": true,
            "ingress": "INGRESS_TRAFFIC_INTERNAL_ONLY",
            "template": {
                "healthCheckDisabled": true,
                "serviceAccount": "a@b",
                "containers": [{"image": "i", "dependsOn": ["x"], "env": [{"name": "A"}]}],
            },
        });
        let body = json!({"spec": {"template": {"spec": {"containers": [{"image": "j"}]}}}});
        assert_eq!(
            service(&body, &there).unwrap(),
            json!({
                "sshEnabled": true,
                "template": {
                    "healthCheckDisabled": true,
                    "containers": [{
                        "dependsOn": ["x"],
                        "image": "j",
                        "resources": {"cpuIdle": true},
                    }],
                },
            })
        );
    }
}

//! What runs: containers and volumes, between v1 and v2, for services and jobs alike.

use serde_json::{Map, Value, json};

use crate::dialect::schema::{self, RUN_V2};

/// What a container is called the same in both versions.
const SHARED: [&str; 11] = [
    "name",
    "image",
    "command",
    "args",
    "ports",
    "volumeMounts",
    "workingDir",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "sandboxLauncher",
];

/// Shows v2's containers as v1's.
pub(crate) fn show_containers(containers: &Value) -> Value {
    let containers = containers.as_array().into_iter().flatten();
    containers
        .map(|container| {
            let mut shown = copy(&SHARED, container);
            if let Some(env) = container["env"].as_array() {
                shown["env"] = env
                    .iter()
                    .map(|variable| {
                        let mut shown = copy(&["name", "value"], variable);
                        let source = &variable["valueSource"]["secretKeyRef"];
                        if source.is_object() {
                            shown["valueFrom"] = json!({"secretKeyRef": {
                                "name": source["secret"], "key": source["version"]}});
                        }
                        shown
                    })
                    .collect();
            }
            if container["resources"]["limits"].is_object() {
                shown["resources"] = copy(&["limits"], &container["resources"]);
            }
            shown
        })
        .collect()
}

/// Turns v1's containers into v2's, keeping what v1 cannot say of the ones that are there.
pub(crate) fn take_containers(containers: &Value, there: &Value) -> Value {
    let containers = containers.as_array().into_iter().flatten();
    containers
        .enumerate()
        .map(|(position, container)| {
            let mut taken = there.get(position).cloned().unwrap_or_else(|| json!({}));
            drop_fields(&mut taken, &SHARED);
            drop_fields(&mut taken, &["env"]);
            // What annotations say of the first container is theirs to say; of the others v1 says
            // the limits alone.
            let said: &[&str] = match position {
                0 => &["limits", "cpuIdle", "startupCpuBoost"],
                _ => &["limits"],
            };
            drop_fields(&mut taken["resources"], said);
            merge(&mut taken, copy(&SHARED, container));
            if let Some(env) = container["env"].as_array() {
                taken["env"] = env
                    .iter()
                    .map(|variable| {
                        let mut taken = copy(&["name", "value"], variable);
                        let source = &variable["valueFrom"]["secretKeyRef"];
                        if source.is_object() {
                            taken["valueSource"] = json!({"secretKeyRef": {
                                "secret": source["name"], "version": source["key"]}});
                        }
                        taken
                    })
                    .collect();
            }
            if container["resources"]["limits"].is_object() {
                merge(&mut taken["resources"], copy(&["limits"], &container["resources"]));
            }
            if taken["resources"].as_object().is_none_or(Map::is_empty) {
                drop_fields(&mut taken, &["resources"]);
            }
            // Ports, mounts and probes have a field or two in v1 that v2 has not.
            schema::prune(RUN_V2, "GoogleCloudRunV2Container", &mut taken);
            taken
        })
        .collect()
}

/// Shows v2's volumes as v1's. Cloud SQL's are an annotation there, and left out here.
pub(crate) fn show_volumes(volumes: &Value) -> Value {
    let volumes = volumes.as_array().into_iter().flatten();
    volumes
        .filter(|volume| !volume["cloudSqlInstance"].is_object())
        .map(|volume| {
            let mut shown = copy(&["name", "nfs", "filestore"], volume);
            let secret = &volume["secret"];
            if secret.is_object() {
                let items = secret["items"].as_array().into_iter().flatten();
                let mut source = copy(&["defaultMode"], secret);
                source["secretName"] = secret["secret"].clone();
                source["items"] = items
                    .map(|item| {
                        let mut shown = copy(&["path", "mode"], item);
                        shown["key"] = item["version"].clone();
                        shown
                    })
                    .collect();
                shown["secret"] = source;
            }
            if volume["emptyDir"].is_object() {
                shown["emptyDir"] = copy(&["sizeLimit"], &volume["emptyDir"]);
                if volume["emptyDir"]["medium"] == "MEMORY" {
                    shown["emptyDir"]["medium"] = Value::from("Memory");
                }
            }
            if volume["gcs"].is_object() {
                shown["csi"] = json!({
                    "driver": "gcsfuse.run.googleapis.com",
                    "readOnly": volume["gcs"]["readOnly"].as_bool().unwrap_or_default(),
                    "volumeAttributes": {"bucketName": volume["gcs"]["bucket"]},
                });
            }
            shown
        })
        .collect()
}

/// Turns v1's volumes into v2's, and keeps those that v1 does not show.
pub(crate) fn take_volumes(volumes: &Value, there: &Value) -> Value {
    let hidden = there.as_array().into_iter().flatten();
    let hidden = hidden.filter(|volume| volume["cloudSqlInstance"].is_object()).cloned();
    let volumes = volumes.as_array().into_iter().flatten();
    volumes
        .map(|volume| {
            let mut taken = copy(&["name", "nfs", "filestore"], volume);
            let mut known = there.as_array().into_iter().flatten();
            let same = known.find(|known| known["name"] == volume["name"]).unwrap_or(&Value::Null);
            let secret = &volume["secret"];
            if secret.is_object() {
                let items = secret["items"].as_array().into_iter().flatten();
                let mut source = copy(&["defaultMode"], secret);
                source["secret"] = secret["secretName"].clone();
                source["items"] = items
                    .map(|item| {
                        let mut taken = copy(&["path", "mode"], item);
                        taken["version"] = item["key"].clone();
                        taken
                    })
                    .collect();
                taken["secret"] = source;
            }
            if volume["emptyDir"].is_object() {
                taken["emptyDir"] = copy(&["sizeLimit"], &volume["emptyDir"]);
                if volume["emptyDir"]["medium"] == "Memory" {
                    taken["emptyDir"]["medium"] = Value::from("MEMORY");
                } else if same["emptyDir"]["medium"] != "MEMORY" {
                    merge(&mut taken["emptyDir"], copy(&["medium"], &same["emptyDir"]));
                }
            }
            if volume["csi"]["driver"] == "gcsfuse.run.googleapis.com" {
                taken["gcs"] = copy(&["mountOptions"], &same["gcs"]);
                taken["gcs"]["bucket"] = volume["csi"]["volumeAttributes"]["bucketName"].clone();
                let read_only = volume["csi"]["readOnly"].as_bool().unwrap_or_default();
                if read_only || same["gcs"]["readOnly"].is_boolean() {
                    taken["gcs"]["readOnly"] = Value::from(read_only);
                }
            }
            taken
        })
        .chain(hidden)
        .collect()
}

/// The seconds of a duration as v2 writes it, such as `300s`.
pub(crate) fn seconds(duration: &Value) -> Value {
    let text = duration.as_str().unwrap_or_default().trim_end_matches('s');
    text.parse::<i64>().map_or(Value::Null, Value::from)
}

/// A number of seconds as v2 writes it; v1 has numbers, and texts of them for jobs.
pub(crate) fn duration(seconds: &Value) -> Value {
    let number = seconds.as_i64().or_else(|| seconds.as_str()?.parse().ok());
    number.map_or(Value::Null, |number| Value::from(format!("{number}s")))
}

/// The named fields of a value, those that are there.
pub(crate) fn copy(fields: &[&str], from: &Value) -> Value {
    let mut copied = json!({});
    for field in fields {
        if let Some(value) = from.get(*field).filter(|value| !value.is_null()) {
            copied[*field] = value.clone();
        }
    }
    copied
}

/// Sets the fields of one object in another.
pub(crate) fn merge(into: &mut Value, from: Value) {
    if let Value::Object(fields) = from {
        for (name, value) in fields {
            into[name] = value;
        }
    }
}

/// Takes fields away.
pub(crate) fn drop_fields(value: &mut Value, fields: &[&str]) {
    if let Some(object) = value.as_object_mut() {
        object.retain(|name, _| !fields.contains(&name.as_str()));
    }
}

/// Takes away what is null, at the top.
pub(crate) fn drop_nulls(value: &mut Value) {
    if let Some(object) = value.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
}

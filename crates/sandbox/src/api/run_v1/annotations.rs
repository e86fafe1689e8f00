//! The settings of v2 that v1 keeps in annotations: one table, read both ways, so that what is
//! written through either version is read through the other.

use serde_json::{Map, Value, json};

use crate::dialect::api_error::ApiError;

/// An annotation and the field of v2 that it stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mapping {
    key: &'static str,
    /// Names and list positions, from the top of the v2 resource.
    path: &'static str,
    kind: Kind,
}

/// How an annotation's text stands for a value.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// `true` in whatever case: gcloud writes `True` (read in its source).
    Flag,
    /// The same, of what is on unless it is said to be off: shown if it is off.
    OnFlag,
    Number,
    Text,
    Json,
    /// One of a few words, each with v2's name.
    Words(&'static [(&'static str, &'static str)]),
}

const fn map(key: &'static str, path: &'static str, kind: Kind) -> Mapping {
    Mapping { key, path, kind }
}

/// `none` for v2's newest value is not certain.
pub(crate) const INGRESS: &[(&str, &str)] = &[
    ("all", "INGRESS_TRAFFIC_ALL"),
    ("internal", "INGRESS_TRAFFIC_INTERNAL_ONLY"),
    ("internal-and-cloud-load-balancing", "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"),
    ("none", "INGRESS_TRAFFIC_NONE"),
];
/// A service that is generally available says nothing of it.
const STAGES: &[(&str, &str)] = &[
    ("UNIMPLEMENTED", "UNIMPLEMENTED"),
    ("PRELAUNCH", "PRELAUNCH"),
    ("EARLY_ACCESS", "EARLY_ACCESS"),
    ("ALPHA", "ALPHA"),
    ("BETA", "BETA"),
    ("DEPRECATED", "DEPRECATED"),
];
const ENVIRONMENTS: &[(&str, &str)] =
    &[("gen1", "EXECUTION_ENVIRONMENT_GEN1"), ("gen2", "EXECUTION_ENVIRONMENT_GEN2")];
const EGRESS: &[(&str, &str)] =
    &[("all-traffic", "ALL_TRAFFIC"), ("private-ranges-only", "PRIVATE_RANGES_ONLY")];

/// Of a service's own metadata. The first six are in the discovery document or observed; the
/// others are gcloud's names for them (read in its source).
pub(crate) const OF_SERVICE: &[Mapping] = &[
    map("run.googleapis.com/ingress", "ingress", Kind::Words(INGRESS)),
    map("run.googleapis.com/invoker-iam-disabled", "invokerIamDisabled", Kind::Flag),
    map("run.googleapis.com/default-url-disabled", "defaultUriDisabled", Kind::Flag),
    map("run.googleapis.com/iap-enabled", "iapEnabled", Kind::Flag),
    map("run.googleapis.com/custom-audiences", "customAudiences", Kind::Json),
    map("run.googleapis.com/launch-stage", "launchStage", Kind::Words(STAGES)),
    map("run.googleapis.com/description", "description", Kind::Text),
    map("run.googleapis.com/client-name", "client", Kind::Text),
    map("run.googleapis.com/client-version", "clientVersion", Kind::Text),
    map("run.googleapis.com/minScale", "scaling.minInstanceCount", Kind::Number),
    map("run.googleapis.com/maxScale", "scaling.maxInstanceCount", Kind::Number),
];

/// Of a service's template.
pub(crate) const OF_TEMPLATE: &[Mapping] = &[
    map("autoscaling.knative.dev/minScale", "template.scaling.minInstanceCount", Kind::Number),
    map("autoscaling.knative.dev/maxScale", "template.scaling.maxInstanceCount", Kind::Number),
    map("run.googleapis.com/sessionAffinity", "template.sessionAffinity", Kind::Flag),
    map(
        "run.googleapis.com/execution-environment",
        "template.executionEnvironment",
        Kind::Words(ENVIRONMENTS),
    ),
    map("run.googleapis.com/vpc-access-connector", "template.vpcAccess.connector", Kind::Text),
    map("run.googleapis.com/vpc-access-egress", "template.vpcAccess.egress", Kind::Words(EGRESS)),
    map("run.googleapis.com/encryption-key", "template.encryptionKey", Kind::Text),
    map(
        "run.googleapis.com/startup-cpu-boost",
        "template.containers.0.resources.startupCpuBoost",
        Kind::Flag,
    ),
    map(
        "run.googleapis.com/cpu-throttling",
        "template.containers.0.resources.cpuIdle",
        Kind::OnFlag,
    ),
];

/// Of a job's own metadata.
pub(crate) const OF_JOB: &[Mapping] = &[
    map("run.googleapis.com/launch-stage", "launchStage", Kind::Words(STAGES)),
    map("run.googleapis.com/client-name", "client", Kind::Text),
    map("run.googleapis.com/client-version", "clientVersion", Kind::Text),
];

/// Of the template of a job's executions.
pub(crate) const OF_EXECUTION: &[Mapping] = &[
    map(
        "run.googleapis.com/execution-environment",
        "template.template.executionEnvironment",
        Kind::Words(ENVIRONMENTS),
    ),
    map(
        "run.googleapis.com/vpc-access-connector",
        "template.template.vpcAccess.connector",
        Kind::Text,
    ),
    map(
        "run.googleapis.com/vpc-access-egress",
        "template.template.vpcAccess.egress",
        Kind::Words(EGRESS),
    ),
];

/// What the server writes into annotations by itself: passed over in a body.
const OUTPUT: [&str; 7] = [
    "run.googleapis.com/ingress-status",
    "run.googleapis.com/urls",
    "run.googleapis.com/operation-id",
    "run.googleapis.com/creator",
    "run.googleapis.com/lastModifier",
    "serving.knative.dev/creator",
    "serving.knative.dev/lastModifier",
];

/// Adds to v1's annotations what v2's fields say.
pub(crate) fn show(mappings: &[Mapping], resource: &Value, annotations: &mut Map<String, Value>) {
    for mapping in mappings {
        let value = at(resource, mapping.path);
        let text = match mapping.kind {
            Kind::Flag => value.as_bool().filter(|on| *on).map(|_| "true".to_owned()),
            Kind::OnFlag => value.as_bool().filter(|on| !on).map(|_| "false".to_owned()),
            Kind::Number => value.as_i64().map(|number| number.to_string()),
            Kind::Text => value.as_str().map(str::to_owned),
            Kind::Json => value.as_array().map(|_| value.to_string()),
            Kind::Words(words) => words
                .iter()
                .find(|(_, name)| value.as_str() == Some(name))
                .map(|(word, _)| (*word).to_owned()),
        };
        if let Some(text) = text {
            annotations.insert(mapping.key.to_owned(), Value::from(text));
        }
    }
}

/// Takes from v1's annotations what v2 has fields for, sets those, and returns the rest.
pub(crate) fn take(
    mappings: &[Mapping],
    annotations: &Value,
    resource: &mut Value,
) -> Result<Map<String, Value>, ApiError> {
    let mut rest = annotations.as_object().cloned().unwrap_or_default();
    rest.retain(|key, value| !OUTPUT.contains(&key.as_str()) && !value.is_null());
    for mapping in mappings {
        let Some(value) = rest.shift_remove(mapping.key) else { continue };
        let text = value.as_str().unwrap_or_default();
        let bad = || {
            ApiError::invalid(format!("Invalid value '{text}' for annotation '{}'.", mapping.key))
        };
        let value = match mapping.kind {
            Kind::Flag | Kind::OnFlag => Value::from(flag(text).ok_or_else(bad)?),
            Kind::Number => Value::from(text.parse::<u32>().map_err(|_| bad())?),
            Kind::Text => Value::from(text),
            Kind::Json => serde_json::from_str::<Vec<String>>(text).map_err(|_| bad())?.into(),
            Kind::Words(words) => {
                let stage = mapping.path == "launchStage" && text == "GA";
                let name = words.iter().find(|(word, _)| *word == text).map(|(_, name)| *name);
                Value::from(name.or(stage.then_some("GA")).ok_or_else(bad)?)
            }
        };
        // v2 leaves out what is off.
        if !(matches!(mapping.kind, Kind::Flag) && value == false) {
            put(resource, mapping.path, value);
        }
    }
    Ok(rest)
}

fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" | "" => Some(false),
        _ => None,
    }
}

/// The value at a path; null if there is none.
fn at<'a>(resource: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(resource, |value, part| match part.parse::<usize>() {
        Ok(position) => &value[position],
        Err(_) => &value[part],
    })
}

/// Sets the value at a path, making what is missing on the way; a list item that is not there is
/// left so.
fn put(resource: &mut Value, path: &str, value: Value) {
    let mut place = resource;
    for part in path.split('.') {
        place = if let Ok(position) = part.parse::<usize>() {
            let Some(item) = place.get_mut(position) else { return };
            item
        } else {
            if !place.is_object() {
                *place = json!({});
            }
            &mut place[part]
        };
    }
    *place = value;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_taken_back() {
        let resource = json!({
            "ingress": "INGRESS_TRAFFIC_INTERNAL_ONLY",
            "invokerIamDisabled": true,
            "customAudiences": ["https://a", "b"],
            "scaling": {"minInstanceCount": 2},
            "template": {
                "containers": [{"image": "i", "resources": {"cpuIdle": false}}],
                "vpcAccess": {"egress": "ALL_TRAFFIC"},
            },
        });
        let mut annotations = Map::new();
        show(OF_SERVICE, &resource, &mut annotations);
        show(OF_TEMPLATE, &resource, &mut annotations);
        assert_eq!(annotations["run.googleapis.com/cpu-throttling"], "false");
        let annotations = Value::Object(annotations);
        let mut back = json!({"template": {"containers": [{"image": "i"}]}});
        let rest = take(OF_SERVICE, &annotations, &mut back).unwrap();
        let rest = take(OF_TEMPLATE, &Value::Object(rest), &mut back).unwrap();
        assert!(rest.is_empty(), "{rest:?}");
        assert_eq!(back, resource);
    }

    #[test]
    fn a_value_that_means_nothing_is_refused() {
        for (key, text) in [
            ("run.googleapis.com/ingress", "everybody"),
            ("run.googleapis.com/invoker-iam-disabled", "maybe"),
            ("run.googleapis.com/custom-audiences", "https://a"),
            ("run.googleapis.com/minScale", "-1"),
        ] {
            let error = take(OF_SERVICE, &json!({key: text}), &mut json!({})).unwrap_err();
            assert_eq!(error.message, format!("Invalid value '{text}' for annotation '{key}'."));
        }
        let mut service = json!({});
        take(OF_SERVICE, &json!({"run.googleapis.com/iap-enabled": "True"}), &mut service).unwrap();
        assert_eq!(service, json!({"iapEnabled": true}));
    }
}

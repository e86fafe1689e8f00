//! The two JSON dialects of Google's APIs: enum values by name, and by number for the clients
//! that ask for `$alt=json;enum-encoding=int`. The store keeps names.

use serde_json::Value;

type Names = &'static [(&'static str, i64)];

const TRAFFIC_TYPE: Names = &[
    ("TRAFFIC_TARGET_ALLOCATION_TYPE_UNSPECIFIED", 0),
    ("TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", 1),
    ("TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", 2),
];

/// The enums of Run v2 that a service, a revision or a policy can hold, by the field that holds
/// them; numbers as in the published protocol buffers.
const ENUMS: &[(&str, Names)] = &[
    (
        "ingress",
        &[
            ("INGRESS_TRAFFIC_UNSPECIFIED", 0),
            ("INGRESS_TRAFFIC_ALL", 1),
            ("INGRESS_TRAFFIC_INTERNAL_ONLY", 2),
            ("INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER", 3),
            ("INGRESS_TRAFFIC_NONE", 4),
        ],
    ),
    (
        "launchStage",
        &[
            ("LAUNCH_STAGE_UNSPECIFIED", 0),
            ("EARLY_ACCESS", 1),
            ("ALPHA", 2),
            ("BETA", 3),
            ("GA", 4),
            ("DEPRECATED", 5),
            ("UNIMPLEMENTED", 6),
            ("PRELAUNCH", 7),
        ],
    ),
    (
        "executionEnvironment",
        &[
            ("EXECUTION_ENVIRONMENT_UNSPECIFIED", 0),
            ("EXECUTION_ENVIRONMENT_GEN1", 1),
            ("EXECUTION_ENVIRONMENT_GEN2", 2),
        ],
    ),
    (
        "state",
        &[
            ("STATE_UNSPECIFIED", 0),
            ("CONDITION_PENDING", 1),
            ("CONDITION_RECONCILING", 2),
            ("CONDITION_FAILED", 3),
            ("CONDITION_SUCCEEDED", 4),
        ],
    ),
    ("severity", &[("SEVERITY_UNSPECIFIED", 0), ("ERROR", 1), ("WARNING", 2), ("INFO", 3)]),
    (
        "functionalType",
        &[
            ("FUNCTIONAL_TYPE_UNSPECIFIED", 0),
            ("FUNCTIONAL_TYPE_AGENT", 1),
            ("FUNCTIONAL_TYPE_MCP_SERVER", 2),
        ],
    ),
    ("egress", &[("VPC_EGRESS_UNSPECIFIED", 0), ("ALL_TRAFFIC", 1), ("PRIVATE_RANGES_ONLY", 2)]),
    ("scalingMode", &[("SCALING_MODE_UNSPECIFIED", 0), ("AUTOMATIC", 1), ("MANUAL", 2)]),
    (
        "encryptionKeyRevocationAction",
        &[("ENCRYPTION_KEY_REVOCATION_ACTION_UNSPECIFIED", 0), ("PREVENT_NEW", 1), ("SHUTDOWN", 2)],
    ),
    (
        "logType",
        &[("LOG_TYPE_UNSPECIFIED", 0), ("ADMIN_READ", 1), ("DATA_WRITE", 2), ("DATA_READ", 3)],
    ),
];

/// Fields whose keys are the user's own, and so never names of enums.
const OPAQUE: [&str; 4] = ["labels", "annotations", "env", "nodeSelector"];

/// Turns enum names into numbers, for an answer to a client that asked for them.
pub(crate) fn with_numbers(value: &mut Value) {
    convert(value, "", &|names, value| {
        let found = names.iter().find(|(name, _)| value.as_str() == Some(name));
        if let Some((_, number)) = found {
            *value = Value::from(*number);
        }
    });
}

/// Turns enum numbers into names, for a body that came in either dialect.
pub(crate) fn with_names(value: &mut Value) {
    convert(value, "", &|names, value| {
        let found = names.iter().find(|(_, number)| value.as_i64() == Some(*number));
        if let Some((name, _)) = found {
            *value = Value::from(*name);
        }
    });
}

/// A name of the protocol buffers as JSON has it; of a path, each of its names.
pub(crate) fn camel(path: &str) -> String {
    let mut parts = path.split('_');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut chars = part.chars();
        name.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        name.push_str(chars.as_str());
    }
    name
}

fn convert(value: &mut Value, within: &str, turn: &dyn Fn(Names, &mut Value)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| convert(item, within, turn)),
        Value::Object(object) => {
            for (name, value) in object.iter_mut() {
                if OPAQUE.contains(&name.as_str()) {
                    continue;
                }
                let traffic = name == "type" && matches!(within, "traffic" | "trafficStatuses");
                let names = if traffic {
                    Some(TRAFFIC_TYPE)
                } else {
                    ENUMS.iter().find(|(field, _)| field == name).map(|(_, names)| *names)
                };
                match names {
                    Some(names) => turn(names, value),
                    None => convert(value, name, turn),
                }
            }
        }
        _ => {}
    }
}

/// Takes a field away.
pub(crate) fn remove(value: &mut Value, field: &str) {
    if let Some(object) = value.as_object_mut() {
        object.shift_remove(field);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_and_numbers_are_one() {
        let named = json!({
            "ingress": "INGRESS_TRAFFIC_INTERNAL_ONLY",
            "labels": {"ingress": "INGRESS_TRAFFIC_ALL", "state": "1"},
            "traffic": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
            "conditions": [{"type": "Ready", "state": "CONDITION_SUCCEEDED"}],
            "response": {"ingress": "INGRESS_TRAFFIC_NONE"},
        });
        let mut value = named.clone();
        with_numbers(&mut value);
        assert_eq!(
            value,
            json!({
                "ingress": 2,
                "labels": {"ingress": "INGRESS_TRAFFIC_ALL", "state": "1"},
                "traffic": [{"type": 1, "percent": 100}],
                "conditions": [{"type": "Ready", "state": 4}],
                "response": {"ingress": 4},
            })
        );
        with_names(&mut value);
        assert_eq!(value, named);
    }
}

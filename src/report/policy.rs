//! `policy`: an allow policy, exactly as `gcloud run services get-iam-policy` prints it.

use serde::Serialize;
use serde_json::{Map, Value};

use super::yaml::yaml_1_1;
use super::{Report, Style};

/// The names of IAM's audit log types, indexed by their numbers in the published protocol buffers.
const LOG_TYPES: [&str; 4] = ["LOG_TYPE_UNSPECIFIED", "ADMIN_READ", "DATA_WRITE", "DATA_READ"];

/// An allow policy with its keys in alphabetical order. It is valid input for gcloud's
/// `set-iam-policy`, so it has no fields of this program.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct PolicyReport(Value);

impl PolicyReport {
    /// Takes the JSON of a policy. The etag is written in the URL-safe alphabet, as gcloud writes it
    /// (measured); the API accepts both.
    pub fn new(mut policy: Value) -> Self {
        if let Some(etag) = policy["etag"].as_str() {
            policy["etag"] = Value::from(etag.replace('+', "-").replace('/', "_"));
        }
        for config in
            policy.get_mut("auditConfigs").and_then(Value::as_array_mut).into_iter().flatten()
        {
            for log in config
                .get_mut("auditLogConfigs")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                let name =
                    log["logType"].as_u64().and_then(|n| LOG_TYPES.get(usize::try_from(n).ok()?));
                if let Some(name) = name {
                    log["logType"] = Value::from(*name);
                }
            }
        }
        Self(sorted(policy))
    }
}

impl Report for PolicyReport {
    const ROWS: Option<&'static str> = None;
    const PATHS: &'static [&'static str] = &[
        "auditConfigs",
        "bindings",
        "bindings.condition",
        "bindings.condition.title",
        "bindings.condition.description",
        "bindings.condition.expression",
        "bindings.members",
        "bindings.role",
        "etag",
        "version",
    ];

    fn table(&self, _: Style) -> String {
        yaml_1_1(&serde_norway::to_string(&self.0).unwrap_or_default())
    }
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        Value::Object(object) => {
            let mut pairs: Vec<(String, Value)> =
                object.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(Map::from_iter(pairs))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn prints_what_gcloud_prints() {
        let policy = json!({"version": 1, "etag": "B/+A", "auditConfigs": [
            {"service": "allServices", "auditLogConfigs": [{"logType": 1}, {"logType": 3}]}]});
        let shown = serde_json::to_string(&PolicyReport::new(policy)).unwrap();
        assert_eq!(
            shown,
            r#"{"auditConfigs":[{"auditLogConfigs":[{"logType":"ADMIN_READ"},{"logType":"DATA_READ"}],"service":"allServices"}],"etag":"B_-A","version":1}"#
        );
    }
}

//! `policy`: an allow policy, to the letter as `gcloud run services get-iam-policy` prints it.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Report, Style};

/// An allow policy with its keys in alphabetical order. It is valid input of gcloud's
/// `set-iam-policy`, which is why it carries no field of ours.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct PolicyReport(Value);

impl PolicyReport {
    /// Takes a policy's JSON. The etag is shown in the URL-safe alphabet, as gcloud shows it
    /// (measured); the API takes both.
    pub fn new(mut policy: Value) -> Self {
        if let Some(etag) = policy["etag"].as_str() {
            policy["etag"] = Value::from(etag.replace('+', "-").replace('/', "_"));
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
        serde_norway::to_string(&self.0).unwrap_or_default()
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

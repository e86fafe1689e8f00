//! An allow policy as IAM's API has it (its reference: `Policy`, `Binding`, `Expr`, `AuditConfig`). Fields
//! that are not known here are kept, each list and they in their order, so that nothing is lost between
//! reading a policy and writing it. The known ones are written in the order of Google's own model.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// An allow policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Policy {
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub version: i32,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub bindings: Vec<Binding>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub audit_configs: Vec<AuditConfig>,
    /// In base64, as it was read: empty if there is none.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub etag: String,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// A role, and those who have it, under a condition or without.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Binding {
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub role: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub members: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub condition: Option<Expr>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// A condition in the Common Expression Language.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Expr {
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub expression: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub title: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub description: String,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// Which access to a service is logged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AuditConfig {
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub service: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub audit_log_configs: Vec<AuditLogConfig>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// Which kind of access is logged, and of whom it is not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AuditLogConfig {
    /// By its name, or by its number.
    #[serde(skip_serializing_if = "is_default")]
    log_type: Option<Value>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub exempted_members: Vec<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Binding {
    /// A binding of one member.
    pub(super) fn of(role: &str, member: &str, condition: Option<Expr>) -> Self {
        Self {
            role: role.to_owned(),
            members: vec![member.to_owned()],
            condition,
            others: Map::new(),
        }
    }
}

impl Expr {
    /// A condition of these parts.
    pub(super) fn of(expression: &str, title: &str, description: &str) -> Self {
        let (expression, title, description) =
            (expression.to_owned(), title.to_owned(), description.to_owned());
        Self { expression, title, description, others: Map::new() }
    }
}

/// `null` stands for what is not there (the JSON mapping of protocol buffers).
fn or_default<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

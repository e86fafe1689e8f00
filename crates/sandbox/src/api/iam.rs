//! Allow policies as IAM keeps them: versions, etags, conditions, masks.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::call::{Answer, Call};
use super::policy_check::{Rules, check_limits, checked_bindings};
use crate::authority::{self, Visit};
use crate::dialect::api_error::ApiError;
use crate::dialect::names::fnv1a;
use crate::dialect::wire::remove;
use crate::records::policies::{bindings, remember};
use crate::records::stamps::{new_etag, same_bytes};
use crate::records::world::World;

/// The etag of a policy that was never set (observed).
const NEVER_SET: &str = "ACAB";

/// Reads a policy for a client that understands `requested`: below version 3, a conditional
/// binding is shown as a role of another name and without its condition (documented).
pub(crate) fn get(
    world: &World<'_>,
    resource: &str,
    requested: Option<&str>,
) -> Result<Value, ApiError> {
    let version = match requested {
        None | Some("" | "0") => 0,
        Some("1") => 1,
        Some("3") => 3,
        Some(other) => {
            return Err(ApiError::invalid(format!("Invalid policy version: {other}.")));
        }
    };
    let mut policy = world.policy(resource)?.unwrap_or_else(|| json!({"etag": NEVER_SET}));
    let conditional = has_conditions(&policy);
    if conditional && version < 3 {
        for binding in bindings_mut(&mut policy) {
            if let Some(condition) = binding.get("condition").cloned() {
                let role = binding["role"].as_str().unwrap_or_default();
                let disguised = format!("{role}_withcond_{}", fingerprint(&condition));
                binding["role"] = Value::from(disguised);
                remove(binding, "condition");
            }
        }
    }
    if policy.get("bindings").is_some() || policy.get("auditConfigs").is_some() {
        policy["version"] = json!(if conditional && version == 3 { 3 } else { 1 });
    }
    Ok(policy)
}

/// Sets a policy from the body of a `setIamPolicy`, by IAM's documented rules, and returns it as
/// it then is.
pub(crate) fn set(
    world: &World<'_>,
    rules: Rules<'_>,
    resource: &str,
    (body, now): (&Value, OffsetDateTime),
) -> Result<Value, ApiError> {
    let asked = body
        .get("policy")
        .filter(|policy| policy.is_object())
        .ok_or_else(|| ApiError::invalid("The request has no policy."))?;
    let version = match asked.get("version") {
        None | Some(Value::Null) => 0,
        Some(version) => version
            .as_i64()
            .filter(|v| matches!(v, 0 | 1 | 3))
            .ok_or_else(|| ApiError::invalid(format!("Invalid policy version: {version}.")))?,
    };
    let before = world.policy(resource)?.unwrap_or_else(|| json!({"etag": NEVER_SET}));
    let etag = asked["etag"].as_str().unwrap_or_default();
    if !etag.is_empty() && !same_bytes(etag, before["etag"].as_str().unwrap_or_default()) {
        return Err(ApiError::policy_conflict());
    }
    // Without an etag a policy with conditions may be overwritten blindly, and loses them
    // (documented). With one, version 3 must be said.
    if version < 3 && (has_conditions(asked) || (has_conditions(&before) && !etag.is_empty())) {
        return Err(ApiError::invalid(
            "A policy with conditional role bindings must be set at version 3.",
        ));
    }
    let mask = update_mask(body)?;
    let mut after = before.clone();
    if mask.bindings {
        after["bindings"] = Value::Array(checked_bindings(world, rules, asked, &before)?);
    }
    if mask.audit_configs {
        after["auditConfigs"] = asked.get("auditConfigs").cloned().unwrap_or_else(|| json!([]));
    }
    for part in ["bindings", "auditConfigs"] {
        if after[part].as_array().is_none_or(Vec::is_empty) {
            remove(&mut after, part);
        }
    }
    check_limits(&after)?;
    after["etag"] = Value::from(new_etag());
    // For a front end, and an inventory, that learn late.
    remember(world, resource, &before, now)?;
    world.put_policy(resource, &after)?;
    get(world, resource, Some(if version == 3 { "3" } else { "1" }))
}

/// Answers which of the permissions, all of which `is_valid` must know, the caller holds.
fn test_permissions(
    visit: Visit<'_>,
    resource: &str,
    body: &Value,
    is_valid: impl Fn(&str) -> bool,
) -> Result<Value, ApiError> {
    let asked = body["permissions"].as_array().into_iter().flatten();
    let mut held = Vec::new();
    for permission in asked {
        let text = permission.as_str().unwrap_or_default();
        if text.contains('*') {
            return Err(ApiError::invalid(
                "Permissions with wildcards (such as * or storage.*) are not allowed.",
            ));
        }
        if !is_valid(text) {
            return Err(ApiError::invalid(format!(
                "Permission {text} is not valid for this resource."
            )));
        }
        if authority::holds(visit.world, visit.who, resource, text, visit.now)? {
            held.push(permission.clone());
        }
    }
    Ok(if held.is_empty() { json!({}) } else { json!({"permissions": held}) })
}

/// One of the three verbs on a resource that is there. The permissions that it may be asked about
/// are those that `is_valid` knows.
pub(crate) fn verb(
    call: &Call<'_>,
    resource: &str,
    rules: Rules<'_>,
    is_valid: impl Fn(&str) -> bool,
) -> Answer {
    let Visit { world, now, .. } = call.visit;
    match call.verb() {
        "setIamPolicy" => set(world, rules, resource, (call.body, now)),
        "testIamPermissions" => test_permissions(call.visit, resource, call.body, is_valid),
        // The Resource Manager takes in the body what the others take in the query.
        _ => {
            let in_body = match &call.body["options"]["requestedPolicyVersion"] {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            };
            let in_query = call.query.get("options.requestedPolicyVersion");
            get(world, resource, in_query.or(in_body.as_deref()))
        }
    }
}

struct Mask {
    bindings: bool,
    audit_configs: bool,
}

/// The default mask is `bindings, etag` (discovery document), so audit configs stay unless they
/// are named.
fn update_mask(body: &Value) -> Result<Mask, ApiError> {
    let text = match &body["updateMask"] {
        Value::Null => {
            return Ok(Mask { bindings: true, audit_configs: false });
        }
        Value::String(text) => text.clone(),
        other => {
            let paths = other["paths"].as_array().into_iter().flatten();
            paths.filter_map(Value::as_str).collect::<Vec<_>>().join(",")
        }
    };
    let mut mask = Mask { bindings: text.is_empty(), audit_configs: false };
    for path in text.split(',').map(str::trim).filter(|path| !path.is_empty()) {
        match path {
            "bindings" => mask.bindings = true,
            "auditConfigs" | "audit_configs" => mask.audit_configs = true,
            "etag" | "version" => {}
            other => {
                return Err(ApiError::invalid(format!("Invalid field mask path: {other}.")));
            }
        }
    }
    Ok(mask)
}

fn bindings_mut(policy: &mut Value) -> impl Iterator<Item = &mut Value> {
    policy.get_mut("bindings").and_then(Value::as_array_mut).into_iter().flatten()
}

fn has_conditions(policy: &Value) -> bool {
    bindings(policy).any(|binding| binding.get("condition").is_some_and(|c| !c.is_null()))
}

/// Twenty hexadecimal digits that tell conditions apart (the real hash is not documented).
fn fingerprint(condition: &Value) -> String {
    let hash = fnv1a(condition.to_string().bytes());
    format!("{hash:016x}{:04x}", hash & 0xffff)
}

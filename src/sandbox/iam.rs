//! Allow policies as IAM keeps them: versions, etags, conditions, members, roles, limits.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::api_error::ApiError;
use super::world::{Project, World};
use crate::domain::member::{Member, MemberKind};
use crate::domain::resource::ServiceName;
use crate::domain::role;

/// The etag of a policy that was never set (observed).
const NEVER_SET: &str = "ACAB";
const MAX_PRINCIPALS: usize = 1_500;
const MAX_GROUPS_AND_DOMAINS: usize = 250;
const MAX_CONDITION_VARIANTS: usize = 20;

/// Reads a policy for a client that understands `requested`: below version 3, a conditional
/// binding is shown as a role of another name and without its condition (documented).
pub(super) fn get(
    world: &World<'_>,
    name: &ServiceName,
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
    let mut policy = world.policy(name)?.unwrap_or_else(|| json!({"etag": NEVER_SET}));
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
pub(super) fn set(
    world: &World<'_>,
    project: &Project,
    name: &ServiceName,
    body: &Value,
) -> Result<Value, ApiError> {
    known_fields(body, &["policy", "updateMask", "resource"], "")?;
    let asked = body
        .get("policy")
        .filter(|policy| policy.is_object())
        .ok_or_else(|| ApiError::invalid("The request has no policy."))?;
    known_fields(asked, &["version", "bindings", "auditConfigs", "etag", "rules"], "policy")?;
    check_types(asked)?;
    let version = match asked.get("version") {
        None | Some(Value::Null) => 0,
        Some(version) => version
            .as_i64()
            .filter(|v| matches!(v, 0 | 1 | 3))
            .ok_or_else(|| ApiError::invalid(format!("Invalid policy version: {version}.")))?,
    };
    let before = world.policy(name)?.unwrap_or_else(|| json!({"etag": NEVER_SET}));
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
        after["bindings"] = Value::Array(checked_bindings(world, project, asked, &before)?);
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
    world.put_policy(name, &after)?;
    get(world, name, Some(if version == 3 { "3" } else { "1" }))
}

/// Answers which of the permissions the caller holds. Every caller of the sandbox's API is its
/// default account for now, which owns the project and so holds all that a service can give.
pub(super) fn test_permissions(body: &Value) -> Result<Value, ApiError> {
    known_fields(body, &["permissions", "resource"], "")?;
    let asked = body["permissions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut held = Vec::new();
    for permission in asked {
        let text = permission.as_str().unwrap_or_default();
        if text.contains('*') {
            return Err(ApiError::invalid(
                "Permissions with wildcards (such as * or storage.*) are not allowed.",
            ));
        }
        if !text.starts_with("run.") {
            return Err(ApiError::invalid(format!(
                "Permission {text} is not valid for this resource."
            )));
        }
        held.push(permission.clone());
    }
    Ok(if held.is_empty() { json!({}) } else { json!({"permissions": held}) })
}

/// Refuses a policy whose parts are of the wrong type, as Google's JSON parser does.
fn check_types(policy: &Value) -> Result<(), ApiError> {
    let bad = |at: &str| ApiError::invalid(format!("Invalid value at '{at}'."));
    let list = |value: &Value, at: &str| match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => Ok(items.clone()),
        _ => Err(bad(at)),
    };
    let text = |value: &Value, at: &str| {
        if value.is_null() || value.is_string() { Ok(()) } else { Err(bad(at)) }
    };
    text(&policy["etag"], "policy.etag")?;
    for binding in list(&policy["bindings"], "policy.bindings")? {
        if !binding.is_object() {
            return Err(bad("policy.bindings"));
        }
        text(&binding["role"], "policy.bindings.role")?;
        for member in list(&binding["members"], "policy.bindings.members")? {
            if !member.is_string() {
                return Err(bad("policy.bindings.members"));
            }
        }
        let condition = &binding["condition"];
        if !condition.is_null() && !condition.is_object() {
            return Err(bad("policy.bindings.condition"));
        }
    }
    for config in list(&policy["auditConfigs"], "policy.auditConfigs")? {
        known_fields(&config, &["service", "auditLogConfigs"], "policy.auditConfigs")?;
        for log in list(&config["auditLogConfigs"], "policy.auditConfigs.auditLogConfigs")? {
            let at = "policy.auditConfigs.auditLogConfigs";
            known_fields(&log, &["logType", "exemptedMembers"], at)?;
            list(&log["exemptedMembers"], "policy.auditConfigs.auditLogConfigs.exemptedMembers")?;
        }
    }
    Ok(())
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

fn checked_bindings(
    world: &World<'_>,
    project: &Project,
    asked: &Value,
    before: &Value,
) -> Result<Vec<Value>, ApiError> {
    let mut kept = Vec::new();
    for binding in asked["bindings"].as_array().into_iter().flatten() {
        known_fields(binding, &["role", "members", "condition", "bindingId"], "policy.bindings")?;
        let role = binding["role"].as_str().unwrap_or_default();
        check_role(role)?;
        let members: Vec<&str> =
            binding["members"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let condition = binding.get("condition").filter(|condition| !condition.is_null());
        for member in &members {
            check_member(world, project, member, before)?;
            // Reported, not documented for Cloud Run: everyone cannot be put under a condition.
            if condition.is_some() && Member::from_policy(*member).is_public() {
                return Err(ApiError::invalid(format!(
                    "The member {member} cannot be granted a role under a condition."
                )));
            }
        }
        if let Some(condition) = condition {
            known_fields(
                condition,
                &["title", "description", "expression", "location"],
                "policy.bindings.condition",
            )?;
            for part in ["title", "expression"] {
                if condition[part].as_str().is_none_or(str::is_empty) {
                    return Err(ApiError::invalid(format!("A condition must have a {part}.")));
                }
            }
        }
        if !members.is_empty() {
            let mut binding = binding.clone();
            if condition.is_none() {
                remove(&mut binding, "condition");
            }
            kept.push(binding);
        }
    }
    Ok(kept)
}

/// Google's text (observed on other services).
fn check_role(name: &str) -> Result<(), ApiError> {
    let custom = (name.starts_with("projects/") || name.starts_with("organizations/"))
        && name.split('/').count() == 4
        && name.contains("/roles/");
    if custom || role::info(name).is_some() {
        Ok(())
    } else {
        Err(ApiError::invalid(format!("Role {name} is not supported for this resource.")))
    }
}

/// Google's texts (observed; that of the organisation policy on Cloud Run itself, the others on
/// other services].
fn check_member(
    world: &World<'_>,
    project: &Project,
    text: &str,
    before: &Value,
) -> Result<(), ApiError> {
    let member = Member::from_policy(text);
    let known_prefix = member.kind() != MemberKind::Other
        || ["projectOwner:", "projectEditor:", "projectViewer:"]
            .iter()
            .any(|prefix| text.starts_with(prefix));
    if !known_prefix {
        return Err(ApiError::invalid(format!(
            "The member {text} is of an unknown type. Please set a valid type prefix for the member."
        )));
    }
    let address = text.split_once(':').map_or("", |(_, address)| address);
    if matches!(member.kind(), MemberKind::User | MemberKind::Group | MemberKind::ServiceAccount)
        && !address.contains('@')
        && !address.contains(".svc.id.goog[")
    {
        return Err(ApiError::invalid(format!("Invalid principal {text}.")));
    }
    let there_before = bindings(before)
        .flat_map(|binding| binding["members"].as_array().into_iter().flatten())
        .any(|existing| {
            existing.as_str().is_some_and(|other| Member::from_policy(other).same_as(&member))
        });
    if there_before {
        return Ok(());
    }
    let home = match address.rsplit_once('@').map(|(_, domain)| domain) {
        Some(domain) if member.kind() == MemberKind::ServiceAccount => domain
            .strip_suffix(".iam.gserviceaccount.com")
            .map(|id| world.project(id))
            .transpose()?
            .flatten(),
        _ => None,
    };
    if home.is_some() && !world.has_service_account(&address.to_lowercase())? {
        return Err(ApiError::invalid(format!("Service account {address} does not exist.")));
    }
    let foreign = match member.kind() {
        MemberKind::AllUsers | MemberKind::AllAuthenticatedUsers => true,
        MemberKind::User | MemberKind::Group => {
            !address.to_lowercase().ends_with(&format!("@{}", project.domain))
        }
        MemberKind::Domain => address != project.domain,
        MemberKind::ServiceAccount => home.is_none() && !is_of_a_project(world, address)?,
        _ => false,
    };
    let restricted = project.constraints.iter().any(|c| c == "iam.allowedPolicyMemberDomains");
    if restricted && foreign {
        return Err(ApiError::failed_precondition(
            "One or more users named in the policy do not belong to a permitted customer,  \
             perhaps due to an organization policy.",
        ));
    }
    Ok(())
}

/// Whether an account is Google's own for one of the organisation's projects: the default
/// accounts of Compute Engine and App Engine, and service agents (`service-NUMBER@…`).
fn is_of_a_project(world: &World<'_>, address: &str) -> Result<bool, ApiError> {
    let Some((name, domain)) = address.split_once('@') else { return Ok(false) };
    let project = match domain {
        "developer.gserviceaccount.com" => name.strip_suffix("-compute"),
        "appspot.gserviceaccount.com" => Some(name),
        _ => name.strip_prefix("service-"),
    };
    match project {
        Some(project) => Ok(world.project(project)?.is_some()),
        None => Ok(false),
    }
}

fn check_limits(policy: &Value) -> Result<(), ApiError> {
    let members = |binding: &Value| -> Vec<String> {
        let members = binding["members"].as_array().into_iter().flatten();
        members.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let all: Vec<String> = bindings(policy).flat_map(members).collect();
    let exempted: usize = policy["auditConfigs"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|config| config["auditLogConfigs"].as_array().into_iter().flatten())
        .map(|config| config["exemptedMembers"].as_array().map_or(0, Vec::len))
        .sum();
    let count = all.len() + exempted;
    if count > MAX_PRINCIPALS {
        return Err(ApiError::invalid(format!(
            "The number of members in the policy ({count}) is larger than the maximum allowed \
             size {MAX_PRINCIPALS}."
        )));
    }
    let kind = |text: &String| Member::from_policy(text.as_str()).kind();
    let mut groups: Vec<&String> = all.iter().filter(|m| kind(m) == MemberKind::Group).collect();
    groups.sort();
    groups.dedup();
    let wide = groups.len() + all.iter().filter(|m| kind(m) == MemberKind::Domain).count();
    if wide > MAX_GROUPS_AND_DOMAINS {
        return Err(ApiError::invalid(format!(
            "The number of groups and domains in the policy ({wide}) is larger than the maximum \
             allowed size {MAX_GROUPS_AND_DOMAINS}."
        )));
    }
    let mut conditional: Vec<(String, String)> = bindings(policy)
        .filter(|binding| binding.get("condition").is_some())
        .flat_map(|binding| {
            let role = binding["role"].as_str().unwrap_or_default().to_owned();
            members(binding).into_iter().map(move |member| (role.clone(), member))
        })
        .collect();
    conditional.sort();
    let most = conditional.chunk_by(|a, b| a == b).map(<[_]>::len).max().unwrap_or_default();
    if most > MAX_CONDITION_VARIANTS {
        return Err(ApiError::invalid(format!(
            "A role and principal can have at most {MAX_CONDITION_VARIANTS} conditional bindings."
        )));
    }
    Ok(())
}

/// Refuses a field that the API does not have, in the words of Google's JSON parser.
pub(super) fn known_fields(value: &Value, known: &[&str], at: &str) -> Result<(), ApiError> {
    let unknown =
        value.as_object().into_iter().flatten().find(|(name, _)| !known.contains(&name.as_str()));
    match unknown {
        None => Ok(()),
        Some((name, _)) => {
            let at = if at.is_empty() { String::new() } else { format!(" at '{at}'") };
            Err(ApiError::invalid(format!(
                "Invalid JSON payload received. Unknown name \"{name}\"{at}: Cannot find field."
            )))
        }
    }
}

fn bindings(policy: &Value) -> impl Iterator<Item = &Value> {
    policy["bindings"].as_array().into_iter().flatten()
}

fn bindings_mut(policy: &mut Value) -> impl Iterator<Item = &mut Value> {
    policy.get_mut("bindings").and_then(Value::as_array_mut).into_iter().flatten()
}

fn has_conditions(policy: &Value) -> bool {
    bindings(policy).any(|binding| binding.get("condition").is_some_and(|c| !c.is_null()))
}

fn remove(value: &mut Value, field: &str) {
    if let Some(object) = value.as_object_mut() {
        object.shift_remove(field);
    }
}

/// Whether two etags are the same bytes, in whichever of base64's two alphabets.
fn same_bytes(a: &str, b: &str) -> bool {
    let standard = |text: &str| text.replace('-', "+").replace('_', "/");
    standard(a).trim_end_matches('=') == standard(b).trim_end_matches('=')
}

/// A new etag: eight bytes, as Google's are, in base64.
pub(super) fn new_etag() -> String {
    let mut bytes = [0_u8; 8];
    fastrand::fill(&mut bytes);
    bytes[0] = 7;
    BASE64_STANDARD.encode(bytes)
}

/// Twenty hexadecimal digits that tell conditions apart (the real hash is not documented).
fn fingerprint(condition: &Value) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in condition.to_string().bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}{:04x}", hash & 0xffff)
}

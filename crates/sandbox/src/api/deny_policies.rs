//! IAM v2: deny policies of projects, folders and the organisation.

use serde_json::{Value, json};

use super::call::{Answer, Call};
use crate::authority::Visit;
use crate::dialect::api_error::ApiError;
use crate::dialect::pages::{PageRequest, PageSize, page, page_request};
use crate::dialect::wire::remove;
use crate::records::deny::attached_policies;
use crate::records::stamps::{new_etag, new_uid, stamp};
use crate::records::world::World;

const COLLECTION: &str = "denypolicies";
const PAGE: PageSize = PageSize { usual: 1_000, most: 1_000 };
const ATTACHED_BY: &str = "cloudresourcemanager.googleapis.com/";
const LONGEST_ID: usize = 63;

/// What policies are attached to: a resource, as policies are kept by, and as it is shown.
struct Attached {
    resource: String,
    shown: String,
}

impl Attached {
    fn name(&self, id: &str) -> String {
        policy_name(&self.shown, id)
    }
}

/// What the path's attachment point names; of policies, the kind must be deny policies.
fn attached(call: &Call<'_>) -> Result<Attached, ApiError> {
    let point = call.after("policies");
    let found = attached_to(call.visit.world, point)?;
    let (resource, shown) =
        found.ok_or_else(|| ApiError::invalid(format!("Invalid attachment point: {point}.")))?;
    if call.path.parts.get(3).is_none_or(|kind| kind != COLLECTION) {
        return Err(ApiError::not_implemented("policies other than denypolicies"));
    }
    Ok(Attached { resource, shown })
}

/// A list does not show the rules (documented: "only the metadata").
pub(crate) fn list(call: &Call<'_>) -> Answer {
    let at = attached(call)?;
    call.visit.require("iam.denypolicies.list", &at.resource)?;
    // Documented: the size that is asked for is ignored.
    let request = PageRequest { limit: PAGE.usual, ..page_request(call.query, PAGE)? };
    let place = attached_policies(&at.resource);
    let (mut found, next) = call.visit.world.resources_newest_first(place, request, &|_| true)?;
    for policy in &mut found {
        remove(policy, "rules");
    }
    Ok(page("policies", found, next))
}

pub(crate) fn get(call: &Call<'_>) -> Answer {
    let (at, id) = (attached(call)?, call.after(COLLECTION));
    call.visit.require("iam.denypolicies.get", &at.resource)?;
    load(call.visit.world, &at.resource, id, &at.name(id))
}

/// What every change is done with at once.
pub(crate) fn get_operation(call: &Call<'_>) -> Answer {
    get(call).map(|found| done(&found))
}

pub(crate) fn delete(call: &Call<'_>) -> Answer {
    let (at, id) = (attached(call)?, call.after(COLLECTION));
    call.visit.require("iam.denypolicies.delete", &at.resource)?;
    let (world, name) = (call.visit.world, at.name(id));
    let policy = load(world, &at.resource, id, &name)?;
    check_etag(&policy, call.query.get("etag"))?;
    world.delete_resource(attached_policies(&at.resource), id, &name)?;
    Ok(done(&policy))
}

fn load(world: &World<'_>, resource: &str, id: &str, name: &str) -> Answer {
    world
        .resource(attached_policies(resource), id)?
        .ok_or_else(|| ApiError::not_found(format!("The policy {name} was not found.")))
}

/// The name of a policy of such a resource as `projects/NUMBER`.
pub(crate) fn policy_name(shown: &str, id: &str) -> String {
    let point = format!("{ATTACHED_BY}{shown}").replace('/', "%2F");
    format!("policies/{point}/denypolicies/{id}")
}

pub(crate) fn create(call: &Call<'_>) -> Answer {
    let at = attached(call)?;
    let id = call.query.get("policyId").unwrap_or_default();
    let (resource, name, body) = (at.resource.as_str(), &at.name(id), call.body);
    call.visit.require("iam.denypolicies.create", resource)?;
    let is_id = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let is_begun = id.starts_with(|c: char| c.is_ascii_lowercase());
    if !(3..=LONGEST_ID).contains(&id.len()) || !is_begun || !id.chars().all(is_id) {
        return Err(ApiError::invalid(format!("Invalid policy ID: {id}.")));
    }
    if call.visit.world.resource(attached_policies(resource), id)?.is_some() {
        return Err(ApiError::already_exists(format!("The policy {name} already exists.")));
    }
    let policy = checked(body, name)?;
    put(call.visit, resource, id, policy, None)
}

pub(crate) fn update(call: &Call<'_>) -> Answer {
    let (at, id) = (attached(call)?, call.after(COLLECTION));
    call.visit.require("iam.denypolicies.update", &at.resource)?;
    let name = at.name(id);
    let before = load(call.visit.world, &at.resource, id, &name)?;
    check_etag(&before, call.body["etag"].as_str())?;
    put(call.visit, &at.resource, id, checked(call.body, &name)?, Some(&before))
}

pub(crate) fn put(
    visit: Visit<'_>,
    resource: &str,
    id: &str,
    mut policy: Value,
    before: Option<&Value>,
) -> Result<Value, ApiError> {
    let now = Value::from(stamp(visit.now));
    policy["createTime"] =
        before.map_or_else(|| now.clone(), |before| before["createTime"].clone());
    if let Some(before) = before {
        policy["uid"] = before["uid"].clone();
    }
    policy["updateTime"] = now;
    policy["etag"] = Value::from(new_etag());
    visit.world.put_resource(attached_policies(resource), id, &policy)?;
    Ok(done(&policy))
}

/// A policy out of a request's body.
pub(crate) fn checked(body: &Value, name: &str) -> Result<Value, ApiError> {
    let rules = body["rules"].as_array().cloned().unwrap_or_default();
    if rules.is_empty() {
        return Err(ApiError::invalid("A policy must have at least one rule."));
    }
    for rule in &rules {
        let rule = &rule["denyRule"];
        let texts =
            |name: &str| rule[name].as_array().into_iter().flatten().filter_map(Value::as_str);
        let principals = texts("deniedPrincipals").chain(texts("exceptionPrincipals"));
        for principal in principals {
            let bare = principal.strip_prefix("deleted:").unwrap_or(principal);
            if !bare.starts_with("principal://") && !bare.starts_with("principalSet://") {
                return Err(ApiError::invalid(format!("Invalid principal: {principal}.")));
            }
        }
        if texts("exceptionPrincipals").any(|text| text == "principalSet://goog/public:all") {
            return Err(ApiError::invalid(
                "principalSet://goog/public:all cannot be an exception.",
            ));
        }
        for permission in texts("deniedPermissions").chain(texts("exceptionPermissions")) {
            let form = permission.split_once('/').is_some_and(|(host, rest)| {
                host.ends_with(".googleapis.com") && rest.contains('.')
            });
            if !form {
                return Err(ApiError::invalid(format!("Invalid permission: {permission}.")));
            }
        }
        if texts("deniedPrincipals").next().is_none() || texts("deniedPermissions").next().is_none()
        {
            return Err(ApiError::invalid("A rule denies somebody something."));
        }
        let expression = rule["denialCondition"]["expression"].as_str();
        if expression.is_some_and(|text| !runaccess_domain::condition::asks_for_tags(text)) {
            // Documented: other functions are not supported; the wording is not certain.
            return Err(ApiError::invalid("A denial condition may ask for resource tags only."));
        }
    }
    let mut policy = json!({"name": name, "kind": "DenyPolicy", "rules": rules});
    policy["uid"] = Value::from(new_uid());
    for field in ["displayName", "annotations"] {
        if !body[field].is_null() {
            policy[field] = body[field].clone();
        }
    }
    Ok(policy)
}

fn check_etag(policy: &Value, etag: Option<&str>) -> Result<(), ApiError> {
    match etag.filter(|etag| !etag.is_empty()) {
        Some(etag) if policy["etag"] != etag => Err(ApiError::policy_conflict()),
        _ => Ok(()),
    }
}

/// An operation that is done.
fn done(policy: &Value) -> Value {
    let mut response = policy.clone();
    response["@type"] = Value::from("type.googleapis.com/google.iam.v2.Policy");
    let name = policy["name"].as_str().unwrap_or_default();
    let metadata = json!({
        "@type": "type.googleapis.com/google.iam.v2.PolicyOperationMetadata",
        "createTime": policy["updateTime"],
    });
    json!({"name": format!("{name}/operations/0"), "metadata": metadata, "done": true, "response": response})
}

/// The resource that an attachment point names, such as
/// `cloudresourcemanager.googleapis.com/projects/P`: as policies are kept by, and as it is shown, which
/// is by a project's number (documented).
fn attached_to(world: &World<'_>, point: &str) -> Result<Option<(String, String)>, ApiError> {
    let Some(resource) = point.strip_prefix(ATTACHED_BY) else { return Ok(None) };
    match resource.split_once('/') {
        Some(("projects", id)) => Ok(world.project(id)?.map(|project| {
            (format!("projects/{}", project.id), format!("projects/{}", project.number))
        })),
        Some(("folders" | "organizations", _)) => {
            Ok(Some((resource.to_owned(), resource.to_owned())))
        }
        _ => Ok(None),
    }
}

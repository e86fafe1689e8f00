//! IAM v2: deny policies of projects, folders and the organisation.

use serde_json::{Value, json};

use super::api_error::ApiError;
use super::authority::Visit;
use super::iam::new_etag;
use super::pages::{page, page_request};
use super::query::Query;
use super::schema::known_fields;
use super::service_body::stamp;
use super::world::{Collection, World};
use runaccess_domain::condition::Condition;
use runaccess_domain::deny::DenyRule;
use runaccess_domain::member::Member;

/// The kind under which they are kept, by the resource that they are attached to.
pub(super) const DENY_POLICIES: &str = "denypolicies";
const DEFAULT_PAGE: usize = 1_000;
const ATTACHED_BY: &str = "cloudresourcemanager.googleapis.com/";
const LONGEST_ID: usize = 63;

/// The rules of a policy, in the domain's terms.
pub(super) fn rules(policy: &Value) -> Vec<DenyRule> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(text).collect()
    };
    let members = |value: &Value| list(value).into_iter().map(Member::from_policy).collect();
    let rules = policy["rules"].as_array().into_iter().flatten();
    let rules = rules.map(|rule| &rule["denyRule"]).map(|rule| DenyRule {
        policy: text(&policy["name"]),
        denied_principals: members(&rule["deniedPrincipals"]),
        exception_principals: members(&rule["exceptionPrincipals"]),
        denied_permissions: list(&rule["deniedPermissions"]),
        exception_permissions: list(&rule["exceptionPermissions"]),
        condition: Some(&rule["denialCondition"]).filter(|c| c.is_object()).map(|c| Condition {
            title: text(&c["title"]),
            description: text(&c["description"]),
            expression: text(&c["expression"]),
        }),
    });
    rules.collect()
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

/// The routes below `v2/policies`, of which `rest` is the attachment point, still encoded, and what
/// follows it; `None` for one that is not there.
pub(super) fn answer(
    visit: Visit<'_>,
    (method, point, rest): (&str, &str, &[&str]),
    query: &Query,
    body: &Value,
) -> Option<Result<Value, ApiError>> {
    let ["denypolicies", rest @ ..] = rest else { return None };
    let (resource, shown) = match attached_to(visit.world, point) {
        Ok(Some(found)) => found,
        Ok(None) => {
            return Some(Err(ApiError::invalid(format!("Invalid attachment point: {point}."))));
        }
        Err(error) => return Some(Err(error)),
    };
    let may =
        |permission: &str| visit.require(&format!("iam.denypolicies.{permission}"), &resource);
    let world = visit.world;
    let name = |id: &str| policy_name(&shown, id);
    Some(match (method, rest) {
        ("GET", []) => may("list").and_then(|()| list(world, &resource, query)),
        ("POST", []) => may("create").and_then(|()| {
            query.only(&["policyId"])?;
            let id = query.get("policyId").unwrap_or_default();
            create(visit, &resource, (id, &name(id)), body)
        }),
        ("GET", [id]) => may("get").and_then(|()| get(world, &resource, id, &name(id))),
        // What every change is done with at once.
        ("GET", [id, "operations", _]) => {
            may("get").and_then(|()| get(world, &resource, id, &name(id)).map(|found| done(&found)))
        }
        ("PUT", [id]) => {
            may("update").and_then(|()| update(visit, &resource, (id, &name(id)), body))
        }
        ("DELETE", [id]) => may("delete").and_then(|()| {
            query.only(&["etag"])?;
            let policy = get(world, &resource, id, &name(id))?;
            check_etag(&policy, query.get("etag"))?;
            world.delete_resource(place(&resource), id, &name(id))?;
            Ok(done(&policy))
        }),
        _ => return None,
    })
}

/// The name of a policy of such a resource as `projects/NUMBER`.
pub(super) fn policy_name(shown: &str, id: &str) -> String {
    let point = format!("{ATTACHED_BY}{shown}").replace('/', "%2F");
    format!("policies/{point}/denypolicies/{id}")
}

/// A list does not show the rules (documented: "only the metadata").
fn list(world: &World<'_>, resource: &str, query: &Query) -> Result<Value, ApiError> {
    query.only(&["pageSize", "pageToken"])?;
    let request = page_request(query, "pageSize", "pageToken", DEFAULT_PAGE)?;
    let (mut found, next) = world.resources_newest_first(place(resource), request, &|_| true)?;
    for policy in &mut found {
        super::policy_check::remove(policy, "rules");
    }
    Ok(page("policies", found, next))
}

fn get(world: &World<'_>, resource: &str, id: &str, name: &str) -> Result<Value, ApiError> {
    world
        .resource(place(resource), id)?
        .ok_or_else(|| ApiError::not_found(format!("The policy {name} was not found.")))
}

fn create(
    visit: Visit<'_>,
    resource: &str,
    (id, name): (&str, &str),
    body: &Value,
) -> Result<Value, ApiError> {
    let is_id = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let is_begun = id.starts_with(|c: char| c.is_ascii_lowercase());
    if !(3..=LONGEST_ID).contains(&id.len()) || !is_begun || !id.chars().all(is_id) {
        return Err(ApiError::invalid(format!("Invalid policy ID: {id}.")));
    }
    if visit.world.resource(place(resource), id)?.is_some() {
        return Err(ApiError::already_exists(format!("The policy {name} already exists.")));
    }
    let policy = checked(body, name)?;
    put(visit, resource, id, policy, None)
}

fn update(
    visit: Visit<'_>,
    resource: &str,
    (id, name): (&str, &str),
    body: &Value,
) -> Result<Value, ApiError> {
    let before = get(visit.world, resource, id, name)?;
    check_etag(&before, body["etag"].as_str())?;
    put(visit, resource, id, checked(body, name)?, Some(&before))
}

pub(super) fn put(
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
    visit.world.put_resource(place(resource), id, &policy)?;
    Ok(done(&policy))
}

/// A policy out of a request's body.
pub(super) fn checked(body: &Value, name: &str) -> Result<Value, ApiError> {
    known_fields(
        body,
        &[
            "name",
            "uid",
            "kind",
            "displayName",
            "annotations",
            "etag",
            "createTime",
            "updateTime",
            "deleteTime",
            "rules",
            "managingAuthority",
        ],
        "policy",
    )?;
    let rules = body["rules"].as_array().cloned().unwrap_or_default();
    if rules.is_empty() {
        return Err(ApiError::invalid("A policy must have at least one rule."));
    }
    for rule in &rules {
        known_fields(rule, &["description", "denyRule"], "policy.rules")?;
        let rule = &rule["denyRule"];
        let fields = [
            "deniedPrincipals",
            "exceptionPrincipals",
            "deniedPermissions",
            "exceptionPermissions",
            "denialCondition",
        ];
        known_fields(rule, &fields, "policy.rules.deny_rule")?;
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
    policy["uid"] = Value::from(super::service_body::new_uid());
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

pub(super) fn place(resource: &str) -> Collection<'_> {
    Collection { kind: DENY_POLICIES, project: resource, region: "" }
}

//! Organisation Policy v2: what is set where, and what is in force.

use serde_json::{Value, json};

use super::api_error::ApiError;
use super::authority::{Visit, lineage};
use super::iam::new_etag;
use super::pages::{page, page_request};
use super::router::Query;
use super::schema::known_fields;
use super::service_body::stamp;
use super::world::{Place, Project, World};

const KIND: &str = "orgpolicies";
const DEFAULT_PAGE: usize = 100;
/// The constraint that has a list of values; the others are enforced or not.
const DOMAINS: &str = "iam.allowedPolicyMemberDomains";
const INGRESS: &str = "run.allowedIngress";

/// The constraints that are enforced on a project by policies set through the API, on it or above.
pub(super) fn enforced(world: &World<'_>, project: &str) -> Result<Vec<String>, ApiError> {
    let set = world.resources_by_owner(KIND)?;
    if set.is_empty() {
        return Ok(Vec::new());
    }
    let lineage = lineage(world, &format!("projects/{project}"))?;
    let mut names: Vec<String> = set.iter().filter_map(|(_, policy)| constraint(policy)).collect();
    names.sort();
    names.dedup();
    let mut enforced = Vec::new();
    for name in names {
        let spec = spec(world, &lineage, &name)?;
        if spec.is_some_and(|spec| restricts(&spec)) {
            enforced.push(name);
        }
    }
    Ok(enforced)
}

fn constraint(policy: &Value) -> Option<String> {
    policy["name"].as_str()?.rsplit('/').next().map(str::to_owned)
}

/// Whether rules keep anything out, for what is under no tag.
fn restricts(spec: &Value) -> bool {
    let mut rules = spec["rules"].as_array().into_iter().flatten();
    rules.any(|rule| {
        rule["condition"].is_null()
            && (rule["enforce"] == true || rule["denyAll"] == true || rule["values"].is_object())
    })
}

/// What is in force on a resource: the nearest policy on it or above, merged with those above where
/// it says that it inherits.
fn spec(world: &World<'_>, lineage: &[String], name: &str) -> Result<Option<Value>, ApiError> {
    let mut rules: Option<Vec<Value>> = None;
    for resource in lineage {
        let Some(policy) = world.resource(place(resource), name)? else { continue };
        let own = policy["spec"]["rules"].as_array().cloned().unwrap_or_default();
        if policy["spec"]["reset"] == true {
            break;
        }
        rules.get_or_insert_default().extend(own);
        if policy["spec"]["inheritFromParent"] != true {
            break;
        }
    }
    Ok(rules.map(|rules| json!({"rules": rules})))
}

/// The routes below `v2/{projects|folders|organizations}/ID/policies`; `None` for one that is not
/// there. `owner` is such as `projects/P`.
pub(super) fn answer(
    visit: Visit<'_>,
    (owner, project): (&str, Option<&Project>),
    (method, rest, verb): (&str, &[&str], &str),
    query: &Query,
    body: &Value,
) -> Option<Result<Value, ApiError>> {
    let may = |permission: &str| visit.require(&format!("orgpolicy.{permission}"), owner);
    let world = visit.world;
    // Projects go by their numbers in these names (documented).
    let of = project.map_or_else(|| owner.to_owned(), |p| format!("projects/{}", p.number));
    let name = |constraint: &str| format!("{of}/policies/{constraint}");
    Some(match (method, rest, verb) {
        ("GET", [], "") => may("policies.list").and_then(|()| {
            query.only(&["pageSize", "pageToken"])?;
            let request = page_request(query, "pageSize", "pageToken", DEFAULT_PAGE)?;
            let (found, next) = world.resources_newest_first(place(owner), request, &|_| true)?;
            Ok(page("policies", found, next))
        }),
        ("POST", [], "") => may("policies.create").and_then(|()| {
            let constraint = constraint(body).unwrap_or_default();
            if world.resource(place(owner), &constraint)?.is_some() {
                return Err(ApiError::already_exists("Requested entity already exists"));
            }
            put(visit, owner, (&constraint, &name(&constraint)), body)
        }),
        ("GET", [constraint], "") => may("policy.get").and_then(|()| {
            let found = world.resource(place(owner), constraint)?;
            found.ok_or_else(|| ApiError::not_found("Requested entity was not found."))
        }),
        ("GET", [constraint], "getEffectivePolicy") => may("policy.get")
            .and_then(|()| effective(world, (owner, project), constraint, &name(constraint))),
        ("PATCH", [constraint], "") => may("policies.update")
            .and_then(|()| put(visit, owner, (constraint, &name(constraint)), body)),
        ("DELETE", [constraint], "") => may("policies.delete").and_then(|()| {
            world.delete_resource(place(owner), constraint, &name(constraint))?;
            Ok(json!({}))
        }),
        _ => return None,
    })
}

/// Without any policy, the constraint's default is in force: nothing is restricted.
fn effective(
    world: &World<'_>,
    (owner, project): (&str, Option<&Project>),
    constraint: &str,
    name: &str,
) -> Result<Value, ApiError> {
    let lineage = lineage(world, owner)?;
    let seeded = project
        .is_some_and(|project| project.constraints.iter().any(|enforced| enforced == constraint));
    let spec = match spec(world, &lineage, constraint)? {
        Some(spec) => spec,
        None if seeded => json!({"rules": [seeded_rule(world, &lineage, constraint)?]}),
        None if matches!(constraint, DOMAINS | INGRESS) => json!({"rules": [{"allowAll": true}]}),
        None => json!({"rules": [{"enforce": false}]}),
    };
    Ok(json!({"name": name, "spec": spec}))
}

/// The rule of a constraint that the seeded world, or a fault, puts in force.
fn seeded_rule(world: &World<'_>, lineage: &[String], constraint: &str) -> Result<Value, ApiError> {
    if constraint != DOMAINS {
        return Ok(json!({"enforce": true}));
    }
    let organization = lineage.iter().find_map(|above| above.strip_prefix("organizations/"));
    let customer = match organization {
        Some(id) => world.resource(Place::global("organizations"), id)?,
        None => None,
    };
    let customer =
        customer.and_then(|found| found["directoryCustomerId"].as_str().map(str::to_owned));
    Ok(json!({"values": {"allowedValues": [customer.unwrap_or_default()]}}))
}

fn put(
    visit: Visit<'_>,
    owner: &str,
    (constraint, name): (&str, &str),
    body: &Value,
) -> Result<Value, ApiError> {
    known_fields(body, &["name", "spec", "dryRunSpec", "etag", "alternate"], "policy")?;
    let fields = ["etag", "updateTime", "rules", "inheritFromParent", "reset"];
    known_fields(&body["spec"], &fields, "policy.spec")?;
    if !constraint.contains('.') {
        return Err(ApiError::invalid("Invalid policy name."));
    }
    for rule in body["spec"]["rules"].as_array().into_iter().flatten() {
        let fields = ["allowAll", "denyAll", "enforce", "condition", "values", "parameters"];
        known_fields(rule, &fields, "policy.spec.rules")?;
    }
    let mut spec = body["spec"].clone();
    if !spec.is_object() {
        spec = json!({});
    }
    let etag = new_etag();
    spec["etag"] = Value::from(etag.as_str());
    spec["updateTime"] = Value::from(stamp(visit.now));
    let policy = json!({"name": name, "spec": spec, "etag": etag});
    visit.world.put_resource(place(owner), constraint, &policy)?;
    Ok(policy)
}

fn place(owner: &str) -> Place<'_> {
    Place { kind: KIND, project: owner, region: "" }
}

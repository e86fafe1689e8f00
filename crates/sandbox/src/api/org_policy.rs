//! Organisation Policy v2: what is set where, and what is in force.

use serde_json::{Value, json};

use super::call::{Answer, Call};
use crate::authority::{Visit, lineage};
use crate::dialect::api_error::ApiError;
use crate::dialect::pages::{PageSize, page, page_request};
use crate::dialect::wire::camel;
use crate::records::stamps::{new_etag, stamp};
use crate::records::store::{Sandbox, StoreError};
use crate::records::world::{Collection, ProjectSummary, World};

const KIND: &str = "orgpolicies";
const COLLECTION: &str = "policies";
const PAGE: PageSize = PageSize { usual: 100, most: 1_000 };

/// What may be set on a holder, by its name as it was asked for, which gcloud compares.
pub(crate) fn list_constraints(call: &Call<'_>) -> Answer {
    let asked = call.path.parts.get(1..3).ok_or_else(|| ApiError::invalid("No parent."))?.join("/");
    let show = |(name, title, has_list): &(&str, &str, bool)| {
        let mut constraint = json!({
            "name": format!("{asked}/constraints/{name}"),
            "displayName": title,
            "constraintDefault": "ALLOW",
            "supportsDryRun": true,
        });
        constraint[if *has_list { "listConstraint" } else { "booleanConstraint" }] = json!({});
        constraint
    };
    Ok(page("constraints", CONSTRAINTS.iter().map(show).collect(), None))
}

/// The name of a policy on the holder that a path names: projects go by their numbers (documented).
fn named(call: &Call<'_>, constraint: &str) -> String {
    let of = match &call.site {
        Some(site) => format!("projects/{}", site.project.number),
        None => call.holder(),
    };
    format!("{of}/policies/{constraint}")
}

pub(crate) fn list(call: &Call<'_>) -> Answer {
    let owner = call.holder();
    let request = page_request(call.query, PAGE)?;
    let (found, next) =
        call.visit.world.resources_newest_first(place(&owner), request, &|_| true)?;
    Ok(page("policies", found, next))
}

pub(crate) fn get(call: &Call<'_>) -> Answer {
    there(call.visit.world, &call.holder(), call.after(COLLECTION))
}

pub(crate) fn create(call: &Call<'_>) -> Answer {
    let owner = call.holder();
    let constraint = constraint(call.body).unwrap_or_default();
    if call.visit.world.resource(place(&owner), &constraint)?.is_some() {
        return Err(ApiError::already_exists("Requested entity already exists"));
    }
    put(call.visit, &owner, (&constraint, &named(call, &constraint)), call.body, None)
}

pub(crate) fn patch(call: &Call<'_>) -> Answer {
    let (owner, constraint, body) = (call.holder(), call.after(COLLECTION), call.body);
    let before = there(call.visit.world, &owner, constraint)?;
    check_etag(&before, body["etag"].as_str())?;
    check_etag(&before["spec"], body["spec"]["etag"].as_str())?;
    let body = masked(body, &before, call.query.get("updateMask").unwrap_or_default())?;
    put(call.visit, &owner, (constraint, &named(call, constraint)), &body, Some(&before))
}

pub(crate) fn delete(call: &Call<'_>) -> Answer {
    let (owner, constraint, world) = (call.holder(), call.after(COLLECTION), call.visit.world);
    check_etag(&there(world, &owner, constraint)?, call.query.get("etag"))?;
    world.delete_resource(place(&owner), constraint, &named(call, constraint))?;
    Ok(json!({}))
}

/// What is in force: without any policy, the constraint's default, which restricts nothing. A
/// constraint that a fault adds is in force without a policy.
pub(crate) fn get_effective(call: &Call<'_>) -> Answer {
    let (world, constraint) = (call.visit.world, call.after(COLLECTION));
    let lineage = lineage(world, &call.holder())?;
    let is_added = call
        .site
        .as_ref()
        .is_some_and(|site| site.project.constraints.iter().any(|enforced| enforced == constraint));
    let spec = match spec(world, &lineage, constraint)? {
        Some(spec) => spec,
        None if is_added => json!({"rules": [rule(world, &lineage, constraint)?]}),
        None if has_list(constraint) => json!({"rules": [{"allowAll": true}]}),
        None => json!({"rules": [{"enforce": false}]}),
    };
    Ok(json!({"name": named(call, constraint), "spec": spec}))
}

const DOMAINS: &str = "iam.allowedPolicyMemberDomains";

/// The constraints that the sandbox has, with what Google calls them, and whether each has a list of
/// values rather than being enforced or not. Those of Cloud Run's ingress and egress are kept without
/// being enforced.
const CONSTRAINTS: [(&str, &str, bool); 5] = [
    (DOMAINS, "Domain restricted sharing", true),
    (
        "iam.managed.allowedPolicyMembers",
        "Restrict allowed policy members in IAM allow policies",
        false,
    ),
    ("run.allowedIngress", "Allowed ingress settings (Cloud Run)", true),
    ("run.allowedVPCEgress", "Allowed VPC egress settings (Cloud Run)", true),
    ("run.managed.requireInvokerIam", "Require IAM invoker check for Cloud Run services", false),
];

fn has_list(constraint: &str) -> bool {
    CONSTRAINTS.iter().any(|(name, _, has_list)| *name == constraint && *has_list)
}

impl Sandbox {
    /// What projects there are, and what is in them and in force on them.
    pub fn projects(&self) -> Result<Vec<ProjectSummary>, StoreError> {
        self.locally(|world| {
            let mut found = world.summaries()?;
            for summary in &mut found {
                let enforced = enforced(world, &summary.project);
                summary.constraints = enforced
                    .map_err(|error| rusqlite::Error::InvalidParameterName(error.message))?;
            }
            Ok(found)
        })
    }
}

/// The constraints that are enforced on a project by policies set through the API, on it or above.
pub(crate) fn enforced(world: &World<'_>, project: &str) -> Result<Vec<String>, ApiError> {
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

fn there(world: &World<'_>, owner: &str, constraint: &str) -> Result<Value, ApiError> {
    let found = world.resource(place(owner), constraint)?;
    found.ok_or_else(|| ApiError::not_found("Requested entity was not found."))
}

fn check_etag(policy: &Value, etag: Option<&str>) -> Result<(), ApiError> {
    match etag.filter(|etag| !etag.is_empty()) {
        Some(etag) if policy["etag"] != etag => {
            Err(ApiError::aborted("The policy was changed meanwhile."))
        }
        _ => Ok(()),
    }
}

/// What a policy is to hold, if the mask says which of its parts the body has (discovery document:
/// without one, all is overwritten).
fn masked(body: &Value, before: &Value, mask: &str) -> Result<Value, ApiError> {
    if matches!(mask, "" | "*") {
        return Ok(body.clone());
    }
    let part = |path: &str| camel(path.trim().trim_start_matches("policy."));
    let named: Vec<String> = mask.split(',').map(part).collect();
    let fields = ["spec", "dryRunSpec"];
    if let Some(other) = named.iter().find(|name| !fields.contains(&name.as_str())) {
        return Err(ApiError::invalid(format!("Invalid value at 'update_mask': {other}.")));
    }
    let mut policy = json!({});
    for field in fields {
        let from = if named.iter().any(|name| name == field) { body } else { before };
        policy[field] = from[field].clone();
    }
    Ok(policy)
}

/// The rule of a constraint that the seeded world, or a fault, puts in force.
pub(crate) fn rule(
    world: &World<'_>,
    lineage: &[String],
    constraint: &str,
) -> Result<Value, ApiError> {
    if constraint != DOMAINS {
        return Ok(json!({"enforce": true}));
    }
    let organization = lineage.iter().find_map(|above| above.strip_prefix("organizations/"));
    let customer = match organization {
        Some(id) => world.resource(Collection::global("organizations"), id)?,
        None => None,
    };
    let customer =
        customer.and_then(|found| found["directoryCustomerId"].as_str().map(str::to_owned));
    Ok(json!({"values": {"allowedValues": [customer.unwrap_or_default()]}}))
}

pub(crate) fn put(
    visit: Visit<'_>,
    owner: &str,
    (constraint, name): (&str, &str),
    body: &Value,
    before: Option<&Value>,
) -> Result<Value, ApiError> {
    if !CONSTRAINTS.iter().any(|(known, ..)| *known == constraint) {
        // Google has it, or not: the sandbox enforces nothing by it, and so does not say that it would.
        return Err(ApiError::not_found(format!(
            "The sandbox has no constraint constraints/{constraint}."
        )));
    }
    let etag = new_etag();
    let mut policy = json!({"name": name, "etag": etag});
    for part in ["spec", "dryRunSpec"] {
        let mut spec = body[part].clone();
        if !spec.is_object() {
            continue;
        }
        if before.is_none_or(|before| before[part] != spec) {
            spec["etag"] = Value::from(etag.as_str());
            spec["updateTime"] = Value::from(stamp(visit.now));
        }
        policy[part] = spec;
    }
    visit.world.put_resource(place(owner), constraint, &policy)?;
    Ok(policy)
}

fn place(owner: &str) -> Collection<'_> {
    Collection { kind: KIND, project: owner, region: "" }
}

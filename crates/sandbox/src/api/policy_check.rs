//! What a policy must be before it is taken: roles, members, organisation policies, limits.

use serde_json::Value;

use crate::dialect::api_error::ApiError;
use crate::dialect::wire::remove;
use crate::records::accounts;
use crate::records::policies::bindings;
use crate::records::world::{Project, World};
use runaccess_domain::condition::{self, Condition};
use runaccess_domain::member::{Member, MemberArg, MemberKind};
use runaccess_domain::role;

const MAX_PRINCIPALS: usize = 1_500;
const MAX_GROUPS_AND_DOMAINS: usize = 250;
const MAX_CONDITION_VARIANTS: usize = 20;

/// What a policy is checked by, beside IAM's own rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    /// The organisation's domain.
    pub(crate) domain: &'a str,
    /// Organisation policies in force.
    pub(crate) constraints: &'a [String],
    /// Whether only roles that hold a permission of Cloud Run may be given.
    pub(crate) run_roles_only: bool,
    /// Whether only who is named may be a member, as on a job.
    pub(crate) named_only: bool,
}

/// The bindings of a policy in a request, each checked, those without members left out.
pub(crate) fn checked_bindings(
    world: &World<'_>,
    rules: Rules<'_>,
    asked: &Value,
    before: &Value,
) -> Result<Vec<Value>, ApiError> {
    let mut kept = Vec::new();
    for binding in asked["bindings"].as_array().into_iter().flatten() {
        let role = binding["role"].as_str().unwrap_or_default();
        check_role(role, rules.run_roles_only)?;
        let members: Vec<&str> =
            binding["members"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let condition = binding.get("condition").filter(|condition| !condition.is_null());
        for member in &members {
            check_member(world, rules, member, before)?;
            // Reported, not documented for Cloud Run: everyone cannot be put under a condition.
            if condition.is_some() && Member::from_policy(*member).is_public() {
                return Err(ApiError::invalid(format!(
                    "The member {member} cannot be granted a role under a condition."
                )));
            }
        }
        if let Some(condition) = condition {
            for part in ["title", "expression"] {
                if condition[part].as_str().is_none_or(str::is_empty) {
                    return Err(ApiError::invalid(format!("A condition must have a {part}.")));
                }
            }
        }
        if let Some(condition) = condition {
            check_condition(role, condition)?;
        }
        if !members.is_empty() {
            let mut binding = binding.clone();
            // Named twice, however it is written, a member is kept once.
            let mut once: Vec<Member> = Vec::with_capacity(members.len());
            for member in members.iter().map(|member| Member::from_policy(*member)) {
                if !once.iter().any(|kept| kept.same_as(&member)) {
                    once.push(member);
                }
            }
            binding["members"] = once.iter().map(Member::as_str).collect();
            if condition.is_none() {
                remove(&mut binding, "condition");
            }
            kept.push(binding);
        }
    }
    Ok(kept)
}

/// Refuses a condition that IAM refuses: a basic role has none (documented), and an expression must be
/// CEL of no more than twelve logical operators (IAM's quotas). The texts are not certain.
fn check_condition(role: &str, asked: &Value) -> Result<(), ApiError> {
    if role::is_basic(role) {
        return Err(ApiError::invalid(format!(
            "Conditions can't be set on primitive roles: {role}."
        )));
    }
    let text = |part: &str| asked[part].as_str().unwrap_or_default().to_owned();
    let expression = text("expression");
    let title = "t".to_owned();
    let checked = condition::check(&Condition { title, description: String::new(), expression });
    match checked {
        Err(
            error @ (condition::ConditionError::Operators(_)
            | condition::ConditionError::Large
            | condition::ConditionError::NoTruth
            | condition::ConditionError::Syntax),
        ) => Err(ApiError::invalid(format!("The condition expression is invalid: {error}."))),
        _ => Ok(()),
    }
}

/// Google's text (observed on other services).
fn check_role(name: &str, run_roles_only: bool) -> Result<(), ApiError> {
    let predefined = name.strip_prefix("roles/").is_some_and(|rest| !rest.is_empty());
    if predefined && !run_roles_only {
        return Ok(());
    }
    let custom = (name.starts_with("projects/") || name.starts_with("organizations/"))
        && name.split('/').count() == 4
        && name.contains("/roles/");
    if custom || role::info(name).is_some() {
        Ok(())
    } else {
        Err(ApiError::invalid(format!("Role {name} is not supported for this resource.")))
    }
}

/// Google's texts (observed: that of the organisation policy on Cloud Run itself, the others on
/// other services).
fn check_member(
    world: &World<'_>,
    rules: Rules<'_>,
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
    // Forms that deny policies alone take are among them.
    let is_whole =
        matches!(MemberArg::parse(text), Ok(MemberArg::Member(whole)) if whole.as_str() == text);
    if !is_whole {
        return Err(ApiError::invalid(format!("Invalid principal {text}.")));
    }
    // Google's text (reported for a job: hashicorp/terraform-provider-google#13592).
    if rules.named_only && member.is_public() {
        return Err(ApiError::invalid(format!(
            "Member {text} is invalid due to membership type restrictions on the resource."
        )));
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
    let googles = match member.kind() {
        MemberKind::ServiceAccount if home.is_none() => project_of(world, address)?,
        _ => None,
    };
    // An API's identity is made when it is first used (documented).
    if let Some(project) = &googles
        && address.starts_with("service-")
        && !accounts::has_agent(project, &address.to_lowercase())
    {
        return Err(ApiError::invalid(format!("Service account {address} does not exist.")));
    }
    let foreign = match member.kind() {
        MemberKind::AllUsers | MemberKind::AllAuthenticatedUsers => true,
        MemberKind::User | MemberKind::Group => {
            !address.to_lowercase().ends_with(&format!("@{}", rules.domain))
        }
        MemberKind::Domain => address != rules.domain,
        MemberKind::ServiceAccount => home.is_none() && googles.is_none(),
        _ => false,
    };
    let in_force = |name: &str| rules.constraints.iter().any(|constraint| constraint == name);
    // The managed constraint's own wording is not certain.
    if in_force("iam.managed.allowedPolicyMembers") && foreign {
        return Err(ApiError::failed_precondition(format!(
            "The member {text} is not allowed by the organization policy \
             constraints/iam.managed.allowedPolicyMembers."
        )));
    }
    if in_force("iam.allowedPolicyMemberDomains") && foreign {
        return Err(ApiError::failed_precondition(
            "One or more users named in the policy do not belong to a permitted customer,  \
             perhaps due to an organization policy.",
        ));
    }
    Ok(())
}

/// The project of the organisation's whose account this is, of those that are Google's own: the default
/// accounts of Compute Engine and App Engine, and service agents (`service-NUMBER@…`).
fn project_of(world: &World<'_>, address: &str) -> Result<Option<Project>, ApiError> {
    let Some((name, domain)) = address.split_once('@') else { return Ok(None) };
    let project = match domain {
        "developer.gserviceaccount.com" => name.strip_suffix("-compute"),
        "appspot.gserviceaccount.com" => Some(name),
        _ => name.strip_prefix("service-"),
    };
    Ok(project.map(|project| world.project(project)).transpose()?.flatten())
}

/// Refuses what breaks a limit of IAM (quotas page; the counting rule is not certain).
pub(crate) fn check_limits(policy: &Value) -> Result<(), ApiError> {
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

//! An allow policy, and edits to it.
//!
//! An edit touches the one role and the members it is about. Other roles, conditional bindings,
//! audit configs, unknown fields and the order of everything stay as they were.

pub(crate) mod model;

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

pub use self::model::{AuditConfig, AuditLogConfig, Binding, Expr, Policy};
use super::condition::Condition;
use super::invokers::{Grant, condition_of, grants};
use super::member::{Member, MemberKind};
use super::role::Role;

/// The version that a policy must be read and written at, or conditions are lost.
pub const POLICY_VERSION: i32 = 3;

/// Principals that one policy may name, audit exemptions included; each occurrence counts
/// (IAM quotas page).
pub const MAX_PRINCIPALS: usize = 1_500;
/// Groups and domains that one policy may name: each occurrence of a domain, each group once
/// (IAM quotas page; the counting rule is background knowledge, not confirmed).
pub const MAX_GROUPS_AND_DOMAINS: usize = 250;
/// Bindings of one role and principal that differ in their conditions only (IAM quotas page).
pub const MAX_CONDITION_VARIANTS: usize = 20;

/// An edited policy and what the edit did.
#[derive(Clone, Debug)]
pub struct Edit {
    pub policy: Policy,
    pub added: Vec<Grant>,
    pub removed: Vec<Grant>,
}

impl Edit {
    /// Whether the edit changed nothing.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

/// A limit of IAM that the edited policy would break.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum LimitError {
    #[error(
        "the policy would name {0} principals, audit exemptions included; IAM takes {MAX_PRINCIPALS}"
    )]
    Principals(usize),
    #[error("the policy would name {0} groups and domains; IAM takes {MAX_GROUPS_AND_DOMAINS}")]
    GroupsAndDomains(usize),
    #[error(
        "one role and principal would have {0} bindings with different conditions; IAM takes {MAX_CONDITION_VARIANTS}"
    )]
    ConditionVariants(usize),
}

/// The policy of a resource that does not exist or has none.
pub fn none() -> Policy {
    Policy::default()
}

/// A policy's etag, in base64 as the API writes it.
pub fn etag(policy: &Policy) -> Option<String> {
    Some(policy.etag.clone()).filter(|etag| !etag.is_empty())
}

/// Grants `members` the role without a condition. A member that has it already is skipped.
pub fn add(policy: &Policy, role: &Role, members: &[Member]) -> Result<Edit, LimitError> {
    let grant =
        |member: &Member| Grant { role: role.to_string(), member: member.clone(), condition: None };
    edit(policy, |_| false, &members.iter().map(grant).collect::<Vec<_>>())
}

/// Removes every grant that `select` picks, in every binding that contains it.
pub fn remove(policy: &Policy, select: impl Fn(&Grant) -> bool) -> Edit {
    let mut edited = policy.clone();
    let removed = take_away(&mut edited, select);
    Edit { policy: at_version_3(edited), added: Vec::new(), removed }
}

/// Removes every grant that `select` picks, then adds those of `wanted` that are missing.
pub fn edit(
    policy: &Policy,
    select: impl Fn(&Grant) -> bool,
    wanted: &[Grant],
) -> Result<Edit, LimitError> {
    let mut edited = policy.clone();
    let removed = take_away(&mut edited, select);
    let mut added: Vec<Grant> = Vec::new();
    for grant in wanted {
        let same = |binding: &Binding| {
            binding.role == grant.role && condition_of(binding) == grant.condition
        };
        let mut same_bindings = edited.bindings.iter().filter(|binding| same(binding));
        let holds = |binding: &Binding| {
            let mut members = binding.members.iter();
            members.any(|held| Member::from_policy(held.clone()).same_as(&grant.member))
        };
        if same_bindings.any(holds) {
            continue;
        }
        let member = spelling_in(policy, &grant.member);
        match edited.bindings.iter_mut().find(|binding| same(binding)) {
            Some(binding) => binding.members.push(member.as_str().to_owned()),
            None => {
                edited.bindings.push(binding_of(&grant.role, &member, grant.condition.as_ref()));
            }
        }
        added.push(Grant { member, ..grant.clone() });
    }
    if !added.is_empty() {
        check_limits(&edited)?;
    }
    Ok(Edit { policy: at_version_3(edited), added, removed })
}

/// Removes bindings that lose their last member.
fn take_away(policy: &mut Policy, select: impl Fn(&Grant) -> bool) -> Vec<Grant> {
    let mut removed: Vec<Grant> = Vec::new();
    policy.bindings.retain_mut(|binding| {
        let condition = condition_of(binding);
        let before = binding.members.len();
        let role = binding.role.clone();
        binding.members.retain(|member| {
            let grant = Grant {
                role: role.clone(),
                member: Member::from_policy(member.clone()),
                condition: condition.clone(),
            };
            let goes = select(&grant);
            if goes && !removed.contains(&grant) {
                removed.push(grant);
            }
            !goes
        });
        binding.members.len() == before || !binding.members.is_empty()
    });
    removed
}

fn binding_of(role: &str, member: &Member, condition: Option<&Condition>) -> Binding {
    let condition = condition.map(|Condition { title, description, expression }| {
        Expr::of(expression, title, description)
    });
    Binding::of(role, member.as_str(), condition)
}

/// The member as the server spells `member` elsewhere in it, for addresses differ in case only.
fn spelling_in(policy: &Policy, member: &Member) -> Member {
    grants(policy)
        .into_iter()
        .map(|grant| grant.member)
        .find(|existing| existing.same_as(member))
        .unwrap_or_else(|| member.clone())
}

fn at_version_3(mut policy: Policy) -> Policy {
    policy.version = POLICY_VERSION;
    policy
}

fn check_limits(policy: &Policy) -> Result<(), LimitError> {
    let all = grants(policy);
    let exempted: usize = policy
        .audit_configs
        .iter()
        .flat_map(|config| &config.audit_log_configs)
        .map(|config| config.exempted_members.len())
        .sum();
    let principals = all.len() + exempted;
    if principals > MAX_PRINCIPALS {
        return Err(LimitError::Principals(principals));
    }
    let of_kind = |kind| all.iter().filter(move |grant| grant.member.kind() == kind);
    let groups: BTreeSet<String> =
        of_kind(MemberKind::Group).map(|grant| grant.member.key()).collect();
    let wide = groups.len() + of_kind(MemberKind::Domain).count();
    if wide > MAX_GROUPS_AND_DOMAINS {
        return Err(LimitError::GroupsAndDomains(wide));
    }
    let mut variants: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for grant in &all {
        if let Some(condition) = &grant.condition {
            variants
                .entry((grant.role.clone(), grant.member.key()))
                .or_default()
                .insert(format!("{condition:?}"));
        }
    }
    match variants.values().map(BTreeSet::len).max() {
        Some(most) if most > MAX_CONDITION_VARIANTS => Err(LimitError::ConditionVariants(most)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn policy(value: Value) -> Policy {
        serde_json::from_value(value).unwrap()
    }

    fn member(text: &str) -> Member {
        Member::from_policy(text)
    }

    fn as_json(policy: &Policy) -> Value {
        serde_json::to_value(policy).unwrap()
    }

    #[test]
    fn adds_beside_everything_else() {
        let before = policy(json!({
            "version": 1, "etag": "ACAB", "futureField": {"a": 1},
            "bindings": [
                {"role": "roles/viewer", "members": ["user:v@x.com"], "futureBindingField": 7},
                {"role": "roles/run.invoker", "members": ["user:c@x.com"],
                 "condition": {"title": "t", "expression": "true"}},
                {"role": "roles/run.invoker", "members": ["user:A@x.com"]},
            ],
            "auditConfigs": [{"service": "allServices", "auditLogConfigs": [{"logType": 1}]}],
        }));
        let edit =
            add(&before, &Role::invoker(), &[member("user:a@x.com"), member("user:b@x.com")])
                .unwrap();
        assert_eq!(edit.added.len(), 1);
        let mut expected = as_json(&before);
        expected["version"] = json!(3);
        expected["bindings"][2]["members"] = json!(["user:A@x.com", "user:b@x.com"]);
        assert_eq!(as_json(&edit.policy), expected);
        assert_eq!(expected["futureField"], json!({"a": 1}));
        assert_eq!(expected["bindings"][0]["futureBindingField"], json!(7));
    }

    #[test]
    fn writes_an_address_as_the_server_spells_it() {
        let before =
            policy(json!({"bindings": [{"role": "roles/viewer", "members": ["user:Dev@x.com"]}]}));
        let edit = add(&before, &Role::invoker(), &[member("user:dev@x.com")]).unwrap();
        assert_eq!(edit.added[0].member.as_str(), "user:Dev@x.com");
    }

    #[test]
    fn removes_every_duplicate_and_the_binding_left_empty() {
        let before = policy(json!({"bindings": [
            {"role": "roles/run.invoker", "members": ["user:a@x.com", "user:A@X.com", "user:b@x.com"]},
            {"role": "roles/run.invoker", "members": ["user:a@x.com"]},
            {"role": "roles/viewer", "members": ["user:a@x.com"]},
        ]}));
        let edit = remove(&before, |grant| {
            grant.role == "roles/run.invoker" && grant.member.same_as(&member("user:a@x.com"))
        });
        assert_eq!(
            as_json(&edit.policy)["bindings"],
            json!([
                {"role": "roles/run.invoker", "members": ["user:b@x.com"]},
                {"role": "roles/viewer", "members": ["user:a@x.com"]},
            ])
        );
        assert_eq!(edit.removed.len(), 2, "one for each spelling");
    }

    #[test]
    fn refuses_what_breaks_a_limit_saying_the_count() {
        let users: Vec<String> = (0..1_498).map(|i| format!("user:u{i}@x.com")).collect();
        let full = policy(json!({
            "bindings": [{"role": "roles/run.invoker", "members": users}],
            "auditConfigs": [{"service": "allServices", "auditLogConfigs": [
                {"logType": 1, "exemptedMembers": ["user:e@x.com"]}]}],
        }));
        assert!(add(&full, &Role::invoker(), &[member("user:a@x.com")]).is_ok());
        assert_eq!(
            add(&full, &Role::invoker(), &[member("user:a@x.com"), member("user:b@x.com")])
                .unwrap_err(),
            LimitError::Principals(1_501)
        );
        let groups: Vec<String> = (0..250).map(|i| format!("group:g{i}@x.com")).collect();
        let full = policy(json!({"bindings": [
            {"role": "roles/run.invoker", "members": groups},
            {"role": "roles/viewer", "members": ["group:g0@x.com"]}]}));
        assert!(add(&full, &Role::invoker(), &[member("user:a@x.com")]).is_ok());
        assert_eq!(
            add(&full, &Role::invoker(), &[member("domain:x.com")]).unwrap_err(),
            LimitError::GroupsAndDomains(251)
        );
        let variants: Vec<Value> = (0..21)
            .map(|i| {
                json!({"role": "roles/run.invoker", "members": ["user:c@x.com"],
                "condition": {"title": format!("t{i}"), "expression": "true"}})
            })
            .collect();
        let full = policy(json!({"bindings": variants}));
        assert_eq!(
            add(&full, &Role::invoker(), &[member("user:a@x.com")]).unwrap_err(),
            LimitError::ConditionVariants(21)
        );
    }

    fn any_policy() -> impl Strategy<Value = Policy> {
        let member = prop_oneof![
            Just("user:a@x.com"),
            Just("user:B@x.com"),
            Just("group:g@x.com"),
            Just("allUsers"),
            Just("deleted:user:d@x.com?uid=1"),
            Just("principal://p/X"),
        ];
        let role = prop_oneof![
            Just("roles/run.invoker"),
            Just("roles/viewer"),
            Just("projects/p/roles/c"),
        ];
        let binding = (role, proptest::collection::vec(member, 1..4), any::<bool>()).prop_map(
            |(role, members, conditional)| {
                let mut value = json!({"role": role, "members": members, "kept": 1});
                if conditional {
                    value["condition"] = json!({"title": "t", "expression": "true"});
                }
                value
            },
        );
        proptest::collection::vec(binding, 0..6).prop_map(|bindings| {
            policy(json!({"etag": "ACAB", "version": 3, "bindings": bindings}))
        })
    }

    proptest! {
        #[test]
        fn adding_twice_is_adding_once(before in any_policy()) {
            let wanted = [member("user:b@x.com"), member("user:new@x.com")];
            let once = add(&before, &Role::invoker(), &wanted).unwrap();
            let twice = add(&once.policy, &Role::invoker(), &wanted).unwrap();
            prop_assert!(twice.is_empty());
            prop_assert_eq!(as_json(&twice.policy), as_json(&once.policy));
        }

        #[test]
        fn removing_what_was_added_restores_the_policy(before in any_policy()) {
            let wanted = member("user:new@x.com");
            let added = add(&before, &Role::invoker(), std::slice::from_ref(&wanted)).unwrap();
            let back = remove(&added.policy, |grant| grant.member.same_as(&wanted));
            prop_assert_eq!(as_json(&back.policy), as_json(&before));
        }

        #[test]
        fn removing_leaves_all_other_bindings_bit_for_bit(before in any_policy()) {
            let gone = member("user:a@x.com");
            let edit = remove(&before, |grant| {
                grant.role == "roles/run.invoker" && grant.condition.is_none() && grant.member.same_as(&gone)
            });
            let others = |policy: &Policy| -> Vec<Value> {
                policy.bindings.iter()
                    .filter(|b| b.role != "roles/run.invoker" || b.condition.is_some())
                    .map(|b| serde_json::to_value(b).unwrap())
                    .collect()
            };
            prop_assert_eq!(others(&edit.policy), others(&before));
        }
    }
}

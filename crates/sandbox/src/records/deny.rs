//! The deny policies that are kept, in the domain's terms.

use serde_json::Value;

use super::world::Collection;
use runaccess_domain::condition::Condition;
use runaccess_domain::deny::DenyRule;
use runaccess_domain::member::Member;

/// The kind under which they are kept, by the resource that they are attached to.
pub(crate) const DENY_POLICIES: &str = "denypolicies";

/// The rules of a policy, in the domain's terms.
pub(crate) fn rules(policy: &Value) -> Vec<DenyRule> {
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

pub(crate) fn attached_policies(resource: &str) -> Collection<'_> {
    Collection { kind: DENY_POLICIES, project: resource, region: "" }
}

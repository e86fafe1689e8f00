//! What is read of the policies that are kept.

use serde_json::Value;

/// The kind under which a policy is kept as it was before its latest change.
pub(crate) const BEFORE: &str = "policies before";

/// The bindings of a policy.
pub(crate) fn bindings(policy: &Value) -> impl Iterator<Item = &Value> {
    policy["bindings"].as_array().into_iter().flatten()
}

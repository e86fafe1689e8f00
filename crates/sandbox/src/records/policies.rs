//! What is read of the policies that are kept, and of how they were.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::world::{Collection, POLICIES_BEFORE, World};
use crate::dialect::api_error::ApiError;

/// How many changes of one policy are remembered.
const REMEMBERED: usize = 50;

/// The bindings of a policy.
pub(crate) fn bindings(policy: &Value) -> impl Iterator<Item = &Value> {
    policy["bindings"].as_array().into_iter().flatten()
}

/// Remembers how a policy was until now.
pub(crate) fn remember(
    world: &World<'_>,
    resource: &str,
    before: &Value,
    now: OffsetDateTime,
) -> Result<(), ApiError> {
    let mut changes = changes(world, resource)?;
    changes.push(json!({"policy": before, "changed": now.unix_timestamp()}));
    let from = changes.len().saturating_sub(REMEMBERED);
    let kept = json!({"changes": changes.split_off(from)});
    Ok(world.put_resource(Collection::global(POLICIES_BEFORE), resource, &kept)?)
}

/// The changes that are remembered, oldest first: when each was, and the policy before it.
fn changes(world: &World<'_>, resource: &str) -> Result<Vec<Value>, ApiError> {
    let kept = world.resource(Collection::global(POLICIES_BEFORE), resource)?.unwrap_or_default();
    Ok(match &kept["changes"] {
        Value::Array(changes) => changes.clone(),
        // An older world kept the latest alone.
        _ if kept["changed"].is_i64() => vec![kept],
        _ => Vec::new(),
    })
}

/// The policy of a resource as it was at a time; `None` if it had none.
pub(crate) fn policy_at(
    world: &World<'_>,
    resource: &str,
    at: OffsetDateTime,
) -> Result<Option<Value>, ApiError> {
    let at = at.unix_timestamp();
    let later = changes(world, resource)?
        .into_iter()
        .find(|change| change["changed"].as_i64().is_some_and(|changed| changed > at));
    match later {
        Some(mut change) => {
            let before = change["policy"].take();
            let was_set = bindings(&before).next().is_some();
            Ok(was_set.then_some(before))
        }
        None => Ok(world.policy(resource)?),
    }
}

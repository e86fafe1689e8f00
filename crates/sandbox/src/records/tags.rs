//! The tags that are kept, and which are in force.

use std::collections::BTreeSet;

use serde_json::Value;

use super::world::{Collection, World};
use crate::dialect::api_error::ApiError;
use runaccess_domain::condition::{Tag, Tags};

pub(crate) const KEYS: &str = "tagKeys";

pub(crate) const VALUES: &str = "tagValues";

pub(crate) const BINDINGS: &str = "tagBindings";

/// The tags in force on a resource with these above it, itself first: of two values of one key the
/// nearer counts (documented).
pub(crate) fn effective(world: &World<'_>, lineage: &[String]) -> Result<Tags, ApiError> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut tags = Vec::new();
    for (_, key, value) in in_force(world, lineage)? {
        tags.push(Tag {
            key: text(&key["namespacedName"]),
            key_id: text(&key["name"]),
            value: text(&value["shortName"]),
            value_id: text(&value["name"]),
        });
    }
    Ok(tags.into())
}

/// The same, each with whether it is inherited, its key and its value.
pub(crate) fn in_force(
    world: &World<'_>,
    lineage: &[String],
) -> Result<Vec<(bool, Value, Value)>, ApiError> {
    let (mut seen, mut tags) = (BTreeSet::new(), Vec::new());
    for (depth, resource) in lineage.iter().enumerate() {
        for binding in world.resources_of(BINDINGS, resource)? {
            let Some(value) = kept(world, VALUES, &binding["tagValue"])? else { continue };
            let Some(key) = kept(world, KEYS, &value["parent"])? else { continue };
            if seen.insert(key["name"].to_string()) {
                tags.push((depth > 0, key, value));
            }
        }
    }
    Ok(tags)
}

/// A key or value by its name, such as `tagKeys/281476925150001`.
pub(crate) fn kept(world: &World<'_>, kind: &str, name: &Value) -> Result<Option<Value>, ApiError> {
    let id = name.as_str().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
    Ok(world.resource(Collection::global(kind), id)?)
}

pub(crate) fn bound(resource: &str) -> Collection<'_> {
    Collection { kind: BINDINGS, project: resource, region: "" }
}

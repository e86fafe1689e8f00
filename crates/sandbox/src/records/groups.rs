//! The groups that are kept, and who is in them.

use super::world::{Collection, World};
use crate::dialect::api_error::ApiError;
use runaccess_domain::member::Member;

pub(crate) const GROUPS: &str = "groups";

pub(crate) const MEMBERSHIPS: &str = "memberships";

/// No group is in another this deep.
pub(crate) const DEEPEST: usize = 32;

/// Whether a group, by its address, holds a principal, directly or through others.
pub(crate) fn holds(world: &World<'_>, group: &str, member: &Member) -> Result<bool, ApiError> {
    let address = member.address().to_lowercase();
    let (mut seen, mut next) = (Vec::new(), vec![group.to_lowercase()]);
    for _ in 0..DEEPEST {
        let mut below = Vec::new();
        for group in next {
            if seen.contains(&group) {
                continue;
            }
            if world.resource(of_group(&group), &address)?.is_some() {
                return Ok(true);
            }
            below.extend(world.groups_in(&group)?);
            seen.push(group);
        }
        if below.is_empty() {
            break;
        }
        next = below;
    }
    Ok(false)
}

pub(crate) fn of_group(address: &str) -> Collection<'_> {
    Collection { kind: MEMBERSHIPS, project: address, region: "" }
}

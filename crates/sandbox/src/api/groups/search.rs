//! Searches: in which groups somebody is, and who is in one.

use serde_json::{Value, json};

use super::{administers, hidden, key_of, may_see};
use crate::authority::Visit;
use crate::dialect::api_error::ApiError;
use crate::dialect::names::fnv1a;
use crate::dialect::pages::page;
use crate::dialect::query::Query;
use crate::records::groups::{GROUPS, MEMBERSHIPS, holds, of_group};
use crate::records::world::Collection;
use runaccess_domain::member::Member;

/// The groups that a member is in. Whoever may not look into all of them is told of none, where
/// those through others are asked for (documented), and of what is left where not.
pub(crate) fn groups_of(
    visit: Visit<'_>,
    query: &Query,
    transitive: bool,
) -> Result<Value, ApiError> {
    let text = query.get("query").unwrap_or_default();
    let label = text.split_once(" in labels").and_then(|(before, _)| quoted_last(before));
    let label = label.ok_or_else(|| ApiError::invalid("The query must name a label."))?;
    let member = asked_member(query)?;
    let administers = administers(visit)?;
    let mut found = Vec::new();
    for (_, group) in visit.world.resources_by_owner(GROUPS)? {
        if group["labels"].get(label).is_none() {
            continue;
        }
        let address = key_of(&group["groupKey"]);
        let direct = visit.world.resource(of_group(&address), &member.address().to_lowercase())?;
        let is_in = direct.is_some() || (transitive && holds(visit.world, &address, &member)?);
        if !is_in {
            continue;
        }
        let own = member.same_as(visit.who);
        match may_see(visit, &group, administers) {
            _ if own => {}
            Ok(()) => {}
            Err(error) if transitive => return Err(error),
            Err(_) => continue,
        }
        found.push(json!({
            "groupKey": group["groupKey"],
            "group": group["name"],
            "displayName": group["displayName"],
            "labels": group["labels"],
            "roles": direct.as_ref().map_or_else(|| json!([{"role": "MEMBER"}]), roles_of),
            "relationType": if direct.is_some() { "DIRECT" } else { "INDIRECT" },
        }));
    }
    // Whoever is neither an administrator nor the member itself may not ask.
    if transitive && !member.same_as(visit.who) && !administers {
        return Err(hidden("-"));
    }
    Ok(page(MEMBERSHIPS, found, None))
}

/// Everyone in a group, through others too.
pub(crate) fn everyone(visit: Visit<'_>, group: &str) -> Result<Value, ApiError> {
    let (mut seen, mut next, mut found) = (Vec::new(), vec![group.to_owned()], Vec::new());
    while let Some(group) = next.pop() {
        if seen.contains(&group) {
            continue;
        }
        for membership in visit.world.resources_of(MEMBERSHIPS, &group)? {
            let key = key_of(&membership["preferredMemberKey"]);
            // By its own resource (documented): a group's name tells it from a user's.
            let mut member = Value::from(format!("users/{}", fnv1a(key.bytes())));
            if membership["type"] == "GROUP" {
                if let Some(group) = visit.world.resource(Collection::global(GROUPS), &key)? {
                    member = group["name"].clone();
                }
                next.push(key);
            }
            found.push(json!({
                "member": member,
                "preferredMemberKey": [membership["preferredMemberKey"]],
                "roles": roles_of(&membership),
                "relationType": if seen.is_empty() { "DIRECT" } else { "INDIRECT" },
            }));
        }
        seen.push(group);
    }
    Ok(page(MEMBERSHIPS, found, None))
}

/// A membership's roles as searches name them.
fn roles_of(membership: &Value) -> Value {
    let roles = membership["roles"].as_array().into_iter().flatten();
    roles.map(|role| json!({"role": role["name"]})).collect()
}

/// What stands in quotes at the end of a text.
fn quoted_last(text: &str) -> Option<&str> {
    let text = text.trim_end();
    let quote = text.chars().next_back().filter(|c| matches!(c, '\'' | '"'))?;
    let inside = &text[..text.len() - 1];
    inside.rfind(quote).map(|start| &inside[start + 1..])
}

/// The member that a query such as `member_key_id == 'ana@example.com' && …` is about.
pub(crate) fn asked_member(query: &Query) -> Result<Member, ApiError> {
    let text = query.get("query").unwrap_or_default();
    let rest = text.split_once("member_key_id").map(|(_, rest)| rest.trim_start());
    let rest = rest.and_then(|rest| rest.strip_prefix("==")).map(str::trim_start);
    let quote = rest.and_then(|rest| rest.chars().next()).filter(|c| matches!(c, '\'' | '"'));
    let key = rest.zip(quote).and_then(|(rest, quote)| rest[1..].split(quote).next());
    let key = key.filter(|key| key.contains('@'));
    key.map(Member::of_account)
        .ok_or_else(|| ApiError::invalid("The query must name a member by member_key_id."))
}

//! Cloud Identity v1: groups and who is in them, directly or through others.
//!
//! Who may look into a group is no permission of IAM's. Here, those who may set the organisation's
//! policy may read and change every group, and a member may look into a group that it is in, as the
//! defaults of Google's groups have it; which groups a member is in is told to itself as well.

mod search;

use serde_json::{Value, json};

use self::search::{asked_member, everyone, groups_of};
use super::call::{Answer, Call};
use crate::authority::{Visit, holds as holds_permission};
use crate::dialect::api_error::ApiError;
use crate::dialect::pages::{PageRequest, PageSize, page, page_request};
use crate::records::groups::{GROUPS, MEMBERSHIPS, holds, of_group};
use crate::records::stamps::stamp;
use crate::records::world::{Collection, World};
use runaccess_domain::member::{Member, MemberKind};

const BASIC_PAGE: PageSize = PageSize { usual: 200, most: 1_000 };
const FULL_PAGE: PageSize = PageSize { usual: 50, most: 500 };
const DISCUSSION: &str = "cloudidentity.googleapis.com/groups.discussion_forum";

/// The group that a path names.
fn named(call: &Call<'_>) -> Answer {
    let id = call.after(GROUPS);
    find(call.visit.world, id)?.ok_or_else(|| hidden(id))
}

/// The same, for who may look into it.
fn read(call: &Call<'_>) -> Answer {
    let group = named(call)?;
    may_read(call.visit, &group)?;
    Ok(group)
}

/// The same, for who may change it.
fn changed(call: &Call<'_>) -> Answer {
    let group = named(call)?;
    may_change(call.visit, &group)?;
    Ok(group)
}

pub(crate) fn get(call: &Call<'_>) -> Answer {
    read(call)
}

pub(crate) fn delete(call: &Call<'_>) -> Answer {
    let address = key_of(&changed(call)?["groupKey"]);
    let world = call.visit.world;
    for membership in world.resources_of(MEMBERSHIPS, &address)? {
        let member = key_of(&membership["preferredMemberKey"]);
        world.delete_resource(of_group(&address), &member, "")?;
    }
    world.delete_resource(Collection::global(GROUPS), &address, "")?;
    Ok(done(&json!({}), "google.protobuf.Empty"))
}

/// What is shown whole comes in shorter pages (documented).
fn page_size(call: &Call<'_>) -> PageSize {
    if call.query.get("view") == Some("FULL") { FULL_PAGE } else { BASIC_PAGE }
}

pub(crate) fn list_memberships(call: &Call<'_>) -> Answer {
    let address = key_of(&read(call)?["groupKey"]);
    let request = page_request(call.query, page_size(call))?;
    let (found, next) =
        call.visit.world.resources_newest_first(of_group(&address), request, &|_| true)?;
    Ok(page(MEMBERSHIPS, found, next))
}

pub(crate) fn get_membership(call: &Call<'_>) -> Answer {
    let group = read(call)?;
    membership(call.visit.world, &group, call.after(MEMBERSHIPS)).map(|(_, found)| found)
}

pub(crate) fn delete_membership(call: &Call<'_>) -> Answer {
    let (group, world) = (changed(call)?, call.visit.world);
    let (key, _) = membership(world, &group, call.after(MEMBERSHIPS))?;
    world.delete_resource(of_group(&key_of(&group["groupKey"])), &key, "")?;
    Ok(done(&json!({}), "google.protobuf.Empty"))
}

pub(crate) fn lookup_membership(call: &Call<'_>) -> Answer {
    let address = key_of(&read(call)?["groupKey"]);
    let key = call.query.get("memberKey.id").unwrap_or_default().to_lowercase();
    let found = call.visit.world.resource(of_group(&address), &key)?;
    let found = found.ok_or_else(|| ApiError::not_found("Requested entity was not found."))?;
    Ok(json!({"name": found["name"]}))
}

pub(crate) fn check_transitive_membership(call: &Call<'_>) -> Answer {
    let address = key_of(&read(call)?["groupKey"]);
    let member = asked_member(call.query)?;
    Ok(json!({"hasMembership": holds(call.visit.world, &address, &member)?}))
}

pub(crate) fn search_transitive_memberships(call: &Call<'_>) -> Answer {
    let address = key_of(&read(call)?["groupKey"]);
    everyone(call.visit, &address)
}

/// The groups of a member, of whichever group: the path must say `-`.
pub(crate) fn search_transitive_groups(call: &Call<'_>) -> Answer {
    groups_of(call.visit, call.query, true)
}

pub(crate) fn search_direct_groups(call: &Call<'_>) -> Answer {
    groups_of(call.visit, call.query, false)
}

pub(crate) fn lookup(call: &Call<'_>) -> Answer {
    let (visit, query) = (call.visit, call.query);
    let address = query.get("groupKey.id").unwrap_or_default().to_lowercase();
    let group = visit.world.resource(Collection::global(GROUPS), &address)?;
    let group = group.ok_or_else(|| hidden(&address))?;
    may_read(visit, &group)?;
    Ok(json!({"name": group["name"]}))
}

pub(crate) fn list(call: &Call<'_>) -> Answer {
    let (visit, query) = (call.visit, call.query);
    let parent = customer(query.get("parent").unwrap_or_default());
    let request = page_request(query, page_size(call))?;
    if !administers(visit)? {
        return Err(hidden(&parent));
    }
    let of = |group: &Value| group["parent"] == parent.as_str();
    let (found, next) =
        visit.world.resources_newest_first(Collection::global(GROUPS), request, &of)?;
    Ok(page(GROUPS, found, next))
}

pub(crate) fn create(call: &Call<'_>) -> Answer {
    let (visit, query, body) = (call.visit, call.query, call.body);
    let address = key_of(&body["groupKey"]);
    if !address.contains('@') || body["parent"].as_str().is_none_or(str::is_empty) {
        return Err(ApiError::invalid("A group needs a key and a parent."));
    }
    if body["description"].as_str().is_some_and(|text| text.chars().count() > 4_096) {
        return Err(ApiError::invalid("A description has at most 4,096 characters."));
    }
    if !administers(visit)? {
        return Err(hidden(&address));
    }
    if visit.world.resource(Collection::global(GROUPS), &address)?.is_some() {
        return Err(ApiError::already_exists("Requested entity already exists"));
    }
    let parent = customer(body["parent"].as_str().unwrap_or_default());
    let group = put_group(visit, &address, body, &parent)?;
    // Documented; without it, whoever makes a group is not in it.
    if query.get("initialGroupConfig") == Some("WITH_INITIAL_OWNER") && visit.who.is_account() {
        let roles = json!([{"name": "MEMBER"}, {"name": "OWNER"}]);
        put_member(visit, &group, &visit.who.address().to_lowercase(), &roles)?;
    }
    Ok(done(&group, "google.apps.cloudidentity.groups.v1.Group"))
}

pub(crate) fn create_membership(call: &Call<'_>) -> Answer {
    let (visit, group, body) = (call.visit, &changed(call)?, call.body);
    let address = key_of(&group["groupKey"]);
    let key = key_of(&body["preferredMemberKey"]);
    if !key.contains('@') || key == address {
        return Err(ApiError::invalid("A membership needs the key of another member."));
    }
    let mut roles: Vec<&str> = Vec::new();
    for role in body["roles"].as_array().into_iter().flatten() {
        let name = role["name"].as_str().unwrap_or_default();
        // Documented, each once.
        if !["OWNER", "MANAGER", "MEMBER"].contains(&name) || roles.contains(&name) {
            return Err(ApiError::invalid(format!("Invalid role: {name}.")));
        }
        if name != "MEMBER" && role["expiryDetail"].is_object() {
            return Err(ApiError::invalid("Only the role MEMBER may end."));
        }
        roles.push(name);
    }
    if visit.world.resource(of_group(&address), &key)?.is_some() {
        return Err(ApiError::already_exists("Requested entity already exists"));
    }
    let membership = put_member(visit, group, &key, &body["roles"])?;
    Ok(done(&membership, "google.apps.cloudidentity.groups.v1.Membership"))
}

/// Whether somebody administers groups: may set the policy of an organisation.
fn administers(visit: Visit<'_>) -> Result<bool, ApiError> {
    let page = PageRequest { after: 0, limit: 1 };
    let place = Collection::global("organizations");
    let (found, _) = visit.world.resources_newest_first(place, page, &|_| true)?;
    let Some(name) = found.first().and_then(|found| found["name"].as_str()) else {
        return Ok(false);
    };
    let permission = "resourcemanager.organizations.setIamPolicy";
    holds_permission(visit.world, visit.who, name, permission, visit.now)
}

fn may_read(visit: Visit<'_>, group: &Value) -> Result<(), ApiError> {
    may_see(visit, group, administers(visit)?)
}

fn may_see(visit: Visit<'_>, group: &Value, administers: bool) -> Result<(), ApiError> {
    let address = key_of(&group["groupKey"]);
    if administers || holds(visit.world, &address, visit.who)? {
        return Ok(());
    }
    Err(hidden(group["name"].as_str().unwrap_or_default()))
}

fn may_change(visit: Visit<'_>, group: &Value) -> Result<(), ApiError> {
    if administers(visit)? {
        return Ok(());
    }
    Err(hidden(group["name"].as_str().unwrap_or_default()))
}

/// Google's text (observed); a group that is hidden cannot be told from one that is not there.
fn hidden(name: &str) -> ApiError {
    let name = name.trim_start_matches("groups/");
    ApiError::permission_denied(format!(
        "Error(2028): Permission denied for resource groups/{name} (or it may not exist)."
    ))
}

fn find(world: &World<'_>, id: &str) -> Result<Option<Value>, ApiError> {
    Ok(world.resource_named(GROUPS, &format!("groups/{id}"))?)
}

/// A customer as groups are kept by; gcloud writes `customerId/` for `customers/`.
fn customer(parent: &str) -> String {
    parent
        .strip_prefix("customerId/")
        .map_or_else(|| parent.to_owned(), |id| format!("customers/{id}"))
}

/// Keeps a group, with the names and labels of `fields`.
pub(crate) fn put_group(
    visit: Visit<'_>,
    address: &str,
    fields: &Value,
    parent: &str,
) -> Result<Value, ApiError> {
    let now = stamp(visit.now);
    let mut labels = fields["labels"].clone();
    if !labels.is_object() {
        labels = json!({DISCUSSION: ""});
    }
    let mut group = json!({
        "name": format!("groups/{}", new_id()),
        "groupKey": {"id": address},
        "parent": parent,
        "displayName": fields["displayName"].as_str().unwrap_or(address),
        "labels": labels,
        "createTime": now,
        "updateTime": now,
    });
    if let Some(description) = fields["description"].as_str() {
        group["description"] = Value::from(description);
    }
    visit.world.put_resource(Collection::global(GROUPS), &address.to_lowercase(), &group)?;
    Ok(group)
}

fn new_id() -> String {
    format!("0{:014x}", fastrand::u64(..1 << 56))
}

/// Puts an address into a group: another group's, a service account's or a person's.
pub(crate) fn put_member(
    visit: Visit<'_>,
    group: &Value,
    key: &str,
    roles: &Value,
) -> Result<Value, ApiError> {
    let is_group = visit.world.resource(Collection::global(GROUPS), key)?.is_some();
    let kind = match Member::of_account(key).kind() {
        _ if is_group => "GROUP",
        MemberKind::ServiceAccount => "SERVICE_ACCOUNT",
        _ => "USER",
    };
    let roles = if roles.is_array() { roles.clone() } else { json!([{"name": "MEMBER"}]) };
    let name = group["name"].as_str().unwrap_or_default();
    let now = stamp(visit.now);
    let membership = json!({
        "name": format!("{name}/memberships/{}", new_id()),
        "preferredMemberKey": {"id": key},
        "roles": roles,
        "type": kind,
        "createTime": now,
        "updateTime": now,
    });
    let address = key_of(&group["groupKey"]);
    visit.world.put_resource(of_group(&address), key, &membership)?;
    Ok(membership)
}

fn membership(world: &World<'_>, group: &Value, id: &str) -> Result<(String, Value), ApiError> {
    let wanted = format!("{}/memberships/{id}", group["name"].as_str().unwrap_or_default());
    let found = world.resource_named(MEMBERSHIPS, &wanted)?;
    let found = found.ok_or_else(|| ApiError::not_found("Requested entity was not found."))?;
    Ok((key_of(&found["preferredMemberKey"]), found))
}

fn key_of(key: &Value) -> String {
    key["id"].as_str().unwrap_or_default().to_lowercase()
}

fn done(resource: &Value, message: &str) -> Value {
    let mut response = resource.clone();
    response["@type"] = Value::from(format!("type.googleapis.com/{message}"));
    json!({"done": true, "response": response})
}

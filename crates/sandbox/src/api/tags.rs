//! Resource Manager v3: tag keys, their values, and what they are bound to.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::resource_manager;
use crate::authority::{Visit, lineage};
use crate::dialect::api_error::ApiError;
use crate::dialect::pages::{PageSize, page, page_request};
use crate::records::stamps::{new_etag, same_bytes, stamp};
use crate::records::tags::{BINDINGS, KEYS, VALUES, bound, in_force, kept};
use crate::records::world::{Collection, World};
use runaccess_domain::boundary::RESOURCE_MANAGER;

const PAGE: PageSize = PageSize { usual: 100, most: 300 };

/// Whether a path is about keys or values.
fn kind(call: &Call<'_>) -> &'static str {
    if call.path.parts.get(1).is_some_and(|kind| kind == KEYS) { KEYS } else { VALUES }
}

pub(crate) fn get(call: &Call<'_>) -> Answer {
    let kind = kind(call);
    read(call.visit, kind, call.after(kind)).map(|(found, _)| found)
}

fn read(visit: Visit<'_>, kind: &str, id: &str) -> Result<(Value, String), ApiError> {
    let hidden = || ApiError::lacks(&permission(kind, "get"), &format!("{kind}/{id}"));
    let found = visit.world.resource(Collection::global(kind), id)?.ok_or_else(hidden)?;
    let holder = holder(visit.world, found["parent"].as_str().unwrap_or_default())?;
    visit.require(&permission(kind, "get"), &holder)?;
    Ok((found, holder))
}

pub(crate) fn list(call: &Call<'_>) -> Answer {
    let (visit, kind, query) = (call.visit, kind(call), call.query);
    let parent = query.get("parent").unwrap_or_default().to_owned();
    visit.require(&permission(kind, "list"), &holder(visit.world, &parent)?)?;
    let request = page_request(query, PAGE)?;
    let of = |found: &Value| found["parent"] == parent.as_str();
    let (found, next) =
        visit.world.resources_newest_first(Collection::global(kind), request, &of)?;
    Ok(page(kind, found, next))
}

pub(crate) fn namespaced(call: &Call<'_>) -> Answer {
    let (visit, kind, query) = (call.visit, kind(call), call.query);
    let name = query.get("name").unwrap_or_default();
    let found = by_namespaced_name(visit.world, kind, name)?;
    let found = found.ok_or_else(|| ApiError::lacks(&permission(kind, "get"), name))?;
    let id = found["name"].as_str().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
    read(visit, kind, id).map(|(found, _)| found)
}

pub(crate) fn create(call: &Call<'_>) -> Answer {
    let (visit, kind, query, body) = (call.visit, kind(call), call.query, call.body);
    let parent = body["parent"].as_str().unwrap_or_default();
    // Documented: 1 to 256 characters, of which the first and the last are letters or digits.
    let is_end = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let good = |short: &str| {
        short.chars().count() <= 256
            && is_end(short.chars().next())
            && is_end(short.chars().next_back())
            && !short.contains(['\'', '"', '\\', '/'])
    };
    if body["description"].as_str().is_some_and(|text| text.chars().count() > 256) {
        return Err(ApiError::invalid("Invalid description: it is longer than 256 characters."));
    }
    let short = body["shortName"].as_str().filter(|short| good(short));
    let short = short.ok_or_else(|| ApiError::invalid("Invalid short_name."))?;
    if (kind == VALUES) != parent.starts_with("tagKeys/") {
        return Err(ApiError::invalid(format!("Invalid parent: {parent}.")));
    }
    visit.require(&permission(kind, "create"), &holder(visit.world, parent)?)?;
    let message = if kind == KEYS { "TagKey" } else { "TagValue" };
    let work = || put(visit, kind, parent, short, &body["description"]);
    let made = visit.world.kept_unless(query.flag("validateOnly")?, work)?;
    Ok(done(&made, message))
}

pub(crate) fn delete(call: &Call<'_>) -> Answer {
    let (visit, kind, query) = (call.visit, kind(call), call.query);
    let id = call.after(kind);
    let (found, holder) = read(visit, kind, id)?;
    visit.require(&permission(kind, "delete"), &holder)?;
    let current = found["etag"].as_str().unwrap_or_default();
    if query.get("etag").is_some_and(|etag| !etag.is_empty() && !same_bytes(etag, current)) {
        return Err(ApiError::aborted("The tag was changed meanwhile."));
    }
    let (below, field) = if kind == KEYS { (VALUES, "parent") } else { (BINDINGS, "tagValue") };
    let uses = visit.world.resources_by_owner(below)?;
    if uses.iter().any(|(_, used)| used[field] == found["name"]) {
        return Err(ApiError::failed_precondition("The tag is still in use."));
    }
    let delete = || Ok(visit.world.delete_resource(Collection::global(kind), id, "")?);
    visit.world.kept_unless(query.flag("validateOnly")?, delete)?;
    Ok(done(&found, if kind == KEYS { "TagKey" } else { "TagValue" }))
}

pub(crate) fn list_bindings(call: &Call<'_>) -> Answer {
    let (visit, query) = (call.visit, call.query);
    let resource = wanted_resource(visit.world, query.get("parent").unwrap_or_default())?;
    visit.require(&on(&resource, "listTagBindings"), &resource)?;
    let request = page_request(query, PAGE)?;
    let (found, next) = visit.world.resources_newest_first(bound(&resource), request, &|_| true)?;
    Ok(page(BINDINGS, found, next))
}

pub(crate) fn list_effective(call: &Call<'_>) -> Answer {
    let (visit, query) = (call.visit, call.query);
    let resource = wanted_resource(visit.world, query.get("parent").unwrap_or_default())?;
    visit.require(&on(&resource, "listEffectiveTags"), &resource)?;
    let tags = in_force(visit.world, &lineage(visit.world, &resource)?)?;
    let show = |(inherited, key, value): &(bool, Value, Value)| {
        json!({
            "tagKey": key["name"],
            "namespacedTagKey": key["namespacedName"],
            "tagKeyParentName": key["parent"],
            "tagValue": value["name"],
            "namespacedTagValue": value["namespacedName"],
            "inherited": inherited,
        })
    };
    Ok(page("effectiveTags", tags.iter().map(show).collect(), None))
}

pub(crate) fn create_binding(call: &Call<'_>) -> Answer {
    let (visit, query, body) = (call.visit, call.query, call.body);
    let full = body["parent"].as_str().unwrap_or_default();
    let resource = wanted_resource(visit.world, full)?;
    visit.require(&on(&resource, "createTagBinding"), &resource)?;
    // One of the two names it (documented).
    let value = match (body["tagValue"].as_str(), body["tagValueNamespacedName"].as_str()) {
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid(
                "Only one of tag_value and tag_value_namespaced_name may be set.",
            ));
        }
        (_, Some(name)) => by_namespaced_name(visit.world, VALUES, name)?,
        _ => kept(visit.world, VALUES, &body["tagValue"])?,
    };
    let value = value.ok_or_else(|| ApiError::invalid("There is no such tag value."))?;
    let holder = holder(visit.world, value["parent"].as_str().unwrap_or_default())?;
    visit.require("resourcemanager.tagValueBindings.create", &holder)?;
    let bind = || put_binding(visit, full, &resource, &value);
    let binding = visit.world.kept_unless(query.flag("validateOnly")?, bind)?;
    Ok(done(&binding, "TagBinding"))
}

pub(crate) fn delete_binding(call: &Call<'_>) -> Answer {
    let visit = call.visit;
    let (full, value) = (call.after(BINDINGS), call.after(VALUES));
    let resource = wanted_resource(visit.world, full)?;
    visit.require(&on(&resource, "deleteTagBinding"), &resource)?;
    let found = visit.world.resource(bound(&resource), value)?;
    let found = found.ok_or_else(|| ApiError::not_found("Requested entity was not found."))?;
    let known = kept(visit.world, VALUES, &found["tagValue"])?.unwrap_or_default();
    let holder = holder(visit.world, known["parent"].as_str().unwrap_or_default())?;
    visit.require("resourcemanager.tagValueBindings.delete", &holder)?;
    visit.world.delete_resource(bound(&resource), value, "")?;
    Ok(done(&found, "TagBinding"))
}

/// The resource that a full name is of, as policies are kept by.
fn resource_of(world: &World<'_>, full: &str) -> Result<Option<String>, ApiError> {
    let Some(rest) = full.strip_prefix(RESOURCE_MANAGER).or_else(|| full.strip_prefix(RUN)) else {
        return Ok(None);
    };
    let Some((kind, after)) = rest.split_once('/') else { return Ok(None) };
    if kind != "projects" {
        return Ok(Some(rest.to_owned()));
    }
    let (id, below) = after.split_once('/').map_or((after, None), |(id, rest)| (id, Some(rest)));
    let Some(project) = world.project(id)? else { return Ok(None) };
    Ok(Some(match below {
        Some(below) => format!("projects/{}/{below}", project.id),
        None => format!("projects/{}", project.id),
    }))
}

fn wanted_resource(world: &World<'_>, full: &str) -> Result<String, ApiError> {
    let bad = || ApiError::invalid(format!("Invalid full resource name: {full}."));
    resource_of(world, full)?.ok_or_else(bad)
}

/// What may be done with a key or value rests on what its key's parent allows.
fn holder(world: &World<'_>, parent: &str) -> Result<String, ApiError> {
    if let Some(id) = parent.strip_prefix("tagKeys/") {
        let key = world.resource(Collection::global(KEYS), id)?;
        let above = key.and_then(|key| key["parent"].as_str().map(str::to_owned));
        return above.map_or_else(
            || Err(ApiError::permission_denied(format!("Permission denied on {parent}."))),
            |above| holder(world, &above),
        );
    }
    wanted_resource(world, &format!("{RESOURCE_MANAGER}{parent}"))
}

fn permission(kind: &str, verb: &str) -> String {
    format!("resourcemanager.{kind}.{verb}")
}

fn by_namespaced_name(
    world: &World<'_>,
    kind: &str,
    name: &str,
) -> Result<Option<Value>, ApiError> {
    let found = world.resources_where(kind, &|found| found["namespacedName"] == name)?;
    Ok(found.into_iter().next())
}

/// Keeps a key or a value.
pub(crate) fn put(
    visit: Visit<'_>,
    kind: &str,
    parent: &str,
    short: &str,
    description: &Value,
) -> Result<Value, ApiError> {
    let world = visit.world;
    let namespace = if kind == VALUES {
        let key = kept(world, KEYS, &Value::from(parent))?.unwrap_or_default();
        key["namespacedName"].as_str().unwrap_or_default().to_owned()
    } else {
        // An organisation's by its id, a project's by its own.
        let id = parent.rsplit('/').next().unwrap_or_default();
        world.project(id)?.map_or_else(|| id.to_owned(), |project| project.id)
    };
    let namespaced = format!("{namespace}/{short}");
    let all = world.resources_by_owner(kind)?;
    if all.iter().any(|(_, other)| other["namespacedName"] == namespaced.as_str()) {
        return Err(ApiError::already_exists(format!("{namespaced} already exists.")));
    }
    let id = format!("2814{:011}", fastrand::u64(..10_u64.pow(11)));
    let now = stamp(visit.now);
    let mut made = json!({
        "name": format!("{kind}/{id}"),
        "parent": parent,
        "shortName": short,
        "namespacedName": namespaced,
        "createTime": now,
        "updateTime": now,
        "etag": new_etag(),
    });
    if description.is_string() {
        made["description"] = description.clone();
    }
    world.put_resource(Collection::global(kind), &id, &made)?;
    Ok(made)
}

/// The permission for what is done with a resource's tags.
fn on(resource: &str, verb: &str) -> String {
    if resource.contains("/services/") {
        format!("run.services.{verb}")
    } else {
        format!("resourcemanager.hierarchyNodes.{verb}")
    }
}

/// Binds a value to a resource, in place of another of the same key.
pub(crate) fn put_binding(
    visit: Visit<'_>,
    full: &str,
    resource: &str,
    value: &Value,
) -> Result<Value, ApiError> {
    let world = visit.world;
    for other in world.resources_of(BINDINGS, resource)? {
        let known = kept(world, VALUES, &other["tagValue"])?.unwrap_or_default();
        if known["parent"] == value["parent"] {
            if known["name"] == value["name"] {
                return Err(ApiError::already_exists("The tag is bound already."));
            }
            return Err(ApiError::failed_precondition("Another value of the key is bound."));
        }
    }
    let name = value["name"].as_str().unwrap_or_default();
    let binding = json!({
        "name": format!("tagBindings/{}/{name}", utf8_percent_encode(full, KEPT)),
        "parent": full,
        "tagValue": name,
        "tagValueNamespacedName": value["namespacedName"],
    });
    world.put_resource(bound(resource), name.rsplit('/').next().unwrap_or_default(), &binding)?;
    Ok(binding)
}

fn done(resource: &Value, message: &str) -> Value {
    resource_manager::done(resource, message)
}

/// What a full resource name leaves as it stands in the name of a binding (documented).
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_');

const RUN: &str = "//run.googleapis.com/";

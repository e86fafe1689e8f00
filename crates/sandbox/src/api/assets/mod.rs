//! Cloud Asset Inventory v1: what is in a project, folder or organization, with the policies on it, for
//! what the sandbox holds. Nothing here is late unless a fault makes it so.

mod asset;
mod search;

use std::path::{Component, Path, PathBuf};

use regex::Regex;
use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime};

use self::asset::{Asset, Bound, Found, KINDS, Kind, Place, assets, permissions, places};
use self::search::Query;
use super::call::{Answer, Call};
use crate::dialect::api_error::ApiError;
use crate::dialect::pages::{PageSize, page, page_request, slice};
use crate::dialect::wire::{camel, remove};
use crate::records::policies::{bindings, policy_at};
use crate::records::stamps::stamp;
use crate::records::world::Collection;
use runaccess_ground::private_files;

const SEARCH_PAGE: PageSize = PageSize { usual: 100, most: 500 };
const LIST_PAGE: PageSize = PageSize { usual: 100, most: 1_000 };
/// How many effective policies are asked for at once, at most (documented).
const MOST_NAMES: usize = 20;
/// What a search answers only if the mask names it (documented).
const BY_MASK: [&str; 2] = ["versionedResources", "effectiveTags"];
/// The fields of a search's result.
const FIELDS: [&str; 24] = [
    "additionalAttributes",
    "assetType",
    "attachedResources",
    "createTime",
    "description",
    "displayName",
    "effectiveTags",
    "enrichments",
    "folders",
    "kmsKey",
    "kmsKeys",
    "labels",
    "location",
    "name",
    "networkTags",
    "organization",
    "parentAssetType",
    "parentFullResourceName",
    "project",
    "relationships",
    "state",
    "tags",
    "updateTime",
    "versionedResources",
];
/// The kind under which what was exported is kept.
const EXPORTS: &str = "asset operations";

/// The scope of a call, by a project's ID.
fn scope(call: &Call<'_>, permission: &str) -> Result<String, ApiError> {
    let scope = call.holder();
    let kind = scope.split('/').next().unwrap_or_default();
    if !matches!(kind, "projects" | "folders" | "organizations") {
        return Err(ApiError::invalid(format!("Invalid scope: {scope}.")));
    }
    call.visit.require(permission, &scope)?;
    Ok(scope)
}

/// The kinds that are asked for, each pattern by RE2's rules; all if none is.
fn kinds(patterns: &[&str], is_search: bool) -> Result<Vec<Kind>, ApiError> {
    let all = KINDS.into_iter().filter(|kind| kind.is_searched || !is_search);
    if patterns.is_empty() {
        return Ok(all.collect());
    }
    let mut found = Vec::new();
    for pattern in patterns {
        let bad = || ApiError::invalid(format!("Unsupported asset type: {pattern}."));
        let whole = Regex::new(&format!("^(?:{pattern})$")).map_err(|_| bad())?;
        let matching: Vec<Kind> = all.clone().filter(|kind| whole.is_match(kind.name)).collect();
        if matching.is_empty() {
            return Err(bad());
        }
        found.extend(matching.into_iter().filter(|kind| !found.contains(kind)).collect::<Vec<_>>());
    }
    Ok(found)
}

fn asked_kinds(call: &Call<'_>, is_search: bool) -> Result<Vec<Kind>, ApiError> {
    kinds(&call.query.all("assetTypes"), is_search)
}

/// Puts results in the order that is asked for: fields, each with `DESC` after it or not.
fn sort(call: &Call<'_>, results: &mut [Value], sortable: &[&str]) -> Result<(), ApiError> {
    let asked = call.query.get("orderBy").unwrap_or_default();
    let mut keys = Vec::new();
    for word in asked.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let (field, order) = word.split_once(' ').unwrap_or((word, ""));
        let field = camel(field);
        let is_known = sortable.contains(&field.as_str());
        match order.trim().to_uppercase().as_str() {
            "" | "ASC" if is_known => keys.push((field, false)),
            "DESC" if is_known => keys.push((field, true)),
            _ => return Err(ApiError::invalid(format!("Invalid order: {word}."))),
        }
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for (field, is_down) in keys.iter().rev() {
        results.sort_by_key(|result| text(&result[field.as_str()]));
        if *is_down {
            results.reverse();
        }
    }
    Ok(())
}

pub(crate) fn search_resources(call: &Call<'_>) -> Answer {
    let scope = scope(call, "cloudasset.assets.searchAllResources")?;
    let (world, request) = (call.visit.world, page_request(call.query, SEARCH_PAGE)?);
    let query = Query::parse(call.query.get("query").unwrap_or_default())?;
    let mask = mask(call.query.get("readMask").unwrap_or_default())?;
    let asks_tags = query.terms().iter().any(|term| term.field.starts_with("effectiveTag"));
    let with_tags = asks_tags || mask.as_ref().is_some_and(|mask| mask.contains(&"effectiveTags"));
    let places = places(world, &scope)?;
    let found = assets(call, &places, &asked_kinds(call, true)?)?;
    let is_ordered = call.query.get("orderBy").is_some_and(|order| !order.is_empty());
    let (mut results, next) = if query.is_empty() && !is_ordered {
        // Only what is on the page is made.
        let (some, next) = slice(request, &found);
        let made = some.iter().map(|asset| asset.result(world, with_tags));
        (made.collect::<Result<Vec<_>, _>>()?, next)
    } else {
        let mut all = Vec::new();
        for asset in &found {
            let result = asset.result(world, with_tags)?;
            if query.matches(&Found(&result)) {
                all.push(result);
            }
        }
        sort(
            call,
            &mut all,
            &[
                "name",
                "assetType",
                "project",
                "displayName",
                "description",
                "location",
                "createTime",
                "updateTime",
                "state",
                "parentFullResourceName",
                "parentAssetType",
            ],
        )?;
        let (some, next) = slice(request, &all);
        (some.to_vec(), next)
    };
    for result in &mut results {
        if let Some(object) = result.as_object_mut() {
            object.retain(|name, _| match &mask {
                Some(mask) => mask.contains(&name.as_str()),
                None => !BY_MASK.contains(&name.as_str()),
            });
        }
    }
    Ok(page("results", results, next))
}

/// The fields of a mask; `None` without one.
fn mask(text: &str) -> Result<Option<Vec<&'static str>>, ApiError> {
    let named: Vec<String> =
        text.split(',').map(|path| camel(path.trim())).filter(|path| !path.is_empty()).collect();
    if named.is_empty() {
        return Ok(None);
    }
    if named.iter().any(|name| name == "*") {
        return Ok(Some(FIELDS.to_vec()));
    }
    let mut fields = Vec::new();
    for name in named {
        let top = name.split('.').next().unwrap_or_default();
        let known = FIELDS.into_iter().find(|field| *field == top);
        let bad = || ApiError::invalid(format!("Invalid read mask: {name}."));
        fields.push(known.ok_or_else(bad)?);
    }
    Ok(Some(fields))
}

/// When what is told was so: a fault makes policies late.
fn as_of(call: &Call<'_>) -> OffsetDateTime {
    let age = Duration::try_from(call.effects.asset_age).unwrap_or(Duration::MAX);
    call.visit.now.checked_sub(age).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The policy of an asset, as the inventory has it.
fn policy(call: &Call<'_>, key: &str) -> Result<Option<Value>, ApiError> {
    if key.is_empty() {
        return Ok(None);
    }
    policy_at(call.visit.world, key, as_of(call))
}

pub(crate) fn search_policies(call: &Call<'_>) -> Answer {
    let scope = scope(call, "cloudasset.assets.searchAllIamPolicies")?;
    let (world, request) = (call.visit.world, page_request(call.query, SEARCH_PAGE)?);
    let query = Query::parse(call.query.get("query").unwrap_or_default())?;
    let terms = query.terms().into_iter();
    let by_permission: Vec<_> =
        terms.filter(|term| term.field == "policy.role.permissions").collect();
    let places = places(world, &scope)?;
    let mut results = Vec::new();
    for asset in assets(call, &places, &asked_kinds(call, true)?)? {
        let Some(policy) = policy(call, &asset.policy_key)? else { continue };
        let mut shown = json!({"resource": asset.name, "assetType": asset.kind.name});
        asset.locate(&mut shown);
        let (mut matching, mut matched) = (Vec::new(), Map::new());
        for binding in bindings(&policy) {
            let role = binding["role"].as_str().unwrap_or_default();
            let permissions = if by_permission.is_empty() {
                Vec::new()
            } else {
                match permissions(call, role)? {
                    Some(permissions) => permissions,
                    None => continue,
                }
            };
            let bound = Bound { result: &shown, binding, permissions: &permissions };
            if !query.matches(&bound) {
                continue;
            }
            let explained =
                permissions.iter().filter(|one| by_permission.iter().any(|term| term.matches(one)));
            let explained: Vec<&String> = explained.collect();
            if !explained.is_empty() {
                matched.insert(role.to_owned(), json!({"permissions": explained}));
            }
            matching.push(binding.clone());
        }
        if matching.is_empty() {
            continue;
        }
        shown["policy"] = json!({"etag": policy["etag"], "bindings": matching});
        if !matched.is_empty() {
            shown["explanation"] = json!({"matchedPermissions": matched});
        }
        results.push(shown);
    }
    sort(call, &mut results, &["resource", "assetType", "project"])?;
    let (some, next) = slice(request, &results);
    Ok(page("results", some.to_vec(), next))
}

/// What of assets is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Names,
    Resource,
    IamPolicy,
    OrgPolicy,
}

impl Wanted {
    fn parse(text: &str) -> Result<Self, ApiError> {
        // Google's own library for Python sends the number.
        Ok(match text {
            "" | "0" | "CONTENT_TYPE_UNSPECIFIED" => Self::Names,
            "1" | "RESOURCE" => Self::Resource,
            "2" | "IAM_POLICY" => Self::IamPolicy,
            "4" | "ORG_POLICY" => Self::OrgPolicy,
            other => {
                return Err(ApiError::not_implemented(&format!("the content type {other}")));
            }
        })
    }

    fn permission(self, verb: &str) -> String {
        let of = match self {
            Self::Names | Self::Resource => "Resource",
            Self::IamPolicy => "IamPolicy",
            Self::OrgPolicy => "OrgPolicy",
        };
        format!("cloudasset.assets.{verb}{of}")
    }
}

/// An asset as lists and exports have it; `None` if it has nothing of what is asked for.
fn listed(call: &Call<'_>, asset: &Asset<'_>, wanted: Wanted) -> Result<Option<Value>, ApiError> {
    let world = call.visit.world;
    let mut shown = json!({
        "name": asset.name,
        "assetType": asset.kind.name,
        "ancestors": asset.place.ancestors,
        "updateTime": stamp(as_of(call)),
    });
    match wanted {
        Wanted::Names => {}
        Wanted::Resource => {
            if !asset.has_content() {
                return Ok(None);
            }
            let result = asset.result(world, false)?;
            let (version, message) = asset.form();
            let host = asset.kind.name.split('/').next().unwrap_or_default();
            let mut resource = json!({"version": version, "parent": asset.parent(),
                "data": asset.content(world).data});
            if !message.is_empty() {
                resource["discoveryDocumentUri"] =
                    json!(format!("https://{host}/$discovery/rest?version={version}"));
                resource["discoveryName"] = json!(message);
            }
            if result["location"].is_string() {
                resource["location"] = result["location"].clone();
            }
            if result["updateTime"].is_string() {
                shown["updateTime"] = result["updateTime"].clone();
            }
            shown["resource"] = resource;
        }
        Wanted::IamPolicy => {
            let Some(policy) = policy(call, &asset.policy_key)? else { return Ok(None) };
            shown["iamPolicy"] = policy;
        }
        Wanted::OrgPolicy => {
            let is_place = asset.kind.name.starts_with("cloudresourcemanager.");
            let set = world.resources_of("orgpolicies", &asset.place.name)?;
            if !is_place || set.is_empty() {
                return Ok(None);
            }
            shown["orgPolicy"] = set.iter().map(org_policy_v1).collect();
        }
    }
    Ok(Some(shown))
}

/// A policy of an organisation as its API's first version has it, in which the inventory tells it.
fn org_policy_v1(policy: &Value) -> Value {
    let constraint = policy["name"].as_str().and_then(|name| name.rsplit('/').next());
    let rules = || policy["spec"]["rules"].as_array().into_iter().flatten();
    let mut shown = json!({
        "constraint": format!("constraints/{}", constraint.unwrap_or_default()),
        "etag": policy["etag"],
        "updateTime": policy["spec"]["updateTime"],
    });
    let enforced = rules().find_map(|rule| rule["enforce"].as_bool());
    if let Some(enforced) = enforced {
        shown["booleanPolicy"] = json!({"enforced": enforced});
    } else {
        let mut list = json!({});
        for rule in rules() {
            if rule["allowAll"] == true {
                list["allValues"] = json!("ALLOW");
            } else if rule["denyAll"] == true {
                list["allValues"] = json!("DENY");
            }
            for values in ["allowedValues", "deniedValues"] {
                if rule["values"][values].is_array() {
                    list[values] = rule["values"][values].clone();
                }
            }
        }
        shown["listPolicy"] = list;
    }
    shown
}

pub(crate) fn list(call: &Call<'_>) -> Answer {
    let wanted = Wanted::parse(call.query.get("contentType").unwrap_or_default())?;
    let scope = scope(call, &wanted.permission("list"))?;
    if call.query.get("readTime").is_some_and(|time| !time.is_empty()) {
        return Err(ApiError::not_implemented("a snapshot of another time"));
    }
    let request = page_request(call.query, LIST_PAGE)?;
    let places = places(call.visit.world, &scope)?;
    let mut all = Vec::new();
    for asset in assets(call, &places, &asked_kinds(call, false)?)? {
        // What has nothing of it takes no place on a page.
        let is_there = match wanted {
            Wanted::Names | Wanted::Resource => asset.has_content(),
            _ => listed(call, &asset, wanted)?.is_some(),
        };
        if is_there {
            all.push(asset);
        }
    }
    let (some, next) = slice(request, &all);
    let mut shown = Vec::new();
    for asset in some {
        shown.extend(listed(call, asset, wanted)?);
    }
    let mut answer = page("assets", shown, next);
    answer["readTime"] = json!(stamp(as_of(call)));
    Ok(answer)
}

/// The policies that bear on resources: their own and those above, up to the scope.
pub(crate) fn effective_policies(call: &Call<'_>) -> Answer {
    let scope = scope(call, "cloudasset.assets.analyzeIamPolicy")?;
    let names = call.query.all("names");
    if names.is_empty() || names.len() > MOST_NAMES {
        return Err(ApiError::invalid(format!("A batch has 1 to {MOST_NAMES} names.")));
    }
    let places = places(call.visit.world, &scope)?;
    let all = assets(call, &places, &KINDS)?;
    let mut results = Vec::new();
    for name in names {
        let found = all.iter().find(|asset| asset.name == name);
        let found =
            found.ok_or_else(|| ApiError::not_found(format!("Resource {name} was not found.")))?;
        let mut policies = Vec::new();
        for (attached, key) in way_up(found, &scope) {
            if let Some(policy) = policy(call, &key)? {
                policies.push(json!({"attachedResource": attached, "policy": policy}));
            }
        }
        results.push(json!({"fullResourceName": name, "policies": policies}));
    }
    Ok(json!({"policyResults": results}))
}

/// An asset and what is above it, up to a scope: the full name, and what its policy is kept by.
fn way_up(asset: &Asset<'_>, scope: &str) -> Vec<(String, String)> {
    let Place { lineage, .. } = asset.place;
    let mut way = vec![(asset.name.clone(), asset.policy_key.clone())];
    for above in lineage {
        let full = format!("//cloudresourcemanager.googleapis.com/{above}");
        if full != asset.name {
            way.push((full, above.clone()));
        }
        if above == scope {
            break;
        }
    }
    way
}

/// Writes assets into a file that stands for the bucket's object, a line each, as exports have them.
pub(crate) fn export(call: &Call<'_>) -> Answer {
    let body = call.body;
    let wanted = Wanted::parse(body["contentType"].as_str().unwrap_or_default())?;
    let scope = scope(call, &wanted.permission("export"))?;
    let target = &body["outputConfig"]["gcsDestination"];
    let (uri, is_prefix) = match (target["uri"].as_str(), target["uriPrefix"].as_str()) {
        (Some(uri), None) => (uri, false),
        (None, Some(uri)) => (uri, true),
        _ if body["outputConfig"]["bigqueryDestination"].is_object() => {
            return Err(ApiError::not_implemented("exports to BigQuery"));
        }
        _ => return Err(ApiError::invalid("The output_config must name one destination.")),
    };
    let patterns = body["assetTypes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let kinds = kinds(&patterns.collect::<Vec<_>>(), false)?;
    let places = places(call.visit.world, &scope)?;
    let mut files: Vec<(String, String)> = Vec::new();
    for asset in assets(call, &places, &kinds)? {
        let Some(shown) = listed(call, &asset, wanted)? else { continue };
        let uri = if is_prefix { format!("{uri}/{}/0", asset.kind.name) } else { uri.to_owned() };
        if files.last().is_none_or(|(last, _)| *last != uri) {
            files.push((uri, String::new()));
        }
        if let Some((_, text)) = files.last_mut() {
            text.push_str(&exported(shown).to_string());
            text.push('\n');
        }
    }
    if files.is_empty() {
        files.push((uri.to_owned(), String::new()));
    }
    for (uri, text) in &files {
        let path = object(call.buckets, uri)?;
        let failed = |error| ApiError::internal(format!("{}: {error}.", path.display()));
        private_files::folder(path.parent().unwrap_or(call.buckets)).map_err(failed)?;
        private_files::replace(&path, text.as_bytes()).map_err(failed)?;
    }
    let of = places.first().map_or(scope.as_str(), |place| place.ancestors[0].as_str());
    let name = format!("{of}/operations/ExportAssets/{:032x}", fastrand::u128(..));
    let uris: Vec<&String> = files.iter().map(|(uri, _)| uri).collect();
    let operation = json!({
        "name": name,
        "metadata": {
            "@type": "type.googleapis.com/google.cloud.asset.v1.ExportAssetsRequest",
            "parent": of, "readTime": stamp(as_of(call)), "outputConfig": body["outputConfig"],
        },
        "done": true,
        "response": {
            "@type": "type.googleapis.com/google.cloud.asset.v1.ExportAssetsResponse",
            "readTime": stamp(as_of(call)),
            "outputConfig": body["outputConfig"],
            "outputResult": {"gcsResult": {"uris": uris}},
        },
    });
    call.visit.world.put_resource(Collection::global(EXPORTS), &name, &operation)?;
    let mut started = operation;
    for part in ["done", "response"] {
        remove(&mut started, part);
    }
    Ok(started)
}

/// An asset as a line of an export has it: its own fields by the names of the protocol buffers
/// (seen in exports by others), and what its API says as it is.
fn exported(asset: Value) -> Value {
    let snake = |name: &str| match name {
        "assetType" => "asset_type".to_owned(),
        "updateTime" => "update_time".to_owned(),
        "iamPolicy" => "iam_policy".to_owned(),
        "orgPolicy" => "org_policy".to_owned(),
        "discoveryDocumentUri" => "discovery_document_uri".to_owned(),
        "discoveryName" => "discovery_name".to_owned(),
        name => name.to_owned(),
    };
    let renamed = |value: Value| match value {
        Value::Object(map) => map.into_iter().map(|(name, value)| (snake(&name), value)).collect(),
        other => other,
    };
    let mut line = renamed(asset);
    if line["resource"].is_object() {
        line["resource"] = renamed(line["resource"].take());
    } else {
        remove(&mut line, "resource");
    }
    line
}

/// The file that stands for an object of a bucket.
fn object(buckets: &Path, uri: &str) -> Result<PathBuf, ApiError> {
    let bad = || ApiError::invalid(format!("Invalid uri: {uri}."));
    let rest = uri.strip_prefix("gs://").ok_or_else(bad)?;
    let path = Path::new(rest);
    let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if !is_plain || path.components().count() < 2 {
        return Err(bad());
    }
    Ok(buckets.join(path))
}

pub(crate) fn get_operation(call: &Call<'_>) -> Answer {
    let name = call.path.parts.get(1..).unwrap_or_default().join("/");
    let found = call.visit.world.resource(Collection::global(EXPORTS), &name)?;
    found.ok_or_else(|| ApiError::not_found(format!("Requested entity was not found: {name}")))
}

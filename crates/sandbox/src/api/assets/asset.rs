//! What the sandbox holds, as the inventory has it.

use std::cell::OnceCell;

use serde_json::{Map, Value, json};

use super::search::Texts;
use crate::api::call::{Call, Site};
use crate::api::{older_resource_manager, run_v1, service_body};
use crate::authority::lineage;
use crate::dialect::api_error::ApiError;
use crate::records::boundaries::{BINDINGS, POLICIES};
use crate::records::deny::DENY_POLICIES;
use crate::records::roles::permissions_of;
use crate::records::tags;
use crate::records::world::{Collection, FOLDERS, ORGANIZATIONS, Project, World};
use runaccess_domain::resource::ServiceName;

/// What an asset is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// Its type, such as `run.googleapis.com/Service`.
    pub(super) name: &'static str,
    /// Whether searches find it, beside lists.
    pub(super) is_searched: bool,
    version: &'static str,
    /// What the discovery document calls it; empty if none does.
    message: &'static str,
}

const fn searched(name: &'static str, version: &'static str, message: &'static str) -> Kind {
    Kind { name, is_searched: true, version, message }
}

const SERVICE: Kind = searched("run.googleapis.com/Service", "v1", "Service");
const JOB: Kind = searched("run.googleapis.com/Job", "v1", "Job");
const REVISION: Kind = searched("run.googleapis.com/Revision", "v1", "Revision");
const EXECUTION: Kind = searched("run.googleapis.com/Execution", "v1", "Execution");
const WORKER_POOL: Kind =
    searched("run.googleapis.com/WorkerPool", "v2", "GoogleCloudRunV2WorkerPool");
const DOMAIN: Kind = searched("run.googleapis.com/DomainMapping", "v1", "DomainMapping");
const FUNCTION: Kind = searched("cloudfunctions.googleapis.com/Function", "v2", "Function");
const ORGANIZATION: Kind =
    searched("cloudresourcemanager.googleapis.com/Organization", "v1", "Organization");
const FOLDER: Kind = searched("cloudresourcemanager.googleapis.com/Folder", "v2", "Folder");
const PROJECT: Kind = searched("cloudresourcemanager.googleapis.com/Project", "v1", "Project");
const ROLE: Kind = searched("iam.googleapis.com/Role", "v1", "Role");
const ACCOUNT: Kind = searched("iam.googleapis.com/ServiceAccount", "v1", "ServiceAccount");
const DENY: Kind = searched("iam.googleapis.com/PolicyV2", "v2", "GoogleIamV2Policy");
const BOUNDARY: Kind = searched("iam.googleapis.com/PrincipalAccessBoundaryPolicy", "v3", "");
const BINDING: Kind = searched("iam.googleapis.com/PolicyBinding", "v3", "");
const ORG_POLICY: Kind =
    searched("orgpolicy.googleapis.com/Policy", "v2", "GoogleCloudOrgpolicyV2Policy");
const WEB: Kind = listed("iap.googleapis.com/Web");
const WEB_TYPE: Kind = listed("iap.googleapis.com/WebType");
const WEB_SERVICE: Kind = listed("iap.googleapis.com/WebService");

/// Of what has a policy alone, and no resource.
const fn listed(name: &'static str) -> Kind {
    Kind { name, is_searched: false, version: "", message: "" }
}

/// Every kind that the sandbox has.
pub(super) const KINDS: [Kind; 19] = [
    ORGANIZATION,
    FOLDER,
    PROJECT,
    SERVICE,
    JOB,
    WORKER_POOL,
    REVISION,
    EXECUTION,
    DOMAIN,
    FUNCTION,
    ROLE,
    ACCOUNT,
    DENY,
    BOUNDARY,
    BINDING,
    ORG_POLICY,
    WEB,
    WEB_TYPE,
    WEB_SERVICE,
];

/// A project, folder or organization of a scope, with what is above it.
pub(super) struct Place {
    /// By the name that policies are kept by, such as `projects/P`.
    pub(super) name: String,
    pub(super) project: Option<Project>,
    /// Itself first, as policies are kept by.
    pub(super) lineage: Vec<String>,
    /// The same, with a project by its number.
    pub(super) ancestors: Vec<String>,
}

/// From what an asset's content is made, when it is asked for.
enum Source {
    Service(ServiceName),
    Kept(Value),
    /// It has none.
    Nothing,
}

/// Something of a place.
pub(super) struct Asset<'a> {
    pub(super) kind: Kind,
    /// The full resource name.
    pub(super) name: String,
    pub(super) place: &'a Place,
    /// What its policy is kept by.
    pub(super) policy_key: String,
    site: Option<Site<'a>>,
    source: Source,
    content: OnceCell<Content>,
}

/// What an asset says.
#[derive(Clone, Default)]
pub(super) struct Content {
    pub(super) data: Value,
    location: String,
    display_name: String,
    description: String,
    state: String,
    create_time: String,
    update_time: String,
    labels: Map<String, Value>,
    attributes: Map<String, Value>,
}

/// The places of a scope: itself and all below it.
pub(super) fn places(world: &World<'_>, scope: &str) -> Result<Vec<Place>, ApiError> {
    let mut names: Vec<String> = Vec::new();
    for kind in [ORGANIZATIONS, FOLDERS] {
        let all = world.resources_where(kind, &|_| true)?;
        names.extend(all.iter().filter_map(|found| Some(found["name"].as_str()?.to_owned())));
    }
    names.extend(world.project_ids()?.into_iter().map(|id| format!("projects/{id}")));
    let mut places = Vec::new();
    for name in names {
        let lineage = lineage(world, &name)?;
        if !lineage.iter().any(|above| above == scope) {
            continue;
        }
        let project = match name.strip_prefix("projects/") {
            Some(id) => world.project(id)?,
            None => None,
        };
        let mut ancestors = lineage.clone();
        if let (Some(project), Some(first)) = (&project, ancestors.first_mut()) {
            *first = format!("projects/{}", project.number);
        }
        places.push(Place { name, project, lineage, ancestors });
    }
    Ok(places)
}

/// What is in places, of these kinds, in the order of kinds and of age.
pub(super) fn assets<'a>(
    call: &Call<'a>,
    places: &'a [Place],
    kinds: &[Kind],
) -> Result<Vec<Asset<'a>>, ApiError> {
    let mut found = Vec::new();
    for kind in KINDS.into_iter().filter(|kind| kinds.contains(kind)) {
        for place in places {
            let site = place.project.as_ref().map(|project| call.site_of(project));
            let made = |Item { name, policy_key, source }| {
                let content = OnceCell::new();
                Asset { kind, name, place, policy_key, site, source, content }
            };
            found.extend(items(call.visit.world, place, kind)?.into_iter().map(made));
        }
    }
    Ok(found)
}

/// An asset before its place is set.
struct Item {
    name: String,
    policy_key: String,
    source: Source,
}

impl Item {
    /// Of what is kept by its own name at this host.
    fn named(host: &str, kept: Value) -> Self {
        let key = kept["name"].as_str().unwrap_or_default().to_owned();
        Self { name: format!("//{host}/{key}"), policy_key: key, source: Source::Kept(kept) }
    }

    /// The same, of what has no policy.
    fn without_policy(self) -> Self {
        Self { policy_key: String::new(), ..self }
    }
}

/// What is right in a place, of one kind.
fn items(world: &World<'_>, place: &Place, kind: Kind) -> Result<Vec<Item>, ApiError> {
    let of = place.name.split('/').next().unwrap_or_default();
    let governs = |host: &'static str, kept_as: &str| {
        let all = world.resources_of(kept_as, &place.name)?.into_iter();
        Ok(all.map(|kept| Item::named(host, kept).without_policy()).collect())
    };
    match kind {
        ORGANIZATION | FOLDER | PROJECT => {
            let is_it = matches!(
                (kind, of),
                (ORGANIZATION, "organizations") | (FOLDER, "folders") | (PROJECT, "projects")
            );
            let itself = || Item {
                name: format!("//cloudresourcemanager.googleapis.com/{}", place.name),
                policy_key: place.name.clone(),
                source: Source::Kept(Value::Null),
            };
            Ok(is_it.then(itself).into_iter().collect())
        }
        ROLE => governs("iam.googleapis.com", "roles"),
        DENY => governs("iam.googleapis.com", DENY_POLICIES),
        BOUNDARY => governs("iam.googleapis.com", POLICIES),
        BINDING => governs("iam.googleapis.com", BINDINGS),
        ORG_POLICY => governs("orgpolicy.googleapis.com", "orgpolicies"),
        _ => match &place.project {
            Some(project) => items_of_project(world, project, kind),
            None => Ok(Vec::new()),
        },
    }
}

fn items_of_project(
    world: &World<'_>,
    project: &Project,
    kind: Kind,
) -> Result<Vec<Item>, ApiError> {
    let id = project.id.as_str();
    let all = |host: &'static str, kept_as: &str| {
        let all = world.resources_of(kept_as, id)?.into_iter();
        Ok(all.map(|kept| Item::named(host, kept)).collect())
    };
    match kind {
        SERVICE => {
            let names = world.service_names(id)?.into_iter();
            let item = |name: ServiceName| {
                let key = name.to_string();
                let full = format!("//run.googleapis.com/{key}");
                Item { name: full, policy_key: key, source: Source::Service(name) }
            };
            Ok(names.map(item).collect())
        }
        JOB => all("run.googleapis.com", "jobs"),
        WORKER_POOL => all("run.googleapis.com", "workerPools"),
        EXECUTION => all("run.googleapis.com", "executions"),
        FUNCTION => all("cloudfunctions.googleapis.com", "functions"),
        REVISION => {
            let all = world.all_revisions(&format!("projects/{id}/locations/"))?.into_iter();
            Ok(all.map(|kept| Item::named("run.googleapis.com", kept)).collect())
        }
        DOMAIN => {
            let item = |kept: Value| {
                let metadata = &kept["metadata"];
                let region = metadata["labels"]["cloud.googleapis.com/location"].as_str();
                let (region, domain) = (region.unwrap_or_default(), metadata["name"].as_str());
                let domain = domain.unwrap_or_default();
                let key = format!("projects/{id}/locations/{region}/domainmappings/{domain}");
                let name = format!("//run.googleapis.com/{key}");
                Item { name, policy_key: key, source: Source::Kept(kept) }
            };
            Ok(world.resources_of("domainmappings", id)?.into_iter().map(item).collect())
        }
        ACCOUNT => {
            let item = |kept: Value| {
                let unique = kept["uniqueId"].as_str().unwrap_or_default();
                let name = format!("//iam.googleapis.com/projects/{id}/serviceAccounts/{unique}");
                Item { name, ..Item::named("iam.googleapis.com", kept) }
            };
            Ok(world.resources_of("serviceAccounts", id)?.into_iter().map(item).collect())
        }
        _ => {
            let web = format!("projects/{id}/iap_web");
            let is_it = |key: &String| {
                let below = key[web.len()..].split('/').filter(|part| !part.is_empty());
                matches!((kind, below.count()), (WEB, 0) | (WEB_TYPE, 1) | (WEB_SERVICE, 3))
            };
            let item = |key: String| {
                // By the project's number (observed).
                let shown = key.replacen(id, &project.number, 1);
                let name = format!("//iap.googleapis.com/{shown}");
                Item { name, policy_key: key, source: Source::Nothing }
            };
            Ok(world.policy_keys(&web)?.into_iter().filter(is_it).map(item).collect())
        }
    }
}

impl Asset<'_> {
    /// What it says; read when it is first asked for.
    pub(super) fn content(&self, world: &World<'_>) -> &Content {
        self.content.get_or_init(|| self.read(world).unwrap_or_default())
    }

    fn read(&self, world: &World<'_>) -> Result<Content, ApiError> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let map = |value: &Value| value.as_object().cloned().unwrap_or_default();
        let mut content = Content::default();
        if let (Source::Service(name), Some(site)) = (&self.source, &self.site) {
            let kept = world.service(name)?.unwrap_or_default();
            content.labels = map(&kept["labels"]);
            (content.location, content.display_name) =
                (name.region().to_owned(), name.service().to_owned());
            content.create_time = text(&kept["createTime"]);
            content.update_time = text(&kept["updateTime"]);
            content.data = run_v1::show_service(site, &kept);
            return Ok(content);
        }
        let Source::Kept(kept) = &self.source else { return Ok(content) };
        let mut data = service_body::without_own(kept.clone());
        let name = self.name.rsplit('/').next().unwrap_or_default();
        content.labels = map(&kept["labels"]);
        content.display_name = text(&kept["displayName"]);
        content.description = text(&kept["description"]);
        content.create_time = text(&kept["createTime"]);
        content.update_time = text(&kept["updateTime"]);
        content.state = text(&kept["state"]);
        let region = self.name.split("/locations/").nth(1).and_then(|rest| rest.split('/').next());
        region.unwrap_or("global").clone_into(&mut content.location);
        match (self.kind, &self.site) {
            (JOB, Some(site)) => data = run_v1::show_job(site, kept),
            (REVISION, Some(site)) => data = run_v1::show_revision(site, kept),
            (EXECUTION, Some(site)) => data = run_v1::show_execution(site, kept),
            (PROJECT, Some(site)) => {
                data = older_resource_manager::project_v1(site.project);
                content.display_name = text(&data["name"]);
                content.create_time = text(&data["createTime"]);
                content.labels = map(&data["labels"]);
                "ACTIVE".clone_into(&mut content.state);
                content.attributes.insert("projectId".to_owned(), json!(site.project.id));
            }
            (ORGANIZATION | FOLDER, _) => {
                let (kind, id) = self.place.name.split_once('/').unwrap_or_default();
                let found = world.resource(Collection::global(kind), id)?.unwrap_or_default();
                data = match self.kind {
                    FOLDER => older_resource_manager::folder_v2(&found),
                    _ => older_resource_manager::organization_v1(&found),
                };
                content.display_name = text(&found["displayName"]);
                content.create_time = text(&found["createTime"]);
                content.state = text(&found["state"]);
            }
            (ROLE, _) => {
                content.display_name = text(&kept["title"]);
                let included = kept["includedPermissions"].clone();
                content.attributes.insert("includedPermissions".to_owned(), included);
            }
            (ACCOUNT, _) => {
                for field in ["email", "uniqueId"] {
                    content.attributes.insert(field.to_owned(), kept[field].clone());
                }
            }
            (FUNCTION, _) => {
                content.attributes.insert("environment".to_owned(), kept["environment"].clone());
            }
            (DOMAIN, _) => content.create_time = text(&kept["metadata"]["creationTimestamp"]),
            _ => {}
        }
        if content.display_name.is_empty()
            && matches!(self.kind, JOB | WORKER_POOL | REVISION | EXECUTION)
        {
            name.clone_into(&mut content.display_name);
        }
        content.data = data;
        Ok(content)
    }

    /// The version that its data is in, and the name of its message.
    pub(super) fn form(&self) -> (&'static str, &'static str) {
        (self.kind.version, self.kind.message)
    }

    /// Whether it is a resource, and not what has a policy alone.
    pub(super) fn has_content(&self) -> bool {
        !matches!(self.source, Source::Nothing)
    }

    /// The full name of what it is right below; empty for an organization.
    pub(super) fn parent(&self) -> String {
        let of_run = [REVISION, EXECUTION].contains(&self.kind);
        if of_run && let Some((above, _)) = self.name.rsplit_once('/') {
            return above.rsplit_once('/').map_or("", |(above, _)| above).to_owned();
        }
        let is_place = [ORGANIZATION, FOLDER, PROJECT].contains(&self.kind);
        let above = self.place.lineage.get(usize::from(is_place));
        above.map_or_else(String::new, |name| {
            format!("//cloudresourcemanager.googleapis.com/{name}")
        })
    }

    /// The tags in force, by what each is attached to.
    fn effective_tags(&self, world: &World<'_>) -> Result<Vec<Value>, ApiError> {
        let own = self.policy_key.as_str();
        let lineage = &self.place.lineage;
        let own = (!own.is_empty() && !lineage.iter().any(|name| name == own)).then_some(own);
        let whole: Vec<String> =
            own.map(str::to_owned).into_iter().chain(lineage.iter().cloned()).collect();
        let mut shown = Vec::new();
        for resource in &whole {
            let found = tags::in_force(world, std::slice::from_ref(resource))?;
            if found.is_empty() {
                continue;
            }
            let of = |(_, key, value): &(bool, Value, Value)| {
                json!({"tagKey": key["namespacedName"], "tagKeyId": key["name"],
                    "tagValue": value["namespacedName"], "tagValueId": value["name"]})
            };
            let host = match resource.matches('/').count() {
                1 => "cloudresourcemanager.googleapis.com",
                _ => "run.googleapis.com",
            };
            shown.push(json!({
                "attachedResource": format!("//{host}/{resource}"),
                "effectiveTags": found.iter().map(of).collect::<Vec<_>>(),
            }));
        }
        Ok(shown)
    }

    /// Sets where it is: its project, folders and organization.
    pub(super) fn locate(&self, shown: &mut Value) {
        let ancestors = &self.place.ancestors;
        let of = |kind: &str| -> Vec<&String> {
            ancestors.iter().filter(|name| name.starts_with(kind)).collect()
        };
        if let Some(project) = of("projects/").first() {
            shown["project"] = json!(project);
        }
        let folders = of("folders/");
        if !folders.is_empty() {
            shown["folders"] = json!(folders);
        }
        if let Some(organization) = of("organizations/").first() {
            shown["organization"] = json!(organization);
        }
    }

    /// A search's result, with every field.
    pub(super) fn result(&self, world: &World<'_>, with_tags: bool) -> Result<Value, ApiError> {
        let content = self.content(world);
        let mut shown = json!({"name": self.name, "assetType": self.kind.name});
        self.locate(&mut shown);
        for (field, text) in [
            ("displayName", &content.display_name),
            ("description", &content.description),
            ("location", &content.location),
            ("state", &content.state),
            ("parentFullResourceName", &self.parent()),
        ] {
            if !text.is_empty() {
                shown[field] = json!(text);
            }
        }
        // In whole seconds (documented).
        for (field, time) in
            [("createTime", &content.create_time), ("updateTime", &content.update_time)]
        {
            let seconds = time.get(..19).filter(|time| !time.is_empty());
            if let Some(seconds) = seconds {
                shown[field] = json!(format!("{seconds}Z"));
            }
        }
        if !content.labels.is_empty() {
            shown["labels"] = json!(content.labels);
        }
        if !content.attributes.is_empty() {
            shown["additionalAttributes"] = json!(content.attributes);
        }
        if self.has_content() {
            shown["versionedResources"] =
                json!([{"version": self.kind.version, "resource": content.data}]);
        }
        if with_tags {
            let tags = self.effective_tags(world)?;
            if !tags.is_empty() {
                shown["effectiveTags"] = json!(tags);
            }
        }
        Ok(shown)
    }
}

/// A result as a query looks at it.
pub(super) struct Found<'a>(pub(super) &'a Value);

impl Texts for Found<'_> {
    fn texts(&self, field: &str) -> Vec<String> {
        let mut texts = Vec::new();
        // Fields may be written in either way (documented).
        let field = match field {
            "effectiveTagKeys" | "effectiveTagValues" | "effectiveTagValueIds" => {
                let name = match field {
                    "effectiveTagKeys" => "tagKey",
                    "effectiveTagValues" => "tagValue",
                    _ => "tagValueId",
                };
                let above = self.0["effectiveTags"].as_array().into_iter().flatten();
                let tags =
                    above.flat_map(|of| of["effectiveTags"].as_array().into_iter().flatten());
                return tags.filter_map(|tag| Some(tag[name].as_str()?.to_owned())).collect();
            }
            "" => {
                let whole = self.0.as_object().into_iter().flatten();
                for (_, value) in whole.filter(|(name, _)| *name != "versionedResources") {
                    gather(value, &mut texts);
                }
                return texts;
            }
            field => crate::dialect::wire::camel(field),
        };
        let (first, rest) = field.split_once('.').unwrap_or((&field, ""));
        let found = match self.0.get(first) {
            Some(Value::Object(map)) if !rest.is_empty() => map.get(rest),
            None => self.0["additionalAttributes"].get(first),
            found => found,
        };
        // Of labels as a whole, their keys and values.
        if let Some(Value::Object(map)) = found {
            texts.extend(map.keys().cloned());
        }
        gather(found.unwrap_or(&Value::Null), &mut texts);
        texts
    }
}

/// Every text in a value.
fn gather(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| gather(item, texts)),
        Value::Object(map) => map.values().for_each(|value| gather(value, texts)),
        Value::Number(number) => texts.push(number.to_string()),
        Value::Bool(is) => texts.push(is.to_string()),
        Value::Null => {}
    }
}

/// A binding of a policy as a query looks at it.
pub(super) struct Bound<'a> {
    /// Where its resource is, and what it is called.
    pub(super) result: &'a Value,
    pub(super) binding: &'a Value,
    pub(super) permissions: &'a [String],
}

impl Texts for Bound<'_> {
    fn texts(&self, field: &str) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let members = || self.binding["members"].as_array().into_iter().flatten().map(text);
        let mut texts = Vec::new();
        match field {
            "policy" => gather(self.binding, &mut texts),
            "policy.role.permissions" => texts.extend(self.permissions.iter().cloned()),
            "roles" => texts.push(text(&self.binding["role"])),
            "memberTypes" => {
                texts.extend(members().map(|member| {
                    member
                        .split_once(':')
                        .map_or_else(|| member.clone(), |(kind, _)| kind.to_owned())
                }));
            }
            "" => {
                gather(self.binding, &mut texts);
                gather(self.result, &mut texts);
            }
            field => return Found(self.result).texts(field),
        }
        texts
    }
}

/// The permissions that a role gives, and whether whoever asks may know them.
pub(super) fn permissions(call: &Call<'_>, role: &str) -> Result<Option<Vec<String>>, ApiError> {
    let Some((owner, id)) = role.split_once("/roles/") else {
        return Ok(Some(permissions_of(role).unwrap_or_default().into_iter().collect()));
    };
    // Bindings of a role whose permissions may not be read are dropped (documented).
    if call.visit.require("iam.roles.get", owner).is_err() {
        return Ok(None);
    }
    let place = Collection { kind: "roles", project: owner, region: "" };
    let found = call.visit.world.resource(place, id)?.unwrap_or_default();
    let included = found["includedPermissions"].as_array().into_iter().flatten();
    Ok(Some(included.filter_map(|one| Some(one.as_str()?.to_owned())).collect()))
}

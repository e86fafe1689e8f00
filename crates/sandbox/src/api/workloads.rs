//! Instances and worker pools of v2, which differ in what they are made of and are kept and changed
//! alike. Nothing runs in them here.

use serde_json::{Value, json};

use super::call::{Answer, Call, Site};
use super::iam;
use super::operations::{self, Subject, only_checks};
use super::service_body::{self, fill, shown};
use super::service_check::check_containers;
use super::services::check_version;
use crate::dialect::api_error::ApiError;
use crate::dialect::names::{check_id, check_region, deterministic_url};
use crate::dialect::pages::{PageSize, page, page_request};
use crate::dialect::query::Query;
use crate::dialect::wire::remove;
use crate::records::roles::is_run_permission;
use crate::records::stamps::{new_uid, stamp};
use crate::records::world::Collection;

const PAGE: PageSize = PageSize { usual: 100, most: 1_000 };

/// One of the two.
#[derive(Debug)]
struct Kind {
    /// Its collection in paths.
    collection: &'static str,
    /// What operations call it.
    message: &'static str,
    schema: &'static str,
    /// What errors call it.
    name: &'static str,
    /// The parameter that names a new one.
    id: &'static str,
    /// Where its containers are.
    containers: &'static str,
}

const INSTANCE: Kind = Kind {
    collection: "instances",
    message: "Instance",
    schema: "GoogleCloudRunV2Instance",
    name: "instance",
    id: "instanceId",
    containers: "",
};
const WORKER_POOL: Kind = Kind {
    collection: "workerPools",
    message: "WorkerPool",
    schema: "GoogleCloudRunV2WorkerPool",
    name: "workerPool",
    id: "workerPoolId",
    containers: "/template",
};

/// What a call is about: the kind, the region, and the name; empty for a collection.
struct Target<'a> {
    site: &'a Site<'a>,
    kind: &'static Kind,
    region: &'a str,
    name: &'a str,
}

impl<'a> Target<'a> {
    fn of(call: &'a Call<'a>) -> Result<Self, ApiError> {
        let is_pool = call.path.parts.iter().any(|part| part == WORKER_POOL.collection);
        let kind = if is_pool { &WORKER_POOL } else { &INSTANCE };
        Ok(Self {
            site: call.site()?,
            kind,
            region: call.region(),
            name: call.after(kind.collection),
        })
    }

    /// One that is named, in a region that can be reached.
    fn named(call: &'a Call<'a>) -> Result<Self, ApiError> {
        let target = Self::of(call)?;
        target.site.check_reachable(target.region)?;
        Ok(target)
    }

    fn place(&self) -> Collection<'a> {
        let project = &self.site.project.id;
        Collection { kind: self.kind.collection, project, region: self.region }
    }

    fn full_name(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.site.location(self.region), self.kind.collection)
    }

    fn load(&self) -> Answer {
        let found = self.site.world.resource(self.place(), self.name)?;
        found.ok_or_else(|| {
            let kind = self.kind.name.to_uppercase();
            ApiError::missing(&kind, self.name, self.region, &self.site.project.id)
        })
    }

    /// Keeps one that was made or changed, by an operation.
    fn keep(&self, query: &Query, name: &str, resource: &Value) -> Answer {
        let parent = self.site.location(self.region);
        let only_checks = only_checks(query)?;
        operations::carry_out(self.site, self.subject(&parent), only_checks, resource, || {
            Ok(self.site.world.put_resource(self.place(), name, resource)?)
        })
    }

    /// A new one, as it is kept.
    fn made(&self, name: &str, body: &Value) -> Value {
        let mut made = json!({
            "name": self.full_name(name),
            "uid": new_uid(),
            "generation": "1",
            "createTime": stamp(self.site.now),
            "creator": self.site.caller(),
        });
        service_body::copy_settable(self.kind.schema, &mut made, body, |_| true);
        self.complete(name, &mut made);
        made
    }

    fn seed(&self, body: &Value) -> Answer {
        let made = self.made(self.name, body);
        self.site.world.put_resource(self.place(), self.name, &made)?;
        Ok(made)
    }

    fn subject<'b>(&self, parent: &'b str) -> Subject<'b> {
        Subject { parent, message: self.kind.message }
    }

    /// Fills in what is not said, and what Cloud Run works out.
    fn complete(&self, name: &str, resource: &mut Value) {
        service_body::tell_change(resource, self.site.caller(), self.site.now);
        let account = json!(self.site.project.compute_account());
        if self.kind.containers.is_empty() {
            fill(&mut resource["serviceAccount"], account);
            fill(&mut resource["ingress"], json!("INGRESS_TRAFFIC_ALL"));
            service_body::fill_limits(resource);
            remove(resource, "urls");
            let project = self.site.project;
            let url = deterministic_url(name, &project.number, self.region);
            if let Some(url) = url.filter(|_| resource["defaultUriDisabled"] != true) {
                resource["urls"] = json!([url]);
            }
        } else {
            fill(&mut resource["template"]["serviceAccount"], account);
            service_body::fill_limits(&mut resource["template"]);
            // Documented: all to the latest revision.
            let latest = json!([{"type": "INSTANCE_SPLIT_ALLOCATION_TYPE_LATEST", "percent": 100}]);
            fill(&mut resource["instanceSplits"], latest);
            resource["instanceSplitStatuses"] = resource["instanceSplits"].clone();
        }
    }

    fn check(&self, resource: &Value) -> Result<(), ApiError> {
        let at = format!("{}{}", self.kind.name, self.kind.containers.replace('/', "."));
        let of = resource.pointer(self.kind.containers).unwrap_or(&Value::Null);
        check_containers(&at, of)
    }
}

/// A verb of IAM.
pub(crate) fn policy(call: &Call<'_>) -> Answer {
    let target = Target::named(call)?;
    target.load()?;
    iam::verb(call, &target.full_name(target.name), target.site.rules(), is_run_permission)
}

pub(crate) fn get(call: &Call<'_>) -> Answer {
    let target = Target::named(call)?;
    Ok(shown(target.load()?, target.site.now))
}

/// Lists those of a region, newest first, or of all (`-`).
pub(crate) fn list(call: &Call<'_>) -> Answer {
    let target = Target::of(call)?;
    target.site.check_listed(target.region)?;
    let request = page_request(call.query, PAGE)?;
    let wanted = |one: &Value| target.site.can_reach(one);
    let (found, next) =
        target.site.world.resources_newest_first(target.place(), request, &wanted)?;
    let found = found.into_iter().map(|one| shown(one, target.site.now)).collect();
    Ok(page(target.kind.collection, found, next))
}

pub(crate) fn create(call: &Call<'_>) -> Answer {
    let target = Target::named(call)?;
    let id = call.query.get(target.kind.id).unwrap_or_default();
    create_named(call, &target, id)
}

fn create_named(call: &Call<'_>, target: &Target<'_>, id: &str) -> Answer {
    let Target { site, kind, region, .. } = *target;
    service_body::check_annotations(kind.name, call.body, &["", "/template"])?;
    target.check(call.body)?;
    check_id(kind.name, id)?;
    check_region(region)?;
    if site.world.resource(target.place(), id)?.is_some() {
        return Err(ApiError::taken(id));
    }
    target.keep(call.query, id, &target.made(id, call.body))
}

/// Keeps an instance of a seeded world.
pub(crate) fn seed_instance(site: &Site<'_>, region: &str, name: &str, body: &Value) -> Answer {
    Target { site, kind: &INSTANCE, region, name }.seed(body)
}

/// Keeps a worker pool of a seeded world.
pub(crate) fn seed_worker_pool(site: &Site<'_>, region: &str, name: &str, body: &Value) -> Answer {
    Target { site, kind: &WORKER_POOL, region, name }.seed(body)
}

pub(crate) fn patch(call: &Call<'_>) -> Answer {
    let target = Target::named(call)?;
    let permission = format!("run.{}.create", target.kind.collection.to_lowercase());
    let Some(mut there) = call.or_missing(target.load(), &permission)? else {
        return create_named(call, &target, target.name);
    };
    check_version(target.name, &there, call.body["etag"].as_str())?;
    service_body::check_added(target.kind.name, call.body, &there)?;
    let mask = service_body::mask_of(call.query);
    service_body::apply_mask(target.kind.schema, &mut there, call.body, mask.as_deref())?;
    target.check(&there)?;
    service_body::raise_generation(&mut there);
    target.complete(target.name, &mut there);
    target.keep(call.query, target.name, &there)
}

pub(crate) fn delete(call: &Call<'_>) -> Answer {
    let target = Target::named(call)?;
    let there = target.load()?;
    check_version(target.name, &there, call.query.get("etag"))?;
    let parent = target.site.location(target.region);
    operations::take_away(target.site, target.subject(&parent), call.query, there, || {
        let full = target.full_name(target.name);
        Ok(target.site.world.delete_resource(target.place(), target.name, &full)?)
    })
}

/// Starts or stops an instance, of which the sandbox keeps nothing: none runs.
pub(crate) fn turn(call: &Call<'_>) -> Answer {
    let target = Target::named(call)?;
    let there = target.load()?;
    check_version(target.name, &there, call.body["etag"].as_str())?;
    let only_checks = call.body["validateOnly"] == true;
    let parent = target.site.location(target.region);
    operations::carry_out(target.site, target.subject(&parent), only_checks, &there, || Ok(()))
}

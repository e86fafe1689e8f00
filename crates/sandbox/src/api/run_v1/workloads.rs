//! Instances and worker pools through v1, which are read alone: they are made and changed by v2.

use serde_json::Value;

use super::lists::{Wanted, list, wanted};
use super::reads::{any_region, one_region};
use super::view;
use crate::api::call::{Answer, Call, Site};
use crate::dialect::api_error::ApiError;
use crate::records::world::Collection;

/// What differs between the two.
struct Kind {
    /// Where they are kept.
    kept: &'static str,
    /// Their collection in the paths of v1.
    collection: &'static str,
    name: &'static str,
    show: fn(&Site<'_>, &Value) -> Value,
}

const INSTANCE: Kind =
    Kind { kept: "instances", collection: "instances", name: "Instance", show: view::instance };
const WORKER_POOL: Kind = Kind {
    kept: "workerPools",
    collection: "workerpools",
    name: "WorkerPool",
    show: view::worker_pool,
};

impl Kind {
    fn of(call: &Call<'_>) -> &'static Self {
        let is_pool = call.path.parts.iter().any(|part| part == WORKER_POOL.collection);
        if is_pool { &WORKER_POOL } else { &INSTANCE }
    }

    fn place<'a>(&self, site: &'a Site<'_>, region: &'a str) -> Collection<'a> {
        Collection { kind: self.kept, project: &site.project.id, region }
    }
}

pub(crate) fn get(call: &Call<'_>) -> Answer {
    let kind = Kind::of(call);
    let ((site, region), name) = (one_region(call)?, call.after(kind.collection));
    let found = site.world.resource(kind.place(site, region), name)?;
    let missing = || ApiError::missing(&kind.name.to_uppercase(), name, region, &site.project.id);
    Ok((kind.show)(site, &found.ok_or_else(missing)?))
}

pub(crate) fn list_all(call: &Call<'_>) -> Answer {
    let kind = Kind::of(call);
    let (site, region) = any_region(call)?;
    let Wanted { page, selector } = wanted(call.query)?;
    let (found, next) =
        site.world.resources_newest_first(kind.place(site, region), page, &|one| {
            site.can_reach(one) && selector.matches(&view::labels_of_run(one))
        })?;
    let items = found.iter().map(|one| (kind.show)(site, one)).collect();
    Ok(list(site, (kind.name, "run.googleapis.com/v1"), region, items, next))
}

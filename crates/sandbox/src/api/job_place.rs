//! Where a job is, and where jobs are kept.

use serde_json::Value;

use super::call::{Call, Site};
use crate::dialect::api_error::ApiError;
use crate::records::world::Collection;

const KIND: &str = "jobs";

/// Where a job is in the project of a call, in a region that can be reached.
pub(crate) struct Place<'a> {
    pub(crate) site: &'a Site<'a>,
    pub(crate) region: &'a str,
    pub(crate) name: &'a str,
}

impl<'a> Place<'a> {
    pub(crate) fn of(call: &'a Call<'a>) -> Result<Self, ApiError> {
        let (site, region) = (call.site()?, call.region());
        site.check_reachable(region)?;
        Ok(Self { site, region, name: call.after(KIND) })
    }

    pub(crate) fn full_name(&self) -> String {
        full_name(self.site, self.region, self.name)
    }

    /// The job as it is kept.
    pub(crate) fn load(&self) -> Result<Value, ApiError> {
        load(self.site, self.region, self.name)
    }
}

/// A job as it is kept.
pub(crate) fn load(site: &Site<'_>, region: &str, name: &str) -> Result<Value, ApiError> {
    let found = site.world.resource(kept_in(site, region), name)?;
    found.ok_or_else(|| ApiError::missing("JOB", name, region, &site.project.id))
}

/// Where the jobs of a region, or of all (`-`), are kept.
pub(crate) fn kept_in<'a>(site: &'a Site<'_>, region: &'a str) -> Collection<'a> {
    Collection { kind: KIND, project: &site.project.id, region }
}

pub(crate) fn full_name(site: &Site<'_>, region: &str, name: &str) -> String {
    format!("{}/jobs/{name}", site.location(region))
}

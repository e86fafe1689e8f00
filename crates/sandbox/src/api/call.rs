//! A request that is known to be a call of one method.

use std::path::Path as File;

use serde_json::Value;
use time::OffsetDateTime;

use crate::authority::{Visit, require};
use crate::dialect::api_error::ApiError;
use crate::dialect::method::Path;
use crate::dialect::names::check_region;
use crate::dialect::query::Query;
use crate::faults::Effects;
use crate::records::world::{Project, World};
use crate::settings::Settings;
use crate::signing::issuer::Issuer;
use runaccess_domain::member::Member;
use runaccess_domain::resource::ServiceName;

use super::policy_check::Rules;

/// What a method answers.
pub(crate) type Answer = Result<Value, ApiError>;

/// A call of one method: who asks, of what, and what came along. Its parameters, its body and the
/// permission that it needs are checked already.
pub(crate) struct Call<'a> {
    pub(crate) visit: Visit<'a>,
    pub(crate) site: Option<Site<'a>>,
    pub(crate) path: &'a Path,
    pub(crate) query: &'a Query,
    pub(crate) body: &'a Value,
    /// The region that the host name is of.
    pub(crate) host_region: Option<&'a str>,
    pub(crate) issuer: &'a Issuer,
    pub(crate) settings: &'a Settings,
    /// Where this server is, such as `http://127.0.0.1:8787`.
    pub(crate) base: &'a str,
    pub(crate) effects: &'a Effects,
    /// The folder whose files stand for the objects of buckets.
    pub(crate) buckets: &'a File,
}

impl<'a> Call<'a> {
    /// The same call, made in a project.
    pub(crate) fn site_of(&self, project: &'a Project) -> Site<'a> {
        let Visit { world, who, now } = self.visit;
        Site { world, project, who, base: self.base, now, effects: self.effects }
    }

    /// Where the call is made, of a method whose path names a project.
    pub(crate) fn site(&self) -> Result<&Site<'a>, ApiError> {
        self.site.as_ref().ok_or_else(|| ApiError::invalid("The request names no project."))
    }

    /// What follows a collection's name in the path, such as the service's after `services`.
    pub(crate) fn after(&self, collection: &str) -> &str {
        self.path.after(collection)
    }

    /// The verb of the path, such as `getIamPolicy`; empty if it has none.
    pub(crate) fn verb(&self) -> &str {
        &self.path.verb
    }

    /// The region of the path, or of a namespace's host; `-` for all.
    pub(crate) fn region(&self) -> &str {
        match self.after("locations") {
            "" => self.host_region.unwrap_or("-"),
            region => region,
        }
    }

    /// The project, folder or organization that the path begins with, by a project's ID.
    pub(crate) fn holder(&self) -> String {
        let part = |at: usize| self.path.parts.get(at).map_or("", String::as_str);
        match &self.site {
            Some(site) => format!("projects/{}", site.project.id),
            None => format!("{}/{}", part(1), part(2)),
        }
    }

    /// The full name of what the path names: a service, a job or another of a region's resources, a
    /// service account, or else the holder.
    pub(crate) fn resource(&self) -> String {
        let holder = self.holder();
        let account = self.after("serviceAccounts");
        if account.contains('@') {
            return format!("{holder}/serviceAccounts/{}", account.to_lowercase());
        }
        for kind in ["services", "jobs", "workerPools", "instances"] {
            // Run v1 writes them in small letters.
            let lower = kind.to_lowercase();
            let mut ids = [kind, lower.as_str()].into_iter().map(|kind| self.after(kind));
            if let Some(id) = ids.find(|id| !id.is_empty() && account.is_empty()) {
                return format!("{holder}/locations/{}/{kind}/{id}", self.region());
            }
        }
        holder
    }

    /// What the path names, as a request by a namespace has it; `None` for another request.
    pub(crate) fn shown_resource(&self) -> Option<String> {
        let parts = &self.path.parts;
        let is_of_namespace = parts.first().is_some_and(|first| first == "apis");
        is_of_namespace.then(|| parts.get(3..).unwrap_or_default().join("/"))
    }

    /// What a change is made to; `None` if it is missing and is to be made instead, which whoever asks
    /// must be allowed to (documented).
    pub(crate) fn or_missing(
        &self,
        loaded: Answer,
        creates: &str,
    ) -> Result<Option<Value>, ApiError> {
        match loaded {
            Err(error) if self.query.flag("allowMissing")? && error.code == 404 => {
                self.visit.require(creates, &self.holder())?;
                Ok(None)
            }
            loaded => loaded.map(Some),
        }
    }

    /// The service that the path names, in a region that can be reached.
    pub(crate) fn service(&self) -> Result<ServiceName, ApiError> {
        let site = self.site()?;
        site.check_reachable(self.region())?;
        Ok(ServiceName::new(&site.project.id, self.region(), self.after("services")))
    }
}

/// Where in a project a request is made: who asks, when, and what was asked to go wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site<'a> {
    pub(crate) world: &'a World<'a>,
    pub(crate) project: &'a Project,
    pub(crate) who: &'a Member,
    /// Where this server is, such as `http://127.0.0.1:8787`.
    pub(crate) base: &'a str,
    pub(crate) now: OffsetDateTime,
    pub(crate) effects: &'a Effects,
}

impl<'a> Site<'a> {
    /// The address, or what stands for it, of who asks.
    pub(crate) fn caller(&self) -> &'a str {
        let whole = self.who.as_str();
        let address = whole.split_once(':').filter(|_| whole.contains('@'));
        address.map_or(whole, |(_, address)| address)
    }

    /// Refuses who does not hold a permission on a resource.
    pub(crate) fn require(&self, permission: &str, resource: &str) -> Result<(), ApiError> {
        require(self.world, self.who, resource, permission, self.now)
    }

    /// What a policy in this project is checked by.
    pub(crate) fn rules(&self) -> Rules<'a> {
        Rules {
            domain: &self.project.domain,
            constraints: &self.project.constraints,
            run_roles_only: true,
            named_only: false,
        }
    }

    /// Where in the project a region is, such as `projects/P/locations/R`.
    pub(crate) fn location(&self, region: &str) -> String {
        format!("projects/{}/locations/{region}", self.project.id)
    }

    /// Whether the sandbox was told not to reach a region.
    pub(crate) fn is_unreachable(&self, region: &str) -> bool {
        self.effects.unreachable.iter().any(|unreachable| unreachable == region)
    }

    /// Refuses a region that the sandbox was told not to reach.
    pub(crate) fn check_reachable(&self, region: &str) -> Result<(), ApiError> {
        if self.is_unreachable(region) {
            return Err(ApiError::unavailable(format!("The region {region} cannot be reached.")));
        }
        Ok(())
    }

    /// Refuses to list what is no region and not all of them.
    pub(crate) fn check_listed(&self, region: &str) -> Result<(), ApiError> {
        if region == "-" {
            return Ok(());
        }
        self.check_reachable(region)?;
        check_region(region)
    }

    /// Whether a resource of a region is in one that can be reached.
    pub(crate) fn can_reach(&self, resource: &Value) -> bool {
        let region = resource["name"].as_str().and_then(|name| name.split('/').nth(3));
        !self.is_unreachable(region.unwrap_or_default())
    }
}

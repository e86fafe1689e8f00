//! What was read of one resource before a change is planned.

use crate::policy::Policy;
use time::OffsetDateTime;

use super::constraint::Constraints;
use super::difference::Etags;
use super::evidence::{PolicyLayer, Roles, carries};
use super::invokers::Grant;
use super::member::Member;
use super::policy;
use super::role::Invokes;
use super::service::Service;
use super::setting::{CurrentValue, Setting};
use super::target::{Existing, Target};

/// What was read of one resource before a change is planned.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub name: Target,
    /// The service, if it was read: the effect of the change is determined from it.
    pub service: Option<Service>,
    /// The uid of a job or a worker pool, which tells it from a later one of the same name; `None` if
    /// it was not read.
    pub workload_uid: Option<String>,
    /// Why the service could not be read.
    pub unread: Option<String>,
    /// Whether the change, or its effect on exposure, depends on the service.
    pub weighs_exposure: bool,
    /// At version 3, with its etag.
    pub policy: Policy,
    /// Why the policy could not be read; `policy` is empty then.
    pub policy_unread: Option<String>,
    /// The existing account or domain mapping; `None` for other targets.
    pub existing: Option<Existing>,
    /// Organization policies in force; `None` if they were not read.
    pub constraints: Option<Constraints>,
    /// Grants above the service; empty if they were not read.
    pub above: Vec<PolicyLayer<Grant>>,
    /// Roles of the policy that are not in the table of predefined roles.
    pub roles: Roles,
    /// The number of the project, if it is known.
    pub project_number: Option<String>,
    /// Deleted principals, which a change omits if it restores an earlier state.
    pub gone: Vec<Member>,
    pub read_at: OffsetDateTime,
}

impl Snapshot {
    /// The versions of what was read.
    pub fn etags(&self) -> Etags {
        Etags {
            policy: policy::etag(&self.policy),
            service: match &self.existing {
                Some(existing) => existing.version().map(str::to_owned),
                None => self.weighed().and_then(|service| service.etag.clone()),
            },
            uid: self.uid().map(str::to_owned),
            project_number: self.project_number.clone(),
        }
    }

    /// The service, if the change or its effect on exposure depends on it.
    pub fn weighed(&self) -> Option<&Service> {
        self.service.as_ref().filter(|_| self.weighs_exposure)
    }

    /// The uid of the service, job or worker pool.
    pub fn uid(&self) -> Option<&str> {
        let of_service = self.service.as_ref().and_then(|service| service.uid.as_deref());
        of_service.or(self.workload_uid.as_deref())
    }

    /// Whether a role lets its members invoke the service or run the job.
    pub fn lets_in(&self, role: &str) -> Invokes {
        let Some(permission) = self.name.permission() else { return Invokes::No };
        match carries(&self.roles, role, permission) {
            Some(true) => Invokes::Yes,
            Some(false) => Invokes::No,
            None => Invokes::Unknown,
        }
    }

    /// The current value of a setting; `None` if it was not read.
    pub fn today(&self, setting: &Setting) -> Option<CurrentValue> {
        setting.today(self.weighed(), self.existing.as_ref())
    }
}

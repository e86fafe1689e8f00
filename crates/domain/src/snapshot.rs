//! What was read of one resource before a change.

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

/// What was read of one resource before a change.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub name: Target,
    /// The service, wherever it was read: what the change comes to is told from it.
    pub service: Option<Service>,
    /// What tells a job from another that is made later under its name, if it was read.
    pub job_uid: Option<String>,
    /// Why the service was not read, if that was wanted.
    pub unread: Option<String>,
    /// Whether the change, or what it does to exposure, rests on the service.
    pub weighs_exposure: bool,
    /// At version 3, with its etag.
    pub policy: Policy,
    /// Why the policy was not read, if it was only wanted: it stands empty then.
    pub policy_unread: Option<String>,
    /// What exists of an account or a domain mapping; `None` of others.
    pub existing: Option<Existing>,
    /// What organisation policies are in force; `None` if nobody looked.
    pub constraints: Option<Constraints>,
    /// What is granted above the service; empty if nobody looked.
    pub above: Vec<PolicyLayer<Grant>>,
    /// The roles that it grants and that are in no table.
    pub roles: Roles,
    /// The number of the project, if it was met.
    pub project_number: Option<String>,
    /// Principals that were found not to be there any more: what brings back an earlier state leaves
    /// them out.
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

    /// The service, if the change, or what it does to exposure, rests on it.
    pub fn weighed(&self) -> Option<&Service> {
        self.service.as_ref().filter(|_| self.weighs_exposure)
    }

    /// What tells the service or job from another of its name.
    pub fn uid(&self) -> Option<&str> {
        let of_service = self.service.as_ref().and_then(|service| service.uid.as_deref());
        of_service.or(self.job_uid.as_deref())
    }

    /// Whether a role lets its members do what the resource is for.
    pub fn lets_in(&self, role: &str) -> Invokes {
        match carries(&self.roles, role, self.name.permission()) {
            Some(true) => Invokes::Yes,
            Some(false) => Invokes::No,
            None => Invokes::Unknown,
        }
    }

    /// How a setting is found; `None` if that was not read.
    pub fn today(&self, setting: &Setting) -> Option<CurrentValue> {
        setting.today(self.weighed(), self.existing.as_ref())
    }
}

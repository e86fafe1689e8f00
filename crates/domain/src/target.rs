//! What a change is made on: a service, or what stands beside it and carries access too.

mod reference;
mod workload;

use std::fmt;

pub use self::reference::{FunctionRef, Kind, TargetRef};
pub use self::workload::{WorkloadKind, WorkloadName};

use super::permission::Permission;
use super::role::{INVOKE, MINT_ID_TOKEN, SET_JOB_POLICY, SET_POLICY};
use super::service_name::{Invoked, ServiceName};

/// A resource with a full name in a project, and a short one on the command line.
pub trait Named: fmt::Display {
    /// The project's id, or its number if that was given.
    fn project(&self) -> &str;

    /// The short form, which the command line takes back.
    fn short(&self) -> String;
}

impl Named for ServiceName {
    fn project(&self) -> &str {
        self.project()
    }

    fn short(&self) -> String {
        self.short()
    }
}

impl Named for Target {
    fn project(&self) -> &str {
        self.project()
    }

    fn short(&self) -> String {
        self.short()
    }
}

/// A resource that is changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A service account: its policy says who may use its tokens.
    Account(AccountName),
    /// A domain that is mapped to a service.
    Mapping(MappingName),
    /// A service, or an instance.
    Service(ServiceName),
    /// A job, or a worker pool.
    Workload(WorkloadName),
}

/// The full name of a service account: `projects/P/serviceAccounts/ADDRESS`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName {
    pub project: String,
    pub address: String,
}

/// The full name of a domain mapping: `projects/P/locations/R/domainmappings/DOMAIN`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MappingName {
    pub project: String,
    pub region: String,
    pub domain: String,
}

/// An existing account or domain mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Existing {
    Nothing,
    Account {
        address: String,
        unique_id: String,
    },
    Mapping {
        /// The bare name of the service that the domain is mapped to.
        service: String,
        /// Its uid, which tells it from a later one of the same name.
        uid: String,
    },
}

impl Existing {
    /// Its id, which tells it from another of the same name.
    pub fn version(&self) -> Option<&str> {
        match self {
            Self::Nothing => None,
            Self::Account { unique_id, .. } => Some(unique_id),
            Self::Mapping { uid, .. } => Some(uid),
        }
    }
}

impl Target {
    /// Parses the full name of any of them; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return None;
        }
        let owned = str::to_owned;
        Some(match parts.as_slice() {
            ["projects", project, "serviceAccounts", address] => {
                Self::Account(AccountName { project: owned(project), address: owned(address) })
            }
            ["projects", project, "locations", region, "domainmappings", domain] => {
                Self::Mapping(MappingName {
                    project: owned(project),
                    region: owned(region),
                    domain: owned(domain),
                })
            }
            ["projects", project, "locations", region, collection, name] => {
                let of_it = |kind: &WorkloadKind| kind.collection() == *collection;
                match WorkloadKind::ALL.into_iter().find(of_it) {
                    Some(kind) => Self::Workload(WorkloadName {
                        kind,
                        project: owned(project),
                        region: owned(region),
                        name: owned(name),
                    }),
                    None => Self::Service(ServiceName::parse(text)?),
                }
            }
            _ => return None,
        })
    }

    /// The project's id, or its number if that was given.
    pub fn project(&self) -> &str {
        match self {
            Self::Account(account) => &account.project,
            Self::Mapping(mapping) => &mapping.project,
            Self::Service(service) => service.project(),
            Self::Workload(workload) => &workload.project,
        }
    }

    /// A resource of the same name in a project.
    #[must_use]
    pub fn in_project(&self, project: &str) -> Self {
        let mut other = self.clone();
        match &mut other {
            Self::Account(account) => project.clone_into(&mut account.project),
            Self::Mapping(mapping) => project.clone_into(&mut mapping.project),
            Self::Service(service) => *service = service.clone().in_project(project),
            Self::Workload(workload) => project.clone_into(&mut workload.project),
        }
        other
    }

    /// The region; an account has none.
    pub fn region(&self) -> Option<&str> {
        match self {
            Self::Account(_) => None,
            Self::Mapping(mapping) => Some(&mapping.region),
            Self::Service(service) => Some(service.region()),
            Self::Workload(workload) => Some(&workload.region),
        }
    }

    /// The short form, which the command line takes back.
    pub fn short(&self) -> String {
        match self {
            Self::Account(account) => account.address.clone(),
            Self::Mapping(mapping) => mapping.domain.clone(),
            Self::Service(service) => service.short(),
            Self::Workload(workload) => workload.short(),
        }
    }

    /// The service that it is, if it is one.
    pub fn service(&self) -> Option<&ServiceName> {
        match self {
            Self::Service(service) => Some(service),
            _ => None,
        }
    }

    /// What its users must hold; `None` if nobody uses it. A domain mapping has nothing of its own;
    /// that of its service counts.
    pub fn permission(&self) -> Option<Permission<'static>> {
        match self {
            Self::Account(_) => Some(MINT_ID_TOKEN.into()),
            Self::Mapping(_) => Some(INVOKE.into()),
            Self::Service(service) => Some(service.permission()),
            Self::Workload(workload) => workload.kind.permission(),
        }
    }

    /// The permission to set its policy, and so to let anyone use it.
    pub fn policy_setter(&self) -> &'static str {
        match self {
            Self::Account(_) => "iam.serviceAccounts.setIamPolicy",
            Self::Mapping(_) => SET_POLICY,
            Self::Service(service) => match service.kind() {
                Invoked::Service => SET_POLICY,
                Invoked::Instance => "run.instances.setIamPolicy",
            },
            Self::Workload(workload) => match workload.kind {
                WorkloadKind::Job => SET_JOB_POLICY,
                WorkloadKind::WorkerPool => "run.workerpools.setIamPolicy",
            },
        }
    }

    /// What its users do.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Account(_) => "act as",
            Self::Mapping(_) | Self::Service(_) => "invoke",
            Self::Workload(_) => "run",
        }
    }

    /// What it is, in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Account(_) => "serviceAccount",
            Self::Mapping(_) => "domainMapping",
            Self::Service(service) => service.kind().noun(),
            Self::Workload(workload) => workload.kind.as_str(),
        }
    }

    /// What it is, in a sentence.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Account(_) => "service account",
            Self::Mapping(_) => "domain mapping",
            Self::Service(service) => service.kind().noun(),
            Self::Workload(workload) => workload.kind.noun(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(AccountName { project, address }) => {
                write!(f, "projects/{project}/serviceAccounts/{address}")
            }
            Self::Mapping(MappingName { project, region, domain }) => {
                write!(f, "projects/{project}/locations/{region}/domainmappings/{domain}")
            }
            Self::Service(service) => service.fmt(f),
            Self::Workload(workload) => workload.fmt(f),
        }
    }
}

impl From<ServiceName> for Target {
    fn from(service: ServiceName) -> Self {
        Self::Service(service)
    }
}

impl PartialEq<ServiceName> for Target {
    fn eq(&self, other: &ServiceName) -> bool {
        self.service() == Some(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_names_come_back() {
        for (name, kind, short) in [
            ("projects/p/locations/us-central1/services/s", "service", "us-central1/s"),
            ("projects/p/locations/us-central1/jobs/j", "job", "jobs/us-central1/j"),
            ("projects/p/locations/us-central1/instances/i", "instance", "instances/us-central1/i"),
            (
                "projects/p/locations/us-central1/workerPools/w",
                "workerPool",
                "worker-pools/us-central1/w",
            ),
            (
                "projects/p/serviceAccounts/a@p.iam.gserviceaccount.com",
                "serviceAccount",
                "a@p.iam.gserviceaccount.com",
            ),
            (
                "projects/p/locations/us-central1/domainmappings/shop.example.com",
                "domainMapping",
                "shop.example.com",
            ),
        ] {
            let target = Target::parse(name).unwrap();
            assert_eq!(target.to_string(), name);
            assert_eq!((target.kind(), target.short().as_str()), (kind, short));
            assert_eq!(target.project(), "p");
        }
        for name in ["", "projects/p", "projects//serviceAccounts/a", "projects/p/locations/r/x/y"]
        {
            assert_eq!(Target::parse(name), None, "{name}");
        }
    }
}

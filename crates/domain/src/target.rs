//! What a change is made on: a service, or what stands beside it and carries access too.

mod reference;

use std::fmt;

pub use self::reference::{FunctionRef, Kind, TargetRef};

use super::role::{INVOKE, MINT_ID_TOKEN, RUN_JOB};
use super::service_name::ServiceName;

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
    Job(JobName),
    Service(ServiceName),
}

/// The full name of a job: `projects/P/locations/R/jobs/J`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobName {
    pub project: String,
    pub region: String,
    pub job: String,
}

/// The full name of an instance (in preview): `projects/P/locations/R/instances/I`. None is changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceName {
    pub project: String,
    pub region: String,
    pub instance: String,
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { project, region, instance } = self;
        write!(f, "projects/{project}/locations/{region}/instances/{instance}")
    }
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
            ["projects", project, "locations", region, "jobs", job] => Self::Job(JobName {
                project: owned(project),
                region: owned(region),
                job: owned(job),
            }),
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
            _ => Self::Service(ServiceName::parse(text)?),
        })
    }

    /// The project's id, or its number if that was given.
    pub fn project(&self) -> &str {
        match self {
            Self::Account(account) => &account.project,
            Self::Mapping(mapping) => &mapping.project,
            Self::Job(job) => &job.project,
            Self::Service(service) => service.project(),
        }
    }

    /// A resource of the same name in a project.
    #[must_use]
    pub fn in_project(&self, project: &str) -> Self {
        let mut other = self.clone();
        let own = match &mut other {
            Self::Account(account) => &mut account.project,
            Self::Mapping(mapping) => &mut mapping.project,
            Self::Job(job) => &mut job.project,
            Self::Service(service) => {
                *service = ServiceName::new(project, service.region(), service.service());
                return other;
            }
        };
        project.clone_into(own);
        other
    }

    /// The region; an account has none.
    pub fn region(&self) -> Option<&str> {
        match self {
            Self::Account(_) => None,
            Self::Mapping(mapping) => Some(&mapping.region),
            Self::Job(job) => Some(&job.region),
            Self::Service(service) => Some(service.region()),
        }
    }

    /// The short form, which the command line takes back.
    pub fn short(&self) -> String {
        match self {
            Self::Account(account) => account.address.clone(),
            Self::Mapping(mapping) => mapping.domain.clone(),
            Self::Job(job) => format!("jobs/{}/{}", job.region, job.job),
            Self::Service(service) => service.short(),
        }
    }

    /// The service that it is, if it is one.
    pub fn service(&self) -> Option<&ServiceName> {
        match self {
            Self::Service(service) => Some(service),
            _ => None,
        }
    }

    /// The permission to use it. A domain mapping has none of its own; that of its service counts.
    pub fn permission(&self) -> &'static str {
        match self {
            Self::Account(_) => MINT_ID_TOKEN,
            Self::Job(_) => RUN_JOB,
            Self::Mapping(_) | Self::Service(_) => INVOKE,
        }
    }

    /// What a holder of that permission does.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Account(_) => "act as",
            Self::Job(_) => "run",
            Self::Mapping(_) | Self::Service(_) => "invoke",
        }
    }

    /// What it is, in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Account(_) => "serviceAccount",
            Self::Mapping(_) => "domainMapping",
            Self::Job(_) => "job",
            Self::Service(_) => "service",
        }
    }

    /// What it is, in a sentence.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Account(_) => "service account",
            Self::Mapping(_) => "domain mapping",
            Self::Job(_) => "job",
            Self::Service(_) => "service",
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
            Self::Job(JobName { project, region, job }) => {
                write!(f, "projects/{project}/locations/{region}/jobs/{job}")
            }
            Self::Service(service) => service.fmt(f),
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

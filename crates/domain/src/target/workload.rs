//! What runs in Cloud Run and has no address: jobs and worker pools.

use std::fmt;

use crate::permission::Permission;
use crate::role::RUN_JOB;

/// A kind of what runs without an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkloadKind {
    Job,
    WorkerPool,
}

/// The full name of a job or a worker pool: `projects/P/locations/R/jobs/J`,
/// `projects/P/locations/R/workerPools/W`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkloadName {
    pub kind: WorkloadKind,
    pub project: String,
    pub region: String,
    pub name: String,
}

impl WorkloadKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Job, Self::WorkerPool];

    /// Its collection in full names.
    pub fn collection(self) -> &'static str {
        match self {
            Self::Job => "jobs",
            Self::WorkerPool => "workerPools",
        }
    }

    /// Its collection on the command line, and in gcloud's groups.
    pub fn word(self) -> &'static str {
        match self {
            Self::Job => "jobs",
            Self::WorkerPool => "worker-pools",
        }
    }

    /// What it is, in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::WorkerPool => "workerPool",
        }
    }

    /// What it is, in a sentence.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::WorkerPool => "worker pool",
        }
    }

    /// What its users must hold; `None` if it has none: a worker pool has no address and is not
    /// run by anybody (documented).
    pub fn permission(self) -> Option<Permission<'static>> {
        match self {
            Self::Job => Some(Permission::new(RUN_JOB)),
            Self::WorkerPool => None,
        }
    }
}

impl WorkloadName {
    /// The short form, which the command line takes back.
    pub fn short(&self) -> String {
        format!("{}/{}/{}", self.kind.word(), self.region, self.name)
    }
}

impl fmt::Display for WorkloadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, project, region, name } = self;
        write!(f, "projects/{project}/locations/{region}/{}/{name}", kind.collection())
    }
}

//! The full name of a service, or of an instance, which is invoked as one.

use std::fmt;

use super::permission::Permission;
use super::role::{INVOKE, INVOKE_INSTANCE};

/// What stands between a traffic tag and the rest of a host (documented for Cloud Run's own URLs).
pub const TAG_SIGN: &str = "---";

/// What has an HTTPS address of its own, and is invoked there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invoked {
    #[default]
    Service,
    /// In preview: it has a service's ingress, invoker check and proxy, and neither revisions nor
    /// traffic tags (discovery document of v2).
    Instance,
}

/// The full name of what is invoked: `projects/P/locations/R/services/S`, or of an instance
/// `projects/P/locations/R/instances/I`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceName {
    project: String,
    region: String,
    service: String,
    kind: Invoked,
}

impl Invoked {
    /// Its collection in full names.
    pub fn collection(self) -> &'static str {
        match self {
            Self::Service => "services",
            Self::Instance => "instances",
        }
    }

    /// What it is, in a sentence and in JSON.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Instance => "instance",
        }
    }
}

impl ServiceName {
    /// Puts a service's name together from parts that are already known to be good.
    pub fn new(
        project: impl Into<String>,
        region: impl Into<String>,
        service: impl Into<String>,
    ) -> Self {
        let (project, region, service) = (project.into(), region.into(), service.into());
        Self { project, region, service, kind: Invoked::Service }
    }

    /// The same name of another kind.
    #[must_use]
    pub fn of_kind(self, kind: Invoked) -> Self {
        Self { kind, ..self }
    }

    /// The same in a project that is said otherwise.
    #[must_use]
    pub fn in_project(self, project: &str) -> Self {
        Self { project: project.to_owned(), ..self }
    }

    /// Parses the full name of a service or an instance; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let ["projects", project, "locations", region, collection, service] = parts.as_slice()
        else {
            return None;
        };
        let mut kinds = [Invoked::Service, Invoked::Instance].into_iter();
        let kind = kinds.find(|kind| kind.collection() == *collection)?;
        let is_whole = ![project, region, service].iter().any(|part| part.is_empty());
        is_whole.then(|| Self::new(*project, *region, *service).of_kind(kind))
    }

    /// Whether it is a service or an instance.
    pub fn kind(&self) -> Invoked {
        self.kind
    }

    /// What its callers must hold. Of an instance Google's own texts disagree: roles hold
    /// `run.instances.invoke`, and a field of the API speaks of `run.routes.invoke`.
    pub fn permission(&self) -> Permission<'static> {
        match self.kind {
            Invoked::Service => Permission::new(INVOKE),
            Invoked::Instance => Permission::either(INVOKE, INVOKE_INSTANCE),
        }
    }

    /// The project's id, or its number if that was given.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The region, such as `us-central1`.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Its own short name.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// What lists are ordered by: the name, then the region.
    pub fn list_order(&self) -> (&str, &str) {
        (&self.service, &self.region)
    }

    /// The short form that the command line takes back: `REGION/NAME`, of an instance
    /// `instances/REGION/NAME`.
    pub fn short(&self) -> String {
        match self.kind {
            Invoked::Service => format!("{}/{}", self.region, self.service),
            Invoked::Instance => format!("instances/{}/{}", self.region, self.service),
        }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { project, region, service, kind } = self;
        write!(f, "projects/{project}/locations/{region}/{}/{service}", kind.collection())
    }
}

//! The full name of a service.

use std::fmt;

/// What stands between a traffic tag and the rest of a host (documented for Cloud Run's own URLs).
pub const TAG_SIGN: &str = "---";

/// The full name of one service: `projects/P/locations/R/services/S`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceName {
    project: String,
    region: String,
    service: String,
}

impl ServiceName {
    /// Puts a name together from parts that are already known to be good.
    pub fn new(
        project: impl Into<String>,
        region: impl Into<String>,
        service: impl Into<String>,
    ) -> Self {
        Self { project: project.into(), region: region.into(), service: service.into() }
    }

    /// Parses `projects/P/locations/R/services/S`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            ["projects", project, "locations", region, "services", service]
                if !project.is_empty() && !region.is_empty() && !service.is_empty() =>
            {
                Some(Self::new(*project, *region, *service))
            }
            _ => None,
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

    /// The service's own short name.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// What lists are ordered by: the name, then the region.
    pub fn list_order(&self) -> (&str, &str) {
        (&self.service, &self.region)
    }

    /// `REGION/NAME`, the short form that the command line takes back.
    pub fn short(&self) -> String {
        format!("{}/{}", self.region, self.service)
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "projects/{}/locations/{}/services/{}", self.project, self.region, self.service)
    }
}

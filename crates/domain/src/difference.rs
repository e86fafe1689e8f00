//! What a change comes to on one resource, and the versions of the resource before and after it.

use super::invokers::Grant;
use super::setting::Setting;

/// What a change adds, takes away and sets on one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    pub added: Vec<Grant>,
    pub removed: Vec<Grant>,
    pub settings: Vec<Setting>,
}

/// The versions of what was, or is, there; empty if it was not read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Etags {
    /// The policy's, in base64 as the API writes it.
    pub policy: Option<String>,
    /// The service's; of an account its unique id, of a domain mapping its uid.
    pub service: Option<String>,
    /// What tells a service or job from another that is made later under its name.
    pub uid: Option<String>,
    /// The number of the project, if it was met.
    pub project_number: Option<String>,
}

impl Difference {
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.settings.is_empty()
    }
}

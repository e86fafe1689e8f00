//! What a change comes to on one resource, and the versions of the resource before and after it.

use super::invokers::Grant;
use super::setting::Setting;

/// What a change adds, removes and sets on one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    pub added: Vec<Grant>,
    pub removed: Vec<Grant>,
    pub settings: Vec<Setting>,
}

/// Versions of a resource; empty if they were not read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Etags {
    /// The etag of the policy, in base64 as the API writes it.
    pub policy: Option<String>,
    /// The etag of the service; the unique id of an account, the uid of a domain mapping.
    pub service: Option<String>,
    /// The uid, which tells a service or job from a later one of the same name.
    pub uid: Option<String>,
    /// The number of the project, if it is known.
    pub project_number: Option<String>,
}

impl Difference {
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.settings.is_empty()
    }
}

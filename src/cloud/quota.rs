//! The quota project that requests name, API by API.

use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderValue;

use super::api::Api;
use crate::domain::error::Hint;

/// The header that names it (documented).
pub(super) const HEADER: &str = "x-goog-user-project";

/// The quota project of one command's requests.
#[derive(Debug, Default)]
pub struct Quota {
    project: Option<HeaderValue>,
    scope: Scope,
    /// Where it was set, or that none is, for an error about it.
    source: String,
    /// What sets another.
    remedy: Option<Hint>,
    /// Whether an API has refused a project that nobody set by hand.
    is_refused: AtomicBool,
}

/// The APIs that are sent the project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Scope {
    /// Those that gcloud's commands send the active project to.
    #[default]
    AsGcloud,
    /// Every API, because the property says so.
    Every,
    /// Every API, because the project was set by hand: never left out.
    ByHand,
}

impl Quota {
    /// No quota project.
    pub fn none(remedy: Option<Hint>) -> Self {
        let source = "`gcloud auth application-default set-quota-project` sets one".to_owned();
        Self { source, remedy, ..Self::default() }
    }

    /// A project that was set by hand.
    pub fn by_hand(project: &str, source: &str, remedy: Option<Hint>) -> Self {
        let source = format!("it is set by {source}");
        let project = HeaderValue::from_str(project).ok();
        Self { project, scope: Scope::ByHand, source, remedy, ..Self::default() }
    }

    /// The active project, if it is one.
    pub fn active(project: Option<&str>, with_every_api: bool) -> Self {
        let project = project.and_then(|project| HeaderValue::from_str(project).ok());
        let scope = if with_every_api { Scope::Every } else { Scope::AsGcloud };
        let source = "it is the active project, as gcloud has it".to_owned();
        Self { project, scope, source, ..Self::default() }
    }

    /// The project that a request to an API names.
    pub(super) fn of(&self, api: Api) -> Option<HeaderValue> {
        let is_sent = match (self.scope, api) {
            // It takes no credential.
            (_, Api::PublicDns) => false,
            (Scope::ByHand, _) => true,
            _ if self.is_refused.load(Ordering::Relaxed) => false,
            // gcloud's `projects`, `organizations` and `functions` send none (its source, 528).
            (Scope::AsGcloud, Api::CloudFunctions | Api::ResourceManager) => false,
            (Scope::AsGcloud | Scope::Every, _) => true,
        };
        self.project.clone().filter(|_| is_sent)
    }

    /// Notes that an API refused the project. Returns whether to send the request without it: nobody
    /// asked for the project, so that its refusal is not the answer.
    pub(super) fn give_up(&self) -> bool {
        let may = self.scope != Scope::ByHand && self.project.is_some();
        if may {
            self.is_refused.store(true, Ordering::Relaxed);
        }
        may
    }

    /// Where it was set, and what sets another.
    pub(super) fn told(&self) -> (String, Option<Hint>) {
        (self.source.clone(), self.remedy.clone())
    }
}

//! Roles, and what they carry of Cloud Run's permissions.
//!
//! The table is taken from a dump of all 2,461 predefined roles of 2026-08-22: the 51 that hold
//! any `run.*` permission. Google changes roles now and then, and a custom role is in no table:
//! both are [`Invokes::Unknown`], never "no".

use std::fmt;

use thiserror::Error;

use super::nearest::nearest;

/// The role that lets a principal invoke a service, and nothing more of it than that.
pub const INVOKER: &str = "roles/run.invoker";

/// A predefined role that holds permissions of Cloud Run.
#[derive(Clone, Copy, Debug)]
pub struct RoleInfo {
    /// Such as `roles/run.invoker`.
    pub name: &'static str,
    /// Google's title of it.
    pub title: &'static str,
    /// How settled Google says it is.
    pub stage: Stage,
    /// Whether it holds `run.routes.invoke`.
    pub invokes: bool,
    /// Whether it holds `run.services.setIamPolicy`, and so can grant the invoker to anyone.
    pub can_grant: bool,
}

/// A role's launch stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Beta,
    Ga,
}

impl Stage {
    /// Google's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Beta => "BETA",
            Self::Ga => "GA",
        }
    }
}

/// Whether a role lets its members invoke a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invokes {
    No,
    /// The role is in no table: a custom role, or one newer than the table.
    Unknown,
    Yes,
}

/// A role as a policy names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role(String);

/// Why a text cannot name a role.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RoleError {
    #[error("`{0}` is not a role: write `roles/NAME` or `projects/PROJECT/roles/NAME`")]
    Malformed(String, Option<&'static str>),
    #[error("`{0}` is not a role that holds any permission of Cloud Run")]
    Unknown(String, &'static str),
}

impl RoleError {
    /// The role that was probably meant.
    pub fn instead(&self) -> Option<&'static str> {
        match self {
            Self::Malformed(_, instead) => *instead,
            Self::Unknown(_, instead) => Some(instead),
        }
    }
}

impl Role {
    /// `roles/run.invoker`.
    pub fn invoker() -> Self {
        Self(INVOKER.to_owned())
    }

    /// Parses a role's name. A predefined role that is not in the table is taken (Google decides
    /// about it), unless it is but a slip away from one that is.
    pub fn parse(typed: &str) -> Result<Self, RoleError> {
        let known = || ROLES.iter().map(|role| role.name);
        let parts: Vec<&str> = typed.split('/').collect();
        let word = |text: &str| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':'))
        };
        match parts.as_slice() {
            ["roles", name] if word(name) => {
                if known().any(|role| role == typed) {
                    return Ok(Self(typed.to_owned()));
                }
                match nearest(typed, known()).first() {
                    Some(near) if strsim::damerau_levenshtein(near, typed) <= 2 => {
                        Err(RoleError::Unknown(typed.to_owned(), near))
                    }
                    _ => Ok(Self(typed.to_owned())),
                }
            }
            ["projects" | "organizations", parent, "roles", name] if word(parent) && word(name) => {
                Ok(Self(typed.to_owned()))
            }
            _ => {
                let guess = format!("roles/{typed}");
                let instead =
                    known().find(|role| *role == guess || *role == format!("roles/run.{typed}"));
                Err(RoleError::Malformed(typed.to_owned(), instead))
            }
        }
    }

    /// The name as a policy holds it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The table's row of a role.
pub fn info(role: &str) -> Option<&'static RoleInfo> {
    ROLES.binary_search_by_key(&role, |known| known.name).ok().map(|at| &ROLES[at])
}

/// Whether `role` carries `run.routes.invoke`.
pub fn invokes(role: &str) -> Invokes {
    match info(role) {
        Some(known) if known.invokes => Invokes::Yes,
        Some(_) => Invokes::No,
        None => Invokes::Unknown,
    }
}

/// Whether `role` carries `run.services.setIamPolicy`; `None` where it is in no table.
pub fn can_grant(role: &str) -> Option<bool> {
    info(role).map(|known| known.can_grant)
}

const fn role(
    name: &'static str,
    title: &'static str,
    stage: Stage,
    invokes: bool,
    can_grant: bool,
) -> RoleInfo {
    RoleInfo { name, title, stage, invokes, can_grant }
}

/// Every predefined role that holds a permission of Cloud Run, by name.
#[rustfmt::skip]
pub const ROLES: [RoleInfo; 51] = [
    role("roles/aiplatform.serviceAgent", "Vertex AI Service Agent", Stage::Ga, true, false),
    role("roles/ces.serviceAgent", "Customer Engagement Suite Service Agent", Stage::Ga, true, false),
    role("roles/cloudfunctions.admin", "Cloud Functions Admin", Stage::Ga, true, true),
    role("roles/cloudfunctions.developer", "Cloud Functions Developer", Stage::Ga, true, false),
    role("roles/cloudfunctions.editor", "Cloud Functions Editor", Stage::Ga, true, false),
    role("roles/cloudfunctions.serviceAgent", "(Deprecated) Cloud Functions Service Agent", Stage::Ga, true, false),
    role("roles/cloudfunctions.viewer", "Cloud Functions Viewer", Stage::Ga, false, false),
    role("roles/dialogflow.serviceAgent", "Dialogflow Service Agent", Stage::Ga, true, false),
    role("roles/dlp.orgdriver", "DLP Organization Data Profiles Driver", Stage::Ga, false, false),
    role("roles/dlp.projectdriver", "DLP Project Data Profiles Driver", Stage::Ga, false, false),
    role("roles/editor", "Editor", Stage::Ga, true, false),
    role("roles/eventarc.serviceAgent", "Eventarc Service Agent", Stage::Ga, false, false),
    role("roles/firebase.admin", "Firebase Admin", Stage::Ga, true, true),
    role("roles/firebase.developAdmin", "Firebase Develop Admin", Stage::Ga, true, true),
    role("roles/firebase.developViewer", "Firebase Develop Viewer", Stage::Ga, false, false),
    role("roles/firebase.editor", "Firebase Editor", Stage::Ga, false, false),
    role("roles/firebase.viewer", "Firebase Viewer", Stage::Ga, false, false),
    role("roles/firebaseapphosting.serviceAgent", "Firebase App Hosting Service Agent", Stage::Ga, true, false),
    role("roles/firebasedataconnect.serviceAgent", "Firebase Data Connect Service Agent", Stage::Ga, true, false),
    role("roles/firebasemods.serviceAgent", "Firebase Extensions API Service Agent", Stage::Ga, false, true),
    role("roles/iam.dataScientist", "Data Scientist", Stage::Ga, true, false),
    role("roles/iam.devOps", "Dev Ops", Stage::Ga, true, false),
    role("roles/iam.mlEngineer", "ML Engineer", Stage::Ga, true, false),
    role("roles/iam.securityAdmin", "Security Admin", Stage::Ga, false, true),
    role("roles/iam.securityAuditor", "Security Auditor", Stage::Ga, false, false),
    role("roles/iam.securityReviewer", "Security Reviewer", Stage::Ga, false, false),
    role("roles/iam.siteReliabilityEngineer", "Site Reliability Engineer", Stage::Ga, false, false),
    role("roles/iam.supportUser", "Support User", Stage::Ga, false, false),
    role("roles/integrations.serviceAgent", "Application Integration Service Agent", Stage::Ga, true, false),
    role("roles/monitoring.notificationServiceAgent", "Monitoring Service Agent", Stage::Ga, true, false),
    role("roles/owner", "Owner", Stage::Ga, true, true),
    role("roles/resourcemanager.tagUser", "Tag User", Stage::Ga, false, false),
    role("roles/resourcemanager.tagViewer", "Tag Viewer", Stage::Ga, false, false),
    role("roles/run.admin", "Cloud Run Admin", Stage::Ga, true, true),
    role("roles/run.developer", "Cloud Run Developer", Stage::Ga, true, false),
    role("roles/run.editor", "Cloud Run Editor", Stage::Ga, true, false),
    role("roles/run.invoker", "Cloud Run Invoker", Stage::Ga, true, false),
    role("roles/run.jobsExecutor", "Cloud Run Jobs Executor", Stage::Ga, false, false),
    role("roles/run.jobsExecutorWithOverrides", "Cloud Run Jobs Executor With Overrides", Stage::Ga, false, false),
    role("roles/run.serviceAgent", "Cloud Run Service Agent", Stage::Ga, true, false),
    role("roles/run.servicesInvoker", "Cloud Run Service Invoker", Stage::Ga, true, false),
    role("roles/run.sourceDeveloper", "Cloud Run Source Developer", Stage::Ga, true, false),
    role("roles/run.sourceViewer", "Cloud Run Source Viewer", Stage::Ga, false, false),
    role("roles/run.sshReader", "Cloud Run SSH Read Only", Stage::Beta, false, false),
    role("roles/run.sshRoot", "Cloud Run SSH Root Access", Stage::Beta, false, false),
    role("roles/run.viewer", "Cloud Run Viewer", Stage::Ga, false, false),
    role("roles/runapps.serviceAgent", "Serverless Integrations Service Agent", Stage::Ga, false, false),
    role("roles/serverless.serviceAgent", "Cloud Run Service Agent", Stage::Ga, true, false),
    role("roles/spanner.serviceAgent", "Cloud Spanner API Service Agent", Stage::Ga, true, false),
    role("roles/viewer", "Viewer", Stage::Ga, false, false),
    role("roles/visionai.serviceAgent", "Cloud Vision AI Service Agent", Stage::Ga, true, false),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_whole() {
        assert!(ROLES.is_sorted_by_key(|role| role.name));
        assert_eq!(ROLES.iter().filter(|role| role.invokes).count(), 28);
        assert_eq!(ROLES.iter().filter(|role| role.can_grant).count(), 7);
    }

    #[test]
    fn viewer_does_not_invoke_and_a_custom_role_is_unknown() {
        assert_eq!(invokes("roles/viewer"), Invokes::No);
        assert_eq!(invokes("roles/run.servicesInvoker"), Invokes::Yes);
        assert_eq!(invokes("projects/p/roles/caller"), Invokes::Unknown);
        assert_eq!(can_grant("roles/owner"), Some(true));
        assert_eq!(can_grant("roles/run.invoker"), Some(false));
        assert_eq!(can_grant("projects/p/roles/c"), None);
    }

    #[test]
    fn parses_names_and_guesses_slips() {
        for good in [
            "roles/run.invoker",
            "roles/pubsub.publisher",
            "projects/p/roles/x",
            "organizations/1/roles/x",
        ] {
            assert_eq!(Role::parse(good).unwrap().as_str(), good);
        }
        assert_eq!(
            Role::parse("roles/run.invokr").unwrap_err().instead(),
            Some("roles/run.invoker")
        );
        assert_eq!(Role::parse("run.invoker").unwrap_err().instead(), Some("roles/run.invoker"));
        assert_eq!(Role::parse("invoker").unwrap_err().instead(), Some("roles/run.invoker"));
        for bad in ["", "roles/", "roles/a/b", "roles/a b", "projects//roles/x"] {
            assert!(Role::parse(bad).is_err(), "{bad:?} was taken");
        }
    }
}

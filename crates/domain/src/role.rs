//! Roles, and what they carry of Cloud Run's permissions.
//!
//! The table is taken from a dump of all 2,461 predefined roles of 2026-08-22: the 51 that hold
//! any `run.*` permission. Google changes roles now and then, and a custom role is in no table:
//! both are [`Invokes::Unknown`], never "no".

mod table;

use std::fmt;

use thiserror::Error;

pub use self::table::{ROLES, TAKEN, every_role, run_permissions};

use super::error::{CommandError, Hint};
use super::nearest::nearest;

/// The role that lets a principal invoke a service, and nothing more of it than that.
pub const INVOKER: &str = "roles/run.invoker";
/// The role of functions of the 1st generation, which lets nobody call those of the 2nd (documented).
pub const OF_FUNCTIONS: &str = "roles/cloudfunctions.invoker";
/// The role that lets a person past Identity-Aware Proxy (documented).
pub const IAP_ACCESSOR: &str = "roles/iap.httpsResourceAccessor";

/// The permission to invoke a service.
pub const INVOKE: &str = "run.routes.invoke";
/// The permission to run a job.
pub const RUN_JOB: &str = "run.jobs.run";
/// The permission to invoke an instance, by the roles that hold it (roles dump); a field of the API
/// speaks of `run.routes.invoke`.
pub const INVOKE_INSTANCE: &str = "run.instances.invoke";
/// The permission to run a job with other arguments, variables or counts than its own, which the invoker
/// role does not hold (roles dump).
pub const RUN_JOB_WITH_OVERRIDES: &str = "run.jobs.runWithOverrides";
/// The role that holds it, and nothing more than to run jobs.
pub const OVERRIDER: &str = "roles/run.jobsExecutorWithOverrides";
/// The permission to set a job's policy, and so to let anyone run it.
pub const SET_JOB_POLICY: &str = "run.jobs.setIamPolicy";
/// The permission to set a service's policy, and so to grant the invoker to anyone.
pub const SET_POLICY: &str = "run.services.setIamPolicy";
/// The permission to have ID tokens of a service account, and so to invoke what it may.
pub const MINT_ID_TOKEN: &str = "iam.serviceAccounts.getOpenIdToken";
/// The permission that Identity-Aware Proxy asks for (documented).
pub const PASS_IAP: &str = "iap.webServiceVersions.accessViaIAP";

/// The predefined roles that carry [`MINT_ID_TOKEN`], by the same dump. The owner's is not among
/// them, which is observed too.
const MINTERS: [&str; 10] = [
    "roles/apigateway.serviceAgent",
    "roles/cloudbuild.serviceAgent",
    "roles/cloudscheduler.serviceAgent",
    "roles/cloudtasks.serviceAgent",
    "roles/eventarc.serviceAgent",
    "roles/iam.serviceAccountOpenIdTokenCreator",
    "roles/iam.serviceAccountTokenCreator",
    "roles/iam.workloadIdentityUser",
    "roles/pubsub.serviceAgent",
    "roles/workflows.serviceAgent",
];

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

/// A role of a project's or an organisation's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomRole {
    pub name: String,
    pub title: String,
    /// Google's word for how settled it is, or `DISABLED`.
    pub stage: String,
    pub is_disabled: bool,
    pub is_deleted: bool,
    pub permissions: Vec<String>,
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

/// Whether a role of the table lets its members invoke or run, and nothing else that counts.
pub fn only_invokes(role: &str) -> bool {
    [INVOKER, "roles/run.servicesInvoker", "roles/run.jobsExecutor", OVERRIDER].contains(&role)
}

/// Whether it is one of the basic roles, which take no condition (documented).
pub fn is_basic(role: &str) -> bool {
    ["roles/owner", "roles/editor", "roles/viewer"].contains(&role)
}

/// Whether `role` carries `run.routes.invoke`.
pub fn invokes(role: &str) -> Invokes {
    match info(role) {
        Some(known) if known.invokes => Invokes::Yes,
        Some(_) => Invokes::No,
        None => Invokes::Unknown,
    }
}

/// Whether a predefined role carries one of the permissions above, by the tables; `None` if they
/// do not say. That no role but its own lets past Identity-Aware Proxy is background knowledge.
pub fn carries(role: &str, permission: &str) -> Option<bool> {
    let known = info(role);
    let minter = MINTERS.binary_search(&role).is_ok();
    let is_known = known.is_some() || minter || role == IAP_ACCESSOR;
    match permission {
        INVOKE => is_known.then(|| known.is_some_and(|role| role.invokes)),
        SET_POLICY => is_known.then(|| known.is_some_and(|role| role.can_grant)),
        MINT_ID_TOKEN => is_known.then_some(minter),
        PASS_IAP => is_known.then_some(role == IAP_ACCESSOR),
        _ => {
            let name = permission.strip_prefix("run.")?;
            is_known.then(|| run_permissions(role).any(|held| held == name))
        }
    }
}

/// Whether `role` carries `run.services.setIamPolicy`; `None` if it is in no table.
pub fn can_grant(role: &str) -> Option<bool> {
    carries(role, SET_POLICY)
}

impl From<RoleError> for CommandError {
    fn from(error: RoleError) -> Self {
        Self::usage(error.to_string()).hint(Hint::Own("roles"))
    }
}

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
    fn both_tables_say_the_same_of_a_role() {
        assert!(MINTERS.is_sorted());
        for role in ROLES {
            let holds = |permission: &str| {
                run_permissions(role.name).any(|held| permission == format!("run.{held}"))
            };
            assert_eq!(carries(role.name, INVOKE), Some(holds(INVOKE)), "{}", role.name);
            assert_eq!(carries(role.name, SET_POLICY), Some(holds(SET_POLICY)), "{}", role.name);
        }
        assert_eq!(carries("roles/owner", MINT_ID_TOKEN), Some(false));
        assert_eq!(carries("roles/iam.workloadIdentityUser", MINT_ID_TOKEN), Some(true));
        assert_eq!(carries("roles/iam.workloadIdentityUser", INVOKE), Some(false));
        assert_eq!(carries("roles/owner", PASS_IAP), Some(false));
        assert_eq!(carries(IAP_ACCESSOR, PASS_IAP), Some(true));
        assert_eq!(carries("roles/storage.admin", INVOKE), None);
        assert_eq!(carries("roles/owner", "run.services.get"), Some(true));
        assert_eq!(carries("roles/owner", "storage.buckets.get"), None);
        assert_eq!(carries(INVOKER, RUN_JOB), Some(true));
        assert_eq!(carries("roles/run.servicesInvoker", RUN_JOB), Some(false));
        assert_eq!(carries("roles/run.jobsExecutor", RUN_JOB), Some(true));
        assert_eq!(carries(INVOKER, SET_JOB_POLICY), Some(false));
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

//! The quota project of a credential's requests: the project that they count and are billed for
//! (`x-goog-user-project`).
//!
//! Application Default Credentials follow google-auth (its source, 2.x): the variable, then the
//! credential's file. gcloud's own accounts follow gcloud (its source, 528): `billing/quota_project`,
//! then the active project for a person.

use super::Kind;
use crate::gcloud::{Properties, PropertySource, SetupError};

const VARIABLE: &str = "GOOGLE_CLOUD_QUOTA_PROJECT";

/// Which project is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum QuotaProject {
    /// None: the requests count for the project of the credential's own client.
    #[default]
    None,
    /// The active project, with every API or only with those that gcloud sends it to.
    Active { with_every_api: bool },
    /// A project that was set by hand, with every API.
    Set { project: String, source: String, set_by: SetBy },
}

/// Where a quota project was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetBy {
    /// The file of the credential.
    File,
    /// A gcloud configuration.
    Property,
    /// An environment variable.
    Variable(String),
}

/// The family of clients whose rules a credential follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Application Default Credentials.
    GoogleAuth,
    Gcloud,
}

/// The quota project of a credential; `in_file` is what its file says.
pub(super) fn quota_project(
    family: Family,
    kind: Kind,
    in_file: Option<(String, String)>,
    properties: &Properties,
) -> Result<QuotaProject, SetupError> {
    if family == Family::GoogleAuth {
        if let Some(project) = properties.variable(VARIABLE) {
            let (project, source) = (project.to_owned(), format!("`{VARIABLE}`"));
            return Ok(QuotaProject::Set {
                project,
                source,
                set_by: SetBy::Variable(VARIABLE.to_owned()),
            });
        }
        return Ok(match in_file {
            Some((project, file)) => {
                let source = format!("`quota_project_id` of {file}");
                QuotaProject::Set { project, source, set_by: SetBy::File }
            }
            None => QuotaProject::None,
        });
    }
    let is_person = kind == Kind::User;
    let active = |with_every_api| {
        if is_person { QuotaProject::Active { with_every_api } } else { QuotaProject::None }
    };
    let Some(property) = properties.value("billing", "quota_project")? else {
        return Ok(active(false));
    };
    Ok(match property.value.as_str() {
        "LEGACY" => QuotaProject::None,
        "CURRENT_PROJECT" | "CURRENT_PROJECT_WITH_FALLBACK" => active(true),
        project => QuotaProject::Set {
            project: project.to_owned(),
            source: format!("`billing/quota_project` ({})", property.source),
            set_by: match property.source {
                PropertySource::Variable(name) => SetBy::Variable(name),
                _ => SetBy::Property,
            },
        },
    })
}

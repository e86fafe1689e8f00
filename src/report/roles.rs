//! `roles`: the roles that can invoke a service or grant that permission.

use serde::Serialize;

use super::table::{columns, text};
use super::{Report, Style};
use crate::domain::role::{CustomRole, INVOKE, RoleInfo, SET_POLICY, TAKEN, run_permissions};

/// The roles that matter for invocation.
#[derive(Clone, Debug, Serialize)]
pub struct RolesReport {
    /// The source of the predefined roles and its date; `null` if the list has none.
    pub source: Option<String>,
    pub roles: Vec<RoleRow>,
}

/// One role.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleRow {
    pub role: String,
    pub title: String,
    pub stage: String,
    /// Whether it has `run.routes.invoke`.
    pub invokes: bool,
    /// Whether it has `run.services.setIamPolicy`.
    pub can_grant: bool,
    /// What else it allows, in a few words.
    pub brings: String,
    /// Its permissions for Cloud Run.
    pub permissions: Vec<String>,
}

/// The basic roles, which allow nearly everything.
const BASIC: [(&str, &str); 2] = [
    ("roles/editor", "and change nearly everything else of the project"),
    ("roles/owner", "and all else of the project, and who may do it"),
];
/// What some permissions allow, in words.
const AMOUNTS: [(&str, &str); 5] = [
    ("run.services.update", "deploy"),
    ("run.services.delete", "delete services"),
    ("run.services.get", "read services"),
    ("run.jobs.run", "run jobs"),
    ("run.instances.sshRoot", "open shells"),
];

/// What permissions allow, except the two that have their own columns.
fn brings(role: &str, permissions: &[String]) -> String {
    let holds = |wanted: &str| permissions.iter().any(|held| held == wanted);
    let mut words: Vec<String> = AMOUNTS
        .iter()
        .filter(|(permission, _)| holds(permission))
        .map(|(_, words)| (*words).to_owned())
        .collect();
    if permissions.len() > words.len() + 2 {
        words.push(format!("{} permissions of Cloud Run in all", permissions.len()));
    }
    words.extend(BASIC.iter().filter(|(name, _)| *name == role).map(|(_, all)| (*all).to_owned()));
    words.join(", ")
}

impl RolesReport {
    /// Lists the roles of the table that can invoke or grant.
    pub fn predefined(table: &[RoleInfo]) -> Self {
        let rows = table.iter().filter(|role| role.invokes || role.can_grant).map(|role| {
            let permissions: Vec<String> =
                run_permissions(role.name).map(|held| format!("run.{held}")).collect();
            RoleRow {
                role: role.name.to_owned(),
                title: role.title.to_owned(),
                stage: role.stage.as_str().to_owned(),
                invokes: role.invokes,
                can_grant: role.can_grant,
                brings: brings(role.name, &permissions),
                permissions,
            }
        });
        let source = format!("by what all 2,461 predefined roles held on {TAKEN}");
        Self { source: Some(source), roles: rows.collect() }
    }

    /// Lists custom roles of a project or an organisation. A disabled or deleted role allows nothing.
    pub fn custom(roles: Vec<CustomRole>) -> Self {
        let rows = roles.into_iter().map(|role| {
            let is_live = !role.is_deleted && !role.is_disabled;
            let holds = |wanted: &str| role.permissions.iter().any(|held| held == wanted);
            let brings = if is_live {
                brings(&role.name, &role.permissions)
            } else {
                format!("nothing: it is {}", if role.is_deleted { "deleted" } else { "disabled" })
            };
            RoleRow {
                invokes: is_live && holds(INVOKE),
                can_grant: is_live && holds(SET_POLICY),
                brings,
                stage: if role.is_deleted { "DELETED".to_owned() } else { role.stage },
                role: role.name,
                title: role.title,
                permissions: role.permissions,
            }
        });
        Self { source: None, roles: rows.collect() }
    }
}

impl Report for RolesReport {
    const ROWS: Option<&'static str> = Some("roles");
    const PATHS: &'static [&'static str] =
        &["role", "title", "stage", "invokes", "canGrant", "brings", "permissions"];

    fn table(&self, style: Style) -> String {
        if self.roles.is_empty() {
            return String::new();
        }
        let mark = |flag: bool| if flag { "yes" } else { "" };
        let rows = self
            .roles
            .iter()
            .map(|row| {
                vec![
                    text(&row.role),
                    text(mark(row.invokes)),
                    text(mark(row.can_grant)),
                    text(&row.title),
                    text(&row.brings),
                ]
            })
            .collect();
        columns(&["ROLE", "INVOKES", "CAN GRANT", "TITLE", "ALSO"], rows, style)
    }
}

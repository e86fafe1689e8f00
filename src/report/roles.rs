//! `roles`: the predefined roles that can invoke a service, or grant that.

use serde::Serialize;

use super::table::{columns, text};
use super::{Report, Style};
use crate::domain::role::RoleInfo;

/// The roles that bear on invocation.
#[derive(Clone, Debug, Serialize)]
pub struct RolesReport {
    pub roles: Vec<RoleRow>,
}

/// One role.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleRow {
    pub role: &'static str,
    pub title: &'static str,
    pub stage: &'static str,
    /// Carries `run.routes.invoke`.
    pub invokes: bool,
    /// Carries `run.services.setIamPolicy`.
    pub can_grant: bool,
}

impl RolesReport {
    /// Takes the rows of the table that can do either.
    pub fn new(table: &[RoleInfo]) -> Self {
        let rows = table.iter().filter(|role| role.invokes || role.can_grant).map(|role| RoleRow {
            role: role.name,
            title: role.title,
            stage: role.stage.as_str(),
            invokes: role.invokes,
            can_grant: role.can_grant,
        });
        Self { roles: rows.collect() }
    }
}

impl Report for RolesReport {
    const ROWS: Option<&'static str> = Some("roles");
    const PATHS: &'static [&'static str] = &["role", "title", "stage", "invokes", "canGrant"];

    fn table(&self, style: Style) -> String {
        let mark = |flag: bool| if flag { "yes" } else { "" };
        let rows = self
            .roles
            .iter()
            .map(|row| {
                vec![
                    text(row.role),
                    text(mark(row.invokes)),
                    text(mark(row.can_grant)),
                    text(row.title),
                ]
            })
            .collect();
        columns(&["ROLE", "INVOKES", "CAN GRANT", "TITLE"], rows, style)
    }
}

//! `sandbox status`: what is in the embedded Cloud Run.

use serde::Serialize;

use super::table::{columns, text};
use super::{Report, Style};
use crate::sandbox::ProjectSummary;

/// What is in the sandbox.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxReport {
    pub sandbox: bool,
    pub state_dir: String,
    pub account: &'static str,
    pub home_region: &'static str,
    pub status: Vec<ProjectRow>,
}

/// One of its projects.
#[derive(Clone, Debug, Serialize)]
pub struct ProjectRow {
    pub project: String,
    pub number: String,
    pub services: u32,
    /// Organisation policies in force.
    pub constraints: Vec<String>,
}

impl From<ProjectSummary> for ProjectRow {
    fn from(summary: ProjectSummary) -> Self {
        let ProjectSummary { project, number, services, constraints } = summary;
        Self { project, number, services, constraints }
    }
}

impl Report for SandboxReport {
    const ROWS: Option<&'static str> = Some("status");
    const PATHS: &'static [&'static str] = &["project", "number", "services", "constraints"];

    fn table(&self, style: Style) -> String {
        let rows = self
            .status
            .iter()
            .map(|row| {
                vec![
                    text(&row.project),
                    text(&row.number),
                    text(row.services),
                    text(row.constraints.join(", ")),
                ]
            })
            .collect();
        columns(&["PROJECT", "NUMBER", "SERVICES", "ORGANISATION POLICIES"], rows, style)
    }
}

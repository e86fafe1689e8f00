//! `sandbox status`: the contents of the embedded Cloud Run.

use serde::Serialize;

use super::table::{columns, text};
use super::{Report, Style};
use crate::domain::resource::ServiceName;
use crate::sandbox::{DEFAULT_PORT, ProjectSummary, Setting};
use crate::transport::Endpoint;

/// The contents of the sandbox.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxReport {
    pub sandbox: bool,
    pub state_dir: String,
    pub account: &'static str,
    pub home_region: &'static str,
    pub status: Vec<ProjectRow>,
    /// The addresses of the services of the default project while the sandbox is served.
    pub services: Vec<AddressRow>,
}

/// The address of a service.
#[derive(Clone, Debug, Serialize)]
pub struct AddressRow {
    pub service: String,
    #[serde(skip)]
    short: String,
    /// The URL with the port of the running sandbox, or the default port if none runs.
    pub address: String,
}

impl AddressRow {
    /// The addresses of services, each by its host label; `served` is the endpoint of the running
    /// sandbox.
    pub fn all(labels: Vec<(ServiceName, String)>, served: Option<&Endpoint>) -> Vec<Self> {
        let authority = served.map(Endpoint::authority);
        let port = authority.and_then(|authority| authority.rsplit(':').next()?.parse().ok());
        let port: u16 = port.unwrap_or(DEFAULT_PORT);
        let scheme = if served.is_none_or(Endpoint::is_plain) { "http" } else { "https" };
        let row = |(name, label): (ServiceName, String)| Self {
            service: name.to_string(),
            short: name.short(),
            address: format!("{scheme}://{label}.localhost:{port}/"),
        };
        labels.into_iter().map(row).collect()
    }
}

/// The uncertain facts about Cloud Run, and the values that the sandbox uses.
#[derive(Clone, Debug, Serialize)]
pub struct SettingsReport {
    pub sandbox: bool,
    pub settings: Vec<SettingRow>,
}

/// One setting.
#[derive(Clone, Debug, Serialize)]
pub struct SettingRow {
    pub name: &'static str,
    pub default: &'static str,
    pub values: &'static str,
    pub meaning: &'static str,
    pub source: &'static str,
}

impl From<&Setting> for SettingRow {
    fn from(setting: &Setting) -> Self {
        let Setting { name, default, values, meaning, source, .. } = *setting;
        Self { name, default, values, meaning, source }
    }
}

impl Report for SettingsReport {
    const ROWS: Option<&'static str> = Some("settings");
    const PATHS: &'static [&'static str] = &["name", "default", "values", "meaning", "source"];

    fn table(&self, style: Style) -> String {
        let row = |row: &SettingRow| {
            vec![text(row.name), text(row.default), text(row.values), text(row.meaning)]
        };
        let rows = self.settings.iter().map(row).collect();
        columns(&["SETTING", "DEFAULT", "VALUES", "WHAT IT DECIDES"], rows, style)
    }
}

/// One project of the sandbox.
#[derive(Clone, Debug, Serialize)]
pub struct ProjectRow {
    pub project: String,
    pub number: String,
    pub services: u32,
    /// The organisation policies in force.
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
        let projects =
            columns(&["PROJECT", "NUMBER", "SERVICES", "ORGANISATION POLICIES"], rows, style);
        let rows = self.services.iter().map(|row| vec![text(&row.address), text(&row.short)]);
        let addresses =
            columns(&["WHILE `sandbox serve` RUNS, AT", "THE SERVICE"], rows.collect(), style);
        format!("{projects}\n{addresses}")
    }
}

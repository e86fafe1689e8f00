//! `whoami`: the identity that commands use.

use serde::Serialize;

use super::table::{facts, text};
use super::{Report, Style};

/// The identity that commands use, the project and the region, each with its source.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WhoamiReport {
    pub sandbox: bool,
    pub account: Option<String>,
    pub kind: &'static str,
    #[serde(skip)]
    pub kind_in_words: &'static str,
    /// Whether there is no credential.
    #[serde(skip)]
    pub is_nobody: bool,
    pub source: Option<String>,
    pub project: Option<String>,
    pub project_source: Option<String>,
    pub region: Option<String>,
    pub region_source: Option<String>,
    /// The project that requests are counted against; `null` if they name none.
    pub quota_project: Option<String>,
    pub quota_project_source: Option<String>,
}

impl Report for WhoamiReport {
    const ROWS: Option<&'static str> = None;
    const PATHS: &'static [&'static str] = &[
        "sandbox",
        "account",
        "kind",
        "source",
        "project",
        "projectSource",
        "region",
        "regionSource",
        "quotaProject",
        "quotaProjectSource",
    ];

    fn table(&self, style: Style) -> String {
        let with =
            |value: &Option<String>, source: &Option<String>, none: &str| match (value, source) {
                (Some(value), Some(source)) => format!("{value} ({source})"),
                (Some(value), None) => value.clone(),
                (None, _) => none.to_owned(),
            };
        let unsaid = if self.is_nobody { "(nobody)" } else { "(the credential does not say)" };
        let account = self.account.as_deref().unwrap_or(unsaid);
        let mut rows = vec![
            ("account".to_owned(), text(account)),
            ("kind".to_owned(), text(self.kind_in_words)),
        ];
        rows.extend(self.source.as_ref().map(|source| ("source".to_owned(), text(source))));
        rows.push((
            "project".to_owned(),
            text(with(&self.project, &self.project_source, "(not set)")),
        ));
        rows.push((
            "region".to_owned(),
            text(with(&self.region, &self.region_source, "(every region)")),
        ));
        if let Some(project) = &self.quota_project {
            let source = self.quota_project_source.as_deref().unwrap_or_default();
            rows.push(("quota project".to_owned(), text(format!("{project} ({source})"))));
        }
        facts(rows, style)
    }
}

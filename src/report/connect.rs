//! `connect`: the changes made, whether the caller can invoke now, and how to call.

use serde::Serialize;

use super::changes::ChangeRow;
use super::{ChangesReport, Report, Style};
use crate::domain::access::Verdict;

/// The outcome of a connection.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectReport {
    #[serde(flatten)]
    pub changes: ChangesReport,
    /// The account whose token is sent.
    pub account: String,
    /// Whether that account can invoke, one row a service; empty if nothing was done.
    pub verified: Vec<VerifiedRow>,
    /// The command that makes the caller run as the account created for it.
    pub deploy: Option<String>,
    pub programs: Vec<ProgramRow>,
    /// Whether the table shows only the program, for a user who asked for it to save it to a file.
    #[serde(skip)]
    pub programs_alone: bool,
}

/// The verdict for one service.
#[derive(Clone, Debug, Serialize)]
pub struct VerifiedRow {
    pub service: String,
    pub verdict: Verdict,
    /// The reason for the verdict.
    pub reason: String,
}

/// One way to call one service.
#[derive(Clone, Debug, Serialize)]
pub struct ProgramRow {
    pub service: String,
    pub url: String,
    pub audience: String,
    /// `python`, `node`, `go`, `curl`; `gcloud` or `workflow` if the caller is a Google service.
    pub language: &'static str,
    pub program: String,
    /// The title above the program in the table.
    #[serde(skip)]
    pub title: String,
}

impl ConnectReport {
    fn rows(&self) -> &[ChangeRow] {
        &self.changes.changes
    }
}

impl Report for ConnectReport {
    const ROWS: Option<&'static str> = Some("changes");
    const PATHS: &'static [&'static str] = ChangesReport::PATHS;

    fn table(&self, style: Style) -> String {
        let bold = console::Style::new().force_styling(style.color).bold();
        let mut out = String::new();
        if !self.programs_alone && !self.rows().is_empty() {
            out += &self.changes.table(style);
        }
        for row in &self.programs {
            if !self.programs_alone {
                let title = bold.apply_to(&row.title).to_string();
                out.extend(["\n", &title, "\n\n"]);
            }
            out += &row.program;
        }
        out
    }
}

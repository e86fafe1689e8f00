//! `connect`: what was changed, whether the caller gets through now, and how it calls.

use serde::Serialize;

use super::changes::ChangeRow;
use super::{ChangesReport, Report, Style};
use crate::domain::access::Verdict;

/// The outcome of a connection.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectReport {
    #[serde(flatten)]
    pub changes: ChangesReport,
    /// Whose token is sent.
    pub account: String,
    /// Whether that account gets through, service by service; empty if nothing was done.
    pub verified: Vec<VerifiedRow>,
    /// The command that has the caller run as an account that was made for it.
    pub deploy: Option<String>,
    pub programs: Vec<ProgramRow>,
    /// Whether a program alone is shown to a person: somebody asked for it, to put it into a file.
    #[serde(skip)]
    pub programs_alone: bool,
}

/// The answer for one service.
#[derive(Clone, Debug, Serialize)]
pub struct VerifiedRow {
    pub service: String,
    pub verdict: Verdict,
    /// What says so.
    pub reason: String,
}

/// One way to call one service.
#[derive(Clone, Debug, Serialize)]
pub struct ProgramRow {
    pub service: String,
    pub url: String,
    pub audience: String,
    /// `python`, `node`, `go`, `curl`; `gcloud` or `workflow` for a caller of Google's.
    pub language: &'static str,
    pub program: String,
    /// What stands above it for a person.
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

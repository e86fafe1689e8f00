//! `doctor`: what is wrong with a request or with the setup.

use serde::Serialize;

use super::table::flowing;
use super::{Report, Style};
use crate::domain::diagnosis::Health;

/// One verdict and its evidence.
#[derive(Clone, Debug, Serialize)]
pub struct DoctorReport {
    pub sandbox: bool,
    /// The address that was examined; `null` if the setup was examined.
    pub target: Option<String>,
    pub verdict: Health,
    /// The layer that denies; `null` if none does.
    pub layer: Option<&'static str>,
    /// The signature that was recognised; `docs/calling.md` lists them.
    pub signature: Option<&'static str>,
    pub evidence: Vec<String>,
    pub fix: Vec<String>,
    /// The meaning of the verdict, for the table.
    #[serde(skip)]
    pub headline: String,
}

impl Report for DoctorReport {
    const ROWS: Option<&'static str> = None;
    const PATHS: &'static [&'static str] =
        &["sandbox", "target", "verdict", "layer", "signature", "evidence", "fix"];

    fn table(&self, style: Style) -> String {
        let paint = console::Style::new().force_styling(style.color).bold();
        let paint = match self.verdict {
            Health::Ok => paint.green(),
            Health::Refused => paint.red(),
            Health::Unknown => paint.yellow(),
        };
        let headline = flowing("", &format!("{}: {}", self.verdict.as_str(), self.headline), style);
        let mut out = format!("{}\n", paint.apply_to(headline.trim_end()));
        if !self.evidence.is_empty() {
            out.push('\n');
        }
        for line in &self.evidence {
            out += &flowing("- ", line, style);
        }
        if !self.fix.is_empty() {
            out += "\nWhat would help:\n";
            for command in &self.fix {
                out.extend(["  ", command, "\n"]);
            }
        }
        out
    }
}

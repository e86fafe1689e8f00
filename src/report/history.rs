//! `history`: the changes made from this machine.

use std::collections::BTreeSet;

use comfy_table::{Attribute, Cell, Color};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use super::changes::{DifferenceShape, GrantShape};
use super::table::{columns, facts, text};
use super::{Report, Style};
use crate::domain::difference::Etags;
use crate::domain::history::{Entry, Standing, State};
use crate::domain::printable::one_line;

/// Journal entries, the latest first.
#[derive(Clone, Debug, Serialize)]
pub struct HistoryReport {
    pub sandbox: bool,
    pub entries: Vec<EntryRow>,
}

/// One change, or all parts of one run, each in full detail.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct EntryReport(HistoryReport);

/// One change of one resource.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryRow {
    pub id: String,
    pub time: String,
    pub account: Option<String>,
    pub project: String,
    pub action: &'static str,
    /// The full name of the changed resource, in most cases a service.
    pub service: String,
    pub kind: &'static str,
    /// What was done; if that is not known, what was intended.
    #[serde(flatten)]
    pub difference: DifferenceShape,
    pub state: Standing,
    pub command: String,
    pub reason: Option<String>,
    pub undoes: Option<String>,
    pub undone_by: Option<String>,
    pub etags: EtagsShape,
    pub error: Option<String>,
    #[serde(skip)]
    short: String,
    #[serde(skip)]
    when: String,
}

/// The etags before and after the change.
#[derive(Clone, Debug, Serialize)]
pub struct EtagsShape {
    pub before: EtagShape,
    pub after: EtagShape,
}

/// The etags of a service and of its policy; `null` if unknown.
#[derive(Clone, Debug, Serialize)]
pub struct EtagShape {
    pub policy: Option<String>,
    pub service: Option<String>,
}

impl HistoryReport {
    /// Shows these entries in this order.
    pub fn new(sandbox: bool, entries: &[Entry]) -> Self {
        let mut rows: Vec<EntryRow> = entries.iter().map(EntryRow::from).collect();
        let projects: BTreeSet<String> = rows.iter().map(|row| row.project.clone()).collect();
        if projects.len() > 1 {
            for row in &mut rows {
                row.short.clone_from(&row.service);
            }
        }
        Self { sandbox, entries: rows }
    }
}

impl EntryReport {
    /// Shows these entries in this order.
    pub fn new(sandbox: bool, entries: &[Entry]) -> Self {
        Self(HistoryReport::new(sandbox, entries))
    }
}

impl From<&Entry> for EntryRow {
    fn from(entry: &Entry) -> Self {
        Self {
            id: entry.id.to_string(),
            time: written(entry.time),
            account: entry.account.clone(),
            project: entry.target.project().to_owned(),
            action: entry.action.as_str(),
            service: entry.target.to_string(),
            kind: entry.target.kind(),
            difference: entry.effect().clone().into(),
            state: entry.standing(),
            command: entry.command.clone(),
            reason: entry.reason.clone(),
            undoes: entry.undoes.map(|id| id.to_string()),
            undone_by: entry.undone_by.map(|id| id.to_string()),
            etags: EtagsShape {
                before: EtagShape::from(&entry.before),
                after: EtagShape::from(&entry.after),
            },
            error: entry.error.clone(),
            short: entry.target.short(),
            when: minutes(entry.time),
        }
    }
}

impl From<&Etags> for EtagShape {
    fn from(etags: &Etags) -> Self {
        Self { policy: etags.policy.clone(), service: etags.service.clone() }
    }
}

fn written(time: OffsetDateTime) -> String {
    let seconds = time.replace_nanosecond(0).unwrap_or(time);
    seconds.format(&Rfc3339).unwrap_or_default()
}

fn minutes(time: OffsetDateTime) -> String {
    time.format(format_description!("[year]-[month]-[day] [hour]:[minute]Z")).unwrap_or_default()
}

impl EntryRow {
    /// The added and removed grants and the settings, one line each.
    fn lines(&self) -> Vec<String> {
        let signed = |sign: char, grant: &GrantShape| one_line(&format!("{sign}{}", grant.words()));
        let mut lines: Vec<String> = self.undoes.iter().map(|id| format!("undoes {id}")).collect();
        lines.extend(self.difference.added.iter().map(|grant| signed('+', grant)));
        lines.extend(self.difference.removed.iter().map(|grant| signed('-', grant)));
        lines.extend(self.difference.settings.iter().map(|setting| setting.words.clone()));
        // An entry that changed nothing shows its error.
        let nothing = self.difference.added.is_empty()
            && self.difference.removed.is_empty()
            && self.difference.settings.is_empty();
        lines.extend(self.error.iter().filter(|_| nothing).map(|error| one_line(error)));
        lines
    }

    fn state_cell(&self) -> Cell {
        let by = self.undone_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        let cell = text(format!("{}{by}", self.state.as_str()));
        match self.state {
            Standing::Ended(State::Applied) => cell.fg(Color::Green),
            Standing::Ended(State::Failed) => cell.fg(Color::Red),
            Standing::Ended(State::Intended | State::Overtaken) => cell.fg(Color::Yellow),
            Standing::Undone | Standing::Ended(State::EffectAbsent) => {
                cell.add_attribute(Attribute::Dim)
            }
            Standing::Ended(State::EffectPresent) => cell,
        }
    }

    fn pairs(&self) -> Vec<(String, Cell)> {
        let mut pairs = vec![
            ("change".to_owned(), text(&self.id)),
            ("time".to_owned(), text(&self.time)),
            ("state".to_owned(), self.state_cell()),
        ];
        let mut more = |name: &str, value: Option<&str>| {
            pairs.extend(value.map(|value| (name.to_owned(), text(value))));
        };
        more("account", self.account.as_deref());
        more("command", Some(&self.command));
        more("reason", self.reason.as_deref());
        more("service", Some(&self.service));
        more("error", self.error.as_deref());
        for (name, before, after) in [
            ("policy etag", &self.etags.before.policy, &self.etags.after.policy),
            ("service etag", &self.etags.before.service, &self.etags.after.service),
        ] {
            let shown = before
                .as_deref()
                .map(|before| format!("{before} -> {}", after.as_deref().unwrap_or("(not told)")));
            more(name, shown.as_deref());
        }
        let mut lines = self.lines();
        for grant in self.difference.added.iter().chain(&self.difference.removed) {
            let condition = grant.condition.as_ref();
            let line = condition.map(|c| one_line(&format!("`{}`: {}", c.title, c.expression)));
            lines.extend(line.filter(|line| !lines.contains(line)));
        }
        if !lines.is_empty() {
            pairs.push(("difference".to_owned(), Cell::new(lines.join("\n"))));
        }
        pairs
    }
}

const PATHS: &[&str] = &[
    "id",
    "time",
    "account",
    "project",
    "action",
    "service",
    "kind",
    "added",
    "added.role",
    "added.member",
    "added.condition",
    "added.condition.title",
    "added.condition.expression",
    "removed",
    "removed.role",
    "removed.member",
    "removed.condition",
    "removed.condition.title",
    "removed.condition.expression",
    "settings",
    "settings.name",
    "settings.before",
    "settings.after",
    "state",
    "command",
    "reason",
    "undoes",
    "undoneBy",
    "etags",
    "etags.before",
    "etags.before.policy",
    "etags.before.service",
    "etags.after",
    "etags.after.policy",
    "etags.after.service",
    "error",
];

impl Report for HistoryReport {
    const ROWS: Option<&'static str> = Some("entries");
    const PATHS: &'static [&'static str] = PATHS;

    fn table(&self, style: Style) -> String {
        if self.entries.is_empty() {
            return String::new();
        }
        let rows = self.entries.iter().map(|row| {
            vec![
                text(&row.id),
                text(&row.when),
                text(row.action),
                text(&row.short),
                row.state_cell(),
                Cell::new(row.lines().join("\n")),
            ]
        });
        let headers = ["ID", "TIME", "ACTION", "SERVICE", "STATE", "CHANGE"];
        columns(&headers, rows.collect(), style)
    }
}

impl Report for EntryReport {
    const ROWS: Option<&'static str> = Some("entries");
    const PATHS: &'static [&'static str] = PATHS;

    fn table(&self, style: Style) -> String {
        let blocks = self.0.entries.iter().map(|row| facts(row.pairs(), style));
        blocks.collect::<Vec<_>>().join("\n")
    }
}

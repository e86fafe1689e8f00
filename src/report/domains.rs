//! `domains`: the service that each domain is mapped to, its certificate, and the DNS records it
//! needs.

use comfy_table::{Attribute, Cell, Color};
use serde::Serialize;

use super::table::{columns, text};
use super::who::UnknownRow;
use super::{Report, Style};
use crate::domain::mapping::{Certificate, DomainMapping, Record, RecordKind, Resolves};
use crate::domain::printable::one_line;

/// The domains of a project.
#[derive(Clone, Debug, Serialize)]
pub struct DomainsReport {
    pub sandbox: bool,
    pub domains: Vec<DomainRow>,
    pub unknown: Vec<UnknownRow>,
}

/// One domain.
#[derive(Clone, Debug, Serialize)]
pub struct DomainRow {
    pub domain: String,
    /// The full name of the service that the domain is mapped to.
    pub service: String,
    pub region: String,
    /// Whether the domain serves; `null` while that is not settled.
    pub ready: Option<bool>,
    pub certificate: Certificate,
    /// The time since which the certificate has been in its state.
    pub since: Option<String>,
    pub message: Option<String>,
    pub records: Vec<RecordRow>,
    /// Whether other addresses were found in place of its CNAME record.
    #[serde(skip)]
    pub is_behind_a_proxy: bool,
    #[serde(skip)]
    short: String,
}

/// A DNS record to set.
#[derive(Clone, Debug, Serialize)]
pub struct RecordRow {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: RecordKind,
    pub data: String,
    /// `null` if the record was not checked.
    pub resolves: Option<Answered>,
    /// The records found instead, or why the record could not be checked.
    pub found: Vec<String>,
}

/// Whether a record resolves as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answered {
    No,
    Unknown,
    Yes,
}

impl DomainRow {
    /// Builds the row of a mapping, with the DNS answers for its records if they were looked up.
    pub fn new(mapping: DomainMapping, resolves: Option<Vec<Resolves>>) -> Self {
        let name = mapping.leads_to();
        let DomainMapping { domain, region, ready, certificate, since, message, records, .. } =
            mapping;
        let mut looked = resolves.map(Vec::into_iter);
        let mut is_behind_a_proxy = false;
        let records = records.into_iter().map(|record| {
            let looked = looked.as_mut().and_then(Iterator::next);
            let (resolves, found) = match looked {
                None => (None, Vec::new()),
                Some(Resolves::Yes) => (Some(Answered::Yes), Vec::new()),
                Some(Resolves::No(found)) => {
                    is_behind_a_proxy |= record.is_hidden_by(&found);
                    (Some(Answered::No), found.iter().map(Record::to_string).collect())
                }
                Some(Resolves::Unknown(why)) => (Some(Answered::Unknown), vec![why]),
            };
            let name = domain.clone();
            RecordRow { name, kind: record.kind, data: record.data, resolves, found }
        });
        let records = records.collect();
        Self {
            records,
            is_behind_a_proxy,
            service: name.to_string(),
            short: name.short(),
            certificate,
            domain,
            region,
            ready,
            since,
            message,
        }
    }

    /// Whether one of the records does not resolve as it should.
    pub fn is_wrong(&self) -> bool {
        self.records.iter().any(|record| record.resolves == Some(Answered::No))
    }

    /// Whether one of the records could not be checked.
    pub fn is_unknown(&self) -> bool {
        self.records.iter().any(|record| record.resolves == Some(Answered::Unknown))
    }
}

impl RecordRow {
    /// The record in zone file syntax.
    pub fn line(&self) -> String {
        format!("{}. {} {}", self.name, self.kind.as_str(), self.data)
    }

    fn said(&self) -> String {
        let found = self.found.join(", ");
        match self.resolves {
            Some(Answered::Yes) => "resolves".to_owned(),
            Some(Answered::No) if self.found.is_empty() => "is not there".to_owned(),
            Some(Answered::No) => format!("is not there, but {found}"),
            Some(Answered::Unknown) => format!("unknown: {found}"),
            None => String::new(),
        }
    }
}

impl Report for DomainsReport {
    const ROWS: Option<&'static str> = Some("domains");
    const PATHS: &'static [&'static str] = &[
        "domain",
        "service",
        "region",
        "ready",
        "certificate",
        "since",
        "message",
        "records",
        "records.name",
        "records.type",
        "records.data",
        "records.resolves",
        "records.found",
    ];

    fn table(&self, style: Style) -> String {
        if self.domains.is_empty() {
            return String::new();
        }
        let checked =
            self.domains.iter().flat_map(|row| &row.records).any(|row| row.resolves.is_some());
        let rows = self.domains.iter().map(|row| {
            let certificate = text(row.certificate.as_str());
            let certificate = match row.certificate {
                Certificate::Ready => certificate.fg(Color::Green),
                Certificate::Failed => certificate.fg(Color::Red).add_attribute(Attribute::Bold),
                Certificate::None | Certificate::Pending | Certificate::Unknown => {
                    certificate.fg(Color::Yellow)
                }
            };
            let since = row.since.as_deref().and_then(|since| since.split(['T', '.']).next());
            let records: Vec<String> = row
                .records
                .iter()
                .map(|record| format!("{} {}", record.kind.as_str(), record.data))
                .collect();
            let mut cells = vec![
                text(&row.domain),
                text(&row.short),
                certificate,
                text(since.unwrap_or_default()),
                Cell::new(records.iter().map(|line| one_line(line)).collect::<Vec<_>>().join("\n")),
            ];
            if checked {
                let said: Vec<String> = row.records.iter().map(RecordRow::said).collect();
                let said: Vec<String> = said.iter().map(|line| one_line(line)).collect();
                let said = Cell::new(said.join("\n"));
                cells.push(if row.is_wrong() { said.fg(Color::Red) } else { said });
            }
            cells
        });
        let headers = ["DOMAIN", "SERVICE", "CERTIFICATE", "SINCE", "DNS RECORDS", "IN THE DNS"];
        columns(&headers[..5 + usize::from(checked)], rows.collect(), style)
    }
}

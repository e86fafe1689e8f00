//! Outcomes as tables, JSON, YAML, CSV and single values.
//!
//! A report is a value. Rendering depends only on a width and a colour flag. The shapes are separate
//! structs, so that JSON changes only on purpose.

mod changes;
mod connect;
mod doctor;
mod domains;
mod explain;
mod format;
mod gcloud;
mod graph;
mod history;
mod panel;
mod policy;
mod programs;
mod proxy;
mod roles;
mod sandbox_status;
mod service;
mod services;
mod table;
mod token;
mod url;
mod who;
mod whoami;
mod yaml;

use serde::Serialize;

pub use self::changes::{ChangesReport, Command, LeftRow};
pub use self::connect::{ConnectReport, ProgramRow, VerifiedRow};
pub use self::doctor::DoctorReport;
pub use self::domains::{DomainRow, DomainsReport};
pub use self::explain::{ExplainReport, RequestShape};
pub use self::format::Format;
pub use self::gcloud::GcloudReport;
pub use self::graph::{Drawing, GraphReport};
pub use self::history::{EntryReport, HistoryReport};
pub use self::panel::panel;
pub use self::policy::PolicyReport;
pub use self::programs::{Language, set_up};
pub use self::proxy::{ProxiedRow, ProxyReport};
pub use self::roles::RolesReport;
pub use self::sandbox_status::{AddressRow, SandboxReport, SettingsReport};
pub use self::service::ServiceReport;
pub use self::services::{ListedKind, RowAccess, ServiceRow, ServicesReport};
pub use self::token::{ClaimsReport, TokenReport};
pub use self::url::UrlReport;
pub use self::who::{DenyRow, IndirectRow, InvokerRow, UnknownRow, WhoReport};
pub use self::whoami::WhoamiReport;

/// The width and colour of a table.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// `None` if the width is not limited.
    pub width: Option<usize>,
    pub color: bool,
}

/// A result that can be shown in every format.
pub trait Report: Serialize {
    /// The name of the array whose elements are the rows of CSV and `value()`; `None` if the document
    /// itself is the only row.
    const ROWS: Option<&'static str>;
    /// Every path that `value()` accepts, relative to a row.
    const PATHS: &'static [&'static str];

    /// The report as a table, for a person.
    fn table(&self, style: Style) -> String;
}

/// Whether a policy, or all policies above a resource, were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadState {
    Read,
    Unread,
}

impl ReadState {
    /// `Read` if all was read.
    pub fn of(all_read: bool) -> Self {
        if all_read { Self::Read } else { Self::Unread }
    }
}

/// A condition as JSON shows it.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct ConditionShape {
    pub title: String,
    pub expression: String,
}

impl From<&crate::domain::condition::Condition> for ConditionShape {
    fn from(condition: &crate::domain::condition::Condition) -> Self {
        Self { title: condition.title.clone(), expression: condition.expression.clone() }
    }
}

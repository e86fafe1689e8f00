//! `who`: the principals that can invoke a service, and through what.

use comfy_table::{Attribute, Cell, Color};
use serde::Serialize;
use time::OffsetDateTime;

use super::table::{columns, text};
use super::{ConditionShape, Report, Style};
use crate::domain::invokers::{Grant, GrantState};
use crate::domain::resource::ServiceName;
use crate::domain::role::Invokes;

/// Who can invoke one service.
#[derive(Clone, Debug, Serialize)]
pub struct WhoReport {
    pub sandbox: bool,
    pub service: String,
    pub exposure: &'static str,
    pub invokers: Vec<InvokerRow>,
    pub unknown: Vec<UnknownRow>,
}

/// One way in.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct InvokerRow {
    pub member: String,
    /// `null` where no role is asked for.
    pub role: Option<String>,
    pub via: &'static str,
    /// The resource whose policy says so.
    pub resource: String,
    pub condition: Option<ConditionShape>,
    pub state: &'static str,
}

/// Something that could not be read, and why.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct UnknownRow {
    pub what: String,
    pub why: String,
}

impl InvokerRow {
    /// The rows of a service: the check that is off, then the policy's grants in its order.
    pub fn all(
        service: &ServiceName,
        invoker_check: bool,
        grants: &[Grant],
        now: OffsetDateTime,
    ) -> Vec<Self> {
        let open = (!invoker_check).then(|| Self {
            member: "allUsers".to_owned(),
            role: None,
            via: "invoker-check-disabled",
            resource: service.to_string(),
            condition: None,
            state: GrantState::Active.as_str(),
        });
        let granted =
            grants.iter().filter(|grant| grant.invokes() == Invokes::Yes).map(|grant| Self {
                member: grant.member.to_string(),
                role: Some(grant.role.clone()),
                via: "service",
                resource: service.to_string(),
                condition: grant.condition.as_ref().map(ConditionShape::from),
                state: grant.state(now).as_str(),
            });
        open.into_iter().chain(granted).collect()
    }

    /// The row in a few words.
    pub fn sentence(&self) -> String {
        let how = match (&self.role, &self.condition) {
            (None, _) => "the invoker check is off".to_owned(),
            (Some(role), None) => role.clone(),
            (Some(role), Some(condition)) => format!("{role}, if {}", condition.expression),
        };
        match self.state {
            "active" => format!("{} ({how})", self.member),
            state => format!("{} ({how}) [{state}]", self.member),
        }
    }
}

impl Report for WhoReport {
    const ROWS: Option<&'static str> = Some("invokers");
    const PATHS: &'static [&'static str] = &[
        "member",
        "role",
        "via",
        "resource",
        "condition",
        "condition.title",
        "condition.expression",
        "state",
    ];

    fn table(&self, style: Style) -> String {
        if self.invokers.is_empty() {
            return String::new();
        }
        let rows = self
            .invokers
            .iter()
            .map(|row| {
                let public = row.member == "allUsers" || row.member == "allAuthenticatedUsers";
                let member = text(&row.member);
                let state = text(row.state);
                vec![
                    if public && row.state == "active" {
                        member.fg(Color::Red).add_attribute(Attribute::Bold)
                    } else {
                        member
                    },
                    text(row.role.as_deref().unwrap_or("(none needed)")),
                    text(row.via),
                    match row.state {
                        "active" => state,
                        "conditional" => state.fg(Color::Yellow),
                        _ => state.add_attribute(Attribute::Dim),
                    },
                    text(row.condition.as_ref().map_or("", |c| c.expression.as_str())),
                ]
            })
            .collect();
        let headers = ["MEMBER", "ROLE", "VIA", "STATE", "CONDITION"];
        if self.invokers.iter().all(|row| row.condition.is_none()) {
            let rows: Vec<Vec<Cell>> = rows;
            let rows = rows
                .into_iter()
                .map(|mut row: Vec<Cell>| {
                    row.pop();
                    row
                })
                .collect();
            return columns(&headers[..4], rows, style);
        }
        columns(&headers, rows, style)
    }
}

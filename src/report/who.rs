//! `who`: the principals that can invoke a service, and the grants that allow it.

use comfy_table::{Attribute, Cell, Color};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::table::{columns, text};
use super::{ConditionShape, Report, Style};
use crate::domain::deny::DenyRule;
use crate::domain::exposure::Exposure;
use crate::domain::invokers::{Grant, GrantState};
use crate::domain::member::Member;
use crate::domain::ways_in::{HoldsNow, Means, Via, WayIn};

/// The principals that can invoke one service, or run one job.
#[derive(Clone, Debug, Serialize)]
pub struct WhoReport {
    pub sandbox: bool,
    /// The full name of the service or job.
    pub service: String,
    pub kind: &'static str,
    /// `null` for a job, which has no front end.
    pub exposure: Option<Exposure>,
    pub invokers: Vec<InvokerRow>,
    /// The principals that Identity-Aware Proxy allows, if it is on: then it invokes in their place.
    pub iap: Vec<InvokerRow>,
    /// The rules that deny the permission to some principals, whatever roles they are granted.
    pub deny: Vec<DenyRow>,
    /// The principals that could make themselves invokers; `null` if not requested.
    pub indirect: Option<Vec<IndirectRow>>,
    pub unknown: Vec<UnknownRow>,
}

/// One grant or open check that allows invocation.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct InvokerRow {
    pub member: Member,
    /// `null` if no role is needed.
    pub role: Option<String>,
    pub via: Via,
    /// The resource whose policy contains the grant.
    pub resource: String,
    pub condition: Option<ConditionShape>,
    /// Whether the condition is true now: `holds`, `fails`, or `depends` on the request; `null` if
    /// there is no condition.
    pub condition_now: Option<HoldsNow>,
    pub state: GrantState,
    /// When the access ends for good, if its condition says so.
    pub ends_at: Option<String>,
    /// Whether another row gives the same member as much.
    pub duplicate: bool,
    /// The remaining time, in words.
    #[serde(skip)]
    left: Option<String>,
}

/// A deny rule.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DenyRow {
    pub resource: String,
    pub policy: String,
    pub principals: Vec<Member>,
    pub exceptions: Vec<Member>,
    pub condition: Option<ConditionShape>,
}

/// A permission that lets a principal make itself an invoker.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct IndirectRow {
    pub member: Member,
    pub permission: Means,
    pub role: String,
    /// The resource whose policy contains the grant.
    pub resource: String,
    /// The resource that the permission is used on: the service, or the account whose tokens it can
    /// get.
    pub on: String,
    pub condition: Option<ConditionShape>,
    pub state: GrantState,
}

/// A resource that could not be read, and why.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct UnknownRow {
    pub what: String,
    pub why: String,
}

impl InvokerRow {
    /// Builds the row of one way in, as of `now`.
    pub fn new(way: WayIn, now: OffsetDateTime) -> Self {
        Self {
            ends_at: way.ends_at.and_then(|end| end.format(&Rfc3339).ok()),
            left: way.ends_at.and_then(|end| left(end - now)),
            condition: way.condition.as_ref().map(ConditionShape::from),
            member: way.member,
            role: way.role,
            via: way.via,
            resource: way.resource,
            condition_now: way.holds_now,
            state: way.state,
            duplicate: way.is_duplicate,
        }
    }

    /// Builds the rows of all ways in, as of `now`.
    pub fn all(ways: Vec<WayIn>, now: OffsetDateTime) -> Vec<Self> {
        ways.into_iter().map(|way| Self::new(way, now)).collect()
    }

    /// The row in a few words.
    pub fn sentence(&self) -> String {
        let how = match (&self.role, &self.condition) {
            (None, _) => "the invoker check is off".to_owned(),
            (Some(role), None) => role.clone(),
            (Some(role), Some(condition)) => format!("{role}, if {}", condition.expression),
        };
        let from = match self.via {
            Via::Project | Via::Folder | Via::Organization => format!(", from {}", self.resource),
            _ => String::new(),
        };
        match self.state {
            GrantState::Active => format!("{} ({how}{from})", self.member),
            state => format!("{} ({how}{from}) [{}]", self.member, state.as_str()),
        }
    }
}

impl DenyRow {
    /// Builds the row of a rule and the resource that it is attached to.
    pub fn new((resource, rule): (&str, &DenyRule)) -> Self {
        Self {
            resource: resource.to_owned(),
            policy: rule.policy_id().to_owned(),
            principals: rule.denied_principals.clone(),
            exceptions: rule.exception_principals.clone(),
            condition: rule.condition.as_ref().map(ConditionShape::from),
        }
    }
}

impl IndirectRow {
    /// Builds the row of a grant of a permission on a resource; `on` is what the permission is used
    /// on.
    pub fn new(
        permission: Means,
        (resource, grant): (&str, &Grant),
        on: &str,
        now: OffsetDateTime,
    ) -> Self {
        Self {
            member: grant.member.clone(),
            permission,
            role: grant.role.clone(),
            resource: resource.to_owned(),
            on: on.to_owned(),
            condition: grant.condition.as_ref().map(ConditionShape::from),
            state: grant.state(now),
        }
    }
}

/// The remaining time in its two largest units; `None` if none remains.
fn left(span: time::Duration) -> Option<String> {
    let span = std::time::Duration::try_from(span).ok().filter(|span| !span.is_zero())?;
    let whole = humantime::format_duration(std::time::Duration::from_secs(span.as_secs().max(1)));
    let whole = whole.to_string();
    Some(whole.split(' ').take(2).collect::<Vec<_>>().join(" "))
}

impl WhoReport {
    fn blocks(&self, style: Style) -> Vec<String> {
        let mut blocks = Vec::new();
        if !self.invokers.is_empty() {
            blocks.push(ways_in(&self.invokers, style));
        }
        if self.iap.is_empty() && self.exposure == Some(Exposure::Iap) {
            let known = if self.unknown.is_empty() { "" } else { " that is known" };
            blocks.push(format!(
                "Identity-Aware Proxy asks first, and lets nobody by{known}: none of these gets through\n"
            ));
        }
        if !self.iap.is_empty() {
            let title = "Identity-Aware Proxy lets by:\n";
            blocks.push(format!("{title}{}", ways_in(&self.iap, style)));
        }
        if !self.deny.is_empty() {
            let rows = self.deny.iter().map(|row| {
                let mut denied = listed(&row.principals);
                if !row.exceptions.is_empty() {
                    denied.extend([", but for ", &listed(&row.exceptions)]);
                }
                if let Some(condition) = &row.condition {
                    denied.extend([", if ", &condition.expression]);
                }
                vec![text(&row.policy), text(&row.resource), text(denied)]
            });
            let table = columns(&["DENY POLICY", "ON", "KEEPS OUT"], rows.collect(), style);
            blocks.push(table);
        }
        if let Some(rows) = self.indirect.as_ref().filter(|rows| !rows.is_empty()) {
            let rows = rows.iter().map(|row| {
                let on = row.on.rsplit('/').next().unwrap_or_default();
                let how = match row.permission {
                    Means::SetPolicy(_) => "by changing its policy".to_owned(),
                    Means::Tokens => format!("with tokens of {on}"),
                };
                let condition = row.condition.as_ref().map(|c| format!(", if {}", c.expression));
                let role = format!("{}{}", row.role, condition.unwrap_or_default());
                vec![text(row.member.as_str()), text(how), text(&row.resource), text(role)]
            });
            let table =
                columns(&["COULD LET ITSELF IN", "HOW", "FROM", "ROLE"], rows.collect(), style);
            blocks.push(table);
        }
        blocks
    }
}

fn listed(members: &[Member]) -> String {
    members.iter().map(Member::as_str).collect::<Vec<_>>().join(", ")
}

fn ways_in(rows: &[InvokerRow], style: Style) -> String {
    let has_condition = rows.iter().any(|row| row.condition.is_some());
    let cells = rows.iter().map(|row| {
        let member = text(row.member.as_str());
        let state = row.state.as_str();
        let state = if row.duplicate { text(format!("{state}, duplicate")) } else { text(state) };
        let from = match row.via {
            via if via.is_own() => via.as_str(),
            via @ Via::InvokerCheckDisabled => via.as_str(),
            _ => &row.resource,
        };
        let mut cells: Vec<Cell> = vec![
            if row.member.is_public() && row.state == GrantState::Active {
                member.fg(Color::Red).add_attribute(Attribute::Bold)
            } else {
                member
            },
            text(row.role.as_deref().unwrap_or("(none needed)")),
            text(from),
            match row.state {
                GrantState::Active if !row.duplicate => state,
                GrantState::Conditional => state.fg(Color::Yellow),
                _ => state.add_attribute(Attribute::Dim),
            },
        ];
        if has_condition {
            let expression = row.condition.as_ref().map_or("", |c| c.expression.as_str());
            let now = match row.condition_now {
                Some(HoldsNow::Holds) => " (holds now)",
                Some(HoldsNow::Fails) => " (does not hold now)",
                Some(HoldsNow::Depends) | None => "",
            };
            let left = row.left.as_ref().map(|left| format!(", {left} left)"));
            let now = match &left {
                Some(left) => format!("{}{left}", now.strip_suffix(')').unwrap_or(" (ends")),
                None => now.to_owned(),
            };
            cells.push(text(format!("{expression}{now}")));
        }
        cells
    });
    let headers = ["MEMBER", "ROLE", "VIA", "STATE", "CONDITION"];
    columns(&headers[..4 + usize::from(has_condition)], cells.collect(), style)
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
        "conditionNow",
        "state",
        "endsAt",
        "duplicate",
    ];

    fn table(&self, style: Style) -> String {
        self.blocks(style).join("\n")
    }
}

//! `who`: the principals that can invoke a service, and through what.

use comfy_table::{Attribute, Cell, Color};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::table::{columns, text};
use super::{ConditionShape, Report, Style};
use crate::domain::condition::{Attributes, Condition, Truth, ends_at, evaluate};
use crate::domain::evidence::{Around, Gathered, Layered, Roles, carries};
use crate::domain::exposure::Exposure;
use crate::domain::invokers::{Grant, GrantState};
use crate::domain::role::{INVOKE, PASS_IAP, SET_JOB_POLICY, SET_POLICY};
use crate::domain::target::Target;

/// Who can invoke one service, or run one job.
#[derive(Clone, Debug, Serialize)]
pub struct WhoReport {
    pub sandbox: bool,
    /// The full name of the service or job.
    pub service: String,
    pub kind: &'static str,
    /// `null` of a job, which has no front end.
    pub exposure: Option<Exposure>,
    pub invokers: Vec<InvokerRow>,
    /// Whom Identity-Aware Proxy lets by, where that is on: then it invokes in their place.
    pub iap: Vec<InvokerRow>,
    /// What takes the permission away from some, whatever they are granted.
    pub deny: Vec<DenyRow>,
    /// Who could make themselves an invoker; `null` where it was not asked for.
    pub indirect: Option<Vec<IndirectRow>>,
    pub unknown: Vec<UnknownRow>,
}

/// One way in.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct InvokerRow {
    pub member: String,
    /// `null` where no role is asked for.
    pub role: Option<String>,
    pub via: &'static str,
    /// The resource whose policy says so.
    pub resource: String,
    pub condition: Option<ConditionShape>,
    /// Whether the condition holds now: `holds`, `fails`, or `depends` on the request; `null` where
    /// there is none.
    pub condition_now: Option<&'static str>,
    pub state: &'static str,
    /// When it ends for good, where its condition says so.
    pub ends_at: Option<String>,
    /// Whether another row gives the same member as much.
    pub duplicate: bool,
    /// How long it still lasts, in words.
    #[serde(skip)]
    left: Option<String>,
}

/// A rule that denies.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DenyRow {
    pub resource: String,
    pub policy: String,
    pub principals: Vec<String>,
    pub exceptions: Vec<String>,
    pub condition: Option<ConditionShape>,
}

/// A way to make oneself an invoker.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct IndirectRow {
    pub member: String,
    pub permission: &'static str,
    pub role: String,
    /// The resource whose policy says so.
    pub resource: String,
    /// What it is done with: the service, or the account whose tokens are had.
    pub on: String,
    pub condition: Option<ConditionShape>,
    pub state: &'static str,
}

/// Something that could not be read, and why.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct UnknownRow {
    pub what: String,
    pub why: String,
}

/// What a policy is attached to, in a word.
fn via(resource: &str) -> &'static str {
    match resource.split('/').next() {
        Some("folders") => "folder",
        Some("organizations") => "organization",
        Some("projects") if resource.split('/').count() == 2 => "project",
        Some("projects") if resource.contains("/jobs/") => "job",
        // Identity-Aware Proxy's own for all of a project, and for all of a region.
        Some("projects") if !resource.contains("/services/") => "project",
        _ => "service",
    }
}

/// Whether a condition holds now, as far as that does not rest on a request.
fn holds_now(condition: &Condition, around: &Around, now: OffsetDateTime) -> &'static str {
    let attributes = Attributes { path: None, host: None, time: now, tags: around.tags.as_ref() };
    match evaluate(&condition.expression, &attributes) {
        Truth::True => "holds",
        Truth::False => "fails",
        Truth::Unknown(_) => "depends",
    }
}

impl InvokerRow {
    /// The ways into a service: the check that is off, then what policies grant, the nearest first.
    pub fn all(gathered: &Gathered, now: OffsetDateTime) -> Vec<Self> {
        let open = (!gathered.service.invoker_check).then(|| Self {
            member: "allUsers".to_owned(),
            role: None,
            via: "invoker-check-disabled",
            resource: gathered.service.name.to_string(),
            condition: None,
            condition_now: None,
            state: GrantState::Active.as_str(),
            ends_at: None,
            duplicate: false,
            left: None,
        });
        let granted = Self::holders(&gathered.around, INVOKE, now);
        open.into_iter().chain(granted).collect()
    }

    /// Who holds a permission by what was read, the nearest grants first.
    pub fn holders(around: &Around, permission: &str, now: OffsetDateTime) -> Vec<Self> {
        Self::granted(around, &around.allow, permission, now)
    }

    /// Whom Identity-Aware Proxy lets by: its own policies count, and those of the project and above.
    pub fn past_iap(gathered: &Gathered, now: OffsetDateTime) -> Vec<Self> {
        if !gathered.service.iap {
            return Vec::new();
        }
        let layers: Vec<_> = gathered.around.layers_of_iap(&gathered.iap).cloned().collect();
        Self::granted(&gathered.around, &layers, PASS_IAP, now)
    }

    fn granted(
        around: &Around,
        layers: &[Layered<Grant>],
        permission: &str,
        now: OffsetDateTime,
    ) -> Vec<Self> {
        let mut rows: Vec<Self> = Vec::new();
        let mut before: Vec<&Grant> = Vec::new();
        for (resource, grant) in each(layers) {
            if around.carries(&grant.role, permission) != Some(true) {
                continue;
            }
            let state = grant.state(now);
            let condition = grant.condition.as_ref();
            let shape = condition.map(ConditionShape::from);
            let as_much = |other: &&Grant| {
                let unconditional = other.condition.is_none() && other.counts(now);
                let alike = other.condition == grant.condition && other.state(now) == state;
                other.member.same_as(&grant.member) && (unconditional || alike)
            };
            let end = condition.and_then(|condition| ends_at(&condition.expression));
            rows.push(Self {
                ends_at: end.and_then(|end| end.format(&Rfc3339).ok()),
                left: end.and_then(|end| left(end - now)),
                member: grant.member.to_string(),
                role: Some(grant.role.clone()),
                via: via(resource),
                resource: resource.to_owned(),
                condition_now: condition.map(|condition| holds_now(condition, around, now)),
                state: state.as_str(),
                duplicate: before.iter().any(as_much),
                condition: shape,
            });
            before.push(grant);
        }
        rows
    }

    /// The row in a few words.
    pub fn sentence(&self) -> String {
        let how = match (&self.role, &self.condition) {
            (None, _) => "the invoker check is off".to_owned(),
            (Some(role), None) => role.clone(),
            (Some(role), Some(condition)) => format!("{role}, if {}", condition.expression),
        };
        let from = match self.via {
            "project" | "folder" | "organization" => format!(", from {}", self.resource),
            _ => String::new(),
        };
        match self.state {
            "active" => format!("{} ({how}{from})", self.member),
            state => format!("{} ({how}{from}) [{state}]", self.member),
        }
    }

    /// Whether it is a grant of the service's own policy, which a command can take away.
    pub fn is_own_grant(&self) -> bool {
        matches!(self.via, "service" | "job") && self.role.is_some()
    }
}

impl DenyRow {
    /// The rules above a service that are about invoking it.
    pub fn all(gathered: &Gathered) -> Vec<Self> {
        // No permission is asked for, so that none is denied.
        if !gathered.service.invoker_check {
            return Vec::new();
        }
        Self::of(&gathered.around, INVOKE)
    }

    /// The rules above a resource that are about a permission.
    pub fn of(around: &Around, permission: &str) -> Vec<Self> {
        let rules = around.deny.iter().flat_map(|layer| {
            let rules = layer.read.iter().flatten();
            rules.filter(|rule| rule.covers(permission)).map(move |rule| (layer, rule))
        });
        let texts = |members: &[crate::domain::member::Member]| {
            members.iter().map(ToString::to_string).collect()
        };
        rules
            .map(|(layer, rule)| Self {
                resource: layer.resource.clone(),
                policy: rule.policy_id().to_owned(),
                principals: texts(&rule.denied_principals),
                exceptions: texts(&rule.exception_principals),
                condition: rule.condition.as_ref().map(ConditionShape::from),
            })
            .collect()
    }
}

impl IndirectRow {
    /// Who may set the policy of a service or job (`on`), and so let themselves in.
    pub fn setters(around: &Around, on: &Target, now: OffsetDateTime) -> Vec<Self> {
        let permission = if let Target::Job(_) = on { SET_JOB_POLICY } else { SET_POLICY };
        Self::holders(&around.roles, &around.allow, permission, &on.to_string(), now)
    }

    /// Who holds a permission by these policies, and what it is done with.
    pub fn holders(
        roles: &Roles,
        layers: &[Layered<Grant>],
        permission: &'static str,
        on: &str,
        now: OffsetDateTime,
    ) -> Vec<Self> {
        let holding = each(layers).filter(|(_, grant)| {
            carries(roles, &grant.role, permission) == Some(true) && grant.counts(now)
        });
        let row = |(resource, grant): (&str, &Grant)| Self {
            member: grant.member.to_string(),
            permission,
            role: grant.role.clone(),
            resource: resource.to_owned(),
            on: on.to_owned(),
            condition: grant.condition.as_ref().map(ConditionShape::from),
            state: grant.state(now).as_str(),
        };
        holding.map(row).collect()
    }
}

/// A span that is left, in its two greatest units; `None` where nothing is.
fn left(span: time::Duration) -> Option<String> {
    let span = std::time::Duration::try_from(span).ok().filter(|span| !span.is_zero())?;
    let whole = humantime::format_duration(std::time::Duration::from_secs(span.as_secs().max(1)));
    let whole = whole.to_string();
    Some(whole.split(' ').take(2).collect::<Vec<_>>().join(" "))
}

fn each(layers: &[Layered<Grant>]) -> impl Iterator<Item = (&str, &Grant)> {
    layers
        .iter()
        .flat_map(|layer| layer.read.iter().flatten().map(|grant| (layer.resource.as_str(), grant)))
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
                let mut denied = row.principals.join(", ");
                if !row.exceptions.is_empty() {
                    denied.extend([", but for ", &row.exceptions.join(", ")]);
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
                    SET_POLICY | SET_JOB_POLICY => "by changing its policy".to_owned(),
                    _ => format!("with tokens of {on}"),
                };
                let condition = row.condition.as_ref().map(|c| format!(", if {}", c.expression));
                let role = format!("{}{}", row.role, condition.unwrap_or_default());
                vec![text(&row.member), text(how), text(&row.resource), text(role)]
            });
            let table =
                columns(&["COULD LET ITSELF IN", "HOW", "FROM", "ROLE"], rows.collect(), style);
            blocks.push(table);
        }
        blocks
    }
}

fn ways_in(rows: &[InvokerRow], style: Style) -> String {
    let has_condition = rows.iter().any(|row| row.condition.is_some());
    let cells = rows.iter().map(|row| {
        let public = row.member == "allUsers" || row.member == "allAuthenticatedUsers";
        let member = text(&row.member);
        let state =
            if row.duplicate { format!("{}, duplicate", row.state) } else { row.state.to_owned() };
        let state = text(state);
        let from = match row.via {
            "service" | "job" | "invoker-check-disabled" => row.via.to_owned(),
            _ => row.resource.clone(),
        };
        let mut cells: Vec<Cell> = vec![
            if public && row.state == "active" {
                member.fg(Color::Red).add_attribute(Attribute::Bold)
            } else {
                member
            },
            text(row.role.as_deref().unwrap_or("(none needed)")),
            text(from),
            match row.state {
                "active" if !row.duplicate => state,
                "conditional" => state.fg(Color::Yellow),
                _ => state.add_attribute(Attribute::Dim),
            },
        ];
        if has_condition {
            let expression = row.condition.as_ref().map_or("", |c| c.expression.as_str());
            let now = match row.condition_now {
                Some("holds") => " (holds now)",
                Some("fails") => " (does not hold now)",
                _ => "",
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

//! The outcome of a change, one row a service.

use std::collections::BTreeSet;

use comfy_table::{Attribute, Cell, Color};
use serde::Serialize;

use super::table::{columns, text};
use super::{ConditionShape, Report, Style};
use crate::domain::access::Verdict;
use crate::domain::difference::Difference;
use crate::domain::effect::Basis;
use crate::domain::error::Hint;
use crate::domain::exposure::Exposure;
use crate::domain::invokers::Grant;
use crate::domain::member::Member;
use crate::domain::outcome::{ChangeOutcome, Status};
use crate::domain::plan::{Remaining, RemainingVia};
use crate::domain::printable::one_line;
use crate::domain::setting::Setting;
use crate::domain::ways_in::Via;

/// The outcome of a command that writes.
#[derive(Clone, Debug, Serialize)]
pub struct ChangesReport {
    pub sandbox: bool,
    pub changes: Vec<ChangeRow>,
    /// Access that members keep after their grants were revoked; present only if it was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<Vec<LeftRow>>,
}

/// A command ready to run, by the tool that runs it.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Command {
    /// A command of this program.
    Own(String),
    Gcloud(String),
}

impl Command {
    pub fn text(&self) -> &str {
        let (Self::Own(text) | Self::Gcloud(text)) = self;
        text
    }
}

/// A grant or open check through which a member can still invoke a service.
#[derive(Clone, Debug, Serialize)]
pub struct LeftRow {
    pub member: Member,
    pub service: String,
    /// `null` if no permission is checked.
    pub role: Option<String>,
    pub condition: Option<ConditionShape>,
    pub via: Via,
    /// The resource whose policy contains the grant.
    pub resource: String,
    /// The command that removes this access for this member alone; `null` if no command does.
    pub command: Option<Command>,
    /// The principal that the grant names: the member itself, or a group or set that contains it.
    #[serde(skip)]
    pub holder: Member,
    #[serde(skip)]
    pub short: String,
}

impl LeftRow {
    /// The row as one sentence.
    pub fn words(&self) -> String {
        let Self { member, short, role, condition, via, resource, holder, .. } = self;
        let on = if *resource == self.service { "it".to_owned() } else { format!("`{resource}`") };
        let on = match condition {
            Some(under) => format!("{on}, if `{}`", under.expression),
            None => on,
        };
        let what = match (role, via) {
            (None, _) => format!("anyone can still invoke `{short}`: the invoker check is off"),
            (Some(role), Via::ActAs) => format!(
                "`{member}` may have tokens of an account that can invoke `{short}`: `{holder}` has `{role}` on {on}"
            ),
            (Some(role), Via::Iap) => format!(
                "`{member}` still passes Identity-Aware Proxy at `{short}`: `{holder}` has `{role}` on {on}"
            ),
            (Some(role), _) => {
                format!("`{member}` is still let in at `{short}`: `{holder}` has `{role}` on {on}")
            }
        };
        match self.command {
            Some(_) => what,
            None => format!("{what}; no command ends that for this member alone"),
        }
    }
}

/// The outcome of a change of one resource.
#[derive(Clone, Debug, Serialize)]
pub struct ChangeRow {
    /// The id of the journal entry; `null` if nothing was written.
    pub id: Option<String>,
    /// The full name of the changed resource, in most cases a service.
    pub service: String,
    pub kind: &'static str,
    pub action: &'static str,
    pub status: Status,
    #[serde(flatten)]
    pub difference: DifferenceShape,
    pub exposure: Option<ExposureShape>,
    pub remaining: Vec<RemainingShape>,
    /// Deleted principals, which an undo or a restore omits.
    #[serde(rename = "leftOut", skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    pub effect: Vec<EffectShape>,
    pub attempts: u32,
    pub error: Option<ErrorShape>,
    #[serde(skip)]
    project: String,
    #[serde(skip)]
    short: String,
}

/// The grants added and removed, and the settings changed.
#[derive(Clone, Debug, Serialize)]
pub struct DifferenceShape {
    pub added: Vec<GrantShape>,
    pub removed: Vec<GrantShape>,
    pub settings: Vec<SettingShape>,
}

/// An added or removed grant.
#[derive(Clone, Debug, Serialize)]
pub struct GrantShape {
    pub role: String,
    pub member: String,
    pub condition: Option<ConditionShape>,
}

/// A changed setting.
#[derive(Clone, Debug, Serialize)]
pub struct SettingShape {
    pub name: &'static str,
    /// `null` if it did not exist before the change.
    pub before: Option<String>,
    /// `null` if it does not exist after the change.
    pub after: Option<String>,
    #[serde(skip)]
    pub(super) words: String,
}

impl From<Difference> for DifferenceShape {
    fn from(Difference { added, removed, settings }: Difference) -> Self {
        let grants = |grants: Vec<Grant>| grants.into_iter().map(GrantShape::from).collect();
        Self {
            added: grants(added),
            removed: grants(removed),
            settings: settings.into_iter().map(SettingShape::from).collect(),
        }
    }
}

impl From<Setting> for SettingShape {
    fn from(setting: Setting) -> Self {
        let (before, after) = setting.values();
        Self {
            name: setting.name(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
            words: setting.words(),
        }
    }
}

impl GrantShape {
    /// The member, the role and the title of the condition.
    pub(super) fn words(&self) -> String {
        let condition = self.condition.as_ref().map(|condition| condition.title.as_str());
        let under = condition.map(|title| format!(" under `{title}`")).unwrap_or_default();
        format!("{} ({}){under}", self.member, self.role)
    }
}

impl From<Grant> for GrantShape {
    fn from(grant: Grant) -> Self {
        Self {
            condition: grant.condition.as_ref().map(ConditionShape::from),
            member: grant.member.to_string(),
            role: grant.role,
        }
    }
}

/// The exposure before and after the change.
#[derive(Clone, Debug, Serialize)]
pub struct ExposureShape {
    pub before: Exposure,
    pub after: Exposure,
}

/// The effect of a change on a principal.
#[derive(Clone, Debug, Serialize)]
pub struct EffectShape {
    pub member: String,
    pub service: String,
    pub verdict: Verdict,
    pub because: String,
    pub basis: Basis,
}

/// A grant that still exists.
#[derive(Clone, Debug, Serialize)]
pub struct RemainingShape {
    /// `null` if no role is needed.
    pub role: Option<String>,
    pub member: String,
    pub via: Via,
    pub condition: Option<ConditionShape>,
}

/// Why the change failed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorShape {
    pub code: &'static str,
    pub exit_code: u8,
    pub message: String,
    pub hints: Vec<Hint>,
}

impl ChangesReport {
    /// Builds the report from the outcomes.
    pub fn new(sandbox: bool, outcomes: Vec<ChangeOutcome>) -> Self {
        let mut changes: Vec<ChangeRow> = outcomes.into_iter().map(ChangeRow::from).collect();
        let projects: BTreeSet<String> = changes.iter().map(|row| row.project.clone()).collect();
        if projects.len() > 1 {
            for row in &mut changes {
                row.short.clone_from(&row.service);
            }
        }
        Self { sandbox, changes, left: None }
    }
}

impl From<ChangeOutcome> for ChangeRow {
    fn from(outcome: ChangeOutcome) -> Self {
        let ChangeOutcome {
            id,
            target,
            action,
            status,
            difference,
            exposure,
            remaining,
            left_out,
            // Used only for the exit code and for the journal.
            leaves_access: _,
            finds_nothing: _,
            before: _,
            after: _,
            inferred: _,
            fate_unknown: _,
            is_conditional: _,
            unread: _,
            effect,
            attempts,
            error,
        } = outcome;
        Self {
            id: id.map(|id| id.to_string()),
            service: target.to_string(),
            kind: target.kind(),
            action: action.as_str(),
            status,
            difference: difference.into(),
            exposure: exposure.map(|(before, after)| ExposureShape { before, after }),
            remaining: remaining.into_iter().map(RemainingShape::from).collect(),
            left_out: left_out.iter().map(Member::to_string).collect(),
            effect: effect
                .into_iter()
                .map(|effect| EffectShape {
                    member: effect.member.to_string(),
                    service: target.to_string(),
                    verdict: effect.verdict,
                    because: effect.because,
                    basis: effect.basis,
                })
                .collect(),
            attempts,
            error: error.map(|error| {
                let message = error.in_one_line();
                let (code, exit_code) = (error.kind.code(), error.exit_code().number());
                ErrorShape { code, exit_code, message, hints: error.hints }
            }),
            project: target.project().to_owned(),
            short: target.short(),
        }
    }
}

impl From<Remaining> for RemainingShape {
    fn from(Remaining { member, via }: Remaining) -> Self {
        let member = member.to_string();
        match via {
            RemainingVia::InvokerCheckDisabled => {
                Self { role: None, member, via: Via::InvokerCheckDisabled, condition: None }
            }
            RemainingVia::Policy { role, condition } => Self {
                role: Some(role),
                member,
                via: Via::Service,
                condition: condition.as_ref().map(ConditionShape::from),
            },
        }
    }
}

impl Report for ChangesReport {
    const ROWS: Option<&'static str> = Some("changes");
    const PATHS: &'static [&'static str] = &[
        "id",
        "service",
        "kind",
        "action",
        "status",
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
        "exposure",
        "exposure.before",
        "exposure.after",
        "remaining",
        "remaining.role",
        "remaining.member",
        "remaining.via",
        "remaining.condition",
        "remaining.condition.title",
        "remaining.condition.expression",
        "leftOut",
        "effect",
        "effect.member",
        "effect.service",
        "effect.verdict",
        "effect.because",
        "effect.basis",
        "left",
        "left.member",
        "left.service",
        "left.role",
        "left.via",
        "left.resource",
        "left.command",
        "attempts",
        "error",
        "error.code",
        "error.exitCode",
        "error.message",
        "error.hints",
    ];

    fn table(&self, style: Style) -> String {
        let rows = self
            .changes
            .iter()
            .map(|row| {
                let status = text(row.status.as_str());
                vec![
                    text(&row.short),
                    match row.status {
                        Status::Changed => status.fg(Color::Green),
                        Status::Failed | Status::Refused => {
                            status.fg(Color::Red).add_attribute(Attribute::Bold)
                        }
                        Status::Planned | Status::Unchanged => status,
                    },
                    Cell::new(row.what_changed()),
                ]
            })
            .collect();
        columns(&["SERVICE", "STATUS", "CHANGE"], rows, style)
    }
}

impl ChangeRow {
    fn what_changed(&self) -> String {
        let signed = |sign: char, grants: &[GrantShape]| -> Vec<String> {
            grants.iter().map(|grant| one_line(&format!("{sign}{}", grant.words()))).collect()
        };
        let mut parts = signed('+', &self.difference.added);
        parts.extend(signed('-', &self.difference.removed));
        parts.extend(self.difference.settings.iter().map(|setting| {
            match (&setting.before, &setting.after) {
                (Some(_), Some(after)) => format!("{}: {after}", setting.name),
                _ => setting.words.clone(),
            }
        }));
        match &self.error {
            Some(error) => error.code.to_owned(),
            None => parts.join("\n"),
        }
    }
}

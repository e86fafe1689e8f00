//! What a change would do, step by step, worked out before anything is written.
//!
//! A plan is made here and nowhere else: its fields are private and only the `plan_*` functions
//! put one together, so whatever is written was planned from what was read.

mod public;
mod revoke;

use google_cloud_iam_v1::model::Policy;
use thiserror::Error;
use time::OffsetDateTime;

pub use self::public::{PublicVia, plan_make_private, plan_make_public};
pub use self::revoke::{
    ConditionChoice, Remaining, RemainingVia, RevokeRequest, RoleChoice, plan_revoke,
};
use super::constraint::Constraints;
use super::evidence::{Layered, Roles};
use super::exposure::{self, Exposure, ExposureReport};
use super::invokers::{Grant, grants};
use super::member::Member;
use super::policy::{self, Edit, LimitError};
use super::resource::ServiceName;
use super::role::{self, Invokes, Role};
use super::service::Service;

/// What was read of one service before a change.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub name: ServiceName,
    /// Read only where the change, or what it does to exposure, rests on it.
    pub service: Option<Service>,
    /// At version 3, with its etag.
    pub policy: Policy,
    /// What organisation policies are in force; `None` where nobody looked.
    pub constraints: Option<Constraints>,
    /// What is granted above the service; empty where nobody looked.
    pub above: Vec<Layered<Grant>>,
    /// The roles that it grants and that are in no table.
    pub roles: Roles,
    pub read_at: OffsetDateTime,
}

/// The command that a change came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Grant,
    MakePrivate,
    MakePublic,
    Revoke,
}

impl Action {
    /// The command's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::MakePrivate => "make-private",
            Self::MakePublic => "make-public",
            Self::Revoke => "revoke",
        }
    }
}

/// A setting of a service that a change turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name in `describe`'s JSON.
    pub name: &'static str,
    pub before: &'static str,
    pub after: &'static str,
}

/// One write on one resource, with its precondition.
#[derive(Clone, Debug)]
pub struct Step(StepKind);

/// What a step writes.
#[derive(Clone, Debug)]
pub enum StepKind {
    /// Sets the service's policy; its etag, which is in it, is the precondition.
    SetPolicy(Policy),
    /// Turns the invoker check on or off, if the service is still at `etag`.
    SetInvokerCheck { on: bool, etag: String },
}

impl Step {
    /// What the step writes, given up to the one who writes it.
    pub fn into_kind(self) -> StepKind {
        self.0
    }

    /// Whether it sets the policy, and so does what the plan adds and removes.
    pub fn sets_policy(&self) -> bool {
        matches!(self.0, StepKind::SetPolicy(_))
    }

    /// What the step does, for a sentence.
    pub fn describe(&self) -> &'static str {
        match &self.0 {
            StepKind::SetPolicy(_) => "set the policy",
            StepKind::SetInvokerCheck { on: true, .. } => "turn the invoker check on",
            StepKind::SetInvokerCheck { on: false, .. } => "turn the invoker check off",
        }
    }
}

/// What would change on one service. Empty of steps where all is so already.
#[derive(Clone, Debug)]
pub struct Plan {
    target: ServiceName,
    action: Action,
    steps: Vec<Step>,
    added: Vec<Grant>,
    removed: Vec<Grant>,
    settings: Vec<Setting>,
    exposure: Option<(Exposure, Exposure)>,
    remaining: Vec<Remaining>,
    /// Whether a member that was to lose access can still invoke, or may.
    leaves_access: bool,
    notes: Vec<String>,
    warnings: Vec<String>,
}

/// Why a change is not even planned.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    #[error("`{service}` takes no more: {limit}")]
    Limit { service: String, limit: LimitError },
    #[error("`{member}` has `{role}` on `{service}` under a condition only")]
    OnlyConditional { service: String, member: Member, role: String, titles: Vec<String> },
    #[error("`{member}` has no binding on `{service}` whose condition is titled `{title}`")]
    NoSuchCondition { service: String, member: Member, title: String, titles: Vec<String> },
    #[error("the organisation policy `constraints/{constraint}` {what} on `{service}`")]
    Forbidden { service: String, constraint: &'static str, what: String, other_way_open: bool },
    #[error("the settings of `{service}` were not read, and this change rests on them")]
    ServiceUnread { service: String },
}

impl Plan {
    pub fn target(&self) -> &ServiceName {
        &self.target
    }

    pub fn action(&self) -> Action {
        self.action
    }

    pub fn added(&self) -> &[Grant] {
        &self.added
    }

    pub fn removed(&self) -> &[Grant] {
        &self.removed
    }

    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    pub fn exposure(&self) -> Option<(Exposure, Exposure)> {
        self.exposure
    }

    /// What still lets the members invoke that lose something.
    pub fn remaining(&self) -> &[Remaining] {
        &self.remaining
    }

    /// Whether any member of a revocation can still invoke, or may, lost or not.
    pub fn leaves_access(&self) -> bool {
        self.leaves_access
    }

    /// What a reader of the plan should know.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What a reader of the plan should stop at.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether all is so already.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The step that does this, as it describes itself.
    pub fn step(&self, what: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.describe() == what)
    }

    /// The steps, in the order in which they are to be done.
    pub fn into_steps(self) -> Vec<Step> {
        self.steps
    }

    /// Whether this plan does nothing beyond what `confirmed` showed: no other member, role,
    /// setting, and no more exposure.
    pub fn is_within(&self, confirmed: &Self) -> bool {
        let covered = |mine: &[Grant], theirs: &[Grant]| {
            mine.iter().all(|grant| {
                theirs.iter().any(|shown| {
                    shown.role == grant.role
                        && shown.member.same_as(&grant.member)
                        && shown.condition == grant.condition
                })
            })
        };
        let exposure = match (self.exposure, confirmed.exposure) {
            (Some((_, after)), Some((_, shown))) => after >= shown,
            (None, _) => true,
            (Some(_), None) => false,
        };
        covered(&self.added, &confirmed.added)
            && covered(&self.removed, &confirmed.removed)
            && self.settings.iter().all(|setting| confirmed.settings.contains(setting))
            && exposure
    }

    fn from_edit(action: Action, snapshot: &Snapshot, edit: Edit) -> Self {
        let exposure = snapshot.service.as_ref().map(|service| {
            (judge(service, &snapshot.policy, snapshot), judge(service, &edit.policy, snapshot))
        });
        let steps =
            if edit.is_empty() { Vec::new() } else { vec![Step(StepKind::SetPolicy(edit.policy))] };
        Self {
            target: snapshot.name.clone(),
            action,
            steps,
            added: edit.added,
            removed: edit.removed,
            settings: Vec::new(),
            exposure,
            remaining: Vec::new(),
            leaves_access: false,
            notes: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// Why a set of plans must be confirmed before any of it is done; empty where it need not be.
pub fn reasons_to_ask<'a>(
    plans: impl IntoIterator<Item = &'a Plan>,
    picked_by_pattern: bool,
) -> Vec<String> {
    let plans: Vec<&Plan> = plans.into_iter().filter(|plan| !plan.is_empty()).collect();
    let mut reasons: Vec<String> = Vec::new();
    let mut add = |reason: String| {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    };
    let mut losers: Vec<String> = Vec::new();
    for plan in &plans {
        if plan.action == Action::MakePublic {
            add(format!("`{}` becomes public", plan.target.short()));
        }
        if plan.action == Action::MakePrivate {
            add(format!("`{}` becomes private", plan.target.short()));
        }
        if matches!(plan.action, Action::MakePublic | Action::MakePrivate) {
            continue;
        }
        for grant in &plan.added {
            if grant.member.is_broad() {
                add(format!("`{}` gains access", grant.member));
            }
            match role::can_grant(&grant.role) {
                Some(true) => {
                    add(format!("`{}` lets its members grant access to others", grant.role));
                }
                None => add(format!(
                    "`{}` is not known here and may let its members grant access to others",
                    grant.role
                )),
                Some(false) => {}
            }
        }
        for grant in &plan.removed {
            if grant.member.is_broad() {
                add(format!("`{}` loses access", grant.member));
            }
            let key = grant.member.key();
            if !losers.contains(&key) {
                losers.push(key);
            }
        }
    }
    if losers.len() > 1 {
        add(format!("{} principals lose access", losers.len()));
    }
    if picked_by_pattern && plans.len() > 1 {
        add(format!("{} services change", plans.len()));
    }
    reasons
}

/// Plans to give `members` the role on one service.
pub fn plan_grant(snapshot: &Snapshot, role: &Role, members: &[Member]) -> Result<Plan, Refusal> {
    let edit = policy::add(&snapshot.policy, role, members)
        .map_err(|limit| Refusal::Limit { service: snapshot.name.short(), limit })?;
    let mut plan = Plan::from_edit(Action::Grant, snapshot, edit);
    let added: Vec<Member> = plan.added.iter().map(|grant| grant.member.clone()).collect();
    plan.warnings.extend(public::may_be_added(snapshot, &added)?);
    match role::invokes(role.as_str()) {
        Invokes::Yes => {}
        _ if plan.is_empty() => {}
        Invokes::No => plan.warnings.push(format!("`{role}` does not let anyone invoke a service")),
        Invokes::Unknown => {
            plan.notes.push(format!("whether `{role}` lets its members invoke is not known here"));
        }
    }
    for grant in grants(&snapshot.policy) {
        let conditional = grant.condition.as_ref().filter(|_| grant.role == role.as_str());
        if let Some(condition) = conditional
            && plan.added.iter().any(|added| added.member.same_as(&grant.member))
        {
            plan.notes.push(format!(
                "`{}` had this role under the condition `{}`, which limits nothing from now on",
                grant.member, condition.title
            ));
        }
    }
    if let Some(service) = &snapshot.service {
        let public = plan.added.iter().any(|grant| grant.member.is_public());
        if public {
            plan.warnings.extend(public::obstacles(service));
        }
    }
    Ok(plan)
}

/// How exposed a service is with this policy, by all that the snapshot holds.
fn judge(service: &Service, policy: &Policy, snapshot: &Snapshot) -> Exposure {
    judged(service, policy, snapshot).exposure
}

fn judged(service: &Service, policy: &Policy, snapshot: &Snapshot) -> ExposureReport {
    let above = (snapshot.above.as_slice(), &snapshot.roles);
    exposure::judge_with(service, Some(&grants(policy)), above, snapshot.read_at)
}

#[cfg(test)]
mod tests;

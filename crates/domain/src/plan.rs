//! What a change would do, step by step, worked out before anything is written.
//!
//! A plan is made here and nowhere else: its fields are private and only the changes of this module
//! ([`Change`]) put one together, so whatever is written was planned from what was read.

mod account;
mod audience;
mod change;
mod confirmation;
mod connect;
mod grant;
mod iap;
mod mapping;
mod obstacles;
mod public;
mod restore;
mod revoke;
mod turn;
mod undo;

use crate::policy::Policy;
use thiserror::Error;
use time::OffsetDateTime;

pub use self::audience::SetAudience;
pub use self::change::{Change, Needs, Use};
pub use self::confirmation::reasons_to_ask;
pub use self::connect::Connect;
pub use self::grant::{GrantRole, MADE_UP};
pub use self::iap::TurnIap;
pub use self::mapping::{MapDomain, UnmapDomain};
pub use self::public::{MakePrivate, MakePublic, PublicVia};
pub use self::restore::{Restore, SavedError, SavedPolicy};
pub use self::revoke::{
    ClearGrants, ConditionChoice, Remaining, RemainingVia, RevokeGrants, RoleChoice,
};
pub use self::turn::TurnSwitch;
pub use self::undo::{TakeBack, Undo, left_out};
use super::action::Action;
use super::difference::{Difference, Etags};
use super::effect::{self, Effect, OwnPolicy};
use super::evidence::Roles;
use super::exposure::{self, Exposure, ExposureReport};
use super::invokers::{Grant, grants};
use super::member::{Member, MemberKind};
use super::policy::{Edit, LimitError};
use super::resource::ServiceName;
use super::service::Service;
use super::setting::{Setting, Switch};
use super::snapshot::Snapshot;
use super::target::{AccountName, MappingName, Target, WorkloadName};

/// One write on one resource, with its precondition.
#[derive(Clone, Debug)]
pub struct Step(StepKind);

/// What a step writes, and on what.
#[derive(Clone, Debug)]
pub enum StepKind {
    /// Sets a policy. The etag in the policy is the precondition.
    SetPolicy { of: PolicyOwner, policy: Policy },
    /// Turns switches and, if `audiences` is given, sets the list of custom audiences. `etag` is the precondition.
    UpdateService {
        service: ServiceName,
        switches: Vec<Switch>,
        audiences: Option<Vec<String>>,
        etag: String,
    },
    /// Creates the service account, which must not exist.
    CreateAccount { account: AccountName, display_name: String },
    /// Deletes the service account that has this unique id.
    DeleteAccount { account: AccountName, unique_id: String },
    /// Maps the domain to a service; with `force` even if it is mapped elsewhere.
    MapDomain { mapping: MappingName, service: String, force: bool },
    /// Removes the domain's mapping. The API takes no precondition.
    UnmapDomain(MappingName),
}

/// A resource that has an IAM policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyOwner {
    Account(AccountName),
    Service(ServiceName),
    Workload(WorkloadName),
}

impl PolicyOwner {
    /// The owner of a target's policy; a domain mapping has none.
    fn of(target: &Target) -> Option<Self> {
        match target {
            Target::Account(account) => Some(Self::Account(account.clone())),
            Target::Mapping(_) => None,
            Target::Service(service) => Some(Self::Service(service.clone())),
            Target::Workload(workload) => Some(Self::Workload(workload.clone())),
        }
    }
}

impl From<PolicyOwner> for Target {
    fn from(owner: PolicyOwner) -> Self {
        match owner {
            PolicyOwner::Account(account) => Self::Account(account),
            PolicyOwner::Service(service) => Self::Service(service),
            PolicyOwner::Workload(workload) => Self::Workload(workload),
        }
    }
}

impl Step {
    /// What the step writes.
    pub fn into_kind(self) -> StepKind {
        self.0
    }

    /// Whether it sets the policy, and so adds and removes the plan's grants.
    pub fn sets_policy(&self) -> bool {
        matches!(self.0, StepKind::SetPolicy { .. })
    }

    /// The resource that the step writes.
    pub fn target(&self) -> Target {
        match self.0.clone() {
            StepKind::SetPolicy { of, .. } => of.into(),
            StepKind::UpdateService { service, .. } => Target::Service(service),
            StepKind::CreateAccount { account, .. } | StepKind::DeleteAccount { account, .. } => {
                Target::Account(account)
            }
            StepKind::MapDomain { mapping, .. } | StepKind::UnmapDomain(mapping) => {
                Target::Mapping(mapping)
            }
        }
    }

    /// What the step does, in words.
    pub fn describe(&self) -> String {
        match &self.0 {
            StepKind::SetPolicy { .. } => "set the policy".to_owned(),
            StepKind::UpdateService { switches, audiences, .. } => {
                let turned = switches.iter().map(Switch::turned);
                let listed = audiences.iter().map(|_| "set the custom audiences".to_owned());
                turned.chain(listed).collect::<Vec<_>>().join(" and ")
            }
            StepKind::CreateAccount { .. } => "create the service account".to_owned(),
            StepKind::DeleteAccount { .. } => "delete the service account".to_owned(),
            StepKind::MapDomain { .. } => "map the domain".to_owned(),
            StepKind::UnmapDomain(_) => "unmap the domain".to_owned(),
        }
    }
}

/// What would change on one resource. It has no steps if nothing has to change.
#[derive(Clone, Debug)]
pub struct Plan {
    target: Target,
    action: Action,
    etags: Etags,
    steps: Vec<Step>,
    difference: Difference,
    exposure: Option<(Exposure, Exposure)>,
    remaining: Vec<Remaining>,
    /// Deleted principals, which an undo or a restore omits.
    left_out: Vec<Member>,
    /// Whether a member whose access was revoked can still invoke, or may.
    leaves_access: bool,
    /// Whether nothing is left of the earlier change that it would undo.
    finds_nothing: bool,
    notes: Vec<String>,
    warnings: Vec<String>,
    /// What must be confirmed, in addition to what holds for every plan.
    asks: Vec<String>,
    /// Grants that stay and could be confused with the added ones.
    beside: Vec<Grant>,
    is_conditional: bool,
    /// What the change needs and could not read, so that it does a part alone.
    unread: Option<String>,
    /// Why the policy could not be read.
    policy_unread: Option<String>,
    /// The service itself, before and after; `None` if it was not read.
    facts: Option<(Service, Service)>,
    /// The grants of the policy, before and after.
    grants: (Vec<Grant>, Vec<Grant>),
    roles: Roles,
    read_at: OffsetDateTime,
}

/// Why a change cannot be planned.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    #[error("`{service}` takes no more: {limit}")]
    Limit { service: String, limit: LimitError },
    #[error("`{member}` has `{role}` on `{service}` without a condition: one would limit nothing")]
    LimitsNothing { service: String, member: Member, role: String },
    #[error("`{member}` has `{role}` on `{service}` under a condition only")]
    OnlyConditional { service: String, member: Member, role: String, titles: Vec<String> },
    #[error("`{member}` has no binding on `{service}` whose condition is titled `{title}`")]
    NoSuchCondition { service: String, member: Member, title: String, titles: Vec<String> },
    #[error("the organisation policy `constraints/{constraint}` {what} on `{service}`")]
    Forbidden { service: String, constraint: &'static str, what: String, other_way_open: bool },
    #[error("`{name}` is not there")]
    NotThere { name: String },
    #[error("`{domain}` leads to `{service}` already")]
    MappedElsewhere { domain: String, service: String },
    #[error("`{member}` cannot be granted anything on `{service}`: a job takes only who is named")]
    Membership { service: String, member: Member },
    #[error("the condition `{expression}` asks of an address, and `{service}` has none")]
    AsksOfAnAddress { service: String, expression: String },
    #[error("what is saved cannot be restored on `{service}`: {why}")]
    CannotStand { service: String, why: String },
    #[error("the settings of `{service}` were not read, and this change rests on them")]
    ServiceUnread { service: String },
    #[error("the change cannot be undone on `{service}`: {why}")]
    NotToBeUndone { service: String, why: String },
    #[error("{why}: restoring `{service}` may take back what others did")]
    SavedBefore { service: String, why: &'static str },
}

/// The order of the plans of one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It creates what other plans depend on.
    First,
    Between,
    /// It deletes what other plans depended on.
    Last,
}

impl Plan {
    /// Its place in the order.
    pub fn stage(&self) -> Stage {
        let has = |kind: fn(&StepKind) -> bool| self.steps.iter().any(|step| kind(&step.0));
        if has(|kind| matches!(kind, StepKind::CreateAccount { .. })) {
            Stage::First
        } else if has(|kind| matches!(kind, StepKind::DeleteAccount { .. })) {
            Stage::Last
        } else {
            Stage::Between
        }
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    pub fn action(&self) -> Action {
        self.action
    }

    /// The versions of what was read.
    pub fn etags(&self) -> &Etags {
        &self.etags
    }

    /// All that it would change.
    pub fn difference(&self) -> &Difference {
        &self.difference
    }

    pub fn added(&self) -> &[Grant] {
        &self.difference.added
    }

    pub fn removed(&self) -> &[Grant] {
        &self.difference.removed
    }

    pub fn settings(&self) -> &[Setting] {
        &self.difference.settings
    }

    pub fn exposure(&self) -> Option<(Exposure, Exposure)> {
        self.exposure
    }

    /// What still lets members invoke that lose something.
    pub fn remaining(&self) -> &[Remaining] {
        &self.remaining
    }

    /// Deleted principals, which an undo or a restore omits.
    pub fn left_out(&self) -> &[Member] {
        &self.left_out
    }

    /// Whether any member of a revocation can still invoke, or may.
    pub fn leaves_access(&self) -> bool {
        self.leaves_access
    }

    /// Whether nothing is left of the earlier change that it would undo.
    pub fn finds_nothing(&self) -> bool {
        self.finds_nothing
    }

    /// Notes for the user.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Warnings for the user.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What the change needs and could not read, so that it does a part alone.
    pub fn unread(&self) -> Option<&str> {
        self.unread.as_deref()
    }

    /// The effect on each principal that gains or loses; on everyone if it opens or closes a service. Empty if it changes
    /// nothing, or is about what nobody invokes or runs.
    pub fn effect(&self) -> Vec<Effect> {
        let is_used = matches!(self.target, Target::Service(_) | Target::Workload(_))
            && self.target.permission().is_some();
        if self.is_empty() || !is_used {
            return Vec::new();
        }
        let own = |grants, service| OwnPolicy {
            target: &self.target,
            service,
            grants,
            roles: &self.roles,
            now: self.read_at,
        };
        let facts = self.facts.as_ref();
        let before = own(&self.grants.0, facts.map(|(before, _)| before));
        let after = own(&self.grants.1, facts.map(|(_, after)| after));
        let mut members: Vec<Member> = Vec::new();
        if self.action.is_about_everyone() || !self.difference.settings.is_empty() {
            members.push(Member::all_users());
        }
        if !self.action.is_about_everyone() {
            let changed = self.difference.added.iter().chain(&self.difference.removed);
            for grant in changed.filter(|grant| grant.member.kind() != MemberKind::Deleted) {
                if !members.iter().any(|known| known.same_as(&grant.member)) {
                    members.push(grant.member.clone());
                }
            }
        }
        let judged = members.iter().map(|member| effect::effect(before, after, member));
        match &self.policy_unread {
            None => judged.collect(),
            Some(why) => judged.map(|effect| effect.without_policy(why)).collect(),
        }
    }

    /// Grants that stay and could be confused with the added ones.
    pub fn beside(&self) -> &[Grant] {
        &self.beside
    }

    /// Whether the policy contains a condition.
    pub fn is_conditional(&self) -> bool {
        self.is_conditional
    }

    /// Whether nothing has to change.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether it has a step that sets the policy, or one that turns settings.
    pub fn has_step(&self, sets_policy: bool) -> bool {
        self.steps.iter().any(|step| step.sets_policy() == sets_policy)
    }

    /// The steps, in order.
    pub fn into_steps(self) -> Vec<Step> {
        self.steps
    }

    /// Whether this plan stays within `confirmed`: no other member, role or setting, and no more exposure.
    pub fn is_within(&self, confirmed: &Self) -> bool {
        let covered = |mine: &[Grant], theirs: &[Grant]| {
            mine.iter().all(|grant| theirs.iter().any(|shown| shown.same_as(grant)))
        };
        let exposure = match (self.exposure, confirmed.exposure) {
            (Some((_, after)), Some((_, shown))) => after >= shown,
            (None, _) => true,
            (Some(_), None) => false,
        };
        covered(&self.difference.added, &confirmed.difference.added)
            && covered(&self.difference.removed, &confirmed.difference.removed)
            && self
                .difference
                .settings
                .iter()
                .all(|setting| confirmed.difference.settings.contains(setting))
            && exposure
    }

    /// Whether removing a grant removes access: the grant counts, and nothing replaces it.
    fn takes_from(&self, grant: &Grant) -> bool {
        let same = |added: &&Grant| added.role == grant.role && added.member.same_as(&grant.member);
        grant.counts(self.read_at) && !self.difference.added.iter().any(|added| same(&added))
    }

    /// A plan that does nothing yet.
    fn unchanged(action: Action, snapshot: &Snapshot) -> Self {
        let policy = snapshot.policy.clone();
        Self::from_edit(action, snapshot, Edit { policy, added: Vec::new(), removed: Vec::new() })
    }

    fn from_edit(action: Action, snapshot: &Snapshot, edit: Edit) -> Self {
        let exposure = match (snapshot.weighed(), &snapshot.unread) {
            (Some(service), _) => {
                let judged = |policy| judge(service, policy, snapshot);
                Some((judged(&snapshot.policy), judged(&edit.policy)))
            }
            (None, Some(_)) if snapshot.weighs_exposure => {
                Some((Exposure::Unknown, Exposure::Unknown))
            }
            (None, _) => None,
        };
        let policy_unread = snapshot.policy_unread.as_ref();
        let policy_unread =
            policy_unread.map(|why| format!("who may invoke it is not known: {why}"));
        let held = grants(&snapshot.policy);
        let is_conditional = held.iter().any(|grant| grant.condition.is_some());
        let after = grants(&edit.policy);
        let owner = PolicyOwner::of(&snapshot.name).filter(|_| !edit.is_empty());
        let set = owner.map(|of| Step(StepKind::SetPolicy { of, policy: edit.policy }));
        let steps = set.into_iter().collect();
        Self {
            target: snapshot.name.clone(),
            action,
            etags: snapshot.etags(),
            steps,
            difference: Difference {
                added: edit.added,
                removed: edit.removed,
                settings: Vec::new(),
            },
            exposure,
            remaining: Vec::new(),
            left_out: Vec::new(),
            leaves_access: false,
            finds_nothing: false,
            notes: Vec::new(),
            warnings: policy_unread.into_iter().collect(),
            asks: Vec::new(),
            beside: Vec::new(),
            is_conditional,
            unread: None,
            policy_unread: snapshot.policy_unread.clone(),
            facts: snapshot.service.clone().map(|facts| (facts.clone(), facts)),
            grants: (held, after),
            roles: snapshot.roles.clone(),
            read_at: snapshot.read_at,
        }
    }
}

/// The exposure of a service with this policy, by everything in the snapshot.
fn judge(service: &Service, policy: &Policy, snapshot: &Snapshot) -> Exposure {
    if snapshot.policy_unread.is_some() {
        return Exposure::Unknown;
    }
    judged(service, policy, snapshot).exposure
}

fn judged(service: &Service, policy: &Policy, snapshot: &Snapshot) -> ExposureReport {
    let above = (snapshot.above.as_slice(), &snapshot.roles);
    exposure::judge_with(service, Some(&grants(policy)), above, snapshot.read_at)
}

#[cfg(test)]
mod tests;

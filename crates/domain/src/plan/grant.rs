//! Plans that give a role to principals, for good or under a condition.

use super::{Change, Needs, Plan, Refusal, Use, obstacles};
use crate::action::Action;
use crate::condition::{self, Condition};
use crate::constraint::is_worth_asking;
use crate::invokers::{Grant, grants};
use crate::member::Member;
use crate::policy;
use crate::resource::Invoked;
use crate::role::{Invokes, Role};
use crate::snapshot::Snapshot;
use crate::target::{Target, WorkloadKind};

/// How a title ends that this program makes up for a grant that ends.
pub const MADE_UP: &str = "(runaccess)";

/// Gives a role to principals, for good or under a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRole {
    pub role: Role,
    pub members: Vec<Member>,
    /// The condition, checked; a member's earlier grant that differs in its end only gives way to it.
    pub condition: Option<Condition>,
    /// Whether organisation policies are looked at before a foreign principal is let in.
    pub preflight: bool,
}

impl Change for GrantRole {
    fn action(&self) -> Action {
        Action::Grant
    }

    fn needs(&self, own_domain: Option<&str>) -> Needs {
        let is_public = self.members.iter().any(Member::is_public);
        let is_foreign = |member: &Member| is_worth_asking(member, own_domain);
        Needs {
            service: if is_public { Use::Exposure } else { Use::Effect },
            constraints: self.preflight && self.members.iter().any(is_foreign),
            ..Needs::default()
        }
    }

    fn plan(&self, snapshot: &Snapshot) -> Result<Plan, Refusal> {
        let Self { role, members, condition, preflight: _ } = self;
        let held = grants(&snapshot.policy);
        for member in members {
            suits_a_workload(snapshot, member, condition.as_ref())?;
        }
        if condition.is_some() {
            limits_something(snapshot, self, &held)?;
        }
        let wanted: Vec<Grant> = members
            .iter()
            .map(|member| Grant {
                role: role.to_string(),
                member: member.clone(),
                condition: condition.clone(),
            })
            .collect();
        let gives_way = |grant: &Grant| {
            let (Some(old), Some(new)) = (&grant.condition, condition) else { return false };
            grant.role == role.as_str()
                && members.iter().any(|member| member.same_as(&grant.member))
                && old != new
                && is_extended_by(old, new)
        };
        let edit = policy::edit(&snapshot.policy, gives_way, &wanted)
            .map_err(|limit| Refusal::Limit { service: snapshot.name.short(), limit })?;
        let mut plan = Plan::from_edit(Action::Grant, snapshot, edit);
        let added: Vec<Member> =
            plan.difference.added.iter().map(|grant| grant.member.clone()).collect();
        plan.warnings.extend(obstacles::may_be_added(snapshot, &added)?);
        let (verb, noun) = (snapshot.name.verb(), snapshot.name.noun());
        match snapshot.lets_in(role.as_str()) {
            Invokes::Yes => {}
            _ if plan.is_empty() || snapshot.name.permission().is_none() => {}
            Invokes::No => {
                plan.warnings.push(format!("`{role}` does not let anyone {verb} a {noun}"));
            }
            Invokes::Unknown => {
                plan.notes
                    .push(format!("whether `{role}` lets its members {verb} is not known here"));
            }
        }
        match condition {
            Some(condition) => {
                remark_on_condition(&mut plan, &held, condition);
                remark_on_same_title(&mut plan, self, &held, condition);
            }
            None => remark_on_limits_lost(&mut plan, role, &held),
        }
        if let Some(service) = snapshot.weighed() {
            let public = plan.difference.added.iter().any(|grant| grant.member.is_public());
            if public {
                plan.warnings.extend(obstacles::obstacles(service));
            }
        }
        Ok(plan)
    }
}

/// Refuses on a job everyone, and any Google account, as it takes only who is named (observed), and what
/// asks of an address on what has none.
pub(super) fn suits_a_workload(
    snapshot: &Snapshot,
    member: &Member,
    condition: Option<&Condition>,
) -> Result<(), Refusal> {
    let service = || snapshot.name.short();
    let asks = |under: &&Condition| condition::asks_of_an_address(&under.expression);
    match (&snapshot.name, condition.filter(asks)) {
        (Target::Workload(it), _) if it.kind == WorkloadKind::Job && member.is_public() => {
            Err(Refusal::Membership { service: service(), member: member.clone() })
        }
        (Target::Workload(_), Some(under)) => Err(Refusal::AsksOfAnAddress {
            service: service(),
            expression: under.expression.clone(),
        }),
        _ => Ok(()),
    }
}

/// Refuses a condition for a member that is let in without one.
fn limits_something(
    snapshot: &Snapshot,
    request: &GrantRole,
    held: &[Grant],
) -> Result<(), Refusal> {
    let lets_in = snapshot.lets_in(request.role.as_str()) == Invokes::Yes;
    for member in &request.members {
        let same = |grant: &&Grant| {
            let as_much = grant.role == request.role.as_str()
                || (lets_in && snapshot.lets_in(&grant.role) == Invokes::Yes);
            grant.condition.is_none() && as_much && grant.member.same_as(member)
        };
        if let Some(grant) = held.iter().find(same) {
            return Err(Refusal::LimitsNothing {
                service: snapshot.name.short(),
                member: grant.member.clone(),
                role: grant.role.clone(),
            });
        }
    }
    Ok(())
}

/// Whether a condition is an earlier form of another: the same but for its end, under the same title,
/// or both under titles that this program makes up.
fn is_extended_by(old: &Condition, new: &Condition) -> bool {
    let made_up = |condition: &Condition| condition.title.ends_with(MADE_UP);
    let same_title = old.title == new.title || (made_up(old) && made_up(new));
    match (condition::timed(&old.expression), condition::timed(&new.expression)) {
        (Some((old, _)), Some((new, _))) => same_title && old == new,
        _ => false,
    }
}

fn remark_on_condition(plan: &mut Plan, held: &[Grant], condition: &Condition) {
    let end = condition::ends_at(&condition.expression);
    for grant in &plan.difference.removed {
        let old = grant.condition.as_ref();
        let old = old.and_then(|condition| condition::ends_at(&condition.expression));
        if old > end {
            plan.asks.push(format!("`{}` had access for longer than that", grant.member));
        }
    }
    let is_first = held.iter().all(|grant| grant.condition.is_none());
    if !is_first || plan.is_empty() {
        return;
    }
    // What gcloud's commands for instances and worker pools do with conditions is not known.
    match &plan.target {
        Target::Workload(workload) if workload.kind == WorkloadKind::Job => {
            plan.warnings.push(
                "the policy's first condition: gcloud's commands for jobs know no conditions, and can no \
                 longer edit the policy"
                    .to_owned(),
            );
        }
        // Measured of gcloud: an edit off a terminal needs `--condition`, and `deploy` reads the policy
        // at version 1.
        Target::Service(service) if service.kind() == Invoked::Service => {
            plan.warnings.push(
                "the policy's first condition: off a terminal gcloud then wants `--condition=None` to \
                 edit it, and `gcloud run deploy --allow-unauthenticated` reads it without conditions"
                    .to_owned(),
            );
        }
        _ => {}
    }
}

/// Says of a grant under the same title that stays beside the new one: a reader takes them for one.
fn remark_on_same_title(
    plan: &mut Plan,
    request: &GrantRole,
    held: &[Grant],
    condition: &Condition,
) {
    for grant in held {
        let Some(old) = &grant.condition else { continue };
        let stays = !plan.difference.removed.iter().any(|gone| gone.same_as(grant));
        let is_of = request.members.iter().any(|member| member.same_as(&grant.member));
        let other = old.title == condition.title && old.expression != condition.expression;
        if stays && is_of && other && grant.role == request.role.as_str() && !plan.is_empty() {
            plan.warnings.push(format!(
                "`{}` keeps another grant titled `{}`, if `{}`",
                grant.member, old.title, old.expression
            ));
            plan.beside.push(grant.clone());
        }
    }
}

fn remark_on_limits_lost(plan: &mut Plan, role: &Role, held: &[Grant]) {
    for grant in held {
        let conditional = grant.condition.as_ref().filter(|_| grant.role == role.as_str());
        if let Some(condition) = conditional
            && plan.difference.added.iter().any(|added| added.member.same_as(&grant.member))
        {
            plan.notes.push(format!(
                "`{}` had this role under the condition `{}`, which limits nothing from now on",
                grant.member, condition.title
            ));
        }
    }
}

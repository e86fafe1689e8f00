//! Plans that take grants away, and what is left of access afterwards.

use time::OffsetDateTime;

use super::{Change, MADE_UP, Needs, Plan, Refusal, Use, obstacles};
use crate::action::Action;
use crate::condition::{Condition, timed};
use crate::constraint::is_worth_asking;
use crate::invokers::{Grant, GrantState, grants};
use crate::member::Member;
use crate::policy;
use crate::role::{self, Invokes, Role};
use crate::snapshot::Snapshot;

/// Which roles a revocation looks in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleChoice {
    /// Every role that is known to invoke.
    AnyInvoking,
    Only(Role),
}

/// Which bindings of a role a revocation looks in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConditionChoice {
    /// Those with and without a condition.
    Any,
    /// Those whose condition has this title.
    Titled(String),
    /// Those without one, or with an end alone that this program has put there.
    Unconditional,
}

impl ConditionChoice {
    fn selects(&self, condition: Option<&Condition>) -> bool {
        match (self, condition) {
            (Self::Any, _) | (Self::Unconditional, None) => true,
            (Self::Titled(title), Some(condition)) => condition.title == *title,
            // A grant for a while is as plain as one without an end.
            (Self::Unconditional, Some(condition)) => {
                condition.title.ends_with(MADE_UP)
                    && matches!(timed(&condition.expression), Some((None, _)))
            }
            (Self::Titled(_), None) => false,
        }
    }
}

/// Takes grants of principals away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokeGrants {
    /// Each member, with the bindings of it that are meant.
    pub members: Vec<(Member, ConditionChoice)>,
    pub roles: RoleChoice,
    /// Whether it is judged by all that can be read what is left.
    pub strict: bool,
}

/// Something that still lets a member of a revocation invoke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// The member as the grant names it; `allUsers` if no permission is asked.
    pub member: Member,
    pub via: RemainingVia,
}

/// Through what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemainingVia {
    InvokerCheckDisabled,
    Policy { role: String, condition: Option<Condition> },
}

impl Change for RevokeGrants {
    fn action(&self) -> Action {
        Action::Revoke
    }

    fn needs(&self, own_domain: Option<&str>) -> Needs {
        let members = || self.members.iter().map(|(member, _)| member);
        let is_public = members().any(Member::is_public);
        // An organisation policy may not let it be granted again.
        let may_not_come_back =
            |member: &Member| member.is_public() || is_worth_asking(member, own_domain);
        Needs {
            service: if self.strict || is_public { Use::Exposure } else { Use::Effect },
            constraints: members().any(may_not_come_back),
            roles: self.roles == RoleChoice::AnyInvoking,
            ..Needs::default()
        }
    }

    fn plan(&self, snapshot: &Snapshot) -> Result<Plan, Refusal> {
        self.check_conditions(snapshot)?;
        let selected = |grant: &Grant| {
            self.is_in_role(snapshot, grant)
                && self.members.iter().any(|(member, choice)| {
                    grant.member.same_as(member) && choice.selects(grant.condition.as_ref())
                })
        };
        let edit = policy::remove(&snapshot.policy, selected);
        let left = grants(&edit.policy);
        let mut plan = Plan::from_edit(Action::Revoke, snapshot, edit);
        plan.warnings.extend(obstacles::cannot_be_undone(snapshot, &plan));
        if self.roles == RoleChoice::AnyInvoking {
            let mut more: Vec<&str> =
                plan.difference.removed.iter().map(|grant| grant.role.as_str()).collect();
            more.retain(|role| !role::only_invokes(role));
            more.dedup();
            let noted: Vec<String> = more
                .iter()
                .map(|role| format!("`{role}` does more than invoke, and goes too"))
                .collect();
            plan.notes.extend(noted);
        }
        plan.notes.extend(self.deleted_beside(snapshot, &left));
        let asked: Vec<&Member> = self.members.iter().map(|(member, _)| member).collect();
        let left_over = remaining(snapshot, &left, &asked);
        plan.leaves_access = !left_over.is_empty();
        plan.warnings.extend(remaining_warning(snapshot, &left_over));
        let removed = &plan.difference.removed;
        let losers: Vec<&Member> = asked
            .into_iter()
            .filter(|member| removed.iter().any(|grant| grant.member.same_as(member)))
            .collect();
        plan.remaining = remaining(snapshot, &left, &losers);
        Ok(plan)
    }
}

impl RevokeGrants {
    fn is_in_role(&self, snapshot: &Snapshot, grant: &Grant) -> bool {
        match &self.roles {
            RoleChoice::AnyInvoking => snapshot.lets_in(&grant.role) == Invokes::Yes,
            RoleChoice::Only(role) => grant.role == role.as_str(),
        }
    }

    /// Refuses if a member has the role only under conditions that the choice does not select.
    fn check_conditions(&self, snapshot: &Snapshot) -> Result<(), Refusal> {
        let all = grants(&snapshot.policy);
        for (member, choice) in &self.members {
            let is_held =
                |grant: &&Grant| self.is_in_role(snapshot, grant) && grant.member.same_as(member);
            let held: Vec<&Grant> = all.iter().filter(is_held).collect();
            let conditions = held.iter().filter_map(|grant| grant.condition.as_ref());
            let titles: Vec<String> = conditions.map(|condition| condition.title.clone()).collect();
            let service = snapshot.name.short();
            match (choice, held.first()) {
                (ConditionChoice::Unconditional, Some(first))
                    if !held.iter().any(|grant| choice.selects(grant.condition.as_ref())) =>
                {
                    let (member, role) = (first.member.clone(), first.role.clone());
                    return Err(Refusal::OnlyConditional { service, member, role, titles });
                }
                (ConditionChoice::Titled(title), _)
                    if !titles.is_empty() && !titles.contains(title) =>
                {
                    let (member, title) = (member.clone(), title.clone());
                    return Err(Refusal::NoSuchCondition { service, member, title, titles });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Notes on grants that stay because their principal was deleted: the member that is asked for is a new
    /// one at the same address.
    fn deleted_beside(&self, snapshot: &Snapshot, left: &[Grant]) -> Vec<String> {
        let is_asked = |living: Member| self.members.iter().any(|(one, _)| one.same_as(&living));
        let is_deleted = |grant: &&Grant| {
            let gone = grant.member.as_str().strip_prefix("deleted:");
            let address = gone.and_then(|gone| gone.split('?').next()).map(Member::from_policy);
            self.is_in_role(snapshot, grant) && address.is_some_and(is_asked)
        };
        let note = |grant: &Grant| {
            format!("`{}` is there still, and is revoked by that name only", grant.member)
        };
        left.iter().filter(is_deleted).map(note).collect()
    }
}

/// What still lets these members invoke, with these grants left in the policy.
fn remaining(snapshot: &Snapshot, left: &[Grant], members: &[&Member]) -> Vec<Remaining> {
    let counts = |grant: &&Grant| {
        snapshot.lets_in(&grant.role) != Invokes::No && grant.counts(snapshot.read_at)
    };
    let reaches = |grant: &&Grant| members.iter().any(|member| grant.member.reaches(member));
    let through_policy = left.iter().filter(counts).filter(reaches).map(|grant| Remaining {
        member: grant.member.clone(),
        via: RemainingVia::Policy { role: grant.role.clone(), condition: grant.condition.clone() },
    });
    let check_off = snapshot.service.as_ref().is_some_and(|service| !service.invoker_check);
    let open = (check_off && !members.is_empty()).then(|| Remaining {
        member: Member::all_users(),
        via: RemainingVia::InvokerCheckDisabled,
    });
    open.into_iter().chain(through_policy).collect()
}

/// Clears a resource of grants that let nobody in any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClearGrants {
    /// Whether grants go that are past their end.
    pub expired: bool,
    /// Whether grants of principals go that are deleted.
    pub deleted: bool,
    /// `None` for every role that can, or may, invoke.
    pub role: Option<Role>,
    /// Whose grants alone; empty for everybody's.
    pub members: Vec<Member>,
}

impl ClearGrants {
    /// Whether a grant is one of those that go.
    pub fn selects(&self, grant: &Grant, now: OffsetDateTime) -> bool {
        self.is_in_role(grant, grant.invokes()) && self.is_dead(grant, now)
    }

    fn is_in_role(&self, grant: &Grant, lets_in: Invokes) -> bool {
        match &self.role {
            None => lets_in != Invokes::No,
            Some(role) => grant.role == role.as_str(),
        }
    }

    fn is_dead(&self, grant: &Grant, now: OffsetDateTime) -> bool {
        let dead = match grant.state(now) {
            GrantState::Expired => self.expired,
            GrantState::Deleted => self.deleted,
            GrantState::Active | GrantState::Conditional => false,
        };
        let whose = self.members.is_empty()
            || self.members.iter().any(|member| member.same_as(&grant.member));
        dead && whose
    }
}

impl Change for ClearGrants {
    fn action(&self) -> Action {
        Action::Revoke
    }

    fn needs(&self, _: Option<&str>) -> Needs {
        Needs::default()
    }

    fn plan(&self, snapshot: &Snapshot) -> Result<Plan, Refusal> {
        let selected = |grant: &Grant| {
            self.is_in_role(grant, snapshot.lets_in(&grant.role))
                && self.is_dead(grant, snapshot.read_at)
        };
        let edit = policy::remove(&snapshot.policy, selected);
        Ok(Plan::from_edit(Action::Revoke, snapshot, edit))
    }
}

fn remaining_warning(snapshot: &Snapshot, remaining: &[Remaining]) -> Option<String> {
    let (first, rest) = remaining.split_first()?;
    let more = match rest.len() {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Some(match &first.via {
        RemainingVia::InvokerCheckDisabled => {
            format!("the invoker check is off: anyone can still invoke it{more}")
        }
        RemainingVia::Policy { role, condition } => {
            let (verb, may) = (
                snapshot.name.verb(),
                match snapshot.lets_in(role) {
                    Invokes::Unknown => "may still",
                    _ => "can still",
                },
            );
            let under = match condition {
                Some(condition) => format!(" under the condition `{}`", condition.title),
                None => String::new(),
            };
            format!("`{}` {may} {verb} it through `{role}`{under}{more}", first.member)
        }
    })
}

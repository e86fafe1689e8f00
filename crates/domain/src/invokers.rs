//! Who a policy lets invoke a service.

use super::policy::model::{Binding, Policy};
use time::OffsetDateTime;

use super::condition::{self, Condition};
use super::member::{Member, MemberKind};
use super::permission::Permission;
use super::role::{self, Invokes};

serialized_as_words!(GrantState);

/// One member of one binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub role: String,
    pub member: Member,
    pub condition: Option<Condition>,
}

/// Whether a grant counts now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantState {
    Active,
    /// It counts if its condition holds.
    Conditional,
    /// Its principal was deleted.
    Deleted,
    /// Its condition can never hold again.
    Expired,
}

impl GrantState {
    /// Its word in JSON and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Conditional => "conditional",
            Self::Deleted => "deleted",
            Self::Expired => "expired",
        }
    }
}

impl Grant {
    /// Whether another grant is the same: role, principal and condition.
    pub fn same_as(&self, other: &Self) -> bool {
        self.role == other.role
            && self.member.same_as(&other.member)
            && self.condition == other.condition
    }

    /// Whether this grant counts at `now`.
    pub fn state(&self, now: OffsetDateTime) -> GrantState {
        if self.member.kind() == MemberKind::Deleted {
            return GrantState::Deleted;
        }
        match &self.condition {
            None => GrantState::Active,
            Some(condition) if condition::has_ended(&condition.expression, now) => {
                GrantState::Expired
            }
            Some(_) => GrantState::Conditional,
        }
    }

    /// Whether it can allow anyone, now or when its condition holds.
    pub fn counts(&self, now: OffsetDateTime) -> bool {
        matches!(self.state(now), GrantState::Active | GrantState::Conditional)
    }

    /// Whether its role invokes.
    pub fn invokes(&self) -> Invokes {
        role::invokes(&self.role)
    }
}

/// Every grant of a policy, in its order.
pub fn grants(policy: &Policy) -> Vec<Grant> {
    policy
        .bindings
        .iter()
        .flat_map(|binding| {
            let condition = condition_of(binding);
            binding.members.iter().map(move |member| Grant {
                role: binding.role.clone(),
                member: Member::from_policy(member.clone()),
                condition: condition.clone(),
            })
        })
        .collect()
}

/// The condition of a binding, in the domain's terms.
pub(super) fn condition_of(binding: &Binding) -> Option<Condition> {
    binding.condition.as_ref().map(|expr| Condition {
        title: expr.title.clone(),
        description: expr.description.clone(),
        expression: expr.expression.clone(),
    })
}

/// The number of distinct principals with a grant that counts, in a role that is known to carry what
/// the resource asks for.
pub fn invoker_count(grants: &[Grant], asked: Permission<'_>, now: OffsetDateTime) -> usize {
    let carries = |role: &str| asked.held(|permission| role::carries(role, permission));
    let mut keys: Vec<String> = grants
        .iter()
        .filter(|grant| grant.counts(now) && carries(&grant.role) == Some(true))
        .map(|grant| grant.member.key())
        .collect();
    keys.sort();
    keys.dedup();
    keys.len()
}

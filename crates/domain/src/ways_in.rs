//! Who gets in, and through what: every grant of a permission, on a resource and above it.

use time::OffsetDateTime;

use super::condition::{Attributes, Condition, Truth, ends_at, evaluate};
use super::deny::DenyRule;
use super::evidence::{PolicyLayer, ResourceEvidence, Roles, ServiceEvidence, carries};
use super::invokers::{Grant, GrantState};
use super::member::Member;
use super::permission::{Coverage, Permission};
use super::role::{MINT_ID_TOKEN, PASS_IAP};

serialized_as_words!(HoldsNow, Means, Via);

/// One way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WayIn {
    pub member: Member,
    /// The role that is granted; `None` if none is asked for.
    pub role: Option<String>,
    pub via: Via,
    /// The resource whose policy says so.
    pub resource: String,
    pub condition: Option<Condition>,
    /// Whether the condition holds now; `None` without one.
    pub holds_now: Option<HoldsNow>,
    pub state: GrantState,
    /// When it ends for good, if its condition says so.
    pub ends_at: Option<OffsetDateTime>,
    /// Whether an earlier one gives the same member as much.
    pub is_duplicate: bool,
}

/// What allows a principal: a policy, by the resource that it is attached to, or something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Tokens of a service account that may invoke.
    ActAs,
    Folder,
    /// A policy of Identity-Aware Proxy.
    Iap,
    /// No permission is asked for.
    InvokerCheckDisabled,
    Instance,
    Job,
    Organization,
    Project,
    Service,
    WorkerPool,
}

impl Via {
    /// By the full name of the resource that a policy is attached to.
    pub fn of_resource(resource: &str) -> Self {
        match resource.split('/').collect::<Vec<_>>().as_slice() {
            ["folders", ..] => Self::Folder,
            ["organizations", ..] => Self::Organization,
            ["projects", _] => Self::Project,
            ["projects", .., "jobs", _] => Self::Job,
            ["projects", .., "instances", _] => Self::Instance,
            ["projects", .., "workerPools", _] => Self::WorkerPool,
            // Identity-Aware Proxy's own for all of a project, and for all of a region.
            ["projects", rest @ ..] if !rest.contains(&"services") => Self::Project,
            _ => Self::Service,
        }
    }

    /// Whether it is the policy of the resource itself.
    pub fn is_own(self) -> bool {
        matches!(self, Self::Instance | Self::Job | Self::Service | Self::WorkerPool)
    }

    /// Its word in JSON and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ActAs => "act-as",
            Self::Folder => "folder",
            Self::Iap => "iap",
            Self::InvokerCheckDisabled => "invoker-check-disabled",
            Self::Instance => "instance",
            Self::Job => "job",
            Self::Organization => "organization",
            Self::Project => "project",
            Self::Service => "service",
            Self::WorkerPool => "worker-pool",
        }
    }
}

/// How a principal that may not invoke could make itself one that may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// By setting the policy of the resource, which takes this permission.
    SetPolicy(&'static str),
    /// With ID tokens of a service account that may invoke.
    Tokens,
}

impl Means {
    /// The permission that it takes, which is also the word for it in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SetPolicy(permission) => permission,
            Self::Tokens => MINT_ID_TOKEN,
        }
    }
}

/// Whether a condition holds now, as far as that does not depend on the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldsNow {
    Depends,
    Fails,
    Holds,
}

impl HoldsNow {
    fn of(condition: &Condition, around: &ResourceEvidence, now: OffsetDateTime) -> Self {
        let attributes =
            Attributes { path: None, host: None, time: now, tags: around.tags.as_ref() };
        match evaluate(&condition.expression, &attributes) {
            Truth::True => Self::Holds,
            Truth::False => Self::Fails,
            Truth::Unknown(_) => Self::Depends,
        }
    }

    /// Its word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Depends => "depends",
            Self::Fails => "fails",
            Self::Holds => "holds",
        }
    }
}

impl WayIn {
    /// Whether it is a grant of the resource's own policy, which a command can take away.
    pub fn is_own_grant(&self) -> bool {
        self.via.is_own() && self.role.is_some()
    }

    /// Whether it can allow its member, now or when its condition holds.
    pub fn counts(&self) -> bool {
        matches!(self.state, GrantState::Active | GrantState::Conditional)
    }
}

/// The ways into a service: the disabled check, then grants, from the nearest policy.
pub fn ways_into(gathered: &ServiceEvidence, now: OffsetDateTime) -> Vec<WayIn> {
    let open = (!gathered.service.invoker_check).then(|| WayIn {
        member: Member::all_users(),
        role: None,
        via: Via::InvokerCheckDisabled,
        resource: gathered.service.name.to_string(),
        condition: None,
        holds_now: None,
        state: GrantState::Active,
        ends_at: None,
        is_duplicate: false,
    });
    open.into_iter()
        .chain(holders(&gathered.around, gathered.service.name.permission(), now))
        .collect()
}

/// The holders of a permission by what was read, from the nearest policy.
pub fn holders(
    around: &ResourceEvidence,
    permission: Permission<'_>,
    now: OffsetDateTime,
) -> Vec<WayIn> {
    holders_by(around, &around.allow, permission, now)
}

/// The principals that Identity-Aware Proxy allows, if it is on: by its own policies, and those of the project and above.
pub fn past_iap(gathered: &ServiceEvidence, now: OffsetDateTime) -> Vec<WayIn> {
    if !gathered.service.iap {
        return Vec::new();
    }
    let layers: Vec<_> = gathered.around.layers_of_iap(&gathered.iap).cloned().collect();
    holders_by(&gathered.around, &layers, PASS_IAP.into(), now)
}

/// The holders of a permission by these policies.
fn holders_by(
    around: &ResourceEvidence,
    layers: &[PolicyLayer<Grant>],
    permission: Permission<'_>,
    now: OffsetDateTime,
) -> Vec<WayIn> {
    let mut ways: Vec<WayIn> = Vec::new();
    let mut before: Vec<&Grant> = Vec::new();
    for (resource, grant) in granted(&around.roles, layers, permission) {
        let state = grant.state(now);
        let condition = grant.condition.as_ref();
        let as_much = |other: &&Grant| {
            let unconditional = other.condition.is_none() && other.counts(now);
            let alike = other.condition == grant.condition && other.state(now) == state;
            other.member.same_as(&grant.member) && (unconditional || alike)
        };
        ways.push(WayIn {
            member: grant.member.clone(),
            role: Some(grant.role.clone()),
            via: Via::of_resource(resource),
            resource: resource.to_owned(),
            holds_now: condition.map(|condition| HoldsNow::of(condition, around, now)),
            ends_at: condition.and_then(|condition| ends_at(&condition.expression)),
            state,
            is_duplicate: before.iter().any(as_much),
            condition: grant.condition.clone(),
        });
        before.push(grant);
    }
    ways
}

/// The deny rules above a service that deny some the permission to invoke, each with the resource that it is attached to.
pub fn denials(gathered: &ServiceEvidence) -> Vec<(&str, &DenyRule)> {
    // No permission is asked for, so that none is denied.
    if !gathered.service.invoker_check {
        return Vec::new();
    }
    denials_of(&gathered.around, gathered.service.name.permission())
}

/// The deny rules above a resource that are about a permission.
pub fn denials_of<'a>(
    around: &'a ResourceEvidence,
    permission: Permission<'_>,
) -> Vec<(&'a str, &'a DenyRule)> {
    let rules = around.deny.iter().flat_map(|layer| {
        let rules =
            layer.read.iter().flatten().filter(|rule| permission.denied_by(rule) != Coverage::No);
        rules.map(|rule| (layer.resource.as_str(), rule))
    });
    rules.collect()
}

/// The roles in these policies that may contain a permission, which is unknown, with their holders.
pub fn unknown_roles<'a>(
    roles: &Roles,
    layers: &'a [PolicyLayer<Grant>],
    permission: Permission<'_>,
) -> Vec<(&'a str, Vec<&'a Member>)> {
    let mut found: Vec<(&str, Vec<&Member>)> = Vec::new();
    let is_unknown = |grant: &Grant| carries(roles, &grant.role, permission).is_none();
    for (_, grant) in each(layers).filter(|(_, grant)| is_unknown(grant)) {
        let at = found.iter().position(|(role, _)| *role == grant.role).unwrap_or_else(|| {
            found.push((&grant.role, Vec::new()));
            found.len() - 1
        });
        found[at].1.push(&grant.member);
    }
    for (_, holders) in &mut found {
        holders.sort_by_key(|member| member.as_str());
        holders.dedup_by_key(|member| member.as_str());
    }
    found
}

/// The grants of a permission in these policies, each with the resource that it is on.
pub fn granted<'a>(
    roles: &Roles,
    layers: &'a [PolicyLayer<Grant>],
    permission: Permission<'a>,
) -> impl Iterator<Item = (&'a str, &'a Grant)> {
    each(layers).filter(move |(_, grant)| carries(roles, &grant.role, permission) == Some(true))
}

fn each(layers: &[PolicyLayer<Grant>]) -> impl Iterator<Item = (&str, &Grant)> {
    layers
        .iter()
        .flat_map(|layer| layer.read.iter().flatten().map(|grant| (layer.resource.as_str(), grant)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_called_by_what_it_is_attached_to() {
        for (resource, via) in [
            ("projects/p", Via::Project),
            ("folders/1", Via::Folder),
            ("organizations/1", Via::Organization),
            ("projects/p/locations/r/services/s", Via::Service),
            ("projects/p/locations/r/services/jobs", Via::Service),
            ("projects/p/locations/r/jobs/j", Via::Job),
            ("projects/p/locations/r/jobs/services", Via::Job),
            ("projects/p/locations/r/instances/services", Via::Instance),
            ("projects/p/locations/r/workerPools/w", Via::WorkerPool),
            ("projects/1/iap_web", Via::Project),
            ("projects/1/iap_web/cloud_run-r", Via::Project),
            ("projects/1/iap_web/cloud_run-r/services/s", Via::Service),
        ] {
            assert_eq!(Via::of_resource(resource), via, "{resource}");
        }
    }
}

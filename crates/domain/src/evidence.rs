//! What was read of a service and of everything that bears on who may invoke it.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::access::{
    Attached, Caller, Decision, Entry, Evidence, Hierarchy, Knowledge, Layer, Origin, Outcome,
    Request, Source, Step, Verdict, decide, decide_permission, for_members, without_token,
};
use super::boundary::Boundary;
use super::condition::{Attributes, Doubt, Tags, Truth, evaluate};
use super::deny::DenyRule;
use super::invokers::Grant;
use super::member::{Member, MemberKind};
use super::permission::{Coverage, Permission};
use super::principal::{is_service_agent, reaches};
use super::role;
use super::service::Service;

/// The contents of a policy with the resource that it is attached to, or why it could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyLayer<T> {
    /// Such as `folders/725218103497`.
    pub resource: String,
    pub read: Result<Vec<T>, String>,
}

impl<T> PolicyLayer<T> {
    /// The same, borrowed for the engine.
    pub fn attached(&self) -> Attached<'_, T> {
        let read = self.read.as_deref().map_err(String::as_str);
        Attached { resource: &self.resource, read }
    }
}

/// A role, as IAM describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleFacts {
    pub permissions: Vec<String>,
    /// A deleted or disabled role grants nothing (documented).
    pub is_dead: bool,
}

impl RoleFacts {
    /// Whether it grants a permission.
    pub fn carries(&self, permission: &str) -> bool {
        !self.is_dead && self.permissions.iter().any(|held| held == permission)
    }
}

/// Roles that were read because they are not in the table of predefined roles; `None` for one that could not be read.
pub type Roles = BTreeMap<String, Option<RoleFacts>>;

/// Memberships, by the group's address in lower case and the principal's key; `None` if they could not be read.
pub type Groups = BTreeMap<(String, String), Option<bool>>;

/// Everything that was read about a service.
#[derive(Clone, Debug)]
pub struct ServiceEvidence {
    pub service: Service,
    pub around: ResourceEvidence,
    /// Identity-Aware Proxy's own policies, if that is on.
    pub iap: Vec<PolicyLayer<Grant>>,
    /// Cloud Run's own answer, if the caller asked about itself.
    pub told: Option<bool>,
}

/// The policies on a resource and above it, and what was read about their roles, groups and tags.
#[derive(Clone, Debug)]
pub struct ResourceEvidence {
    /// Allow policies: the resource's own, then those above it, nearest first.
    pub allow: Vec<PolicyLayer<Grant>>,
    /// Deny policies above the resource, nearest first.
    pub deny: Vec<PolicyLayer<DenyRule>>,
    /// Principal access boundaries of a job's callers; `None` for other resources.
    pub boundaries: Option<Vec<PolicyLayer<Boundary>>>,
    pub place: Hierarchy,
    pub roles: Roles,
    pub groups: Groups,
    /// The members of the judged group; `None` if the principal is not a group, or they were not read.
    pub members: Option<Members>,
    /// `None` if they were not read.
    pub tags: Option<Tags>,
}

/// The members of a group, direct and indirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    pub read: Vec<Member>,
    /// Whether the list is complete: not if one member could not be read, or there are too many.
    pub are_all: bool,
}

/// Whether a role contains a permission, by the table of predefined roles and the roles that were read.
pub fn carries<'a>(
    roles: &Roles,
    name: &str,
    permission: impl Into<Permission<'a>>,
) -> Option<bool> {
    permission.into().held(|permission| match roles.get(name) {
        Some(facts) => facts.as_ref().map(|facts| facts.carries(permission)),
        None => role::carries(name, permission),
    })
}

/// A grant by which a principal has a permission, or may have it.
#[derive(Clone, Copy, Debug)]
pub struct GrantPath<'a> {
    /// The resource whose policy contains the grant.
    pub resource: &'a str,
    pub grant: &'a Grant,
    pub counts: Counts,
}

/// How far a grant alone gives the permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    Certainly,
    /// For some requests, by their path or host.
    ForSomeRequests,
    /// Unknown.
    Perhaps,
}

impl ResourceEvidence {
    /// Every grant by which a principal has a permission, or may have it, before deny policies.
    pub fn ways<'a>(
        &self,
        member: &Member,
        permission: impl Into<Permission<'a>>,
        now: OffsetDateTime,
    ) -> Vec<GrantPath<'_>> {
        let permission = permission.into();
        let attributes = Attributes { path: None, host: None, time: now, tags: self.tags.as_ref() };
        let mut ways = Vec::new();
        for layer in &self.allow {
            for grant in layer.read.iter().flatten() {
                let of = self.known(|known| {
                    reaches(&grant.member, Caller::of(member), known.holds, known.place)
                });
                let carries = match self.carries(&grant.role, permission) {
                    Some(carries) => Truth::from(carries),
                    None => Truth::Unknown(Doubt::unread("what the role carries is not known")),
                };
                let condition = || match &grant.condition {
                    None => Truth::True,
                    Some(under) => evaluate(&under.expression, &attributes),
                };
                let truth = of.and(|| carries).and(condition);
                let counts = match truth {
                    Truth::False => continue,
                    Truth::True => Counts::Certainly,
                    Truth::Unknown(doubt) if doubt.is_of_request => Counts::ForSomeRequests,
                    Truth::Unknown(_) => Counts::Perhaps,
                };
                ways.push(GrantPath { resource: &layer.resource, grant, counts });
            }
        }
        ways
    }

    /// The policies that Identity-Aware Proxy evaluates: its own and those above the service, without the service's.
    pub fn layers_of_iap<'a>(
        &'a self,
        iap: &'a [PolicyLayer<Grant>],
    ) -> impl Iterator<Item = &'a PolicyLayer<Grant>> {
        iap.iter().chain(self.allow.iter().skip(1))
    }

    /// Service accounts with a permission by name that users can impersonate: neither Google's own, nor those of a cluster.
    pub fn accounts_with(&self, permission: Permission<'_>, now: OffsetDateTime) -> Vec<Member> {
        let granted = self.allow.iter().flat_map(|layer| layer.read.iter().flatten());
        let mut accounts: Vec<Member> = granted
            .filter(|grant| grant.member.kind() == MemberKind::ServiceAccount && grant.counts(now))
            .filter(|grant| self.carries(&grant.role, permission) == Some(true))
            .map(|grant| grant.member.clone())
            .filter(|member| !is_service_agent(member.address()) && member.address().contains('@'))
            .collect();
        accounts.sort();
        accounts.dedup_by(|a, b| a.same_as(b));
        accounts
    }

    /// Whether a role contains a permission; `None` if that is unknown.
    pub fn carries<'a>(&self, name: &str, permission: impl Into<Permission<'a>>) -> Option<bool> {
        carries(&self.roles, name, permission)
    }

    fn holds(&self, group: &str, member: &Member) -> Option<bool> {
        self.groups.get(&(group.to_lowercase(), member.key())).copied().flatten()
    }

    /// Passes the evidence to the engine.
    fn known<T>(&self, work: impl FnOnce(Knowledge<'_>) -> T) -> T {
        work(Knowledge {
            carries: &|role, permission| self.carries(role, permission),
            holds: &|group, member| self.holds(group, member),
            place: &self.place,
            tags: self.tags.as_ref(),
        })
    }

    /// Decides whether a principal has a permission on a resource for which only policies count. `told` is the API's own
    /// answer about the caller.
    pub fn decide_for<'p>(
        &self,
        member: &Member,
        permission: impl Into<Permission<'p>>,
        now: OffsetDateTime,
        told: Option<bool>,
    ) -> Decision<'_> {
        let permission = permission.into();
        let allow: Vec<_> = self.allow.iter().map(PolicyLayer::attached).collect();
        let deny: Vec<_> = self.deny.iter().map(PolicyLayer::attached).collect();
        let bound = self.boundaries.as_ref();
        let bound: Option<Vec<_>> =
            bound.map(|read| read.iter().map(PolicyLayer::attached).collect());
        let attributes = Attributes { path: None, host: None, time: now, tags: self.tags.as_ref() };
        self.for_each(member, |member| {
            let asked = (Caller::of(member), permission);
            self.known(|known| {
                let bound = bound.as_deref();
                decide_permission((&allow, &deny), bound, asked, &attributes, known, told)
            })
        })
    }

    /// Whether a principal has a permission on the resource, and why.
    pub fn may<'p>(
        &self,
        member: &Member,
        permission: impl Into<Permission<'p>>,
        now: OffsetDateTime,
    ) -> Judgement {
        said_by(&self.decide_for(member, permission, now, None))
    }

    /// Decides for a principal; for a group whose members were read, by its members.
    fn for_each<'a>(
        &'a self,
        member: &Member,
        decide: impl Fn(&Member) -> Decision<'a>,
    ) -> Decision<'a> {
        let whole = decide(member);
        match &self.members {
            Some(Members { read, are_all }) if member.kind() == MemberKind::Group => {
                let each: Vec<_> = read.iter().map(|member| (member, decide(member))).collect();
                for_members(whole, member, &each, *are_all)
            }
            _ => whole,
        }
    }

    /// Whether the decision for a group can depend on its members: not if the group has the permission unconditionally and
    /// no rule denies it, and not if nobody has it.
    pub fn turns_on_members<'a>(
        &'a self,
        group: &Member,
        permission: Permission<'_>,
        allow: impl Iterator<Item = &'a PolicyLayer<Grant>>,
    ) -> bool {
        let denies = |rule: &DenyRule| permission.denied_by(rule) != Coverage::No;
        if self.deny.iter().flat_map(|layer| layer.read.iter().flatten()).any(denies) {
            return true;
        }
        let mut granted = allow
            .flat_map(|layer| layer.read.iter().flatten())
            .filter(|grant| grant.member.kind() != MemberKind::Deleted)
            .filter(|grant| self.carries(&grant.role, permission) != Some(false))
            .peekable();
        let is_for_all = |grant: &Grant| {
            let is_theirs = grant.member.same_as(group) || grant.member.is_public();
            let carries = self.carries(&grant.role, permission) == Some(true);
            is_theirs && carries && grant.condition.is_none()
        };
        granted.peek().is_some() && !granted.any(is_for_all)
    }

    /// Whether everything above the resource that could grant or deny was read.
    pub fn is_inherited_read(&self) -> bool {
        let allow = self.allow.iter().skip(1).all(|layer| layer.read.is_ok());
        allow && self.allow.len() > 1 && self.deny.iter().all(|layer| layer.read.is_ok())
    }

    /// What could not be read, and why, by resource.
    pub fn unread(&self) -> impl Iterator<Item = (String, &str)> {
        let bound = self.boundaries.as_deref().unwrap_or_default();
        unread_of(&self.allow, "the policy")
            .chain(unread_of(&self.deny, "the deny policies"))
            .chain(unread_of(bound, "the principal access boundaries"))
    }
}

fn unread_of<'a, T>(
    layers: &'a [PolicyLayer<T>],
    what: &'a str,
) -> impl Iterator<Item = (String, &'a str)> {
    layers.iter().filter_map(move |layer| {
        Some((format!("{what} of {}", layer.resource), layer.read.as_ref().err()?.as_str()))
    })
}

impl ServiceEvidence {
    /// Decides a request of a caller whose token was accepted.
    pub fn decide(&self, caller: Caller<'_>, request: &Request<'_>) -> Decision<'_> {
        self.weigh(|evidence| decide(evidence, caller, request))
    }

    /// Decides a request of a principal that first needs an ID token: a grant to a federated identity or an agent is not
    /// enough by itself.
    pub fn decide_for(&self, member: &Member, request: &Request<'_>) -> Decision<'_> {
        self.around.for_each(member, |member| {
            without_token(self.decide(Caller::of(member), request), member)
        })
    }

    /// Whether a principal may call the service from wherever it is reachable, and why.
    pub fn may_call(&self, member: &Member, now: OffsetDateTime) -> Judgement {
        let request = Request {
            path: None,
            host: None,
            time: now,
            from: Origin::LoadBalancer,
            entry: Entry::Domain,
        };
        said_by(&self.decide_for(member, &request))
    }

    /// Passes the evidence to the engine.
    pub fn weigh<'a, T>(&'a self, work: impl FnOnce(&Evidence<'_, 'a>) -> T) -> T {
        let allow: Vec<_> = self.around.allow.iter().map(PolicyLayer::attached).collect();
        let deny: Vec<_> = self.around.deny.iter().map(PolicyLayer::attached).collect();
        let iap: Vec<_> = self.iap.iter().map(PolicyLayer::attached).collect();
        self.around.known(|known| {
            work(&Evidence {
                service: &self.service,
                allow: &allow,
                deny: &deny,
                iap: &iap,
                known,
                told: self.told,
            })
        })
    }

    /// What could not be read, and why, by resource.
    pub fn unread(&self) -> impl Iterator<Item = (String, &str)> {
        self.around.unread().chain(unread_of(&self.iap, "the IAP policy"))
    }
}

/// A verdict and its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub verdict: Verdict,
    pub by: String,
    /// Whether an unknown answer is allowed for some requests, by their path or host.
    pub turns_on_request: bool,
}

impl Judgement {
    /// A verdict that is unknown for any request.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self { verdict: Verdict::Unknown, by: why.into(), turns_on_request: false }
    }
}

/// The verdict of a decision, wherever the request comes from.
pub fn said_by(decision: &Decision<'_>) -> Judgement {
    said(decision, |layer| layer != Layer::Reachability)
}

/// The verdict of a decision.
pub fn said_by_all(decision: &Decision<'_>) -> Judgement {
    said(decision, |_| true)
}

fn said(decision: &Decision<'_>, counts: impl Fn(Layer) -> bool) -> Judgement {
    let steps = || decision.steps.iter().filter(|step| counts(step.layer));
    let verdict = Verdict::of(steps().map(|step| step.outcome));
    let telling = match verdict {
        Verdict::Allowed => steps()
            .find(|step| step.layer == Layer::InvokerCheck && step.outcome == Outcome::Skip)
            .or(decision.steps.last()),
        Verdict::Denied => steps().find(|step| step.outcome == Outcome::Block),
        Verdict::Unknown => steps().find(|step| step.outcome == Outcome::Unknown),
    };
    let mut open = steps().filter(|step| step.outcome == Outcome::Unknown);
    let turns_on_request = verdict == Verdict::Unknown && open.all(Step::turns_on_request);
    Judgement { verdict, by: telling.map(told_of).unwrap_or_default(), turns_on_request }
}

/// The reason of a step, with the grant that it is based on.
fn told_of(step: &Step<'_>) -> String {
    let Some(Source { role: Some(role), member, resource, condition }) = step.source else {
        return step.reason.clone().into_owned();
    };
    let grant = format!("`{member}` has `{role}` on `{resource}`");
    match (step.outcome, condition) {
        (Outcome::Unknown, Some(under)) if step.turns_on_request() => {
            let or = if step.doubts.len() > 1 { ", or another of its conditions" } else { "" };
            format!("{grant} only for requests where `{}`{or}", under.expression)
        }
        (Outcome::Block, Some(under)) => {
            format!("{grant} under a condition that does not hold: `{}`", under.expression)
        }
        (Outcome::Pass | Outcome::Skip, _) => grant,
        _ => step.reason.clone().into_owned(),
    }
}

/// Roles that are in no table and may matter to `caller`, or to anyone if it is `None`.
pub fn unknown_roles<'a>(
    grants: impl IntoIterator<Item = &'a Grant>,
    caller: Option<&Member>,
) -> Vec<String> {
    let mut names: Vec<String> = grants
        .into_iter()
        .filter(|grant| role::info(&grant.role).is_none())
        .filter(|grant| role::carries(&grant.role, role::INVOKE).is_none())
        .filter(|grant| caller.is_none_or(|caller| may_reach(&grant.member, caller)))
        .map(|grant| grant.role.clone())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Whether a member may include the caller, whatever the groups contain.
pub fn may_reach(member: &Member, caller: &Member) -> bool {
    match member.kind() {
        MemberKind::Deleted => false,
        // The caller may be one of its members.
        _ if caller.kind() == MemberKind::Group => true,
        MemberKind::Group
        | MemberKind::Other
        | MemberKind::PrincipalSet
        | MemberKind::Principal => true,
        _ => member.reaches(caller),
    }
}

/// All principals in these policies.
pub fn named_in<'a>(
    allow: impl Iterator<Item = &'a PolicyLayer<Grant>>,
    deny: &'a [PolicyLayer<DenyRule>],
) -> impl Iterator<Item = &'a Member> {
    let granted = allow.flat_map(|layer| layer.read.iter().flatten());
    let rules = deny.iter().flat_map(|layer| layer.read.iter().flatten());
    let denied = rules.flat_map(|rule: &DenyRule| {
        rule.denied_principals.iter().chain(&rule.exception_principals)
    });
    granted.map(|grant| &grant.member).chain(denied)
}

/// The addresses of the groups among these members.
pub fn groups_of<'a>(members: impl IntoIterator<Item = &'a Member>) -> Vec<String> {
    let mut groups: Vec<String> = members
        .into_iter()
        .filter_map(|member| match member.kind() {
            MemberKind::Group => Some(member.address()),
            _ => member.as_str().strip_prefix("principalSet://goog/group/"),
        })
        .map(str::to_lowercase)
        .collect();
    groups.sort();
    groups.dedup();
    groups
}

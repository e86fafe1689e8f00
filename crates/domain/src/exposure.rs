//! Who may call a service, and from where: the two halves of how exposed it is.
//!
//! It rests on the service and on the policies that were read: its own, and where a command looks
//! further, those above it.

use time::OffsetDateTime;

use super::access::{
    Attached, Caller, Evidence, Hierarchy, Knowledge, Outcome, says_of_the_public,
};
use super::condition::Attributes;
use super::deny::DenyRule;
use super::evidence::{self, PolicyLayer, Roles};
use super::invokers::Grant;
use super::member::{Member, MemberKind};
use super::permission::{Coverage, Permission};
use super::role;
use super::service::{Ingress, Service};

serialized_as_words!(Callers, Reach, Exposure);

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callers {
    AnyGoogleAccount,
    Anyone,
    Named,
    Nobody,
    Unknown,
}

impl Callers {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AnyGoogleAccount => "any-google-account",
            Self::Anyone => "anyone",
            Self::Named => "named",
            Self::Nobody => "nobody",
            Self::Unknown => "unknown",
        }
    }
}

/// From where a service can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    Internal,
    Internet,
    LoadBalancer,
    None,
    Unknown,
}

impl Reach {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Internet => "internet",
            Self::LoadBalancer => "load-balancer",
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }
}

/// The two halves in one word, the most open first: a change may end at or below the exposure
/// that was shown, never above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exposure {
    Public,
    PublicBehindLoadBalancer,
    PublicInternal,
    AnyGoogleAccount,
    Unknown,
    Iap,
    Restricted,
    Unreachable,
}

impl Exposure {
    /// Every value, for flags and documentation.
    pub const ALL: [Self; 8] = [
        Self::Public,
        Self::PublicBehindLoadBalancer,
        Self::PublicInternal,
        Self::AnyGoogleAccount,
        Self::Unknown,
        Self::Iap,
        Self::Restricted,
        Self::Unreachable,
    ];

    /// Whether callers without a credential are allowed, from wherever they can reach it.
    pub fn is_public(self) -> bool {
        matches!(self, Self::Public | Self::PublicBehindLoadBalancer | Self::PublicInternal)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::AnyGoogleAccount => "any-google-account",
            Self::Iap => "iap",
            Self::Public => "public",
            Self::PublicBehindLoadBalancer => "public-behind-load-balancer",
            Self::PublicInternal => "public-internal",
            Self::Restricted => "restricted",
            Self::Unknown => "unknown",
            Self::Unreachable => "unreachable",
        }
    }
}

/// The exposure of a service, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExposureReport {
    pub callers: Callers,
    pub reach: Reach,
    pub exposure: Exposure,
    /// Its reasons, a short sentence each.
    pub reasons: Vec<String>,
}

/// Determines the exposure by the service and the grants of its own policy; `None` if the policy was not, or cannot be,
/// read.
pub fn judge(service: &Service, grants: Option<&[Grant]>, now: OffsetDateTime) -> ExposureReport {
    judge_with(service, grants, (&[], &Roles::new()), now)
}

/// Determines the exposure by the service, the grants of its own policy, and those above it.
pub fn judge_with(
    service: &Service,
    grants: Option<&[Grant]>,
    (above, roles): (&[PolicyLayer<Grant>], &Roles),
    now: OffsetDateTime,
) -> ExposureReport {
    let own = Attached { resource: "", read: grants.ok_or("it was not read") };
    let allow: Vec<_> =
        std::iter::once(own).chain(above.iter().map(PolicyLayer::attached)).collect();
    let place = Hierarchy::default();
    let evidence = Evidence {
        service,
        allow: &allow,
        deny: &[],
        iap: &[],
        known: Knowledge {
            carries: &|role, permission| evidence::carries(roles, role, permission),
            holds: &|_, _| None,
            place: &place,
            tags: None,
        },
        told: None,
    };
    judge_all(&evidence, now)
}

/// Determines the exposure by everything that was read, on the service and above it.
pub fn judge_all(evidence: &Evidence<'_, '_>, now: OffsetDateTime) -> ExposureReport {
    let service = evidence.service;
    let asked = service.name.permission();
    let mut reasons = Vec::new();
    let callers = callers(evidence, now, &mut reasons);
    let reach = reach(service, &mut reasons);
    if service.iap {
        reasons.push("Identity-Aware Proxy is on and asks first".to_owned());
    }
    for policy in evidence.deny.iter().filter(|_| service.invoker_check) {
        let rules = policy
            .read
            .iter()
            .copied()
            .flatten()
            .filter(|rule| asked.denied_by(rule) != Coverage::No);
        let mut named: Vec<&str> = rules.map(DenyRule::policy_id).collect();
        named.dedup();
        reasons.extend(named.iter().map(|name| {
            format!("the deny policy `{name}` on `{}` keeps some out", policy.resource)
        }));
    }
    ExposureReport { callers, reach, exposure: combine(service.iap, callers, reach), reasons }
}

fn combine(iap: bool, callers: Callers, reach: Reach) -> Exposure {
    match (reach, callers) {
        (Reach::None, _) => Exposure::Unreachable,
        _ if iap => Exposure::Iap,
        (_, Callers::Unknown) | (Reach::Unknown, Callers::Anyone) => Exposure::Unknown,
        (Reach::Internet, Callers::Anyone) => Exposure::Public,
        (Reach::LoadBalancer, Callers::Anyone) => Exposure::PublicBehindLoadBalancer,
        (Reach::Internal, Callers::Anyone) => Exposure::PublicInternal,
        (_, Callers::AnyGoogleAccount) => Exposure::AnyGoogleAccount,
        (_, Callers::Named | Callers::Nobody) => Exposure::Restricted,
    }
}

/// Who may use a resource that has no address, by the grants of its own policy; `None` if the policy
/// was not read. `asked` is `None` if nobody uses it.
pub fn callers_of(
    asked: Option<Permission<'_>>,
    grants: Option<&[Grant]>,
    now: OffsetDateTime,
) -> Callers {
    let Some(asked) = asked else { return Callers::Nobody };
    let Some(grants) = grants else { return Callers::Unknown };
    let carries = |role: &str| asked.held(|permission| role::carries(role, permission));
    let mut live = grants.iter().filter(|grant| grant.counts(now));
    if live.any(|grant| carries(&grant.role) != Some(false)) {
        Callers::Named
    } else {
        Callers::Nobody
    }
}

fn callers(evidence: &Evidence<'_, '_>, now: OffsetDateTime, reasons: &mut Vec<String>) -> Callers {
    if !evidence.service.invoker_check {
        reasons.push("the invoker check is off, so no permission is asked".to_owned());
        return Callers::Anyone;
    }
    let asked = evidence.service.name.permission();
    let carried = |role: &str| asked.held(|permission| (evidence.known.carries)(role, permission));
    let live: Vec<(&str, &Grant, Option<bool>)> = evidence
        .allow
        .iter()
        .flat_map(|policy| {
            policy.read.iter().copied().flatten().map(|grant| (policy.resource, grant))
        })
        .filter(|(_, grant)| grant.counts(now))
        .map(|(resource, grant)| (resource, grant, carried(&grant.role)))
        .filter(|(_, _, carries)| *carries != Some(false))
        .collect();
    let own = evidence.allow.first().map_or("", |policy| policy.resource);
    let by = |resource: &str| {
        if resource == own { String::new() } else { format!(", inherited from `{resource}`") }
    };
    let any_account = Member::any_account();
    // An exception of a deny policy is allowed by the grant to everyone.
    let mut excepted = false;
    for (kind, caller, callers) in [
        (MemberKind::AllUsers, Caller::Anonymous, Callers::Anyone),
        (
            MemberKind::AllAuthenticatedUsers,
            Caller::Verified(&any_account),
            Callers::AnyGoogleAccount,
        ),
    ] {
        let of_kind = || live.iter().filter(|(_, grant, _)| grant.member.kind() == kind);
        if let Some((resource, grant, _)) = of_kind().find(|(.., carries)| carries.is_some()) {
            let when = if grant.condition.is_some() { ", under a condition" } else { "" };
            let (member, role, by) = (&grant.member, &grant.role, by(resource));
            if is_denied(evidence, caller, now) {
                reasons.push(format!(
                    "`{member}` has `{role}`{when}{by}, and a deny policy takes it away"
                ));
                excepted |= has_exceptions(evidence);
                continue;
            }
            reasons.push(format!("`{member}` has `{role}`{when}{by}"));
            return callers;
        }
        if let Some((resource, grant, _)) = of_kind().next() {
            reasons.push(format!(
                "`{}` has `{}`{}, and whether that role can invoke is not known",
                grant.member,
                grant.role,
                by(resource)
            ));
            return Callers::Unknown;
        }
    }
    if evidence.allow.first().is_none_or(|policy| policy.read.is_err()) {
        reasons.push("the policy was not read".to_owned());
        return Callers::Unknown;
    }
    let named = |grant: &Grant| !grant.member.is_public();
    let known =
        excepted || live.iter().any(|(_, grant, carries)| carries.is_some() && named(grant));
    let possible = live.iter().find(|(.., carries)| carries.is_none());
    if known {
        Callers::Named
    } else if let Some((_, grant, _)) = possible {
        reasons.push(format!("whether `{}` can invoke is not known", grant.role));
        Callers::Named
    } else {
        Callers::Nobody
    }
}

/// Whether a rule about invoking makes exceptions.
fn has_exceptions(evidence: &Evidence<'_, '_>) -> bool {
    let rules = evidence.deny.iter().flat_map(|policy| policy.read.iter().copied().flatten());
    let asked = evidence.service.name.permission();
    let mut covering = rules.into_iter().filter(|rule| asked.denied_by(rule) != Coverage::No);
    covering.any(|rule| !rule.exception_principals.is_empty())
}

/// Whether a deny policy certainly denies the caller.
fn is_denied(evidence: &Evidence<'_, '_>, caller: Caller<'_>, now: OffsetDateTime) -> bool {
    let attributes = Attributes { path: None, host: None, time: now, tags: evidence.known.tags };
    let asked = evidence.service.name.permission();
    let denied = says_of_the_public(evidence.deny, caller, asked, &attributes, evidence.known);
    denied == Outcome::Block
}

fn reach(service: &Service, reasons: &mut Vec<String>) -> Reach {
    let (reach, reason) = match &service.ingress {
        Ingress::All if service.default_url => return Reach::Internet,
        Ingress::All => (
            Reach::LoadBalancer,
            "the default URL is off: only a load balancer leads here".to_owned(),
        ),
        Ingress::Internal => (Reach::Internal, "ingress is internal".to_owned()),
        Ingress::InternalAndLoadBalancing => {
            (Reach::LoadBalancer, "ingress is internal and load balancers".to_owned())
        }
        Ingress::None => (Reach::None, "ingress is none".to_owned()),
        Ingress::Other(value) => {
            (Reach::Unknown, format!("ingress `{value}` is not known to this version"))
        }
    };
    reasons.push(reason);
    reach
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::condition::Condition;
    use crate::member::Member;

    const NOW: OffsetDateTime = datetime!(2026-06-01 00:00 UTC);

    fn grant(member: &str, role: &str, expression: Option<&str>) -> Grant {
        Grant {
            role: role.to_owned(),
            member: Member::from_policy(member),
            condition: expression
                .map(|text| Condition { expression: text.to_owned(), ..Condition::default() }),
        }
    }

    #[test]
    fn judges_callers() {
        let invoker = "roles/run.invoker";
        let past = Some("request.time < timestamp('2026-01-01T00:00:00Z')");
        let later = Some("request.time < timestamp('2027-01-01T00:00:00Z')");
        let cases: Vec<(Vec<Grant>, Callers)> = vec![
            (vec![], Callers::Nobody),
            (vec![grant("user:a@x.com", invoker, None)], Callers::Named),
            (vec![grant("user:a@x.com", invoker, past)], Callers::Nobody),
            (vec![grant("deleted:user:a@x.com?uid=1", invoker, None)], Callers::Nobody),
            (vec![grant("user:a@x.com", "roles/run.viewer", None)], Callers::Nobody),
            (vec![grant("user:a@x.com", "projects/p/roles/c", None)], Callers::Named),
            (vec![grant("allUsers", "roles/run.viewer", None)], Callers::Nobody),
            (vec![grant("allUsers", invoker, None)], Callers::Anyone),
            (vec![grant("allUsers", "roles/run.servicesInvoker", None)], Callers::Anyone),
            (vec![grant("allUsers", invoker, later)], Callers::Anyone),
            (vec![grant("allUsers", invoker, past)], Callers::Nobody),
            (vec![grant("allUsers", "projects/p/roles/c", None)], Callers::Unknown),
            (vec![grant("allAuthenticatedUsers", invoker, None)], Callers::AnyGoogleAccount),
        ];
        for (grants, expected) in cases {
            assert_eq!(
                judge(&Service::sample(), Some(&grants), NOW).callers,
                expected,
                "{grants:?}"
            );
        }
    }

    #[test]
    fn joins_callers_and_reach() {
        let public = vec![grant("allUsers", "roles/run.invoker", None)];
        let with = |edit: fn(&mut Service), grants: Option<&[Grant]>| {
            let mut service = Service::sample();
            edit(&mut service);
            judge(&service, grants, NOW).exposure
        };
        let open = Some(public.as_slice());
        assert_eq!(with(|_| (), open), Exposure::Public);
        assert_eq!(with(|_| (), None), Exposure::Unknown);
        assert_eq!(with(|s| s.invoker_check = false, None), Exposure::Public);
        assert_eq!(with(|s| s.default_url = false, open), Exposure::PublicBehindLoadBalancer);
        assert_eq!(with(|s| s.ingress = Ingress::Internal, open), Exposure::PublicInternal);
        assert_eq!(
            with(
                |s| {
                    s.ingress = Ingress::Internal;
                    s.default_url = false;
                },
                open
            ),
            Exposure::PublicInternal
        );
        assert_eq!(with(|s| s.ingress = Ingress::None, open), Exposure::Unreachable);
        assert_eq!(with(|s| s.ingress = Ingress::Other("x".into()), open), Exposure::Unknown);
        assert_eq!(with(|s| s.iap = true, open), Exposure::Iap);
        assert_eq!(
            with(|s| s.ingress = Ingress::Other("x".into()), Some(&[])),
            Exposure::Restricted
        );
    }
}

//! Who may call a service, and from where: the two halves of how exposed it is.
//!
//! It rests on the service and on its own policy; what the project, folders and organisation
//! grant is not in it (`inherited: unread`).

use time::OffsetDateTime;

use super::invokers::Grant;
use super::member::MemberKind;
use super::role::Invokes;
use super::service::{Ingress, Service};

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

/// From where a request can get through at all.
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

    /// Whether it takes callers without any credential, from wherever they reach it.
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

/// How exposed a service is, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExposureReport {
    pub callers: Callers,
    pub reach: Reach,
    pub exposure: Exposure,
    /// What it rests on, a short sentence each.
    pub reasons: Vec<String>,
}

/// Judges a service by its facts and its policy's grants; `None` where the policy was not or may
/// not be read.
pub fn judge(service: &Service, grants: Option<&[Grant]>, now: OffsetDateTime) -> ExposureReport {
    let mut reasons = Vec::new();
    let callers = callers(service, grants, now, &mut reasons);
    let reach = reach(service, &mut reasons);
    if service.iap {
        reasons.push("Identity-Aware Proxy is on and asks first".to_owned());
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

fn callers(
    service: &Service,
    grants: Option<&[Grant]>,
    now: OffsetDateTime,
    reasons: &mut Vec<String>,
) -> Callers {
    if !service.invoker_check {
        reasons.push("the invoker check is off, so no permission is asked".to_owned());
        return Callers::Anyone;
    }
    let Some(grants) = grants else {
        reasons.push("the policy was not read".to_owned());
        return Callers::Unknown;
    };
    let live = || grants.iter().filter(|grant| grant.counts(now));
    let find = |kind: MemberKind, invokes: Invokes| {
        live().find(|grant| grant.member.kind() == kind && grant.invokes() == invokes)
    };
    for (kind, callers) in [
        (MemberKind::AllUsers, Callers::Anyone),
        (MemberKind::AllAuthenticatedUsers, Callers::AnyGoogleAccount),
    ] {
        if let Some(grant) = find(kind, Invokes::Yes) {
            let when = if grant.condition.is_some() { ", under a condition" } else { "" };
            reasons.push(format!("`{}` has `{}`{when}", grant.member, grant.role));
            return callers;
        }
        if let Some(grant) = find(kind, Invokes::Unknown) {
            reasons.push(format!(
                "`{}` has `{}`, and whether that role can invoke is not known",
                grant.member, grant.role
            ));
            return Callers::Unknown;
        }
    }
    let known = live().any(|grant| grant.invokes() == Invokes::Yes);
    let possible = live().find(|grant| grant.invokes() == Invokes::Unknown);
    if known {
        Callers::Named
    } else if let Some(grant) = possible {
        reasons.push(format!("whether `{}` can invoke is not known", grant.role));
        Callers::Named
    } else {
        Callers::Nobody
    }
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
    use crate::domain::condition::Condition;
    use crate::domain::member::Member;

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

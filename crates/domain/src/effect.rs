//! What a change comes to for those that gain or lose by it.

use serde::Serialize;
use time::OffsetDateTime;

use super::access::{
    Attached, Caller, Evidence, Hierarchy, Knowledge, Request, Verdict, decide, decide_permission,
    without_token,
};
use super::condition::Attributes;
use super::evidence::{Judgement, Roles, carries, said_by_all};
use super::invokers::Grant;
use super::member::Member;
use super::service::Service;
use super::target::Target;

/// The access of one principal after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    pub member: Member,
    pub verdict: Verdict,
    pub because: String,
    /// Whether an unknown verdict is allowed for some requests, by their path or host.
    pub turns_on_request: bool,
    pub basis: Basis,
    /// Whether it is as expected: the principal gained access, and had none before.
    pub is_plain: bool,
}

impl Effect {
    /// The same where the policy was not read: what no grant is needed for stands.
    #[must_use]
    pub fn without_policy(self, why: &str) -> Self {
        if self.verdict == Verdict::Allowed {
            return self;
        }
        let because = format!("its policy was not read: {why}");
        Self { verdict: Verdict::Unknown, because, is_plain: false, ..self }
    }
}

/// What an effect is based on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// Everything that bears on it and can be read.
    All,
    /// The service's own settings and its own policy.
    Own,
}

/// The settings and the policy of a resource.
#[derive(Clone, Copy, Debug)]
pub struct OwnPolicy<'a> {
    pub target: &'a Target,
    /// `None` if it was not read, or is not a service.
    pub service: Option<&'a Service>,
    pub grants: &'a [Grant],
    pub roles: &'a Roles,
    pub now: OffsetDateTime,
}

/// Whether a principal may invoke by the resource's own settings and policy, and why.
pub fn by_itself(own: OwnPolicy<'_>, member: &Member) -> Judgement {
    let OwnPolicy { target, service, grants, roles, now } = own;
    let resource = target.short();
    let allow = [Attached { resource: resource.as_str(), read: Ok(grants) }];
    let place = Hierarchy::default();
    let known = Knowledge {
        carries: &|role, permission| carries(roles, role, permission),
        holds: &|_, _| None,
        place: &place,
        tags: None,
    };
    let caller = Caller::of(member);
    match (target, service) {
        (Target::Service(_), Some(service)) => {
            if service.iap {
                let why = "Identity-Aware Proxy is on: its own policy is asked first";
                return Judgement::unknown(why);
            }
            let request = Request::any(now);
            let evidence =
                Evidence { service, allow: &allow, deny: &[], iap: &[], known, told: None };
            said_by_all(&without_token(decide(&evidence, caller, &request), member))
        }
        (Target::Service(_), None) => Judgement::unknown("the service itself was not read"),
        _ => {
            let attributes = Attributes { path: None, host: None, time: now, tags: None };
            let Some(permission) = target.permission() else {
                return Judgement::unknown("nobody invokes it");
            };
            let asked = (caller, permission);
            said_by_all(&decide_permission((&allow, &[]), None, asked, &attributes, known, None))
        }
    }
}

/// The effect of a change on one principal.
pub fn effect(before: OwnPolicy<'_>, after: OwnPolicy<'_>, member: &Member) -> Effect {
    let was = by_itself(before, member);
    let Judgement { verdict, by, turns_on_request } = by_itself(after, member);
    // What was so already is what a reader of the change does not expect: by what stays.
    let because = match (was.verdict, verdict) {
        (Verdict::Allowed, Verdict::Allowed) => {
            let stays = |grant: &&Grant| after.grants.iter().any(|kept| kept.same_as(grant));
            let kept: Vec<Grant> = before.grants.iter().filter(stays).cloned().collect();
            let by_kept = by_itself(OwnPolicy { grants: &kept, ..after }, member);
            let by = if by_kept.verdict == Verdict::Allowed { by_kept.by } else { by };
            format!("it could before, too: {by}")
        }
        _ => by,
    };
    let is_plain = (was.verdict, verdict) == (Verdict::Denied, Verdict::Allowed)
        || (was.verdict, verdict) == (Verdict::Allowed, Verdict::Denied);
    let (member, basis) = (member.clone(), Basis::Own);
    Effect { member, verdict, because, turns_on_request, basis, is_plain }
}

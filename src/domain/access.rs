//! May this caller invoke this service: the decision, layer by layer, each step with what it
//! rests on.
//!
//! The order of the layers is inferred, not documented: what cannot be reached is refused before
//! anybody is asked who they are; Identity-Aware Proxy comes before Cloud Run's own check; where
//! that is off, no permission is asked.

use std::borrow::Cow;
use std::fmt;

use time::OffsetDateTime;

use super::condition::{self, Attributes, Condition, Truth};
use super::invokers::Grant;
use super::member::{Member, MemberKind};
use super::service::{Ingress, Service};

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub enum Caller<'a> {
    /// Somebody without a credential.
    Anonymous,
    /// The principal whose credential was verified.
    Verified(&'a Member),
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    #[default]
    Internet,
    LoadBalancer,
    Internal,
}

impl Origin {
    /// Every value, for flags.
    pub const ALL: [Self; 3] = [Self::Internet, Self::LoadBalancer, Self::Internal];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Internet => "internet",
            Self::LoadBalancer => "load-balancer",
            Self::Internal => "internal",
        }
    }
}

/// One request to a service.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub path: &'a str,
    pub host: &'a str,
    pub time: OffsetDateTime,
    pub from: Origin,
    /// Whether it comes by one of the service's `run.app` addresses.
    pub by_default_url: bool,
}

/// The allow policy of one resource.
#[derive(Clone, Copy, Debug)]
pub struct Attached<'a> {
    /// Such as `folders/725218103497`.
    pub resource: &'a str,
    /// Its grants; `None` where they could not be read.
    pub grants: Option<&'a [Grant]>,
}

/// What is known of roles and groups: `None` where it is not known.
#[derive(Clone, Copy)]
pub struct Knowledge<'a> {
    /// Whether a role carries the permission in question.
    pub carries: &'a dyn Fn(&str) -> Option<bool>,
    /// Whether a group holds a principal, directly or through others.
    pub holds: &'a dyn Fn(&Member, &Member) -> Option<bool>,
}

impl fmt::Debug for Knowledge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Knowledge(…)")
    }
}

/// The layers, in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    Reachability,
    Iap,
    InvokerCheck,
    Allow,
}

impl Layer {
    /// The word for it in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reachability => "reachability",
            Self::Iap => "iap",
            Self::InvokerCheck => "invoker-check",
            Self::Allow => "allow",
        }
    }
}

/// What a layer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Block,
    Pass,
    /// It is not asked.
    Skip,
    Unknown,
}

/// The grant that a step rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub resource: String,
    pub role: String,
    pub member: Member,
    pub condition: Option<Condition>,
}

/// What one layer says, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub layer: Layer,
    pub outcome: Outcome,
    pub reason: Cow<'static, str>,
    pub source: Option<Source>,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    Denied,
    Unknown,
}

/// The answer with the steps that led to it. Nothing is asked after a layer that blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub verdict: Verdict,
    pub steps: Vec<Step>,
}

impl Decision {
    /// The layer that blocks, if one does.
    pub fn blocked_by(&self) -> Option<Layer> {
        self.steps.iter().find(|step| step.outcome == Outcome::Block).map(|step| step.layer)
    }
}

/// Decides a request. `policies` are those of the service and of everything above it.
pub fn decide(
    service: &Service,
    policies: &[Attached<'_>],
    caller: Caller<'_>,
    request: &Request<'_>,
    known: Knowledge<'_>,
) -> Decision {
    let mut steps = vec![reachability(service, request)];
    if steps[0].outcome != Outcome::Block {
        steps.push(iap(service));
        steps.push(invoker_check(service));
        steps.push(if service.invoker_check {
            let attributes = Attributes {
                path: Some(request.path),
                host: Some(request.host),
                time: request.time,
            };
            permitted(policies, caller, &attributes, known)
        } else {
            step(Layer::Allow, Outcome::Skip, "no permission is asked")
        });
    }
    let any = |outcome| steps.iter().any(|step| step.outcome == outcome);
    let verdict = match (any(Outcome::Block), any(Outcome::Unknown)) {
        (true, _) => Verdict::Denied,
        (false, true) => Verdict::Unknown,
        (false, false) => Verdict::Allowed,
    };
    Decision { verdict, steps }
}

/// Whether any of the policies gives the caller what `known.carries` asks of a role: the allow
/// layer alone, which is all that a call of an API asks.
pub fn permitted(
    policies: &[Attached<'_>],
    caller: Caller<'_>,
    attributes: &Attributes<'_>,
    known: Knowledge<'_>,
) -> Step {
    let mut unknown: Option<Step> = None;
    let mut doubt = |reason: String, source: Option<Source>| {
        let reason = Cow::Owned(reason);
        unknown.get_or_insert(Step {
            layer: Layer::Allow,
            outcome: Outcome::Unknown,
            reason,
            source,
        });
    };
    for policy in policies {
        let Some(grants) = policy.grants else {
            doubt(format!("the policy of `{}` was not read", policy.resource), None);
            continue;
        };
        for grant in grants {
            let carries = (known.carries)(&grant.role);
            if carries == Some(false) {
                continue;
            }
            let truth = reaches(grant, caller, attributes, known);
            if truth == Truth::False {
                continue;
            }
            let source = Source {
                resource: policy.resource.to_owned(),
                role: grant.role.clone(),
                member: grant.member.clone(),
                condition: grant.condition.clone(),
            };
            match (truth, carries) {
                (Truth::True, Some(_)) => {
                    return Step {
                        layer: Layer::Allow,
                        outcome: Outcome::Pass,
                        reason: Cow::Borrowed("a role that carries the permission is granted"),
                        source: Some(source),
                    };
                }
                (Truth::Unknown(why), _) => doubt(why, Some(source)),
                (_, _) => {
                    let role = &grant.role;
                    doubt(format!("what `{role}` carries is not known"), Some(source));
                }
            }
        }
    }
    unknown.unwrap_or_else(|| step(Layer::Allow, Outcome::Block, "no grant reaches the caller"))
}

/// Whether a grant reaches the caller, under its condition.
fn reaches(
    grant: &Grant,
    caller: Caller<'_>,
    attributes: &Attributes<'_>,
    known: Knowledge<'_>,
) -> Truth {
    let is_of = match (caller, grant.member.kind()) {
        (_, MemberKind::AllUsers) => Truth::True,
        (_, MemberKind::Deleted) | (Caller::Anonymous, _) => Truth::False,
        (Caller::Verified(member), MemberKind::Group) => match (known.holds)(&grant.member, member)
        {
            Some(true) => Truth::True,
            Some(false) => Truth::False,
            None => Truth::Unknown(format!("who is in `{}` is not known", grant.member)),
        },
        (Caller::Verified(member), _) if grant.member.reaches(member) => Truth::True,
        (Caller::Verified(_), MemberKind::Other) => {
            Truth::Unknown(format!("who `{}` is, is not known", grant.member))
        }
        (Caller::Verified(_), _) => Truth::False,
    };
    if is_of == Truth::False {
        return is_of;
    }
    let Some(under) = &grant.condition else { return is_of };
    match (is_of, condition::evaluate(&under.expression, attributes)) {
        (_, Truth::False) => Truth::False,
        (Truth::True, truth) | (truth, _) => truth,
    }
}

fn step(layer: Layer, outcome: Outcome, reason: impl Into<Cow<'static, str>>) -> Step {
    Step { layer, outcome, reason: reason.into(), source: None }
}

/// Whether a request gets to the service at all (documented for each value of ingress; that the
/// default URL is refused like one that is not there is observed).
fn reachability(service: &Service, request: &Request<'_>) -> Step {
    let say = |outcome, reason: &'static str| step(Layer::Reachability, outcome, reason);
    if request.by_default_url && !service.default_url {
        return say(Outcome::Block, "the default URL is off");
    }
    match (&service.ingress, request.from) {
        (Ingress::All, _) => say(Outcome::Pass, "ingress is all"),
        (Ingress::Internal, Origin::Internal) => say(Outcome::Pass, "the request is internal"),
        (Ingress::Internal, _) => say(Outcome::Block, "ingress is internal"),
        (Ingress::InternalAndLoadBalancing, Origin::Internet) => {
            say(Outcome::Block, "ingress is internal and load balancers")
        }
        (Ingress::InternalAndLoadBalancing, _) => {
            say(Outcome::Pass, "ingress is internal and load balancers")
        }
        (Ingress::None, _) => say(Outcome::Block, "ingress is none"),
        (Ingress::Other(value), _) => step(
            Layer::Reachability,
            Outcome::Unknown,
            format!("ingress `{value}` is not known to this version"),
        ),
    }
}

fn iap(service: &Service) -> Step {
    if service.iap {
        step(
            Layer::Iap,
            Outcome::Unknown,
            "Identity-Aware Proxy asks first, by a policy of its own",
        )
    } else {
        step(Layer::Iap, Outcome::Skip, "Identity-Aware Proxy is off")
    }
}

fn invoker_check(service: &Service) -> Step {
    if service.invoker_check {
        step(Layer::InvokerCheck, Outcome::Pass, "the invoker check is on")
    } else {
        step(Layer::InvokerCheck, Outcome::Skip, "the invoker check is off")
    }
}

#[cfg(test)]
mod tests;

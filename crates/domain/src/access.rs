//! May this caller invoke this service: the decision, layer by layer, each step with what it
//! rests on.
//!
//! Three-valued throughout, as Kleene's logic: what is unknown decides nothing, and what is denied
//! by one layer is denied whatever the others say. The order of the layers is inferred, not
//! documented: what cannot be reached is refused before anybody is asked who they are;
//! Identity-Aware Proxy comes before Cloud Run's own check; if that is off, no permission is
//! asked; deny policies outrank allow policies (documented).

mod boundaries;
mod members;
mod permission;
mod reach;
mod unread;

use std::borrow::Cow;

use time::OffsetDateTime;

pub use self::boundaries::kept_by_boundaries;
pub use self::members::for_members;
pub use self::permission::{ABOVE, decide_permission, permitted, says_of_the_public};
pub use self::reach::{Entry, is_reserved};
pub use self::unread::decide_unread;
use super::condition::{Attributes, Condition, Doubt, Tags};
use super::deny::DenyRule;
use super::invokers::Grant;
use super::member::{Member, MemberKind};
pub use super::principal::{Caller, Hierarchy};
use super::role::{INVOKE, PASS_IAP};
use super::service::Service;

serialized_as_words!(Origin, Layer, Outcome, Verdict);

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
    /// `None` if it may be any.
    pub path: Option<&'a str>,
    /// `None` if it is not known, as behind a load balancer.
    pub host: Option<&'a str>,
    pub time: OffsetDateTime,
    pub from: Origin,
    /// Which of the service's addresses the host is.
    pub entry: Entry<'a>,
}

impl Request<'_> {
    /// Any over the internet at a service's own address.
    pub fn any(time: OffsetDateTime) -> Self {
        Self { path: None, host: None, time, from: Origin::Internet, entry: Entry::DefaultUrl }
    }
}

/// A policy, or what is read as one, where it is attached.
#[derive(Debug)]
pub struct Attached<'a, T> {
    /// Such as `folders/725218103497`.
    pub resource: &'a str,
    /// What stands in it; else why it was not read.
    pub read: Result<&'a [T], &'a str>,
}

impl<T> Clone for Attached<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Attached<'_, T> {}

/// What is known of roles and groups, and of where the service stands.
#[derive(Clone, Copy)]
pub struct Knowledge<'a> {
    /// Whether a role carries a permission; `None` if it was not, or may not be, read.
    pub carries: &'a dyn Fn(&str, &str) -> Option<bool>,
    /// Whether a group holds a principal.
    pub holds: super::principal::GroupHolds<'a>,
    pub place: &'a Hierarchy,
    /// The tags in force on the service; `None` if they were not read.
    pub tags: Option<&'a Tags>,
}

impl std::fmt::Debug for Knowledge<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Knowledge").field("place", self.place).finish_non_exhaustive()
    }
}

/// All that a decision rests on. Policies stand with the nearest resource first.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'e, 'a> {
    pub service: &'e Service,
    /// Of the service and of everything above it.
    pub allow: &'e [Attached<'a, Grant>],
    /// Of everything above the service: it can have none itself (documented).
    pub deny: &'e [Attached<'a, DenyRule>],
    /// Identity-Aware Proxy's own; asked only if that is on.
    pub iap: &'e [Attached<'a, Grant>],
    pub known: Knowledge<'e>,
    /// What Cloud Run itself answered when the caller asked whether it may invoke
    /// (`testIamPermissions`), which weighs groups, inheritance and deny policies, and no path or
    /// host; `None` if it was not asked.
    pub told: Option<bool>,
}

/// The layers, in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    Reachability,
    Iap,
    InvokerCheck,
    /// Of a job alone: principal access boundaries.
    Boundary,
    Deny,
    Allow,
}

impl Layer {
    /// The word for it in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reachability => "reachability",
            Self::Iap => "iap",
            Self::InvokerCheck => "invoker-check",
            Self::Boundary => "boundary",
            Self::Deny => "deny",
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

impl Outcome {
    /// The word for it in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Pass => "pass",
            Self::Skip => "skip",
            Self::Unknown => "unknown",
        }
    }
}

/// What a step rests on: a grant, or a rule that denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'a> {
    /// The resource that the policy is attached to.
    pub resource: &'a str,
    /// `None` for a rule of a deny policy.
    pub role: Option<&'a str>,
    pub member: &'a Member,
    pub condition: Option<&'a Condition>,
}

/// What one layer says, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    pub layer: Layer,
    pub outcome: Outcome,
    /// What the layer would say if all that was not read were silent.
    pub silent: Outcome,
    pub reason: Cow<'static, str>,
    pub source: Option<Source<'a>>,
    /// What the layer's answer could turn on; empty unless it is unknown.
    pub doubts: Vec<Uncertainty<'a>>,
    /// Whether any of the doubts is about a grant under a condition on the request's path or host.
    rests_on_request: bool,
}

/// Something that is not known, and that an answer could turn on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncertainty<'a> {
    /// The resource, if it is about one's policy.
    pub what: &'a str,
    pub doubt: Doubt,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    Denied,
    Unknown,
}

impl Verdict {
    /// The word for it in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Unknown => "unknown",
        }
    }

    pub(super) fn of(outcomes: impl Iterator<Item = Outcome>) -> Self {
        let mut verdict = Self::Allowed;
        for outcome in outcomes {
            match outcome {
                Outcome::Block => return Self::Denied,
                Outcome::Unknown => verdict = Self::Unknown,
                Outcome::Pass | Outcome::Skip => {}
            }
        }
        verdict
    }
}

/// The answer with the steps that led to it, every layer's: what is behind a layer that blocks is
/// shown too, since it blocks as well or would let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    pub verdict: Verdict,
    pub steps: Vec<Step<'a>>,
}

#[cfg(test)]
impl Decision<'static> {
    /// A decision of these layers alone.
    pub(super) fn sample(layers: &[(Layer, Outcome)]) -> Self {
        let step = |(layer, outcome): &(Layer, Outcome)| Step {
            layer: *layer,
            outcome: *outcome,
            silent: *outcome,
            reason: Cow::Borrowed(""),
            source: None,
            doubts: Vec::new(),
            rests_on_request: false,
        };
        let verdict = Verdict::of(layers.iter().map(|(_, outcome)| *outcome));
        Self { verdict, steps: layers.iter().map(step).collect() }
    }
}

impl<'a> Decision<'a> {
    /// Whether a layer blocks.
    pub fn blocks(&self, layer: Layer) -> bool {
        self.steps.iter().any(|step| step.layer == layer && step.outcome == Outcome::Block)
    }

    /// Whether a layer is asked at all.
    pub fn asks(&self, layer: Layer) -> bool {
        self.steps.iter().any(|step| step.layer == layer && step.outcome != Outcome::Skip)
    }

    /// The layer that blocks first, if one does.
    pub fn blocked_by(&self) -> Option<Layer> {
        self.steps.iter().find(|step| step.outcome == Outcome::Block).map(|step| step.layer)
    }

    /// What the answer would be if everything that was not read were silent: neither granted nor
    /// denied anything.
    pub fn otherwise(&self) -> Verdict {
        Verdict::of(self.steps.iter().map(|step| step.silent))
    }

    /// What an unknown answer could turn on, with its layer.
    pub fn unless(&self) -> impl Iterator<Item = (Layer, &Uncertainty<'a>)> {
        let unknown = self.verdict == Verdict::Unknown;
        let open =
            self.steps.iter().filter(move |step| unknown && step.outcome == Outcome::Unknown);
        open.flat_map(|step| step.doubts.iter().map(|doubt| (step.layer, doubt)))
    }
}

/// Decides a request.
pub fn decide<'a>(
    evidence: &Evidence<'_, 'a>,
    caller: Caller<'_>,
    request: &Request<'_>,
) -> Decision<'a> {
    let service = evidence.service;
    let attributes = Attributes {
        path: request.path,
        host: request.host,
        time: request.time,
        tags: evidence.known.tags,
    };
    let mut steps = Vec::with_capacity(5);
    steps.push(reach::reachability(service, request));
    // Behind Identity-Aware Proxy it is that which invokes (documented).
    let agent;
    let (mut invoker, mut told) = (Some(caller), evidence.told);
    if service.iap {
        steps.push(past_iap(evidence, caller, &attributes));
        agent = iap_agent(evidence.known.place);
        (invoker, told) = (agent.as_ref().map(Caller::Verified), None);
    } else {
        steps.push(Step::new(Layer::Iap, Outcome::Skip, "Identity-Aware Proxy is off"));
    }
    if !service.invoker_check {
        steps.push(Step::new(Layer::InvokerCheck, Outcome::Skip, "the invoker check is off"));
        for layer in [Layer::Deny, Layer::Allow] {
            steps.push(Step::new(layer, Outcome::Skip, "no permission is asked"));
        }
        return Decision { verdict: verdict(&steps), steps };
    }
    let who = if service.iap {
        "the invoker check is on: Identity-Aware Proxy's own account is asked for"
    } else {
        "the invoker check is on"
    };
    steps.push(Step::new(Layer::InvokerCheck, Outcome::Pass, who));
    let Some(invoker) = invoker else {
        let why = "the project's number, and so Identity-Aware Proxy's own account, is not known";
        let unread = Uncertainty { what: "", doubt: Doubt::unread(why) };
        let either = (Outcome::Pass, Outcome::Block);
        steps.push(Step::open(Layer::Allow, either, None, vec![unread]));
        return Decision { verdict: verdict(&steps), steps };
    };
    let asked = permission::Asked {
        caller: invoker,
        permission: INVOKE,
        attributes: &attributes,
        known: evidence.known,
    };
    let denied = permission::denied(evidence.deny, asked);
    let allowed = permission::allowed(evidence.allow, asked);
    let (denied, allowed) = permission::with_told(told, denied, allowed);
    steps.extend([denied, allowed]);
    Decision { verdict: verdict(&steps), steps }
}

/// The same decision, unknown if it lets in a federated caller, which can have no ID token of its
/// own, by what that one is granted. What lets in anybody lets it in too.
///
/// That federated identities get access tokens alone is documented; whether an agent's identity may
/// call Cloud Run itself is contradictory in Google's own pages.
pub fn without_token<'a>(mut decision: Decision<'a>, caller: &Member) -> Decision<'a> {
    if !caller.is_federated() {
        return decision;
    }
    let lets_anyone = |step: &Step<'_>| {
        step.source.is_none_or(|source| source.member.kind() == MemberKind::AllUsers)
    };
    let own = [Layer::Iap, Layer::Allow];
    let step = decision.steps.iter_mut().find(|step| {
        own.contains(&step.layer) && step.outcome == Outcome::Pass && !lets_anyone(step)
    });
    if let Some(step) = step {
        let why = if caller.is_agent() {
            "whether an agent's identity may call Cloud Run itself, Google's own pages say both ways; \
             an account that it may have tokens of is the way that works"
        } else {
            "a federated identity can have no ID token of its own; an account that it may act as is \
             the way (`roles/iam.workloadIdentityUser` on it)"
        };
        let what = step.source.map_or("", |source| source.resource);
        let doubts = vec![Uncertainty { what, doubt: Doubt::undecidable(why) }];
        let either = (Outcome::Pass, Outcome::Block);
        *step = Step::open(step.layer, either, step.source, doubts);
        decision.verdict = verdict(&decision.steps);
    }
    decision
}

fn verdict(steps: &[Step<'_>]) -> Verdict {
    Verdict::of(steps.iter().map(|step| step.outcome))
}

/// The account with which Identity-Aware Proxy calls the services of a project (documented).
pub fn iap_agent(place: &Hierarchy) -> Option<Member> {
    let number = place.number.as_ref()?;
    let address = format!("service-{number}@gcp-sa-iap.iam.gserviceaccount.com");
    Some(Member::of_account(&address))
}

/// Whether Identity-Aware Proxy lets the caller by: its own policies count, and those of the
/// project and of what is above it.
fn past_iap<'a>(
    evidence: &Evidence<'_, 'a>,
    caller: Caller<'_>,
    attributes: &Attributes<'_>,
) -> Step<'a> {
    let asked =
        permission::Asked { caller, permission: PASS_IAP, attributes, known: evidence.known };
    let inherited = evidence.allow.get(1..).unwrap_or_default();
    let policies: Vec<_> = evidence.iap.iter().chain(inherited).copied().collect();
    let denied = permission::denied(evidence.deny, asked);
    let allowed = permission::allowed(&policies, asked);
    // A deny policy outranks; where neither blocks, what is not known of either counts.
    let silent = match Verdict::of([denied.silent, allowed.silent].into_iter()) {
        Verdict::Allowed => Outcome::Pass,
        Verdict::Denied => Outcome::Block,
        Verdict::Unknown => Outcome::Unknown,
    };
    let mut step = match (denied.outcome, allowed.outcome) {
        (Outcome::Block, _) => denied,
        (_, Outcome::Block) | (Outcome::Pass, _) => allowed,
        _ => {
            let source = denied.source.or(allowed.source);
            let doubts = denied.doubts.into_iter().chain(allowed.doubts).collect();
            let both = (Outcome::Unknown, Outcome::Unknown);
            Step { silent, ..Step::open(Layer::Iap, both, source, doubts) }
        }
    };
    step.layer = Layer::Iap;
    step.reason = match step.outcome {
        Outcome::Block if step.source.is_none() => {
            "Identity-Aware Proxy asks first, and nothing lets the caller past it".into()
        }
        Outcome::Pass => "Identity-Aware Proxy asks first, and lets the caller past".into(),
        _ => step.reason,
    };
    step
}

impl<'a> Step<'a> {
    /// Whether it is unknown for nothing but the request's path or host, which decide.
    pub fn turns_on_request(&self) -> bool {
        !self.doubts.is_empty() && self.doubts.iter().all(|unless| unless.doubt.is_of_request)
    }

    fn new(layer: Layer, outcome: Outcome, reason: impl Into<Cow<'static, str>>) -> Self {
        let (reason, doubts) = (reason.into(), Vec::new());
        let (silent, source, rests_on_request) = (outcome, None, false);
        Self { layer, outcome, silent, reason, source, doubts, rests_on_request }
    }

    fn with(self, source: Source<'a>) -> Self {
        Self { source: Some(source), ..self }
    }

    /// A step that is unknown, for the first of its doubts. Of the two outcomes the first is what it
    /// would be if any of the doubts turned out true, the other if none did.
    fn open(
        layer: Layer,
        (any, none): (Outcome, Outcome),
        source: Option<Source<'a>>,
        doubts: Vec<Uncertainty<'a>>,
    ) -> Self {
        let reason = doubts.first().map(|unless| unless.doubt.why.clone()).unwrap_or_default();
        let silently = |silently| doubts.iter().any(|unless| unless.doubt.silently == silently);
        let silent = match (silently(Some(true)), silently(None)) {
            (true, _) => any,
            (_, true) => Outcome::Unknown,
            _ => none,
        };
        let (outcome, rests_on_request) = (Outcome::Unknown, false);
        Self { layer, outcome, silent, reason, source, doubts, rests_on_request }
    }
}

#[cfg(test)]
mod tests;

//! May this caller invoke this service: the decision, layer by layer, each step with what it
//! rests on.
//!
//! Three-valued throughout, as Kleene's logic: what is unknown decides nothing, and what is denied
//! by one layer is denied whatever the others say. The order of the layers is inferred, not
//! documented: what cannot be reached is refused before anybody is asked who they are;
//! Identity-Aware Proxy comes before Cloud Run's own check; if that is off, no permission is
//! asked; deny policies outrank allow policies (documented).

mod boundaries;
mod fallback;
mod members;
mod permission;
mod reach;

use std::borrow::Cow;

use time::OffsetDateTime;

pub use self::boundaries::kept_by_boundaries;
pub use self::fallback::decide_unread;
pub use self::members::for_members;
pub use self::permission::{ABOVE, decide_permission, permitted, says_of_the_public};
pub use self::reach::{Entry, is_reserved};
use super::condition::{Attributes, Condition, Doubt, Tags};
use super::deny::DenyRule;
use super::invokers::Grant;
use super::member::{Member, MemberKind};
pub use super::principal::{Caller, Hierarchy};
use super::role::PASS_IAP;
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

    /// Its word.
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

/// A policy, or what is treated as one, with the resource that it is attached to.
#[derive(Debug)]
pub struct Attached<'a, T> {
    /// Such as `folders/725218103497`.
    pub resource: &'a str,
    /// Its contents, or why it was not read.
    pub read: Result<&'a [T], &'a str>,
}

impl<T> Clone for Attached<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Attached<'_, T> {}

/// Roles, groups, tags and the position of the service in the hierarchy.
#[derive(Clone, Copy)]
pub struct Knowledge<'a> {
    /// Whether a role contains a permission; `None` if it was not, or cannot be, read.
    pub carries: &'a dyn Fn(&str, &str) -> Option<bool>,
    /// Whether a group contains a principal.
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

/// Everything that a decision is based on. Policies are ordered from the nearest resource.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'e, 'a> {
    pub service: &'e Service,
    /// On the service and everything above it.
    pub allow: &'e [Attached<'a, Grant>],
    /// On everything above the service: a service cannot have one itself (documented).
    pub deny: &'e [Attached<'a, DenyRule>],
    /// Identity-Aware Proxy's own policies; evaluated only if it is on.
    pub iap: &'e [Attached<'a, Grant>],
    pub known: Knowledge<'e>,
    /// Cloud Run's own answer to `testIamPermissions` of the caller, which evaluates groups, inheritance and deny
    /// policies, but no path or host; `None` if it was not asked.
    pub told: Option<bool>,
}

/// The layers, in the order of evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    Reachability,
    Iap,
    InvokerCheck,
    /// Principal access boundaries; for jobs only.
    Boundary,
    Deny,
    Allow,
}

impl Layer {
    /// Its word in JSON.
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

/// The outcome of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Block,
    Pass,
    /// The layer does not apply.
    Skip,
    Unknown,
}

impl Outcome {
    /// Its word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Pass => "pass",
            Self::Skip => "skip",
            Self::Unknown => "unknown",
        }
    }
}

/// What a step is based on: a grant, or a deny rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'a> {
    /// The resource that the policy is attached to.
    pub resource: &'a str,
    /// `None` for a deny rule.
    pub role: Option<&'a str>,
    pub member: &'a Member,
    pub condition: Option<&'a Condition>,
}

/// The outcome of one layer, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    pub layer: Layer,
    pub outcome: Outcome,
    /// The outcome if everything unread contained nothing.
    pub silent: Outcome,
    pub reason: Cow<'static, str>,
    pub source: Option<Source<'a>>,
    /// What an unknown outcome depends on; empty if it is known.
    pub doubts: Vec<Uncertainty<'a>>,
    /// Whether any of the doubts is about a grant under a condition on the request's path or host.
    rests_on_request: bool,
}

/// Something unknown that an answer depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncertainty<'a> {
    /// The resource, if it is about one's policy.
    pub what: &'a str,
    pub doubt: Doubt,
}

/// The verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    Denied,
    Unknown,
}

impl Verdict {
    /// Its word in JSON.
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

/// The verdict with the steps of every layer: layers behind a blocking one are shown too, because they block as well or
/// would allow.
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

    /// Whether a layer applies.
    pub fn asks(&self, layer: Layer) -> bool {
        self.steps.iter().any(|step| step.layer == layer && step.outcome != Outcome::Skip)
    }

    /// The layer that blocks first, if one does.
    pub fn blocked_by(&self) -> Option<Layer> {
        self.steps.iter().find(|step| step.outcome == Outcome::Block).map(|step| step.layer)
    }

    /// The verdict if everything unread contained nothing, neither grants nor denials: of an unknown
    /// verdict only, and `None` if it is unknown even so.
    pub fn otherwise(&self) -> Option<Verdict> {
        let silent = self.if_unread_is_silent();
        (self.verdict == Verdict::Unknown && silent != Verdict::Unknown).then_some(silent)
    }

    fn if_unread_is_silent(&self) -> Verdict {
        Verdict::of(self.steps.iter().map(|step| step.silent))
    }

    /// The verdict that is acted on: with `lenient` what could not be read counts as silent.
    pub fn acted_on(&self, lenient: bool) -> Verdict {
        self.otherwise().filter(|_| lenient).unwrap_or(self.verdict)
    }

    /// What an unknown verdict depends on, with its layer.
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
    // Behind Identity-Aware Proxy, the proxy's account invokes (documented).
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
        permission: service.name.permission(),
        attributes: &attributes,
        known: evidence.known,
    };
    let denied = permission::denied(evidence.deny, asked);
    let allowed = permission::allowed(evidence.allow, asked);
    let (denied, allowed) = permission::with_told(told, denied, allowed);
    steps.extend([denied, allowed]);
    Decision { verdict: verdict(&steps), steps }
}

/// The same decision, but unknown if it allows a federated caller by a grant to that caller, which cannot have an ID
/// token of its own. What allows everyone allows it too.
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

/// The account that Identity-Aware Proxy uses to call the services of a project (documented).
pub fn iap_agent(place: &Hierarchy) -> Option<Member> {
    let number = place.number.as_ref()?;
    let address = format!("service-{number}@gcp-sa-iap.iam.gserviceaccount.com");
    Some(Member::of_account(&address))
}

/// Whether Identity-Aware Proxy allows the caller: its own policies count, and those of the project and its ancestors.
fn past_iap<'a>(
    evidence: &Evidence<'_, 'a>,
    caller: Caller<'_>,
    attributes: &Attributes<'_>,
) -> Step<'a> {
    let asked = permission::Asked {
        caller,
        permission: PASS_IAP.into(),
        attributes,
        known: evidence.known,
    };
    let inherited = evidence.allow.get(1..).unwrap_or_default();
    let policies: Vec<_> = evidence.iap.iter().chain(inherited).copied().collect();
    let denied = permission::denied(evidence.deny, asked);
    let allowed = permission::allowed(&policies, asked);
    // A deny policy outranks; if neither blocks, the unknown parts of both count.
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
    /// Whether it is unknown only because of the request's path or host.
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

    /// An unknown step, with its first doubt as the reason. The first outcome is what it would be if any doubt were true, the
    /// second if none were.
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

//! The least change that allows a refused caller: never a broader role, never public access as a
//! side effect.

use crate::context::Context;
use crate::domain::access::{
    self, Decision, Entry, Layer, Origin, Outcome, Request, Step, Verdict, is_reserved,
};
use crate::domain::constraint::{Constraints, Ruling};
use crate::domain::error::quoted;
use crate::domain::evidence::ServiceEvidence;
use crate::domain::exposure::{Callers, judge_all};
use crate::domain::member::{Member, MemberKind};
use crate::domain::role::IAP_ACCESSOR;
use crate::domain::service::Ingress;

/// A refused request, and what is known of it.
#[derive(Clone, Copy)]
pub(super) struct Refused<'a> {
    pub(super) gathered: &'a ServiceEvidence,
    pub(super) decision: &'a Decision<'a>,
    pub(super) request: &'a Request<'a>,
    pub(super) who: &'a Member,
    /// The organisation policies on who may be granted access; `None` if they were not read.
    pub(super) constraints: Option<&'a Constraints>,
}

/// Reads the organisation policies that could refuse a remedy, if a grant could be one.
pub(super) async fn constraints(
    cx: &Context,
    gathered: &ServiceEvidence,
    decision: &Decision<'_>,
) -> Option<Constraints> {
    if !decision.blocks(Layer::Allow) {
        return None;
    }
    let gateway = cx.gateway().await.ok()?;
    let effective = gateway.constraints(gathered.service.name.project()).await;
    Some(Constraints { effective, own_domain: cx.own_domain() })
}

/// The commands that would allow the caller; none if one of the layers that deny has no command,
/// because only the caller or the author of a deny policy can change it.
pub(super) fn remedies(cx: &Context, refused: &Refused<'_>) -> Vec<String> {
    let blocking = refused.decision.steps.iter().filter(|step| step.outcome == Outcome::Block);
    let all: Vec<Vec<String>> = blocking.map(|step| remedy(cx, refused, step)).collect();
    if all.iter().any(Vec::is_empty) { Vec::new() } else { all.concat() }
}

/// The commands that would make one layer allow the caller; none if no command does.
pub(super) fn remedy(cx: &Context, refused: &Refused<'_>, step: &Step<'_>) -> Vec<String> {
    let Refused { gathered, who, .. } = *refused;
    let service = &gathered.service;
    // A grant does not help against a deny policy.
    let is_denied = step.source.is_some_and(|source| source.role.is_none());
    let named = cx.named_to_others(&service.name);
    let ours = |command: &str| vec![cx.suggest_to_others(command)];
    match step.layer {
        Layer::Reachability => reach(cx, refused),
        // Public access is only granted on purpose.
        Layer::Iap if who.is_public() || is_denied => Vec::new(),
        Layer::Iap => vec![past_iap(cx, gathered, who)],
        Layer::InvokerCheck | Layer::Boundary | Layer::Deny => Vec::new(),
        Layer::Allow if service.iap => match access::iap_agent(&gathered.around.place) {
            Some(agent) => ours(&format!("grant {} {named}", agent.address())),
            None => Vec::new(),
        },
        Layer::Allow if who.kind() == MemberKind::AllUsers => match public_way(refused) {
            Some(way) => ours(&format!("make-public {named}{way}")),
            None => Vec::new(),
        },
        // A principal of a kind that cannot call as itself calls as an account: which one is for the
        // user to decide. For an unknown kind, nothing is known.
        Layer::Allow if who.is_federated() || !who.is_known_form() => Vec::new(),
        // What an organisation policy refuses is no way out.
        Layer::Allow if is_forbidden(refused.constraints, who) => Vec::new(),
        Layer::Allow => ours(&grant(who, &named)),
    }
}

/// Whether an organisation policy refuses a member, for certain or perhaps: what may be refused is not
/// offered as the way out.
fn is_forbidden(constraints: Option<&Constraints>, who: &Member) -> bool {
    constraints.is_some_and(|them| them.rule_on(who) != Ruling::Open)
}

/// The option with which `make-public` is not refused; `None` if both ways are.
fn public_way(refused: &Refused<'_>) -> Option<&'static str> {
    let Some(constraints) = refused.constraints else { return Some("") };
    if !is_forbidden(Some(constraints), refused.who) {
        return Some("");
    }
    let is_open = constraints.rule_on_no_check() == Ruling::Open;
    is_open.then_some(" --via no-invoker-check")
}

/// The command that grants, with a member as a user types it.
pub(super) fn grant(who: &Member, service: &str) -> String {
    // A service account whose address looks like a person's needs its prefix.
    let is_plain = who.address().contains('@') && Member::of_account(who.address()) == *who;
    let member = if is_plain { who.address() } else { who.as_str() };
    let flag = if member.contains(',') { "--member " } else { "" };
    format!("grant {flag}{} {service}", quoted(member))
}

/// Opens the service to the origin of the request, if that allows no other caller without a grant.
fn reach(cx: &Context, refused: &Refused<'_>) -> Vec<String> {
    let Refused { gathered, request, .. } = *refused;
    let service = &gathered.service;
    let callers = gathered.weigh(|evidence| judge_all(evidence, cx.now())).callers;
    let by_default_url = match request.entry {
        Entry::Tag(tag) if !service.tags.iter().any(|known| known.tag == tag) => return Vec::new(),
        _ if request.from == Origin::LoadBalancer => false,
        // No setting opens a path that the front end reserves, or a host that is not the service's.
        _ if request.path.is_some_and(is_reserved) => return Vec::new(),
        Entry::Elsewhere | Entry::Unread => return Vec::new(),
        Entry::DefaultUrl | Entry::Tag(_) => true,
        Entry::Domain => false,
    };
    if !matches!(callers, Callers::Named | Callers::Nobody) {
        return Vec::new();
    }
    let named = cx.named_to_others(&service.name);
    let mut commands = Vec::new();
    if by_default_url && !service.default_url {
        commands.push(format!("default-url {named} on"));
    }
    let ingress = match (&service.ingress, request.from) {
        (Ingress::Internal | Ingress::InternalAndLoadBalancing, Origin::Internal)
        | (Ingress::InternalAndLoadBalancing, Origin::LoadBalancer)
        | (Ingress::All, _) => None,
        (Ingress::Internal | Ingress::None, Origin::LoadBalancer) => {
            Some(Ingress::InternalAndLoadBalancing)
        }
        (Ingress::None, Origin::Internal) => Some(Ingress::Internal),
        (_, Origin::Internet) => Some(Ingress::All),
        (Ingress::Other(_), _) => return Vec::new(),
    };
    commands.extend(ingress.map(|value| format!("ingress {named} {}", value.as_str())));
    commands.iter().map(|command| cx.suggest_to_others(command)).collect()
}

/// From where the request could be made without any change, if the network alone keeps it out.
pub(super) fn elsewhere(refused: &Refused<'_>) -> Option<String> {
    let Refused { gathered, decision, request, who, .. } = *refused;
    let blocking = decision.steps.iter().filter(|step| step.outcome == Outcome::Block);
    if blocking.map(|step| step.layer).ne([Layer::Reachability]) {
        return None;
    }
    let passes = |from: Origin| {
        let request = Request { from, ..*request };
        gathered.decide_for(who, &request).verdict == Verdict::Allowed
    };
    let from = match () {
        () if passes(Origin::Internal) => {
            "from the project's VPC networks, and from Cloud Run through one of them"
        }
        () if passes(Origin::LoadBalancer) => "behind an external Application Load Balancer",
        () => return None,
    };
    Some(format!("as it is set now it can be called {from}; opening it admits the internet"))
}

/// The command from Google's page on Identity-Aware Proxy for Cloud Run.
fn past_iap(cx: &Context, gathered: &ServiceEvidence, who: &Member) -> String {
    let name = &gathered.service.name;
    // gcloud knows nothing of the sandbox.
    let to_google = if cx.is_sandbox() { " # asks Google, not the sandbox" } else { "" };
    format!(
        "gcloud beta iap web add-iam-policy-binding --member={} --role={IAP_ACCESSOR} \
         --region={} --resource-type=cloud-run --service={} --project={} --condition=None{to_google}",
        quoted(who.as_str()),
        name.region(),
        name.service(),
        name.project()
    )
}

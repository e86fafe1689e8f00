//! The least that would let a refused caller in: never a wider role, never the public in passing.

use crate::context::Context;
use crate::domain::access::{Decision, Layer, Outcome};
use crate::domain::evidence::Gathered;
use crate::domain::exposure::{Callers, judge_all};
use crate::domain::member::{Member, MemberKind};
use crate::domain::principal::Place;
use crate::domain::role::IAP_ACCESSOR;
use crate::domain::service::Ingress;
use crate::error::quoted;

/// The commands that would let a caller through, one a layer that blocks; none for what only the
/// caller, or whoever wrote a deny policy, can change.
pub(super) fn remedies(
    cx: &Context,
    gathered: &Gathered,
    decision: &Decision<'_>,
    who: &Member,
) -> Vec<String> {
    let blocking = decision.steps.iter().filter(|step| step.outcome == Outcome::Block);
    blocking.filter_map(|step| remedy(cx, gathered, step.layer, who)).collect()
}

fn remedy(cx: &Context, gathered: &Gathered, layer: Layer, who: &Member) -> Option<String> {
    let service = &gathered.service;
    let named = cx.named(&service.name);
    match layer {
        Layer::Reachability => reach(cx, gathered),
        Layer::Iap => Some(past_iap(gathered, who)),
        Layer::InvokerCheck | Layer::Deny => None,
        Layer::Allow if service.iap => {
            let agent = iap_agent(&gathered.place)?;
            Some(cx.suggest_to_others(&format!("grant {agent} {named}")))
        }
        Layer::Allow if who.kind() == MemberKind::AllUsers => {
            Some(cx.suggest_to_others(&format!("make-public {named}")))
        }
        Layer::Allow => {
            let member = quoted(short(who));
            let comma = if who.as_str().contains(',') { "--member " } else { "" };
            Some(cx.suggest_to_others(&format!("grant {comma}{member} {named}")))
        }
    }
}

fn iap_agent(place: &Place) -> Option<String> {
    crate::domain::access::iap_agent(place).map(|member| member.address().to_owned())
}

/// A member as a user types it.
fn short(who: &Member) -> &str {
    if who.is_account() { who.address() } else { who.as_str() }
}

/// Opens the service to the internet where that makes nobody a caller who is not named.
fn reach(cx: &Context, gathered: &Gathered) -> Option<String> {
    let service = &gathered.service;
    let callers = gathered.weigh(|evidence| judge_all(evidence, cx.now())).callers;
    if !matches!(callers, Callers::Named | Callers::Nobody) {
        return None;
    }
    let flag = match &service.ingress {
        Ingress::All if !service.default_url => "--default-url",
        Ingress::Internal | Ingress::InternalAndLoadBalancing | Ingress::None => "--ingress=all",
        _ => return None,
    };
    let name = &service.name;
    Some(format!(
        "gcloud run services update {} {flag} --region={} --project={}",
        name.service(),
        name.region(),
        name.project()
    ))
}

/// As Google's page on Identity-Aware Proxy for Cloud Run has it.
fn past_iap(gathered: &Gathered, who: &Member) -> String {
    let name = &gathered.service.name;
    format!(
        "gcloud beta iap web add-iam-policy-binding --member={} --role={IAP_ACCESSOR} \
         --region={} --resource-type=cloud-run --service={} --project={} --condition=None",
        quoted(who.as_str()),
        name.region(),
        name.service(),
        name.project()
    )
}

//! The least change that allows a refused caller: never a broader role, never public access as a
//! side effect.

use crate::context::Context;
use crate::domain::access::{
    self, Decision, Entry, Layer, Origin, Outcome, Request, Step, is_reserved,
};
use crate::domain::error::quoted;
use crate::domain::evidence::ServiceEvidence;
use crate::domain::exposure::{Callers, judge_all};
use crate::domain::member::{Member, MemberKind};
use crate::domain::role::IAP_ACCESSOR;
use crate::domain::service::Ingress;

/// The commands that would allow `who`, one for each layer that denies; none if one of these layers
/// has no command, because only the caller or the author of a deny policy can change it.
pub(super) fn remedies(
    cx: &Context,
    gathered: &ServiceEvidence,
    decision: &Decision<'_>,
    request: &Request<'_>,
    who: &Member,
) -> Vec<String> {
    let blocking = decision.steps.iter().filter(|step| step.outcome == Outcome::Block);
    let all: Option<Vec<_>> =
        blocking.map(|step| remedy(cx, gathered, step, request, who)).collect();
    all.unwrap_or_default()
}

/// The command that would make one layer allow `who`.
pub(super) fn remedy(
    cx: &Context,
    gathered: &ServiceEvidence,
    step: &Step<'_>,
    request: &Request<'_>,
    who: &Member,
) -> Option<String> {
    let service = &gathered.service;
    // A grant does not help against a deny policy.
    let is_denied = step.source.is_some_and(|source| source.role.is_none());
    let named = cx.named_to_others(&service.name);
    match step.layer {
        Layer::Reachability => reach(cx, gathered, request),
        // Public access is only granted on purpose.
        Layer::Iap if who.is_public() => None,
        Layer::Iap if is_denied => None,
        Layer::Iap => Some(past_iap(gathered, who)),
        Layer::InvokerCheck | Layer::Boundary | Layer::Deny => None,
        Layer::Allow if service.iap => {
            let agent = access::iap_agent(&gathered.around.place)?;
            Some(cx.suggest_to_others(&format!("grant {} {named}", agent.address())))
        }
        Layer::Allow if who.kind() == MemberKind::AllUsers => {
            Some(cx.suggest_to_others(&format!("make-public {named}")))
        }
        // A principal of a kind that cannot call as itself: it calls as an account.
        Layer::Allow if who.is_federated() => {
            let caller = quoted(who.as_str());
            Some(cx.suggest_to_others(&format!("connect {caller} {named} --as ACCOUNT")))
        }
        // Nor is that known of an unknown kind.
        Layer::Allow if !who.is_known_form() => None,
        Layer::Allow => Some(cx.suggest_to_others(&grant(who, &named))),
    }
}

/// The command that grants, with a member as a user types it.
pub(super) fn grant(who: &Member, service: &str) -> String {
    // A service account whose address looks like a person's needs its prefix.
    let is_plain = who.address().contains('@') && Member::of_account(who.address()) == *who;
    let member = if is_plain { who.address() } else { who.as_str() };
    let flag = if member.contains(',') { "--member " } else { "" };
    format!("grant {flag}{} {service}", quoted(member))
}

/// Opens the ingress to the origin of the request, if that lets in no other caller without a grant.
fn reach(cx: &Context, gathered: &ServiceEvidence, request: &Request<'_>) -> Option<String> {
    let service = &gathered.service;
    let callers = gathered.weigh(|evidence| judge_all(evidence, cx.now())).callers;
    let by_default_url = match request.entry {
        Entry::Tag(tag) if !service.tags.iter().any(|known| known.tag == tag) => return None,
        _ if request.from == Origin::LoadBalancer => false,
        // No setting opens a host that the front end reserves or that is not the service's.
        _ if request.path.is_some_and(is_reserved) => return None,
        Entry::Elsewhere | Entry::Unread => return None,
        Entry::DefaultUrl | Entry::Tag(_) => true,
        Entry::Domain => false,
    };
    if !matches!(callers, Callers::Named | Callers::Nobody) {
        return None;
    }
    let mut flags = Vec::new();
    if by_default_url && !service.default_url {
        flags.push("--default-url");
    }
    flags.extend(match (&service.ingress, request.from) {
        (Ingress::Internal | Ingress::InternalAndLoadBalancing, Origin::Internal)
        | (Ingress::InternalAndLoadBalancing, Origin::LoadBalancer)
        | (Ingress::All, _) => None,
        (Ingress::Internal | Ingress::None, Origin::LoadBalancer) => {
            Some("--ingress=internal-and-cloud-load-balancing")
        }
        (Ingress::None, Origin::Internal) => Some("--ingress=internal"),
        (_, Origin::Internet) => Some("--ingress=all"),
        (Ingress::Other(_), _) => return None,
    });
    let name = &service.name;
    (!flags.is_empty()).then(|| {
        // Not in every general release (measured with 528).
        let beta = if flags.contains(&"--default-url") { "beta " } else { "" };
        format!(
            "gcloud {beta}run services update {} {} --region={} --project={}",
            name.service(),
            flags.join(" "),
            name.region(),
            name.project()
        )
    })
}

/// From Google's page on Identity-Aware Proxy for Cloud Run.
fn past_iap(gathered: &ServiceEvidence, who: &Member) -> String {
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

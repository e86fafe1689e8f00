//! What stands in the way of a change, or of its effect: organisation policies, and settings that keep
//! strangers out of a public service.

use super::{Plan, Refusal};
use crate::constraint::Ruling;
use crate::invokers::Grant;
use crate::member::{Member, MemberKind};
use crate::service::{Ingress, Service};
use crate::setting::{Setting, Switch};
use crate::snapshot::Snapshot;

/// Refuses what an organisation policy would refuse; what it may refuse is returned as warnings.
pub(super) fn may_be_added(
    snapshot: &Snapshot,
    members: &[Member],
) -> Result<Vec<String>, Refusal> {
    let Some(constraints) = &snapshot.constraints else { return Ok(Vec::new()) };
    let mut warnings = Vec::new();
    for member in members {
        match constraints.rule_on(member) {
            Ruling::Open => {}
            Ruling::Forbidden(constraint) => {
                let is_public = member.kind() == MemberKind::AllUsers;
                return Err(Refusal::Forbidden {
                    service: snapshot.name.short(),
                    constraint,
                    what: format!("forbids `{member}`"),
                    other_way_open: is_public && constraints.rule_on_no_check() == Ruling::Open,
                });
            }
            Ruling::Doubtful(constraint) => warnings.push(format!(
                "the organisation policy `constraints/{constraint}` may refuse `{member}`"
            )),
        }
    }
    Ok(warnings)
}

pub(super) fn may_lose_its_check(snapshot: &Snapshot) -> Result<Option<String>, Refusal> {
    let Some(constraints) = &snapshot.constraints else { return Ok(None) };
    match constraints.rule_on_no_check() {
        Ruling::Open => Ok(None),
        Ruling::Doubtful(constraint) => Ok(Some(format!(
            "the organisation policy `constraints/{constraint}` may refuse to turn the check off"
        ))),
        Ruling::Forbidden(constraint) => Err(Refusal::Forbidden {
            service: snapshot.name.short(),
            constraint,
            what: "forbids turning the invoker check off".to_owned(),
            other_way_open: constraints.rule_on(&Member::all_users()) == Ruling::Open,
        }),
    }
}

/// That what a plan takes away cannot come back: IAM or an organisation policy does not take it.
pub(super) fn cannot_be_undone(snapshot: &Snapshot, plan: &Plan) -> Vec<String> {
    let of_deny_policies = |grant: &&Grant| grant.member.is_of_deny_policies();
    if let Some(grant) = plan.difference.removed.iter().find(of_deny_policies) {
        return vec![format!("this cannot be undone: IAM takes `{}` in no grant", grant.member)];
    }
    let Some(constraints) = &snapshot.constraints else { return Vec::new() };
    let mut removed = plan.difference.removed.iter();
    let forbidden = removed.find_map(|grant| match constraints.rule_on(&grant.member) {
        Ruling::Forbidden(constraint) => Some((constraint, format!("`{}`", grant.member))),
        Ruling::Open | Ruling::Doubtful(_) => None,
    });
    let turned = || {
        let on = |setting: &Setting| matches!(setting, Setting::Switch(turn) if *turn.to() == Switch::InvokerCheck(true));
        match constraints.rule_on_no_check() {
            Ruling::Forbidden(constraint) if plan.difference.settings.iter().any(on) => {
                Some((constraint, "turning the invoker check off".to_owned()))
            }
            _ => None,
        }
    };
    forbidden
        .or_else(turned)
        .map(|(constraint, what)| {
            format!(
                "this cannot be undone: the organisation policy `constraints/{constraint}` forbids {what}"
            )
        })
        .into_iter()
        .collect()
}

/// What keeps a stranger out of a service that is open to all.
pub(super) fn obstacles(service: &Service) -> Vec<String> {
    let mut obstacles = Vec::new();
    match &service.ingress {
        Ingress::All => {}
        Ingress::Internal => obstacles.push(
            "ingress is `internal`: a stranger on the internet gets 404, callers inside get through"
                .to_owned(),
        ),
        Ingress::InternalAndLoadBalancing => obstacles.push(
            "ingress is `internal-and-cloud-load-balancing`: a stranger gets 404 at its URL and \
             gets through by a load balancer only"
                .to_owned(),
        ),
        Ingress::None => {
            obstacles.push("ingress is `none`: nobody gets through, public or not".to_owned());
        }
        Ingress::Other(value) => obstacles
            .push(format!("ingress is `{value}`, and what that lets through is not known here")),
    }
    if !service.default_url && service.ingress != Ingress::None {
        obstacles.push(
            "the default URL is off: a stranger gets 404 there and needs a load balancer or a \
             domain that leads here"
                .to_owned(),
        );
    }
    if service.iap {
        obstacles.push(
            "Identity-Aware Proxy is on: a stranger is sent to sign in, and passes only if IAP's \
             own policy says so"
                .to_owned(),
        );
    }
    obstacles
}

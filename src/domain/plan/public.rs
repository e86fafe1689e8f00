//! Plans that make a service public, by one of the two ways there are, or private again.

use super::{Action, Plan, Refusal, Setting, Snapshot, Step, StepKind, judge};
use crate::domain::exposure;
use crate::domain::invokers::{Grant, grants, invoker_count};
use crate::domain::member::{Member, MemberKind};
use crate::domain::policy;
use crate::domain::role::{Invokes, Role};
use crate::domain::service::{Ingress, Service};

/// The two ways to let anyone in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicVia {
    /// `allUsers` gets the invoker role.
    AllUsers,
    /// No permission is asked any more; Google recommends it where public access is wanted.
    NoInvokerCheck,
}

/// Plans to make one service public. Without a way named, a service that is public in either
/// way is left as it is. The snapshot must hold the service.
pub fn plan_make_public(snapshot: &Snapshot, via: Option<PublicVia>) -> Result<Plan, Refusal> {
    let service = needed(snapshot)?;
    let open = exposure::judge(service, Some(&grants(&snapshot.policy)), snapshot.read_at);
    let everyone = |grant: &Grant| {
        grant.member.kind() == MemberKind::AllUsers
            && grant.condition.is_none()
            && grant.invokes() == Invokes::Yes
    };
    let is_open = !service.invoker_check || grants(&snapshot.policy).iter().any(everyone);
    let already = via.is_none() && is_open;
    let members = match via {
        _ if already => &[][..],
        Some(PublicVia::NoInvokerCheck) => &[],
        Some(PublicVia::AllUsers) | None => &[Member::all_users()],
    };
    let edit = policy::add(&snapshot.policy, &Role::invoker(), members)
        .map_err(|limit| Refusal::Limit { service: snapshot.name.short(), limit })?;
    let mut plan = Plan::from_edit(Action::MakePublic, snapshot, edit);
    if via == Some(PublicVia::NoInvokerCheck) && service.invoker_check {
        set_invoker_check(&mut plan, snapshot, service, false);
    }
    if plan.is_empty() {
        plan.notes
            .extend(open.reasons.into_iter().take(1).map(|why| format!("public already: {why}")));
    }
    plan.warnings.extend(obstacles(service));
    Ok(plan)
}

/// Plans to undo both ways of being public: everyone and any Google account lose every role that
/// can or may invoke, then the check is turned on. The policy goes first: the check off means
/// that the policy does not matter yet, so nobody who is to keep access loses it in between.
pub fn plan_make_private(snapshot: &Snapshot) -> Result<Plan, Refusal> {
    let service = needed(snapshot)?;
    let public = |grant: &Grant| grant.member.is_public() && grant.invokes() != Invokes::No;
    let edit = policy::remove(&snapshot.policy, public);
    let left = grants(&edit.policy);
    let mut plan = Plan::from_edit(Action::MakePrivate, snapshot, edit);
    if !service.invoker_check {
        set_invoker_check(&mut plan, snapshot, service, true);
    }
    for grant in &plan.removed {
        if grant.invokes() == Invokes::Unknown {
            plan.notes.push(format!(
                "whether `{}` can invoke is not known, so `{}` loses it as well",
                grant.role, grant.member
            ));
        }
    }
    if !plan.is_empty() {
        let possible = left
            .iter()
            .any(|grant| grant.invokes() == Invokes::Unknown && grant.counts(snapshot.read_at));
        match (invoker_count(&left, snapshot.read_at), possible) {
            (0, false) => plan
                .warnings
                .push("the service's own policy will let nobody invoke it afterwards".to_owned()),
            (0, true) => plan.warnings.push(
                "the service's own policy will let nobody invoke it afterwards, unless by a role \
                 that is not known here"
                    .to_owned(),
            ),
            (1, _) => {
                plan.notes.push("1 principal will be able to invoke it afterwards".to_owned());
            }
            (many, _) => {
                plan.notes.push(format!("{many} principals will be able to invoke it afterwards"));
            }
        }
    }
    Ok(plan)
}

fn needed(snapshot: &Snapshot) -> Result<&Service, Refusal> {
    snapshot
        .service
        .as_ref()
        .ok_or_else(|| Refusal::ServiceUnread { service: snapshot.name.short() })
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

fn set_invoker_check(plan: &mut Plan, snapshot: &Snapshot, service: &Service, on: bool) {
    let word = |on| if on { "on" } else { "off" };
    plan.steps.push(Step(StepKind::SetInvokerCheck {
        on,
        etag: service.etag.clone().unwrap_or_default(),
    }));
    plan.settings.push(Setting { name: "invokerCheck", before: word(!on), after: word(on) });
    let after = Service { invoker_check: on, ..service.clone() };
    let policy = match plan.steps.first().map(|step| &step.0) {
        Some(StepKind::SetPolicy(policy)) => policy,
        _ => &snapshot.policy,
    };
    let before = judge(service, &snapshot.policy, snapshot.read_at);
    plan.exposure = Some((before, judge(&after, policy, snapshot.read_at)));
}

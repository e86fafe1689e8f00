//! Settings that are turned: as a plan of their own, and as a part of others.

use super::{Action, Plan, Refusal, Setting, Snapshot, Step, StepKind, judge, public};
use crate::domain::policy::Edit;
use crate::domain::service::{Ingress, Service};
use crate::domain::setting::Switch;

/// Plans to turn one setting of a service. The snapshot must hold the service.
pub fn plan_turn(
    snapshot: &Snapshot,
    action: Action,
    name: Switch,
    value: &str,
) -> Result<Plan, Refusal> {
    let service = needed(snapshot)?;
    let edit = Edit { policy: snapshot.policy.clone(), added: Vec::new(), removed: Vec::new() };
    let mut plan = Plan::from_edit(action, snapshot, edit);
    turn(&mut plan, snapshot, &[(name, value.to_owned())])?;
    if plan.is_empty() {
        return Ok(plan);
    }
    let after = name.set(service, value);
    match name {
        Switch::Ingress if value == "none" => plan.warnings.push(
            "nobody gets through from then on, from wherever: every caller gets 404".to_owned(),
        ),
        Switch::Ingress if value != "all" && lets_in_the_internet(&service.ingress) => {
            plan.warnings.push(format!(
                "whoever calls it from the internet gets 404 from then on{}",
                match value {
                    "internal" => ": only what is inside gets through",
                    "internal-and-cloud-load-balancing" => ", but through a load balancer",
                    _ => "",
                }
            ));
        }
        Switch::Ingress
            if value == "internal" && service.ingress == Ingress::InternalAndLoadBalancing =>
        {
            plan.warnings
                .push("whoever calls it through a load balancer gets 404 from then on".to_owned());
        }
        Switch::DefaultUrl if value == "off" => plan.warnings.push(
            "whoever calls it at its URL gets 404 from then on: callers need a load balancer or a \
             domain that leads here"
                .to_owned(),
        ),
        Switch::InvokerCheck if value == "off" => {
            plan.warnings.extend(public::may_lose_its_check(snapshot)?);
            plan.warnings.extend(public::obstacles(&after));
        }
        _ => {}
    }
    plan.warnings.extend(public::cannot_be_undone(snapshot, &plan));
    Ok(plan)
}

fn lets_in_the_internet(ingress: &Ingress) -> bool {
    matches!(ingress, Ingress::All | Ingress::Other(_))
}

/// Adds to a plan that these settings get these values; those that have them are left alone. The
/// policy, where the plan sets it, goes first.
pub(super) fn turn(
    plan: &mut Plan,
    snapshot: &Snapshot,
    wanted: &[(Switch, String)],
) -> Result<(), Refusal> {
    let service = needed(snapshot)?;
    let (mut after, mut switches) = (service.clone(), Vec::new());
    for (name, value) in wanted {
        let before = name.of(service);
        if before == *value {
            continue;
        }
        after = name.set(&after, value);
        switches.push((*name, value.clone()));
        plan.settings.push(Setting::turned(*name, before, value.clone()));
    }
    if switches.is_empty() {
        return Ok(());
    }
    let policy = match plan.steps.first().map(|step| &step.0) {
        Some(StepKind::SetPolicy { policy, .. }) => policy,
        _ => &snapshot.policy,
    };
    let turned = after;
    let (before, after) =
        (judge(service, &snapshot.policy, snapshot), judge(&turned, policy, snapshot));
    plan.exposure = Some((before, after));
    plan.facts = Some((service.clone(), turned));
    let short = snapshot.name.short();
    if before != after {
        plan.asks.push(format!("`{short}` goes from {} to {}", before.as_str(), after.as_str()));
    }
    // Who gets through changes although it is called the same.
    for Setting { name, before: from, after: to } in &plan.settings {
        if before == after {
            let name = name.as_str();
            plan.asks.push(format!("`{name}` of `{short}` goes from `{from}` to `{to}`"));
        }
    }
    let etag = service.etag.clone().unwrap_or_default();
    let service = service.name.clone();
    plan.steps.push(Step(StepKind::UpdateService { service, switches, audiences: None, etag }));
    Ok(())
}

pub(super) fn needed(snapshot: &Snapshot) -> Result<&Service, Refusal> {
    let unread = || Refusal::ServiceUnread { service: snapshot.name.short() };
    snapshot.weighed().ok_or_else(unread)
}

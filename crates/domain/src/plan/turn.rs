//! Settings that are turned: as a plan of their own, and as a part of others.

use super::{Change, Needs, Plan, Refusal, Step, StepKind, Use, judge, obstacles};
use crate::action::Action;
use crate::service::{Ingress, Service};
use crate::setting::{Setting, Switch, Turn};
use crate::snapshot::Snapshot;

/// Turns one switch of a service to a value.
#[derive(Clone, Debug)]
pub struct TurnSwitch(pub Switch);

impl Change for TurnSwitch {
    fn action(&self) -> Action {
        Action::Turn(self.0.kind())
    }

    fn needs(&self, _: Option<&str>) -> Needs {
        Needs {
            service: Use::Needed,
            // Whether it may be turned off, now or by an undo.
            constraints: matches!(self.0, Switch::InvokerCheck(_)),
            ingress: matches!(self.0, Switch::Ingress(_)),
            settings_only: true,
            ..Needs::default()
        }
    }

    fn plan(&self, snapshot: &Snapshot) -> Result<Plan, Refusal> {
        let to = &self.0;
        let service = needed(snapshot)?;
        let mut plan = Plan::unchanged(self.action(), snapshot);
        turn(&mut plan, snapshot, std::slice::from_ref(to))?;
        if plan.is_empty() {
            return Ok(plan);
        }
        match to {
            Switch::Ingress(ingress) => {
                plan.warnings.extend(shut_out(&service.ingress, ingress).map(str::to_owned));
            }
            Switch::DefaultUrl(false) => plan.warnings.push(
                "whoever calls it at its URL gets 404 from then on: callers need a load balancer or a \
                 domain that leads here"
                    .to_owned(),
            ),
            Switch::InvokerCheck(false) => {
                plan.warnings.extend(obstacles::may_lose_its_check(snapshot)?);
                plan.warnings.extend(obstacles::obstacles(&to.set(service)));
            }
            Switch::DefaultUrl(true) | Switch::Iap(_) | Switch::InvokerCheck(true) => {}
        }
        plan.warnings.extend(obstacles::cannot_be_undone(snapshot, &plan));
        Ok(plan)
    }
}

/// Who gets through no more where ingress goes from one value to another.
fn shut_out(from: &Ingress, to: &Ingress) -> Option<&'static str> {
    match (from, to) {
        (_, Ingress::None) => {
            Some("nobody gets through from then on, from wherever: every caller gets 404")
        }
        (Ingress::All | Ingress::Other(_), Ingress::Internal) => Some(
            "whoever calls it from the internet gets 404 from then on: only what is inside gets through",
        ),
        (Ingress::All | Ingress::Other(_), Ingress::InternalAndLoadBalancing) => Some(
            "whoever calls it from the internet gets 404 from then on, but through a load balancer",
        ),
        (Ingress::InternalAndLoadBalancing, Ingress::Internal) => {
            Some("whoever calls it through a load balancer gets 404 from then on")
        }
        _ => None,
    }
}

/// Adds to a plan that these switches get these values; those that have them are left alone. The
/// policy, if the plan sets it, goes first.
pub(super) fn turn(plan: &mut Plan, snapshot: &Snapshot, wanted: &[Switch]) -> Result<(), Refusal> {
    let service = needed(snapshot)?;
    let turns: Vec<Turn> = wanted.iter().filter_map(|to| Turn::of(service, to.clone())).collect();
    if turns.is_empty() {
        return Ok(());
    }
    let policy = match plan.steps.first().map(|step| &step.0) {
        Some(StepKind::SetPolicy { policy, .. }) => policy,
        _ => &snapshot.policy,
    };
    let turned = turns.iter().fold(service.clone(), |service, turn| turn.to().set(&service));
    let (before, after) =
        (judge(service, &snapshot.policy, snapshot), judge(&turned, policy, snapshot));
    plan.exposure = Some((before, after));
    plan.facts = Some((service.clone(), turned));
    let short = snapshot.name.short();
    if before != after {
        plan.asks.push(format!("`{short}` goes from {} to {}", before.as_str(), after.as_str()));
    }
    // Who gets through changes although it is called the same.
    for turn in turns.iter().filter(|_| before == after) {
        let (name, from, to) = (turn.to().name(), turn.from().value(), turn.to().value());
        plan.asks.push(format!("`{name}` of `{short}` goes from `{from}` to `{to}`"));
    }
    let switches = turns.iter().map(|turn| turn.to().clone()).collect();
    plan.difference.settings.extend(turns.into_iter().map(Setting::Switch));
    let etag = service.etag.clone().unwrap_or_default();
    let service = service.name.clone();
    plan.steps.push(Step(StepKind::UpdateService { service, switches, audiences: None, etag }));
    Ok(())
}

pub(super) fn needed(snapshot: &Snapshot) -> Result<&Service, Refusal> {
    let unread = || Refusal::ServiceUnread { service: snapshot.name.short() };
    snapshot.weighed().ok_or_else(unread)
}

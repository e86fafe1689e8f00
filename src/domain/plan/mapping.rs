//! Plans that map a domain to a service, or remove its mapping.

use super::{Plan, Refusal, Step, StepKind};
use crate::domain::action::Action;
use crate::domain::setting::Setting;
use crate::domain::snapshot::Snapshot;
use crate::domain::target::{Existing, Target};

/// Plans that a domain leads to a service (`Some`), or nowhere.
pub fn plan_mapping(
    snapshot: &Snapshot,
    action: Action,
    to: Option<&str>,
    force: bool,
) -> Result<Plan, Refusal> {
    let mut plan = Plan::unchanged(action, snapshot);
    match to {
        Some(service) => map(&mut plan, snapshot, service, force)?,
        None => unmap(&mut plan, snapshot),
    }
    Ok(plan)
}

/// Adds to a plan that the domain leads to a service, unless it does.
pub(super) fn map(
    plan: &mut Plan,
    snapshot: &Snapshot,
    service: &str,
    force: bool,
) -> Result<(), Refusal> {
    let Target::Mapping(mapping) = &snapshot.name else { return Ok(()) };
    let domain = snapshot.name.short();
    match &snapshot.existing {
        Some(Existing::Mapping { service: today, .. }) if today == service => return Ok(()),
        // A mapping cannot be changed, and to remove it first is a step of its own.
        Some(Existing::Mapping { service, .. }) => {
            return Err(Refusal::MappedElsewhere { domain, service: service.clone() });
        }
        _ => {}
    }
    let (mapping, service) = (mapping.clone(), service.to_owned());
    plan.difference
        .settings
        .push(Setting::DomainMapping { service: service.clone(), present: true });
    plan.steps.push(Step(StepKind::MapDomain { mapping, service, force }));
    if force {
        plan.warnings.push(
            "wherever it leads now, which is not known here, it leads there no more; to undo this does \
             not give it back"
                .to_owned(),
        );
        plan.asks.push(format!("`{domain}` is taken from wherever it leads now"));
    }
    Ok(())
}

/// Adds to a plan that the domain's mapping is removed, if it has one.
pub(super) fn unmap(plan: &mut Plan, snapshot: &Snapshot) {
    let (Target::Mapping(mapping), Some(Existing::Mapping { service, .. })) =
        (&snapshot.name, &snapshot.existing)
    else {
        return;
    };
    plan.difference
        .settings
        .push(Setting::DomainMapping { service: service.clone(), present: false });
    plan.steps.push(Step(StepKind::UnmapDomain(mapping.clone())));
    plan.asks.push(format!("`{}` leads to `{service}` no more", snapshot.name.short()));
    plan.warnings.push(
        "whoever calls the domain gets an error from then on, and its certificate is given up: a new \
         one takes a while"
            .to_owned(),
    );
}

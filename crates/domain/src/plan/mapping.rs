//! Plans that map a domain to a service, or remove its mapping.

use super::{Change, Needs, Plan, Refusal, Step, StepKind};
use crate::action::Action;
use crate::setting::Setting;
use crate::snapshot::Snapshot;
use crate::target::{Existing, Target};

/// Maps a domain to a service of its region.
#[derive(Clone, Debug)]
pub struct MapDomain {
    /// The bare name of the service.
    pub service: String,
    /// Whether it is taken from wherever it leads, in another project too.
    pub force: bool,
}

impl Change for MapDomain {
    fn action(&self) -> Action {
        Action::DomainMap
    }

    fn needs(&self, _: Option<&str>) -> Needs {
        Needs::default()
    }

    fn plan(&self, snapshot: &Snapshot) -> Result<Plan, Refusal> {
        let mut plan = Plan::unchanged(Action::DomainMap, snapshot);
        map(&mut plan, snapshot, &self.service, self.force)?;
        Ok(plan)
    }
}

/// Removes the mapping of a domain.
#[derive(Clone, Copy, Debug)]
pub struct UnmapDomain;

impl Change for UnmapDomain {
    fn action(&self) -> Action {
        Action::DomainUnmap
    }

    fn needs(&self, _: Option<&str>) -> Needs {
        Needs::default()
    }

    fn plan(&self, snapshot: &Snapshot) -> Result<Plan, Refusal> {
        let mut plan = Plan::unchanged(Action::DomainUnmap, snapshot);
        unmap(&mut plan, snapshot);
        Ok(plan)
    }
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

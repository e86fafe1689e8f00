//! Plans that add or remove a custom audience: a URL that a token may be for beside the service's own.

use super::turn::needed;
use super::{Change, Needs, Plan, Refusal, Step, StepKind, Use};
use crate::action::Action;
use crate::setting::Setting;
use crate::snapshot::Snapshot;

/// Has a service take tokens for an audience, or take them no more.
#[derive(Clone, Debug)]
pub struct SetAudience {
    pub audience: String,
    /// Whether it is one of the service's custom audiences afterwards.
    pub present: bool,
}

impl Change for SetAudience {
    fn action(&self) -> Action {
        if self.present { Action::AudienceAdd } else { Action::AudienceRemove }
    }

    fn needs(&self, _: Option<&str>) -> Needs {
        Needs { service: Use::Needed, settings_only: true, ..Needs::default() }
    }

    fn plan(&self, snapshot: &Snapshot) -> Result<Plan, Refusal> {
        let mut plan = Plan::unchanged(self.action(), snapshot);
        set_audiences(&mut plan, snapshot, &[(&self.audience, self.present)])?;
        if !self.present && !plan.is_empty() {
            plan.asks.push(format!("tokens for `{}` are refused from then on", self.audience));
        }
        Ok(plan)
    }
}

/// Adds to a plan that tokens for these custom audiences are taken (`true`) or not, in one step with the
/// switches that it turns.
pub(super) fn set_audiences(
    plan: &mut Plan,
    snapshot: &Snapshot,
    wanted: &[(&str, bool)],
) -> Result<(), Refusal> {
    if wanted.is_empty() {
        return Ok(());
    }
    let service = needed(snapshot)?;
    let mut audiences = service.custom_audiences.clone();
    for (audience, present) in wanted.iter().copied() {
        let audience = audience.to_owned();
        match (audiences.contains(&audience), present) {
            (true, true) | (false, false) => continue,
            (false, true) => audiences.push(audience.clone()),
            (true, false) => audiences.retain(|known| *known != audience),
        }
        plan.difference.settings.push(Setting::CustomAudience { audience, present });
    }
    if audiences == service.custom_audiences {
        return Ok(());
    }
    match plan.steps.last_mut().map(|step| &mut step.0) {
        Some(StepKind::UpdateService { audiences: set, .. }) => *set = Some(audiences),
        _ => plan.steps.push(Step(StepKind::UpdateService {
            service: service.name.clone(),
            switches: Vec::new(),
            audiences: Some(audiences),
            etag: service.etag.clone().unwrap_or_default(),
        })),
    }
    Ok(())
}

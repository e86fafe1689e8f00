//! Plans that add or remove a custom audience: a URL that a token may be for beside the service's own.

use super::turn::needed;
use super::{Plan, Refusal, Step, StepKind};
use crate::domain::action::Action;
use crate::domain::setting::Setting;
use crate::domain::snapshot::Snapshot;

/// Plans that a service takes tokens for an audience, or takes them no more. The snapshot must hold
/// the service.
pub fn plan_audience(
    snapshot: &Snapshot,
    action: Action,
    audience: &str,
    wanted: bool,
) -> Result<Plan, Refusal> {
    let mut plan = Plan::unchanged(action, snapshot);
    set_audiences(&mut plan, snapshot, &[(audience, wanted)])?;
    if !wanted && !plan.is_empty() {
        plan.asks.push(format!("tokens for `{audience}` are refused from then on"));
    }
    Ok(plan)
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

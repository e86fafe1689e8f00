//! Plans that add or remove a custom audience: a URL that a token may be for beside the service's own.

use super::turn::needed;
use super::{Action, Plan, Refusal, Snapshot, Step, StepKind};
use crate::domain::policy::Edit;
use crate::domain::setting::{Setting, SettingName};

/// Plans that a service takes tokens for an audience, or takes them no more. The snapshot must hold
/// the service.
pub fn plan_audience(
    snapshot: &Snapshot,
    action: Action,
    audience: &str,
    wanted: bool,
) -> Result<Plan, Refusal> {
    let edit = Edit { policy: snapshot.policy.clone(), added: Vec::new(), removed: Vec::new() };
    let mut plan = Plan::from_edit(action, snapshot, edit);
    let (none, audience) = (String::new(), audience.to_owned());
    let (before, after) = if wanted { (none, audience) } else { (audience, none) };
    let setting = Setting { name: SettingName::CustomAudience, before, after };
    set_audiences(&mut plan, snapshot, std::slice::from_ref(&setting))?;
    if !wanted && !plan.is_empty() {
        plan.asks.push(format!("tokens for `{}` are refused from then on", setting.before));
    }
    Ok(plan)
}

/// Adds to a plan what these settings say of custom audiences, in one step with the switches that it
/// turns.
pub(super) fn set_audiences(
    plan: &mut Plan,
    snapshot: &Snapshot,
    wanted: &[Setting],
) -> Result<(), Refusal> {
    if wanted.is_empty() {
        return Ok(());
    }
    let service = needed(snapshot)?;
    let mut audiences = service.custom_audiences.clone();
    for setting in wanted {
        let held = audiences.contains(&setting.after) || setting.after.is_empty();
        let gone = !audiences.contains(&setting.before) || setting.before.is_empty();
        if held && gone {
            continue;
        }
        audiences.retain(|known| setting.before.is_empty() || *known != setting.before);
        if !held {
            audiences.push(setting.after.clone());
        }
        plan.settings.push(setting.clone());
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

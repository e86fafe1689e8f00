//! Plans that make or take away what stands beside a service: an account to run as, a domain that
//! leads to it.

use super::{Action, Plan, Refusal, Snapshot, Step, StepKind};
use crate::domain::policy::Edit;
use crate::domain::setting::{Setting, SettingName};
use crate::domain::target::Target;

/// What is there of an account or a domain mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum There {
    Nothing,
    Account {
        address: String,
        unique_id: String,
    },
    Mapping {
        service: String,
        /// What tells it from another that is made in its place.
        uid: String,
    },
}

impl There {
    /// The value of the setting that says so.
    pub fn word(&self) -> &str {
        match self {
            Self::Nothing => "",
            Self::Account { address, .. } => address,
            Self::Mapping { service, .. } => service,
        }
    }

    /// What tells it from another of the same name.
    pub fn version(&self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Account { unique_id, .. } => Some(unique_id.clone()),
            Self::Mapping { uid, .. } => Some(uid.clone()),
        }
    }
}

/// Plans that a service account is there, under this display name where it is made.
pub fn plan_account(snapshot: &Snapshot, action: Action, display_name: &str) -> Plan {
    let mut plan = unchanged(snapshot, action);
    make_account(&mut plan, snapshot, display_name);
    plan
}

/// Plans that a domain leads to a service (`Some`), or nowhere.
pub fn plan_mapping(
    snapshot: &Snapshot,
    action: Action,
    to: Option<&str>,
    force: bool,
) -> Result<Plan, Refusal> {
    let mut plan = unchanged(snapshot, action);
    match to {
        Some(service) => map(&mut plan, snapshot, service, force)?,
        None => unmap(&mut plan, snapshot),
    }
    Ok(plan)
}

/// Adds to a plan that what a setting speaks of is as it says.
pub(super) fn bring_about(
    plan: &mut Plan,
    snapshot: &Snapshot,
    setting: &Setting,
) -> Result<(), Refusal> {
    match (setting.name, setting.after.as_str()) {
        (SettingName::Account, "") => delete_account(plan, snapshot),
        (SettingName::Account, _) => make_account(plan, snapshot, ""),
        (SettingName::DomainMapping, "") => unmap(plan, snapshot),
        (SettingName::DomainMapping, service) => map(plan, snapshot, service, false)?,
        (SettingName::CustomAudience | SettingName::Switch(_), _) => {}
    }
    Ok(())
}

fn unchanged(snapshot: &Snapshot, action: Action) -> Plan {
    let policy = snapshot.policy.clone();
    Plan::from_edit(action, snapshot, Edit { policy, added: Vec::new(), removed: Vec::new() })
}

fn make_account(plan: &mut Plan, snapshot: &Snapshot, display_name: &str) {
    let Target::Account(account) = &snapshot.name else { return };
    if !matches!(snapshot.there, None | Some(There::Nothing)) {
        return;
    }
    let (name, before, after) = (SettingName::Account, String::new(), snapshot.name.short());
    plan.settings.push(Setting { name, before, after });
    let display_name = display_name.to_owned();
    let account = account.clone();
    plan.steps.push(Step(StepKind::CreateAccount { account, display_name }));
}

fn delete_account(plan: &mut Plan, snapshot: &Snapshot) {
    let (Target::Account(account), Some(There::Account { address, unique_id })) =
        (&snapshot.name, &snapshot.there)
    else {
        return;
    };
    let (before, after) = (address.clone(), String::new());
    plan.settings.push(Setting { name: SettingName::Account, before, after });
    let (account, unique_id) = (account.clone(), unique_id.clone());
    plan.steps.push(Step(StepKind::DeleteAccount { account, unique_id }));
    plan.asks.push(format!("the service account `{address}` is deleted"));
    plan.warnings.push(
        "whatever runs as this account fails once it is gone: take it off services and jobs first"
            .to_owned(),
    );
}

fn map(plan: &mut Plan, snapshot: &Snapshot, service: &str, force: bool) -> Result<(), Refusal> {
    let Target::Mapping(mapping) = &snapshot.name else { return Ok(()) };
    let domain = snapshot.name.short();
    match &snapshot.there {
        Some(There::Mapping { service: today, .. }) if today == service => return Ok(()),
        // A mapping cannot be changed, and to take it away first is a step of its own.
        Some(There::Mapping { service, .. }) => {
            return Err(Refusal::MappedElsewhere { domain, service: service.clone() });
        }
        _ => {}
    }
    let (before, after) = (String::new(), service.to_owned());
    plan.settings.push(Setting { name: SettingName::DomainMapping, before, after });
    let (mapping, service) = (mapping.clone(), service.to_owned());
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

fn unmap(plan: &mut Plan, snapshot: &Snapshot) {
    let (Target::Mapping(mapping), Some(There::Mapping { service, .. })) =
        (&snapshot.name, &snapshot.there)
    else {
        return;
    };
    let (before, after) = (service.clone(), String::new());
    plan.settings.push(Setting { name: SettingName::DomainMapping, before, after });
    plan.steps.push(Step(StepKind::UnmapDomain(mapping.clone())));
    plan.asks.push(format!("`{}` leads to `{service}` no more", snapshot.name.short()));
    plan.warnings.push(
        "whoever calls the domain gets an error from then on, and its certificate is given up: a new \
         one takes a while"
            .to_owned(),
    );
}

//! Service accounts that a plan creates or deletes.

use super::{Plan, Step, StepKind};
use crate::setting::Setting;
use crate::snapshot::Snapshot;
use crate::target::{Existing, Target};

/// Adds to a plan that the account is created under this display name, unless it exists.
pub(super) fn create_account(plan: &mut Plan, snapshot: &Snapshot, display_name: &str) {
    let Target::Account(account) = &snapshot.name else { return };
    if !matches!(snapshot.existing, None | Some(Existing::Nothing)) {
        return;
    }
    let account = account.clone();
    plan.difference
        .settings
        .push(Setting::Account { address: account.address.clone(), present: true });
    let display_name = display_name.to_owned();
    plan.steps.push(Step(StepKind::CreateAccount { account, display_name }));
}

/// Adds to a plan that the account is deleted, if it exists.
pub(super) fn delete_account(plan: &mut Plan, snapshot: &Snapshot) {
    let (Target::Account(account), Some(Existing::Account { address, unique_id })) =
        (&snapshot.name, &snapshot.existing)
    else {
        return;
    };
    plan.difference.settings.push(Setting::Account { address: address.clone(), present: false });
    let (account, unique_id) = (account.clone(), unique_id.clone());
    plan.steps.push(Step(StepKind::DeleteAccount { account, unique_id }));
    plan.asks.push(format!("the service account `{address}` is deleted"));
    plan.warnings.push(
        "whatever runs as this account fails once it is gone: take it off services and jobs first"
            .to_owned(),
    );
}

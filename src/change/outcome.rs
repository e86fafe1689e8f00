//! Outcomes of a change, one for each target.

use crate::context::Context;
use crate::domain::action::Action;
use crate::domain::difference::{Difference, Etags};
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::outcome::{ChangeOutcome, Status};
use crate::domain::plan::Plan;
use crate::domain::target::Target;

/// The outcomes of all targets.
#[derive(Debug)]
pub struct ChangeResult {
    pub outcomes: Vec<ChangeOutcome>,
    /// Whether a region could not be searched for targets.
    pub partly_searched: bool,
}

/// The outcome of a plan with this status.
pub(super) fn outcome_of(plan: &Plan, status: Status) -> ChangeOutcome {
    ChangeOutcome {
        id: None,
        target: plan.target().clone(),
        action: plan.action(),
        status,
        difference: plan.difference().clone(),
        exposure: plan.exposure(),
        remaining: plan.remaining().to_vec(),
        left_out: plan.left_out().to_vec(),
        leaves_access: plan.leaves_access(),
        finds_nothing: plan.finds_nothing(),
        before: plan.etags().clone(),
        after: Etags::default(),
        inferred: false,
        fate_unknown: false,
        effect: plan.effect(),
        unread: plan.unread().map(str::to_owned),
        is_conditional: plan.is_conditional(),
        attempts: 1,
        error: None,
    }
}

/// The outcome of a target whose change failed.
pub(super) fn failed(
    cx: &Context,
    target: Target,
    action: Action,
    error: CommandError,
) -> ChangeOutcome {
    let error = cx.adapt_hints(error);
    let refused = matches!(
        error.kind,
        ErrorKind::ConditionRequired
            | ErrorKind::LimitExceeded
            | ErrorKind::LimitsNothing
            | ErrorKind::NotToBeUndone
            | ErrorKind::OrganisationPolicy
            | ErrorKind::SavedBefore
    );
    ChangeOutcome {
        id: None,
        target,
        action,
        status: if refused { Status::Refused } else { Status::Failed },
        difference: Difference::default(),
        exposure: None,
        remaining: Vec::new(),
        left_out: Vec::new(),
        leaves_access: false,
        finds_nothing: false,
        before: Etags::default(),
        after: Etags::default(),
        inferred: false,
        fate_unknown: false,
        effect: Vec::new(),
        unread: None,
        is_conditional: false,
        attempts: 1,
        error: Some(error),
    }
}

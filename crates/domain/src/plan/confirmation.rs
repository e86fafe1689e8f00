//! What of a change must be confirmed before it is made.

use super::Plan;
use crate::action::Action;
use crate::role;

/// Why a set of plans must be confirmed before any of it is done; empty if it need not be.
pub fn reasons_to_ask<'a>(
    plans: impl IntoIterator<Item = &'a Plan>,
    picked_by_pattern: bool,
) -> Vec<String> {
    let plans: Vec<&Plan> = plans.into_iter().filter(|plan| !plan.is_empty()).collect();
    let mut reasons: Vec<String> = Vec::new();
    let mut add = |reason: String| {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    };
    let mut losers: Vec<String> = Vec::new();
    for plan in &plans {
        if plan.action == Action::MakePublic {
            add(format!("`{}` becomes public", plan.target.short()));
        }
        if plan.action == Action::MakePrivate {
            add(format!("`{}` becomes private", plan.target.short()));
        }
        if matches!(plan.action, Action::MakePublic | Action::MakePrivate) {
            continue;
        }
        for reason in &plan.asks {
            add(reason.clone());
        }
        for grant in &plan.difference.added {
            if grant.member.is_broad() {
                add(format!("`{}` gains access", grant.member));
            }
            if !grant.member.is_known_form() {
                add(format!("`{}` is a kind of principal that is not known here", grant.member));
            }
            match role::can_grant(&grant.role) {
                Some(true) => {
                    add(format!("`{}` lets its members grant access to others", grant.role));
                }
                None => add(format!(
                    "`{}` is not known here and may let its members grant access to others",
                    grant.role
                )),
                Some(false) => {}
            }
        }
        for grant in &plan.difference.removed {
            if !plan.takes_from(grant) {
                continue;
            }
            if grant.member.is_broad() {
                add(format!("`{}` loses access", grant.member));
            }
            let key = grant.member.key();
            if !losers.contains(&key) {
                losers.push(key);
            }
        }
    }
    if losers.len() > 1 {
        add(format!("{} principals lose access", losers.len()));
    }
    if picked_by_pattern && plans.len() > 1 {
        let all_services = plans.iter().all(|plan| plan.target.service().is_some());
        let what = if all_services { "services" } else { "resources" };
        add(format!("{} {what} change", plans.len()));
    }
    reasons
}

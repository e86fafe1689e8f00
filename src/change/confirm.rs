//! Conditions for carrying out a plan: the expected count, and confirmation by the user.

use super::{ChangeOptions, Planned};
use crate::context::Context;
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::plan::{Plan, reasons_to_ask};
use crate::terminal;

/// Refuses a plan whose number of changed services is not the expected one.
pub(super) fn check_expected(
    cx: &Context,
    plans: &[Planned],
    options: &ChangeOptions,
) -> Result<(), CommandError> {
    let plans = plans.iter().filter_map(|(_, plan)| plan.as_ref().ok());
    let changing: Vec<&Plan> = plans.filter(|plan| !plan.is_empty()).collect();
    let count = changing.len();
    let Some(expected) = options.expect.filter(|expected| *expected != count) else {
        return Ok(());
    };
    let all_services = changing.iter().all(|plan| plan.target().service().is_some());
    let what = if all_services { "service" } else { "resource" };
    let s = if count == 1 { "" } else { "s" };
    let message = format!("{count} {what}{s} would change, not {expected}: nothing was changed");
    Err(CommandError::new(ErrorKind::NotExpected, message).hint(
        match cx.command_without(&["--expect"]) {
            command if options.only_show => command,
            command => format!("{command} --dry-run"),
        },
    ))
}

/// Asks for confirmation of the plans if the change requires it: from a user at a terminal, or by
/// `--yes`.
pub(super) async fn confirm(
    cx: &Context,
    plans: &[Planned],
    by_pattern: bool,
    always: bool,
) -> Result<(), CommandError> {
    let good = || plans.iter().filter_map(|(_, plan)| plan.as_ref().ok());
    let reasons = reasons_to_ask(good(), by_pattern);
    let must = !reasons.is_empty() || (always && good().any(|plan| !plan.is_empty()));
    if !must || cx.yes() {
        return Ok(());
    }
    if !cx.terminal.interactive {
        let message = match reasons.as_slice() {
            [] => "this must be confirmed".to_owned(),
            reasons => format!("this must be confirmed: {}", reasons.join("; ")),
        };
        return Err(CommandError::new(ErrorKind::ConfirmationRequired, message)
            .because("there is no terminal to ask at; `--yes` accepts the plan that is shown")
            .hint(format!("{} --dry-run", cx.command())));
    }
    let question = match reasons.as_slice() {
        [] => "Go on?".to_owned(),
        reasons => format!("{}. Go on?", reasons.join("; ")),
    };
    if cx.ask(&question, terminal::confirm).await? { Ok(()) } else { Err(cx.cancelled()) }
}

//! What every command that writes has in common around the driver.

use crate::change::ChangeResult;
use crate::context::Context;
use crate::domain::outcome::{ChangeOutcome, OutcomeError};
use crate::error::CommandError;
use crate::exit_code::ExitCode;
use crate::report::ChangesReport;

/// The options of every command that writes.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(super) struct WriteOptions {
    /// Show the plan and write nothing
    #[arg(short = 'n', long)]
    pub(super) dry_run: bool,
}

/// Reports the outcomes and returns the exit code of the whole.
pub(super) fn finish(cx: &Context, result: ChangeResult) -> Result<u8, CommandError> {
    let ChangeResult { outcomes, partly_searched } = result;
    let mut codes: Vec<u8> = outcomes.iter().map(code).collect();
    if partly_searched {
        codes.push(ExitCode::Partial.number());
    }
    for error in outcomes.iter().filter_map(|outcome| outcome.error.as_ref()) {
        say(cx, error);
    }
    if outcomes.is_empty() {
        cx.terminal.note("no service to change");
    }
    cx.report(&ChangesReport::new(cx.is_sandbox(), outcomes))?;
    Ok(ExitCode::of_all(codes))
}

fn code(outcome: &ChangeOutcome) -> u8 {
    outcome.error.as_ref().map_or(ExitCode::Done.number(), |error| error.exit_code)
}

fn say(cx: &Context, error: &OutcomeError) {
    cx.terminal.error_parts(&error.message, &error.causes, &error.hints);
}

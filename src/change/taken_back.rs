//! A change of which a part was refused, taken back whole.

use super::{ChangeOptions, Needs, read};
use crate::context::Context;
use crate::domain::history::Difference;
use crate::domain::outcome::ChangeOutcome;
use crate::domain::plan::plan_reversal;
use crate::error::{CommandError, ErrorKind};

/// How often it is tried while others write too.
const ATTEMPTS: u32 = 5;

/// Takes back what a change did before it was refused, and says so. Where that is not to be had, it is
/// half done, and how it is made whole by hand is said.
pub(super) async fn take_back(
    cx: &Context,
    outcome: ChangeOutcome,
    options: &ChangeOptions,
) -> ChangeOutcome {
    let done = outcome.done();
    let reversed = reverse(cx, &outcome, &done, options.needs).await;
    let mut outcome = outcome;
    let Some(error) = outcome.error.as_mut() else { return outcome };
    match reversed {
        Ok(()) => {
            error.message = format!("{}; what was done is taken back", error.message);
            ChangeOutcome {
                added: Vec::new(),
                removed: Vec::new(),
                settings: Vec::new(),
                ..outcome
            }
        }
        Err(why) => {
            error.message = format!("{}; what was done could not be taken back", error.message);
            error.causes.push(why.in_one_line());
            error.code = ErrorKind::Partial.code();
            error.exit_code = ErrorKind::Partial.exit_code().number();
            outcome
        }
    }
}

async fn reverse(
    cx: &Context,
    outcome: &ChangeOutcome,
    done: &Difference,
    needs: Needs,
) -> Result<(), CommandError> {
    let target = &outcome.target;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let snapshot = read(cx, target, needs).await?;
        let plan = plan_reversal(&snapshot, outcome.action, done);
        let plan = plan
            .map_err(|refusal| CommandError::new(ErrorKind::NotToBeUndone, refusal.to_string()))?;
        let mut refused = None;
        for step in plan.into_steps() {
            let gateway = cx.gateway().await?;
            if let Err(failure) = cx.write(Box::pin(gateway.apply(target, step))).await {
                refused = Some(failure);
                break;
            }
            cx.note_written();
        }
        match refused {
            None => return Ok(()),
            Some(failure) if attempts == ATTEMPTS => return Err(failure.into()),
            Some(failure) if failure.kind.is_passing() || is_conflict(&failure) => {}
            Some(failure) => return Err(failure.into()),
        }
    }
}

fn is_conflict(failure: &crate::cloud::Failure) -> bool {
    failure.kind == crate::cloud::FailureKind::Aborted
}

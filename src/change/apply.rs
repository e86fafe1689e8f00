//! A plan carried out, and carried out again on fresh facts where somebody else was faster.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{ChangeOptions, Planner, failed, outcome_of, read, refused};
use crate::cloud::{Failure, FailureKind};
use crate::context::Context;
use crate::domain::outcome::{ChangeOutcome, Status};
use crate::domain::plan::Plan;
use crate::error::{CommandError, ErrorKind};

/// How long conflicts are worked against.
const CONFLICT_LIMIT: Duration = Duration::from_mins(1);
/// How often a write whose fate is unclear is looked into and made again.
const UNCLEAR_ATTEMPTS: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_millis(40);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Carries out one target's plan.
pub(super) async fn apply(
    cx: &Context,
    plan: Plan,
    planner: &impl Planner,
    options: &ChangeOptions,
) -> ChangeOutcome {
    if plan.is_empty() {
        return outcome_of(&plan, Status::Unchanged);
    }
    let confirmed = plan.clone();
    let give_up_at = Instant::now() + CONFLICT_LIMIT;
    let mut work = Work { done: None, attempts: 0, unclear: 0 };
    let mut plan = plan;
    loop {
        work.attempts += 1;
        let tried = plan.clone();
        let failure = match Box::pin(work.carry_out(cx, plan)).await {
            Ok(()) => return work.outcome(&confirmed, Status::Changed),
            Err(stopped) => stopped,
        };
        let kind = failure.failure.kind;
        if !may_write_again(kind)
            || work.unclear >= UNCLEAR_ATTEMPTS
            || Instant::now() >= give_up_at
        {
            let error = work.explain(cx, failure, &tried, options);
            return work.failed(cx, &confirmed, error);
        }
        sleep(wait(work.attempts, failure.failure.retry_after)).await;
        let fresh = match read(cx, confirmed.target(), options.needs_service).await {
            Ok(snapshot) => planner(&snapshot).map_err(|refusal| refused::refusal(cx, &refusal)),
            Err(error) => Err(error),
        };
        plan = match fresh {
            Ok(fresh) if fresh.is_empty() => {
                // Either the write that seemed to fail was done, or somebody else did the same.
                let ours = work.done.is_some() || work.unclear > 0;
                let status = if ours { Status::Changed } else { Status::Unchanged };
                return work.outcome(&confirmed, status);
            }
            Ok(fresh) if fresh.is_within(&confirmed) => fresh,
            Ok(_) => {
                let error = CommandError::new(
                    ErrorKind::PlanChanged,
                    format!(
                        "`{}` was changed meanwhile, and the plan would now go beyond what was shown",
                        confirmed.target().short()
                    ),
                );
                return work.failed(cx, &confirmed, error.hint(cx.command()));
            }
            Err(error) => return work.failed(cx, &confirmed, error),
        };
    }
}

/// What has come of a plan so far.
struct Work {
    /// What the last step that was done did.
    done: Option<&'static str>,
    attempts: u32,
    /// Writes of which it is not known whether they were done.
    unclear: u32,
}

/// The step that failed.
struct Stopped {
    failure: Failure,
    left: crate::domain::plan::Step,
}

impl Work {
    async fn carry_out(&mut self, cx: &Context, plan: Plan) -> Result<(), Stopped> {
        let target = plan.target().clone();
        for step in plan.into_steps() {
            let written = match cx.gateway().await {
                Ok(gateway) => cx.write(Box::pin(gateway.apply(&target, step.clone()))).await,
                Err(error) => Err(Failure::new(FailureKind::Other, step.describe(), error.message)),
            };
            if let Err(failure) = written {
                let lost = matches!(
                    failure.kind,
                    FailureKind::Deadline
                        | FailureKind::Malformed
                        | FailureKind::Network
                        | FailureKind::Unavailable
                );
                self.unclear += u32::from(lost);
                return Err(Stopped { failure, left: step });
            }
            self.done = Some(step.describe());
        }
        Ok(())
    }

    fn explain(
        &self,
        cx: &Context,
        stopped: Stopped,
        plan: &Plan,
        options: &ChangeOptions,
    ) -> CommandError {
        let target = plan.target();
        let forbidden =
            refused::organisation_policy(cx, &stopped.failure, plan, options.other_way.as_deref());
        if let Some(done) = self.done {
            let done = format!("`{}` is half done: what is done is to {done}", target.short());
            return refused::half_done(stopped.failure, &done, &stopped.left, &cx.command());
        }
        if let Some(error) = forbidden {
            return error;
        }
        let mut error = CommandError::from(stopped.failure);
        if self.unclear > 0 {
            error = error
                .because("whether it was written is not known")
                .hint(cx.suggest(&format!("who {}", target.short())));
        }
        error
    }

    fn outcome(&self, confirmed: &Plan, status: Status) -> ChangeOutcome {
        let mut outcome = outcome_of(confirmed, status);
        outcome.attempts = self.attempts;
        if status == Status::Unchanged {
            outcome.added.clear();
            outcome.removed.clear();
            outcome.settings.clear();
        }
        outcome
    }

    fn failed(&self, cx: &Context, confirmed: &Plan, error: CommandError) -> ChangeOutcome {
        let mut outcome = failed(cx, confirmed.target().clone(), confirmed.action(), error);
        outcome.attempts = self.attempts;
        if self.done.is_some() {
            // The policy goes first, so what is done of a plan of two steps is its first.
            outcome.added = confirmed.added().to_vec();
            outcome.removed = confirmed.removed().to_vec();
        }
        outcome
    }
}

fn may_write_again(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::Aborted
            | FailureKind::Network
            | FailureKind::RateLimited
            | FailureKind::Unavailable
    )
}

/// Anything up to twice as long each time, so that those who collided part ways.
fn wait(attempt: u32, asked: Option<Duration>) -> Duration {
    let longest = FIRST_WAIT.saturating_mul(1 << (attempt - 1).min(10)).min(LONGEST_WAIT);
    longest.mul_f64(fastrand::f64()).max(asked.unwrap_or_default())
}

//! Carries out a plan, and plans again on fresh facts if another writer was faster.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::outcome::{failed, outcome_of};
use super::read::read;
use super::{ChangeOptions, Remarks, refusal};
use crate::cloud::{Failure, FailureKind};
use crate::context::Context;
use crate::domain::difference::{Difference, Etags};
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::invokers::Grant;
use crate::domain::member::{Member, MemberKind};
use crate::domain::outcome::{ChangeOutcome, Status};
use crate::domain::plan::{Change, Plan, TakeBack, Use, left_out};
use crate::domain::principal::{is_service_agent, project_in};
use crate::domain::target::{AccountName, Existing};

/// How long conflicts are retried, independent of the command's own deadline.
const CONFLICT_LIMIT: Duration = Duration::from_mins(1);
/// How often a write is repeated if its result is unknown.
const UNCLEAR_ATTEMPTS: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_millis(40);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Carries out the plan of one target: all of it or nothing, if the change requires that.
pub(super) async fn apply(
    cx: &Context,
    plan: Plan,
    change: &impl Change,
    options: &ChangeOptions,
) -> ChangeOutcome {
    let outcome = Box::pin(carry_out(cx, plan, change, options)).await;
    let is_torn = outcome.error.is_some() && !outcome.difference.is_empty();
    if change.is_whole() && is_torn && !outcome.fate_unknown {
        return Box::pin(take_back(cx, outcome, change, options)).await;
    }
    outcome
}

/// Rolls back the applied part of a refused change, as a change of its own, with retries on fresh
/// facts. If the rollback fails too, the change is half done, and the error says how to finish it
/// by hand.
async fn take_back(
    cx: &Context,
    outcome: ChangeOutcome,
    change: &impl Change,
    options: &ChangeOptions,
) -> ChangeOutcome {
    let change = TakeBack { change, done: outcome.difference.clone() };
    let needs = change.needs(cx.own_domain().as_deref());
    let plan = read(cx, &outcome.target, needs).await.and_then(|snapshot| {
        change.plan(&snapshot).map_err(|refused| refusal::of_plan(cx, &refused, &options.remarks))
    });
    let failed = match plan {
        Ok(plan) => {
            let reversed = Box::pin(carry_out(cx, plan, &change, options)).await;
            reversed.error.map(|error| error.in_one_line())
        }
        Err(error) => Some(error.in_one_line()),
    };
    let mut outcome = outcome;
    let Some(error) = outcome.error.as_mut() else { return outcome };
    match failed {
        None => {
            error.message = format!("{}; what was done is taken back", error.message);
            ChangeOutcome { difference: Difference::default(), ..outcome }
        }
        Some(why) => {
            error.message = format!("{}; what was done could not be taken back", error.message);
            error.causes.push(why);
            error.kind = ErrorKind::Partial;
            outcome
        }
    }
}

/// Applies the steps of a plan. If a step fails that may still succeed, plans again on fresh facts,
/// within the confirmed plan.
async fn carry_out(
    cx: &Context,
    plan: Plan,
    change: &impl Change,
    options: &ChangeOptions,
) -> ChangeOutcome {
    if plan.is_empty() {
        return outcome_of(&plan, Status::Unchanged);
    }
    let again = match change.undoes(plan.target()) {
        // Without the ID, `undo` would select another change.
        Some(id) => cx.suggest(&format!("undo {id}")),
        None => cx.command(),
    };
    let mut work = Execution::new(plan, again, change);
    loop {
        let Err(failure) = Box::pin(work.carry_out(cx)).await else {
            return work.finished();
        };
        Box::pin(work.look_for_accounts(cx, &failure)).await;
        let next = work.next_attempt(cx, &failure);
        let error = work.explain(cx, failure, &options.remarks);
        let Some(Retry { at, may_write }) = next else {
            return work.stopped(cx, error);
        };
        sleep_until(at).await;
        // A switch must be read: an unread switch does not count as already set.
        let mut needs = change.needs(cx.own_domain().as_deref());
        if work.confirmed.has_step(false) {
            needs.service = Use::Needed;
        }
        let fresh = match read(cx, work.confirmed.target(), needs).await {
            Ok(mut snapshot) => {
                snapshot.gone.clone_from(&work.gone);
                change
                    .plan(&snapshot)
                    .map_err(|refused| refusal::of_plan(cx, &refused, &options.remarks))
            }
            Err(error) => Err(error),
        };
        match fresh {
            Ok(fresh) if fresh.is_empty() => return work.found_done(fresh),
            Ok(fresh) if may_write && fresh.is_within(&work.confirmed) && !work.is_torn(&fresh) => {
                work.go_on_with(fresh);
            }
            Ok(fresh) if !may_write => {
                work.go_on_with(fresh);
                return work.stopped(cx, error);
            }
            Err(_) if !may_write => return work.stopped(cx, error),
            Ok(fresh) => {
                let what = if work.is_torn(&fresh) {
                    "and a part alone of what was sent is there"
                } else {
                    "and the plan would now go beyond what was shown"
                };
                work.go_on_with(fresh);
                let short = work.confirmed.target().short();
                let message = format!("`{short}` was changed meanwhile, {what}");
                let error = CommandError::new(ErrorKind::PlanChanged, message);
                let again = work.again.clone();
                return work.stopped(cx, error.hint(again));
            }
            Err(error) => return work.stopped(cx, error),
        }
    }
}

/// When to read the resource again after a failed step.
#[derive(Clone, Copy, Debug)]
struct Retry {
    at: Instant,
    /// Whether the step is repeated if the resource does not show it.
    may_write: bool,
}

/// The progress of a plan.
struct Execution {
    /// The confirmed plan; a later plan must stay within it.
    confirmed: Plan,
    /// The current plan.
    plan: Plan,
    /// Whether the change is rolled back if a part is refused.
    whole: bool,
    /// Addresses of accounts that may be too new to be granted a role.
    awaits: Vec<String>,
    /// Whether the user was told about the wait.
    said_too_new: bool,
    /// Deleted principals, which the plan omits.
    gone: Vec<Member>,
    may_leave_out: bool,
    /// The command that applies the remaining steps.
    again: String,
    attempts: u32,
    /// The number of writes whose result is unknown.
    unclear: u32,
    /// Until when conflicts are retried; the first conflict sets it.
    conflicts_until: Option<Instant>,
    /// What the finished steps did, and what the failed step would have done.
    difference: Difference,
    done: Option<String>,
    left: Option<FailedStep>,
    after: Etags,
    /// Whether a part is known as applied only from a read, after a write without a response.
    inferred: bool,
}

/// The step that failed.
#[derive(Clone, Debug)]
struct FailedStep {
    sets_policy: bool,
    what: String,
    /// Whether it may have been applied.
    unclear: bool,
}

impl Execution {
    fn new(plan: Plan, again: String, change: &impl Change) -> Self {
        Self {
            whole: change.is_whole(),
            awaits: change.new_accounts().iter().map(|one| one.address().to_owned()).collect(),
            confirmed: plan.clone(),
            plan,
            said_too_new: false,
            gone: Vec::new(),
            may_leave_out: change.gives_back(),
            again,
            attempts: 0,
            unclear: 0,
            conflicts_until: None,
            difference: Difference::default(),
            done: None,
            left: None,
            after: Etags::default(),
            inferred: false,
        }
    }

    /// Applies the plan's steps until one fails.
    async fn carry_out(&mut self, cx: &Context) -> Result<(), Failure> {
        self.attempts += 1;
        for step in self.plan.clone().into_steps() {
            let (what, sets_policy) = (step.describe(), step.sets_policy());
            let written = match cx.gateway().await {
                Ok(gateway) => cx.write(Box::pin(gateway.apply(step))).await,
                Err(error) => Err(Failure::new(FailureKind::Other, &what, error.message)),
            };
            match written {
                Ok(Etags { policy, service, .. }) => {
                    cx.note_written();
                    self.after.policy = policy.or(self.after.policy.take());
                    self.after.service = service.or(self.after.service.take());
                    self.credit(sets_policy, what);
                }
                Err(failure) => {
                    let unclear = failure.accepted || is_fate_unclear(failure.kind);
                    self.unclear += u32::from(unclear);
                    if unclear {
                        cx.note_written();
                    }
                    // A write without a response may have been applied although a later write is
                    // refused.
                    let before = self.left.take().filter(|left| left.sets_policy == sets_policy);
                    let unclear = unclear || before.is_some_and(|left| left.unclear);
                    self.left = Some(FailedStep { sets_policy, what, unclear });
                    return Err(failure);
                }
            }
        }
        Ok(())
    }

    /// Counts a step of the current plan as applied.
    fn credit(&mut self, sets_policy: bool, what: String) {
        if sets_policy {
            extend(&mut self.difference.added, self.plan.added());
            extend(&mut self.difference.removed, self.plan.removed());
        } else {
            extend(&mut self.difference.settings, self.plan.settings());
        }
        self.done = Some(what);
        self.left = None;
    }

    /// When to read again; `None` if that does not help or is too late. After too many writes
    /// without a response, the last one is still verified by a read.
    fn next_attempt(&mut self, cx: &Context, failure: &Failure) -> Option<Retry> {
        let now = Instant::now();
        let too_new = self.is_too_new(failure);
        if too_new && !self.said_too_new {
            self.said_too_new = true;
            let short = self.confirmed.target().short();
            let seconds = CONFLICT_LIMIT.as_secs();
            cx.terminal.note(&format!(
                "`{short}`: the account is new, and not known everywhere yet; trying for up to \
                 {seconds} seconds"
            ));
        }
        let until = if failure.kind == FailureKind::Aborted || too_new {
            let until = *self.conflicts_until.get_or_insert(now + CONFLICT_LIMIT);
            cx.deadline.put_off_to(until);
            until
        } else {
            cx.deadline.end()
        };
        let at = now + wait(self.attempts, failure.retry_after);
        // A principal that the next plan omits was missing in this attempt.
        let leaves_out = self
            .gone
            .iter()
            .any(|gone| self.plan.added().iter().any(|grant| grant.member.same_as(gone)));
        let passing = too_new
            || leaves_out
            || matches!(failure.kind, FailureKind::Aborted | FailureKind::RateLimited);
        let unclear = failure.accepted || is_fate_unclear(failure.kind);
        let may_write = (passing || unclear) && self.unclear < UNCLEAR_ATTEMPTS;
        // Another writer may have created the same resource.
        let is_there = failure.kind == FailureKind::AlreadyExists;
        ((may_write || unclear || is_there) && at < until).then_some(Retry { at, may_write })
    }

    /// Looks up the accounts that a refused policy calls missing. An account that exists may be
    /// new. An account that does not exist is omitted if the change restores an earlier state.
    async fn look_for_accounts(&mut self, cx: &Context, failure: &Failure) {
        let is_named = |grant: &&Grant| failure.names_missing_principal(grant.member.address());
        let named: Vec<Member> =
            self.plan.added().iter().filter(is_named).map(|grant| grant.member.clone()).collect();
        for member in named {
            let address = member.address().to_owned();
            if self.awaits.contains(&address) {
                continue;
            }
            // Without an account to look up, only the message is evidence.
            let found = match account_of(&member) {
                Some(account) => exists(cx, &account).await,
                None => Some(false),
            };
            match found {
                Some(true) => self.awaits.push(address),
                Some(false) if self.may_leave_out => {
                    cx.terminal.warning(&left_out(&member));
                    self.gone.push(member);
                }
                // If that is unknown, the principal is not omitted.
                Some(false) | None => {}
            }
        }
    }

    /// Whether a policy was refused because an account has not propagated yet. The duration is not
    /// documented; gcloud retries for some minutes.
    fn is_too_new(&self, failure: &Failure) -> bool {
        self.awaits.iter().any(|address| failure.names_missing_principal(address))
    }

    /// The error of the last step.
    fn explain(&self, cx: &Context, failure: Failure, remarks: &Remarks) -> CommandError {
        let other_way = remarks.other_way.as_deref();
        refusal::organisation_policy(cx, &failure, &self.plan, other_way)
            .or_else(|| refusal::of_agent(&failure, &self.plan))
            .or_else(|| refusal::of_domain(cx, &failure, &self.plan))
            .unwrap_or_else(|| failure.into())
    }

    /// The outcome if every step was applied.
    fn finished(self) -> ChangeOutcome {
        let exposure = self.confirmed.exposure().map(|(before, planned)| {
            (before, self.plan.exposure().map_or(planned, |(_, after)| after))
        });
        ChangeOutcome {
            difference: self.difference,
            exposure,
            // If found by a read, the current plan's snapshot is from after the write.
            before: if self.inferred { &self.confirmed } else { &self.plan }.etags().clone(),
            after: self.after,
            inferred: self.inferred,
            attempts: self.attempts,
            ..outcome_of(&self.plan, Status::Changed)
        }
    }

    /// Whether a step without a response is found half applied: a part of it was undone since, or
    /// another writer did a part.
    fn is_torn(&self, fresh: &Plan) -> bool {
        let Some(FailedStep { sets_policy, unclear: true, .. }) = self.left else { return false };
        let size = |plan: &Plan| {
            if sets_policy { count(plan) } else { plan.settings().len() }
        };
        let (meant, left) = (size(&self.plan), size(fresh));
        left > 0 && left < meant
    }

    /// Continues with a fresh plan. If a step without a response is missing from it, the step was
    /// applied.
    fn go_on_with(&mut self, fresh: Plan) {
        if let Some(FailedStep { sets_policy, what, unclear: true }) = self.left.clone() {
            if !fresh.has_step(sets_policy) {
                self.credit(sets_policy, what);
                self.inferred = true;
            } else if self.is_torn(&fresh) {
                let gone = |mine: &[Grant], fresh: &[Grant]| -> Vec<Grant> {
                    let left = |grant: &&Grant| !fresh.iter().any(|other| other.same_as(grant));
                    mine.iter().filter(left).cloned().collect()
                };
                let added = gone(self.plan.added(), fresh.added());
                extend(&mut self.difference.added, &added);
                let removed = gone(self.plan.removed(), fresh.removed());
                extend(&mut self.difference.removed, &removed);
                self.inferred = true;
            }
        }
        self.plan = fresh;
    }

    /// The outcome if nothing is left to do on a fresh snapshot: the write that seemed to fail was
    /// applied, or another writer did the same.
    fn found_done(mut self, fresh: Plan) -> ChangeOutcome {
        let found = fresh.etags().clone();
        self.go_on_with(fresh);
        self.after = found;
        if self.done.is_none() {
            let attempts = self.attempts;
            return ChangeOutcome { attempts, ..outcome_of(&self.plan, Status::Unchanged) };
        }
        // The remaining access was determined before the members lost anything.
        let remaining = self.confirmed.remaining().to_vec();
        ChangeOutcome { remaining, ..self.finished() }
    }

    /// The outcome if the plan ends before every step is applied.
    fn stopped(self, cx: &Context, mut error: CommandError) -> ChangeOutcome {
        let short = self.confirmed.target().short();
        if self.conflicts_until.is_some() && error.kind == ErrorKind::Deadline {
            error.kind = ErrorKind::Conflict;
        }
        let fate_unknown = self.left.as_ref().is_some_and(|left| left.unclear);
        if let (Some(done), Some(left)) = (&self.done, &self.left) {
            error = if self.whole && !fate_unknown {
                refusal::in_part(&short, done, &left.what, error)
            } else {
                refusal::half_done(&short, done, &left.what, error).hint(self.again.clone())
            };
        } else if fate_unknown {
            error = error
                .because("whether it was written is not known")
                .hint(cx.suggest(&format!("who {}", cx.named(self.confirmed.target()))));
        }
        let outcome = failed(cx, self.confirmed.target().clone(), self.confirmed.action(), error);
        ChangeOutcome {
            difference: self.difference,
            after: self.after,
            inferred: self.inferred,
            fate_unknown,
            attempts: self.attempts,
            ..outcome
        }
    }
}

/// The service account of a principal, if its address contains its project. Google's service agents
/// are not looked up.
pub(super) fn account_of(member: &Member) -> Option<AccountName> {
    let address = member.address();
    if member.kind() != MemberKind::ServiceAccount || is_service_agent(address) {
        return None;
    }
    let project = project_in(address)?.to_owned();
    Some(AccountName { project, address: address.to_owned() })
}

/// Whether a service account exists; `None` if that is not known.
pub(super) async fn exists(cx: &Context, account: &AccountName) -> Option<bool> {
    let found = cx.gateway().await.ok()?.account(account).await.ok()?;
    Some(matches!(found, Existing::Account { .. }))
}

fn extend<T: Clone + PartialEq>(all: &mut Vec<T>, more: &[T]) {
    for item in more {
        if !all.contains(item) {
            all.push(item.clone());
        }
    }
}

fn count(plan: &Plan) -> usize {
    plan.added().len() + plan.removed().len()
}

/// Whether a failed write may have been applied.
fn is_fate_unclear(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::Deadline
            | FailureKind::Malformed
            | FailureKind::Network
            | FailureKind::Unavailable
    )
}

/// Exponential backoff with full jitter, so that colliding writers separate.
fn wait(attempt: u32, asked: Option<Duration>) -> Duration {
    let longest = FIRST_WAIT.saturating_mul(1 << (attempt - 1).min(10)).min(LONGEST_WAIT);
    longest.mul_f64(fastrand::f64()).max(asked.unwrap_or_default())
}

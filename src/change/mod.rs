//! The only way to write: read all targets, plan all, show, confirm once, apply. After a conflict,
//! reads and plans again, within the confirmed plan.

mod apply;
mod confirm;
mod options;
mod outcome;
mod read;
mod record;
mod refusal;
mod show;
mod verify;

use futures::{StreamExt, stream};

pub use self::options::{ChangeOptions, Remarks, Verify};
pub use self::outcome::ChangeResult;
use self::outcome::{failed, outcome_of};
use self::read::read;
use self::record::Record;
pub use self::record::settle;
use crate::context::Context;
use crate::domain::error::CommandError;
use crate::domain::invokers::grants;
use crate::domain::member::Member;
use crate::domain::outcome::{ChangeOutcome, Status};
use crate::domain::plan::{Change, Plan, Refusal, Stage};
use crate::domain::snapshot::Snapshot;
use crate::domain::target::Target;
use crate::lookup::Targets;

/// How many resources are read or written in parallel.
const WIDTH: usize = 16;

/// The plan of one target, or why there is none.
type Planned = (Target, Result<Plan, CommandError>);

/// Makes a change on all targets.
pub async fn run(
    cx: &Context,
    targets: Targets,
    change: &impl Change,
    options: &ChangeOptions,
) -> Result<ChangeResult, CommandError> {
    let batch = Batch::read(cx, targets, change, options).await?;
    batch.carry_out(cx, change, options).await
}

/// Makes a change that can be completed only after all targets are read, because it depends on
/// Google's clock or on the policies.
pub async fn run_once_read<C: Change>(
    cx: &Context,
    targets: Targets,
    change: &mut C,
    options: &ChangeOptions,
    complete: impl AsyncFnOnce(&mut C, &Batch) -> Result<(), CommandError>,
) -> Result<ChangeResult, CommandError> {
    let batch = Batch::read(cx, targets, change, options).await?;
    complete(change, &batch).await?;
    batch.carry_out(cx, change, options).await
}

/// The snapshots of all targets.
#[derive(Debug)]
pub struct Batch {
    snapshots: Vec<(Target, Result<Snapshot, CommandError>)>,
    by_pattern: bool,
    partly_searched: bool,
}

impl Batch {
    /// Reads all targets, several in parallel.
    async fn read(
        cx: &Context,
        targets: Targets,
        change: &impl Change,
        options: &ChangeOptions,
    ) -> Result<Self, CommandError> {
        cx.gateway().await?;
        // Before the reads, because the reads settle changes that were left open.
        let left_open = record::left_open(cx, options);
        let needs = change.needs(cx.own_domain().as_deref());
        let progress = cx.terminal.progress("reading");
        let total = targets.names.len();
        let mut snapshots: Vec<(Target, Result<Snapshot, CommandError>)> = Vec::new();
        let mut reads = stream::iter(targets.names)
            .map(|name| async move {
                let snapshot = read(cx, &name, needs).await;
                (name, snapshot)
            })
            .buffered(WIDTH);
        while let Some(read) = reads.next().await {
            snapshots.push(read);
            progress.set(snapshots.len(), total);
        }
        drop(progress);
        let missing = targets.missing.into_iter().map(|(name, error)| (name, Err(error)));
        snapshots.extend(missing);
        if let Some((journal, entries)) = left_open {
            Box::pin(record::settle_read(cx, journal, entries, &snapshots)).await;
        }
        let partly_searched = !targets.unreachable.is_empty();
        let mut batch = Self { snapshots, by_pattern: targets.by_pattern, partly_searched };
        if change.gives_back() {
            batch.leave_out_deleted(cx, change).await;
        }
        Ok(batch)
    }

    fn found(&self) -> impl Iterator<Item = &Snapshot> {
        self.snapshots.iter().filter_map(|(_, snapshot)| snapshot.as_ref().ok())
    }

    /// Whether any policy holds a member with exactly this text.
    pub fn holds(&self, text: &str) -> bool {
        self.found()
            .flat_map(|snapshot| grants(&snapshot.policy))
            .any(|grant| grant.member.as_str() == text)
    }

    /// Every refusal in planning.
    pub fn refusals(&self, change: &impl Change) -> Vec<Refusal> {
        self.found().filter_map(|snapshot| change.plan(snapshot).err()).collect()
    }

    /// Looks up the service accounts that would be granted access again, so that the plan omits
    /// deleted ones. If a lookup fails, the write shows whether the account exists.
    async fn leave_out_deleted(&mut self, cx: &Context, change: &impl Change) {
        let plans = self.found().filter_map(|snapshot| change.plan(snapshot).ok());
        let mut members: Vec<Member> = Vec::new();
        for plan in plans {
            members.extend(plan.added().iter().map(|grant| grant.member.clone()));
        }
        members.sort();
        members.dedup();
        let looked = stream::iter(members).map(async |member| {
            let account = apply::account_of(&member)?;
            (apply::exists(cx, &account).await == Some(false)).then_some(member)
        });
        let gone: Vec<Option<Member>> = looked.buffered(WIDTH).collect().await;
        let gone: Vec<Member> = gone.into_iter().flatten().collect();
        for (_, snapshot) in &mut self.snapshots {
            if let Ok(snapshot) = snapshot {
                snapshot.gone.clone_from(&gone);
            }
        }
    }

    /// Plans every target, shows the plan, has it confirmed if required, and carries it out.
    async fn carry_out(
        self,
        cx: &Context,
        change: &impl Change,
        options: &ChangeOptions,
    ) -> Result<ChangeResult, CommandError> {
        let Self { snapshots, by_pattern, partly_searched } = self;
        let plan = |snapshot: &Snapshot| {
            change
                .plan(snapshot)
                .map_err(|refused| refusal::of_plan(cx, &refused, &options.remarks))
        };
        let plans: Vec<Planned> = snapshots
            .into_iter()
            .map(|(name, snapshot)| (name, snapshot.and_then(|snapshot| plan(&snapshot))))
            .collect();
        show::plan(cx, &plans, options)?;
        confirm::check_expected(cx, &plans, options)?;
        let result = |outcomes| ChangeResult { outcomes, partly_searched };
        if options.only_show {
            let outcomes =
                without_writing(cx, plans, change, |plan| outcome_of(plan, Status::Planned));
            return Ok(result(outcomes));
        }
        let unplanned = plans.iter().find(|(_, plan)| plan.is_err());
        if let Some(name) =
            unplanned.filter(|_| change.goes_together()).map(|(name, _)| name.short())
        {
            let left = |plan: &Plan| {
                let error = refusal::held_up(&plan.target().short(), &name);
                failed(cx, plan.target().clone(), change.action(), error)
            };
            return Ok(result(without_writing(cx, plans, change, left)));
        }
        let changes = |plan: &Result<Plan, _>| plan.as_ref().is_ok_and(|plan| !plan.is_empty());
        let journal = if plans.iter().any(|(_, plan)| changes(plan)) {
            record::open(cx, options)?
        } else {
            None
        };
        confirm::confirm(cx, &plans, by_pattern, options.always_ask).await?;
        let record = Record::begin(cx, journal, &plans, change, options)?;
        let mut outcomes = apply_all(cx, plans, &record, change, options).await;
        verify::verify(cx, &mut outcomes, options.verify).await;
        Ok(result(outcomes))
    }
}

/// The outcomes if nothing is written. `of_change` is the outcome of a plan with steps.
fn without_writing(
    cx: &Context,
    plans: Vec<Planned>,
    change: &impl Change,
    of_change: impl Fn(&Plan) -> ChangeOutcome,
) -> Vec<ChangeOutcome> {
    let outcomes = plans.into_iter().map(|(name, plan)| match plan {
        Ok(plan) if plan.is_empty() => outcome_of(&plan, Status::Unchanged),
        Ok(plan) => of_change(&plan),
        Err(error) => failed(cx, name, change.action(), error),
    });
    outcomes.collect()
}

/// Carries out all plans, starting with those that others depend on. The outcomes are in the order
/// of the plans.
async fn apply_all(
    cx: &Context,
    plans: Vec<Planned>,
    record: &Record,
    change: &impl Change,
    options: &ChangeOptions,
) -> Vec<ChangeOutcome> {
    let mut outcomes: Vec<(usize, ChangeOutcome)> = Vec::with_capacity(plans.len());
    let mut stages: [Vec<_>; 3] = Default::default();
    for (at, (name, plan)) in plans.into_iter().enumerate() {
        let stage = plan.as_ref().map_or(Stage::Between, Plan::stage);
        stages[stage as usize].push((at, name, plan));
    }
    for stage in stages {
        // A plan is not carried out if it depends on an account that was not created, or on the
        // removal of grants that still exist.
        let held_up = outcomes
            .iter()
            .find(|(_, outcome)| !outcome.status.is_settled())
            .map(|(_, outcome)| outcome.target.short());
        let done = stream::iter(stage).map(|(at, name, plan)| {
            let held_up = held_up.as_deref();
            async move {
                let outcome = match (plan, held_up) {
                    (Ok(plan), Some(before)) if !plan.is_empty() => {
                        let error = refusal::held_up(&name.short(), before);
                        record.end(cx, failed(cx, name, change.action(), error))
                    }
                    (Ok(plan), _) => {
                        record.end(cx, Box::pin(apply::apply(cx, plan, change, options)).await)
                    }
                    (Err(error), _) => failed(cx, name, change.action(), error),
                };
                (at, outcome)
            }
        });
        let done: Vec<_> = done.buffered(WIDTH).collect().await;
        outcomes.extend(done);
    }
    outcomes.sort_by_key(|(at, _)| *at);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

//! The one way to write: read all, plan all, show, confirm once, apply; on a conflict read and
//! plan again, within what was confirmed.

mod apply;
mod journalled;
mod reading;
mod refused;
mod show;
mod verified;

use futures::{StreamExt, stream};

use self::journalled::Journalled;
pub use self::journalled::settle;
use self::reading::read;
use crate::context::Context;
use crate::domain::action::Action;
use crate::domain::difference::{Difference, Etags};
use crate::domain::history::ChangeId;
use crate::domain::invokers::grants;
use crate::domain::member::Member;
use crate::domain::outcome::{ChangeOutcome, Status};
use crate::domain::plan::{Plan, Refusal, Stage, reasons_to_ask};
use crate::domain::snapshot::Snapshot;
use crate::domain::target::Target;
use crate::error::{CommandError, ErrorKind};
use crate::lookup::Targets;
use crate::terminal;

/// How many resources are read or written at a time.
const WIDTH: usize = 16;

/// Works out what a change would do to what was read.
pub trait Planner: Fn(&Snapshot) -> Result<Plan, Refusal> {}
impl<F: Fn(&Snapshot) -> Result<Plan, Refusal>> Planner for F {}

/// What a changing command wants of the driver, beside its plan.
#[derive(Clone, Debug)]
pub struct ChangeOptions {
    pub action: Action,
    /// Whether the plan is shown and nothing is done.
    pub only_show: bool,
    /// How many services must change, neither more nor fewer.
    pub expect: Option<usize>,
    /// Whether even a change that need not be confirmed is asked about.
    pub always_ask: bool,
    pub needs: Needs,
    /// What the plan's reader should know of how the targets or members came about.
    pub notes: Vec<String>,
    pub warnings: Vec<String>,
    /// The command that goes another way where an organisation policy forbids this one.
    pub other_way: Option<String>,
    /// The command that may be meant where a change cannot be undone.
    pub may_be_meant: Option<String>,
    /// Whether the change is written into the journal first.
    pub journal: bool,
    pub reason: Option<String>,
    /// The changes that this one reverses, by what they changed.
    pub undoes: Vec<(Target, ChangeId)>,
    /// Whether a change of which a part is refused is taken back whole.
    pub whole: bool,
    /// Whether nothing is changed where a part cannot even be planned.
    pub together: bool,
    /// When the effect is judged by everything that can be read.
    pub verify: Verify,
    /// Accounts that may be so new that policies do not take them yet: that is waited for.
    pub awaits: Vec<Member>,
}

impl ChangeOptions {
    /// The change that this one reverses on a service.
    fn undone(&self, target: &Target) -> Option<ChangeId> {
        self.undoes.iter().find(|(name, _)| name == target).map(|(_, id)| *id)
    }
}

/// What a plan rests on, beside the service's policy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs {
    /// What the service itself, which is read beside the policy, is for.
    pub service: Use,
    /// The organisation policies in force, where they may be read.
    pub constraints: bool,
    /// What is granted above the service.
    pub above: bool,
    /// The ingress that is set, where another is in force.
    pub ingress: bool,
    /// Whether the change is about settings alone: the policy is wanted then, and not needed.
    pub settings_only: bool,
    /// Which roles of the policy invoke that are in no table.
    pub roles: bool,
}

/// When what a change comes to is judged by everything that bears on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    Always,
    Never,
    /// For a few services, and no longer than a second.
    #[default]
    OnATerminal,
}

/// What the facts of a service are for. What is needed for the deed is demanded; what is wanted for the
/// display is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Use {
    /// To tell what the change comes to.
    #[default]
    Effect,
    /// To tell what it does to exposure, too.
    Exposure,
    /// The change cannot be planned without them.
    Needed,
}

/// What was read of all targets.
#[derive(Debug)]
pub struct Batch {
    snapshots: Vec<(Target, Result<Snapshot, CommandError>)>,
    by_pattern: bool,
    partly_searched: bool,
}

/// What would be done to all targets.
#[derive(Debug)]
pub struct PlannedBatch {
    plans: Vec<(Target, Result<Plan, CommandError>)>,
    by_pattern: bool,
    partly_searched: bool,
}

/// What became of all targets.
#[derive(Debug)]
pub struct ChangeResult {
    pub outcomes: Vec<ChangeOutcome>,
    /// Whether a region could not be searched for targets.
    pub partly_searched: bool,
}

impl Batch {
    /// Reads every target, several at a time.
    pub async fn read(
        cx: &Context,
        targets: Targets,
        options: &ChangeOptions,
    ) -> Result<Self, CommandError> {
        cx.gateway().await?;
        // Before the reads: what is read after a change was left open tells of it.
        let left_open = journalled::left_open(cx, options);
        let progress = cx.terminal.progress("reading");
        let total = targets.names.len();
        let mut snapshots: Vec<(Target, Result<Snapshot, CommandError>)> = Vec::new();
        let mut reads = stream::iter(targets.names)
            .map(|name| async move {
                let snapshot = read(cx, &name, options.needs).await;
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
            Box::pin(journalled::settle_read(cx, journal, entries, &snapshots)).await;
        }
        Ok(Self {
            snapshots,
            by_pattern: targets.by_pattern,
            partly_searched: !targets.unreachable.is_empty(),
        })
    }

    /// Whether any policy that was read holds a member under exactly this text.
    pub fn holds(&self, text: &str) -> bool {
        let read = self.snapshots.iter().filter_map(|(_, snapshot)| snapshot.as_ref().ok());
        read.flat_map(|snapshot| grants(&snapshot.policy))
            .any(|grant| grant.member.as_str() == text)
    }

    /// Looks for the service accounts that would be granted something again, so that one that is deleted is
    /// left out of the plan already. What cannot be told is left to the write.
    pub async fn leave_out_deleted(&mut self, cx: &Context, planner: &impl Planner) {
        let read = self.snapshots.iter().filter_map(|(_, snapshot)| snapshot.as_ref().ok());
        let plans = read.filter_map(|snapshot| planner(snapshot).ok());
        let mut members: Vec<Member> = Vec::new();
        for plan in plans {
            members.extend(plan.added().iter().map(|grant| grant.member.clone()));
        }
        members.sort();
        members.dedup();
        let looked = stream::iter(members).map(async |member| {
            let account = apply::account_of(&member)?;
            (apply::is_there(cx, &account).await == Some(false)).then_some(member)
        });
        let gone: Vec<Option<Member>> = looked.buffered(WIDTH).collect().await;
        let gone: Vec<Member> = gone.into_iter().flatten().collect();
        for (_, snapshot) in &mut self.snapshots {
            if let Ok(snapshot) = snapshot {
                snapshot.gone.clone_from(&gone);
            }
        }
    }

    /// Every refusal that planning meets.
    pub fn refusals(&self, planner: &impl Planner) -> Vec<Refusal> {
        let read = self.snapshots.iter().filter_map(|(_, snapshot)| snapshot.as_ref().ok());
        read.filter_map(|snapshot| planner(snapshot).err()).collect()
    }

    /// Plans every target.
    pub fn plan(
        self,
        cx: &Context,
        planner: &impl Planner,
        options: &ChangeOptions,
    ) -> PlannedBatch {
        let plans = self.snapshots.into_iter().map(|(name, snapshot)| {
            let plan = snapshot.and_then(|snapshot| {
                planner(&snapshot).map_err(|refusal| refused::refusal(cx, &refusal, options))
            });
            (name, plan)
        });
        PlannedBatch {
            plans: plans.collect(),
            by_pattern: self.by_pattern,
            partly_searched: self.partly_searched,
        }
    }
}

impl PlannedBatch {
    /// Shows the plan, has it confirmed where that is due, and does it.
    pub async fn carry_out(
        self,
        cx: &Context,
        planner: &impl Planner,
        options: &ChangeOptions,
    ) -> Result<ChangeResult, CommandError> {
        show::plan(cx, &self.plans, options)?;
        self.check_expected(cx, options)?;
        let result = |outcomes| ChangeResult { outcomes, partly_searched: self.partly_searched };
        if options.only_show {
            let shown = self.plans.into_iter().map(|(name, plan)| match plan {
                Ok(plan) if plan.is_empty() => outcome_of(&plan, Status::Unchanged),
                Ok(plan) => outcome_of(&plan, Status::Planned),
                Err(error) => failed(cx, name, options.action, error),
            });
            return Ok(result(shown.collect()));
        }
        let unplanned = self.plans.iter().find(|(_, plan)| plan.is_err());
        if let Some(name) = unplanned.filter(|_| options.together).map(|(name, _)| name.short()) {
            let left = self.plans.into_iter().map(|(target, plan)| match plan {
                Ok(plan) if plan.is_empty() => outcome_of(&plan, Status::Unchanged),
                Ok(_) => {
                    let error = refused::held_up(&target.short(), &name);
                    failed(cx, target, options.action, error)
                }
                Err(error) => failed(cx, target, options.action, error),
            });
            return Ok(ChangeResult {
                outcomes: left.collect(),
                partly_searched: self.partly_searched,
            });
        }
        let changes = |plan: &Result<Plan, _>| plan.as_ref().is_ok_and(|plan| !plan.is_empty());
        let journal = if self.plans.iter().any(|(_, plan)| changes(plan)) {
            journalled::open(cx, options)?
        } else {
            None
        };
        confirm(cx, &self.plans, self.by_pattern, options.always_ask).await?;
        let journal = Journalled::begin(cx, journal, &self.plans, options)?;
        let mut outcomes: Vec<(usize, ChangeOutcome)> = Vec::with_capacity(self.plans.len());
        let mut stages: [Vec<_>; 3] = Default::default();
        for (at, (name, plan)) in self.plans.into_iter().enumerate() {
            let stage = plan.as_ref().map_or(Stage::Between, Plan::stage);
            stages[stage as usize].push((at, name, plan));
        }
        for stage in stages {
            // What rests on an account that was not made, or on grants that are still there, waits.
            let held_up = outcomes
                .iter()
                .find(|(_, outcome)| !outcome.status.is_settled())
                .map(|(_, outcome)| outcome.target.short());
            let done = stream::iter(stage).map(|(at, name, plan)| {
                let (journal, held_up) = (&journal, held_up.as_deref());
                async move {
                    let outcome = match (plan, held_up) {
                        (Ok(plan), Some(before)) if !plan.is_empty() => {
                            let error = refused::held_up(&name.short(), before);
                            journal.end(cx, failed(cx, name, options.action, error))
                        }
                        (Ok(plan), _) => {
                            let outcome = Box::pin(apply::apply(cx, plan, planner, options)).await;
                            journal.end(cx, outcome)
                        }
                        (Err(error), _) => failed(cx, name, options.action, error),
                    };
                    (at, outcome)
                }
            });
            let done: Vec<_> = done.buffered(WIDTH).collect().await;
            outcomes.extend(done);
        }
        outcomes.sort_by_key(|(at, _)| *at);
        let mut outcomes: Vec<_> = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
        verified::verify(cx, &mut outcomes, options).await;
        Ok(ChangeResult { outcomes, partly_searched: self.partly_searched })
    }
}

impl PlannedBatch {
    /// Refuses where another number of services would change than was expected.
    fn check_expected(&self, cx: &Context, options: &ChangeOptions) -> Result<(), CommandError> {
        let plans = self.plans.iter().filter_map(|(_, plan)| plan.as_ref().ok());
        let changing: Vec<&Plan> = plans.filter(|plan| !plan.is_empty()).collect();
        let count = changing.len();
        let Some(expected) = options.expect.filter(|expected| *expected != count) else {
            return Ok(());
        };
        let all_services = changing.iter().all(|plan| plan.target().service().is_some());
        let what = if all_services { "service" } else { "resource" };
        let s = if count == 1 { "" } else { "s" };
        let message =
            format!("{count} {what}{s} would change, not {expected}: nothing was changed");
        Err(CommandError::new(ErrorKind::NotExpected, message).hint(
            match cx.command_without(&["--expect"]) {
                command if options.only_show => command,
                command => format!("{command} --dry-run"),
            },
        ))
    }
}

async fn confirm(
    cx: &Context,
    plans: &[(Target, Result<Plan, CommandError>)],
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

fn outcome_of(plan: &Plan, status: Status) -> ChangeOutcome {
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

fn failed(cx: &Context, target: Target, action: Action, error: CommandError) -> ChangeOutcome {
    let error = cx.fit(error);
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
        before: Etags::default(),
        after: Etags::default(),
        inferred: false,
        fate_unknown: false,
        effect: Vec::new(),
        unread: None,
        is_conditional: false,
        attempts: 1,
        error: Some(error.into_outcome()),
    }
}

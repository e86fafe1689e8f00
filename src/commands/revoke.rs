//! `revoke`: revokes roles of principals on services, and reports the access that remains.

mod remaining;

use futures::{StreamExt, stream};

use self::remaining::RemainingAccess;
use super::args::complete;
use super::args::members::{
    KindOption, ask_for_member, held_operands, member, resolve, role, typed,
};
use super::args::write::{WriteOptions, finish, report_as};
use crate::change::{self, ChangeResult, Remarks};
use crate::cloud::{Unreadable, why};
use crate::context::Context;
use crate::domain::error::CommandError;
use crate::domain::exit_code::ExitCode;
use crate::domain::invokers::{Grant, grants};
use crate::domain::member::Member;
use crate::domain::plan::{ClearGrants, ConditionChoice, Refusal, RevokeGrants, RoleChoice};
use crate::domain::printable::printable;
use crate::domain::role::INVOKER;
use crate::domain::target::{Target, WorkloadKind};
use crate::lookup::{self, Targets};
use crate::report::ChangesReport;
use crate::terminal;

const ROLE_HELP: &str = "The role [default: roles/run.invoker; with `--expired` or `--deleted`: \
                         every role that can, or may, invoke]";
const CLEARING_EXCLUDES: [&str; 5] =
    ["any_role", "condition_title", "any_condition", "all_services", "strict"];

const EVERYWHERE_EXCLUDES: [&str; 6] =
    ["all_services", "role", "condition_title", "expired", "deleted", "kind"];

/// Revoke a principal's right to invoke services, or to run jobs
///
/// Takes the members as `grant` does, and `deleted:` principals as a policy holds them.
#[derive(clap::Args, Debug)]
#[command(
    override_usage = "runaccess revoke [OPTIONS] MEMBER[,MEMBER...] SERVICE...\n       \
                      runaccess revoke [OPTIONS] --member MEMBER... SERVICE...\n       \
                      runaccess revoke [OPTIONS] --expired|--deleted [SERVICE...]",
    after_help = "Examples:
  runaccess revoke dev@example.com orders
  runaccess revoke dev@example.com --all-services --any-role --dry-run
  runaccess revoke auditor@example.com billing --condition-title 'reports only'
  runaccess revoke dev@example.com --everywhere
  runaccess revoke --expired"
)]
pub(super) struct Args {
    /// The principals, then the services
    #[arg(value_name = "MEMBER SERVICE", add = complete::operands())]
    operands: Vec<String>,
    /// A principal, taken whole; every other operand is then a service
    #[arg(long, value_name = "MEMBER", add = complete::members())]
    member: Vec<String>,
    /// The role
    #[arg(long, value_name = "ROLE", conflicts_with = "any_role", help = ROLE_HELP, add = complete::roles())]
    role: Option<String>,
    /// Revoke every role that is known to invoke
    #[arg(long)]
    any_role: bool,
    /// Revoke the binding whose condition has this title
    #[arg(long, value_name = "TITLE", conflicts_with = "any_condition")]
    condition_title: Option<String>,
    /// Revoke the bindings with a condition as well as the one without
    #[arg(long, visible_alias = "all")]
    any_condition: bool,
    /// Revoke on every service of the project (not what project, folder or organisation grant)
    #[arg(long)]
    all_services: bool,
    /// Clear what is past its end; every operand is then a service, and without one every service
    /// of the project is looked at
    #[arg(long, conflicts_with_all = CLEARING_EXCLUDES)]
    expired: bool,
    /// Clear what names deleted principals; operands as with `--expired`
    #[arg(long, conflicts_with_all = CLEARING_EXCLUDES)]
    deleted: bool,
    /// Judge by everything that can be read what is left: exit with 3 if the member can still invoke, with 9
    /// if that cannot be told
    #[arg(long)]
    strict: bool,
    /// Revoke every role that can invoke, under any condition, on every service, function and job of
    /// the project, and say what is left; always asks
    #[arg(long, conflicts_with_all = EVERYWHERE_EXCLUDES)]
    everywhere: bool,
    #[command(flatten)]
    kind: KindOption,
    #[command(flatten)]
    pub(super) write: WriteOptions,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    args.write.check_format(cx)?;
    if args.expired || args.deleted {
        return clear(cx, args).await;
    }
    let roles = if args.any_role || args.everywhere {
        RoleChoice::AnyInvoking
    } else {
        RoleChoice::Only(role(cx, args.role.as_deref().unwrap_or(INVOKER))?)
    };
    let condition = match (args.condition_title, args.any_condition || args.everywhere) {
        (Some(title), _) => ConditionChoice::Titled(title),
        (None, true) => ConditionChoice::Any,
        (None, false) => ConditionChoice::Unconditional,
    };
    let operands = held_operands(cx, &args.member, &args.operands)?;
    let all = args.all_services || args.everywhere;
    if all && !operands.services.is_empty() {
        let flag = if args.everywhere { "--everywhere" } else { "--all-services" };
        return Err(CommandError::usage(format!("`{flag}` takes no SERVICE beside it")));
    }
    let references = if all {
        Vec::new()
    } else {
        args.kind.targets(cx, &operands.services, "Revoke access to which service?").await?
    };
    let asked_for = if operands.members.is_empty() {
        vec![ask_for_member(cx, "Whose access goes?").await?]
    } else {
        operands.members
    };
    let mut resolved = resolve(cx, &asked_for).await?;
    // Remaining access is judged at the end, even if nothing was revoked.
    let mut judged: Vec<Target> = Vec::new();
    let targets = if all {
        let named = |grant: &Grant| resolved.members.iter().any(|m| m.same_as(&grant.member));
        let mut targets = every_service_with(cx, named, &mut judged).await?;
        if args.everywhere {
            Box::pin(every_workload_with(cx, named, (&mut targets, &mut judged))).await?;
        }
        targets
    } else {
        lookup::find_all(cx, &references).await?
    };
    let (notes, warnings) =
        (std::mem::take(&mut resolved.notes), std::mem::take(&mut resolved.warnings));
    let mut options = args.write.remarking(Remarks { notes, warnings, ..Remarks::default() });
    options.always_ask |= args.everywhere;
    let unreachable = targets.unreachable.clone();
    let members = resolved.members.iter().map(|member| (member.clone(), condition.clone()));
    let mut revoke = RevokeGrants { members: members.collect(), roles, strict: args.strict };
    let typed = args.member.iter().cloned().chain(asked_for.iter().map(typed));
    let result =
        change::run_once_read(cx, targets, &mut revoke, &options, async |revoke, batch| {
            resolved.check_held(cx, |member| batch.holds(member.as_str()))?;
            // A member that a policy contains exactly takes precedence over what the text could mean.
            for literal in typed.map(Member::from_policy) {
                let is_known = revoke.members.iter().any(|(member, _)| member.same_as(&literal));
                if !is_known && batch.holds(literal.as_str()) {
                    revoke.members.push((literal, condition.clone()));
                }
            }
            while cx.terminal.interactive
                && ask_which_condition(cx, &batch.refusals(revoke), revoke).await?
            {}
            Ok(())
        });
    let result = result.await?;
    let asked: Vec<Member> = revoke.members.iter().map(|(member, _)| member.clone()).collect();
    let done = result.outcomes.iter().filter(|outcome| outcome.status.is_settled());
    let done: Vec<Target> = done.map(|outcome| outcome.target.clone()).collect();
    let looks = (args.strict || args.everywhere) && !options.only_show;
    if !looks {
        return finish(cx, result, &args.write);
    }
    let judged = if all { judged } else { done };
    let mut left = remaining::look(cx, &judged, &asked, args.everywhere).await?;
    left.unknown.extend(unreachable.iter().map(|unread| {
        format!("whoever is granted something in {} is not known: {}", unread.what, unread.why)
    }));
    if all && !args.everywhere {
        cx.terminal
            .note("jobs, instances and worker pools were not looked at: `--everywhere` does");
    }
    end_with(cx, result, &left, &args.write)
}

/// Reports what was revoked and what access remains. The exit code for remaining access takes
/// precedence over the one for a partial read.
fn end_with(
    cx: &Context,
    result: ChangeResult,
    left: &RemainingAccess,
    write: &WriteOptions,
) -> Result<u8, CommandError> {
    let rows = left.rows.clone();
    let reported = report_as(cx, result, write, |cx, outcomes| {
        let report = ChangesReport::new(cx.is_sandbox(), outcomes);
        cx.report(&ChangesReport { left: Some(rows), ..report })
    })?;
    left.tell(cx);
    let (done, partial) = (ExitCode::Done.number(), ExitCode::Partial.number());
    let code = match (reported.code, left.code()) {
        (code, ExitCode::Done) => code,
        (code, left) if code == done || code == partial => left.number(),
        (code, _) => code,
    };
    reported.tell_undo(cx);
    Ok(code)
}

/// `revoke --expired` and `revoke --deleted`: every operand is a service; without operands, every
/// service is searched.
async fn clear(cx: &Context, args: Args) -> Result<u8, CommandError> {
    let members = args.member.iter().map(|typed| member(cx, typed));
    let members = resolve(cx, &members.collect::<Result<Vec<_>, _>>()?).await?.members;
    let role = args.role.as_deref().map(|typed| role(cx, typed)).transpose()?;
    let mut clear = ClearGrants { expired: args.expired, deleted: args.deleted, role, members };
    let targets = if args.operands.is_empty() {
        every_service_with(cx, |grant| clear.selects(grant, cx.now()), &mut Vec::new()).await?
    } else {
        let references = args.kind.targets(cx, &args.operands, "Clear which service?").await?;
        lookup::find_all(cx, &references).await?
    };
    let options = args.write.options();
    let result = change::run_once_read(cx, targets, &mut clear, &options, async |_, _| {
        cx.warn_of_clock();
        Ok(())
    });
    let result = result.await?;
    finish(cx, result, &args.write)
}

/// Every service whose policy contains such a grant, or whose policy cannot be read: the driver then
/// reports why.
async fn every_service_with(
    cx: &Context,
    wanted: impl Fn(&Grant) -> bool,
    all: &mut Vec<Target>,
) -> Result<Targets, CommandError> {
    let project = cx.project()?.value;
    let region = cx.region_of_the_command_line()?;
    let progress = cx.terminal.progress("reading policies");
    let gateway = cx.gateway().await?;
    let (services, unreachable) = gateway
        .services_with_grants(&project, &region, |done, known| progress.set(done, known))
        .await?;
    drop(progress);
    lookup::warn_of(cx, &unreachable);
    all.extend(services.iter().map(|access| Target::from(access.service.name.clone())));
    let names = services
        .into_iter()
        .filter(|access| access.grants.as_ref().map_or(true, |grants| grants.iter().any(&wanted)))
        .map(|access| access.service.name.into())
        .collect();
    Ok(Targets { names, missing: Vec::new(), by_pattern: true, unreachable })
}

/// Adds every job, instance and worker pool whose policy contains such a grant or cannot be read.
async fn every_workload_with(
    cx: &Context,
    wanted: impl Fn(&Grant) -> bool,
    (targets, all): (&mut Targets, &mut Vec<Target>),
) -> Result<(), CommandError> {
    let project = cx.project()?.value;
    let region = cx.region_of_the_command_line()?;
    let gateway = cx.gateway().await?;
    let (jobs, pools, instances) = tokio::join!(
        gateway.workloads(WorkloadKind::Job, &project),
        gateway.workloads(WorkloadKind::WorkerPool, &project),
        gateway.instances(&project),
    );
    let mut found: Vec<Target> = Vec::new();
    let (names, mut unreachable) = jobs?;
    found.extend(names.into_iter().map(Target::Workload));
    let pools = pools.map(|(names, unread)| {
        found.extend(names.into_iter().map(Target::Workload));
        unread
    });
    let instances = instances.map(|(names, unread)| {
        found.extend(names.into_iter().map(Target::Service));
        unread
    });
    for (what, read) in [("worker pools", pools), ("instances", instances)] {
        match read {
            Ok(unread) => unreachable.extend(unread),
            Err(failure) => unreachable.push(Unreadable {
                what: format!("the {what} of project `{project}`"),
                why: why(&failure),
                region: None,
            }),
        }
    }
    unreachable.dedup();
    lookup::warn_of(cx, &unreachable);
    for unread in unreachable {
        if !targets.unreachable.contains(&unread) {
            targets.unreachable.push(unread);
        }
    }
    found.retain(|target| region == "-" || target.region() == Some(&region));
    let reads = stream::iter(&found).map(|one| gateway.policy_of(one)).buffered(remaining::WIDTH);
    let reads: Vec<_> = reads.collect().await;
    for (target, read) in found.into_iter().zip(reads) {
        all.push(target.clone());
        if read.as_ref().map_or(true, |policy| grants(policy).iter().any(&wanted)) {
            targets.names.push(target);
        }
    }
    Ok(())
}

/// Asks which grant is meant, for each member with conditional grants only; `false` if there is
/// none.
async fn ask_which_condition(
    cx: &Context,
    refusals: &[Refusal],
    request: &mut RevokeGrants,
) -> Result<bool, CommandError> {
    let mut asked_any = false;
    for (member, choice) in &mut request.members {
        let mut titles: Vec<String> = Vec::new();
        for refusal in refusals {
            if let Refusal::OnlyConditional { member: refused, titles: held, .. } = refusal
                && refused.same_as(member)
            {
                for title in held {
                    if !titles.contains(title) {
                        titles.push(title.clone());
                    }
                }
            }
        }
        if titles.is_empty() {
            continue;
        }
        let mut items: Vec<String> =
            titles.iter().map(|title| format!("the one titled `{}`", printable(title))).collect();
        items.push("all of them".to_owned());
        let question = format!("`{member}` has access under a condition only; which goes?");
        let at = cx
            .ask(&question, move |question, color| terminal::choose(question, &items, color))
            .await?;
        *choice = match titles.get(at) {
            Some(title) => ConditionChoice::Titled(title.clone()),
            None => ConditionChoice::Any,
        };
        asked_any = true;
    }
    Ok(asked_any)
}

//! `make-public`

use super::completing;
use super::members::services;
use super::waiting::WaitOptions;
use super::writing::{WriteOptions, finish};
use crate::change::{Batch, ChangeOptions, ChangeResult, Needs, Use};
use crate::context::Context;
use crate::domain::action::Action;
use crate::domain::plan::{PublicVia, plan_make_public};
use crate::domain::snapshot::Snapshot;
use crate::domain::target::Target;
use crate::error::{CommandError, ErrorKind};
use crate::lookup::{self, Targets};
use crate::terminal;

/// Let anyone invoke services, without any credential
///
/// Google recommends `no-invoker-check` where public access is wanted; `all-users` is what
/// `gcloud run deploy --allow-unauthenticated` does.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Names, REGION/NAME, patterns such as 'shop-*', URLs
    #[arg(value_name = "SERVICE", add = completing::services())]
    services: Vec<String>,
    /// The way: the invoker role for allUsers (default), or the invoker check turned off
    #[arg(long, value_enum)]
    via: Option<Via>,
    /// Do not look at organisation policies first
    #[arg(long)]
    no_preflight: bool,
    #[command(flatten)]
    wait: WaitOptions,
    #[command(flatten)]
    write: WriteOptions,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Via {
    AllUsers,
    NoInvokerCheck,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    args.write.check_format(cx)?;
    let via = args.via.map(|via| match via {
        Via::AllUsers => PublicVia::AllUsers,
        Via::NoInvokerCheck => PublicVia::NoInvokerCheck,
    });
    let references = services(cx, &args.services, "Make which service public?").await?;
    let targets = lookup::find_all(cx, &references).await?;
    let other_way = match via {
        Some(PublicVia::NoInvokerCheck) => Some(cx.command_with_instead("--via", "all-users")),
        Some(PublicVia::AllUsers) => Some(cx.command_with_instead("--via", "no-invoker-check")),
        None => Some(format!("{} --via no-invoker-check", cx.command())),
    };
    let service = match via {
        Some(PublicVia::NoInvokerCheck) => Use::Needed,
        _ => Use::Exposure,
    };
    let needs = Needs { service, constraints: !args.no_preflight, ..Needs::default() };
    let waiting = args.wait.for_everyone();
    let mut options = ChangeOptions { other_way, ..args.write.options(Action::MakePublic, needs) };
    let mut result = change(cx, targets, via, &options).await?;
    let forbidden = forbidden(&result);
    if via != Some(PublicVia::NoInvokerCheck) && !forbidden.is_empty() && cx.terminal.interactive {
        let names: Vec<String> =
            forbidden.iter().map(|name| format!("`{}`", name.short())).collect();
        cx.terminal
            .warning(&format!("an organisation policy forbids `allUsers` on {}", names.join(", ")));
        let question = "Turn the invoker check off instead, as Google recommends?";
        options.other_way = None;
        match other_way_taken(cx, question, &forbidden, &options).await {
            Ok(None) => {}
            Ok(Some(second)) => {
                result.outcomes.retain(|outcome| !forbidden.contains(&outcome.target));
                result.outcomes.extend(second.outcomes);
            }
            Err(error) => {
                // What the first way did is told, whatever became of the second.
                finish(cx, result, &args.write)?;
                return Err(error);
            }
        }
    }
    waiting.finish(cx, result, &args.write).await
}

/// Offers to turn the invoker check off where `allUsers` is forbidden, and does it; `None` for a
/// "no".
async fn other_way_taken(
    cx: &Context,
    question: &str,
    forbidden: &[Target],
    options: &ChangeOptions,
) -> Result<Option<ChangeResult>, CommandError> {
    if !cx.ask(question, terminal::confirm).await? {
        return Ok(None);
    }
    let targets = Targets { names: forbidden.to_vec(), ..Targets::default() };
    change(cx, targets, Some(PublicVia::NoInvokerCheck), options).await.map(Some)
}

async fn change(
    cx: &Context,
    targets: Targets,
    via: Option<PublicVia>,
    options: &ChangeOptions,
) -> Result<ChangeResult, CommandError> {
    let planner = |snapshot: &Snapshot| plan_make_public(snapshot, via);
    let batch = Batch::read(cx, targets, options).await?;
    batch.plan(cx, &planner, options).carry_out(cx, &planner, options).await
}

fn forbidden(result: &ChangeResult) -> Vec<Target> {
    let code = ErrorKind::OrganisationPolicy.code();
    let forbidden = result
        .outcomes
        .iter()
        .filter(|outcome| outcome.error.as_ref().is_some_and(|error| error.code == code));
    forbidden.map(|outcome| outcome.target.clone()).collect()
}

//! `make-public`: allows anyone to invoke services.

use super::args::complete;
use super::args::members::services;
use super::args::wait::WaitOptions;
use super::args::write::{WriteOptions, finish};
use crate::change::{self, ChangeOptions, ChangeResult, Remarks};
use crate::context::Context;
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::plan::{MakePublic, PublicVia};
use crate::domain::target::Target;
use crate::lookup::{self, Targets};
use crate::terminal;

/// Let anyone invoke services, without any credential
///
/// Google recommends `no-invoker-check` where public access is wanted; `all-users` is what
/// `gcloud run deploy --allow-unauthenticated` does.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Names, REGION/NAME, patterns such as 'shop-*', URLs
    #[arg(value_name = "SERVICE", add = complete::services())]
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
    let waiting = args.wait.for_everyone();
    let mut options = args.write.remarking(Remarks { other_way, ..Remarks::default() });
    let change = MakePublic { via, preflight: !args.no_preflight };
    let mut result = change::run(cx, targets, &change, &options).await?;
    let forbidden = forbidden(&result);
    if via != Some(PublicVia::NoInvokerCheck) && !forbidden.is_empty() && cx.terminal.interactive {
        let names: Vec<String> =
            forbidden.iter().map(|name| format!("`{}`", name.short())).collect();
        cx.terminal
            .warning(&format!("an organisation policy forbids `allUsers` on {}", names.join(", ")));
        let question = "Turn the invoker check off instead, as Google recommends?";
        options.remarks.other_way = None;
        let change = MakePublic { via: Some(PublicVia::NoInvokerCheck), ..change };
        match other_way_taken(cx, question, &forbidden, &change, &options).await {
            Ok(None) => {}
            Ok(Some(second)) => {
                result.outcomes.retain(|outcome| !forbidden.contains(&outcome.target));
                result.outcomes.extend(second.outcomes);
            }
            Err(error) => {
                // The first change is reported, whatever the outcome of the second.
                finish(cx, result, &args.write)?;
                return Err(error);
            }
        }
    }
    waiting.finish(cx, result, &args.write).await
}

/// Offers to turn the invoker check off if `allUsers` is forbidden, and does so; `None` if the user
/// declines.
async fn other_way_taken(
    cx: &Context,
    question: &str,
    forbidden: &[Target],
    change: &MakePublic,
    options: &ChangeOptions,
) -> Result<Option<ChangeResult>, CommandError> {
    if !cx.ask(question, terminal::confirm).await? {
        return Ok(None);
    }
    let targets = Targets { names: forbidden.to_vec(), ..Targets::default() };
    change::run(cx, targets, change, options).await.map(Some)
}

fn forbidden(result: &ChangeResult) -> Vec<Target> {
    let forbidden = result.outcomes.iter().filter(|outcome| {
        outcome.error.as_ref().is_some_and(|error| error.kind == ErrorKind::OrganisationPolicy)
    });
    forbidden.map(|outcome| outcome.target.clone()).collect()
}

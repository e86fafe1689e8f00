//! `make-private`: allows only named principals to invoke services.

use super::args::complete;
use super::args::members::services;
use super::args::write::{WriteOptions, finish};
use crate::change;
use crate::context::Context;
use crate::domain::error::CommandError;
use crate::domain::exit_code::ExitCode;
use crate::domain::plan::MakePrivate;
use crate::lookup;

/// Let nobody invoke services but those who are named
///
/// Undoes both ways of being public: `allUsers` and `allAuthenticatedUsers` lose every role that
/// can invoke, then the invoker check is turned on. Where the project, a folder or the organisation
/// grants the same to everyone, the service stays open: that is said, and the exit code is 3.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Names, REGION/NAME, patterns such as 'shop-*', URLs
    #[arg(value_name = "SERVICE", add = complete::services())]
    services: Vec<String>,
    #[command(flatten)]
    write: WriteOptions,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    args.write.check_format(cx)?;
    let references = services(cx, &args.services, "Make which service private?").await?;
    let targets = lookup::find_all(cx, &references).await?;
    let result = change::run(cx, targets, &MakePrivate, &args.write.options()).await?;
    let stays_open = result.outcomes.iter().any(|outcome| outcome.leaves_access);
    let code = finish(cx, result, &args.write)?;
    let is_no = stays_open && code == ExitCode::Done.number();
    Ok(if is_no { ExitCode::No.number() } else { code })
}

//! `make-private`

use super::completing;
use super::members::services;
use super::writing::{WriteOptions, finish};
use crate::change::Batch;
use crate::context::Context;
use crate::domain::plan::{Action, plan_make_private};
use crate::error::CommandError;
use crate::lookup;

/// Let nobody invoke services but those who are named
///
/// Undoes both ways of being public: `allUsers` and `allAuthenticatedUsers` lose every role that
/// can invoke, then the invoker check is turned on.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Names, REGION/NAME, patterns such as 'shop-*', URLs
    #[arg(value_name = "SERVICE", add = completing::services())]
    services: Vec<String>,
    #[command(flatten)]
    write: WriteOptions,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    args.write.check_format(cx)?;
    let references = services(cx, &args.services, "Make which service private?").await?;
    let targets = lookup::find_all(cx, &references).await?;
    let options = args.write.options(Action::MakePrivate, true);
    let batch = Batch::read(cx, targets, &options).await?;
    let result =
        batch.plan(cx, &plan_make_private).carry_out(cx, &plan_make_private, &options).await?;
    finish(cx, result, args.write)
}

//! `make-private`

use super::members::services;
use super::writing::{WriteOptions, finish};
use crate::change::{Batch, ChangeOptions};
use crate::context::Context;
use crate::domain::plan::{Action, plan_make_private};
use crate::error::CommandError;
use crate::lookup;
use crate::report::ChangesReport;

/// Let nobody invoke services but those who are named
///
/// Undoes both ways of being public: `allUsers` and `allAuthenticatedUsers` lose every role that
/// can invoke, then the invoker check is turned on.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Names, REGION/NAME, patterns such as 'shop-*', URLs
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    #[command(flatten)]
    write: WriteOptions,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    cx.check_format::<ChangesReport>()?;
    let references = services(cx, &args.services, "Make which service private?").await?;
    let targets = lookup::find_all(cx, &references).await?;
    let options = ChangeOptions {
        action: Action::MakePrivate,
        dry_run: args.write.dry_run,
        needs_service: true,
        notes: Vec::new(),
        warnings: Vec::new(),
        other_way: None,
    };
    let batch = Batch::read(cx, targets, &options).await?;
    let result =
        batch.plan(cx, &plan_make_private).carry_out(cx, &plan_make_private, &options).await?;
    finish(cx, result)
}

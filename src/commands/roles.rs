//! `roles`

use crate::context::Context;
use crate::domain::role::ROLES;
use crate::error::CommandError;
use crate::exit_code::ExitCode;
use crate::report::RolesReport;

/// Show the predefined roles that can invoke a service, or let others do so
///
/// From a table of 2026-08-22 that is part of this program; no request is made.
#[derive(clap::Args, Debug)]
pub(super) struct Args {}

pub(super) fn run(cx: &Context, Args {}: &Args) -> Result<u8, CommandError> {
    cx.check_format::<RolesReport>()?;
    cx.report(&RolesReport::new(&ROLES))?;
    Ok(ExitCode::Done.number())
}

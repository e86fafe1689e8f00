//! `roles`: shows the roles that can invoke a service or grant that permission.

use crate::context::Context;
use crate::domain::error::CommandError;
use crate::domain::exit_code::ExitCode;
use crate::domain::role::{CustomRole, INVOKE, ROLES, SET_POLICY};
use crate::report::RolesReport;

/// Show the roles that can invoke a service, or let others do so
///
/// The predefined ones, from a table of 2026-08-22 that is part of this program; no request is made.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Show those of the project and of its organisation instead
    #[arg(long)]
    pub(super) custom: bool,
}

pub(super) async fn run(cx: &Context, args: &Args) -> Result<u8, CommandError> {
    cx.check_format::<RolesReport>()?;
    if !args.custom {
        let report = RolesReport::predefined(&ROLES);
        cx.report(&report)?;
        cx.terminal.note(report.source.as_deref().unwrap_or_default());
        return Ok(ExitCode::Done.number());
    }
    let project = cx.project()?.value;
    let (mut roles, unread) = cx.gateway().await?.custom_roles(&project).await?;
    let bears = |role: &CustomRole| {
        role.permissions.iter().any(|held| held == INVOKE || held == SET_POLICY)
    };
    roles.retain(bears);
    if roles.is_empty() {
        cx.terminal
            .note(&format!("no role of project `{project}`'s own bears on invoking services"));
    }
    cx.report(&RolesReport::custom(roles))?;
    for why in &unread {
        cx.terminal.warning(why);
    }
    let code = if unread.is_empty() { ExitCode::Done } else { ExitCode::Partial };
    Ok(code.number())
}

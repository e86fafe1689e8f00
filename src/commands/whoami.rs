//! `whoami`

use crate::context::Context;
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::exit_code::ExitCode;
use crate::report::WhoamiReport;

/// Show who acts, by which credential, in which project and region
///
/// Nothing is asked of Google, unless with `--check`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Get a token and use it once, to see that the credential is good
    #[arg(long)]
    check: bool,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    cx.check_format::<WhoamiReport>()?;
    let identity = match cx.identity() {
        Err(error) if error.kind != ErrorKind::NotAuthenticated => return Err(error),
        found => found,
    };
    let project = match cx.project() {
        // An invalid project is not a project that is unset.
        Err(error) if cx.has_project() => return Err(error),
        found => found.ok(),
    };
    let region = cx.region_and_source()?;
    let who = identity.as_ref().ok();
    let (quota_project, quota_project_source) = who.and_then(|_| cx.quota_project()).unzip();
    let report = WhoamiReport {
        sandbox: cx.is_sandbox(),
        account: who.and_then(|identity| identity.account.clone()),
        kind: who.map_or("none", |identity| identity.tokens.kind().as_str()),
        kind_in_words: who.map_or("none", |identity| identity.tokens.kind().words()),
        is_nobody: who.is_none(),
        source: who.map(|identity| identity.source.clone()),
        project: project.as_ref().map(|project| project.value.clone()),
        project_source: project.map(|project| project.source.to_string()),
        region: region.as_ref().map(|region| region.value.clone()),
        quota_project,
        quota_project_source,
        region_source: region.map(|region| region.source.to_string()),
    };
    cx.report(&report)?;
    let identity = match identity {
        Ok(identity) => identity,
        // The answer stands: no account. The cause and the remedy are printed as with any command.
        Err(error) => {
            cx.terminal.error(&cx.adapt_hints(error));
            return Ok(ExitCode::NotAuthenticated.number());
        }
    };
    if let Some(other) = identity.other_passed_over() {
        cx.terminal.note(&other);
    }
    if args.check {
        check(cx).await?;
        cx.terminal.note("the credential is good: it gives a token, which Cloud Run's API takes");
    }
    Ok(ExitCode::Done.number())
}

/// Obtains a token, and tests that Cloud Run accepts it if a project is set. Whether the account
/// may list regions says nothing about the token.
async fn check(cx: &Context) -> Result<(), CommandError> {
    let tokens = &cx.identity()?.tokens;
    cx.in_time("get a token", tokens.authorization()).await??;
    let Ok(project) = cx.project() else { return Ok(()) };
    match cx.gateway().await?.regions(&project.value).await {
        Ok(_) => Ok(()),
        Err(failure) => match CommandError::from(failure) {
            error if error.kind == ErrorKind::PermissionDenied => Ok(()),
            error => Err(error),
        },
    }
}

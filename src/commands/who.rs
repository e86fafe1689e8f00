//! `who`

use super::completing;
use super::members::one_service;
use crate::context::Context;
use crate::domain::exposure::judge;
use crate::domain::invokers::{Grant, grants};
use crate::domain::role::Invokes;
use crate::error::CommandError;
use crate::exit_code::ExitCode;
use crate::lookup;
use crate::report::{InvokerRow, UnknownRow, WhoReport};

/// Show who can invoke a service, and through what
///
/// Reads the service and its own policy. What the project, folders and organisation grant is not
/// read, and says so.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// NAME, REGION/NAME, full resource name, or any of its URLs
    #[arg(value_name = "SERVICE", add = completing::services())]
    service: Option<String>,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    cx.check_format::<WhoReport>()?;
    let found = one_service(cx, args.service.as_deref(), "Who can invoke which service?").await?;
    let gateway = cx.gateway().await?;
    let (service, policy) =
        match tokio::try_join!(gateway.service(&found.name), gateway.policy(&found.name)) {
            Ok(read) => read,
            Err(failure) => return Err(lookup::unread(cx, &found.name, failure).await),
        };
    let now = cx.now();
    let granted = grants(&policy);
    let exposure = judge(&service, Some(&granted), now);
    let invokers = InvokerRow::all(&found.name, service.invoker_check, &granted, now);
    let mut unknown = unknown_roles(&granted);
    unknown.push(UnknownRow {
        what: format!("project {} and what is above it", found.name.project()),
        why: "grants inherited from there are not read".to_owned(),
    });
    if invokers.is_empty() {
        cx.terminal.note(&format!("nobody, by the policy of `{}` itself", found.name.short()));
    }
    cx.report(&WhoReport {
        sandbox: cx.is_sandbox(),
        service: found.name.to_string(),
        exposure: exposure.exposure.as_str(),
        invokers,
        unknown: unknown.clone(),
    })?;
    for row in unknown {
        cx.terminal.note(&format!("unknown: {}: {}", row.what, row.why));
    }
    Ok(ExitCode::Done.number())
}

/// Custom and new roles, of which it is not known whether they invoke.
fn unknown_roles(granted: &[Grant]) -> Vec<UnknownRow> {
    let mut rows: Vec<UnknownRow> = Vec::new();
    for grant in granted.iter().filter(|grant| grant.invokes() == Invokes::Unknown) {
        let holders = granted.iter().filter(|other| other.role == grant.role);
        let holders: Vec<String> = holders.map(|other| other.member.to_string()).collect();
        let row = UnknownRow {
            what: format!("role {}", grant.role),
            why: format!("whether it can invoke is not known; held by {}", holders.join(", ")),
        };
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    rows
}

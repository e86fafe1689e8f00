//! `describe`

use super::completing;
use super::members::one_service;
use crate::cloud::Failure;
use crate::context::Context;
use crate::domain::exposure::judge;
use crate::domain::invokers::grants;
use crate::domain::resource::ServiceName;
use crate::error::CommandError;
use crate::exit_code::ExitCode;
use crate::lookup;
use crate::report::{InvokerRow, ServiceReport};

/// Describe a service: everything that bears on who can reach and invoke it
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// NAME, REGION/NAME, full resource name, or any of its URLs
    #[arg(value_name = "SERVICE", add = completing::services())]
    service: Option<String>,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    cx.check_format::<ServiceReport>()?;
    let found = one_service(cx, args.service.as_deref(), "Describe which service?").await?;
    let (report, unread) = read(cx, &found.name).await?;
    let code = match unread {
        None => ExitCode::Done,
        Some(failure) => {
            cx.terminal.warning(&format!("{failure}: {}", failure.message));
            ExitCode::Partial
        }
    };
    cx.report(&report)?;
    Ok(code.number())
}

/// Reads a service and its policy; where the policy cannot be read, its invokers are unknown, and
/// why comes along.
pub(super) async fn read(
    cx: &Context,
    name: &ServiceName,
) -> Result<(ServiceReport, Option<Failure>), CommandError> {
    let gateway = cx.gateway().await?;
    let (service, policy) = tokio::join!(gateway.service(name), gateway.policy(name));
    let service = match service {
        Ok(service) => service,
        Err(failure) => return Err(lookup::unread(cx, name, failure).await),
    };
    let (granted, unread) = match policy {
        Ok(policy) => (Some(grants(&policy)), None),
        Err(failure) => (None, Some(failure)),
    };
    let now = cx.now();
    let exposure = judge(&service, granted.as_deref(), now);
    let invokers =
        granted.map(|grants| InvokerRow::all(&service.name, service.invoker_check, &grants, now));
    Ok((ServiceReport::new(cx.is_sandbox(), service, exposure, invokers), unread))
}

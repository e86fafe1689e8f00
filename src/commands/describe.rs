//! `describe`

use super::completing;
use super::members::one_service;
use crate::context::Context;
use crate::domain::exposure::judge;
use crate::domain::invokers::grants;
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
    let gateway = cx.gateway().await?;
    let (service, policy) = tokio::join!(gateway.service(&found.name), gateway.policy(&found.name));
    let service = match service {
        Ok(service) => service,
        Err(failure) => return Err(lookup::unread(cx, &found.name, failure).await),
    };
    let mut code = ExitCode::Done;
    let granted = match policy {
        Ok(policy) => Some(grants(&policy)),
        Err(failure) => {
            cx.terminal.warning(&format!("{failure}: {}", failure.message));
            code = ExitCode::Partial;
            None
        }
    };
    let now = cx.now();
    let exposure = judge(&service, granted.as_deref(), now);
    let invokers =
        granted.map(|grants| InvokerRow::all(&service.name, service.invoker_check, &grants, now));
    cx.report(&ServiceReport::new(cx.is_sandbox(), service, exposure, invokers))?;
    Ok(code.number())
}

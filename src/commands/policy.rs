//! `policy`

use super::completing;
use super::members::one_service;
use crate::context::Context;
use crate::error::{CommandError, ErrorKind};
use crate::exit_code::ExitCode;
use crate::lookup;
use crate::report::PolicyReport;

/// Print a service's IAM policy, as `gcloud run services get-iam-policy` does
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// NAME, REGION/NAME, full resource name, or any of its URLs
    #[arg(value_name = "SERVICE", add = completing::services())]
    service: Option<String>,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    cx.check_format::<PolicyReport>()?;
    let found =
        one_service(cx, args.service.as_deref(), "Print the policy of which service?").await?;
    let policy = match cx.gateway().await?.policy(&found.name).await {
        Ok(policy) => policy,
        Err(failure) => return Err(lookup::unread(cx, &found.name, failure).await),
    };
    let json = serde_json::to_value(&policy).map_err(|error| {
        CommandError::new(ErrorKind::Failed, "cannot write the policy").because(error.to_string())
    })?;
    cx.report(&PolicyReport::new(json))?;
    Ok(ExitCode::Done.number())
}

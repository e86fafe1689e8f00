//! `policy`: prints the IAM policy of a service, or of what is like one.

use super::args::complete;
use super::args::members::KindOption;
use crate::context::Context;
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::exit_code::ExitCode;
use crate::lookup;
use crate::report::PolicyReport;

/// Print the IAM policy of a service, instance, job or worker pool, as `gcloud run services get-iam-policy` does
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// NAME, REGION/NAME, full resource name, any of its URLs, jobs/NAME, functions/NAME,
    /// instances/NAME or worker-pools/NAME
    #[arg(value_name = "SERVICE", add = complete::services())]
    service: Option<String>,
    #[command(flatten)]
    kind: KindOption,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    cx.check_format::<PolicyReport>()?;
    let question = "Print the policy of which service?";
    let found = args.kind.one_target(cx, args.service.as_deref(), question).await?;
    let policy = match cx.gateway().await?.policy_of(&found).await {
        Ok(policy) => policy,
        Err(failure) => return Err(lookup::unread_target(cx, &found, failure).await),
    };
    let json = serde_json::to_value(&policy).map_err(|error| {
        CommandError::new(ErrorKind::Failed, "cannot write the policy").because(error.to_string())
    })?;
    cx.report(&PolicyReport::new(json))?;
    Ok(ExitCode::Done.number())
}

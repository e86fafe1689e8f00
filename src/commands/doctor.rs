//! `doctor`: finds out why a request is refused, or checks the setup of this machine.

mod evidence;
mod fix;
mod request;
mod setup;

use std::path::PathBuf;

use http::Method;

use super::args::complete;
use crate::context::Context;
use crate::domain::diagnosis::Health;
use crate::domain::error::CommandError;
use crate::domain::exit_code::ExitCode;
use crate::report::DoctorReport;

/// Find out why a request to a service is refused, or whether this machine is set up
///
/// With a target it makes the request with a token, and once without, recognises who answered, looks at
/// what can be read, and ends with one verdict. Alone it checks credential, project, API and clock.
/// Exits with 0 where all is well, 3 where something is wrong and 9 where it cannot be told.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  runaccess doctor
  runaccess doctor orders
  runaccess doctor https://orders-k4qx7v2nza-uc.a.run.app/items --method POST
  runaccess doctor orders --id-token-file token.txt")]
pub(super) struct Args {
    /// NAME, REGION/NAME, full resource name, or the address that is refused
    #[arg(value_name = "SERVICE|URL", add = complete::services())]
    target: Option<String>,
    /// The path of the request
    #[arg(value_name = "/PATH")]
    path: Option<String>,
    /// The method of the request; OPTIONS is what browsers ask first
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    method: Method,
    /// Make no request to the service: only look at what can be read
    #[arg(long)]
    no_request: bool,
    /// Look into the token in this file, in place of one of one's own
    #[arg(long, value_name = "FILE")]
    id_token_file: Option<PathBuf>,
    /// Let the token go to this host
    #[arg(long = "allow-host", value_name = "HOST")]
    allow_hosts: Vec<String>,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    cx.check_format::<DoctorReport>()?;
    match &args.target {
        None => setup::check(cx).await,
        Some(target) => request::check(cx, target, &args).await,
    }
}

/// The exit code of a diagnosis.
fn exit_code(health: Health) -> ExitCode {
    match health {
        Health::Ok => ExitCode::Done,
        Health::Refused => ExitCode::No,
        Health::Unknown => ExitCode::Undetermined,
    }
}

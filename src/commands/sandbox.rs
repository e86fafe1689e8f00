//! `sandbox`

use std::sync::Arc;

use serde_json::json;
use tokio::net::TcpListener;

use crate::context::{self, Context};
use crate::error::{CommandError, ErrorKind};
use crate::exit_code::ExitCode;
use crate::report::{Format, SandboxReport};
use crate::sandbox::{DEFAULT_ACCOUNT, DEFAULT_PROJECT, FaultSpec, Faults, HOME_REGION, serve};

/// Serve, show, reset or fill the embedded Cloud Run
#[derive(clap::Args, Debug)]
#[command(disable_help_subcommand = true)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Serve the sandbox's APIs on loopback, for any client of Cloud Run
    ///
    /// Point a client at it with `CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN=http://127.0.0.1:PORT/`.
    Serve {
        /// The port; 0 takes a free one
        #[arg(long, value_name = "PORT", default_value_t = 8787)]
        port: u16,
        /// Let something go wrong on request, such as `429,route=*:setIamPolicy,count=2`; see
        /// `docs/sandbox.md`
        #[arg(long = "fault", value_name = "SPEC", value_parser = FaultSpec::parse)]
        faults: Vec<FaultSpec>,
    },
    /// Show the sandbox's projects and where its state is
    Status,
    /// Forget everything and start from the seeded world
    Reset,
    /// Add services to a project, to make it a large one
    Seed {
        /// How many
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        services: u32,
    },
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    match args.verb {
        Verb::Serve { port, faults } => serve_on(cx, port, faults).await?,
        Verb::Status => status(cx)?,
        Verb::Reset => {
            drop(cx.reset_sandbox()?);
            status(cx)?;
        }
        Verb::Seed { services } => {
            let project = cx.project()?.value;
            if !cx.open_sandbox()?.add_services(&project, services)? {
                return Err(CommandError::new(
                    ErrorKind::NotFound,
                    format!("the sandbox has no project `{project}`"),
                )
                .hint("runaccess sandbox status"));
            }
            status(cx)?;
        }
    }
    Ok(ExitCode::Done.number())
}

fn status(cx: &Context) -> Result<(), CommandError> {
    cx.check_format::<SandboxReport>()?;
    let sandbox = cx.open_sandbox()?;
    cx.report(&SandboxReport {
        sandbox: true,
        state_dir: sandbox.directory().display().to_string(),
        account: DEFAULT_ACCOUNT,
        home_region: HOME_REGION,
        status: sandbox.projects()?.into_iter().map(Into::into).collect(),
    })
}

async fn serve_on(cx: &Context, port: u16, specs: Vec<FaultSpec>) -> Result<(), CommandError> {
    let sandbox = Arc::new(cx.open_sandbox()?);
    let listening = TcpListener::bind(("127.0.0.1", port)).await;
    let listener = listening.map_err(|error| {
        CommandError::new(ErrorKind::State, format!("cannot listen on port {port}"))
            .because(error.to_string())
            .hint("runaccess sandbox serve --port 0")
    })?;
    let failed = |error: std::io::Error| {
        CommandError::new(ErrorKind::State, "the sandbox stopped").because(error.to_string())
    };
    let endpoint = format!("http://127.0.0.1:{}", listener.local_addr().map_err(failed)?.port());
    let stop = context::stop_signal().map_err(failed)?;
    let line = match cx.format() {
        Format::Json => json!({
            "endpoint": endpoint,
            "project": DEFAULT_PROJECT,
            "homeRegion": HOME_REGION,
            "stateDir": sandbox.directory().display().to_string(),
            "caCertificate": null,
        })
        .to_string(),
        _ => format!("serving the sandbox at {endpoint}"),
    };
    cx.print(&line)?;
    let faults = Arc::new(Faults::default());
    faults.add(specs);
    serve(sandbox, faults, listener, context::now, stop).await.map_err(failed)
}

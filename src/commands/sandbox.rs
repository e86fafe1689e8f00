//! `sandbox`: serves, shows, resets or fills the embedded Cloud Run.

use std::sync::Arc;

use serde_json::json;
use tokio::net::TcpListener;

use crate::context::{self, Context};
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::exit_code::ExitCode;
use crate::report::{AddressRow, Format, SandboxReport, SettingsReport};
use crate::sandbox::{
    Backend, DEFAULT_ACCOUNT, DEFAULT_PORT, DEFAULT_PROJECT, FaultSpec, Faults, HOME_REGION,
    Options, SETTINGS, Serving, check_setting, serve,
};

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
        #[arg(long, value_name = "PORT", default_value_t = DEFAULT_PORT)]
        port: u16,
        /// Let something go wrong on request, such as `429,route=*:setIamPolicy,count=2`; see
        /// `docs/sandbox.md`
        #[arg(long = "fault", value_name = "SPEC", value_parser = FaultSpec::parse)]
        faults: Vec<FaultSpec>,
        /// Put an application of yours behind a service, such as `hello=http://127.0.0.1:3000`
        #[arg(long = "backend", value_name = "NAME=URL", value_parser = Backend::parse)]
        backends: Vec<Backend>,
        /// Speak TLS too, on the same port, by a certificate authority of the sandbox's own
        #[arg(long)]
        tls: bool,
        /// Refuse an opaque token, which else is taken for the default account's
        #[arg(long)]
        strict_auth: bool,
        /// Take a point that is not certain otherwise, such as `ingress-status=403`; `runaccess
        /// sandbox settings` lists them
        #[arg(long = "set", value_name = "NAME=VALUE", value_parser = check_setting)]
        settings: Vec<String>,
    },
    /// Show the sandbox's projects, where its state is, and where its services answer
    Status,
    /// List what is not certain about Cloud Run, and how the sandbox takes it
    Settings,
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
        Verb::Serve { port, faults, backends, tls, strict_auth, settings } => {
            let mut options = Options::default().with_backends(backends);
            (options.strict_auth, options.tls) = (strict_auth, tls);
            for setting in settings {
                let set = options.settings.set(&setting);
                set.map_err(|error| CommandError::usage(error.to_string()))?;
            }
            serve_on(cx, port, faults, options).await?;
        }
        Verb::Settings => {
            cx.check_format::<SettingsReport>()?;
            let settings = SETTINGS.iter().map(Into::into).collect();
            cx.report(&SettingsReport { sandbox: true, settings })?;
        }
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
        services: AddressRow::all(
            sandbox.addresses(DEFAULT_PROJECT)?,
            cx.served_sandbox().as_ref(),
        ),
    })
}

async fn serve_on(
    cx: &Context,
    port: u16,
    specs: Vec<FaultSpec>,
    options: Options,
) -> Result<(), CommandError> {
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
    let port = listener.local_addr().map_err(failed)?.port();
    let certificate =
        if options.tls { Some(sandbox.authority(cx.now()).map_err(failed)?) } else { None };
    let scheme = if options.tls { "https" } else { "http" };
    let endpoint = format!("{scheme}://127.0.0.1:{port}");
    let stop = context::stop_signal().map_err(failed)?;
    let line = match cx.format() {
        Format::Json => json!({
            "endpoint": endpoint,
            "project": DEFAULT_PROJECT,
            "homeRegion": HOME_REGION,
            "stateDir": sandbox.directory().display().to_string(),
            "caCertificate": certificate.as_ref().map(|path| path.display().to_string()),
        })
        .to_string(),
        _ => format!("serving the sandbox at {endpoint}"),
    };
    cx.print(&line)?;
    if let Some(certificate) = &certificate {
        cx.terminal.note(&format!("clients must trust `{}`", certificate.display()));
    }
    for service in options.unknown_backends(&sandbox).map_err(CommandError::from)? {
        cx.terminal
            .warning(&format!("the sandbox has no service `{service}` to put a backend behind"));
    }
    if cx.format() == Format::Table {
        cx.terminal.note(&format!(
            "services answer at names such as {scheme}://storefront.localhost:{port}/; `runaccess \
             sandbox status` lists them"
        ));
    }
    let _serving = cx.note_serving(&endpoint);
    let faults = Arc::new(Faults::default());
    faults.add(specs);
    let serving = Serving { sandbox, faults, options: Arc::new(options), clock: context::now };
    serve(serving, listener, stop).await.map_err(failed)
}

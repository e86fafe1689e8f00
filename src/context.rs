//! The context of one command: the only reader of environment, arguments, clock and terminal, and
//! the constructor of everything else that a command uses.

mod clock;
mod command_line;
mod endpoints;
mod hints;
mod identity;
mod network;
mod projects;
mod prompts;
mod recent;

use std::cell::{Cell, OnceCell as LocalOnceCell, RefCell};
use std::env;
use std::path::PathBuf;
use std::time::Duration;

use etcetera::base_strategy::{BaseStrategy, Xdg};
use time::OffsetDateTime;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::OnceCell;

use self::network::network_of;
use crate::auth::{self, Identity};
use crate::cloud::{self, Deadline, Failure, Gateway};
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::resource::{self, check_project};
use crate::domain::target::Named;
use crate::gcloud::{Properties, Property, PropertySource, Variables};
use crate::report::{self, Format, Report, ServiceReport, Style};
use crate::sandbox;
use crate::terminal::{Terminal, TerminalOptions};
use crate::transport::{Endpoint, Network};

/// The options of all commands.
#[derive(Clone, Debug)]
pub struct Settings {
    pub project: Option<String>,
    pub region: Option<String>,
    pub account: Option<String>,
    pub configuration: Option<String>,
    pub access_token_file: Option<PathBuf>,
    /// Accounts to impersonate: the last one, with the others as the delegation chain.
    pub impersonate: Vec<String>,
    /// Whether tokens are cached between commands.
    pub token_cache: bool,
    pub format: Option<Format>,
    pub yes: bool,
    pub quiet: bool,
    pub verbose: bool,
    pub no_color: bool,
    pub timeout: Duration,
    pub sandbox: bool,
    /// The program's definition and its commands.
    pub definition: clap::Command,
    /// Whether the sandbox banner is off: only if nobody reads it, as in shell completion.
    pub unannounced: bool,
}

/// The context of one command.
#[derive(Debug)]
pub struct Context {
    pub terminal: Terminal,
    pub deadline: Deadline,
    settings: Settings,
    variables: Variables,
    home: PathBuf,
    /// gcloud's properties; `None` in the sandbox, which reads none of gcloud's files.
    properties: Option<Properties>,
    /// How requests leave this machine.
    network: Network,
    arguments: RefCell<Vec<String>>,
    gateway: OnceCell<Gateway>,
    identity: LocalOnceCell<Identity>,
    endpoint: LocalOnceCell<Endpoint>,
    writing: Cell<u32>,
    has_written: Cell<bool>,
    asking: Cell<bool>,
    running: Cell<bool>,
    metadata_project: Option<String>,
    /// Projects of which both the number and the ID are known.
    projects: RefCell<Vec<(String, String)>>,
}

/// Whether the environment selects the sandbox.
pub fn sandbox_by_environment() -> bool {
    env::var("RUNACCESS_SANDBOX").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// The current time.
pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// Whether a user can be asked, before the configuration is read.
pub fn bare_terminal_asks() -> bool {
    Terminal::detect(TerminalOptions { may_ask: true, may_color: false }).interactive
}

/// The async runtime: multi-threaded for `sandbox serve`, single-threaded for any other command.
/// The proxy starts its own threads.
pub fn runtime() -> std::io::Result<Runtime> {
    let serves = env::args_os().any(|word| word == "serve");
    let mut builder =
        if serves { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    builder.enable_all().build()
}

/// Completes when this process receives SIGINT or SIGTERM after this call.
#[cfg(unix)]
pub fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Completes when this process is asked to stop.
#[cfg(not(unix))]
pub fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}

/// The path of this program, to start it again.
pub fn this_program() -> std::io::Result<PathBuf> {
    env::current_exe()
}

/// The working directory.
pub fn working_folder() -> std::io::Result<PathBuf> {
    env::current_dir()
}

/// The arguments of this process, with the program's name first.
pub fn arguments() -> Vec<std::ffi::OsString> {
    env::args_os().collect()
}

/// The terminal, for messages before the command line is parsed.
pub fn bare_terminal() -> Terminal {
    let variables = variables();
    Terminal::detect(TerminalOptions { may_ask: false, may_color: may_color(&variables) })
}

/// The error for a value that is not a project ID, with the value's source.
fn not_a_project(set: &Property, why: &str) -> CommandError {
    let error =
        CommandError::usage(format!("`{}` ({}) is not a project ID", set.value, set.source));
    let error = error.because(why);
    let bare = set.value.trim_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'');
    let bare = bare.to_ascii_lowercase();
    let right = if check_project(&bare).is_ok() { bare } else { "PROJECT".to_owned() };
    match &set.source {
        PropertySource::Variable(name) => error.hint(format!("export {name}={right}")),
        _ => error.hint_gcloud(format!("config set project {right}")),
    }
}

impl Context {
    /// Reads the environment and the arguments, and gcloud's configuration except in the sandbox or
    /// for a command that does not use it. Sends no request.
    pub fn new(settings: Settings, with_gcloud: bool) -> Result<Self, CommandError> {
        let arguments = env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
        let arguments: Vec<String> = arguments.collect();
        auth::check_arguments(&arguments)?;
        let variables = variables();
        auth::check_variables(&variables)?;
        let home = Xdg::new().map(|xdg| xdg.home_dir().to_owned()).map_err(|error| {
            CommandError::new(ErrorKind::State, "cannot find the home folder")
                .because(error.to_string())
        })?;
        let properties = if settings.sandbox || !with_gcloud {
            None
        } else {
            Some(Properties::load(variables.clone(), &home, settings.configuration.as_deref())?)
        };
        let prompts_off = match &properties {
            Some(properties) => properties.flag("core", "disable_prompts")?,
            None => false,
        };
        let in_ci = variables.get("CI").is_some_and(|value| !value.is_empty() && value != "false");
        let for_people = settings.format.as_ref().is_none_or(|format| *format == Format::Table);
        let terminal = Terminal::detect(TerminalOptions {
            may_ask: for_people && !settings.quiet && !in_ci && !prompts_off,
            may_color: !settings.no_color && may_color(&variables),
        });
        if settings.sandbox && !settings.unannounced {
            terminal.say("sandbox: an embedded Cloud Run, nothing real is touched");
        }
        let deadline = Deadline::after(settings.timeout);
        Ok(Self {
            terminal,
            deadline,
            settings,
            variables,
            home,
            network: properties.as_ref().map(network_of).transpose()?.unwrap_or_default(),
            properties,
            arguments: RefCell::new(arguments),
            gateway: OnceCell::new(),
            identity: LocalOnceCell::new(),
            endpoint: LocalOnceCell::new(),
            writing: Cell::new(0),
            has_written: Cell::new(false),
            asking: Cell::new(false),
            running: Cell::new(false),
            metadata_project: None,
            projects: RefCell::default(),
        })
    }

    /// Whether the sandbox is selected.
    pub fn is_sandbox(&self) -> bool {
        self.settings.sandbox
    }

    /// Whether `--verbose` was given.
    pub fn is_verbose(&self) -> bool {
        self.settings.verbose
    }

    /// Whether `--yes` was given.
    pub fn yes(&self) -> bool {
        self.settings.yes
    }

    /// A name in the form that a command with the same settings accepts: short if its project is
    /// the active one.
    pub fn named(&self, name: &impl Named) -> String {
        match self.project() {
            Ok(project) if self.are_known_as_one(&project.value, name.project()) => name.short(),
            _ => name.to_string(),
        }
    }

    /// A name in a form that another person can type without this command's flags.
    pub fn named_to_others(&self, name: &impl Named) -> String {
        match self.settings.project {
            Some(_) => name.to_string(),
            None => self.named(name),
        }
    }

    /// Waits for another program, which receives Ctrl-C itself and decides when to end.
    pub async fn while_it_runs<T>(&self, program: impl Future<Output = T>) -> T {
        self.running.set(true);
        let ended = program.await;
        self.running.set(false);
        ended
    }

    /// Whether another program is running.
    pub fn runs_a_program(&self) -> bool {
        self.running.get()
    }

    /// The user's shell, from the environment.
    pub fn shell(&self) -> Option<String> {
        self.variables.get("SHELL").cloned()
    }

    /// Waits for a future within the command's deadline; `call` names it in errors.
    pub async fn in_time<T>(
        &self,
        call: &str,
        work: impl Future<Output = T>,
    ) -> Result<T, CommandError> {
        let done = tokio::time::timeout_at(self.deadline.end(), work).await;
        done.map_err(|_| Failure::deadline(call, self.deadline.limit()).into())
    }

    /// The output format.
    pub fn format(&self) -> Format {
        self.settings.format.clone().unwrap_or_default()
    }

    /// Checks the format against the report, before any request.
    pub fn check_format<R: Report>(&self) -> Result<(), CommandError> {
        self.format().check::<R>()
    }

    /// Writes a command's report to stdout.
    pub fn report<R: Report>(&self, report: &R) -> Result<(), CommandError> {
        let style = Style { width: self.terminal.width, color: self.terminal.color_stdout };
        let text = self.format().render(report, style)?;
        self.print(&text)
    }

    /// Writes a report to stderr, because stdout belongs to another program.
    pub fn show_ready<R: Report>(&self, report: &R) {
        self.terminal.say(report.table(self.stderr_style()).trim_end_matches('\n'));
    }

    fn stderr_style(&self) -> Style {
        Style { width: self.terminal.width_stderr, color: self.terminal.color_stderr }
    }

    /// Shows a service's access panel on stderr, next to the question.
    pub fn show_panel(&self, service: &ServiceReport) {
        let panel = report::panel(service, self.stderr_style());
        self.terminal.say(panel.trim_end_matches('\n'));
    }

    /// Writes text to stdout.
    pub fn print(&self, text: &str) -> Result<(), CommandError> {
        self.terminal.result(text).map_err(|error| {
            CommandError::new(ErrorKind::Failed, "cannot write the result")
                .because(error.to_string())
        })
    }

    /// Asks the metadata server for the project, if no other source sets one and a metadata server
    /// exists.
    pub async fn ask_for_project(&mut self) -> Result<(), CommandError> {
        let Some(properties) = &self.properties else { return Ok(()) };
        if self.settings.project.is_some() || properties.value("core", "project")?.is_some() {
            return Ok(());
        }
        if let Some(host) = properties.metadata_host() {
            self.metadata_project = cloud::project_id(&host).await;
        }
        Ok(())
    }

    /// The project, by its ID if known; the error says how to set one.
    pub fn project(&self) -> Result<Property, CommandError> {
        let set = self.project_as_set()?;
        if let Err(why) = check_project(&set.value) {
            return Err(not_a_project(&set, why));
        }
        let known = self.projects.borrow();
        let id = known.iter().find(|(number, _)| *number == set.value).map(|(_, id)| id.clone());
        Ok(Property { value: id.unwrap_or(set.value), source: set.source })
    }

    /// Whether a project is set, valid or not.
    pub fn has_project(&self) -> bool {
        self.project_as_set().is_ok()
    }

    fn project_as_set(&self) -> Result<Property, CommandError> {
        if let Some(value) = &self.settings.project {
            let value = value.clone();
            return Ok(Property { value, source: PropertySource::Flag("--project") });
        }
        let Some(properties) = &self.properties else {
            let value = sandbox::DEFAULT_PROJECT.to_owned();
            return Ok(Property { value, source: PropertySource::Sandbox });
        };
        if let Some(property) = properties.value("core", "project")? {
            return Ok(property);
        }
        let found = self.metadata_project.clone();
        found.map(|value| Property { value, source: PropertySource::MetadataServer }).ok_or_else(
            || {
                let error = CommandError::usage("no project is set");
                let error = match properties.missing_configuration() {
                    None => error,
                    Some(name) => error.because(format!(
                        "the active gcloud configuration `{name}` does not exist"
                    )),
                };
                error
                    .because(
                        "`--project ID` names one, and `gcloud config set project ID` sets one",
                    )
                    .hint_gcloud("projects list")
                    .hint("runaccess --sandbox list")
            },
        )
    }

    /// The project that the command line sets.
    pub fn project_of_the_command_line(&self) -> Option<String> {
        self.settings.project.as_ref()?;
        self.project().ok().map(|project| project.value)
    }

    /// The configured region; `None` for every region.
    pub fn region(&self) -> Result<Option<String>, CommandError> {
        Ok(self.region_and_source()?.map(|property| property.value))
    }

    /// The configured region with its source; `None` for every region.
    pub fn region_and_source(&self) -> Result<Option<Property>, CommandError> {
        let region = match (&self.settings.region, &self.properties) {
            (Some(value), _) => {
                Some(Property { value: value.clone(), source: PropertySource::Flag("--region") })
            }
            (None, Some(properties)) => properties.value("run", "region")?,
            (None, None) => None,
        };
        let Some(Property { value: region, source }) = region.filter(|r| r.value != "-") else {
            return Ok(None);
        };
        if resource::check_region(&region, &region).is_ok() {
            return Ok(Some(Property { value: region, source }));
        }
        let error = CommandError::usage(format!("`{region}` is not a region"))
            .because(format!("it is set by {source}"));
        Err(match source {
            PropertySource::Flag(_) => {
                error.hint(self.command_with_argument(&region, sandbox::HOME_REGION))
            }
            _ => error.hint(self.command_with_option("--region", Some(sandbox::HOME_REGION))),
        })
    }

    /// The region that the command line sets, else `-`: for commands that search every region by
    /// default.
    pub fn region_of_the_command_line(&self) -> Result<String, CommandError> {
        match self.settings.region {
            Some(_) => Ok(self.region()?.unwrap_or_else(|| "-".to_owned())),
            None => Ok("-".to_owned()),
        }
    }

    /// The endpoint override of the Cloud Run Admin API, if one is set.
    pub fn endpoint_override(&self) -> Result<Option<String>, CommandError> {
        let Some(properties) = &self.properties else { return Ok(None) };
        Ok(properties.value("api_endpoint_overrides", "run")?.map(|property| property.value))
    }
}

fn variables() -> Variables {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn may_color(variables: &Variables) -> bool {
    let no_color = variables.get("NO_COLOR").is_some_and(|value| !value.is_empty());
    !no_color && variables.get("TERM").map(String::as_str) != Some("dumb")
}

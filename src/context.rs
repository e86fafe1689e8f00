//! One command's surroundings: our code's sole reader of environment, arguments, clock and
//! terminal, and the builder of what a command works with.

use std::cell::{Cell, OnceCell as LocalOnceCell};
use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use etcetera::base_strategy::{BaseStrategy, Xdg};
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal;
use tokio::sync::OnceCell;

use crate::auth::{self, BearerToken, Identity, IdentityRequest};
use crate::cloud::{self, Deadline, Endpoint, Gateway, Trace};
use crate::domain::resource;
use crate::error::{CommandError, ErrorKind, quoted};
use crate::gcloud::{Properties, Property, PropertySource, Variables};
use crate::report::{Format, Report, Style};
use crate::sandbox::{self, Sandbox};
use crate::terminal::{Terminal, Wishes};

/// What the options that every command takes say.
#[derive(Clone, Debug)]
pub struct Settings {
    pub project: Option<String>,
    pub region: Option<String>,
    pub account: Option<String>,
    pub configuration: Option<String>,
    pub access_token_file: Option<PathBuf>,
    pub format: Option<Format>,
    pub yes: bool,
    pub quiet: bool,
    pub verbose: bool,
    pub no_color: bool,
    pub timeout: Duration,
    pub sandbox: bool,
}

/// One command's surroundings.
#[derive(Debug)]
pub struct Context {
    pub terminal: Terminal,
    pub deadline: Deadline,
    settings: Settings,
    variables: Variables,
    home: PathBuf,
    /// `None` in the sandbox, which reads nothing of gcloud's.
    properties: Option<Properties>,
    arguments: Vec<String>,
    gateway: OnceCell<Gateway>,
    identity: LocalOnceCell<Identity>,
    writing: Cell<u32>,
    metadata_project: Option<String>,
}

/// Whether the sandbox is asked for by the environment.
pub fn sandbox_by_environment() -> bool {
    env::var("RUNACCESS_SANDBOX").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// The time now.
pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// The runtime: several threads for `sandbox serve`, one for any command that ends by itself.
pub fn runtime() -> std::io::Result<Runtime> {
    let serves = env::args_os().any(|word| word == "serve");
    let mut builder =
        if serves { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    builder.enable_all().build()
}

/// Done when this process is asked to stop, by SIGINT or SIGTERM.
pub fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    #[cfg(unix)]
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        #[cfg(not(unix))]
        drop(signal::ctrl_c().await);
    })
}

/// The arguments of this process, the program's name first.
pub fn arguments() -> Vec<std::ffi::OsString> {
    env::args_os().collect()
}

/// The terminal, for what must be said before a command line is understood.
pub fn bare_terminal() -> Terminal {
    let variables = variables();
    Terminal::detect(Wishes { may_ask: false, may_color: may_color(&variables) })
}

impl Context {
    /// Looks around. Reads gcloud's configuration, unless in the sandbox or for a command that
    /// has no use for it; makes no request.
    pub fn new(settings: Settings, with_gcloud: bool) -> Result<Self, CommandError> {
        let variables = variables();
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
        let terminal = Terminal::detect(Wishes {
            may_ask: for_people && !settings.quiet && !in_ci && !prompts_off,
            may_color: !settings.no_color && may_color(&variables),
        });
        if settings.sandbox {
            terminal.say("sandbox: an embedded Cloud Run, nothing real is touched");
        }
        let deadline = Deadline::after(settings.timeout);
        let arguments = env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
        Ok(Self {
            terminal,
            deadline,
            settings,
            variables,
            home,
            properties,
            arguments: arguments.collect(),
            gateway: OnceCell::new(),
            identity: LocalOnceCell::new(),
            writing: Cell::new(0),
            metadata_project: None,
        })
    }

    /// Whether this is the sandbox.
    pub fn is_sandbox(&self) -> bool {
        self.settings.sandbox
    }

    /// A question as it is asked here: in the sandbox, it says so.
    pub fn question(&self, text: &str) -> String {
        if self.settings.sandbox { format!("sandbox: {text}") } else { text.to_owned() }
    }

    /// Whether `--yes` was given.
    pub fn yes(&self) -> bool {
        self.settings.yes
    }

    /// Whether a write has been sent whose answer is not there yet.
    pub fn is_writing(&self) -> bool {
        self.writing.get() > 0
    }

    /// Sends a write, which counts as under way until it is answered.
    pub async fn write<T>(&self, write: impl Future<Output = T>) -> T {
        self.writing.update(|count| count + 1);
        let answer = write.await;
        self.writing.update(|count| count - 1);
        answer
    }

    /// The time now.
    pub fn now(&self) -> OffsetDateTime {
        now()
    }

    /// The format of the result.
    pub fn format(&self) -> Format {
        self.settings.format.clone().unwrap_or_default()
    }

    /// Checks, before any call, that the format suits what will be reported.
    pub fn check_format<R: Report>(&self) -> Result<(), CommandError> {
        self.format().check::<R>()
    }

    /// Writes a command's result to stdout.
    pub fn report<R: Report>(&self, report: &R) -> Result<(), CommandError> {
        let style = Style { width: self.terminal.width, color: self.terminal.color_stdout };
        let text = self.format().render(report, style)?;
        self.print(&text)
    }

    /// Writes text to stdout.
    pub fn print(&self, text: &str) -> Result<(), CommandError> {
        self.terminal.result(text).map_err(|error| {
            CommandError::new(ErrorKind::Failed, "cannot write the result")
                .because(error.to_string())
        })
    }

    /// The command as it was typed.
    pub fn command(&self) -> String {
        self.command_with(str::to_owned)
    }

    /// The command as it was typed, with its arguments changed. A `--yes` is left out: nobody is
    /// led to accept a plan that has not been seen.
    pub fn command_with(&self, change: impl Fn(&str) -> String) -> String {
        let words = self
            .arguments
            .iter()
            .filter(|argument| !matches!(argument.as_str(), "--yes" | "-y"))
            .map(|argument| quoted(&change(argument)));
        std::iter::once("runaccess".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
    }

    /// Another command of this program, in the same place: sandbox, project, account.
    pub fn suggest(&self, command: &str) -> String {
        let settings = &self.settings;
        let mut words = vec!["runaccess".to_owned()];
        words.extend(settings.sandbox.then(|| "--sandbox".to_owned()));
        for (flag, value) in [
            ("--project", &settings.project),
            ("--account", &settings.account),
            ("--configuration", &settings.configuration),
        ] {
            words.extend(value.iter().flat_map(|value| [flag.to_owned(), quoted(value)]));
        }
        words.push(command.to_owned());
        words.join(" ")
    }

    /// Makes the hints of an error fit the place: in the sandbox no login helps, and what was too
    /// slow or not understood can be looked at more closely.
    pub fn fit(&self, mut error: CommandError) -> CommandError {
        if self.settings.sandbox {
            for hint in &mut error.hints {
                if hint.starts_with("gcloud ") {
                    "runaccess sandbox status".clone_into(hint);
                }
            }
        }
        match error.kind {
            ErrorKind::Deadline => {
                let typed = self.arguments.iter().position(|word| word == "--timeout");
                let value = typed.and_then(|at| self.arguments.get(at + 1));
                let command = match value {
                    Some(value) => self.command_with_word(value, "5m"),
                    None => format!("{} --timeout 5m", self.command()),
                };
                error.hint(command)
            }
            ErrorKind::MalformedResponse | ErrorKind::RateLimited | ErrorKind::Unavailable
                if !self.settings.verbose =>
            {
                let command = format!("{} --verbose", self.command());
                error.hint(command)
            }
            _ => error,
        }
    }

    /// The command as it was typed, but for one word.
    pub fn command_with_word(&self, typed: &str, instead: &str) -> String {
        self.command_with(|argument| {
            let words: Vec<&str> = argument
                .split(',')
                .map(|word| if word == typed { instead } else { word })
                .collect();
            if argument == typed { instead.to_owned() } else { words.join(",") }
        })
    }

    /// Asks the metadata server for the project, where nothing else says it and there is one.
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

    /// The project, or how to set one.
    pub fn project(&self) -> Result<Property, CommandError> {
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
                CommandError::usage("no project is set")
                    .hint(format!("{} --project PROJECT", self.command()))
                    .hint("gcloud config set project PROJECT")
                    .hint("runaccess --sandbox list")
            },
        )
    }

    /// The region that is set; `None` for every region.
    pub fn region(&self) -> Result<Option<String>, CommandError> {
        let region = match (&self.settings.region, &self.properties) {
            (Some(region), _) => Some(region.clone()),
            (None, Some(properties)) => {
                properties.value("run", "region")?.map(|property| property.value)
            }
            (None, None) => None,
        };
        let Some(region) = region.filter(|region| region != "-") else {
            return Ok(None);
        };
        resource::check_region(&region, &region).map_err(|_| {
            CommandError::usage(format!("`{region}` is not a region"))
                .hint(self.command_with_word(&region, "us-central1"))
        })?;
        Ok(Some(region))
    }

    /// Who acts.
    pub fn identity(&self) -> Result<&Identity, CommandError> {
        if let Some(identity) = self.identity.get() {
            return Ok(identity);
        }
        let identity = match &self.properties {
            None => {
                let account = self.settings.account.as_deref().unwrap_or(sandbox::DEFAULT_ACCOUNT);
                let token = BearerToken::new("sandbox")
                    .map_err(|error| CommandError::new(ErrorKind::Failed, error.to_string()))?;
                Identity {
                    credentials: token.into(),
                    account: Some(account.to_owned()),
                    source: "the sandbox".to_owned(),
                }
            }
            Some(properties) => {
                let request = IdentityRequest {
                    access_token_file: self.settings.access_token_file.clone(),
                    account: self.settings.account.clone(),
                };
                auth::identify(&request, properties, self.now())?
            }
        };
        Ok(self.identity.get_or_init(|| identity))
    }

    /// The way to the Cloud Run Admin API. In the sandbox, the API is started in this process.
    pub async fn gateway(&self) -> Result<&Gateway, CommandError> {
        self.gateway
            .get_or_try_init(|| async {
                let endpoint = self.endpoint().await?;
                let credentials = self.identity()?.credentials.clone();
                Ok(Gateway::new(endpoint, credentials, self.deadline.clone(), self.trace()))
            })
            .await
    }

    /// The sandbox's world, opened here.
    pub fn open_sandbox(&self) -> Result<Sandbox, CommandError> {
        let (sandbox, set_aside) = Sandbox::open(&self.state_folder().join("sandbox"), self.now())?;
        if let Some(set_aside) = set_aside {
            self.terminal.warning(&format!(
                "the sandbox's state `{}` is damaged; it is kept as `{}`, and a new one is made",
                set_aside.damaged.display(),
                set_aside.kept_as.display()
            ));
        }
        Ok(sandbox)
    }

    async fn endpoint(&self) -> Result<Endpoint, CommandError> {
        let Some(properties) = &self.properties else {
            let sandbox = Arc::new(self.open_sandbox()?);
            let failed = |error: std::io::Error| {
                CommandError::new(ErrorKind::State, "cannot start the sandbox")
                    .because(error.to_string())
            };
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
            let port = listener.local_addr().map_err(failed)?.port();
            tokio::spawn(sandbox::serve(sandbox, listener, now, std::future::pending()));
            return Ok(Endpoint::loopback(port));
        };
        match properties.value("api_endpoint_overrides", "run")? {
            Some(property) => Ok(Endpoint::parse(&property.value)?),
            None => Ok(Endpoint::google()),
        }
    }

    /// The folder of this program's own state: `RUNACCESS_HOME`, else the XDG one.
    fn state_folder(&self) -> PathBuf {
        let named = |name: &str| self.variables.get(name).filter(|path| !path.is_empty());
        match (named("RUNACCESS_HOME"), named("XDG_STATE_HOME")) {
            (Some(path), _) => PathBuf::from(path),
            (None, Some(path)) => PathBuf::from(path).join("runaccess"),
            (None, None) => self.home.join(".local").join("state").join("runaccess"),
        }
    }

    fn trace(&self) -> Trace {
        let terminal = self.terminal;
        if !self.settings.verbose {
            return Arc::new(|_| ());
        }
        Arc::new(move |line| {
            let ended = match line.failed {
                None => "ok".to_owned(),
                Some(kind) => format!("failed, {kind:?}"),
            };
            let took = line.took.as_secs_f64() * 1_000.0;
            terminal.say(&format!("request: {}: {ended} after {took:.1} ms", line.call));
        })
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

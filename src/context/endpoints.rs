//! The endpoints and files that a command uses: the APIs, the sandbox, the program's own state.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use time::OffsetDateTime;
use tokio::net::TcpListener;

use super::{Context, now};
use crate::auth::{QuotaProject, SetBy};
use crate::cloud::{Api, Endpoints, Gateway, Quota, Trace};
use crate::domain::error::{CommandError, ErrorKind, Hint, quoted};
use crate::gcloud::{Properties, PropertySource};
use crate::journal::{Journal, Realm};
use crate::private_files;
use crate::sandbox::{self, Sandbox, Serving, SetAside, StoreError};
use crate::transport::Endpoint;

/// An open sandbox, and the damaged file that was moved aside, if any.
type Opened = Result<(Sandbox, Option<SetAside>), StoreError>;

impl Context {
    /// Connects to the Cloud Run Admin API. For the sandbox, starts the API in this process.
    pub async fn gateway(&self) -> Result<&Gateway, CommandError> {
        self.gateway
            .get_or_try_init(|| async {
                let endpoints = self.endpoints()?;
                let tokens = Arc::clone(&self.identity()?.tokens);
                let tokens = (tokens, self.quota()?);
                Ok(Gateway::new(endpoints, tokens, self.deadline.clone(), self.trace(), now))
            })
            .await
    }

    /// The quota project of the requests, with what sets another.
    fn quota(&self) -> Result<Quota, CommandError> {
        let active = self.project().ok().map(|project| project.value);
        let set = |project: &String| {
            let project = quoted(project);
            Hint::Gcloud(format!("auth application-default set-quota-project {project}"))
        };
        Ok(match &self.identity()?.quota {
            QuotaProject::None => Quota::none(active.as_ref().map(set)),
            QuotaProject::Active { with_every_api } => {
                Quota::active(active.as_deref(), *with_every_api)
            }
            QuotaProject::Set { project, source, set_by } => {
                let remedy = match set_by {
                    SetBy::File => active.as_ref().filter(|active| *active != project).map(set),
                    SetBy::Property => {
                        Some(Hint::Gcloud("config unset billing/quota_project".to_owned()))
                    }
                    SetBy::Variable(name) => Some(format!("unset {name}").into()),
                };
                Quota::by_hand(project, source, remedy)
            }
        })
    }

    /// The quota project of the requests, and where it was set; `None` if they name none.
    pub fn quota_project(&self) -> Option<(String, String)> {
        match &self.identity().ok()?.quota {
            QuotaProject::None => None,
            QuotaProject::Active { with_every_api } => {
                let project = self.project().ok()?.value;
                let apis =
                    if *with_every_api { "" } else { ", with the APIs that gcloud names it to" };
                Some((project, format!("the active project{apis}")))
            }
            QuotaProject::Set { project, source, .. } => Some((project.clone(), source.clone())),
        }
    }

    /// Opens the sandbox's world.
    pub fn open_sandbox(&self) -> Result<Sandbox, CommandError> {
        self.world(Sandbox::open)
    }

    /// Creates the sandbox's world anew, and deletes the journal of the old one.
    pub fn reset_sandbox(&self) -> Result<Sandbox, CommandError> {
        match Journal::open_existing(&self.journal_folder(), Realm::Sandbox) {
            Ok(Some(mut journal)) => journal.forget_all()?,
            Ok(None) => {}
            Err(error) if error.damaged().is_some() => {
                Journal::discard(&self.journal_folder(), &Realm::Sandbox)?;
            }
            Err(error) => return Err(error.into()),
        }
        self.world(Sandbox::reset)
    }

    /// The journal of changes made from this machine to this endpoint.
    pub fn journal(&self) -> Result<Journal, CommandError> {
        Ok(Journal::open(&self.journal_folder(), self.realm()?)?)
    }

    /// Whether an earlier run may have left a change open in the journal.
    pub fn may_have_open_changes(&self) -> bool {
        Journal::may_have_open_changes(&self.journal_folder())
    }

    /// The journal, if it exists.
    pub fn existing_journal(&self) -> Result<Option<Journal>, CommandError> {
        Ok(Journal::open_existing(&self.journal_folder(), self.realm()?)?)
    }

    fn realm(&self) -> Result<Realm, CommandError> {
        if self.is_sandbox() {
            return Ok(Realm::Sandbox);
        }
        let endpoint = self.endpoint()?;
        Ok(if endpoint.is_googles() {
            Realm::Google
        } else {
            Realm::Other(endpoint.as_str().to_owned())
        })
    }

    fn journal_folder(&self) -> PathBuf {
        self.state_folder().join("journal")
    }

    fn world(&self, take: fn(&Path, OffsetDateTime) -> Opened) -> Result<Sandbox, CommandError> {
        let (sandbox, set_aside) = take(&self.state_folder().join("sandbox"), self.now())?;
        if let Some(set_aside) = set_aside {
            self.terminal.warning(&format!(
                "the sandbox's state `{}` is damaged; it is kept as `{}`, and a new one is made",
                set_aside.damaged.display(),
                set_aside.kept_as.display()
            ));
        }
        Ok(sandbox)
    }

    /// The endpoint of the Cloud Run Admin API.
    pub fn endpoint(&self) -> Result<&Endpoint, CommandError> {
        if let Some(endpoint) = self.endpoint.get() {
            return Ok(endpoint);
        }
        let endpoint = self.find_endpoint()?;
        Ok(self.endpoint.get_or_init(|| endpoint))
    }

    /// The endpoint of each API. An API without an override uses the Cloud Run endpoint if that is
    /// on this machine: a sandbox serves all APIs, and its resources do not exist at Google.
    fn endpoints(&self) -> Result<Endpoints, CommandError> {
        let run = self.endpoint()?.clone();
        let mut said = Vec::new();
        for api in Api::ALL.into_iter().filter(|api| *api != Api::Run) {
            let endpoint = match &self.properties {
                Some(properties) => overridden(properties, api)?,
                None => None,
            };
            said.extend(endpoint.map(|endpoint| (api, endpoint)));
        }
        let universe = self.universe();
        let network = self.network.clone();
        Ok(Endpoints::new(universe.clone(), network, |api| {
            match said.iter().find(|(known, _)| *known == api) {
                Some((_, endpoint)) => endpoint.clone(),
                None if api == Api::Run || run.is_loopback() => run.clone(),
                None => api.endpoint(&universe),
            }
        }))
    }

    fn find_endpoint(&self) -> Result<Endpoint, CommandError> {
        let Some(properties) = &self.properties else {
            let sandbox = Arc::new(self.open_sandbox()?);
            let failed = |error: std::io::Error| {
                CommandError::new(ErrorKind::State, "cannot start the sandbox")
                    .because(error.to_string())
            };
            let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
            listener.set_nonblocking(true).map_err(failed)?;
            let listener = TcpListener::from_std(listener).map_err(failed)?;
            let port = listener.local_addr().map_err(failed)?.port();
            let serving =
                Serving { sandbox, faults: Arc::default(), options: Arc::default(), clock: now };
            tokio::spawn(sandbox::serve(serving, listener, std::future::pending()));
            return Ok(Endpoint::loopback(port));
        };
        Ok(overridden(properties, Api::Run)?.unwrap_or_else(|| Api::Run.endpoint(&self.universe())))
    }

    /// The address of a running `sandbox serve`, from its file; `None` if none is running.
    pub fn served_sandbox(&self) -> Option<Endpoint> {
        let path = self.serving_file();
        let file = std::fs::File::open(&path).ok()?;
        // The server holds a lock on the file. A file without a lock belongs to a server that has
        // ended.
        if file.try_lock_shared().is_ok() {
            return None;
        }
        let endpoint = std::fs::read_to_string(&path).ok()?;
        Endpoint::parse(endpoint.trim()).ok()
    }

    /// The certificate of the sandbox's own authority, if the authority exists.
    pub fn sandbox_authority(&self) -> Option<String> {
        let path = self.state_folder().join("sandbox").join("ca.pem");
        path.exists().then(|| path.display().to_string())
    }

    /// Announces the address of this sandbox as long as the returned file is open. If that fails,
    /// clients use the default port.
    pub fn note_serving(&self, endpoint: &str) -> Option<std::fs::File> {
        private_files::replace(&self.serving_file(), endpoint.as_bytes()).ok()?;
        let file = std::fs::File::open(self.serving_file()).ok()?;
        file.lock().ok()?;
        Some(file)
    }

    fn serving_file(&self) -> PathBuf {
        self.state_folder().join("sandbox").join("serving")
    }

    /// Whether the API, and therefore the services, are on this machine: in the sandbox.
    pub fn is_on_this_machine(&self) -> Result<bool, CommandError> {
        Ok(self.endpoint()?.is_loopback())
    }

    /// The folder of this program's state: `RUNACCESS_HOME`, else the XDG folder.
    pub(crate) fn state_folder(&self) -> PathBuf {
        let named = |name: &str| self.variables.get(name).filter(|path| !path.is_empty());
        match (named("RUNACCESS_HOME"), named("XDG_STATE_HOME")) {
            (Some(path), _) => PathBuf::from(path),
            // The XDG specification says to ignore relative paths.
            (None, Some(path)) if Path::new(path).is_absolute() => {
                PathBuf::from(path).join("runaccess")
            }
            _ => self.home.join(".local").join("state").join("runaccess"),
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

/// The endpoint override of an API, if one is set.
fn overridden(properties: &Properties, api: Api) -> Result<Option<Endpoint>, CommandError> {
    let Some(property) = properties.value("api_endpoint_overrides", api.word())? else {
        return Ok(None);
    };
    Endpoint::parse(&property.value).map(Some).map_err(|error| {
        let error = CommandError::from(error).because(format!("it is set by {}", property.source));
        match &property.source {
            PropertySource::Variable(name) => error.hint(format!("unset {name}")),
            _ => error.hint_gcloud(format!("config unset api_endpoint_overrides/{}", api.word())),
        }
    })
}

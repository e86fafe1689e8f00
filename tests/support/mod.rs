//! What the tests share: a world of their own for each, the program run in it, servers.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod api;
mod counter;
mod fake_server;
mod plain;
mod proxying;
mod serve;
mod terminal;
mod tokens;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

pub(crate) use api::Api;
pub(crate) use counter::{Counter, Sent};
pub(crate) use fake_server::{Answer, FakeServer};
pub(crate) use plain::{Plain, members_of};
pub(crate) use proxying::{App, Proxy, Seen, refused, to_end, token_file, unsigned_token, until};
pub(crate) use serve::Serve;
pub(crate) use terminal::Session;
pub(crate) use tokens::{GCLOUD, claims, tampered};

/// The words of the command that lets `ana@example.com` invoke `hello` under a condition.
pub(crate) fn grant_under<'a>(expression: &'a str, title: &'a str) -> [&'a str; 7] {
    ["grant", "ana@example.com", "hello", "--condition", expression, "--condition-title", title]
}

/// A home and a sandbox of a test's own.
pub(crate) struct World {
    folder: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

/// What a run of the program left behind, shown whole in snapshots.
pub(crate) struct Run {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) status: i32,
    home: String,
}

impl Run {
    /// What it printed, as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("home")).unwrap();
        let mut world = Self { folder, variables: BTreeMap::new() };
        world.set("HOME", world.home().to_str().unwrap());
        world.set("RUNACCESS_HOME", world.state().to_str().unwrap());
        // This machine may be one of Google's.
        world.set("NO_GCE_CHECK", "true");
        world
    }

    /// The folder that is `~` in this world.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// The folder of the program's own state.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Sets a variable for every run from now on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// Writes a file below gcloud's folder.
    pub(crate) fn gcloud_file(&self, name: &str, text: &str) {
        let path = self.home().join(".config/gcloud").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The program, ready to run in this world and in no other.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runaccess"));
        command.args(arguments).env_clear().envs(&self.variables).current_dir(self.folder.path());
        command
    }

    /// Runs the program.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.finished(self.command(arguments).stdin(Stdio::null()).output().unwrap())
    }

    /// Runs the program on the sandbox.
    #[track_caller]
    pub(crate) fn sandbox(&self, arguments: &[&str]) -> Run {
        self.run(&[&["--sandbox"], arguments].concat())
    }

    /// Runs the program on the sandbox and returns its JSON, whatever the exit code.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let run = self.sandbox(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"))
    }

    /// Runs the program as it is set up and returns its JSON, whatever the exit code.
    #[track_caller]
    pub(crate) fn json_of(&self, arguments: &[&str]) -> Value {
        let run = self.run(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"))
    }

    /// Makes every run from now on reach this sandbox over HTTP, as though it were Google's.
    pub(crate) fn reach(&mut self, serve: &Serve) {
        self.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &format!("{}/", serve.endpoint));
        self.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "opaque");
        self.set("CLOUDSDK_CORE_PROJECT", "sandbox-project");
    }

    pub(crate) fn finished(&self, output: Output) -> Run {
        Run {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            status: output.status.code().unwrap_or(-1),
            home: self.folder.path().to_str().unwrap().to_owned(),
        }
    }
}

/// One place for all that differs from run to run.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let notice = "sandbox: an embedded Cloud Run, nothing real is touched\n";
        let stderr = self.stderr.replace(notice, "");
        for (name, text) in [("stdout", &self.stdout), ("stderr", &stderr)] {
            if !text.is_empty() {
                writeln!(f, "--- {name}")?;
                f.write_str(&text.replace(&self.home, "[WORLD]"))?;
            }
        }
        write!(f, "--- status {}", self.status)
    }
}

/// Replaces what no two runs share in a policy or service: etags.
pub(crate) fn without_etags(mut value: Value) -> Value {
    match &mut value {
        Value::Object(object) => {
            object.retain(|name, _| name != "etag");
            for value in object.values_mut() {
                *value = without_etags(value.take());
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = without_etags(item.take());
            }
        }
        _ => {}
    }
    value
}

/// Whether the tests that soak run at their full size: `just soak`.
pub(crate) fn is_soak() -> bool {
    std::env::var_os("SOAK").is_some()
}

/// Says what a test found, for whoever runs it with its output shown.
#[expect(clippy::print_stderr, reason = "a test has no other way")]
pub(crate) fn told(what: &str) {
    eprintln!("{what}");
}

/// A source file of the project.
pub(crate) fn project_file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

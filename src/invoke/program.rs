//! Runs another program and passes it a secret through a pipe.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::{ExitStatus, Stdio};

use tokio::process::Command;

use super::tell::ResponseHeaders;

/// Lines of a curl configuration.
#[derive(Clone, Default)]
pub struct Config(String);

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Config(…)")
    }
}

impl Config {
    /// Adds an option with a value.
    #[must_use]
    pub fn with(mut self, option: &str, value: &str) -> Self {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        self.0.extend([option, " = \"", &value, "\"\n"]);
        self
    }
}

/// How a program ended.
#[derive(Clone, Debug)]
pub struct Ended {
    pub code: u8,
    /// What the response headers say.
    pub seen: ResponseHeaders,
}

/// A program with its arguments.
#[derive(Clone, Debug)]
pub struct Program {
    pub name: &'static str,
    pub words: Vec<String>,
}

impl Program {
    /// Runs curl with a configuration that no process list shows, and reads the response headers,
    /// unless the user's options prevent it.
    #[cfg(unix)]
    pub async fn curl(self, config: Config, watch: bool) -> io::Result<Ended> {
        use std::os::fd::AsRawFd;

        let (reader, mut writer) = io::pipe()?;
        let mut config = config;
        let watching = if watch { Some(io::pipe()?) } else { None };
        if let Some((_, into)) = &watching {
            inherit(into)?;
            config = config.with("dump-header", &format!("/dev/fd/{}", into.as_raw_fd()));
        }
        inherit(&reader)?;
        let mut command = Command::new(self.name);
        // Without `-q`, which must be first, curl reads the user's `.curlrc`, which could send the
        // token elsewhere.
        command.arg("-q").arg("--config").arg(format!("/dev/fd/{}", reader.as_raw_fd()));
        command.args(self.words);
        let mut child = command.stdin(Stdio::inherit()).spawn()?;
        drop(reader);
        // A pipe may hold less than the configuration, so it is written while curl reads. If curl
        // has ended, curl itself reports the reason.
        tokio::task::spawn_blocking(move || drop(writer.write_all(config.0.as_bytes())));
        let seen = watching.map(|(from, into)| {
            drop(into);
            tokio::task::spawn_blocking(move || ResponseHeaders::read(from))
        });
        let status = wait(&mut child, true).await?;
        let seen = match seen {
            Some(seen) => seen.await.unwrap_or_default(),
            None => ResponseHeaders::default(),
        };
        Ok(Ended { code: code(status), seen })
    }

    /// Runs curl with its configuration on stdin, which the request then cannot use.
    #[cfg(not(unix))]
    pub async fn curl(self, config: Config, _watch: bool) -> io::Result<Ended> {
        use tokio::io::AsyncWriteExt;

        let mut command = Command::new(self.name);
        command.arg("-q").arg("--config").arg("-").args(self.words).stdin(Stdio::piped());
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(config.0.as_bytes()).await?;
        }
        let status = child.wait().await?;
        Ok(Ended { code: code(status), seen: ResponseHeaders::default() })
    }
}

/// Runs a program with additional environment variables, and returns its exit code.
pub async fn run_program(words: &[OsString], variables: &[(String, String)]) -> io::Result<u8> {
    let Some((name, arguments)) = words.split_first() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut command = Command::new(name);
    command.args(arguments).envs(variables.iter().map(|(name, value)| (name, value)));
    command.kill_on_drop(true);
    let mut child = command.spawn()?;
    #[cfg(unix)]
    // A terminal sends Ctrl-C to both processes; this one has received it.
    let status = wait(&mut child, !io::stdin().is_terminal()).await?;
    #[cfg(not(unix))]
    let status = child.wait().await?;
    Ok(code(status))
}

/// Waits for a program to end. Forwards signals that ask this process to stop.
#[cfg(unix)]
async fn wait(child: &mut tokio::process::Child, passes_interrupt: bool) -> io::Result<ExitStatus> {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        let asked = tokio::select! {
            ended = child.wait() => return ended,
            _ = interrupt.recv() => {
                if !passes_interrupt {
                    continue;
                }
                Signal::SIGINT
            }
            _ = terminate.recv() => Signal::SIGTERM,
            _ = hangup.recv() => Signal::SIGHUP,
        };
        if let Some(id) = child.id().and_then(|id| i32::try_from(id).ok()) {
            // The program may have ended just now.
            let _ = kill(Pid::from_raw(id), asked);
        }
    }
}

/// Lets a child process inherit this end of a pipe.
#[cfg(unix)]
fn inherit(end: &impl std::os::fd::AsFd) -> io::Result<()> {
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};

    fcntl(end, FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(())
}

/// The exit code that a shell would report.
fn code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(u8::MAX);
    }
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

//! The program at a real pseudo-terminal.

use std::process::Command;

use rexpect::session::{PtySession, spawn_command};

use super::World;

/// One conversation with the program.
pub(crate) struct Session {
    pty: PtySession,
}

impl Session {
    /// Starts the program on the sandbox, at a terminal without colours.
    pub(crate) fn start(world: &World, arguments: &[&str]) -> Self {
        let mut command = world.command(&[&["--sandbox"], arguments].concat());
        command.env("TERM", "xterm").env("NO_COLOR", "1");
        Self::spawn(command)
    }

    /// Starts it on the sandbox, at a terminal as the world has it.
    pub(crate) fn in_colour(world: &World, arguments: &[&str]) -> Self {
        Self::spawn(world.command(&[&["--sandbox"], arguments].concat()))
    }

    /// Starts it without the sandbox, at a terminal without colours.
    pub(crate) fn without_sandbox(world: &World, arguments: &[&str]) -> Self {
        let mut command = world.command(arguments);
        command.env("TERM", "xterm").env("NO_COLOR", "1");
        Self::spawn(command)
    }

    /// Starts it on the sandbox, at a terminal of a width, without colours.
    pub(crate) fn narrow(world: &World, arguments: &[&str], width: u16) -> Self {
        let program = world.command(&[&["--sandbox"], arguments].concat());
        let mut command = Command::new("sh");
        command.args(["-c", &format!("stty cols {width} rows 40; exec \"$0\" \"$@\"")]);
        command.arg(program.get_program()).args(program.get_args());
        command.env_clear().envs(program.get_envs().filter_map(|(k, v)| Some((k, v?))));
        command.env("TERM", "xterm").env("NO_COLOR", "1").env("PATH", "/usr/bin:/bin");
        Self::spawn(command)
    }

    /// Starts a bash at a terminal of a width, with the program in its path.
    pub(crate) fn bash(world: &World, width: u16) -> Self {
        let program = world.command(&[]);
        let folder = std::path::Path::new(program.get_program()).parent().unwrap();
        let mut command = Command::new("sh");
        let start = format!("stty echo cols {width} rows 40; exec bash --norc --noprofile -i");
        command.args(["-c", &start]).env_clear();
        command.envs(program.get_envs().filter_map(|(k, v)| Some((k, v?))));
        command.env("TERM", "xterm").env("NO_COLOR", "1").env("PS1", "ready> ");
        command.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
        Self::spawn(command)
    }

    /// Types a line for a shell.
    pub(crate) fn line(&mut self, text: &str) {
        self.enter(text);
    }

    fn spawn(command: Command) -> Self {
        Self { pty: spawn_command(command, Some(60_000)).unwrap() }
    }

    /// Waits until this is on the screen, and returns what came before it.
    #[track_caller]
    pub(crate) fn see(&mut self, text: &str) -> String {
        self.pty.exp_string(text).unwrap()
    }

    /// Types text and presses Enter.
    pub(crate) fn enter(&mut self, text: &str) {
        self.pty.send(text).unwrap();
        self.pty.send("\r").unwrap();
        self.pty.flush().unwrap();
    }

    /// Presses one key.
    pub(crate) fn press(&mut self, key: &str) {
        self.pty.send(key).unwrap();
        self.pty.flush().unwrap();
    }

    /// Presses a key with Ctrl.
    pub(crate) fn control(&mut self, key: char) {
        self.pty.send_control(key).unwrap();
    }

    /// Waits for the end and returns what else was on the screen, and the exit code.
    #[track_caller]
    pub(crate) fn end(mut self) -> (String, i32) {
        let rest = self.pty.exp_eof().unwrap();
        match self.pty.process().wait().unwrap() {
            rexpect::process::WaitStatus::Exited(_, code) => (rest, code),
            other => panic!("{other:?}: {rest}"),
        }
    }
}

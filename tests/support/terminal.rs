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

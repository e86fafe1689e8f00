//! Output and prompts: stdout, stderr, color, width, progress. No other module prints.

mod mode;
mod progress;
mod prompt;

use std::io::{ErrorKind as IoErrorKind, IsTerminal, Write, stderr, stdin, stdout};

use console::{Style, Term};

pub use self::mode::{remember, restore};
pub use self::progress::Progress;
pub use self::prompt::{PromptError, choose, confirm, pick, type_in};
use crate::domain::error::{CommandError, Hint};
use crate::domain::printable::printable;

/// The terminal and its capabilities.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// Whether a user can be asked.
    pub interactive: bool,
    pub color_stdout: bool,
    pub color_stderr: bool,
    /// The width of stdout; `None` if it is not a terminal.
    pub width: Option<usize>,
    /// The width of stderr.
    pub width_stderr: Option<usize>,
    /// Whether stderr supports cursor movement.
    draws: bool,
}

/// The terminal options from the command line and the environment.
#[derive(Clone, Copy, Debug)]
pub struct TerminalOptions {
    pub may_ask: bool,
    pub may_color: bool,
}

impl Terminal {
    /// Examines the terminal.
    pub fn detect(options: TerminalOptions) -> Self {
        let (out, err) = (stdout().is_terminal(), stderr().is_terminal());
        Self {
            interactive: options.may_ask && stdin().is_terminal() && err,
            color_stdout: options.may_color && out,
            color_stderr: options.may_color && err,
            width: out.then(|| usize::from(Term::stdout().size().1)),
            width_stderr: err.then(|| usize::from(Term::stderr().size().1)),
            draws: err,
        }
    }

    /// Whether stderr is a terminal.
    pub fn stderr_is_terminal(self) -> bool {
        self.draws
    }

    /// Writes the result to stdout. A closed reader is not an error.
    pub fn result(self, text: &str) -> std::io::Result<()> {
        let mut out = stdout().lock();
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        let written = out.write_all(text.as_bytes()).and_then(|()| out.write_all(end.as_bytes()));
        match written.and_then(|()| out.flush()) {
            Err(error) if error.kind() == IoErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Writes a line to stderr, unchanged.
    pub fn say(self, line: &str) {
        let mut err = stderr().lock();
        // If stderr is closed, there is no way to report it.
        drop(writeln!(err, "{line}"));
    }

    /// Prints a note.
    pub fn note(self, text: &str) {
        self.labelled("note", &self.style().cyan(), text);
    }

    /// Prints a warning.
    pub fn warning(self, text: &str) {
        self.labelled("warning", &self.style().yellow().bold(), text);
    }

    /// Prints the command that is equivalent to the user's choices at prompts.
    pub fn labelled_command(self, command: &str) {
        self.labelled("command", &self.style().cyan(), command);
    }

    /// Prints the command that undoes the change.
    pub fn labelled_undo(self, command: &str) {
        self.labelled("undo", &self.style().cyan(), command);
    }

    /// Prints a command that is worth running next.
    pub fn hint(self, command: &str) {
        self.labelled("hint", &self.style().cyan(), command);
    }

    /// Prints an error with its causes and hints.
    pub fn error(self, error: &CommandError) {
        self.error_parts(&error.message, &error.causes, &error.hints);
    }

    /// Prints an error from its parts, as the outcome of one of several targets contains them.
    pub fn error_parts(self, message: &str, causes: &[String], hints: &[Hint]) {
        self.labelled("error", &self.style().red().bold(), message);
        for cause in causes {
            self.labelled("caused by", &self.style().dim(), cause);
        }
        for hint in hints {
            self.hint(&hint.to_string());
        }
    }

    /// The base style of stderr.
    pub fn style(self) -> Style {
        Style::new().force_styling(self.color_stderr)
    }

    /// A progress bar, visible on a terminal only.
    pub fn progress(self, what: &'static str) -> Progress {
        Progress::new(what, self.draws)
    }

    fn labelled(self, label: &str, style: &Style, text: &str) {
        self.say(&format!("{} {}", style.apply_to(format!("{label}:")), printable(text)));
    }
}

/// Prints text that clap formatted for stderr or stdout.
pub fn print_rendered(text: &str, to_stderr: bool) {
    if to_stderr {
        drop(stderr().lock().write_all(text.as_bytes()));
    } else {
        drop(stdout().lock().write_all(text.as_bytes()));
    }
}

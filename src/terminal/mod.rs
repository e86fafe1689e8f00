//! The only room that prints: stdout, stderr, colour, width, progress, prompts.

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

/// What is known of the terminal, and what may be done with it.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// Whether a person can be asked.
    pub interactive: bool,
    pub color_stdout: bool,
    pub color_stderr: bool,
    /// The width of stdout; `None` if it is no terminal and so has none.
    pub width: Option<usize>,
    /// The width of stderr.
    pub width_stderr: Option<usize>,
    /// Whether stderr can be drawn on.
    draws: bool,
}

/// What the command line and the environment say about the terminal.
#[derive(Clone, Copy, Debug)]
pub struct Wishes {
    pub may_ask: bool,
    pub may_color: bool,
}

impl Terminal {
    /// Looks at the terminal there is.
    pub fn detect(wishes: Wishes) -> Self {
        let (out, err) = (stdout().is_terminal(), stderr().is_terminal());
        Self {
            interactive: wishes.may_ask && stdin().is_terminal() && err,
            color_stdout: wishes.may_color && out,
            color_stderr: wishes.may_color && err,
            width: out.then(|| usize::from(Term::stdout().size().1)),
            width_stderr: err.then(|| usize::from(Term::stderr().size().1)),
            draws: err,
        }
    }

    /// Whether somebody reads stderr.
    pub fn stderr_is_terminal(self) -> bool {
        self.draws
    }

    /// Writes the result to stdout. A reader that has gone away is no error.
    pub fn result(self, text: &str) -> std::io::Result<()> {
        let mut out = stdout().lock();
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        let written = out.write_all(text.as_bytes()).and_then(|()| out.write_all(end.as_bytes()));
        match written.and_then(|()| out.flush()) {
            Err(error) if error.kind() == IoErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Writes a line to stderr as it stands.
    pub fn say(self, line: &str) {
        let mut err = stderr().lock();
        // Nobody is left to tell if stderr is gone.
        drop(writeln!(err, "{line}"));
    }

    /// Something that the reader should know.
    pub fn note(self, text: &str) {
        self.labelled("note", &self.style().cyan(), text);
    }

    /// Something that the reader should stop at.
    pub fn warning(self, text: &str) {
        self.labelled("warning", &self.style().yellow().bold(), text);
    }

    /// The command that does what was chosen.
    pub fn labelled_command(self, command: &str) {
        self.labelled("command", &self.style().cyan(), command);
    }

    /// The command that takes back what was done.
    pub fn labelled_undo(self, command: &str) {
        self.labelled("undo", &self.style().cyan(), command);
    }

    /// A command that is worth running next.
    pub fn hint(self, command: &str) {
        self.labelled("hint", &self.style().cyan(), command);
    }

    /// An error, its causes, its hints.
    pub fn error(self, error: &CommandError) {
        self.error_parts(&error.message, &error.causes, &error.hints);
    }

    /// An error in its parts, as the outcome of one of several targets holds it.
    pub fn error_parts(self, message: &str, causes: &[String], hints: &[Hint]) {
        self.labelled("error", &self.style().red().bold(), message);
        for cause in causes {
            self.labelled("caused by", &self.style().dim(), cause);
        }
        for hint in hints {
            self.hint(&hint.to_string());
        }
    }

    /// The style of stderr, to be refined.
    pub fn style(self) -> Style {
        Style::new().force_styling(self.color_stderr)
    }

    /// A progress bar, which is seen on a terminal only.
    pub fn progress(self, what: &'static str) -> Progress {
        Progress::new(what, self.draws)
    }

    fn labelled(self, label: &str, style: &Style, text: &str) {
        self.say(&format!("{} {}", style.apply_to(format!("{label}:")), printable(text)));
    }
}

/// Prints text that clap has already made for stderr or stdout.
pub fn print_rendered(text: &str, to_stderr: bool) {
    if to_stderr {
        drop(stderr().lock().write_all(text.as_bytes()));
    } else {
        drop(stdout().lock().write_all(text.as_bytes()));
    }
}

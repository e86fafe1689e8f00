//! Prompts, cancellation, and the writes that are in progress at a cancellation.

use std::time::Instant;

use super::Context;
use crate::domain::error::{CommandError, ErrorKind};
use crate::terminal::{self, PromptError};

impl Context {
    /// Asks the user on a separate thread, so that Ctrl-C is still received. In the sandbox, the
    /// question says so. The time until the answer does not count towards the deadline.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: &str,
        ask: impl FnOnce(&str, bool) -> Result<T, PromptError> + Send + 'static,
    ) -> Result<T, CommandError> {
        let place = if self.settings.sandbox { "sandbox: " } else { "" };
        let (question, color) = (format!("{place}{question}"), self.terminal.color_stderr);
        let start = Instant::now();
        terminal::remember();
        self.asking.set(true);
        let answer = tokio::task::spawn_blocking(move || ask(&question, color)).await;
        self.asking.set(false);
        terminal::restore();
        self.deadline.postpone(start.elapsed());
        let failed = |why: String| CommandError::new(ErrorKind::Failed, "cannot ask").because(why);
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(PromptError::Cancelled)) => {
                self.terminal.say("");
                Err(self.cancelled())
            }
            Ok(Err(PromptError::Io(error))) => Err(failed(error.to_string())),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// Restores the terminal after Ctrl-C.
    pub fn leave_question(&self) {
        terminal::restore();
        if self.asking.get() {
            self.terminal.say("");
        }
    }

    /// The error for the user's "no" or Ctrl-C, with the known state of earlier writes.
    pub fn cancelled(&self) -> CommandError {
        let cancelled = |what: &str| CommandError::new(ErrorKind::Cancelled, what);
        match (self.writing.get() > 0, self.has_written.get()) {
            (true, _) => cancelled("cancelled while a change was under way: it may be done")
                .hint(self.suggest("history")),
            (false, true) => cancelled("cancelled; what was changed before stays changed")
                .hint(self.suggest("history")),
            (false, false) => cancelled("cancelled, nothing was changed"),
        }
    }

    /// Records that something was written or may have been written.
    pub fn note_written(&self) {
        self.has_written.set(true);
    }

    /// Sends a write, which counts as in progress until its response.
    pub async fn write<T>(&self, write: impl Future<Output = T>) -> T {
        self.writing.update(|count| count + 1);
        let answer = write.await;
        self.writing.update(|count| count - 1);
        answer
    }
}

//! Progress of long reads.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Smaller reads end before a progress bar is visible.
const WORTH_SHOWING: usize = 8;

/// A progress bar on stderr that erases itself.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    visible: bool,
}

impl Progress {
    pub(super) fn new(what: &'static str, visible: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {pos}/{len}") {
            bar.set_style(style);
        }
        bar.set_message(what);
        Self { bar, visible }
    }

    /// Sets the number of finished items and the known total.
    pub fn set(&self, done: usize, known: usize) {
        if !self.visible || known < WORTH_SHOWING {
            return;
        }
        if self.bar.is_hidden() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_length(known as u64);
        self.bar.set_position(done as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

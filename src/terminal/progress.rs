//! Progress of long reads.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Fewer than this are read before a bar could be looked at.
const WORTH_SHOWING: usize = 8;

/// A bar on stderr that leaves nothing behind.
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

    /// Says how much is done of how much is known of.
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

//! How far a long read has come.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Fewer than this are read before a bar could be looked at.
const WORTH_SHOWING: usize = 8;

/// A bar on stderr that leaves nothing behind.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new(what: &'static str, visible: bool) -> Self {
        let target =
            if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {pos}/{len}") {
            bar.set_style(style);
        }
        bar.set_message(what);
        Self(bar)
    }

    /// Says how much is done of how much is known of.
    pub fn set(&self, done: usize, known: usize) {
        if known < WORTH_SHOWING {
            return;
        }
        self.0.set_length(known as u64);
        self.0.set_position(done as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

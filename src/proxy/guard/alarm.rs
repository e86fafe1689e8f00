//! Wakes the task of a connection when its client's time is up.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that is cheap to postpone with each request: it may fire early, and is then set again.
#[derive(Debug, Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Whether a time has come. If not, this task is woken by then.
    pub(super) fn set(&mut self, due: Instant, cx: &mut Context<'_>) -> bool {
        if due <= Instant::now() {
            return true;
        }
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if sleep.deadline() > due {
            sleep.as_mut().reset(due);
        }
        match sleep.as_mut().poll(cx) {
            Poll::Pending => false,
            // The timer fired early.
            Poll::Ready(()) => {
                sleep.as_mut().reset(due);
                sleep.as_mut().poll(cx).is_ready()
            }
        }
    }
}

//! What wakes a connection's task when a client's time is up.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// An alarm that costs little where it is put off with each request: it may ring early, and is then
/// set anew.
#[derive(Debug, Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Whether a moment has come. Else this task is woken by then.
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
            // It rang, early.
            Poll::Ready(()) => {
                sleep.as_mut().reset(due);
                sleep.as_mut().poll(cx).is_ready()
            }
        }
    }
}

//! The time limit of all network work of one command.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A point in time that moves on while the program waits for a person.
#[derive(Clone, Debug)]
pub struct Deadline {
    end: Arc<Mutex<Instant>>,
    limit: Duration,
}

impl Deadline {
    /// `limit` from now.
    pub fn after(limit: Duration) -> Self {
        Self { end: Arc::new(Mutex::new(Instant::now() + limit)), limit }
    }

    /// When it is up.
    pub fn end(&self) -> Instant {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The whole of it, as it was given.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Makes sure that it is not up before `end`.
    pub fn put_off_to(&self, end: Instant) {
        let mut own = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        *own = (*own).max(end);
    }

    /// Puts it off by the time that a person took to answer.
    pub fn put_off(&self, by: Duration) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

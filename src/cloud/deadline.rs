//! The time limit for all network requests of one command.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A moment that is postponed while the program waits for the user.
#[derive(Clone, Debug)]
pub struct Deadline {
    end: Arc<Mutex<Instant>>,
    limit: Duration,
}

impl Deadline {
    /// The deadline `limit` from now.
    pub fn after(limit: Duration) -> Self {
        Self { end: Arc::new(Mutex::new(Instant::now() + limit)), limit }
    }

    /// The moment of the deadline.
    pub fn end(&self) -> Instant {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The original time limit.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Postpones the deadline to `end` if it is earlier.
    pub fn put_off_to(&self, end: Instant) {
        let mut own = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        *own = (*own).max(end);
    }

    /// Postpones the deadline by the time that the user took to answer.
    pub fn postpone(&self, by: Duration) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

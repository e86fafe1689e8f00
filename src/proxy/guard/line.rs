//! The state that the reader of a connection shares with the tasks that answer its requests.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::task::AtomicWaker;
use tokio::time::Instant;

use super::framing::Fault;

/// The facts about a connection that both sides of the HTTP library know.
#[derive(Debug)]
pub(in crate::proxy) struct Line {
    start: Instant,
    in_flight: AtomicUsize,
    /// When the last response ended, in milliseconds from the start.
    idle_since: AtomicU64,
    pub(super) upgraded: AtomicBool,
    fault: Mutex<Option<Fault>>,
    is_faulty: AtomicBool,
    /// A reader that waits for the response in progress to end.
    pub(super) reader: AtomicWaker,
}

impl Line {
    pub(in crate::proxy) fn new() -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            in_flight: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
            upgraded: AtomicBool::new(false),
            fault: Mutex::default(),
            is_faulty: AtomicBool::new(false),
            reader: AtomicWaker::new(),
        })
    }

    /// Why the request that is being answered is refused, if it is.
    pub(in crate::proxy) fn fault(&self) -> Option<Fault> {
        if !self.is_faulty.load(Ordering::Acquire) {
            return None;
        }
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the connection uses another protocol from now on.
    pub(in crate::proxy) fn upgrade(&self) {
        self.upgraded.store(true, Ordering::Release);
    }

    /// Notes that a response is in progress. Over HTTP/1 the reader does this. Over HTTP/2, whose
    /// requests the reader does not see, the task that answers does.
    pub(in crate::proxy) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
    }

    /// Notes that a response has ended.
    pub(in crate::proxy) fn end(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.idle_since.store(now, Ordering::Release);
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
        self.reader.wake();
    }

    pub(super) fn is_busy(&self) -> bool {
        self.in_flight.load(Ordering::Acquire) > 0
    }

    pub(super) fn idle_since(&self) -> Instant {
        self.start + Duration::from_millis(self.idle_since.load(Ordering::Acquire))
    }

    pub(super) fn refuse(&self, fault: Fault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
        self.is_faulty.store(true, Ordering::Release);
    }
}

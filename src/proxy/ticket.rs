//! The record of a request, kept until its response has ended and then reported.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use http::{Method, Request};

use super::guard::Line;
use super::log::{By, Event, Listener};

/// A request's place on a shared connection.
#[derive(Debug)]
pub(super) struct Load(Arc<AtomicUsize>);

impl Load {
    /// Takes a place, which is given back when this is dropped.
    pub(super) fn on(count: Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The record of a request, kept until its response has ended, whatever ends it.
#[derive(Debug)]
pub(super) struct Ticket {
    line: Arc<Line>,
    listener: Arc<dyn Listener>,
    told: Option<Box<Told>>,
    pub(super) load: Option<Load>,
    pub(super) sent: u64,
}

/// The facts that are reported about a request.
#[derive(Clone, Debug)]
pub(super) struct Told {
    start: Instant,
    pub(super) service: Option<Arc<str>>,
    method: Method,
    path: String,
    pub(super) status: Option<u16>,
    pub(super) grpc_status: Option<u16>,
    received: Arc<AtomicU64>,
    pub(super) by: By,
    pub(super) reason: Option<String>,
}

impl Ticket {
    /// A ticket for a request that has begun.
    pub(super) fn new<B>(
        request: &Request<B>,
        line: Arc<Line>,
        listener: Arc<dyn Listener>,
    ) -> Self {
        let told = listener.hears_requests().then(|| {
            Box::new(Told {
                start: Instant::now(),
                service: None,
                method: request.method().clone(),
                // The stand-in for a malformed request has a path that no client asked for.
                path: if line.fault().is_some() {
                    "(malformed)".to_owned()
                } else {
                    request.uri().path().to_owned()
                },
                status: None,
                grpc_status: None,
                received: Arc::default(),
                by: By::Proxy,
                reason: None,
            })
        });
        Self { line, listener, told, load: None, sent: 0 }
    }

    /// Notes more about the request, if it will be reported.
    pub(super) fn note(&mut self, note: impl FnOnce(&mut Told)) {
        if let Some(told) = &mut self.told {
            note(told);
        }
    }

    /// The counter of the bytes of its body.
    pub(super) fn counter(&self) -> Arc<AtomicU64> {
        self.told.as_ref().map(|told| Arc::clone(&told.received)).unwrap_or_default()
    }

    /// Reports the request now, and again at its end: what follows is not a response.
    pub(super) fn tell_so_far(&mut self) {
        if let Some(told) = &self.told {
            self.tell_as(Told::clone(told));
        }
    }

    /// Counts bytes that were transferred outside bodies.
    pub(super) fn add(&mut self, received: u64, sent: u64) {
        self.sent += sent;
        self.note(|told| {
            told.received.fetch_add(received, Ordering::Relaxed);
        });
    }

    fn tell_as(&self, told: Told) {
        self.listener.request(Event {
            service: told.service,
            method: told.method,
            path: told.path,
            status: told.status,
            grpc_status: told.grpc_status,
            took: told.start.elapsed(),
            received: told.received.load(Ordering::Relaxed),
            sent: self.sent,
            by: told.by,
            reason: told.reason,
        });
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.line.end();
        if let Some(told) = self.told.take() {
            self.tell_as(*told);
        }
    }
}

//! Where a request came from.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::guard::Line;

/// Held by every task that must end before the proxy does.
pub(super) type Running = mpsc::Sender<()>;
/// Becomes true when the proxy must stop.
pub(super) type Stop = watch::Receiver<bool>;

/// The origin of a connection, and the worker that serves it.
#[derive(Debug)]
pub(super) struct Whence {
    pub(super) peer: IpAddr,
    pub(super) door: usize,
    pub(super) worker: usize,
    pub(super) running: Running,
}

/// The connection that a request came on.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) whence: Whence,
    pub(super) line: Arc<Line>,
}

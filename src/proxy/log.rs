//! The events that are reported about requests.

use std::sync::Arc;
use std::time::Duration;

use http::Method;

use super::keeper::NoToken;
use crate::invoke::FrontEndRefusal;

/// The source of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The application, or whatever else is behind the front end.
    Application,
    /// Cloud Run's front end, which denied the request.
    FrontEnd(FrontEndRefusal),
    /// This proxy.
    Proxy,
}

/// A request that was answered.
#[derive(Clone, Debug)]
pub struct Event {
    /// The service's local name; `None` if the request was for no service.
    pub service: Option<Arc<str>>,
    pub method: Method,
    /// The path without its query, which may contain private data.
    pub path: String,
    /// `None` if the client disconnected before there was a response.
    pub status: Option<u16>,
    /// The gRPC status, if the response has one.
    pub grpc_status: Option<u16>,
    pub took: Duration,
    /// The size of the request's body in bytes.
    pub received: u64,
    /// The size of the response's body in bytes.
    pub sent: u64,
    pub by: By,
    /// Why the proxy refused the request, or why the response broke off.
    pub reason: Option<String>,
}

/// Receives the events of the proxy.
pub trait Listener: Send + Sync + std::fmt::Debug {
    /// Whether to report requests at all.
    fn hears_requests(&self) -> bool;
    /// Called after a request was answered.
    fn request(&self, event: Event);
    /// Called if the token of a service could not be renewed.
    fn no_token(&self, service: &str, no_token: &NoToken);
}

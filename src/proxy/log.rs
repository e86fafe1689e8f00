//! What is told of each request.

use std::sync::Arc;
use std::time::Duration;

use http::Method;

use super::keeper::NoToken;
use crate::invoke::FrontEndRefusal;

/// Who gave an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The application, or whatever else is behind the front end.
    Application,
    /// Cloud Run's front end, which did not let the request through.
    FrontEnd(FrontEndRefusal),
    /// This proxy.
    Proxy,
}

/// A request, once it was answered.
#[derive(Clone, Debug)]
pub struct Event {
    /// The service's name here; `None` if the request was for none.
    pub service: Option<Arc<str>>,
    pub method: Method,
    /// Without its query, which may hold what nobody else should read.
    pub path: String,
    /// `None` if the client went away before there was an answer.
    pub status: Option<u16>,
    /// The status of gRPC, if the answer has one.
    pub grpc_status: Option<u16>,
    pub took: Duration,
    /// The bytes of the request's body.
    pub received: u64,
    /// The bytes of the answer's body.
    pub sent: u64,
    pub by: By,
    /// Why the proxy refused it, or why the answer broke off.
    pub reason: Option<String>,
}

/// Hears what happens.
pub trait Listener: Send + Sync + std::fmt::Debug {
    /// Whether requests are to be told at all.
    fn hears_requests(&self) -> bool;
    /// A request was answered.
    fn request(&self, event: Event);
    /// A service's token could not be renewed.
    fn no_token(&self, service: &str, no_token: &NoToken);
}

//! The connections to a service, kept and shared, in the protocol that the service uses.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, Version};
use hyper::body::{Body, Incoming};
use hyper_util::client::legacy::{Builder, Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::grpc::is_grpc;
use super::ticket::Load;
use super::upload::Upload;
use crate::transport::{Connector, Destination, TransportError};

/// How many requests share an HTTP/2 connection: the number that servers commonly allow, Google's
/// included (a recommendation of RFC 9113, 6.5.2, and background knowledge).
const STREAMS: usize = 100;
/// How many bytes of one response are buffered before the client reads them.
const STREAM_WINDOW: u32 = 512 * 1024;
/// How many bytes of all responses on a connection are buffered: enough even if no client reads
/// anything, so that no slow client delays the others.
const CONNECTION_WINDOW: u32 = 100 * STREAM_WINDOW;
/// The longest head of a response over HTTP/2, as long as over HTTP/1.
const LONGEST_HEAD: u32 = 64 * 1024;
/// How many bytes are read at once from an HTTP/1 connection, and the longest head of a response.
const READ_AT_ONCE: usize = 64 * 1024;
/// One user at one machine does not need more threads.
const MOST_WORKERS: usize = 4;
/// How often an HTTP/2 connection with requests in progress is checked to be alive.
const PING: Duration = Duration::from_secs(30);

type Wire = Client<Connector, Upload>;
/// A response, and its place on a shared connection.
pub(super) type Sent = (Response<Incoming>, Option<Load>);

/// A service and the connections to it.
#[derive(Clone, Debug)]
pub struct Upstream {
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    /// The origin of the service's own pages.
    pub(super) origin: String,
    speaks: Speaks,
    /// One set of connections for each serving thread.
    wires: Arc<[Wires]>,
}

/// How a request is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    /// The thread that sends it.
    pub(super) worker: usize,
    /// Whether it asks for another protocol.
    pub(super) upgrades: bool,
    /// Whether it must not use a connection that may be dead.
    pub(super) fresh: bool,
}

#[derive(Debug)]
struct Wires {
    http1: Wire,
    http2: Lanes,
    /// Connections that serve one request each.
    fresh_http1: Wire,
    fresh_http2: Wire,
}

/// The protocol that a service is known to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    /// Over plain connections: HTTP/1.1, except for gRPC.
    Http1,
    /// Over plain connections: HTTP/2, except for upgrades.
    Http2,
    /// The protocol that TLS negotiates.
    AsAgreed,
}

/// HTTP/2 connections, as many as are necessary for all requests to be in progress.
#[derive(Debug)]
struct Lanes {
    builder: Builder,
    connector: Connector,
    open: Mutex<Vec<Lane>>,
}

#[derive(Clone, Debug)]
struct Lane {
    wire: Wire,
    load: Arc<AtomicUsize>,
}

impl Upstream {
    /// A service at an address. `http2` if it is known to use HTTP/2 over plain connections. Opens no
    /// connection.
    pub fn new(to: &Destination, http2: bool) -> Result<Self, TransportError> {
        let unusable = || TransportError::Unusable(format!("`{}` is no address", to.address));
        let scheme = to.address.scheme().cloned().ok_or_else(unusable)?;
        let authority = to.address.authority().cloned().ok_or_else(unusable)?;
        let speaks = match (scheme == Scheme::HTTP, http2) {
            (true, true) => Speaks::Http2,
            (true, false) => Speaks::Http1,
            (false, _) => Speaks::AsAgreed,
        };
        let connector = Connector::along(to)?;
        let only_http1 = match speaks {
            Speaks::AsAgreed => Connector::along(&Destination { only_http1: true, ..to.clone() })?,
            _ => connector.clone(),
        };
        let wires = |_| Wires::new(speaks, &connector, &only_http1);
        let wires = (0..workers()).map(wires).collect();
        let origin = origin_of(&authority, to);
        Ok(Self { scheme, authority, origin, speaks, wires })
    }

    /// The same service at another of its addresses.
    #[must_use]
    pub fn at(&self, authority: Authority) -> Self {
        let origin = format!("https://{authority}");
        Self { authority, origin, ..self.clone() }
    }

    pub(super) async fn send(&self, mut request: Request<Upload>, how: How) -> Result<Sent, Error> {
        let wires = &self.wires[how.worker];
        let http2 = !how.upgrades
            && match self.speaks {
                Speaks::Http1 => is_grpc(request.headers()),
                Speaks::Http2 | Speaks::AsAgreed => true,
            };
        if http2 && self.speaks != Speaks::AsAgreed {
            *request.version_mut() = Version::HTTP_2;
        } else {
            *request.version_mut() = Version::HTTP_11;
            // Without this, the library treats a GET with a body of unknown length as a GET without a
            // body.
            if !request.body().is_end_stream() && !request.headers().contains_key(CONTENT_LENGTH) {
                let chunked = HeaderValue::from_static("chunked");
                request.headers_mut().insert(TRANSFER_ENCODING, chunked);
            }
        }
        let (sent, load) = match (http2, how.fresh) {
            (true, false) => {
                let (wire, load) = wires.http2.pick();
                (wire.request(request), Some(load))
            }
            (true, true) => (wires.fresh_http2.request(request), None),
            (false, false) => (wires.http1.request(request), None),
            (false, true) => (wires.fresh_http1.request(request), None),
        };
        sent.await.map(|response| (response, load))
    }
}

impl Wires {
    fn new(speaks: Speaks, connector: &Connector, only_http1: &Connector) -> Self {
        let (mut kept, mut fresh) = (builder(), builder());
        fresh.pool_max_idle_per_host(0);
        let http1 = kept.build(only_http1.clone());
        let fresh_http1 = fresh.build(only_http1.clone());
        if speaks != Speaks::AsAgreed {
            kept.http2_only(true);
            fresh.http2_only(true);
        }
        let fresh_http2 = fresh.build(connector.clone());
        let lanes = Lanes { builder: kept, connector: connector.clone(), open: Mutex::default() };
        Self { http1, http2: lanes, fresh_http1, fresh_http2 }
    }
}

impl Lanes {
    fn pick(&self) -> (Wire, Load) {
        let mut lanes = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = |lane: &&Lane| lane.load.load(Ordering::Acquire) < STREAMS;
        let lane = lanes.iter().find(has_room).cloned().unwrap_or_else(|| {
            let wire = self.builder.build(self.connector.clone());
            let lane = Lane { wire, load: Arc::default() };
            lanes.push(lane.clone());
            lane
        });
        (lane.wire, Load::on(lane.load))
    }
}

/// The number of serving threads.
pub(super) fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS)
}

/// The origin of a service: over https, except if its address is on this machine. A replacement of
/// the address does not change it.
fn origin_of(authority: &Authority, to: &Destination) -> String {
    let is_plain = to.at.is_none() && to.address.scheme_str() == Some("http");
    format!("{}://{authority}", if is_plain { "http" } else { "https" })
}

fn builder() -> Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        // Over HTTP/2 the URL names the host, and `Host` beside it is refused by some (RFC 9113, 8.3.1).
        .set_host(true)
        .http1_max_buf_size(READ_AT_ONCE)
        .http2_max_header_list_size(LONGEST_HEAD)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(PING);
    builder
}

//! The connection of one client, from its first byte to its last.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::arrival::{Arrival, Stop, Whence};
use super::download::Download;
use super::guard::{Guard, LONGEST_HEAD, Line};
use super::site::Site;

/// The most requests in progress on an HTTP/2 connection.
const STREAMS: u32 = 1000;
/// How many bytes of one request body are buffered before the service accepts them, and how many of
/// all request bodies on a connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

/// Serves a connection until it ends, or until soon after `stop` is set.
pub(super) async fn serve(site: Arc<Site>, stream: TcpStream, whence: Whence, mut stop: Stop) {
    // If this fails, responses are only slower.
    drop(stream.set_nodelay(true));
    let line = Line::new();
    let mut guard = Guard::new(stream, Arc::clone(&line));
    let is_http2 = tokio::select! {
        first = guard.speaks_http2() => first,
        _ = stop.wait_for(|stop| *stop) => return,
    };
    let Ok(is_http2) = is_http2 else { return };
    let arrival = Arc::new(Arrival { whence, line });
    let io = TokioIo::new(guard);
    // Boxed separately: most connections are idle, and each uses only one of the two protocols.
    if is_http2 {
        Box::pin(over_http2(io, site, arrival, stop)).await;
    } else {
        Box::pin(over_http1(io, site, arrival, stop)).await;
    }
}

type Io = TokioIo<Guard<TcpStream>>;

/// Answers a request. The future is boxed, so that an idle connection does not hold its memory.
fn answered(
    site: &Arc<Site>,
    arrival: &Arc<Arrival>,
    request: Request<Incoming>,
) -> Pin<Box<impl Future<Output = Result<Response<Download>, Infallible>> + Send + 'static>> {
    let (site, arrival) = (Arc::clone(site), Arc::clone(arrival));
    Box::pin(async move { Ok(site.answer(request, &arrival).await) })
}

async fn over_http2(io: Io, site: Arc<Site>, arrival: Arc<Arrival>, mut stop: Stop) {
    let service = service_fn(|request| answered(&site, &arrival, request));
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .auto_date_header(true)
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(LONGEST_HEAD).unwrap_or(u32::MAX));
    let mut connection = std::pin::pin!(builder.serve_connection(io, service));
    tokio::select! {
        // The requests of the connection have already reported its error.
        ended = connection.as_mut() => return drop(ended),
        _ = stop.wait_for(|stop| *stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    drop(connection.await);
}

async fn over_http1(io: Io, site: Arc<Site>, arrival: Arc<Arrival>, mut stop: Stop) {
    let service = service_fn(|request| answered(&site, &arrival, request));
    let mut builder = http1::Builder::new();
    builder.auto_date_header(true).header_read_timeout(None).max_buf_size(LONGEST_HEAD);
    let connection = builder.serve_connection(io, service).with_upgrades();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // The requests of the connection have already reported its error.
        ended = connection.as_mut() => return drop(ended),
        _ = stop.wait_for(|stop| *stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    drop(connection.await);
}

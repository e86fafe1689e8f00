//! What the application behind a service answers as it comes: `WebSockets` and gRPC, whose messages
//! it sends back, and server-sent events, one a second.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::IntoResponse;
use futures::{StreamExt, stream};
use http::header::{ACCEPT, CONTENT_TYPE, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::StreamBody;
use hyper::body::Frame;
use tokio_stream::wrappers::IntervalStream;

/// How often an event comes.
const PACE: Duration = Duration::from_secs(1);

/// Answers a request of these kinds, and gives any other back.
pub(crate) async fn answer(request: Request<Body>) -> Result<Response<Body>, Request<Body>> {
    match kind(request.headers()) {
        Kind::WebSocket => {
            let (mut head, _) = request.into_parts();
            Ok(match WebSocketUpgrade::from_request_parts(&mut head, &()).await {
                Ok(upgrade) => upgrade.on_upgrade(echo),
                Err(refusal) => refusal.into_response(),
            })
        }
        Kind::Grpc => Ok(grpc(request.into_body())),
        Kind::Events => Ok(events()),
        Kind::Other => Err(request),
    }
}

enum Kind {
    Events,
    Grpc,
    Other,
    WebSocket,
}

fn kind(headers: &HeaderMap) -> Kind {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if header(UPGRADE).eq_ignore_ascii_case("websocket") {
        Kind::WebSocket
    } else if header(CONTENT_TYPE).starts_with("application/grpc") {
        Kind::Grpc
    } else if header(ACCEPT) == "text/event-stream" {
        Kind::Events
    } else {
        Kind::Other
    }
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let is_content = matches!(message, Message::Text(_) | Message::Binary(_));
        // Pings are answered by the library.
        if is_content && socket.send(message).await.is_err() {
            return;
        }
    }
}

/// Every message back, and the status `OK` at the end.
fn grpc(body: Body) -> Response<Body> {
    let status = HeaderName::from_static("grpc-status");
    let trailers = HeaderMap::from_iter([(status, HeaderValue::from_static("0"))]);
    let messages = body.into_data_stream().map(|piece| piece.map(Frame::data));
    let end = stream::once(async { Ok(Frame::trailers(trailers)) });
    let mut response = Response::new(Body::new(StreamBody::new(messages.chain(end))));
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn events() -> Response<Body> {
    let ticks = IntervalStream::new(tokio::time::interval(PACE)).enumerate();
    let events =
        ticks.map(|(count, _)| Ok::<_, Infallible>(format!("id: {count}\ndata: {count}\n\n")));
    let mut response = Response::new(Body::from_stream(events));
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

//! The sandbox on a port: HTTP/1.1 and HTTP/2, for this process or for any client.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::Value;
use time::OffsetDateTime;
use tokio::net::TcpListener;

use super::api_error::ApiError;
use super::router::{self, ApiRequest, Query};
use super::store::Sandbox;

/// How long requests under way may take once the server is asked to stop.
const GRACE: Duration = Duration::from_secs(2);
/// More than any body of this API may have.
const LARGEST_BODY: usize = 10 * 1024 * 1024;

#[derive(Clone, Debug)]
struct Server {
    sandbox: Arc<Sandbox>,
    clock: fn() -> OffsetDateTime,
}

/// Serves the sandbox until `stop` is done; requests under way are answered first.
pub async fn serve(
    sandbox: Arc<Sandbox>,
    listener: TcpListener,
    clock: fn() -> OffsetDateTime,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let app = Router::new().fallback(handle).with_state(Server { sandbox, clock });
    let (asked, mut told) = tokio::sync::watch::channel(false);
    let stop = async move {
        stop.await;
        // Nobody listens any more where the server has ended by itself.
        let _ = asked.send(true);
    };
    let serving = axum::serve(listener, app).with_graceful_shutdown(stop);
    tokio::select! {
        ended = serving => ended,
        // A request that never ends does not keep the server.
        () = async {
            if told.wait_for(|asked| *asked).await.is_ok() {
                tokio::time::sleep(GRACE).await;
            } else {
                std::future::pending::<()>().await;
            }
        } => Ok(()),
    }
}

async fn handle(State(server): State<Server>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return respond(Err(ApiError::invalid("The request's body could not be read.")));
    };
    let header = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let request = ApiRequest {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: Query::parse(head.uri.query().unwrap_or_default()),
        authorization: header.map(str::to_owned),
        body: body.to_vec(),
        now: (server.clock)(),
    };
    // SQLite waits for other processes where it must; nobody else has to wait with it.
    let sandbox = Arc::clone(&server.sandbox);
    let work = tokio::task::spawn_blocking(move || router::answer(&sandbox, &request));
    respond(work.await.unwrap_or_else(|_| Err(ApiError::internal("The sandbox failed."))))
}

fn respond(answer: Result<Value, ApiError>) -> Response {
    let (code, value) = match answer {
        Ok(value) => (200, value),
        Err(error) => (error.code, error.envelope()),
    };
    let mut response = Response::new(Body::from(format!("{value}\n")));
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or_default();
    let json = http::HeaderValue::from_static("application/json; charset=UTF-8");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

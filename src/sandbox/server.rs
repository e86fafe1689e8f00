//! The sandbox on a port: HTTP/1.1 and HTTP/2, for this process or for any client.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use axum::routing::any;
use futures::stream;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, RETRY_AFTER};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use super::api_error::ApiError;
use super::connection::{Door, Line};
use super::faults::{Effects, FaultSpec, Faults};
use super::router::{self, ApiRequest, Query, region_of_host};
use super::store::Sandbox;

/// How long requests under way may take once the server is asked to stop.
const GRACE: Duration = Duration::from_secs(2);
/// More than any body of this API may have.
const LARGEST_BODY: usize = 10 * 1024 * 1024;
/// How long a `wait` waits where its body does not say, and at most.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How often a `wait` looks.
const LOOK: Duration = Duration::from_millis(10);
/// The size of the pieces in which a body trickles.
const TRICKLE: usize = 64;

#[derive(Clone, Debug)]
struct Server {
    sandbox: Arc<Sandbox>,
    clock: fn() -> OffsetDateTime,
    faults: Arc<Faults>,
}

/// Serves the sandbox until `stop` is done; requests under way are answered first.
pub async fn serve(
    sandbox: Arc<Sandbox>,
    faults: Arc<Faults>,
    listener: TcpListener,
    clock: fn() -> OffsetDateTime,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let app = Router::new()
        .route("/sandbox/faults", any(admin))
        .fallback(handle)
        .with_state(Server { sandbox, clock, faults });
    let (asked, mut told) = tokio::sync::watch::channel(false);
    let stop = async move {
        stop.await;
        // Nobody listens any more where the server has ended by itself.
        let _ = asked.send(true);
    };
    let app = app.into_make_service_with_connect_info::<Line>();
    let serving = axum::serve(Door(listener), app).with_graceful_shutdown(stop);
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

async fn handle(
    State(server): State<Server>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    if let Err(error) = check_host(&head) {
        return respond(Err(error));
    }
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return respond(Err(ApiError::invalid("The request's body could not be read.")));
    };
    let query = head.uri.query().unwrap_or_default();
    let effects = server.faults.strike(head.method.as_str(), head.uri.path(), query);
    if !effects.latency.is_zero() {
        sleep(effects.latency).await;
    }
    let carried_out =
        !matches!(effects.reset, Some(false)) && !matches!(effects.refusal, Some((_, false)));
    let mut answer = Err(ApiError::internal("The request was not carried out."));
    if carried_out {
        answer = carry_out(&server, &head, body.to_vec(), &effects).await;
    }
    if effects.reset.is_some() {
        line.reset();
    }
    if let Some((refusal, _)) = &effects.refusal {
        answer = Err(refusal.clone());
    }
    spoil(respond(answer), effects).await
}

/// The host that a request is for. HTTP/2 has no `Host`, and names it in the address.
fn host(head: &Parts) -> &str {
    let named = head.headers.get(HOST).and_then(|value| value.to_str().ok());
    named.or_else(|| head.uri.authority().map(Authority::as_str)).unwrap_or_default()
}

/// Refuses a host that is not the sandbox's: a page in a browser that has its own name resolve to
/// this machine would otherwise be let in.
fn check_host(head: &Parts) -> Result<(), ApiError> {
    let host = host(head);
    let name = host.parse::<Authority>().map(|authority| authority.host().to_lowercase());
    let name = name.unwrap_or_default();
    let ends = [".localhost", ".run.app", ".googleapis.com", "-127.0.0.1", "-localhost"];
    let known = matches!(name.as_str(), "localhost" | "127.0.0.1" | "[::1]");
    if known || host.is_empty() || ends.iter().any(|end| name.ends_with(end)) {
        return Ok(());
    }
    Err(ApiError::permission_denied(format!("The sandbox does not answer for the host {host}.")))
}

/// Answers a request by the sandbox's world. A `wait` for an operation is held back until that is
/// done, or its time is up.
async fn carry_out(
    server: &Server,
    head: &Parts,
    body: Vec<u8>,
    effects: &Effects,
) -> Result<Value, ApiError> {
    let header = |name| head.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let host = host(head);
    let waits = head.uri.path().ends_with(":wait");
    let until = Instant::now() + if waits { patience(&body) } else { Duration::ZERO };
    loop {
        let request = ApiRequest {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: Query::parse(head.uri.query().unwrap_or_default()),
            authorization: header(AUTHORIZATION).map(str::to_owned),
            body: body.clone(),
            now: (server.clock)(),
            host_region: region_of_host(host),
            effects: effects.clone(),
        };
        let answer = if request.is_quick() {
            router::answer(&server.sandbox, &request)
        } else {
            // SQLite waits for other processes where it must; nobody else has to wait with it.
            let sandbox = Arc::clone(&server.sandbox);
            let work = tokio::task::spawn_blocking(move || router::answer(&sandbox, &request));
            work.await.unwrap_or_else(|_| Err(ApiError::internal("The sandbox failed.")))
        };
        let pending = answer.as_ref().is_ok_and(|operation| operation["done"] != true);
        if !(waits && pending) || Instant::now() >= until {
            return answer;
        }
        sleep(LOOK).await;
    }
}

/// How long a `wait` is to last, by its body's `timeout`.
fn patience(body: &[u8]) -> Duration {
    let asked = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let seconds = asked["timeout"].as_str().and_then(|text| text.strip_suffix('s')?.parse().ok());
    let asked = seconds.and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok());
    asked.map_or(LONGEST_WAIT, |asked| asked.min(LONGEST_WAIT))
}

fn respond(answer: Result<Value, ApiError>) -> Response {
    let (code, value) = match answer {
        Ok(value) => (200, value),
        Err(error) => (error.code, error.envelope()),
    };
    let mut body = serde_json::to_vec(&value).unwrap_or_default();
    body.push(b'\n');
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or_default();
    let json = HeaderValue::from_static("application/json; charset=UTF-8");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// Does to an answer what was asked for: another content type, half a body, one that trickles.
async fn spoil(mut response: Response, effects: Effects) -> Response {
    if let Some(seconds) = effects.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(kind) = effects.content_type.and_then(|kind| HeaderValue::from_str(&kind).ok()) {
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    if !effects.truncate && effects.trickle.is_none() {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let Ok(whole) = to_bytes(body, usize::MAX).await else {
        return Response::from_parts(head, Body::empty());
    };
    // The length that the whole would have had: a client can tell that there is less.
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let sent = if effects.truncate { whole.slice(..whole.len() / 2) } else { whole };
    let (size, pause) = match effects.trickle {
        Some(pause) => (TRICKLE, pause),
        None => (sent.len().max(1), Duration::ZERO),
    };
    let mut pieces: Vec<Result<_, std::io::Error>> = Vec::new();
    let mut rest = sent;
    while !rest.is_empty() {
        pieces.push(Ok(rest.split_to(size.min(rest.len()))));
    }
    if effects.truncate {
        pieces.push(Err(std::io::ErrorKind::ConnectionAborted.into()));
    }
    let stream = stream::unfold(pieces.into_iter(), move |mut pieces| async move {
        let piece = pieces.next()?;
        sleep(pause).await;
        Some((piece, pieces))
    });
    Response::from_parts(head, Body::from_stream(stream))
}

/// The route that turns faults on and off while the sandbox serves: GET lists them, POST adds
/// `{"faults": [SPEC…]}`, PUT puts those in place of all, DELETE turns all off.
async fn admin(State(server): State<Server>, request: Request) -> Result<Response, Infallible> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, LARGEST_BODY).await.unwrap_or_default();
    Ok(respond(check_host(&head).and_then(|()| administer(&server.faults, &head, &body))))
}

fn administer(faults: &Faults, head: &Parts, body: &[u8]) -> Result<Value, ApiError> {
    match head.method.as_str() {
        "GET" => {}
        "DELETE" => faults.clear(),
        method @ ("POST" | "PUT") => {
            // A page in a browser cannot send this type to another origin unasked.
            let kind = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            if !kind.is_some_and(|kind| kind.starts_with("application/json")) {
                return Err(ApiError::invalid("The content type must be application/json."));
            }
            let specs = specs(body).map_err(ApiError::invalid)?;
            if method == "PUT" {
                faults.clear();
            }
            faults.add(specs);
        }
        method => return Err(ApiError::unimplemented(method, head.uri.path())),
    }
    Ok(json!({"faults": faults.rows()}))
}

fn specs(body: &[u8]) -> Result<Vec<FaultSpec>, String> {
    let wanted = "The body must be {\"faults\": [\"SPEC\"]}.";
    let body: Value = serde_json::from_slice(body).map_err(|_| wanted.to_owned())?;
    let texts = body["faults"].as_array().ok_or(wanted)?;
    let parse = |text: &Value| {
        let text = text.as_str().ok_or(wanted)?;
        FaultSpec::parse(text).map_err(|error| format!("{text}: {error}."))
    };
    texts.iter().map(parse).collect()
}

//! The sandbox on a port: HTTP/1.1 and HTTP/2, for this process or for any client.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use futures::stream;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, RETRY_AFTER};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::api::dns;
use crate::api::router::{self, Route};
use crate::connection::{Door, Line};
use crate::dialect::api_error::ApiError;
use crate::dialect::query::Query;
use crate::faults::{Effects, FaultSpec, Faults};
use crate::front::{self, Arrival, Forwarder, Front, host};
use crate::options::Options;
use crate::records::store::Sandbox;
use crate::request::{ApiRequest, region_of_host};
use crate::tls;
use crate::tokens;

/// How long requests under way may take once the server is asked to stop.
const GRACE: Duration = Duration::from_secs(2);
/// More than any body of this API may have.
const LARGEST_BODY: usize = 10 * 1024 * 1024;
/// How long a `wait` waits where its body does not say, and at most.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How often a `wait` looks.
const LOOK: Duration = Duration::from_millis(10);
/// The header by which the metadata server and its clients know each other (documented).
const FLAVOR: &str = "metadata-flavor";
const METADATA: &str = "metadata.google.internal";
/// The size of the pieces in which a body trickles.
const TRICKLE: usize = 64;

/// What is served, and how.
#[derive(Clone, Debug)]
pub struct Serving {
    pub sandbox: Arc<Sandbox>,
    pub faults: Arc<Faults>,
    pub options: Arc<Options>,
    pub clock: fn() -> OffsetDateTime,
}

#[derive(Clone, Debug)]
struct Server {
    serving: Serving,
    front: Arc<Front>,
}

/// Serves the sandbox until `stop` is done; requests under way are answered first.
pub async fn serve(
    serving: Serving,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let tls = if serving.options.tls {
        Some(tls::acceptor(serving.sandbox.directory(), serving.clock)?)
    } else {
        None
    };
    let front = Front {
        sandbox: Arc::clone(&serving.sandbox),
        options: Arc::clone(&serving.options),
        forwarder: Forwarder::new(serving.options.backends.clone()),
        memory: front::FrontMemory::default(),
    };
    let app = Router::new().fallback(handle).with_state(Server { serving, front: Arc::new(front) });
    let (asked, mut told) = tokio::sync::watch::channel(false);
    let stop = async move {
        stop.await;
        // Nobody listens any more where the server has ended by itself.
        let _ = asked.send(true);
    };
    let app = app.into_make_service_with_connect_info::<Line>();
    let serving = axum::serve(Door::new(listener, tls)?, app).with_graceful_shutdown(stop);
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

/// Answers a request at a service's URL, or one to the APIs.
async fn handle(
    State(server): State<Server>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Response {
    let Some(host) = bare_host(&request) else {
        return respond(Err(ApiError::invalid("The request does not name one host.")));
    };
    let arrival =
        Arrival { peer: line.peer, is_secure: line.is_secure, now: (server.serving.clock)() };
    match is_front(&server.serving.sandbox, &host) {
        Ok(true) => server.front.answer(request, &host, arrival).await,
        Ok(false) => handle_api(server.serving, line, request).await,
        Err(error) => respond(Err(error)),
    }
}

/// The host of a request in small letters, without its port and the dot that may end a name; empty
/// if none is named, `None` if there are several or one that cannot be.
fn bare_host(request: &Request) -> Option<String> {
    let named = request.headers().get_all(HOST);
    if named.iter().count() > 1 || named.iter().any(|value| value.to_str().is_err()) {
        return None;
    }
    let host = host(request.uri(), request.headers());
    if host.is_empty() {
        return Some(String::new());
    }
    let authority: Authority = host.parse().ok().filter(|_| !host.contains('@'))?;
    let name = authority.host().to_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name);
    (!name.ends_with('.')).then(|| name.to_owned())
}

fn is_front(sandbox: &Sandbox, host: &str) -> Result<bool, ApiError> {
    front::is_front(host, |host| {
        sandbox.read(|world| {
            let is_mapped = world.domain_mapping(host)?.is_some();
            Ok(is_mapped || front::by_audience(world, host)?.is_some())
        })
    })
}

async fn handle_api(server: Serving, line: Line, request: Request) -> Response {
    let (head, body) = request.into_parts();
    if let Err(error) = check_host(&head) {
        return respond(Err(error));
    }
    if is_grpc(&head) {
        return no_grpc();
    }
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return respond(Err(ApiError::invalid("The request's body could not be read.")));
    };
    if head.uri.path() == "/sandbox/faults" {
        return respond(administer(&server.faults, &head, &body));
    }
    let query = head.uri.query().unwrap_or_default();
    let effects = server.faults.strike(head.method.as_str(), head.uri.path(), query);
    if !effects.latency.is_zero() {
        sleep(effects.latency).await;
    }
    let carried_out =
        !matches!(effects.reset, Some(false)) && !matches!(effects.refusal, Some((_, false)));
    let mut answer = respond(Err(ApiError::internal("The request was not carried out.")));
    if carried_out {
        let request = api_request(&server, &line, &head, body.to_vec(), &effects);
        answer = if dns::is_for_resolver(&request.method, &request.path) {
            let read =
                |world: &crate::records::world::World<'_>| dns::resolve(world, &request.query);
            match server.sandbox.read(read) {
                Ok(value) => json_response(200, &value),
                Err(error) => respond(Err(error)),
            }
        } else {
            match identity(&server, &head, &request).await {
                Some(response) => response,
                None => respond(carry_out(&server, request).await),
            }
        };
    }
    if effects.reset.is_some() {
        line.reset();
    }
    if let Some((refusal, _)) = &effects.refusal {
        answer = respond(Err(refusal.clone()));
    }
    spoil(answer, effects).await
}

fn api_request(
    server: &Serving,
    line: &Line,
    head: &Parts,
    body: Vec<u8>,
    effects: &Effects,
) -> ApiRequest {
    let header = |name| head.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let host = host(&head.uri, &head.headers);
    let scheme = if line.is_secure { "https" } else { "http" };
    ApiRequest {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: Query::parse(head.uri.query().unwrap_or_default()),
        authorization: header(AUTHORIZATION).map(str::to_owned),
        body,
        now: (server.clock)(),
        host_region: region_of_host(host),
        base: format!("{scheme}://{host}"),
        effects: effects.clone(),
    }
}

/// Answers for the metadata server and for OAuth; `None` if a request is for neither. Both sign,
/// and the first time a key is made, which takes its time.
async fn identity(server: &Serving, head: &Parts, request: &ApiRequest) -> Option<Response> {
    let flavor = head.headers.get(FLAVOR).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let for_metadata = tokens::is_for_metadata(&request.path, flavor.is_some());
    if !for_metadata && !tokens::is_for_issuer(&request.method, &request.path) {
        return None;
    }
    let (server, request) = (server.clone(), request.clone());
    let work = tokio::task::spawn_blocking(move || {
        let (sandbox, settings) = (&server.sandbox, &server.options.settings);
        if for_metadata {
            let (status, text) = tokens::metadata(sandbox, settings, &request, flavor.as_deref());
            return Some(metadata_response(status, text));
        }
        Some(match tokens::answer(sandbox, settings, &request)? {
            Ok(value) => json_response(200, &value),
            Err(error) => json_response(error.code, &error.envelope()),
        })
    });
    work.await.unwrap_or_else(|_| Some(respond(Err(ApiError::internal("The sandbox failed.")))))
}

fn metadata_response(status: u16, text: String) -> Response {
    let kind = if text.starts_with('{') { "application/json" } else { "application/text" };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(FLAVOR, HeaderValue::from_static("Google"));
    response
}

/// Refuses a host that is not the sandbox's: a page in a browser that has its own name resolve to
/// this machine would otherwise be let in.
fn check_host(head: &Parts) -> Result<(), ApiError> {
    let host = host(&head.uri, &head.headers);
    let name = host.parse::<Authority>().map(|authority| authority.host().to_lowercase());
    let name = name.unwrap_or_default();
    let ends = [".googleapis.com", "-127.0.0.1", "-localhost"];
    let known = matches!(name.as_str(), "localhost" | "127.0.0.1" | "[::1]" | METADATA);
    if known || host.is_empty() || ends.iter().any(|end| name.ends_with(end)) {
        return Ok(());
    }
    Err(ApiError::permission_denied(format!("The sandbox does not answer for the host {host}.")))
}

/// Answers a request by the sandbox's world. A `wait` for an operation is held back until that is
/// done, or its time is up.
async fn carry_out(server: &Serving, mut request: ApiRequest) -> Result<Value, ApiError> {
    let route = Arc::new(Route::of(&request.method, &request.path)?);
    let waits = route.waits();
    let until = Instant::now() + if waits { patience(&request.body) } else { Duration::ZERO };
    loop {
        request.now = (server.clock)();
        let asked = request.clone();
        let answer = if route.is_quick() {
            router::answer(&server.sandbox, &server.options, &route, &asked)
        } else {
            // SQLite waits for other processes where it must; nobody else has to wait with it.
            let (sandbox, options) = (Arc::clone(&server.sandbox), Arc::clone(&server.options));
            let route = Arc::clone(&route);
            let work = tokio::task::spawn_blocking(move || {
                router::answer(&sandbox, &options, &route, &asked)
            });
            work.await.unwrap_or_else(|_| Err(ApiError::internal("The sandbox failed.")))
        };
        let pending = answer.as_ref().is_ok_and(|operation| operation["done"] != true);
        if !(waits && pending) || Instant::now() >= until {
            return answer;
        }
        sleep(LOOK).await;
    }
}

/// Whether a client speaks gRPC.
fn is_grpc(head: &Parts) -> bool {
    let kind = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/grpc"))
}

/// Tells a client that speaks gRPC, in its own form, that only REST is here: a response of headers
/// alone, with the status among them.
fn no_grpc() -> Response {
    let mut response = Response::new(Body::empty());
    for (name, value) in [
        ("content-type", "application/grpc"),
        // UNIMPLEMENTED.
        ("grpc-status", "12"),
        (
            "grpc-message",
            "The sandbox speaks REST and not gRPC: make the client with its REST transport (such as \
             transport=\"rest\" or fallback: true).",
        ),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// How long a `wait` is to last, by its body's `timeout`.
fn patience(body: &[u8]) -> Duration {
    let asked = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let seconds = asked["timeout"].as_str().and_then(|text| text.strip_suffix('s')?.parse().ok());
    let asked = seconds.and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok());
    asked.map_or(LONGEST_WAIT, |asked| asked.min(LONGEST_WAIT))
}

fn respond(answer: Result<Value, ApiError>) -> Response {
    match answer {
        Ok(value) => json_response(200, &value),
        Err(error) => json_response(error.code, &error.envelope()),
    }
}

fn json_response(code: u16, value: &Value) -> Response {
    let mut body = serde_json::to_vec(value).unwrap_or_default();
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

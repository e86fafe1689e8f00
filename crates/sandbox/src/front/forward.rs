//! From the front end to the application: headers as Cloud Run adds them, the protocol that the
//! service speaks, and no more than fits.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body_util::Limited;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower_service::Service;

use super::audience::is_client;
use super::html::Page;
use super::judge::{Entered, SERVERLESS};
use super::{Arrival, echo, host, page, too_large};
use crate::options::Backends;
use crate::settings::{Settings, Strip};
use runaccess_ground::hop_by_hop;
use runaccess_ground::tunnel;

/// What stands in a token in place of its signature (documented).
const NO_SIGNATURE: &str = "SIGNATURE_REMOVED_BY_GOOGLE";

/// How much is read of a request that is refused for its size.
const READ_OF_REFUSED: usize = 256 * 1024;
const PATIENCE_WITH_REFUSED: Duration = Duration::from_secs(1);

/// The way to the applications.
#[derive(Debug, Default)]
pub(crate) struct Forwarder(BTreeMap<String, Application>);

/// The way to one application: whatever host a request is for, its connections lead there.
#[derive(Debug)]
struct Application {
    address: Uri,
    http1: Client<Fixed, Body>,
    http2: Client<Fixed, Body>,
}

/// Connects to one address, whatever is asked for.
#[derive(Clone, Debug)]
struct Fixed {
    connector: HttpConnector,
    address: Uri,
}

impl Service<Uri> for Fixed {
    type Response = <HttpConnector as Service<Uri>>::Response;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = <HttpConnector as Service<Uri>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Uri>::poll_ready(&mut self.connector, cx)
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        self.connector.call(self.address.clone())
    }
}

impl Forwarder {
    pub(crate) fn new(backends: Backends) -> Self {
        let application = |address: Uri| {
            let mut connector = HttpConnector::new();
            connector.set_nodelay(true);
            let fixed = Fixed { connector, address: address.clone() };
            let mut builder = Client::builder(TokioExecutor::new());
            let http1 = builder.build(fixed.clone());
            Application { address, http1, http2: builder.http2_only(true).build(fixed) }
        };
        Self(backends.into_iter().map(|(name, address)| (name, application(address))).collect())
    }

    /// Passes a request on to the application of its service, and the answer back.
    pub(crate) async fn pass(
        &self,
        mut request: Request<Body>,
        entry: Entered,
        path: &str,
        arrival: Arrival,
        settings: &Settings,
    ) -> Response<Body> {
        let old = request.version() < Version::HTTP_2;
        let said = request
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        if old && said.is_some_and(|length: u64| length > settings.request_limit) {
            return too_large_by_its_word(request.into_body()).await;
        }
        let upgrade = Upgrade::asked(&mut request);
        let speaks_http2 = upgrade.is_none() && (entry.service.http2 || is_grpc(request.headers()));
        prepare(&mut request, &entry, arrival, settings);
        if let Some(upgrade) = &upgrade {
            hop_by_hop::say_protocol(request.headers_mut(), upgrade.protocol.clone());
        }
        if let Some(target) = with_path(request.uri(), path) {
            *request.uri_mut() = target;
        }
        let name = &entry.service.name;
        let application = self.0.get(&name.short()).or_else(|| self.0.get(name.service()));
        let Some(application) = application else {
            if let Some(upgrade) = upgrade {
                request.extensions_mut().insert(upgrade.client);
            }
            let limit = if old { settings.request_limit } else { u64::MAX };
            return echo::answer(request, &entry, speaks_http2, limit).await;
        };
        if old && said.is_none() {
            let limit = usize::try_from(settings.request_limit).unwrap_or(usize::MAX);
            request = request.map(|body| Body::new(Limited::new(body, limit)));
        }
        // HTTP/2 names the host in the address, and HTTP/1 in the header.
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()?.parse().ok());
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = host.or_else(|| application.address.authority().cloned());
        let Ok(target) = Uri::from_parts(parts) else {
            return page(400, Page::Plain, "The request's address cannot be passed on.");
        };
        *request.uri_mut() = target;
        let client = if speaks_http2 {
            request.headers_mut().remove(HOST);
            *request.version_mut() = Version::HTTP_2;
            &application.http2
        } else {
            *request.version_mut() = Version::HTTP_11;
            &application.http1
        };
        let backend = &application.address;
        match client.request(request).await {
            Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => match upgrade {
                Some(upgrade) => upgrade.carry_out(response),
                None => page(502, Page::Plain, "The application changed the protocol unasked."),
            },
            Ok(response) => returned(response.map(Body::new), old, settings),
            Err(error) if is_too_large(&error) => too_large(),
            Err(error) => {
                let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
                page(
                    503,
                    Page::Plain,
                    &format!("The application at {backend} does not answer: {why}."),
                )
            }
        }
    }
}

/// A request for another protocol on its connection, of HTTP/1.1.
struct Upgrade {
    protocol: HeaderValue,
    client: OnUpgrade,
}

impl Upgrade {
    fn asked(request: &mut Request<Body>) -> Option<Self> {
        let protocol = hop_by_hop::protocol(request.headers())?;
        if request.version() != Version::HTTP_11 {
            return None;
        }
        Some(Self { protocol, client: hyper::upgrade::on(request) })
    }

    /// Passes on what comes after an answer that agrees.
    fn carry_out(self, mut response: Response<Incoming>) -> Response<Body> {
        let server = hyper::upgrade::on(&mut response);
        tokio::spawn(async move {
            tunnel::join(self.client, server).await;
        });
        response.map(|_| Body::empty())
    }
}

/// Refuses a request, once some of what it brings has been read: a connection that is closed before
/// may be reset, and the answer lost.
async fn too_large_by_its_word(body: Body) -> Response<Body> {
    // What is larger has not been sent yet: clients wait for a word before they do.
    let read = axum::body::to_bytes(body, READ_OF_REFUSED);
    drop(tokio::time::timeout(PATIENCE_WITH_REFUSED, read).await);
    too_large()
}

/// The application's answer as it goes back to the client.
fn returned(mut response: Response<Body>, old: bool, settings: &Settings) -> Response<Body> {
    let length = response.body().size_hint().exact();
    if old && length.is_some_and(|length| length > settings.response_limit) {
        return page(500, Page::Plain, "The response is too large.");
    }
    hop_by_hop::remove(response.headers_mut());
    *response.version_mut() = Version::HTTP_11;
    response
}

fn is_too_large(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        next = error.source();
    }
    false
}

/// Native gRPC goes through over HTTP/2, whatever the service's port says (documented).
fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/grpc"))
}

/// By which Identity-Aware Proxy tells the application who asks (documented).
const IAP_USER: &str = "x-goog-authenticated-user-email";

fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let target: PathAndQuery = format!("{path}{query}").parse().ok()?;
    Some(Uri::from(target))
}

/// Makes of a client's request the application's: hop-by-hop headers off, the signature removed,
/// forwarded headers added (their names are observed; their form is that of another emulator).
fn prepare(request: &mut Request<Body>, entry: &Entered, arrival: Arrival, settings: &Settings) {
    let host = host(request.uri(), request.headers()).to_owned();
    let headers = request.headers_mut();
    // `te: trailers` is what gRPC asks for, and goes on.
    hop_by_hop::remove(headers);
    strip(headers, entry, settings);
    // Nobody but Identity-Aware Proxy says whom it let by (documented).
    headers.remove(IAP_USER);
    if let Some(user) = &entry.iap_user {
        set(headers, IAP_USER, &format!("accounts.google.com:{user}"));
    }
    let peer = arrival.peer.ip();
    let is_local = host.contains(".localhost");
    // Cloud Run speaks https to the world; at a `localhost` name it is as it is.
    let scheme = if is_local && !arrival.is_secure { "http" } else { "https" };
    set(headers, HOST.as_str(), &host);
    let before = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let forwarded_for =
        before.map(str::to_owned).chain([peer.to_string()]).collect::<Vec<_>>().join(",");
    let trace = format!("{:032x}", fastrand::u128(1..));
    let span = fastrand::u64(1..);
    set(headers, "x-forwarded-for", &forwarded_for);
    set(headers, "x-forwarded-proto", scheme);
    set(headers, "forwarded", &format!("for=\"{peer}\";proto={scheme}"));
    if !headers.contains_key("traceparent") {
        set(headers, "traceparent", &format!("00-{trace}-{span:016x}-01"));
    }
    if !headers.contains_key("x-cloud-trace-context") {
        set(headers, "x-cloud-trace-context", &format!("{trace}/{span};o=1"));
    }
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// Takes the signature off a token: in `X-Serverless-Authorization` always (documented), in
/// `Authorization` as the setting says, and only if Cloud Run has checked it.
fn strip(headers: &mut HeaderMap, entry: &Entered, settings: &Settings) {
    remove_signature(headers, SERVERLESS);
    let Some(audience) = &entry.audience else { return };
    let strips = match settings.strip {
        Strip::Always => true,
        Strip::Clients => is_client(audience),
        Strip::Never => false,
    };
    if strips && !headers.contains_key(SERVERLESS) {
        remove_signature(headers, AUTHORIZATION.as_str());
    }
}

fn remove_signature(headers: &mut HeaderMap, name: &str) {
    let Ok(name) = HeaderName::try_from(name) else { return };
    if let http::header::Entry::Occupied(mut entry) = headers.entry(name) {
        for value in entry.iter_mut() {
            let text = value.to_str().unwrap_or_default();
            let head =
                text.rsplit_once('.').map(|(head, _)| head).filter(|head| head.contains('.'));
            let bare =
                head.and_then(|head| HeaderValue::from_str(&format!("{head}.{NO_SIGNATURE}")).ok());
            if let Some(mut bare) = bare {
                bare.set_sensitive(true);
                *value = bare;
            }
        }
    }
}

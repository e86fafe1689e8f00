//! Reads over HTTP, with nothing between them and the wire: certificates are loaded only where
//! TLS is spoken, one connection carries all requests where the server speaks HTTP/2, and no
//! redirect is followed.

use std::error::Error as StdError;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::{Builder, Client, Error};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::endpoint::Endpoint;
use super::failure::{Failure, FailureKind};

/// No answer of these APIs is larger; one that is comes from something else.
const LARGEST_ANSWER: usize = 256 * 1024 * 1024;

type Body = Empty<Bytes>;

/// A way to one server.
#[derive(Clone, Debug)]
pub(super) enum Transport {
    /// Plain HTTP, to this machine only.
    Plain(Client<HttpConnector, Body>),
    Tls(Client<HttpsConnector<HttpConnector>, Body>),
    /// TLS through a proxy that the environment names.
    Proxied(Client<HttpsConnector<Tunnel<HttpConnector>>, Body>),
}

/// What a server said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Transport {
    /// A way to an endpoint. Opens no connection; reads root certificates where it will need them.
    pub(super) fn to(endpoint: &Endpoint, call: &str) -> Result<Self, Failure> {
        if endpoint.is_plain() {
            return Ok(Self::plain());
        }
        let (builder, mut connector) = (builder(), connector());
        connector.enforce_http(false);
        let failed = |why: String| Failure::new(FailureKind::Other, call, why);
        let tls = || {
            let provider = rustls::crypto::aws_lc_rs::default_provider();
            HttpsConnectorBuilder::new()
                .with_provider_and_platform_verifier(Arc::new(provider))
                .map(|tls| tls.https_only().enable_all_versions())
                .map_err(|error| failed(format!("cannot read root certificates: {error}")))
        };
        let address: Uri =
            endpoint.as_str().parse().map_err(|_| failed("no address".to_owned()))?;
        match Matcher::from_env().intercept(&address) {
            None => Ok(Self::Tls(builder.build(tls()?.wrap_connector(connector)))),
            Some(proxy) => {
                let tunnel = tunnel(&proxy, connector).map_err(failed)?;
                Ok(Self::Proxied(builder.build(tls()?.wrap_connector(tunnel))))
            }
        }
    }

    /// Plain HTTP, to whom the caller knows to be near: never with a token beyond this machine.
    pub(super) fn plain() -> Self {
        Self::Plain(builder().build(connector()))
    }

    /// Sends a GET and reads the whole answer.
    pub(super) async fn get(
        &self,
        call: &str,
        uri: Uri,
        headers: HeaderMap,
    ) -> Result<Answer, Failure> {
        let mut request = Request::new(Body::new());
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let agent = concat!("runaccess/", env!("CARGO_PKG_VERSION"));
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(agent));
        request.headers_mut().remove(HOST);
        let sent = match self {
            Self::Plain(client) => client.request(request).await,
            Self::Tls(client) => client.request(request).await,
            Self::Proxied(client) => client.request(request).await,
        };
        let (head, body) = sent.map_err(|error| refused(call, &error))?.into_parts();
        let body = Limited::new(body, LARGEST_ANSWER).collect().await;
        let body = body.map_err(|error| broken(call, error.as_ref()))?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

fn builder() -> Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new());
    builder
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector
}

fn tunnel(proxy: &Intercept, connector: HttpConnector) -> Result<Tunnel<HttpConnector>, String> {
    if proxy.uri().scheme_str() != Some("http") {
        return Err(format!("the proxy {} is not one of plain HTTP", proxy.uri()));
    }
    let tunnel = Tunnel::new(proxy.uri().clone(), connector);
    Ok(match proxy.basic_auth() {
        Some(auth) => tunnel.with_auth(auth.clone()),
        None => tunnel,
    })
}

fn refused(call: &str, error: &Error) -> Failure {
    let kind = if error.is_connect() { FailureKind::Connect } else { FailureKind::Network };
    let source = error.source().map_or_else(|| error.to_string(), super::failure::chain);
    Failure::new(kind, call, source)
}

fn broken(call: &str, error: &(dyn StdError + Send + Sync + 'static)) -> Failure {
    if error.is::<LengthLimitError>() {
        return Failure::malformed(call);
    }
    Failure::new(FailureKind::Network, call, super::failure::chain(error))
}

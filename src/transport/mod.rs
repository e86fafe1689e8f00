//! HTTP requests. Certificates are loaded only for TLS, one connection carries all requests if the
//! server speaks HTTP/2, and no redirect is followed.

mod connector;
mod endpoint;
mod network;
mod stream;

use std::error::Error as StdError;
use std::time::Duration;

use bytes::Bytes;
use http::header::{DATE, HOST, USER_AGENT};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Builder, Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use thiserror::Error as ThisError;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

pub use self::connector::{Connector, Destination};
pub use self::endpoint::{Endpoint, EndpointError, names_loopback, on_this_machine};
pub use self::network::{Network, Proxy};
use crate::domain::error::{CommandError, ErrorKind};

/// No response of these APIs is larger; a larger one has another source.
const LARGEST_ANSWER: usize = 256 * 1024 * 1024;

/// Time limit for the rest of a response, if only its start is needed.
const PEEK: Duration = Duration::from_secs(2);

type Body = Full<Bytes>;

/// A client for one server.
#[derive(Clone, Debug)]
pub struct Transport(Client<Connector, Body>);

/// A server's response.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The time of the response, by the server's clock.
    pub fn date(&self) -> Option<OffsetDateTime> {
        let format = format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second]"
        );
        let date = self.headers.get(DATE)?.to_str().ok()?.strip_suffix(" GMT")?;
        PrimitiveDateTime::parse(date, &format).ok().map(PrimitiveDateTime::assume_utc)
    }
}

/// Why a request has no response.
#[derive(Clone, Debug, ThisError)]
pub enum TransportError {
    /// The server could not be reached.
    #[error("{0}")]
    Connect(String),
    /// The connection broke.
    #[error("{0}")]
    Network(String),
    #[error("the answer is larger than any of these servers sends")]
    TooLarge,
    /// The configuration of this machine does not allow the request.
    #[error("{0}")]
    Unusable(String),
}

impl Transport {
    /// A client for an endpoint. Opens no connection; reads root certificates only for TLS.
    pub fn to(endpoint: &Endpoint, network: &Network) -> Result<Self, TransportError> {
        let failed = TransportError::Unusable;
        let address = endpoint.as_str().parse().map_err(|_| failed("no address".to_owned()))?;
        Self::along(&Destination { address, network: network.clone(), ..Destination::default() })
    }

    /// A client for a resolved destination. Opens no connection.
    pub fn along(to: &Destination) -> Result<Self, TransportError> {
        Ok(Self(builder().build(Connector::along(to)?)))
    }

    /// A client for plain HTTP to a server that the caller knows to be near. Must not send a token
    /// beyond this machine.
    pub fn plain() -> Self {
        Self(builder().build(Connector::plain(None)))
    }

    /// Sends a GET request and reads the whole response.
    pub async fn get(&self, uri: Uri, headers: HeaderMap) -> Result<Answer, TransportError> {
        self.send(Method::GET, uri, headers, Bytes::new()).await
    }

    /// Sends a request without a body. Reads the response's head, and as much of its body as is
    /// requested and arrives soon.
    pub async fn peek(
        &self,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        most: usize,
    ) -> Result<Answer, TransportError> {
        let (head, mut body) = self.sent(method, uri, headers, Bytes::new()).await?;
        let mut start = Vec::new();
        let reading = async {
            while start.len() < most
                && let Some(Ok(frame)) = body.frame().await
            {
                start.extend_from_slice(frame.data_ref().map_or(&[], |data| data.as_ref()));
            }
        };
        // A stream that pauses has sent enough.
        drop(tokio::time::timeout(PEEK, reading).await);
        Ok(Answer { status: head.status, headers: head.headers, body: start.into() })
    }

    /// Sends a request and reads the whole response.
    pub async fn send(
        &self,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, TransportError> {
        let (head, body) = self.sent(method, uri, headers, body).await?;
        let body = Limited::new(body, LARGEST_ANSWER).collect().await;
        let body = body.map_err(|error| broken(error.as_ref()))?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    async fn sent(
        &self,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<(Parts, Incoming), TransportError> {
        let mut request = Request::new(Body::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let agent = concat!("runaccess/", env!("CARGO_PKG_VERSION"));
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(agent));
        request.headers_mut().remove(HOST);
        let sent = self.0.request(request).await;
        Ok(sent.map_err(|error| refused(&error))?.into_parts())
    }
}

fn builder() -> Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new());
    builder
}

/// Why a request had no response, in one line.
pub fn reason(error: &Error) -> String {
    error.source().map_or_else(|| error.to_string(), chain)
}

fn refused(error: &Error) -> TransportError {
    let why = reason(error);
    if error.is_connect() { TransportError::Connect(why) } else { TransportError::Network(why) }
}

fn broken(error: &(dyn StdError + Send + Sync + 'static)) -> TransportError {
    if error.is::<LengthLimitError>() {
        return TransportError::TooLarge;
    }
    TransportError::Network(chain(error))
}

/// Encodes pairs as a query or a form.
pub fn encoded(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// An error with its sources, in one line.
pub fn chain(error: &dyn StdError) -> String {
    let mut parts: Vec<String> = vec![error.to_string()];
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = error.source();
    }
    let text = parts.join(": ");
    // Some libraries append links for their users.
    text.split(": https://docs.rs/").next().unwrap_or_default().to_owned()
}

impl From<TransportError> for CommandError {
    fn from(error: TransportError) -> Self {
        Self::new(ErrorKind::Unavailable, error.to_string()).with_source(error)
    }
}

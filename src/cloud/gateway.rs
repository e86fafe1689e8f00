//! Access to the APIs for one command: sends requests, repeats reads, and traces both.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as StdInstant};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use serde_json::Value;
use time::OffsetDateTime;

use super::api::{Api, Endpoints};
use super::cache::ReadCache;
use super::deadline::Deadline;
use super::error_info::{ErrorInfo, Reason};
use super::failure::Failure;
use super::failure_kind::FailureKind;
use super::quota::{self, Quota};
use super::request::Read;
use super::retry::{once, until_answered};
use crate::auth::Tokens;
use crate::transport::{Answer, Transport};

/// Two clocks with a smaller difference count as equal.
const CLOCKS_AGREE: time::Duration = time::Duration::seconds(20);

/// What the program calls itself to Google's APIs, in the form of Google's own clients.
const CLIENT: &str =
    concat!("gl-rust/", env!("CARGO_PKG_RUST_VERSION"), " runaccess/", env!("CARGO_PKG_VERSION"));

/// Receives each request as it ends.
pub type Trace = Arc<dyn Fn(TraceLine<'_>) + Send + Sync>;

/// One request, for `--verbose`. Holds no header, and therefore no secret.
#[derive(Clone, Copy, Debug)]
pub struct TraceLine<'a> {
    pub call: &'a str,
    pub took: Duration,
    /// The kind of failure, if it failed.
    pub failed: Option<FailureKind>,
}

/// The client of Google's APIs for one command.
pub struct Gateway {
    pub(super) endpoints: Endpoints,
    pub(super) tokens: Arc<Tokens>,
    quota: Quota,
    pub(super) deadline: Deadline,
    pub(super) seen: ReadCache,
    trace: Trace,
    /// This machine's clock.
    clock: fn() -> OffsetDateTime,
    /// How far Google's clock is ahead of this machine's clock, if the difference matters.
    ahead: Mutex<Option<time::Duration>>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

impl Gateway {
    /// The time by Google's clock, if a response has shown a difference; else by this machine's
    /// clock.
    pub fn now(&self) -> OffsetDateTime {
        (self.clock)().saturating_add(self.ahead().unwrap_or_default())
    }

    /// How far Google's clock is ahead of this machine's clock, if they differ.
    pub fn ahead(&self) -> Option<time::Duration> {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the server's time from a response. A difference that network delay could explain
    /// counts as none.
    pub(super) fn note_time(&self, answer: &Answer) {
        let Some(theirs) = answer.date() else { return };
        let ahead = theirs - (self.clock)();
        let differs = ahead.abs() > CLOCKS_AGREE;
        let mut known = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        *known = differs.then_some(ahead);
    }

    /// A client with these tokens. Opens no connection and reads no certificate until the first
    /// call.
    pub fn new(
        endpoints: Endpoints,
        (tokens, quota): (Arc<Tokens>, Quota),
        deadline: Deadline,
        trace: Trace,
        clock: fn() -> OffsetDateTime,
    ) -> Self {
        let (seen, ahead) = (ReadCache::default(), Mutex::default());
        Self { endpoints, tokens, quota, deadline, seen, trace, clock, ahead }
    }

    /// Sends a read, repeats it if that may help, and traces it.
    pub(super) async fn read<T, F>(
        &self,
        call: &str,
        mut send: impl FnMut() -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        until_answered(call, &self.deadline, || self.traced(call, send())).await
    }

    pub(super) async fn traced<T>(
        &self,
        call: &str,
        send: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let start = StdInstant::now();
        let answer = send.await;
        let failed = answer.as_ref().err().map(|failure| failure.kind);
        (self.trace)(TraceLine { call, took: start.elapsed(), failed });
        answer
    }

    /// Adds the endpoint to a failure to connect.
    pub(super) fn placed(&self, api: Api, mut failure: Failure) -> Failure {
        if failure.kind == FailureKind::Connect {
            let endpoint = self.endpoints.endpoint(api).as_str();
            failure.message = format!("{endpoint}: {}", failure.message);
        }
        failure
    }
}

impl Gateway {
    /// Reads a path of Cloud Run with an encoded query; repeats the read if that may help.
    pub(super) async fn get(&self, call: &str, path: &str, query: &str) -> Result<Bytes, Failure> {
        self.ask(Read::of(Api::Run, call, path).with_query(query)).await
    }

    /// Reads a path of an API; repeats the read if that may help.
    pub(super) async fn ask(&self, read: Read<'_>) -> Result<Bytes, Failure> {
        let call = read.call;
        let failed = |error| Failure::of_transport(call, &error);
        let regional = read.region.and_then(|region| self.endpoints.regional(read.api, region));
        let own;
        let (transport, base) = match &regional {
            Some(endpoint) => {
                own = self.endpoints.transport_to(endpoint).map_err(failed)?;
                (&own, endpoint.as_str())
            }
            None => (
                self.endpoints.transport(read.api).map_err(failed)?,
                self.endpoints.endpoint(read.api).as_str(),
            ),
        };
        let mark = if read.query.is_empty() { "" } else { "?" };
        let uri = Uri::try_from(format!("{base}{}{mark}{}", read.path, read.query));
        let uri = uri.map_err(|_| {
            Failure::new(FailureKind::Other, call, "the endpoint makes no good address")
        })?;
        self.read(call, || async {
            let answer = self.asked(&read, transport, &uri).await?;
            // A cached token may have been revoked; a new one may be accepted.
            let again = answer.status == StatusCode::UNAUTHORIZED && self.tokens.forget_access();
            let answer = if again { self.asked(&read, transport, &uri).await? } else { answer };
            self.taken(call, answer)
        })
        .await
    }

    /// Sends a write once and traces it. If it fails, the caller decides whether to plan again.
    pub(super) async fn write(
        &self,
        api: Api,
        call: &str,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Bytes, Failure> {
        let failed = |error| self.placed(api, Failure::of_transport(call, &error));
        let transport = self.endpoints.transport(api).map_err(failed)?;
        let uri = Uri::try_from(format!("{}{path}", self.endpoints.endpoint(api).as_str()));
        let uri = uri.map_err(|_| Failure::malformed(call))?;
        let body = body.map(Bytes::from);
        let sent = async {
            let to = (api, call, transport, &uri);
            let answer = self.sent(to, &method, body.clone()).await?;
            // A request that was refused for its token was not carried out; a new token may be
            // accepted.
            let again = answer.status == StatusCode::UNAUTHORIZED && self.tokens.forget_access();
            let answer = if again { self.sent(to, &method, body.clone()).await? } else { answer };
            self.taken(call, answer)
        };
        self.traced(call, once(call, &self.deadline, sent)).await
    }

    /// The time by Cloud Run's own clock, which every response holds, whatever its status.
    pub async fn server_time(&self) -> Result<OffsetDateTime, Failure> {
        let call = "ask for the time";
        let transport = self.endpoints.transport(Api::Run);
        let transport = transport.map_err(|error| Failure::of_transport(call, &error))?;
        let uri = Uri::try_from(format!("{}/", self.endpoints.endpoint(Api::Run).as_str()));
        let uri = uri.map_err(|_| Failure::malformed(call))?;
        let answer = self.read(call, || async {
            let sent = transport.get(uri.clone(), HeaderMap::new()).await;
            sent.map_err(|error| self.placed(Api::Run, Failure::of_transport(call, &error)))
        });
        let answer = answer.await?;
        self.note_time(&answer);
        answer.date().ok_or_else(|| Failure::malformed(call))
    }

    async fn asked(
        &self,
        read: &Read<'_>,
        transport: &Transport,
        uri: &Uri,
    ) -> Result<Answer, Failure> {
        let method = if read.body.is_none() { Method::GET } else { Method::POST };
        let body = read.body.map(|body| Bytes::copy_from_slice(body.as_bytes()));
        self.sent((read.api, read.call, transport, uri), &method, body).await
    }

    /// Sends a request with the token of the active account.
    async fn sent(
        &self,
        (api, call, transport, uri): (Api, &str, &Transport, &Uri),
        method: &Method,
        body: Option<Bytes>,
    ) -> Result<Answer, Failure> {
        let headers = self.tokens.authorization().await;
        let mut headers = headers.map_err(|error| Failure::from_auth(call, error))?;
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        headers.insert("x-goog-api-client", HeaderValue::from_static(CLIENT));
        let body = body.unwrap_or_default();
        let mut project = self.quota.of(api);
        loop {
            let mut headers = headers.clone();
            if let Some(project) = &project {
                headers.insert(quota::HEADER, project.clone());
            }
            let sent = transport.send(method.clone(), uri.clone(), headers, body.clone()).await;
            let answer =
                sent.map_err(|error| self.placed(api, Failure::of_transport(call, &error)))?;
            // A refused quota project means that nothing was done.
            if project.take().is_none() || !is_about_quota(&answer) || !self.quota.give_up() {
                return Ok(answer);
            }
        }
    }

    /// The body of a successful response. Records the time of every response.
    fn taken(&self, call: &str, answer: Answer) -> Result<Bytes, Failure> {
        self.note_time(&answer);
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        let code = answer.status.as_u16();
        let mut failure = Failure::from_answer(call, code, &answer.headers, &answer.body);
        if let Some(info) = &mut failure.info {
            info.about_quota(|| self.quota.told());
        }
        Err(failure)
    }
}

/// Whether a response refuses the quota project, as gcloud recognises it.
fn is_about_quota(answer: &Answer) -> bool {
    if answer.status != StatusCode::FORBIDDEN {
        return false;
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    ErrorInfo::read(&body["error"]).is_some_and(|info| info.reason == Reason::UserProjectDenied)
}

//! One request over HTTP: its address, who asks, again where that may help, and what came back. No
//! redirect is followed, for a read or a write.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, DATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use serde::Deserialize;
use serde_json::error::Category;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use super::api::Api;
use super::failure::{Failure, FailureKind};
use super::gateway::Gateway;
use super::retry::once;
use crate::transport::{Answer, Transport};

/// A request that reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read<'a> {
    pub(super) api: Api,
    /// What is done, completing "could not …".
    pub(super) call: &'a str,
    pub(super) path: &'a str,
    /// Encoded.
    pub(super) query: &'a str,
    /// The body of a request that reads by POST, as some of Google's do; `None` for a GET.
    pub(super) body: Option<&'a str>,
    /// The region at whose own address it is asked, where that is Google's.
    pub(super) region: Option<&'a str>,
}

impl<'a> Read<'a> {
    /// A GET without a query.
    pub(super) fn of(api: Api, call: &'a str, path: &'a str) -> Self {
        Self { api, call, path, query: "", body: None, region: None }
    }

    pub(super) fn with_query(self, query: &'a str) -> Self {
        Self { query, ..self }
    }

    pub(super) fn with_body(self, body: &'a str) -> Self {
        Self { body: Some(body), ..self }
    }

    pub(super) fn in_region(self, region: &'a str) -> Self {
        Self { region: Some(region), ..self }
    }
}

impl Gateway {
    /// Reads what Cloud Run has at a path with an encoded query, again where that may help.
    pub(super) async fn get(&self, call: &str, path: &str, query: &str) -> Result<Bytes, Failure> {
        self.ask(Read::of(Api::Run, call, path).with_query(query)).await
    }

    /// Reads what an API has at a path, again where that may help.
    pub(super) async fn ask(&self, read: Read<'_>) -> Result<Bytes, Failure> {
        let call = read.call;
        let failed = |error| Failure::of_transport(call, &error);
        let regional = read.region.and_then(|region| self.endpoints.regional(read.api, region));
        let own;
        let (transport, base) = match &regional {
            Some(endpoint) => {
                own = Transport::to(endpoint).map_err(failed)?;
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
            // A token that was kept may have been revoked since: a fresh one may do.
            let again = answer.status == StatusCode::UNAUTHORIZED && self.tokens.forget_access();
            let answer = if again { self.asked(&read, transport, &uri).await? } else { answer };
            self.taken(call, answer)
        })
        .await
    }

    /// Sends a request that writes, once: it goes back to the one who planned it where it fails. It
    /// is told of as it ends.
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
            // What was not taken for want of a token was not done: a fresh one may do.
            let again = answer.status == StatusCode::UNAUTHORIZED && self.tokens.forget_access();
            let answer = if again { self.sent(to, &method, body.clone()).await? } else { answer };
            self.taken(call, answer)
        };
        self.traced(call, once(call, &self.deadline, sent)).await
    }

    /// The time by Cloud Run's own clock, which every answer tells, whatever else it says.
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
        self.note_time(&answer.headers);
        date_of(&answer.headers).ok_or_else(|| Failure::malformed(call))
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

    /// Sends a request with the token of whoever acts.
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
        let sent = transport.send(method.clone(), uri.clone(), headers, body.unwrap_or_default());
        sent.await.map_err(|error| self.placed(api, Failure::of_transport(call, &error)))
    }

    /// What a successful answer says. The time that it tells is noted, whatever it is.
    fn taken(&self, call: &str, answer: Answer) -> Result<Bytes, Failure> {
        self.note_time(&answer.headers);
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        let code = answer.status.as_u16();
        Err(Failure::from_answer(call, code, &answer.headers, &answer.body))
    }
}

/// An answer as what it should be.
pub(super) fn parsed<'a, T: Deserialize<'a>>(call: &str, body: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        Category::Data => Failure::malformed(call),
        _ => Failure::new(FailureKind::Malformed, call, "the answer is not JSON"),
    })
}

/// When an answer was given, by the clock of whoever gave it.
pub(super) fn date_of(headers: &HeaderMap) -> Option<OffsetDateTime> {
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second]"
    );
    let date = headers.get(DATE)?.to_str().ok()?.strip_suffix(" GMT")?;
    PrimitiveDateTime::parse(date, &format).ok().map(PrimitiveDateTime::assume_utc)
}

//! One read over HTTP: its address, who asks, again where that may help, and what came back.

use bytes::Bytes;
use http::{StatusCode, Uri};
use serde::Deserialize;
use serde_json::error::Category;

use super::failure::{Failure, FailureKind};
use super::gateway::Gateway;
use crate::transport::{Answer, Transport};

impl Gateway {
    /// Reads what is at a path with an encoded query, again where that may help.
    pub(super) async fn get(&self, call: &str, path: &str, query: &str) -> Result<Bytes, Failure> {
        let transport = self.transport(call)?;
        let address = format!("{}{path}?{query}", self.endpoint.as_str());
        let uri = Uri::try_from(address).map_err(|_| {
            Failure::new(FailureKind::Other, call, "the endpoint makes no good address")
        })?;
        self.read(call, || async {
            let answer = self.asked(call, transport, &uri).await?;
            // A token that was kept may have been revoked since: a fresh one may do.
            let again = answer.status == StatusCode::UNAUTHORIZED && self.tokens.forget_access();
            let answer = if again { self.asked(call, transport, &uri).await? } else { answer };
            if answer.status.is_success() {
                return Ok(answer.body);
            }
            let code = answer.status.as_u16();
            Err(Failure::from_answer(call, code, &answer.headers, &answer.body))
        })
        .await
    }

    async fn asked(&self, call: &str, transport: &Transport, uri: &Uri) -> Result<Answer, Failure> {
        let headers = self.tokens.authorization().await;
        let headers = headers.map_err(|error| Failure::from_auth(call, error))?;
        transport
            .get(uri.clone(), headers)
            .await
            .map_err(|error| Failure::of_transport(call, &error))
    }

    fn transport(&self, call: &str) -> Result<&Transport, Failure> {
        if let Some(transport) = self.transport.get() {
            return Ok(transport);
        }
        let transport =
            Transport::to(&self.endpoint).map_err(|error| Failure::of_transport(call, &error))?;
        Ok(self.transport.get_or_init(|| transport))
    }
}

/// An answer as what it should be.
pub(super) fn parsed<'a, T: Deserialize<'a>>(call: &str, body: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        Category::Data => Failure::malformed(call),
        _ => Failure::new(FailureKind::Malformed, call, "the answer is not JSON"),
    })
}

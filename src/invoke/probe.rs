//! Sends one request to a service and determines who answered it.

use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};

use super::{Call, FrontEndRefusal, destination};
use crate::auth::BearerToken;
use crate::context::Context;
use crate::domain::diagnosis::Reply;
use crate::domain::error::CommandError;
use crate::transport::{Answer, Transport};

/// How much of a response is read: the front end's pages are short, and a stream may have no end.
const LOOKED_AT: usize = 16 * 1024;

/// Sends requests to one service.
#[derive(Debug)]
pub struct Prober {
    transport: Transport,
    base: String,
}

impl Prober {
    /// A client for an address. Sends nothing yet.
    pub fn new(cx: &Context, call: &Call) -> Result<Self, CommandError> {
        let to = destination(cx, call)?;
        let scheme = to.address.scheme_str().unwrap_or("https");
        let authority = to.address.authority().map_or("", |authority| authority.as_str());
        Ok(Self { base: format!("{scheme}://{authority}"), transport: Transport::along(&to)? })
    }

    /// Sends one request, with or without a token, and returns who answered.
    pub async fn ask(
        &self,
        cx: &Context,
        method: &Method,
        path: &str,
        token: Option<&BearerToken>,
    ) -> Result<Reply, CommandError> {
        let address = format!("{}{path}", self.base);
        let uri = address
            .parse()
            .map_err(|_| CommandError::usage(format!("`{address}` is not an address")))?;
        let mut headers = HeaderMap::new();
        headers.extend(token.map(|token| (AUTHORIZATION, token.header())));
        let sent = self.transport.peek(method.clone(), uri, headers, LOOKED_AT);
        Ok(match cx.in_time("call the service", sent).await? {
            Ok(answer) => reply(&answer),
            Err(error) => Reply::Nothing(error.to_string()),
        })
    }
}

/// Who sent a response.
fn reply(answer: &Answer) -> Reply {
    let status = answer.status.as_u16();
    let body = String::from_utf8_lossy(&answer.body);
    match FrontEndRefusal::of(status, &answer.headers, Some(&body)) {
        None => Reply::Application(status),
        Some(FrontEndRefusal::BadToken) => Reply::TokenRefused,
        Some(FrontEndRefusal::Forbidden) => Reply::Forbidden,
        Some(FrontEndRefusal::Iap) => Reply::IapRefused(status),
        Some(FrontEndRefusal::IapSignIn) => Reply::IapSignIn,
        Some(FrontEndRefusal::NoInstance) => Reply::NoInstance(status),
        Some(FrontEndRefusal::NotFound) => Reply::NotFound,
        Some(FrontEndRefusal::ReservedPath) => Reply::Branded,
        Some(FrontEndRefusal::TooLarge) => Reply::TooLarge,
    }
}

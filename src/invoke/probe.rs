//! Sends one request to a service and determines who answered it.

use http::header::{AUTHORIZATION, LOCATION};
use http::{HeaderMap, Method};

use super::{Call, FrontEndRefusal, destination};
use crate::auth::BearerToken;
use crate::context::Context;
use crate::domain::diagnosis::Reply;
use crate::domain::error::CommandError;
use crate::transport::{Answer, Transport};

/// How much of a response is read: the front end's pages are short, and a stream may have no end.
const LOOKED_AT: usize = 16 * 1024;
/// Identity-Aware Proxy marks its own responses with this header (documented).
const IAP_GENERATED: &str = "x-goog-iap-generated-response";
/// Identity-Aware Proxy redirects requests without a session to this address (observed).
const SIGN_IN: &str = "https://accounts.google.com/";
/// Text of Google's page for requests that reach no service (observed).
const BRANDED: &str = "Error 404 (Not Found)!!1";

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
    let text = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
    let to_sign_in = text(LOCATION.as_str()).is_some_and(|to| to.starts_with(SIGN_IN));
    let body = String::from_utf8_lossy(&answer.body);
    match FrontEndRefusal::of(status, &answer.headers) {
        _ if answer.status.is_redirection() && to_sign_in => Reply::IapSignIn,
        _ if text(IAP_GENERATED).is_some() => Reply::IapRefused(status),
        Some(FrontEndRefusal::BadToken) => Reply::TokenRefused,
        // The content type alone is no evidence: an application's page may have the same one.
        Some(FrontEndRefusal::Forbidden) if body.contains("<title>403 Forbidden</title>") => {
            Reply::Forbidden
        }
        Some(FrontEndRefusal::NotFound) if body.contains(BRANDED) => Reply::Branded,
        Some(FrontEndRefusal::NotFound) if body.contains("<title>404 Page not found</title>") => {
            Reply::NotFound
        }
        _ => Reply::Application(status),
    }
}

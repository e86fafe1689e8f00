//! The front end: what answers at the URLs of services and lets in only whom Cloud Run would,
//! with an application behind each.

mod audience;
mod echo;
mod forward;
mod html;
mod judge;
mod live;
mod place;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use http::header::{CONTENT_TYPE, HOST, LOCATION, SERVER, WWW_AUTHENTICATE};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub(crate) use self::forward::Forwarder;
pub(crate) use self::judge::FrontMemory;
pub(crate) use self::place::{by_audience, is_front};

use self::html::Page;
use self::judge::{Judged, Refusal};
use crate::dialect::api_error::ApiError;
use crate::options::Options;
use crate::records::store::Sandbox;
use runaccess_domain::access::Origin;

/// By what header a request may say where it comes from, since on loopback all come from the same
/// place. It is taken off before the application sees it.
const FROM: &str = "x-sandbox-from";
/// By what header a request may say when it is made, for conditions on time (RFC 3339). Tokens go by
/// the clock all the same.
const AT: &str = "x-sandbox-at";

/// The challenge of a token that is not taken (observed).
const INVALID_TOKEN: &str = "Bearer error=\"invalid_token\" \
    error_description=\"The access token could not be verified\"";

/// What Identity-Aware Proxy says of a token that is not for it (the beginning is documented).
const IAP_BAD_TOKEN: &str = "Invalid IAP credentials: JWT audience doesn't match this application";

/// The header by which an answer of Identity-Aware Proxy's own is known (documented).
const IAP_GENERATED: &str = "x-goog-iap-generated-response";

/// What the front end works with.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) options: Arc<Options>,
    pub(crate) forwarder: Forwarder,
    pub(crate) memory: FrontMemory,
}

/// How a request came in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) peer: SocketAddr,
    /// Whether it came over TLS.
    pub(crate) is_secure: bool,
    pub(crate) now: OffsetDateTime,
}

impl Front {
    /// Answers a request at a service's URL.
    pub(crate) async fn answer(
        &self,
        mut request: Request<Body>,
        host: &str,
        arrival: Arrival,
    ) -> Response<Body> {
        let settings = &self.options.settings;
        let path = normal_path(request.uri());
        if matches!(*request.method(), Method::TRACE | Method::CONNECT) {
            return page(settings.method_status, Page::Plain, &path);
        }
        // A function is given what is behind its name.
        let whole = path;
        let function = place::function_in(host, &whole);
        let path = function.map_or_else(|| whole.clone(), |(_, behind)| behind.to_owned());
        let function = function.map(|(name, _)| name.to_owned());
        let from = request.headers_mut().remove(FROM);
        let from =
            from.and_then(|from| Origin::ALL.into_iter().find(|known| from == known.as_str()));
        let at = request.headers_mut().remove(AT);
        let at = at.and_then(|at| OffsetDateTime::parse(at.to_str().ok()?, &Rfc3339).ok());
        let asked = judge::Asked {
            at: at.unwrap_or(arrival.now),
            host: host.to_owned(),
            function,
            path: path.clone(),
            from: from.unwrap_or_default(),
            token: judge::token_of(request.headers()).map(str::to_owned),
            is_insecure: self.options.tls && !arrival.is_secure,
            now: arrival.now,
        };
        // Quick enough to be done here: what is remembered, or reads by keys, which wait for no writer,
        // and a signature now and then.
        match judge::judge(&self.sandbox, &self.options, &self.memory, &asked) {
            Ok(Judged::Through(entry)) => {
                branded(self.forwarder.pass(request, *entry, &path, arrival, settings).await)
            }
            Ok(Judged::Refused(refusal)) => self.refuse(refusal, &request, host, &whole),
            Err(error) => failed(&error),
        }
    }

    fn refuse(
        &self,
        refusal: Refusal,
        request: &Request<Body>,
        host: &str,
        path: &str,
    ) -> Response<Body> {
        let settings = &self.options.settings;
        match refusal {
            Refusal::BadToken => {
                let mut response = page(401, Page::Unauthorized, path);
                let challenge = HeaderValue::from_static(INVALID_TOKEN);
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                response
            }
            Refusal::Iap => by_iap(to_sign_in(request, host)),
            Refusal::IapBadToken => by_iap(page(401, Page::Plain, IAP_BAD_TOKEN)),
            Refusal::IapDenied => by_iap(page(403, Page::IapDenied, path)),
            Refusal::Insecure => redirected(
                settings.redirect_status,
                &format!(
                    "https://{}{}",
                    self::host(request.uri(), request.headers()),
                    target(request.uri())
                ),
            ),
            Refusal::NoCredential => page(403, Page::Forbidden, path),
            Refusal::NoPermission => page(settings.no_permission_status, Page::Forbidden, path),
            Refusal::Reserved => page(404, Page::Branded, path),
            Refusal::UnknownHost => page(404, Page::NotFound, path),
            Refusal::Unreachable(status) => page(status, Page::NotFound, path),
        }
    }
}

/// The path, with the escapes of letters, digits and `-._~` undone (that some are is documented).
fn normal_path(uri: &Uri) -> String {
    let path = uri.path();
    if !path.contains('%') {
        return path.to_owned();
    }
    let mut normal = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        normal.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let plain =
            code.map(char::from).filter(|c| c.is_ascii_alphanumeric() || "-._~".contains(*c));
        let taken = if let Some(c) = plain {
            normal.push(c);
            3
        } else {
            normal.push('%');
            1
        };
        rest = &rest[at + taken..];
    }
    normal.push_str(rest);
    normal
}

fn target(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |target| target.as_str())
}

/// The host that a request is for, with its port: what its address says counts before the header
/// (RFC 9112, 3.2.2), and HTTP/2 has no header.
pub(crate) fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> &'a str {
    let named = headers.get(HOST).and_then(|value| value.to_str().ok());
    uri.authority().map(Authority::as_str).or(named).unwrap_or_default()
}

fn redirected(status: u16, location: &str) -> Response<Body> {
    let mut response = page(status, Page::Moved, location);
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// Where Identity-Aware Proxy sends who has no session (observed, but for what follows the path).
fn to_sign_in(request: &Request<Body>, host: &str) -> Response<Body> {
    let back = format!("https://{host}{}", target(request.uri()));
    let query =
        form_urlencoded::Serializer::new(String::new()).append_pair("continue", &back).finish();
    redirected(302, &format!("https://accounts.google.com/o/oauth2/v2/auth?{query}"))
}

fn by_iap(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(IAP_GENERATED, HeaderValue::from_static("true"));
    response
}

fn failed(error: &ApiError) -> Response<Body> {
    page(error.code, Page::Plain, &error.message)
}

fn page(status: u16, page: Page, about: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(page.render(status, about)));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let html = HeaderValue::from_static("text/html; charset=UTF-8");
    response.headers_mut().insert(CONTENT_TYPE, html);
    branded(response)
}

/// Every answer names Google's front end (observed).
fn branded(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(SERVER, HeaderValue::from_static("Google Frontend"));
    response
}

fn too_large() -> Response<Body> {
    page(413, Page::Plain, "The request is too large.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_plain_characters_are_undone() {
        for (path, normal) in [
            ("/a", "/a"),
            ("/%41%2d%7E", "/A-~"),
            ("/%2F%20%c3", "/%2F%20%c3"),
            ("/%", "/%"),
            ("/%4", "/%4"),
            ("/%zz", "/%zz"),
            ("/%2541", "/%2541"),
        ] {
            assert_eq!(normal_path(&path.parse().unwrap()), normal, "{path}");
        }
    }
}

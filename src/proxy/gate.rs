//! Decides which requests are accepted, before any token is read.

use std::fmt::Write as _;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, CONTENT_LENGTH, HOST, ORIGIN, REFERER};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};

use super::cookie;
use super::fields::{SECRET, SECRET_HEADER};
use super::guard::Fault;
use super::site::{Door, HostMatch, Site};

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    CrossSite,
    Faulty(Fault),
    Host(String),
    Method(Method),
    NoSecret,
    Origin(String),
    SeveralHosts,
    Target,
}

/// A request that is accepted.
#[derive(Debug)]
pub(super) struct Taken<'a> {
    pub(super) found: HostMatch<'a>,
    /// The host by which the client addressed this server.
    pub(super) host: String,
    /// The origin of the request, if it is one of those that get CORS headers.
    pub(super) cors: Option<HeaderValue>,
}

/// Checks a request.
pub(super) fn check<'a>(
    site: &'a Site,
    door: &'a Door,
    head: &Parts,
    fault: Option<Fault>,
) -> Result<Taken<'a>, Refusal> {
    if let Some(fault) = fault {
        return Err(Refusal::Faulty(fault));
    }
    // TRACE would return the token to the client (RFC 9110, 9.3.8, says not to).
    if matches!(head.method, Method::CONNECT | Method::TRACE) {
        return Err(Refusal::Method(head.method.clone()));
    }
    let host = host(head)?;
    let path = head.uri.path();
    let is_star = path == "*" && head.method == Method::OPTIONS;
    if !is_star && !path.starts_with('/') {
        return Err(Refusal::Target);
    }
    if head.headers.get_all(CONTENT_LENGTH).iter().count() > 1 {
        return Err(Refusal::Faulty(Fault::Length));
    }
    if !matches!(head.uri.scheme_str(), None | Some("http" | "https")) {
        return Err(Refusal::Target);
    }
    let found = site.find(door, host).ok_or_else(|| Refusal::Host(host.to_owned()))?;
    // Browsers send no credentials with a preflight, and its response says only what is allowed.
    let is_preflight = |cors: &Option<HeaderValue>| cors.is_some() && is_preflight(head);
    let cors = origin(site, host, &head.headers, &head.method);
    if let Some(secret) = &site.secret
        && !shows(secret, head)
        && !cors.as_ref().is_ok_and(is_preflight)
    {
        return Err(Refusal::NoSecret);
    }
    let cors = cors?;
    Ok(Taken { found, host: host.to_owned(), cors })
}

/// The only host that a request names.
fn host(head: &Parts) -> Result<&str, Refusal> {
    let mut named = head.headers.get_all(HOST).iter();
    let (first, second) = (named.next(), named.next());
    let first = first.map(HeaderValue::to_str).transpose().map_err(|_| Refusal::SeveralHosts)?;
    let authority = head.uri.authority().map(http::uri::Authority::as_str);
    match (authority, first, second) {
        (None, Some(host), None) | (Some(host), None, None) if !host.is_empty() => Ok(host),
        (Some(one), Some(other), None) if one.eq_ignore_ascii_case(other) => Ok(one),
        _ => Err(Refusal::SeveralHosts),
    }
}

/// Refuses the requests of pages of other origins that are not allowed. Returns the origin if it gets
/// CORS headers.
fn origin(
    site: &Site,
    host: &str,
    headers: &HeaderMap,
    method: &Method,
) -> Result<Option<HeaderValue>, Refusal> {
    let mut named = headers.get_all(ORIGIN).iter();
    if let Some(value) = named.next() {
        let said = value.to_str().unwrap_or_default();
        let own = said.strip_prefix("http://").is_some_and(|said| said.eq_ignore_ascii_case(host));
        if named.next().is_some() || !(own || site.allowed.iter().any(|known| known == said)) {
            return Err(Refusal::Origin(String::from_utf8_lossy(value.as_bytes()).into_owned()));
        }
        let cors = site.cors.iter().any(|known| known == said);
        return Ok(cors.then(|| value.clone()));
    }
    // Browsers send no origin for images, scripts and the like, but say that the request is from
    // another site (Fetch Metadata). Navigation of a user from another site's page is left to the
    // service.
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_foreign = !matches!(text("sec-fetch-site"), None | Some("same-origin" | "none"));
    let goes_there = text("sec-fetch-mode") == Some("navigate")
        && text("sec-fetch-dest") == Some("document")
        && matches!(*method, Method::GET | Method::HEAD);
    let from = headers.get(REFERER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_allowed = site.allowed.iter().any(|known| {
        from.strip_prefix(known.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    if is_foreign && !goes_there && !is_allowed {
        return Err(Refusal::CrossSite);
    }
    Ok(None)
}

/// Whether a browser asks what a page of another origin may do.
pub(super) fn is_preflight(head: &Parts) -> bool {
    head.method == Method::OPTIONS && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Whether a text is the secret.
fn is_secret(shown: &[u8], secret: &str) -> bool {
    verify_slices_are_equal(shown, secret.as_bytes()).is_ok()
}

/// Whether a request contains the secret.
fn shows(secret: &str, head: &Parts) -> bool {
    let is_it = |shown: &[u8]| is_secret(shown, secret);
    let header = head.headers.get(SECRET_HEADER).map(HeaderValue::as_bytes);
    header.is_some_and(is_it)
        || cookie::value(&head.headers, SECRET).is_some_and(|shown| is_it(shown.as_bytes()))
        || is_in_query(secret, head)
}

/// Whether a request contains the secret in its URL, as a browser first sends it.
pub(super) fn is_in_query(secret: &str, head: &Parts) -> bool {
    let pairs = head.uri.query().unwrap_or_default().split('&');
    let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
    pairs.any(|(name, value)| name == SECRET && is_secret(value.as_bytes(), secret))
}

/// The message about a malformed request.
pub(super) fn faulty(fault: Fault) -> String {
    format!("the request is refused: {fault}")
}

impl Refusal {
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::Faulty(_) | Self::SeveralHosts | Self::Target => 400,
            Self::NoSecret => 401,
            Self::CrossSite | Self::Host(_) | Self::Origin(_) => 403,
            Self::Method(_) => 405,
        }
    }

    /// What is wrong, for whoever asked. A page of another site may read it, by a name of its own that
    /// leads here: it learns of no service, account or option.
    pub(super) fn public(&self, site: &Site, door: &Door) -> String {
        let told = "the terminal in which this proxy runs says more";
        match self {
            Self::CrossSite | Self::Origin(_) => {
                format!("a page of another site asks for this; {told}")
            }
            Self::Host(_) => format!("this host is not one of this proxy's; {told}"),
            _ => self.text(site, door),
        }
    }

    /// What is wrong, and what may help, for whoever runs the proxy.
    pub(super) fn text(&self, site: &Site, door: &Door) -> String {
        match self {
            Self::CrossSite => {
                "a page of another site asks for this; `--allow-origin ORIGIN` lets \
                 its requests in"
                    .to_owned()
            }
            Self::Faulty(fault) => faulty(*fault),
            Self::Host(host) => {
                let mut text = format!("the host `{host}` is not one of this proxy's; they are");
                let mut names = vec!["localhost".to_owned()];
                names.extend(site.index.iter().map(|listed| format!("{}.localhost", listed.label)));
                for name in names {
                    let _ = write!(text, " `{name}:{}`", door.port);
                }
                text.push_str(
                    "; behind an address of another machine or a preview of a web IDE, \
                     `--allow-remote --allow-origin ORIGIN` lets it in",
                );
                text
            }
            Self::Method(method) => format!("the method {method} is not passed on"),
            Self::NoSecret => format!(
                "this proxy is open to other machines, and each client shows its secret: in the \
                 header `{SECRET_HEADER}`, or once in the address as `?{SECRET}=…`"
            ),
            Self::Origin(origin) => format!(
                "the origin `{origin}` is not this proxy's own; `--allow-origin` lets its requests \
                 in, `--cors` lets its pages read the answers too"
            ),
            Self::SeveralHosts => "the request does not name one host".to_owned(),
            Self::Target => "the request's target is not a path".to_owned(),
        }
    }
}

//! Headers in transit: rewritten for the service, and for a browser at `localhost`.

use std::net::IpAddr;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ALT_SVC, CONTENT_LOCATION, HOST,
    LOCATION, ORIGIN, REFERER, REFRESH, STRICT_TRANSPORT_SECURITY, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::cookie;
use super::fields::{
    FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO, SECRET, SECRET_HEADER, SERVERLESS,
};
use super::site::{Door, Site};
use crate::hop_by_hop;

/// How long a browser may cache the response to a preflight, in seconds.
const PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("600");

/// Turns a client's headers into the headers for the service. The client calls this server `host`,
/// and the service is at `origin`.
pub(super) fn outbound(
    headers: &mut HeaderMap,
    site: &Site,
    token: HeaderValue,
    (host, peer): (&str, IpAddr),
    origin: &str,
) {
    hop_by_hop::remove(headers);
    headers.remove(HOST);
    headers.remove(SERVERLESS);
    if site.secret.is_some() {
        headers.remove(SECRET_HEADER);
        if headers.get(REFERER).is_some_and(|from| from.to_str().is_ok_and(|f| f.contains(SECRET)))
        {
            headers.remove(REFERER);
        }
    }
    cookie::restore(headers, SECRET);
    headers.insert(site.header.clone(), token);
    // Headers that are checked against `Host` are rewritten with it.
    let here = format!("http://{host}");
    for name in [ORIGIN, REFERER] {
        if let Some(value) = headers.get_mut(&name) {
            rewrite(value, |said| {
                let rest = said.strip_prefix(&here)?;
                (rest.is_empty() || rest.starts_with('/')).then(|| format!("{origin}{rest}"))
            });
        }
    }
    if let Ok(host) = HeaderValue::from_str(host) {
        headers.insert(FORWARDED_HOST, host);
    }
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    let before = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let before: Vec<&str> = before.collect();
    let value = match (before.is_empty(), peer) {
        (true, IpAddr::V4(peer)) if peer.is_loopback() => Ok(HeaderValue::from_static("127.0.0.1")),
        (true, peer) => HeaderValue::try_from(peer.to_string()),
        (false, peer) => HeaderValue::try_from(format!("{}, {peer}", before.join(", "))),
    };
    if let Ok(value) = value {
        headers.insert(FORWARDED_FOR, value);
    }
}

/// Turns a service's headers into the headers for the client.
pub(super) fn inbound(headers: &mut HeaderMap, place: &LocalOrigin<'_>, cors: Option<HeaderValue>) {
    hop_by_hop::remove(headers);
    // These headers are about a host that the browser does not see.
    headers.remove(ALT_SVC);
    headers.remove(STRICT_TRANSPORT_SECURITY);
    for name in [LOCATION, CONTENT_LOCATION] {
        if let Some(value) = headers.get_mut(&name) {
            rewrite(value, |address| place.local(address));
        }
    }
    if let Some(value) = headers.get_mut(REFRESH) {
        rewrite(value, |text| {
            let (wait, address) = text.split_once("url=").or_else(|| text.split_once("URL="))?;
            Some(format!("{wait}url={}", place.local(address)?))
        });
    }
    cookie::localize(headers);
    if let Some(origin) = cors {
        let names = headers.keys().map(HeaderName::as_str);
        let names: Vec<&str> = names.filter(|name| !name.starts_with("access-control-")).collect();
        // A browser that sends credentials does not accept `*` here.
        if let Ok(names) = HeaderValue::try_from(names.join(", ")) {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, names);
        }
        share(headers, origin);
    }
}

fn rewrite(value: &mut HeaderValue, rewritten: impl Fn(&str) -> Option<String>) {
    let text = value.to_str().ok().and_then(rewritten);
    if let Some(new) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
        *value = new;
    }
}

/// Allows the pages of an origin to read a response.
pub(super) fn share(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.append(VARY, HeaderValue::from_static("Origin"));
}

/// The headers of the response to a preflight: they allow everything that it asks for.
pub(super) fn preflight(asked: &HeaderMap, origin: HeaderValue) -> HeaderMap {
    let mut headers = HeaderMap::new();
    share(&mut headers, origin);
    for (asks, allows) in [
        (ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_ALLOW_METHODS),
        (ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_ALLOW_HEADERS),
    ] {
        if let Some(value) = asked.get(asks) {
            headers.insert(allows, value.clone());
        }
    }
    if asked.contains_key("access-control-request-private-network") {
        let name = HeaderName::from_static("access-control-allow-private-network");
        headers.insert(name, HeaderValue::from_static("true"));
    }
    headers.insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE);
    headers
}

/// The local address that a client used; the services' own addresses are rewritten to match it.
#[derive(Debug)]
pub(super) struct LocalOrigin<'a> {
    pub(super) site: &'a Site,
    pub(super) door: &'a Door,
    /// The host by which the client addressed this server.
    pub(super) host: &'a str,
    /// The label by which the client addressed the service.
    pub(super) label: &'a str,
}

impl LocalOrigin<'_> {
    /// The local address for a service's address; `None` for any other address.
    pub(super) fn local(&self, address: &str) -> Option<String> {
        let lower = address.get(..8).unwrap_or(address).to_ascii_lowercase();
        let start = ["https://", "http://", "//"].into_iter().find(|s| lower.starts_with(s))?;
        let rest = &address[start.len()..];
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let authority = authority.to_ascii_lowercase();
        let bare = authority.strip_suffix(":443").or_else(|| authority.strip_suffix(":80"));
        let label = self.site.label_of(&authority).or_else(|| self.site.label_of(bare?))?;
        let is_same = label == self.label;
        let host = if is_same {
            self.host.to_owned()
        } else {
            format!("{label}.localhost:{}", self.door.port)
        };
        Some(format!("http://{host}{path}"))
    }
}

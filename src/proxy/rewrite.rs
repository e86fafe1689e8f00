//! Headers in transit: rewritten for the service, and for a browser at `localhost`.

use std::net::IpAddr;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, REFERER, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::cookie;
use super::fields::{
    FORWARDED, FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO, SECRET, SECRET_HEADER, SERVERLESS,
    text_of, value_of,
};
use super::origin::LocalOrigin;
use super::site::Site;
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
            let said = text_of(value);
            let rest = said.strip_prefix(&here);
            let rest = rest.filter(|rest| rest.is_empty() || rest.starts_with('/'));
            if let Some(new) = rest.and_then(|rest| value_of(&format!("{origin}{rest}"))) {
                *value = new;
            }
        }
    }
    for name in NAMES_OF_AN_ORIGIN {
        headers.remove(name);
    }
    without_origin(headers);
    let mut scheme = if origin.starts_with("https:") { "https" } else { "http" };
    if site.forwards_host
        && let Ok(host) = HeaderValue::from_str(host)
    {
        headers.insert(FORWARDED_HOST, host);
        scheme = "http";
    }
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
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

/// What a program before this proxy may say of the origin that it was called at: an application would
/// compare it with `Host` and `Origin`, which are the service's.
const NAMES_OF_AN_ORIGIN: [HeaderName; 7] = [
    FORWARDED_HOST,
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-scheme"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-forwarded-ssl"),
    HeaderName::from_static("x-host"),
    HeaderName::from_static("x-original-host"),
];

/// Takes host and scheme out of `Forwarded` (RFC 7239), whose other parameters stay.
fn without_origin(headers: &mut HeaderMap) {
    if !headers.contains_key(FORWARDED) {
        return;
    }
    let said: Vec<String> = headers.get_all(FORWARDED).iter().map(text_of).collect();
    let elements = said.iter().flat_map(|text| split_unquoted(text, ','));
    let kept = elements.filter_map(|element| {
        let names_none = |pair: &&str| {
            let name = pair.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
            !matches!(name.as_str(), "host" | "proto")
        };
        let pairs: Vec<&str> =
            split_unquoted(element, ';').into_iter().filter(names_none).collect();
        Some(pairs.join(";")).filter(|element| !element.trim().is_empty())
    });
    let kept = kept.collect::<Vec<_>>().join(",");
    headers.remove(FORWARDED);
    if let Some(value) = value_of(kept.trim()).filter(|value| !value.is_empty()) {
        headers.insert(FORWARDED, value);
    }
}

/// The parts between signs that are in no quotes.
fn split_unquoted(text: &str, sign: char) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == sign && !quoted => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Turns a service's headers into the headers for the client.
pub(super) fn inbound(headers: &mut HeaderMap, place: &LocalOrigin<'_>, cors: Option<HeaderValue>) {
    hop_by_hop::remove(headers);
    place.rewrite(headers);
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

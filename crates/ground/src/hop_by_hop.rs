//! Headers that are about one connection and not about the message on it (RFC 9110, 7.6.1).

use http::HeaderMap;
use http::header::{CONNECTION, HeaderName, HeaderValue, TE, UPGRADE};

const NAMES: [HeaderName; 5] = [
    CONNECTION,
    http::header::PROXY_AUTHENTICATE,
    http::header::PROXY_AUTHORIZATION,
    http::header::TRANSFER_ENCODING,
    UPGRADE,
];
const OLD_NAMES: [&str; 3] = ["http2-settings", "keep-alive", "proxy-connection"];

/// Removes the hop-by-hop headers. `te: trailers` and `trailer` stay: they also hold for the next
/// connection.
pub fn remove(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers.get_all(CONNECTION).iter().flat_map(listed).collect();
        for name in named.iter().filter(|name| **name != TE) {
            headers.remove(name);
        }
    }
    for name in &NAMES {
        headers.remove(name);
    }
    for name in OLD_NAMES {
        headers.remove(name);
    }
    if let Some(te) = headers.remove(TE)
        && te.to_str().is_ok_and(|te| te.to_ascii_lowercase().contains("trailers"))
    {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// The protocol that a request upgrades to. `h2c` does not count: HTTP/2 has no upgrade any more
/// (RFC 9113, 3.1).
pub fn protocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let protocol = headers.get(UPGRADE)?;
    let mut names = headers.get_all(CONNECTION).iter().flat_map(listed);
    let mut asked = protocol.to_str().ok()?.split(',').map(str::trim);
    let is_http2 = asked.any(|name| name.to_ascii_lowercase().starts_with("h2"));
    (names.any(|name| name == UPGRADE) && !is_http2).then(|| protocol.clone())
}

/// Sets the headers that request, or accept, an upgrade on the next connection.
pub fn say_protocol(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol);
}

/// The names of the headers that `Connection` lists.
fn listed(value: &HeaderValue) -> impl Iterator<Item = HeaderName> {
    let names = value.to_str().unwrap_or_default().split(',');
    names.filter_map(|name| HeaderName::try_from(name.trim()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_is_asked_for_by_both_headers_and_is_not_http2() {
        for (connection, upgrade, asked) in [
            ("keep-alive, Upgrade", "websocket", true),
            ("keep-alive", "websocket", false),
            ("x-upgrade", "websocket", false),
            ("upgrade", "h2c", false),
            ("upgrade", "websocket, H2C", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONNECTION, HeaderValue::from_static(connection));
            headers.insert(UPGRADE, HeaderValue::from_static(upgrade));
            assert_eq!(protocol(&headers).is_some(), asked, "{connection}: {upgrade}");
        }
    }

    #[test]
    fn what_is_about_the_connection_goes_and_all_else_stays() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "keep-alive, X-Mine"),
            ("connection", "te"),
            ("x-mine", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic x"),
            ("te", "gzip, Trailers"),
            ("trailer", "x-sum"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("http2-settings", "x"),
            ("x-theirs", "2"),
            ("content-length", "5"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        remove(&mut headers);
        let left: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
        let mut left = left;
        left.sort_unstable();
        assert_eq!(
            left,
            [("content-length", "5"), ("te", "trailers"), ("trailer", "x-sum"), ("x-theirs", "2")]
        );
    }
}

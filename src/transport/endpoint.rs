//! Endpoints of APIs and token servers, and which of them may be plain HTTP.

use std::net::{IpAddr, SocketAddr};

use crate::domain::error::CommandError;
use http::Uri;
use thiserror::Error;

/// The base address of an API, without a trailing slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(String);

/// Why an address cannot be an endpoint.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EndpointError {
    #[error("`{0}` is not an address")]
    NotAUrl(String),
    #[error("`{0}` is plain http, which is taken to loopback only")]
    PlainHttp(String),
}

impl Endpoint {
    /// The global endpoint of an API in a universe, by the first label of its host (discovery
    /// documents, and gcloud's source for other universes than `googleapis.com`).
    pub fn of_google(api: &str, universe: &str) -> Self {
        Self(format!("https://{api}.{universe}"))
    }

    /// Google's public DNS over HTTPS, which answers in JSON (documented).
    pub fn public_dns() -> Self {
        Self("https://dns.google".to_owned())
    }

    /// A server on this machine.
    pub fn loopback(port: u16) -> Self {
        Self(format!("http://127.0.0.1:{port}"))
    }

    /// Parses an override as gcloud accepts it, with or without a trailing slash.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let url = Uri::try_from(text).map_err(|_| EndpointError::NotAUrl(text.to_owned()))?;
        let host = url.host().unwrap_or_default();
        let loopback = names_loopback(host);
        match url.scheme_str() {
            Some("https") if !host.is_empty() => {}
            Some("http") if loopback => {}
            Some("http") => return Err(EndpointError::PlainHttp(text.to_owned())),
            _ => return Err(EndpointError::NotAUrl(text.to_owned())),
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }

    /// Whether the endpoint is plain HTTP, which is allowed on this machine only.
    pub fn is_plain(&self) -> bool {
        self.0.starts_with("http://")
    }

    /// Whether the endpoint is on this machine.
    pub fn is_loopback(&self) -> bool {
        Uri::try_from(self.0.as_str())
            .is_ok_and(|url| names_loopback(url.host().unwrap_or_default()))
    }

    /// Whether the endpoint belongs to Google, including regional and private endpoints.
    pub fn is_googles(&self) -> bool {
        let url = Uri::try_from(self.0.as_str()).unwrap_or_default();
        let host = url.host().unwrap_or_default().to_ascii_lowercase();
        !self.is_plain() && host.ends_with(".googleapis.com")
    }

    /// The host and port, as `host:port`.
    pub fn authority(&self) -> String {
        let url = Uri::try_from(self.0.as_str()).unwrap_or_default();
        let host = url.host().unwrap_or_default();
        let port = url.port_u16().unwrap_or(if self.is_plain() { 80 } else { 443 });
        format!("{host}:{port}")
    }

    /// The address, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a host is this machine, by name or address.
pub fn names_loopback(host: &str) -> bool {
    let number = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || number.is_ok_and(|address| address.is_loopback())
}

/// The socket address of a plain HTTP host below `localhost`. Not every machine resolves such
/// names, and they must resolve to this machine only (RFC 6761, 6.3).
pub fn on_this_machine(address: &Uri) -> Option<SocketAddr> {
    let host = address.host().unwrap_or_default().to_ascii_lowercase();
    let is_below = host.ends_with(".localhost");
    let port = address.port_u16().unwrap_or(80);
    (is_below && address.scheme_str() == Some("http")).then(|| ([127, 0, 0, 1], port).into())
}

impl From<EndpointError> for CommandError {
    fn from(error: EndpointError) -> Self {
        Self::usage(error.to_string())
            .because("it is the endpoint override of the Cloud Run Admin API")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Independent of any resolver, in any spelling.
    #[test]
    fn names_below_localhost_are_this_machine() {
        for (address, at) in [
            ("http://a.localhost:81", Some("127.0.0.1:81")),
            ("http://A.LocalHost", Some("127.0.0.1:80")),
            ("https://a.localhost", None),
            ("http://localhost", None),
            ("http://a.localhost.example", None),
        ] {
            let found = on_this_machine(&address.parse().unwrap());
            assert_eq!(found, at.map(|at| at.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn googles_own_are_told_from_others() {
        for (address, is_googles) in [
            ("https://run.googleapis.com", true),
            ("https://us-central1-run.googleapis.com/", true),
            ("https://run-mine.p.googleapis.com", true),
            ("https://googleapis.com.evil.example", false),
            ("https://run.googleapis.com:8443", true),
            ("https://x.localhost:8787", false),
            ("http://127.0.0.1:8787", false),
        ] {
            assert_eq!(Endpoint::parse(address).unwrap().is_googles(), is_googles, "{address}");
        }
    }

    #[test]
    fn plain_http_goes_to_loopback_only() {
        for good in [
            "http://127.0.0.1:8787/",
            "http://localhost:1",
            "http://[::1]:1/",
            "https://x.example/",
        ] {
            assert!(Endpoint::parse(good).is_ok(), "{good}");
        }
        assert_eq!(
            Endpoint::parse("http://127.0.0.1:8787/").unwrap().as_str(),
            "http://127.0.0.1:8787"
        );
        assert!(matches!(Endpoint::parse("http://run.example/"), Err(EndpointError::PlainHttp(_))));
        for bad in ["", "run.googleapis.com", "ftp://x/", "http://127.0.0.1.evil.example/"] {
            assert!(Endpoint::parse(bad).is_err(), "{bad}");
        }
    }
}

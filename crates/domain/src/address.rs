//! Addresses of services: what a user types and what the API lists, compared by what they are.

use std::fmt;

use thiserror::Error;

use super::error::CommandError;
use super::service::Service;
use super::service_name::TAG_SIGN;

/// Where functions of both generations are called (observed; firebase-tools' own code): by a host that
/// all functions of a project in a region share, and a path of the function's name.
pub const FUNCTIONS: &str = ".cloudfunctions.net";
/// The domain of Cloud Run's own addresses (documented).
pub const RUN_APP: &str = ".run.app";

/// A URL over http or https, taken apart. Equal ones are the same address.
#[derive(Clone, Debug)]
pub struct Address {
    typed: String,
    is_https: bool,
    /// In lower case.
    host: String,
    /// `None` for the scheme's own.
    port: Option<u16>,
    /// The path as it stands, with its slash; empty for the root.
    path: String,
    /// The query as it stands, with its question mark; empty if there is none.
    query: String,
}

/// Why a text that reads as an address is none.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AddressError {
    /// The address itself is not shown: a password may be in it.
    #[error("the address of `{host}` holds a user name")]
    UserInfo { host: String },
    #[error("`{0}` holds a segment of dots in its path")]
    DotSegment(String),
    #[error("`{0}` is not an address")]
    IllFormed(String),
}

impl Address {
    /// Takes an address apart: a URL, or a host name with a dot, which is over https. `None` for a
    /// text that is neither.
    pub fn parse(text: &str) -> Result<Option<Self>, AddressError> {
        let lowered = text.to_ascii_lowercase();
        let scheme = ["https://", "http://"].into_iter().find(|scheme| lowered.starts_with(scheme));
        let rest = &text[scheme.map_or(0, str::len)..];
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        // Without a scheme, what stands behind a colon is a port, or this is a principal.
        let is_port = |port: &str| !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
        let is_host = |authority: &str| match authority.split_once(':') {
            Some((host, port)) => host.contains('.') && is_port(port),
            None => authority.contains('.'),
        };
        if scheme.is_none() && (authority.contains('@') || !is_host(authority)) {
            return Ok(None);
        }
        let ill = || AddressError::IllFormed(text.to_owned());
        let host_of = |authority: &str| {
            let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
            host.to_ascii_lowercase()
        };
        if let Some((_, authority)) = authority.rsplit_once('@') {
            return Err(AddressError::UserInfo { host: host_of(authority) });
        }
        let host = host_of(authority);
        let is_name = host.contains('.')
            && host.split('.').all(|label| !label.is_empty())
            && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
        if !is_name {
            // A name of this machine's, or a pattern: no service's address.
            return Ok(None);
        }
        let is_https = scheme != Some("http://");
        let port = match authority.split_once(':') {
            None => None,
            Some((_, port)) if port.chars().all(|c| c.is_ascii_digit()) => {
                let port = port.parse::<u16>().map_err(|_| ill())?;
                Some(port).filter(|port| *port != if is_https { 443 } else { 80 })
            }
            Some(_) => return Err(ill()),
        };
        if tail.contains(|c: char| c == '\\' || c.is_whitespace() || c.is_control()) {
            return Err(ill());
        }
        let tail = tail.split('#').next().unwrap_or_default();
        let (path, query) = match tail.find('?') {
            Some(at) => tail.split_at(at),
            None => (tail, ""),
        };
        let is_dots = |segment: &str| {
            matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
        };
        if path.split('/').any(is_dots) {
            return Err(AddressError::DotSegment(text.to_owned()));
        }
        let path = if path == "/" { "" } else { path };
        Ok(Some(Self {
            typed: text.to_owned(),
            is_https,
            host,
            port,
            path: path.to_owned(),
            query: query.to_owned(),
        }))
    }

    /// An address that the API lists; `None` for what is none, as an audience may be.
    pub fn listed(text: &str) -> Option<Self> {
        Self::parse(text).ok().flatten().filter(|_| text.contains("://"))
    }

    /// The host, in lower case.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The path as it stands; empty for the root.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether it is at the port of its scheme.
    pub fn is_at_usual_port(&self) -> bool {
        self.port.is_none()
    }

    /// The path of the function that it is of, if it is a function's: the first segment.
    pub fn function_path(&self) -> Option<&str> {
        if !self.host.ends_with(FUNCTIONS) {
            return None;
        }
        let name = self.path.strip_prefix('/')?.split('/').next()?;
        (!name.is_empty()).then(|| &self.path[..=name.len()])
    }

    /// Whether this is a host of Cloud Run's own.
    pub fn is_run_app(&self) -> bool {
        self.host.ends_with(RUN_APP)
    }

    /// How much of its path another address takes up, if it is under that one: whose path it begins
    /// with, up to a slash or the end. `None` if it is not.
    fn under(&self, other: &Self, any_scheme: bool) -> Option<usize> {
        let same_place = if any_scheme && self.port.is_none() && other.port.is_none() {
            self.host == other.host
        } else {
            (self.is_https, &self.host, self.port) == (other.is_https, &other.host, other.port)
        };
        let rest = self.path.strip_prefix(&other.path).filter(|_| same_place)?;
        let ends = rest.is_empty() || rest.starts_with('/') || other.path.ends_with('/');
        (ends && (other.query.is_empty() || (rest.is_empty() && self.query == other.query)))
            .then_some(other.path.len() + other.query.len())
    }

    /// The traffic tag that its host may begin with, and the same address without it.
    pub fn untagged(&self) -> Option<(&str, Self)> {
        let (tag, host) = self.host.split_once(TAG_SIGN)?;
        Some((tag, Self { host: host.to_owned(), ..self.clone() }))
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        (self.is_https, &self.host, self.port, &self.path, &self.query)
            == (other.is_https, &other.host, other.port, &other.path, &other.query)
    }
}

impl Eq for Address {}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.typed)
    }
}

/// That an address belongs to a service, and through what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// How much of the address the service's own takes up: of several services the longest has it.
    pub length: usize,
    /// The path of the service's own address, behind which requests to it go.
    pub path: String,
    /// Whether that address is one of Cloud Run's or a function's, and not a custom audience.
    pub is_own: bool,
}

/// Whether an address is a service's: one of its URLs, of its tags' or its custom audiences equals it,
/// or is a prefix of it up to a slash. Google answers http for its own hosts as https; an
/// audience is compared by its scheme too.
pub fn claim(service: &Service, address: &Address) -> Option<Claim> {
    let own = service.urls.iter().chain(&service.url);
    let tags = service.tags.iter().filter_map(|tag| tag.url.as_ref());
    let is_tag = |tag: &str| service.tags.iter().any(|known| known.tag == tag);
    let untagged = address.untagged().filter(|(tag, _)| is_tag(tag));
    let listed = |text: &String, is_own: bool| {
        let listed = Address::listed(text)?;
        let direct = address.under(&listed, is_own);
        // The API lists one URL of a tag: its documented prefix may stand before the host of any URL of
        // the service's own.
        let tagged = || untagged.as_ref().filter(|_| is_own)?.1.under(&listed, true);
        let length = direct.or_else(tagged)?;
        Some(Claim { length, path: listed.path, is_own })
    };
    let own = own.chain(tags).filter_map(|url| listed(url, true));
    let audiences = service.custom_audiences.iter().filter_map(|url| listed(url, false));
    own.chain(audiences).reduce(|best, next| if next.length > best.length { next } else { best })
}

/// The services that an address belongs to: those with the longest claim. More than one is ambiguous.
pub fn owners<'a>(services: &'a [Service], address: &Address) -> Vec<(&'a Service, Claim)> {
    let claims = services.iter().filter_map(|service| Some((service, claim(service, address)?)));
    let mut claims: Vec<_> = claims.collect();
    // Google leads a host of its own to whose it is, whatever another takes tokens for.
    if claims.iter().any(|(_, claim)| claim.is_own) {
        claims.retain(|(_, claim)| claim.is_own);
    }
    let longest = claims.iter().map(|(_, claim)| claim.length).max();
    claims.into_iter().filter(|(_, claim)| Some(claim.length) == longest).collect()
}

impl From<AddressError> for CommandError {
    fn from(error: AddressError) -> Self {
        let said = Self::usage(error.to_string());
        match error {
            AddressError::UserInfo { .. } => {
                said.because("a service takes a token, and neither a user name nor a password")
            }
            AddressError::DotSegment(_) => {
                said.because("it would lead to another path than it reads: write the path itself")
            }
            AddressError::IllFormed(_) => said,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::ServiceName;
    use crate::service::TrafficTag;

    fn parsed(text: &str) -> Address {
        Address::parse(text).unwrap().unwrap()
    }

    fn service(name: &str, urls: &[&str], audiences: &[&str]) -> Service {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Service {
            urls: owned(urls),
            custom_audiences: owned(audiences),
            name: ServiceName::new("p", "us-central1", name),
            ..Service::sample()
        }
    }

    #[test]
    fn addresses_are_compared_by_what_they_are() {
        for (a, b, same) in [
            ("https://A.Example.net", "a.example.net", true),
            ("https://a.example.net:443/", "https://a.example.net", true),
            ("http://a.example.net:80", "http://a.example.net/", true),
            ("https://a.example.net/X", "https://a.example.net/x", false),
            ("https://a.example.net/x", "https://a.example.net/x/", false),
            ("https://a.example.net:8443", "https://a.example.net", false),
            ("https://a.example.net/x#part", "https://a.example.net/x", true),
            ("A.example.net:443/x", "https://a.example.net/x", true),
            ("a.example.net:80/x", "https://a.example.net/x", false),
        ] {
            assert_eq!(parsed(a) == parsed(b), same, "{a} {b}");
        }
        for text in [
            "orders",
            "us-central1/orders",
            "a@b.c",
            "orders-*",
            "a:80",
            "domain:a.b",
            "a.b:c",
            "a.b:",
            "https://localhost",
        ] {
            assert_eq!(Address::parse(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn what_leads_elsewhere_than_it_reads_is_refused() {
        let user = AddressError::UserInfo { host: "evil.example".to_owned() };
        assert_eq!(Address::parse("https://gw.example.net@evil.example/x"), Err(user));
        for path in
            ["/a/../b", "/./a", "/a/%2e%2E/b", "/a/.%2e", "/a/%2e", "/..", "/a/..?x", "/a/..#x"]
        {
            let text = format!("https://gw.example.net{path}");
            assert_eq!(Address::parse(&text), Err(AddressError::DotSegment(text.clone())));
        }
        for rest in ["\\billing", "/a\\b", "/a b", ":70000", ":x"] {
            let text = format!("https://gw.example.net{rest}");
            assert_eq!(Address::parse(&text), Err(AddressError::IllFormed(text.clone())));
        }
        for fine in ["/a?x=../b", "/..a/b..", "/a/...", "/a?b=%2e%2e/"] {
            assert!(Address::parse(&format!("https://gw.example.net{fine}")).is_ok(), "{fine}");
        }
    }

    #[test]
    fn an_address_is_of_the_service_with_the_longest_prefix() {
        let canary = TrafficTag {
            tag: "canary".to_owned(),
            url: Some("https://canary---orders-x-uc.a.run.app".to_owned()),
            revision: None,
            percent: 0,
        };
        let orders = service(
            "orders",
            &["https://orders-x-uc.a.run.app", "https://orders-12.us-central1.run.app"],
            &["https://gw.example.net/orders"],
        );
        let services = [
            Service { tags: vec![canary], ..orders },
            service("deep", &[], &["https://gw.example.net/orders/deep"]),
            service("hook", &["https://us-central1-p.cloudfunctions.net/hook"], &[]),
            service("twin-a", &[], &["https://twin.example.net"]),
            service("twin-b", &[], &["https://twin.example.net/"]),
        ];
        let owners = |text: &str| -> Vec<&str> {
            let owners = owners(&services, &parsed(text));
            owners.iter().map(|(service, _)| service.name.service()).collect()
        };
        for (typed, is_of) in [
            ("https://gw.example.net/orders", &["orders"][..]),
            ("https://GW.example.net:443/orders?x", &["orders"]),
            ("https://gw.example.net/orders/1", &["orders"]),
            ("https://gw.example.net/orders/deep/x", &["deep"]),
            ("https://gw.example.net/orders/deeper", &["orders"]),
            ("https://gw.example.net/billing", &[]),
            ("https://gw.example.net/ordersx", &[]),
            ("https://gw.example.net/Orders", &[]),
            ("https://gw.example.net", &[]),
            ("https://gw.example.net:8443/orders", &[]),
            ("http://gw.example.net/orders", &[]),
            ("http://orders-x-uc.a.run.app/any", &["orders"]),
            ("https://canary---orders-x-uc.a.run.app", &["orders"]),
            ("https://canary---orders-12.us-central1.run.app/x", &["orders"]),
            ("https://nosuch---orders-x-uc.a.run.app", &[]),
            ("https://canary---gw.example.net/orders", &[]),
            ("us-central1-p.cloudfunctions.net/hook/a", &["hook"]),
            ("https://us-central1-p.cloudfunctions.net/other", &[]),
            ("https://us-central1-p.cloudfunctions.net", &[]),
            ("https://twin.example.net/x", &["twin-a", "twin-b"]),
        ] {
            assert_eq!(owners(typed), is_of, "{typed}");
        }
    }

    #[test]
    fn a_functions_path_is_its_name() {
        let path = |text: &str| parsed(text).function_path().map(str::to_owned);
        assert_eq!(path("https://r-p.cloudfunctions.net/f/x?y").as_deref(), Some("/f"));
        assert_eq!(path("https://r-p.cloudfunctions.net"), None);
        assert_eq!(path("https://r-p.cloudfunctions.net//x"), None);
        assert_eq!(path("https://f.example.net/f"), None);
    }
}

//! What names an origin in a response: a service's own addresses become this proxy's.

use http::header::Entry;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALT_SVC, CONTENT_LOCATION, CONTENT_SECURITY_POLICY,
    CONTENT_SECURITY_POLICY_REPORT_ONLY, LINK, LOCATION, REFRESH, STRICT_TRANSPORT_SECURITY,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::fields::{text_of, value_of};
use super::site::{Door, Site};

/// Fields that are one address, or one origin.
const ADDRESSES: [HeaderName; 5] = [
    LOCATION,
    CONTENT_LOCATION,
    ACCESS_CONTROL_ALLOW_ORIGIN,
    HeaderName::from_static("timing-allow-origin"),
    HeaderName::from_static("sourcemap"),
];

/// Directives that have a browser ask over https for what is here over http: nothing would load.
const HTTPS_ONLY: [&str; 2] = ["upgrade-insecure-requests", "block-all-mixed-content"];

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
    /// Rewrites every field that names an origin.
    pub(super) fn rewrite(&self, headers: &mut HeaderMap) {
        // These are about a host that the browser does not see.
        headers.remove(ALT_SVC);
        headers.remove(STRICT_TRANSPORT_SECURITY);
        for name in ADDRESSES {
            each(headers, &name, |address| self.local(address));
        }
        each(headers, &REFRESH, |text| self.refresh(text));
        each(headers, &LINK, |text| self.link(text));
        for name in [CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY] {
            each(headers, &name, |policies| self.policies(policies));
        }
    }

    /// The local address for a service's address, or for one of this proxy's own over https; `None`
    /// for any other address.
    pub(super) fn local(&self, address: &str) -> Option<String> {
        let lower = address.get(..8).unwrap_or(address).to_ascii_lowercase();
        let start = ["https://", "http://", "wss://", "ws://", "//"];
        let start = start.into_iter().find(|start| lower.starts_with(start))?;
        let rest = &address[start.len()..];
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let authority = authority.to_ascii_lowercase();
        let scheme = if start.starts_with("ws") { "ws" } else { "http" };
        // An application that takes the scheme from elsewhere than the host.
        if start.ends_with("s://") && self.site.find(self.door, &authority).is_some() {
            return Some(format!("{scheme}://{authority}{path}"));
        }
        let bare = authority.strip_suffix(":443").or_else(|| authority.strip_suffix(":80"));
        let label = self.site.label_of(&authority).or_else(|| self.site.label_of(bare?))?;
        let host = if label == self.label {
            self.host.to_owned()
        } else {
            format!("{label}.localhost:{}", self.door.port)
        };
        Some(format!("{scheme}://{host}{path}"))
    }

    /// A `Refresh`: seconds, and an address after `url=` or alone, in quotes or not (HTML, "shared
    /// declarative refresh steps").
    fn refresh(&self, text: &str) -> Option<String> {
        let (wait, rest) = text.split_at(text.find([';', ','])? + 1);
        let blank = |text: &str| text.len() - text.trim_start().len();
        let mut at = blank(rest);
        if rest[at..].get(..3).is_some_and(|word| word.eq_ignore_ascii_case("url")) {
            let after = at + 3 + blank(&rest[at + 3..]);
            if rest[after..].starts_with('=') {
                at = after + 1 + blank(&rest[after + 1..]);
            }
        }
        let quote = rest[at..].chars().next().filter(|sign| ['\'', '"'].contains(sign));
        let start = at + usize::from(quote.is_some());
        let end = quote.and_then(|quote| rest[start..].find(quote)).map(|end| start + end);
        let end = end.unwrap_or(rest.len());
        let local = self.local(&rest[start..end])?;
        Some(format!("{wait}{}{local}{}", &rest[..start], &rest[end..]))
    }

    /// A `Link`: addresses in angle brackets.
    fn link(&self, text: &str) -> Option<String> {
        let (mut new, mut rest, mut is_changed) = (String::new(), text, false);
        while let Some(start) = rest.find('<') {
            let Some(length) = rest[start..].find('>') else { break };
            let address = &rest[start + 1..start + length];
            let local = self.local(address);
            is_changed |= local.is_some();
            new.push_str(&rest[..=start]);
            new.push_str(local.as_deref().unwrap_or(address));
            rest = &rest[start + length..];
        }
        new.push_str(rest);
        is_changed.then_some(new)
    }

    /// Content security policies, joined by commas: without what wants https, and with this proxy's
    /// address beside each of a service's.
    fn policies(&self, text: &str) -> Option<String> {
        let policies = text.split(',').map(|policy| {
            let directives = policy.split(';').filter_map(|directive| self.directive(directive));
            directives.collect::<Vec<_>>().join(";")
        });
        let policies: Vec<String> = policies.filter(|policy| !policy.trim().is_empty()).collect();
        let new = policies.join(",");
        (new != text).then_some(new)
    }

    fn directive(&self, directive: &str) -> Option<String> {
        let name = directive.split_ascii_whitespace().next().unwrap_or_default();
        if HTTPS_ONLY.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            return None;
        }
        let mut new = directive.to_owned();
        for local in directive.split_ascii_whitespace().filter_map(|word| self.local(word)) {
            new.push(' ');
            new.push_str(&local);
        }
        Some(new)
    }
}

/// Rewrites each value of a field, which keeps its place; a field of which nothing is left goes.
fn each(headers: &mut HeaderMap, name: &HeaderName, rewritten: impl Fn(&str) -> Option<String>) {
    let Entry::Occupied(mut entry) = headers.entry(name) else { return };
    let mut is_emptied = false;
    for value in entry.iter_mut() {
        if let Some(new) = rewritten(&text_of(value)).and_then(|text| value_of(&text)) {
            is_emptied |= new.is_empty();
            *value = new;
        }
    }
    if is_emptied && entry.iter().all(HeaderValue::is_empty) {
        entry.remove_entry_mult();
    }
}

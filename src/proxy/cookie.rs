//! Rewrites cookies so that a browser keeps them at `localhost`, and restores them.

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use super::fields::{text_of, value_of};

/// How names begin, after two underscores and in any case, that browsers take over https only.
const PREFIXES: [&str; 4] = ["Host-Http-", "Host-", "Http-", "Secure-"];
/// What stands here in place of the two underscores.
const STAND_IN: &str = "runaccess-";

/// Rewrites the cookies that an application sets: for this host only, over plain http too.
pub(super) fn localize(headers: &mut HeaderMap) {
    if !headers.contains_key(SET_COOKIE) {
        return;
    }
    if let http::header::Entry::Occupied(mut entry) = headers.entry(SET_COOKIE) {
        for value in entry.iter_mut() {
            if let Some(local) = value_of(&local(&text_of(value))) {
                *value = local;
            }
        }
    }
}

/// Rewrites one `Set-Cookie` value.
fn local(cookie: &str) -> String {
    let mut parts = cookie.split(';');
    let pair = parts.next().unwrap_or_default();
    let name = pair.trim_start();
    let rest = name.strip_prefix("__").filter(|rest| is_prefixed(rest.as_bytes()));
    let mut text = match rest {
        Some(rest) => format!("{STAND_IN}{rest}"),
        None => pair.to_owned(),
    };
    for part in parts {
        let attribute = part.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
        match attribute.as_str() {
            "domain" | "secure" | "partitioned" => {}
            // Browsers accept this only with `Secure`.
            "samesite" if part.to_ascii_lowercase().contains("none") => {
                text.push_str("; SameSite=Lax");
            }
            _ => {
                text.push(';');
                text.push_str(part);
            }
        }
    }
    text
}

/// Joins a browser's cookies into one header (HTTP/2 may split it: RFC 9113, 8.2.3) under the names
/// that the application gave them, without the cookie named `own`.
pub(super) fn restore(headers: &mut HeaderMap, own: &str) {
    let Some(first) = headers.get(COOKIE) else { return };
    let is_plain = headers.get_all(COOKIE).iter().count() == 1
        && first.to_str().is_ok_and(|text| !text.contains("runaccess-"));
    if is_plain {
        return;
    }
    let mut text = Vec::new();
    for cookie in headers.get_all(COOKIE).iter().flat_map(|v| v.as_bytes().split(|b| *b == b';')) {
        let cookie = cookie.trim_ascii();
        let name = cookie.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        if cookie.is_empty() || name == own.as_bytes() {
            continue;
        }
        if !text.is_empty() {
            text.extend_from_slice(b"; ");
        }
        let rest = cookie.strip_prefix(STAND_IN.as_bytes()).filter(|rest| is_prefixed(rest));
        if let Some(rest) = rest {
            text.extend_from_slice(b"__");
            text.extend_from_slice(rest);
        } else {
            text.extend_from_slice(cookie);
        }
    }
    headers.remove(COOKIE);
    if let Ok(value) = HeaderValue::from_bytes(&text)
        && !text.is_empty()
    {
        headers.insert(COOKIE, value);
    }
}

/// The value of a cookie.
pub(super) fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|text| text.split(';')).filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((name.trim(), value.trim()))
    });
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// Whether a name, without its underscores, begins with one of the prefixes. Browsers ignore their case.
fn is_prefixed(name: &[u8]) -> bool {
    let begins = |prefix: &&str| {
        name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    PREFIXES.iter().any(begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_for_this_host_and_for_plain_http() {
        for (cookie, rewritten) in [
            ("a=b", "a=b"),
            ("a=b; Path=/x; HttpOnly; Max-Age=5", "a=b; Path=/x; HttpOnly; Max-Age=5"),
            ("a=b; Domain=run.app; Path=/", "a=b; Path=/"),
            ("a=b;domain=.x.example;secure;path=/", "a=b;path=/"),
            ("a=b; Secure; SameSite=None", "a=b; SameSite=Lax"),
            ("a=b; SameSite=Strict; Partitioned", "a=b; SameSite=Strict"),
            ("__Host-a=b; Secure; Path=/", "runaccess-Host-a=b; Path=/"),
            ("__secure-a=b; Secure", "runaccess-secure-a=b"),
            ("__HOST-a=b", "runaccess-HOST-a=b"),
            ("__Http-a=b; Secure", "runaccess-Http-a=b"),
            ("__Host-Http-a=b", "runaccess-Host-Http-a=b"),
            ("__Hosts=b", "__Hosts=b"),
            ("a=\u{e4}", "a=\u{e4}"),
            ("a=secure", "a=secure"),
            ("", ""),
        ] {
            assert_eq!(local(cookie), rewritten, "{cookie}");
        }
    }

    #[test]
    fn the_application_sees_its_own_names_and_no_cookie_of_ours() {
        for (cookies, restored) in [
            (vec!["a=b; c=d"], Some("a=b; c=d")),
            (vec!["a=b", "c=d"], Some("a=b; c=d")),
            (vec!["a=b; runaccess-Host-c=d=e"], Some("a=b; __Host-c=d=e")),
            (vec!["runaccess-Secure-a=b"], Some("__Secure-a=b")),
            (vec!["runaccess-HOST-a=b"], Some("__HOST-a=b")),
            (vec!["runaccess-Http-a=b"], Some("__Http-a=b")),
            (vec!["runaccess-secret=x; a=b"], Some("a=b")),
            (vec!["runaccess-secret=x"], None),
        ] {
            let mut headers = HeaderMap::new();
            for cookie in &cookies {
                headers.append(COOKIE, HeaderValue::from_static(cookie));
            }
            restore(&mut headers, "runaccess-secret");
            let got: Vec<&str> =
                headers.get_all(COOKIE).iter().map(|value| value.to_str().unwrap()).collect();
            assert_eq!(got, restored.into_iter().collect::<Vec<_>>(), "{cookies:?}");
        }
    }
}

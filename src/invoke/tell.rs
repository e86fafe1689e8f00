//! Distinguishes a response of Cloud Run's front end from a response of the application.

use std::io::Read;

use http::header::{CONTENT_TYPE, ETAG, LOCATION, SERVER, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The front end's challenge (observed). Applications send other challenges for their own tokens.
const CHALLENGE: &str = "The access token could not be verified";

/// Identity-Aware Proxy marks its own responses with this header (documented).
const IAP_GENERATED: &str = "x-goog-iap-generated-response";
/// Identity-Aware Proxy redirects requests without a session to this address (observed).
const SIGN_IN: &[u8] = b"https://accounts.google.com/";
/// Text of Google's page for requests that reach no service (observed).
const BRANDED: &str = "Error 404 (Not Found)!!1";

/// What the response headers show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseHeaders {
    /// The status of the last response, if the front end sent it; `None` if the application did, or
    /// if no headers were seen.
    pub refused: Option<FrontEndRefusal>,
}

/// The front end's refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrontEndRefusal {
    /// 401: the token is not accepted.
    BadToken,
    /// 403: no credential, or no permission.
    Forbidden,
    /// Identity-Aware Proxy refused.
    Iap,
    /// Identity-Aware Proxy asks to sign in.
    IapSignIn,
    /// 500 or 503: no instance of the service answered.
    NoInstance,
    /// 404: the host does not exist, or is not reachable from here.
    NotFound,
    /// 404 of Google's own: the path is reserved, or the request reaches no service.
    ReservedPath,
    /// 413: the request is larger than Cloud Run takes.
    TooLarge,
}

impl ResponseHeaders {
    /// Reads response headers, in curl's format, to the end.
    pub fn read(mut from: impl Read) -> Self {
        let mut text = Vec::new();
        // A failed read counts as no headers.
        drop(from.read_to_end(&mut text));
        Self::of(&String::from_utf8_lossy(&text))
    }

    /// Reads the headers of the last response.
    fn of(text: &str) -> Self {
        let last = text.split("\r\n\r\n").filter(|block| block.starts_with("HTTP/")).last();
        let Some(block) = last else { return Self::default() };
        let mut lines = block.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.parse::<HeaderName>().ok()?, value.trim().parse().ok()?))
        });
        Self { refused: FrontEndRefusal::of(status.unwrap_or_default(), &headers.collect(), None) }
    }
}

impl FrontEndRefusal {
    /// Recognises the front end's response, the only function that does. Identity-Aware Proxy marks
    /// its own (documented). The front end's pages have an exact content type, a title that begins
    /// with the status, and no header that applications add; its 401 has a known challenge (all
    /// observed; that 413, 500 and 503 have the same page is inferred). Without the body, the title
    /// is not looked at, and a reserved path looks like any other 404.
    pub fn of(status: u16, headers: &HeaderMap, body: Option<&str>) -> Option<Self> {
        let header = |name: HeaderName| headers.get(name).map(HeaderValue::as_bytes);
        if header(LOCATION).is_some_and(|to| to.starts_with(SIGN_IN)) && matches!(status, 300..=399)
        {
            return Some(Self::IapSignIn);
        }
        if headers.contains_key(IAP_GENERATED) {
            return Some(Self::Iap);
        }
        let challenge = headers.get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
        if status == 401 && challenge.is_some_and(|said| said.contains(CHALLENGE)) {
            return Some(Self::BadToken);
        }
        let is_page = header(CONTENT_TYPE) == Some(b"text/html; charset=UTF-8")
            && header(SERVER).is_none_or(|server| server == b"Google Frontend")
            && !headers.keys().any(|name| {
                name.as_str().starts_with("x-powered-by") || [SET_COOKIE, ETAG].contains(name)
            });
        if !is_page {
            return None;
        }
        if status == 404 && body.is_some_and(|body| body.contains(BRANDED)) {
            return Some(Self::ReservedPath);
        }
        // The type of the page alone is no evidence: an application's may have it too.
        let title = format!("<title>{status} ");
        if body.is_some_and(|body| !body.contains(&title)) {
            return None;
        }
        match status {
            403 => Some(Self::Forbidden),
            404 => Some(Self::NotFound),
            413 => Some(Self::TooLarge),
            500 | 503 => Some(Self::NoInstance),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_ends_no_is_told_from_the_applications() {
        let page = "content-type: text/html; charset=UTF-8\r\nserver: Google Frontend";
        let challenge = "www-authenticate: Bearer error=\"invalid_token\" error_description=\"The access token could not be verified\"";
        for (text, refused) in [
            (String::new(), None),
            (format!("HTTP/2 403 \r\n{page}\r\n\r\n"), Some(FrontEndRefusal::Forbidden)),
            (format!("HTTP/1.1 404 Not Found\r\n{page}\r\n\r\n"), Some(FrontEndRefusal::NotFound)),
            (
                format!("HTTP/2 401 \r\n{challenge}\r\n{page}\r\n\r\n"),
                Some(FrontEndRefusal::BadToken),
            ),
            (format!("HTTP/2 401 \r\n{page}\r\n\r\n"), None),
            (
                // The application's response.
                "HTTP/2 401 \r\nwww-authenticate: Bearer error=\"invalid_token\"\r\n\r\n"
                    .to_owned(),
                None,
            ),
            (format!("HTTP/2 200 \r\n{page}\r\n\r\n"), None),
            (format!("HTTP/2 413 \r\n{page}\r\n\r\n"), Some(FrontEndRefusal::TooLarge)),
            (format!("HTTP/2 503 \r\n{page}\r\n\r\n"), Some(FrontEndRefusal::NoInstance)),
            ("HTTP/2 503 \r\ncontent-type: text/plain\r\n\r\n".to_owned(), None),
            (
                "HTTP/2 403 \r\nx-goog-iap-generated-response: true\r\n\r\n".to_owned(),
                Some(FrontEndRefusal::Iap),
            ),
            (
                "HTTP/2 302 \r\nlocation: https://accounts.google.com/o/oauth2\r\n\r\n".to_owned(),
                Some(FrontEndRefusal::IapSignIn),
            ),
            ("HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\n\r\n".to_owned(), None),
            (format!("HTTP/1.1 403 Forbidden\r\n{page}\r\nSet-Cookie: a=b\r\n\r\n"), None),
            (format!("HTTP/2 403 \r\n{page}\r\n\r\nHTTP/2 200 \r\n\r\n"), None),
            (
                format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 F\r\n{page}\r\n\r\n"),
                Some(FrontEndRefusal::Forbidden),
            ),
        ] {
            assert_eq!(ResponseHeaders::of(&text).refused, refused, "{text}");
        }
    }

    /// A page whose title is the application's own is the application's.
    #[test]
    fn the_body_decides_where_it_is_known() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=UTF-8"));
        for (status, body, refused) in [
            (403, "<title>403 Forbidden</title>", Some(FrontEndRefusal::Forbidden)),
            (403, "<title>No entry</title>", None),
            (404, "<title>404 Page not found</title>", Some(FrontEndRefusal::NotFound)),
            (404, "<title>Error 404 (Not Found)!!1</title>", Some(FrontEndRefusal::ReservedPath)),
            (404, "<h1>404</h1>", None),
            (413, "<title>413 Request Entity Too Large</title>", Some(FrontEndRefusal::TooLarge)),
            (500, "<title>500 Server Error</title>", Some(FrontEndRefusal::NoInstance)),
            (500, "<title>Oops</title>", None),
            (502, "<title>502 Bad Gateway</title>", None),
        ] {
            assert_eq!(
                FrontEndRefusal::of(status, &headers, Some(body)),
                refused,
                "{status} {body}"
            );
        }
    }
}

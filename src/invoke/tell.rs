//! Distinguishes a response of Cloud Run's front end from a response of the application.

use std::io::Read;

use http::header::{CONTENT_TYPE, ETAG, SERVER, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The front end's challenge (observed). Applications send other challenges for their own tokens.
const CHALLENGE: &str = "The access token could not be verified";

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
    /// 404: the host does not exist, or is not reachable from here.
    NotFound,
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
        Self { refused: FrontEndRefusal::of(status.unwrap_or_default(), &headers.collect()) }
    }
}

impl FrontEndRefusal {
    /// The front end's refusal with this status and these headers, if it is one. The front end's
    /// own pages have an exact content type and no header that applications add; its 401 has a
    /// known challenge (both observed).
    pub fn of(status: u16, headers: &HeaderMap) -> Option<Self> {
        if !matches!(status, 401 | 403 | 404) {
            return None;
        }
        let header = |name: HeaderName| headers.get(name).map(HeaderValue::as_bytes);
        let is_page = header(CONTENT_TYPE) == Some(b"text/html; charset=UTF-8")
            && header(SERVER).is_none_or(|server| server == b"Google Frontend")
            && !headers.keys().any(|name| {
                name.as_str().starts_with("x-powered-by") || [SET_COOKIE, ETAG].contains(name)
            });
        let challenge = headers.get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
        match status {
            401 if challenge.is_some_and(|said| said.contains(CHALLENGE)) => Some(Self::BadToken),
            403 if is_page => Some(Self::Forbidden),
            404 if is_page => Some(Self::NotFound),
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
}

//! Who answered a call: Cloud Run's front end, or the application behind it.

use std::io::Read;

/// What was seen of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The last answer's status, where the front end gave it; `None` where the application did, or
    /// nothing was seen.
    pub refused: Option<Answered>,
}

/// What the front end says no by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// 401: the token is not taken.
    BadToken,
    /// 403: no credential, or no permission.
    Forbidden,
    /// 404: there is no such host, or it cannot be reached from here.
    NotFound,
}

impl Seen {
    /// Reads the headers of answers, as curl writes them, to the end.
    pub fn read(mut from: impl Read) -> Self {
        let mut text = Vec::new();
        // What could not be read was not seen.
        drop(from.read_to_end(&mut text));
        Self::of(&String::from_utf8_lossy(&text))
    }

    /// Looks at the last answer's headers. That an answer is the front end's own is inferred from
    /// its pages' type, to the letter, with none of the headers that applications add; a 401 by
    /// its challenge (both observed).
    fn of(text: &str) -> Self {
        let last = text.split("\r\n\r\n").filter(|block| block.starts_with("HTTP/")).last();
        let Some(block) = last else { return Self::default() };
        let mut lines = block.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let headers: Vec<(String, &str)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
            .collect();
        let header =
            |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| *value);
        let is_page = header("content-type") == Some("text/html; charset=UTF-8")
            && header("server").is_none_or(|server| server == "Google Frontend")
            && !headers.iter().any(|(name, _)| {
                name.starts_with("x-powered-by") || name == "set-cookie" || name == "etag"
            });
        let challenged =
            header("www-authenticate").is_some_and(|value| value.contains("invalid_token"));
        let refused = match status {
            Some("401") if challenged => Some(Answered::BadToken),
            Some("403") if is_page => Some(Answered::Forbidden),
            Some("404") if is_page => Some(Answered::NotFound),
            _ => None,
        };
        Self { refused }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_ends_no_is_told_from_the_applications() {
        let page = "content-type: text/html; charset=UTF-8\r\nserver: Google Frontend";
        let challenge = "www-authenticate: Bearer error=\"invalid_token\" error_description=\"x\"";
        for (text, refused) in [
            (String::new(), None),
            (format!("HTTP/2 403 \r\n{page}\r\n\r\n"), Some(Answered::Forbidden)),
            (format!("HTTP/1.1 404 Not Found\r\n{page}\r\n\r\n"), Some(Answered::NotFound)),
            (format!("HTTP/2 401 \r\n{challenge}\r\n{page}\r\n\r\n"), Some(Answered::BadToken)),
            (format!("HTTP/2 401 \r\n{page}\r\n\r\n"), None),
            (format!("HTTP/2 200 \r\n{page}\r\n\r\n"), None),
            ("HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\n\r\n".to_owned(), None),
            (format!("HTTP/1.1 403 Forbidden\r\n{page}\r\nSet-Cookie: a=b\r\n\r\n"), None),
            (format!("HTTP/2 403 \r\n{page}\r\n\r\nHTTP/2 200 \r\n\r\n"), None),
            (
                format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 F\r\n{page}\r\n\r\n"),
                Some(Answered::Forbidden),
            ),
        ] {
            assert_eq!(Seen::of(&text).refused, refused, "{text}");
        }
    }
}

//! Which of curl's options are accepted next to a token, so that the token is sent to one host only
//! and written to no file.

use thiserror::Error;

use super::curl_line::{LOCATION, Word, is, parse};

/// The arguments that are passed to curl.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CurlWords {
    pub words: Vec<String>,
    /// Whether they contain an `Authorization` header.
    pub has_authorization: bool,
    /// Whether curl follows redirects.
    pub follows: bool,
    /// Whether curl prints the request headers.
    pub shows_headers: bool,
    /// Whether they set the output file of the response headers.
    pub dumps_headers: bool,
    /// The option that sends the request elsewhere, if there is one: a proxy or another address.
    pub reroutes: Option<String>,
    /// Whether curl accepts any server certificate.
    pub trusts_all: bool,
    /// Whether curl writes its messages to a file.
    logs: bool,
}

/// Options that send a request elsewhere than to its URL.
const ROUTES: [&str; 17] = [
    "abstract-unix-socket",
    "connect-to",
    "dns-interface",
    "dns-ipv4-addr",
    "dns-ipv6-addr",
    "dns-servers",
    "doh-url",
    "noproxy",
    "preproxy",
    "proxy",
    "proxy1.0",
    "resolve",
    "socks4",
    "socks4a",
    "socks5",
    "socks5-hostname",
    "unix-socket",
];

const TO_ANOTHER: &str = "another host's service would be given the token";
const TO_A_FILE: &str = "the token would stand in that file";

/// Options that are always refused, and why.
const REFUSED: [(char, &str, &str); 7] = [
    (':', "next", "the token is for one request"),
    ('K', "config", "what is in it could send the token elsewhere"),
    (' ', "location-trusted", "the token would follow a redirect to another host"),
    (' ', "libcurl", TO_A_FILE),
    (' ', "trace", TO_A_FILE),
    (' ', "trace-ascii", TO_A_FILE),
    (' ', "proto-redir", "a redirect could lead to plain http"),
];

/// Why curl is not run with these arguments.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum WordsError {
    #[error("`{0}` is an option of this program, and stands before the service")]
    Ours(String),
    #[error("`{0}` is another address, and the token is for one service")]
    AnotherAddress(String),
    #[error("`{option}` is not taken: {why}")]
    NotTaken { option: String, why: &'static str },
    #[error("`--location` with an `Authorization` of your own is not taken")]
    FollowsWithSecond,
}

impl CurlWords {
    /// Checks the arguments after the service. `ours` are this program's long options, which must
    /// not be among them; empty if a `--` marked all arguments as curl's.
    pub fn check(words: Vec<String>, ours: &[String]) -> Result<Self, WordsError> {
        let mut checked = Self::default();
        for word in parse(&words) {
            let said = words[word.at].split('=').next().unwrap_or_default();
            if word.is_address() {
                return Err(WordsError::AnotherAddress(words[word.at].clone()));
            }
            if ours.iter().any(|option| said == option) {
                return Err(WordsError::Ours(said.to_owned()));
            }
            if is(&word, ' ', "url") {
                return Err(WordsError::AnotherAddress(word.value.unwrap_or_default().to_owned()));
            }
            if let Some(why) = not_taken(&word) {
                // For `--header`, the value is part of the error.
                let value = word.value.filter(|_| is(&word, 'H', "header"));
                let option =
                    value.map_or_else(|| said.to_owned(), |value| format!("{said} {value}"));
                return Err(WordsError::NotTaken { option, why });
            }
            checked.note(&word);
        }
        if checked.shows_headers && checked.logs {
            let option = "--stderr".to_owned();
            return Err(WordsError::NotTaken { option, why: TO_A_FILE });
        }
        if checked.has_authorization && checked.follows {
            return Err(WordsError::FollowsWithSecond);
        }
        checked.words = words;
        Ok(checked)
    }

    /// Records an option that affects the token.
    fn note(&mut self, word: &Word<'_>) {
        if is(word, 'H', "header") {
            let header = word.value.unwrap_or_default().to_ascii_lowercase();
            let after = header.strip_prefix("authorization").map(str::trim_start);
            self.has_authorization |= after.is_some_and(|rest| rest.starts_with([':', ';']));
        }
        self.has_authorization |= is(word, 'u', "user") || is(word, ' ', "oauth2-bearer");
        self.follows |=
            is(word, 'L', LOCATION) || word.option == LOCATION || is(word, ' ', "follow");
        self.shows_headers |= is(word, 'v', "verbose") || is(word, ' ', "trace-config");
        self.logs |= is(word, ' ', "stderr") && word.value != Some("-");
        self.dumps_headers |= is(word, 'D', "dump-header");
        self.trusts_all |= is(word, 'k', "insecure");
        if is(word, 'x', "proxy") || ROUTES.iter().any(|route| is(word, ' ', route)) {
            self.reroutes.get_or_insert_with(|| word.option.clone());
        }
    }
}

/// Why an option is refused, if it is.
fn not_taken(word: &Word<'_>) -> Option<&'static str> {
    let value = word.value.unwrap_or_default();
    if is(word, 'H', "header") {
        let name = value.split([':', ';']).next().unwrap_or_default().trim();
        return match (value.starts_with('@'), name.eq_ignore_ascii_case("host")) {
            (true, _) => Some("what is in the file could send the token elsewhere"),
            (_, true) => Some(TO_ANOTHER),
            _ => None,
        };
    }
    let is_path = value == "*" || (value.starts_with('/') && !value.starts_with("//"));
    if is(word, ' ', "request-target") && !is_path {
        return Some(TO_ANOTHER);
    }
    let refused = REFUSED.iter().find(|(short, long, _)| is(word, *short, long));
    refused.map(|(_, _, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// The error for refused arguments.
    fn refusal(text: &str) -> Option<String> {
        let checked = CurlWords::check(words(text), &["--tag".to_owned()]);
        checked.err().map(|error| error.to_string())
    }

    #[test]
    fn a_token_for_one_service_goes_to_no_other_address() {
        for (text, refused) in [
            ("-s", None),
            ("-d https://x.example -H a:b", None),
            ("-sd https://x.example", None),
            (
                "https://x.example",
                Some("`https://x.example` is another address, and the token is for one service"),
            ),
            (
                "-s x.example",
                Some("`x.example` is another address, and the token is for one service"),
            ),
            (
                "--url https://x.example",
                Some("`https://x.example` is another address, and the token is for one service"),
            ),
            ("--Next -s", Some("`--Next` is not taken: the token is for one request")),
            (
                "--LOCATION-TRUSTED",
                Some(
                    "`--LOCATION-TRUSTED` is not taken: the token would follow a redirect to another host",
                ),
            ),
            ("--next -s", Some("`--next` is not taken: the token is for one request")),
            ("-s:", Some("`-s:` is not taken: the token is for one request")),
            ("-Kfile", Some("`-Kfile` is not taken: what is in it could send the token elsewhere")),
            (
                "--config f",
                Some("`--config` is not taken: what is in it could send the token elsewhere"),
            ),
            (
                "--location-trusted",
                Some(
                    "`--location-trusted` is not taken: the token would follow a redirect to another host",
                ),
            ),
            (
                "--location-tr",
                Some(
                    "`--location-tr` is not taken: the token would follow a redirect to another host",
                ),
            ),
            (
                "--conf f",
                Some("`--conf` is not taken: what is in it could send the token elsewhere"),
            ),
            (
                "--url=https://x.example",
                Some("`https://x.example` is another address, and the token is for one service"),
            ),
            (
                "--expand-url https://x.example",
                Some("`https://x.example` is another address, and the token is for one service"),
            ),
            (
                "--config=f",
                Some("`--config` is not taken: what is in it could send the token elsewhere"),
            ),
            ("--libcurl=f.c", Some("`--libcurl` is not taken: the token would stand in that file")),
            (
                "--socks5-gssapi https://x.example",
                Some("`https://x.example` is another address, and the token is for one service"),
            ),
            (
                "--ftp-ssl-ccc https://x.example",
                Some("`https://x.example` is another address, and the token is for one service"),
            ),
            (
                "--tag=canary",
                Some("`--tag` is an option of this program, and stands before the service"),
            ),
            (
                "-u a:b --follow",
                Some("`--location` with an `Authorization` of your own is not taken"),
            ),
        ] {
            assert_eq!(refusal(text).as_deref(), refused, "{text}");
        }
    }

    #[test]
    fn what_would_show_the_token_to_others_is_not_taken() {
        for (text, refused) in [
            (
                "-H Host:other",
                Some(
                    "`-H Host:other` is not taken: another host's service would be given the token",
                ),
            ),
            (
                "--HEADER=host;",
                Some(
                    "`--HEADER host;` is not taken: another host's service would be given the token",
                ),
            ),
            (
                "-H @file",
                Some("`-H @file` is not taken: what is in the file could send the token elsewhere"),
            ),
            (
                "--request-target http://other/",
                Some(
                    "`--request-target` is not taken: another host's service would be given the token",
                ),
            ),
            (
                "--request-target //other/",
                Some(
                    "`--request-target` is not taken: another host's service would be given the token",
                ),
            ),
            ("--request-target /a/../b", None),
            ("--trace f", Some("`--trace` is not taken: the token would stand in that file")),
            ("--trace-a f", Some("`--trace-a` is not taken: the token would stand in that file")),
            ("--trace-a=f", Some("`--trace-a` is not taken: the token would stand in that file")),
            ("-v --stderr f", Some("`--stderr` is not taken: the token would stand in that file")),
            ("--stderr f", None),
            (
                "--proto-redir all",
                Some("`--proto-redir` is not taken: a redirect could lead to plain http"),
            ),
            ("--head", None),
            ("--netrc", None),
            ("--libcurl f.c", Some("`--libcurl` is not taken: the token would stand in that file")),
            (
                "--tag canary",
                Some("`--tag` is an option of this program, and stands before the service"),
            ),
            ("-L -u a:b", Some("`--location` with an `Authorization` of your own is not taken")),
        ] {
            assert_eq!(refusal(text).as_deref(), refused, "{text}");
        }
    }

    #[test]
    fn what_bears_on_the_token_is_seen() {
        let of = |text: &str| CurlWords::check(words(text), &["--tag".to_owned()]).unwrap();
        assert!(of("-H Authorization:Basic").has_authorization);
        assert!(of("-HAUTHORIZATION:x").has_authorization);
        assert!(!of("-H X-Authorization:x").has_authorization);
        assert!(of("-sL").follows && of("--location").follows && !of("-s").follows);
        assert!(of("-sv").shows_headers && of("--verbose").shows_headers);
        assert!(of("-D -").dumps_headers);
        assert!(of("-sk").trusts_all && of("--ins").trusts_all && !of("-s").trusts_all);
        assert_eq!(of("--PROXY http://p").reroutes.as_deref(), Some("proxy"));
        assert_eq!(of("-d x").reroutes, None);
        assert!(of("--verb").shows_headers && of("--follow").follows);
        assert!(
            of("--header=Authorization:x").has_authorization && of("--user=a:b").has_authorization
        );
        // After a `--`, every option is curl's.
        let behind = CurlWords::check(words("--tag"), &[]);
        assert!(behind.is_ok(), "{behind:?}");
    }
}

//! curl's own command line, as far as it must be understood so that a token goes to one host only:
//! which words are options, which are their values, which are addresses.

use thiserror::Error;

/// curl's short options that take a value.
const SHORT: &str = "ACDEFHKPQTUXYbcdehmortuwxyz";
/// Its long ones: those of curl 7.88, and what has come since.
const LONG: &str = "abstract-unix-socket alt-svc aws-sigv4 cacert capath cert cert-type ciphers \
    config connect-timeout connect-to continue-at cookie cookie-jar create-file-mode crlfile curves \
    data data-ascii data-binary data-raw data-urlencode delegation dns-interface dns-ipv4-addr \
    dns-ipv6-addr dns-servers doh-url dump-header ech egd-file engine etag-compare etag-save \
    expect100-timeout form form-string ftp-account ftp-alternative-to-user ftp-method ftp-port \
    ftp-ssl-ccc-mode happy-eyeballs-timeout-ms haproxy-clientip header help hostpubmd5 \
    hostpubsha256 hsts interface ip-tos ipfs-gateway json keepalive-cnt keepalive-time key key-type \
    krb libcurl limit-rate local-port login-options mail-auth mail-from mail-rcpt max-filesize \
    max-redirs max-time netrc-file noproxy oauth2-bearer output output-dir parallel-host \
    parallel-max parallel-max-host pass pinnedpubkey postquote preproxy prequote proto proto-default \
    proto-redir proxy proxy-cacert proxy-capath proxy-cert proxy-cert-type proxy-ciphers \
    proxy-crlfile proxy-header proxy-key proxy-key-type proxy-pass proxy-pinnedpubkey \
    proxy-service-name proxy-tls13-ciphers proxy-tlsauthtype proxy-tlspassword proxy-tlsuser \
    proxy-user proxy1.0 pubkey quote random-file range rate referer request request-target resolve \
    retry retry-delay retry-max-time sasl-authzid service-name sigalgs socks4 socks4a socks5 \
    socks5-gssapi-service socks5-hostname speed-limit speed-time stderr telnet-option tftp-blksize \
    time-cond tls-max tls13-ciphers tlsauthtype tlspassword tlsuser trace trace-ascii trace-config \
    unix-socket upload-file upload-flags url url-query user user-agent variable vlan-priority \
    write-out";

/// The words that go to curl.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CurlWords {
    pub words: Vec<String>,
    /// Whether they bring an `Authorization` of their own.
    pub has_authorization: bool,
    /// Whether curl is to follow redirects.
    pub follows: bool,
    /// Whether curl shows the headers that it sends.
    pub shows_headers: bool,
    /// Whether they say where the answer's headers go.
    pub dumps_headers: bool,
    /// The option, if one does, that leads the request another way: a proxy, another address.
    pub reroutes: Option<String>,
    /// Whether any server is to be trusted.
    pub trusts_all: bool,
    /// Whether what curl says goes to a file.
    logs: bool,
}

/// Options that lead a request another way than its address says.
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

/// Why curl is not run with these words.
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

/// One word of curl's command line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word<'a> {
    /// The name of the option, long without its dashes, short as one letter; empty for an address.
    option: String,
    value: Option<&'a str>,
    at: usize,
}

/// Takes a command line apart as curl does. What is not known by its whole name is taken to be an
/// option without a value, so that what follows it counts as an address: wrong at times, and never
/// in a way that lets an address pass.
fn parse(words: &[String]) -> Vec<Word<'_>> {
    let mut parsed = Vec::new();
    let mut at = 0;
    let mut only_addresses = false;
    while at < words.len() {
        let word = words[at].as_str();
        let start = at;
        at += 1;
        if only_addresses || word == "-" || !word.starts_with('-') {
            parsed.push(Word { option: String::new(), value: Some(word), at: start });
        } else if word == "--" {
            only_addresses = true;
        } else if let Some(name) = word.strip_prefix("--") {
            // Newer ones take `--name=value`, and `--expand-name` for a value with variables.
            let (name, mut value) = match name.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (name, None),
            };
            // curl does not look at the case of long names.
            let name = name.to_ascii_lowercase();
            let name = name.strip_prefix("expand-").unwrap_or(&name);
            if value.is_none() && LONG.split_whitespace().any(|long| long == name) {
                value = words.get(at).map(String::as_str);
                at += 1;
            }
            parsed.push(Word { option: name.to_owned(), value, at: start });
        } else {
            let letters = &word[1..];
            for (index, letter) in letters.char_indices() {
                let option = letter.to_string();
                if !SHORT.contains(letter) {
                    parsed.push(Word { option, value: None, at: start });
                    continue;
                }
                let rest = &letters[index + letter.len_utf8()..];
                let value = if rest.is_empty() {
                    at += 1;
                    words.get(at - 1).map(String::as_str)
                } else {
                    Some(rest)
                };
                parsed.push(Word { option, value, at: start });
                break;
            }
        }
    }
    parsed
}

/// An option that is whole, though another begins with it.
const LOCATION: &str = "location";

/// Whether a word stands for an option, whole or begun: curl takes any beginning of a name that is
/// one option's alone.
fn is(word: &Word<'_>, short: char, long: &str) -> bool {
    let name = word.option.as_str();
    name == long
        || (short != ' ' && name.len() == 1 && name.starts_with(short))
        || (name.len() > 1 && long.starts_with(name) && name != LOCATION)
}

/// The word of `gcurl`'s arguments that is a path, where the service is named beside it.
pub fn path_word(words: &[String]) -> Option<usize> {
    let parsed = parse(words);
    let mut addresses = parsed.iter().filter(|word| word.option.is_empty());
    addresses
        .find(|word| word.value.is_some_and(|value| value.starts_with('/')))
        .map(|word| word.at)
}

/// The word of `gcurl`'s arguments that names the service: the one that is an `http(s)://` address,
/// else the last that is no option.
pub fn service_word(words: &[String]) -> Option<usize> {
    let parsed = parse(words);
    let mut addresses = parsed.iter().filter(|word| word.option.is_empty());
    let is_url = |word: &&Word<'_>| {
        word.value
            .is_some_and(|value| value.starts_with("https://") || value.starts_with("http://"))
    };
    let is_path = |word: &Word<'_>| word.value.is_some_and(|value| value.starts_with('/'));
    let named = addresses.clone().find(is_url);
    named.or_else(|| addresses.rfind(|word| !is_path(word))).map(|word| word.at)
}

impl CurlWords {
    /// Checks the words that follow the service. `ours` are the long options of this program,
    /// which must not be among them; none where a `--` said that all of them are curl's.
    pub fn check(words: Vec<String>, ours: &[String]) -> Result<Self, WordsError> {
        let mut checked = Self::default();
        for word in parse(&words) {
            let said = words[word.at].split('=').next().unwrap_or_default();
            if word.option.is_empty() {
                return Err(WordsError::AnotherAddress(words[word.at].clone()));
            }
            if ours.iter().any(|option| said == option) {
                return Err(WordsError::Ours(said.to_owned()));
            }
            if is(&word, ' ', "url") {
                return Err(WordsError::AnotherAddress(word.value.unwrap_or_default().to_owned()));
            }
            let refused = [
                (':', "next", "the token is for one request"),
                ('K', "config", "what is in it could send the token elsewhere"),
                (' ', "location-trusted", "the token would follow a redirect to another host"),
                (' ', "libcurl", "the token would stand in that file"),
                (' ', "trace", "the token would stand in that file"),
                (' ', "trace-ascii", "the token would stand in that file"),
                (' ', "proto-redir", "a redirect could lead to plain http"),
            ];
            if is(&word, 'H', "header") {
                let value = word.value.unwrap_or_default();
                let name = value.split([':', ';']).next().unwrap_or_default().trim();
                let why = match (value.starts_with('@'), name.eq_ignore_ascii_case("host")) {
                    (true, _) => Some("what is in the file could send the token elsewhere"),
                    (_, true) => Some("another host's service would be given the token"),
                    _ => None,
                };
                if let Some(why) = why {
                    return Err(WordsError::NotTaken { option: format!("{said} {value}"), why });
                }
            }
            let target = word.value.unwrap_or_default();
            let is_path = target == "*" || (target.starts_with('/') && !target.starts_with("//"));
            if is(&word, ' ', "request-target") && !is_path {
                let why = "another host's service would be given the token";
                return Err(WordsError::NotTaken { option: said.to_owned(), why });
            }
            if let Some((_, _, why)) =
                refused.iter().find(|(short, long, _)| is(&word, *short, long))
            {
                return Err(WordsError::NotTaken { option: said.to_owned(), why });
            }
            checked.note(&word);
        }
        if checked.shows_headers && checked.logs {
            let why = "the token would stand in that file";
            return Err(WordsError::NotTaken { option: "--stderr".to_owned(), why });
        }
        if checked.has_authorization && checked.follows {
            return Err(WordsError::FollowsWithSecond);
        }
        checked.words = words;
        Ok(checked)
    }

    /// Notes what bears on the token.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// What is said of words that are not taken.
    fn refusal(text: &str) -> Option<String> {
        let checked = CurlWords::check(words(text), &["--tag".to_owned()]);
        checked.err().map(|error| error.to_string())
    }

    #[test]
    fn the_service_is_the_address_among_the_words() {
        for (text, service) in [
            ("-s https://a.run.app/x", "https://a.run.app/x"),
            ("https://a.run.app -s", "https://a.run.app"),
            ("-H x:y -e https://from.example https://a.run.app", "https://a.run.app"),
            ("-ehttps://from.example https://a.run.app -d @f", "https://a.run.app"),
            ("--proxy http://p:1 --referer https://r https://a.run.app", "https://a.run.app"),
            ("-sSo out -X POST hello", "hello"),
            ("-d a=b hello -i", "hello"),
            ("--max-time 5 hello", "hello"),
            ("-- -s", "-s"),
            ("-s hello /health", "hello"),
            ("/health -X POST hello", "hello"),
        ] {
            let words = words(text);
            assert_eq!(service_word(&words).map(|at| words[at].as_str()), Some(service), "{text}");
        }
        assert_eq!(service_word(&words("-s -d x")), None);
        assert_eq!(path_word(&words("-s hello /health")), Some(2));
        assert_eq!(path_word(&words("-d /x hello")), None);
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
        // Behind a `--` nothing is ours.
        let behind = CurlWords::check(words("--tag"), &[]);
        assert!(behind.is_ok(), "{behind:?}");
    }
}

//! Parses curl's command line as far as needed: options, their values, and URLs.

/// curl's short options that take a value.
const SHORT: &str = "ACDEFHKPQTUXYbcdehmortuwxyz";
/// curl's long options that take a value, in curl 7.88 and later.
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

/// One word of curl's command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word<'a> {
    /// The option's name: long without dashes, short as one letter; empty for a URL.
    pub(super) option: String,
    pub(super) value: Option<&'a str>,
    pub(super) at: usize,
}

impl Word<'_> {
    /// Whether the word is not an option.
    pub(super) fn is_address(&self) -> bool {
        self.option.is_empty()
    }

    fn begins(&self, with: &str) -> bool {
        self.is_address() && self.value.is_some_and(|value| value.starts_with(with))
    }

    fn is_path(&self) -> bool {
        self.begins("/")
    }

    fn is_url(&self) -> bool {
        self.begins("https://") || self.begins("http://")
    }
}

/// Parses a command line as curl does. An unknown option counts as one without a value, so that the
/// next word counts as a URL: sometimes wrong, but no URL escapes the check.
pub(super) fn parse(words: &[String]) -> Vec<Word<'_>> {
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
            // Newer versions accept `--name=value`, and `--expand-name` for a value with variables.
            let (name, mut value) = match name.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (name, None),
            };
            // curl ignores the case of long names.
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

/// This exact option name is also a prefix of another option.
pub(super) const LOCATION: &str = "location";

/// Whether a word is this option, in full or abbreviated: curl accepts any unambiguous prefix.
pub(super) fn is(word: &Word<'_>, short: char, long: &str) -> bool {
    let name = word.option.as_str();
    name == long
        || (short != ' ' && name.len() == 1 && name.starts_with(short))
        || (name.len() > 1 && long.starts_with(name) && name != LOCATION)
}

/// The argument of `gcurl` that is a path, if another argument names the service.
pub fn path_word(words: &[String]) -> Option<usize> {
    parse(words).iter().find(|word| word.is_path()).map(|word| word.at)
}

/// The argument of `gcurl` that names the service: the one that is an `http(s)://` URL, else the
/// last one that is not an option.
pub fn service_word(words: &[String]) -> Option<usize> {
    let parsed = parse(words);
    let named = parsed.iter().find(|word| word.is_url());
    let last = || parsed.iter().rfind(|word| word.is_address() && !word.is_path());
    named.or_else(last).map(|word| word.at)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let words = split(text);
            assert_eq!(service_word(&words).map(|at| words[at].as_str()), Some(service), "{text}");
        }
        assert_eq!(service_word(&split("-s -d x")), None);
        assert_eq!(path_word(&split("-s hello /health")), Some(2));
        assert_eq!(path_word(&split("-d /x hello")), None);
    }

    fn split(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }
}

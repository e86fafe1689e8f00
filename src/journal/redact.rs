//! Nothing secret goes into the journal: not even what a user typed where it does not belong.

/// How the secrets begin that a user of Google Cloud may have at hand: JSON Web Tokens, access and
/// refresh tokens, API keys, client secrets, private keys.
const BEGINNINGS: [&str; 6] = ["eyJ", "ya29.", "1//", "AIza", "GOCSPX-", "-----BEGIN"];
/// Shorter than any of them is.
const SHORTEST: usize = 16;

/// A text in which whatever looks like a token or a key is replaced.
pub(crate) fn redacted(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_./+=~".contains(c);
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while !rest.is_empty() {
        let word = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        if word.is_empty() {
            let first = rest.chars().next().map_or(1, char::len_utf8);
            out.push_str(&rest[..first]);
            rest = &rest[first..];
            continue;
        }
        let secret = BEGINNINGS.iter().filter_map(|beginning| word.find(beginning)).min();
        match secret.filter(|at| word.len() - at >= SHORTEST) {
            Some(at) => {
                out.push_str(&word[..at]);
                out.push_str("[redacted]");
            }
            None => out.push_str(word),
        }
        rest = &rest[word.len()..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_keys_do_not_get_in() {
        for (text, expected) in [
            ("runaccess grant dev@x.com 'orders-*'", "runaccess grant dev@x.com 'orders-*'"),
            ("for ya29.a0AfH6SMBx-_yz01234 now", "for [redacted] now"),
            ("https://x?token=eyJhbGciOiJSUzI1NiJ9.e30.c2ln&a=b", "https://x?token=[redacted]&a=b"),
            ("\"eyJhbGciOiJSUzI1NiJ9.e30\"", "\"[redacted]\""),
            ("key AIzaSyA-1234567890abcdef", "key [redacted]"),
            ("1//0gAbCdEfGhIjKlMnOpQ", "[redacted]"),
            ("eyJ is how they begin, größer", "eyJ is how they begin, größer"),
            ("", ""),
        ] {
            assert_eq!(redacted(text), expected);
        }
    }
}

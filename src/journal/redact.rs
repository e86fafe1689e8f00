//! Removes secrets from journal entries, even if a user typed one in the wrong place.

/// Prefixes of the secrets that a user of Google Cloud may have: JSON Web Tokens, access and
/// refresh tokens, API keys, client secrets.
const BEGINNINGS: [&str; 5] = ["eyJ", "ya29.", "1//", "AIza", "GOCSPX-"];
/// The start and end of a key in PEM.
const PEM: [&str; 2] = ["-----BEGIN", "-----END"];
/// Every such secret is at least this long.
const SHORTEST: usize = 16;

/// Replaces everything that looks like a token or a key.
pub fn redacted(text: &str) -> String {
    if let Some((before, rest)) = text.split_once(PEM[0]) {
        // To the end of the line that ends the key, or to the end of the text.
        let end = rest.split_once(PEM[1]).map(|(_, end)| end.trim_start_matches(|c| c != '-'));
        let after = end.map_or("", |end| end.trim_start_matches('-'));
        return format!("{}[redacted]{}", redacted(before), redacted(after));
    }
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
            (
                "key=-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY----- and more",
                "key=[redacted] and more",
            ),
            ("key=-----BEGIN PRIVATE KEY----- MIIEvQ", "key=[redacted]"),
            ("eyJ is how they begin, größer", "eyJ is how they begin, größer"),
            ("", ""),
        ] {
            assert_eq!(redacted(text), expected);
        }
    }
}

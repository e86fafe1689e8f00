//! Text from elsewhere, made safe to show.

/// Writes control characters, and those that turn the direction of text, as `\u{…}`, so that
/// what a policy or a server says cannot rewrite what stands on the screen. Line ends are kept.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if turns || (c.is_control() && c != '\n') {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The same on one line: line ends are written as `\\u{a}` too.
pub fn one_line(text: &str) -> String {
    printable(text).replace('\n', "\\u{a}")
}

/// Writes what is markup in a page, or in an attribute of one, as the text that it is.
pub fn in_html(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            _ => safe.push(c),
        }
    }
    safe
}

/// A noun with its article.
pub fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn nothing_moves_the_cursor_or_turns_the_text() {
        assert_eq!(printable("plain, ünïcode\n🦀"), "plain, ünïcode\n🦀");
        assert_eq!(printable("a\u{1b}[1A\u{1b}[2Kb\r"), "a\\u{1b}[1A\\u{1b}[2Kb\\u{d}");
        assert_eq!(printable("x\u{202e}y"), "x\\u{202e}y");
        assert_eq!(super::one_line("a\n  + b"), "a\\u{a}  + b");
    }
}

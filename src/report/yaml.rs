//! YAML that YAML 1.1 readers, such as gcloud, read as intended.
//!
//! Some plain words of YAML 1.2 are dates, numbers, booleans or merge keys in YAML 1.1. They are
//! quoted, as gcloud's own printer does.

/// Quotes every plain scalar of the text that YAML 1.1 would read as something else.
pub(super) fn yaml_1_1(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    // The indentation of the current block scalar.
    let mut block: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches('\n');
        let indent = bare.len() - bare.trim_start().len();
        if let Some(begun) = block {
            if bare.is_empty() || indent > begun {
                quoted.push_str(line);
                continue;
            }
            block = None;
        }
        let start = value_start(bare);
        let (head, value) = bare.split_at(start);
        if value.starts_with(['|', '>']) {
            block = Some(indent);
        }
        quoted.push_str(head);
        if is_else_in_1_1(value) {
            quoted.push('\'');
            quoted.push_str(value);
            quoted.push('\'');
        } else {
            quoted.push_str(value);
        }
        quoted.push_str(&line[bare.len()..]);
    }
    quoted
}

/// Where the scalar of a line begins: after its dashes, and after its key if it has one.
fn value_start(line: &str) -> usize {
    let mut at = line.len() - line.trim_start().len();
    while line[at..].starts_with("- ") {
        at += 2;
    }
    let rest = &line[at..];
    // A quoted key may contain anything; the keys of our reports are plain words.
    match rest.find(": ") {
        Some(colon) if !rest.starts_with(['"', '\'']) => at + colon + 2,
        _ => at,
    }
}

fn is_else_in_1_1(value: &str) -> bool {
    let word = matches!(
        value.to_ascii_lowercase().as_str(),
        "y" | "n" | "yes" | "no" | "on" | "off" | "=" | "<<"
    );
    word || is_date(value) || is_number(value)
}

/// `2026-12-01`, with or without a time after it.
fn is_date(value: &str) -> bool {
    let bytes = value.as_bytes();
    let digits = |from: usize, to: usize| {
        bytes.get(from..to).is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    digits(0, 4)
        && bytes.get(4) == Some(&b'-')
        && digits(5, 6)
        && value[5..].contains('-')
        && value[5..].split('-').take(2).all(|part| part.starts_with(|c: char| c.is_ascii_digit()))
}

/// Numbers in notations that YAML 1.2 does not have: `1_000`, `0b1`, `0777`, `12:30:00`, `1_0.5`.
fn is_number(value: &str) -> bool {
    let body = value.strip_prefix(['+', '-']).unwrap_or(value);
    let begins = body.starts_with(|c: char| c.is_ascii_digit())
        || (body.starts_with('.') && body[1..].starts_with(|c: char| c.is_ascii_digit()));
    let of = |sign: &str, good: fn(char) -> bool| {
        body.strip_prefix(sign).is_some_and(|rest| !rest.is_empty() && rest.chars().all(good))
    };
    let binary = of("0b", |c| matches!(c, '0' | '1' | '_'));
    let hexadecimal = body.contains('_') && of("0x", |c| c.is_ascii_hexdigit() || c == '_');
    let octal = of("0", |c| matches!(c, '0'..='7' | '_'));
    let grouped =
        body.contains('_') && body.chars().all(|c| c.is_ascii_digit() || matches!(c, '_' | '.'));
    let sexagesimal = body.contains(':')
        && body.split(':').all(|part| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_digit() || matches!(c, '_' | '.'))
        });
    begins && (binary || hexadecimal || octal || grouped || sexagesimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_1_1_takes_for_something_else_is_quoted() {
        for word in [
            "2026-12-01",
            "2026-12-01T10:00:00Z",
            "1_000",
            "=",
            "<<",
            "0777",
            "0b101",
            "12:30:00",
            "1_0.5",
            "yes",
            "No",
            "on",
            "y",
            "-1_000",
        ] {
            let text = format!("bindings:\n- title: {word}\n  members:\n  - {word}\n");
            let right = format!("bindings:\n- title: '{word}'\n  members:\n  - '{word}'\n");
            assert_eq!(yaml_1_1(&text), right);
        }
        for plain in [
            "title: until spring\n",
            "version: 3\n",
            "x: 1.5\n",
            "etag: BwY=\n",
            "x: true\n",
            "x: null\n",
            "role: roles/run.invoker\n",
            "x: 'yes'\n",
            "x: |\n  yes\n  - 2026-12-01\ny: 1\n",
            "- user:dev@x.com\n",
            "url: https://a.example:8080/x\n",
            "time: a:b\n",
            "title: 1:é5\n",
            "title: 2026é-1-2\n",
            "title: .é\n",
            "x: 0\n",
        ] {
            assert_eq!(yaml_1_1(plain), plain);
        }
    }
}

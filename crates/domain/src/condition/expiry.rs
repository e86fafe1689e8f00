//! When a condition ends for good: read off it, and written into it.

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime, UtcOffset};

use super::expression::parsed;
use super::program::outside_quotes;

/// When a condition ends for good, whatever else it asks: read off the parsed expression. `None` if
/// it has no end that is known.
pub fn ends_at(expression: &str) -> Option<OffsetDateTime> {
    parsed(expression)?.ends_at()
}

/// Whether a grant under `expression` is over at `now`, as far as is known.
pub fn has_ended(expression: &str, now: OffsetDateTime) -> bool {
    ends_at(expression).is_some_and(|end| end <= now)
}

/// The expression that holds where `base` does, or always if there is none, until `end`, which is
/// taken to the next whole second.
pub fn until(base: Option<&str>, end: OffsetDateTime) -> String {
    let whole = end.replace_nanosecond(0).unwrap_or(end);
    let up = if whole == end { Duration::ZERO } else { Duration::SECOND };
    let end = whole.checked_add(up).and_then(|end| end.checked_to_offset(UtcOffset::UTC));
    let text = end.unwrap_or(whole).format(&Rfc3339).unwrap_or_default();
    let term = format!("request.time < timestamp(\"{text}\")");
    match base {
        None => term,
        Some(base) => format!("({base}) && {term}"),
    }
}

/// Takes an expression of the form of [`until`] apart, whoever wrote it: what it says beside its end,
/// and the end.
pub fn timed(expression: &str) -> Option<(Option<&str>, OffsetDateTime)> {
    if let Some(end) = term_end(expression) {
        return Some((None, end));
    }
    let (left, right) = expression.rsplit_once("&&")?;
    let end = term_end(right)?;
    let inner = left.trim().strip_prefix('(')?.strip_suffix(')')?;
    is_balanced(inner).then_some((Some(inner), end))
}

/// Whether no parenthesis in a text is closed that is not opened in it; what stands in quotes does not
/// count.
fn is_balanced(text: &str) -> bool {
    let depth = outside_quotes(text).and_then(|outside| {
        outside.chars().try_fold(0_usize, |depth, c| match c {
            '(' => Some(depth + 1),
            ')' => depth.checked_sub(1),
            _ => Some(depth),
        })
    });
    depth == Some(0)
}

fn term_end(term: &str) -> Option<OffsetDateTime> {
    let rest = term.trim().strip_prefix("request.time")?.trim_start();
    let (rest, includes_end) = match rest.strip_prefix("<=") {
        Some(rest) => (rest, true),
        None => (rest.strip_prefix('<')?, false),
    };
    let rest = rest.trim_start();
    let rest = rest.strip_prefix("timestamp")?.trim_start();
    let inner = rest.strip_prefix('(')?.strip_suffix(')')?.trim();
    let quote = inner.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let text = inner.strip_prefix(quote)?.strip_suffix(quote)?;
    let end = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    // One that holds at its end too is over a moment later.
    let end = if includes_end { end.checked_add(Duration::SECOND)? } else { end };
    end.checked_to_offset(UtcOffset::UTC)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn reads_the_end_only_where_it_is_sure() {
        let end = Some(datetime!(2026-01-02 03:04:05 UTC));
        for (expression, expected) in [
            (r#"request.time < timestamp("2026-01-02T03:04:05Z")"#, end),
            ("request.time<timestamp('2026-01-02T03:04:05Z')", end),
            (r#"request.path == "/x" && request.time < timestamp("2026-01-02T03:04:05Z")"#, end),
            (
                r#"request.time <= timestamp("2026-01-02T03:04:05Z")"#,
                Some(datetime!(2026-01-02 03:04:06 UTC)),
            ),
            (
                r#"(request.path == "/x" && request.time < timestamp("2026-01-02T03:04:05Z") && true) == false"#,
                None,
            ),
            (
                r#"request.path.startsWith("/") // && request.time < timestamp("2026-01-02T03:04:05Z")"#,
                None,
            ),
            (r#"request.path == "a && request.time < timestamp('2026-01-02T03:04:05Z')"#, None),
            (r#"request.time < timestamp("9999-12-31T23:59:59-05:00")"#, None),
            (r#"request.time > timestamp("2026-01-02T03:04:05Z")"#, None),
            (r#"request.time < timestamp("2026-01-02T03:04:05Z") || true"#, None),
            (r#"!(request.time < timestamp("2026-01-02T03:04:05Z"))"#, None),
            (r#"request.path.startsWith("/api")"#, None),
            ("request.time < timestamp(\"soon\")", None),
            ("", None),
        ] {
            assert_eq!(ends_at(expression), expected, "{expression}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let end = datetime!(2026-01-02 03:04:05.5 UTC);
        let rounded = datetime!(2026-01-02 03:04:06 UTC);
        assert_eq!(until(None, end), r#"request.time < timestamp("2026-01-02T03:04:06Z")"#);
        for base in [None, Some(r#"request.path == "/a)" || !(request.host == 'x')"#)] {
            let written = until(base, end);
            assert_eq!(timed(&written), Some((base, rounded)), "{written}");
            assert_eq!(ends_at(&written), Some(rounded));
        }
        let elsewhere = datetime!(2026-01-02 03:04:05 +02:00);
        assert_eq!(until(None, elsewhere), r#"request.time < timestamp("2026-01-02T01:04:05Z")"#);
        for open in [
            r#"(true) || (true) && request.time < timestamp("2026-01-02T03:04:05Z")"#,
            r#"true && request.time < timestamp("2026-01-02T03:04:05Z")"#,
            r#"(true && request.time < timestamp("2026-01-02T03:04:05Z")"#,
            "(true)",
        ] {
            assert_eq!(timed(open), None, "{open}");
        }
    }
}

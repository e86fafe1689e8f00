//! IAM Conditions, as far as a grant's own end can be read off them.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A condition as a binding carries it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    pub title: String,
    pub description: String,
    /// The CEL expression.
    pub expression: String,
}

/// When a condition ends for good, where the expression says so in the one form that the
/// console, gcloud's examples and this program write: `request.time < timestamp("T")`, alone or
/// as one of several terms joined by `&&`. Anything else has no end that is known.
pub fn ends_at(expression: &str) -> Option<OffsetDateTime> {
    if expression.contains("||") || expression.contains('?') || expression.contains('!') {
        return None;
    }
    expression.split("&&").filter_map(term_end).min()
}

/// Whether a grant under `expression` is over at `now`, as far as is known.
pub fn has_ended(expression: &str, now: OffsetDateTime) -> bool {
    ends_at(expression).is_some_and(|end| end <= now)
}

fn term_end(term: &str) -> Option<OffsetDateTime> {
    let rest = term.trim().strip_prefix("request.time")?.trim_start();
    let rest = rest.strip_prefix("<=").or_else(|| rest.strip_prefix('<'))?.trim_start();
    let rest = rest.strip_prefix("timestamp")?.trim_start();
    let inner = rest.strip_prefix('(')?.strip_suffix(')')?.trim();
    let quote = inner.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let text = inner.strip_prefix(quote)?.strip_suffix(quote)?;
    OffsetDateTime::parse(text, &Rfc3339).ok()
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
            (r#"request.path == "/x" && request.time <= timestamp("2026-01-02T03:04:05Z")"#, end),
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
}

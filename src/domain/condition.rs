//! IAM Conditions: evaluated for a request, and a grant's own end as far as it can be read off.

use std::collections::HashMap;

use cel::objects::{Key, Map};
use cel::{Context, ExecutionError, Program, Value};
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

/// What is known of a request when a condition on it is weighed. Cloud Run gives its path, host
/// and time (documented in the reference of condition attributes); a call of an API has no path
/// and no host.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    pub path: Option<&'a str>,
    pub host: Option<&'a str>,
    pub time: OffsetDateTime,
}

/// Whether something holds, where it can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth {
    False,
    True,
    /// Why it cannot be told.
    Unknown(String),
}

/// Weighs a condition for a request. What the expression asks of and the request does not have
/// makes it unknown, unless the rest decides without it.
pub fn evaluate(expression: &str, attributes: &Attributes<'_>) -> Truth {
    let Ok(program) = Program::compile(expression) else {
        return Truth::Unknown("its condition cannot be parsed".to_owned());
    };
    let mut request: HashMap<Key, Value> = HashMap::new();
    let texts = [("path", attributes.path), ("host", attributes.host)];
    for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text?))) {
        request.insert(Key::from(name), Value::from(text));
    }
    // Outside the years that both know, there is no such request.
    let time = i64::try_from(attributes.time.unix_timestamp_nanos()).ok();
    if let Some(time) = time.map(chrono::DateTime::from_timestamp_nanos) {
        request.insert(Key::from("time"), Value::Timestamp(time.fixed_offset()));
    }
    let mut context = Context::default();
    context.add_variable_from_value("request", Value::Map(Map { map: request.into() }));
    match program.execute(&context) {
        Ok(Value::Bool(true)) => Truth::True,
        Ok(Value::Bool(false)) => Truth::False,
        Ok(_) => Truth::Unknown("its condition is not true or false".to_owned()),
        Err(error) => Truth::Unknown(match error {
            ExecutionError::UndeclaredReference(name) => {
                format!("its condition asks of `{name}`, which Cloud Run does not give")
            }
            ExecutionError::NoSuchKey(name) => {
                format!("its condition asks of `request.{name}`, which is not known here")
            }
            _ => "its condition cannot be evaluated".to_owned(),
        }),
    }
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
    fn weighs_a_condition_for_a_request() {
        let attributes = Attributes {
            path: Some("/reports/q1"),
            host: Some("billing-k4qx7v2nza-uc.a.run.app"),
            time: datetime!(2026-06-01 12:00 UTC),
        };
        let unknown = |why: &str| Truth::Unknown(why.to_owned());
        let resource = unknown("its condition asks of `resource`, which Cloud Run does not give");
        for (expression, expected) in [
            (r#"request.path.startsWith("/reports")"#, Truth::True),
            (r#"request.path == "/reports""#, Truth::False),
            (r#"request.path.endsWith("q1") && request.host.endsWith(".run.app")"#, Truth::True),
            (r#"request.time < timestamp("2026-06-01T12:00:00Z")"#, Truth::False),
            (r#"request.time < timestamp("2026-06-01T12:00:01Z")"#, Truth::True),
            (r#"request.time.getHours("Europe/Berlin") == 14"#, Truth::True),
            (r#"resource.name.startsWith("x")"#, resource.clone()),
            (r#"resource.type == "x" || true"#, Truth::True),
            (r#"resource.type == "x" && false"#, Truth::False),
            (r#"false && resource.type == "x""#, Truth::False),
            (r#"resource.type == "x" || false"#, resource),
            (
                "request.auth.access_levels",
                unknown("its condition asks of `request.auth`, which is not known here"),
            ),
            ("request.path", unknown("its condition is not true or false")),
            ("request.path ==", unknown("its condition cannot be parsed")),
            ("", unknown("its condition cannot be parsed")),
        ] {
            assert_eq!(evaluate(expression, &attributes), expected, "{expression}");
        }
        let without = Attributes { path: None, ..attributes };
        assert_eq!(
            evaluate(r#"request.path == "/""#, &without),
            unknown("its condition asks of `request.path`, which is not known here")
        );
    }

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

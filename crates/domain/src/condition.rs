//! IAM Conditions: evaluated for a request, checked before they are sent, and a grant's own end.

mod ast;
mod check;
mod expiry;
mod expression;
mod program;
mod times;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use cel::extractors::This;
use cel::objects::{Key, Map};
use cel::{Context, DeclarationError, Env, ExecutionError, Value};
use time::OffsetDateTime;

pub use self::check::{ConditionError, MAX_DESCRIPTION, check};
pub use self::expiry::{ends_at, has_ended, timed, until};
use self::expression::parsed;
use self::program::with_room;

/// A condition as a binding carries it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    pub title: String,
    pub description: String,
    /// The CEL expression.
    pub expression: String,
}

/// The attributes of a request that a condition can use. Cloud Run provides path, host and time (documented in the
/// reference of condition attributes); an API call has no path and no host. Tags are those in force on the resource
/// (documented for every resource).
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    pub path: Option<&'a str>,
    pub host: Option<&'a str>,
    pub time: OffsetDateTime,
    /// `None` if they were not, or may not be, read.
    pub tags: Option<&'a Tags>,
}

/// The tags in force on a resource, its own and inherited.
pub type Tags = Arc<[Tag]>;

/// One of them, by its names and by its ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Such as `433637338589/environment`.
    pub key: String,
    /// Such as `tagKeys/281476925150001`.
    pub key_id: String,
    /// The short name of the value, such as `production`.
    pub value: String,
    /// Such as `tagValues/281479190970001`.
    pub value_id: String,
}

/// A truth value; `Unknown` if it cannot be determined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth {
    False,
    True,
    Unknown(Doubt),
}

/// Why something is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    pub why: Cow<'static, str>,
    /// What it would be if all that was not, or may not be, read were silent: held nothing, granted
    /// nothing, denied nothing. `None` if even that does not settle it, as nobody can tell who
    /// sees what this program sees.
    pub silently: Option<bool>,
    /// Whether only the request's path or host is missing: some requests are allowed by it, and which is known.
    pub is_of_request: bool,
}

impl Doubt {
    /// Something was not read.
    pub fn unread(why: impl Into<Cow<'static, str>>) -> Self {
        Self { why: why.into(), silently: Some(false), is_of_request: false }
    }

    /// It cannot be determined from anything that can be read.
    pub fn undecidable(why: impl Into<Cow<'static, str>>) -> Self {
        Self { why: why.into(), silently: None, is_of_request: false }
    }

    /// The request's path or host is not known.
    fn of_request(why: impl Into<Cow<'static, str>>) -> Self {
        Self { is_of_request: true, ..Self::undecidable(why) }
    }
}

impl Truth {
    /// Kleene's and: a false decides, whatever the other is.
    #[must_use]
    pub fn and(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::False => Self::False,
            Self::True => other(),
            Self::Unknown(doubt) => match other() {
                Self::False => Self::False,
                Self::True => Self::Unknown(doubt),
                Self::Unknown(second) => {
                    let silently = match (doubt.silently, second.silently) {
                        (Some(false), _) | (_, Some(false)) => Some(false),
                        (Some(true), other) | (other, Some(true)) => other,
                        (None, None) => None,
                    };
                    let is_of_request = doubt.is_of_request && second.is_of_request;
                    // What is told is the one that is not settled by another request.
                    let told = if doubt.is_of_request { second } else { doubt };
                    Self::Unknown(Doubt { silently, is_of_request, ..told })
                }
            },
        }
    }

    /// Kleene's or.
    #[must_use]
    pub fn or(self, other: impl FnOnce() -> Self) -> Self {
        self.not().and(|| other().not()).not()
    }

    /// Kleene's not.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "it stands beside `and` and `or`")]
    pub fn not(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::True => Self::False,
            Self::Unknown(doubt) => {
                let silently = doubt.silently.map(|silently| !silently);
                Self::Unknown(Doubt { silently, ..doubt })
            }
        }
    }

    /// Whether it certainly holds.
    pub fn is_true(&self) -> bool {
        *self == Self::True
    }
}

impl From<bool> for Truth {
    fn from(is_so: bool) -> Self {
        if is_so { Self::True } else { Self::False }
    }
}

const NO_TRUTH: &str = "its condition is not true or false";
/// The result of a tag function if the tags were not read; never shown.
const TAGS_UNREAD: &str = "tags unread";

/// Whether an expression uses tags, so that they must be read to evaluate it; true if it cannot be parsed.
pub fn asks_for_tags(expression: &str) -> bool {
    parsed(expression).is_none_or(|parsed| parsed.asks_for_tags)
}

/// Whether an expression may depend on the request's path or host; true if it cannot be parsed.
pub fn rests_on_request(expression: &str) -> bool {
    parsed(expression)
        .is_none_or(|parsed| parsed.asks_of_an_address() || parsed.asks.contains("request"))
}

/// Whether an expression uses the path or the host, which a job does not have.
pub fn asks_of_an_address(expression: &str) -> bool {
    parsed(expression).is_some_and(|parsed| parsed.asks_of_an_address())
}

/// Whether an expression limits nothing from `now` on: it holds for every request.
pub fn limits_nothing(expression: &str, now: OffsetDateTime) -> bool {
    parsed(expression).is_some_and(|parsed| parsed.limits_nothing(now))
}

/// Whether an expression holds at no time and for no request.
pub fn never_holds(expression: &str) -> bool {
    let none = Attributes { path: None, host: None, time: OffsetDateTime::UNIX_EPOCH, tags: None };
    parsed(expression).is_some_and(|parsed| {
        // An error in CEL grants nothing.
        let fails = || parsed.is_constant() && evaluate(expression, &none) == Truth::False;
        parsed.never_holds() || fails()
    })
}

/// Evaluates a condition for a request. An attribute that the request does not have makes the result unknown, unless the
/// rest decides.
pub fn evaluate(expression: &str, attributes: &Attributes<'_>) -> Truth {
    with_room(expression, || weighed(expression, attributes)).unwrap_or_else(|| {
        let why = "its condition is too large to be weighed here";
        Truth::Unknown(Doubt::undecidable(why))
    })
}

fn weighed(expression: &str, attributes: &Attributes<'_>) -> Truth {
    let unknown = |why: String| Truth::Unknown(Doubt::undecidable(why));
    let Some(parsed) = parsed(expression) else {
        return unknown("its condition cannot be parsed".to_owned());
    };
    let program = &parsed.program;
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
    let mut context = Context::with_env(language());
    context.add_variable_from_value("request", Value::Map(Map { map: request.into() }));
    context.add_variable_from_value("resource", Value::Map(Map { map: HashMap::new().into() }));
    if parsed.asks_for_tags && add_tag_functions(&mut context, attributes.tags).is_err() {
        return unknown("its condition cannot be evaluated".to_owned());
    }
    match program.execute(&context) {
        Ok(Value::Bool(true)) => Truth::True,
        Ok(Value::Bool(false)) => Truth::False,
        Ok(_) => unknown(NO_TRUTH.to_owned()),
        Err(ExecutionError::FunctionError { message, .. }) if message == TAGS_UNREAD => {
            let none = Attributes { tags: Some(&Tags::default()), ..*attributes };
            let silently = match weighed(expression, &none) {
                Truth::True => Some(true),
                Truth::False => Some(false),
                Truth::Unknown(_) => None,
            };
            let why = "the tags that its condition asks of were not read";
            Truth::Unknown(Doubt { silently, ..Doubt::unread(why) })
        }
        Err(ExecutionError::NoSuchKey(name))
            if texts.iter().any(|(known, text)| *known == name.as_str() && text.is_none())
                && parsed.asks.contains(&format!("request.{name}")) =>
        {
            let why = format!("its condition asks of `request.{name}`, which is not known here");
            Truth::Unknown(Doubt::of_request(why))
        }
        Err(error) => unknown(match error {
            ExecutionError::UndeclaredReference(name) => {
                format!("its condition asks of `{name}`, which Cloud Run does not give")
            }
            ExecutionError::NoSuchKey(name)
                if parsed.asks.contains(&format!("resource.{name}")) =>
            {
                format!("its condition asks of `resource.{name}`, which Cloud Run does not give")
            }
            ExecutionError::NoSuchKey(name) if parsed.asks.contains(&format!("request.{name}")) => {
                format!("its condition asks of `request.{name}`, which is not known here")
            }
            // A key of what the expression itself made: an error in CEL, and that grants nothing.
            ExecutionError::NoSuchKey(_) => return Truth::False,
            _ => "its condition cannot be evaluated".to_owned(),
        }),
    }
}

/// CEL's own functions, put together once: that takes longer than an evaluation.
fn language() -> Arc<Env> {
    static LANGUAGE: OnceLock<Arc<Env>> = OnceLock::new();
    Arc::clone(LANGUAGE.get_or_init(|| Arc::new(Env::stdlib())))
}

/// IAM's functions on tags (documented): by names, and by ids.
fn add_tag_functions(
    context: &mut Context<'_, '_>,
    tags: Option<&Tags>,
) -> Result<(), DeclarationError> {
    let has = |by: fn(&Tag) -> &str| {
        let tags = tags.cloned();
        move |This(_): This<Value>, key: Arc<String>| {
            let is_it = |tag: &Tag| by(tag) == key.as_str();
            told(tags.as_ref(), "hasTagKey", |tags| tags.iter().any(is_it))
        }
    };
    let matches = |by: fn(&Tag) -> (&str, &str)| {
        let tags = tags.cloned();
        move |This(_): This<Value>, key: Arc<String>, value: Arc<String>| {
            let is_it = |tag: &Tag| by(tag) == (key.as_str(), value.as_str());
            told(tags.as_ref(), "matchTag", |tags| tags.iter().any(is_it))
        }
    };
    context.add_function("hasTagKey", has(|tag| &tag.key))?;
    context.add_function("hasTagKeyId", has(|tag| &tag.key_id))?;
    context.add_function("matchTag", matches(|tag| (&tag.key, &tag.value)))?;
    context.add_function("matchTagId", matches(|tag| (&tag.key_id, &tag.value_id)))
}

fn told(
    tags: Option<&Tags>,
    function: &str,
    holds: impl FnOnce(&Tags) -> bool,
) -> Result<bool, ExecutionError> {
    tags.map(holds).ok_or_else(|| ExecutionError::function_error(function, TAGS_UNREAD))
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
            tags: None,
        };
        let unknown = |why: &str| Truth::Unknown(Doubt::undecidable(why.to_owned()));
        let foreign = |what: &str| {
            unknown(&format!("its condition asks of `{what}`, which Cloud Run does not give"))
        };
        let resource = foreign("resource.type");
        for (expression, expected) in [
            (r#"request.path.startsWith("/reports")"#, Truth::True),
            (r#"request.path == "/reports""#, Truth::False),
            (r#"request.path.endsWith("q1") && request.host.endsWith(".run.app")"#, Truth::True),
            (r#"request.time < timestamp("2026-06-01T12:00:00Z")"#, Truth::False),
            (r#"request.time < timestamp("2026-06-01T12:00:01Z")"#, Truth::True),
            (r#"request.time.getHours("Europe/Berlin") == 14"#, Truth::True),
            (r#"resource.name.startsWith("x")"#, foreign("resource.name")),
            (r#"api.getAttribute("x", 1) == 1"#, foreign("api")),
            (r#"inIpRange(origin.ip, "10.0.0.0/8")"#, foreign("origin")),
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
            Truth::Unknown(Doubt::of_request(
                "its condition asks of `request.path`, which is not known here"
            ))
        );
    }

    #[test]
    fn weighs_tags_by_name_and_by_id() {
        let tags: Tags = Arc::from([Tag {
            key: "433637338589/environment".to_owned(),
            key_id: "tagKeys/1".to_owned(),
            value: "production".to_owned(),
            value_id: "tagValues/2".to_owned(),
        }]);
        let read = Attributes {
            path: None,
            host: None,
            time: datetime!(2026-06-01 12:00 UTC),
            tags: Some(&tags),
        };
        let unread = Attributes { tags: None, ..read };
        let not_read = |silently| Doubt {
            silently: Some(silently),
            ..Doubt::unread("the tags that its condition asks of were not read")
        };
        for (expression, expected) in [
            ("resource.hasTagKey('433637338589/environment')", Truth::True),
            ("resource.hasTagKey('environment')", Truth::False),
            ("resource.hasTagKeyId('tagKeys/1')", Truth::True),
            ("resource.matchTag('433637338589/environment', 'production')", Truth::True),
            ("resource.matchTag('433637338589/environment', 'test')", Truth::False),
            ("resource.matchTagId('tagKeys/1', 'tagValues/2')", Truth::True),
            ("!resource.matchTagId('tagKeys/1', 'tagValues/3')", Truth::True),
        ] {
            assert_eq!(evaluate(expression, &read), expected, "{expression}");
            assert_eq!(
                evaluate(expression, &unread),
                Truth::Unknown(not_read(expression.starts_with('!'))),
                "{expression}"
            );
            let never = format!("{expression} && false");
            assert_eq!(evaluate(&never, &unread), Truth::False, "{never}");
        }
    }
}

//! At which times an expression may hold, and at which it may not, whatever else is asked: by Kleene's
//! logic over sets of times, so that nothing is said that the expression does not.

use cel::common::ast::{Expr, IdedExpr, SelectExpr};
use cel::{Context, Value};
use time::OffsetDateTime;

use super::ast::{is_constant, text};

/// Nanoseconds since 1970.
type Moment = i128;
/// Spans from a moment to before another, in order and apart.
type Spans = Vec<(Moment, Moment)>;

const BEGINNING: Moment = Moment::MIN;
const FOR_EVER: Moment = Moment::MAX;
const SECOND: Moment = 1_000_000_000;
const DAY: Moment = 86_400 * SECOND;

/// When an expression may be true and when it may be false.
#[derive(Clone, Debug)]
pub(super) struct Times {
    may_hold: Spans,
    may_fail: Spans,
}

impl Times {
    /// Reads them off an expression, by what it says of the time alone, or with `texts` also by what every
    /// path and every host is like.
    pub(super) fn of(node: &IdedExpr, texts: bool) -> Self {
        let of = |node| Self::of(node, texts);
        let attribute = |node| attribute(node).filter(|_| texts);
        let call = match &node.expr {
            Expr::Call(call) if !is_constant(node) => call,
            _ => {
                return constant(node).map_or_else(Self::unknown, |value| match value {
                    Value::Bool(holds) => Self::always(holds),
                    _ => Self::unknown(),
                });
            }
        };
        match (call.func_name.as_str(), call.target.as_deref(), call.args.as_slice()) {
            ("_&&_", None, [a, b]) => of(a).and(&of(b)),
            ("_||_", None, [a, b]) => of(a).not().and(&of(b).not()).not(),
            ("!_", None, [a]) => of(a).not(),
            ("_?_:_", None, [condition, a, b]) => {
                let (condition, a, b) = (of(condition), of(a), of(b));
                // Either branch counts while the condition may lead to it.
                let while_led_to = |branch: Self, led: &Spans| {
                    (meet(led, &branch.may_hold), meet(led, &branch.may_fail))
                };
                let (held, failed) = while_led_to(a, &condition.may_hold);
                let (held_too, failed_too) = while_led_to(b, &condition.may_fail);
                Self { may_hold: join(&held, &held_too), may_fail: join(&failed, &failed_too) }
            }
            (method, Some(target), [argument]) => match (attribute(target), text(argument)) {
                (Some(attribute), Some(text)) => attribute.told_by(method, text),
                _ => Self::unknown(),
            },
            ("@in" | "_in_", None, [a, b]) => match (attribute(a), constant(b)) {
                (Some(attribute), Some(Value::List(texts))) => {
                    let may_be = texts.iter().any(|value| attribute.may_be(value));
                    if may_be { Self::unknown() } else { Self::always(false) }
                }
                _ => Self::unknown(),
            },
            (operator, None, [a, b]) => {
                let compared = |operator, asked, with| match attribute(asked) {
                    Some(attribute) => attribute.compared(operator, &constant(with)?),
                    None => Self::compared(operator, asked, with),
                };
                compared(operator, a, b)
                    .or_else(|| compared(turned(operator), b, a))
                    .unwrap_or_else(Self::unknown)
            }
            _ => Self::unknown(),
        }
    }

    /// When it ends for good; `None` if it has no end that is known.
    pub(super) fn end(&self) -> Option<OffsetDateTime> {
        match self.may_hold.last() {
            // Before every time that anything is weighed at.
            None => Some(OffsetDateTime::UNIX_EPOCH),
            Some((_, FOR_EVER)) => None,
            Some((_, end)) => OffsetDateTime::from_unix_timestamp_nanos(*end).ok(),
        }
    }

    /// Whether it holds at every time from `now` on.
    pub(super) fn are_all_from(&self, now: OffsetDateTime) -> bool {
        self.may_fail.last().is_none_or(|(_, end)| *end <= now.unix_timestamp_nanos())
    }

    /// Whether it holds at no time.
    pub(super) fn are_none(&self) -> bool {
        self.may_hold.is_empty()
    }

    fn always(holds: bool) -> Self {
        let (all, none) = (vec![(BEGINNING, FOR_EVER)], Vec::new());
        let (may_hold, may_fail) = if holds { (all, none) } else { (none, all) };
        Self { may_hold, may_fail }
    }

    fn unknown() -> Self {
        let all = vec![(BEGINNING, FOR_EVER)];
        Self { may_hold: all.clone(), may_fail: all }
    }

    fn not(self) -> Self {
        Self { may_hold: self.may_fail, may_fail: self.may_hold }
    }

    fn and(&self, other: &Self) -> Self {
        Self {
            may_hold: meet(&self.may_hold, &other.may_hold),
            may_fail: join(&self.may_fail, &other.may_fail),
        }
    }

    /// What a comparison of the time says, which stands on its left.
    fn compared(operator: &str, asked: &IdedExpr, with: &IdedExpr) -> Option<Self> {
        match Clock::of(asked)? {
            Clock::Time { ahead } => Self::of_time(operator, moment(with)?.checked_sub(ahead)?, 1),
            Clock::Since { from } => Self::of_time(operator, from.checked_add(span(with)?)?, 1),
            Clock::Until { to } => Self::of_time(turned(operator), to.checked_sub(span(with)?)?, 1),
            Clock::Seconds { ahead } => {
                let seconds = Moment::from(whole(with)?).checked_mul(SECOND)?;
                Self::of_time(operator, seconds.checked_sub(ahead)?, SECOND)
            }
            Clock::Year { ahead, unsure } => {
                let (year, next) =
                    (begin_of(whole(with)?)?, begin_of(whole(with)?.checked_add(1)?)?);
                let it = Self::of_time(operator, year - ahead, next - year)?;
                Some(it.wider(unsure))
            }
        }
    }

    /// `request.time OPERATOR moment`, of a time that counts in steps of `step`: what is after a step
    /// is after all of it.
    fn of_time(operator: &str, moment: Moment, step: Moment) -> Option<Self> {
        // Of one that holds at its end too, the end is told a second later.
        let after = moment.checked_add(step.max(SECOND))?;
        let (before, from) = (|at| vec![(BEGINNING, at)], |at| vec![(at, FOR_EVER)]);
        let during = vec![(moment, after)];
        let all = vec![(BEGINNING, FOR_EVER)];
        let (may_hold, may_fail) = match operator {
            "_<_" => (before(moment), from(moment)),
            "_<=_" => (before(after), from(moment)),
            "_>_" => (from(moment), before(after)),
            "_>=_" => (from(moment), before(moment)),
            "_==_" => (during, all),
            "_!=_" => (all, during),
            _ => return None,
        };
        Some(Self { may_hold, may_fail })
    }

    /// The same where each border may be off by so much.
    fn wider(self, by: Moment) -> Self {
        let wider = |spans: Spans| {
            let all =
                spans.iter().map(|(from, to)| (from.saturating_sub(by), to.saturating_add(by)));
            all.fold(Vec::new(), |joined, span| join(&joined, &[span]))
        };
        Self { may_hold: wider(self.may_hold), may_fail: wider(self.may_fail) }
    }
}

/// What an expression reads off the time of the request.
enum Clock {
    /// That time, so much later.
    Time { ahead: Moment },
    /// How long it is since a moment.
    Since { from: Moment },
    /// How long it is to a moment.
    Until { to: Moment },
    /// Its whole seconds since 1970.
    Seconds { ahead: Moment },
    /// Its year, which begins elsewhere earlier or later by so much.
    Year { ahead: Moment, unsure: Moment },
}

impl Clock {
    fn of(node: &IdedExpr) -> Option<Self> {
        if is_now(node) {
            return Some(Self::Time { ahead: 0 });
        }
        let Expr::Call(call) = &node.expr else { return None };
        let time = |node| match Self::of(node) {
            Some(Self::Time { ahead }) => Some(ahead),
            _ => None,
        };
        match (call.func_name.as_str(), call.target.as_deref(), call.args.as_slice()) {
            ("timestamp", None, [a]) => Some(Self::Time { ahead: time(a)? }),
            ("int", None, [a]) => Some(Self::Seconds { ahead: time(a)? }),
            ("getFullYear", Some(a), zone) => {
                let unsure = if zone.is_empty() { 0 } else { DAY };
                Some(Self::Year { ahead: time(a)?, unsure })
            }
            ("_+_", None, [a, b]) => {
                let (ahead, more) = match time(a) {
                    Some(ahead) => (ahead, span(b)?),
                    None => (time(b)?, span(a)?),
                };
                Some(Self::Time { ahead: ahead.checked_add(more)? })
            }
            ("_-_", None, [a, b]) => match (time(a), time(b)) {
                (Some(ahead), None) => match span(b) {
                    Some(less) => Some(Self::Time { ahead: ahead.checked_sub(less)? }),
                    None => Some(Self::Since { from: moment(b)?.checked_sub(ahead)? }),
                },
                (None, Some(ahead)) => Some(Self::Until { to: moment(a)?.checked_sub(ahead)? }),
                _ => None,
            },
            _ => None,
        }
    }
}

/// A text that every request has.
#[derive(Clone, Copy)]
enum Attribute {
    /// It begins with a slash.
    Path,
    /// It is not empty, and holds no slash.
    Host,
}

impl Attribute {
    fn may_be(self, value: &Value) -> bool {
        let Value::String(text) = value else { return false };
        match self {
            Self::Path => text.starts_with('/'),
            Self::Host => !text.is_empty() && !text.contains('/'),
        }
    }

    fn compared(self, operator: &str, value: &Value) -> Option<Times> {
        match operator {
            "_==_" if !self.may_be(value) => Some(Times::always(false)),
            "_!=_" if !self.may_be(value) => Some(Times::always(true)),
            _ => None,
        }
    }

    fn told_by(self, method: &str, text: &str) -> Times {
        let is_always = match (self, method) {
            (Self::Path, "startsWith" | "contains") => "/".starts_with(text),
            (_, "startsWith" | "endsWith" | "contains") => text.is_empty(),
            _ => false,
        };
        let is_never = match (self, method) {
            (Self::Path, "startsWith") => !text.is_empty() && !text.starts_with('/'),
            (Self::Host, "startsWith" | "endsWith" | "contains") => text.contains('/'),
            _ => false,
        };
        match (is_always, is_never) {
            (true, _) => Times::always(true),
            (_, true) => Times::always(false),
            _ => Times::unknown(),
        }
    }
}

fn attribute(node: &IdedExpr) -> Option<Attribute> {
    match asked_of_request(node)? {
        "path" => Some(Attribute::Path),
        "host" => Some(Attribute::Host),
        _ => None,
    }
}

fn is_now(node: &IdedExpr) -> bool {
    asked_of_request(node) == Some("time")
}

/// What is asked of the request: `request.time` or `request["time"]`.
fn asked_of_request(node: &IdedExpr) -> Option<&str> {
    let is_request = |node: &IdedExpr| matches!(&node.expr, Expr::Ident(name) if name == "request");
    match &node.expr {
        Expr::Select(SelectExpr { operand, field, test: false, .. }) if is_request(operand) => {
            Some(field)
        }
        Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            ("_[_]", [operand, key]) if is_request(operand) => text(key),
            _ => None,
        },
        _ => None,
    }
}

/// What an expression comes to that asks of nothing.
fn constant(node: &IdedExpr) -> Option<Value> {
    let value = is_constant(node).then(|| Value::resolve(node, &Context::default()))?;
    value.ok()
}

/// A time that is written out, such as `timestamp("…")`.
fn moment(node: &IdedExpr) -> Option<Moment> {
    match constant(node)? {
        Value::Timestamp(time) => {
            let nanos = Moment::from(time.timestamp_subsec_nanos());
            Moment::from(time.timestamp()).checked_mul(SECOND)?.checked_add(nanos)
        }
        _ => None,
    }
}

/// A span of time that is written out, such as `duration("1h")`.
fn span(node: &IdedExpr) -> Option<Moment> {
    match constant(node)? {
        Value::Duration(span) => {
            let seconds = Moment::from(span.num_seconds()).checked_mul(SECOND)?;
            seconds.checked_add(Moment::from(span.subsec_nanos()))
        }
        _ => None,
    }
}

fn whole(node: &IdedExpr) -> Option<i64> {
    match constant(node)? {
        Value::Int(number) => Some(number),
        _ => None,
    }
}

/// When a year begins, in UTC.
fn begin_of(year: i64) -> Option<Moment> {
    let year = i32::try_from(year).ok()?;
    let day = time::Date::from_calendar_date(year, time::Month::January, 1).ok()?;
    Some(day.midnight().assume_utc().unix_timestamp_nanos())
}

/// The operator that says the same of two operands in each other's place.
fn turned(operator: &str) -> &str {
    match operator {
        "_<_" => "_>_",
        "_<=_" => "_>=_",
        "_>_" => "_<_",
        "_>=_" => "_<=_",
        same => same,
    }
}

/// The times that are in both.
fn meet(a: &[(Moment, Moment)], b: &[(Moment, Moment)]) -> Spans {
    let pairs = a.iter().flat_map(|a| b.iter().map(move |b| (a.0.max(b.0), a.1.min(b.1))));
    let mut spans: Spans = pairs.filter(|(from, to)| from < to).collect();
    spans.sort_unstable();
    spans
}

/// The times that are in either.
fn join(a: &[(Moment, Moment)], b: &[(Moment, Moment)]) -> Spans {
    let mut all: Spans = a.iter().chain(b).copied().collect();
    all.sort_unstable();
    let mut spans: Spans = Vec::with_capacity(all.len());
    for (from, to) in all {
        match spans.last_mut() {
            Some((_, end)) if from <= *end => *end = to.max(*end),
            _ => spans.push((from, to)),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::expression::parsed;
    use super::super::{Attributes, Truth, evaluate};
    use super::*;

    fn atom() -> impl Strategy<Value = String> {
        let operator = || prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]);
        let instant = (0_i64..40).prop_map(|half| format!("timestamp({})", half * 15_768_000));
        let hours = (-5_i64..5).prop_map(|hours| format!("duration('{hours}h')"));
        let time = hours.clone().prop_map(|ahead| format!("(request.time + {ahead})"));
        let text = prop::sample::select(vec!["", "/", "/a", "a", "x.app", "/a/b"]);
        let asked = || prop::sample::select(vec!["request.path", "request.host"]);
        prop_oneof![
            (time, operator(), instant.clone()).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
            (instant.clone(), operator(), hours.clone())
                .prop_map(|(a, o, b)| format!("request.time - {a} {o} {b}")),
            (instant, operator(), hours)
                .prop_map(|(a, o, b)| format!("{a} - request.time {o} {b}")),
            (operator(), 1968_i64..1992)
                .prop_map(|(o, y)| format!("request.time.getFullYear() {o} {y}")),
            (operator(), 1968_i64..1992)
                .prop_map(|(o, y)| format!("{y} {o} request.time.getFullYear('Asia/Tokyo')")),
            (operator(), 0_i64..40)
                .prop_map(|(o, half)| format!("int(request.time) {o} {}", half * 15_768_000)),
            (asked(), prop::sample::select(vec!["==", "!="]), text.clone())
                .prop_map(|(a, o, t)| format!("{a} {o} '{t}'")),
            (asked(), prop::sample::select(vec!["startsWith", "endsWith", "contains"]), text)
                .prop_map(|(a, method, t)| format!("{a}.{method}('{t}')")),
            Just("request.path in ['a', '/b']".to_owned()),
            Just("true".to_owned()),
            Just("1 == 2".to_owned()),
        ]
    }

    fn expression() -> impl Strategy<Value = String> {
        atom().prop_recursive(3, 8, 3, |inner| {
            let (a, b, c) = (inner.clone(), inner.clone(), inner);
            prop_oneof![
                (a.clone(), b.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
                (a.clone(), b.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
                a.clone().prop_map(|a| format!("!({a})")),
                (c, a, b).prop_map(|(c, a, b)| format!("({c} ? {a} : {b})")),
            ]
        })
    }

    proptest! {
        /// What is said of every request is so of each.
        #[test]
        fn what_is_said_of_an_expression_is_what_it_comes_to(
            expression in expression(),
            half in 0_i64..40,
            off in -7200_i64..7200,
            path in prop::sample::select(vec!["/", "/a", "/b", "/a/b/x.app"]),
            host in prop::sample::select(vec!["x.app", "a"]),
        ) {
            let time = OffsetDateTime::from_unix_timestamp(half * 15_768_000 + off).unwrap();
            let request = Attributes { path: Some(path), host: Some(host), time, tags: None };
            let read = parsed(&expression).unwrap();
            match evaluate(&expression, &request) {
                Truth::True => {
                    prop_assert!(!read.never_holds(), "{expression}");
                    prop_assert!(read.ends_at().is_none_or(|end| time < end), "{expression}");
                }
                Truth::False => prop_assert!(!read.limits_nothing(time), "{expression}"),
                Truth::Unknown(doubt) => prop_assert!(false, "{expression}: {}", doubt.why),
            }
        }
    }
}

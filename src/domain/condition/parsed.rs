//! An expression as it was parsed, once in a command: what it asks of, when it ends for good, whether
//! it can hold at all. Nothing of this is read off the text.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cel::Program;
use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime, UtcOffset};

use super::program::with_room;

/// IAM's functions on tags (documented).
pub(super) const OF_TAGS: [&str; 4] = ["hasTagKey", "hasTagKeyId", "matchTag", "matchTagId"];
/// So many are kept; a program that weighs the conditions of strangers is not filled by them.
const MOST: usize = 4_096;

/// What is known of an expression.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) program: Program,
    /// The attributes that it asks of, such as `request.path`.
    pub(super) asks: BTreeSet<String>,
    pub(super) asks_for_tags: bool,
    span: Span,
}

/// From when on an expression is false, and from when on true, whatever the rest of the request is.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    /// It is false at this time and after.
    false_from: Option<OffsetDateTime>,
    /// It is true at this time and after.
    true_from: Option<OffsetDateTime>,
}

/// Before every time that anything is weighed at.
const ALWAYS: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

impl Parsed {
    /// When it ends for good, where it does.
    pub(super) fn ends_at(&self) -> Option<OffsetDateTime> {
        self.span.false_from
    }

    /// Whether it holds whatever is asked.
    pub(super) fn limits_nothing(&self) -> bool {
        self.span.true_from == Some(ALWAYS)
    }

    /// Whether it holds for nothing that is asked.
    pub(super) fn never_holds(&self) -> bool {
        self.span.false_from == Some(ALWAYS)
    }

    /// Whether it asks of the path or the host.
    pub(super) fn asks_of_an_address(&self) -> bool {
        ["request.path", "request.host"].iter().any(|asked| self.asks.contains(*asked))
    }

    /// Whether it asks nothing of the request or the resource.
    pub(super) fn is_constant(&self) -> bool {
        self.asks.is_empty() && !self.asks_for_tags
    }
}

/// The expression, parsed where that was not done yet; `None` where it cannot be, or is too large.
pub(super) fn parsed(expression: &str) -> Option<Arc<Parsed>> {
    static KNOWN: OnceLock<Mutex<HashMap<String, Option<Arc<Parsed>>>>> = OnceLock::new();
    let known = KNOWN.get_or_init(Mutex::default);
    let lock = || known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(parsed) = lock().get(expression) {
        return parsed.clone();
    }
    let parsed = with_room(expression, || parse(expression)).flatten().map(Arc::new);
    let mut known = lock();
    if known.len() < MOST {
        known.insert(expression.to_owned(), parsed.clone());
    }
    parsed
}

fn parse(expression: &str) -> Option<Parsed> {
    let program = Program::compile(expression).ok()?;
    let (mut asks, mut asks_for_tags) = (BTreeSet::new(), false);
    look(program.expression(), &mut asks, &mut asks_for_tags);
    let span = span(program.expression());
    Some(Parsed { program, asks, asks_for_tags, span })
}

/// Notes what an expression asks of.
fn look(node: &IdedExpr, asks: &mut BTreeSet<String>, tags: &mut bool) {
    let root = |node: &IdedExpr| match &node.expr {
        Expr::Ident(name) if name == "request" || name == "resource" => Some(name.clone()),
        _ => None,
    };
    match &node.expr {
        Expr::Unspecified | Expr::Literal(_) => {}
        Expr::Ident(_) => asks.extend(root(node)),
        Expr::Select(select) => match root(&select.operand) {
            Some(name) => drop(asks.insert(format!("{name}.{}", select.field))),
            None => look(&select.operand, asks, tags),
        },
        Expr::Call(call) => {
            let is_of_tags = OF_TAGS.contains(&call.func_name.as_str());
            *tags |= is_of_tags;
            if let ("_[_]", [operand, key]) = (call.func_name.as_str(), call.args.as_slice())
                && let (Some(name), Some(key)) = (root(operand), text(key))
            {
                asks.insert(format!("{name}.{key}"));
                return;
            }
            if let Some(target) = call.target.as_deref().filter(|_| !is_of_tags) {
                look(target, asks, tags);
            }
            call.args.iter().for_each(|argument| look(argument, asks, tags));
        }
        Expr::List(list) => list.elements.iter().for_each(|item| look(item, asks, tags)),
        Expr::Map(map) => look_at(&map.entries, asks, tags),
        Expr::Struct(made) => look_at(&made.entries, asks, tags),
        Expr::Comprehension(all) => {
            for part in
                [&all.iter_range, &all.accu_init, &all.loop_cond, &all.loop_step, &all.result]
            {
                look(part, asks, tags);
            }
        }
    }
}

fn look_at(
    entries: &[cel::common::ast::IdedEntryExpr],
    asks: &mut BTreeSet<String>,
    tags: &mut bool,
) {
    for entry in entries {
        match &entry.expr {
            EntryExpr::StructField(field) => look(&field.value, asks, tags),
            EntryExpr::MapEntry(pair) => {
                look(&pair.key, asks, tags);
                look(&pair.value, asks, tags);
            }
        }
    }
}

fn text(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

/// The later, where both are known.
fn both(a: Option<OffsetDateTime>, b: Option<OffsetDateTime>) -> Option<OffsetDateTime> {
    Some(a?.max(b?))
}

/// The earlier of those that are known.
fn either(a: Option<OffsetDateTime>, b: Option<OffsetDateTime>) -> Option<OffsetDateTime> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// From when on an expression is settled by the time alone.
fn span(node: &IdedExpr) -> Span {
    let call = match &node.expr {
        Expr::Literal(LiteralValue::Boolean(value)) => {
            let (yes, no) = (Some(ALWAYS), None);
            return if *value.inner() {
                Span { true_from: yes, false_from: no }
            } else {
                Span { true_from: no, false_from: yes }
            };
        }
        Expr::Call(call) => call,
        _ => return Span::default(),
    };
    match (call.func_name.as_str(), call.args.as_slice()) {
        ("_&&_", [a, b]) => {
            let (a, b) = (span(a), span(b));
            Span {
                false_from: either(a.false_from, b.false_from),
                true_from: both(a.true_from, b.true_from),
            }
        }
        ("_||_", [a, b]) => {
            let (a, b) = (span(a), span(b));
            Span {
                false_from: both(a.false_from, b.false_from),
                true_from: either(a.true_from, b.true_from),
            }
        }
        ("!_", [a]) => {
            let Span { false_from, true_from } = span(a);
            Span { false_from: true_from, true_from: false_from }
        }
        ("_?_:_", [condition, a, b]) => {
            let (condition, a, b) = (span(condition), span(a), span(b));
            let of = |pick: fn(&Span) -> Option<OffsetDateTime>| {
                // Either branch alone where the condition is settled, else both.
                let first = both(condition.true_from, pick(&a));
                let second = both(condition.false_from, pick(&b));
                either(either(first, second), both(pick(&a), pick(&b)))
            };
            Span { false_from: of(|span| span.false_from), true_from: of(|span| span.true_from) }
        }
        (operator, [a, b]) => match (is_now(a), moment(b), moment(a), is_now(b)) {
            (true, Some(moment), ..) => compared(operator, moment),
            (.., Some(moment), true) => {
                let turned = match operator {
                    "_<_" => "_>_",
                    "_<=_" => "_>=_",
                    "_>_" => "_<_",
                    "_>=_" => "_<=_",
                    same => same,
                };
                compared(turned, moment)
            }
            _ => Span::default(),
        },
        _ => Span::default(),
    }
}

/// `request.time OPERATOR moment`.
fn compared(operator: &str, moment: OffsetDateTime) -> Span {
    // One that holds at its end too is over a moment later.
    let after = moment.checked_add(Duration::SECOND);
    match operator {
        "_<_" => Span { false_from: Some(moment), true_from: None },
        "_<=_" | "_==_" => Span { false_from: after, true_from: None },
        "_>=_" => Span { false_from: None, true_from: Some(moment) },
        "_>_" | "_!=_" => Span { false_from: None, true_from: after },
        _ => Span::default(),
    }
}

/// Whether it is `request.time`.
fn is_now(node: &IdedExpr) -> bool {
    let is_request = |node: &IdedExpr| matches!(&node.expr, Expr::Ident(name) if name == "request");
    match &node.expr {
        Expr::Select(select) => {
            select.field == "time" && !select.test && is_request(&select.operand)
        }
        Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            ("_[_]", [operand, key]) => is_request(operand) && text(key) == Some("time"),
            _ => false,
        },
        _ => false,
    }
}

/// A time that is written out: `timestamp("…")`.
fn moment(node: &IdedExpr) -> Option<OffsetDateTime> {
    let Expr::Call(call) = &node.expr else { return None };
    match (call.func_name.as_str(), call.target.as_deref(), call.args.as_slice()) {
        ("timestamp", None, [argument]) => match text(argument) {
            Some(text) => {
                let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
                moment.checked_to_offset(UtcOffset::UTC)
            }
            None => moment(argument),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(expression: &str) -> Option<String> {
        parsed(expression)?.ends_at().and_then(|end| end.format(&Rfc3339).ok())
    }

    #[test]
    fn the_end_is_read_off_the_expression() {
        let (a, b) = ("timestamp(\"2020-01-01T00:00:00Z\")", "timestamp('2020-01-01T02:00:00Z')");
        let t = "request.time";
        let (one, two) = (Some("2020-01-01T00:00:00Z"), Some("2020-01-01T02:00:00Z"));
        for (expression, expected) in [
            (format!("{t} < {b}"), two),
            (format!("{t}<={b}"), Some("2020-01-01T02:00:01Z")),
            (format!("({t} >= {a} && {t} < {b})"), two),
            (format!("(({t} >= {a}) && ({t} < {b}))"), two),
            (format!("{b} > {t}"), two),
            (format!("{b} >= {t}"), Some("2020-01-01T02:00:01Z")),
            (format!("request[\"time\"] < {b}"), two),
            (format!("!({t} >= {b})"), two),
            (format!("!({b} <= {t})"), two),
            (format!("{t} < {a} || {t} < {b}"), two),
            (format!("{t} < {a} && {t} < {b}"), one),
            (format!("request.path == '/x' && {t} < {b}"), two),
            (format!("request.path == '/x' || {t} < {b}"), None),
            (format!("{t} < {b} ? true : false"), two),
            (format!("request.path == '/x' ? {t} < {a} : {t} < {b}"), two),
            (format!("request.path == \"{t} < {b}\""), None),
            (format!("{t} >= {a}"), None),
            (format!("{t} < {b} // && x"), two),
            ("false".to_owned(), Some("1970-01-01T00:00:00Z")),
            ("true".to_owned(), None),
            (format!("{t} < timestamp(\"2020-01-01T04:00:00+02:00\")"), two),
        ] {
            assert_eq!(end(&expression).as_deref(), expected, "{expression}");
        }
    }

    #[test]
    fn what_is_asked_is_read_off_the_expression() {
        for (expression, asks, tags) in [
            ("request.path == '/x'", &["request.path"][..], false),
            ("request['host'] == 'x'", &["request.host"], false),
            ("'request.path' == 'x'", &[], false),
            ("has({}.path)", &[], false),
            ("has(request.path)", &["request.path"], false),
            ("'matchTag' == 'x'", &[], false),
            ("resource.matchTag('a/b', 'c')", &[], true),
            ("[1].exists(x, request.path == '/')", &["request.path"], false),
        ] {
            let parsed = parsed(expression).unwrap();
            assert_eq!(
                parsed.asks.iter().map(String::as_str).collect::<Vec<_>>(),
                asks,
                "{expression}"
            );
            assert_eq!(parsed.asks_for_tags, tags, "{expression}");
        }
    }
}

//! An expression as it was parsed, once in a command: what it asks of, when it ends for good, whether
//! it can hold at all. Nothing of this is read off the text.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cel::Program;
use time::OffsetDateTime;

use super::ast::look;
use super::program::with_room;
use super::times::Times;

/// So many are kept; a program that weighs the conditions of strangers is not filled by them.
const MOST: usize = 4_096;

/// A parsed expression.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) program: Program,
    /// The attributes that it asks of, such as `request.path`.
    pub(super) asks: BTreeSet<String>,
    pub(super) asks_for_tags: bool,
    /// When it may hold, as far as that rests on the time alone.
    times: Times,
    /// The same, by what every path and every host is like too.
    of_any_request: Times,
}

impl Parsed {
    /// When it ends for good; `None` if it has no end that is known.
    pub(super) fn ends_at(&self) -> Option<OffsetDateTime> {
        self.times.end()
    }

    /// Whether it holds from `now` on, whatever is asked.
    pub(super) fn limits_nothing(&self, now: OffsetDateTime) -> bool {
        self.of_any_request.are_all_from(now)
    }

    /// Whether it holds at no time and for nothing that is asked.
    pub(super) fn never_holds(&self) -> bool {
        self.of_any_request.are_none()
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

/// The expression, parsed where that was not done yet; `None` if it cannot be, or is too large.
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
    let [times, of_any_request] = [false, true].map(|texts| Times::of(program.expression(), texts));
    Some(Parsed { program, asks, asks_for_tags, times, of_any_request })
}

#[cfg(test)]
mod tests {
    use time::format_description::well_known::Rfc3339;

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
            (format!("{t} - duration('1h') < timestamp('2020-01-01T01:00:00Z')"), two),
            (format!("{t} + duration('1h') < timestamp('2020-01-01T03:00:00Z')"), two),
            (format!("{t} < {a} + duration('2h')"), two),
            (format!("{t} - {a} < duration('2h')"), two),
            (format!("{a} - {t} > duration('-7200s')"), two),
            (format!("int({t}) < 1577844000"), two),
            (format!("{t}.getFullYear() < 2020"), one),
            (format!("{t}.getFullYear() <= 2019"), one),
            (format!("2020 > {t}.getFullYear()"), one),
            (format!("{t}.getFullYear() == 2019"), one),
            (format!("{t}.getFullYear('Europe/Berlin') < 2020"), Some("2020-01-02T00:00:00Z")),
            (format!("{t}.getFullYear() != 2019"), None),
            (format!("{t}.getHours() < 9"), None),
            (format!("{t} >= {b} && {t} < {a}"), Some("1970-01-01T00:00:00Z")),
        ] {
            assert_eq!(end(&expression).as_deref(), expected, "{expression}");
        }
    }

    #[test]
    fn what_limits_nothing_and_what_never_holds_is_read_off_the_expression() {
        let now = OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap();
        let (nothing, never, some) = ("limits nothing", "never holds", "limits");
        for (expression, expected) in [
            ("true", nothing),
            ("1 == 1", nothing),
            ("!(1 == 2)", nothing),
            ("request.time > timestamp('2020-01-01T00:00:00Z')", nothing),
            ("request.time.getFullYear() >= 2020", nothing),
            ("request.time > timestamp('2020-01-01T00:00:00Z') || request.path == '/x'", nothing),
            ("request.path.startsWith('')", nothing),
            ("request.path.startsWith('/')", nothing),
            ("request.path != ''", nothing),
            ("request.path.contains('/')", nothing),
            ("request.host.endsWith('')", nothing),
            ("request.host != 1", nothing),
            ("request.path == '/x' ? true : true", nothing),
            ("false", never),
            ("request.path == 1", never),
            ("request.path == '/x' && false", never),
            ("request.path == 'x'", never),
            ("'' == request.path", never),
            ("request.path.startsWith('reports')", never),
            ("request.path in ['a', 'b']", never),
            ("request.host == 'https://x.example.com'", never),
            ("request.host.endsWith('/')", never),
            (
                "request.time > timestamp('2030-01-01T00:00:00Z') && request.time < timestamp('2029-01-01T00:00:00Z')",
                never,
            ),
            ("request.path == '/x'", some),
            ("request.path.startsWith('/x')", some),
            ("request.path.contains('x')", some),
            ("request.path in ['/a', 'b']", some),
            ("request.host == 'x.example.com'", some),
            ("request.time > timestamp('2030-01-01T00:00:00Z')", some),
            ("request.time < timestamp('2030-01-01T00:00:00Z')", some),
            ("request.time.getHours() < 9", some),
            ("resource.matchTag('1/env', 'prod')", some),
            ("request.path.matches('^/x')", some),
        ] {
            let parsed = parsed(expression).unwrap();
            let is = match (parsed.limits_nothing(now), parsed.never_holds()) {
                (true, false) => nothing,
                (false, true) => never,
                (false, false) => some,
                (true, true) => "both",
            };
            assert_eq!(is, expected, "{expression}");
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

//! Room for what an expression takes: its parser goes as deep as it is nested, a hundred kilobytes of the
//! stack and more at each level, and it may come from anybody who can write a policy.

use std::thread;

/// Longer than any that IAM takes.
const MAX_LENGTH: usize = 8 * 1024;
/// The operators and brackets that an expression may have. The twelve logical operators that IAM takes
/// leave room for many in each term.
const MAX_SIGNS: usize = 250;
/// What needs no more room than any thread has.
const FEW_SIGNS: usize = 24;
const SHALLOW: usize = 4;
/// Measured: enough for [`MAX_SIGNS`] levels of brackets, not optimised; only what is used is taken.
const ROOM: usize = 128 * 1024 * 1024;

/// Does something with an expression where there is room for it, on a thread of its own where it is large;
/// `None` if it is too large, or no such thread is to be had.
pub(super) fn with_room<T: Send>(expression: &str, work: impl FnOnce() -> T + Send) -> Option<T> {
    if expression.len() > MAX_LENGTH {
        return None;
    }
    let all = Size::of(expression);
    if all.signs <= FEW_SIGNS && all.depth <= SHALLOW {
        return Some(work());
    }
    // What stands in quotes costs nothing, if it is clear what does: a comment, a raw or a tripled quote
    // could hide anything.
    let is_clear = !["//", "\\", "\"\"", "''"].iter().any(|sign| expression.contains(sign));
    let outside = outside_quotes(expression).filter(|_| is_clear);
    let size = outside.map_or(all, |outside| Size::of(&outside));
    if size.signs > MAX_SIGNS {
        return None;
    }
    thread::scope(|scope| {
        let builder = thread::Builder::new().stack_size(ROOM);
        builder.spawn_scoped(scope, work).ok()?.join().ok()
    })
}

/// A text without what stands in quotes; `None` if one is not closed.
pub(super) fn outside_quotes(text: &str) -> Option<String> {
    let (mut outside, mut quote, mut escaped) = (String::new(), None, false);
    for c in text.chars() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(end) if c == end => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None => outside.push(c),
        }
    }
    quote.is_none().then_some(outside)
}

/// What a text costs.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    signs: usize,
    /// How deep brackets are nested.
    depth: usize,
}

impl Size {
    fn of(text: &str) -> Self {
        let (mut size, mut open) = (Self::default(), 0_usize);
        for c in text.chars() {
            match c {
                '(' | '[' | '{' => {
                    open += 1;
                    size.signs += 1;
                    size.depth = size.depth.max(open);
                }
                ')' | ']' | '}' => open = open.saturating_sub(1),
                _ => size.signs += usize::from("!-?.+*/%<>=&|".contains(c)),
            }
        }
        size
    }
}

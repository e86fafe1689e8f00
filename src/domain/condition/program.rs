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
/// `None` where it is too large, or no such thread is to be had.
pub(super) fn with_room<T: Send>(expression: &str, work: impl FnOnce() -> T + Send) -> Option<T> {
    let Size { signs, depth } = Size::of(expression);
    if expression.len() > MAX_LENGTH || signs > MAX_SIGNS {
        return None;
    }
    if signs <= FEW_SIGNS && depth <= SHALLOW {
        return Some(work());
    }
    thread::scope(|scope| {
        let builder = thread::Builder::new().stack_size(ROOM);
        builder.spawn_scoped(scope, work).ok()?.join().ok()
    })
}

/// What an expression costs.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    signs: usize,
    /// How deep brackets are nested.
    depth: usize,
}

impl Size {
    /// Counts what stands outside of quotes; all of it where a quote is not closed.
    fn of(expression: &str) -> Self {
        Self::counted(expression, true)
            .unwrap_or_else(|| Self::counted(expression, false).unwrap_or_default())
    }

    fn counted(expression: &str, heeds_quotes: bool) -> Option<Self> {
        let (mut size, mut open) = (Self::default(), 0_usize);
        let (mut quote, mut escaped) = (None, false);
        for c in expression.chars() {
            match (quote, c) {
                (Some(_), _) if escaped => escaped = false,
                (Some(_), '\\') => escaped = true,
                (Some(end), _) if c == end => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') if heeds_quotes => quote = Some(c),
                (None, '(' | '[' | '{') => {
                    open += 1;
                    size.signs += 1;
                    size.depth = size.depth.max(open);
                }
                (None, ')' | ']' | '}') => open = open.saturating_sub(1),
                (None, _) => size.signs += usize::from("!-?.+*/%<>=&|".contains(c)),
            }
        }
        quote.is_none().then_some(size)
    }
}

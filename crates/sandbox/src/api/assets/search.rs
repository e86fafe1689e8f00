//! The query language of Cloud Asset Inventory's searches, for what concerns access (documented).
//!
//! Words beside each other must all hold, `AND`, `OR`, `NOT` or `-`, and parentheses join them. A
//! term is a field with `:` (words that stand in it, the last one cut off at `*`), `=` (the whole
//! text) or a comparison of times, or a word to be found in any field.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::dialect::api_error::ApiError;

/// What a result must be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Query {
    All(Vec<Query>),
    Any(Vec<Query>),
    Not(Box<Query>),
    Term(Term),
}

/// One thing that a result must say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Term {
    /// The field's path; empty for any field.
    pub(super) field: String,
    sign: &'static str,
    value: String,
}

/// What is searched: the texts of a field, of every field if none is named.
pub(super) trait Texts {
    fn texts(&self, field: &str) -> Vec<String>;
}

impl Query {
    pub(super) fn parse(text: &str) -> Result<Self, ApiError> {
        let words = words(text).ok_or_else(|| bad(text))?;
        if words.is_empty() {
            return Ok(Self::All(Vec::new()));
        }
        let mut rest = words.as_slice();
        let query = any(&mut rest).filter(|_| rest.is_empty());
        query.ok_or_else(|| bad(text))
    }

    /// Whether it asks for nothing.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::All(none) if none.is_empty())
    }

    /// Whether a result is as wanted.
    pub(super) fn matches(&self, result: &impl Texts) -> bool {
        match self {
            Self::All(all) => all.iter().all(|one| one.matches(result)),
            Self::Any(any) => any.iter().any(|one| one.matches(result)),
            Self::Not(other) => !other.matches(result),
            Self::Term(term) => result.texts(&term.field).iter().any(|text| term.matches(text)),
        }
    }

    /// Every term of it.
    pub(super) fn terms(&self) -> Vec<&Term> {
        match self {
            Self::All(several) | Self::Any(several) => {
                several.iter().flat_map(Self::terms).collect()
            }
            Self::Not(other) => other.terms(),
            Self::Term(term) => vec![term],
        }
    }
}

impl Term {
    /// Whether one text is as wanted.
    pub(super) fn matches(&self, text: &str) -> bool {
        match self.sign {
            "=" => self.value == "*" || text.eq_ignore_ascii_case(&self.value),
            ":" => has_words(text, &self.value),
            sign => match (moment(text), moment(&self.value)) {
                (Some(of), Some(than)) => match sign {
                    "<" => of < than,
                    "<=" => of <= than,
                    ">" => of > than,
                    _ => of >= than,
                },
                _ => false,
            },
        }
    }
}

fn bad(text: &str) -> ApiError {
    ApiError::invalid(format!("Invalid query: {text}."))
}

/// A moment: a date, a time, or seconds since 1970.
fn moment(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    OffsetDateTime::parse(&whole, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp)
}

/// Whether the words of `wanted` stand in a text side by side; the last is cut off at a `*`.
fn has_words(text: &str, wanted: &str) -> bool {
    if wanted == "*" {
        return !text.is_empty();
    }
    let (wanted, is_start) = match wanted.strip_suffix('*') {
        Some(start) => (start, true),
        None => (wanted, false),
    };
    let split = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric());
        words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
    };
    let (text, wanted) = (split(text), split(wanted));
    let Some((last, first)) = wanted.split_last() else { return false };
    text.windows(wanted.len()).any(|window| {
        let (end, start) = (&window[first.len()], &window[..first.len()]);
        start == first && if is_start { end.starts_with(last.as_str()) } else { end == last }
    })
}

/// A sign, or a term or one of its words.
#[derive(Debug, PartialEq, Eq)]
enum Word {
    Open,
    Close,
    And,
    Or,
    Not,
    Term(Term),
}

fn words(text: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, taken) = match first {
            '(' => (Word::Open, 1),
            ')' => (Word::Close, 1),
            '-' => (Word::Not, 1),
            _ => term(rest)?,
        };
        words.push(word);
        rest = rest[taken..].trim_start();
    }
    Some(words)
}

/// The term that a text begins with, and its length.
fn term(text: &str) -> Option<(Word, usize)> {
    let (first, mut at) = piece(text)?;
    let bare = &text[..at];
    match bare {
        "AND" => return Some((Word::And, at)),
        "OR" => return Some((Word::Or, at)),
        "NOT" => return Some((Word::Not, at)),
        _ => {}
    }
    // Blanks may stand about a sign.
    let blanks = text[at..].len() - text[at..].trim_start().len();
    let after = &text[at + blanks..];
    let sign = ["<=", ">=", ":", "=", "<", ">"].into_iter().find(|sign| after.starts_with(sign));
    let Some(sign) = sign else {
        return Some((Word::Term(Term { field: String::new(), sign: ":", value: first }), at));
    };
    at += blanks + sign.len();
    at += text[at..].len() - text[at..].trim_start().len();
    let (value, length) = value(&text[at..])?;
    Some((Word::Term(Term { field: first, sign, value }), at + length))
}

/// A word or what is in quotes, without them, and its length; it ends at a sign.
fn piece(text: &str) -> Option<(String, usize)> {
    if let Some(inside) = text.strip_prefix('"') {
        let end = inside.find('"')?;
        return Some((inside[..end].to_owned(), end + 2));
    }
    let end = text.find([' ', '(', ')', ':', '=', '<', '>']).unwrap_or(text.len());
    (end > 0).then(|| (text[..end].to_owned(), end))
}

/// The value of a field: as a word, but that it may hold signs.
fn value(text: &str) -> Option<(String, usize)> {
    if text.starts_with('"') {
        return piece(text);
    }
    let end = text.find([' ', '(', ')']).unwrap_or(text.len());
    (end > 0).then(|| (text[..end].to_owned(), end))
}

fn any(rest: &mut &[Word]) -> Option<Query> {
    if rest.is_empty() {
        return None;
    }
    let mut several = vec![all(rest)?];
    while let Some((Word::Or, after)) = rest.split_first() {
        *rest = after;
        several.push(all(rest)?);
    }
    if several.len() == 1 { several.pop() } else { Some(Query::Any(several)) }
}

fn all(rest: &mut &[Word]) -> Option<Query> {
    let mut several = Vec::new();
    loop {
        match rest.split_first() {
            None | Some((Word::Or | Word::Close, _)) => break,
            Some((Word::And, after)) if !several.is_empty() => *rest = after,
            _ => several.push(one(rest)?),
        }
    }
    match several.len() {
        0 => None,
        1 => several.pop(),
        _ => Some(Query::All(several)),
    }
}

fn one(rest: &mut &[Word]) -> Option<Query> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    match first {
        Word::Not => one(rest).map(|other| Query::Not(Box::new(other))),
        Word::Open => {
            let inside = any(rest)?;
            let (Word::Close, after) = rest.split_first()? else { return None };
            *rest = after;
            Some(inside)
        }
        Word::Term(Term { field, sign, value }) => {
            let (field, value) = (field.clone(), value.clone());
            Some(Query::Term(Term { field, sign, value }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields and their texts.
    struct Result(&'static [(&'static str, &'static str)]);

    impl Texts for Result {
        fn texts(&self, field: &str) -> Vec<String> {
            let wanted = |(name, _): &&(&str, &str)| field.is_empty() || *name == field;
            self.0.iter().filter(wanted).map(|(_, text)| (*text).to_owned()).collect()
        }
    }

    #[test]
    fn what_is_asked_for_is_found() {
        let result = Result(&[
            ("name", "//run.googleapis.com/projects/shop-1/locations/us-central1/services/hello"),
            ("location", "us-central1"),
            ("labels.env", "prod"),
            ("policy", "roles/run.invoker"),
            ("policy", "user:amy@example.com"),
            ("updateTime", "2026-05-01T00:00:00Z"),
        ]);
        for (text, holds) in [
            ("", true),
            ("hello", true),
            ("hell", false),
            ("hell*", true),
            ("name:services/hello", true),
            ("name:hello/services", false),
            ("location=us-central1", true),
            ("location=us", false),
            ("location:us", true),
            ("labels.env:*", true),
            ("labels.team:*", false),
            ("policy:roles/run.invoker policy:amy@example.com", true),
            ("location=europe-west1 OR location=us-central1", true),
            ("NOT location=us-central1", false),
            ("-location=europe-west1 AND (hello OR moon)", true),
            ("updateTime>2026-04-30", true),
            ("updateTime < 1700000000", false),
            ("name:\"services hello\"", true),
        ] {
            assert_eq!(Query::parse(text).unwrap().matches(&result), holds, "{text}");
        }
        for text in ["(", "a)", "OR", "a OR", "AND a", "name:", "\"open", "NOT", "name:(a)"] {
            assert!(Query::parse(text).is_err(), "{text}");
        }
    }
}

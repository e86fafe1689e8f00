//! Partial responses: the `fields` parameter that all of Google's APIs take.

use serde_json::{Map, Value};

use crate::dialect::api_error::ApiError;

/// A tree of wanted fields. Without branches, everything below is wanted.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<(String, Fields)>);

impl Fields {
    /// Parses `a,b/c,d(e,f/g)`.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let mut rest = text;
        let fields = parse_list(&mut rest)
            .filter(|_| rest.is_empty())
            .ok_or_else(|| ApiError::invalid(format!("Invalid field selection {text}")))?;
        Ok(fields)
    }

    /// Whether anything of what is at this path is wanted.
    pub(crate) fn wants(&self, path: &[&str]) -> bool {
        let Some((first, rest)) = path.split_first() else { return true };
        self.0.is_empty()
            || self
                .0
                .iter()
                .any(|(name, below)| (name == first || name == "*") && below.wants(rest))
    }

    /// Keeps what is wanted of a value.
    pub(crate) fn select(&self, value: Value) -> Value {
        if self.0.is_empty() {
            return value;
        }
        match value {
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|item| self.select(item)).collect())
            }
            Value::Object(object) => Value::Object(self.select_in(object)),
            other => other,
        }
    }

    fn select_in(&self, object: Map<String, Value>) -> Map<String, Value> {
        object
            .into_iter()
            .filter_map(|(name, value)| {
                let mut wanted =
                    self.0.iter().filter(|(field, _)| *field == name || field == "*").peekable();
                wanted.peek()?;
                let mut merged = Fields::default();
                for (_, below) in wanted {
                    if below.0.is_empty() {
                        return Some((name, value));
                    }
                    merged.0.extend(below.0.iter().map(Fields::copy));
                }
                Some((name, merged.select(value)))
            })
            .collect()
    }

    fn copy((name, below): &(String, Self)) -> (String, Self) {
        (name.clone(), Self(below.0.iter().map(Self::copy).collect()))
    }
}

fn parse_list(rest: &mut &str) -> Option<Fields> {
    let mut fields = Vec::new();
    loop {
        fields.push(parse_one(rest)?);
        match rest.strip_prefix(',') {
            Some(after) => *rest = after,
            None => return Some(Fields(fields)),
        }
    }
}

fn parse_one(rest: &mut &str) -> Option<(String, Fields)> {
    let end = rest.find(['/', '(', ')', ',']).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    let name = name.trim();
    if name.is_empty() {
        return None;
    }
    *rest = after;
    let below = if let Some(after) = rest.strip_prefix('/') {
        *rest = after;
        Fields(vec![parse_one(rest)?])
    } else if let Some(after) = rest.strip_prefix('(') {
        *rest = after;
        let list = parse_list(rest)?;
        *rest = rest.strip_prefix(')')?;
        list
    } else {
        Fields::default()
    };
    Some((name.to_owned(), below))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keeps_what_is_asked_for() {
        let value =
            json!({"items": [{"a": 1, "b": {"c": 2, "d": 3}, "e": 4}], "next": "n", "x": 0});
        let of = |text| Fields::parse(text).unwrap().select(value.clone());
        assert_eq!(
            of("items(a,b/c),next"),
            json!({"items": [{"a": 1, "b": {"c": 2}}], "next": "n"})
        );
        assert_eq!(of("items/b"), json!({"items": [{"b": {"c": 2, "d": 3}}]}));
        assert_eq!(of("items/b/c,items/a"), json!({"items": [{"a": 1, "b": {"c": 2}}]}));
        assert_eq!(of("*"), value);
        let fields = Fields::parse("items(a,b/c),next").unwrap();
        for (path, wanted) in [
            (&["items", "a"][..], true),
            (&["items", "b"], true),
            (&["items", "b", "c"], true),
            (&["items", "b", "d"], false),
            (&["items", "e"], false),
            (&["items", "a", "x"], true),
        ] {
            assert_eq!(fields.wants(path), wanted, "{path:?}");
        }
        for bad in ["", "a,", "a(b", "a)", "a//b"] {
            assert!(Fields::parse(bad).is_err(), "{bad}");
        }
    }
}

//! Label selectors, as Kubernetes writes them and Run v1 takes them.

use serde_json::{Map, Value};

use crate::dialect::api_error::ApiError;

/// What labels must be: all of its requirements.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector(Vec<Requirement>);

#[derive(Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Missing,
    In(Vec<String>),
    NotIn(Vec<String>),
}

impl Selector {
    /// Parses `a=b, c == d, e != f, g in (h, i), j notin (k), l, !m`; gcloud puts spaces about
    /// each sign.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let parts = split(text);
        let parts = parts.iter().map(|part| part.trim());
        let requirements = parts.map(|part| {
            requirement(part)
                .ok_or_else(|| ApiError::invalid(format!("Invalid label selector '{text}'.")))
        });
        Ok(Self(requirements.collect::<Result<_, _>>()?))
    }

    /// Whether labels are as wanted.
    pub(crate) fn matches(&self, labels: &Map<String, Value>) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels.get(&requirement.key).and_then(Value::as_str);
            let is_one_of =
                |values: &[String]| values.iter().any(|known| Some(known.as_str()) == value);
            match &requirement.test {
                Test::Exists => value.is_some(),
                Test::Missing => value.is_none(),
                Test::In(values) => is_one_of(values),
                Test::NotIn(values) => !is_one_of(values),
            }
        })
    }
}

/// Splits at the commas that are outside of parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_u32);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn requirement(part: &str) -> Option<Requirement> {
    let word = |text: &str| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/'))
    };
    let made = |key: &str, test| {
        let key = key.trim();
        let good = match &test {
            Test::In(values) | Test::NotIn(values) => values.iter().all(|value| word(value)),
            Test::Exists | Test::Missing => true,
        };
        let good = good && !key.is_empty() && word(key);
        good.then(|| Requirement { key: key.to_owned(), test })
    };
    let one = |value: &str| vec![value.trim().to_owned()];
    if let Some((key, value)) = part.split_once("!=") {
        return made(key, Test::NotIn(one(value)));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return made(key, Test::In(one(value)));
    }
    if let Some(values) = part.strip_suffix(')') {
        let (head, values) = values.split_once('(')?;
        let (key, word) = head.trim().rsplit_once(char::is_whitespace)?;
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        return match word {
            "in" => made(key, Test::In(values)),
            "notin" => made(key, Test::NotIn(values)),
            _ => None,
        };
    }
    match part.strip_prefix('!') {
        Some(key) => made(key, Test::Missing),
        None => made(part, Test::Exists),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_are_matched() {
        let labels = json!({"app": "shop", "tier": "web", "serving.knative.dev/service": "hello"});
        let labels = labels.as_object().unwrap();
        for (text, matches) in [
            ("", true),
            ("app=shop", true),
            ("app = shop, tier == web", true),
            ("serving.knative.dev/service = hello", true),
            ("app=other", false),
            ("app != other", true),
            ("app!=shop", false),
            ("missing != shop", true),
            ("tier in (web, api), app", true),
            ("tier in (api)", false),
            ("tier notin (api, db)", true),
            ("tier notin (web)", false),
            ("!tier", false),
            ("!missing", true),
            ("missing", false),
        ] {
            assert_eq!(Selector::parse(text).unwrap().matches(labels), matches, "{text}");
        }
        for bad in [
            "a b", "=x", "a in b", "a of (b)", "! ", "a in (b", "a=b=c", "(((", ",", "a,", "a==b=c",
        ] {
            assert!(Selector::parse(bad).is_err(), "{bad}");
        }
    }
}

//! Filters of lists, as far as clients ask for them: fields and values, all of which must hold.

use serde_json::Value;

use crate::dialect::api_error::ApiError;

/// What a resource must be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter(Vec<Term>);

#[derive(Debug, PartialEq, Eq)]
struct Term {
    path: String,
    value: String,
    is_negated: bool,
}

impl Filter {
    /// Parses `a:b c.d=e AND f="g h" NOT h:i`. What is more is said not to be here.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let mut terms = Vec::new();
        let mut is_negated = false;
        for word in words(text) {
            match word.as_str() {
                "AND" => {}
                "NOT" => is_negated = true,
                word => {
                    let bare = word.strip_prefix('-').unwrap_or(word);
                    let split = bare.split_once("!=").or_else(|| bare.split_once([':', '=']));
                    let (path, value) = split
                        .filter(|(path, _)| !path.is_empty() && !path.contains(['(', '<', '>']))
                        .ok_or_else(|| {
                            ApiError::not_implemented(&format!("the filter `{text}`"))
                        })?;
                    let is_other = bare.len() != word.len() || bare.contains("!=");
                    let value = value.trim_matches('"').to_owned();
                    let is_negated = std::mem::take(&mut is_negated) != is_other;
                    terms.push(Term { path: path.to_owned(), value, is_negated });
                }
            }
        }
        Ok(Self(terms))
    }

    /// Whether a resource is as wanted. Texts are compared without case; `*` stands for anything, at
    /// the end of a value for what follows.
    pub(crate) fn matches(&self, resource: &Value) -> bool {
        self.0.iter().all(|term| {
            let found = term.path.split('.').try_fold(resource, |value, name| value.get(name));
            let is_as_said = match found {
                Some(_) if term.value == "*" => true,
                Some(Value::String(text)) => match term.value.strip_suffix('*') {
                    Some(start) => text.to_lowercase().starts_with(&start.to_lowercase()),
                    None => text.eq_ignore_ascii_case(&term.value),
                },
                Some(Value::Bool(known)) => term.value.parse() == Ok(*known),
                Some(Value::Number(known)) => term.value == known.to_string(),
                Some(_) | None => false,
            };
            is_as_said != term.is_negated
        })
    }
}

/// The words of a filter; what is in quotes is one.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        match c {
            ' ' if !is_quoted => words.push(std::mem::take(&mut word)),
            '"' => {
                is_quoted = !is_quoted;
                word.push(c);
            }
            c => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_asked_for_is_found() {
        let project = json!({"lifecycleState": "ACTIVE", "name": "The Shop",
            "labels": {"team": "web"}, "parent": {"type": "folder", "id": "7"}});
        for (text, holds) in [
            ("", true),
            ("lifecycleState:ACTIVE", true),
            ("lifecycleState=active labels.team=web", true),
            ("name=\"the shop\" AND parent.id:7", true),
            ("labels.team:*", true),
            ("labels.color:*", false),
            ("NOT labels.team:api", true),
            ("-labels.team:web", false),
            ("labels.team!=web", false),
            ("name:the*", true),
            ("name:shop", false),
        ] {
            assert_eq!(Filter::parse(text).unwrap().matches(&project), holds, "{text}");
        }
        for text in ["a OR b", "(a:b)", "a>3", "word"] {
            assert_eq!(Filter::parse(text).unwrap_err().code, 501, "{text}");
        }
    }
}

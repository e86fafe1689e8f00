//! What a message may hold. A body with a field that the API does not have, or with a value of the
//! wrong type, is refused at any depth, as Google's JSON parser does; nothing is dropped in silence.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::Value;

use super::api_error::ApiError;

/// An API whose messages are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    RunV1,
    RunV2,
}

/// A field of a message.
#[derive(Clone, Copy, Debug)]
struct Field {
    name: &'static str,
    /// Whether the server alone sets it; in a body it is taken and passed over.
    output: bool,
    kind: &'static str,
}

type Messages = HashMap<&'static str, Vec<Field>>;

/// Checks a body against a message. `at` is the body's name in what is said of it.
pub(super) fn check(api: Api, message: &str, body: &Value, at: &str) -> Result<(), ApiError> {
    if !body.is_object() {
        return Err(ApiError::invalid(format!("The request has no {at}.")));
    }
    check_message(messages(api), message, body, at)
}

/// Checks a path of names into a message, as a field mask has it: each must be there, and every
/// one but the last a single message, not a list, a map or a value.
pub(super) fn has_path(api: Api, message: &str, path: &[String]) -> bool {
    let messages = messages(api);
    let mut kind = message;
    for (position, name) in path.iter().enumerate() {
        let Some(fields) = messages.get(kind) else { return false };
        let Some(field) = fields.iter().find(|field| field.name == name) else { return false };
        kind = field.kind;
        // Keys of a map may be named one by one.
        if kind.starts_with('{') {
            return position + 2 >= path.len();
        }
    }
    true
}

/// Takes away what a message does not have, at any depth.
pub(super) fn prune(api: Api, message: &str, value: &mut Value) {
    prune_value(messages(api), message, value);
}

fn prune_value(messages: &Messages, kind: &str, value: &mut Value) {
    let item = kind.strip_prefix('[').and_then(|kind| kind.strip_suffix(']'));
    match (item, messages.get(kind), value) {
        (Some(item), _, Value::Array(items)) => {
            for value in items {
                prune_value(messages, item, value);
            }
        }
        (None, Some(fields), Value::Object(object)) => {
            object.retain(|name, _| fields.iter().any(|field| field.name == name));
            for (name, value) in object.iter_mut() {
                if let Some(field) = fields.iter().find(|field| field.name == name) {
                    prune_value(messages, field.kind, value);
                }
            }
        }
        _ => {}
    }
}

/// The fields of a message that a client may set.
pub(super) fn settable(api: Api, message: &str) -> impl Iterator<Item = &'static str> {
    let fields = messages(api).get(message).map(Vec::as_slice).unwrap_or_default();
    let named = |name: &str| matches!(name, "name" | "etag");
    fields.iter().filter(move |field| !field.output && !named(field.name)).map(|field| field.name)
}

fn check_message(
    messages: &Messages,
    message: &str,
    body: &Value,
    at: &str,
) -> Result<(), ApiError> {
    let fields = messages.get(message).map(Vec::as_slice).unwrap_or_default();
    for (name, value) in body.as_object().into_iter().flatten() {
        match fields.iter().find(|field| field.name == name) {
            None => return Err(unknown_field(name, at)),
            Some(field) => check_value(messages, field.kind, value, &format!("{at}.{name}"))?,
        }
    }
    Ok(())
}

fn check_value(messages: &Messages, kind: &str, value: &Value, at: &str) -> Result<(), ApiError> {
    if value.is_null() {
        return Ok(());
    }
    let bad = || Err(ApiError::invalid(format!("Invalid value at '{at}'.")));
    if let Some(item) = kind.strip_prefix('[').and_then(|kind| kind.strip_suffix(']')) {
        let Some(items) = value.as_array() else { return bad() };
        return items.iter().try_for_each(|value| check_value(messages, item, value, at));
    }
    if let Some(item) = kind.strip_prefix('{').and_then(|kind| kind.strip_suffix('}')) {
        let Some(object) = value.as_object() else { return bad() };
        return object.values().try_for_each(|value| check_value(messages, item, value, at));
    }
    let is_number = |text: &str| text.parse::<i64>().is_ok();
    let good = match kind {
        "any" => true,
        "string" | "bytes" => value.is_string(),
        "bool" => value.is_boolean(),
        // Protocol buffers' JSON takes a number in either form.
        "int" | "int64" => value.is_i64() || value.as_str().is_some_and(is_number),
        "number" => value.is_number(),
        _ => match kind.strip_prefix('=') {
            Some(names) => {
                value.is_i64()
                    || value.as_str().is_some_and(|text| names.split('|').any(|name| name == text))
            }
            None if value.is_object() => return check_message(messages, kind, value, at),
            None => false,
        },
    };
    if good { Ok(()) } else { bad() }
}

/// Refuses a field that the API does not have, in the words of Google's JSON parser.
pub(super) fn known_fields(value: &Value, known: &[&str], at: &str) -> Result<(), ApiError> {
    let unknown =
        value.as_object().into_iter().flatten().find(|(name, _)| !known.contains(&name.as_str()));
    match unknown {
        None => Ok(()),
        Some((name, _)) => Err(unknown_field(name, at)),
    }
}

fn unknown_field(name: &str, at: &str) -> ApiError {
    let at = if at.is_empty() { String::new() } else { format!(" at '{at}'") };
    ApiError::invalid(format!(
        "Invalid JSON payload received. Unknown name \"{name}\"{at}: Cannot find field."
    ))
}

fn messages(api: Api) -> &'static Messages {
    static RUN_V1: OnceLock<Messages> = OnceLock::new();
    static RUN_V2: OnceLock<Messages> = OnceLock::new();
    match api {
        Api::RunV1 => RUN_V1.get_or_init(|| parse(include_str!("schema/run_v1.txt"))),
        Api::RunV2 => RUN_V2.get_or_init(|| parse(include_str!("schema/run_v2.txt"))),
    }
}

/// Reads a table: a message's name at the start of a line, its fields indented below.
fn parse(text: &'static str) -> Messages {
    let mut messages = Messages::new();
    let mut current = "";
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.trim_start().split_once(' ') {
            Some((name, kind)) if line.starts_with(' ') => {
                let field = Field {
                    name: name.trim_start_matches('!'),
                    output: name.starts_with('!'),
                    kind,
                };
                messages.entry(current).or_default().push(field);
            }
            _ => {
                current = line.trim();
                messages.entry(current).or_default();
            }
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_of_field_is_known() {
        for api in [Api::RunV1, Api::RunV2] {
            for (message, fields) in messages(api) {
                for field in fields {
                    let inner = field.kind.trim_matches(['[', ']', '{', '}']);
                    let plain = ["any", "string", "bytes", "bool", "int", "int64", "number"];
                    assert!(
                        plain.contains(&inner)
                            || inner.starts_with('=')
                            || messages(api).contains_key(inner),
                        "{message}.{}: {}",
                        field.name,
                        field.kind
                    );
                }
            }
        }
    }

    #[test]
    fn a_body_is_checked_at_any_depth() {
        let of = |body: Value| {
            check(Api::RunV2, "GoogleCloudRunV2Service", &body, "service")
                .map_err(|error| error.message)
        };
        assert_eq!(of(json!({"template": {"containers": [{"image": "i", "env": null}]}})), Ok(()));
        assert_eq!(of(json!({"labels": {"any": "thing"}, "generation": "3"})), Ok(()));
        assert_eq!(
            of(json!({"template": {"containers": [{"imagee": "i"}]}})),
            Err("Invalid JSON payload received. Unknown name \"imagee\" at \
                 'service.template.containers': Cannot find field."
                .to_owned())
        );
        for (body, at) in [
            (json!({"ingress": "INGRESS_TRAFFIC_SOME"}), "service.ingress"),
            (json!({"labels": {"a": 1}}), "service.labels"),
            (json!({"traffic": {}}), "service.traffic"),
            (json!({"template": {"timeout": 300}}), "service.template.timeout"),
            (json!({"iapEnabled": "yes"}), "service.iapEnabled"),
        ] {
            assert_eq!(of(body), Err(format!("Invalid value at '{at}'.")));
        }
    }

    #[test]
    fn what_a_client_may_set_leaves_out_what_the_server_works_out() {
        let fields: Vec<&str> = settable(Api::RunV2, "GoogleCloudRunV2Service").collect();
        assert!(fields.contains(&"ingress") && fields.contains(&"invokerIamDisabled"));
        assert!(!fields.contains(&"uri") && !fields.contains(&"etag") && !fields.contains(&"name"));
    }
}

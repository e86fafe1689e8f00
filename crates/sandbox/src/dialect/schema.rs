//! What a message may hold. A body with a field that the API does not have, or with a value of the
//! wrong type, is refused at any depth, as Google's JSON parser does; nothing is dropped in silence.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::Value;

use crate::dialect::api_error::ApiError;

/// A discovery document, such as `run.v2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Document(pub(crate) &'static str);

pub(crate) const RUN_V2: Document = Document("run.v2");

/// A field of a message.
#[derive(Clone, Copy, Debug)]
struct Field {
    name: &'static str,
    /// Whether the server alone sets it; in a body it is taken and passed over.
    output: bool,
    kind: &'static str,
}

type Messages = HashMap<&'static str, Vec<Field>>;

/// Fields of requests that their paths say.
const IN_THE_PATH: [&str; 3] = ["name", "parent", "resource"];

/// Checks a body against a message. `at` is the body's name in what is said of it.
pub(crate) fn check(
    document: Document,
    message: &str,
    body: &Value,
    at: &str,
) -> Result<(), ApiError> {
    if !body.is_object() {
        return Err(ApiError::invalid(format!("The request has no {at}.")));
    }
    if !at.is_empty() {
        return check_message(messages(document), message, body, at);
    }
    // Of a whole request, what stands in the path may stand in the body too.
    let mut rest = body.clone();
    if let Some(object) = rest.as_object_mut() {
        object.retain(|name, _| !IN_THE_PATH.contains(&name.as_str()));
    }
    check_message(messages(document), message, &rest, at)
}

/// Checks a path of names into a message, as a field mask has it: each must be there, and every
/// one but the last a single message, not a list, a map or a value.
pub(crate) fn has_path(document: Document, message: &str, path: &[String]) -> bool {
    let messages = messages(document);
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
pub(crate) fn prune(document: Document, message: &str, value: &mut Value) {
    prune_value(messages(document), message, value);
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
pub(crate) fn settable(document: Document, message: &str) -> impl Iterator<Item = &'static str> {
    let fields = messages(document).get(message).map(Vec::as_slice).unwrap_or_default();
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
            Some(field) => check_value(messages, field.kind, value, &below(at, name))?,
        }
    }
    Ok(())
}

/// The name of a field of what is called `at`.
fn below(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
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
        // Google's own library for Python sends some as texts.
        "bool" => value.is_boolean() || matches!(value.as_str(), Some("true" | "false")),
        // A mask's JSON is a text; its message is taken too.
        "mask" => value.is_string() || value.is_object(),
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

fn unknown_field(name: &str, at: &str) -> ApiError {
    let at = if at.is_empty() { String::new() } else { format!(" at '{at}'") };
    ApiError::invalid(format!(
        "Invalid JSON payload received. Unknown name \"{name}\"{at}: Cannot find field."
    ))
}

/// The messages of each document that has any.
const TABLES: [(&str, &str); 16] = [
    ("cloudasset.v1", include_str!("../discovery/cloudasset.v1.txt")),
    ("cloudfunctions.v2", include_str!("../discovery/cloudfunctions.v2.txt")),
    ("cloudidentity.v1", include_str!("../discovery/cloudidentity.v1.txt")),
    ("cloudresourcemanager.v1", include_str!("../discovery/cloudresourcemanager.v1.txt")),
    ("cloudresourcemanager.v2", include_str!("../discovery/cloudresourcemanager.v2.txt")),
    ("cloudresourcemanager.v3", include_str!("../discovery/cloudresourcemanager.v3.txt")),
    ("iam.v1", include_str!("../discovery/iam.v1.txt")),
    ("iam.v2", include_str!("../discovery/iam.v2.txt")),
    ("iam.v3", include_str!("../discovery/iam.v3.txt")),
    ("iamcredentials.v1", include_str!("../discovery/iamcredentials.v1.txt")),
    ("iap.v1", include_str!("../discovery/iap.v1.txt")),
    ("orgpolicy.v2", include_str!("../discovery/orgpolicy.v2.txt")),
    ("run.v1", include_str!("../discovery/run.v1.txt")),
    ("run.v2", include_str!("../discovery/run.v2.txt")),
    ("serviceusage.v1", include_str!("../discovery/serviceusage.v1.txt")),
    ("serviceusage.v1beta1", include_str!("../discovery/serviceusage.v1beta1.txt")),
];

fn messages(document: Document) -> &'static Messages {
    static ALL: [OnceLock<Messages>; TABLES.len()] = [const { OnceLock::new() }; TABLES.len()];
    static NONE: OnceLock<Messages> = OnceLock::new();
    match TABLES.iter().position(|(name, _)| *name == document.0) {
        Some(at) => ALL[at].get_or_init(|| parse(TABLES[at].1)),
        None => NONE.get_or_init(Messages::new),
    }
}

/// Fields that Google's own clients send, or its APIs keep, though the documents do not list them.
const UNLISTED: [(&str, Field); 3] = [
    ("Binding", Field { name: "bindingId", output: false, kind: "string" }),
    ("GoogleIamV1Binding", Field { name: "bindingId", output: false, kind: "string" }),
    ("GenerateIdTokenRequest", Field { name: "useEmailAzp", output: false, kind: "bool" }),
];

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
    for (message, field) in UNLISTED {
        if let Some(fields) = messages.get_mut(message) {
            fields.push(field);
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
        for document in TABLES.map(|(name, _)| Document(name)) {
            for (message, fields) in messages(document) {
                for field in fields {
                    let inner = field.kind.trim_matches(['[', ']', '{', '}']);
                    let plain =
                        ["any", "string", "bytes", "bool", "int", "int64", "number", "mask"];
                    assert!(
                        plain.contains(&inner)
                            || inner.starts_with('=')
                            || messages(document).contains_key(inner),
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
            check(RUN_V2, "GoogleCloudRunV2Service", &body, "service")
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
        let fields: Vec<&str> = settable(RUN_V2, "GoogleCloudRunV2Service").collect();
        assert!(fields.contains(&"ingress") && fields.contains(&"invokerIamDisabled"));
        assert!(!fields.contains(&"uri") && !fields.contains(&"etag") && !fields.contains(&"name"));
    }
}

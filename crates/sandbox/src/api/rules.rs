//! That every rule which the documents state of the methods here is held or listed as not done: each
//! "must", "cannot" and "defaults to" of `discovery/rules.txt`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::methods;

/// The rules of the methods that the sandbox has, each with where it stands first.
fn stated() -> BTreeMap<String, String> {
    let parts = Path::new(env!("CARGO_MANIFEST_DIR")).join("discovery");
    let mut stated = BTreeMap::new();
    for entry in fs::read_dir(parts).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "json") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let document: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let (api, version) = name.split_once('.').unwrap();
        let mut messages = BTreeSet::new();
        for (id, method) in document["methods"].as_object().unwrap() {
            let own = id.strip_prefix(&format!("{api}.")).unwrap();
            if methods::row(&format!("{api}.{version}.{own}")).is_none() {
                continue;
            }
            add(&mut stated, &method["rules"], id);
            reach(&document, &method["request"], &mut messages);
        }
        for message in messages {
            add(&mut stated, &document["schemas"][&message]["rules"], &message);
        }
    }
    stated
}

fn add(stated: &mut BTreeMap<String, String>, rules: &Value, at: &str) {
    for rule in rules.as_array().into_iter().flatten() {
        stated.entry(rule.as_str().unwrap().to_owned()).or_insert_with(|| at.to_owned());
    }
}

/// The messages that a value of the documents leads to.
fn reach(document: &Value, of: &Value, messages: &mut BTreeSet<String>) {
    if let Some(name) = of["$ref"].as_str()
        && messages.insert(name.to_owned())
    {
        let fields = document["schemas"][name]["properties"].as_object();
        for (_, field) in fields.into_iter().flatten() {
            reach(document, field, messages);
        }
    }
    for part in ["items", "additionalProperties"] {
        if of[part].is_object() {
            reach(document, &of[part], messages);
        }
    }
}

#[test]
fn every_rule_that_is_stated_is_held_or_listed_as_not_done() {
    let list = include_str!("../../discovery/rules.txt");
    let listed: BTreeSet<&str> =
        list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let stated = stated();
    let new: Vec<String> = stated
        .iter()
        .filter(|(rule, _)| !listed.contains(rule.as_str()))
        .map(|(rule, at)| format!("{at}: {rule}"))
        .collect();
    assert!(new.is_empty(), "not in discovery/rules.txt:\n{}", new.join("\n"));
    let gone: Vec<&&str> = listed.iter().filter(|rule| !stated.contains_key(**rule)).collect();
    assert!(gone.is_empty(), "no longer stated: {gone:#?}");
}

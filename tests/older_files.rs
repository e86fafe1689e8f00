//! Files that an older version wrote: the journal and the sandbox's store, as they were in November 2026.

use std::fs;

use rusqlite::Connection;
use serde_json::Value;

use crate::support::{World, project_file};

/// A world whose files an older version wrote, in which sixteen changes were made: one of each kind.
fn older() -> World {
    let world = World::new();
    for (name, place) in [("journal", "journal/sandbox.db"), ("world", "sandbox/world.db")] {
        let path = world.state().join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = Connection::open(&path).unwrap();
        file.execute_batch(&project_file(&format!("tests/older_files/{name}.sql"))).unwrap();
    }
    world
}

fn states(world: &World) -> Vec<(String, String)> {
    let history = world.json(&["history"]);
    let entries = history["entries"].as_array().unwrap().iter();
    let field = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
    entries.map(|entry| (field(entry, "id"), field(entry, "state"))).collect()
}

#[test]
fn an_older_versions_changes_are_read_and_every_one_is_taken_back() {
    let world = older();
    let before = states(&world);
    assert_eq!(before.len(), 16, "{before:?}");
    let policy = world.json(&["policy", "us-central1/orders"]);
    assert!(policy.to_string().contains("2099-01-01"), "{policy}");
    // What an undo took back stays so, and the domain that was unmapped comes last.
    for (id, state) in before.iter().filter(|(id, _)| !["s12", "s15"].contains(&id.as_str())) {
        let is_undone = id == "s4";
        assert_eq!(state == "undone", is_undone, "{id}: {state}");
        if !is_undone {
            let run = world.sandbox(&["undo", id, "--yes"]);
            assert_eq!(run.status, 0, "{id}: {run}");
        }
    }
    // All is as it was before the first.
    let fresh = World::new();
    for words in [&["list"][..], &["list", "--jobs"], &["domains"]] {
        assert_eq!(world.json(words), fresh.json(words), "{words:?}");
    }
    for service in ["hello", "us-central1/orders", "billing", "api", "storefront", "jobs/nightly"] {
        let bindings = |world: &World| world.json(&["policy", service])["bindings"].clone();
        assert_eq!(bindings(&world), bindings(&fresh), "{service}");
    }
    let run = world.sandbox(&["undo", "s12", "--yes"]);
    assert_eq!(run.status, 0, "{run}");
    assert!(world.json(&["domains"]).to_string().contains("new.example.com"));
}

//! The direction of dependencies, and who may name what.

use std::fs;
use std::path::{Path, PathBuf};

/// A room of the binary, and the rooms and crates that it may name. What the crates may name, the compiler
/// holds.
const ROOMS: &[(&str, &[&str])] = &[
    ("gcloud", &["domain", "secret_text"]),
    ("transport", &["domain"]),
    ("auth", &["domain", "gcloud", "jwt", "private_files", "secret_text", "transport"]),
    ("cloud", &["auth", "domain", "transport"]),
    ("journal", &["domain", "private_files"]),
    ("terminal", &["domain"]),
    ("report", &["domain", "sandbox", "transport"]),
    (
        "context",
        &[
            "auth",
            "cloud",
            "domain",
            "gcloud",
            "journal",
            "private_files",
            "report",
            "sandbox",
            "terminal",
            "transport",
        ],
    ),
    ("completion", &["private_files"]),
    ("raw_bytes", &["cloud", "domain", "gcloud", "journal", "proxy"]),
    ("lookup", &["cloud", "context", "domain", "terminal"]),
    ("invoke", &["auth", "cloud", "context", "domain", "lookup", "sandbox", "transport"]),
    ("proxy", &["auth", "domain", "hop_by_hop", "invoke", "jwt", "transport", "tunnel"]),
    ("change", &["cloud", "context", "domain", "journal", "lookup", "terminal"]),
    (
        "commands",
        &[
            "auth",
            "change",
            "cloud",
            "completion",
            "context",
            "domain",
            "invoke",
            "journal",
            "jwt",
            "lookup",
            "proxy",
            "report",
            "sandbox",
            "terminal",
            "transport",
        ],
    ),
];

/// A room of the sandbox, and the rooms of it that it may name.
const FLOORS: &[(&str, &[&str])] = &[
    ("dialect", &[]),
    ("settings", &[]),
    ("faults", &["dialect"]),
    ("request", &["dialect", "faults"]),
    ("signing", &["dialect", "settings"]),
    ("records", &["dialect", "signing"]),
    ("authority", &["dialect", "records"]),
    ("options", &["records", "settings"]),
    ("tokens", &["dialect", "records", "request", "settings", "signing"]),
    (
        "api",
        &[
            "authority",
            "dialect",
            "faults",
            "options",
            "records",
            "request",
            "settings",
            "signing",
            "tokens",
        ],
    ),
    ("seed", &["api", "authority", "dialect", "faults", "records"]),
    ("front", &["authority", "dialect", "options", "records", "settings", "signing", "tokens"]),
    ("tls", &["records"]),
    ("connection", &[]),
    (
        "server",
        &[
            "api",
            "connection",
            "dialect",
            "faults",
            "front",
            "options",
            "records",
            "request",
            "tls",
            "tokens",
        ],
    ),
];

/// A text and the only rooms that may hold it.
const NAMED_BY: &[(&str, &[&str])] = &[
    ("google_cloud_auth", &["auth"]),
    ("google_cloud_run_v2", &["cloud"]),
    ("google_cloud_iam_admin_v1", &["cloud"]),
    ("google_cloud_iam_v1", &["cloud"]),
    ("google_cloud_iam_v2", &["cloud"]),
    ("google_cloud_orgpolicy_v2", &["cloud"]),
    ("google_cloud_resourcemanager_v3", &["cloud"]),
    ("hyper_util", &["ground", "proxy", "sandbox", "transport"]),
    ("hyper_rustls", &["transport"]),
    ("rusqlite", &["auth", "gcloud", "journal", "sandbox"]),
    ("axum", &["sandbox"]),
    ("jsonwebtoken", &["auth", "sandbox"]),
    ("rcgen", &["sandbox"]),
    ("cel::", &["domain"]),
    ("clap_complete", &["commands", "completion"]),
    ("dialoguer", &["terminal"]),
    ("indicatif", &["terminal"]),
    ("comfy_table", &["report"]),
    ("std::env", &["context"]),
    ("now_utc", &["context"]),
    ("println!", &["terminal"]),
    ("print!", &["terminal"]),
    ("stdout()", &["terminal"]),
    ("stderr()", &["terminal"]),
    ("Method::PATCH", &["cloud", "proxy", "sandbox"]),
    ("Method::DELETE", &["cloud", "proxy", "sandbox"]),
];

const CRATES: [&str; 3] = ["domain", "ground", "sandbox"];

/// Every source file with its room: a folder or file of `src`, or a crate.
fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for name in CRATES {
        let inside = sources_in(&root.join("crates").join(name).join("src"));
        files.extend(inside.into_iter().map(|(path, text)| (name.to_owned(), path, text)));
    }
    for (path, text) in sources_in(&root.join("src")) {
        let first = path.iter().next().unwrap().to_str().unwrap();
        files.push((first.trim_end_matches(".rs").to_owned(), path, text));
    }
    files
}

fn sources_in(src: &Path) -> Vec<(PathBuf, String)> {
    let mut folders = vec![src.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(src).unwrap().to_owned(), text));
            }
        }
    }
    files
}

/// The rooms that a source names by `crate::`, alone or in a group.
fn named(source: &str) -> Vec<String> {
    source
        .match_indices("crate::")
        .map(|(at, word)| {
            source[at + word.len()..]
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        })
        .collect()
}

#[test]
fn rooms_name_only_what_lies_below_them() {
    for (room, path, source) in sources() {
        if room == "main" || room == "lib" || CRATES.contains(&room.as_str()) {
            continue;
        }
        let (_, allowed) = ROOMS
            .iter()
            .find(|(name, _)| *name == room)
            .unwrap_or_else(|| panic!("{} is in no room that this test knows", path.display()));
        for other in named(&source) {
            assert!(
                other == room || allowed.contains(&other.as_str()),
                "{} names crate::{other}, which does not lie below {room}",
                path.display()
            );
        }
    }
}

#[test]
fn floors_of_the_sandbox_name_only_what_lies_below_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/sandbox/src");
    for (path, source) in sources_in(&src) {
        let first = path.iter().next().unwrap().to_str().unwrap();
        let room = first.trim_end_matches(".rs");
        if room == "lib" {
            continue;
        }
        let (_, allowed) = FLOORS
            .iter()
            .find(|(name, _)| *name == room)
            .unwrap_or_else(|| panic!("{} is on no floor that this test knows", path.display()));
        for other in named(&source) {
            assert!(
                other == room || allowed.contains(&other.as_str()),
                "{} names crate::{other}, which does not lie below {room}",
                path.display()
            );
        }
    }
}

#[test]
fn each_thing_is_named_where_it_belongs() {
    for (room, path, source) in sources() {
        let code: String = source
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n");
        for (text, rooms) in NAMED_BY {
            assert!(
                !code.contains(text) || rooms.contains(&room.as_str()),
                "{} holds {text}, which belongs to {rooms:?}",
                path.display()
            );
        }
    }
}

#[test]
fn rules_stand_on_nothing_and_the_sandbox_knows_no_client() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
    for (name, forbidden) in [
        ("domain", &["runaccess-", "google-", "tokio", "http", "hyper", "rusqlite"][..]),
        ("ground", &["runaccess-", "google-"]),
        ("sandbox", &["runaccess =", "runaccess.", "google-", "clap"]),
    ] {
        let manifest = fs::read_to_string(root.join(name).join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("dependencies]").skip(1).collect::<String>();
        for line in dependencies.lines() {
            let is_forbidden = forbidden.iter().any(|word| line.starts_with(word));
            assert!(!is_forbidden, "crates/{name} depends on {line}");
        }
    }
}

#[test]
fn every_test_file_is_part_of_the_one_binary() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let cli = fs::read_to_string(root.join("cli.rs")).unwrap();
    for entry in fs::read_dir(root).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(
            module == "cli" || module.starts_with('.') || cli.contains(&format!("mod {module};")),
            "tests/{name} is forgotten"
        );
    }
}

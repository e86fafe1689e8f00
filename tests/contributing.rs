//! The lists of files in CONTRIBUTING.md, compared with the files of the commands that they name as examples.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::project_file;

/// The files in the table of a section, with the example's name in place of `NAME`.
fn listed(section: &str, example: &str) -> BTreeSet<String> {
    let page = project_file("CONTRIBUTING.md");
    let (_, text) = page.split_once(&format!("## {section}\n")).unwrap();
    let text = text.split("\n## ").next().unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(file, _)| file.replace("NAME", example)).collect()
}

fn is_word(at: usize, word: &str, text: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let before = text[..at].chars().next_back().is_some_and(is_part);
    let after = text[at + word.len()..].chars().next().is_some_and(is_part);
    !before && !after
}

fn holds(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, word)| is_word(at, word, text))
}

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The sandbox is a server of its own: none of this program's commands touches it.
    let mut folders: Vec<PathBuf> = ["src", "crates/domain/src"].map(|name| root.join(name)).into();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                let text = fs::read_to_string(path).unwrap();
                // Tests and comments are not what has to be added.
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap().lines();
                let code = code.filter(|line| !line.trim_start().starts_with("//"));
                files.push((name, code.collect::<Vec<_>>().join("\n")));
            }
        }
    }
    files.retain(|(name, _)| !name.contains("/tests"));
    files
}

/// The files whose code holds any of these words.
fn touched(words: &[&str]) -> BTreeSet<String> {
    let files = sources().into_iter();
    let touched = files.filter(|(_, text)| words.iter().any(|word| holds(text, word)));
    touched.map(|(name, _)| name).collect()
}

fn of_sources(files: &BTreeSet<String>) -> BTreeSet<String> {
    files.iter().filter(|file| !file.starts_with("docs/")).cloned().collect()
}

#[test]
fn a_command_that_reads_touches_what_is_listed() {
    let listed = listed("Add a command that reads", "whoami");
    assert_eq!(of_sources(&listed), touched(&["whoami::run", "mod whoami", "WhoamiReport"]));
    assert!(holds(&project_file("docs/commands.md"), "whoami"));
    assert!(holds(&project_file("docs/json.md"), "whoami"));
    assert!(listed.contains("docs/commands.md") && listed.contains("docs/json.md"));
}

#[test]
fn a_command_that_writes_touches_what_is_listed() {
    let listed = listed("Add a command that writes", "restore");
    let words = ["restore::run", "mod restore", "Action::Restore", "Self::Restore", "Restore {"];
    assert_eq!(of_sources(&listed), touched(&words));
    assert!(holds(&project_file("docs/commands.md"), "restore"));
}

#[test]
fn a_setting_touches_at_most_six_files() {
    let listed = listed("Add a setting of a service", "");
    assert!(listed.len() <= 6, "{listed:?}");
    let words =
        ["SwitchKind::DefaultUrl", "Switch::DefaultUrl", "Self::DefaultUrl", "DefaultUrlArgs"];
    // The field of `Service` is where it is read, too; what decides by it is not what adds it.
    let mut touched = touched(&words);
    touched.insert("crates/domain/src/service.rs".to_owned());
    // What is warned of when this switch is turned is its own.
    touched.remove("crates/domain/src/plan/turn.rs");
    assert_eq!(listed, touched);
}

#[test]
fn every_file_that_the_documents_name_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in ["CONTRIBUTING.md", "docs/architecture.md"] {
        for word in project_file(page).split('`') {
            let is_file = ["src/", "crates/", "tests/", "docs/", "benches/", "fuzz/"]
                .iter()
                .any(|folder| word.starts_with(folder));
            let is_plain = !word.contains([' ', '(', '…', '\n']) && !word.contains("NAME");
            if is_file && is_plain {
                assert!(root.join(word).exists(), "{page} names {word}");
            }
        }
    }
}

//! The README's commands, run through the real binary, print what the README shows.

use std::io::Read;

use crate::support::{World, project_file};

#[test]
fn the_readme_shows_what_is_printed() {
    let readme = project_file("README.md");
    let mut sessions = 0;
    for block in readme.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        let world = World::new();
        let mut printed = String::new();
        for line in block.lines() {
            let Some(command) = line.strip_prefix("$ ") else {
                continue;
            };
            let words = shell_words(command);
            let (program, arguments) = words.split_first().unwrap();
            assert_eq!(program, "runaccess", "{command}");
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            printed.push_str(line);
            printed.push('\n');
            printed.push_str(&on_one_screen(&world, &arguments));
        }
        assert_eq!(printed, block, "the README shows something else");
        sessions += 1;
    }
    assert!(sessions >= 4, "the README's sessions were not found");
}

#[test]
fn the_two_commands_are_there() {
    let readme = project_file("README.md");
    for command in ["cargo run --release -- --sandbox list", "cargo test"] {
        assert!(readme.contains(command), "{command}");
    }
}

#[test]
fn every_test_that_security_names_is_there() {
    let page = project_file("SECURITY.md");
    let named = page.split('`').filter_map(|word| word.split_once(".rs::"));
    let named: Vec<(String, &str)> =
        named.map(|(file, name)| (format!("{file}.rs"), name)).collect();
    assert!(named.len() > 40, "{}", named.len());
    for (file, name) in named {
        assert!(project_file(&file).contains(&format!("fn {name}(")), "{file}::{name}");
    }
}

#[test]
fn every_link_leads_to_a_file() {
    for page in [
        "README.md",
        "SECURITY.md",
        "docs/architecture.md",
        "docs/reliability.md",
        "CONTRIBUTING.md",
    ] {
        let folder = std::path::Path::new(page).parent().unwrap();
        for link in project_file(page).split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap();
            if target.is_empty() || target.starts_with("http") {
                continue;
            }
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target);
            assert!(path.exists(), "{page} links to {target}");
        }
    }
}

/// What is seen where both streams go to one screen, in the order in which it is written.
fn on_one_screen(world: &World, arguments: &[&str]) -> String {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut child = world
        .command(arguments)
        .stdout(writer.try_clone().unwrap())
        .stderr(writer)
        .spawn()
        .unwrap();
    let mut screen = String::new();
    reader.read_to_string(&mut screen).unwrap();
    child.wait().unwrap();
    screen.replace("sandbox: an embedded Cloud Run, nothing real is touched\n", "")
}

fn shell_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words
}

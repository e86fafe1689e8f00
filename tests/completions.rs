//! What shells complete, and that it is answered from what is known.

use std::process::Command;

use insta::assert_snapshot;

use crate::support::{Session, World};

/// Runs bash's own function on a command line and returns what the word may become.
fn bash(world: &World, line: &str) -> Vec<String> {
    let program = env!("CARGO_BIN_EXE_runaccess");
    // As bash sets it where nobody has changed it.
    let breaks = r#"COMP_WORDBREAKS=$' \t\n"\'@><=;|&(:'"#;
    let script = format!(
        "source <('{program}' completions bash); {breaks}; compopt() {{ :; }}
         COMP_LINE=\"$1\"; COMP_POINT=${{#1}}; _runaccess; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let mut shell = Command::new("bash");
    shell.args(["--norc", "-c", &script, "bash", line]).env_clear();
    shell.envs(world.command(&[]).get_envs().filter_map(|(k, v)| Some((k, v?))));
    shell.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let run = world.finished(shell.output().unwrap());
    assert_eq!(run.stderr, "", "{line}");
    run.stdout.lines().filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// A world whose services, regions and members are known.
fn known() -> World {
    let world = World::new();
    let renewed = world.sandbox(&["completions", "--renew"]);
    assert_eq!(renewed.status, 0, "{renewed}");
    world
}

#[test]
fn bash_completes_services_regions_members_and_tags() {
    let world = known();
    for (line, found) in [
        ("runaccess --sandbox url he", &["hello"][..]),
        ("runaccess --sandbox url or", &["europe-west1/orders", "us-central1/orders"]),
        ("runaccess --sandbox url europe-west1/", &["europe-west1/orders"]),
        ("runaccess --sandbox grant an", &["ana@example.com"]),
        // What is before a sign at which bash ends a word is done already.
        ("runaccess --sandbox grant ana@", &["example.com"]),
        ("runaccess --sandbox grant group:t", &["team@example.com"]),
        ("runaccess --sandbox grant ana@example.com,allU", &["example.com,allUsers"]),
        ("runaccess --sandbox grant ana@example.com st", &["status-page", "storefront"]),
        ("runaccess --sandbox grant --member x ch", &["chat"]),
        (
            "runaccess --sandbox grant --role roles/run.se",
            &["roles/run.serviceAgent", "roles/run.servicesInvoker"],
        ),
        ("runaccess --sandbox list --region us-c", &["us-central1", "us-central2"]),
        ("runaccess --sandbox list --region=us-central1", &["us-central1"]),
        ("runaccess --sandbox url us-central1/orders --tag ", &["canary"]),
        ("runaccess --sandbox url chat --tag ", &[]),
        ("runaccess make-", &["make-public", "make-private"]),
        ("runaccess man gran", &["grant"]),
        ("runaccess --sandbox --region europe-west1 url ", &["orders"]),
        (
            "runaccess --sandbox revoke dele",
            &["deleted:user:leaver@example.com?uid=101234567890123456789"],
        ),
        ("runaccess --sandbox list --exp", &["--exposure"]),
        ("runaccess --project nosuch url he", &[]),
    ] {
        assert_eq!(bash(&world, line), found, "{line}");
    }
    let all = bash(&world, "runaccess --sandbox url ");
    assert_eq!(all.len(), 12, "{all:?}");
}

#[test]
fn what_is_not_known_yet_is_read_in_the_background() {
    let world = World::new();
    let mut seen = bash(&world, "runaccess --sandbox url he");
    // The first Tab finds nothing and waits for nothing; a later one finds what was read.
    for _ in 0..3_000 {
        if !seen.is_empty() {
            break;
        }
        seen = bash(&world, "runaccess --sandbox url he");
    }
    assert_eq!(seen, ["hello"]);
}

#[test]
fn other_shells_are_answered_with_what_each_is() {
    let world = known();
    let of = |shell: &str, words: &[&str]| {
        let mut command = world.command(&[&["--", "runaccess", "--sandbox"], words].concat());
        command.env("COMPLETE", shell).env("_CLAP_COMPLETE_INDEX", "3").env("_CLAP_IFS", "\n");
        world.finished(command.output().unwrap())
    };
    assert_snapshot!(of("fish", &["grant", "group:t"]), @"
    --- stdout
    group:team@example.com	group
    --- status 0
    ");
    assert_snapshot!(of("zsh", &["grant", "group:t"]), @r"
    --- stdout
    group\:team@example.com:group--- status 0
    ");
    assert_snapshot!(of("powershell", &["url", "st"]), @"
    --- stdout
    status-page	us-central1, public
    storefront	us-central1, public
    --- status 0
    ");
}

#[test]
fn scripts_name_the_program_and_their_shell() {
    let world = World::new();
    for (shell, mark) in [
        ("bash", "complete -F _runaccess runaccess"),
        ("zsh", "#compdef runaccess"),
        ("fish", "complete --keep-order --exclusive --command runaccess"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let run = world.run(&["completions", shell]);
        assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{run}");
        assert!(run.stdout.contains(mark) && run.stdout.contains("runaccess"), "{run}");
    }
    assert_eq!(world.run(&["completions", "tcsh"]).status, 2);
    assert_eq!(world.run(&["completions"]).status, 2);
}

#[test]
fn tab_completes_in_a_real_bash() {
    let world = known();
    for width in [40, 200] {
        let mut session = Session::bash(&world, width);
        session.see("ready> ");
        session.line("source <(runaccess completions bash)");
        session.see("ready> ");
        session.press("runaccess --sandbox url he\t");
        session.see("hello");
        session.press("\r");
        session.see("https://hello-k4qx7v2nza-uc.a.run.app");
        session.see("ready> ");
        session.press("runaccess --sandbox grant group:te\t");
        session.see("am@example.com");
        // Clears the line by a key that readline reads: a signal may reach bash while it draws,
        // and then bash waits without its prompt.
        session.control('u');
        session.line("exit");
        session.end();
    }
}

#[test]
fn manual_pages_are_printed() {
    let world = World::new();
    let page = world.run(&["man"]).stdout;
    for part in [
        ".TH RUNACCESS 1",
        ".SH OPTIONS",
        ".SH \"EXIT STATUS\"",
        ".SH ENVIRONMENT",
        "runaccess\\-grant(1)",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let page = world.run(&["man", "grant"]).stdout;
    assert!(page.contains("RUNACCESS\\-GRANT") || page.contains("RUNACCESS-GRANT"), "{page}");
    assert!(page.contains("\\-\\-role"), "{page}");
    assert_snapshot!(world.run(&["man", "nosuch"]), @"
    --- stderr
    error: there is no command `nosuch`
    hint: runaccess help
    --- status 2
    ");
}

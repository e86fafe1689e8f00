//! The program alone, at a terminal: the console's steps as questions.

use insta::assert_snapshot;

use crate::support::{Session, World};

/// The guided way, at the choice of what to do with a service.
fn at(world: &World, arguments: &[&str], service: &str) -> Session {
    let mut session = Session::start(world, arguments);
    session.see("Which service?");
    session.enter(service);
    session.see("What now?");
    session
}

const DOWN: &str = "\u{1b}[B";

#[test]
fn a_grant_is_picked_chosen_entered_shown_and_confirmed() {
    let world = World::new();
    let mut session = Session::start(&world, &[]);
    session.see("sandbox: Which service?");
    session.enter("hello");
    session.see("exposure");
    session.see("restricted");
    session.see("user:you@example.com (roles/owner, from");
    session.see("What now?");
    session.enter("");
    session.see("Who may invoke it?");
    session.enter("Team@@x");
    session.see("its address has an ill-formed domain");
    session.control('u');
    session.enter("ana@example.com");
    session.see("command: runaccess --sandbox grant user:ana@example.com us-central1/hello");
    session.see("+ user:ana@example.com  roles/run.invoker");
    session.see("Go on?");
    session.press("y\r");
    let (rest, code) = session.end();
    assert_eq!(code, 0, "{rest}");
    assert!(rest.contains("changed"), "{rest}");
    assert!(world.sandbox(&["policy", "hello"]).stdout.contains("user:ana@example.com"));
}

#[test]
fn a_revocation_is_chosen_from_what_is_there() {
    let world = World::new();
    let mut session = at(&world, &["--region", "us-central1"], "billing");
    session.press(DOWN);
    session.enter("");
    session.see("Whose access goes?");
    session.press(DOWN);
    session.press(DOWN);
    session.enter("");
    session.see("command: runaccess --sandbox revoke user:auditor@example.com us-central1/billing");
    session.see("--condition-title 'reports only'");
    session.see("Go on?");
    session.press("n\r");
    let (rest, code) = session.end();
    assert_eq!(code, 130, "{rest}");
    assert!(world.sandbox(&["policy", "billing"]).stdout.contains("auditor"));
}

#[test]
fn a_service_is_made_private_or_left_and_another_looked_at() {
    let world = World::new();
    let mut session = at(&world, &[], "hello");
    for _ in 0..3 {
        session.press(DOWN);
    }
    session.enter("");
    session.see("Which service?");
    session.enter("status-page");
    session.see("invoker check");
    session.see("off");
    session.see("What now?");
    session.press(DOWN);
    session.see("Let nobody invoke it but those who are named");
    session.enter("");
    session.see("command: runaccess --sandbox make-private us-central1/status-page");
    session.see("Go on?");
    session.press("y\r");
    let (rest, code) = session.end();
    assert_eq!(code, 0, "{rest}");
}

#[test]
fn who_leaves_a_question_is_back_at_the_choice() {
    let world = World::new();
    let mut session = at(&world, &[], "hello");
    session.press(DOWN);
    session.see("> Let anyone invoke it");
    session.enter("");
    session.see("In which way?");
    session.press("\u{1b}");
    session.see("What now?");
    session.enter("Leave");
    let (rest, code) = session.end();
    assert_eq!(code, 0, "{rest}");
    assert_eq!(world.sandbox(&["policy", "hello"]).stdout, "etag: ACAB\n");
}

#[test]
fn a_narrow_terminal_is_enough() {
    let world = World::new();
    let mut session = Session::narrow(&world, &[], 40);
    session.see("Which service?");
    session.enter("billing");
    session.see("What now?");
    session.press(DOWN);
    session.enter("");
    session.see("Whose access goes?");
    let mut screen = session.see("user:contractor@example.com (roles/");
    session.control('c');
    let (rest, code) = session.end();
    assert_eq!(code, 130, "{rest}");
    screen.push_str(&rest);
    // The terminal's bytes come as one character each.
    let bytes: Vec<u8> = screen.chars().filter_map(|c| u8::try_from(c).ok()).collect();
    let screen = String::from_utf8_lossy(&bytes).into_owned();
    for line in screen.lines() {
        let width = console::measure_text_width(line);
        assert!(width <= 40, "{width}: {line:?}");
    }
}

#[test]
fn nobody_is_guided_without_a_terminal() {
    let world = World::new();
    let run = world.run(&[]);
    assert_eq!((run.status, run.stdout.as_str()), (2, ""));
    assert!(run.stderr.contains("Usage: runaccess [OPTIONS] [COMMAND]"), "{run}");
    assert_snapshot!(world.run(&["--sandbox"]), @"
    --- stderr
    error: there is no command, and no terminal to ask at
    hint: runaccess help
    --- status 2
    ");
    let (rest, code) = Session::start(&world, &["-q"]).end();
    assert_eq!(code, 2, "{rest}");
}

//! What a person is asked at a real terminal.

use crate::support::{Serve, Session, World};

#[test]
fn a_missing_service_is_picked_and_a_missing_member_typed() {
    let world = World::new();
    let mut session = Session::start(&world, &["grant"]);
    session.see("Grant access to which service?");
    session.see("backoffice");
    session.enter("hello");
    session.see("Who may invoke it?");
    session.enter("dev@");
    session.see("its address has nothing after `@`");
    session.enter("dev@x.com");
    session.see("+ user:dev@x.com");
    let (_, code) = session.end();
    assert_eq!(code, 0);
    assert!(world.sandbox(&["policy", "hello"]).stdout.contains("user:dev@x.com"));
}

#[test]
fn no_is_the_default_and_exits_130() {
    let world = World::new();
    for key in ["\r", "n\r"] {
        let mut session = Session::start(&world, &["make-public", "hello"]);
        session.see("exposure: restricted -> public");
        session.see("sandbox: `us-central1/hello` becomes public. Go on?");
        session.press(key);
        let (rest, code) = session.end();
        assert_eq!(code, 130, "{rest}");
        assert!(rest.contains("cancelled, nothing was changed"), "{rest}");
    }
    assert_eq!(world.sandbox(&["policy", "hello"]).stdout, "etag: ACAB\n");
}

#[test]
fn yes_goes_on() {
    let world = World::new();
    let mut session = Session::start(&world, &["make-public", "hello"]);
    session.see("Go on?");
    session.press("y\r");
    let (rest, code) = session.end();
    assert_eq!(code, 0, "{rest}");
    assert!(rest.contains("changed"), "{rest}");
}

#[test]
fn a_switch_without_a_value_asks_for_it() {
    let world = World::new();
    let mut session = Session::start(&world, &["ingress", "hello"]);
    session.see("Which traffic is let in?");
    session.see("internal-and-cloud-load-balancing");
    // One further down than `all`.
    session.press("\x1b[B\r");
    session.see("ingress: all -> internal");
    session.see("Go on?");
    session.press("y\r");
    let (rest, code) = session.end();
    assert_eq!(code, 0, "{rest}");
    let off = world.sandbox(&["iap", "hello"]);
    assert!(off.stderr.contains("VALUE is missing, and there is no terminal"), "{off}");
    assert_eq!(off.status, 2);
}

/// What was pasted behind the command is no answer, whatever letters it begins with.
#[test]
fn what_was_typed_before_the_question_is_no_answer() {
    let world = World::new();
    let mut session = Session::start(&world, &["make-public", "hello"]);
    session.press("y");
    session.press("echo y");
    session.see("becomes public. Go on?");
    session.press("\r");
    let (rest, code) = session.end();
    assert_eq!(code, 130, "{rest}");
    assert_eq!(world.json(&["policy", "hello"])["bindings"], serde_json::Value::Null);
}

#[test]
fn ctrl_c_gives_the_cursor_back_and_exits_130() {
    let world = World::new();
    for arguments in [&["make-public", "hello"][..], &["url"], &["url", "orders"]] {
        let mut session = Session::start(&world, arguments);
        session.see("?");
        session.control('c');
        let (rest, code) = session.end();
        assert_eq!(code, 130, "{arguments:?}: {rest}");
        let hidden = rest.rfind("\u{1b}[?25l");
        let shown = rest.rfind("\u{1b}[?25h");
        assert!(shown.is_some() && shown > hidden, "{arguments:?}: {rest:?}");
    }
}

#[test]
fn a_name_in_several_regions_is_chosen() {
    let world = World::new();
    let mut session = Session::start(&world, &["url", "orders"]);
    session.see("`orders` is in several regions; which one?");
    session.press("\u{1b}[B");
    session.press("\r");
    let (rest, code) = session.end();
    assert_eq!(code, 0, "{rest}");
    assert!(rest.contains("https://orders-k4qx7v2nza-"), "{rest}");
}

#[test]
fn a_conditional_grant_is_asked_about() {
    let world = World::new();
    let mut session = Session::start(&world, &["revoke", "auditor@example.com", "billing"]);
    session.see("under a condition only; which goes?");
    session.see("the one titled `reports only`");
    session.press("\r");
    let (rest, code) = session.end();
    assert_eq!(code, 0, "{rest}");
    assert!(!world.sandbox(&["policy", "billing"]).stdout.contains("auditor"));
}

#[test]
fn where_an_organisation_policy_forbids_all_users_the_other_way_is_offered() {
    let world = World::new();
    let mut session =
        Session::start(&world, &["make-public", "search", "--project", "sandbox-shared"]);
    session.see("cannot be planned");
    session.see("Turn the invoker check off instead");
    session.press("y\r");
    session.see("invokerCheck: on -> off");
    session.see("Go on?");
    session.press("y\r");
    let (rest, code) = session.end();
    assert_eq!(code, 0, "{rest}");
}

#[test]
fn ctrl_c_while_typing_changes_nothing() {
    let world = World::new();
    let mut session = Session::start(&world, &["grant", "--region", "us-central1"]);
    session.see("Grant access to which service?");
    session.enter("hello");
    session.see("Who may invoke it?");
    session.press("dev@x");
    session.control('c');
    let (rest, code) = session.end();
    assert_eq!(code, 130, "{rest}");
    assert_eq!(world.sandbox(&["policy", "hello"]).stdout, "etag: ACAB\n");
}

#[test]
fn each_member_is_asked_about_and_others_are_left_as_they_are() {
    let world = World::new();
    let members = "auditor@example.com,finance@example.com,contractor@example.com";
    let mut session = Session::start(&world, &["revoke", members, "billing"]);
    session.see("`user:auditor@example.com` has access under a condition only");
    session.press("\r");
    session.see("`user:contractor@example.com` has access under a condition only");
    session.press("\r");
    // The third has lost it before: its grant is past its end.
    session.see("2 principals lose access. Go on?");
    session.press("y\r");
    let (rest, code) = session.end();
    assert_eq!(code, 0, "{rest}");
}

#[test]
fn nobody_is_asked_where_ci_or_gcloud_says_so() {
    let mut world = World::new();
    world.set("CI", "true");
    let (rest, code) = Session::start(&world, &["make-public", "hello"]).end();
    assert_eq!(code, 2, "{rest}");
    let mut world = World::new();
    let serve = Serve::start(&world);
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &serve.endpoint);
    world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "t");
    world.set("CLOUDSDK_CORE_PROJECT", "sandbox-project");
    world.set("CLOUDSDK_CORE_DISABLE_PROMPTS", "1");
    let (rest, code) = Session::without_sandbox(&world, &["make-public", "hello"]).end();
    assert_eq!(code, 2, "{rest}");
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let mut world = World::new();
    world.set("TERM", "xterm-256color");
    let red = "\u{1b}[38;5;9m";
    let (screen, _) = Session::in_colour(&world, &["list"]).end();
    assert!(screen.contains(red), "{screen:?}");
    let (screen, _) = Session::in_colour(&world, &["list", "--no-color"]).end();
    assert!(!screen.contains("\u{1b}[3"), "{screen:?}");
    world.set("TERM", "dumb");
    let (screen, _) = Session::in_colour(&world, &["list"]).end();
    assert!(!screen.contains("\u{1b}[3"), "{screen:?}");
}

#[test]
fn nobody_is_asked_with_quiet_or_json() {
    let world = World::new();
    for option in [&["-q"][..], &["-o", "json"]] {
        let session = Session::start(&world, &[&["make-public", "hello"], option].concat());
        let (rest, code) = session.end();
        assert_eq!(code, 2, "{rest}");
    }
}

#[test]
fn the_service_that_a_member_stands_for_is_chosen_too() {
    let world = World::new();
    let mut session = Session::start(&world, &["grant", "service:orders", "hello"]);
    session.see("`orders` is in several regions; which one?");
    session.press("\r");
    let (rest, code) = session.end();
    assert_eq!(code, 0, "{rest}");
    assert!(rest.contains("serviceAccount:orders-api@sandbox-project"), "{rest}");
}

//! Conditions, read off the expression that is meant.

use serde_json::json;

use crate::support::{Plain, Serve, World, grant_under};

const HELLO: &str = "projects/sandbox-project/locations/us-central1/services/hello";

#[test]
fn a_window_that_is_over_is_over_however_it_is_written() {
    let mut world = World::new();
    let serve = Serve::start(&world);
    world.reach(&serve);
    let plain = Plain::of(&serve.endpoint);
    let (a, b) = ("timestamp(\"2020-01-01T00:00:00Z\")", "timestamp(\"2020-01-01T02:00:00Z\")");
    let expressions = [
        format!("(request.time >= {a} && request.time < {b})"),
        format!("((request.time >= {a}) && ((request.time < {b})))"),
        format!("{b} > request.time"),
        format!("!(request.time >= {b})"),
        format!("request.path == '/x' && {b} > request.time"),
        format!("request.time < {a} || request.time < {b}"),
    ];
    let bindings: Vec<_> = expressions
        .iter()
        .enumerate()
        .map(|(at, expression)| {
            json!({"role": "roles/run.invoker", "members": [format!("user:w{at}@example.com")],
                "condition": {"title": format!("window {at}"), "expression": expression}})
        })
        .collect();
    plain.set_bindings(HELLO, &json!(bindings));
    let who = world.json_of(&["who", "us-central1/hello"]);
    for (at, expression) in expressions.iter().enumerate() {
        let member = format!("user:w{at}@example.com");
        let row = who["invokers"].as_array().unwrap().iter().find(|row| row["member"] == *member);
        assert_eq!(row.unwrap()["state"], "expired", "{expression}");
    }
    let run = world.run(&["revoke", "--expired", "us-central1/hello", "--yes"]);
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(plain.policy(HELLO)["bindings"], serde_json::Value::Null);
}

#[test]
fn what_limits_nothing_or_can_never_hold_is_told() {
    let world = World::new();
    for (expression, word) in [
        ("true", "limits nothing"),
        ("1 == 1", "limits nothing"),
        ("false", "never holds"),
        ("request.time < timestamp(\"2020-01-01T00:00:00Z\")", "past already"),
        ("has({}.multiPartyApprovalConstraint.topic)", "never holds"),
        ("not CEL (", "cannot be parsed"),
        (
            "request.path == '1' || request.path == '2' || request.path == '3' || request.path == '4' \
             || request.path == '5' || request.path == '6' || request.path == '7' || request.path == '8' \
             || request.path == '9' || request.path == '10' || request.path == '11' || request.path == '12' \
             || request.path == '13' || request.path == '14'",
            "13 logical operators",
        ),
    ] {
        let run = world.sandbox(&grant_under(expression, "t"));
        assert_eq!(run.status, 2, "{expression}: {run}");
        assert!(run.stderr.contains(word), "{expression}: {run}");
    }
    let run = world.sandbox(&[
        "grant",
        "ana@example.com",
        "hello",
        "--role",
        "roles/viewer",
        "--for",
        "1h",
    ]);
    assert_eq!(run.status, 2, "{run}");
    // The sandbox refuses them too.
    let serve = Serve::start(&world);
    let plain = Plain::of(&serve.endpoint);
    for (role, expression) in [
        ("roles/run.invoker", "not CEL ("),
        ("roles/viewer", "request.path == \"/\""),
        ("roles/run.invoker", &["request.path == '1'"; 14].join(" || ")),
    ] {
        let policy = json!({"policy": {"version": 3, "bindings": [{"role": role,
            "members": ["user:ana@example.com"],
            "condition": {"title": "t", "expression": expression}}]}});
        let (code, answer) = plain.send("POST", &format!("v2/{HELLO}:setIamPolicy"), Some(&policy));
        assert_eq!(code, 400, "{expression}: {answer}");
    }
}

#[test]
fn gclouds_commands_for_jobs_know_no_conditions() {
    let world = World::new();
    let run = world.sandbox(&["grant", "ana@example.com", "jobs/nightly", "--until", "2100-01-01"]);
    assert_eq!(run.status, 0, "{run}");
    assert!(!run.stderr.contains("--condition=None"), "{run}");
    assert!(run.stderr.contains("know no conditions"), "{run}");
    // Of another member of that policy, too.
    let run = world.sandbox(&["grant", "eve@example.com", "jobs/nightly", "--print", "gcloud"]);
    assert_eq!(run.status, 2, "{run}");
    let run = world.sandbox(&[
        "grant",
        "ana@example.com",
        "jobs/nightly",
        "--condition",
        "request.path == \"/x\"",
        "--condition-title",
        "t",
    ]);
    assert_eq!(run.status, 2, "{run}");
    assert!(run.stderr.contains("asks of an address"), "{run}");
}

#[test]
fn a_grant_that_stays_under_the_same_title_is_said() {
    let world = World::new();
    let grant = |expression: &str| world.sandbox(&grant_under(expression, "reports"));
    assert_eq!(grant("request.path.startsWith(\"/r\")").status, 0);
    let run = grant("request.path.startsWith(\"/reports\")");
    assert!(run.stderr.contains("keeps another grant titled `reports`"), "{run}");
    assert!(
        run.stderr
            .contains("revoke user:ana@example.com us-central1/hello --role roles/run.invoker --condition-title reports"),
        "{run}"
    );
}

#[test]
fn yaml_is_read_by_gcloud_as_it_is_meant() {
    let world = World::new();
    for title in ["2026-12-01", "1_000", "=", "<<"] {
        world.sandbox(&[
            "grant",
            "ana@example.com",
            "hello",
            "--condition",
            "request.path == \"/\"",
            "--condition-title",
            title,
        ]);
        let run = world.sandbox(&["policy", "hello"]);
        assert!(run.stdout.contains(&format!("title: '{title}'")), "{run}");
        world.sandbox(&["undo", "--yes"]);
    }
    // With a byte order mark, as some editors write it.
    let policy = world.sandbox(&["policy", "hello"]).stdout;
    let file = world.home().join("p.yaml");
    std::fs::write(&file, format!("\u{feff}{policy}")).unwrap();
    let run = world.sandbox(&["restore", file.to_str().unwrap(), "hello", "--check"]);
    assert_eq!(run.status, 0, "{run}");
}

/// What comes to nothing, or limits nothing, is told in every form of CEL.
#[test]
fn a_condition_is_told_for_what_it_comes_to() {
    let world = World::new();
    for (expression, said) in [
        ("request.time.getFullYear() < 2021", "2021-01-01 00:00 UTC is past already"),
        (
            "request.time - duration(\"1h\") < timestamp(\"2020-01-01T00:00:00Z\")",
            "2020-01-01 01:00 UTC is past already",
        ),
        ("request.path == 1", "never holds"),
        ("request.path == \"reports\"", "never holds"),
        ("request.host == \"https://x.example.com\"", "never holds"),
        ("request.time > timestamp(\"2020-01-01T00:00:00Z\")", "limits nothing"),
        ("request.path.startsWith(\"/\")", "limits nothing"),
        ("request.path == \"/x\" || 1 == 1", "limits nothing"),
    ] {
        for more in [&[][..], &["--for", "4h"]] {
            let words = grant_under(expression, "t");
            let run = world.sandbox(&[&words[..], more].concat());
            assert_eq!(run.status, 2, "{expression}: {run}");
            assert!(run.stderr.contains(said), "{expression}: {run}");
            if said == "limits nothing" {
                let left = ["grant ana@example.com hello", &more.join(" ")].join(" ");
                assert!(
                    run.stderr.contains(&format!("hint: runaccess --sandbox {}", left.trim())),
                    "{run}"
                );
                assert!(!run.stderr.contains("--condition-title"), "{run}");
            }
        }
    }
}

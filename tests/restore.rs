//! `restore`: from a saved policy to today's.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{Run, World, without_etags};

fn saved(world: &World, name: &str, text: &str) -> String {
    let path = world.home().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn policy(world: &World) -> Value {
    without_etags(world.json(&["policy", "billing"]))
}

#[test]
fn a_saved_policy_is_restored_knowingly_where_it_was_changed_since() {
    let world = World::new();
    let before = policy(&world);
    for format in ["json", "yaml"] {
        let text = world.sandbox(&["policy", "billing", "-o", format]).stdout;
        let file = saved(&world, "saved", &text);
        world.sandbox(&["grant", "new@x.com", "billing"]);
        world.sandbox(&["revoke", "auditor@example.com", "billing", "--any-condition"]);
        if format == "json" {
            assert_snapshot!(world.sandbox(&["restore", &file, "billing"]), @"
            --- stdout
            SERVICE              STATUS   CHANGE
            us-central1/billing  refused  saved-before
            --- stderr
            sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
              us-central1/billing  cannot be planned
            error: the policy was changed since it was saved: restoring `us-central1/billing` may take back what others did
            hint: runaccess --sandbox restore [WORLD]/home/saved billing --dry-run
            hint: runaccess --sandbox restore [WORLD]/home/saved billing --ignore-etag
            --- status 7
            ");
            assert_snapshot!(world.sandbox(&["restore", &file, "billing", "--dry-run"]), @r#"
            --- stdout
            SERVICE              STATUS   CHANGE
            us-central1/billing  planned  +user:auditor@example.com (roles/run.invoker) under `reports only`
                                          -user:new@x.com (roles/run.invoker)
            --- stderr
            sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
              us-central1/billing
                + user:auditor@example.com  roles/run.invoker  if request.path.startsWith("/reports")
                - user:new@x.com  roles/run.invoker
                exposure: restricted, as before
                note: `user:auditor@example.com` gains the right to invoke by this policy
                note: `user:new@x.com` loses the right to invoke by this policy
                warning: the policy was changed since it was saved: what others did since is taken back too
            note: `user:auditor@example.com` could invoke `us-central1/billing` by its own policy for some requests: `user:auditor@example.com` has `roles/run.invoker` on `us-central1/billing` only for requests where `request.path.startsWith("/reports")`
            note: `user:new@x.com` could not invoke `us-central1/billing` by its own policy
            --- status 0
            "#);
        }
        let run = world.sandbox(&["restore", &file, "billing", "--ignore-etag", "--yes"]);
        assert_eq!(run.status, 0, "{run}");
        let sorted = |policy: Value| {
            let mut bindings: Vec<String> =
                policy["bindings"].as_array().unwrap().iter().map(Value::to_string).collect();
            bindings.sort();
            bindings
        };
        assert_eq!(sorted(policy(&world)), sorted(before.clone()));
        // It is as it was saved: nothing is left to be done, whatever its etag.
        let again = world.sandbox(&["restore", &file, "billing"]);
        assert_eq!((again.status, again.stdout.contains("unchanged")), (0, true), "{again}");
    }
    // And back again.
    assert_eq!(world.sandbox(&["undo", "s3", "--yes"]).status, 0);
    assert!(policy(&world).to_string().contains("user:new@x.com"));
}

#[test]
fn a_policy_of_the_same_etag_needs_no_word_on_it() {
    let world = World::new();
    let mut edited = world.json(&["policy", "hello"]);
    edited["bindings"] = json!([{"role": "roles/run.invoker", "members": ["user:a@x.com"]}]);
    let file = saved(&world, "edited.json", &edited.to_string());
    assert_snapshot!(world.sandbox(&["restore", &file, "hello"]), @"
    --- stdout
    SERVICE            STATUS   CHANGE
    us-central1/hello  changed  +user:a@x.com (roles/run.invoker)
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello
        + user:a@x.com  roles/run.invoker
        exposure: restricted, as before
        note: `user:a@x.com` gains the right to invoke by this policy
    note: `user:a@x.com` can invoke `us-central1/hello` by its own policy
    undo: runaccess --sandbox undo s1
    --- status 0
    ");
}

#[test]
fn what_lets_others_grant_or_the_public_in_is_confirmed() {
    let world = World::new();
    let bindings = json!([{"role": "roles/run.admin", "members": ["user:a@x.com"]},
        {"role": "roles/run.invoker", "members": ["allUsers"]}]);
    let file = saved(&world, "open.json", &json!({"bindings": bindings}).to_string());
    assert_snapshot!(world.sandbox(&["restore", &file, "hello", "--ignore-etag"]), @"
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello
        + user:a@x.com  roles/run.admin
        + allUsers  roles/run.invoker
        exposure: restricted -> public
        note: `user:a@x.com` gains the right to invoke by this policy
        note: `allUsers` gains the right to invoke by this policy
        warning: the file has no etag, so that whether the policy was changed since is not known: what others did since is taken back too
    error: this must be confirmed: `roles/run.admin` lets its members grant access to others; `allUsers` gains access
    caused by: there is no terminal to ask at; `--yes` accepts the plan that is shown
    hint: runaccess --sandbox restore [WORLD]/home/open.json hello --ignore-etag --dry-run
    --- status 2
    ");
}

#[test]
fn what_is_no_policy_is_not_restored() {
    let world = World::new();
    let of = |text: &str| -> Run {
        let run = world.sandbox(&["restore", &saved(&world, "file", text), "hello"]);
        assert_eq!(run.status, 2, "{run}");
        run
    };
    assert_snapshot!(of("{"), @"
    --- stderr
    error: `[WORLD]/home/file` holds no policy that can be restored
    caused by: EOF while parsing an object at line 1 column 1
    --- status 2
    ");
    assert_snapshot!(of("- a\n- b\n"), @"
    --- stderr
    error: `[WORLD]/home/file` holds no policy that can be restored
    caused by: it is not an IAM policy: it holds no fields
    --- status 2
    ");
    assert_snapshot!(of("bindings:\n- role: roles/run.invoker\n  members: [Dev@x.com]\n"), @"
    --- stdout
    SERVICE            STATUS  CHANGE
    us-central1/hello  failed  usage
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello  cannot be planned
    error: what is saved cannot be restored on `us-central1/hello`: `Dev@x.com` is no principal that IAM takes
    --- status 2
    ");
    assert_snapshot!(
        of("bindings:\n- role: roles/run.invoker_withcond_8f1\n  members: [user:d@x.com]\n"), @"
    --- stderr
    error: `[WORLD]/home/file` holds no policy that can be restored
    caused by: its binding of `roles/run.invoker_withcond_8f1` was read without conditions, which would be lost
    --- status 2
    ");
    let run = world.sandbox(&["restore", "/nowhere", "hello"]);
    assert_snapshot!(run, @"
    --- stderr
    error: cannot read `/nowhere`
    caused by: No such file or directory (os error 2)
    hint: runaccess --sandbox policy hello -o json
    --- status 1
    ");
}

#[test]
fn it_is_read_from_a_pipe() {
    let world = World::new();
    let text = world.sandbox(&["policy", "hello", "-o", "json"]).stdout;
    let mut child = world
        .command(&["--sandbox", "restore", "-", "hello"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let run = world.finished(child.wait_with_output().unwrap());
    assert_eq!(run.status, 0, "{run}");
}

#[test]
fn a_condition_that_a_job_cannot_meet_is_not_restored() {
    let world = World::new();
    let saved = saved(
        &world,
        "job",
        r#"{"version": 3, "bindings": [{"role": "roles/run.invoker",
        "members": ["user:a@example.com"],
        "condition": {"title": "x", "expression": "request.path == \"/x\""}}]}"#,
    );
    for more in [&["-n"][..], &["--yes"]] {
        let words = ["restore", &saved, "jobs/nightly", "--ignore-etag"];
        let run = world.sandbox(&[&words[..], more].concat());
        assert_eq!(run.status, 2, "{run}");
        assert!(
            run.stderr.contains("asks of an address, and `jobs/us-central1/nightly` has none"),
            "{run}"
        );
    }
}

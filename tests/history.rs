//! `history` and `undo`: what was changed, and taken back.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{Plain, Run, Serve, World, without_etags};

const HELLO: &str = "projects/sandbox-project/locations/us-central1/services/hello";

/// Hides what no two runs share: times and etags.
fn steady<T>(work: impl FnOnce() -> T) -> T {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(Z| UTC)", "[TIME]");
    settings.add_filter(r"[A-Za-z0-9+/_-]{11}=", "[ETAG]");
    settings.bind(work)
}

fn bindings(world: &World, service: &str) -> Value {
    without_etags(world.json(&["policy", service]))["bindings"].clone()
}

fn state_of(world: &World, id: &str) -> Value {
    world.json(&["history", id])["entries"][0]["state"].clone()
}

#[test]
fn what_was_changed_is_listed_the_latest_first() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["history"]), @"
    --- stderr
    note: no such change was made from this machine
    --- status 0
    ");
    world.sandbox(&["grant", "dev@x.com", "hello", "chat", "--reason", "incident 4711"]);
    world.sandbox(&["make-public", "hello", "--via", "no-invoker-check", "--yes"]);
    world.sandbox(&["grant", "dev@x.com", "hello"]);
    world.sandbox(&["grant", "dev@x.com", "nosuch"]);
    steady(|| {
        assert_snapshot!(world.sandbox(&["history"]), @"
        --- stdout
        ID    TIME               ACTION       SERVICE            STATE    CHANGE
        s2    [TIME]  make-public  us-central1/hello  applied  invokerCheck: on -> off
        s1.2  [TIME]  grant        us-central1/chat   applied  +user:dev@x.com (roles/run.invoker)
        s1.1  [TIME]  grant        us-central1/hello  applied  +user:dev@x.com (roles/run.invoker)
        --- status 0
        ");
        assert_snapshot!(world.sandbox(&["history", "s1"]), @"
        --- stdout
        change       s1.1
        time         [TIME]
        state        applied
        account      you@example.com
        command      runaccess --sandbox grant dev@x.com hello chat --reason 'incident 4711'
        reason       incident 4711
        service      projects/sandbox-project/locations/us-central1/services/hello
        policy etag  ACAB -> [ETAG]
        difference   +user:dev@x.com (roles/run.invoker)

        change       s1.2
        time         [TIME]
        state        applied
        account      you@example.com
        command      runaccess --sandbox grant dev@x.com hello chat --reason 'incident 4711'
        reason       incident 4711
        service      projects/sandbox-project/locations/us-central1/services/chat
        policy etag  [ETAG] -> [ETAG]
        difference   +user:dev@x.com (roles/run.invoker)
        --- status 0
        ");
        assert_snapshot!(world.sandbox(&["history", "s2", "-o", "json"]), @r#"
        --- stdout
        {
          "sandbox": true,
          "entries": [
            {
              "id": "s2",
              "time": "[TIME]",
              "account": "you@example.com",
              "project": "sandbox-project",
              "action": "make-public",
              "service": "projects/sandbox-project/locations/us-central1/services/hello",
              "kind": "service",
              "added": [],
              "removed": [],
              "settings": [
                {
                  "name": "invokerCheck",
                  "before": "on",
                  "after": "off"
                }
              ],
              "state": "applied",
              "command": "runaccess --sandbox make-public hello --via no-invoker-check",
              "reason": null,
              "undoes": null,
              "undoneBy": null,
              "etags": {
                "before": {
                  "policy": "[ETAG]",
                  "service": "\"[ETAG]\""
                },
                "after": {
                  "policy": null,
                  "service": "\"[ETAG]\""
                }
              },
              "error": null
            }
          ]
        }
        --- status 0
        "#);
    });
}

#[test]
fn it_is_narrowed_by_service_member_time_and_command() {
    let world = World::new();
    world.sandbox(&["grant", "a@x.com", "hello", "chat"]);
    world.sandbox(&["grant", "b@x.com", "us-central1/orders"]);
    world.sandbox(&["revoke", "a@x.com", "hello"]);
    let of = |more: &[&str]| {
        let run = world.sandbox(&[&["history", "-o", "value(id)"], more].concat());
        assert_eq!(run.status, 0, "{run}");
        run.stdout.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    for (options, expected) in [
        (&[][..], "s3 s2 s1.2 s1.1"),
        (&["--service", "hello"], "s3 s1.1"),
        (&["--service", "us-central1/orders"], "s2"),
        (&["--service", "europe-west1/orders"], ""),
        (&["--service", "?h*"], "s1.2"),
        (&["--service", HELLO], "s3 s1.1"),
        (&["--service", "https://hello-k4qx7v2nza-uc.a.run.app"], "s3 s1.1"),
        (&["--member", "A@x.com"], "s3 s1.2 s1.1"),
        (&["--action", "revoke"], "s3"),
        (&["--since", "1h"], "s3 s2 s1.2 s1.1"),
        (&["--since", "2100-01-01"], ""),
        (&["--limit", "2"], "s3 s2"),
        (&["--project", "sandbox-shared"], ""),
    ] {
        assert_eq!(of(options), expected, "{options:?}");
    }
    let run = world.sandbox(&["history", "--limit", "2"]);
    assert!(run.stderr.contains("there are more than these 2"), "{run}");
    for bad in [&["--action", "guess"][..], &["--since", "soon"], &["x7"], &["s1", "--limit", "x"]]
    {
        assert_eq!(world.sandbox(&[&["history"], bad].concat()).status, 2, "{bad:?}");
    }
}

#[test]
fn a_change_is_taken_back_and_given_again() {
    let world = World::new();
    let before = bindings(&world, "hello");
    world.sandbox(&["grant", "dev@x.com", "hello"]);
    let after = bindings(&world, "hello");
    assert_snapshot!(world.sandbox(&["undo", "s1"]), @"
    --- stdout
    SERVICE            STATUS   CHANGE
    us-central1/hello  changed  -user:dev@x.com (roles/run.invoker)
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
    note: `s1` was: runaccess --sandbox grant dev@x.com hello
      us-central1/hello
        - user:dev@x.com  roles/run.invoker
        exposure: restricted, as before
    note: `user:dev@x.com` cannot invoke `us-central1/hello` by its own policy
    undo: runaccess --sandbox undo s2
    --- status 0
    ");
    assert_eq!(bindings(&world, "hello"), before);
    assert_snapshot!(world.sandbox(&["undo", "s1"]), @"
    --- stdout
    SERVICE            STATUS   CHANGE
    us-central1/hello  refused  not-to-be-undone
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
    note: `s1` was: runaccess --sandbox grant dev@x.com hello
      us-central1/hello  cannot be planned
    error: the change cannot be undone on `us-central1/hello`: it was undone already, by `s2`
    hint: runaccess --sandbox history
    --- status 7
    ");
    world.sandbox(&["undo", "s2"]);
    assert_eq!(bindings(&world, "hello"), after);
    let states: Vec<Value> = ["s1", "s2", "s3"].map(|id| state_of(&world, id)).into();
    assert_eq!(states, ["applied", "undone", "applied"]);
}

#[test]
fn what_others_changed_since_stays() {
    let world = World::new();
    world.sandbox(&["grant", "dev@x.com,ops@x.com", "hello"]);
    world.sandbox(&["revoke", "ops@x.com", "hello", "--no-journal"]);
    world.sandbox(&["grant", "other@x.com", "hello", "--no-journal"]);
    assert_snapshot!(world.sandbox(&["undo", "s1"]), @"
    --- stdout
    SERVICE            STATUS   CHANGE
    us-central1/hello  changed  -user:dev@x.com (roles/run.invoker)
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
    note: `s1` was: runaccess --sandbox grant dev@x.com,ops@x.com hello
      us-central1/hello
        - user:dev@x.com  roles/run.invoker
        exposure: restricted, as before
        note: `user:ops@x.com` does not have `roles/run.invoker` any more
        note: the policy was changed since: the rest of it stays as it is
    note: `user:dev@x.com` cannot invoke `us-central1/hello` by its own policy
    undo: runaccess --sandbox undo s2
    --- status 0
    ");
    assert_eq!(
        bindings(&world, "hello"),
        json!([{"role": "roles/run.invoker", "members": ["user:other@x.com"]}])
    );
}

#[test]
fn without_a_name_the_last_one_of_this_account_is_taken_and_asked_about() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["undo"]), @"
    --- stderr
    error: there is no change to be undone
    hint: runaccess --sandbox history
    --- status 6
    ");
    world.sandbox(&["grant", "first@x.com", "hello"]);
    world.sandbox(&["grant", "second@x.com", "hello", "chat"]);
    world.sandbox(&["--project", "sandbox-shared", "grant", "third@x.com", "gateway"]);
    assert_snapshot!(world.sandbox(&["undo"]), @"
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
    note: `s2` was: runaccess --sandbox grant second@x.com hello chat
      us-central1/hello
        - user:second@x.com  roles/run.invoker
        exposure: restricted, as before
      us-central1/chat
        - user:second@x.com  roles/run.invoker
        exposure: restricted, as before
    error: this must be confirmed: 2 services change
    caused by: there is no terminal to ask at; `--yes` accepts the plan that is shown
    hint: runaccess --sandbox undo --dry-run
    --- status 2
    ");
    assert_eq!(world.sandbox(&["undo", "--yes"]).status, 0);
    assert_eq!(state_of(&world, "s2.1"), "undone");
    assert_eq!(state_of(&world, "s2.2"), "undone");
    assert_eq!(world.sandbox(&["undo", "--yes"]).status, 0);
    assert_eq!(state_of(&world, "s1"), "undone");
    let nothing = world.sandbox(&["undo", "--yes"]);
    assert_eq!(nothing.status, 6, "{nothing}");
}

#[test]
fn one_part_of_a_run_can_be_taken_back_alone() {
    let world = World::new();
    world.sandbox(&["grant", "dev@x.com", "hello", "chat", "api"]);
    assert_eq!(world.sandbox(&["undo", "s1.2"]).status, 0);
    // Of the whole run, the rest.
    let run = world.sandbox(&["undo", "s1"]);
    assert!(run.status == 2 && run.stderr.contains("2 services change"), "{run}");
    let run = world.sandbox(&["undo", "s1", "--yes"]);
    assert_eq!((run.status, run.stdout.matches("changed").count()), (0, 2), "{run}");
    let run = world.sandbox(&["undo", "s1"]);
    assert_eq!(run.status, 7, "{run}");
    // To undo the undo would do it again.
    assert!(run.stderr.contains("hint: runaccess --sandbox history"), "{run}");
    assert!(!run.stderr.contains("undo s3"), "{run}");
}

#[test]
fn settings_are_turned_back() {
    let world = World::new();
    let show = |world: &World| {
        let service = world.json(&["describe", "hello"]);
        json!([service["invokerCheck"], service["ingress"], service["defaultUrl"]])
    };
    let before = show(&world);
    for words in [
        &["make-public", "hello", "--via", "no-invoker-check"][..],
        &["ingress", "hello", "internal"],
        &["default-url", "hello", "off"],
    ] {
        let run = world.sandbox(&[words, &["--yes"]].concat());
        assert_eq!(run.status, 0, "{run}");
    }
    assert_eq!(show(&world), json!([false, "internal", false]));
    assert_snapshot!(world.sandbox(&["undo", "s2", "--yes"]), @"
    --- stdout
    SERVICE            STATUS   CHANGE
    us-central1/hello  changed  ingress: all
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
    note: `s2` was: runaccess --sandbox ingress hello internal
      us-central1/hello
        ingress: internal -> all
        exposure: public-internal -> public-behind-load-balancer
    note: a caller without a credential cannot invoke `us-central1/hello` by its own policy: the default URL is off
    undo: runaccess --sandbox undo s4
    --- status 0
    ");
    for id in ["s1", "s3"] {
        let run = world.sandbox(&["undo", id, "--yes"]);
        assert_eq!(run.status, 0, "{run}");
    }
    assert_eq!(show(&world), before);
    // Where somebody set it to something else since, there is no way back that makes sense.
    world.sandbox(&["ingress", "hello", "internal", "--yes"]);
    world.sandbox(&["ingress", "hello", "none", "--no-journal", "--yes"]);
    assert_snapshot!(world.sandbox(&["undo", "s7"]), @"
    --- stdout
    SERVICE            STATUS   CHANGE
    us-central1/hello  refused  not-to-be-undone
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
    note: `s7` was: runaccess --sandbox ingress hello internal
      us-central1/hello  cannot be planned
    error: the change cannot be undone on `us-central1/hello`: it set `ingress` from `all` to `internal`, and today it is `none`
    hint: runaccess --sandbox history
    --- status 7
    ");
}

#[test]
fn what_opens_a_service_again_is_confirmed() {
    let world = World::new();
    world.sandbox(&["make-private", "status-page", "storefront", "--yes"]);
    assert_snapshot!(world.sandbox(&["undo", "s1"]), @"
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
    note: `s1` was: runaccess --sandbox make-private status-page storefront
      us-central1/status-page
        invokerCheck: on -> off
        exposure: restricted -> public
      us-central1/storefront
        + allUsers  roles/run.invoker
        exposure: restricted -> public
    error: this must be confirmed: `us-central1/status-page` goes from restricted to public; `allUsers` gains access; 2 services change
    caused by: there is no terminal to ask at; `--yes` accepts the plan that is shown
    hint: runaccess --sandbox undo s1 --dry-run
    --- status 2
    ");
    assert_eq!(world.sandbox(&["undo", "s1", "--yes"]).status, 0);
    for service in ["status-page", "storefront"] {
        assert_eq!(world.json(&["describe", service])["exposure"], "public");
    }
}

#[test]
fn what_is_gone_already_is_said_and_not_found_again() {
    let world = World::new();
    world.sandbox(&["grant", "dev@x.com", "hello"]);
    world.sandbox(&["revoke", "dev@x.com", "hello", "--no-journal"]);
    assert_snapshot!(world.sandbox(&["undo", "s1"]), @"
    --- stdout
    SERVICE            STATUS     CHANGE
    us-central1/hello  unchanged
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
    note: `s1` was: runaccess --sandbox grant dev@x.com hello
      us-central1/hello  nothing to change
        note: `user:dev@x.com` does not have `roles/run.invoker` any more
    --- status 0
    ");
    assert_eq!(state_of(&world, "s1"), "overtaken");
    assert_eq!(world.sandbox(&["undo", "--yes"]).status, 6);
}

/// A world whose runs reach a serving sandbox over HTTP, as though it were Google's.
fn reached(world: &mut World) -> Serve {
    let serve = Serve::start(world);
    world.reach(&serve);
    serve
}

#[test]
fn the_sandbox_and_another_server_do_not_mix() {
    let mut world = World::new();
    let serve = reached(&mut world);
    world.run(&["grant", "dev@x.com", "us-central1/hello"]);
    world.sandbox(&["grant", "ops@x.com", "us-central1/hello"]);
    let ids = |run: Run| run.stdout;
    assert_eq!(ids(world.run(&["history", "-o", "value(id)"])), "1\n");
    assert_eq!(ids(world.sandbox(&["history", "-o", "value(id)"])), "s1\n");
    assert_snapshot!(world.run(&["undo", "s1"]), @"
    --- stderr
    error: no change `s1` was made from this machine
    caused by: a name with `s` is a change in the sandbox
    hint: runaccess undo s1 --sandbox
    --- status 6
    ");
    assert_snapshot!(world.sandbox(&["undo", "1"]), @"
    --- stderr
    error: no change `1` was made from this machine
    caused by: the names of changes in the sandbox begin with `s`
    hint: runaccess --sandbox history
    --- status 6
    ");
    drop(serve);
    // Another server is another place.
    let _serve = reached(&mut world);
    assert_eq!(ids(world.run(&["history", "-o", "value(id)"])), "");
}

#[test]
fn a_new_world_has_no_past() {
    let world = World::new();
    world.sandbox(&["grant", "dev@x.com", "hello"]);
    world.run(&["sandbox", "reset"]);
    assert_eq!(world.json(&["history"])["entries"], json!([]));
    let run = world.sandbox(&["grant", "dev@x.com", "hello"]);
    assert!(run.stderr.ends_with("undo: runaccess --sandbox undo s2\n"), "{run}");
}

#[test]
fn old_changes_are_forgotten_on_request_and_confirmed() {
    let world = World::new();
    world.sandbox(&["grant", "dev@x.com", "hello", "chat"]);
    assert_snapshot!(world.sandbox(&["history", "--prune", "1h"]), @"
    --- stderr
    note: forgotten: 0 of the changes made from this machine
    --- status 0
    ");
    assert_snapshot!(world.sandbox(&["history", "--prune", "1ns"]), @"
    --- stderr
    error: this must be confirmed: 2 changes would be forgotten
    caused by: there is no terminal to ask at; `--yes` accepts it
    hint: runaccess --sandbox history
    --- status 2
    ");
    assert_snapshot!(world.sandbox(&["history", "--prune", "1ns", "--yes"]), @"
    --- stderr
    note: forgotten: 2 of the changes made from this machine
    --- status 0
    ");
    assert_eq!(world.json(&["history"])["entries"], json!([]));
}

#[test]
fn dry_runs_and_plans_that_are_refused_leave_no_entry() {
    let world = World::new();
    world.sandbox(&["grant", "dev@x.com", "hello", "--dry-run"]);
    world.sandbox(&["grant", "allUsers", "hello"]);
    world.sandbox(&["grant", "dev@x.com", "hello", "--expect", "2"]);
    world.sandbox(&["grant", "dev@x.com", "hello", "--print", "gcloud"]);
    world.sandbox(&["grant", "dev@x.com", "hello", "--no-journal"]);
    world.sandbox(&["grant", "dev@x.com", "hello"]);
    assert_eq!(world.json(&["history"])["entries"], json!([]));
}

#[test]
fn no_token_gets_into_it() {
    let world = World::new();
    let token = "ya29.a0AfH6SMBxNotARealToken0123456789";
    world.sandbox(&["grant", "dev@x.com", "hello", "--reason", &format!("with {token}")]);
    let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG\n-----END PRIVATE KEY-----";
    world.sandbox(&["grant", "dev@x.com", "chat", "--reason", key]);
    world.sandbox(&["grant", "dev@x.com", "api", "--for", "1h", "--reason", token]);
    let policy = world.json(&["policy", "api"]).to_string();
    assert!(policy.contains("[redacted]") && !policy.contains("NotARealToken"), "{policy}");
    let typed = format!("title={token},expression=true");
    let run = world.sandbox(&["grant", "dev@x.com", "hello", "--condition", &typed]);
    assert_eq!((run.status, run.stderr.contains("NotAReal")), (2, false), "{run}");
    for name in ["sandbox.db", "sandbox.db-wal"] {
        let bytes = std::fs::read(world.state().join("journal").join(name)).unwrap_or_default();
        for secret in ["NotARealToken", "MIIEvQIBADANBgkqhkiG"].map(str::as_bytes) {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret), "{name}");
        }
    }
    assert_eq!(world.json(&["history", "s1"])["entries"][0]["reason"], "with [redacted]");
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;

    let world = World::new();
    world.sandbox(&["grant", "dev@x.com", "hello"]);
    let folder = world.state().join("journal");
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }
}

#[test]
fn a_half_done_undoing_is_not_taken_for_a_whole_one() {
    let mut world = World::new();
    let serve = reached(&mut world);
    let plain = Plain::of(&serve.endpoint);
    world.run(&["make-public", HELLO, "--via", "no-invoker-check", "--yes"]);
    world.run(&["make-public", HELLO, "--via", "all-users", "--yes"]);
    world.run(&["make-private", HELLO, "--yes"]);
    plain.add_faults(&["403,method=PATCH".to_owned()]);
    assert_snapshot!(world.run(&["undo", "--yes"]), @"
    --- stdout
    SERVICE            STATUS  CHANGE
    us-central1/hello  failed  partial
    --- stderr
    plan: project sandbox-project (`CLOUDSDK_CORE_PROJECT`), by `CLOUDSDK_AUTH_ACCESS_TOKEN`
    note: `3` was: runaccess make-private projects/sandbox-project/locations/us-central1/services/hello
      us-central1/hello
        + allUsers  roles/run.invoker
        invokerCheck: on -> off
        exposure: restricted -> public
    error: `us-central1/hello` is half done: it was possible to set the policy, not to turn the invoker check off
    caused by: could not turn the invoker check off at `us-central1/hello`
    caused by: The caller does not have permission
    hint: runaccess undo 3
    undo: runaccess undo 4
    --- status 8
    ");
    plain.no_faults();
    let state = |id: &str| world.json_of(&["history", id])["entries"][0]["state"].clone();
    assert_eq!((state("3"), state("4")), (json!("applied"), json!("failed")));
    // What is left of it can be done, and then it is.
    assert_eq!(world.run(&["undo", "3", "--yes"]).status, 0);
    assert_eq!((state("3"), state("5")), (json!("undone"), json!("applied")));
}

#[test]
fn what_cannot_come_back_is_not_called_overtaken() {
    let world = World::new();
    world.sandbox(&["revoke", "--expired", "billing"]);
    let run = world.sandbox(&["undo", "s1"]);
    assert!(run.stderr.contains("has ended meanwhile, and stays away"), "{run}");
    assert_eq!(state_of(&world, "s1"), "applied");
}

#[test]
fn who_gets_through_is_confirmed_though_it_is_called_the_same() {
    let world = World::new();
    world.sandbox(&["ingress", "hello", "internal", "--yes"]);
    for words in [&["ingress", "hello", "all"][..], &["undo", "s1"]] {
        let run = world.sandbox(words);
        assert_eq!(run.status, 2, "{run}");
        assert!(run.stderr.contains("goes from `internal` to `all`"), "{run}");
    }
}

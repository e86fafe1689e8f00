//! Grants that end, and grants under a condition.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{World, without_etags};

fn steady<T>(work: impl FnOnce() -> T) -> T {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(Z| UTC)", "[TIME]");
    settings.add_filter(r"3h 59m|4h", "[LEFT]");
    settings.bind(work)
}

fn conditional(world: &World, service: &str) -> Vec<Value> {
    let policy = without_etags(world.json(&["policy", service]));
    let bindings = policy["bindings"].as_array().cloned().unwrap_or_default();
    bindings.into_iter().filter(|binding| !binding["condition"].is_null()).collect()
}

#[test]
fn a_grant_ends_by_itself_and_says_when_and_why() {
    let world = World::new();
    let words = ["grant", "dev@x.com", "hello", "--for", "4h", "--reason", "incident 4711"];
    steady(|| {
        assert_snapshot!(world.sandbox(&words), @r#"
        --- stdout
        SERVICE            STATUS   CHANGE
        us-central1/hello  changed  +user:dev@x.com (roles/run.invoker) under `until [TIME] (runaccess)`
        --- stderr
        sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
          us-central1/hello
            + user:dev@x.com  roles/run.invoker  if request.time < timestamp("[TIME]")
            warning: the policy's first condition: off a terminal gcloud then wants `--condition=None` to edit it, and `gcloud run deploy --allow-unauthenticated` reads it without conditions
        note: `user:dev@x.com` can invoke `us-central1/hello` by its own policy
        undo: runaccess --sandbox undo s1
        --- status 0
        "#);
        assert_snapshot!(world.sandbox(&["who", "hello"]), @r#"
        --- stdout
        MEMBER                                                             ROLE               VIA                       STATE        CONDITION
        user:dev@x.com                                                     roles/run.invoker  service                   conditional  request.time < timestamp("[TIME]") (holds now, [LEFT] left)
        user:you@example.com                                               roles/owner        projects/sandbox-project  active
        serviceAccount:123456789012-compute@developer.gserviceaccount.com  roles/editor       projects/sandbox-project  active
        group:sre@example.com                                              roles/run.invoker  folders/725218103497      conditional  resource.matchTag('433637338589/environment', 'production') (holds now)

        DENY POLICY     ON                          KEEPS OUT
        no-contractors  organizations/433637338589  principalSet://goog/group/contractors@example.com, but for principal://goog/subject/vendor@example.com
        --- status 0
        "#);
        insta::assert_json_snapshot!(conditional(&world, "hello"), @r#"
        [
          {
            "condition": {
              "description": "granted by you@example.com at [TIME] with runaccess: incident 4711",
              "expression": "request.time < timestamp(\"[TIME]\")",
              "title": "until [TIME] (runaccess)"
            },
            "members": [
              "user:dev@x.com"
            ],
            "role": "roles/run.invoker"
          }
        ]
        "#);
    });
    let rows = world.json(&["who", "hello"])["invokers"].clone();
    let rows = rows.as_array().unwrap();
    let row = rows.iter().find(|row| row["member"] == "user:dev@x.com").unwrap();
    assert_eq!((&row["state"], &row["conditionNow"]), (&json!("conditional"), &json!("holds")));
    assert!(row["endsAt"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn granting_again_extends_and_undoing_shortens_again() {
    let world = World::new();
    world.sandbox(&["grant", "dev@x.com", "hello", "--until", "2100-01-01"]);
    let first = conditional(&world, "hello");
    assert_snapshot!(world.sandbox(&["grant", "dev@x.com", "hello", "--until", "2100-02-01"]), @r#"
    --- stdout
    SERVICE            STATUS   CHANGE
    us-central1/hello  changed  +user:dev@x.com (roles/run.invoker) under `until 2100-02-01 00:00 UTC (runaccess)`
                                -user:dev@x.com (roles/run.invoker) under `until 2100-01-01 00:00 UTC (runaccess)`
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello
        + user:dev@x.com  roles/run.invoker  if request.time < timestamp("2100-02-01T00:00:00Z")
        - user:dev@x.com  roles/run.invoker  if request.time < timestamp("2100-01-01T00:00:00Z")
    note: `user:dev@x.com` can invoke `us-central1/hello` by its own policy: it could before, too: `user:dev@x.com` has `roles/run.invoker` on `us-central1/hello`
    undo: runaccess --sandbox undo s2
    --- status 0
    "#);
    assert_eq!(conditional(&world, "hello").len(), 1);
    assert_snapshot!(world.sandbox(&["undo", "s2"]), @r#"
    --- stdout
    SERVICE            STATUS   CHANGE
    us-central1/hello  changed  +user:dev@x.com (roles/run.invoker) under `until 2100-01-01 00:00 UTC (runaccess)`
                                -user:dev@x.com (roles/run.invoker) under `until 2100-02-01 00:00 UTC (runaccess)`
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
    note: `s2` was: runaccess --sandbox grant dev@x.com hello --until 2100-02-01
      us-central1/hello
        + user:dev@x.com  roles/run.invoker  if request.time < timestamp("2100-01-01T00:00:00Z")
        - user:dev@x.com  roles/run.invoker  if request.time < timestamp("2100-02-01T00:00:00Z")
        exposure: restricted, as before
    note: `user:dev@x.com` can invoke `us-central1/hello` by its own policy: it could before, too: `user:dev@x.com` has `roles/run.invoker` on `us-central1/hello`
    undo: runaccess --sandbox undo s3
    --- status 0
    "#);
    assert_eq!(conditional(&world, "hello"), first);
    let shorter = ["grant", "dev@x.com", "hello", "--until", "2099-12-01"];
    assert_snapshot!(world.sandbox(&shorter), @r#"
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello
        + user:dev@x.com  roles/run.invoker  if request.time < timestamp("2099-12-01T00:00:00Z")
        - user:dev@x.com  roles/run.invoker  if request.time < timestamp("2100-01-01T00:00:00Z")
    error: this must be confirmed: `user:dev@x.com` had access for longer than that
    caused by: there is no terminal to ask at; `--yes` accepts the plan that is shown
    hint: runaccess --sandbox grant dev@x.com hello --until 2099-12-01 --dry-run
    --- status 2
    "#);
}

#[test]
fn what_would_limit_nothing_is_not_written() {
    let world = World::new();
    world.sandbox(&["grant", "dev@x.com", "hello"]);
    assert_snapshot!(world.sandbox(&["grant", "dev@x.com", "hello", "--for", "4h"]), @"
    --- stdout
    SERVICE            STATUS   CHANGE
    us-central1/hello  refused  limits-nothing
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello  cannot be planned
    error: `user:dev@x.com` has `roles/run.invoker` on `us-central1/hello` without a condition: one would limit nothing
    hint: runaccess --sandbox revoke user:dev@x.com us-central1/hello
    hint: runaccess --sandbox grant dev@x.com hello --for 4h
    --- status 3
    ");
    assert!(conditional(&world, "hello").is_empty());
    let json = world.json(&["grant", "dev@x.com", "hello", "--for", "4h"]);
    assert_eq!(json["changes"][0]["error"]["code"], "limits-nothing");
    // Among others, it is one that was refused.
    let run = world.sandbox(&["grant", "dev@x.com", "hello", "chat", "--for", "4h"]);
    assert_eq!(run.status, 8, "{run}");
}

#[test]
fn everyone_is_not_let_in_for_a_time() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["grant", "allUsers", "hello", "--for", "4h", "--yes"]), @"
    --- stderr
    error: `allUsers` cannot be let in under a condition or for a time
    caused by: IAM takes conditions for principals that are named
    hint: runaccess --sandbox grant --help
    --- status 2
    ");
    let run = world.sandbox(&[
        "grant",
        "allAuthenticatedUsers",
        "hello",
        "--condition",
        "title=t,expression=true",
    ]);
    assert_eq!(run.status, 2, "{run}");
}

#[test]
fn times_and_conditions_are_checked_before_anything_is_read() {
    let world = World::new();
    let of = |options: &[&str]| {
        let run = world.sandbox(&[&["grant", "dev@x.com", "hello"], options].concat());
        assert_eq!(run.status, 2, "{run}");
        run.stderr
            .lines()
            .filter(|line| !line.starts_with("sandbox"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_snapshot!(of(&["--for", "0s"]), @"
    error: invalid value '0s' for '--for <SPAN>': it must be longer than nothing and at most ten years

    For more information, try '--help'.
    ");
    assert_snapshot!(of(&["--until", "tomorrow"]), @"
    error: invalid value 'tomorrow' for '--until <TIME>': write a day as 2026-12-24, a time as 2026-12-24T18:00Z

    For more information, try '--help'.
    ");
    assert!(of(&["--until", "9999-12-31T23:59:59-05:00"]).contains("write a day as"));
    assert_snapshot!(of(&["--until", "2020-01-01"]), @"error: 2020-01-01 00:00 UTC is past already");
    assert_snapshot!(of(&["--condition", "request.path == '/x'"]), @r"
    error: a condition needs a title
    hint: runaccess --sandbox grant dev@x.com hello --condition 'request.path == '\''/x'\''' --condition-title TITLE
    ");
    assert_snapshot!(of(&["--condition-title", "t"]), @"
    error: there is no condition to be given a title
    hint: runaccess --sandbox grant dev@x.com hello --condition-title t --condition EXPR
    ");
    assert_snapshot!(of(&["--condition", "title=t,expression=request.path =="]), @"
    error: the condition `request.path ==` cannot be used
    caused by: it cannot be parsed
    ");
    assert_snapshot!(of(&["--condition", "title=t,expression=resource.name == 'x'"]), @"
    error: the condition `resource.name == 'x'` cannot be used
    caused by: it asks of `resource.name`, which Cloud Run does not give
    caused by: it gives `request.path`, `request.host`, `request.time` and tags
    ");
    assert_snapshot!(of(&["--condition", "title=t,expression=request.auth.uid == 1"]), @"
    error: the condition `request.auth.uid == 1` cannot be used
    caused by: it asks of `request.auth`, which Cloud Run does not give
    caused by: it gives `request.path`, `request.host`, `request.time` and tags
    ");
    assert_snapshot!(of(&["--condition", "title=t,expression=request.path"]), @"
    error: the condition `request.path` cannot be used
    caused by: it is not true or false
    ");
}

#[test]
fn a_condition_is_granted_as_gcloud_writes_it_and_printed_for_gcloud() {
    let world = World::new();
    let condition = "expression=request.path.startsWith(\"/admin\"),title=admin,description=d";
    world.sandbox(&["grant", "dev@x.com", "hello", "--condition", condition]);
    assert_eq!(
        conditional(&world, "hello"),
        [json!({"condition": {"description": "d", "title": "admin",
            "expression": "request.path.startsWith(\"/admin\")"},
            "members": ["user:dev@x.com"], "role": "roles/run.invoker"})]
    );
    // The second condition of a policy is announced no more, and `None` is none.
    let options = ["--condition", "request.host.endsWith('.app')", "--condition-title", "t"];
    assert_snapshot!(
        world.sandbox(&[&["grant", "ops@x.com", "hello"], &options[..]].concat()), @"
        --- stdout
        SERVICE            STATUS   CHANGE
        us-central1/hello  changed  +user:ops@x.com (roles/run.invoker) under `t`
        --- stderr
        sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
          us-central1/hello
            + user:ops@x.com  roles/run.invoker  if request.host.endsWith('.app')
        note: `user:ops@x.com` can invoke `us-central1/hello` by its own policy for some requests: `user:ops@x.com` has `roles/run.invoker` on `us-central1/hello` only for requests where `request.host.endsWith('.app')`
        undo: runaccess --sandbox undo s2
        --- status 0
        ");
    world.sandbox(&["grant", "all@x.com", "hello", "--condition", "None"]);
    assert_eq!(conditional(&world, "hello").len(), 2);
    let printed =
        world.sandbox(&["grant", "z@x.com", "chat", "--condition", condition, "--print", "gcloud"]);
    assert_snapshot!(printed.stdout, @r#"gcloud run services add-iam-policy-binding chat --project=sandbox-project --region=us-central1 --member=user:z@x.com --role=roles/run.invoker '--condition=expression=request.path.startsWith("/admin"),title=admin,description=d'"#);
    // Both at once: the condition holds, and ends.
    world.sandbox(&[
        "grant",
        "y@x.com",
        "hello",
        "--condition",
        condition,
        "--until",
        "2100-01-01",
    ]);
    let both = conditional(&world, "hello").pop().unwrap();
    assert_eq!(
        both["condition"]["expression"],
        "(request.path.startsWith(\"/admin\")) && request.time < timestamp(\"2100-01-01T00:00:00Z\")"
    );
    let rows = world.json(&["who", "hello"])["invokers"].clone();
    let rows = rows.as_array().unwrap();
    let row = rows.iter().find(|row| row["member"] == "user:y@x.com").unwrap();
    assert_eq!(row["endsAt"], "2100-01-01T00:00:00Z");
}

#[test]
fn what_is_past_its_end_and_who_is_deleted_are_cleared() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["revoke", "--expired", "billing"]), @r#"
    --- stdout
    SERVICE              STATUS   CHANGE
    us-central1/billing  changed  -user:contractor@example.com (roles/run.invoker) under `until spring`
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/billing
        - user:contractor@example.com  roles/run.invoker  if request.time < timestamp("2026-03-31T00:00:00Z")
    note: `user:contractor@example.com` cannot invoke `us-central1/billing` by its own policy: no grant reaches the caller
    undo: runaccess --sandbox undo s1
    --- status 0
    "#);
    assert_snapshot!(world.sandbox(&["revoke", "--expired", "--deleted", "--dry-run"]), @"
    --- stdout
    SERVICE              STATUS   CHANGE
    us-central1/billing  planned  -deleted:user:leaver@example.com?uid=101234567890123456789 (roles/run.invoker)
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/billing
        - deleted:user:leaver@example.com?uid=101234567890123456789  roles/run.invoker
    --- status 0
    ");
    assert_eq!(world.sandbox(&["revoke", "--deleted", "--yes"]).status, 0);
    assert_snapshot!(world.sandbox(&["revoke", "--expired", "--deleted"]), @"
    --- stdout
    SERVICE  STATUS  CHANGE
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
    note: no service to change
    --- status 0
    ");
    let run = world.sandbox(&["revoke", "--expired", "--all-services"]);
    assert_eq!(run.status, 2, "{run}");
}

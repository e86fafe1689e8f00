//! `make-public` and `make-private`.

use insta::assert_snapshot;

use crate::support::World;

#[test]
fn make_public_needs_a_yes_and_then_is_public() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["make-public", "hello"]), @"
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello
        + allUsers  roles/run.invoker
        exposure: restricted -> public
    error: this must be confirmed: `us-central1/hello` becomes public
    caused by: there is no terminal to ask at; `--yes` accepts the plan that is shown
    hint: runaccess --sandbox make-public hello --dry-run
    --- status 2
    ");
    insta::assert_json_snapshot!(world.json(&["make-public", "hello", "--yes"]), @r#"
    {
      "sandbox": true,
      "changes": [
        {
          "id": "s1",
          "service": "projects/sandbox-project/locations/us-central1/services/hello",
          "kind": "service",
          "action": "make-public",
          "status": "changed",
          "added": [
            {
              "role": "roles/run.invoker",
              "member": "allUsers",
              "condition": null
            }
          ],
          "removed": [],
          "settings": [],
          "exposure": {
            "before": "restricted",
            "after": "public"
          },
          "remaining": [],
          "effect": [
            {
              "member": "allUsers",
              "service": "projects/sandbox-project/locations/us-central1/services/hello",
              "verdict": "allowed",
              "because": "`allUsers` has `roles/run.invoker` on `us-central1/hello`",
              "basis": "own"
            }
          ],
          "attempts": 1,
          "error": null
        }
      ]
    }
    "#);
    assert_snapshot!(world.sandbox(&["make-public", "hello"]), @"
    --- stdout
    SERVICE            STATUS     CHANGE
    us-central1/hello  unchanged
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello  nothing to change
        note: public already: `allUsers` has `roles/run.invoker`
    --- status 0
    ");
    assert_snapshot!(world.sandbox(&["make-public", "status-page"]), @"
    --- stdout
    SERVICE                  STATUS     CHANGE
    us-central1/status-page  unchanged
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/status-page  nothing to change
        note: public already: the invoker check is off, so no permission is asked
    --- status 0
    ");
}

#[test]
fn the_other_way_turns_the_check_off_and_waits() {
    let world = World::new();
    insta::assert_json_snapshot!(
        world.json(&["make-public", "hello", "--via", "no-invoker-check", "--yes"]), @r#"
        {
          "sandbox": true,
          "changes": [
            {
              "id": "s1",
              "service": "projects/sandbox-project/locations/us-central1/services/hello",
              "kind": "service",
              "action": "make-public",
              "status": "changed",
              "added": [],
              "removed": [],
              "settings": [
                {
                  "name": "invokerCheck",
                  "before": "on",
                  "after": "off"
                }
              ],
              "exposure": {
                "before": "restricted",
                "after": "public"
              },
              "remaining": [],
              "effect": [
                {
                  "member": "allUsers",
                  "service": "projects/sandbox-project/locations/us-central1/services/hello",
                  "verdict": "allowed",
                  "because": "the invoker check is off",
                  "basis": "own"
                }
              ],
              "attempts": 1,
              "error": null
            }
          ]
        }
        "#);
    assert_eq!(world.json(&["describe", "hello"])["invokerCheck"], false);
}

#[test]
fn make_public_tells_what_a_stranger_will_see() {
    let world = World::new();
    for service in ["backoffice", "catalog", "intranet"] {
        let run = world.sandbox(&["make-public", service, "--dry-run", "-o", "value(status)"]);
        assert!(run.stderr.contains("warning: "), "{run}");
    }
    assert_snapshot!(world.sandbox(&["make-public", "intranet", "--yes"]), @"
    --- stdout
    SERVICE               STATUS   CHANGE
    us-central1/intranet  changed  +allUsers (roles/run.invoker)
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/intranet
        + allUsers  roles/run.invoker
        exposure: iap, as before
        warning: Identity-Aware Proxy is on: a stranger is sent to sign in, and passes only if IAP's own policy says so
    note: whether anyone can invoke `us-central1/intranet` by its own policy is unknown: Identity-Aware Proxy is on: its own policy is asked first
    undo: runaccess --sandbox undo s1
    --- status 0
    ");
}

#[test]
fn an_organisation_policy_is_named_and_the_other_way_offered() {
    let world = World::new();
    let shared = |words: &[&str]| {
        world.sandbox(&[&["make-public", "--yes", "--project", "sandbox-shared"], words].concat())
    };
    assert_snapshot!(shared(&["search"]), @"
    --- stdout
    SERVICE             STATUS   CHANGE
    us-central1/search  refused  organisation-policy
    --- stderr
    sandbox plan: project sandbox-shared (`--project`), as you@example.com
      us-central1/search  cannot be planned
    error: the organisation policy `constraints/iam.allowedPolicyMemberDomains` forbids `allUsers` on `us-central1/search`
    caused by: it is in force on the project, so nothing was sent
    hint: runaccess --sandbox make-public --project sandbox-shared search --via no-invoker-check
    --- status 5
    ");
    assert_snapshot!(shared(&["search", "--via", "all-users", "--no-preflight"]), @"
    --- stdout
    SERVICE             STATUS   CHANGE
    us-central1/search  refused  organisation-policy
    --- stderr
    sandbox plan: project sandbox-shared (`--project`), as you@example.com
      us-central1/search
        + allUsers  roles/run.invoker
        exposure: restricted -> public
    error: the organisation policy `constraints/iam.allowedPolicyMemberDomains` forbids `allUsers` on `us-central1/search`
    caused by: One or more users named in the policy do not belong to a permitted customer,  perhaps due to an organization policy.
    hint: runaccess --sandbox make-public --project sandbox-shared search --no-preflight --via no-invoker-check
    --- status 5
    ");
    assert_snapshot!(shared(&["search", "--via", "no-invoker-check"]), @"
    --- stdout
    SERVICE             STATUS   CHANGE
    us-central1/search  changed  invokerCheck: off
    --- stderr
    sandbox plan: project sandbox-shared (`--project`), as you@example.com
      us-central1/search
        invokerCheck: on -> off
        exposure: restricted -> public
    note: anyone can invoke `us-central1/search` by its own policy
    undo: runaccess --sandbox --project sandbox-shared undo s2
    --- status 0
    ");
    let run = world.sandbox(&[
        "make-public",
        "ledger",
        "--yes",
        "--project",
        "sandbox-locked",
        "--via",
        "no-invoker-check",
    ]);
    assert_snapshot!(run, @"
    --- stdout
    SERVICE             STATUS   CHANGE
    us-central1/ledger  refused  organisation-policy
    --- stderr
    sandbox plan: project sandbox-locked (`--project`), as you@example.com
      us-central1/ledger  cannot be planned
    error: the organisation policy `constraints/run.managed.requireInvokerIam` forbids turning the invoker check off on `us-central1/ledger`
    caused by: it is in force on the project, so nothing was sent
    hint: runaccess --sandbox --project sandbox-locked describe us-central1/ledger
    --- status 5
    ");
    let run = world.sandbox(&["grant", "dev@x.com", "events", "--project", "sandbox-shared"]);
    assert_snapshot!(run, @"
    --- stdout
    SERVICE              STATUS   CHANGE
    europe-west1/events  refused  organisation-policy
    --- stderr
    sandbox plan: project sandbox-shared (`--project`), as you@example.com
      europe-west1/events
        + user:dev@x.com  roles/run.invoker
        warning: the organisation policy `constraints/iam.allowedPolicyMemberDomains` may refuse `user:dev@x.com`
    error: the organisation policy `constraints/iam.allowedPolicyMemberDomains` forbids `user:dev@x.com` on `europe-west1/events`
    caused by: One or more users named in the policy do not belong to a permitted customer,  perhaps due to an organization policy.
    hint: runaccess --sandbox --project sandbox-shared describe europe-west1/events
    --- status 5
    ");
}

#[test]
fn make_private_undoes_both_ways() {
    let world = World::new();
    world.sandbox(&["make-public", "hello", "--yes"]);
    world.sandbox(&["make-public", "hello", "--yes", "--via", "no-invoker-check"]);
    insta::assert_json_snapshot!(world.json(&["make-private", "hello", "--yes"]), @r#"
    {
      "sandbox": true,
      "changes": [
        {
          "id": "s3",
          "service": "projects/sandbox-project/locations/us-central1/services/hello",
          "kind": "service",
          "action": "make-private",
          "status": "changed",
          "added": [],
          "removed": [
            {
              "role": "roles/run.invoker",
              "member": "allUsers",
              "condition": null
            }
          ],
          "settings": [
            {
              "name": "invokerCheck",
              "before": "off",
              "after": "on"
            }
          ],
          "exposure": {
            "before": "public",
            "after": "restricted"
          },
          "remaining": [],
          "effect": [
            {
              "member": "allUsers",
              "service": "projects/sandbox-project/locations/us-central1/services/hello",
              "verdict": "denied",
              "because": "no grant reaches the caller",
              "basis": "own"
            }
          ],
          "attempts": 1,
          "error": null
        }
      ]
    }
    "#);
    assert_snapshot!(world.sandbox(&["make-private", "hello"]), @"
    --- stdout
    SERVICE            STATUS     CHANGE
    us-central1/hello  unchanged
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello  nothing to change
    --- status 0
    ");
    assert_snapshot!(world.sandbox(&["make-private", "status-page", "reports", "--dry-run"]), @"
    --- stdout
    SERVICE                  STATUS   CHANGE
    us-central1/status-page  planned  invokerCheck: on
    us-central1/reports      planned  -allAuthenticatedUsers (roles/run.invoker)
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/status-page
        invokerCheck: off -> on
        exposure: public -> restricted
        warning: the service's own policy will let nobody invoke it afterwards
      us-central1/reports
        - allAuthenticatedUsers  roles/run.invoker
        exposure: any-google-account -> restricted
        note: by its own policy, 1 principal will be able to invoke it afterwards
    note: a caller without a credential could not invoke `us-central1/status-page` by its own policy
    note: a caller without a credential could not invoke `us-central1/reports` by its own policy: no grant reaches the caller
    --- status 0
    ");
}

#[test]
fn make_private_takes_the_public_out_of_roles_it_does_not_know() {
    let world = World::new();
    let role = "projects/sandbox-project/roles/reportReader";
    world.sandbox(&["grant", "allUsers", "hello", "--role", role, "--yes"]);
    assert_snapshot!(world.sandbox(&["make-private", "hello", "--yes"]), @"
    --- stdout
    SERVICE            STATUS   CHANGE
    us-central1/hello  changed  -allUsers (projects/sandbox-project/roles/reportReader)
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello
        - allUsers  projects/sandbox-project/roles/reportReader
        exposure: unknown -> restricted
        note: whether `projects/sandbox-project/roles/reportReader` can invoke is not known, so `allUsers` loses it as well
        warning: the service's own policy will let nobody invoke it afterwards
    note: a caller without a credential cannot invoke `us-central1/hello` by its own policy: no grant reaches the caller
    undo: runaccess --sandbox undo s2
    --- status 0
    ");
}

//! `grant` and `revoke`.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::{World, without_etags};

#[test]
fn a_grant_is_planned_written_and_then_unchanged() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["grant", "dev@x.com", "hello"]), @"
    --- stdout
    SERVICE            STATUS   CHANGE
    us-central1/hello  changed  +user:dev@x.com (roles/run.invoker)
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello
        + user:dev@x.com  roles/run.invoker
    note: `user:dev@x.com` can invoke `us-central1/hello` by its own policy
    undo: runaccess --sandbox undo s1
    --- status 0
    ");
    assert_snapshot!(world.sandbox(&["grant", "Dev@X.com", "hello"]), @"
    --- stdout
    SERVICE            STATUS     CHANGE
    us-central1/hello  unchanged
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello  nothing to change
    --- status 0
    ");
    insta::assert_json_snapshot!(world.json(&["grant", "dev@x.com,group:g@x.com", "hello"]), @r#"
    {
      "sandbox": true,
      "changes": [
        {
          "id": "s2",
          "service": "projects/sandbox-project/locations/us-central1/services/hello",
          "kind": "service",
          "action": "grant",
          "status": "changed",
          "added": [
            {
              "role": "roles/run.invoker",
              "member": "group:g@x.com",
              "condition": null
            }
          ],
          "removed": [],
          "settings": [],
          "exposure": null,
          "remaining": [],
          "effect": [
            {
              "member": "group:g@x.com",
              "service": "projects/sandbox-project/locations/us-central1/services/hello",
              "verdict": "allowed",
              "because": "`group:g@x.com` has `roles/run.invoker` on `us-central1/hello`",
              "basis": "own"
            }
          ],
          "attempts": 1,
          "error": null
        }
      ]
    }
    "#);
    let policy = world.json(&["policy", "hello"]);
    assert_eq!(
        without_etags(policy)["bindings"],
        json!([{"members": ["user:dev@x.com", "group:g@x.com"], "role": "roles/run.invoker"}])
    );
}

#[test]
fn an_unchanged_grant_writes_nothing() {
    let world = World::new();
    world.sandbox(&["grant", "dev@x.com", "hello"]);
    let before = world.json(&["policy", "hello"]);
    world.sandbox(&["grant", "dev@x.com", "hello"]);
    assert_eq!(world.json(&["policy", "hello"]), before);
}

#[test]
fn members_of_every_kind_are_taken() {
    let world = World::new();
    let principal = "principal://iam.googleapis.com/locations/global/workforcePools/P/subject/a,b";
    let run = world.sandbox(&[
        "grant",
        "--member",
        principal,
        "--member",
        "me",
        "--member",
        "service:billing",
        "hello",
    ]);
    assert_snapshot!(run, @"
    --- stdout
    SERVICE            STATUS   CHANGE
    us-central1/hello  changed  +principal://iam.googleapis.com/locations/global/workforcePools/P/subject/a,b (roles/run.invoker)
                                +user:you@example.com (roles/run.invoker)
                                +serviceAccount:runner@sandbox-project.iam.gserviceaccount.com (roles/run.invoker)
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
    note: `me` is `you@example.com`
    note: `service:billing` runs as `runner@sandbox-project.iam.gserviceaccount.com`
      us-central1/hello
        + principal://iam.googleapis.com/locations/global/workforcePools/P/subject/a,b  roles/run.invoker
        + user:you@example.com  roles/run.invoker
        + serviceAccount:runner@sandbox-project.iam.gserviceaccount.com  roles/run.invoker
    note: whether `principal://iam.googleapis.com/locations/global/workforcePools/P/subject/a,b` can invoke `us-central1/hello` by its own policy is unknown: a federated identity can have no ID token of its own; an account that it may act as is the way (`roles/iam.workloadIdentityUser` on it)
    note: `user:you@example.com` can invoke `us-central1/hello` by its own policy
    note: `serviceAccount:runner@sandbox-project.iam.gserviceaccount.com` can invoke `us-central1/hello` by its own policy
    undo: runaccess --sandbox undo s1
    --- status 0
    ");
    let shared = world.sandbox(&["grant", "service:us-central1/orders", "hello", "--dry-run"]);
    assert_snapshot!(shared, @"
    --- stdout
    SERVICE            STATUS   CHANGE
    us-central1/hello  planned  +serviceAccount:orders-api@sandbox-project.iam.gserviceaccount.com (roles/run.invoker)
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
    note: `service:us-central1/orders` runs as `orders-api@sandbox-project.iam.gserviceaccount.com`
    warning: `europe-west1/orders` runs as that account too
      us-central1/hello
        + serviceAccount:orders-api@sandbox-project.iam.gserviceaccount.com  roles/run.invoker
    note: `serviceAccount:orders-api@sandbox-project.iam.gserviceaccount.com` could invoke `us-central1/hello` by its own policy
    --- status 0
    ");
    // Who acts must be allowed to; `ana` has no role on the project.
    assert_snapshot!(world.sandbox(&["grant", "me", "chat", "--account", "ana@example.com", "-n"]), @"
    --- stderr
    error: could not list the services of project `sandbox-project`
    caused by: Permission 'run.services.list' denied on resource 'projects/sandbox-project' (or resource may not exist).
    caused by: `run.services.list` is in `roles/run.viewer` and `roles/run.admin`
    hint: runaccess --sandbox grant me REGION/chat --account ana@example.com -n
    hint: runaccess --sandbox roles
    --- status 5
    ");
}

#[test]
fn what_widens_must_be_confirmed() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["grant", "domain:example.com", "hello"]), @"
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello
        + domain:example.com  roles/run.invoker
    error: this must be confirmed: `domain:example.com` gains access
    caused by: there is no terminal to ask at; `--yes` accepts the plan that is shown
    hint: runaccess --sandbox grant domain:example.com hello --dry-run
    --- status 2
    ");
    assert_snapshot!(world.sandbox(&["grant", "allUsers", "backoffice", "--dry-run"]), @"
    --- stdout
    SERVICE                 STATUS   CHANGE
    us-central1/backoffice  planned  +allUsers (roles/run.invoker)
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/backoffice
        + allUsers  roles/run.invoker
        exposure: restricted -> public-internal
        warning: ingress is `internal`: a stranger on the internet gets 404, callers inside get through
    note: a caller without a credential could not invoke `us-central1/backoffice` by its own policy: ingress is `internal`, and the request is not
    --- status 0
    ");
    assert_snapshot!(world.sandbox(&["grant", "dev@x.com", "hello", "--role", "roles/run.admin"]), @"
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello
        + user:dev@x.com  roles/run.admin
    error: this must be confirmed: `roles/run.admin` lets its members grant access to others
    caused by: there is no terminal to ask at; `--yes` accepts the plan that is shown
    hint: runaccess --sandbox grant dev@x.com hello --role roles/run.admin --dry-run
    --- status 2
    ");
    assert_snapshot!(world.sandbox(&["grant", "dev@x.com", "st*"]), @"
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/status-page
        + user:dev@x.com  roles/run.invoker
      us-central1/storefront
        + user:dev@x.com  roles/run.invoker
    error: this must be confirmed: 2 services change
    caused by: there is no terminal to ask at; `--yes` accepts the plan that is shown
    hint: runaccess --sandbox grant dev@x.com 'st*' --dry-run
    --- status 2
    ");
    assert_eq!(world.json(&["policy", "hello"]), json!({"etag": "ACAB"}));
    let json = world.json(&["grant", "domain:example.com", "hello"]);
    assert_eq!(json["error"]["code"], "confirmation-required");
    assert_eq!(world.sandbox(&["grant", "domain:example.com", "hello", "-y"]).status, 0);
}

#[test]
fn quiet_never_assumes_yes() {
    let world = World::new();
    assert_eq!(world.sandbox(&["grant", "allUsers", "hello", "-q"]).status, 2);
}

#[test]
fn several_targets_each_have_their_outcome() {
    let world = World::new();
    let run = world.sandbox(&[
        "grant",
        "dev@x.com",
        "hello",
        "nosuch",
        "us-central1/nosuch2",
        "storefront",
    ]);
    assert_snapshot!(run, @"
    --- stdout
    SERVICE                 STATUS   CHANGE
    us-central1/hello       changed  +user:dev@x.com (roles/run.invoker)
    us-central1/nosuch2     failed   not-found
    us-central1/storefront  changed  +user:dev@x.com (roles/run.invoker)
    -/nosuch                failed   not-found
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello
        + user:dev@x.com  roles/run.invoker
      us-central1/nosuch2  cannot be planned: could not read the policy of `us-central1/nosuch2`
      us-central1/storefront
        + user:dev@x.com  roles/run.invoker
      -/nosuch  cannot be planned: no service of project `sandbox-project` is named `nosuch`
    error: could not read the policy of `us-central1/nosuch2`
    caused by: Resource 'nosuch2' of kind 'SERVICE' in region 'us-central1' in project 'sandbox-project' does not exist.
    hint: runaccess --sandbox list
    error: no service of project `sandbox-project` is named `nosuch`
    hint: runaccess --sandbox list
    note: `user:dev@x.com` can invoke `us-central1/hello` by its own policy
    note: `user:dev@x.com` can invoke `us-central1/storefront` by its own policy: it could before, too: `allUsers` has `roles/run.invoker` on `us-central1/storefront`
    undo: runaccess --sandbox undo s1
    --- status 8
    ");
    let json = world.json(&["grant", "dev@x.com", "hello", "chat", "--dry-run"]);
    let status: Vec<&str> =
        json["changes"].as_array().unwrap().iter().map(|c| c["status"].as_str().unwrap()).collect();
    assert_eq!(status, ["unchanged", "planned"]);
}

#[test]
fn a_pattern_changes_all_it_matches_once_confirmed() {
    let world = World::new();
    let run = world.sandbox(&["grant", "dev@x.com", "orders*", "us-central1/orders", "--yes"]);
    assert_snapshot!(run, @"
    --- stdout
    SERVICE              STATUS   CHANGE
    europe-west1/orders  changed  +user:dev@x.com (roles/run.invoker)
    us-central1/orders   changed  +user:dev@x.com (roles/run.invoker)
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      europe-west1/orders
        + user:dev@x.com  roles/run.invoker
      us-central1/orders
        + user:dev@x.com  roles/run.invoker
    note: `user:dev@x.com` can invoke `europe-west1/orders` by its own policy
    note: `user:dev@x.com` can invoke `us-central1/orders` by its own policy
    undo: runaccess --sandbox undo s1
    --- status 0
    ");
}

#[test]
fn everything_else_in_a_policy_stays_as_it_was() {
    let world = World::new();
    let before = without_etags(world.json(&["policy", "billing"]));
    world.sandbox(&["grant", "dev@x.com", "billing"]);
    let mut expected = before.clone();
    expected["bindings"][0]["members"].as_array_mut().unwrap().push(json!("user:dev@x.com"));
    assert_eq!(without_etags(world.json(&["policy", "billing"])), expected);
    world.sandbox(&["revoke", "dev@x.com", "billing"]);
    assert_eq!(without_etags(world.json(&["policy", "billing"])), before);
}

#[test]
fn a_revoke_says_what_is_left() {
    let world = World::new();
    world.sandbox(&["grant", "ana@example.com", "reports"]);
    assert_snapshot!(world.sandbox(&["revoke", "ana@example.com", "reports"]), @"
    --- stdout
    SERVICE              STATUS   CHANGE
    us-central1/reports  changed  -user:ana@example.com (roles/run.invoker)
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/reports
        - user:ana@example.com  roles/run.invoker
        warning: `allAuthenticatedUsers` can still invoke it through `roles/run.invoker`, and 2 more
    note: `user:ana@example.com` can invoke `us-central1/reports` by its own policy: it could before, too: `allAuthenticatedUsers` has `roles/run.invoker` on `us-central1/reports`
    undo: runaccess --sandbox undo s2
    --- status 0
    ");
    let run = world.sandbox(&["revoke", "ana@example.com", "reports", "--any-role", "--strict"]);
    assert_snapshot!(run, @"
    --- stdout
    SERVICE              STATUS   CHANGE
    us-central1/reports  changed  -user:ana@example.com (projects/sandbox-project/roles/reportReader)
                                  -user:ana@example.com (roles/run.developer)
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/reports
        - user:ana@example.com  projects/sandbox-project/roles/reportReader
        - user:ana@example.com  roles/run.developer
        exposure: any-google-account, as before
        note: `projects/sandbox-project/roles/reportReader` does more than invoke, and goes too
        note: `roles/run.developer` does more than invoke, and goes too
        warning: `allAuthenticatedUsers` can still invoke it through `roles/run.invoker`
    note: `user:ana@example.com` can invoke `us-central1/reports` by its own policy: it could before, too: `allAuthenticatedUsers` has `roles/run.invoker` on `us-central1/reports`
    warning: `user:ana@example.com` is still let in at `us-central1/reports`: `allAuthenticatedUsers` has `roles/run.invoker` on it; no command ends that for this member alone
    undo: runaccess --sandbox undo s3
    --- status 3
    ");
    let json = world.json(&["revoke", "ana@example.com", "reports"]);
    assert_eq!(json["changes"][0]["status"], "unchanged");
    insta::assert_json_snapshot!(json["changes"][0]["remaining"], @"[]");
}

#[test]
fn a_conditional_grant_is_never_revoked_in_passing() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["revoke", "auditor@example.com", "billing"]), @"
    --- stdout
    SERVICE              STATUS   CHANGE
    us-central1/billing  refused  condition-required
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/billing  cannot be planned
    error: `user:auditor@example.com` has `roles/run.invoker` on `us-central1/billing` under a condition only
    hint: runaccess --sandbox revoke auditor@example.com billing --condition-title 'reports only'
    hint: runaccess --sandbox revoke auditor@example.com billing --any-condition
    --- status 2
    ");
    let titled = |title| {
        world.sandbox(&["revoke", "auditor@example.com", "billing", "--condition-title", title])
    };
    assert_snapshot!(titled("other"), @"
    --- stdout
    SERVICE              STATUS   CHANGE
    us-central1/billing  refused  condition-required
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/billing  cannot be planned
    error: `user:auditor@example.com` has no binding on `us-central1/billing` whose condition is titled `other`
    caused by: its conditions are titled `reports only`
    hint: runaccess --sandbox revoke auditor@example.com billing --condition-title 'reports only'
    --- status 2
    ");
    assert_snapshot!(titled("reports only"), @r#"
    --- stdout
    SERVICE              STATUS   CHANGE
    us-central1/billing  changed  -user:auditor@example.com (roles/run.invoker) under `reports only`
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/billing
        - user:auditor@example.com  roles/run.invoker  if request.path.startsWith("/reports")
    note: `user:auditor@example.com` cannot invoke `us-central1/billing` by its own policy: no grant reaches the caller
    undo: runaccess --sandbox undo s1
    --- status 0
    "#);
    assert_snapshot!(world.sandbox(&["revoke", "contractor@example.com", "billing", "--all"]), @r#"
    --- stdout
    SERVICE              STATUS   CHANGE
    us-central1/billing  changed  -user:contractor@example.com (roles/run.invoker) under `until spring`
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/billing
        - user:contractor@example.com  roles/run.invoker  if request.time < timestamp("2026-03-31T00:00:00Z")
    note: `user:contractor@example.com` cannot invoke `us-central1/billing` by its own policy: no grant reaches the caller
    undo: runaccess --sandbox undo s2
    --- status 0
    "#);
}

#[test]
fn deleted_members_are_kept_and_can_be_revoked() {
    let world = World::new();
    let deleted = "deleted:user:leaver@example.com?uid=101234567890123456789";
    world.sandbox(&["revoke", "leaver@example.com", "billing"]);
    assert!(world.sandbox(&["policy", "billing"]).stdout.contains(deleted));
    assert_snapshot!(world.sandbox(&["revoke", deleted, "billing"]), @"
    --- stdout
    SERVICE              STATUS   CHANGE
    us-central1/billing  changed  -deleted:user:leaver@example.com?uid=101234567890123456789 (roles/run.invoker)
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/billing
        - deleted:user:leaver@example.com?uid=101234567890123456789  roles/run.invoker
    undo: runaccess --sandbox undo s1
    --- status 0
    ");
    assert!(!world.sandbox(&["policy", "billing"]).stdout.contains(deleted));
}

#[test]
fn revoke_goes_over_all_services() {
    let world = World::new();
    let run = world.sandbox(&["revoke", "group:team@example.com", "--all-services"]);
    assert_snapshot!(run, @"
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/backoffice
        - group:team@example.com  roles/run.invoker
      us-central1/chat
        - group:team@example.com  roles/run.invoker
    error: this must be confirmed: 2 services change
    caused by: there is no terminal to ask at; `--yes` accepts the plan that is shown
    hint: runaccess --sandbox revoke group:team@example.com --all-services --dry-run
    --- status 2
    ");
    let run = world.sandbox(&[
        "revoke",
        "group:team@example.com",
        "--all-services",
        "--yes",
        "-o",
        "value(service,status)",
    ]);
    assert_snapshot!(run, @"
    --- stdout
    projects/sandbox-project/locations/us-central1/services/backoffice	changed
    projects/sandbox-project/locations/us-central1/services/chat	changed
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/backoffice
        - group:team@example.com  roles/run.invoker
      us-central1/chat
        - group:team@example.com  roles/run.invoker
    note: `group:team@example.com` cannot invoke `us-central1/backoffice` by its own policy: ingress is `internal`, and the request is not
    note: `group:team@example.com` cannot invoke `us-central1/chat` by its own policy
    undo: runaccess --sandbox undo s1
    --- status 0
    ");
    assert_snapshot!(world.sandbox(&["revoke", "group:team@example.com", "--all-services", "--yes"]), @"
    --- stdout
    SERVICE  STATUS  CHANGE
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
    note: no service to change
    --- status 0
    ");
}

#[test]
fn several_losers_must_be_confirmed() {
    let run = World::new().sandbox(&[
        "revoke",
        "ana@example.com,serviceAccount:runner@sandbox-project.iam.gserviceaccount.com",
        "us-central1/orders",
    ]);
    assert_snapshot!(run, @"
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/orders
        - serviceAccount:runner@sandbox-project.iam.gserviceaccount.com  roles/run.invoker
        - user:ana@example.com  roles/run.invoker
    error: this must be confirmed: 2 principals lose access
    caused by: there is no terminal to ask at; `--yes` accepts the plan that is shown
    hint: runaccess --sandbox revoke ana@example.com,serviceAccount:runner@sandbox-project.iam.gserviceaccount.com us-central1/orders --dry-run
    --- status 2
    ");
}

/// What is granted above the service, to a group, or by the check that is off counts too.
#[test]
fn strict_revocation_looks_at_everything() {
    let world = World::new();
    let strict = |member: &str, service: &str| {
        world.sandbox(&["revoke", member, service, "--strict", "--yes"])
    };
    let run = strict("sam@example.com", "hello");
    assert_eq!(run.status, 3, "{run}");
    let by = "warning: `user:sam@example.com` is still let in at `us-central1/hello`: ";
    assert!(run.stderr.contains(by) && run.stderr.contains("group:sre@example.com"), "{run}");
    assert_eq!(strict("me", "hello").status, 3);
    assert_eq!(strict("nobody@example.com", "hello").status, 0);
}

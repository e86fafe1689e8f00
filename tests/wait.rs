//! `--wait`, and the look ahead at organisation policies and at what is granted above.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{Api, World};

/// A served sandbox whose front end learns of changes late, and this program in it as the default
/// account.
fn late(delay: &str) -> Api {
    let mut api = Api::with(&["--set", &format!("access-delay={delay}")]);
    let endpoint = format!("{}/", api.serve.endpoint);
    api.world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &endpoint);
    api.world.set("CLOUDSDK_CORE_PROJECT", "sandbox-project");
    let file = api.world.state().join("adc.json");
    std::fs::create_dir_all(api.world.state()).unwrap();
    let adc = json!({"type": "authorized_user", "client_id": crate::support::GCLOUD,
        "client_secret": "s", "refresh_token": "1//sandbox:you@example.com",
        "token_uri": format!("{}/token", api.serve.endpoint)});
    std::fs::write(&file, adc.to_string()).unwrap();
    let file = file.display().to_string();
    api.world.set("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", &file);
    api
}

#[test]
fn a_change_is_waited_for_until_the_front_end_agrees() {
    let api = late("2s");
    let run = api.world.run(&["make-public", "us-central1/hello", "--yes", "--wait"]);
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stderr.contains("waiting for the front end of `us-central1/hello`"), "{run}");
    assert!(run.stderr.contains("lets anyone in"), "{run}");
}

#[test]
fn what_does_not_settle_in_time_is_not_undone() {
    let api = late("1h");
    let run = api.world.run(&["make-public", "us-central1/hello", "--yes", "--wait=1s", "-q"]);
    assert_eq!(run.status, 9, "{run}");
    assert!(run.stderr.contains("it did not agree in time; the change stands"), "{run}");
    let run = api.world.run(&["policy", "us-central1/hello"]);
    assert!(run.stdout.contains("allUsers"), "{run}");
}

#[test]
fn a_grant_is_waited_for_as_whom_it_lets_in() {
    let world = World::new();
    let wait = |member: &str, service: &str| {
        world.sandbox(&["grant", member, service, "--wait=20s", "--yes"])
    };
    for (member, who) in [
        ("me", "lets you in"),
        ("domain:example.com", "lets you in"),
        (
            "runner@sandbox-project.iam.gserviceaccount.com",
            "lets `runner@sandbox-project.iam.gserviceaccount.com` in",
        ),
    ] {
        let run = wait(member, "hello");
        assert_eq!(run.status, 0, "{run}");
        assert!(run.stderr.contains(who), "{run}");
    }
    // Nobody can ask as somebody else.
    let run = wait("ana@example.com", "hello");
    assert_eq!(run.status, 2, "{run}");
    assert!(!world.sandbox(&["policy", "hello"]).stdout.contains("ana"));
    // A service that lets nothing in tells nothing.
    let run = wait("me", "backoffice");
    assert_eq!(run.status, 9, "{run}");
    assert_eq!(world.sandbox(&["grant", "me", "hello", "--wait=soon"]).status, 2);
    // A role that lets nobody in there is no waiting for.
    let run = world.sandbox(&["grant", "me", "hello", "--role", "roles/run.viewer", "--wait"]);
    assert!(run.status == 2 && run.stderr.contains("there is nothing to wait for"), "{run}");
    assert!(run.stderr.contains("grant me hello --role roles/run.viewer"), "{run}");
}

#[test]
fn what_an_organisation_policy_forbids_is_said_before_anything_is_written() {
    let world = World::new();
    let run = |words: &[&str]| world.sandbox(&[&["--project", "sandbox-locked"], words].concat());
    assert_snapshot!(run(&["make-public", "ledger", "--yes"]), @"
    --- stdout
    SERVICE             STATUS   CHANGE
    us-central1/ledger  refused  organisation-policy
    --- stderr
    sandbox plan: project sandbox-locked (`--project`), as you@example.com
      us-central1/ledger  cannot be planned
    error: the organisation policy `constraints/iam.allowedPolicyMemberDomains` forbids `allUsers` on `us-central1/ledger`
    caused by: it is in force on the project, so nothing was sent
    hint: runaccess --sandbox --project sandbox-locked describe us-central1/ledger
    --- status 5
    ");
    assert_snapshot!(run(&["make-public", "ledger", "--via", "no-invoker-check", "--dry-run"]), @"
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
    assert_snapshot!(run(&["grant", "someone@gmail.com", "ledger"]), @"
    --- stdout
    SERVICE             STATUS   CHANGE
    us-central1/ledger  refused  organisation-policy
    --- stderr
    sandbox plan: project sandbox-locked (`--project`), as you@example.com
      us-central1/ledger  cannot be planned
    error: the organisation policy `constraints/iam.allowedPolicyMemberDomains` forbids `user:someone@gmail.com` on `us-central1/ledger`
    caused by: it is in force on the project, so nothing was sent
    hint: runaccess --sandbox --project sandbox-locked describe us-central1/ledger
    --- status 5
    ");
    assert_snapshot!(run(&["grant", "dev@partner.example", "ledger", "--dry-run"]), @"
    --- stdout
    SERVICE             STATUS   CHANGE
    us-central1/ledger  planned  +user:dev@partner.example (roles/run.invoker)
    --- stderr
    sandbox plan: project sandbox-locked (`--project`), as you@example.com
      us-central1/ledger
        + user:dev@partner.example  roles/run.invoker
        warning: the organisation policy `constraints/iam.allowedPolicyMemberDomains` may refuse `user:dev@partner.example`
    note: `user:dev@partner.example` could invoke `us-central1/ledger` by its own policy: `user:dev@partner.example` has `roles/run.invoker` on `us-central1/ledger`
    --- status 0
    ");
    // One's own are nobody's business.
    assert_eq!(run(&["grant", "dev@example.com", "ledger", "--dry-run"]).status, 0);
}

#[tokio::test]
async fn a_policy_with_an_exception_by_tag_is_no_certain_no() {
    let api = late("0s");
    let policy = |rules: Value| {
        json!({
            "name": "projects/123456789012/policies/iam.allowedPolicyMemberDomains",
            "spec": {"rules": rules},
        })
    };
    let domains = json!({"values": {"allowedValues": ["C03xgje4y"]}});
    let off = json!({"allowAll": true,
        "condition": {"expression": "resource.matchTag('433637338589/environment', 'development')"}});
    let path = "v2/projects/sandbox-project/policies";
    assert_eq!(api.post(path, policy(json!([domains, off]))).await.0, 200);
    let run = api.world.run(&["make-public", "us-central1/hello", "--dry-run"]);
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stderr.contains("may refuse `allUsers`"), "{run}");
}

#[tokio::test]
async fn what_is_granted_above_keeps_a_service_public() {
    let api = late("0s");
    let folder = "v3/folders/725218103497";
    let version = json!({"options": {"requestedPolicyVersion": 3}});
    let (_, mut policy) = api.post(&format!("{folder}:getIamPolicy"), version).await;
    let grant = json!({"role": "roles/run.invoker", "members": ["allUsers"]});
    policy["bindings"].as_array_mut().unwrap().push(grant);
    assert_eq!(api.post(&format!("{folder}:setIamPolicy"), json!({"policy": policy})).await.0, 200);
    assert_snapshot!(api.world.run(&["make-private", "us-central1/storefront", "--yes", "-q"]), @"
    --- stdout
    SERVICE                 STATUS   CHANGE
    us-central1/storefront  changed  -allUsers (roles/run.invoker)
    --- stderr
    plan: project sandbox-project (`CLOUDSDK_CORE_PROJECT`), by auth/credential_file_override in `[WORLD]/state/adc.json`
      us-central1/storefront
        - allUsers  roles/run.invoker
        exposure: public, as before
        warning: `allUsers` has `roles/run.invoker` on `folders/725218103497`, which keeps the service open
        warning: the service's own policy will let nobody invoke it afterwards
    note: a caller without a credential cannot invoke `us-central1/storefront` by its own policy
    undo: runaccess undo 1
    --- status 3
    ");
    let json = api.world.json_of(&["describe", "us-central1/hello"]);
    assert_eq!((&json["exposure"], &json["inherited"]), (&json!("public"), &json!("read")));
    assert_eq!(
        json["exposureReasons"][0],
        "`allUsers` has `roles/run.invoker`, inherited from `folders/725218103497`"
    );
}

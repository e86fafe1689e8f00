//! Identity-Aware Proxy, and custom audiences: what comes with a switch, and what is taken back.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use insta::assert_snapshot;
use serde_json::json;

use crate::support::{Answer, FakeServer, Serve, World, members_of};

const AGENT: &str = "serviceAccount:service-123456789012@gcp-sa-iap.iam.gserviceaccount.com";

#[test]
fn iap_comes_with_the_grant_that_it_needs() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["iap", "hello", "on", "--yes"]), @"
    --- stdout
    SERVICE            STATUS   CHANGE
    us-central1/hello  changed  +serviceAccount:service-123456789012@gcp-sa-iap.iam.gserviceaccount.com (roles/run.invoker)
                                iap: on
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello
        + serviceAccount:service-123456789012@gcp-sa-iap.iam.gserviceaccount.com  roles/run.invoker
        iap: off -> on
        exposure: restricted -> iap
        note: from then on callers need `roles/iap.httpsResourceAccessor`, and a session or a token for Identity-Aware Proxy; the invoker role alone does not let them by
    note: whether anyone can invoke `us-central1/hello` by its own policy is unknown: Identity-Aware Proxy is on: its own policy is asked first
    undo: runaccess --sandbox undo s1
    --- status 0
    ");
    assert_eq!(members_of(&world.json(&["policy", "hello"]), "roles/run.invoker"), [AGENT]);
    assert_eq!(world.json(&["iap", "hello", "on"])["changes"][0]["status"], "unchanged");
    let who = world.sandbox(&["who", "hello"]).to_string();
    assert!(
        who.contains(
            "Identity-Aware Proxy asks first, and lets nobody by: none of these gets through"
        ),
        "{who}"
    );
    assert_snapshot!(world.sandbox(&["iap", "hello", "off", "--yes"]), @"
    --- stdout
    SERVICE            STATUS   CHANGE
    us-central1/hello  changed  -serviceAccount:service-123456789012@gcp-sa-iap.iam.gserviceaccount.com (roles/run.invoker)
                                iap: off
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello
        - serviceAccount:service-123456789012@gcp-sa-iap.iam.gserviceaccount.com  roles/run.invoker
        iap: on -> off
        exposure: iap -> restricted
        note: whoever came through Identity-Aware Proxy needs the invoker role from then on
    note: a caller without a credential cannot invoke `us-central1/hello` by its own policy: no grant reaches the caller
    undo: runaccess --sandbox undo s2
    --- status 0
    ");
    assert_eq!(members_of(&world.json(&["policy", "hello"]), "roles/run.invoker"), [""; 0]);
    assert_eq!(world.sandbox(&["undo", "s2", "--yes"]).status, 0);
    assert_eq!(world.json(&["describe", "hello"])["exposure"], "iap");
    assert_eq!(members_of(&world.json(&["policy", "hello"]), "roles/run.invoker"), [AGENT]);
    assert_snapshot!(world.sandbox(&["iap", "storefront", "on", "-n", "--print", "gcloud"]), @"
    --- stdout
    gcloud beta run services update storefront --project=sandbox-project --region=us-central1 --iap
    gcloud run services add-iam-policy-binding storefront --project=sandbox-project --region=us-central1 --member=serviceAccount:service-123456789012@gcp-sa-iap.iam.gserviceaccount.com --role=roles/run.invoker --condition=None
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/storefront
        + serviceAccount:service-123456789012@gcp-sa-iap.iam.gserviceaccount.com  roles/run.invoker
        iap: off -> on
        exposure: public -> iap
        note: from then on callers need `roles/iap.httpsResourceAccessor`, and a session or a token for Identity-Aware Proxy; the invoker role alone does not let them by
        warning: `allUsers` may invoke it: only Identity-Aware Proxy is left to ask anybody anything
    note: whether anyone could invoke `us-central1/storefront` by its own policy is unknown: Identity-Aware Proxy is on: its own policy is asked first
    warning: these commands go to Google, unless gcloud is pointed at `runaccess sandbox serve`
    --- status 0
    ");
}

#[test]
fn iap_is_taken_back_whole_where_its_grant_is_refused() {
    let mut world = World::new();
    let serve = Serve::with_faults(&world, &["403,method=POST,route=*setIamPolicy"]);
    world.reach(&serve);
    assert_snapshot!(world.run(&["iap", "hello", "on", "--yes"]), @"
    --- stdout
    SERVICE            STATUS  CHANGE
    us-central1/hello  failed  permission-denied
    --- stderr
    plan: project sandbox-project (`CLOUDSDK_CORE_PROJECT`), by `CLOUDSDK_AUTH_ACCESS_TOKEN`
      us-central1/hello
        + serviceAccount:service-123456789012@gcp-sa-iap.iam.gserviceaccount.com  roles/run.invoker
        iap: off -> on
        exposure: restricted -> iap
        note: from then on callers need `roles/iap.httpsResourceAccessor`, and a session or a token for Identity-Aware Proxy; the invoker role alone does not let them by
    error: `us-central1/hello`: it was possible to turn Identity-Aware Proxy on, not to set the policy; what was done is taken back
    caused by: could not set the policy of `us-central1/hello`
    caused by: The caller does not have permission
    hint: gcloud auth list
    --- status 5
    ");
    assert_eq!(world.json_of(&["describe", "hello"])["iap"], false);
    // The journal says that nothing of it is there.
    let history = world.json_of(&["history", "1"]);
    assert_eq!(history["entries"][0]["state"], "failed");
    assert_eq!(history["entries"][0]["settings"], json!([]));
}

/// What is taken back waits and is planned again after a conflict as any other change is.
#[test]
fn iap_is_taken_back_through_the_conflicts_of_others() {
    for seed in [2, 7, 10] {
        let mut world = World::new();
        let conflicts = format!("409,method=PATCH,rate=0.7,seed={seed}");
        let serve =
            Serve::with_faults(&world, &["403,method=POST,route=*setIamPolicy", &conflicts]);
        world.reach(&serve);
        let run = world.run(&["iap", "hello", "on", "--yes"]);
        assert_eq!(run.status, 5, "{seed}: {}", run.stderr);
        assert!(run.stderr.contains("what was done is taken back"), "{seed}: {}", run.stderr);
        assert_eq!(world.json_of(&["describe", "hello"])["iap"], false, "{seed}");
    }
}

#[test]
fn iap_that_cannot_be_taken_back_is_half_done_and_says_so() {
    let mut world = World::new();
    // Of what turns it, the first is let through and the second refused.
    let faults = ["403,method=POST,route=*setIamPolicy", "403,method=PATCH,rate=0.5,seed=12"];
    let serve = Serve::with_faults(&world, &faults);
    world.reach(&serve);
    assert_snapshot!(world.run(&["iap", "hello", "on", "--yes"]), @"
    --- stdout
    SERVICE            STATUS  CHANGE
    us-central1/hello  failed  partial
    --- stderr
    plan: project sandbox-project (`CLOUDSDK_CORE_PROJECT`), by `CLOUDSDK_AUTH_ACCESS_TOKEN`
      us-central1/hello
        + serviceAccount:service-123456789012@gcp-sa-iap.iam.gserviceaccount.com  roles/run.invoker
        iap: off -> on
        exposure: restricted -> iap
        note: from then on callers need `roles/iap.httpsResourceAccessor`, and a session or a token for Identity-Aware Proxy; the invoker role alone does not let them by
    error: `us-central1/hello`: it was possible to turn Identity-Aware Proxy on, not to set the policy; what was done could not be taken back
    caused by: could not set the policy of `us-central1/hello`
    caused by: The caller does not have permission
    caused by: could not turn Identity-Aware Proxy off at `us-central1/hello`: The caller does not have permission
    hint: gcloud auth list
    undo: runaccess undo 1
    --- status 8
    ");
    assert_eq!(world.json_of(&["describe", "hello"])["iap"], true);
    let history = world.json_of(&["history", "1"]);
    assert_eq!(history["entries"][0]["settings"][0]["after"], "on");
    // What is left of it is undone like any other change.
    let faults = format!("{}/sandbox/faults", serve.endpoint);
    let curl = ["-s", "-X", "DELETE", &faults];
    assert!(std::process::Command::new("curl").args(curl).output().unwrap().status.success());
    assert_eq!(world.run(&["undo", "1", "--yes"]).status, 0);
    assert_eq!(world.json_of(&["describe", "hello"])["iap"], false);
}

#[test]
fn an_audience_is_added_taken_and_removed() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["audience", "add", "hello", "https://gw.example.com"]), @"
    --- stdout
    SERVICE            STATUS   CHANGE
    us-central1/hello  changed  customAudience: + https://gw.example.com
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello
        customAudience: + https://gw.example.com
        exposure: restricted, as before
    note: a caller without a credential cannot invoke `us-central1/hello` by its own policy: no grant reaches the caller
    undo: runaccess --sandbox undo s1
    --- status 0
    ");
    let audiences = || world.json(&["describe", "hello"])["customAudiences"].clone();
    assert_eq!(audiences(), json!(["https://gw.example.com"]));
    let again = world.json(&["audience", "add", "hello", "https://gw.example.com"]);
    assert_eq!(again["changes"][0]["status"], "unchanged");
    // Whoever removes one shuts callers out, and is asked.
    assert_snapshot!(world.sandbox(&["audience", "remove", "hello", "https://gw.example.com"]), @"
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello
        customAudience: - https://gw.example.com
        exposure: restricted, as before
    error: this must be confirmed: tokens for `https://gw.example.com` are refused from then on
    caused by: there is no terminal to ask at; `--yes` accepts the plan that is shown
    hint: runaccess --sandbox audience remove hello https://gw.example.com --dry-run
    --- status 2
    ");
    let gone = world.json(&["audience", "remove", "hello", "https://gw.example.com", "--yes"]);
    assert_eq!(
        gone["changes"][0]["settings"],
        json!([{"name": "customAudience", "before": "https://gw.example.com", "after": null}])
    );
    assert_eq!(audiences(), json!([]));
    assert_eq!(world.sandbox(&["undo", "s2", "--yes"]).status, 0);
    assert_eq!(audiences(), json!(["https://gw.example.com"]));
    assert_snapshot!(world.sandbox(&["audience", "add", "hello", "gw.example.com"]), @"
    --- stderr
    error: invalid value 'gw.example.com' for '<URL>': an audience is compared to the letter: write `https://gw.example.com`

    For more information, try '--help'.
    --- status 2
    ");
}

#[test]
fn a_token_for_an_added_audience_gets_through() {
    let world = World::new();
    let serve = Serve::start(&world);
    let audience = "https://gw.example.com";
    let token = world.json(&[
        "token",
        "--audience",
        audience,
        "--impersonate-service-account",
        "runner@sandbox-project.iam.gserviceaccount.com",
    ]);
    let call = || {
        let url = format!("{}/", serve.endpoint.replace("127.0.0.1", "orders.localhost"));
        let header = format!("Authorization: Bearer {}", token["token"].as_str().unwrap());
        let curl = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", &header, &url];
        let run = std::process::Command::new("curl").args(curl).output().unwrap();
        String::from_utf8(run.stdout).unwrap()
    };
    assert_eq!(call(), "401");
    assert_eq!(world.sandbox(&["audience", "add", "us-central1/orders", audience]).status, 0);
    assert_eq!(call(), "200");
}

#[test]
fn an_account_that_is_not_known_everywhere_yet_is_waited_for() {
    let is_on = AtomicBool::new(false);
    let refused = AtomicUsize::new(0);
    let server = FakeServer::start(move |request| {
        let service = json!({
            "name": "projects/p/locations/us-central1/services/hello", "etag": "e", "ingress": 1,
            "iapEnabled": is_on.load(Ordering::SeqCst),
        });
        if request.starts_with("PATCH") {
            is_on.store(true, Ordering::SeqCst);
            Answer::json(&json!({"name": "operations/o", "done": true}))
        } else if request.contains(":setIamPolicy") && refused.fetch_add(1, Ordering::SeqCst) < 2 {
            let account = "service-12@gcp-sa-iap.iam.gserviceaccount.com";
            let said = format!("Service account {account} does not exist.");
            Answer::error(400, "INVALID_ARGUMENT", &said)
        } else if request.contains("IamPolicy") {
            Answer::json(&json!({"etag": "AAAA"}))
        } else if request.contains("/v3/projects/p") {
            Answer::json(&json!({"name": "projects/12", "projectId": "p", "parent": ""}))
        } else {
            Answer::json(&service)
        }
    });
    let mut world = World::new();
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &server.endpoint);
    world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "t");
    world.set("CLOUDSDK_CORE_PROJECT", "p");
    let json = world.json_of(&["iap", "us-central1/hello", "on", "--yes"]);
    assert_eq!(json["changes"][0]["status"], "changed", "{json}");
    assert_eq!(json["changes"][0]["attempts"], 3);
}

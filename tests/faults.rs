//! Faults on request: what goes wrong on the wire, and what the program makes of it.

use std::time::Instant;

use insta::assert_snapshot;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Api, Serve, World};

const HELLO: &str = "v2/projects/sandbox-project/locations/us-central1/services/hello";

/// A world whose runs reach a serving sandbox over HTTP.
fn served(faults: &[&str]) -> (World, Serve) {
    let mut world = World::new();
    let serve = Serve::with_faults(&world, faults);
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &format!("{}/", serve.endpoint));
    world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "opaque");
    world.set("CLOUDSDK_CORE_PROJECT", "sandbox-project");
    (world, serve)
}

#[tokio::test]
async fn a_status_is_answered_as_often_as_it_is_told() {
    let api = Api::with_faults(&[
        "429,route=*/services/hello,count=2,retry-after=3",
        "503,method=DELETE",
    ]);
    let url = format!("{}/{HELLO}", api.serve.endpoint);
    for _ in 0..2 {
        let answer = api.client.get(&url).bearer_auth("t").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.headers()["retry-after"], "3");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["error"]["status"], "RESOURCE_EXHAUSTED");
    }
    api.get(HELLO).await;
    assert_eq!(api.refused("DELETE", HELLO, None).await.1, "UNAVAILABLE");
    api.get(HELLO).await;
}

#[tokio::test]
async fn a_request_may_be_carried_out_and_fail_all_the_same() {
    let api = Api::with_faults(&["500,method=POST,count=1,when=after"]);
    let bindings = json!([{"role": "roles/run.invoker", "members": ["user:a@example.com"]}]);
    let body = json!({"policy": {"bindings": bindings}});
    assert_eq!(api.refused("POST", &format!("{HELLO}:setIamPolicy"), Some(&body)).await.0, 500);
    assert_eq!(api.policy(HELLO).await["bindings"], bindings);
}

#[tokio::test]
async fn connections_break_and_bodies_end_early_or_come_slowly() {
    let api = Api::with_faults(&[
        "reset,route=*/services/hello",
        "truncate,route=*/services/orders",
        "trickle=1ms,route=*/services/chat",
        "content-type=text/html,route=*/services/api",
        "latency=30ms,route=*/services/billing",
    ]);
    let services = "v2/projects/sandbox-project/locations/us-central1/services";
    let send = |name: &str| {
        api.client.get(format!("{}/{services}/{name}", api.serve.endpoint)).bearer_auth("t").send()
    };
    let reset = format!("{:?}", send("hello").await.unwrap_err());
    assert!(reset.contains("ConnectionReset"), "{reset}");
    let truncated = send("orders").await.unwrap();
    let promised: usize = truncated.headers()["content-length"].to_str().unwrap().parse().unwrap();
    assert!(promised > 500);
    assert!(truncated.bytes().await.is_err());
    let trickling: Value = send("chat").await.unwrap().json().await.unwrap();
    assert!(trickling["name"].as_str().unwrap().ends_with("/chat"));
    assert_eq!(send("api").await.unwrap().headers()["content-type"], "text/html");
    let start = Instant::now();
    send("billing").await.unwrap();
    assert!(start.elapsed().as_millis() >= 30);
}

#[tokio::test]
async fn faults_are_turned_on_and_off_while_it_serves() {
    let api = Api::new();
    let off = (200, json!({"faults": []}));
    assert_eq!(api.send("GET", "sandbox/faults", None).await, off);
    let (code, on) = api.post("sandbox/faults", json!({"faults": ["503,count=1"]})).await;
    assert_eq!((code, &on), (200, &json!({"faults": [{"fault": "503,count=1", "struck": 0}]})));
    assert_eq!(api.send("GET", HELLO, None).await.0, 503);
    assert_eq!(api.send("GET", HELLO, None).await.0, 200);
    let put = json!({"faults": ["reset", "latency=1ms"]});
    let (_, on) = api.send("PUT", "sandbox/faults", Some(&put)).await;
    assert_eq!(on["faults"].as_array().unwrap().len(), 2);
    assert_eq!(api.send("DELETE", "sandbox/faults", None).await, off);
    assert_eq!(api.send("GET", HELLO, None).await.0, 200);
    let refused = api.refused("POST", "sandbox/faults", Some(&json!({"faults": ["flood"]}))).await;
    assert!(
        refused.2.starts_with("flood: `flood` is not a fault; one of: latency=TIME"),
        "{refused:?}"
    );
    assert_eq!(api.refused("POST", "sandbox/faults", Some(&json!({}))).await.0, 400);
    // A page in a browser can send this to another origin unasked: it is not taken.
    let url = format!("{}/sandbox/faults", api.serve.endpoint);
    let simple = api.client.post(url).header("content-type", "text/plain").body(put.to_string());
    assert_eq!(simple.send().await.unwrap().status(), 400);
    assert_eq!(api.send("GET", "sandbox/faults", None).await, off);
}

#[test]
fn a_fault_that_is_none_is_refused_at_the_start() {
    assert_snapshot!(World::new().run(&["sandbox", "serve", "--fault", "429,rate=2"]), @"
    --- stderr
    error: invalid value '429,rate=2' for '--fault <SPEC>': `rate` is more than 0 and at most 1: rate=2

    For more information, try '--help'.
    --- status 2
    ");
}

#[tokio::test]
async fn operations_take_their_time_and_are_waited_for() {
    let api = Api::with_faults(&["slow-operations=2s"]);
    let path = format!("{HELLO}?updateMask=labels");
    let (_, operation) = api.send("PATCH", &path, Some(&json!({"labels": {"a": "b"}}))).await;
    let name = operation["name"].as_str().unwrap();
    assert_eq!(api.get(&format!("v2/{name}")).await.get("done"), None);
    let working = api.get(HELLO).await;
    assert_eq!(working["reconciling"], true);
    assert_eq!(working["terminalCondition"]["state"], "CONDITION_RECONCILING");
    let v1 = "v1/projects/sandbox-project/locations/us-central1/services/hello";
    let working = api.get(v1).await;
    assert_eq!(working["status"]["conditions"][0]["status"], "Unknown");
    assert_ne!(working["status"]["observedGeneration"], working["metadata"]["generation"]);
    let short = json!({"timeout": "0.01s"});
    assert_eq!(api.post(&format!("v2/{name}:wait"), short).await.1.get("done"), None);
    let (_, done) = api.post(&format!("v2/{name}:wait"), json!({"timeout": "20s"})).await;
    assert_eq!(done["done"], true);
    assert_eq!(done["response"]["terminalCondition"]["state"], "CONDITION_SUCCEEDED");
    assert_eq!(api.get(HELLO).await.get("reconciling"), None);
    let ready = api.get(v1).await;
    assert_eq!(ready["status"]["conditions"][0]["status"], "True");
    assert_eq!(ready["status"]["observedGeneration"], ready["metadata"]["generation"]);
}

#[tokio::test]
async fn operations_fail_and_change_nothing() {
    let api =
        Api::with_faults(&["failing-operations,method=PATCH", "failing-operations,method=PUT"]);
    let body = json!({"invokerIamDisabled": true});
    let path = format!("{HELLO}?updateMask=invokerIamDisabled");
    let (_, operation) = api.send("PATCH", &path, Some(&body)).await;
    let (_, done) =
        api.post(&format!("v2/{}:wait", operation["name"].as_str().unwrap()), json!({})).await;
    assert_eq!(done["error"]["message"], "The sandbox was told to let operations fail.");
    assert_eq!(api.get(HELLO).await.get("invokerIamDisabled"), None);
    // v1 has no operation: it tells by the service's conditions.
    let v1 = "v1/projects/sandbox-project/locations/us-central1/services/hello";
    let service = api.get(v1).await;
    let (code, failed) = api.send("PUT", v1, Some(&service)).await;
    assert_eq!((code, &failed["status"]["conditions"][0]["status"]), (200, &json!("False")));
    let mut changed = failed;
    changed["metadata"]["annotations"]["run.googleapis.com/invoker-iam-disabled"] = json!("true");
    assert_eq!(api.send("PUT", v1, Some(&changed)).await.0, 200);
    assert_eq!(api.get(HELLO).await.get("invokerIamDisabled"), None);
    assert_eq!(api.get(v1).await["status"]["conditions"][0]["status"], "False");
}

#[tokio::test]
async fn organisation_policies_are_put_in_force() {
    let api = Api::with_faults(&[
        "org-policy=iam.managed.allowedPolicyMembers",
        "org-policy=run.managed.requireInvokerIam",
    ]);
    let bindings = json!([{"role": "roles/run.invoker", "members": ["user:a@elsewhere.com"]}]);
    let body = json!({"policy": {"bindings": bindings}});
    let refused = api.refused("POST", &format!("{HELLO}:setIamPolicy"), Some(&body)).await;
    assert_eq!((refused.0, refused.1.as_str()), (400, "FAILED_PRECONDITION"));
    assert!(refused.2.contains("iam.managed.allowedPolicyMembers"), "{refused:?}");
    let path = format!("{HELLO}?updateMask=invokerIamDisabled");
    let refused = api.refused("PATCH", &path, Some(&json!({"invokerIamDisabled": true}))).await;
    assert!(refused.2.contains("invoker_iam_disabled is not currently available"), "{refused:?}");
    let api = Api::with_faults(&["org-policy=iam.allowedPolicyMemberDomains,count=1"]);
    let refused = api.refused("POST", &format!("{HELLO}:setIamPolicy"), Some(&body)).await;
    assert!(refused.2.contains("permitted customer,  perhaps"), "{refused:?}");
    assert_eq!(api.post(&format!("{HELLO}:setIamPolicy"), body).await.0, 200);
}

#[test]
fn the_list_is_whole_where_requests_fail_now_and_then() {
    let (world, _serve) = served(&[
        "429,rate=0.2,seed=1,retry-after=0",
        "503,rate=0.1,seed=2",
        "reset,rate=0.1,seed=3,method=GET",
        "truncate,rate=0.1,seed=4",
    ]);
    let run = world.run(&["list", "-o", "json"]);
    assert_eq!(run.status, 0, "{run}");
    let list: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((list["services"].as_array().unwrap().len(), &list["unknown"]), (12, &json!([])));
}

#[test]
fn what_cannot_be_read_is_unknown_and_the_rest_is_there() {
    let (world, _serve) = served(&[
        "unreadable-policy,route=*/services/orders:getIamPolicy",
        "unreadable-region=europe-west1",
    ]);
    assert_snapshot!(world.run(&["list", "orders", "hello"]), @"
    --- stdout
    NAME    REGION       EXPOSURE    INVOKERS  URL
    orders  us-central1  unknown     ?         https://orders-k4qx7v2nza-uc.a.run.app
    hello   us-central1  restricted  0         https://hello-k4qx7v2nza-uc.a.run.app
    --- stderr
    warning: region europe-west1 could not be read: Google could not reach it
    warning: policy of us-central1/orders could not be read: Permission 'run.services.getIamPolicy' denied on resource 'projects/sandbox-project/locations/us-central1/services/orders' (or resource may not exist).
    --- status 8
    ");
    let run = world.run(&["list", "--allow-partial", "-q"]);
    assert_eq!(run.status, 0, "{run}");
    assert_snapshot!(world.run(&["grant", "ana@example.com", "europe-west1/orders"]), @"
    --- stdout
    SERVICE              STATUS  CHANGE
    europe-west1/orders  failed  permission-denied
    --- stderr
    plan: project sandbox-project (`CLOUDSDK_CORE_PROJECT`), by `CLOUDSDK_AUTH_ACCESS_TOKEN`
      europe-west1/orders  cannot be planned
    error: could not read the policy of `europe-west1/orders`
    caused by: Permission 'run.services.getIamPolicy' denied on resource 'projects/sandbox-project/locations/europe-west1/services/orders' (or resource may not exist).
    caused by: `run.services.getIamPolicy` is in `roles/run.viewer` and `roles/run.admin`
    hint: runaccess roles
    --- status 5
    ");
}

/// In the region that could not be searched there may be another of the same name.
#[test]
fn a_bare_name_is_not_changed_while_a_region_cannot_be_searched() {
    let (world, _serve) = served(&["unreadable-region=europe-west1"]);
    assert_snapshot!(world.run(&["grant", "ben@example.com", "orders"]), @"
    --- stderr
    warning: region europe-west1: Google could not reach it
    error: cannot tell whether `orders` is `us-central1/orders` alone
    caused by: region europe-west1: Google could not reach it
    hint: runaccess grant ben@example.com us-central1/orders
    --- status 9
    ");
    let run = world.run(&["grant", "ben@example.com", "us-central1/orders"]);
    assert_eq!(run.status, 0, "{run}");
    // What is only looked at may be looked at.
    assert_eq!(world.run(&["url", "orders"]).status, 0);
}

#[test]
fn managed_organisation_policies_are_recognised_and_the_other_way_named() {
    let (world, _serve) = served(&["org-policy=iam.managed.allowedPolicyMembers"]);
    assert_snapshot!(world.run(&["grant", "x@gmail.com", "us-central1/chat", "--no-preflight"]), @"
    --- stdout
    SERVICE           STATUS   CHANGE
    us-central1/chat  refused  organisation-policy
    --- stderr
    plan: project sandbox-project (`CLOUDSDK_CORE_PROJECT`), by `CLOUDSDK_AUTH_ACCESS_TOKEN`
      us-central1/chat
        + user:x@gmail.com  roles/run.invoker
    error: the organisation policy `constraints/iam.managed.allowedPolicyMembers` forbids `user:x@gmail.com` on `us-central1/chat`
    caused by: The member user:x@gmail.com is not allowed by the organization policy constraints/iam.managed.allowedPolicyMembers.
    hint: runaccess describe us-central1/chat
    --- status 5
    ");
    let (world, _serve) = served(&["org-policy=run.managed.requireInvokerIam"]);
    let arguments =
        ["make-public", "us-central1/chat", "--via", "no-invoker-check", "-yq", "--no-preflight"];
    assert_snapshot!(world.run(&arguments), @"
    --- stdout
    SERVICE           STATUS   CHANGE
    us-central1/chat  refused  organisation-policy
    --- stderr
    plan: project sandbox-project (`CLOUDSDK_CORE_PROJECT`), by `CLOUDSDK_AUTH_ACCESS_TOKEN`
      us-central1/chat
        invokerCheck: on -> off
        exposure: restricted -> public
    error: the organisation policy `constraints/run.managed.requireInvokerIam` forbids turning the invoker check off on `us-central1/chat`
    caused by: invoker_iam_disabled is not currently available: an organization policy requires the invoker IAM check.
    hint: runaccess make-public us-central1/chat -q --no-preflight --via all-users
    --- status 5
    ");
}

#[test]
fn a_grant_holds_against_conflicts_limits_and_broken_connections() {
    let (world, _serve) = served(&[
        "409,route=*:setIamPolicy,count=2",
        "429,route=*:setIamPolicy,count=1,retry-after=0",
        "reset,route=*:setIamPolicy,count=1,when=after",
        "503,route=*:getIamPolicy,count=2",
    ]);
    let run = world.run(&["grant", "ana@example.com", "us-central1/hello", "-o", "json"]);
    assert_eq!(run.status, 0, "{run}");
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["changes"][0]["added"][0]["member"], "user:ana@example.com");
}

#[test]
fn an_operation_that_fails_is_told() {
    let (world, _serve) = served(&["failing-operations"]);
    let arguments = ["make-public", "us-central1/hello", "--via", "no-invoker-check", "-y"];
    assert_snapshot!(world.run(&arguments), @"
    --- stdout
    SERVICE            STATUS  CHANGE
    us-central1/hello  failed  failed
    --- stderr
    plan: project sandbox-project (`CLOUDSDK_CORE_PROJECT`), by `CLOUDSDK_AUTH_ACCESS_TOKEN`
      us-central1/hello
        invokerCheck: on -> off
        exposure: restricted -> public
    error: could not turn the invoker check off at `us-central1/hello`
    caused by: The sandbox was told to let operations fail.
    --- status 1
    ");
}

#[test]
fn an_operation_that_takes_its_time_is_waited_for() {
    let (world, _serve) = served(&["slow-operations=400ms"]);
    let arguments = ["make-public", "us-central1/hello", "--via", "no-invoker-check", "-y"];
    let run = world.run(&arguments);
    assert_eq!(run.status, 0, "{run}");
}

/// What was accepted and is not done yet is not said to be done.
#[test]
fn an_operation_that_outlives_the_deadline_is_not_called_done() {
    let (world, _serve) = served(&["slow-operations=1h"]);
    let arguments = ["make-public", "us-central1/hello", "--via", "no-invoker-check", "-y"];
    let run = world.run(&[&arguments[..], &["--timeout", "2s", "-o", "json"]].concat());
    assert_eq!(run.status, 1, "{run}");
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["changes"][0]["status"], "failed", "{run}");
    assert!(run.stderr.contains("whether it was written is not known"), "{run}");
}

//! Servers that answer wrongly, late, or not at all.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::{Answer, FakeServer, Plain, Run, Serve, World};

fn against(server: &FakeServer, arguments: &[&str]) -> Run {
    let mut world = World::new();
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &server.endpoint);
    world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "ya29.secret");
    world.set("CLOUDSDK_CORE_PROJECT", "p");
    // What is above the project, and what governs it, may not be read.
    let elsewhere = FakeServer::in_turn([Answer::error(403, "PERMISSION_DENIED", "No.")]);
    for api in ["CLOUDRESOURCEMANAGER", "IAM", "ORGPOLICY", "CLOUDIDENTITY", "IAP"] {
        world.set(&format!("CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}"), &elsewhere.endpoint);
    }
    let mut run = world.run(arguments);
    assert!(!run.stderr.contains("ya29") && !run.stdout.contains("ya29"), "{run}");
    let endpoint = server.endpoint.trim_end_matches('/');
    run.stderr = run.stderr.replace(endpoint, "[SERVER]");
    run
}

/// Both ways to read meet the same fault.
fn both(answer: &Answer) -> [Run; 2] {
    let commands = [&["url", "hello"][..], &["policy", "us-central1/hello"]];
    commands.map(|arguments| against(&FakeServer::in_turn([answer.clone()]), arguments))
}

/// Both ways to read meet a fault that does not pass, and give up after a second.
fn both_until_the_deadline(answer: &Answer) -> [Run; 2] {
    let commands = [&["url", "hello"][..], &["policy", "us-central1/hello"]];
    commands.map(|arguments| {
        let server = FakeServer::in_turn([answer.clone()]);
        against(&server, &[arguments, &["--timeout", "1s"]].concat())
    })
}

#[test]
fn html_in_place_of_json() {
    let html = "<html><body>Welcome to the hotel's wireless network</body></html>";
    let [lean, official] = both(&Answer::Full(200, "text/html", html.to_owned()));
    assert_snapshot!(lean, @"
    --- stderr
    error: could not list the services of project `p`
    caused by: the answer is not JSON
    hint: runaccess url hello --verbose
    --- status 1
    ");
    assert_snapshot!(official, @"
    --- stderr
    error: could not read the policy of `us-central1/hello`
    caused by: the answer is not JSON
    hint: runaccess policy us-central1/hello --verbose
    --- status 1
    ");
}

#[test]
fn html_with_an_error() {
    let [lean, official] = both(&Answer::Full(404, "text/html", "<h1>404</h1>".to_owned()));
    assert_snapshot!(lean, @"
    --- stderr
    error: could not list the services of project `p`
    caused by: HTTP 404, and not in the form of this API
    hint: runaccess url hello --verbose
    --- status 1
    ");
    assert_snapshot!(official, @"
    --- stderr
    error: could not read the policy of `us-central1/hello`
    caused by: HTTP 404, and not in the form of this API
    hint: runaccess policy us-central1/hello --verbose
    --- status 1
    ");
}

#[test]
fn the_wrong_json() {
    let [lean, official] = both(&Answer::json(&json!({"bindings": 7, "items": "seven"})));
    assert_snapshot!(lean, @"
    --- stderr
    error: could not list the services of project `p`
    caused by: the answer is not what this API sends
    hint: runaccess url hello --verbose
    --- status 1
    ");
    assert_snapshot!(official, @"
    --- stderr
    error: could not read the policy of `us-central1/hello`
    caused by: the answer is not what this API sends
    hint: runaccess policy us-central1/hello --verbose
    --- status 1
    ");
    let [lean, _] = both(&Answer::json(&json!({"greeting": "hello"})));
    assert_snapshot!(lean, @"
    --- stderr
    error: could not list the services of project `p`
    caused by: the answer is not what this API sends
    hint: runaccess url hello --verbose
    --- status 1
    ");
    let [lean, _] = both(&Answer::json(&json!([])));
    assert_eq!(lean.status, 1);
}

#[test]
fn half_a_body() {
    let body = json!({"items": [], "etag": "ACAB", "padding": "x".repeat(100)}).to_string();
    let [lean, official] = both_until_the_deadline(&Answer::Half(body));
    assert_eq!((lean.status, official.status), (1, 1));
    assert!(lean.stderr.contains("error: could not list the services"), "{lean}");
    assert!(official.stderr.contains("error: could not read the policy"), "{official}");
}

#[test]
fn nothing_until_the_deadline() {
    let [lean, official] = both_until_the_deadline(&Answer::Silence);
    assert_snapshot!(lean, @"
    --- stderr
    error: could not list the services of project `p`
    caused by: no answer within 1 seconds
    hint: runaccess url hello --timeout 5m
    --- status 1
    ");
    assert_snapshot!(official, @"
    --- stderr
    error: could not read the policy of `us-central1/hello`
    caused by: no answer within 1 seconds
    hint: runaccess policy us-central1/hello --timeout 5m
    --- status 1
    ");
}

#[test]
fn a_connection_that_ends_at_once() {
    let [lean, official] = both_until_the_deadline(&Answer::Hangup);
    assert_eq!((lean.status, official.status), (1, 1));
}

#[test]
fn nobody_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut world = World::new();
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &format!("http://{address}/"));
    world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "t");
    world.set("CLOUDSDK_CORE_PROJECT", "p");
    let run = world.run(&["url", "hello"]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("Connection refused"), "{run}");
}

#[test]
fn a_refused_token_and_a_refused_permission() {
    let [lean, official] = both(&Answer::error(401, "UNAUTHENTICATED", "bad token"));
    assert_snapshot!(lean, @"
    --- stderr
    error: could not list the services of project `p`
    caused by: bad token
    caused by: the credential is that of `CLOUDSDK_AUTH_ACCESS_TOKEN`
    --- status 4
    ");
    assert_snapshot!(official, @"
    --- stderr
    error: could not read the policy of `us-central1/hello`
    caused by: bad token
    caused by: the credential is that of `CLOUDSDK_AUTH_ACCESS_TOKEN`
    --- status 4
    ");
    let [lean, official] =
        both(&Answer::error(403, "PERMISSION_DENIED", "Permission 'run.services.list' denied"));
    assert_snapshot!(lean, @"
    --- stderr
    error: could not list the services of project `p`
    caused by: Permission 'run.services.list' denied
    caused by: `run.services.list` is in `roles/run.viewer` and `roles/run.admin`
    hint: runaccess url REGION/hello
    hint: runaccess roles
    --- status 5
    ");
    assert_eq!(official.status, 5);
}

#[test]
fn trouble_that_passes_is_waited_out() {
    let policy = json!({"etag": "ACAB"});
    for trouble in [
        Answer::error(503, "UNAVAILABLE", "later"),
        Answer::error(429, "RESOURCE_EXHAUSTED", "slower"),
        Answer::error(500, "INTERNAL", "oops"),
        Answer::Full(502, "text/html", "<html>".to_owned()),
        Answer::WithHeader(429, "Retry-After: 1", "{}".to_owned()),
        Answer::Hangup,
    ] {
        let server = FakeServer::in_turn([trouble.clone(), Answer::json(&policy)]);
        let run = against(&server, &["policy", "us-central1/hello"]);
        assert_eq!((run.stdout.as_str(), run.status), ("etag: ACAB\n", 0), "{trouble:?}: {run}");
        let server = FakeServer::in_turn([
            trouble.clone(),
            Answer::json(&json!({"items": [{
            "metadata": {"name": "hello", "labels": {"cloud.googleapis.com/location": "us-central1"}},
            "status": {"url": "https://h"}}]})),
        ]);
        let run = against(&server, &["url", "hello"]);
        assert_eq!((run.stdout.as_str(), run.status), ("https://h\n", 0), "{trouble:?}: {run}");
    }
}

fn two_services(unreachable: &[&str]) -> serde_json::Value {
    let service = |name: &str| {
        json!({"metadata": {"name": name, "labels": {"cloud.googleapis.com/location": "us-central1"}},
            "status": {"url": format!("https://{name}.example")}})
    };
    json!({"items": [service("open"), service("shut")], "unreachable": unreachable})
}

#[test]
fn a_policy_that_may_not_be_read_is_unknown_and_costs_its_row_only() {
    let server = FakeServer::start(|request| {
        if request.contains("shut:getIamPolicy") {
            Answer::error(403, "PERMISSION_DENIED", "Permission 'run.services.getIamPolicy' denied")
        } else if request.contains("getIamPolicy") {
            Answer::json(
                &json!({"etag": "ACAB", "bindings": [{"role": "roles/run.invoker", "members": ["allUsers"]}]}),
            )
        } else {
            Answer::json(&two_services(&[]))
        }
    });
    assert_snapshot!(against(&server, &["list"]), @"
    --- stdout
    NAME  REGION       EXPOSURE  INVOKERS  URL
    open  us-central1  public    anyone    https://open.example
    shut  us-central1  unknown   ?         https://shut.example
    --- stderr
    warning: policy of us-central1/shut could not be read: Permission 'run.services.getIamPolicy' denied
    note: 1 of 2 take callers without any credential: us-central1/open
    --- status 8
    ");
    assert_eq!(against(&server, &["list", "--allow-partial"]).status, 0);
    let json: serde_json::Value =
        serde_json::from_str(&against(&server, &["list", "-o", "json"]).stdout).unwrap();
    assert_eq!(json["services"][1]["exposure"], "unknown");
    assert_eq!(json["services"][1]["invokerCount"], serde_json::Value::Null);
    assert_eq!(json["unknown"][0]["what"], "policy of us-central1/shut");
}

#[test]
fn a_region_that_cannot_be_reached_is_unknown_not_empty() {
    let server = FakeServer::start(|request| {
        if request.contains("getIamPolicy") {
            Answer::json(&json!({"etag": "ACAB"}))
        } else {
            Answer::json(&two_services(&["europe-west1"]))
        }
    });
    assert_snapshot!(against(&server, &["list", "--no-access"]), @"
    --- stdout
    NAME  REGION       EXPOSURE  INVOKERS  URL
    open  us-central1  unknown   ?         https://open.example
    shut  us-central1  unknown   ?         https://shut.example
    --- stderr
    warning: region europe-west1 could not be read: Google could not reach it
    --- status 8
    ");
    assert_snapshot!(against(&server, &["url", "elsewhere"]), @"
    --- stderr
    warning: region europe-west1: Google could not reach it
    error: cannot tell whether there is a service `elsewhere` in project `p`
    caused by: region europe-west1: Google could not reach it
    --- status 9
    ");
}

#[test]
fn pages_are_followed() {
    let server = FakeServer::start(|request| {
        let page = |name: &str, next: &str| {
            Answer::json(&json!({
                "items": [{"metadata": {"name": name, "labels": {"cloud.googleapis.com/location": "us-central1"}}}],
                "metadata": {"continue": next},
            }))
        };
        if request.contains("getIamPolicy") {
            Answer::json(&json!({"etag": "ACAB"}))
        } else if request.contains("continue=second") {
            page("b", "")
        } else {
            page("a", "second")
        }
    });
    let run = against(&server, &["list", "-o", "value(name,exposure)"]);
    assert_eq!(run.stdout, "a\trestricted\nb\trestricted\n", "{run}");
}

#[test]
fn a_write_whose_answer_is_lost_is_looked_into_and_not_made_twice() {
    let policy = json!({"etag": "ACAB"});
    let done = json!({"etag": "BwAAAAAAAAA=", "version": 1,
        "bindings": [{"role": "roles/run.invoker", "members": ["user:dev@x.com"]}]});
    let server =
        FakeServer::policies_in_turn([Answer::json(&policy), Answer::Hangup, Answer::json(&done)]);
    let run = against(
        &server,
        &["grant", "dev@x.com", "us-central1/hello", "-o", "value(status,attempts)"],
    );
    assert_eq!(run.stdout, "changed\t1\n", "{run}");
    let of_policy = server.requests().into_iter().filter(|head| head.contains("IamPolicy"));
    assert_eq!(of_policy.count(), 3);
}

#[test]
fn a_write_that_is_found_half_there_is_told_and_not_made_whole() {
    // It landed, its answer was lost, and somebody took one of the two away since.
    let policy = json!({"etag": "ACAB"});
    let torn = json!({"etag": "BwAAAAAAAAA=", "version": 1,
        "bindings": [{"role": "roles/run.invoker", "members": ["user:one@x.com"]}]});
    let server =
        FakeServer::policies_in_turn([Answer::json(&policy), Answer::Hangup, Answer::json(&torn)]);
    let run = against(&server, &["grant", "one@x.com,two@x.com", "us-central1/hello"]);
    assert_snapshot!(run, @"
    --- stdout
    SERVICE            STATUS  CHANGE
    us-central1/hello  failed  plan-changed
    --- stderr
    plan: project p (`CLOUDSDK_CORE_PROJECT`), by `CLOUDSDK_AUTH_ACCESS_TOKEN`
      us-central1/hello
        + user:one@x.com  roles/run.invoker
        + user:two@x.com  roles/run.invoker
    error: `us-central1/hello` was changed meanwhile, and a part alone of what was sent is there
    caused by: whether it was written is not known
    hint: runaccess history 1
    undo: runaccess undo 1
    --- status 7
    ");
    let of_policy = server.requests().into_iter().filter(|head| head.contains("IamPolicy"));
    assert_eq!(of_policy.count(), 3);
}

#[test]
fn a_fresh_plan_beyond_what_was_confirmed_is_refused() {
    let policy = |members: &[&str], etag: &str| {
        json!({"etag": etag, "bindings": [
            {"role": "roles/run.invoker", "members": members},
            {"role": "roles/run.developer", "members": members}]})
    };
    let service = json!({"name": "projects/p/locations/us-central1/services/hello", "ingress": 1, "etag": "e"});
    let server = FakeServer::start({
        let reads = std::sync::atomic::AtomicUsize::new(0);
        move |request| {
            if request.contains("setIamPolicy") {
                return Answer::error(409, "ABORTED", "There were concurrent policy changes.");
            }
            if !request.contains("getIamPolicy") {
                return Answer::json(&service);
            }
            match reads.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                0 => Answer::json(&policy(&["allUsers"], "AAAA")),
                _ => Answer::json(&policy(&["allUsers", "allAuthenticatedUsers"], "BBBB")),
            }
        }
    });
    assert_snapshot!(against(&server, &["make-private", "us-central1/hello", "--yes"]), @"
    --- stdout
    SERVICE            STATUS  CHANGE
    us-central1/hello  failed  plan-changed
    --- stderr
    plan: project p (`CLOUDSDK_CORE_PROJECT`), by `CLOUDSDK_AUTH_ACCESS_TOKEN`
      us-central1/hello
        - allUsers  roles/run.invoker
        - allUsers  roles/run.developer
        exposure: public -> restricted
        warning: the policy of `projects/p` was not read, and may keep it open
        warning: what is above `projects/p` was not read, and may keep it open
        warning: the service's own policy will let nobody invoke it afterwards
    error: `us-central1/hello` was changed meanwhile, and the plan would now go beyond what was shown
    hint: runaccess make-private us-central1/hello
    --- status 7
    ");
}

#[test]
fn half_done_says_what_is_left() {
    let service = json!({"name": "projects/p/locations/us-central1/services/hello", "ingress": 1,
        "etag": "e", "invokerIamDisabled": true});
    let policy = json!({"etag": "AAAA", "bindings": [{"role": "roles/run.invoker", "members": ["allUsers"]}]});
    let server = FakeServer::start(move |request| {
        if request.starts_with("PATCH") {
            Answer::error(403, "PERMISSION_DENIED", "Permission 'run.services.update' denied")
        } else if request.contains("IamPolicy") {
            Answer::json(&policy)
        } else {
            Answer::json(&service)
        }
    });
    assert_snapshot!(against(&server, &["make-private", "us-central1/hello", "--yes"]), @"
    --- stdout
    SERVICE            STATUS  CHANGE
    us-central1/hello  failed  partial
    --- stderr
    plan: project p (`CLOUDSDK_CORE_PROJECT`), by `CLOUDSDK_AUTH_ACCESS_TOKEN`
      us-central1/hello
        - allUsers  roles/run.invoker
        invokerCheck: off -> on
        exposure: public -> restricted
        warning: the policy of `projects/p` was not read, and may keep it open
        warning: what is above `projects/p` was not read, and may keep it open
        warning: the service's own policy will let nobody invoke it afterwards
    error: `us-central1/hello` is half done: it was possible to set the policy, not to turn the invoker check on
    caused by: could not turn the invoker check on at `us-central1/hello`
    caused by: Permission 'run.services.update' denied
    caused by: `run.services.update` is in `roles/run.developer` and `roles/run.admin`
    hint: runaccess make-private us-central1/hello
    undo: runaccess undo 1
    --- status 8
    ");
}

#[test]
fn limits_are_refused_before_the_call() {
    let users: Vec<String> = (0..1_500).map(|i| format!("user:u{i}@x.com")).collect();
    let policy =
        json!({"etag": "AAAA", "bindings": [{"role": "roles/run.invoker", "members": users}]});
    let server = FakeServer::policies_in_turn([Answer::json(&policy)]);
    assert_snapshot!(against(&server, &["grant", "dev@x.com", "us-central1/hello"]), @"
    --- stdout
    SERVICE            STATUS   CHANGE
    us-central1/hello  refused  limit-exceeded
    --- stderr
    plan: project p (`CLOUDSDK_CORE_PROJECT`), by `CLOUDSDK_AUTH_ACCESS_TOKEN`
      us-central1/hello  cannot be planned
    error: `us-central1/hello` takes no more: the policy would name 1501 principals, audit exemptions included; IAM takes 1500
    hint: runaccess policy us-central1/hello
    --- status 1
    ");
    let wrote = server.requests().into_iter().any(|head| head.contains(":setIamPolicy"));
    assert!(!wrote);
}

#[test]
fn what_is_written_is_the_policy_that_was_read_but_for_the_change() {
    let policy = json!({
        "version": 3, "etag": "BwAAAAAAAAE=", "futureField": {"kept": true},
        "bindings": [
            {"role": "roles/run.invoker", "members": ["user:a@x.com", "user:A@x.com"], "futureBinding": 1},
            {"role": "roles/run.viewer", "members": ["deleted:user:d@x.com?uid=1"]},
            {"role": "roles/run.invoker", "members": ["user:c@x.com"],
             "condition": {"title": "t", "expression": "true", "description": "d"}},
            {"role": "roles/run.invoker", "members": ["user:a@x.com"]},
        ],
        "auditConfigs": [{"service": "allServices", "auditLogConfigs": [{"logType": 1}]}],
    });
    let server = FakeServer::in_turn([Answer::json(&policy)]);
    against(&server, &["grant", "new@x.com", "us-central1/hello"]);
    let mut expected = policy.clone();
    expected["bindings"][0]["members"] = json!(["user:a@x.com", "user:A@x.com", "user:new@x.com"]);
    assert_eq!(server.bodies("setIamPolicy"), [json!({"policy": expected})]);
    let server = FakeServer::in_turn([Answer::json(&policy)]);
    against(&server, &["revoke", "a@x.com", "us-central1/hello"]);
    let mut expected = policy.clone();
    let bindings = expected["bindings"].as_array_mut().unwrap();
    bindings.remove(3);
    bindings.remove(0);
    assert_eq!(server.bodies("setIamPolicy"), [json!({"policy": expected})]);
}

#[test]
fn the_check_is_turned_with_its_etag_and_nothing_else() {
    let service = json!({"name": "projects/p/locations/us-central1/services/hello", "ingress": 1, "etag": "e7"});
    let operation = json!({"name": "projects/p/locations/us-central1/operations/o", "done": true,
        "response": {"@type": "type.googleapis.com/google.cloud.run.v2.Service"}});
    let server = FakeServer::start(move |request| {
        if request.starts_with("PATCH") {
            Answer::json(&operation)
        } else if request.contains("IamPolicy") {
            Answer::json(&json!({"etag": "ACAB"}))
        } else {
            Answer::json(&service)
        }
    });
    let run = against(
        &server,
        &["make-public", "us-central1/hello", "--yes", "--via", "no-invoker-check"],
    );
    assert_eq!(run.status, 0, "{run}");
    let sent = server.bodies("PATCH");
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0]["etag"], "e7");
    assert_eq!(sent[0]["invokerIamDisabled"], true);
    let head = server.requests().into_iter().find(|head| head.starts_with("PATCH")).unwrap();
    assert!(head.contains("updateMask=invokerIamDisabled"), "{head}");
}

#[test]
fn a_conflict_is_read_planned_and_written_again() {
    let first = json!({"etag": "AAAA"});
    let second = json!({"etag": "BBBB", "bindings": [{"role": "roles/run.invoker", "members": ["user:other@x.com"]}]});
    let conflict = Answer::error(409, "ABORTED", "There were concurrent policy changes.");
    let server =
        FakeServer::policies_in_turn([Answer::json(&first), conflict, Answer::json(&second)]);
    let run = against(
        &server,
        &["grant", "dev@x.com", "us-central1/hello", "-o", "value(status,attempts)"],
    );
    assert_eq!(run.stdout, "changed\t2\n", "{run}");
    let sent = server.bodies("setIamPolicy");
    assert_eq!(sent[1]["policy"]["etag"], "BBBB");
    assert_eq!(
        sent[1]["policy"]["bindings"][0]["members"],
        json!(["user:other@x.com", "user:dev@x.com"])
    );
}

#[test]
fn a_conflict_with_one_who_did_the_same_is_unchanged() {
    let same = json!({"etag": "BBBB", "bindings": [{"role": "roles/run.invoker", "members": ["user:dev@x.com"]}]});
    let conflict = Answer::error(409, "ABORTED", "There were concurrent policy changes.");
    let server = FakeServer::policies_in_turn([
        Answer::json(&json!({"etag": "AAAA"})),
        conflict,
        Answer::json(&same),
    ]);
    let run = against(
        &server,
        &["grant", "dev@x.com", "us-central1/hello", "-o", "value(status,added.member)"],
    );
    assert_eq!(run.stdout, "unchanged\t\n", "{run}");
}

#[test]
fn a_wait_beyond_the_deadline_is_not_begun() {
    let server = FakeServer::start(|request| {
        if request.contains("setIamPolicy") {
            Answer::WithHeader(429, "Retry-After: 600", "{}".to_owned())
        } else {
            Answer::json(&json!({"etag": "AAAA"}))
        }
    });
    let run = against(&server, &["grant", "dev@x.com", "us-central1/hello"]);
    assert_eq!(run.status, 1, "{run}");
    assert!(run.stdout.contains("rate-limited"), "{run}");
}

#[test]
fn a_policy_without_an_etag_is_none() {
    let server = FakeServer::in_turn([Answer::json(&json!({"greeting": "hello"}))]);
    let run = against(&server, &["grant", "dev@x.com", "us-central1/hello"]);
    assert_eq!(run.status, 1, "{run}");
    assert!(server.bodies("setIamPolicy").is_empty(), "nothing was written");
}

#[test]
fn a_redirect_is_not_followed_with_the_token() {
    let other = FakeServer::in_turn([Answer::json(&json!({"etag": "ACAB"}))]);
    let location: &'static str = format!("Location: {}", other.endpoint).leak();
    let server = FakeServer::in_turn([Answer::WithHeader(307, location, String::new())]);
    against(&server, &["url", "hello"]);
    against(&server, &["policy", "us-central1/hello"]);
    for head in other.requests() {
        assert!(!head.to_lowercase().contains("authorization"), "{head}");
    }
}

const OPERATION: &str = "projects/p/locations/us-central1/operations/o";

/// A service that is public both ways, whose check an accepted PATCH turns. `look` answers those
/// who look at the operation.
fn turning(look: Answer, lose_first_policy: bool, patch: Answer) -> FakeServer {
    let state = std::sync::Mutex::new((true, true, lose_first_policy));
    FakeServer::start(move |request| {
        let mut state = state.lock().unwrap();
        if request.contains("operations") {
            return look.clone();
        }
        if request.starts_with("PATCH") {
            if matches!(patch, Answer::Full(200, ..)) {
                state.1 = !state.1;
            }
            return patch.clone();
        }
        if request.contains("setIamPolicy") {
            state.0 = false;
            if std::mem::take(&mut state.2) {
                return Answer::Hangup;
            }
            return Answer::json(&json!({"etag": "BBBB"}));
        }
        if request.contains("getIamPolicy") && state.0 {
            let members = json!([{"role": "roles/run.invoker", "members": ["allUsers"]}]);
            return Answer::json(&json!({"etag": "AAAA", "bindings": members}));
        }
        if request.contains("getIamPolicy") {
            return Answer::json(&json!({"etag": "BBBB"}));
        }
        Answer::json(&json!({"name": "projects/p/locations/us-central1/services/hello",
            "ingress": 1, "etag": "e", "invokerIamDisabled": state.1}))
    })
}

#[test]
fn an_accepted_write_counts_though_its_operation_cannot_be_looked_at() {
    let accepted = Answer::json(&json!({"name": OPERATION}));
    let denied = Answer::error(403, "PERMISSION_DENIED", "Permission 'run.operations.get' denied");
    let server = turning(denied, false, accepted);
    let run = against(
        &server,
        &[
            "make-private",
            "us-central1/hello",
            "--yes",
            "-o",
            "value(status,removed.member,settings.after)",
        ],
    );
    assert_eq!((run.stdout.as_str(), run.status), ("changed\tallUsers\ton\n", 0), "{run}");
    assert_eq!(server.bodies("PATCH").len(), 1);
}

#[test]
fn a_first_step_whose_answer_is_lost_is_counted() {
    let done = Answer::json(&json!({"name": OPERATION, "done": true, "response": {}}));
    let server = turning(Answer::Hangup, true, done);
    let shown = "value(status,removed.member,settings.after)";
    let run = against(&server, &["make-private", "us-central1/hello", "--yes", "-o", shown]);
    assert_eq!((run.stdout.as_str(), run.status), ("changed\tallUsers\ton\n", 0), "{run}");
    let denied = Answer::error(403, "PERMISSION_DENIED", "Permission 'run.services.update' denied");
    let server = turning(Answer::Hangup, true, denied);
    let run = against(&server, &["make-private", "us-central1/hello", "--yes", "-o", shown]);
    assert_eq!((run.stdout.as_str(), run.status), ("failed\tallUsers\t\n", 8), "{run}");
}

#[test]
fn a_condition_cannot_forge_lines_of_the_plan() {
    let forged = "true\n  us-central1/orders\n    + group:ok@example.com  roles/run.invoker";
    let policy = json!({"etag": "AAAA", "bindings": [{"role": "roles/run.invoker",
        "members": ["user:a@x.com"], "condition": {"title": "t", "expression": forged}}]});
    let server = FakeServer::in_turn([Answer::json(&policy)]);
    let run =
        against(&server, &["revoke", "a@x.com", "us-central1/hello", "--any-condition", "-n"]);
    assert!(!run.stderr.contains("\n    + group"), "{run}");
    assert!(run.stderr.contains("\\u{a}"), "{run}");
}

#[test]
fn no_proxy_is_given_what_goes_to_this_machine() {
    let mut world = World::new();
    world.set("http_proxy", "http://127.0.0.1:1");
    for arguments in [
        &["url", "hello"][..],
        &["list"],
        &["grant", "ana@example.com", "hello"],
        &["connect", "storefront", "hello", "--create-service-account", "--yes"],
        &["ingress", "hello", "internal", "--yes"],
    ] {
        let run = world.sandbox(arguments);
        assert_eq!(run.status, 0, "{arguments:?}: {run}");
    }
}

/// Whether a request line is of a request that changes something.
fn writes(line: &str) -> bool {
    let is_made = |kind: &str| line.starts_with("POST") && line.contains(kind);
    line.contains(":setIamPolicy")
        || line.starts_with("PATCH")
        || line.starts_with("DELETE")
        || is_made("/serviceAccounts ")
        || is_made("/domainmappings ")
}

/// A server that reads from the sandbox, and answers every write so.
fn with_writes_answered(serve: &Serve, answer: Answer) -> FakeServer {
    let plain = Plain::of(&serve.endpoint);
    FakeServer::start(move |line| {
        if writes(line) {
            return answer.clone();
        }
        let mut words = line.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let body = (method == "POST").then(|| json!({}));
        let (code, read) = plain.send(method, path, body.as_ref());
        Answer::Full(code, "application/json", read.to_string())
    })
}

#[test]
fn no_write_goes_elsewhere_or_is_done_by_an_answer_that_is_none() {
    let changes: [&[&str]; 8] = [
        &["grant", "ana@example.com", "us-central1/hello"],
        &["revoke", "allUsers", "us-central1/storefront", "--yes"],
        &["grant", "ana@example.com", "jobs/us-central1/nightly"],
        &["ingress", "us-central1/hello", "internal", "--yes"],
        &["audience", "add", "us-central1/hello", "https://a.example", "--yes"],
        &["connect", "us-central1/chat", "us-central1/hello", "--create-service-account", "--yes"],
        &["domains", "map", "new.example.com", "us-central1/hello", "--yes"],
        &["domains", "unmap", "shop.example.com", "--yes"],
    ];
    let elsewhere = FakeServer::in_turn([Answer::json(&json!({}))]);
    let to = |code| {
        let location = format!("Location: {}stolen", elsewhere.endpoint);
        Answer::WithHeader(code, Box::leak(location.into_boxed_str()), String::new())
    };
    let answers = [301, 302, 303, 307, 308].map(to).into_iter().chain([
        Answer::json(&json!({})),
        Answer::json(&json!([])),
        Answer::Full(200, "text/html", "<html>sign in to the network</html>".to_owned()),
        Answer::Full(200, "application/json", String::new()),
    ]);
    let world = World::new();
    let serve = Serve::start(&world);
    for answer in answers {
        let is_redirect = matches!(answer, Answer::WithHeader(..));
        let server = with_writes_answered(&serve, answer.clone());
        for change in changes {
            // What is deleted is told by an empty object.
            if change[1] == "unmap" && matches!(&answer, Answer::Full(_, _, body) if body == "{}") {
                continue;
            }
            let mut mine = World::new();
            for api in ["RUN", "IAM", "CLOUDRESOURCEMANAGER", "ORGPOLICY"] {
                let name = format!("CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}");
                mine.set(&name, &server.endpoint);
            }
            mine.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "ya29.secret");
            mine.set("CLOUDSDK_CORE_PROJECT", "sandbox-project");
            let run = mine.run(&[change, &["--timeout", "2s", "-o", "json"]].concat());
            assert_ne!(run.status, 0, "{change:?} {answer:?}: {run}");
            assert!(!run.stdout.contains("\"changed\""), "{change:?} {answer:?}: {run}");
            assert!(!run.stderr.contains("undo:"), "{change:?} {answer:?}: {run}");
            if is_redirect {
                assert!(elsewhere.requests().is_empty(), "{change:?} {answer:?}");
            }
        }
        let written: Vec<_> = server.requests().into_iter().filter(|head| writes(head)).collect();
        assert!(written.len() >= changes.len() - 1, "{answer:?}: {written:#?}");
        assert!(written.iter().all(|head| head.contains("user-agent: runaccess/")), "{written:?}");
    }
}

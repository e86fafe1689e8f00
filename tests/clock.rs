//! A clock of this machine that is wrong: Google's counts where a grant's end is at stake.

use serde_json::{Value, json};

use crate::support::{Answer, FakeServer, Run, World};

/// A server whose clock says 2030.
fn in_2030(policy: Value) -> FakeServer {
    at("Date: Tue, 01 Jan 2030 12:00:00 GMT", policy)
}

fn at(date: &'static str, policy: Value) -> FakeServer {
    FakeServer::start(move |line| {
        let policy = json!({"etag": "ACAB", "version": 3, "bindings": policy}).to_string();
        let body = if line.contains("IamPolicy") { policy } else { "{}".to_owned() };
        Answer::WithHeader(200, date, body)
    })
}

fn run(server: &FakeServer, words: &[&str]) -> Vec<Value> {
    let run = ended(server, words);
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stderr.contains("behind Google's, which counts here"), "{run}");
    server.bodies(":setIamPolicy")
}

fn ended(server: &FakeServer, words: &[&str]) -> Run {
    let mut world = World::new();
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &server.endpoint);
    world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "opaque");
    world.set("CLOUDSDK_CORE_PROJECT", "p");
    world.run(words)
}

#[test]
fn a_time_that_there_is_not_is_no_grant_without_end() {
    let server = at("Date: Fri, 31 Dec 9999 23:59:59 GMT", json!([]));
    let run = ended(&server, &["grant", "dev@x.com", "us-central1/hello", "--for", "4h"]);
    assert_eq!(run.status, 2, "{run}");
    assert!(server.bodies(":setIamPolicy").is_empty());
}

#[test]
fn a_span_begins_by_googles_clock() {
    let server = in_2030(json!([]));
    let sent = run(&server, &["grant", "dev@x.com", "us-central1/hello", "--for", "1h"]);
    let expression = &sent[0]["policy"]["bindings"][0]["condition"]["expression"];
    let expression = expression.as_str().unwrap();
    assert!(
        expression.starts_with("request.time < timestamp(\"2030-01-01T13:00:0"),
        "{expression}"
    );
}

#[test]
fn what_is_past_is_told_by_googles_clock() {
    let ends = |member: &str, at: &str| {
        json!({"role": "roles/run.invoker", "members": [member],
            "condition": {"title": "t", "expression": format!("request.time < timestamp(\"{at}\")")}})
    };
    let policy = json!([
        ends("user:over@x.com", "2030-01-01T11:00:00Z"),
        ends("user:on@x.com", "2030-01-01T13:00:00Z"),
    ]);
    let server = in_2030(policy.clone());
    let sent = run(&server, &["revoke", "--expired", "us-central1/hello"]);
    assert_eq!(sent[0]["policy"]["bindings"], json!([policy[1]]));
}

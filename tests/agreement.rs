//! `explain` and the front end agree on every seeded principal, service, path, time and origin: what
//! either reads of the world, the other reads too.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;

use crate::support::Api;

const PROJECT: &str = "sandbox-project";
const NUMBER: &str = "123456789012";
const PRINCIPALS: [&str; 15] = [
    "allUsers",
    "you@example.com",
    "ana@example.com",
    "bea@example.com",
    "ola@example.com",
    "sam@example.com",
    "auditor@example.com",
    "contractor@example.com",
    "vendor@example.com",
    "finance@example.com",
    "leaver@example.com",
    "someone@gmail.com",
    "runner@sandbox-project.iam.gserviceaccount.com",
    "reporting@sandbox-project.iam.gserviceaccount.com",
    "123456789012-compute@developer.gserviceaccount.com",
];
/// Path, origin, time.
const REQUESTS: [(&str, &str, &str); 5] = [
    ("/", "internet", ""),
    ("/reports/q1", "internet", "2026-02-01T00:00:00Z"),
    ("/healthz", "internet", ""),
    ("/", "internal", ""),
    ("/", "load-balancer", "2026-04-01T00:00:00Z"),
];
/// How many programs run at a time.
const WIDTH: usize = 4;

struct Case {
    principal: &'static str,
    service: String,
    host: String,
    request: (&'static str, &'static str, &'static str),
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_says_what_the_front_end_does() {
    let mut api = Api::with(&["--set", "iap-user-token=accepted"]);
    let endpoint = format!("{}/", api.serve.endpoint);
    api.world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &endpoint);
    api.world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "opaque");
    api.world.set("CLOUDSDK_CORE_PROJECT", PROJECT);
    let list: Value = api.world.json_of(&["list"]);
    let services: Vec<(String, String)> = list["services"]
        .as_array()
        .unwrap()
        .iter()
        .map(|service| {
            let text = |name: &str| service[name].as_str().unwrap();
            let (name, region) = (text("name"), text("region"));
            (format!("{region}/{name}"), format!("{name}-{NUMBER}.{region}.run.app"))
        })
        .collect();
    assert!(services.len() >= 12);
    let mut cases = Vec::new();
    for (service, host) in &services {
        for principal in PRINCIPALS {
            for request in REQUESTS {
                // Most requests are told apart by one service or another; all are by these.
                let whole = ["billing", "intranet", "catalog", "backoffice", "orders"];
                if request != REQUESTS[0] && !whole.iter().any(|name| service.ends_with(name)) {
                    continue;
                }
                let (service, host) = (service.clone(), host.clone());
                cases.push(Case { principal, service, host, request });
            }
        }
    }
    let explained = explain(&api, &cases);
    let mut allowed = 0;
    for (case, verdict) in cases.iter().zip(explained) {
        let (path, from, at) = case.request;
        let mut request = api.front("GET", &case.host, path).header("x-sandbox-from", from);
        if !at.is_empty() {
            request = request.header("x-sandbox-at", at);
        }
        if case.principal != "allUsers" {
            let is_robot = case.principal.ends_with("gserviceaccount.com");
            let audience = if is_robot { format!("https://{}", case.host) } else { String::new() };
            request = request.bearer_auth(api.id_token(case.principal, &audience).await);
        }
        let status = request.send().await.unwrap().status().as_u16();
        let answered = if status == 200 { "allowed" } else { "denied" };
        let Case { principal, service, .. } = case;
        assert_eq!(verdict, answered, "{principal} {service} {:?}: {status}", case.request);
        allowed += usize::from(status == 200);
    }
    // Neither says the same of everyone.
    assert!(allowed > 60 && allowed < cases.len() - 60, "{allowed} of {}", cases.len());
}

/// What `explain` says of each, several at a time.
fn explain(api: &Api, cases: &[Case]) -> Vec<String> {
    let verdicts: Vec<Mutex<String>> = cases.iter().map(|_| Mutex::default()).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..WIDTH {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (path, from, at) = case.request;
                    let mut words = vec!["explain", case.principal, &case.service];
                    words.extend(["--path", path, "--from", from, "-o", "value(verdict)"]);
                    // A load balancer asks at an address of its own; the sandbox has none.
                    words.extend(["--host", &case.host]);
                    if !at.is_empty() {
                        words.extend(["--at", at]);
                    }
                    let run = api.world.run(&words);
                    let at = cases.iter().position(|other| std::ptr::eq(other, case)).unwrap();
                    run.stdout.trim().clone_into(&mut verdicts[at].lock().unwrap());
                }
            });
        }
    });
    verdicts.into_iter().map(|verdict| verdict.into_inner().unwrap()).collect()
}

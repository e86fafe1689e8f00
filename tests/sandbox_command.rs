//! `sandbox serve|status|reset|seed`, and the state they share.

use std::fs;
use std::process::Command;

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::{Serve, World};

#[test]
fn status_reset_and_seed() {
    let world = World::new();
    assert_snapshot!(world.run(&["sandbox", "status"]), @"
    --- stdout
    PROJECT          NUMBER        SERVICES  ORGANISATION POLICIES
    sandbox-project  123456789012  12
    sandbox-shared   210987654321  5         iam.allowedPolicyMemberDomains
    sandbox-locked   345678901234  1         iam.allowedPolicyMemberDomains, run.managed.requireInvokerIam

    WHILE `sandbox serve` RUNS, AT               THE SERVICE
    http://api.localhost:8787/                   us-central1/api
    http://backoffice.localhost:8787/            us-central1/backoffice
    http://billing.localhost:8787/               us-central1/billing
    http://catalog.localhost:8787/               us-central1/catalog
    http://chat.localhost:8787/                  us-central1/chat
    http://hello.localhost:8787/                 us-central1/hello
    http://intranet.localhost:8787/              us-central1/intranet
    http://orders-k4qx7v2nza-ew.localhost:8787/  europe-west1/orders
    http://orders.localhost:8787/                us-central1/orders
    http://reports.localhost:8787/               us-central1/reports
    http://status-page.localhost:8787/           us-central1/status-page
    http://storefront.localhost:8787/            us-central1/storefront
    --- status 0
    ");
    world.sandbox(&["grant", "dev@x.com", "hello"]);
    assert_eq!(world.run(&["sandbox", "seed", "--services", "50"]).status, 0);
    let names = world.sandbox(&["list", "--no-access", "-o", "value(name)"]).stdout;
    assert_eq!(names.lines().count(), 62);
    assert_eq!(world.run(&["sandbox", "reset"]).status, 0);
    assert_eq!(world.sandbox(&["policy", "hello"]).stdout, "etag: ACAB\n");
    assert_snapshot!(world.run(&["sandbox", "seed", "--services", "1", "--project", "nosuch"]), @"
    --- stderr
    error: the sandbox has no project `nosuch`
    hint: runaccess sandbox status
    --- status 6
    ");
}

#[test]
fn urls_stay_the_same_over_reset() {
    let world = World::new();
    let urls = || world.sandbox(&["list", "--no-access", "-o", "value(urls)"]).stdout;
    let before = urls();
    world.run(&["sandbox", "reset"]);
    assert_eq!(urls(), before);
}

#[test]
fn serve_says_where_it_is_and_shares_the_world() {
    let mut world = World::new();
    let serve = Serve::start(&world);
    let line: Value = serde_json::from_str(&serve.first_line).unwrap();
    assert_eq!(line["project"], "sandbox-project");
    assert_eq!(line["homeRegion"], "us-central1");
    assert_eq!(line["caCertificate"], Value::Null);
    assert!(line["stateDir"].as_str().unwrap().ends_with("sandbox"));
    world.sandbox(&["grant", "dev@x.com", "hello"]);
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &format!("{}/", serve.endpoint));
    world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "any");
    world.set("CLOUDSDK_CORE_PROJECT", "sandbox-project");
    let run = world.run(&["policy", "hello"]);
    assert!(run.stdout.contains("user:dev@x.com"), "{run}");
}

#[cfg(unix)]
#[test]
fn serve_stops_on_sigint_and_sigterm_with_0() {
    for signal in ["INT", "TERM"] {
        let world = World::new();
        let mut serve = Serve::start(&world);
        let pid = serve.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
        assert_eq!(serve.child.wait().unwrap().code(), Some(0), "{signal}");
    }
}

#[test]
fn a_taken_port_is_an_error() {
    let world = World::new();
    let serve = Serve::start(&world);
    let port = serve.endpoint.rsplit(':').next().unwrap().to_owned();
    let run = world.run(&["sandbox", "serve", "--port", &port]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("hint: runaccess sandbox serve --port 0"), "{run}");
}

#[test]
fn a_damaged_state_is_set_aside_and_told() {
    let world = World::new();
    let folder = world.state().join("sandbox");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("world.db"), "damaged, and long enough to be looked at").unwrap();
    let run = world.sandbox(&["url", "hello"]);
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stderr.contains("is damaged; it is kept as"), "{run}");
    let kept = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(kept.into_iter().any(|name| name.to_string_lossy().starts_with("world.db.damaged-")));
    assert_eq!(world.sandbox(&["url", "hello"]).stderr.lines().count(), 1);
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let mut world = World::new();
    fs::write(world.home().join("file"), "").unwrap();
    let path = world.home().join("file");
    world.set("RUNACCESS_HOME", path.to_str().unwrap());
    assert_snapshot!(world.sandbox(&["list"]), @r#"
    --- stderr
    error: cannot use the sandbox's folder `[WORLD]/home/file/sandbox`
    caused by: Not a directory (os error 20)
    hint: RUNACCESS_HOME="$(mktemp -d)" runaccess --sandbox list
    --- status 1
    "#);
}

#[cfg(unix)]
#[test]
fn a_request_that_never_ends_does_not_keep_serve_alive() {
    use std::io::Write;

    let world = World::new();
    let mut serve = Serve::start(&world);
    let address = serve.endpoint.trim_start_matches("http://").to_owned();
    let mut half = std::net::TcpStream::connect(address).unwrap();
    half.write_all(b"POST /v2/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf").unwrap();
    let pid = serve.child.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    assert_eq!(serve.child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_environment_may_ask_for_the_sandbox() {
    let mut world = World::new();
    world.set("RUNACCESS_SANDBOX", "1");
    let run = world.run(&["url", "helo"]);
    assert_snapshot!(run, @"
    --- stderr
    error: no service of project `sandbox-project` is named `helo`
    hint: runaccess --sandbox url hello
    --- status 6
    ");
}

//! Which service, project or job is meant by what was typed.

use serde_json::{Value, json};

use crate::support::{Answer, FakeServer, Plain, Serve, World};

const ORDERS: &str = "projects/sandbox-project/locations/us-central1/services/orders";
const GATEWAY: &str = "https://gw.example.net";
const FUNCTION: &str = "https://us-central1-sandbox-shared.cloudfunctions.net/resize_image";

/// The gateway's host belongs to two services, each below a path.
fn with_gateway() -> World {
    let world = World::new();
    for (service, path) in [("us-central1/orders", "orders"), ("billing", "billing")] {
        let url = format!("{GATEWAY}/{path}");
        let run = world.sandbox(&["audience", "add", service, &url, "--yes"]);
        assert_eq!(run.status, 0, "{run}");
    }
    world
}

#[test]
fn every_command_takes_a_url_for_the_service_with_the_longest_prefix() {
    let world = with_gateway();
    // URL is where the address stands.
    let commands: &[&[&str]] = &[
        &["url", "URL"],
        &["describe", "URL"],
        &["who", "URL"],
        &["explain", "dev@example.com", "URL"],
        &["doctor", "URL", "--no-request"],
        &["policy", "URL"],
        &["grant", "dev@example.com", "URL", "-n"],
        &["revoke", "dev@example.com", "URL", "-n"],
        &["make-public", "URL", "-n"],
        &["make-private", "URL", "-n"],
        &["ingress", "URL", "internal", "-n"],
        &["curl", "--print", "URL"],
        &["token", "URL", "--decode"],
        &["connect", "storefront", "URL", "-n"],
        &["domains", "URL"],
        &["audience", "add", "URL", "https://a.example", "-n"],
        &["history", "--service", "URL"],
    ];
    for command in commands {
        let with = |url: &str| {
            let words: Vec<&str> =
                command.iter().map(|word| if *word == "URL" { url } else { word }).collect();
            world.sandbox(&words)
        };
        for url in ["/orders", "/orders/1", "/orders?x=1"] {
            let run = with(&format!("{GATEWAY}{url}"));
            assert!(matches!(run.status, 0 | 3 | 9), "{command:?} {url}: {run}");
            let said = format!("{}{}", run.stdout, run.stderr);
            assert!(!said.contains("billing"), "{command:?} {url}: {run}");
        }
        // Of nobody: the host alone stands for no path under it.
        for url in ["/other", "/ordersx", "", "/Orders"] {
            let run = with(&format!("{GATEWAY}{url}"));
            let expected = match command[0] {
                // Where a token would go, the address is refused.
                "curl" | "doctor" => 2,
                // A token can be for any audience.
                "token" => 0,
                _ => 6,
            };
            assert_eq!(run.status, expected, "{command:?} {url}: {run}");
            let token: Value = serde_json::from_str(&run.stdout).unwrap_or_default();
            if command[0] == "token" {
                assert!(!token["aud"].to_string().contains("orders-"), "{command:?}: {run}");
            }
        }
        for url in ["/a/../orders", "/orders/%2E%2e/billing", "/./orders"] {
            let run = with(&format!("{GATEWAY}{url}"));
            assert_eq!(run.status, 2, "{command:?} {url}: {run}");
        }
        let run = with("https://gw.example.net@evil.example/orders");
        assert_eq!(run.status, 2, "{command:?}: {run}");
    }
}

#[test]
fn two_services_with_one_address_are_ambiguous() {
    let world = World::new();
    for service in ["hello", "chat"] {
        world.sandbox(&["audience", "add", service, "https://twin.example.net", "--yes"]);
    }
    for command in [
        &["grant", "dev@example.com", "https://twin.example.net/x"][..],
        &["url", "https://twin.example.net"],
        &["curl", "--print", "https://twin.example.net"],
    ] {
        let run = world.sandbox(command);
        assert_eq!(run.status, 2, "{run}");
        for name in ["us-central1/chat", "us-central1/hello"] {
            assert!(run.stderr.contains(name), "{run}");
        }
    }
    // The domain of one service is another's audience.
    world.sandbox(&["audience", "add", "hello", "https://shop.example.com", "--yes"]);
    let run = world.sandbox(&["url", "https://shop.example.com"]);
    assert_eq!(run.status, 2, "{run}");
    assert!(run.stderr.contains("us-central1/storefront"), "{run}");
}

#[test]
fn a_function_is_called_at_its_own_address() {
    let world = World::new();
    let shared = ["--project", "sandbox-shared"];
    let run = world.sandbox(&[&shared[..], &["url", FUNCTION]].concat());
    assert_eq!(run.status, 0, "{run}");
    let run =
        world.sandbox(&[&shared[..], &["curl", "--print", &format!("{FUNCTION}/a/b?c")]].concat());
    let path = FUNCTION.trim_start_matches("https:");
    assert!(run.stdout.contains(&format!("{path}/a/b?c")), "{run}");
    let account = "dev@example.com";
    let run = world.sandbox(&[&shared[..], &["grant", account, FUNCTION]].concat());
    assert_eq!(run.status, 0, "{run}");
    let run = world.sandbox(
        &[&shared[..], &["--account", account, "curl", &format!("{FUNCTION}/a/b?c"), "-s"]]
            .concat(),
    );
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stdout.contains("\"/a/b\""), "{run}");
    // Another function of the host is not this service.
    let other = "https://us-central1-sandbox-shared.cloudfunctions.net/other";
    let run = world.sandbox(&[&shared[..], &["grant", "dev@example.com", other]].concat());
    assert_eq!(run.status, 6, "{run}");
}

#[test]
fn a_project_is_one_by_its_id_and_its_number() {
    let world = World::new();
    world.sandbox(&["grant", "dev@example.com", "hello"]);
    let chat = "projects/123456789012/locations/us-central1/services/chat";
    let run = world.sandbox(&["make-public", chat, "--yes"]);
    assert_eq!(run.status, 0, "{run}");
    let run = world.sandbox(&["undo", "-n"]);
    assert!(run.stderr.contains("chat") && !run.stderr.contains("us-central1/hello"), "{run}");
    // The number as the project that is set.
    let run = world.sandbox(&["--project", "123456789012", "undo", "--yes"]);
    assert!(run.status == 0 && run.stderr.contains("chat"), "{run}");
    let history = world.json_of(&["--sandbox", "--project", "123456789012", "history"]);
    assert_eq!(history["entries"].as_array().unwrap().len(), 3, "{history}");
    // Named twice, it is one.
    let twice = world.json(&["grant", "ana@example.com", "us-central1/chat", chat]);
    assert_eq!(twice["changes"].as_array().unwrap().len(), 1, "{twice}");
}

#[test]
fn where_the_number_cannot_be_read_nothing_is_taken_for_the_last_change() {
    let mut world = World::new();
    let serve = Serve::start(&world);
    world.reach(&serve);
    world.run(&["grant", "dev@example.com", "us-central1/hello"]);
    let denied = FakeServer::in_turn([Answer::error(403, "PERMISSION_DENIED", "No.")]);
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER", &denied.endpoint);
    let chat = "projects/123456789012/locations/us-central1/services/chat";
    assert_eq!(world.run(&["grant", "dev@example.com", chat]).status, 0);
    let run = world.run(&["undo", "--yes"]);
    assert_eq!(run.status, 9, "{run}");
    assert!(run.stderr.contains("hint: runaccess undo 2"), "{run}");
    // By its name it is taken back.
    assert_eq!(world.run(&["undo", "2"]).status, 0);
    // What was noted when the number was known serves where it is not any more.
    let mut later = World::new();
    later.reach(&serve);
    later.run(&["grant", "eve@example.com", chat]);
    later.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER", &denied.endpoint);
    later.set("CLOUDSDK_CORE_PROJECT", "123456789012");
    let run = later.run(&["undo", "-n"]);
    assert!(run.status == 0 && run.stderr.contains("chat"), "{run}");
}

#[test]
fn full_names_are_taken_in_every_form() {
    let world = World::new();
    for form in [
        "namespaces/sandbox-project/services/hello",
        "namespaces/123456789012/services/hello",
        "locations/us-central1/namespaces/sandbox-project/services/hello",
        "v1/projects/sandbox-project/locations/us-central1/services/hello",
        "/apis/serving.knative.dev/v1/namespaces/123456789012/services/hello",
        "https://us-central1-run.googleapis.com/apis/serving.knative.dev/v1/namespaces/sandbox-project/services/hello",
        "https://run.googleapis.com/v2/projects/sandbox-project/locations/us-central1/services/hello",
    ] {
        for command in ["who", "url", "describe", "policy"] {
            let run = world.sandbox(&[command, form]);
            assert_eq!(run.status, 0, "{command} {form}: {run}");
        }
        let run = world.sandbox(&["explain", "dev@example.com", form]);
        assert_eq!(run.status, 3, "{form}: {run}");
        let job = form
            .replace("services/hello", "jobs/nightly")
            .replace("serving.knative.dev", "run.googleapis.com");
        let run = world.sandbox(&["who", &job]);
        assert_eq!(run.status, 0, "{job}: {run}");
    }
}

#[test]
fn what_is_no_project_is_refused_with_where_it_was_set() {
    for (value, right) in [("My Project", "PROJECT"), ("\"sandbox-project\"", "sandbox-project")] {
        let mut world = World::new();
        let serve = Serve::start(&world);
        world.reach(&serve);
        world.set("CLOUDSDK_CORE_PROJECT", value);
        for command in [&["list"][..], &["url", "hello"], &["grant", "a@x.com", "hello"]] {
            let run = world.run(command);
            assert_eq!(run.status, 2, "{run}");
            assert!(run.stderr.contains("is not a project ID"), "{run}");
            assert!(run.stderr.contains(&format!("export CLOUDSDK_CORE_PROJECT={right}")), "{run}");
        }
    }
    let mut world = World::new();
    let serve = Serve::start(&world);
    let config = format!(
        "[core]\nproject = My Project\n[api_endpoint_overrides]\nrun = {}/\n[auth]\ndisable_credentials = False\n",
        serve.endpoint
    );
    world.gcloud_file("configurations/config_default", &config);
    world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "t");
    let run = world.run(&["list"]);
    assert_eq!(run.status, 2, "{run}");
    assert!(run.stderr.contains("gcloud configuration `default`"), "{run}");
}

#[test]
fn what_was_made_anew_is_not_the_service_that_was_changed() {
    let mut world = World::new();
    let serve = Serve::start(&world);
    world.reach(&serve);
    let plain = Plain::of(&serve.endpoint);
    world.run(&["grant", "dev@example.com", "us-central1/orders"]);
    // Within the minute that clocks may differ by.
    assert_eq!(plain.send("DELETE", &format!("v2/{ORDERS}"), None).0, 200);
    let (parent, id) = ORDERS.rsplit_once('/').unwrap();
    let body = json!({"template": {"containers": [{"image": "us-docker.pkg.dev/cloudrun/container/hello"}]}});
    let made = plain.send("POST", &format!("v2/{parent}?serviceId={id}"), Some(&body));
    assert_eq!(made.0, 200, "{}", made.1);
    let policy = json!([{"role": "roles/run.invoker", "members": ["user:dev@example.com"]}]);
    plain.set_bindings(ORDERS, &policy);
    let run = world.run(&["undo", "--yes"]);
    assert_eq!(run.status, 7, "{run}");
    assert!(run.stderr.contains("deleted and made anew"), "{run}");
}

#[test]
fn a_host_and_port_is_an_address_and_no_principal() {
    let world = World::new();
    let add = ["audience", "add", "us-central1/orders", "https://gw.example.net/orders", "--yes"];
    assert_eq!(world.sandbox(&add).status, 0);
    for typed in
        ["gw.example.net:443/orders/1", "GW.example.net:443/orders?x=1", "gw.example.net/orders"]
    {
        let run = world.sandbox(&["url", typed, "-o", "value(service)"]);
        assert!(run.stdout.ends_with("us-central1/services/orders\n"), "{typed}: {run}");
    }
    for typed in ["gw.example.net:443/billing", "gw.example.net:8443/orders"] {
        let run = world.sandbox(&["url", typed]);
        assert_eq!(run.status, 6, "{typed}: {run}");
    }
    let run = world.sandbox(&["grant", "gw.example.net:443/orders", "ana@example.com"]);
    assert!(run.stderr.contains("grant ana@example.com gw.example.net:443/orders"), "{run}");
}

/// A hint puts another name where the service was typed, in whichever form.
#[test]
fn a_hint_replaces_a_name_in_every_form() {
    let world = World::new();
    for form in [
        "orders",
        "namespaces/sandbox-project/services/orders",
        "namespaces/123456789012/services/orders",
        "v1/namespaces/sandbox-project/services/orders",
        "//run.googleapis.com/projects/sandbox-project/locations/-/services/orders",
    ] {
        let run = world.sandbox(&["who", form]);
        assert_eq!(run.status, 2, "{form}: {run}");
        for region in ["europe-west1", "us-central1"] {
            let hint = format!("hint: runaccess --sandbox who {region}/orders\n");
            assert!(run.stderr.contains(&hint), "{form}: {run}");
        }
        assert!(!run.stderr.contains("locations/-"), "{form}: {run}");
    }
    let locations = "projects/123456789012/locations/us-central1";
    for (form, hint) in [
        (format!("{locations}/services/helo"), "who us-central1/hello"),
        (
            format!("https://run.googleapis.com/v2/{locations}/services/helo"),
            "who us-central1/hello",
        ),
        (
            "namespaces/sandbox-project/services/helo".to_owned(),
            "who namespaces/sandbox-project/services/hello",
        ),
        ("jobs/nightli".to_owned(), "who jobs/nightly"),
        ("namespaces/sandbox-project/jobs/nightli".to_owned(), "who jobs/nightly"),
    ] {
        let run = world.sandbox(&["who", &form]);
        assert_eq!(run.status, 6, "{form}: {run}");
        assert!(
            run.stderr.contains(&format!("hint: runaccess --sandbox {hint}\n")),
            "{form}: {run}"
        );
    }
    let run = world.sandbox(&["grant", "service:orders", "hello"]);
    assert!(run.stderr.contains("grant service:us-central1/orders hello"), "{run}");
}

#[test]
fn an_audience_is_an_address_that_leads_where_it_reads() {
    let world = World::new();
    for audience in [
        "https://u:p@gw.example.net/x",
        "https://gw.example.net/x/../y",
        "https://gw.example.net/%2e%2e/y",
        "https://gw.example.net/x#y",
        "https://gw.example.net:99999",
        "notaurl",
    ] {
        let run = world.sandbox(&["audience", "add", "hello", audience, "--yes"]);
        assert_eq!(run.status, 2, "{audience}: {run}");
        assert!(!run.stderr.contains("u:p@"), "{run}");
    }
}

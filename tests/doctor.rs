//! `doctor`: each signature against the sandbox, which can produce them all, and the set-up.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{Answer, Api, FakeServer, Run, Serve, World, tampered};

/// A served sandbox, and this program as somebody in it.
struct Ward {
    api: Api,
}

impl Ward {
    fn with(options: &[&str]) -> Self {
        let mut api = Api::with(options);
        let endpoint = format!("{}/", api.serve.endpoint);
        api.world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &endpoint);
        api.world.set("CLOUDSDK_CORE_PROJECT", "sandbox-project");
        Self { api }
    }

    /// What `doctor` finds, where the token is this one.
    fn finds(&mut self, token: &str, words: &[&str]) -> (String, Value) {
        let file = self.api.world.state().join("token");
        std::fs::create_dir_all(self.api.world.state()).unwrap();
        std::fs::write(&file, token).unwrap();
        let file = file.display().to_string();
        self.api.world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "opaque");
        let all = [&["doctor"], words, &["--id-token-file", &file, "-o", "json"]].concat();
        told(&self.api.world.run(&all))
    }
}

fn told(run: &Run) -> (String, Value) {
    let json: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run}"));
    let code = match json["verdict"].as_str().unwrap() {
        "ok" => 0,
        "refused" => 3,
        _ => 9,
    };
    assert_eq!(run.status, code, "{run}");
    let text = |name: &str| json[name].as_str().unwrap_or("-");
    (format!("{} {} {}", text("verdict"), text("layer"), text("signature")), json)
}

/// What `doctor` finds in the sandbox of this process.
fn finds(account: &str, words: &[&str]) -> (String, Value) {
    let world = World::new();
    told(&world.sandbox(&[&["--account", account, "doctor", "-o", "json"], words].concat()))
}

#[test]
fn each_refusal_is_told_from_the_others() {
    let hello = "https://hello-k4qx7v2nza-uc.a.run.app";
    let (you, ana) = ("you@example.com", "ana@example.com");
    for (account, words, found) in [
        (you, &["us-central1/orders"][..], "ok - -"),
        (you, &["storefront", "/any"], "ok - -"),
        (ana, &[hello], "refused allow no-permission"),
        ("bea@example.com", &["hello"], "refused allow no-permission"),
        (you, &["hello", "--method", "OPTIONS"], "refused allow preflight"),
        (you, &["storefront", "--method", "OPTIONS"], "ok - -"),
        (you, &["storefront", "/healthz"], "refused reachability reserved-path"),
        (you, &["backoffice"], "refused reachability ingress"),
        (you, &["catalog"], "refused reachability default-url-off"),
        (you, &["intranet"], "refused iap iap-token"),
        (
            you,
            &["https://nosuch-k4qx7v2nza-uc.a.run.app"],
            "unknown reachability no-such-service-or-ingress",
        ),
        (
            ana,
            &["https://backoffice-k4qx7v2nza-uc.a.run.app"],
            "unknown reachability no-such-service-or-ingress",
        ),
        // Without a request, by what can be read.
        (you, &["us-central1/orders", "--no-request"], "ok - -"),
        (you, &["backoffice", "--no-request"], "refused reachability ingress"),
        (you, &["storefront", "/healthz", "--no-request"], "refused reachability reserved-path"),
        (you, &["intranet", "--no-request"], "refused iap iap-denied"),
        ("bea@example.com", &["hello", "--no-request"], "refused allow no-permission"),
    ] {
        assert_eq!(finds(account, words).0, found, "{account} {words:?}");
    }
}

#[test]
fn a_verdict_comes_with_what_it_rests_on_and_one_way_on() {
    let world = World::new();
    let run = world.sandbox(&["--account", "bea@example.com", "doctor", "hello"]);
    let end = regex_free(&run.to_string());
    assert_snapshot!(end, @"
    --- stdout
    refused: the caller may not invoke the service

    - with a token of `user:bea@example.com`: 403 from Cloud Run's front end
    - without a credential: 403 from Cloud Run's front end
    - the token is for `32555940559.apps.googleusercontent.com`, by `https://accounts.google.com`, it ends at [TIME]
    - Cloud Run's API says that you may not invoke it
    - allow: Cloud Run says that the caller does not hold the permission, groups and what is inherited weighed

    What would help:
      runaccess --sandbox grant bea@example.com us-central1/hello
    --- stderr
    note: request: GET https://hello-k4qx7v2nza-uc.a.run.app/ with a token of `user:bea@example.com`
    note: request: GET https://hello-k4qx7v2nza-uc.a.run.app/ without a credential
    --- status 3
    ");
    let (_, json) = finds("you@example.com", &["storefront", "/healthz"]);
    assert_eq!(json["target"], "https://storefront-k4qx7v2nza-uc.a.run.app/healthz");
    assert_eq!(
        json["fix"],
        json!(["runaccess --sandbox --account you@example.com doctor storefront /health"])
    );
    // No role lets a person's ID token past Identity-Aware Proxy.
    let (_, json) = finds("you@example.com", &["intranet"]);
    assert_eq!(json["fix"], json!([]));
}

/// The end of a token is never the same.
fn regex_free(text: &str) -> String {
    let lines = text.lines().map(|line| match line.split_once(", it ends at ") {
        Some((start, _)) => format!("{start}, it ends at [TIME]"),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_given_token_is_looked_into() {
    let mut ward = Ward::with(&[]);
    let url = "https://orders-k4qx7v2nza-uc.a.run.app";
    let robot = "runner@sandbox-project.iam.gserviceaccount.com";
    let good = ward.api.id_token(robot, url).await;
    let other = ward.api.id_token(robot, "https://other.example").await;
    let tag = ward.api.id_token(robot, "https://canary---orders-k4qx7v2nza-uc.a.run.app").await;
    let access = ward.api.access_token("ana@example.com").await;
    let stranger = ward.api.id_token("stranger@example.com", "").await;
    let contractor = ward.api.id_token("contractor@example.com", "").await;
    let old = tampered(&good, "exp", json!(1_700_000_000));
    let foreign = tampered(&good, "iss", json!("https://securetoken.google.com/app"));
    let orders = "us-central1/orders";
    for (token, target, found) in [
        (good.as_str(), orders, "ok - -"),
        (&other, orders, "refused credential wrong-audience"),
        (&tag, orders, "refused credential tag-audience"),
        ("ya29.opaque", orders, "refused credential access-token"),
        (&old, orders, "refused credential expired"),
        (&foreign, orders, "refused credential foreign-issuer"),
        (&tampered(&good, "sub", json!("1")), orders, "refused credential token-not-taken"),
        (&stranger, orders, "refused allow no-permission"),
        (&contractor, "api", "refused deny deny-policy"),
        (&good, "status-page", "ok - -"),
    ] {
        let (got, json) = ward.finds(token, &[target]);
        assert_eq!(got, found, "{target}: {json}");
        assert!(!json.to_string().contains(token), "the token is in what is said");
    }
    assert_eq!(ward.finds(&access, &[orders]).0, "refused credential access-token");
}

#[tokio::test]
async fn a_change_that_is_still_spreading_is_recognised() {
    let mut ward = Ward::with(&["--set", "access-delay=1h"]);
    // Whoever may look at the service asks for itself.
    ward.api.let_in("hello", "user:dev@example.com", "roles/run.viewer").await;
    ward.api.let_in("hello", "user:dev@example.com", "roles/run.invoker").await;
    let file = ward.api.world.state().join("adc.json");
    std::fs::create_dir_all(ward.api.world.state()).unwrap();
    let adc = json!({"type": "authorized_user", "client_id": crate::support::GCLOUD,
        "client_secret": "s", "refresh_token": "1//sandbox:dev@example.com",
        "token_uri": format!("{}/token", ward.api.serve.endpoint)});
    std::fs::write(&file, adc.to_string()).unwrap();
    let file = file.display().to_string();
    ward.api.world.set("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", &file);
    let run = ward.api.world.run(&["doctor", "us-central1/hello", "-o", "json"]);
    assert_eq!(told(&run).0, "refused allow propagation", "{run}");
}

#[tokio::test]
async fn identity_aware_proxy_is_told_apart() {
    let mut ward = Ward::with(&["--set", "iap-user-token=accepted"]);
    let (bea, ana) = (
        ward.api.id_token("bea@example.com", "").await,
        ward.api.id_token("ana@example.com", "").await,
    );
    assert_eq!(ward.finds(&bea, &["intranet"]).0, "ok - -");
    assert_eq!(ward.finds(&ana, &["intranet"]).0, "refused iap iap-denied");
    // Its own account must be let in too.
    let path = "v2/projects/sandbox-project/locations/us-central1/services/intranet";
    let body = json!({"policy": {"bindings": []}});
    assert_eq!(ward.api.post(&format!("{path}:setIamPolicy"), body).await.0, 200);
    let (found, json) = ward.finds(&bea, &["intranet"]);
    assert_eq!(found, "refused allow iap-agent");
    let fix = "runaccess grant service-123456789012@gcp-sa-iap.iam.gserviceaccount.com \
               us-central1/intranet";
    assert_eq!(json["fix"], json!([fix]));
}

#[tokio::test]
async fn the_applications_own_no_is_not_cloud_runs() {
    for (status, found) in [
        (401, "refused application application-401"),
        (403, "refused application application-403"),
        (500, "ok - -"),
    ] {
        let app =
            FakeServer::in_turn([Answer::Full(status, "text/html", "<h1>no</h1>".to_owned())]);
        let backend = format!("storefront={}", app.endpoint.trim_end_matches('/'));
        let mut ward = Ward::with(&["--backend", &backend]);
        let token = ward.api.id_token("you@example.com", "").await;
        assert_eq!(ward.finds(&token, &["storefront"]).0, found);
    }
}

#[test]
fn what_cannot_be_reached_is_not_known() {
    let mut world = World::new();
    let serve = Serve::start(&world);
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &format!("{}/", serve.endpoint));
    world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "opaque");
    world.set("CLOUDSDK_CORE_PROJECT", "sandbox-project");
    let host = "http://127.0.0.1:1";
    let run = world.run(&["doctor", host, "--allow-host", "127.0.0.1", "-o", "json"]);
    assert_eq!(told(&run).0, "unknown - unreachable", "{run}");
}

#[test]
fn without_a_credential_a_private_service_is_said_to_be_that() {
    let mut world = World::new();
    let serve = Serve::start(&world);
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &format!("{}/", serve.endpoint));
    world.set("CLOUDSDK_CORE_PROJECT", "sandbox-project");
    let run = world.run(&["doctor", "https://hello-k4qx7v2nza-uc.a.run.app", "-o", "json"]);
    let (found, json) = told(&run);
    assert_eq!(found, "refused credential no-credential", "{run}");
    assert_eq!(json["fix"], json!(["gcloud auth login"]));
}

#[test]
fn the_set_up_is_checked() {
    assert_snapshot!(World::new().sandbox(&["doctor"]), @"
    --- stdout
    ok: this machine is set up

    - the credential is good: you@example.com, by the sandbox
    - the clock agrees with the API's
    - the project is `sandbox-project`, by the sandbox's own
    - the Cloud Run Admin API answers for it
    --- status 0
    ");
    // A project that is not there cannot be told from one that may not be seen.
    let run = World::new().sandbox(&["--project", "nosuch", "doctor", "-o", "json"]);
    assert_eq!((told(&run).0.as_str(), run.status), ("unknown project no-project", 9));
    assert_eq!(World::new().sandbox(&["doctor", "hello", "--method", "TRACE"]).status, 2);
    // Nobody is logged in.
    let mut world = World::new();
    let (found, json) = told(&world.run(&["doctor", "-o", "json"]));
    assert_eq!(found, "refused credential no-credential");
    assert_eq!(json["fix"][0], "gcloud auth login");
    // There is no project.
    world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "t");
    let server = FakeServer::in_turn([Answer::json(&json!({"locations": []}))]);
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &server.endpoint);
    assert_eq!(told(&world.run(&["doctor", "-o", "json"])).0, "refused project no-project");
    world.set("CLOUDSDK_CORE_PROJECT", "p");
    assert_eq!(told(&world.run(&["doctor", "-o", "json"])).0, "ok - -");
    // The API is off.
    let off = "Cloud Run Admin API has not been used in project p before or it is disabled.";
    let server = FakeServer::in_turn([Answer::error(403, "PERMISSION_DENIED", off)]);
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &server.endpoint);
    let (found, json) = told(&world.run(&["doctor", "-o", "json"]));
    assert_eq!(found, "refused project api-disabled");
    assert_eq!(json["fix"], json!(["gcloud services enable run.googleapis.com --project=p"]));
    // The clock is off.
    let date = "Date: Thu, 01 Jan 2015 00:00:00 GMT";
    let server = FakeServer::in_turn([Answer::WithHeader(200, date, "{}".to_owned())]);
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &server.endpoint);
    assert_eq!(told(&world.run(&["doctor", "-o", "json"])).0, "refused credential clock");
    // Nothing answers.
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", "http://127.0.0.1:1/");
    let run = world.run(&["doctor", "--timeout", "1s", "-o", "json"]);
    assert_eq!(told(&run).0, "unknown - unreachable");
}

/// Every signature is in the documentation.
#[test]
fn the_documents_list_every_signature() {
    let source = crate::support::project_file("crates/domain/src/diagnosis.rs");
    let document = crate::support::project_file("docs/access.md");
    let of_signatures = source.split("\nimpl Signature {").nth(1).expect("signatures");
    let of_signatures = of_signatures.split("\n}\n").next().expect("an end");
    let words = of_signatures.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next());
    let words: Vec<&str> = words.filter(|word| !word.contains(' ')).collect();
    assert!(words.len() >= 26, "{words:?}");
    for word in words {
        let is_layer =
            ["credential", "project", "application", "reachability", "deny", "iap", "allow"];
        assert!(is_layer.contains(&word) || document.contains(&format!("| `{word}` |")), "{word}");
    }
}

/// The sandbox has no load balancer: where a custom audience names one, it answers as that would.
#[test]
fn the_host_of_a_custom_audience_is_answered_as_a_load_balancer_does() {
    let world = World::new();
    let added =
        world.sandbox(&["audience", "add", "us-central1/hello", "https://lb.example.net", "--yes"]);
    assert_eq!(added.status, 0, "{added}");
    let (found, json) = told(&world.sandbox(&["doctor", "https://lb.example.net", "-o", "json"]));
    assert_eq!(
        json["evidence"][0],
        "with a token of `user:you@example.com`: 200 from the application"
    );
    assert_eq!(found, "ok - -", "{json:#}");
    let shut = world.sandbox(&[
        "ingress",
        "us-central1/hello",
        "internal-and-cloud-load-balancing",
        "--yes",
    ]);
    assert_eq!(shut.status, 0, "{shut}");
    let (_, json) = told(&world.sandbox(&["doctor", "https://lb.example.net", "-o", "json"]));
    assert_eq!(
        json["evidence"][0],
        "with a token of `user:you@example.com`: 200 from the application"
    );
}

//! `connect`: who calls, what is granted in one change, whether it gets through, and how it calls.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::{Serve, World, members_of};

const RUNNER: &str = "runner@sandbox-project.iam.gserviceaccount.com";
const PUBSUB: &str = "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com";

#[test]
fn a_service_calls_another_by_the_account_that_it_runs_as() {
    let world = World::new();
    assert_snapshot!(
        world.sandbox(&["connect", "us-central1/orders", "billing", "--code", "curl"]),
        @r#"
        --- stdout
        #!/bin/sh
        set -eu
        URL=https://billing-k4qx7v2nza-uc.a.run.app
        AUDIENCE=https://billing-k4qx7v2nza-uc.a.run.app
        METADATA="http://${GCE_METADATA_HOST:-metadata.google.internal}/computeMetadata/v1"

        TOKEN=$(curl --silent --show-error --fail --get --header 'Metadata-Flavor: Google' \
            --data-urlencode "audience=$AUDIENCE" \
            "$METADATA/instance/service-accounts/default/identity")
        # By standard input, so that the token is in no list of processes.
        printf 'Authorization: Bearer %s\n' "$TOKEN" |
            curl --silent --show-error --header @- --write-out '\n%{http_code}\n' "$URL/"
        --- stderr
        sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
        note: `us-central1/orders` runs as `orders-api@sandbox-project.iam.gserviceaccount.com`
        warning: `europe-west1/orders` runs as that account too
          us-central1/billing
            + serviceAccount:orders-api@sandbox-project.iam.gserviceaccount.com  roles/run.invoker
            exposure: restricted, as before
        note: `serviceAccount:orders-api@sandbox-project.iam.gserviceaccount.com` can invoke `us-central1/billing` by its own policy
        note: verified: `orders-api@sandbox-project.iam.gserviceaccount.com` may invoke `us-central1/billing`: `serviceAccount:orders-api@sandbox-project.iam.gserviceaccount.com` has `roles/run.invoker` on `projects/sandbox-project/locations/us-central1/services/billing`
        undo: runaccess --sandbox undo s1
        --- status 0
        "#
    );
    let account = "orders-api@sandbox-project.iam.gserviceaccount.com";
    let verdict = world.json(&["explain", account, "billing"])["verdict"].clone();
    assert_eq!(verdict, "allowed");
    let again = world.json(&["connect", "us-central1/orders", "billing"]);
    assert_eq!(again["changes"][0]["status"], "unchanged");
    assert_eq!(again["verified"][0]["verdict"], "allowed");
    let languages: Vec<&str> = again["programs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["language"].as_str().unwrap())
        .collect();
    assert_eq!(languages, ["python", "node", "go", "curl"]);
    assert_eq!(again["programs"][0]["audience"], "https://billing-k4qx7v2nza-uc.a.run.app");
}

#[test]
fn the_default_account_is_warned_of_and_one_of_its_own_is_made() {
    let world = World::new();
    let connect = ["connect", "hello", "us-central1/orders", "--code", "none"];
    assert_snapshot!(world.sandbox(&[&connect[..], &["-n"]].concat()), @"
    --- stdout
    SERVICE             STATUS   CHANGE
    us-central1/orders  planned  +serviceAccount:123456789012-compute@developer.gserviceaccount.com (roles/run.invoker)
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
    note: `us-central1/hello` runs as `123456789012-compute@developer.gserviceaccount.com`
    warning: `us-central1/api` and 6 more services run as that account too
    warning: that is the default account, which whatever names no other runs as; it holds `roles/editor` on `projects/sandbox-project`
    warning: `runaccess --sandbox connect hello us-central1/orders --code none -n --create-service-account` gives `us-central1/hello` an account of its own
      us-central1/orders
        + serviceAccount:123456789012-compute@developer.gserviceaccount.com  roles/run.invoker
        exposure: restricted, as before
    note: `serviceAccount:123456789012-compute@developer.gserviceaccount.com` could invoke `us-central1/orders` by its own policy
    hint: runaccess --sandbox connect hello us-central1/orders --code none -n --create-service-account
    --- status 0
    ");
    let own = [&connect[..], &["--create-service-account"]].concat();
    assert_snapshot!(world.sandbox(&own), @"
    --- stdout
    SERVICE                                               STATUS   CHANGE
    hello-run-as@sandbox-project.iam.gserviceaccount.com  changed  serviceAccount: + hello-run-as@sandbox-project.iam.gserviceaccount.com
    us-central1/orders                                    changed  +serviceAccount:hello-run-as@sandbox-project.iam.gserviceaccount.com (roles/run.invoker)
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
    note: `us-central1/hello` runs as `123456789012-compute@developer.gserviceaccount.com` today
      hello-run-as@sandbox-project.iam.gserviceaccount.com
        serviceAccount: + hello-run-as@sandbox-project.iam.gserviceaccount.com
      us-central1/orders
        + serviceAccount:hello-run-as@sandbox-project.iam.gserviceaccount.com  roles/run.invoker
        exposure: restricted, as before
    note: `serviceAccount:hello-run-as@sandbox-project.iam.gserviceaccount.com` can invoke `us-central1/orders` by its own policy
    note: verified: `hello-run-as@sandbox-project.iam.gserviceaccount.com` may invoke `us-central1/orders`: `serviceAccount:hello-run-as@sandbox-project.iam.gserviceaccount.com` has `roles/run.invoker` on `projects/sandbox-project/locations/us-central1/services/orders`
    note: `hello` does not run as `hello-run-as@sandbox-project.iam.gserviceaccount.com` yet; this has it do so:
    command: gcloud run services update hello --service-account=hello-run-as@sandbox-project.iam.gserviceaccount.com --region=us-central1 --project=sandbox-project
    undo: runaccess --sandbox undo s1
    --- status 0
    ");
    // It is there already: the connection is made all the same.
    let again = world.json(&own);
    assert_eq!(again["changes"][0]["status"], "unchanged");
    assert_snapshot!(world.sandbox(&["undo", "s1", "--yes"]), @"
    --- stdout
    SERVICE                                               STATUS   CHANGE
    hello-run-as@sandbox-project.iam.gserviceaccount.com  changed  serviceAccount: - hello-run-as@sandbox-project.iam.gserviceaccount.com
    us-central1/orders                                    changed  -serviceAccount:hello-run-as@sandbox-project.iam.gserviceaccount.com (roles/run.invoker)
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
    note: `s1` was: runaccess --sandbox connect hello us-central1/orders --code none --create-service-account
      hello-run-as@sandbox-project.iam.gserviceaccount.com
        serviceAccount: - hello-run-as@sandbox-project.iam.gserviceaccount.com
        warning: whatever runs as this account fails once it is gone: take it off services and jobs first
      us-central1/orders
        - serviceAccount:hello-run-as@sandbox-project.iam.gserviceaccount.com  roles/run.invoker
        exposure: restricted, as before
    note: `serviceAccount:hello-run-as@sandbox-project.iam.gserviceaccount.com` cannot invoke `us-central1/orders` by its own policy
    undo: runaccess --sandbox undo s2
    --- status 0
    ");
    // What runs as it by now is named before it goes.
    assert_eq!(world.sandbox(&own).status, 0);
    let runs = json!({"template": {
        "serviceAccount": "hello-run-as@sandbox-project.iam.gserviceaccount.com",
        "containers": [{"image": "i"}]}});
    let serve = Serve::start(&world);
    let url =
        "v2/projects/sandbox-project/locations/us-central1/services/hello?updateMask=template";
    let curl = ["-s", "-X", "PATCH", "-H", "Authorization: Bearer t", "-d", &runs.to_string()];
    let url = format!("{}/{url}", serve.endpoint);
    let run = std::process::Command::new("curl").args(curl).arg(&url).output().unwrap();
    assert!(String::from_utf8_lossy(&run.stdout).contains("operations/"), "{run:?}");
    let warned = world.sandbox(&["undo", "s3", "-n"]).stderr;
    assert!(warned.contains("`us-central1/hello` runs as `hello-run-as@"), "{warned}");
    assert_eq!(world.sandbox(&["undo", "s3", "--yes"]).status, 0);
    drop(serve);
    let made = "serviceAccount:hello-run-as@sandbox-project.iam.gserviceaccount.com";
    assert!(
        !members_of(&world.json(&["policy", "us-central1/orders"]), "roles/run.invoker")
            .contains(&made.to_owned())
    );
    let named = [&connect[..], &["--create-service-account=greeter", "--yes"]].concat();
    let json = world.json(&named);
    assert_eq!(json["account"], "greeter@sandbox-project.iam.gserviceaccount.com");
    assert!(json["deploy"].as_str().unwrap().starts_with("gcloud run services update hello "));
    let bad = [&connect[..], &["--create-service-account=No"]].concat();
    assert_eq!(world.sandbox(&bad).status, 2);
}

#[test]
fn a_caller_of_googles_has_its_second_grant_in_the_same_change() {
    let world = World::new();
    let connect = ["connect", "--via", "pubsub", "--as", RUNNER, "reports", "backoffice"];
    assert_snapshot!(world.sandbox(&connect), @r"
    --- stdout
    SERVICE                                         STATUS   CHANGE
    runner@sandbox-project.iam.gserviceaccount.com  changed  +serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com (roles/iam.serviceAccountOpenIdTokenCreator)
    us-central1/reports                             changed  +serviceAccount:runner@sandbox-project.iam.gserviceaccount.com (roles/run.invoker)
    us-central1/backoffice                          changed  +serviceAccount:runner@sandbox-project.iam.gserviceaccount.com (roles/run.invoker)

    Pub/Sub, calling us-central1/reports:

    gcloud pubsub subscriptions create SUBSCRIPTION --topic=TOPIC \
        --push-endpoint=https://reports-k4qx7v2nza-uc.a.run.app/ \
        --push-auth-service-account=runner@sandbox-project.iam.gserviceaccount.com \
        --push-auth-token-audience=https://reports-k4qx7v2nza-uc.a.run.app \
        --project=sandbox-project

    Pub/Sub, calling us-central1/backoffice:

    gcloud pubsub subscriptions create SUBSCRIPTION --topic=TOPIC \
        --push-endpoint=https://backoffice-k4qx7v2nza-uc.a.run.app/ \
        --push-auth-service-account=runner@sandbox-project.iam.gserviceaccount.com \
        --push-auth-token-audience=https://backoffice-k4qx7v2nza-uc.a.run.app \
        --project=sandbox-project
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
    note: whoever creates the subscription needs `iam.serviceAccounts.actAs` on `runner@sandbox-project.iam.gserviceaccount.com`
      runner@sandbox-project.iam.gserviceaccount.com
        + serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com  roles/iam.serviceAccountOpenIdTokenCreator
      us-central1/reports
        + serviceAccount:runner@sandbox-project.iam.gserviceaccount.com  roles/run.invoker
        exposure: any-google-account, as before
      us-central1/backoffice
        + serviceAccount:runner@sandbox-project.iam.gserviceaccount.com  roles/run.invoker
        exposure: restricted, as before
    note: `serviceAccount:runner@sandbox-project.iam.gserviceaccount.com` can invoke `us-central1/reports` by its own policy: it could before, too: `allAuthenticatedUsers` has `roles/run.invoker` on `us-central1/reports`
    note: `serviceAccount:runner@sandbox-project.iam.gserviceaccount.com` cannot invoke `us-central1/backoffice` by its own policy: ingress is `internal`, and the request is not
    note: verified: `runner@sandbox-project.iam.gserviceaccount.com` may invoke `us-central1/reports`: `allAuthenticatedUsers` has `roles/run.invoker` on `projects/sandbox-project/locations/us-central1/services/reports`
    note: verified: `runner@sandbox-project.iam.gserviceaccount.com` may invoke `us-central1/backoffice`: `serviceAccount:runner@sandbox-project.iam.gserviceaccount.com` has `roles/run.invoker` on `projects/sandbox-project/locations/us-central1/services/backoffice`
    undo: runaccess --sandbox undo s1
    --- status 0
    ");
    let full = format!("projects/sandbox-project/serviceAccounts/{RUNNER}");
    let history = world.json(&["history", "s1.1"]);
    assert_eq!(history["entries"][0]["service"], full);
    assert_eq!(history["entries"][0]["kind"], "serviceAccount");
    assert_eq!(history["entries"][0]["added"][0]["member"], PUBSUB);
    assert_eq!(world.json(&connect)["changes"].as_array().unwrap().len(), 2);
    assert_snapshot!(world.sandbox(&["undo", "s1", "--yes"]), @"
    --- stdout
    SERVICE                                         STATUS   CHANGE
    runner@sandbox-project.iam.gserviceaccount.com  changed  -serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com (roles/iam.serviceAccountOpenIdTokenCreator)
    us-central1/reports                             changed  -serviceAccount:runner@sandbox-project.iam.gserviceaccount.com (roles/run.invoker)
    us-central1/backoffice                          changed  -serviceAccount:runner@sandbox-project.iam.gserviceaccount.com (roles/run.invoker)
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
    note: `s1` was: runaccess --sandbox connect --via pubsub --as runner@sandbox-project.iam.gserviceaccount.com reports backoffice
      runner@sandbox-project.iam.gserviceaccount.com
        - serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com  roles/iam.serviceAccountOpenIdTokenCreator
      us-central1/reports
        - serviceAccount:runner@sandbox-project.iam.gserviceaccount.com  roles/run.invoker
        exposure: any-google-account, as before
      us-central1/backoffice
        - serviceAccount:runner@sandbox-project.iam.gserviceaccount.com  roles/run.invoker
        exposure: restricted, as before
    note: `serviceAccount:runner@sandbox-project.iam.gserviceaccount.com` can invoke `us-central1/reports` by its own policy: it could before, too: `allAuthenticatedUsers` has `roles/run.invoker` on `us-central1/reports`
    note: `serviceAccount:runner@sandbox-project.iam.gserviceaccount.com` cannot invoke `us-central1/backoffice` by its own policy: ingress is `internal`, and the request is not
    undo: runaccess --sandbox undo s2
    --- status 0
    ");
    // Cloud Scheduler's account holds it already, by its own role on the project.
    assert_snapshot!(
        world.sandbox(&["connect", "--via", "scheduler", "--as", RUNNER, "reports", "-n"]),
        @r"
        --- stdout
        SERVICE              STATUS   CHANGE
        us-central1/reports  planned  +serviceAccount:runner@sandbox-project.iam.gserviceaccount.com (roles/run.invoker)

        Cloud Scheduler, calling us-central1/reports:

        gcloud scheduler jobs create http JOB --schedule='0 * * * *' --location=us-central1 \
            --uri=https://reports-k4qx7v2nza-uc.a.run.app/ \
            --oidc-service-account-email=runner@sandbox-project.iam.gserviceaccount.com \
            --oidc-token-audience=https://reports-k4qx7v2nza-uc.a.run.app \
            --project=sandbox-project
        --- stderr
        sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
        note: whoever creates the job needs `iam.serviceAccounts.actAs` on `runner@sandbox-project.iam.gserviceaccount.com`
        note: Cloud Scheduler may have tokens of `runner@sandbox-project.iam.gserviceaccount.com` already: `serviceAccount:service-123456789012@gcp-sa-cloudscheduler.iam.gserviceaccount.com` has `roles/cloudscheduler.serviceAgent` on `projects/sandbox-project`
          us-central1/reports
            + serviceAccount:runner@sandbox-project.iam.gserviceaccount.com  roles/run.invoker
            exposure: any-google-account, as before
        note: `serviceAccount:runner@sandbox-project.iam.gserviceaccount.com` could invoke `us-central1/reports` by its own policy: it could before, too: `allAuthenticatedUsers` has `roles/run.invoker` on `us-central1/reports`
        --- status 0
        "
    );
    for (via, part) in [
        ("tasks", "gcloud tasks create-http-task"),
        ("eventarc", "--destination-run-service=reports"),
        ("workflows", "audience: https://reports-k4qx7v2nza-uc.a.run.app"),
    ] {
        let json = world.json(&["connect", "--via", via, "--as", RUNNER, "reports", "-n"]);
        assert!(json["programs"][0]["program"].as_str().unwrap().contains(part), "{via}: {json}");
    }
}

#[test]
fn what_ingress_keeps_out_is_said_before_and_after() {
    let world = World::new();
    let inside = ["connect", "us-central1/orders", "backoffice", "--code", "none"];
    assert_snapshot!(world.sandbox(&inside), @"
    --- stdout
    SERVICE                 STATUS   CHANGE
    us-central1/backoffice  changed  +serviceAccount:orders-api@sandbox-project.iam.gserviceaccount.com (roles/run.invoker)
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
    note: `us-central1/orders` runs as `orders-api@sandbox-project.iam.gserviceaccount.com`
    warning: `europe-west1/orders` runs as that account too
      us-central1/backoffice
        + serviceAccount:orders-api@sandbox-project.iam.gserviceaccount.com  roles/run.invoker
        exposure: restricted, as before
        warning: ingress is `internal`, and `orders` calls over the internet (`gcloud run services update orders --vpc-egress=all-traffic --network=NETWORK` has it call from inside): it gets 404
    note: `serviceAccount:orders-api@sandbox-project.iam.gserviceaccount.com` cannot invoke `us-central1/backoffice` by its own policy: ingress is `internal`, and the request is not
    warning: `orders-api@sandbox-project.iam.gserviceaccount.com` does not get through to `us-central1/backoffice`: reachability: ingress is `internal`, and the request is not
    undo: runaccess --sandbox undo s1
    --- status 3
    ");
    // Where an account calls from is not known.
    let account = ["connect", RUNNER, "backoffice", "--code", "none"];
    let run = world.sandbox(&account);
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stderr.contains("only what calls from inside"), "{run}");
}

#[test]
fn what_rests_on_an_account_that_was_not_made_is_left_as_it_is() {
    let mut world = World::new();
    let serve = Serve::with_faults(&world, &["403,method=POST,route=*/serviceAccounts"]);
    world.reach(&serve);
    let connect =
        ["connect", "hello", "us-central1/orders", "--create-service-account", "--code", "none"];
    assert_snapshot!(world.run(&connect), @"
    --- stdout
    SERVICE                                               STATUS  CHANGE
    hello-run-as@sandbox-project.iam.gserviceaccount.com  failed  permission-denied
    us-central1/orders                                    failed  failed-precondition
    --- stderr
    plan: project sandbox-project (`CLOUDSDK_CORE_PROJECT`), by `CLOUDSDK_AUTH_ACCESS_TOKEN`
    note: `us-central1/hello` runs as `123456789012-compute@developer.gserviceaccount.com` today
      hello-run-as@sandbox-project.iam.gserviceaccount.com
        serviceAccount: + hello-run-as@sandbox-project.iam.gserviceaccount.com
      us-central1/orders
        + serviceAccount:hello-run-as@sandbox-project.iam.gserviceaccount.com  roles/run.invoker
        exposure: restricted, as before
    error: could not create the service account `hello-run-as@sandbox-project.iam.gserviceaccount.com`
    caused by: The caller does not have permission
    hint: gcloud auth list
    error: `us-central1/orders` was left as it is: it rests on `hello-run-as@sandbox-project.iam.gserviceaccount.com`
    --- status 8
    ");
    let history = world.json_of(&["history"]);
    let states: Vec<_> =
        history["entries"].as_array().unwrap().iter().map(|e| &e["state"]).collect();
    assert_eq!(states, ["failed", "failed"]);
}

#[test]
fn what_cannot_be_reached_is_not_verified() {
    let world = World::new();
    // With its own URL off, and no other that leads there.
    assert_eq!(world.sandbox(&["default-url", "hello", "off", "--yes"]).status, 0);
    let connect = ["connect", "us-central1/orders", "hello", "--code", "none"];
    let run = world.sandbox(&connect);
    assert_eq!(run.status, 3, "{run}");
    assert!(run.stderr.contains("the default URL is off"), "{run}");
    // A mapped domain leads there, and is what the program calls.
    assert_eq!(world.sandbox(&["default-url", "storefront", "off", "--yes"]).status, 0);
    let json = world.json(&["connect", "us-central1/orders", "storefront", "--code", "curl"]);
    assert_eq!(json["programs"][0]["url"], "https://shop.example.com");
}

#[test]
fn several_programs_are_told_apart_and_one_is_alone() {
    let world = World::new();
    let two = ["connect", RUNNER, "hello", "chat", "--code", "node", "-n"];
    let text = world.sandbox(&two).stdout;
    assert_eq!(text.matches("Node (call.mjs) calling").count(), 2, "{text}");
    let one = world.sandbox(&["connect", RUNNER, "hello", "--code", "node", "-n"]).stdout;
    assert!(one.starts_with("// npm install"), "{one}");
}

#[test]
fn an_account_that_is_there_already_is_not_called_new() {
    let world = World::new();
    let connect = ["connect", "storefront", "chat", "--create-service-account=runner", "-n"];
    let run = world.sandbox(&connect);
    assert!(run.stderr.contains("is there already, and is taken as it is"), "{run}");
    assert!(run.stderr.contains("`us-central1/billing` runs as that account too"), "{run}");
}

#[test]
fn what_is_no_caller_is_said() {
    let world = World::new();
    for (words, said) in [
        (&["connect", "hello"][..], "SERVICE is missing: which is `hello` to call?"),
        (&["connect", "dev@example.com", "hello"], "grant dev@example.com us-central1/hello"),
        (
            &["connect", "--via", "pubsub", "--as", "hello", "reports"],
            "`hello` is not a service account",
        ),
        (
            &["connect", RUNNER, "hello", "--create-service-account"],
            "makes one for what runs as it",
        ),
        (&["connect", "nosuch", "hello"], "is named `nosuch`"),
    ] {
        let run = world.sandbox(words);
        assert!(run.status == 2 || run.status == 6, "{run}");
        assert!(run.stderr.contains(said), "{words:?}: {run}");
    }
    let own = ["connect", "--via", "pubsub", "hello"];
    assert_eq!(world.sandbox(&own).status, 2);
}

#[test]
fn a_service_without_a_url_is_called_at_its_custom_audience() {
    let world = World::new();
    assert_eq!(world.sandbox(&["default-url", "api", "off", "--yes"]).status, 0);
    let json = world.json(&["connect", RUNNER, "api", "--yes"]);
    assert_eq!(json["programs"][0]["url"], "https://api.example.com");
    assert_eq!(json["programs"][0]["audience"], "https://api.example.com");
    let none = world.json(&["connect", RUNNER, "catalog", "--yes"]);
    assert_eq!(none["programs"], json!([]));
}

/// Whoever is no caller is told what lets it in, for these services.
#[test]
fn who_calls_as_itself_is_led_to_grant() {
    let world = World::new();
    let pool = "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/x";
    for (words, hint) in [
        (
            &["connect", "group:team@example.com", "chat", "hello"][..],
            "grant group:team@example.com us-central1/chat us-central1/hello",
        ),
        (&["connect", "allUsers", "chat"], "make-public us-central1/chat"),
        (&["connect", "principalSet://goog/public:all", "chat"], "make-public us-central1/chat"),
        (
            &["connect", "allAuthenticatedUsers", "chat"],
            "grant allAuthenticatedUsers us-central1/chat",
        ),
        (&["connect", "deleted:user:a@example.com?uid=1", "chat"], ""),
        (&["connect", "foo:bar", "chat"], ""),
        (&["connect", pool, "chat", "--as", "ana@example.com"], ""),
        (&["connect", "--via", "pubsub", "--as", "ana@example.com", "chat"], ""),
    ] {
        let run = world.sandbox(words);
        assert_eq!(run.status, 2, "{run}");
        assert!(!run.stderr.contains("SERVICE"), "{run}");
        let hints: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("hint")).collect();
        match hint {
            "" => assert_eq!(hints.len(), 0, "{run}"),
            hint => assert_eq!(hints, [format!("hint: runaccess --sandbox {hint}")], "{run}"),
        }
    }
    // Which account it calls by is not for this program to say.
    let told = world.json(&["explain", pool, "chat"]);
    assert_eq!(told["fix"], serde_json::json!([]), "{told:#}");
}

/// The program of one that calls by an account asks for that account's token, and gets through.
#[test]
fn a_program_of_an_agent_uses_the_account() {
    let runner = "runner@sandbox-project.iam.gserviceaccount.com";
    let agent = "principal://agents.global.org-433637338589.system.id.goog/resources/run/projects/123456789012/locations/us-central1/services/chat";
    let mut world = World::new();
    let serve = Serve::with(&world, &["--set", &format!("metadata-account={agent}")]);
    world.reach(&serve);
    for language in ["python", "node", "go", "curl"] {
        let words =
            ["connect", agent, "us-central1/hello", "--as", runner, "--code", language, "-n"];
        let run = world.run(&words);
        assert!(run.stdout.contains(runner), "{language}: {run}");
    }
    let words =
        ["connect", agent, "us-central1/hello", "--as", runner, "--code", "curl", "-o", "json"];
    let json = world.run(&words).json();
    let program = json["programs"][0]["program"].as_str().unwrap();
    let program = program.replace("https://iamcredentials.googleapis.com", &serve.endpoint);
    let url = json["programs"][0]["url"].as_str().unwrap();
    let file = world.home().join("call.sh");
    std::fs::write(
        &file,
        program.replace(&format!("URL={url}"), &format!("URL={}", url.replace("https:", "http:"))),
    )
    .unwrap();
    let output = std::process::Command::new("sh")
        .arg(file)
        .env("GCE_METADATA_HOST", serve.endpoint.trim_start_matches("http://"))
        .env("http_proxy", &serve.endpoint)
        .env("no_proxy", "127.0.0.1")
        .output()
        .unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(out.trim_end().ends_with("200"), "{out}{err}");
}

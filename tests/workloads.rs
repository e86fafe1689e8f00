//! Instances and worker pools as kinds of their own: listed, shown, granted, called.

use serde_json::{Value, json};

use crate::support::{Answer, FakeServer, Plain, Proxy, Serve, World};

const NOTEBOOK: &str = "projects/sandbox-project/locations/us-central1/instances/notebook";
const CONSUMER: &str = "projects/sandbox-project/locations/us-central1/workerPools/consumer";

/// The short names in the rows of a list.
fn rows(list: &Value) -> Vec<String> {
    let rows = list["services"].as_array().unwrap().iter();
    rows.map(|row| {
        let word = |field: &str| row[field].as_str().unwrap_or_default();
        format!("{} {}/{}", word("kind"), word("region"), word("name"))
    })
    .collect()
}

#[test]
fn each_kind_is_listed_alone_or_with_the_others() {
    let world = World::new();
    let list = |words: &[&str]| {
        let words: Vec<&str> = [&["list"], words].concat();
        rows(&world.json(&words))
    };
    assert_eq!(list(&["--kind", "instance"]), ["instance us-central1/notebook"]);
    assert_eq!(list(&["--kind", "worker-pool"]), ["worker-pool us-central1/consumer"]);
    let jobs = ["job europe-west1/import", "job us-central1/import", "job us-central1/nightly"];
    assert_eq!(list(&["--kind", "job"]), jobs);
    assert_eq!(list(&["--kind", "job", "--region", "europe-west1"]), jobs[..1]);
    assert_eq!(list(&["import", "--kind", "job"]), jobs[..2]);
    // What is typed says its kind, and a plain name is of every kind.
    let both = ["instance us-central1/notebook", "job us-central1/nightly"];
    assert_eq!(list(&["jobs/nightly", "instances/note*"]), both);
    assert_eq!(list(&["n*", "--kind", "all"]), both);
    assert_eq!(list(&[NOTEBOOK, "worker-pools/us-central1/consumer"]).len(), 2);
    let all = list(&["--kind", "all"]);
    assert_eq!(all.len(), list(&[]).len() + 5, "{all:?}");
    // A function is listed by its service.
    let of_shared = ["--project", "sandbox-shared", "--kind", "function", "--allow-partial"];
    assert_eq!(list(&of_shared), ["function us-central1/resize-image"]);
    let run = world.sandbox(&["list", "--project", "sandbox-shared", "--kind", "function"]);
    assert_eq!(run.status, 8, "{run}");
    assert!(run.stderr.contains("function old_hook could not be read: it is of the 1st"), "{run}");
    for missing in ["instances/nope", "jobs/nope*", "worker-pools/europe-west1/consumer"] {
        let run = world.sandbox(&["list", missing]);
        assert_eq!(run.status, 6, "{run}");
        assert!(run.stderr.contains("hint: runaccess --sandbox list --kind all"), "{run}");
    }
    // A row of what has no address says nothing of one.
    let row = &world.json(&["list", "--kind", "worker-pool"])["services"][0];
    assert_eq!(row["service"], CONSUMER);
    assert_eq!((&row["exposure"], &row["ingress"]), (&Value::Null, &Value::Null));
    assert_eq!((&row["callers"], &row["invokerCount"]), (&json!("nobody"), &json!(0)));
    let row = &world.json(&["list", "--kind", "instance"])["services"][0];
    // Whether `roles/run.servicesInvoker` lets its holder in is not known.
    assert_eq!((&row["exposure"], &row["invokerCount"]), (&json!("restricted"), &json!(1)));
}

#[test]
fn a_kind_that_cannot_be_listed_is_named() {
    let mut world = World::new();
    let serve = Serve::with_faults(&world, &["403,route=*/namespaces/sandbox-project/instances"]);
    world.reach(&serve);
    let run = world.run(&["list", "--kind", "all"]);
    assert_eq!(run.status, 8, "{run}");
    assert!(run.stderr.contains("the instances of project `sandbox-project`"), "{run}");
    assert!(run.stdout.contains("consumer"), "{run}");
    assert_eq!(world.run(&["list", "--kind", "instance"]).status, 5);
    let run = world.run(&["revoke", "ana@example.com", "--everywhere", "--yes"]);
    assert!(
        run.stderr.contains("the instances of project `sandbox-project` is not known"),
        "{run}"
    );
}

/// Google's texts name two permissions, so that who holds one of them alone may or may not get in.
#[test]
fn who_holds_one_of_the_two_permissions_is_not_known_to_get_in() {
    let mut world = World::new();
    let serve = Serve::start(&world);
    world.reach(&serve);
    let explain = |who: &str| world.sandbox(&["explain", who, "instances/notebook", "-o", "json"]);
    assert_eq!(explain("ana@example.com").status, 0);
    assert_eq!(explain("gil@example.com").status, 3);
    let unknown = explain("bea@example.com");
    assert_eq!(unknown.status, 9, "{unknown}");
    let why = unknown.json()["unless"][0]["why"].to_string();
    assert!(why.contains("whether run.routes.invoke or run.instances.invoke is asked"), "{why}");
    let who = world.json(&["who", "instances/notebook"]);
    let members = |who: &Value| {
        let rows = who["invokers"].as_array().unwrap().iter();
        rows.map(|row| row["member"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(members(&who).contains(&"user:ana@example.com".to_owned()), "{who}");
    assert!(!members(&who).contains(&"user:bea@example.com".to_owned()), "{who}");
    assert!(who["unknown"].to_string().contains("held by user:bea@example.com"), "{who}");
    assert_eq!(world.sandbox(&["who", "instances/notebook", "--strict"]).status, 9);
    // The role to every one is as uncertain.
    let grant = ["grant", "allUsers", "instances/notebook", "--role", "roles/run.servicesInvoker"];
    assert_eq!(world.sandbox(&[&grant[..], &["--yes"]].concat()).status, 0);
    assert_eq!(world.json(&["list", "--kind", "instance"])["services"][0]["exposure"], "unknown");
    assert_eq!(explain("gil@example.com").status, 9);
    // So is a deny policy that names one of the two.
    let deny = |permission: &str| {
        let rule = json!({"displayName": "No", "rules": [{"denyRule": {
            "deniedPrincipals": ["principal://goog/subject/ana@example.com"],
            "deniedPermissions": [format!("run.googleapis.com/{permission}")]}}]});
        let point = "cloudresourcemanager.googleapis.com%2Fprojects%2F123456789012";
        let id = permission.replace('.', "-");
        let path = format!("/v2/policies/{point}/denypolicies?policyId=no-{id}");
        let (code, answer) = Plain::of(&serve.endpoint).send("POST", &path, Some(&rule));
        assert_eq!(code, 200, "{answer}");
    };
    deny("routes.invoke");
    assert_eq!(explain("ana@example.com").status, 9);
    deny("instances.invoke");
    assert_eq!(explain("ana@example.com").status, 3, "each of two policies is about one");
}

#[test]
fn an_instance_is_granted_undone_and_found_in_the_history() {
    let world = World::new();
    let granted = world.json(&["grant", "dev@example.com", "instances/notebook"]);
    let change = &granted["changes"][0];
    assert_eq!((&change["service"], &change["kind"]), (&json!(NOTEBOOK), &json!("instance")));
    assert_eq!(change["effect"][0]["verdict"], "allowed");
    for of in ["instances/notebook", "instances/us-central1/notebook", "instances/note*", NOTEBOOK]
    {
        let history = world.json(&["history", "--service", of]);
        assert_eq!(history["entries"].as_array().unwrap().len(), 1, "{of}");
    }
    for of in ["notebook", "jobs/notebook", "worker-pools/notebook"] {
        let history = world.json(&["history", "--service", of]);
        assert_eq!(history["entries"].as_array().unwrap().len(), 0, "{of}");
    }
    assert_eq!(world.sandbox(&["explain", "dev@example.com", "instances/notebook"]).status, 0);
    let printed = world.sandbox(&[
        "revoke",
        "dev@example.com",
        "notebook",
        "--kind",
        "instance",
        "--print",
        "gcloud",
    ]);
    assert!(
        printed.stdout.starts_with(
            "gcloud beta run instances remove-iam-policy-binding notebook --project=sandbox-project \
             --region=us-central1 --member=user:dev@example.com --role=roles/run.invoker"
        ),
        "{printed}"
    );
    assert_eq!(world.sandbox(&["undo", "--yes"]).status, 0);
    assert_eq!(world.sandbox(&["explain", "dev@example.com", "instances/notebook"]).status, 3);
    // Open to anyone, which asks first, and says so in the list.
    assert_eq!(world.sandbox(&["grant", "allUsers", "instances/notebook"]).status, 2);
    let opened = world.json(&["grant", "allUsers", "instances/notebook", "--yes"]);
    assert_eq!(opened["changes"][0]["exposure"]["after"], "public");
    // `--everywhere` reaches it.
    let left = world.sandbox(&["revoke", "ana@example.com", "--everywhere", "--yes", "-o", "json"]);
    let changed = left.json()["changes"].clone();
    assert!(changed.as_array().unwrap().iter().any(|it| it["service"] == NOTEBOOK), "{changed}");
    let ways = left.json()["left"].clone();
    let of_instance = |way: &&Value| way["service"] == NOTEBOOK;
    let way = ways.as_array().unwrap().iter().find(of_instance).cloned().unwrap_or_default();
    assert_eq!((&way["member"], &way["via"]), (&json!("user:ana@example.com"), &json!("service")));
}

#[test]
fn an_instance_is_called_at_its_address() {
    let world = World::new();
    let url = "https://notebook-123456789012.us-central1.run.app";
    for typed in ["instances/notebook", "instances/us-central1/notebook", NOTEBOOK] {
        assert_eq!(world.sandbox(&["url", typed]).stdout.trim(), url, "{typed}");
    }
    let near = world.sandbox(&["url", "instances/us-central1/notebok"]);
    assert_eq!(near.status, 6, "{near}");
    assert!(
        near.stderr.contains("hint: runaccess --sandbox url instances/us-central1/notebook"),
        "{near}"
    );
    let run = world.sandbox(&["curl", "instances/notebook", "/a/b", "-s"]);
    assert_eq!(
        (run.json()["service"].clone(), run.json()["path"].clone()),
        (json!("notebook"), json!("/a/b"))
    );
    assert_eq!(world.json(&["doctor", "instances/notebook"])["verdict"], "ok");
    assert_eq!(world.json(&["describe", "instances/notebook"])["status"]["url"], url);
    let proxy = Proxy::sandbox(&world, &["instances/notebook"]);
    let answer = proxy.ask("GET /through", &[], "");
    assert!(answer.contains("\"/through\""), "{answer}");
    // What is about services alone says so, and writes nothing.
    for words in [
        &["make-public", "instances/notebook", "--yes"][..],
        &["make-private", NOTEBOOK, "--yes"],
        &["ingress", "instances/notebook", "internal"],
        &["invoker-check", "instances/notebook", "off", "--yes"],
        &["audience", "add", "instances/notebook", "https://x.example.com"],
        &["connect", "hello", "instances/notebook"],
        &["domains", "instances/notebook"],
    ] {
        let run = world.sandbox(words);
        assert_eq!(run.status, 2, "{words:?}: {run}");
        assert!(run.stderr.contains("is an instance, and this is about services"), "{run}");
    }
}

#[test]
fn a_worker_pool_has_a_policy_and_nobody_invokes_it() {
    let world = World::new();
    let who = world.sandbox(&["who", "worker-pools/consumer", "-o", "json"]);
    assert_eq!((who.status, who.json()["invokers"].clone()), (0, json!([])));
    assert!(who.stderr.contains("nobody invokes a worker pool"), "{who}");
    for words in [
        &["grant", "dev@example.com", "worker-pools/consumer"][..],
        &["explain", "dev@example.com", "worker-pools/consumer"],
        &["connect", "worker-pools/consumer", "hello"],
        &["url", "worker-pools/consumer"],
        &["who", "worker-pools/consumer", "--with-overrides"],
    ] {
        assert_eq!(world.sandbox(words).status, 2, "{words:?}");
    }
    let role = ["--role", "roles/run.developer"];
    let grant = [&["grant", "dev@example.com", "worker-pools/consumer"][..], &role].concat();
    let run = world.sandbox(&[&grant[..], &["-o", "json"]].concat());
    let change = &run.json()["changes"][0];
    assert_eq!((&change["service"], &change["effect"]), (&json!(CONSUMER), &json!([])));
    assert!(!run.stderr.contains("does not let"), "{run}");
    let policy = world.json_of(&["--sandbox", "policy", "worker-pools/us-central1/consumer"]);
    let members = policy["bindings"][0]["members"].as_array().unwrap();
    assert_eq!(members.len(), 2, "{policy}");
    let history = world.json(&["history", "--service", "worker-pools/consumer"]);
    assert_eq!(history["entries"].as_array().unwrap().len(), 1);
    let printed = world.sandbox(&[&grant[..], &["--print", "gcloud"]].concat());
    assert!(printed.stdout.is_empty(), "{printed}");
    let revoke = [&["revoke", "dev@example.com", "worker-pools/consumer"][..], &role].concat();
    let printed = world.sandbox(&[&revoke[..], &["--print", "gcloud"]].concat());
    assert!(
        printed.stdout.starts_with("gcloud run worker-pools remove-iam-policy-binding"),
        "{printed}"
    );
    assert_eq!(world.sandbox(&revoke).status, 0);
    assert_eq!(world.sandbox(&["undo", "--yes"]).status, 0);
    // An address is asked of none.
    let under = ["--condition", "request.path == '/x'", "--condition-title", "x"];
    assert_ne!(world.sandbox(&[&grant[..], &under].concat()).status, 0);
}

/// A list without names, regions or pages that can be told apart is no list.
#[test]
fn a_malformed_list_is_not_an_empty_one() {
    let server =
        FakeServer::start(|_| Answer::json(&json!({"items": [{"metadata": {"name": "box"}}]})));
    let mut world = World::new();
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &server.endpoint);
    world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "t");
    world.set("CLOUDSDK_CORE_PROJECT", "p");
    let run = world.run(&["list", "--kind", "instance"]);
    assert_eq!(run.status, 1, "{run}");
}

//! `who`, `explain`, `roles --custom`: who can invoke, and why not, by all that bears on it.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::World;

const RUNNER: &str = "runner@sandbox-project.iam.gserviceaccount.com";
const COMPUTE: &str = "123456789012-compute@developer.gserviceaccount.com";
/// Cloud Scheduler's own account, which holds its role on the project.
const SCHEDULER: &str =
    "serviceAccount:service-123456789012@gcp-sa-cloudscheduler.iam.gserviceaccount.com";

#[test]
fn who_names_every_way_in_and_what_takes_it_away() {
    assert_snapshot!(World::new().sandbox(&["who", "intranet"]), @"
    --- stdout
    MEMBER                                                                  ROLE               VIA                       STATE        CONDITION
    serviceAccount:service-123456789012@gcp-sa-iap.iam.gserviceaccount.com  roles/run.invoker  service                   active
    user:you@example.com                                                    roles/owner        projects/sandbox-project  active
    serviceAccount:123456789012-compute@developer.gserviceaccount.com       roles/editor       projects/sandbox-project  active
    group:sre@example.com                                                   roles/run.invoker  folders/725218103497      conditional  resource.matchTag('433637338589/environment', 'production') (holds now)

    Identity-Aware Proxy lets by:
    MEMBER                       ROLE                             VIA      STATE
    group:employees@example.com  roles/iap.httpsResourceAccessor  service  active

    DENY POLICY     ON                          KEEPS OUT
    no-contractors  organizations/433637338589  principalSet://goog/group/contractors@example.com, but for principal://goog/subject/vendor@example.com
    --- status 0
    ");
}

#[test]
fn who_could_let_itself_in_is_told_on_request() {
    let world = World::new();
    let json = world.json(&["who", "us-central1/orders", "--indirect"]);
    let rows: Vec<(&str, &str, &str)> = json["indirect"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap();
            (text("member"), text("permission"), text("on").rsplit('/').next().unwrap())
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("user:you@example.com", "run.services.setIamPolicy", "orders"),
            (SCHEDULER, "iam.serviceAccounts.getOpenIdToken", COMPUTE),
            ("user:you@example.com", "iam.serviceAccounts.getOpenIdToken", RUNNER),
            (SCHEDULER, "iam.serviceAccounts.getOpenIdToken", RUNNER),
        ]
    );
    assert_eq!(world.json(&["who", "us-central1/orders"])["indirect"], Value::Null);
}

#[test]
fn what_may_not_be_read_is_unknown_and_never_no() {
    let world = World::new();
    // She may look at services, and at nothing above them.
    let bea = |words: &[&str]| world.sandbox(&[&["--account", "bea@example.com"], words].concat());
    let who = bea(&["who", "backoffice"]);
    assert_eq!(who.status, 0, "{who}");
    assert!(who.stderr.contains("note: unknown: the policy of projects/sandbox-project"), "{who}");
    assert_eq!(bea(&["who", "backoffice", "--strict"]).status, 9);
    assert_snapshot!(bea(&["explain", "ana@example.com", "hello"]), @"
    --- stdout
    unknown: whether user:ana@example.com may invoke us-central1/hello; what is known says no

    LAYER          SAYS     WHY
    reachability   pass     ingress is `all`
    iap            skip     Identity-Aware Proxy is off
    invoker-check  pass     the invoker check is on
    deny           unknown  the deny policies of `projects/sandbox-project` could not be read: it takes the permission `iam.denypolicies.list`
    allow          unknown  the policy of `projects/sandbox-project` could not be read: it takes the permission `resourcemanager.projects.getIamPolicy`

    Not known:
      deny: the deny policies of `projects/sandbox-project` could not be read: it takes the permission `iam.denypolicies.list`
      deny: the deny policies of `folders/725218103497` could not be read: it takes the permission `iam.denypolicies.list`
      deny: the deny policies above `folders/725218103497` could not be read: it takes the permission `resourcemanager.folders.get`
      allow: the policy of `projects/sandbox-project` could not be read: it takes the permission `resourcemanager.projects.getIamPolicy`
      allow: the policy of `folders/725218103497` could not be read: it takes the permission `resourcemanager.folders.getIamPolicy`
      allow: the policy above `folders/725218103497` could not be read: it takes the permission `resourcemanager.folders.get`
    --- status 9
    ");
    // What is known of herself rests on one question to Cloud Run.
    assert_snapshot!(bea(&["explain", "me", "hello"]), @"
    --- stdout
    denied: user:bea@example.com may not invoke us-central1/hello

    LAYER          SAYS     WHY
    reachability   pass     ingress is `all`
    iap            skip     Identity-Aware Proxy is off
    invoker-check  pass     the invoker check is on
    deny           unknown  the deny policies of `projects/sandbox-project` could not be read: it takes the permission `iam.denypolicies.list`
    allow          block    Cloud Run says that the caller does not hold the permission, groups and what is inherited weighed

    What would change it:
      runaccess --sandbox grant bea@example.com us-central1/hello
    --- stderr
    note: `me` is `bea@example.com`
    --- status 3
    ");
    let lenient = bea(&["explain", "ana@example.com", "hello", "--lenient", "-o", "json"]);
    let json: Value = serde_json::from_str(&lenient.stdout).unwrap();
    assert_eq!((json["verdict"].as_str(), lenient.status), (Some("denied"), 3));
    let strict = bea(&["explain", "ana@example.com", "hello", "-o", "json"]);
    let json: Value = serde_json::from_str(&strict.stdout).unwrap();
    assert_eq!((json["verdict"].as_str(), strict.status), (Some("unknown"), 9));
    assert_eq!(json["otherwise"], "denied");
    assert!(json["unless"].as_array().unwrap().len() >= 4, "{json}");
}

#[test]
fn a_proof_can_be_followed() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["explain", "sam@example.com", "hello"]), @"
    --- stdout
    allowed: user:sam@example.com may invoke us-central1/hello

    LAYER          SAYS  WHY
    reachability   pass  ingress is `all`
    iap            skip  Identity-Aware Proxy is off
    invoker-check  pass  the invoker check is on
    deny           pass  no deny policy reaches the caller
    allow          pass  a role that carries the permission is granted, under a condition that holds: roles/run.invoker to group:sre@example.com on folders/725218103497, if resource.matchTag('433637338589/environment', 'production')
    --- status 0
    ");
    assert_snapshot!(world.sandbox(&["explain", "contractor@example.com", "api"]), @"
    --- stdout
    denied: user:contractor@example.com may not invoke us-central1/api

    LAYER          SAYS   WHY
    reachability   pass   ingress is `all`
    iap            skip   Identity-Aware Proxy is off
    invoker-check  pass   the invoker check is on
    deny           block  the deny policy `no-contractors` takes it away: principalSet://goog/group/contractors@example.com on organizations/433637338589
    allow          pass   a role that carries the permission is granted: roles/run.invoker to domain:example.com on the service
    --- status 3
    ");
    assert_snapshot!(world.sandbox(&["explain", "ana@example.com", "intranet"]), @"
    --- stdout
    denied: user:ana@example.com may not invoke us-central1/intranet

    LAYER          SAYS   WHY
    reachability   pass   ingress is `all`
    iap            block  Identity-Aware Proxy asks first, and nothing lets the caller past it
    invoker-check  pass   the invoker check is on: Identity-Aware Proxy's own account is asked for
    deny           pass   no deny policy reaches the caller
    allow          pass   a role that carries the permission is granted: roles/run.invoker to serviceAccount:service-123456789012@gcp-sa-iap.iam.gserviceaccount.com on the service

    What would change it:
      gcloud beta iap web add-iam-policy-binding --member=user:ana@example.com --role=roles/iap.httpsResourceAccessor --region=us-central1 --resource-type=cloud-run --service=intranet --project=sandbox-project --condition=None # asks Google, not the sandbox
    --- status 3
    ");
    assert_snapshot!(world.sandbox(&["explain", "allUsers", "catalog"]), @"
    --- stdout
    denied: allUsers may not invoke us-central1/catalog

    LAYER          SAYS   WHY
    reachability   block  the default URL is off
    iap            skip   Identity-Aware Proxy is off
    invoker-check  pass   the invoker check is on
    deny           pass   no deny policy reaches the caller
    allow          pass   a role that carries the permission is granted: roles/run.invoker to allUsers on the service
    --- stderr
    note: as it is set now it can be called behind an external Application Load Balancer; opening it admits the internet
    --- status 3
    ");
}

#[test]
fn the_request_is_as_it_is_said() {
    let world = World::new();
    let verdict = |words: &[&str]| {
        let run = world.sandbox(&[&["explain"], words, &["-o", "value(verdict)"]].concat());
        format!("{}{}", run.stdout.trim(), run.status)
    };
    let auditor = "auditor@example.com";
    for (words, expected) in [
        (&[auditor, "billing"][..], "denied3"),
        (&[auditor, "billing", "--path", "/reports/q1"], "allowed0"),
        (&[auditor, "https://billing-k4qx7v2nza-uc.a.run.app/reports/q1?x=y"], "allowed0"),
        (&["contractor@example.com", "billing", "--at", "2026-03-01"], "denied3"),
        (&["vendor@example.com", "api", "--at", "2026-03-01T00:00:00Z"], "allowed0"),
        (&["bea@example.com", "backoffice"], "denied3"),
        (&["bea@example.com", "backoffice", "--from", "internal"], "allowed0"),
        (&["ola@example.com", "backoffice", "--from", "internal"], "allowed0"),
        (&["allUsers", "catalog"], "denied3"),
        (&["allUsers", "catalog", "--from", "load-balancer"], "allowed0"),
        (&["allUsers", "storefront", "--host", "shop.example.com"], "allowed0"),
        (&["allUsers", "storefront", "--host", "other.example.com"], "denied3"),
        (&["allUsers", "storefront", "--path", "/healthz"], "denied3"),
        (&["you@example.com", "https://canary---orders-k4qx7v2nza-uc.a.run.app"], "allowed0"),
        (
            &[
                "you@example.com",
                "us-central1/orders",
                "--host",
                "beta---orders-k4qx7v2nza-uc.a.run.app",
            ],
            "denied3",
        ),
        (&["you@example.com", "canary---orders-k4qx7v2nza-uc.a.run.app/items?x=/y"], "allowed0"),
        (&["auditor@example.com", "billing-k4qx7v2nza-uc.a.run.app/reports/q1?x=y"], "allowed0"),
        (
            &["dev@example.com", "api-k4qx7v2nza-uc.a.run.app/in?next=https://shop.example.com/x"],
            "allowed0",
        ),
        (&["service:billing", "us-central1/orders"], "allowed0"),
        // By each of its members.
        (&["group:team@example.com", "chat"], "allowed0"),
        (&["someone@gmail.com", "reports"], "allowed0"),
        (&["allUsers", "reports"], "denied3"),
    ] {
        assert_eq!(verdict(words), expected, "{words:?}");
    }
}

/// Who may do nothing but invoke is told so by Cloud Run itself, though not even the service may be
/// read.
#[test]
fn an_invoker_that_may_read_nothing_gets_an_answer() {
    let world = World::new();
    let explain = |account: &str, more: &[&str]| {
        let words = ["--account", account, "explain", "me", "us-central1/reports"];
        world.sandbox(&[&words[..], more, &["-o", "json"]].concat())
    };
    let run = explain("ana@example.com", &[]);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["verdict"], "allowed", "she may read this one: {run}");
    world.sandbox(&["grant", "lea@example.com", "orders", "--region", "us-central1", "--yes"]);
    for (account, otherwise, lenient) in
        [("lea@example.com", "allowed", 0), ("mia@example.com", "denied", 3)]
    {
        let words = ["--account", account, "explain", "me", "us-central1/orders", "-o", "json"];
        let run = world.sandbox(&words);
        let report: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!((run.status, &report["verdict"]), (9, &json!("unknown")), "{run}");
        assert_eq!(report["otherwise"], otherwise, "{run}");
        assert_eq!(world.sandbox(&[&words[..], &["--lenient"]].concat()).status, lenient);
    }
}

/// What is offered opens the service to where the request comes from, and no further; for what no
/// setting opens, nothing is.
#[test]
fn what_would_change_it_is_the_least() {
    let world = World::new();
    let fix = |words: &[&str]| {
        let run = world.sandbox(&[&["explain"], words, &["-o", "json"]].concat());
        let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        report["fix"].clone()
    };
    let update = |value: &str| {
        json!([format!("runaccess --sandbox ingress us-central1/backoffice {value}")])
    };
    let bea = ["bea@example.com", "backoffice"];
    assert_eq!(fix(&bea), update("all"));
    assert_eq!(
        fix(&[&bea[..], &["--from", "load-balancer"]].concat()),
        update("internal-and-cloud-load-balancing")
    );
    assert_eq!(fix(&[&bea[..], &["--path", "/healthz"]].concat()), json!([]));
    assert_eq!(fix(&[&bea[..], &["--host", "other.example.com"]].concat()), json!([]));
    // A deny policy outranks whatever else were granted.
    assert_eq!(fix(&["contractor@example.com", "billing"]), json!([]));
    // The public is not let by Identity-Aware Proxy in passing, and an account that only its prefix
    // makes one is named by it.
    assert_eq!(fix(&["allUsers", "intranet"]), json!([]));
    let robot = fix(&["serviceAccount:ana@example.com", "hello"]);
    assert!(robot[0].as_str().unwrap().contains("grant serviceAccount:ana@"), "{robot}");
    // Somebody else does not have this command's flags.
    let run = world.sandbox(&[
        "--project",
        "sandbox-shared",
        "explain",
        "zed@gmail.com",
        "shared-api",
        "-o",
        "json",
    ]);
    assert!(!run.stdout.contains("grant zed@gmail.com shared-api"), "{run}");
}

#[test]
fn what_is_asked_wrongly_is_put_right() {
    let world = World::new();
    for (words, hint) in [
        (
            ["principal://goog/subject/dev@example.com", "hello"],
            "explain user:dev@example.com hello",
        ),
        (["principalSet://goog/group/t@example.com", "hello"], "explain group:t@example.com hello"),
    ] {
        let run = world.sandbox(&[&["explain"], &words[..]].concat());
        assert!(run.status == 2 && run.stderr.contains(hint), "{run}");
    }
    for host in ["", "https://foo/", "a:443"] {
        assert_eq!(world.sandbox(&["explain", "me", "hello", "--host", host]).status, 2);
    }
    let run = world.sandbox(&["explain", "hello", "dev@example.com"]);
    assert_eq!(run.status, 2);
    assert!(
        run.stderr.contains("hint: runaccess --sandbox explain dev@example.com hello"),
        "{run}"
    );
    for words in [
        &["explain", "dev@example.com", "hello", "--path", "reports"][..],
        &["explain", "dev@example.com", "hello", "--at", "soon"],
        &["explain", "dev@example.com", "hello", "--from", "mars"],
        &["explain", "deleted:user:a@x.com?uid=1", "hello"],
        &["explain", "dev@example.com"],
    ] {
        assert_eq!(world.sandbox(words).status, 2, "{words:?}");
    }
    assert_eq!(world.sandbox(&["explain", "me", "nosuch"]).status, 6);
}

#[test]
fn custom_roles_are_listed_with_what_they_bring() {
    assert_snapshot!(World::new().sandbox(&["roles", "--custom"]), @"
    --- stdout
    ROLE                                           INVOKES  CAN GRANT  TITLE          ALSO
    projects/sandbox-project/roles/reportReader    yes                 Report reader  read services
    organizations/433637338589/roles/legacyCaller                      Caller of old  nothing: it is disabled
    --- status 0
    ");
}

/// The JSON of `explain` is a contract.
#[test]
fn the_document_has_what_is_promised() {
    let json = World::new().json(&["explain", "sam@example.com", "hello", "--at", "2026-06-01"]);
    let allow = &json["steps"][4];
    assert_eq!(json["sandbox"], true);
    assert_eq!(json["request"]["time"], "2026-06-01T00:00:00Z");
    assert_eq!(json["request"]["from"], "internet");
    assert_eq!((&json["otherwise"], &json["unless"]), (&Value::Null, &json!([])));
    let layers: Vec<&str> =
        json["steps"].as_array().unwrap().iter().map(|s| s["layer"].as_str().unwrap()).collect();
    assert_eq!(layers, ["reachability", "iap", "invoker-check", "deny", "allow"]);
    assert_eq!(
        allow["source"],
        json!({
            "resource": "folders/725218103497",
            "role": "roles/run.invoker",
            "member": "group:sre@example.com",
            "condition": {
                "title": "production only",
                "expression": "resource.matchTag('433637338589/environment', 'production')",
            },
        })
    );
}

/// A group is judged by all its members, layer by layer.
#[test]
fn a_group_is_judged_by_its_members() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["explain", "group:team@example.com", "hello"]), @"
    --- stdout
    denied: group:team@example.com may not invoke us-central1/hello

    LAYER          SAYS   WHY
    reachability   pass   ingress is `all`
    iap            skip   Identity-Aware Proxy is off
    invoker-check  pass   the invoker check is on
    deny           pass   no deny policy reaches the caller
    allow          block  0 of 2 members of `group:team@example.com` get in; `user:bea@example.com` does not: no grant reaches the caller

    What would change it:
      runaccess --sandbox grant group:team@example.com us-central1/hello
    --- status 3
    ");
    for member in ["bea@example.com", "ola@example.com"] {
        let explained = world.json(&["explain", member, "hello"]);
        assert_eq!(explained["verdict"], "denied");
    }
    // One of two, and then the other.
    world.sandbox(&["grant", "bea@example.com", "hello"]);
    let run = world.sandbox(&["explain", "group:team@example.com", "hello"]);
    assert_eq!(run.status, 3, "{run}");
    assert!(run.stdout.contains("1 of 2 members of `group:team@example.com` get in"), "{run}");
    world.sandbox(&["grant", "ola@example.com", "hello"]);
    let run = world.sandbox(&["explain", "group:team@example.com", "hello"]);
    assert_eq!(run.status, 0, "{run}");
    // The same of a job.
    for (member, status) in [("bea@example.com", 3), ("ola@example.com", 0)] {
        world.sandbox(&["grant", member, "jobs/nightly"]);
        let run = world.sandbox(&["explain", "group:team@example.com", "jobs/nightly"]);
        assert_eq!(run.status, status, "{run}");
    }
    // Whom a deny policy reaches does not get in, whatever the group has.
    world.sandbox(&["grant", "group:contractors@example.com", "hello"]);
    let run = world.sandbox(&["explain", "group:contractors@example.com", "hello"]);
    assert_eq!(run.status, 3, "{run}");
    assert!(run.stdout.contains("deny           block"), "{run}");
}

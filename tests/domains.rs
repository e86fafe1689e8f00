//! Custom domains and the graph.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::{Answer, FakeServer, Plain, Serve, World};

#[test]
fn domains_are_listed_with_their_certificates_and_checked() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["domains"]), @"
    --- stdout
    DOMAIN            SERVICE                 CERTIFICATE  SINCE       DNS RECORDS
    api.example.com   us-central1/api         pending      2026-01-12  CNAME ghs.googlehosted.com.
    shop.example.com  us-central1/storefront  ready        2026-01-12  CNAME ghs.googlehosted.com.
    --- stderr
    note: `api.example.com`: Waiting for certificate provisioning. You must configure your DNS records for certificate issuance to begin.
    --- status 0
    ");
    assert_snapshot!(world.sandbox(&["domains", "--check"]), @"
    --- stdout
    DOMAIN            SERVICE                 CERTIFICATE  SINCE       DNS RECORDS                  IN THE DNS
    api.example.com   us-central1/api         pending      2026-01-12  CNAME ghs.googlehosted.com.  is not there, but CNAME old-gateway.example.net.
    shop.example.com  us-central1/storefront  ready        2026-01-12  CNAME ghs.googlehosted.com.  resolves
    --- stderr
    note: `api.example.com`: Waiting for certificate provisioning. You must configure your DNS records for certificate issuance to begin.
    --- status 3
    ");
    assert_snapshot!(world.sandbox(&["domains", "storefront", "--check", "-o", "json"]), @r#"
    --- stdout
    {
      "sandbox": true,
      "domains": [
        {
          "domain": "shop.example.com",
          "service": "projects/sandbox-project/locations/us-central1/services/storefront",
          "region": "us-central1",
          "ready": true,
          "certificate": "ready",
          "since": "2026-01-12T09:00:00Z",
          "message": null,
          "records": [
            {
              "name": "shop.example.com",
              "type": "CNAME",
              "data": "ghs.googlehosted.com.",
              "resolves": "yes",
              "found": []
            }
          ]
        }
      ],
      "unknown": []
    }
    --- status 0
    "#);
    assert_snapshot!(world.sandbox(&["domains", "hello"]), @"
    --- stderr
    note: no domain is mapped to `us-central1/hello`
    --- status 0
    ");
}

#[test]
fn a_domain_is_mapped_unmapped_and_mapped_again() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["domains", "map", "blog.example.com", "hello"]), @"
    --- stdout
    SERVICE           STATUS   CHANGE
    blog.example.com  changed  domainMapping: + hello
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      blog.example.com
        domainMapping: + hello
    note: set this in the DNS of the domain; its certificate is made after that:
      blog.example.com. CNAME ghs.googlehosted.com.
    hint: runaccess --sandbox domains us-central1/hello --check
    note: where a token is asked for, it is for the service's own URL; for it to take tokens for the domain too:
    hint: runaccess --sandbox audience add us-central1/hello https://blog.example.com
    undo: runaccess --sandbox undo s1
    --- status 0
    ");
    assert_snapshot!(world.sandbox(&["domains", "map", "blog.example.com", "storefront"]), @"
    --- stdout
    SERVICE           STATUS  CHANGE
    blog.example.com  failed  failed-precondition
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      blog.example.com  cannot be planned
    error: `blog.example.com` leads to `hello` already
    caused by: a domain leads to one service at a time
    hint: runaccess --sandbox domains unmap blog.example.com
    --- status 1
    ");
    assert_snapshot!(world.sandbox(&["domains", "unmap", "blog.example.com"]), @"
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      blog.example.com
        domainMapping: - hello
        warning: whoever calls the domain gets an error from then on, and its certificate is given up: a new one takes a while
    error: this must be confirmed: `blog.example.com` leads to `hello` no more
    caused by: there is no terminal to ask at; `--yes` accepts the plan that is shown
    hint: runaccess --sandbox domains unmap blog.example.com --dry-run
    --- status 2
    ");
    assert_eq!(world.sandbox(&["undo", "s1", "--yes"]).status, 0);
    let domains = world.json(&["domains", "hello"]);
    assert_eq!(domains["domains"], json!([]));
    assert_eq!(world.sandbox(&["undo", "s2", "--yes"]).status, 0);
    let domains = world.json(&["domains", "hello"]);
    assert_eq!(domains["domains"][0]["domain"], "blog.example.com");
    // Made anew by somebody else, it is not the one that was undone.
    let unmap = ["domains", "unmap", "blog.example.com", "--yes", "--no-journal"];
    assert_eq!(world.sandbox(&unmap).status, 0);
    let map = ["domains", "map", "blog.example.com", "hello", "--no-journal"];
    assert_eq!(world.sandbox(&map).status, 0);
    let undo = world.sandbox(&["undo", "s3", "--yes"]);
    assert!(undo.stderr.contains("the domain mapping was deleted and made anew since"), "{undo}");
    assert_snapshot!(
        world.sandbox(&["domains", "map", "x.example.com", "hello", "--print", "gcloud"]),
        @"
    --- stdout
    gcloud beta run domain-mappings create --domain=x.example.com --project=sandbox-project --region=us-central1 --service=hello
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      x.example.com
        domainMapping: + hello
    warning: these commands go to Google, unless gcloud is pointed at `runaccess sandbox serve`
    --- status 0
    "
    );
}

#[test]
fn why_a_domain_cannot_be_mapped_is_said() {
    let mut world = World::new();
    let serve = Serve::start(&world);
    world.reach(&serve);
    assert_snapshot!(world.run(&["domains", "map", "blog.other.com", "hello"]), @"
    --- stdout
    SERVICE         STATUS  CHANGE
    blog.other.com  failed  permission-denied
    --- stderr
    plan: project sandbox-project (`CLOUDSDK_CORE_PROJECT`), by `CLOUDSDK_AUTH_ACCESS_TOKEN`
      blog.other.com
        domainMapping: + hello
    error: `blog.other.com` is not known to be yours
    caused by: who owns a domain is verified in Google's Search Console
    hint: gcloud domains verify other.com
    --- status 5
    ");
    // Another project has it.
    let elsewhere = ["--project", "sandbox-shared", "domains", "map", "shop.example.com", "search"];
    assert_snapshot!(world.run(&elsewhere), @"
    --- stdout
    SERVICE           STATUS  CHANGE
    shop.example.com  failed  failed-precondition
    --- stderr
    plan: project sandbox-shared (`--project`), by `CLOUDSDK_AUTH_ACCESS_TOKEN`
      shop.example.com
        domainMapping: + search
    error: `shop.example.com` is mapped already, in another project or region
    caused by: Resource 'shop.example.com' already exists.
    hint: runaccess --project sandbox-shared domains map shop.example.com search --force-override
    --- status 1
    ");
    let force = [&elsewhere[..], &["--force-override", "--yes"]].concat();
    assert_eq!(world.json_of(&force)["changes"][0]["status"], "changed");
    assert_eq!(world.json_of(&["domains", "storefront"])["domains"], json!([]));
    assert_snapshot!(world.run(&["domains", "unmap", "nosuch.example.com"]), @"
    --- stdout
    SERVICE  STATUS  CHANGE
    --- stderr
    note: `nosuch.example.com` is mapped to no service of project `sandbox-project`
    note: no service to change
    --- status 0
    ");
    assert_snapshot!(world.run(&["domains", "map", "localhost", "hello"]), @"
    --- stderr
    error: invalid value 'localhost' for '<DOMAIN>': write a domain, such as shop.example.com

    For more information, try '--help'.
    --- status 2
    ");
    assert_eq!(world.run(&["domains", "map", "a.example.com", "nosuch"]).status, 6);
}

#[test]
fn a_mapped_domain_stands_for_its_service_everywhere() {
    let world = World::new();
    let full = "projects/sandbox-project/locations/us-central1/services/storefront";
    for command in ["describe", "who", "url"] {
        let json = world.json(&[command, "https://shop.example.com/x?y"]);
        assert_eq!(json["service"], full, "{command}");
    }
    let urls = world.json(&["url", "storefront", "--all"]);
    assert_eq!(urls["urls"][2], "https://shop.example.com");
    let described = world.json(&["describe", "storefront"]);
    let domains = json!([{"domain": "shop.example.com", "certificate": "ready"}]);
    assert_eq!(described["domains"], domains);
    assert_eq!(world.json(&["list", "shop.example.com"])["services"][0]["name"], "storefront");
    let planned = world.json(&["grant", "dev@example.com", "shop.example.com", "-n"]);
    assert_eq!(planned["changes"][0]["service"], full);
    let explained = world.json(&["explain", "dev@example.com", "shop.example.com"]);
    assert_eq!((&explained["service"], &explained["verdict"]), (&json!(full), &json!("allowed")));
    assert_eq!(world.sandbox(&["curl", "shop.example.com", "-s"]).status, 0);
    assert_eq!(world.sandbox(&["url", "nosuch.example.com"]).status, 6);
}

#[test]
fn what_the_dns_does_not_tell_is_unknown() {
    let mut world = World::new();
    let serve = Serve::with_faults(&world, &["400,route=/resolve"]);
    world.reach(&serve);
    let run = world.run(&["domains", "--check", "-o", "json"]);
    assert_eq!(run.status, 9, "{run}");
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["domains"][0]["records"][0]["resolves"], "unknown");
}

#[test]
fn the_graph_tells_who_calls_whom() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["graph"]), @r#"
    --- stdout
    SERVICE                             MAY BE CALLED BY                                         WHICH RUNS                  BY
    us-central1/api                     domain:example.com                                                                   roles/run.invoker
    us-central1/backoffice              group:team@example.com                                                               roles/run.invoker
    us-central1/billing                 user:auditor@example.com                                                             roles/run.invoker, if request.path.startsWith("/reports")
    us-central1/billing                 user:finance@example.com                                                             roles/run.invoker
    us-central1/catalog                 allUsers                                                                             roles/run.invoker
    us-central1/chat                    group:team@example.com                                                               roles/run.invoker
    us-central1/intranet                service-123456789012@gcp-sa-iap.iam.gserviceaccount.com                              roles/run.invoker
    europe-west1/orders                 runner@sandbox-project.iam.gserviceaccount.com           us-central1/billing         roles/run.invoker
    europe-west1/orders                 user:ana@example.com                                                                 roles/run.invoker
    us-central1/orders                  runner@sandbox-project.iam.gserviceaccount.com           us-central1/billing         roles/run.invoker
    us-central1/orders                  user:ana@example.com                                                                 roles/run.invoker
    us-central1/reports                 allAuthenticatedUsers                                                                roles/run.invoker
    us-central1/reports                 user:ana@example.com                                                                 projects/sandbox-project/roles/reportReader
    us-central1/reports                 user:ana@example.com                                                                 roles/run.developer
    us-central1/status-page             allUsers                                                                             the invoker check is off
    us-central1/storefront              allUsers                                                                             roles/run.invoker
    all below projects/sandbox-project  123456789012-compute@developer.gserviceaccount.com       us-central1/api and 7 more  roles/editor
    all below folders/725218103497      group:sre@example.com                                                                roles/run.invoker, if resource.matchTag('433637338589/environment', 'production')
    all below projects/sandbox-project  user:you@example.com                                                                 roles/owner

    no grant of their own: us-central1/hello
    --- stderr
    note: deny policies above may keep some of them out: `explain` weighs them
    --- status 0
    "#);
    let json = world.json(&["graph"]);
    let edges = json["graph"].as_array().unwrap();
    let runner = edges.iter().find(|edge| edge["caller"].as_str().unwrap().contains("runner@"));
    let billing = "projects/sandbox-project/locations/us-central1/services/billing";
    assert_eq!(runner.unwrap()["runs"], json!([billing]));
    let own = world.json(&["graph", "--no-inherited"]);
    assert!(own["graph"].as_array().unwrap().iter().all(|edge| !edge["service"].is_null()));
}

#[test]
fn what_the_graph_does_not_know_is_said_in_every_form() {
    let mut world = World::new();
    let serve = Serve::with_faults(&world, &["unreadable-policy,route=*storefront*"]);
    world.reach(&serve);
    let table = world.run(&["graph"]);
    assert_eq!(table.status, 8, "{table}");
    assert!(table.stdout.contains("unknown, not read: us-central1/storefront"), "{table}");
    assert!(table.stdout.contains("no grant of their own: us-central1/hello\n"), "{table}");
    for drawn in ["--mermaid", "--dot"] {
        let drawing = world.run(&["graph", drawn]).stdout;
        assert!(drawing.contains("us-central1/storefront (policy not read)"), "{drawing}");
    }
}

#[test]
fn the_graph_is_drawn() {
    let world = World::new();
    let shared = ["--project", "sandbox-shared", "graph", "--no-inherited"];
    assert_snapshot!(world.sandbox(&[&shared[..], &["--mermaid"]].concat()), @r#"
    --- stdout
    flowchart LR
        s0["europe-west1/checkout"]
        s1["us-central1/checkout"]
        s2["europe-west1/events"]
        s3["us-central1/resize-image"]
        s4["us-central1/search"]
        c0[/"group:team@example.com"/]
        c0 --> s0
        c0 --> s1
        c0 --> s2
        c0 --> s3
        c0 --> s4
        classDef public stroke:#c00,stroke-width:3px
    --- stderr
    note: deny policies above may keep some of them out: `explain` weighs them
    --- status 0
    "#);
    assert_snapshot!(world.sandbox(&[&shared[..], &["--dot"]].concat()), @r#"
    --- stdout
    digraph access {
        rankdir=LR;
        compound=true;
        subgraph cluster_project {
            label="sandbox-shared";
            project [shape=point, style=invis];
            s0 [shape=box, label="europe-west1/checkout"];
            s1 [shape=box, label="us-central1/checkout"];
            s2 [shape=box, label="europe-west1/events"];
            s3 [shape=box, label="us-central1/resize-image"];
            s4 [shape=box, label="us-central1/search"];
        }
        c0 [shape=house, label="group:team@example.com"];
        c0 -> s0;
        c0 -> s1;
        c0 -> s2;
        c0 -> s3;
        c0 -> s4;
    }
    --- stderr
    note: deny policies above may keep some of them out: `explain` weighs them
    --- status 0
    "#);
}

#[test]
fn a_region_that_could_not_be_read_is_unknown_and_nothing_is_planned_on_it() {
    let mut world = World::new();
    let serve = Serve::with_faults(&world, &["unreadable-region=us-central1"]);
    world.reach(&serve);
    for command in [&["domains"][..], &["domains", "--check"]] {
        let run = world.run(command);
        assert_eq!(run.status, 8, "{run}");
        assert!(!run.stderr.contains("no domain is mapped"), "{run}");
    }
    let json = world.run(&["domains", "-o", "json"]);
    assert!(json.stdout.contains("region us-central1"), "{json}");
    let run = world.run(&["domains", "unmap", "shop.example.com", "--yes"]);
    assert_eq!(run.status, 8, "{run}");
    assert!(!run.stderr.contains("undo:"), "{run}");
    let run = world.run(&["url", "https://shop.example.com"]);
    assert_eq!(run.status, 9, "{run}");
}

#[test]
fn where_every_region_is_refused_the_one_that_is_known_is_asked() {
    for answer in [
        Answer::error(400, "INVALID_ARGUMENT", "Location '-' is not valid."),
        Answer::Full(404, "text/html", "<h1>404</h1>".to_owned()),
    ] {
        let mut world = World::new();
        let serve = Serve::start(&world);
        let plain = Plain::of(&serve.endpoint);
        let server = FakeServer::start(move |line| {
            if line.contains("/locations/-/domainmappings") {
                return answer.clone();
            }
            let mut words = line.split(' ');
            let (method, path) = (words.next().unwrap(), words.next().unwrap());
            let (code, read) =
                plain.send(method, path, (method == "POST").then(|| json!({})).as_ref());
            Answer::Full(code, "application/json", read.to_string())
        });
        world.reach(&serve);
        world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &server.endpoint);
        let run = world.run(&["domains", "--region", "us-central1"]);
        assert!(run.status == 0 && run.stdout.contains("shop.example.com"), "{run}");
        let run = world.run(&["domains", "us-central1/storefront"]);
        assert!(run.status == 0 && run.stdout.contains("shop.example.com"), "{run}");
        let run = world.run(&["url", "https://shop.example.com"]);
        assert_eq!(run.status, 9, "{run}");
        let run = world.run(&["domains", "map", "x.run.example.com", "us-central1/hello", "-n"]);
        assert_eq!(run.status, 0, "{run}");
    }
}

#[test]
fn an_ingress_that_is_not_said_is_read_where_it_is_set() {
    // Set to `internal` by v1, and as v2 observes it.
    let server = |observed: &'static str| {
        FakeServer::start(move |line| {
            let name = "projects/p/locations/us-central1/services/hello";
            if line.contains("/v1/projects/p/locations/us-central1/services/hello") {
                let annotations = json!({"run.googleapis.com/ingress": "internal"});
                return Answer::json(&json!({"metadata": {"annotations": annotations}}));
            }
            if line.contains("IamPolicy") {
                return Answer::json(&json!({"etag": "ACAB"}));
            }
            if line.contains("domainmappings") {
                return Answer::json(&json!({}));
            }
            Answer::json(&json!({"name": name, "etag": "e", "ingress": observed}))
        })
    };
    let unsaid = server("INGRESS_TRAFFIC_UNSPECIFIED");
    let mut world = World::new();
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &unsaid.endpoint);
    world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "t");
    world.set("CLOUDSDK_CORE_PROJECT", "p");
    let run = world.run(&["ingress", "us-central1/hello", "all", "-n"]);
    assert!(run.stderr.contains("ingress: internal -> all"), "{run}");
    // What is set counts, where another is in force still.
    let server = server("INGRESS_TRAFFIC_ALL");
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &server.endpoint);
    for (value, said) in [("all", "ingress: internal -> all"), ("internal", "nothing to change")] {
        let run = world.run(&["ingress", "us-central1/hello", value, "-n"]);
        assert!(run.stderr.contains(said), "{run}");
    }
    let run = world.run(&["describe", "us-central1/hello"]);
    assert!(run.stdout.contains("all (set to internal, which is not in force yet)"), "{run}");
    let world = World::new();
    let run = world.sandbox(&["ingress", "hello", "none", "--print", "gcloud"]);
    assert_eq!(run.status, 2, "{run}");
    assert!(run.stderr.contains("knows no ingress `none`"), "{run}");
    let run = world.sandbox(&["audience", "add", "hello", "notaurl"]);
    assert_eq!(run.status, 2, "{run}");
}

/// Which domains lead to a service is not known if they could not be read, and none is not said.
#[test]
fn domains_that_were_not_read_are_not_none() {
    let mut world = World::new();
    let serve = Serve::with_faults(&world, &["403,route=*domainmappings*"]);
    world.reach(&serve);
    let run = world.run(&["describe", "us-central1/storefront", "-o", "json"]);
    assert_eq!(run.status, 8, "{run}");
    assert_eq!(run.json()["domains"], json!(null), "{run}");
    assert!(run.stderr.contains("could not read the domains of `us-central1/storefront`"), "{run}");
}

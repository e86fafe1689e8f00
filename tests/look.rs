//! `list`, `describe`, `url`, `who`, `policy`, `roles`, `help`: commands that only look.

use insta::assert_snapshot;

use crate::support::{World, without_etags};

#[test]
fn list_shows_how_exposed_each_service_is() {
    assert_snapshot!(World::new().sandbox(&["list"]), @"
    --- stdout
    NAME         REGION        EXPOSURE                     INVOKERS  URL
    api          us-central1   restricted                   1         https://api-k4qx7v2nza-uc.a.run.app
    backoffice   us-central1   restricted                   1         https://backoffice-k4qx7v2nza-uc.a.run.app
    billing      us-central1   restricted                   2         https://billing-k4qx7v2nza-uc.a.run.app
    catalog      us-central1   public-behind-load-balancer  anyone    (default URL off)
    chat         us-central1   restricted                   1         https://chat-k4qx7v2nza-uc.a.run.app
    hello        us-central1   restricted                   0         https://hello-k4qx7v2nza-uc.a.run.app
    intranet     us-central1   iap                          1         https://intranet-k4qx7v2nza-uc.a.run.app
    orders       europe-west1  restricted                   2         https://orders-k4qx7v2nza-ew.a.run.app
    orders       us-central1   restricted                   2         https://orders-k4qx7v2nza-uc.a.run.app
    reports      us-central1   any-google-account           2         https://reports-k4qx7v2nza-uc.a.run.app
    status-page  us-central1   public                       anyone    https://status-page-k4qx7v2nza-uc.a.run.app
    storefront   us-central1   public                       anyone    https://storefront-k4qx7v2nza-uc.a.run.app
    --- stderr
    note: 3 of 12 take callers without any credential: us-central1/catalog, us-central1/status-page, us-central1/storefront
    --- status 0
    ");
}

#[test]
fn list_filters_by_name_and_exposure() {
    let world = World::new();
    let names = |arguments: &[&str]| {
        let run = world.sandbox(&[&["list", "-o", "value(name,region)"], arguments].concat());
        (run.stdout.replace('\t', "@").replace('\n', " "), run.status)
    };
    assert_eq!(names(&["orders"]).0, "orders@europe-west1 orders@us-central1 ");
    assert_eq!(names(&["'"]).1, 2);
    assert_eq!(
        names(&["st*", "europe-west1/orders"]).0,
        "status-page@us-central1 storefront@us-central1 orders@europe-west1 "
    );
    assert_eq!(names(&["--region", "europe-west1"]).0, "orders@europe-west1 ");
    assert_eq!(
        names(&["--exposure", "public,iap"]).0,
        "intranet@us-central1 status-page@us-central1 storefront@us-central1 "
    );
    assert_eq!(names(&["--exposure", "public", "--fail"]).1, 3);
    assert_eq!(names(&["--exposure", "unreachable", "--fail"]), (String::new(), 0));
    assert_eq!(
        names(&["--project", "sandbox-shared"]).0,
        "checkout@europe-west1 checkout@us-central1 events@europe-west1 resize-image@us-central1 search@us-central1 "
    );
    assert_eq!(names(&["nosuch"]).1, 6);
}

#[test]
fn list_without_access_reads_no_policy() {
    let world = World::new();
    let run = world.sandbox(&["list", "--no-access", "-v", "-o", "value(name,exposure)", "st*"]);
    assert_eq!(run.stdout, "status-page\tpublic\nstorefront\tunknown\n");
    assert_eq!(run.stderr.matches("request:").count(), 1, "{run}");
}

#[test]
fn describe_tells_all_that_bears_on_access() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["describe", "us-central1/orders"]), @"
    --- stdout
    service        orders
    project        sandbox-project
    region         us-central1
    url            https://orders-k4qx7v2nza-uc.a.run.app
    also           https://orders-123456789012.us-central1.run.app
    tag canary     https://canary---orders-k4qx7v2nza-uc.a.run.app (0%)
    ready          yes
    exposure       restricted
    because        the deny policy `no-contractors` on `organizations/433637338589` keeps some out
    ingress        all
    default URL    on
    invoker check  on
    IAP            off
    protocol       HTTP/1
    runs as        orders-api@sandbox-project.iam.gserviceaccount.com
    invoker        serviceAccount:runner@sandbox-project.iam.gserviceaccount.com (roles/run.invoker)
    invoker        user:ana@example.com (roles/run.invoker)
    invoker        user:you@example.com (roles/owner, from projects/sandbox-project)
    invoker        serviceAccount:123456789012-compute@developer.gserviceaccount.com (roles/editor, from projects/sandbox-project)
    invoker        group:sre@example.com (roles/run.invoker, if resource.matchTag('433637338589/environment', 'production'), from folders/725218103497) [conditional]
    created        2026-01-12T09:00:00Z
    updated        2026-01-12T09:00:00Z
    --- status 0
    ");
    assert_snapshot!(world.sandbox(&["describe", "catalog"]), @"
    --- stdout
    service        catalog
    project        sandbox-project
    region         us-central1
    url            (default URL off)
    ready          yes
    exposure       public-behind-load-balancer
    because        `allUsers` has `roles/run.invoker`
    because        ingress is internal and load balancers
    because        the deny policy `no-contractors` on `organizations/433637338589` keeps some out
    ingress        internal-and-cloud-load-balancing
    default URL    off
    invoker check  on
    IAP            off
    protocol       HTTP/1
    runs as        123456789012-compute@developer.gserviceaccount.com
    invoker        allUsers (roles/run.invoker)
    invoker        user:you@example.com (roles/owner, from projects/sandbox-project)
    invoker        serviceAccount:123456789012-compute@developer.gserviceaccount.com (roles/editor, from projects/sandbox-project)
    invoker        group:sre@example.com (roles/run.invoker, if resource.matchTag('433637338589/environment', 'production'), from folders/725218103497) [conditional]
    created        2026-01-12T09:00:00Z
    updated        2026-01-12T09:00:00Z
    --- status 0
    ");
    let json = without_etags(world.json(&["describe", "billing"]));
    insta::assert_json_snapshot!(json, @r#"
    {
      "sandbox": true,
      "name": "billing",
      "service": "projects/sandbox-project/locations/us-central1/services/billing",
      "project": "sandbox-project",
      "region": "us-central1",
      "status": {
        "url": "https://billing-k4qx7v2nza-uc.a.run.app",
        "ready": true,
        "reason": null,
        "message": null
      },
      "urls": [
        "https://billing-k4qx7v2nza-uc.a.run.app",
        "https://billing-123456789012.us-central1.run.app"
      ],
      "tags": [],
      "domains": [],
      "ingress": "all",
      "ingressSet": null,
      "invokerCheck": true,
      "iap": false,
      "defaultUrl": true,
      "customAudiences": [],
      "serviceAccount": "runner@sandbox-project.iam.gserviceaccount.com",
      "agentIdentity": null,
      "http2": false,
      "callers": "named",
      "reach": "internet",
      "exposure": "restricted",
      "exposureReasons": [
        "the deny policy `no-contractors` on `organizations/433637338589` keeps some out"
      ],
      "inherited": "read",
      "invokers": [
        {
          "member": "user:finance@example.com",
          "role": "roles/run.invoker",
          "via": "service",
          "resource": "projects/sandbox-project/locations/us-central1/services/billing",
          "condition": null,
          "conditionNow": null,
          "state": "active",
          "endsAt": null,
          "duplicate": false
        },
        {
          "member": "deleted:user:leaver@example.com?uid=101234567890123456789",
          "role": "roles/run.invoker",
          "via": "service",
          "resource": "projects/sandbox-project/locations/us-central1/services/billing",
          "condition": null,
          "conditionNow": null,
          "state": "deleted",
          "endsAt": null,
          "duplicate": false
        },
        {
          "member": "user:auditor@example.com",
          "role": "roles/run.invoker",
          "via": "service",
          "resource": "projects/sandbox-project/locations/us-central1/services/billing",
          "condition": {
            "title": "reports only",
            "expression": "request.path.startsWith(\"/reports\")"
          },
          "conditionNow": "depends",
          "state": "conditional",
          "endsAt": null,
          "duplicate": false
        },
        {
          "member": "user:contractor@example.com",
          "role": "roles/run.invoker",
          "via": "service",
          "resource": "projects/sandbox-project/locations/us-central1/services/billing",
          "condition": {
            "title": "until spring",
            "expression": "request.time < timestamp(\"2026-03-31T00:00:00Z\")"
          },
          "conditionNow": "fails",
          "state": "expired",
          "endsAt": "2026-03-31T00:00:00Z",
          "duplicate": false
        },
        {
          "member": "user:you@example.com",
          "role": "roles/owner",
          "via": "project",
          "resource": "projects/sandbox-project",
          "condition": null,
          "conditionNow": null,
          "state": "active",
          "endsAt": null,
          "duplicate": false
        },
        {
          "member": "serviceAccount:123456789012-compute@developer.gserviceaccount.com",
          "role": "roles/editor",
          "via": "project",
          "resource": "projects/sandbox-project",
          "condition": null,
          "conditionNow": null,
          "state": "active",
          "endsAt": null,
          "duplicate": false
        },
        {
          "member": "group:sre@example.com",
          "role": "roles/run.invoker",
          "via": "folder",
          "resource": "folders/725218103497",
          "condition": {
            "title": "production only",
            "expression": "resource.matchTag('433637338589/environment', 'production')"
          },
          "conditionNow": "holds",
          "state": "conditional",
          "endsAt": null,
          "duplicate": false
        }
      ],
      "createTime": "2026-01-12T09:00:00Z",
      "updateTime": "2026-01-12T09:00:00Z"
    }
    "#);
}

#[test]
fn describe_prints_the_url_as_gcloud_does() {
    let run = World::new().sandbox(&["describe", "hello", "--format", "value(status.url)"]);
    assert_eq!(run.stdout, "https://hello-k4qx7v2nza-uc.a.run.app\n");
}

#[test]
fn a_service_is_found_in_every_form() {
    let world = World::new();
    for form in [
        "hello",
        "us-central1/hello",
        "projects/sandbox-project/locations/us-central1/services/hello",
        "https://hello-k4qx7v2nza-uc.a.run.app",
        "https://hello-123456789012.us-central1.run.app/some/path",
        "hello-k4qx7v2nza-uc.a.run.app",
    ] {
        let run = world.sandbox(&["url", form]);
        assert_eq!(run.stdout, "https://hello-k4qx7v2nza-uc.a.run.app\n", "{form}: {run}");
    }
    for (form, service) in [
        ("https://canary---orders-k4qx7v2nza-uc.a.run.app", "us-central1/services/orders"),
        ("https://api.example.com", "us-central1/services/api"),
    ] {
        let run = world.sandbox(&["url", form, "-o", "value(service)"]);
        assert_eq!(run.stdout, format!("projects/sandbox-project/locations/{service}\n"));
    }
    // A tag that is not there is no address of the service's.
    let run = world.sandbox(&["url", "https://nosuch---orders-k4qx7v2nza-ew.a.run.app"]);
    assert_snapshot!(run, @"
    --- stderr
    error: no service of project `sandbox-project` has the URL `https://nosuch---orders-k4qx7v2nza-ew.a.run.app`
    caused by: `europe-west1/orders` has no traffic tag `nosuch`
    hint: runaccess --sandbox url europe-west1/orders --all
    --- status 6
    ");
}

#[test]
fn url_prints_tags_and_all() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["url", "us-central1/orders", "--tag", "canary"]), @"
    --- stdout
    https://canary---orders-k4qx7v2nza-uc.a.run.app
    --- status 0
    ");
    assert_snapshot!(world.sandbox(&["url", "us-central1/orders", "--all"]), @"
    --- stdout
    https://orders-k4qx7v2nza-uc.a.run.app
    https://orders-123456789012.us-central1.run.app
    https://canary---orders-k4qx7v2nza-uc.a.run.app
    --- status 0
    ");
    assert_snapshot!(world.sandbox(&["url", "us-central1/orders", "--tag", "canry"]), @"
    --- stderr
    error: `us-central1/orders` has no traffic tag `canry`
    caused by: its tags are `canary`
    hint: runaccess --sandbox url us-central1/orders --tag canary
    --- status 6
    ");
    assert_snapshot!(world.sandbox(&["url", "hello", "--tag", "canary"]), @"
    --- stderr
    error: `us-central1/hello` has no traffic tag `canary`
    caused by: it has no tags
    hint: runaccess --sandbox url us-central1/hello
    --- status 6
    ");
    assert_snapshot!(world.sandbox(&["url", "catalog"]), @"
    --- stderr
    error: `us-central1/catalog` has no URL
    caused by: its default URL is off, so only a load balancer or a domain leads there
    hint: runaccess --sandbox describe us-central1/catalog
    --- status 6
    ");
}

#[test]
fn who_shows_states_and_what_is_not_known() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["who", "billing"]), @r#"
    --- stdout
    MEMBER                                                             ROLE               VIA                       STATE        CONDITION
    user:finance@example.com                                           roles/run.invoker  service                   active
    deleted:user:leaver@example.com?uid=101234567890123456789          roles/run.invoker  service                   deleted
    user:auditor@example.com                                           roles/run.invoker  service                   conditional  request.path.startsWith("/reports")
    user:contractor@example.com                                        roles/run.invoker  service                   expired      request.time < timestamp("2026-03-31T00:00:00Z") (does not hold now)
    user:you@example.com                                               roles/owner        projects/sandbox-project  active
    serviceAccount:123456789012-compute@developer.gserviceaccount.com  roles/editor       projects/sandbox-project  active
    group:sre@example.com                                              roles/run.invoker  folders/725218103497      conditional  resource.matchTag('433637338589/environment', 'production') (holds now)

    DENY POLICY     ON                          KEEPS OUT
    no-contractors  organizations/433637338589  principalSet://goog/group/contractors@example.com, but for principal://goog/subject/vendor@example.com
    --- status 0
    "#);
    assert_snapshot!(world.sandbox(&["who", "status-page"]), @"
    --- stdout
    MEMBER                                                             ROLE               VIA                       STATE        CONDITION
    allUsers                                                           (none needed)      invoker-check-disabled    active
    user:you@example.com                                               roles/owner        projects/sandbox-project  active
    serviceAccount:123456789012-compute@developer.gserviceaccount.com  roles/editor       projects/sandbox-project  active
    group:sre@example.com                                              roles/run.invoker  folders/725218103497      conditional  resource.matchTag('433637338589/environment', 'production') (holds now)
    --- status 0
    ");
    assert_snapshot!(world.sandbox(&["who", "hello"]), @"
    --- stdout
    MEMBER                                                             ROLE               VIA                       STATE        CONDITION
    user:you@example.com                                               roles/owner        projects/sandbox-project  active
    serviceAccount:123456789012-compute@developer.gserviceaccount.com  roles/editor       projects/sandbox-project  active
    group:sre@example.com                                              roles/run.invoker  folders/725218103497      conditional  resource.matchTag('433637338589/environment', 'production') (holds now)

    DENY POLICY     ON                          KEEPS OUT
    no-contractors  organizations/433637338589  principalSet://goog/group/contractors@example.com, but for principal://goog/subject/vendor@example.com
    --- status 0
    ");
    insta::assert_json_snapshot!(world.json(&["who", "reports"]), @r#"
    {
      "sandbox": true,
      "service": "projects/sandbox-project/locations/us-central1/services/reports",
      "kind": "service",
      "exposure": "any-google-account",
      "invokers": [
        {
          "member": "allAuthenticatedUsers",
          "role": "roles/run.invoker",
          "via": "service",
          "resource": "projects/sandbox-project/locations/us-central1/services/reports",
          "condition": null,
          "conditionNow": null,
          "state": "active",
          "endsAt": null,
          "duplicate": false
        },
        {
          "member": "user:ana@example.com",
          "role": "projects/sandbox-project/roles/reportReader",
          "via": "service",
          "resource": "projects/sandbox-project/locations/us-central1/services/reports",
          "condition": null,
          "conditionNow": null,
          "state": "active",
          "endsAt": null,
          "duplicate": false
        },
        {
          "member": "user:ana@example.com",
          "role": "roles/run.developer",
          "via": "service",
          "resource": "projects/sandbox-project/locations/us-central1/services/reports",
          "condition": null,
          "conditionNow": null,
          "state": "active",
          "endsAt": null,
          "duplicate": true
        },
        {
          "member": "user:you@example.com",
          "role": "roles/owner",
          "via": "project",
          "resource": "projects/sandbox-project",
          "condition": null,
          "conditionNow": null,
          "state": "active",
          "endsAt": null,
          "duplicate": false
        },
        {
          "member": "serviceAccount:123456789012-compute@developer.gserviceaccount.com",
          "role": "roles/editor",
          "via": "project",
          "resource": "projects/sandbox-project",
          "condition": null,
          "conditionNow": null,
          "state": "active",
          "endsAt": null,
          "duplicate": false
        },
        {
          "member": "group:sre@example.com",
          "role": "roles/run.invoker",
          "via": "folder",
          "resource": "folders/725218103497",
          "condition": {
            "title": "production only",
            "expression": "resource.matchTag('433637338589/environment', 'production')"
          },
          "conditionNow": "holds",
          "state": "conditional",
          "endsAt": null,
          "duplicate": false
        }
      ],
      "iap": [],
      "deny": [
        {
          "resource": "organizations/433637338589",
          "policy": "no-contractors",
          "principals": [
            "principalSet://goog/group/contractors@example.com"
          ],
          "exceptions": [
            "principal://goog/subject/vendor@example.com"
          ],
          "condition": null
        }
      ],
      "indirect": null,
      "unknown": []
    }
    "#);
}

#[test]
fn policy_is_printed_as_gcloud_prints_it() {
    let world = World::new();
    let run = world.sandbox(&["policy", "hello"]);
    assert_eq!(run.stdout, "etag: ACAB\n");
    let run = world.sandbox(&["policy", "storefront", "-o", "json"]);
    let etag = serde_json::from_str::<serde_json::Value>(&run.stdout).unwrap()["etag"].clone();
    let shown = run.stdout.replace(etag.as_str().unwrap(), "ETAG");
    assert_snapshot!(shown, @r#"
    {
      "bindings": [
        {
          "members": [
            "allUsers"
          ],
          "role": "roles/run.invoker"
        }
      ],
      "etag": "ETAG",
      "version": 1
    }
    "#);
}

#[test]
fn roles_and_exit_codes_are_printed_without_a_request() {
    let mut world = World::new();
    // Nothing of gcloud's is read for them either.
    world.set("CLOUDSDK_CONFIG", "");
    assert_snapshot!(world.run(&["roles"]), @"
    --- stdout
    ROLE                                       INVOKES  CAN GRANT  TITLE                                       ALSO
    roles/aiplatform.serviceAgent              yes                 Vertex AI Service Agent                     delete services, read services, run jobs, 13 permissions of Cloud Run in all
    roles/ces.serviceAgent                     yes                 Customer Engagement Suite Service Agent     run jobs
    roles/cloudfunctions.admin                 yes      yes        Cloud Functions Admin                       deploy, delete services, read services, run jobs, open shells, 69 permissions of Cloud Run in all
    roles/cloudfunctions.developer             yes                 Cloud Functions Developer                   deploy, delete services, read services, run jobs, open shells, 61 permissions of Cloud Run in all
    roles/cloudfunctions.editor                yes                 Cloud Functions Editor                      deploy, delete services, read services, run jobs, open shells, 61 permissions of Cloud Run in all
    roles/cloudfunctions.serviceAgent          yes                 (Deprecated) Cloud Functions Service Agent  deploy, delete services, read services, run jobs, open shells, 61 permissions of Cloud Run in all
    roles/dialogflow.serviceAgent              yes                 Dialogflow Service Agent                    run jobs
    roles/editor                               yes                 Editor                                      deploy, delete services, read services, run jobs, open shells, 61 permissions of Cloud Run in all, and change nearly everything else of the project
    roles/firebase.admin                       yes      yes        Firebase Admin                              deploy, delete services, read services, run jobs, open shells, 69 permissions of Cloud Run in all
    roles/firebase.developAdmin                yes      yes        Firebase Develop Admin                      deploy, delete services, read services, run jobs, open shells, 69 permissions of Cloud Run in all
    roles/firebaseapphosting.serviceAgent      yes                 Firebase App Hosting Service Agent          deploy, delete services, read services, 10 permissions of Cloud Run in all
    roles/firebasedataconnect.serviceAgent     yes                 Firebase Data Connect Service Agent
    roles/firebasemods.serviceAgent                     yes        Firebase Extensions API Service Agent
    roles/iam.dataScientist                    yes                 Data Scientist                              deploy, delete services, read services, run jobs, open shells, 61 permissions of Cloud Run in all
    roles/iam.devOps                           yes                 Dev Ops                                     deploy, delete services, read services, run jobs, open shells, 61 permissions of Cloud Run in all
    roles/iam.mlEngineer                       yes                 ML Engineer                                 deploy, delete services, read services, run jobs, open shells, 61 permissions of Cloud Run in all
    roles/iam.securityAdmin                             yes        Security Admin                              19 permissions of Cloud Run in all
    roles/integrations.serviceAgent            yes                 Application Integration Service Agent       run jobs
    roles/monitoring.notificationServiceAgent  yes                 Monitoring Service Agent
    roles/owner                                yes      yes        Owner                                       deploy, delete services, read services, run jobs, open shells, 69 permissions of Cloud Run in all, and all else of the project, and who may do it
    roles/run.admin                            yes      yes        Cloud Run Admin                             deploy, delete services, read services, run jobs, open shells, 69 permissions of Cloud Run in all
    roles/run.developer                        yes                 Cloud Run Developer                         deploy, delete services, read services, run jobs, open shells, 61 permissions of Cloud Run in all
    roles/run.editor                           yes                 Cloud Run Editor                            deploy, delete services, read services, run jobs, open shells, 61 permissions of Cloud Run in all
    roles/run.invoker                          yes                 Cloud Run Invoker                           run jobs
    roles/run.serviceAgent                     yes                 Cloud Run Service Agent
    roles/run.servicesInvoker                  yes                 Cloud Run Service Invoker
    roles/run.sourceDeveloper                  yes                 Cloud Run Source Developer                  deploy, delete services, read services, run jobs, open shells, 61 permissions of Cloud Run in all
    roles/serverless.serviceAgent              yes                 Cloud Run Service Agent
    roles/spanner.serviceAgent                 yes                 Cloud Spanner API Service Agent             run jobs
    roles/visionai.serviceAgent                yes                 Cloud Vision AI Service Agent               run jobs
    --- stderr
    note: by what all 2,461 predefined roles held on 2026-08-22
    --- status 0
    ");
    assert_snapshot!(world.run(&["help", "exit-codes"]), @"
    --- stdout
       0  done, or nothing to do
       1  failed
       2  usage, or confirmation missing
       3  the answer is no (denied, findings, would change)
       4  not authenticated
       5  refused by Google (permission, organisation policy)
       6  not found
       7  conflict, or not what was expected
       8  partly done, or part could not be read
       9  undetermined
     125  `curl` or the program of `proxy` was not started (else its own code counts)
     130  cancelled
    --- status 0
    ");
    assert_eq!(world.run(&["help", "grant"]).status, 0);
    assert_snapshot!(world.run(&["help", "nosuch"]), @"
    --- stderr
    error: there is no help on `nosuch`
    hint: runaccess help
    hint: runaccess help exit-codes
    --- status 2
    ");
}
